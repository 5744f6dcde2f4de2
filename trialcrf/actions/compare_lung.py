"""Comparing lung function with the GLI equations: a check beside what the laboratory reported, never instead of it (nothing is written)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from trialcrf.actions.enter import Opened
from trialcrf.core.definition.model import FormDef, ItemDef, ItemGroupDef
from trialcrf.core.document import Answer, Document, FormKey
from trialcrf.core.measure import age
from trialcrf.core.previous import day_of
from trialcrf.core.typed import DateInterval, Span, interval
from trialcrf.core.values import MISSING_WORDS, typed
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.external.lung import GLI_2012, GLI_2017, GLI_2021, GLI_GLOBAL, SEXES, OutOfRange, predicted
from trialcrf.store import forms, subjects
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

MEASURES = {"FVC": "FVCPP", "TLC": "TLCPP", "DLCO": "DLCOPP"}
"""The aliases of a measured value and of its percentage of predicted as reported; both in one group with REORREF, the reference set."""
SETS = {
    GLI_2012: Message(N_("GLI-2012, Caucasian coefficients")),
    GLI_GLOBAL: Message(N_("GLI-Global 2022")),
    GLI_2017: Message(N_("GLI-2017")),
    GLI_2021: Message(N_("GLI-2021")),
}
# How a study may code the unit of the transfer factor (alias REORRESU), and the measure that is predicted in it.
_TRANSFER = {"CONVENTIONAL": "DLCO", "mL/min/mmHg": "DLCO", "SI": "TLCO", "mmol/min/kPa": "TLCO"}


@dataclass(frozen=True, slots=True)
class Line:
    """One measure. What was reported stands in `reported` (per cent) and `reported_by`; `missing` says why nothing was recomputed.

    `measured`, `predicted` and `lln` (lower limit of normal) are in `unit`; `difference` is recomputed less reported, in points.
    """

    label: Words
    measured: Decimal | None
    unit: Sayable | str
    reported: Decimal | None
    reported_by: Sayable | str
    same_set: bool
    used: Message
    predicted: Decimal | None = None
    lln: Decimal | None = None
    recomputed: Decimal | None = None
    difference: Decimal | None = None
    missing: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the equations are asked about: sex, age in years on the day of the test, give or take, and height in centimetres.

    The height was measured at the visit `height_from`. `missing` says why one of them is None.
    """

    sex: str | None
    age: Decimal | None
    give_or_take: Decimal
    height: Decimal | None
    height_from: Words | str
    missing: tuple[Message, ...]

    @property
    def age_shown(self) -> Decimal:
        return rounded(self.age or Decimal(0))

    @property
    def apart_shown(self) -> Decimal:
        """A month of birth makes 0.04 years."""
        return hundredth(self.give_or_take)


@dataclass(frozen=True, slots=True)
class Comparison:
    lines: tuple[Line, ...]
    person: Person


def compare(tx: Transaction, opened: Opened, subject: Subject, key: FormKey, document: Document) -> Comparison | None:
    """What GLI predicts for the values of this form, as its page shows them; None where the form holds no measured lung function.

    Age is counted to the day of the test. The height is the latest one at or before it; one of the same visit is at it.
    """
    asked = list(_asked(opened.form, document))
    if not asked:
        return None
    person = _person(tx, opened, subject, key, document)
    return Comparison(tuple(_line(alias, group, item, document, person) for alias, group, item in asked), person)


def _asked(form: FormDef, document: Document) -> Iterator[tuple[str, ItemGroupDef, ItemDef]]:
    """The measured items with something to compare: a value or a percentage was answered."""
    for group in form.groups:
        for alias, per_cent in MEASURES.items():
            item, percentage = _within(group, alias), _within(group, per_cent)
            if item is not None and not group.repeating and any(one and one.oid in document.items for one in (item, percentage)):
                yield alias, group, item


def _line(alias: str, group: ItemGroupDef, item: ItemDef, document: Document, person: Person) -> Line:
    set_item, unit_item = _within(group, "REORREF"), _within(group, "REORRESU")
    set_code, unit_code = _code(set_item, document), item.unit or _code(unit_item, document)
    measured, reported = _number(item, document), _number(_within(group, MEASURES[alias]), document)
    reference = {"TLC": GLI_2021, "DLCO": GLI_2017}.get(alias) or (GLI_2012 if set_code == GLI_2012 else GLI_GLOBAL)
    line = Line(
        label=item.label,
        measured=measured,
        unit=_said(unit_item, unit_code) or item.unit,
        reported=reported,
        reported_by=_said(set_item, set_code),
        same_set=set_code == reference,
        used=SETS[reference],
    )
    measure = _TRANSFER.get(unit_code) if alias == "DLCO" else alias
    if measured is None:
        answer = document.items.get(item.oid)
        return replace(line, missing=(_not_measured(answer), *person.missing))
    if measure is None:
        return replace(line, missing=(Message(N_("unit not entered yet")), *person.missing))
    if person.sex is None or person.age is None or person.height is None:
        return replace(line, missing=person.missing)
    found = predicted(measure, person.sex, person.age, person.height, reference)
    if isinstance(found, OutOfRange):
        about = {"age": rounded(person.age), "low": found.youngest, "high": found.oldest, "set": SETS[reference]}
        return replace(line, missing=(Message(N_("age %(age)s is outside the %(low)s to %(high)s years of %(set)s"), about),))
    recomputed = rounded(measured / found.value * 100)
    difference = None if reported is None else recomputed - reported
    return replace(line, predicted=hundredth(found.value), lln=hundredth(found.lln), recomputed=recomputed, difference=difference)


def _person(tx: Transaction, opened: Opened, subject: Subject, key: FormKey, document: Document) -> Person:
    record = subjects.records(tx, [subject])[0]
    study = opened.published.study
    visits: dict[tuple[str, int], str] = {}
    for one in record.records:
        event = study.event.get(one.event_oid)
        if event is not None and event.date_alias in one.values:
            visits[one.event_oid, one.event_repeat] = one.values[event.date_alias]
    dated = opened.form.with_alias("REDAT")
    day = days_of(document.items[dated.oid].text) if dated and dated.oid in document.items else None
    birth, sex = days_of(record.first("BRTHDAT") or ""), record.first("SEX")
    missing = []
    if sex not in SEXES:
        missing.append(Message(N_("sex not entered yet")))
    if birth is None:
        missing.append(Message(N_("month of birth not entered yet")))
    if day is None:
        missing.append(Message(N_("date of the test not entered yet")))
    measured = _heights(tx, opened, subject, key, document, visits)
    found = _height_at(measured, key, day)
    if found is None:
        missing.append(Message(N_("no height at or before the test")) if measured else Message(N_("height not entered yet")))
    years = age(birth, day) if birth and day else None
    low, high = (years.low, years.high) if isinstance(years, Span) else (years, years)
    middle = (low + high) / 2 if isinstance(low, Decimal) and isinstance(high, Decimal) else None
    apart = (high - low) / 2 if isinstance(low, Decimal) and isinstance(high, Decimal) else Decimal(0)
    return Person(
        sex if sex in SEXES else None,
        middle,
        apart,
        found.height if found else None,
        study.event[found.key.event_oid].label if found and found.key.event_oid in study.event else "",
        tuple(missing),
    )


@dataclass(frozen=True, slots=True)
class _Height:
    """A height in centimetres, where it stands, and the days that it may be of; None where neither its form nor its visit has a date."""

    height: Decimal
    key: FormKey
    days: DateInterval | None


def _heights(
    tx: Transaction, opened: Opened, subject: Subject, key: FormKey, document: Document, visits: dict[tuple[str, int], str]
) -> list[_Height]:
    """Every height of the subject, oldest form first; this form as its page shows it, the others as they are stored."""
    study = opened.published.study
    asking = {form.oid: item for form in study.forms if (item := form.with_alias("HEIGHT")) and not form.items[item.oid][0].repeating}
    held = [(one.key, one.document) for one in forms.all_of(tx, [subject.id], asking) if one.key != key]
    if key.form_oid in asking:
        held.append((key, document))
    found = []
    for where, answers in held:
        height = _number(asking[where.form_oid], answers)
        if height is not None and height > 0:
            day = day_of(study.form[where.form_oid], answers) or visits.get((where.event_oid, where.event_repeat), "")
            found.append(_Height(height, where, days_of(day)))
    return found


def _height_at(heights: list[_Height], key: FormKey, day: DateInterval | None) -> _Height | None:
    """The latest of these heights at or before the day; where the day is not known yet, that of the same visit only."""
    same = [one for one in heights if (one.key.event_oid, one.key.event_repeat) == (key.event_oid, key.event_repeat)]
    if same:
        return same[-1]
    before = [(one.days.latest, one) for one in heights if one.days and day and one.days.latest <= day.latest]
    return max(before, key=lambda one: one[0])[1] if before else None


def _not_measured(answer: Answer | None) -> Message:
    if answer is not None and answer.missing:
        return Message(N_("measured value: %(why)s"), {"why": Message(MISSING_WORDS.get(answer.missing, answer.missing))})
    return Message(N_("measured value not entered yet")) if answer is None else Message(N_("the measured value is no single number"))


def days_of(text: str) -> DateInterval | None:
    """The days of a canonical date or moment; None for anything else."""
    try:
        return interval(text)
    except ValueError:
        return None


def rounded(number: Decimal) -> Decimal:
    """To one decimal, halves away from zero."""
    return number.quantize(Decimal("0.1"), ROUND_HALF_UP)


def hundredth(number: Decimal) -> Decimal:
    """To two decimals, halves away from zero."""
    return number.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _within(group: ItemGroupDef, alias: str) -> ItemDef | None:
    return next((item for item in group.items if alias in item.aliases), None)


def _number(item: ItemDef | None, document: Document) -> Decimal | None:
    value = typed(item, document.items.get(item.oid)) if item else None
    return value if isinstance(value, Decimal) else None


def _code(item: ItemDef | None, document: Document) -> str:
    answer = document.items.get(item.oid) if item else None
    return answer.text if answer else ""


def _said(item: ItemDef | None, code: str) -> Sayable | str:
    return (item.codelist.label_of(code) if item and item.codelist else None) or code
