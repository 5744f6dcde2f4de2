"""The audit trail: of a study, a site, a subject or a person, by what one looks for; as CSV; and all of it as files that verify offline."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from tempfile import TemporaryFile
from typing import Any

from flask import Blueprint, abort, g, render_template, request, send_file, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from trialcrf.actions.records import export_trail
from trialcrf.core.access import may
from trialcrf.core.definition.model import Study
from trialcrf.core.packs.casebook_told import WORDS
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.external.tables import harmless
from trialcrf.store import accounts, audit, sites, subjects, trails
from trialcrf.store.audit import Past
from trialcrf.store.sites import Site
from trialcrf.store.trails import Position, Sought
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.frame import shell
from trialcrf.web.guard import page as route
from trialcrf.web.oversight.trail_lines import KINDS, MORE_WORDS, Reader, TrailLine
from trialcrf.web.page import Crumb

blueprint = Blueprint("trail", __name__)

RULE = "/studies/<study>/trail"
ON_A_PAGE = 50
MOST_IN_CSV = 10_000
MOST_IN_ZIP = 500_000
"""Records that the web process packs while somebody waits; a larger trail is exported by `trialcrf audit export`."""

OPS: Mapping[str, str] = {
    "set": N_("Value entered, changed or cleared"),
    **{op: text for (_, op), text in reversed({**WORDS, **MORE_WORDS}.items()) if op not in ("create", "error", "refused", "comment")},
    "create": N_("Made or begun"),
    "error": N_("Marked entered in error"),
    "refused": N_("Refused"),
    "comment": N_("Comment"),
}
"""What can have happened, by the op of the record, as one chooses it."""

FILTERS = ("subject", "site", "person", "kind", "op", "form", "since", "until", "why")

HEADING = (
    "chain", "seq", "at_utc", "at_site", "actor", "role", "organisation", "address", "op", "entity", "entity_id", "subject", "place",
    "what", "about", "old", "new", "reason", "prompted_by",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """What is looked for: the filters as they were typed, what they come to, and why one of them cannot be understood."""

    typed: Mapping[str, str]
    sought: Sought
    form: str
    problem: Message | None = None


@route(blueprint, RULE, "audit.read")
def shown(study: str) -> str:
    """The trail of the study and of every site where the person may read it, newest first."""
    return _page(request.args, {})


@route(blueprint, "/studies/<study>/sites/<site>/trail", "audit.read")
def of_site(study: str, site: str) -> str:
    return _page(request.args, {"site": site})


@route(blueprint, "/studies/<study>/subjects/<subject>/trail", "audit.read")
def of_subject(study: str, subject: str) -> str:
    return _page(request.args, {"subject": subject, "site": g.place.site.code})


@route(blueprint, "/studies/<study>/people/<person>/trail", "audit.read")
def of_person(study: str, person: str) -> str:
    """What one person recorded, at the sites where the reader may know of it."""
    return _page(request.args, {"person": person})


@route(blueprint, RULE + "/view.csv", "audit.read", methods=["POST"], fresh=True)
def download(study: str) -> Response:
    """The records of a view as CSV. Who took them along, and when, is in the trail before the first byte is sent."""
    buffer = io.StringIO(newline="")
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(HEADING)
    with guard.read() as tx:
        places = _places(tx, study)
        view = _view(tx, request.form, places)
        if view.problem is not None:
            abort(400, description=view.problem)
        reader, where, count = Reader(tx, g.place.published.study, _by_chain(places)), None, 0
        while True:
            found = trails.page(tx, view.sought, where, ON_A_PAGE * 10, lambda pasts: reader.readable(pasts, view.form))
            table.writerows([harmless(cell) for cell in _cells(past, reader.line(past))] for past in found.lines)
            count, where = count + len(found.lines), found.rest
            if where is None or count >= MOST_IN_CSV:
                break
    with guard.write() as tx:
        accounts.note(tx, g.session.actor.id, "export", f"export {study} trail, {count} records")
    response = Response(buffer.getvalue(), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=f"{study}-trail-{g.now:%Y%m%d-%H%M%S}Z.csv")
    return response


@route(blueprint, RULE + "/export.zip", "audit.export", methods=["POST"], fresh=True)
def export(study: str) -> Response | tuple[str, int]:
    """The whole trail with the script that verifies it."""
    with guard.read() as tx:
        if _size(tx, study) > MOST_IN_ZIP:
            return _page(request.form, {}, _too_large()), 409
        file = TemporaryFile()  # noqa: SIM115 (it is closed when the answer was sent)
        exported = export_trail.export_zip(tx, study, file, g.now)
    with guard.write() as tx:
        accounts.note(tx, g.session.actor.id, "export", f"export {study} whole trail {exported.checkpoint}")
    file.seek(0)
    name = f"{study}-trail-{g.now:%Y%m%d-%H%M%S}Z.zip"
    answer = send_file(file, mimetype="application/zip", as_attachment=True, download_name=name)
    answer.call_on_close(file.close)
    return answer


def _page(asked: MultiDict[str, str], fixed: Mapping[str, str], trouble: Message | None = None) -> str:
    study: Study = g.place.published.study
    with guard.read() as tx:
        places = _places(tx, study.oid)
        view = _view(tx, MultiDict({**asked.to_dict(), **fixed}), places)
        reader = Reader(tx, study, _by_chain(places))
        found = None
        if view.problem is None:
            after = _position(asked.get("after", ""), view.sought.chains)
            found = trails.page(tx, view.sought, after, ON_A_PAGE, lambda pasts: reader.readable(pasts, view.form))
        lines = [reader.line(past) for past in found.lines] if found else []
        forms = [form for form in study.forms if any(guard_may(f"{form.access}.read", code) for code in places)]
        size = _size(tx, study.oid) if may(g.session.actor, "audit.export", study.oid) else None
    return render_template(
        "oversight/trail.html",
        shell=shell(),
        crumbs=_crumbs(study, fixed),
        heading=_heading(fixed),
        fixed=fixed,
        view=view,
        problem=view.problem or trouble,
        places=list(places.values()),
        forms=forms,
        kinds=[(name, Message(label)) for name, (label, _) in KINDS.items()],
        ops=[(op, Message(label)) for op, label in OPS.items()],
        lines=lines,
        further=_further(found.rest, fixed) if found and found.rest else "",
        newest=_address(fixed) if asked.get("after") else "",
        searched=found is not None and found.rest is not None and len(lines) < ON_A_PAGE,
        filters={name: text for name, text in view.typed.items() if text},
        exports=size is not None,
        too_large=size is not None and size > MOST_IN_ZIP,
        most=MOST_IN_CSV,
        access_log=url_for("access_log.shown", study=study.oid) if may(g.session.actor, "access.read", study.oid) else "",
    )


def guard_may(verb: str, code: str) -> bool:
    return may(g.session.actor, verb, g.place.published.study.oid, code)


def _heading(fixed: Mapping[str, str]) -> Sayable:
    if "subject" in fixed:
        return Message(N_("The audit trail of %(subject)s"), {"subject": fixed["subject"]})
    if "person" in fixed:
        return Message(N_("The audit trail of what %(person)s recorded"), {"person": fixed["person"]})
    return Message(N_("The audit trail of site %(site)s"), {"site": fixed["site"]}) if "site" in fixed else Message(N_("The audit trail"))


def _crumbs(study: Study, fixed: Mapping[str, str]) -> list[Crumb]:
    if "subject" in fixed:
        which = g.place.subject
        return [casebook_crumb(study, which.subject_type), Crumb(which.key, subject_url(study, which))]
    whole = Crumb(Message(N_("The audit trail")), url_for("trail.shown", study=study.oid))
    return [Crumb(study.title), whole] if fixed else [Crumb(study.title)]


def _places(tx: Transaction, study: str) -> dict[str, Site]:
    """The sites whose trail the person may read, by code."""
    mine = guard.my_sites("audit.read")
    return {one.code: one for one in sites.all_of(tx, study) if mine is None or one.code in mine}


def _by_chain(places: Mapping[str, Site]) -> dict[str, Site]:
    return {one.chain: one for one in places.values()}


def _size(tx: Transaction, study: str) -> int:
    return sum(size for chain, size, _ in audit.chains(tx.connection) if chain == study or chain.startswith(f"{study}/"))


def _view(tx: Transaction, asked: MultiDict[str, str], places: Mapping[str, Site]) -> View:
    """What the address or form asks for. 404 where it names a site or subject that is not the reader's."""
    study = g.place.published.study.oid
    typed = {name: asked.get(name, "").strip()[:200].replace("\x00", "") for name in FILTERS}
    chains = [study, *(one.chain for one in places.values())]
    if typed["site"]:
        if typed["site"] not in places:
            abort(404)
        chains = [places[typed["site"]].chain]
    if typed["subject"]:
        which = subjects.find(tx, study, typed["subject"])
        if which is None or which.site.code not in places or not guard.may_know(which):
            abort(404)
        chains = [which.site.chain]
    # An unknown word of the address chooses nothing, as an unknown option of a list would.
    kind = KINDS.get(typed["kind"])
    op = typed["op"] if typed["op"] in OPS else ""
    zone = places[typed["site"]].zone if typed["site"] else next(iter(places.values())).zone if len(places) == 1 else None
    problem, days = None, dict[str, datetime]()
    for name in ("since", "until"):
        day = _day(typed[name])
        if typed[name] and day is None:
            problem = Message(N_("“%(text)s” is no day: write it as 31/12/2026 or 2026-12-31."), {"text": typed[name]})
        elif day is not None:
            begins = datetime.combine(day + timedelta(days=name == "until"), time(), zone or g.now.tzinfo)
            days[name] = begins
    sought = Sought(
        tuple(chains), typed["subject"], typed["person"], days.get("since"), days.get("until"), frozenset({op} if op else ()),
        frozenset(kind[1] if kind else ()), typed["why"],
    )  # fmt: skip
    return View(typed, sought, typed["form"], problem)


def _day(text: str) -> date | None:
    parts = text.replace("-", "/").replace(".", "/").split("/")
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) < 5 for part in parts):
        return None
    year, month, day = parts if len(parts[0]) == 4 else reversed(parts)
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _position(text: str, chains: Sequence[str]) -> Position | None:
    """Where the address says that the page before ended; none where it says nothing that can be understood."""
    at, _, rest = text.partition("~")
    chain, _, seq = rest.rpartition("~")
    if chain not in chains or not (seq.isascii() and seq.isdecimal() and len(seq) < 10) or len(at) != 27:
        return None
    return Position(at, chain, int(seq))


def _address(fixed: Mapping[str, str], **more: str) -> str:
    kept = {name: request.args[name] for name in FILTERS if request.args.get(name) and name not in fixed}
    values: dict[str, Any] = {**(request.view_args or {}), **kept, **more}
    return url_for(request.endpoint if request.method in guard.SAFE else "trail.shown", **values)  # type: ignore[arg-type]


def _further(rest: Position, fixed: Mapping[str, str]) -> str:
    return _address(fixed, after=f"{rest.at}~{rest.chain}~{rest.seq}")


def _too_large() -> Message:
    return Message(
        N_("This audit trail has more than %(count)s records: the command trialcrf audit export writes it."), {"count": MOST_IN_ZIP}
    )


def _cells(past: Past, line: TrailLine) -> list[str]:
    say = g.language.say

    def text(one: Sayable | str) -> str:
        return one if isinstance(one, str) else str(say(one))

    gone = "" if not past.erased else text(line.now[0])
    return [
        past.chain, str(past.seq), past.at.isoformat(), f"{line.moment} {line.offset}", past.actor, past.role, past.organisation,
        past.address, past.op, past.entity, past.entity_id, past.subject, past.place, text(line.what), ", ".join(map(text, line.about)),
        past.old or "", gone or past.new or "", past.reason, past.prompted_by,
    ]  # fmt: skip
