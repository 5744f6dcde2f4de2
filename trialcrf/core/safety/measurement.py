"""Measurements that reports draw and tabulate: laboratory values with their limits, skin score, lung function, by day and visit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from trialcrf.core.definition.model import DataType, ItemDef, Study
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.values import interval

SKIN_SCORE, FVC_PERCENT = "MRSSTOT", "FVCPP"
ALT, BILIRUBIN = "ALT", "BILI"
RESULT, HIGH, LOW = "LBORRES", "LBORNRHI", "LBORNRLO"
SAMPLED = ("LBDAT", "QSDAT", "REDAT")
"""Where a form gives the day of its measurements; without it the day of the visit counts."""
BODY_WEIGHT = "VSORRES"
"""The weight in kg that stands on the form of an administration: what its dose is divided by."""
MALIGNANCY, PREGNANCY_TEST = "MALIG", "HCG"

_NUMBERS = frozenset({DataType.INTEGER, DataType.DECIMAL, DataType.DERIVED})


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number that was measured, in the unit of its form, with the limits that were recorded beside it.

    `qualifier` is `<` or `>` where the laboratory gave a bound instead of a value; `on` None where no exact day is known.
    """

    subject: str
    visit: str
    on: date | None
    value: Decimal
    qualifier: str = ""
    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def times_high(self) -> Decimal | None:
        """The value in multiples of the upper limit of its laboratory, None without a limit above zero."""
        return self.value / self.high if self.high is not None and self.high > 0 else None

    @property
    def flag(self) -> str:
        """`low`, `normal` or `high` against the recorded limits (a value on a limit is normal), empty where they cannot tell."""
        if self.high is not None and (self.value > self.high or (self.value == self.high and self.qualifier == ">")):
            return "high"
        if self.low is not None and (self.value < self.low or (self.value == self.low and self.qualifier == "<")):
            return "low"
        return "normal" if self.high is not None or self.low is not None else ""


def analytes(study: Study) -> Mapping[str, ItemDef]:
    """The laboratory values of the study that are numbers, by the alias that names the analyte, in the order of the definition."""
    found: dict[str, ItemDef] = {}
    for form in study.forms:
        for _, item in form.items.values():
            if RESULT in item.aliases and item.type in _NUMBERS:
                for alias in item.aliases:
                    if alias != RESULT:
                        found.setdefault(alias, item)
    return found


def asked(study: Study) -> frozenset[str]:
    """The aliases that reports with measurements need of every subject, beyond what the program understands everywhere."""
    names = tuple(analytes(study))
    limits = (f"{limit}.{name}" for limit in (HIGH, LOW) for name in names)
    return frozenset({*names, *limits, SKIN_SCORE, FVC_PERCENT, *SAMPLED, BODY_WEIGHT, MALIGNANCY, PREGNANCY_TEST})


def measured(study: Study, subject: SubjectRecord, alias: str, as_of: date) -> tuple[Measurement, ...]:
    """The subject's values with this alias by the cut-off, in order of their days; those without a day last and counted."""
    return tuple(sorted(_measured(study, subject, alias, as_of), key=lambda one: (one.on is None, one.on or date.min, one.visit)))


def _measured(study: Study, subject: SubjectRecord, alias: str, as_of: date) -> Iterator[Measurement]:
    visits = {(record.event_oid, record.event_repeat): day for record in subject.records if (day := _visit_day(study, record)) is not None}
    for record in sorted(subject.records, key=lambda record: (record.form_id, record.row)):
        read = number(record.values.get(alias, ""))
        if read is None:
            continue
        qualifier, value = read
        on = exact_day(record.values.get(name, "") for name in SAMPLED) or visits.get((record.event_oid, record.event_repeat))
        if on is None or on <= as_of:
            low, high = (number(record.values.get(f"{limit}.{alias}", "")) for limit in (LOW, HIGH))
            yield Measurement(subject.key, record.event_oid, on, value, qualifier, low[1] if low else None, high[1] if high else None)


def number(text: str) -> tuple[str, Decimal] | None:
    """The qualifier (`<`, `>` or empty) and the number of a canonical text; None where it is no number."""
    qualifier = text[:1] if text[:1] in ("<", ">") else ""
    try:
        value = Decimal(text.removeprefix(qualifier))
    except InvalidOperation:
        return None
    return (qualifier, value) if value.is_finite() else None


def exact_day(texts: Iterable[str]) -> date | None:
    """The first of these canonical days that is known exactly."""
    days = (interval(text) for text in texts if text)
    return next((day.earliest for day in days if day.earliest == day.latest), None)


def _visit_day(study: Study, record: Recorded) -> date | None:
    event = study.event.get(record.event_oid)
    return exact_day([record.values.get(event.date_alias, "")]) if event else None
