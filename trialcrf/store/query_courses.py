"""How data queries went: opened, first answered, settled. What their ageing is counted from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

from sqlalchemy import func, select

from trialcrf.core.workflow import QueryState
from trialcrf.store.models import audit_record, query, site
from trialcrf.store.models.base import moment_of
from trialcrf.store.queries import JOINED
from trialcrf.store.query_lists import Narrower, OnlyAt, chosen
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Course:
    """How a query went: when it was opened, first answered, settled. None where it was not."""

    site: str
    state: QueryState
    opened_at: datetime
    answered_at: datetime | None
    settled_at: datetime | None
    due_on: date | None


def courses(tx: Transaction, study_oid: str, sites: Collection[str], only_at: OnlyAt = MappingProxyType({})) -> Iterator[Course]:
    """Every query of these sites with its course; those of forms and subjects in error are left out."""
    told = select(audit_record.c.entity_id, func.min(audit_record.c.at).label("at")).where(
        audit_record.c.entity == "query", audit_record.c.op == "answer"
    )
    answered = {row.entity_id: row.at for row in tx.read(told.group_by(audit_record.c.entity_id))}
    columns = (query.c.id, site.c.code, query.c.state, query.c.opened_at, query.c.settled_at, query.c.due_on)
    asked = chosen(select(*columns).select_from(JOINED), study_oid, sites, tuple(QueryState), only_at, Narrower())
    for row in tx.read(asked.order_by(query.c.id)):
        at = answered.get(str(row.id))
        yield Course(row.code, QueryState(row.state), row.opened_at, moment_of(at) if at else None, row.settled_at, row.due_on)
