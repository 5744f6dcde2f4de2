"""The one rule of visits: target, window, state and reason, from definition, data and the day at the site.

The visit matrix, the reminders and the mails all call `plan`, so they cannot disagree (clinical reference, section C).
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
    PLANNED = "planned"
    DUE = "due"
    OVERDUE = "overdue"
    DONE = "done"
    DONE_OUT = "done_out"
    MISSED = "missed"
    NOT_APPLICABLE = "not_applicable"


STATES: Mapping[State, str] = {
    State.PLANNED: N_("planned"),
    State.DUE: N_("due"),
    State.OVERDUE: N_("overdue"),
    State.DONE: N_("done"),
    State.DONE_OUT: N_("done out of window"),
    State.MISSED: N_("missed"),
    State.NOT_APPLICABLE: N_("not applicable"),
}

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


@dataclass(frozen=True, slots=True)
class Ending:
    """Why and when participation ended; the day may be partial or unknown."""

    code: str
    on: DateInterval | None


@dataclass(frozen=True, slots=True)
class Visit:
    """One planned visit of one subject on one day: exactly one state, with its reason. Days are inclusive; no target, no window."""

    event: StudyEventDef
    state: State
    reason: Message
    target: date | None = None
    opens: date | None = None
    closes: date | None = None
    on: str = ""
    overdue_by: int = 0


def plan(study: Study, subject: SubjectRecord, today: date) -> tuple[Visit, ...]:
    """Every scheduled visit of the subject as it stands on that day at the site, in the order of the definition."""
    days = anchor_days(study, subject)
    end = ending(subject)
    records: dict[str, list[Recorded]] = {}
    for record in subject.records:
        records.setdefault(record.event_oid, []).append(record)
    return tuple(
        _visit(study, event, records.get(event.oid, []), days, end, today)
        for event in study.events_for(subject.subject_type)
        if event.type is EventType.SCHEDULED
    )


def overdue(study: Study, subject: SubjectRecord, today: date) -> Iterator[Visit]:
    """The visits whose window has ended without a record, the day after its last day at the earliest."""
    return (visit for visit in plan(study, subject, today) if visit.state is State.OVERDUE)


def anchor_days(study: Study, subject: SubjectRecord) -> Mapping[str, date]:
    """The day of each anchor that has one: the earliest recorded value of its alias. A partial date anchors nothing."""
    found: dict[str, date] = {}
    for anchor in study.anchors:
        day = earliest_exact(subject.all_of(anchor.alias))
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


def _visit(study: Study, event: StudyEventDef, records: list[Recorded], days: Mapping[str, date], end: Ending | None, today: date) -> Visit:
    anchor = days.get(event.anchor)
    target, opens, closes = bounds(event, anchor) if event.target and anchor else (None, None, None)
    on = next((record.values[event.date_alias] for record in records if event.date_alias in record.values), "")
    missed = next((record for record in records if record.values.get("SVOCCUR") == "N"), None)
    if on:
        return _done(event, on, target, opens, closes)
    if missed is not None:
        why = missed.values.get("SVREASOC", "")
        reason = Message(N_("Marked missed: %(why)s"), {"why": study.meaning("SVREASOC", why)}) if why else Message(N_("Marked missed"))
        return Visit(event, State.MISSED, reason, target, opens, closes)
    if end is not None:
        return Visit(event, State.NOT_APPLICABLE, _ended(end, closes), target, opens, closes)
    if target is None or opens is None or closes is None:
        return Visit(event, State.PLANNED, _unplanned(study, event))
    window = {"opens": opens, "closes": closes}
    if today > closes:
        late = (today - closes).days
        return Visit(
            event, State.OVERDUE, Message(N_("Window ended on %(closes)s, nothing recorded"), window), target, opens, closes, "", late
        )
    if today >= opens:
        return Visit(event, State.DUE, Message(N_("Window open from %(opens)s to %(closes)s"), window), target, opens, closes)
    return Visit(event, State.PLANNED, Message(N_("Window from %(opens)s to %(closes)s"), window), target, opens, closes)


def _done(event: StudyEventDef, on: str, target: date | None, opens: date | None, closes: date | None) -> Visit:
    if opens is None or closes is None:
        return Visit(event, State.DONE, Message(N_("Date recorded")), target, opens, closes, on)
    day, window = interval(on), {"opens": opens, "closes": closes}
    if day.latest < opens or day.earliest > closes:
        return Visit(
            event, State.DONE_OUT, Message(N_("Outside the window from %(opens)s to %(closes)s"), window), target, opens, closes, on
        )
    certain = opens <= day.earliest and day.latest <= closes
    said = N_("In the window from %(opens)s to %(closes)s")
    unsure = N_("Partial date: cannot be verified against the window from %(opens)s to %(closes)s")
    return Visit(event, State.DONE, Message(said if certain else unsure, window), target, opens, closes, on)


def _ended(end: Ending, closes: date | None) -> Message:
    what = Message(ENDINGS[end.code])
    if end.on is None:
        return Message(N_("Participation ended: %(what)s, day unknown"), {"what": what})
    if closes is not None and closes < end.on.earliest:
        said = N_("Participation ended on %(on)s: %(what)s; the window had ended before, on %(closes)s")
        return Message(said, {"what": what, "on": end.on.earliest, "closes": closes})
    return Message(N_("Participation ended on %(on)s: %(what)s"), {"what": what, "on": end.on.earliest})


def _unplanned(study: Study, event: StudyEventDef) -> Message:
    anchor = next((a.label for a in study.anchors if a.oid == event.anchor), Words())
    if event.target is None:
        return Message(N_("No date is planned: done when it is recorded"))
    return Message(N_("Not yet planned: %(anchor)s has no exact date"), {"anchor": anchor})
