"""What measurements became: series by day with their gaps, shifts from baseline to the worst flag, peaks of liver values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from trialcrf.core.definition.model import Study
from trialcrf.core.safety.measurement import ALT, BILIRUBIN, Measurement, analytes, measured
from trialcrf.core.safety.participant import Participant
from trialcrf.core.schedule import State, plan
from trialcrf.core.values import interval
from trialcrf.core.wording import N_, Message, Sayable, Words

EXPECTED = frozenset({State.DONE, State.DONE_OUT, State.MISSED, State.OVERDUE})
"""States of a visit after which its measurement should be there."""

FLAGS = ("low", "normal", "high", "")
"""How a value stands to its limits; empty: no value, or no limit."""

FLAG_WORDS = {"low": N_("below the limits"), "normal": N_("within the limits"), "high": N_("above the limits"), "": N_("not known")}


@dataclass(frozen=True, slots=True)
class Point:
    """A value on a day since the first treatment, at a visit."""

    day: int
    visit: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one treated subject, in order of their days; `missing` are days of visits that should have a value and have none."""

    subject: str
    arm: str
    arm_label: Sayable
    points: tuple[Point, ...]
    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """Of the treated subjects who stood so at baseline, how many stood how at their worst after it.

    Baseline is the last value on a day before the first treatment. `both`: below and above, at different times.
    """

    analyte: str
    label: Sayable
    unit: str
    baseline: Message
    subjects: int
    normal: int
    low: int
    high: int
    both: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest ALT and bilirubin of a treated subject from its first treatment on, in multiples of the upper limit; None: not known."""

    subject: str
    arm_label: Sayable
    alt: Decimal | None
    alt_day: int | None
    bilirubin: Decimal | None
    bilirubin_day: int | None


def series(study: Study, people: Sequence[Participant], alias: str, as_of: date) -> tuple[Series, ...]:
    """The treated subjects who have a value with this alias, or should have."""
    found = (_series(study, person, first, alias, as_of) for person, first in _treated(people))
    return tuple(one for one in found if one.points or one.missing)


def _series(study: Study, person: Participant, first: date, alias: str, as_of: date) -> Series:
    values = measured(study, person.subject, alias, as_of)
    points = tuple(Point((one.on - first).days, one.visit, one.value) for one in values if one.on is not None)
    asking = {form.oid for form in study.forms_with(alias)}
    visits = {event.oid for event in study.events if any(ref.form_oid in asking and ref.mandatory for ref in event.forms)}
    there = {one.visit for one in values}
    missing = []
    for visit in plan(study, person.subject, as_of):
        if visit.event.oid in visits - there and visit.state in EXPECTED:
            on = interval(visit.on).earliest if visit.on else visit.target
            if on is not None and on <= as_of:
                missing.append((on - first).days)
    return Series(person.key, person.arm, person.arm_label, points, tuple(sorted(missing)))


def shifts(study: Study, people: Sequence[Participant], as_of: date) -> tuple[Shift, ...]:
    """For each analyte that was flagged in anybody, a line for each standing at baseline that somebody had."""
    found: list[Shift] = []
    for alias, item in analytes(study).items():
        pairs = [_shift(measured(study, person.subject, alias, as_of), first) for person, first in _treated(people)]
        if not any(before or after for before, after in pairs):
            continue
        for flag in FLAGS:
            ends = [after for before, after in pairs if before == flag]
            if ends:
                counts = (
                    ends.count({"normal"}),
                    _worst(ends, "low"),
                    _worst(ends, "high"),
                    sum({"low", "high"} <= end for end in ends),
                    ends.count(set()),
                )
                found.append(Shift(alias, item.label, item.unit, Message(FLAG_WORDS[flag]), len(ends), *counts))
    return tuple(found)


def _worst(ends: Sequence[set[str]], flag: str) -> int:
    return sum(end & {"low", "high"} == {flag} for end in ends)


def _shift(values: Sequence[Measurement], first: date) -> tuple[str, set[str]]:
    before = [one.flag for one in values if one.on is not None and one.on < first and one.flag]
    after = {one.flag for one in values if (one.on is None or one.on >= first) and one.flag}
    return (before[-1] if before else ""), after


def peaks(study: Study, people: Sequence[Participant], as_of: date) -> tuple[Peak, ...]:
    """The treated subjects, those with neither value known too: whoever reads must see how many could be judged."""
    return tuple(
        Peak(person.key, person.arm_label, *_peak(study, person, first, ALT, as_of), *_peak(study, person, first, BILIRUBIN, as_of))
        for person, first in _treated(people)
    )


def _peak(study: Study, person: Participant, first: date, alias: str, as_of: date) -> tuple[Decimal | None, int | None]:
    found = [
        (one.times_high, one.on)
        for one in measured(study, person.subject, alias, as_of)
        if one.times_high is not None and (one.on is None or one.on >= first)
    ]
    if not found:
        return None, None
    times, on = max(found, key=lambda one: (one[0] or Decimal(0), -(one[1] or date.max).toordinal()))
    return times, (on - first).days if on is not None else None


def _treated(people: Sequence[Participant]) -> Iterator[tuple[Participant, date]]:
    return ((person, person.treated_on.earliest) for person in people if person.treated and person.treated_on is not None)


def visit_label(study: Study, oid: str) -> Sayable:
    """What the study calls the visit."""
    event = study.event.get(oid)
    return event.label if event else Words({"": oid})
