"""The database of an archive: the rows of this one in a SQLite file of their own, hashed table by table, never written to again."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Column, Connection, LargeBinary, String, Table, text

from trialcrf.store import audit, migrations, triggers
from trialcrf.store.models import metadata
from trialcrf.store.transaction import ARCHIVE_MARK, open_engine

AT_ONCE = 2000
"""Rows that are in memory at a time."""

LEFT_OUT = frozenset(
    {
        "secret",
        "save_token",
        "draft",
        "sign_in_attempt",
        "site_name",
        "factor",
        "recovery_code",
        "sign_in_step",
        "sign_in_address",
        "hospital_link",
        "hospital_try",
    }
    | {"link_code"}
)
"""Tables whose rows stay behind: keys of the installation, what people sign in with, names of people (typed by mistake, or a site's)."""

WITHHELD: Mapping[str, Mapping[str, str]] = {
    "account": {"password_hash": "NULL", "invitation_hash": "NULL", "reset_hash": "NULL"},
    "session": {"token_hash": "'withheld-' || \"id\"", "csrf": "''"},
    "calendar_feed": {"token_hash": "'withheld-' || \"id\""},
}
"""Columns that open something: what stands in their place is an expression of SQL on both databases."""

WHOLE = frozenset({"account", "role_grant", "session", "study", "site", "dictionary", "dictionary_term", "job_run"})
"""What an archive of one study has whole, as the system's chain tells of it: people, their roles, sites, dictionaries, runs of jobs."""

_IN_SITES = "IN (SELECT id FROM site WHERE study_id = :study_id)"
_OF_STUDY: Mapping[str, str] = {
    "study_id": "= :study_id",
    "site_id": _IN_SITES,
    "subject_id": f"IN (SELECT id FROM subject WHERE site_id {_IN_SITES})",
    "form_id": f"IN (SELECT id FROM form WHERE site_id {_IN_SITES})",
    "enclosure_id": f"IN (SELECT id FROM enclosure WHERE site_id {_IN_SITES})",
    "case_id": f"IN (SELECT id FROM safety_case WHERE site_id {_IN_SITES})",
    "monitoring_id": f"IN (SELECT id FROM monitoring WHERE site_id {_IN_SITES})",
    "definition_id": "IN (SELECT id FROM definition WHERE study_id = :study_id)",
    "study": "= :oid",
    "chain": f"IN (SELECT '{audit.SYSTEM_CHAIN}' UNION SELECT oid FROM study WHERE id = :study_id "
    "UNION SELECT study.oid || '/' || site.code FROM site JOIN study ON study.id = site.study_id WHERE site.study_id = :study_id)",
    "params": "LIKE :mail",
}
"""Which rows are of one study, by the first of these columns that a table has."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A table as it is archived. `sha256` is over its rows in the order of `order`, each as `canonical` writes it and a line feed."""

    name: str
    columns: tuple[str, ...]
    order: tuple[str, ...]
    rows: int
    sha256: str
    withheld: tuple[str, ...] = ()
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Only:
    """The one study that is archived, by its id and OID."""

    study_id: int
    oid: str


def canonical(row: Sequence[Any]) -> str:
    """A row as the text that is hashed: a JSON array, the same whichever database it lay in; bytes as their size and SHA-256."""
    return _ENCODER.encode(tuple(row))


def _told(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_told)


def copy(source: Connection, file: Path, only: Only | None = None) -> list[Sum]:
    """Make the archive's database from one view of `source`, and hash each table on the way. Memory is that of AT_ONCE rows.

    The schema is built by the migrations, the triggers that guard it are made anew once the rows are in. Raises sqlite3.Error and OSError.
    """
    url = f"sqlite:///{file}"
    migrations.upgrade(url)
    engine = open_engine(url)
    try:
        with engine.connect() as target, target.begin():
            target.exec_driver_sql("PRAGMA cache_size=-65536")  # Kilobytes: its indexes grow in memory.
            for name in triggers.expected("sqlite"):
                target.exec_driver_sql(f"DROP TRIGGER {name}")
            made = [_copy_table(source, target, table, only) for table in metadata.sorted_tables]
            triggers.renew(target)
            triggers.check(target)
    finally:
        engine.dispose()
    _finish(file)
    return made


def _copy_table(source: Connection, target: Connection, table: Table, only: Only | None) -> Sum:
    columns, order = tuple(column.name for column in table.columns), tuple(column.name for column in table.primary_key.columns)
    withheld = WITHHELD.get(table.name, {})
    sql = f"SELECT {', '.join(_selected(column, withheld) for column in table.columns)} FROM {_quoted(table.name)} {_where(table, only)}"
    # Texts are ordered by their bytes, as SQLite does: the order of a PostgreSQL depends on its locale.
    bytewise = ' COLLATE "C"' if source.dialect.name == "postgresql" else ""
    ordered = ", ".join(_quoted(name) + (bytewise if isinstance(table.columns[name].type, String) else "") for name in order)
    asked = text(f"{sql} ORDER BY {ordered}").execution_options(yield_per=AT_ONCE)
    binary = any(isinstance(column.type, LargeBinary) for column in table.columns)
    digest, rows = hashlib.sha256(), 0
    if table.name not in LEFT_OUT:
        for part in source.execute(asked, _params(only)).partitions(10 if binary else AT_ONCE):
            _add(digest, part)
            rows += len(part)
            audit.write_rows(target, table, [_quoted(name) for name in columns], [tuple(row) for row in part])
    return Sum(table.name, columns, order, rows, digest.hexdigest(), tuple(sorted(withheld)), table.name in LEFT_OUT)


def _selected(column: Column[Any], withheld: Mapping[str, str]) -> str:
    name = _quoted(column.name)
    if column.name in withheld:
        return f"{withheld[column.name]} AS {name}"
    return f"CAST({name} AS INTEGER) AS {name}" if isinstance(column.type, Boolean) else name


def _where(table: Table, only: Only | None) -> str:
    if only is None or table.name in WHOLE or table.name in LEFT_OUT:
        return ""
    column = next(name for name in _OF_STUDY if name in table.columns)
    return f"WHERE {_quoted(column)} {_OF_STUDY[column]}"


def _params(only: Only | None) -> dict[str, Any]:
    return {} if only is None else {"study_id": only.study_id, "oid": only.oid, "mail": f'%"study": "{only.oid}"%'}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _add(digest: Any, rows: Sequence[Sequence[Any]]) -> None:
    digest.update("".join(f"{canonical(row)}\n" for row in rows).encode())


def _finish(file: Path) -> None:
    """One file, as small as it can be, sound, and marked: from here on no engine of ours writes to it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as held:
        held.execute("PRAGMA journal_mode=DELETE")
        held.execute(f"PRAGMA application_id={ARCHIVE_MARK}")
        held.execute("VACUUM")
        wrong = held.execute("PRAGMA foreign_key_check").fetchone()
    if wrong is not None:
        raise sqlite3.IntegrityError(f"{wrong[0]}: row {wrong[1]} refers to a row of {wrong[2]} that is not there")


def unsound(file: Path) -> str:
    """What SQLite finds wrong with the file; empty where it is sound and bears the mark of an archive."""
    try:
        with closing(_opened(file)) as held:
            said = [str(row[0]) for row in held.execute("PRAGMA integrity_check(1)")]
            mark = held.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.Error as error:
        return str(error)
    return "" if said == ["ok"] and mark == ARCHIVE_MARK else said[0] if said != ["ok"] else f"application_id {mark}"


def sums(file: Path, told: Sequence[Sum]) -> Iterator[tuple[Sum, Sum | None]]:
    """Each table as it was told, and as the file holds it (None where it cannot be read so). The schema may be that of an older version."""
    with closing(_opened(file)) as held:
        for one in told:
            yield one, _sum(held, one)


def _sum(held: sqlite3.Connection, told: Sum) -> Sum | None:
    columns, order = (", ".join(_quoted(name) for name in names) for names in (told.columns, told.order))
    digest, rows = hashlib.sha256(), 0
    try:
        cursor = held.execute(f"SELECT {columns} FROM {_quoted(told.name)} ORDER BY {order}")
        while part := cursor.fetchmany(AT_ONCE):
            _add(digest, part)
            rows += len(part)
    except sqlite3.Error:
        return None
    return Sum(told.name, told.columns, told.order, rows, digest.hexdigest(), told.withheld, told.left_out)


def tables(file: Path) -> set[str]:
    """The tables of the file. Raises sqlite3.Error."""
    with closing(_opened(file)) as held:
        return {str(row[0]) for row in held.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")}


def is_of_this_version(file: Path) -> bool:
    """Whether the schema and its triggers are those of this program: what an older one wrote is migrated before it is read."""
    engine = open_engine(f"sqlite:///{file}")
    try:
        migrations.check(engine)
    except (migrations.SchemaBehind, triggers.TriggersDiffer):
        return False
    finally:
        engine.dispose()
    return True


def schema(file: Path) -> str:
    """The revision that its migrations left. Raises sqlite3.Error."""
    with closing(_opened(file)) as held:
        return str(held.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def migrate(file: Path) -> None:
    """Bring a scratch copy of an older archive's database to the schema of this program; its triggers are made anew."""
    with closing(sqlite3.connect(file, isolation_level=None)) as held:
        held.execute("PRAGMA application_id=0")
    migrations.upgrade(f"sqlite:///{file}")
    _finish(file)


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
