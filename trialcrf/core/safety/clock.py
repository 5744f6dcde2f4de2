"""The clocks of a serious event: which obligations it brings about, from when to when each runs, and whether it was met.

Hours run in universal time, whatever a night's clocks do; days are calendar days of the sponsor and end with the day (clinical
reference, E.6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from trialcrf.core.definition.safety import Obligation, SafetySettings
from trialcrf.core.safety.case import SPONSOR_ROLES, Case, CaseEntry, CaseState, Facts, Kind, proposed, reportable
from trialcrf.core.wording import N_, Message

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SOON_HOURS, SOON_DAYS = timedelta(hours=4), timedelta(days=1)
"""How long before its end a clock of hours, or of days, is said to be due soon, and reminded of once more."""


class ClockState(StrEnum):
    MET = "met"
    LATE = "late"  # met, but after its end
    OVER = "over"
    DUE_SOON = "due_soon"
    RUNNING = "running"
    NOT_STARTED = "not_started"


CLOCK_STATES = {
    ClockState.MET: N_("met in time"),
    ClockState.LATE: N_("met late"),
    ClockState.OVER: N_("over"),
    ClockState.DUE_SOON: N_("due shortly"),
    ClockState.RUNNING: N_("running"),
    ClockState.NOT_STARTED: N_("not started"),
}

WAITING = (ClockState.OVER, ClockState.DUE_SOON, ClockState.RUNNING)
"""The states in which somebody still has to tell somebody."""

History = Sequence[tuple[datetime, Facts]]
"""The event as it was known from each moment on, oldest first; the last is as it stands. Never empty."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """One obligation of a case. `due` is the moment at which it is over; `day` the last day, where days are counted.

    `why` says what it runs from, or why it does not. What is to be told at once is due when it starts. `met_at` is when it was met;
    `now`, of what waits, the moment of which `state` tells.
    """

    obligation: Obligation
    state: ClockState
    why: Message
    starts: datetime | None = None
    due: datetime | None = None
    day: date | None = None
    met: CaseEntry | None = None
    met_at: datetime | None = None
    now: datetime | None = None

    @property
    def waits(self) -> bool:
        return self.state in WAITING

    @property
    def hours_left(self) -> int | None:
        """Whole hours that are left, rounded down; negative where it is over; None where nothing waits."""
        return (self.due - self.now) // HOUR if self.waits and self.due and self.now else None


def day_zero(case: Case) -> datetime:
    """When the sponsor first had subject, product, reporter and event: when they were entered, or earlier where the sponsor says so."""
    told = [opened(case)]
    for one in case.all_of(Kind.INFORMED):
        if one.role in SPONSOR_ROLES and one.content.get("aware"):
            told.append(datetime.fromisoformat(one.content["aware"]))
    return min(told)


def opened(case: Case) -> datetime:
    """When the event was first entered as serious; where the case was nullified since, when it was serious again."""
    again, nullified = case.opened_at, False
    for one in case.entries:
        if one.kind is Kind.REOPENED and nullified:
            again = one.at
        nullified = one.kind is Kind.NULLIFIED or (nullified and one.kind is not Kind.REOPENED)
    return again


def became(history: History, so: Callable[[Facts], bool]) -> datetime | None:
    """When it last became so; None where it was so from the beginning, or is not so."""
    turned, before = None, None
    for at, facts in history:
        if so(facts) and before is False:
            turned = at
        before = so(facts)
    return turned if before else None


def deadlines(settings: SafetySettings, case: Case, history: History, zone: tzinfo, now: datetime) -> tuple[Deadline, ...]:
    """Every obligation of the regime that is about subjects of this kind, in the study's order. `zone` is the sponsor's.

    An obligation whose concern cannot be judged yet counts as concerned: who has not judged causality has not excluded it.
    """
    facts = history[-1][1]
    mine = [
        one
        for one in settings.obligations
        if one.regime in ("", settings.regime) and (not one.subject_types or facts.subject_type in one.subject_types)
    ]
    read = _Reading(settings, case, history, zone, now)
    return tuple(read.deadline(one, mine) for one in mine)


def nearest(found: Sequence[Deadline]) -> Deadline | None:
    """The one that is over, or will be, before all others that wait."""
    waiting = [(one.due, place) for place, one in enumerate(found) if one.waits and one.due]
    return found[min(waiting)[1]] if waiting else None


def end_of(day: date, zone: tzinfo) -> datetime:
    """The moment at which this calendar day is over there, in UTC."""
    return datetime.combine(day + DAY, time(), zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class _Reading:
    settings: SafetySettings
    case: Case
    history: History
    zone: tzinfo
    now: datetime

    @property
    def facts(self) -> Facts:
        return self.history[-1][1]

    def deadline(self, one: Obligation, all_: Sequence[Obligation]) -> Deadline:
        met = self.met(one)
        starts, why = self.started(one, all_)
        starts = starts.astimezone(UTC) if starts else None
        if starts is None:
            if met is not None:  # What was told stays told, whatever the event became since.
                return Deadline(one, ClockState.MET, why, met=met, met_at=told_at(met))
            return Deadline(one, ClockState.NOT_STARTED, why)
        due, day = self.end(one, starts)
        if one.starts == "worsening":
            due, day = self.upgraded(all_, starts, due, day)
        if met is None:
            return stands_at(Deadline(one, ClockState.RUNNING, why, starts, due, day), self.now)
        told = told_at(met)
        # At once is no moment: whoever told somebody at all did it as soon as they say.
        in_time = one.at_once or (told <= due and (day is None or told < due))
        return Deadline(one, ClockState.MET if in_time else ClockState.LATE, why, starts, due, day, met, told)

    def met(self, one: Obligation) -> CaseEntry | None:
        """The submission that met it. That the site told the sponsor also shows in the first line that the sponsor wrote itself."""
        for entry in self.case.entries:
            if entry.kind is Kind.SUBMITTED and entry.content["obligation"] == one.oid:
                return entry
            if one.starts == "site_awareness" and one.sender not in SPONSOR_ROLES and entry.role in SPONSOR_ROLES:
                return entry
        return None

    def started(self, one: Obligation, all_: Sequence[Obligation]) -> tuple[datetime | None, Message]:
        state = self.case.state
        if state is CaseState.NULLIFIED:
            return None, Message(N_("The case is nullified: nothing is due."))
        concerned, why = self.concerned(one)
        if not concerned:
            return None, why
        if one.starts == "site_awareness":
            if self.facts.aware is not None:
                return self.facts.aware, Message(N_("from the moment the site knew that it is serious"))
            return opened(self.case), Message(N_("from the first entry as serious: when the site knew is not recorded"))
        if one.starts == "submission":
            first = self.first_report(one, all_)
            if first is None:
                return None, Message(N_("It runs from the first report, which was not submitted yet."))
            if state is CaseState.CLOSED and self.met(one) is None:
                return None, Message(N_("The case is closed: no further information is expected."))
            return told_at(first), Message(N_("from the submission of the first report"))
        if one.starts == "worsening":
            turned = self.worsened()
            if turned is None:
                return None, Message(N_("It did not become fatal or life-threatening later."))
            return max(turned, self.zero(one)), Message(N_("from the moment it was known as fatal or life-threatening"))
        return self.from_day_zero(one, all_)

    def first_report(self, one: Obligation, all_: Sequence[Obligation]) -> CaseEntry | None:
        """The first submission of the report that this one adds to; the report of a later worsening to the same recipient is one, too."""
        base = next((other for other in all_ if other.oid == one.after), one)
        like = {x.oid for x in all_ if (x.starts, x.concerns, x.recipient) == ("worsening", base.concerns, base.recipient)}
        return next((x for x in self.case.all_of(Kind.SUBMITTED) if x.content["obligation"] in like | {one.after}), None)

    def from_day_zero(self, one: Obligation, all_: Sequence[Obligation]) -> tuple[datetime | None, Message]:
        grave_from_start = self.facts.grave and self.worsened() is None
        if one.concerns == "susar_fatal" and not grave_from_start:
            return None, Message(N_("It became fatal or life-threatening later: another clock runs."))
        if one.concerns == "susar" and self.met(one) is None and self.facts.grave:
            wanted = "day_zero" if grave_from_start else "worsening"
            if any((other.concerns, other.starts, other.recipient) == ("susar_fatal", wanted, one.recipient) for other in all_):
                return None, Message(N_("It is fatal or life-threatening: the shorter clock runs."))
        return self.zero(one), Message(N_("from day 0, when the sponsor had subject, product, reporter and event"))

    def zero(self, one: Obligation) -> datetime:
        """Day 0. Where the investigator judged it related only later, that is when the sponsor first had a suspected reaction."""
        first = day_zero(self.case)
        turned = became(self.history, lambda facts: facts.related is not False) if one.concerns in _REACTIONS else None
        return max(first, turned) if turned and not self.related_by_sponsor_before(turned) else first

    def related_by_sponsor_before(self, moment: datetime) -> bool:
        return any(reportable(replace(self.facts, related=False), entry) for entry in self.case.all_of(Kind.ASSESSED) if entry.at < moment)

    def worsened(self) -> datetime | None:
        return became(self.history, lambda facts: facts.grave)

    def concerned(self, one: Obligation) -> tuple[bool, Message]:
        if one.concerns == "biovigilance":
            return self.facts.biovigilance, Message(N_("It is not flagged for biovigilance."))
        if one.concerns == "serious":
            return True, Message("")
        assessed = self.case.latest(Kind.ASSESSED)
        if reportable(self.facts, assessed) is False:
            return False, Message(N_("Neither the investigator nor the sponsor judges it related."))
        if one.concerns in ("susar", "susar_fatal") and self.expected(assessed):
            return False, Message(N_("It is expected by the reference safety information."))
        if one.concerns == "susar_fatal" and not self.facts.grave:
            return False, Message(N_("It is neither fatal nor life-threatening."))
        return True, Message("")

    def expected(self, assessed: CaseEntry | None) -> bool:
        """As the sponsor decided; until then as the reference safety information proposes."""
        if assessed is not None and assessed.content.get("expected") is not None:
            return bool(assessed.content["expected"])
        return proposed(self.settings.reference_safety, [x.code for x in self.settings.severities.items], self.facts).expected

    def end(self, one: Obligation, starts: datetime) -> tuple[datetime, date | None]:
        if one.at_once:
            return starts, None
        if one.hours:
            return starts + timedelta(hours=one.hours), None
        day = starts.astimezone(self.zone).date() + timedelta(days=one.days)
        return end_of(day, self.zone), day

    def upgraded(self, all_: Sequence[Obligation], turned: datetime, due: datetime, day: date | None) -> tuple[datetime, date | None]:
        """Never later than what would have been due had it not worsened, unless that was sent before (CTR article 42(2)(c))."""
        for other in all_:
            if other.concerns == "susar" and other.starts == "day_zero" and other.days:
                sent = self.met(other)
                if sent is None or told_at(sent) > turned:
                    due, day = min((due, day), self.end(other, self.zero(other)), key=lambda each: each[0])
        return due, day


def stands_at(made: Deadline, now: datetime) -> Deadline:
    """The same deadline as it is at this moment: the time changes the state of what waits, and nothing else of it."""
    due = made.due
    if due is None or made.met is not None:
        return made
    if made.obligation.at_once:
        state = ClockState.DUE_SOON
    elif (now >= due) if made.day else (now > due):
        state = ClockState.OVER
    else:
        state = ClockState.DUE_SOON if due - now <= (SOON_DAYS if made.day else SOON_HOURS) else ClockState.RUNNING
    return replace(made, now=now, state=state)


_REACTIONS = ("serious_reaction", "susar", "susar_fatal")


def told_at(entry: CaseEntry) -> datetime:
    """When something was told: as the line says, else when it was written."""
    said = entry.content.get("at") or entry.content.get("aware")
    return datetime.fromisoformat(said) if said else entry.at


class Step(StrEnum):
    """How far a clock that waits has come, for reminders: each is told once."""

    OPENED = "opened"
    HALF = "half"
    SOON = "soon"
    OVER = "over"
    OVER_DAY = "over_day"


ESCALATED = (Step.OVER, Step.OVER_DAY)
"""From here on not only who must tell is told, but sponsor and investigator."""


def reached(one: Deadline, now: datetime) -> Step | None:
    """The last step that a clock has come to; None where nothing waits, or it has not begun.

    What is due at once has no half: it is said again after four hours, and escalated after a day.
    """
    if not one.waits or one.starts is None or one.due is None or now < one.starts:
        return None
    if one.obligation.at_once:
        steps = [(Step.OPENED, one.starts), (Step.SOON, one.starts + SOON_HOURS), (Step.OVER_DAY, one.starts + DAY)]
    else:
        soon = one.due - (SOON_DAYS if one.day else SOON_HOURS)
        half = one.starts + (one.due - one.starts) / 2
        steps = [(Step.OPENED, one.starts), (Step.HALF, half), (Step.SOON, soon), (Step.OVER, one.due), (Step.OVER_DAY, one.due + DAY)]
    return [step for step, at in steps if now >= at][-1]
