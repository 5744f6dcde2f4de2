"""Counts over all subjects of some sites: what dashboards are drawn from. A site is counted anew once something was recorded there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select

from trialcrf.core.schedule import State
from trialcrf.core.workflow import UNSETTLED, QueryState
from trialcrf.store import tallies
from trialcrf.store.models import form, query, subject, visit
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

NONE: list[Any] = []


@dataclass(frozen=True, slots=True)
class Enrolled:
    """How many living subjects of some kinds a site enrolled on a day."""

    site: str
    on: date
    subjects: int


@dataclass(frozen=True, slots=True)
class Filled:
    """Of the visits that took place: at how many this form was begun, and at how many of those it is complete."""

    event_oid: str
    form_oid: str
    begun: int
    complete: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """So many queries that are not settled, opened on this day at the site; without a form they are about the whole visit."""

    site: str
    event_oid: str
    form_oid: str | None
    state: QueryState
    opened_on: date
    number: int


def enrolled(tx: Transaction, places: Sequence[Site], subject_types: Collection[str]) -> list[Enrolled]:
    """By day and site, those in error left out."""

    def count(some: Sequence[Site]) -> dict[int, list[tuple[date, str, int]]]:
        mine = (subject.c.site_id, subject.c.enrolled_on, subject.c.subject_type)
        asked = select(*mine, func.count()).where(_at(subject.c.site_id, some), subject.c.error == "").group_by(*mine)
        return _by_site(tx, asked)

    found: dict[tuple[date, str], int] = {}
    for one, held in zip(places, tallies.of_sites(tx, places, "enrolled", count, NONE), strict=True):
        for on, kind, number in held:
            if kind in subject_types:
                found[on, one.code] = found.get((on, one.code), 0) + number
    return [Enrolled(code, on, number) for (on, code), number in sorted(found.items())]


def filled(tx: Transaction, places: Sequence[Site]) -> list[Filled]:
    """The living forms of the visits that took place: a form that repeats at a visit counts once, complete where one of it is."""

    def count(some: Sequence[Site]) -> dict[int, list[tuple[str, str, int, int]]]:
        whole = func.max(case((form.c.complete.is_(True), 1), else_=0)).label("complete")
        held = visit.join(form, and_(form.c.subject_id == visit.c.subject_id, form.c.event_oid == visit.c.event_oid))
        each = (
            select(visit.c.site_id, form.c.event_oid, form.c.form_oid, form.c.subject_id, whole)
            .select_from(held.join(subject, subject.c.id == visit.c.subject_id))
            .where(_at(visit.c.site_id, some), visit.c.course.in_([State.DONE.value, State.DONE_OUT.value]))
            .where(form.c.error == "", subject.c.error == "")
            .group_by(visit.c.site_id, form.c.event_oid, form.c.form_oid, form.c.subject_id)
            .subquery()
        )
        mine = (each.c.site_id, each.c.event_oid, each.c.form_oid)
        return _by_site(tx, select(*mine, func.count(), func.sum(each.c.complete)).group_by(*mine))

    found: dict[tuple[str, str], tuple[int, int]] = {}
    for held in tallies.of_sites(tx, places, "filled", count, NONE):
        for event, form_oid, begun, complete in held:
            before = found.get((event, form_oid), (0, 0))
            found[event, form_oid] = (before[0] + begun, before[1] + int(complete))
    return [Filled(*which, *numbers) for which, numbers in found.items()]


def waiting(tx: Transaction, places: Sequence[Site], but: Collection[str] = ()) -> Iterator[Waiting]:
    """The queries that are not settled, of no subject of the kinds `but`; those of forms and subjects in error are none."""

    def count(some: Sequence[Site]) -> dict[int, Counter[tuple[str, str, str | None, str, date]]]:
        mine = (query.c.site_id, subject.c.subject_type, query.c.event_oid, form.c.form_oid, query.c.state, query.c.opened_at)
        asked = _living(*mine).where(_at(query.c.site_id, some), query.c.state.in_([state.value for state in UNSETTLED]))
        day = {one.id: one.today for one in some}
        return {id_: Counter((*told, day[id_](at)) for *told, at in held) for id_, held in _by_site(tx, asked).items()}

    none: Counter[tuple[str, str, str | None, str, date]] = Counter()
    for one, held in zip(places, tallies.of_sites(tx, places, "waiting", count, none), strict=True):
        for (kind, event, form_oid, state, on), number in held.items():
            if kind not in but:
                yield Waiting(one.code, event, form_oid, QueryState(state), on, number)


class Unsettled(NamedTuple):
    """A query that waits; one about a whole visit has no form."""

    opened_at: datetime
    id: int
    form_oid: str | None
    event_oid: str


def unsettled(tx: Transaction, places: Sequence[Site]) -> Iterator[tuple[str, Mapping[QueryState, list[Unsettled]]]]:
    """The code of each site with the queries that wait there by state, the oldest first; none of forms and subjects in error."""

    def count(some: Sequence[Site]) -> dict[int, dict[QueryState, list[Unsettled]]]:
        mine = (query.c.site_id, query.c.opened_at, query.c.id, form.c.form_oid, query.c.event_oid, query.c.state)
        asked = _living(*mine).where(_at(query.c.site_id, some), query.c.state.in_([state.value for state in UNSETTLED]))
        found = _by_site(tx, asked.order_by(query.c.opened_at, query.c.id))
        made: dict[int, dict[QueryState, list[Unsettled]]] = {}
        for id_, held in found.items():
            for at, one, form_oid, event, state in held:
                made.setdefault(id_, {}).setdefault(QueryState(state), []).append(Unsettled(at, one, form_oid, event))
        return made

    none: dict[QueryState, list[Unsettled]] = {}
    for one, held in zip(places, tallies.of_sites(tx, places, "unsettled", count, none), strict=True):
        yield one.code, held


def queries(tx: Transaction, places: Sequence[Site]) -> Iterator[tuple[str, str | None, str, QueryState, int]]:
    """(site, form or None, event, state, number) of all queries; those of forms and subjects in error are none."""

    def count(some: Sequence[Site]) -> dict[int, list[tuple[str | None, str, str, int]]]:
        mine = (query.c.site_id, form.c.form_oid, query.c.event_oid, query.c.state)
        return _by_site(tx, _living(*mine, func.count()).where(_at(query.c.site_id, some)).group_by(*mine))

    for one, held in zip(places, tallies.of_sites(tx, places, "queries", count, NONE), strict=True):
        for form_oid, event, state, number in held:
            yield one.code, form_oid, event, QueryState(state), number


def _living(*columns: ColumnElement[Any]) -> Select[Any]:
    """Of the queries that are not about a form or subject in error."""
    joined = query.join(subject, subject.c.id == query.c.subject_id).outerjoin(form, form.c.id == query.c.form_id)
    return select(*columns).select_from(joined).where(subject.c.error == "", or_(query.c.form_id.is_(None), form.c.error == ""))


def _by_site(tx: Transaction, asked: Select[Any]) -> dict[int, list[Any]]:
    """The rows by their first column, a site's number, without it."""
    found: dict[int, list[Any]] = {}
    for site_id, *told in tx.read(asked):
        found.setdefault(site_id, []).append(tuple(told))
    return found


def _at(column: ColumnElement[int], places: Sequence[Site]) -> ColumnElement[bool]:
    return column.in_([one.id for one in places])
