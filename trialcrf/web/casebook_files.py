"""Casebooks as files: a site orders and takes its own at any time, hashed and signed, with the forms that whoever asks may read."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible
from trialcrf.actions.records import report
from trialcrf.core.access import may
from trialcrf.core.definition.model import ACCESS
from trialcrf.core.sight import eyes_of
from trialcrf.core.wording import N_, Message
from trialcrf.external import seal
from trialcrf.store import casebooks, reports, sites, subjects
from trialcrf.store.reports import Report, Seen
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.fixed import NAMES, BlankForm, CasebookForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.paging import asked_page, pages
from trialcrf.web.reports import STATES, STEPS, annexes_of, path_of, sent_file, tell

blueprint = Blueprint("casebook_files", __name__)
log = logging.getLogger(__name__)

ON_A_PAGE = 50
LIST = "/studies/<study>/casebooks"
ONE = LIST + "/<int(max=2147483647):number>"
OWN_COPY, CONTINGENCY = N_("Copy of the site’s own records"), N_("For when the program cannot be reached")
VERBS = {report.CASEBOOK: "casebook.print", report.CASEBOOKS: "casebook.export", report.CRF: "casebook.print"}


@dataclass(frozen=True, slots=True)
class File:
    """A file of an order: its name, its SHA-256, how many records it tells, where it and its signature are taken."""

    name: str
    sha256: str
    records: int
    url: str
    signature_url: str


@dataclass(frozen=True, slots=True)
class Line:
    """An order for reading. `size` is in kilobytes, None where there is no file; `whole_url` takes all its files at once."""

    id: int
    kind: Message
    about: str
    known_at: datetime
    language: str
    state: str
    word: Message
    step: Message
    progress: int
    said: str
    by: str
    ordered_at: datetime
    version: int | None
    checkpoint: str
    size: Decimal | None
    file: File | None
    listed: tuple[File, ...]
    whole_url: str
    cancel_url: str


@page(blueprint, LIST, "casebook.print")
def listed(study: str) -> str:
    return _page(CasebookForm(data={"subject": request.args.get("subject", ""), "language": g.language.code}))


@page(blueprint, LIST, "casebook.print", methods=["POST"], endpoint="order")
def order(study: str) -> Response | tuple[str, int]:
    """Order the casebook of one subject, or (`site`) those of a whole site: a row, then a message to the queue."""
    form = CasebookForm(request.form)
    subject, site = (form.subject.data or "").strip(), form.site.data or ""
    try:
        with guard.write() as tx:
            kind = report.CASEBOOKS if site else report.CASEBOOK
            if site and subject:
                raise Impossible(Message(N_("Choose either one subject or a whole site.")), "subject")
            where = site or _site_of(tx, study, subject)
            if not may(g.session.actor, VERBS[kind], study, where):
                raise Impossible(Message(N_("Choose one of the sites offered.")), "site")
            ordered = report.order(
                tx, g.place.published, form.language.data or "", g.now.astimezone(UTC).date(), None, tx.who.actor,
                kind=kind, site=site, subject=subject, why=g.language.gettext(OWN_COPY), eyes=_eyes(study, where),
            )  # fmt: skip
    except Impossible as problem:
        problem.field = problem.field or "subject"
        return _page(form, problem), 422
    if ordered is not None:
        tell(ordered)
    return redirect(url_for("casebook_files.listed", study=study, done="ordered"), 303)


@page(blueprint, LIST + "/blank", "casebook.print", methods=["POST"], endpoint="blank")
def blank(study: str) -> Response | tuple[str, int]:
    """Order the blank form on paper, of any version that was published, for when the program cannot be reached."""
    form = BlankForm(request.form)
    try:
        with guard.write() as tx:
            at = next((moment for version, moment in casebooks.editions(tx, study) if str(version) == form.version.data), None)
            if at is None:
                raise Impossible(Message(N_("Choose one of the versions offered.")), "version")
            ordered = report.order(
                tx, g.place.published, form.blank_language.data or "", at.date(), at, tx.who.actor,
                kind=report.CRF, why=g.language.gettext(CONTINGENCY),
            )  # fmt: skip
    except Impossible as problem:
        return _page(CasebookForm(data={"language": g.language.code}), problem, form), 422
    if ordered is not None:
        tell(ordered)
    return redirect(url_for("casebook_files.listed", study=study, done="ordered"), 303)


@page(blueprint, ONE + "/cancel", "casebook.print", methods=["POST"], endpoint="cancel")
def cancel(study: str, number: int) -> Response:
    """Whoever ordered it does not want it any more."""
    found = _found(study, number)
    if found.ordered_by != g.session.actor.username:
        abort(404)
    with guard.write() as tx:
        done = reports.cancelled(tx, number)
    return redirect(url_for("casebook_files.listed", study=study, done="cancelled" if done else None), 303)


@page(blueprint, ONE + ".pdf", "casebook.print", endpoint="download")
def download(study: str, number: int) -> Response:
    """The archived file, if it still is what was archived."""
    found = _drawn(study, number)
    return sent_file(path_of(found.file or ""), found.sha256 or "")


@page(blueprint, ONE + ".sig.json", "casebook.print", endpoint="signature")
def signature(study: str, number: int) -> Response:
    found = _drawn(study, number)
    return _signature(path_of(found.file or ""))


@page(blueprint, ONE + "/<name>", "casebook.print", endpoint="part", fresh=True)
def part(study: str, number: int, name: str) -> Response:
    """One casebook of a site, an annex, or the signature of one, if it still is what was archived."""
    found = _drawn(study, number)
    one = next((file for file in found.annexes if name in (file.name, file.name + seal.ENDING)), None)
    if one is None:
        abort(404)
    path = annexes_of(found.file or "") / one.name
    return sent_file(path, one.sha256) if name == one.name else _signature(path)


@page(blueprint, ONE + ".zip", "casebook.print", endpoint="whole", fresh=True)
def whole(study: str, number: int) -> Response:
    """Every file of an order with its signature, as they are, in one file; memory holds one of them at a time."""
    found = _drawn(study, number)
    paths = [path_of(found.file or ""), *(annexes_of(found.file or "") / file.name for file in found.annexes)]
    spool = TemporaryFile()  # noqa: SIM115 (closed when the last byte is sent)
    with zipfile.ZipFile(spool, "w", zipfile.ZIP_STORED) as bundle:
        for path in paths:
            for each in (path, path.with_name(path.name + seal.ENDING)):
                if each.is_file():
                    bundle.write(each, each.name)
    spool.seek(0)
    response = send_file(spool, "application/zip", as_attachment=True, download_name=Path(found.file or "").stem + ".zip")
    response.call_on_close(spool.close)
    return response


def _signature(path: Path) -> Response:
    beside = path.with_name(path.name + seal.ENDING)
    if not beside.is_file():
        abort(404)
    response = Response(beside.read_bytes(), mimetype="application/json")
    response.headers.set("Content-Disposition", "attachment", filename=beside.name)
    return response


def _eyes(study: str, site: str) -> tuple[str, ...]:
    """The kinds of forms that the person may read at a site."""
    return tuple(sorted(eyes_of(g.session.actor, study, site)))


def _site_of(tx: Transaction, study: str, subject: str) -> str:
    """The site of a subject that the person may know of. Raises Impossible for any other: that it exists is not told."""
    found = subjects.find(tx, study, subject)
    if found is None or not guard.may_know(found) or not may(g.session.actor, "casebook.print", study, found.site.code):
        raise Impossible(Message(N_("There is no subject %(subject)s."), {"subject": subject}), "subject")
    return found.site.code


def _mine(tx: Transaction, study: str) -> list[Seen]:
    """Where and with which forms the casebooks are that the person may read: whatever was ordered for more eyes is not theirs."""
    mine = guard.my_sites("casebook.print")
    found: list[Seen] = []
    for site, eyes in reports.seen_by(tx, study, report.OF_CASEBOOKS):
        if not site:
            found.append((site, eyes))  # The blank form is about nobody.
        elif (mine is None or site in mine) and set(eyes.split() or ACCESS) <= set(_eyes(study, site)):
            found.append((site, eyes))
    return found


def _found(study: str, number: int) -> Report:
    with guard.read() as tx:
        found = reports.find(tx, number)
        if found is None or found.study_oid != study or found.kind not in report.OF_CASEBOOKS:
            abort(404)
        about = subjects.find(tx, study, found.subject) if found.subject else None
        where = about.site.code if about else found.site
        seen = (where, found.eyes) in _mine(tx, study) and may(g.session.actor, VERBS[found.kind], study, where or None)
        if not seen or (about is not None and not guard.may_know(about)):
            abort(404)
    return found


def _drawn(study: str, number: int) -> Report:
    found = _found(study, number)
    if found.state != reports.DRAWN or not found.file:
        abort(404)
    return found


def _page(form: CasebookForm, problem: Impossible | None = None, blank: BlankForm | None = None) -> str:
    study = g.place.published.study
    mine = guard.my_sites("casebook.export") if guard.may_here("casebook.export") else frozenset()
    with guard.read() as tx:
        places, kinds = _mine(tx, study.oid), [kind for kind, verb in VERBS.items() if guard.may_here(verb)]
        total = reports.count_at(tx, study.oid, kinds, places)
        number = asked_page(total, ON_A_PAGE)
        lines = [_line(one) for one in reports.of_places(tx, study.oid, kinds, places, ON_A_PAGE, (number - 1) * ON_A_PAGE)]
        versions = casebooks.editions(tx, study.oid)
        offered = [one for one in sites.all_of(tx, study.oid) if mine is None or one.code in mine]
    form.site.choices = {"": g.language.gettext(N_("One subject only"))} | {
        one.code: g.language.gettext(N_("All of site %(site)s")) % {"site": f"{one.code} {one.name}"} for one in offered
    }
    form.language.choices = {code: NAMES.get(code, code) for code in study.languages}
    sheet = blank or BlankForm(data={"blank_language": g.language.code})
    sheet.version.choices = {str(version): f"v{version}, {g.language.day(at.date())}" for version, at in versions}
    sheet.blank_language.choices = form.language.choices
    return render_template(
        "casebooks/files.html",
        shell=shell(),
        crumbs=[Crumb(study.title)],
        form=form,
        blank=sheet,
        blank_problem=problem if blank else None,
        whole=bool(offered),
        problem=None if blank else problem,
        lines=lines,
        drawing=any(line.state == reports.ORDERED for line in lines),
        key=seal.public_key(Path(current_app.config["DATA"]) / seal.KEY_FILE) if any(line.file for line in lines) else None,
        pages=pages(number, total, ON_A_PAGE),
    )


def _line(one: Report) -> Line:
    file, size = None, None
    at: dict[str, Any] = {"study": one.study_oid, "number": one.id}
    if one.state == reports.DRAWN and one.file:
        path = path_of(one.file)
        try:
            size = Decimal(max(1, round(path.stat().st_size / 1000)))
        except OSError:
            log.critical("the archived casebook %s is not there", one.id)  # Its name says whose it is.
        else:
            signature_url = url_for("casebook_files.signature", **at)
            file = File(path.name, one.sha256 or "", 0, url_for("casebook_files.download", **at), signature_url)
    return Line(
        one.id,
        Message(report.KINDS[one.kind].label),
        one.subject or one.site or _version(one),
        one.known_at,
        NAMES.get(one.language, one.language),
        one.state,
        Message(STATES[one.state]),
        Message(STEPS.get(one.step, one.step)),
        one.progress,
        g.language.gettext(one.said),
        one.ordered_by,
        one.ordered_at,
        one.definition_version,
        one.checkpoint or "",
        size,
        file,
        tuple(_listed(one)) if file else (),
        url_for("casebook_files.whole", **at) if file else "",
        url_for("casebook_files.cancel", **at) if one.state == reports.ORDERED and one.ordered_by == g.session.actor.username else "",
    )


def _version(one: Report) -> str:
    return f"v{one.definition_version}" if one.definition_version else ""


def _listed(one: Report) -> Iterator[File]:
    for file in one.annexes:
        url = url_for("casebook_files.part", study=one.study_oid, number=one.id, name=file.name)
        beside = annexes_of(one.file or "") / (file.name + seal.ENDING)
        yield File(file.name, file.sha256, file.rows, url, url + seal.ENDING if beside.is_file() else "")
