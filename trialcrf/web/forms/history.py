"""History: of a field, beside the form; of a whole form; and the threads in which values, comments and queries stand together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from flask import Blueprint, abort, g, render_template, url_for

from trialcrf.actions import Impossible, drafting, enter, take_results
from trialcrf.actions.copying import ORIGIN
from trialcrf.actions.oversight import late_entry
from trialcrf.core.access import ROLES
from trialcrf.core.boxes import raw_of
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.core.enclosure import ENTITY as ENCLOSURE
from trialcrf.core.enclosure import parsed
from trialcrf.core.oversight.personal import WITHHELD
from trialcrf.core.values import MISSING_WORDS
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import audit, comments, queries
from trialcrf.store.queries import Query
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb, Past
from trialcrf.web.paging import asked_page, pages
from trialcrf.web.queries.lines import place_label

blueprint = Blueprint("history", __name__)

_OPS = {
    "create": N_("Begun"),
    "set": N_("Changed"),
    "error": N_("Marked entered in error"),
    "row_error": N_("Row marked entered in error"),
    "review": N_("Queries worked on"),
    "refused": N_("Stopped by check %(check)s, typed:"),
    "open": N_("Query opened by a check of the study"),
    "answer": N_("Query answered"),
    "accept": N_("Answer accepted"),
    "reject": N_("Answer not accepted"),
    "resolve": N_("Query closed: the value is now right"),
    "cancel": N_("Query cancelled"),
    "reopen": N_("Query opened again"),
    "modify": N_("Changed after the query was closed"),
    "comment": N_("Comment"),
    "late_entry": N_("Entered late, from paper of"),
    "entry_time": N_("First typed"),
    "file_entry": N_("Taken from a file"),
    "attach": N_("Document attached"),
    "withdraw": N_("Document withdrawn"),
}
_MOVES = frozenset({"open", "answer", "accept", "reject", "resolve", "cancel", "reopen", "modify", "assign", "due"})
ON_A_PAGE = 100


@dataclass(frozen=True, slots=True)
class Told:
    """A record about a form or visit, with the place that it is about and the query that it belongs to.

    `also` are those that were written with it: who is to answer a query, and until when.
    """

    past: audit.Past
    place: Place | None
    query: Query | None = None
    also: tuple[audit.Past, ...] = ()


RULE = "/studies/<study>/subjects/<subject>/<event>/<int:repeat>/<form>/<int:n>/history"


@page(blueprint, RULE, "casebook.open")
def form(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> str:
    """Everything that happened to a form, newest first: for whoever may read the form."""
    key = FormKey(event, form, repeat, n)
    which: Subject = g.place.subject
    with guard.read() as tx:
        try:
            opened = enter.open_form(tx, g.place.published, which, key, g.now)
        except Impossible:
            abort(404)
        if opened.stored is None or not guard.may_here(f"{opened.form.access}.read"):
            abort(404)
        definition = opened.published.study
        told = gather(tx, which, opened.stored.id, None)
        number = asked_page(len(told), ON_A_PAGE)
        shown = list(reversed(told))[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]
        lines = [_line(definition, opened.form, one, True) for one in shown]
    address: dict[str, Any] = {"study": study, "subject": subject, "event": event, "repeat": repeat, "form": form, "n": n}
    return render_template(
        "form/history.html",
        shell=shell(),
        crumbs=[
            casebook_crumb(definition, which.subject_type),
            Crumb(which.key, subject_url(definition, which)),
            Crumb(opened.form.label, url_for("entry.form", **address)),
        ],
        label=opened.form.label,
        lines=lines,
        pages=pages(number, len(told), ON_A_PAGE),
    )


def lines_of(tx: Transaction, study: Study, form_def: FormDef, which: Subject, form_id: int, at: Place | None) -> tuple[Past, ...]:
    """The history of one place of a form (`at` None: of all of it) for reading, newest first: values, refusals, queries and comments."""
    return tuple(_line(study, form_def, one, at is None) for one in reversed(gather(tx, which, form_id, at)))


def thread_of(tx: Transaction, study: Study, form_def: FormDef, which: Subject, form_id: int, at: Place) -> tuple[Past, ...]:
    """What was said and done at a place of a form, oldest first. Of the whole form, everything that was said at any place of it."""
    if at.item or at.row:
        return tuple(_line(study, form_def, one, not at.item) for one in gather(tx, which, form_id, at))
    said = (one for one in gather(tx, which, form_id, None) if one.query is not None or one.past.entity == comments.ENTITY)
    return tuple(_line(study, form_def, one, True) for one in said)


def thread_of_visit(tx: Transaction, study: Study, which: Subject, key: FormKey) -> tuple[Past, ...]:
    """What was said about a visit as a whole, oldest first."""
    found = [Told(past, None) for past in comments.of_visit(tx, which.id, key)]
    found += _of_queries(tx, queries.of_visit(tx, which.id, key.event_oid, key.event_repeat))
    return tuple(_line(study, None, one, False) for one in _in_order(found))


def of_query(tx: Transaction, study: Study, form_def: FormDef | None, which: Subject, query: Query) -> tuple[Past, ...]:
    """The thread in which a query stands: everything at its place, and every change that it led to elsewhere."""
    if query.form_id is None or form_def is None:
        return thread_of_visit(tx, study, which, query.form_key)
    found = gather(tx, which, query.form_id, query.place)
    known = {(one.past.chain, one.past.seq) for one in found}
    for past in audit.history(tx.connection, "form", str(query.form_id)) if not query.place.item else ():
        if past.prompted_by == f"query/{query.id}" and (past.chain, past.seq) not in known:
            found.append(Told(past, Place.parse(past.place)))
    lines = [_line(study, form_def, one, not query.place.item) for one in _in_order(found)]
    own = Message(N_("Query %(number)s"), {"number": str(query.id)})
    return tuple(replace(one, link="", link_url="") if one.link == own else one for one in lines)


def gather(tx: Transaction, which: Subject, form_id: int, at: Place | None) -> list[Told]:
    """Every record of a form at a place (None: at all of them; a row: at all of its items), oldest first.

    Of the whole form (a place of nothing) it is what was said about it, when it was begun, and whether it was in error.
    """
    found = [Told(past, place) for past, place in _values(tx, form_id, at)]
    key = _key_of_form(tx, form_id)
    for past in audit.history(tx.connection, "refusal", str(which.id)) if at is None or at.item else ():
        place = Place.parse(past.place)
        if json.loads(past.new or "{}").get("form") == key and (at is None or (place.item, place.group) == (at.item, at.group)):
            found.append(Told(past, place))
    talks = guard.may_here("query.read")  # Who makes cells enters forms and reads no threads: of the queries, those of checks.
    for past in comments.of_form(tx, form_id) if talks else ():
        if _belongs(at, Place.parse(past.place)):
            found.append(Told(past, Place.parse(past.place)))
    asked = [one for one in queries.of_form(tx, form_id) if talks or not one.by_person]
    found += _of_queries(tx, [one for one in asked if _belongs(at, one.place)])
    for past in audit.history(tx.connection, ENCLOSURE, str(form_id)):
        place = parsed(past.place)[0]
        if _belongs(at, place):
            found.append(Told(past, place))
    if at is None or not (at.item or at.row):
        for entity in (late_entry.ENTITY, drafting.ENTRY_TIME, take_results.ENTITY):
            found += [Told(past, None) for past in audit.history(tx.connection, entity, str(form_id))]
    return _in_order(found)


def _values(tx: Transaction, form_id: int, at: Place | None) -> Iterator[tuple[audit.Past, Place | None]]:
    """Its own records; of one item they are asked for alone, because a form may have a thousand."""
    if at is not None and at.item:
        for past in audit.history(tx.connection, "form", str(form_id), str(at)):
            yield past, at
        for past in audit.history(tx.connection, "form", str(form_id), f"{at.group}/{at.row}/") if at.row else ():
            yield past, None
        return
    for past in audit.history(tx.connection, "form", str(form_id)):
        place = Place.parse(past.place) if past.op == "set" else None
        whole = at is not None and not at.row and past.op in ("create", "error")
        if at is None or whole or (at.row and past.place.startswith(f"{at.group}/{at.row}/")):
            yield past, place


def _belongs(at: Place | None, place: Place) -> bool:
    if at is None:
        return True
    return place == at if at.item or not at.row else (place.group, place.row) == (at.group, at.row)


def _of_queries(tx: Transaction, held: Sequence[Query]) -> list[Told]:
    by_id = {str(one.id): one for one in held}
    ids = list(by_id)
    found: list[Told] = []
    for start in range(0, len(ids), 500):
        for past in audit.of_things(tx.connection, "query", ids[start : start + 500]):
            query = by_id[past.entity_id]
            with_it = found and found[-1].query is query and found[-1].past.op == "open" and found[-1].past.at == past.at
            if past.op in ("assign", "due") and with_it:
                found[-1] = replace(found[-1], also=(*found[-1].also, past))
            elif past.op in _MOVES:
                found.append(Told(past, query.place if query.form_id is not None else None, query))
    return found


def _in_order(found: list[Told]) -> list[Told]:
    return sorted(found, key=lambda one: (one.past.at, one.past.seq))


def _key_of_form(tx: Transaction, form_id: int) -> list[object]:
    for past in audit.history(tx.connection, "form", str(form_id), ""):
        said = json.loads(past.new or "{}")
        return [said["event"], said["event_repeat"], said["form"], said["form_repeat"]]
    return []


def _line(study: Study, form_def: FormDef | None, told: Told, with_label: bool) -> Past:
    past, place = told.past, told.place
    what = _what(told)
    if with_label and form_def is not None and place is not None and (place.item in form_def.items or not place.item):
        what = Message(N_("%(field)s: %(what)s"), {"field": place_label(form_def, place), "what": what})
    now: tuple[Sayable | str, ...] = ()
    was: tuple[Sayable | str, ...] = ()
    said: Sayable | str = ""
    if past.op == "set" and form_def is not None:
        now = value_for_reading(form_def, place, past.new)
        was = value_for_reading(form_def, place, past.old) if past.old is not None else ()
    elif past.op == "refused" and past.prompted_by != "lock":
        refused = json.loads(past.new or "{}")
        now = (Message(WITHHELD) if refused.get("withheld") else refused.get("typed", ""),)
    elif past.op == late_entry.ENTITY:
        now = (Message("%(day)s", {"day": date.fromisoformat(json.loads(past.new or "{}")["paper_on"])}),)
    elif past.op == drafting.ENTRY_TIME:
        now = (Message("%(at)s", {"at": datetime.fromisoformat(json.loads(past.new or "{}")["begun_at"]).astimezone(g.place.site.zone)}),)
    elif past.op in (take_results.ENTITY, "attach"):
        now = (json.loads(past.new or "{}")["text"],)
    elif past.op == "withdraw":
        was = (json.loads(past.old or "{}").get("name", ""),)
    elif past.op == "comment":
        said = past.new if past.new is not None else Message(N_("Taken out: it told who somebody is."))
    elif past.op == "open" and told.query is not None and told.query.by_person:
        said = told.query.message
    role = Message(ROLES[past.role]) if past.role in ROLES else Message(N_("the program"))
    number = str(told.query.id) if told.query else past.prompted_by.removeprefix("query/") if past.prompted_by.startswith("query/") else ""
    link: Sayable | str = ""
    if number:
        link = Message(N_("Query %(number)s") if told.query else N_("because of query %(number)s"), {"number": number})
    url = url_for("queries.one", study=g.place.published.study.oid, query=int(number)) if number and guard.may_here("query.read") else ""
    why = reason_for_reading(study, past.reason)
    return Past(
        what, past.actor, role, past.at, now, was, why, _kind(told), said, link, url, tuple(_what(Told(one, None)) for one in told.also)
    )


def _kind(told: Told) -> str:
    if told.query is not None:
        return "query"
    kinds = {"comment": "comment", "refused": "refusal", **dict.fromkeys(("set", "row_error", "attach", "withdraw"), "change")}
    return kinds.get(told.past.op, "form")


def _what(told: Told) -> Sayable:
    past = told.past
    if past.op == "set" and past.old is None:
        source = past.prompted_by.removeprefix(ORIGIN)
        return Message(N_("Copied from form no. %(number)s"), {"number": source}) if source != past.prompted_by else Message(N_("Entered"))
    if past.op == "refused" and past.prompted_by == "lock":
        return Message(N_("Refused: it is frozen or locked"))
    if past.op == "open" and told.query is not None and told.query.by_person:
        return Message(N_("Query asked"))
    if past.op == "assign":
        named = Message(N_("Query to be answered by %(name)s"), {"name": past.new})
        return named if past.new else Message(N_("Query to be answered by anybody at the site"))
    if past.op == "due":
        due = Message(N_("Query to be answered until %(day)s"), {"day": date.fromisoformat(past.new)}) if past.new else None
        return due or Message(N_("Query to be answered by no particular day"))
    if past.op in ("refused", "open"):
        return Message(_OPS[past.op], {"check": past.prompted_by})
    return Message(_OPS.get(past.op, past.op))


def reason_for_reading(study: Study, reason: str) -> Sayable | str:
    """A coded reason by its label, with what was added to it."""
    code, _, text = reason.partition(":")
    label = study.reasons.label_of(code) or study.confirmations.label_of(code)
    if label is None:
        return reason
    return Message(N_("%(reason)s, %(text)s"), {"reason": label, "text": text.strip()}) if text.strip() else label


def value_for_reading(form_def: FormDef, place: Place | None, value: str | None) -> tuple[Sayable | str, ...]:
    """A recorded canonical text as the reader of the page would say it."""
    if value is None:
        return (Message(N_("blank")),)
    answer = Answer.from_plain(json.loads(value))
    if answer.missing:
        said = Message(MISSING_WORDS[answer.missing]) if answer.missing in MISSING_WORDS else answer.missing
        return (said, answer.note) if answer.note else (said,)
    item = form_def.items.get(place.item, (None, None))[1] if place else None
    if item is None:
        return (answer.text,)
    if item.codelist:
        return tuple(label if (label := item.codelist.label_of(code)) else code for code in answer.text.split("|"))
    if item.type == "boolean" or (item.derive is not None and item.derive.kind == "boolean"):
        return (Message(N_("Yes") if answer.text == "Y" else N_("No")),)
    parts = raw_of(item, answer, g.language.code, g.place.site.zone if g.place.site else None).parts
    day = "/".join(parts[name] for name in ("d", "m", "y") if parts.get(name))
    return tuple(text for text in (day, parts.get("t", ""), parts.get("", "")) if text)
