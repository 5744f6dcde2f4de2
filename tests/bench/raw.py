"""The yardstick: the very rows that saves left behind, written again by the plain driver, one transaction a save."""

from __future__ import annotations

import multiprocessing
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from typing import Any

Rows = list[tuple[Any, ...]]

FORM = (
    "id", "site_id", "subject_id", "event_oid", "event_repeat", "form_oid", "form_repeat", "definition_id", "version", "document",
    "complete", "error", "created_at", "updated_at",
)  # fmt: skip
FACT = ("form_id", "alias", "item", "grp", "row", "text", "missing")
RECORD = (
    "chain", "seq", "at", "actor", "role", "organisation", "address", "op", "entity", "entity_id", "subject", "place", "reason",
    "prompted_by", "old_commit", "new_commit", "prev", "hash",
)  # fmt: skip
VALUE = ("chain", "seq", "salt", "value")


@dataclass(frozen=True, slots=True)
class Save:
    """The rows of one save. The head of its chain moves to the last of its records."""

    form: tuple[Any, ...]
    facts: Rows
    records: Rows
    values: Rows


def saves_after(url: str, form_id: int) -> list[Save]:
    """What was saved in forms newer than this one, in the order of the trail."""
    connection = connect(url)
    with closing(connection):

        def rows(statement: str, *params: object) -> Rows:
            return [tuple(row) for row in connection.execute(_for(url, statement), params).fetchall()]

        forms = {row[0]: row for row in rows(f"SELECT {_names(FORM)} FROM form WHERE id > ? ORDER BY id", form_id)}
        facts: dict[int, Rows] = {}
        for row in rows(f"SELECT {_names(FACT)} FROM fact WHERE form_id > ?", form_id):
            facts.setdefault(row[0], []).append(row)
        records: dict[int, Rows] = {}
        for row in rows(f"SELECT {_names(RECORD)} FROM audit_record WHERE entity = 'form' ORDER BY chain, seq"):
            if int(row[RECORD.index("entity_id")]) in forms:
                records.setdefault(int(row[RECORD.index("entity_id")]), []).append(row)
        values = {row[:2]: row for row in rows(f"SELECT {_names(VALUE)} FROM audit_value")}
    return [
        Save(forms[key], facts.get(key, []), trail, [values[row[:2]] for row in trail if row[:2] in values])
        for key, trail in records.items()
    ]


def rate(url: str, saves: Sequence[Save], connections: int) -> float:
    """Saves a second, written by so many processes with a connection each. They begin together, once all are connected."""
    context = multiprocessing.get_context("spawn")
    barrier, told = context.Barrier(connections), context.SimpleQueue()
    shares = [list(saves[start::connections]) for start in range(connections)]
    writers = [context.Process(target=_write, args=(url, share, barrier, told)) for share in shares]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    if any(writer.exitcode for writer in writers):
        raise RuntimeError("a raw writer failed")
    times = [told.get() for _ in writers]
    return len(saves) / (max(end for _, end in times) - min(begin for begin, _ in times))


def _write(url: str, saves: Sequence[Save], barrier: Barrier, told: SimpleQueue[tuple[float, float]]) -> None:
    connection = connect(url)
    cursor = connection.cursor()
    begin = _for(url, "BEGIN IMMEDIATE") if url.startswith("sqlite") else "BEGIN"
    statements = {name: _for(url, _insert(name, columns)) for name, columns in _TABLES.items()}
    head = _for(url, "UPDATE chain_head SET seq = ?, hash = ? WHERE chain = ?")
    chain, seq, hash_ = (RECORD.index(name) for name in ("chain", "seq", "hash"))
    barrier.wait()
    started = time.monotonic()
    for save in saves:
        cursor.execute(begin)
        cursor.execute(statements["form"], save.form)
        if save.facts:
            cursor.executemany(statements["fact"], save.facts)
        cursor.executemany(statements["audit_record"], save.records)
        cursor.executemany(statements["audit_value"], save.values)
        last = save.records[-1]
        cursor.execute(head, (last[seq], last[hash_], last[chain]))
        cursor.execute("COMMIT")
    told.put((started, time.monotonic()))
    connection.close()


_TABLES = {"form": FORM, "fact": FACT, "audit_record": RECORD, "audit_value": VALUE}


def connect(url: str) -> Any:
    """A plain connection that commits only when told to, with the durability of the program's own."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")
        return connection
    import psycopg

    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({_names(columns)}) VALUES ({', '.join('?' for _ in columns)})"


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _for(url: str, statement: str) -> str:
    return statement if url.startswith("sqlite") else statement.replace("?", "%s")
