"""Data queries: what is doubted, at which place of which form, and how far it has come. Their threads are audit records."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Select, bindparam, func, or_, select, update

from trialcrf.core.document import FormKey, Place
from trialcrf.core.entry import Decision, StandingQuery
from trialcrf.core.wording import Sayable, from_plain, to_plain
from trialcrf.core.workflow import QueryState, moved
from trialcrf.store.audit import Entry, Who
from trialcrf.store.models import form, query, site, study, subject
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

OnlyAt = Mapping[str, Collection[str]]
"""Form OIDs with the codes of the only sites at which their queries are shown: a link of subjects is not for every reader."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query with its address. `answer` is the code of the reason that confirmed the value."""

    id: int
    study_oid: str
    site: str
    subject: str
    form_id: int
    form_key: FormKey
    definition_id: int
    place: Place
    check: str
    state: QueryState
    message: Sayable
    answer: str
    opened_at: datetime


_STANDING = (
    select(query.c.id, query.c.place, query.c.check_oid, query.c.state).where(query.c.form_id == bindparam("form_id")).order_by(query.c.id)
)


def standing(tx: Transaction, form_id: int) -> list[StandingQuery]:
    """Every query of the form with its state: the closed ones too, so that an accepted value is not doubted twice."""
    rows = tx.read(_STANDING, {"form_id": form_id})
    latest = {(row.place, row.check_oid): row for row in rows}
    return [StandingQuery(row.id, Place.parse(row.place), row.check_oid, QueryState(row.state)) for row in latest.values()]


def _select() -> Select[Any]:
    joined = (
        query.join(form, form.c.id == query.c.form_id)
        .join(subject, subject.c.id == form.c.subject_id)
        .join(site, site.c.id == query.c.site_id)
        .join(study, study.c.id == site.c.study_id)
    )
    columns = (
        query.c.id, study.c.oid, site.c.code, subject.c.key, query.c.form_id, form.c.event_oid, form.c.form_oid, form.c.event_repeat,
        form.c.form_repeat, form.c.definition_id, query.c.place, query.c.check_oid, query.c.state, query.c.message, query.c.answer,
        query.c.opened_at,
    )  # fmt: skip
    return select(*columns).select_from(joined)


def _made(row: Any) -> Query:
    return Query(
        row.id, row.oid, row.code, row.key, row.form_id, FormKey(row.event_oid, row.form_oid, row.event_repeat, row.form_repeat),
        row.definition_id, Place.parse(row.place), row.check_oid, QueryState(row.state), from_plain(json.loads(row.message)), row.answer,
        row.opened_at,
    )  # fmt: skip


def find(tx: Transaction, query_id: int) -> Query | None:
    row = tx.read(_select().where(query.c.id == query_id)).first()
    return _made(row) if row else None


def of_form(tx: Transaction, form_id: int) -> list[Query]:
    return [_made(row) for row in tx.read(_select().where(query.c.form_id == form_id).order_by(query.c.id))]


def all_of(
    tx: Transaction,
    study_oid: str,
    sites: Collection[str] | None,
    states: Iterable[QueryState],
    offset: int = 0,
    limit: int | None = None,
    only_at: OnlyAt = MappingProxyType({}),
) -> list[Query]:
    """The queries in these states, oldest first; those of forms and subjects in error are left out.

    `sites=None` is every site; the forms named in `only_at` count at the sites named there and nowhere else.
    """
    statement = _where(_select(), study_oid, sites, states, only_at)
    return [_made(row) for row in tx.read(statement.order_by(query.c.opened_at, query.c.id).offset(offset).limit(limit))]


def count(
    tx: Transaction,
    study_oid: str,
    sites: Collection[str] | None,
    states: Iterable[QueryState],
    only_at: OnlyAt = MappingProxyType({}),
) -> int:
    inner = _where(_select(), study_oid, sites, states, only_at).subquery()
    return int(tx.read(select(func.count()).select_from(inner)).scalar_one())


def _where(
    statement: Select[Any], study_oid: str, sites: Collection[str] | None, states: Iterable[QueryState], only_at: OnlyAt
) -> Select[Any]:
    wanted = [state.value for state in states]
    statement = statement.where(study.c.oid == study_oid, query.c.state.in_(wanted), form.c.error == "", subject.c.error == "")
    for form_oid, where in only_at.items():
        statement = statement.where(or_(form.c.form_oid != form_oid, site.c.code.in_(sorted(where))))
    return statement if sites is None else statement.where(site.c.code.in_(sorted(sites)))


def apply(tx: Transaction, which: Subject, form_id: int, decision: Decision) -> None:
    """Open, answer and resolve the queries of a decision."""
    for new in decision.opened:
        state = QueryState.ANSWERED if new.confirmed else QueryState.OPEN
        message = json.dumps(to_plain(new.message), ensure_ascii=False, sort_keys=True)
        said = json.dumps({"form": form_id, "place": str(new.place), "check": new.check}, sort_keys=True)

        def entries(query_id: int, said: str = said, new: Any = new) -> list[Entry]:
            system = Who.system()
            made = [
                Entry(which.site.chain, "create", "query", str(query_id), "", said, which.key, first=True, who=system),
                Entry(which.site.chain, "open", "query", str(query_id), "state", "open", which.key, "", new.check, True, system),
            ]
            if new.confirmed:
                made.append(Entry(which.site.chain, "answer", "query", str(query_id), "state", "answered", which.key, new.confirmed))
            return made

        values = {
            "site_id": which.site.id,
            "form_id": form_id,
            "place": str(new.place),
            "check_oid": new.check,
            "state": state.value,
            "message": message,
            "answer": new.confirmed,
            "opened_at": tx.at,
        }
        tx.create(query, values, entries)
    for query_id, code in decision.answered.items():
        _move(tx, which.site.chain, which.key, query_id, QueryState.OPEN, "answer", code, answer=code)
    for query_id in decision.resolved:
        state = QueryState(tx.read(select(query.c.state).where(query.c.id == query_id)).scalar_one())
        _move(tx, which.site.chain, which.key, query_id, state, "resolve", "", who=Who.system())


def move(tx: Transaction, one: Query, chain: str, move_: str, reason: str, answer: str | None = None) -> None:
    """A person's move on a query. Raises NotPossible where the state table has none, or where someone else moved it meanwhile."""
    _move(tx, chain, one.subject, one.id, one.state, move_, reason, answer)


def close_all(tx: Transaction, which: Subject, form_id: int, reason: str) -> None:
    """Close what is open at a form that was marked entered in error."""
    for one in standing(tx, form_id):
        if one.state is not QueryState.CLOSED:
            _move(tx, which.site.chain, which.key, one.id, one.state, "resolve", reason, who=Who.system())


def _move(
    tx: Transaction,
    chain: str,
    subject_key: str,
    query_id: int,
    state: QueryState,
    move_: str,
    reason: str,
    answer: str | None = None,
    who: Who | None = None,
) -> None:
    new = moved(state, move_)
    values: dict[str, Any] = {"state": new.value} | ({"answer": answer} if answer is not None else {})
    statement = update(query).where(query.c.id == query_id, query.c.state == state.value).values(**values)
    entry = Entry(chain, move_, "query", str(query_id), "state", new.value, subject_key, reason, who=who)
    if tx.change(query, statement, [entry]) != 1:
        current = tx.read(select(query.c.state).where(query.c.id == query_id)).scalar_one()
        moved(QueryState(current), move_)
        raise RuntimeError(f"query {query_id} moved from {state} to {current} and back within one transaction")
