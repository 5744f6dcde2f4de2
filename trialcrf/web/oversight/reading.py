"""Forms for reading on the pages of oversight: every value in words, what changed beside it, and what a visit or a form is called."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import g

from trialcrf.core.access import ROLES
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Document, FormKey, Place
from trialcrf.core.enclosure import ENTITY as ENCLOSURE
from trialcrf.core.enclosure import parsed
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.store.audit import Past
from trialcrf.web.forms.history import reason_for_reading, value_for_reading

Texts = tuple[Sayable | str, ...]


@dataclass(frozen=True, slots=True)
class ValueLine:
    """One answer. `row` is the number of its row, empty outside repeating groups; `error` the reason that its row was marked in error."""

    label: Sayable | str
    value: Texts
    unit: str
    row: str
    error: str
    changed: bool


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One record of a change: the place in words, before and after, who, when and why."""

    where: Sayable | str
    was: Texts
    now: Texts
    by: str
    role: Sayable
    at: datetime
    why: Sayable | str


def visit_name(study: Study, key: FormKey) -> Sayable | str:
    event = study.event.get(key.event_oid)
    if event is None:
        return key.event_oid
    numbered = Message(N_("%(label)s, no. %(number)s"), {"label": event.label, "number": str(key.event_repeat)})
    return numbered if event.repeating else event.label


def form_name(study: Study, key: FormKey) -> Sayable | str:
    form = study.form.get(key.form_oid)
    if form is None:
        return key.form_oid
    numbered = Message(N_("%(label)s, no. %(number)s"), {"label": form.label, "number": str(key.form_repeat)})
    return numbered if form.repeating else form.label


def values(form: FormDef, document: Document, changed: frozenset[Place] = frozenset()) -> Iterator[ValueLine]:
    """Every recorded answer of a form, in the order of the form; rows in error are told with their reason."""
    for group in form.groups:
        rows = document.rows.get(group.oid, ()) if group.repeating else [None]
        for row in rows:
            for item in group.items:
                place = Place(item.oid, group.oid, row.id) if row else Place(item.oid)
                answer = document.at(place)
                if answer is None and place not in changed:
                    continue
                said = value_for_reading(form, place, answer.canonical() if answer else None)
                unit = item.unit if answer is not None and not answer.missing else ""
                yield ValueLine(item.label, said, unit, row.id if row else "", row.error if row else "", place in changed)
    for place, answer in document.places():
        if place.item not in form.items:  # It was asked under an earlier version, and is recorded all the same.
            row = document.row(place.group, place.row) if place.row else None
            said = value_for_reading(form, place, answer.canonical())
            yield ValueLine(place.item, said, "", place.row, row.error if row else "", place in changed)


def changes(study: Study, form: FormDef, found: Sequence[Past]) -> Iterator[ChangeLine]:
    """What happened to a form, record by record, oldest first."""
    for past in found:
        place = parsed(past.place)[0] if past.entity == ENCLOSURE else Place.parse(past.place)
        role = Message(ROLES[past.role]) if past.role in ROLES else Message(N_("the program"))
        was: Texts = ()
        now: Texts = ()
        if past.op == "set":
            was = value_for_reading(form, place, past.old)
            now = value_for_reading(form, place, past.new)
        elif past.op in _OTHER:
            now = (Message(_OTHER[past.op]), *_document(past))
        yield ChangeLine(place_name(form, place), was, now, past.actor, role, past.at, reason_for_reading(study, past.reason))


_OTHER = {
    "error": N_("the form was marked entered in error"),
    "row_error": N_("the row was marked entered in error"),
    "migrate": N_("the form was taken to another version of the study"),
    "attach": N_("a document was attached"),
    "withdraw": N_("a document was withdrawn"),
}


def _document(past: Past) -> Texts:
    """The document that a record is about."""
    said = json.loads(past.new or "{}") if past.entity == ENCLOSURE else {}
    return (str(said["text"]),) if said.get("text") else ()


def place_name(form: FormDef, place: Place) -> Sayable | str:
    """A place by the words of its form."""
    item = form.items.get(place.item, (None, None))[1]
    group = next((one for one in form.groups if one.oid == place.group), None)
    label: Sayable | str = item.label if item else group.label if group and _said(group.label) else place.item or form.label
    return Message(N_("%(item)s, row %(row)s"), {"item": label, "row": place.row}) if place.row else label


def _said(label: Words) -> str:
    return label.in_(g.language.code)
