"""Data queries: what is doubted, at which place of which form, and how far it has come. Their threads are audit records."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select, update

from trialcrf.core.document import FormKey, Place
from trialcrf.core.entry import Decision, StandingQuery
from trialcrf.core.wording import N_, Message, Sayable, from_plain, to_plain
from trialcrf.core.workflow import UNSETTLED, NotPossible, QueryState, moved, not_now
from trialcrf.store.audit import Entry, Who
from trialcrf.store.models import audit_record, form, query, site, study, subject
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Query:
    """A query with its address. `answer` is the code of the reason that confirmed the value.

    A query about a whole visit has no form: `form_key` names the visit alone. `check` is empty where a person asks; `opened_by`,
    `assignee` and `settled_by` are user names, empty for the program, for anybody at the site, and for the program.
    """

    id: int
    study_oid: str
    site: str
    subject: str
    form_id: int | None
    form_key: FormKey
    definition_id: int | None
    place: Place
    check: str
    state: QueryState
    message: Sayable
    answer: str
    opened_at: datetime
    opened_by: str
    assignee: str
    due_on: date | None
    settled_at: datetime | None
    settled_by: str

    @property
    def by_person(self) -> bool:
        return not self.check


_STANDING = (
    select(query.c.id, query.c.place, query.c.check_oid, query.c.state).where(query.c.form_id == bindparam("form_id")).order_by(query.c.id)
)


def standing(tx: Transaction, form_id: int) -> list[StandingQuery]:
    """Every query of the form with its state: the closed ones too, so that an accepted value is not doubted twice.

    A check has one query at a place, the latest; people may have several.
    """
    rows = tx.read(_STANDING, {"form_id": form_id})
    latest = {(row.place, row.check_oid or row.id): row for row in rows}
    return [StandingQuery(row.id, Place.parse(row.place), row.check_oid, QueryState(row.state)) for row in latest.values()]


JOINED = (
    query.outerjoin(form, form.c.id == query.c.form_id)
    .join(subject, subject.c.id == query.c.subject_id)
    .join(site, site.c.id == query.c.site_id)
)


def _select() -> Select[Any]:
    columns = (
        query.c.id, study.c.oid, site.c.code, subject.c.key, query.c.form_id, query.c.event_oid, form.c.form_oid, query.c.event_repeat,
        form.c.form_repeat, form.c.definition_id, query.c.place, query.c.check_oid, query.c.state, query.c.message, query.c.answer,
        query.c.opened_at, query.c.opened_by, query.c.assignee, query.c.due_on, query.c.settled_at, query.c.settled_by,
    )  # fmt: skip
    return select(*columns).select_from(JOINED.join(study, study.c.id == site.c.study_id))


def _made(row: Any) -> Query:
    return Query(
        row.id, row.oid, row.code, row.key, row.form_id, FormKey(row.event_oid, row.form_oid or "", row.event_repeat, row.form_repeat or 1),
        row.definition_id, Place.parse(row.place), row.check_oid, QueryState(row.state), from_plain(json.loads(row.message)), row.answer,
        row.opened_at, row.opened_by, row.assignee, row.due_on, row.settled_at, row.settled_by,
    )  # fmt: skip


def find(tx: Transaction, query_id: int) -> Query | None:
    row = tx.read(_select().where(query.c.id == query_id)).first()
    return _made(row) if row else None


def of_form(tx: Transaction, form_id: int) -> list[Query]:
    return [_made(row) for row in tx.read(_select().where(query.c.form_id == form_id).order_by(query.c.id))]


def of_visit(tx: Transaction, subject_id: int, event_oid: str, event_repeat: int) -> list[Query]:
    """The queries about this visit as a whole."""
    where = (
        query.c.subject_id == subject_id,
        query.c.form_id.is_(None),
        query.c.event_oid == event_oid,
        query.c.event_repeat == event_repeat,
    )
    return [_made(row) for row in tx.read(_select().where(*where).order_by(query.c.id))]


def by_ids(tx: Transaction, ids: Collection[int]) -> list[Query]:
    """These queries, in the order of their numbers here."""
    found: dict[int, Query] = {}
    wanted = list(ids)
    for start in range(0, len(wanted), 500):
        found |= {row.id: _made(row) for row in tx.read(_select().where(query.c.id.in_(wanted[start : start + 500])))}
    return [found[one] for one in wanted]


def seen(tx: Transaction, ids: Sequence[int]) -> dict[int, str]:
    """What a page has seen of each query: the version of its form and the number of its records. A move brings it back."""
    texts = [str(one) for one in ids]
    told = select(audit_record.c.entity_id, func.count().label("number")).where(
        audit_record.c.entity == "query", audit_record.c.entity_id.in_(texts)
    )
    numbers = {row.entity_id: row.number for row in tx.read(told.group_by(audit_record.c.entity_id))}
    joined = query.outerjoin(form, form.c.id == query.c.form_id)
    rows = tx.read(select(query.c.id, form.c.version).select_from(joined).where(query.c.id.in_(ids)))
    return {row.id: f"{row.version or 0}.{numbers.get(str(row.id), 0)}" for row in rows}


def open_at_visits(tx: Transaction, subject_ids: Collection[int]) -> dict[tuple[int, str, int], int]:
    """How many open queries stand about whole visits of these subjects, by subject, event and its repeat."""
    found: dict[tuple[int, str, int], int] = {}
    ids = sorted(subject_ids)
    for start in range(0, len(ids), 500):
        address = (query.c.subject_id, query.c.event_oid, query.c.event_repeat)
        where = (query.c.subject_id.in_(ids[start : start + 500]), query.c.form_id.is_(None), query.c.state == "open")
        for row in tx.read(select(*address, func.count().label("number")).where(*where).group_by(*address)):
            found[row.subject_id, row.event_oid, row.event_repeat] = row.number
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks: at which place of which form, or (`form_id` None) about the whole visit that `key` names."""

    key: FormKey
    form_id: int | None
    place: Place
    text: str
    assignee: str = ""
    due_on: date | None = None


def ask(tx: Transaction, which: Subject, asked: Asked) -> int:
    """Open a query of a person. Returns its number."""
    about: dict[str, object] = {"form": asked.form_id, "place": str(asked.place), "check": "", "text": asked.text}
    if asked.form_id is None:
        about |= {"subject": which.id, "event": asked.key.event_oid, "repeat": asked.key.event_repeat}
    said = json.dumps(about, ensure_ascii=False, sort_keys=True)
    chain, key = which.site.chain, which.key

    def entries(query_id: int) -> list[Entry]:
        number = str(query_id)
        made = [
            Entry(chain, "create", "query", number, "", said, key, first=True),
            Entry(chain, "open", "query", number, "state", "open", key, first=True),
        ]
        if asked.assignee:
            made.append(Entry(chain, "assign", "query", number, "assignee", asked.assignee, key, first=True))
        if asked.due_on:
            made.append(Entry(chain, "due", "query", number, "due_on", asked.due_on.isoformat(), key, first=True))
        return made

    values = {
        "site_id": which.site.id,
        "subject_id": which.id,
        "event_oid": asked.key.event_oid,
        "event_repeat": asked.key.event_repeat,
        "form_id": asked.form_id,
        "place": str(asked.place),
        "check_oid": "",
        "state": QueryState.OPEN.value,
        "message": json.dumps(to_plain(Message("%(text)s", {"text": asked.text})), ensure_ascii=False, sort_keys=True),
        "opened_at": tx.at,
        "opened_by": tx.who.actor,
        "assignee": asked.assignee,
        "due_on": asked.due_on,
    }
    return tx.create(query, values, entries)


def assign(tx: Transaction, one: Query, chain: str, username: str, reason: str) -> None:
    """Name who is to answer; empty: whoever answers at the site. Raises NotPossible where somebody settled it meanwhile."""
    _arrange(tx, one, Entry(chain, "assign", "query", str(one.id), "assignee", username, one.subject, reason), assignee=username)


def set_due(tx: Transaction, one: Query, chain: str, day: date | None, reason: str) -> None:
    """Say by which day it is to be answered; None: by no day. Raises NotPossible as `assign` does."""
    value = day.isoformat() if day else None
    _arrange(tx, one, Entry(chain, "due", "query", str(one.id), "due_on", value, one.subject, reason), due_on=day)


def _arrange(tx: Transaction, one: Query, entry: Entry, **values: Any) -> None:
    statement = update(query).where(query.c.id == one.id, query.c.state.in_([state.value for state in UNSETTLED])).values(**values)
    if tx.change(query, statement, [entry]) != 1:
        state = tx.read(select(query.c.state).where(query.c.id == one.id)).scalar_one()
        raise NotPossible(not_now(QueryState(state)))


def apply(tx: Transaction, which: Subject, key: FormKey, form_id: int, decision: Decision) -> None:
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
            "subject_id": which.id,
            "event_oid": key.event_oid,
            "event_repeat": key.event_repeat,
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
    for query_id, reason in decision.corrected.items():
        _move(tx, which.site.chain, which.key, query_id, QueryState.OPEN, "answer", reason)
    for query_id in decision.modified:
        _move(tx, which.site.chain, which.key, query_id, QueryState.CLOSED, "modify", "", who=Who.system())


def move(tx: Transaction, one: Query, chain: str, move_: str, reason: str, answer: str | None = None) -> None:
    """A person's move on a query. Raises NotPossible where the state table has none, or where someone else moved it meanwhile."""
    _move(tx, chain, one.subject, one.id, one.state, move_, reason, answer)


def close_all(tx: Transaction, which: Subject, form_id: int, reason: str) -> None:
    """Close what is open at a form that was marked entered in error."""
    for one in standing(tx, form_id):
        if one.state in UNSETTLED:
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
    if new in UNSETTLED:
        values |= {"settled_at": None, "settled_by": ""}
    else:
        values |= {"settled_at": tx.at, "settled_by": (who or tx.who).actor if move_ != "resolve" else ""}
    statement = update(query).where(query.c.id == query_id, query.c.state == state.value).values(**values)
    entry = Entry(chain, move_, "query", str(query_id), "state", new.value, subject_key, reason, who=who)
    if tx.change(query, statement, [entry]) != 1:
        current = tx.read(select(query.c.state).where(query.c.id == query_id)).scalar_one()
        moved(QueryState(current), move_)
        raise NotPossible(Message(N_("Somebody else worked on this query meanwhile. Nothing was done: look again.")))
