"""Engines and transactions. A write is audited or refused; only the shells open one, and leaving it commits."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from select import POLLIN, poll
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Engine, Executable, Table, create_engine, event, insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError

from trialcrf.store import audit, damage
from trialcrf.store.audit import Entry, Who
from trialcrf.store.damage import WritingStopped

AUDITED = frozenset(
    {
        "account", "role_grant", "study", "site", "definition", "subject", "form", "fact", "unique_code", "query", "signature",
        "audit_record", "audit_value", "dictionary", "dictionary_term", "lab_range", "safety_case", "case_entry", "attachment",
        "study_decision", "verification", "monitoring", "monitoring_entry", "lock", "four_eyes", "delegation",
        "site_release", "enclosure", "enclosure_content",
    }
)  # fmt: skip
"""Tables that no statement may write but through `Transaction.change`, `create` or the trail itself."""

T = TypeVar("T")

_DML = re.compile(
    r"\s*(?:INSERT(?:\s+OR\s+\w+)?\s+INTO|REPLACE\s+INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+\"?(\w+)", re.I
)


PATIENCE_MS, ASK_FOR_MS = 30_000, 2
"""On SQLite, how long a write waits for another one, and how long it sleeps over a single attempt."""


ARCHIVE_MARK = int.from_bytes(b"tcrA")
"""The `application_id` of a SQLite file that is the database of an archive."""


class Archived(Exception):
    """This is the database of an archive: nothing is ever written to it."""


class Unaudited(Exception):
    """A statement would have written to an audited table without its audit record, or written inside a read: a fault of ours."""


def open_engine(url: str) -> Engine:
    """An engine with the durability that acknowledged saves need (WAL and synchronous=FULL on SQLite) and the guard on every statement."""
    kind = make_url(url).get_backend_name()
    if kind == "sqlite":
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": 30, "check_same_thread": False})
        event.listen(engine, "connect", _sqlite_pragmas)
        event.listen(engine, "begin", _sqlite_begin)
    else:
        given = make_url(url).query.get("options", "")
        options = {"options": " ".join([_LET_GO, *([given] if isinstance(given, str) else given)]).strip()}
        engine = create_engine(url, hide_parameters=True, pool_size=5, max_overflow=10, connect_args={**_KEPT_ALIVE, **options})
        event.listen(engine, "checkout", _still_open)
    event.listen(engine, "before_cursor_execute", _guard)
    event.listen(engine, "handle_error", damage.notice)
    return engine


_KEPT_ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
"""Seconds, attempts, and milliseconds for what was sent and is not confirmed: the system itself finds out within a minute that a server
is gone that could not say so."""

_LET_GO = (
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20000 "
    "-c idle_in_transaction_session_timeout=15min"
)
"""The same the other way round, for the server: what a machine of ours that lost its power had locked is free again within half a minute,
by the system's own rules it would be after two hours. A process that hangs in the middle of a transaction is hung up on; no work of
ours is silent for so long but the view of a backup, which says so (`restored.snapshot`)."""


def _still_open(connection: Any, _record: object, _proxy: object) -> None:
    """Refuse a pooled connection that was closed meanwhile: the pool opens another. Asking the server would cost a round trip each time."""
    said = poll()
    if not connection.closed:
        said.register(connection.fileno(), POLLIN)
    # A server that nobody asked has nothing to say but that it closes.
    if connection.closed or said.poll(0):
        raise DisconnectionError


def _sqlite_pragmas(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # Transactions are begun by us, so that a write takes its lock at once.
    record.info["archive"] = connection.execute("PRAGMA application_id").fetchone()[0] == ARCHIVE_MARK
    if record.info["archive"]:
        connection.execute("PRAGMA query_only=ON")  # The database refuses whatever comes past `writing`.
        return
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON", f"busy_timeout={PATIENCE_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection
    if connection.info.get("mode") != "write":
        driver.execute("BEGIN")  # It takes no lock yet, so there is nothing that it could wait for.
        return
    # Left to wait by itself, SQLite sleeps longer each time, up to a tenth of a second: whoever came first is served last,
    # and the lock lies idle meanwhile. Asking anew every millisecond is fair and costs nothing.
    driver.execute(f"PRAGMA busy_timeout={ASK_FOR_MS}")
    try:
        for _ in range(PATIENCE_MS // ASK_FOR_MS):
            try:
                driver.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
        # It fails once more, but through the engine, which names the failure as callers know it.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        driver.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")


def _guard(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    found = _DML.match(statement)
    if found is None:
        return
    mode, table = connection.info.get("mode"), found.group(1).lower()
    if mode == "read":
        raise Unaudited(f"a read-only transaction tried to write {table}")
    if mode == "write" and table in AUDITED and connection.info.get("permit") != table:
        raise Unaudited(f"{table} is written only together with its audit record")


@dataclass
class Transaction:
    """One database transaction. `at` and `who` go into every audit record that it writes."""

    connection: Connection
    at: datetime
    who: Who
    entries: list[Entry] = field(default_factory=list)
    said: dict[Hashable, Any] | None = None

    def once(self, what: Hashable, ask: Callable[[], T]) -> T:
        """What the database says of this. A view does not change, so it is asked there only once; a write asks each time."""
        if self.said is None:
            return ask()
        if what not in self.said:
            self.said[what] = ask()
        answer: T = self.said[what]
        return answer

    def read(self, statement: Executable, params: Mapping[str, Any] | None = None) -> CursorResult[*tuple[Any, ...]]:
        return self.connection.execute(statement, params or {})

    def work(self, statement: Executable, params: Any = None) -> CursorResult[*tuple[Any, ...]]:
        """Write a table of work (sessions, outbox, runs): the guard refuses audited ones."""
        return self.connection.execute(statement, params if params is not None else {})

    def create(self, table: Table, values: Mapping[str, Any], entries: Callable[[int], Iterable[Entry]]) -> int:
        """Insert one row; `entries` makes its audit records from the new id. Raises Unaudited without any."""
        result = self._permitted(table.name, insert(table), values)
        key = result.inserted_primary_key
        assert key is not None
        self._record(table.name, entries(key[0]))
        return int(key[0])

    def create_many(self, made: Sequence[tuple[Table, Sequence[str], Sequence[tuple[Any, ...]]]], entries: Sequence[Entry]) -> None:
        """Insert many rows, each beginning with its reserved id, in the driver's own words; `entries` tell of them all, in their order.

        Raises Unaudited where a row has no record of its making.
        """
        told = {(entry.entity, entry.entity_id) for entry in entries if entry.op == "create"}
        for table, columns, rows in made:
            if any((table.name, str(row[0])) not in told for row in rows):
                raise Unaudited(f"a row of {table.name} without an audit record")
            if rows:
                audit.write_rows(self.connection, table, columns, rows)
        self.entries.extend(entries)

    def project_many(self, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Write many rows of a projection, as `project` does one."""
        if not self.entries:
            raise Unaudited(f"{table.name} is projected only together with a recorded change")
        if rows:
            audit.write_rows(self.connection, table, columns, rows)

    def change(self, table: Table, statement: Executable, entries: Iterable[Entry], params: Any = None) -> int:
        """Run one statement on an audited table with its audit records; returns the rows it touched."""
        count = self._permitted(table.name, statement, params).rowcount
        if count:
            self._record(table.name, entries)
        return count

    def project(self, table: Table, statement: Executable, params: Any = None) -> None:
        """Write a projection: rows that are only derived from a document whose change is recorded in this same transaction."""
        if not self.entries:
            raise Unaudited(f"{table.name} is projected only together with a recorded change")
        self._permitted(table.name, statement, params)

    def _record(self, table: str, entries: Iterable[Entry]) -> None:
        made = list(entries)
        if not made:
            raise Unaudited(f"a change of {table} without an audit record")
        self.entries.extend(made)

    def _permitted(self, table: str, statement: Executable, params: Any = None) -> CursorResult[*tuple[Any, ...]]:
        self.connection.info["permit"] = table
        try:
            return self.connection.execute(statement, params if params is not None else {})
        finally:
            del self.connection.info["permit"]

    def flush_trail(self) -> None:
        """Append what was recorded so far to its chains. Done at the end, so a chain's head is locked as briefly as can be."""
        if self.entries:
            made, self.entries = self.entries, []
            audit.append(self.connection, self.at, self.who, made)


@contextmanager
def reading(engine: Engine) -> Iterator[Transaction]:
    """A read-only transaction: one consistent view, and the guard refuses any write."""
    with _opened(engine, "read") as connection, connection.begin():
        yield Transaction(connection, datetime.min.replace(tzinfo=UTC), Who.nobody(), said={})


@contextmanager
def writing(engine: Engine, at: datetime, who: Who) -> Iterator[Transaction]:
    """A write transaction: leaving it appends the trail and commits, an exception rolls everything back.

    Raises Archived, and WritingStopped once the disk or the database failed this process.
    """
    found = damage.of(engine)
    if found is not None:
        raise WritingStopped(found)
    with _opened(engine, "write") as connection:
        connection.info["at"] = at
        with connection.begin():
            transaction = Transaction(connection, at, who)
            yield transaction
            transaction.flush_trail()
            connection.info["committing"] = True


def is_archive(engine: Engine) -> bool:
    """Whether the database is that of an archive: a SQLite file with its mark."""
    if engine.dialect.name != "sqlite":
        return False
    with engine.connect() as connection:
        return bool(connection.info.get("archive"))


@contextmanager
def _opened(engine: Engine, mode: str) -> Iterator[Connection]:
    with engine.connect() as connection:
        if mode == "write" and connection.info.get("archive"):
            raise Archived
        connection.info["mode"] = mode
        try:
            if mode == "read" and connection.dialect.name == "postgresql":
                connection = connection.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
            yield connection
        finally:
            # A connection that broke on the way has no record any more that anything could be left in.
            if not connection.invalidated:
                for name in ("mode", "at", "committing"):
                    connection.info.pop(name, None)
