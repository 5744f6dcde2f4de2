"""The audit trail: entries become records of a hash chain in the same transaction as the change they tell of."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from trialcrf.core.chain import GENESIS, Break, Checkpoint, Held, Leaf, commitment, verify
from trialcrf.core.document import REDACTED
from trialcrf.store.models.base import moment_of, moment_text
from trialcrf.store.models.trail import audit_record, audit_value, chain_head

SYSTEM_CHAIN = "system"

_BESIDE = audit_record.outerjoin(audit_value, (audit_value.c.chain == audit_record.c.chain) & (audit_value.c.seq == audit_record.c.seq))


@dataclass(frozen=True, slots=True)
class Who:
    """Who makes a change, as the record names them: a person under a role, or the program itself."""

    actor: str
    role: str
    organisation: str
    address: str

    @classmethod
    def system(cls, address: str = "") -> Who:
        return cls("trialcrf", "system", "trialcrf", address)

    @classmethod
    def nobody(cls) -> Who:
        return cls("", "", "", "")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that changed. `value` is the new canonical text, None where nothing is left; `first`: there was none before."""

    chain: str
    op: str
    entity: str
    entity_id: str
    place: str = ""
    value: str | None = None
    subject: str = ""
    reason: str = ""
    prompted_by: str = ""
    first: bool = False
    who: Who | None = None  # where the program acts within a person's save (a derived value, a query of the system)


@dataclass(frozen=True, slots=True)
class Past:
    """One audit record as people read it: `old` and `new` are canonical texts, None where there was or is no value."""

    chain: str
    seq: int
    at: datetime
    actor: str
    role: str
    organisation: str
    address: str
    op: str
    entity: str
    entity_id: str
    subject: str
    place: str
    reason: str
    prompted_by: str
    old: str | None
    new: str | None
    erased: bool = False  # there was a value, and it was redacted


ERASED = REDACTED.canonical()
"""What a form's record tells where its value was redacted: an answer, so that every document drawn from the trail can hold it."""


def append(connection: Connection, at: datetime, who: Who, entries: Sequence[Entry]) -> None:
    """Append the entries, in order, each to its chain. The head of a chain is locked until the transaction ends."""
    moment = moment_text(at)
    known = _last_commits(connection, entries)
    records: list[tuple[Any, ...]] = []
    values: list[tuple[Any, ...]] = []
    for chain in sorted({entry.chain for entry in entries}):  # One order for all: two transactions cannot lock each other out.
        seq, prev = _lock_head(connection, chain)
        for entry in (entry for entry in entries if entry.chain == chain):
            by, seq = entry.who or who, seq + 1
            key = (entry.entity, entry.entity_id, entry.place)
            commit = ""
            if entry.value is not None:
                salt = secrets.token_hex(16)
                commit = commitment(salt, entry.value)
                values.append((chain, seq, salt, entry.value))
            leaf = Leaf(
                chain, seq, moment, by.actor, by.role, by.organisation, by.address, entry.op, entry.entity, entry.entity_id,
                entry.subject, entry.place, entry.reason, entry.prompted_by, known.get(key, ""), commit, prev,
            )  # fmt: skip
            prev = leaf.hash()
            known[key] = commit
            records.append((*_said(leaf), prev))
        connection.execute(_MOVE_HEAD, {"of_chain": chain, "new_seq": seq, "new_hash": prev})
    write_rows(connection, audit_record, (*Leaf.__slots__, "hash"), records)
    if values:
        write_rows(connection, audit_value, ("chain", "seq", "salt", "value"), values)


_said = attrgetter(*Leaf.__slots__)
_HEAD = select(chain_head.c.seq, chain_head.c.hash).where(chain_head.c.chain == bindparam("of_chain")).with_for_update()
_MOVE_HEAD = (
    update(chain_head).where(chain_head.c.chain == bindparam("of_chain")).values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))
)


def write_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Write many rows in the driver's own words: every save has dozens of records, and binding them by name doubles their cost."""
    if connection.dialect.name == "postgresql":
        # One stream instead of dozens of statements: it fires the same triggers and is rolled back like any other write.
        statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN"
        driver: Any = connection.connection.driver_connection
        try:
            with driver.cursor() as cursor, cursor.copy(statement) as stream:
                for row in rows:
                    stream.write_row(row)
        except driver.Error as error:  # Named as every other failure of the database, for callers know no driver.
            raise DBAPIError.instance(statement, None, error, driver.Error) from error
        return
    connection.info["permit"] = table.name
    marks = ", ".join("?" for _ in columns)
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})", list(rows))
    del connection.info["permit"]


def locked_size(connection: Connection, chain: str) -> int:
    """How many records the chain has. Its head is locked until the transaction ends, so the next entry gets the next position."""
    return _lock_head(connection, chain)[0]


def _lock_head(connection: Connection, chain: str) -> tuple[int, str]:
    found = connection.execute(_HEAD, {"of_chain": chain}).first()
    if found is None:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        first = dialect.insert(chain_head).values(chain=chain, seq=0, hash=GENESIS).on_conflict_do_nothing()
        connection.execute(first)
        found = connection.execute(_HEAD, {"of_chain": chain}).one()
    return found.seq, found.hash


def _last_commits(connection: Connection, entries: Iterable[Entry]) -> dict[tuple[str, str, str], str]:
    """The commitment to the value that each changed thing had before, by (entity, id, place)."""
    changed: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        if not entry.first:
            changed.setdefault((entry.entity, entry.entity_id), []).append(entry.place)
    found: dict[tuple[str, str, str], str] = {}
    # Thing by thing: asked for (entity, id, place) as a whole, SQLite reads the whole trail instead of its index.
    for (entity, entity_id), places in changed.items():
        for start in range(0, len(places), 500):
            asked = {"of_entity": entity, "of_id": entity_id, "places": places[start : start + 500]}
            found.update({(entity, entity_id, row.place): row.new_commit for row in connection.execute(_COMMITS, asked)})
    return found


_COMMITS = (
    select(audit_record.c.place, audit_record.c.new_commit)
    .where(
        audit_record.c.entity == bindparam("of_entity"),
        audit_record.c.entity_id == bindparam("of_id"),
        audit_record.c.place.in_(bindparam("places", expanding=True)),
    )
    .order_by(audit_record.c.seq)
)


def history(connection: Connection, entity: str, entity_id: str, place: str | None = None) -> list[Past]:
    """What happened to a thing (or to one place of it), oldest first, old values beside new ones."""
    where = [audit_record.c.entity == entity, audit_record.c.entity_id == entity_id]
    if place is not None:
        where.append(audit_record.c.place == place)
    return list(_pasts(connection, where))


def of_things(connection: Connection, entity: str, entity_ids: Sequence[str]) -> Iterator[Past]:
    """The same of many things, record by record as the chains hold them: nothing is kept. At most 500 ids."""
    return _pasts(connection, [audit_record.c.entity == entity, audit_record.c.entity_id.in_(entity_ids)])


def history_since(connection: Connection, chain: str, seq: int, limit: int) -> list[Past]:
    """The records of a chain after a position, oldest first."""
    return list(_pasts(connection, [audit_record.c.chain == chain, audit_record.c.seq > seq], limit))


def _pasts(connection: Connection, where: list[Any], limit: int | None = None) -> Iterator[Past]:
    rows = connection.execute(
        select(audit_record, audit_value.c.value)
        .select_from(_BESIDE)
        .where(*where)
        .order_by(audit_record.c.chain, audit_record.c.seq)
        .limit(limit)
    )
    last: dict[tuple[str, str, str], str | None] = {}
    for row in rows:
        key, erased = (row.entity, row.entity_id, row.place), row.new_commit != "" and row.value is None
        value = ERASED if erased and row.entity == "form" else row.value
        yield Past(
            row.chain, row.seq, moment_of(row.at), row.actor, row.role, row.organisation, row.address, row.op, row.entity,
            row.entity_id, row.subject, row.place, row.reason, row.prompted_by, last.get(key), value, erased,
        )  # fmt: skip
        last[key] = value


def chains(connection: Connection) -> list[tuple[str, int, str]]:
    """(chain, size, hash) of every chain, by name."""
    rows = connection.execute(select(chain_head.c.chain, chain_head.c.seq, chain_head.c.hash).order_by(chain_head.c.chain))
    return [(row.chain, row.seq, row.hash) for row in rows]


def hash_at(connection: Connection, chain: str, seq: int) -> str | None:
    """The stored hash of the record at this position of the chain, None where there is none."""
    found = connection.execute(select(audit_record.c.hash).where(audit_record.c.chain == chain, audit_record.c.seq == seq)).scalar()
    return None if found is None else str(found)


def heads_at(connection: Connection, known_at: datetime, chains_of: Sequence[str]) -> Checkpoint:
    """The heads that these chains had at that moment: what was known then. Chains that had nothing yet are left out."""
    heads = []
    for chain in sorted(chains_of):
        where = (audit_record.c.chain == chain, audit_record.c.at <= moment_text(known_at))
        found = connection.execute(
            select(audit_record.c.seq, audit_record.c.hash).where(*where).order_by(audit_record.c.seq.desc()).limit(1)
        ).first()
        if found:
            heads.append((chain, found.seq, found.hash))
    return Checkpoint(tuple(heads))


def replay(connection: Connection, entity: str, upto: Checkpoint) -> Iterator[tuple[str, str, str, str | None]]:
    """(entity id, op, place, value) of every record of this kind within the checkpoint, by chain position; ERASED for a form's that was."""
    erased = and_(audit_record.c.new_commit != "", audit_value.c.value.is_(None)).label("erased")
    columns = (audit_record.c.entity_id, audit_record.c.op, audit_record.c.place, audit_value.c.value, erased)
    for chain, size, _ in upto.heads:
        where = (audit_record.c.chain == chain, audit_record.c.seq <= size, audit_record.c.entity == entity)
        asked = select(*columns).select_from(_BESIDE).where(*where).order_by(audit_record.c.seq).execution_options(yield_per=1000)
        for row in connection.execute(asked):
            yield row.entity_id, row.op, row.place, ERASED if row.erased and entity == "form" else row.value


def erase(connection: Connection, chain: str, seqs: Sequence[int]) -> None:
    """Erase the values of these records. The redaction records that say so must be in the chain: the database refuses it otherwise."""
    connection.info["permit"] = audit_value.name
    try:
        where = (audit_value.c.chain == chain, audit_value.c.seq.in_(seqs))
        connection.execute(update(audit_value).where(*where).values(salt=None, value=None))
    finally:
        del connection.info["permit"]


def broken(connection: Connection) -> Break | None:
    """The first record that does not hold, over every chain; None when all do. A chain without a head is broken too."""
    known = chains(connection)
    headless = connection.execute(
        select(audit_record.c.chain).where(audit_record.c.chain.not_in([chain for chain, _, _ in known])).limit(1)
    ).scalar()
    if headless:
        return Break(headless, 1, "cut")
    for chain, size, head in known:
        with closing(records(connection, chain)) as told:
            found = verify(told, (size, head))
        if found:
            return found if found.chain else Break(chain, found.seq, found.kind)
    return None


def records(connection: Connection, chain: str, upto: int | None = None) -> Generator[tuple[Leaf, str, Held]]:
    """Every record of a chain with its stored hash and what is kept of its value, by position, up to one of them; none is kept."""
    asked = _RECORDS.where(audit_record.c.chain == chain)
    if upto is not None:
        asked = asked.where(audit_record.c.seq <= upto)
    # Whoever stops reading in the middle leaves no cursor open on the server.
    with connection.execute(asked) as rows:
        for row in rows:
            yield Leaf(*row[:_WIDTH]), row[_WIDTH], None if row.held is None else (row.salt, row.value)


_WIDTH = len(Leaf.__slots__)
_RECORDS = (
    select(
        *(audit_record.c[name] for name in Leaf.__slots__),
        audit_record.c.hash,
        audit_value.c.seq.label("held"),
        audit_value.c.salt,
        audit_value.c.value,
    )
    .select_from(_BESIDE)
    .order_by(audit_record.c.seq)
    .execution_options(yield_per=1000)
)
