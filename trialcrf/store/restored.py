"""A database that was just restored: a scratch one to restore into, whether it is empty, whether it is sound, and how many rows it has."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from trialcrf.store.transaction import Transaction

_SCRATCH = "trialcrf_proof_"
_STAMP = "%Y%m%d%H%M%S"
JUST_BEGUN = timedelta(minutes=1)
"""A scratch database that nobody is connected to was left by a process that died; a new one may only wait for its maker."""


@contextmanager
def scratch_database(server: str, now: datetime) -> Iterator[str]:
    """The URL of a new, empty database on the PostgreSQL server of this URL; it is dropped when it is left.

    Those that a process left that was killed are dropped first. Raises DBAPIError where the role may not create databases.
    """
    name = f"{_SCRATCH}{now.astimezone(UTC).strftime(_STAMP)}_{secrets.token_hex(3)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with closing(engine.connect()) as connection:
        for left in _left(connection, now):
            # Refused where somebody is connected, as whoever works at one is all the time, or where it is another installation's.
            with suppress(DBAPIError):
                connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{left}"')
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
    url = make_url(server).set(database=name)
    try:
        holding = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with closing(holding.connect()):
            yield url.render_as_string(hide_password=False)
    finally:
        with closing(engine.connect()) as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _left(connection: Connection, now: datetime) -> list[str]:
    before = f"{_SCRATCH}{(now.astimezone(UTC) - JUST_BEGUN).strftime(_STAMP)}"
    rows = connection.execute(text("SELECT datname FROM pg_database WHERE datname LIKE 'trialcrf\\_proof\\_%'"))
    return [name for (name,) in rows if name < before]


def is_empty(url: str) -> bool:
    """Whether nothing is in this database: no file of SQLite, no table in PostgreSQL."""
    if url.startswith("sqlite"):
        return not Path(str(make_url(url).database)).exists()
    engine = create_engine(url, poolclass=NullPool)
    with closing(engine.connect()) as connection:
        return not inspect(connection).get_table_names()


def snapshot(tx: Transaction) -> str:
    """The name of the view that this PostgreSQL transaction has, for another connection to read the same; empty on SQLite."""
    if tx.connection.dialect.name != "postgresql":
        return ""
    # Whoever copies reads by connections of its own, for hours perhaps: this one has nothing to say meanwhile.
    tx.read(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    return str(tx.read(text("SELECT pg_export_snapshot()")).scalar_one())


def row_counts(connection: Connection) -> dict[str, int]:
    """How many rows each table has."""
    names = sorted(inspect(connection).get_table_names())
    return {name: int(connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()) for name in names}


def unsound(engine: Engine) -> str:
    """What the database itself finds wrong; empty where it is sound. PostgreSQL held every key and constraint when it was loaded."""
    if engine.dialect.name != "sqlite":
        return ""
    with engine.connect() as connection:
        said = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(1)")]
        if said != ["ok"]:
            return said[0] if said else "?"
        wrong = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    return f"{wrong[0]}: row {wrong[1]} refers to a row of {wrong[2]} that is not there" if wrong else ""
