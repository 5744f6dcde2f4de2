"""Queries in a list: which of them are asked for, oldest first, and how many there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from heapq import merge
from itertools import islice
from types import MappingProxyType
from typing import Any

from sqlalchemy import Boolean, Select, and_, false, func, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from trialcrf.core.workflow import UNSETTLED, QueryState
from trialcrf.store import counts as store_counts
from trialcrf.store import sites as store_sites
from trialcrf.store.counts import Unsettled
from trialcrf.store.models import form, query, site, study, subject
from trialcrf.store.queries import JOINED, Query, by_ids
from trialcrf.store.transaction import Transaction

OnlyAt = Mapping[str, Collection[str]]
"""Form OIDs with the codes of the only sites at which their queries are shown: a link of subjects is not for every reader.

`EVENT/` names the queries about a whole visit of that kind.
"""


@dataclass(frozen=True, slots=True)
class Narrower:
    """What else a list of queries asks for. `assignee` None: whoever; empty: nobody named. `late`: due before the day at these sites.

    `by` is `people` or `checks`, `subject` the beginning of a key, `number` that of the query. `words` stand in the message as it is
    stored; letters that may bear an accent are not compared, so whoever asks looks again at what is said.
    """

    assignee: str | None = None
    late: Mapping[date, Collection[str]] | None = None
    by: str = ""
    subject: str = ""
    number: int | None = None
    words: tuple[str, ...] = ()


def all_of(
    tx: Transaction,
    study_oid: str,
    sites: Collection[str] | None,
    states: Iterable[QueryState],
    offset: int = 0,
    limit: int | None = None,
    only_at: OnlyAt = MappingProxyType({}),
    narrower: Narrower = Narrower(),
) -> list[Query]:
    """The queries in these states, oldest first; those of forms and subjects in error are left out.

    `sites=None` is every site; the forms named in `only_at` count at the sites named there and nowhere else.
    """
    return by_ids(tx, listed(tx, study_oid, sites, states, offset, limit, only_at, narrower))


def listed(
    tx: Transaction,
    study_oid: str,
    sites: Collection[str] | None,
    states: Iterable[QueryState],
    offset: int = 0,
    limit: int | None = None,
    only_at: OnlyAt = MappingProxyType({}),
    narrower: Narrower = Narrower(),
) -> dict[int, str]:
    """The numbers of the same queries, each with the code of its site: what they say is long, and not wanted of all of them."""
    wanted = set(states)
    if narrower == Narrower() and wanted <= UNSETTLED:
        places = [one for one in store_sites.all_of(tx, study_oid) if sites is None or one.code in sites]
        waiting = ((code, held[state]) for code, held in store_counts.unsettled(tx, places) for state in wanted & held.keys())
        mine = [_shown_of(code, some, only_at) for code, some in waiting]
        return {id_: code for _, id_, code in islice(merge(*mine), offset, None if limit is None else offset + limit)}
    asked = chosen(select(query.c.id, site.c.code).select_from(JOINED), study_oid, sites, wanted, only_at, narrower)
    rows = tx.read(asked.order_by(query.c.opened_at, query.c.id).offset(offset).limit(limit))
    return {row.id: row.code for row in rows}


def _shown_of(code: str, some: Iterable[Unsettled], only_at: OnlyAt) -> Iterator[tuple[datetime, int, str]]:
    return ((one.opened_at, one.id, code) for one in some if _shown(code, one.form_oid, one.event_oid, only_at))


def _shown(code: str, form_oid: str | None, event_oid: str, only_at: OnlyAt) -> bool:
    return code in only_at.get(form_oid or f"{event_oid}/", (code,))


def count(
    tx: Transaction, study_oid: str, sites: Collection[str] | None, states: Iterable[QueryState], only_at: OnlyAt = MappingProxyType({})
) -> int:
    return sum(counts(tx, study_oid, sites, states, only_at).values())


def counts(
    tx: Transaction,
    study_oid: str,
    sites: Collection[str] | None,
    states: Iterable[QueryState] = tuple(QueryState),
    only_at: OnlyAt = MappingProxyType({}),
    narrower: Narrower = Narrower(),
) -> dict[QueryState, int]:
    """How many queries there are in each of these states, by one reading of them."""
    wanted = set(states)
    if narrower != Narrower():
        asked = chosen(select(query.c.state, func.count().label("number")).select_from(JOINED), study_oid, sites, wanted, only_at, narrower)
        return {QueryState(row.state): row.number for row in tx.read(asked.group_by(query.c.state))}
    places = [one for one in store_sites.all_of(tx, study_oid) if sites is None or one.code in sites]
    found: dict[QueryState, int] = {}
    for code, form_oid, event_oid, state, number in store_counts.queries(tx, places):
        if state in wanted and _shown(code, form_oid, event_oid, only_at):
            found[state] = found.get(state, 0) + number
    return found


def chosen(
    statement: Select[Any], study_oid: str, sites: Collection[str] | None, states: Iterable[QueryState], only_at: OnlyAt, narrower: Narrower
) -> Select[Any]:
    """The statement over JOINED, for these queries alone; those of forms and subjects in error are left out."""
    wanted = [state.value for state in states]
    # The numbers of the sites are looked up first: the index of queries begins with them.
    places = select(site.c.id).join(study, study.c.id == site.c.study_id).where(study.c.oid == study_oid)
    if sites is not None:
        places = places.where(site.c.code.in_(sorted(sites)))
    statement = statement.where(query.c.site_id.in_(places), query.c.state.in_(wanted), subject.c.error == "")
    statement = statement.where(or_(query.c.form_id.is_(None), form.c.error == ""))
    for what, where in only_at.items():
        if sites is not None and set(sites) <= set(where):
            continue  # Shown at every site that is asked for.
        about = (query.c.form_id.is_(None), query.c.event_oid == what[:-1]) if what.endswith("/") else (form.c.form_oid == what,)
        # A query about a visit has no form, and what is compared with none is unknown.
        statement = statement.where(or_(~func.coalesce(and_(*about), false()), site.c.code.in_(sorted(where))))
    return _narrowed(statement, narrower)


def _narrowed(statement: Select[Any], asked: Narrower) -> Select[Any]:
    if asked.assignee is not None:
        statement = statement.where(query.c.assignee == asked.assignee)
    if asked.late is not None:
        late = [and_(site.c.code.in_(sorted(at)), query.c.due_on < day) for day, at in asked.late.items()]
        statement = statement.where(or_(false(), *late))
    if asked.by:
        statement = statement.where(query.c.check_oid == "" if asked.by == "people" else query.c.check_oid != "")
    if asked.subject:
        statement = statement.where(func.upper(subject.c.key).startswith(asked.subject.upper(), autoescape=True))
    if asked.number is not None:
        statement = statement.where(query.c.id == asked.number)
    for word in asked.words:
        statement = statement.where(_Fits(query.c.message, f"%{_roughly(word)}%"))
    return statement


class _Fits(FunctionElement[bool]):
    """Whether a text fits a pattern, capitals or not: SQLite never looks at those of ASCII, and takes thrice as long to make them small."""

    inherit_cache = True
    type = Boolean()


@compiles(_Fits)
def _ilike(element: _Fits, compiler: SQLCompiler, **kw: Any) -> str:
    text, pattern = (compiler.process(one, **kw) for one in element.clauses)
    return f"{text} {'LIKE' if compiler.dialect.name == 'sqlite' else 'ILIKE'} {pattern}"


def _roughly(word: str) -> str:
    """A pattern that a word fits with and without its accents: a database folds no more than the letters of ASCII."""
    sure = "bdfghjklmpqrstvwx0123456789"
    return "".join(mark if mark in sure else "_" for mark in word.lower())
