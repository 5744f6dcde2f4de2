"""Site quality: visits in their windows, days from what happened to its entry, queries and their age. Counts only what was due.

A visit that is not yet due, is cancelled or does not apply is in no numerator and no denominator. Days are whole days at the site.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from trialcrf.core import schedule
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.safety.event import is_event
from trialcrf.core.schedule import LEFT, WAITING, State
from trialcrf.core.values import interval
from trialcrf.core.wording import Sayable, Words
from trialcrf.core.workflow import QueryState

LONG = 30
"""Days after which a query that is not closed is counted apart (an assumption of ours; to be verified with the sponsor)."""


class SeenVisit(NamedTuple):
    """A scheduled visit as `core.schedule.Standing` has it, with the day at the site on which its first form was first saved."""

    course: str
    opens: date | None
    closes: date | None
    held_on: str
    entered: date | None


class SeenEvent(NamedTuple):
    """An adverse event: its onset as recorded (empty: not recorded), and the day at the site on which it was first saved."""

    onset: str
    entered: date


class SeenQuery(NamedTuple):
    state: QueryState
    opened: date


FOR_SITE = frozenset({QueryState.OPEN})
FOR_REVIEW = frozenset({QueryState.ANSWERED, QueryState.MODIFIED})
"""Whom a query waits for: what was closed and then modified waits for who judges answers."""


class Seen(NamedTuple):
    """A lot of what is known of one subject type at one site, with the days of enrolment: `quality` adds lots up, whatever their size."""

    subject_type: str
    enrolled: Sequence[date] = ()
    visits: Sequence[SeenVisit] = ()
    events: Sequence[SeenEvent] = ()
    queries: Sequence[SeenQuery] = ()


@dataclass(frozen=True, slots=True)
class Days:
    """A number of whole days each: how often which number occurred, lowest first, and how many had none that can be told."""

    found: tuple[tuple[int, int], ...] = ()
    not_assessable: int = 0

    @property
    def number(self) -> int:
        return sum(times for _, times in self.found)

    @property
    def median(self) -> Decimal | None:
        """None where there is none; with an even number the mean of the middle two."""
        number = self.number
        if not number:
            return None
        return Decimal(self._at((number - 1) // 2) + self._at(number // 2)) / 2

    @property
    def longest(self) -> int | None:
        return self.found[-1][0] if self.found else None

    @property
    def long(self) -> int:
        """How many are longer than LONG days."""
        return sum(times for days, times in self.found if days > LONG)

    def _at(self, place: int) -> int:
        for days, times in self.found:
            place -= times
            if place < 0:
                return days
        raise IndexError(place)

    def __add__(self, other: Days) -> Days:
        return _days(Counter(dict(self.found)) + Counter(dict(other.found)), self.not_assessable + other.not_assessable)


def _days(counted: Counter[int], not_assessable: int = 0) -> Days:
    return Days(tuple(sorted(counted.items())), not_assessable)


@dataclass(frozen=True, slots=True)
class Visits:
    """Visits that were due: `done`, `done_out`, `missed` and `overdue` are all of them.

    `unsure` of the done have a partial date that cannot be verified against the window; `left` of the overdue belong to subjects whose
    participation has ended since, and `overdue_by_type` tells them by subject type.
    """

    done: int = 0
    unsure: int = 0
    done_out: int = 0
    missed: int = 0
    overdue: int = 0
    left: int = 0
    overdue_by_type: tuple[tuple[str, int], ...] = ()

    @property
    def due(self) -> int:
        return self.done + self.done_out + self.missed + self.overdue

    def __add__(self, other: Visits) -> Visits:
        return Visits(
            self.done + other.done,
            self.unsure + other.unsure,
            self.done_out + other.done_out,
            self.missed + other.missed,
            self.overdue + other.overdue,
            self.left + other.left,
            tuple(sorted((Counter(dict(self.overdue_by_type)) + Counter(dict(other.overdue_by_type))).items())),
        )


@dataclass(frozen=True, slots=True)
class SiteQuality:
    """The numbers of one site, or of the whole study (`site` empty). `to_entry` runs from the date of a visit to its first entry,
    `event_to_entry` from the onset of an adverse event to its first entry; `opened` and `answered` are the ages of queries."""

    site: str
    name: str = ""
    subjects: int = 0
    visits: Visits = Visits()
    to_entry: Days = Days()
    event_to_entry: Days = Days()
    opened: Days = Days()
    answered: Days = Days()

    def __add__(self, other: SiteQuality) -> SiteQuality:
        """Both together, under the name of the first."""
        return SiteQuality(
            self.site,
            self.name,
            self.subjects + other.subjects,
            self.visits + other.visits,
            self.to_entry + other.to_entry,
            self.event_to_entry + other.event_to_entry,
            self.opened + other.opened,
            self.answered + other.answered,
        )


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What `reports/quality` prints. `whole` is the study, None where the report is about one site."""

    cut: Cut
    title: Words
    protocol: str
    scope: Sayable | str
    long: int
    sites: tuple[SiteQuality, ...]
    whole: SiteQuality | None = None


def quality(site: str, name: str, seen: Iterable[Seen], as_of: date, known_on: date) -> SiteQuality:
    """The numbers of one site. `as_of` is the cut-off: visits and events by that day; `known_on` the day at the site at which the data
    were known: queries are as they stood then, and so old. Only sums are held, however many lots come."""
    found = SiteQuality(site, name)
    for lot in seen:
        waiting = [(one, known_on, 1) for one in lot.queries]
        found += SiteQuality(
            site,
            name,
            sum(day <= as_of for day in lot.enrolled),
            _visits(lot, as_of),
            _delays(((one.held_on, one.entered) for one in lot.visits if one.held_on), as_of),
            _delays(((one.onset, one.entered) for one in lot.events), as_of),
            ages(waiting, FOR_SITE),
            ages(waiting, FOR_REVIEW),
        )
    return found


def together(sites: Iterable[SiteQuality]) -> SiteQuality:
    """The whole study from its sites."""
    return sum(sites, SiteQuality(""))


def seen_subject(
    study: Study, record: SubjectRecord, forms: Mapping[int, date], rows: Mapping[tuple[int, str], date], queries: Sequence[SeenQuery] = ()
) -> Seen:
    """One subject from its records. `forms` are the days of the first entry of each form, `rows` those of each row, at the site."""
    entered: dict[str, date] = {}
    for one in record.records:
        day = forms[one.form_id]
        entered[one.event_oid] = min(day, entered.get(one.event_oid, day))
    visits = [
        SeenVisit(one.course, one.opens, one.closes, one.held_on, entered.get(one.event.oid)) for one in schedule.standings(study, record)
    ]
    events = [
        SeenEvent(one.values.get("AESTDAT", ""), rows.get((one.form_id, one.row), forms[one.form_id]))
        for one in record.records
        if is_event(one)
    ]
    return Seen(record.subject_type, (record.enrolled_on,), visits, events, queries)


def _visits(lot: Seen, as_of: date) -> Visits:
    """A visit without a planned window was never due on any day, and is in no count; nor is one whose window still lasts on the day."""
    done = unsure = out = missed = overdue = left = 0
    for one in lot.visits:
        if one.closes is None:
            continue
        if one.held_on and interval(one.held_on).earliest <= as_of:
            out += one.course == State.DONE_OUT
            done += one.course != State.DONE_OUT
            unsure += one.course != State.DONE_OUT and not _certain(one)
        elif one.course == State.MISSED:
            missed += one.closes <= as_of
        elif (one.held_on or one.course in WAITING) and one.closes < as_of:
            overdue += 1
            left += one.course == LEFT
    by_type = ((lot.subject_type, overdue),) if overdue else ()
    return Visits(done, unsure, out, missed, overdue, left, by_type)


def _certain(one: SeenVisit) -> bool:
    day = interval(one.held_on)
    return one.opens is not None and one.closes is not None and one.opens <= day.earliest and day.latest <= one.closes


def _delays(told: Iterable[tuple[str, date | None]], as_of: date) -> Days:
    """Days from what happened to its entry. A partial or missing date, or an entry before the day itself, cannot be assessed."""
    counted: Counter[int] = Counter()
    not_assessable = 0
    for text, entered in told:
        on = interval(text) if text else None
        if on is not None and on.earliest > as_of:
            continue
        days = (entered - on.earliest).days if on is not None and on.exact and entered is not None else -1
        if days < 0:
            not_assessable += 1
        else:
            counted[days] += 1
    return _days(counted, not_assessable)


def ages(queries: Iterable[tuple[SeenQuery, date, int]], states: Collection[QueryState]) -> Days:
    """The ages of those in these states, each with the day at its site and how many there are like it."""
    counted: Counter[int] = Counter()
    for one, known_on, number in queries:
        if one.state in states:
            counted[max(0, (known_on - one.opened).days)] += number
    return _days(counted)
