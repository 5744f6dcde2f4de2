"""Counts over all subjects of some sites, each in one statement, whatever the size of the trial: what dashboards are drawn from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from trialcrf.core.schedule import State
from trialcrf.core.workflow import UNSETTLED, QueryState
from trialcrf.store.models import form, query, site, subject, visit
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction


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
    """A query that is not settled; without a form it is about the whole visit."""

    site: str
    event_oid: str
    form_oid: str | None
    state: QueryState
    opened_at: datetime


def enrolled(tx: Transaction, places: Sequence[Site], subject_types: Collection[str]) -> list[Enrolled]:
    """By site and day, those in error left out."""
    asked = (
        select(site.c.code, subject.c.enrolled_on, func.count())
        .select_from(subject.join(site, site.c.id == subject.c.site_id))
        .where(_at(subject.c.site_id, places), subject.c.error == "", subject.c.subject_type.in_(sorted(subject_types)))
        .group_by(site.c.code, subject.c.enrolled_on)
        .order_by(subject.c.enrolled_on, site.c.code)
    )
    return [Enrolled(*row) for row in tx.read(asked)]


def filled(tx: Transaction, places: Sequence[Site]) -> list[Filled]:
    """The living forms of the visits that took place: a form that repeats at a visit counts once, complete where one of it is."""
    whole = func.max(case((form.c.complete.is_(True), 1), else_=0)).label("complete")
    held = visit.join(form, and_(form.c.subject_id == visit.c.subject_id, form.c.event_oid == visit.c.event_oid))
    each = (
        select(form.c.event_oid, form.c.form_oid, form.c.subject_id, whole)
        .select_from(held.join(subject, subject.c.id == visit.c.subject_id))
        .where(_at(visit.c.site_id, places), visit.c.course.in_([State.DONE.value, State.DONE_OUT.value]))
        .where(form.c.error == "", subject.c.error == "")
        .group_by(form.c.event_oid, form.c.form_oid, form.c.subject_id)
        .subquery()
    )
    asked = select(each.c.event_oid, each.c.form_oid, func.count(), func.sum(each.c.complete)).group_by(each.c.event_oid, each.c.form_oid)
    return [Filled(row[0], row[1], int(row[2]), int(row[3])) for row in tx.read(asked)]


def waiting(tx: Transaction, places: Sequence[Site], but: Collection[str] = ()) -> Iterator[Waiting]:
    """The queries that are not settled, of no subject of the kinds `but`; those of forms and subjects in error are none."""
    joined = query.join(subject, subject.c.id == query.c.subject_id).join(site, site.c.id == subject.c.site_id)
    asked = (
        select(site.c.code, query.c.event_oid, form.c.form_oid, query.c.state, query.c.opened_at)
        .select_from(joined.outerjoin(form, form.c.id == query.c.form_id))
        .where(_at(subject.c.site_id, places), subject.c.error == "", subject.c.subject_type.not_in(sorted(but)))
        .where(query.c.state.in_([state.value for state in UNSETTLED]), or_(query.c.form_id.is_(None), form.c.error == ""))
    )
    for row in tx.read(asked):
        yield Waiting(row.code, row.event_oid, row.form_oid, QueryState(row.state), row.opened_at)


def _at(column: ColumnElement[int], places: Sequence[Site]) -> ColumnElement[bool]:
    return column.in_([one.id for one in places])
