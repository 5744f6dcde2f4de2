"""History: of a field, beside the form; and of a whole form, refused attempts and errors with it."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, abort, g, render_template, url_for

from trialcrf.actions import Impossible, enter
from trialcrf.core.access import ROLES
from trialcrf.core.boxes import raw_of
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.core.values import MISSING_CODES
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import audit, queries
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb, Past

blueprint = Blueprint("history", __name__)

_OPS = {
    "create": N_("Begun"),
    "set": N_("Changed"),
    "error": N_("Marked entered in error"),
    "row_error": N_("Row marked entered in error"),
    "review": N_("Queries worked on"),
    "refused": N_("Stopped by check %(check)s, typed:"),
    "open": N_("Query opened by check %(check)s"),
    "answer": N_("Query answered"),
    "accept": N_("Answer accepted"),
    "reject": N_("Answer not accepted"),
    "resolve": N_("Query closed: the value is now right"),
}


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
        lines = lines_of(tx, definition, opened.form, which, opened.stored.id, None)
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
    )


def lines_of(tx: Transaction, study: Study, form_def: FormDef, which: Subject, form_id: int, at: Place | None) -> tuple[Past, ...]:
    """The history of one place of a form (`at` None: of all of it) for reading, newest first: values, refusals and queries together."""
    found: list[tuple[audit.Past, Place | None]] = []
    for past in audit.history(tx.connection, "form", str(form_id)):
        place = Place.parse(past.place) if past.op == "set" else None
        if at is None or place == at or (past.op == "row_error" and at.row and past.place == f"{at.group}/{at.row}/"):
            found.append((past, place))
    key = _key_of_form(tx, form_id)
    for past in audit.history(tx.connection, "refusal", str(which.id)):
        said = json.loads(past.new or "{}")
        place = Place.parse(past.place)
        if said.get("form") == key and (at is None or (place.item, place.group) == (at.item, at.group)):
            found.append((past, place))
    for query in queries.of_form(tx, form_id):
        if at is None or query.place == at:
            found.extend((past, query.place) for past in audit.history(tx.connection, "query", str(query.id), "state"))
    found.sort(key=lambda pair: (pair[0].at, pair[0].seq), reverse=True)
    return tuple(_line(study, form_def, past, place, at is None) for past, place in found)


def _key_of_form(tx: Transaction, form_id: int) -> list[object]:
    for past in audit.history(tx.connection, "form", str(form_id), ""):
        said = json.loads(past.new or "{}")
        return [said["event"], said["event_repeat"], said["form"], said["form_repeat"]]
    return []


def _line(study: Study, form_def: FormDef, past: audit.Past, place: Place | None, with_label: bool) -> Past:
    op = "create" if past.op == "set" and past.old is None else past.op
    what: Sayable = Message(_OPS[op], {"check": past.prompted_by}) if op in ("refused", "open") else Message(_OPS.get(op, past.op))
    if op == "create" and past.op == "set":
        what = Message(N_("Entered"))
    item = form_def.items.get(place.item, (None, None))[1] if place else None
    if with_label and item is not None and place is not None:
        label: Sayable | str = item.label if not place.row else Message(N_("%(item)s, row %(row)s"), {"item": item.label, "row": place.row})
        what = Message(N_("%(field)s: %(what)s"), {"field": label, "what": what})
    now: tuple[Sayable | str, ...] = ()
    was: tuple[Sayable | str, ...] = ()
    if past.op == "set":
        now = value_for_reading(form_def, place, past.new)
        was = value_for_reading(form_def, place, past.old) if past.old is not None else ()
    elif past.op == "refused":
        now = (json.loads(past.new or "{}").get("typed", ""),)
    role = Message(ROLES[past.role]) if past.role in ROLES else Message(N_("the program"))
    return Past(what, past.actor, role, past.at, now, was, reason_for_reading(study, past.reason))


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
        said = Message(MISSING_CODES[answer.missing]) if answer.missing in MISSING_CODES else answer.missing
        return (said, answer.note) if answer.note else (said,)
    item = form_def.items.get(place.item, (None, None))[1] if place else None
    if item is None:
        return (answer.text,)
    if item.codelist:
        return tuple(label if (label := item.codelist.label_of(code)) else code for code in answer.text.split("|"))
    if item.type == "boolean":
        return (Message(N_("Yes") if answer.text == "Y" else N_("No")),)
    parts = raw_of(item, answer, g.language.code, g.place.site.zone if g.place.site else None).parts
    day = "/".join(parts[name] for name in ("d", "m", "y") if parts.get(name))
    return tuple(text for text in (day, parts.get("t", ""), parts.get("", "")) if text)
