"""The one rule of visits: target, window, state and reason, from definition, data and the day at the site.

Two steps. `standings` says what definition and data make of each visit, whatever the day; only that is stored, for lists. `plan` adds
the day. Lists, matrix, calendar, feed, mails and reports all end here, so they cannot disagree (clinical reference, section C).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from trialcrf.core.calendar import add
from trialcrf.core.definition.model import EventType, Study, StudyEventDef
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.values import DateInterval, interval
from trialcrf.core.wording import N_, Message, Words


class State(StrEnum):
    NOT_PLANNABLE = "not_plannable"
    PLANNED = "planned"
    DUE_SOON = "due_soon"
    DUE = "due"
    OVERDUE = "overdue"
    DONE = "done"
    DONE_OUT = "done_out"
    MISSED = "missed"
    NOT_APPLICABLE = "not_applicable"
    CANCELLED = "cancelled"


STATES: Mapping[State, str] = {
    State.NOT_PLANNABLE: N_("not yet plannable"),
    State.PLANNED: N_("planned"),
    State.DUE_SOON: N_("due soon"),
    State.DUE: N_("due"),
    State.OVERDUE: N_("overdue"),
    State.DONE: N_("done"),
    State.DONE_OUT: N_("done out of window"),
    State.MISSED: N_("missed"),
    State.NOT_APPLICABLE: N_("not applicable"),
    State.CANCELLED: N_("cancelled"),
}

OPEN, LEFT = "open", "left"
"""The courses of a visit that has a window and waits: the day alone decides whether it is planned, due soon, due or overdue. `left`:
participation ended after the window had, so nobody is reminded any more, but someone must still say what became of it. Every other
course is the state itself."""

WAITING = frozenset({OPEN, LEFT})

ENDINGS: Mapping[str, str] = {
    "COMPLETED": N_("study completed"),
    "DEATH": N_("death"),
    "SCREEN FAILURE": N_("screen failure"),
    "WITHDRAWAL BY SUBJECT": N_("withdrawal by subject"),
    "LOST TO FOLLOW-UP": N_("lost to follow-up"),
    "ADVERSE EVENT": N_("adverse event"),
    "PHYSICIAN DECISION": N_("physician decision"),
    "PROTOCOL VIOLATION": N_("protocol violation"),
    "PROTOCOL DEVIATION": N_("protocol deviation"),
    "LACK OF EFFICACY": N_("lack of efficacy"),
    "NEVER DOSED": N_("never dosed"),
    "PREGNANCY": N_("pregnancy"),
    "PROGRESSIVE DISEASE": N_("progressive disease"),
    "STUDY TERMINATED BY SPONSOR": N_("study terminated by sponsor"),
    "SITE TERMINATED BY SPONSOR": N_("site terminated by sponsor"),
    "OTHER": N_("other reason"),
}
"""Codes of DSDECOD (CDISC codelist NCOMPLT) that end a subject's participation; milestones such as RANDOMIZED do not."""

NEVER_BEGAN = frozenset({"SCREEN FAILURE", "NEVER DOSED", "COMPLETED"})
"""Endings after which the visits that are left belong to nobody: not applicable. After any other they are cancelled."""

_BEARING = frozenset({"SVOCCUR", "SVREASOC", "DSDECOD", "DSSTDAT", "DTHDAT"})


@dataclass(frozen=True, slots=True)
class Ending:
    """Why and when participation ended; the day may be partial or unknown."""

    code: str
    on: DateInterval | None


@dataclass(frozen=True, slots=True)
class Span:
    """The windows that are in one state on one day: bounds, inclusive, of their first and last day; None is no bound."""

    opens_from: date | None = None
    opens_to: date | None = None
    closes_from: date | None = None
    closes_to: date | None = None

    def holds(self, opens: date, closes: date) -> bool:
        return (
            (self.opens_from is None or opens >= self.opens_from)
            and (self.opens_to is None or opens <= self.opens_to)
            and (self.closes_from is None or closes >= self.closes_from)
            and (self.closes_to is None or closes <= self.closes_to)
        )


def spans(today: date, soon: int) -> Mapping[State, Span]:
    """Which open windows are in which state today, `soon` days being "soon". Every window is in exactly one, and only moves on.

    The last day of a window still belongs to it: what is due today is never overdue today.
    """
    day = timedelta(days=1)
    return {
        State.PLANNED: Span(opens_from=today + timedelta(days=soon) + day),
        State.DUE_SOON: Span(opens_from=today + day, opens_to=today + timedelta(days=soon)),
        State.DUE: Span(opens_to=today, closes_from=today),
        State.OVERDUE: Span(closes_to=today - day),
    }


@dataclass(frozen=True, slots=True)
class Standing:
    """What definition and data make of one visit of one subject, whatever the day.

    `course` is OPEN, LEFT or the State that the visit is in for good; `why` its reason, None where it is OPEN. `basis` says what the
    window is counted from; `held_on` is the recorded date as it was recorded, partial ones too.
    """

    event: StudyEventDef
    course: str
    why: Message | None = None
    basis: Message | None = None
    target: date | None = None
    opens: date | None = None
    closes: date | None = None
    held_on: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """One planned visit of one subject on one day: exactly one state, with its reason. Days are inclusive; no target, no window.

    `closes` is the last day that avoids a deviation.
    """

    event: StudyEventDef
    state: State
    reason: Message
    target: date | None = None
    opens: date | None = None
    closes: date | None = None
    on: str = ""
    overdue_by: int = 0
    basis: Message | None = None


def plan(study: Study, subject: SubjectRecord, today: date) -> tuple[Visit, ...]:
    """Every scheduled visit of the subject as it stands on that day at the site, in the order of the definition."""
    return tuple(on_day(standing, today, study.due_soon) for standing in standings(study, subject))


def overdue(study: Study, subject: SubjectRecord, today: date) -> Iterator[Visit]:
    """The visits whose window has ended without a record, the day after its last day at the earliest."""
    return (visit for visit in plan(study, subject, today) if visit.state is State.OVERDUE)


def standings(study: Study, subject: SubjectRecord) -> tuple[Standing, ...]:
    """Every scheduled visit of the subject, in the order of the definition."""
    days = anchor_days(study, subject)
    end = ending(subject)
    records: dict[str, list[Recorded]] = {}
    for record in subject.records:
        records.setdefault(record.event_oid, []).append(record)
    return tuple(
        _standing(study, event, records.get(event.oid, []), days, end)
        for event in study.events_for(subject.subject_type)
        if event.type is EventType.SCHEDULED
    )


def on_day(standing: Standing, today: date, soon: int) -> Visit:
    """The visit as it stands on that day at the site; `soon`: within how many days a window that opens is called due soon."""
    at = (standing.target, standing.opens, standing.closes, standing.held_on)
    if standing.course not in WAITING:
        assert standing.why is not None
        return Visit(standing.event, State(standing.course), standing.why, *at, basis=standing.basis)
    opens, closes = standing.opens, standing.closes
    assert opens is not None and closes is not None
    state = next(state for state, span in spans(today, soon).items() if span.holds(opens, closes))
    late = (today - closes).days if state is State.OVERDUE else 0
    window = {"opens": opens, "closes": closes}
    reason = Message(_OPEN_SAYS[state], window)
    return Visit(standing.event, state, standing.why or reason, *at, late, standing.basis)


_OPEN_SAYS: Mapping[State, str] = {
    State.PLANNED: N_("Window from %(opens)s to %(closes)s"),
    State.DUE_SOON: N_("The window opens on %(opens)s and ends on %(closes)s"),
    State.DUE: N_("Window open from %(opens)s to %(closes)s"),
    State.OVERDUE: N_("Window ended on %(closes)s, nothing recorded"),
}


def bearing(study: Study) -> frozenset[str]:
    """The aliases that `standings` reads: a save that changes none of them moves no visit."""
    return _BEARING.union((anchor.alias for anchor in study.anchors), (event.date_alias for event in study.events))


def anchor_days(study: Study, subject: SubjectRecord) -> Mapping[str, date]:
    """The day of each anchor that has one: the earliest recorded value of its alias, within its visit where it names one.

    A partial date anchors nothing.
    """
    found: dict[str, date] = {}
    for anchor in study.anchors:
        told = (one.values for one in subject.records if anchor.event in ("", one.event_oid))
        day = earliest_exact(values[anchor.alias] for values in told if anchor.alias in values)
        if day is not None:
            found[anchor.oid] = day
    return found


def earliest_exact(dates: Iterable[str]) -> date | None:
    """The earliest of these dates (canonical texts) of which every part is known."""
    return min((day.earliest for day in map(interval, dates) if day.earliest == day.latest), default=None)


def ending(subject: SubjectRecord) -> Ending | None:
    """How participation ended, if it did: a disposition of ENDINGS, else a date of death. Death outranks any other."""
    found: list[Ending] = []
    for record in subject.records:
        code = record.values.get("DSDECOD", "")
        died = record.values.get("DTHDAT")
        if code in ENDINGS:
            on = (died if code == "DEATH" else None) or record.values.get("DSSTDAT")
            found.append(Ending(code, interval(on) if on else None))
        elif died:
            found.append(Ending("DEATH", interval(died)))
    return min(found, key=lambda end: (end.code != "DEATH", end.on.earliest if end.on else date.max), default=None)


def bounds(event: StudyEventDef, anchor: date) -> tuple[date, date, date]:
    """(target, first day, last day) of the event counted from the anchor's day. The event must have a target."""
    assert event.target is not None
    target = add(anchor, event.target.months, event.target.days)
    return target, target - timedelta(days=event.window.before), target + timedelta(days=event.window.after)


def _standing(study: Study, event: StudyEventDef, records: list[Recorded], days: Mapping[str, date], end: Ending | None) -> Standing:
    anchor = days.get(event.anchor)
    basis, target, opens, closes = None, None, None, None
    if event.target is not None and anchor is not None:
        target, opens, closes = bounds(event, anchor)
        counted = {"anchor": _label(study, event), "day": anchor, "target": target}
        basis = Message(N_("Target %(target)s, counted from: %(anchor)s, %(day)s"), counted)
    on = next((record.values[event.date_alias] for record in records if event.date_alias in record.values), "")
    missed = next((record for record in records if record.values.get("SVOCCUR") == "N"), None)
    if on:
        state, why = _held(on, opens, closes)
    elif missed is not None:
        code = missed.values.get("SVREASOC", "")
        state = State.MISSED
        why = Message(N_("Marked missed: %(why)s"), {"why": study.meaning("SVREASOC", code)}) if code else Message(N_("Marked missed"))
    elif end is not None and not _ended_before(closes, end):
        state = State.NOT_APPLICABLE if end.code in NEVER_BEGAN else State.CANCELLED
        why = _ended(end)
    elif target is None:
        state, why = State.NOT_PLANNABLE, _unplanned(study, event)
    else:
        course, said = (LEFT, _forgotten(end, closes)) if end else (OPEN, None)
        return Standing(event, course, said, basis, target, opens, closes)
    return Standing(event, state.value, why, basis, target, opens, closes, on)


def _ended_before(closes: date | None, end: Ending) -> bool:
    """Whether the window had certainly ended when participation did: then the visit was due, and someone must say what became of it."""
    return closes is not None and end.on is not None and closes < end.on.earliest


def _held(on: str, opens: date | None, closes: date | None) -> tuple[State, Message]:
    if opens is None or closes is None:
        return State.DONE, Message(N_("Date recorded"))
    day, window = interval(on), {"opens": opens, "closes": closes}
    if day.latest < opens or day.earliest > closes:
        return State.DONE_OUT, Message(N_("Outside the window from %(opens)s to %(closes)s"), window)
    certain = opens <= day.earliest and day.latest <= closes
    said = N_("In the window from %(opens)s to %(closes)s")
    unsure = N_("Partial date: cannot be verified against the window from %(opens)s to %(closes)s")
    return State.DONE, Message(said if certain else unsure, window)


def _ended(end: Ending) -> Message:
    what = Message(ENDINGS[end.code])
    if end.on is None:
        return Message(N_("Participation ended: %(what)s, day unknown"), {"what": what})
    return Message(N_("Participation ended on %(on)s: %(what)s"), {"what": what, "on": end.on.earliest})


def _forgotten(end: Ending, closes: date | None) -> Message:
    assert closes is not None and end.on is not None
    said = N_("Window ended on %(closes)s, nothing recorded, before participation ended on %(on)s: %(what)s")
    return Message(said, {"closes": closes, "on": end.on.earliest, "what": Message(ENDINGS[end.code])})


def _unplanned(study: Study, event: StudyEventDef) -> Message:
    if event.target is None:
        return Message(N_("No date is planned: done when it is recorded"))
    return Message(N_("Not yet planned: %(anchor)s has no exact date"), {"anchor": _label(study, event)})


def _label(study: Study, event: StudyEventDef) -> Words:
    return next((anchor.label for anchor in study.anchors if anchor.oid == event.anchor), Words())
