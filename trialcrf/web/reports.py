"""Reports: ordering one, the archive of those that were drawn, and their files."""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible
from trialcrf.actions.records import report
from trialcrf.actions.records.report import OF_CASEBOOKS, folder_of_annexes
from trialcrf.core.wording import N_, Message
from trialcrf.external.logs import told
from trialcrf.external.queue import DRAW_REPORT
from trialcrf.store import reports, sites
from trialcrf.store.reports import Report
from trialcrf.web import fixed_drafts, guard
from trialcrf.web.fixed import NAMES, ReportForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.paging import asked_page, pages

blueprint = Blueprint("reports", __name__)
log = logging.getLogger(__name__)

ON_A_PAGE = 50
LIST = "/studies/<study>/reports"

STATES = {
    reports.ORDERED: N_("being drawn"),
    reports.DRAWN: N_("archived"),
    reports.FAILED: N_("failed"),
    reports.CANCELLED: N_("cancelled"),
}
STEPS = {
    "": N_("waiting"),
    "gathered": N_("gathering the data"),
    "tables": N_("writing the tables"),
    "annex": N_("drawing the annexes"),
    "pages": N_("drawing the pages"),
    "listed": N_("drawing one casebook after the other"),
    "archived": N_("archiving"),
}
DIGITS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Line:
    """A report for reading. `about` is empty where it is about the whole study; `size` is in kilobytes, None where there is no file;
    `said` is why it failed; `progress` is per cent, and `annexes` are (name, lines, SHA-256, URL)."""

    id: int
    kind: Message
    about: Message | None
    as_of: date
    known_at: datetime
    language: str
    state: str
    word: Message
    said: str
    by: str
    ordered_at: datetime
    version: int | None
    checkpoint: str
    sha256: str
    size: Decimal | None
    url: str
    why: str
    dictionary: str
    progress: int
    step: Message
    annexes: tuple[tuple[str, int, str, str], ...]


@page(blueprint, LIST, "report.read")
def listed(study: str) -> str:
    """What was ordered and drawn, the newest first, and the form that orders another one."""
    today = g.now.astimezone(UTC).date()
    asked = {name: request.args.get(name, "") for name in ("kind", "site", "subject", "case_number")}
    day = {"day": f"{today.day:02}", "month": f"{today.month:02}", "year": str(today.year)}
    form = ReportForm(data={**asked, **day, "language": g.language.code})
    return _page(form)


@page(blueprint, LIST, "report.order", methods=["POST"], endpoint="order")
def order(study: str) -> Response | tuple[str, int]:
    """Order a report: a row, then a message. Where the queue is out of reach the row stays, and the sweep of the scheduler finds it."""
    form = ReportForm(request.form)
    try:
        as_of = form.read_day(Message(N_("Say up to which day.")))
        with guard.write() as tx:
            kind, site = form.kind.data or report.SAFETY, form.site.data or ""
            if not _open(kind) or not _offered(kind):
                raise Impossible(Message(N_("Choose one of the reports offered.")), "kind")
            ordered = report.order(
                tx,
                g.place.published,
                form.language.data or "",
                as_of,
                None,
                tx.who.actor,
                kind=kind,
                site=site,
                subject=(form.subject.data or "").strip(),
                case_number=_case_number(form),
                why=form.why.data or "",
            )
    except Impossible as problem:
        problem.field = problem.field or "day"
        return _page(form, problem), 422
    if ordered is not None:
        tell(ordered)
    return redirect(url_for("reports.listed", study=study, done="ordered"), 303)


def _case_number(form: ReportForm) -> int | None:
    """Raises Impossible."""
    text = (form.case_number.data or "").strip()
    if text and not DIGITS.fullmatch(text):
        raise Impossible(Message(N_("There is no case %(number)s."), {"number": text}), "case_number")
    return int(text) if text else None


@page(blueprint, LIST + "/<int(max=2147483647):report>/cancel", "report.order", methods=["POST"], endpoint="cancel")
def cancel(study: str, report: int) -> Response:
    """Nobody wants it any more: the drawing is ended within a second, and nothing is archived. What is drawn already stays."""
    with guard.write() as tx:
        found = reports.find(tx, report)
        if found is None or found.study_oid != study or not _open(found.kind):
            abort(404)
        done = reports.cancelled(tx, report)
    return redirect(url_for("reports.listed", study=study, done="cancelled" if done else None), 303)


def tell(ordered: int) -> None:
    try:
        guard.queue().put(DRAW_REPORT, ordered)
    except Exception:
        # Whatever is wrong with the queue: the order is a row, and what is ordered and not drawn is put into it again.
        log.warning("report %s is ordered, but the queue was not reached", ordered, exc_info=True)


@page(blueprint, LIST + "/<int(max=2147483647):report>.pdf", "report.read")
def download(study: str, report: int) -> Response:
    """The archived file, if it still is what was archived."""
    with guard.read() as tx:
        found = reports.find(tx, report)
    if found is None or found.study_oid != study or found.state != reports.DRAWN or not found.file or not _open(found.kind):
        abort(404)
    assert found.sha256
    return sent_file(path_of(found.file), found.sha256)


@page(blueprint, LIST + "/<int(max=2147483647):report>/<name>", "report.read", endpoint="annex")
def annex(study: str, report: int, name: str) -> Response:
    """An annex of an archived report, if it still is what was archived."""
    with guard.read() as tx:
        found = reports.find(tx, report)
    if found is None or found.study_oid != study or found.state != reports.DRAWN or not found.file or not _open(found.kind):
        abort(404)
    one = next((file for file in found.annexes if file.name == name), None)
    if one is None:
        abort(404)
    return sent_file(annexes_of(found.file) / one.name, one.sha256)


def _open(kind: str) -> bool:
    """Whether this person may have a report of this kind: the arms of a blinded study are not for everybody who reads reports, and
    casebooks have a page of their own."""
    verb = report.KINDS[kind].verb if kind in report.KINDS else ""
    return kind not in OF_CASEBOOKS and (not verb or guard.may_here(verb))


def _offered(kind: str) -> bool:
    """Whether it is ordered here: the letter of a monitoring visit is ordered at the visit."""
    return kind not in report.KINDS or report.KINDS[kind].about is not report.About.MONITORING


def sent(found: Report) -> Response:
    """The file of an archived report, for a page of its own that said who may have it."""
    assert found.file
    assert found.sha256
    return sent_file(path_of(found.file), found.sha256)


def sent_file(path: Path, sha256: str) -> Response:
    """An archived file, if it still is what was archived."""
    try:
        content = path.read_bytes()
    except OSError:
        log.critical("an archived report cannot be read", exc_info=True)
        abort(500, description=Message(N_("The archived file is not there. Nothing was sent; tell the support the number below.")))
    if hashlib.sha256(content).hexdigest() != sha256:
        log.critical("an archived report is not what was archived: its SHA-256 differs", extra=told("report", sha256=sha256))
        said = N_("The archived file is not what was archived: its SHA-256 differs. It was not sent; tell the support the number below.")
        abort(500, description=Message(said))
    response = Response(content, mimetype="application/pdf")
    response.headers.set("Content-Disposition", "attachment", filename=path.name)
    return response


def annexes_of(file: str) -> Path:
    """The folder of what is archived beside a file."""
    return path_of(folder_of_annexes(Path(file).name))


def path_of(file: str) -> Path:
    """Where an archived file is."""
    return Path(current_app.config["DATA"]) / "reports" / Path(file).name


def _page(form: ReportForm, problem: Impossible | None = None) -> str:
    study = g.place.published.study
    with guard.read() as tx:
        closed = OF_CASEBOOKS | {code for code in report.KINDS if not _open(code)}
        total = reports.count(tx, study.oid, closed)
        number = asked_page(total, ON_A_PAGE)
        lines = [_line(one) for one in reports.all_of(tx, study.oid, ON_A_PAGE, (number - 1) * ON_A_PAGE, closed)]
        places = sites.all_of(tx, study.oid)
    kinds = {code: kind for code, kind in report.KINDS.items() if kind.refusal(study) is None and _open(code) and _offered(code)}
    form.kind.choices = {code: g.language.gettext(kind.label) for code, kind in kinds.items()}
    form.site.choices = {"": g.language.gettext(N_("Every site"))} | {one.code: f"{one.code} {one.name}" for one in places}
    form.language.choices = {code: NAMES.get(code, code) for code in study.languages}
    orders = form if kinds and guard.may_here("report.order") else None
    fixed_drafts.beside({url_for("reports.order", study=study.oid): orders})
    return render_template(
        "reports/listed.html",
        shell=shell(),
        crumbs=[Crumb(study.title)],
        form=orders,
        asks={kind.about for kind in kinds.values()},
        counts_safety=study.safety is not None,
        problem=problem,
        lines=lines,
        drawing=any(line.state == reports.ORDERED for line in lines),
        pages=pages(number, total, ON_A_PAGE),
    )


def _line(one: Report) -> Line:
    size = None
    if one.state == reports.DRAWN and one.file:
        try:
            size = Decimal(max(1, round(path_of(one.file).stat().st_size / 1000)))
        except OSError:
            log.critical("the archived report %s is not there", one.id)
    return Line(
        one.id,
        Message(report.KINDS[one.kind].label if one.kind in report.KINDS else one.kind),
        _about(one),
        one.as_of,
        one.known_at,
        NAMES.get(one.language, one.language),
        one.state,
        Message(STATES[one.state]),
        g.language.gettext(one.said),
        one.ordered_by,
        one.ordered_at,
        one.definition_version,
        one.checkpoint or "",
        one.sha256 or "",
        size,
        url_for("reports.download", study=one.study_oid, report=one.id) if size is not None else "",
        one.why,
        one.dictionary,
        one.progress,
        Message(STEPS.get(one.step, one.step)),
        tuple(
            (file.name, file.rows, file.sha256, url_for("reports.annex", study=one.study_oid, report=one.id, name=file.name))
            for file in one.annexes
        ),
    )


def _about(one: Report) -> Message | None:
    if one.site:
        return Message(N_("Site %(site)s"), {"site": one.site})
    if one.subject:
        return Message(N_("Subject %(subject)s"), {"subject": one.subject})
    if one.case_number is not None:
        return Message(N_("Case %(number)s"), {"number": str(one.case_number)})
    return None
