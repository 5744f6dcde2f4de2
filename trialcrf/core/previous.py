"""The occasion before: which of a subject's forms of one kind was filled on the latest earlier occasion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trialcrf.core.casebook import Held
from trialcrf.core.definition.model import DataType, FormDef, Study
from trialcrf.core.document import Document, FormKey

Visits = Mapping[tuple[str, int], str]
"""The day of a visit by event OID and repeat, as canonical text."""


def latest_before(study: Study, key: FormKey, document: Document, others: Sequence[Held], visits: Visits) -> Held | None:
    """The latest of these living forms whose occasion is earlier than the one at `key`; None where there is none.

    Two occasions are compared by their days: the form's own date, else that of its visit. Where either is not known yet, and on one
    day, the order of the study's events decides.
    """
    form = study.form[key.form_oid]
    here = (_day(form, key, document, visits), _order(study, key))
    found = []
    for held in others:
        there = (_day(form, held.key, held.document, visits), _order(study, held.key))
        if held.key != key and (there < here if there[0] and here[0] else there[1] < here[1]):
            found.append((there, held))
    dated = all(there[0] for there, _ in found)
    return max(found, key=lambda one: one[0] if dated else ("", one[0][1]))[1] if found else None


def day_of(form: FormDef, document: Document) -> str:
    """The day that the form itself gives: its first date; empty where that is not answered."""
    date = next((oid for oid, (group, item) in form.items.items() if item.type is DataType.DATE and not group.repeating), "")
    answer = document.items.get(date)
    return answer.text if answer is not None else ""


def _day(form: FormDef, key: FormKey, document: Document, visits: Visits) -> str:
    day = day_of(form, document) or visits.get((key.event_oid, key.event_repeat), "")[:10]
    return day if len(day) == len("2026-01-31") else ""


def _order(study: Study, key: FormKey) -> tuple[int, int, int]:
    place = next((number for number, event in enumerate(study.events) if event.oid == key.event_oid), len(study.events))
    return place, key.event_repeat, key.form_repeat
