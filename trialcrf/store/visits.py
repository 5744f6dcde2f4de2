"""Planned visits as rows, so that lists need not look at every subject: what `core.schedule.standings` says, kept beside the data.

The rows know no day. A state is asked for as a span of days (`core.schedule.spans`), so lists and the rule itself cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from heapq import nsmallest
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, or_, select

from trialcrf.core import schedule
from trialcrf.core.definition.model import Study
from trialcrf.core.schedule import LEFT, OPEN, STATES, WAITING, Span, Standing, State, Visit
from trialcrf.core.wording import Message
from trialcrf.store import subjects, tallies
from trialcrf.store.models import fact, form, subject, visit
from trialcrf.store.models import site as site_table
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """One visit of a list: whose it is, and its days. `course` is that of `core.schedule.Standing`."""

    subject: Subject
    event_oid: str
    course: str
    target: date | None
    opens: date | None
    closes: date | None
    held_on: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list asks for: the sites (with their own today), and what its visits must be. `late_by`: overdue by more than so many days.

    `windows`, in the place of a state, asks for open visits whose window lies in one of these spans.
    """

    places: Sequence[Site]
    now: datetime
    soon: int
    state: State | None = None
    subject_type: str = ""
    late_by: int = 0
    cohort: str = ""
    containing: str = ""
    windows: Sequence[Span] | None = None

    @property
    def everybody(self) -> bool:
        """Whether it asks for all subjects of a kind, whatever their visits."""
        return bool(self.subject_type) and self == Asked(self.places, self.now, self.soon, subject_type=self.subject_type)


def count(tx: Transaction, asked: Asked) -> int:
    """How many visits there are."""
    return sum(number for _, _, number in _counted(tx, asked))


def by_event(tx: Transaction, asked: Asked) -> dict[str, int]:
    """How many visits there are of each event that has any."""
    found: dict[str, int] = {}
    for _, event, number in _counted(tx, asked):
        found[event] = found.get(event, 0) + number
    return found


def by_site(tx: Transaction, asked: Asked) -> dict[int, int]:
    """How many visits there are at each site that has any, by its id."""
    found: dict[int, int] = {}
    for site_id, _, number in _counted(tx, asked):
        found[site_id] = found.get(site_id, 0) + number
    return found


def _counted(tx: Transaction, asked: Asked) -> Iterator[tuple[int, str, int]]:
    """(site, event, number) of the visits."""

    def count_at(places: Sequence[Site]) -> dict[int, list[tuple[str, int]]]:
        # Whose site it is is known already: of the subject only the error is looked at.
        joined = visit.join(subject, subject.c.id == visit.c.subject_id)
        counted = select(visit.c.site_id, visit.c.event_oid, func.count().label("number")).select_from(joined)
        found: dict[int, list[tuple[str, int]]] = {}
        for row in tx.read(_where(counted, replace(asked, places=places)).group_by(visit.c.site_id, visit.c.event_oid)):
            found.setdefault(row.site_id, []).append((row.event_oid, row.number))
        return found

    nothing: list[tuple[str, int]] = []
    for one, held in _known(tx, visit.name, asked, count_at, nothing):
        yield from ((one.id, event, number) for event, number in held)


def _known(
    tx: Transaction, name: str, asked: Asked, count_at: Callable[[Sequence[Site]], Mapping[int, T]], none: T
) -> Iterator[tuple[Site, T]]:
    """What was found of a site stands until something is recorded there, or the day is over."""
    wanted = (asked.soon, asked.state, asked.subject_type, asked.late_by, asked.cohort, asked.containing)
    for today, places in _by_day(asked).items():
        what = (name, today, *wanted, tuple(asked.windows or ()), asked.windows is None)
        yield from zip(places, tallies.of_sites(tx, places, what, count_at, none), strict=True)


def all_of(tx: Transaction, asked: Asked, offset: int = 0, limit: int | None = None) -> list[Line]:
    """The visits, the one whose window ends first at the top; those of people who take part no more come after all others."""
    if limit is not None and limit <= FIRST and not offset:
        none: list[Line] = []
        held = [
            line for _, some in _known(tx, "first", asked, lambda places: _first(tx, replace(asked, places=places)), none) for line in some
        ]
        return nsmallest(limit, held, key=_place)
    statement = _where(_select(), asked).order_by(*_ORDER)
    return [_made(row) for row in tx.read(statement.offset(offset).limit(limit))]


FIRST = 10
"""Visits of each site that are kept as the top of a list; a list in pages is asked for whole, as the database orders keys."""

_ORDER = (visit.c.course == LEFT, visit.c.closes.is_(None), visit.c.closes, subject.c.key, visit.c.event_oid)


def _place(one: Line) -> tuple[bool, bool, date, str, str]:
    """The same order."""
    return one.course == LEFT, one.closes is None, one.closes or date.min, one.subject.key, one.event_oid


def _first(tx: Transaction, asked: Asked) -> dict[int, list[Line]]:
    """The first visits of each site."""
    place = func.row_number().over(partition_by=visit.c.site_id, order_by=_ORDER).label("place")
    near = _where(select(visit.c.subject_id, visit.c.event_oid, place).select_from(_JOINED), asked).subquery()
    drawn = and_(near.c.subject_id == visit.c.subject_id, near.c.event_oid == visit.c.event_oid, near.c.place <= FIRST)
    found: dict[int, list[Line]] = {}
    for row in tx.read(_select().join(near, drawn)):
        line = _made(row)
        found.setdefault(line.subject.site.id, []).append(line)
    return found


def each(tx: Transaction, asked: Asked, at_once: int = 1000) -> Iterator[list[Line]]:
    """The visits in lots, by subject: a scan holds one lot in memory, whatever the size of the trial."""
    last: tuple[int, str] = (0, "")
    while True:
        after = or_(visit.c.subject_id > last[0], and_(visit.c.subject_id == last[0], visit.c.event_oid > last[1]))
        statement = _where(_select(), asked).where(after).order_by(visit.c.subject_id, visit.c.event_oid).limit(at_once)
        lot = [_made(row) for row in tx.read(statement)]
        if not lot:
            return
        yield lot
        last = (lot[-1].subject.id, lot[-1].event_oid)


def between(tx: Transaction, asked: Asked, first: date, last: date, limit: int | None = None, held: bool = True) -> list[Line]:
    """The visits that wait and whose window touches these days (inclusive), or (`held`) that were held on one of them; by target."""
    wanted = _touching(first, last)
    if held:
        wanted = or_(wanted, and_(visit.c.course.in_(_HELD), _held_day >= first.isoformat(), _held_day <= last.isoformat()))
    statement = _where(_select(), asked).where(wanted).order_by(visit.c.target, subject.c.key, visit.c.event_oid)
    return [_made(row) for row in tx.read(statement.limit(limit))]


def by_day(tx: Transaction, asked: Asked, of: str, first: date, last: date, per_day: int) -> dict[date, tuple[list[Line], int]]:
    """The visits of each of these days (inclusive) that has any: the first few by subject, and how many there are.

    `of` is the day that counts: `target`, `opens` or `closes` of visits that wait, `held_on` of those that were held on a day known.
    """
    day: ColumnElement[Any] = _held_day if of == "held_on" else visit.c[of]
    if of == "held_on":
        # The recorded text is compared before any part of it is taken: most rows fail here.
        mine = and_(
            visit.c.course.in_(_HELD), visit.c.held_on >= first.isoformat(), visit.c.held_on < (last + timedelta(days=1)).isoformat()
        )
        mine = and_(mine, func.length(_held_day) == len("2026-12-31"))
    else:
        mine = and_(_touching(first, last), day >= first, day <= last)
    # First the visits of these days, then their subjects: asked for at once, a database may begin with every subject of the trial.
    near = select(visit.c.subject_id, visit.c.event_oid, day.label("day")).where(_in_state(asked), mine)
    these = near.cte("these").prefix_with("MATERIALIZED")
    place = func.row_number().over(partition_by=these.c.day, order_by=(subject.c.key, these.c.event_oid)).label("place")
    counted = select(these.c.subject_id, these.c.event_oid, place, func.count().over(partition_by=these.c.day).label("of_day"))
    some = _of_people(counted.select_from(these.join(subject, subject.c.id == these.c.subject_id)), asked).subquery()
    drawn = and_(some.c.subject_id == visit.c.subject_id, some.c.event_oid == visit.c.event_oid, some.c.place <= per_day)
    statement = _select().add_columns(some.c.of_day).join(some, drawn).order_by(some.c.place)
    found: dict[date, tuple[list[Line], int]] = {}
    for row in tx.read(statement):
        line = _made(row)
        on = date.fromisoformat(line.held_on[:10]) if of == "held_on" else getattr(line, of)
        found.setdefault(on, ([], row.of_day))[0].append(line)
    return found


def on_day(study: Study, line: Line, now: datetime) -> Visit:
    """The visit of this line as it stands now at its site. Its reason comes from its days alone: the full one takes the records."""
    why = Message(STATES[State(line.course)]) if line.course not in WAITING else None
    standing = Standing(study.event[line.event_oid], line.course, why, None, line.target, line.opens, line.closes, line.held_on)
    return schedule.on_day(standing, line.subject.site.today(now), study.due_soon)


def subjects_matching(tx: Transaction, asked: Asked, order: str = "key", offset: int = 0, limit: int | None = None) -> list[Subject]:
    """The subjects with such a visit (with any state: all of them), by `key`, by `overdue` (most overdue first), by `next` (whose next
    window ends first) or by `enrolled` (newest first)."""
    if order == "key" and asked.everybody:
        return subjects.by_key(tx, asked.places, asked.subject_type, offset, limit)
    statement = _people(select(*subjects.COLUMNS).select_from(subjects.JOINED), asked)
    first_closes = select(func.min(visit.c.closes)).where(visit.c.subject_id == subject.c.id, visit.c.course.in_(sorted(WAITING)))
    if order in ("overdue", "next"):
        if order == "next":
            ahead = (and_(visit.c.site_id.in_(ids), visit.c.closes >= day) for day, ids in _days(asked).items())
            first_closes = first_closes.where(or_(*ahead, false()))
        closes = first_closes.correlate(subject).scalar_subquery()
        statement = statement.order_by(closes.is_(None), closes)
    elif order == "enrolled":
        statement = statement.order_by(subject.c.enrolled_on.desc())
    rows = tx.read(statement.order_by(subject.c.key).offset(offset).limit(limit))
    return [subjects.made(row) for row in rows]


def count_subjects(tx: Transaction, asked: Asked) -> int:
    def count_at(places: Sequence[Site]) -> dict[int, int]:
        counted = select(site_table.c.id, func.count().label("number")).select_from(subjects.JOINED).group_by(site_table.c.id)
        return {row.id: row.number for row in tx.read(_people(counted, replace(asked, places=places)))}

    return sum(number for _, number in _known(tx, subject.name, asked, count_at, 0))


_HELD = (State.DONE.value, State.DONE_OUT.value)
_held_day = func.substr(visit.c.held_on, 1, 10)


def _touching(first: date, last: date) -> ColumnElement[bool]:
    return and_(visit.c.course.in_(sorted(WAITING)), visit.c.opens <= last, visit.c.closes >= first)


_JOINED = visit.join(subjects.JOINED, subject.c.id == visit.c.subject_id)


def _select() -> Select[Any]:
    mine = (visit.c.event_oid, visit.c.course, visit.c.target, visit.c.opens, visit.c.closes, visit.c.held_on)
    return select(*subjects.COLUMNS, *mine).select_from(_JOINED)


def _made(row: Any) -> Line:
    return Line(subjects.made(row), row.event_oid, row.course, row.target, row.opens, row.closes, row.held_on)


def _where(statement: Select[Any], asked: Asked) -> Select[Any]:
    """Visits of living subjects at these sites, in this state at each of them."""
    found = _of_people(statement, asked)
    return found.where(_in_state(asked))


def _people(statement: Select[Any], asked: Asked) -> Select[Any]:
    found = _of_people(statement, asked).where(site_table.c.id.in_([place.id for place in asked.places]))
    if asked.state is None:
        return found
    # First the visits by their index, then whose they are: asked the other way round, every subject of the trial is looked at.
    return found.where(subject.c.id.in_(select(visit.c.subject_id).where(_in_state(asked))))


def _of_people(statement: Select[Any], asked: Asked) -> Select[Any]:
    statement = statement.where(subject.c.error == "")
    if asked.subject_type:
        statement = statement.where(subject.c.subject_type == asked.subject_type)
    if asked.containing:
        statement = statement.where(subject.c.key.icontains(asked.containing, autoescape=True))
    if asked.cohort:
        given = fact.join(form, form.c.id == fact.c.form_id)
        mine = (form.c.subject_id == subject.c.id, form.c.error == "", fact.c.alias == "ACTARM", fact.c.text == asked.cohort)
        statement = statement.where(exists(select(1).select_from(given).where(*mine).correlate(subject)))
    return statement


def _in_state(asked: Asked) -> ColumnElement[bool]:
    """Visits at these sites in the state that is asked for, as it is there today."""
    return or_(*(_on(asked, day, ids) for day, ids in _days(asked).items()), false())


def _days(asked: Asked) -> dict[date, list[int]]:
    """The sites by the day that it is there now: two or three days at most, however many sites."""
    return {day: [one.id for one in places] for day, places in _by_day(asked).items()}


def _by_day(asked: Asked) -> dict[date, list[Site]]:
    found: dict[date, list[Site]] = {}
    for place in asked.places:
        found.setdefault(place.today(asked.now), []).append(place)
    return found


def _on(asked: Asked, today: date, site_ids: list[int]) -> ColumnElement[bool]:
    here = visit.c.site_id.in_(site_ids)
    if asked.windows is not None:
        return and_(here, visit.c.course == OPEN, or_(*(and_(*_within(span)) for span in asked.windows), false()))
    if asked.state is None:
        return here
    span = schedule.spans(today, asked.soon).get(asked.state)
    if span is None:
        return and_(here, visit.c.course == asked.state.value)
    if asked.late_by:
        span = Span(closes_to=today - timedelta(days=asked.late_by + 1))
    return and_(here, visit.c.course.in_(sorted(WAITING)), *_within(span))


def _within(span: Span) -> Iterator[ColumnElement[bool]]:
    if span.opens_from is not None:
        yield visit.c.opens >= span.opens_from
    if span.opens_to is not None:
        yield visit.c.opens <= span.opens_to
    if span.closes_from is not None:
        yield visit.c.closes >= span.closes_from
    if span.closes_to is not None:
        yield visit.c.closes <= span.closes_to
