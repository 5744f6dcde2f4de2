"""The occasion before on the page of a form: what was answered then and what has changed, and what may be copied from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from flask import g

from trialcrf.actions import copying
from trialcrf.actions.enter import Opened
from trialcrf.core import checks
from trialcrf.core.bodymap import ASSESSOR, LAYOUT
from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef
from trialcrf.core.document import Answer, Document, FormKey, Place
from trialcrf.core.previous import day_of, latest_before
from trialcrf.core.values import CANONICAL_NUMBER, MISSING_WORDS
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.store import forms, subjects
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web.forms.history import value_for_reading
from trialcrf.web.forms.webform import Posted

_COMPARED = frozenset({DataType.INTEGER, DataType.DECIMAL, DataType.DERIVED, DataType.BOOLEAN, DataType.CODELIST, DataType.MULTICHOICE})
_NUMBERS = frozenset({DataType.INTEGER, DataType.DECIMAL, DataType.DERIVED})

Beside = Mapping[Place, tuple[Sayable, ...]]


@dataclass(frozen=True, slots=True)
class Earlier:
    """The same form on the latest earlier occasion of the subject."""

    document: Document
    event: Words
    day: date | None
    form_id: int = 0

    @property
    def told(self) -> Message:
        if self.day is None:
            return Message(N_("Beside the fields: the values of %(visit)s."), {"visit": self.event})
        return Message(N_("Beside the fields: the values of %(visit)s, %(day)s."), {"visit": self.event, "day": self.day})


def earlier_of(tx: Transaction, opened: Opened, which: Subject, key: FormKey, document: Document) -> Earlier | None:
    """What the form held on the occasion before. None where there was none, or where it is asked on no other one."""
    study = opened.published.study
    asked = sum(2 if event.repeating else 1 for event in study.events for ref in event.forms if ref.form_oid == key.form_oid)
    if opened.form.repeating or asked < 2:
        return None
    others = forms.all_of(tx, [which.id], [key.form_oid])
    if all(one.key == key for one in others):
        return None
    visits: dict[tuple[str, int], str] = {}
    for record in subjects.records(tx, [which])[0].records:
        event = study.event.get(record.event_oid)
        if event is not None and event.date_alias in record.values:
            visits[record.event_oid, record.event_repeat] = record.values[event.date_alias]
    held = latest_before(study, key, document, others, visits)
    if held is None or held.key.event_oid not in study.event:
        return None
    day = day_of(opened.form, held.document) or visits.get((held.key.event_oid, held.key.event_repeat), "")[:10]
    form_id = next((one.id for one in others if one.key == held.key), 0)
    exact = date.fromisoformat(day) if len(day) == len("2026-01-31") else None
    return Earlier(held.document, study.event[held.key.event_oid].label, exact, form_id)


def before_of(form: FormDef, earlier: Earlier | None, document: Document) -> dict[Place, tuple[Sayable, ...]]:
    """The sentence on the occasion before beside each field that can be compared: what was answered then, and what has changed.

    A table has no room for it, and whoever answers a questionnaire is not shown what they answered before.
    """
    found: dict[Place, tuple[Sayable, ...]] = {}
    for group, item in form.items.values() if earlier is not None else ():
        place = Place(item.oid)
        then = earlier.document.items.get(item.oid) if earlier else None
        if then is not None and not group.repeating and (said := _said(form, group, item, then, document.items.get(item.oid))):
            found[place] = (said,)
    return found


def _said(form: FormDef, group: ItemGroupDef, item: ItemDef, then: Answer, now: Answer | None) -> Message | None:
    if group.layout == LAYOUT or ASSESSOR in item.aliases:
        absent = Message(MISSING_WORDS[then.missing]) if then.missing in MISSING_WORDS else then.missing
        return Message(N_("previous: %(value)s"), {"value": absent if then.missing else then.text})
    if group.layout != "list" or item.type not in _COMPARED:
        return None
    was, value = _number(item, then), _number(item, now)
    if was is None:
        texts = value_for_reading(form, Place(item.oid), then.canonical())
        return Message(N_("previous: %(value)s"), {"value": ", ".join(g.language.say(text) for text in texts)})
    if value is None:
        return Message(N_("previous: %(value)s"), {"value": was})
    by = value - was
    if by > 0:
        return Message(N_("previous: %(value)s, change +%(change)s"), {"value": was, "change": by})
    if by < 0:
        return Message(N_("previous: %(value)s, change −%(change)s"), {"value": was, "change": -by})
    return Message(N_("previous: %(value)s, unchanged"), {"value": was})


def _number(item: ItemDef, answer: Answer | None) -> Decimal | None:
    """A number that is known as one: not `<0.5`, and no missing code."""
    text = answer.text if answer is not None and item.type in _NUMBERS else ""
    return Decimal(text) if CANONICAL_NUMBER.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class Copying:
    """What may be copied now, and `copied`: what stands on the page as it was copied, by place the form that it comes from."""

    allowed: int
    copied: Mapping[Place, int]
    beside: Beside


def copying_of(tx: Transaction, opened: Opened, earlier: Earlier | None, document: Document, posted: Posted | None) -> Copying:
    """What the page says of copies: those that it holds unsaved and unchanged, and those that were saved and not changed since."""
    answered = {place for place, _ in document.places()} | {
        place for place, raw in (posted.raws if posted else {}).items() if not raw.blank
    }
    asked = checks.applicable(opened.form, document, opened.context)
    allowed = len(copying.copyable(opened.form, earlier.document, asked - answered)) if earlier is not None else 0
    sources = dict(posted.copied) if posted else {}
    if opened.stored is not None and any(item.copy for _, item in opened.form.items.values()):
        sources = copying.stored(tx, opened.form, opened.stored.id) | sources
    held = {form_id: forms.by_id(tx, form_id) for form_id in set(sources.values())}
    beside: dict[Place, tuple[Sayable, ...]] = {}
    for place, form_id in sources.items():
        source, answer = held[form_id], document.at(place)
        if source is not None and answer is not None and source.document.at(place) == answer:
            event = opened.published.study.event.get(source.key.event_oid)
            beside[place] = (Message(N_("Copied from %(visit)s."), {"visit": event.label if event else source.key.event_oid}),)
    return Copying(allowed, {place: form_id for place, form_id in (posted.copied if posted else {}).items() if place in beside}, beside)


def copied(tx: Transaction, opened: Opened, which: Subject, key: FormKey, document: Document, posted: Posted) -> Posted:
    """The page with the blank boxes filled in that the study lets be copied, each marked with where it comes from."""
    earlier = earlier_of(tx, opened, which, key, document)
    if earlier is None:
        return posted
    answered = {place for place, _ in document.places()} | {place for place, raw in posted.raws.items() if not raw.blank}
    asked = checks.applicable(opened.form, document, opened.context)
    found = copying.copyable(opened.form, earlier.document, asked - answered)
    raws = {**posted.raws, **copying.boxes(opened.form, found, g.language.code, which.site.zone)}
    origins = {**posted.copied, **dict.fromkeys(found, earlier.form_id)}
    return replace(posted, raws=raws, present=frozenset(raws), copied=origins)


def together(*all_said: Mapping[Place, tuple[Sayable, ...]]) -> dict[Place, tuple[Sayable, ...]]:
    """Everything that is said beside each place."""
    found: dict[Place, tuple[Sayable, ...]] = {}
    for said in all_said:
        for place, texts in said.items():
            found[place] = (*found.get(place, ()), *texts)
    return found
