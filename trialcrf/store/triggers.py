"""The database's own guard: the trail is append-only, definitions are frozen, nothing recorded is deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, inspect, text

APPEND_ONLY: Mapping[str, tuple[str, ...]] = {
    "audit_record": ("chain", "seq"),
    "audit_value": ("chain", "seq"),
    "signature": ("id",),
    "safety_case": ("id",),
    "case_entry": ("id",),
    "attachment": ("id",),
    "study_decision": ("id",),
}
"""Tables that never change, with the columns of their unique key: SQLite's INSERT OR REPLACE must not replace through it."""

ALSO_UNIQUE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "signature": (("chain", "seq"),),
    "safety_case": (("form_id", "row"), ("study_id", "number")),
    "case_entry": (("case_id", "number"),),
    "study_decision": (("study_id", "number"),),
    "dictionary": (("kind", "version"),),
}
"""Their further unique keys: a row could be replaced through each of them."""

FROZEN: Mapping[str, tuple[str, ...]] = {"definition": ("id",), "dictionary": ("id",), "dictionary_term": ("dictionary_id", "number")}
KEPT = ("study", "site", "account", "role_grant", "subject", "form", "query", "lab_range")

_REFUSAL = "this row may never be changed or deleted"
_FUNCTION = f"BEGIN RAISE EXCEPTION '{_REFUSAL}'; END"


class TriggersDiffer(Exception):
    """The database's triggers are not the ones that this version needs: it must not be written to."""


def expected(dialect: str, tables: Collection[str] | None = None) -> dict[str, str]:
    """Trigger name to the statement that makes it; only those of `tables`, where they are given."""
    made: dict[str, str] = {}
    for table, key in {**APPEND_ONLY, **FROZEN}.items():
        made |= _refuse(dialect, table, "UPDATE")
        if dialect == "sqlite":
            keys = (key, *ALSO_UNIQUE.get(table, ()))
            same = " OR ".join(" AND ".join(f"{column} = NEW.{column}" for column in one) for one in keys)
            name = f"{table}_no_replace"
            made[name] = (
                f"CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
                f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            )
    for table in (*APPEND_ONLY, *FROZEN, *KEPT):
        made |= _refuse(dialect, table, "DELETE")
        if dialect == "postgresql":
            name = f"{table}_no_truncate"
            made[name] = f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    return made if tables is None else {name: statement for name, statement in made.items() if _table_of(name) in tables}


def _table_of(trigger: str) -> str:
    return trigger.rpartition("_no_")[0]


def _refuse(dialect: str, table: str, verb: str) -> dict[str, str]:
    name = f"{table}_no_{verb.lower()}"
    if dialect == "sqlite":
        return {name: f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"}
    return {name: f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"}


def renew(connection: Connection) -> None:
    """Make the triggers anew. Called after every migration: a table that a migration rebuilt has silently lost its own.

    A table that a later migration makes has none yet.
    """
    dialect, tables = connection.dialect.name, inspect(connection).get_table_names()
    if dialect == "postgresql":
        connection.execute(
            text(f"CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $refuse${_FUNCTION}$refuse$")
        )
    for name, statement in expected(dialect, tables).items():
        table = _table_of(name)
        connection.execute(text(f"DROP TRIGGER IF EXISTS {name}" + (f" ON {table}" if dialect == "postgresql" else "")))
        connection.execute(text(statement.replace(":", "\\:")))
        if dialect == "postgresql":
            connection.execute(text(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"))


def check(connection: Connection, tables: Collection[str] | None = None) -> None:
    """Compare the database's triggers with what they must be. Raises TriggersDiffer naming each difference.

    `tables` is given only on the way through the migrations: a start asks for the triggers of every table.
    """
    dialect = connection.dialect.name
    if dialect == "sqlite":
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
        present = {row.name: row.sql for row in rows}
        wanted = expected(dialect, tables)
    else:
        rows = connection.execute(
            text(
                "SELECT t.tgname AS name, t.tgenabled::text || ' ' || pg_get_triggerdef(t.oid) || ' ' || p.prosrc AS sql FROM pg_trigger t "
                "JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid "
                "WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace"
            )
        )
        present = {row.name: row.sql.replace("public.", "") for row in rows}
        wanted = {name: f"A {statement} {_FUNCTION}" for name, statement in expected(dialect, tables).items()}
    wrong = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if wrong:
        raise TriggersDiffer(", ".join(wrong))
