"""The listing of serious adverse events: what the site recorded, what the sponsor judged, and whether everybody was told in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from trialcrf.core import facts
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.report import NoSafetySettings
from trialcrf.core.safety.case import CASE_STATES, Case, Facts, Kind, judgements, reportable
from trialcrf.core.safety.clock import CLOCK_STATES, ClockState, Deadline
from trialcrf.core.safety.event import FACTORS, PHASES, AdverseEvent, related_by
from trialcrf.core.safety.participant import Participant, read_participant
from trialcrf.core.wording import N_, Message, Sayable, Words, alphabetical

NOT_JUDGED = N_("not judged")
NO_CASE = N_("no case")


@dataclass(frozen=True, slots=True)
class Judged:
    """A case as it stood at the checkpoint of a report: its ledger, the facts of its event, and its deadlines."""

    case: Case
    facts: Facts
    deadlines: tuple[Deadline, ...]


Address = tuple[int, str]
"""The form and the row of an event: what ties it to its case."""


def by_address(judged: Sequence[Judged]) -> Mapping[Address, Judged]:
    return {(one.case.form_id, one.case.row): one for one in judged}


@dataclass(frozen=True, slots=True)
class Told:
    """One deadline of a case: until when, when it was met, and how it stands."""

    label: Sayable
    state: Message
    bad: bool
    due: datetime | None
    met: datetime | None


@dataclass(frozen=True, slots=True)
class SeriousEvent:
    """A serious event with both judgements. `number` is that of its case, None where no case is open.

    `investigator` and `sponsor` are the causality as each judged it, with the factors that a reasonable possibility was seen for.
    """

    number: int | None
    state: Message
    arm: Sayable
    event: AdverseEvent
    phase: Message
    investigator: Message
    sponsor: Message
    related: bool | None
    expected: Message
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class SaeReport:
    """What `reports/sae` prints. `late` counts the deadlines that were met late or are over, `without` the events without a case."""

    cut: Cut
    title: Words
    protocol: str
    events: tuple[SeriousEvent, ...]
    subjects: int
    related: int
    unexpected: int
    fatal: int
    late: int
    without: int
    blinded: bool


def list_serious(study: Study, subjects: Sequence[SubjectRecord], judged: Sequence[Judged], cut: Cut) -> SaeReport:
    """Every event recorded as serious by the cut-off, by subject and onset. Raises NoSafetySettings."""
    settings = study.safety
    if settings is None:
        raise NoSafetySettings(study.oid)
    counted = (read_participant(study, settings, one, cut.as_of) for one in facts.people(study, subjects))
    people = sorted(counted, key=lambda one: alphabetical(one.key))
    events = tuple(serious_events(people, judged))
    return SaeReport(
        cut=cut,
        title=study.title,
        protocol=study.protocol,
        events=events,
        subjects=len({one.event.subject for one in events}),
        related=sum(one.related is True for one in events),
        unexpected=sum(one.expected.msgid == _EXPECTED[False] for one in events),
        fatal=sum(bool(one.event.deadly) for one in events),
        late=sum(told.bad for one in events for told in one.told),
        without=sum(one.number is None for one in events),
        blinded=settings.blinded,
    )


def serious_events(people: Sequence[Participant], judged: Sequence[Judged]) -> Iterator[SeriousEvent]:
    """The serious events of these people, in their order."""
    cases = by_address(judged)
    for person in people:
        for event in person.events:
            if event.serious:
                yield _serious(person.arm_label, event, cases.get((event.form_id, event.row)))


_EXPECTED: Mapping[bool, str] = {True: N_("expected"), False: N_("unexpected")}


def _serious(arm: Sayable, event: AdverseEvent, judged: Judged | None) -> SeriousEvent:
    phase = Message(PHASES[event.phase])
    if judged is None:
        sight = _sight(event.related, event.factors)
        return SeriousEvent(None, Message(NO_CASE), arm, event, phase, sight, Message(NOT_JUDGED), event.related, Message(NOT_JUDGED), ())
    case = judged.case
    assessed = case.latest(Kind.ASSESSED)
    theirs = {one.factor: one.sponsor for one in judgements(judged.facts, assessed) if one.sponsor}
    sponsor = _sight(related_by(theirs, ()), theirs) if theirs else Message(NOT_JUDGED)
    expected = assessed.content.get("expected") if assessed else None
    return SeriousEvent(
        number=case.number,
        state=Message(CASE_STATES[case.state]),
        arm=arm,
        event=event,
        phase=phase,
        investigator=_sight(event.related, event.factors),
        sponsor=sponsor,
        related=reportable(judged.facts, assessed),
        expected=Message(NOT_JUDGED) if expected is None else Message(_EXPECTED[bool(expected)]),
        told=tuple(_told(one) for one in judged.deadlines if one.state is not ClockState.NOT_STARTED),
    )


def _told(one: Deadline) -> Told:
    bad = one.state in (ClockState.LATE, ClockState.OVER)
    return Told(one.obligation.label, Message(CLOCK_STATES[one.state]), bad, one.due, one.met_at)


def _sight(related: bool | None, factors: Mapping[str, str]) -> Message:
    seen = tuple(Message(FACTORS[alias]) for alias in FACTORS if factors.get(alias) == "RELATED")
    if related is None and not seen:
        return Message(NOT_JUDGED)
    word = N_("related") if related else N_("not related")
    return Message(N_("%(judgement)s (%(factors)s)"), {"judgement": Message(word), "factors": seen}) if seen else Message(word)
