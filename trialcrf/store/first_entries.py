"""First entries: when visits and adverse events were first saved, beside what is stored of them; from the tables, or as the trail tells it.

What the tables say is today's; what the trail says is bound to a checkpoint. Forms, rows and subjects in error are in neither.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, case, func, or_, select

from trialcrf.core.chain import Checkpoint
from trialcrf.core.document import Place
from trialcrf.core.workflow import UNSETTLED, QueryState
from trialcrf.store.models import fact, form, query, visit
from trialcrf.store.models.base import moment_of
from trialcrf.store.models.trail import audit_record, audit_value
from trialcrf.store.transaction import Transaction

AT_ONCE = 500
"""Things that are asked for in one statement."""


@dataclass(frozen=True, slots=True)
class FirstVisit:
    """A planned visit as its row has it, with the first save of any of its living forms."""

    subject_id: int
    course: str
    opens: date | None
    closes: date | None
    held_on: str
    at: datetime | None


def visits_of(tx: Transaction, ids: Collection[int]) -> Iterator[FirstVisit]:
    """The planned visits of these subjects; few enough for one statement."""
    first = (
        select(form.c.subject_id, form.c.event_oid, func.min(form.c.created_at, type_=form.c.created_at.type).label("at"))
        .where(form.c.subject_id.in_(sorted(ids)), form.c.error == "")
        .group_by(form.c.subject_id, form.c.event_oid)
        .subquery()
    )
    joined = visit.outerjoin(first, and_(first.c.subject_id == visit.c.subject_id, first.c.event_oid == visit.c.event_oid))
    columns = (visit.c.subject_id, visit.c.course, visit.c.opens, visit.c.closes, visit.c.held_on, first.c.at)
    for row in tx.read(select(*columns).select_from(joined).where(visit.c.subject_id.in_(sorted(ids)))):
        yield FirstVisit(*row)


def events_of(tx: Transaction, ids: Collection[int]) -> Iterator[tuple[int, str, datetime]]:
    """(subject, onset as recorded or empty, first save) of every adverse event of these subjects."""
    onset = func.max(case((and_(fact.c.alias == "AESTDAT", fact.c.missing == ""), fact.c.text), else_=""))
    asked = (
        select(form.c.subject_id, form.c.id, fact.c.row, form.c.created_at, onset.label("onset"))
        .select_from(form.join(fact, fact.c.form_id == form.c.id))
        .where(form.c.subject_id.in_(sorted(ids)), form.c.error == "", fact.c.alias.startswith("AE", autoescape=True))
        .group_by(form.c.subject_id, form.c.id, fact.c.row, form.c.created_at)
        .order_by(form.c.id, fact.c.row)
    )
    found = tx.read(asked).all()
    rows = rows_at(tx, [row.id for row in found if row.row])
    return ((row.subject_id, row.onset, rows.get((row.id, row.row), row.created_at)) for row in found)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A query that is not settled; without a form it is about the whole visit."""

    event_oid: str
    form_oid: str | None
    state: QueryState
    opened_at: datetime


def queries_of(tx: Transaction, ids: Collection[int]) -> Iterator[Waiting]:
    """The queries of these subjects that are not settled, those about whole visits among them."""
    joined = query.outerjoin(form, form.c.id == query.c.form_id)
    unsettled = query.c.state.in_([state.value for state in UNSETTLED])
    where = (query.c.subject_id.in_(sorted(ids)), or_(query.c.form_id.is_(None), form.c.error == ""), unsettled)
    columns = (query.c.event_oid, form.c.form_oid, query.c.state, query.c.opened_at)
    for row in tx.read(select(*columns).select_from(joined).where(*where)):
        yield Waiting(row.event_oid, row.form_oid, QueryState(row.state), row.opened_at)


def rows_at(tx: Transaction, form_ids: Sequence[int], upto: Checkpoint | None = None) -> dict[tuple[int, str], datetime]:
    """The first save of every row of these forms, by form and row: a form may have been there long before its last row was."""
    found: dict[tuple[int, str], datetime] = {}
    ids = sorted({str(form_id) for form_id in form_ids})
    for start in range(0, len(ids), AT_ONCE):
        where: list[Any] = [audit_record.c.entity == "form", audit_record.c.entity_id.in_(ids[start : start + AT_ONCE])]
        where += [audit_record.c.op == "set", audit_record.c.place.contains("/", autoescape=True)]
        asked = select(audit_record.c.entity_id, audit_record.c.place, func.min(audit_record.c.at).label("at"))
        for bounds in [[]] if upto is None else [_within(head) for head in upto.heads]:
            for row in tx.read(asked.where(*where, *bounds).group_by(audit_record.c.entity_id, audit_record.c.place)):
                key, at = (int(row.entity_id), Place.parse(row.place).row), moment_of(row.at)
                found[key] = min(at, found.get(key, at))
    return found


def forms_at(tx: Transaction, upto: Checkpoint) -> dict[int, datetime]:
    """The first save of every form within the checkpoint, by id."""
    found: dict[int, datetime] = {}
    for head in upto.heads:
        where = (audit_record.c.entity == "form", audit_record.c.op == "create", *_within(head))
        for row in tx.read(select(audit_record.c.entity_id, audit_record.c.at).where(*where)):
            found[int(row.entity_id)] = moment_of(row.at)
    return found


def queries_at(tx: Transaction, upto: Checkpoint) -> list[tuple[int, int, QueryState, datetime]]:
    """(form, subject, state, opened) of every query that was not settled at the checkpoint: of a form the subject is 0, of a whole visit
    the form."""
    about: dict[str, tuple[int, int]] = {}
    opened: dict[str, datetime] = {}
    states: dict[str, QueryState] = {}
    joined = audit_record.outerjoin(audit_value, (audit_value.c.chain == audit_record.c.chain) & (audit_value.c.seq == audit_record.c.seq))
    columns = (audit_record.c.entity_id, audit_record.c.op, audit_record.c.place, audit_record.c.at, audit_value.c.value)
    for head in upto.heads:
        asked = select(*columns).select_from(joined).where(audit_record.c.entity == "query", *_within(head))
        for row in tx.read(asked.order_by(audit_record.c.seq)):
            if row.op == "create":
                said = json.loads(row.value)
                about[row.entity_id] = (said["form"], 0) if said["form"] is not None else (0, said["subject"])
                opened[row.entity_id] = moment_of(row.at)
            elif row.place == "state":
                states[row.entity_id] = QueryState(row.value)
    return [(*about[one], state, opened[one]) for one, state in states.items() if state in UNSETTLED]


def _within(head: tuple[str, int, str]) -> list[Any]:
    chain, size, _ = head
    return [audit_record.c.chain == chain, audit_record.c.seq <= size]
