"""Each treated subject as a course of days: treatments, events and the end of its follow-up, counted from its first treatment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from trialcrf.core.definition.safety import SafetySettings
from trialcrf.core.safety.event import AdverseEvent
from trialcrf.core.safety.participant import Participant
from trialcrf.core.schedule import ENDINGS
from trialcrf.core.values import interval
from trialcrf.core.wording import Sayable, alphabetical


@dataclass(frozen=True, slots=True)
class Mark:
    """An event on the course of its subject: the first day on which it may have begun."""

    day: int
    event: AdverseEvent


@dataclass(frozen=True, slots=True)
class Course:
    """Days are counted from the first treatment (day 0). `end` is the last day of follow-up: the recorded end of the study, or the cut-off.

    `undated` events have no onset and are on no day.
    """

    subject: str
    arm: str
    arm_label: Sayable
    end: int
    ended: str  # the code of the ending, empty where follow-up goes on
    died: bool
    treatments: tuple[int, ...]
    marks: tuple[Mark, ...]
    undated: int


def courses(people: Sequence[Participant], as_of: date) -> tuple[Course, ...]:
    """The courses of all treated subjects, in the order given."""
    return tuple(course for person in people for course in _course(person, as_of))


def arms_given(settings: SafetySettings, people: Sequence[Participant]) -> Mapping[str, Sayable]:
    """The arms in which somebody was treated, those of the study's list first and in its order."""
    found = {one.arm: one.arm_label for one in people if one.treated}
    listed = [item.code for item in settings.arms.items] if settings.arms else []
    order = sorted(found, key=lambda arm: (listed.index(arm) if arm in listed else len(listed), not arm, alphabetical(arm)))
    return {arm: found[arm] for arm in order}


def _course(person: Participant, as_of: date) -> Iterator[Course]:
    first = person.treated_on
    if not person.treated or first is None:
        return
    ends = sorted((day, code) for code, day in _ends([record.values for record in person.records], as_of))
    last, ended = ends[0] if ends else (as_of, "")
    dated = [event for event in person.events if event.earliest is not None]
    yield Course(
        subject=person.key,
        arm=person.arm,
        arm_label=person.arm_label,
        end=max(0, (last - first.earliest).days),
        ended=ended,
        died=any(code == "DEATH" for _, code in ends),
        treatments=tuple(sorted((dose.on.earliest - first.earliest).days for dose in person.given)),
        marks=tuple(Mark((event.earliest - first.earliest).days, event) for event in dated if event.earliest is not None),
        undated=len(person.events) - len(dated),
    )


def _ends(records: Sequence[Mapping[str, str]], as_of: date) -> Iterator[tuple[str, date]]:
    for told in records:
        if told.get("DSDECOD") in ENDINGS and "DSSTDAT" in told:
            yield from ((told["DSDECOD"], day) for day in [interval(told["DSSTDAT"]).earliest] if day <= as_of)
        if "DTHDAT" in told:
            yield from (("DEATH", day) for day in [interval(told["DTHDAT"]).earliest] if day <= as_of)
