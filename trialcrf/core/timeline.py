"""A subject's time as one figure: planned windows, actual visits, reference days, adverse events, the end, today. Pure: days in, units out.

The figure and its table twin are drawn from the same marks, so neither holds what the other does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from trialcrf.core import schedule
from trialcrf.core.calendar import add_months, months_between
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.safety.event import is_event
from trialcrf.core.schedule import Ending, State, Visit
from trialcrf.core.values import DateInterval, interval
from trialcrf.core.wording import N_, Message, Sayable, Words

WIDTH, LEFT, RIGHT = 1000.0, 215.0, 985.0
"""User units: the width of the figure, and where its days begin and end; what stands left of them are the names of the lanes."""

TOP, LANE = 40.0, 26.0
"""User units: the height of the scale, and of one lane."""

LEAST = 5.0
"""User units: the least width of a bar, so that a window of one day is seen in a figure of two years."""

SHORTEST = 14
"""Days that a figure spans at least."""

WORD = 190.0
"""User units that the word of a state may take beside its bar."""

RECOVERED = frozenset({"RECOVERED/RESOLVED", "RECOVERED/RESOLVED WITH SEQUELAE", "FATAL"})
"""Codes of AEOUT (CDISC codelist OUT) after which an event without an end date is not called ongoing."""


class Kind(StrEnum):
    ANCHOR = "anchor"
    VISIT = "visit"
    EVENT = "event"
    ENDING = "ending"
    TODAY = "today"


KINDS = {
    Kind.ANCHOR: N_("Reference day"),
    Kind.VISIT: N_("Visit"),
    Kind.EVENT: N_("Adverse event"),
    Kind.ENDING: N_("End of participation"),
    Kind.TODAY: N_("Today"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """Days, inclusive, and where they are drawn, in user units. `partial`: of the recorded date only this much is known.

    `open_end`: nothing says when it ended; it is drawn up to the day that is known last.
    """

    first: date
    last: date
    partial: bool = False
    open_end: bool = False
    x: float = 0.0
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class Mark:
    """One lane of the figure and one row of its table. `window` is what was planned, `actual` what took place.

    `state` names shape and colour, `word` says it; `dates` and `text` are what the table adds. `word_at` is "after", "before" or
    "inside" the bars, `word_x` the place in user units; `y` is the middle of the lane.
    """

    kind: Kind
    what: Sayable | str
    state: str
    word: Sayable | str
    dates: tuple[Message, ...]
    text: tuple[Sayable, ...] = ()
    window: Bar | None = None
    actual: Bar | None = None
    y: float = 0.0
    word_x: float = 0.0
    word_at: str = "after"

    @property
    def bars(self) -> tuple[Bar, ...]:
        return tuple(bar for bar in (self.window, self.actual) if bar is not None)

    @property
    def partial(self) -> bool:
        return any(bar.partial for bar in self.bars)


@dataclass(frozen=True, slots=True)
class Tick:
    day: date
    label: Message
    x: float


@dataclass(frozen=True, slots=True)
class Undated:
    """What is planned or recorded and has no day yet: it is in a list below the figure, with its reason."""

    what: Sayable | str
    why: Sayable


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the page draws. Without marks nothing is known of the subject's days. `counted_from`: the day that the months of the scale
    are counted from, None where the scale shows dates."""

    marks: tuple[Mark, ...] = ()
    ticks: tuple[Tick, ...] = ()
    undated: tuple[Undated, ...] = ()
    counted_from: Sayable | None = None
    height: float = 0.0

    @property
    def partial(self) -> bool:
        """Whether the figure needs to say what a dashed edge means."""
        return any(mark.partial for mark in self.marks)


def timeline(study: Study, record: SubjectRecord, visits: Sequence[Visit], today: date) -> Timeline:
    """The figure of one subject on that day at the site, of the records that are given: leave out what a reader may not see.

    Order: reference days, visits as the definition has them, adverse events by onset, the end of participation, today.
    """
    end = schedule.ending(record)
    known = _until(end, today)
    anchors = list(_anchors(study, record))
    dated, undated = [mark for mark, _ in anchors], []
    for visit in visits:
        mark = _visit(visit)
        dated += [mark] if mark.bars else []
        undated += [] if mark.bars else [Undated(visit.event.label, visit.reason)]
    events = [_event(study, each, known) for each in record.records if is_event(each)]
    dated += sorted((mark for mark in events if mark.bars), key=lambda mark: (mark.bars[0].first, mark.bars[0].last))
    undated += [Undated(mark.what, Message(N_("Onset unknown"))) for mark in events if not mark.bars]
    if end is not None:
        ended = _ending(end)
        dated += [ended] if ended.bars else []
        undated += [] if ended.bars else [Undated(ended.word, Message(N_("Day unknown")))]
    if not dated:
        return Timeline(undated=tuple(undated))
    last = max(bar.last for mark in dated for bar in mark.bars)
    if end is None or today <= last:
        # Long after the end today says nothing, and would press everything else together.
        on = Message("%(day)s", {"day": today})
        dated.append(Mark(Kind.TODAY, Message(KINDS[Kind.TODAY]), "today", "", (on,), actual=Bar(today, today)))
    infused = next((day for mark, alias in anchors for day in [mark.bars[0]] if alias == "EXSTDAT" and not day.partial), None)
    label = next((mark.what for mark, alias in anchors if alias == "EXSTDAT"), None)
    return _placed(dated, undated, infused.first if infused else None, label if infused and not isinstance(label, str) else None)


def _until(end: Ending | None, today: date) -> date:
    """Up to which day an event without an end is drawn: until participation ended, else until today."""
    return min(end.on.latest, today) if end is not None and end.on is not None else today


def _anchors(study: Study, record: SubjectRecord) -> Iterator[tuple[Mark, str]]:
    """Reference days with their alias, in order of time; one that is only partly known is shown, though nothing is counted from it."""
    exact = schedule.anchor_days(study, record)
    found: list[tuple[Mark, str]] = []
    for anchor in study.anchors:
        told = [one.values[anchor.alias] for one in record.records if anchor.event in ("", one.event_oid) and anchor.alias in one.values]
        day = exact.get(anchor.oid)
        on = DateInterval(day, day) if day else min(map(interval, told), key=lambda one: one.earliest, default=None)
        if on is not None:
            text = () if day else (Message(N_("Partial date: nothing is counted from it")),)
            mark = Mark(Kind.ANCHOR, anchor.label, "anchor", Message(KINDS[Kind.ANCHOR]), (_said(on),), text, actual=_bar(on))
            found.append((mark, anchor.alias))
    return iter(sorted(found, key=lambda each: each[0].bars[0].first))


def _visit(visit: Visit) -> Mark:
    dates: list[Message] = []
    window, actual = None, None
    if visit.opens is not None and visit.closes is not None:
        window = Bar(visit.opens, visit.closes)
        dates.append(Message(N_("window %(opens)s to %(closes)s"), {"opens": visit.opens, "closes": visit.closes}))
    if visit.on:
        on = interval(visit.on)
        actual = _bar(on)
        dates.append(Message(N_("visit on %(day)s"), {"day": _said(on)}))
    word = Message(schedule.STATES[visit.state])
    if visit.state is State.OVERDUE:
        one = visit.overdue_by == 1
        word = Message(N_("overdue by 1 day")) if one else Message(N_("overdue by %(days)s days"), {"days": visit.overdue_by})
    text = (visit.reason,) if visit.basis is None else (visit.reason, visit.basis)
    return Mark(Kind.VISIT, visit.event.label, visit.state.value, word, tuple(dates), text, window, actual)


def _event(study: Study, record: Recorded, known: date) -> Mark:
    told = record.values
    what: Sayable | str = told.get("AETERM", "")
    if not what:
        what = study.meaning("AEDECOD", told["AEDECOD"]) if "AEDECOD" in told else Message(N_("Term not recorded"))
    alias = study.safety.severity_alias if study.safety else "AETOXGR"
    grade: Sayable | str = study.meaning(alias, told[alias]) if alias in told else Message(N_("severity not recorded"))
    if alias == "AETOXGR" and alias in told and _begins(grade, told[alias]):
        grade = Message(N_("grade %(grade)s"), {"grade": grade})
    serious = told.get("AESER") == "Y"
    word: Sayable | str = Message(N_("%(severity)s, serious"), {"severity": grade}) if serious else grade
    state = "severe" if _severe(study, told.get(alias, "")) or serious else "mild"
    if "AESTDAT" not in told:
        return Mark(Kind.EVENT, what, state, word, ())
    onset, end = interval(told["AESTDAT"]), interval(told["AEENDAT"]) if "AEENDAT" in told else None
    began = Message(N_("from %(day)s"), {"day": _said(onset)})
    dates: tuple[Message, ...] = (began,)
    text: tuple[Message, ...] = ()
    if end is not None:
        dates, last = (began, Message(N_("to %(day)s"), {"day": _said(end)})), max(end.latest, onset.latest)
    elif told.get("AEOUT", "") in RECOVERED:
        text, last = (Message(N_("end not recorded")),), onset.latest
    else:
        text, last = (Message(N_("ongoing")),), max(known, onset.latest)
    partial = not onset.exact or (end is not None and not end.exact)
    return Mark(Kind.EVENT, what, state, word, dates, text, actual=Bar(onset.earliest, last, partial, end is None))


def _begins(said: Sayable | str, code: str) -> bool:
    """Whether a label is the bare number of a grade, or begins with it: beside a bar nobody would know what the number is."""
    texts = [said] if isinstance(said, str) else list(said.texts.values()) if isinstance(said, Words) else []
    return any(text.startswith(code) for text in texts)


def _severe(study: Study, code: str) -> bool:
    if study.safety is None:
        return False
    codes = [item.code for item in study.safety.severities.items]
    return code in codes and study.safety.severe_from in codes and codes.index(code) >= codes.index(study.safety.severe_from)


def _ending(end: Ending) -> Mark:
    state = "death" if end.code == "DEATH" else "ended"
    what, word = Message(KINDS[Kind.ENDING]), Message(schedule.ENDINGS[end.code])
    if end.on is None:
        return Mark(Kind.ENDING, what, state, word, ())
    return Mark(Kind.ENDING, what, state, word, (_said(end.on),), actual=_bar(end.on))


def _bar(on: DateInterval) -> Bar:
    return Bar(on.earliest, on.latest, not on.exact)


def _said(on: DateInterval) -> Message:
    """A day; of a partial date all the days that it may be."""
    if on.exact:
        return Message("%(day)s", {"day": on.earliest})
    return Message(N_("between %(first)s and %(last)s (partial date)"), {"first": on.earliest, "last": on.latest})


def _placed(marks: Sequence[Mark], undated: Sequence[Undated], infused: date | None, label: Sayable | None) -> Timeline:
    """Every mark with its place: one lane each, in order, days to scale from the first to the last."""
    first = min(bar.first for mark in marks for bar in mark.bars)
    last = max(bar.last for mark in marks for bar in mark.bars)
    last = max(last, first + timedelta(days=SHORTEST))
    scale = (RIGHT - LEFT) / ((last - first).days + 1)

    def at(day: date) -> float:
        return round(LEFT + (day - first).days * scale, 1)

    def drawn(bar: Bar | None) -> Bar | None:
        if bar is None:
            return None
        width = max(LEAST, round(((bar.last - bar.first).days + 1) * scale, 1))
        return replace(bar, x=min(at(bar.first), RIGHT - width), width=width)

    made = [
        _worded(replace(mark, window=drawn(mark.window), actual=drawn(mark.actual), y=TOP + LANE * (lane + 0.5)))
        for lane, mark in enumerate(marks)
    ]
    ticks = tuple(Tick(day, said, at(day)) for day, said in (_months(first, last, infused) if infused else _dates(first, last)))
    return Timeline(tuple(made), ticks, tuple(undated), label, TOP + LANE * len(made) + 8)


def _worded(mark: Mark) -> Mark:
    left = min(bar.x for bar in mark.bars)
    right = max(bar.x + bar.width for bar in mark.bars)
    if right + WORD <= WIDTH:
        return replace(mark, word_at="after", word_x=right + 6)
    if left - WORD >= LEFT:
        return replace(mark, word_at="before", word_x=left - 6)
    return replace(mark, word_at="inside", word_x=left + 6)


_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)
_MOST = 11
"""Ticks that a scale has at most: more of them run into each other."""


def _months(first: date, last: date, infused: date) -> Iterator[tuple[date, Message]]:
    """Calendar months since the infusion, before it with a minus sign."""
    low, high = months_between(infused, first), months_between(infused, last)
    step = next((step for step in _STEPS if (high - low) // step < _MOST), _STEPS[-1])
    for month in range(low // step * step, high + 1, step):
        day = add_months(infused, month)
        if first <= day <= last:
            yield day, Message(N_("M%(month)s"), {"month": f"−{-month}" if month < 0 else str(month)})


def _dates(first: date, last: date) -> Iterator[tuple[date, Message]]:
    """Days a week or more apart, or firsts of months."""
    days = (last - first).days
    if days <= 7 * _MOST // 2:
        for number in range(0, days + 1, 7):
            yield first + timedelta(days=number), Message("%(day)s", {"day": first + timedelta(days=number)})
        return
    months = months_between(first, last) + 1
    step = next((step for step in _STEPS if months // step < _MOST // 2 + 1), _STEPS[-1])
    day = add_months(first.replace(day=1), 1)
    while day <= last:
        yield day, Message("%(day)s", {"day": day})
        day = add_months(day, step)
