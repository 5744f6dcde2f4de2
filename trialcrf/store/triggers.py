"""The database's own guard: the trail is append-only, definitions are frozen, nothing recorded is deleted, nothing locked is changed."""

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
    "enclosure_content": ("enclosure_id",),
    "study_decision": ("id",),
    "monitoring": ("id",),
    "monitoring_entry": ("id",),
}
"""Tables that never change, with the columns of their unique key: SQLite's INSERT OR REPLACE must not replace through it."""

ALSO_UNIQUE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "signature": (("chain", "seq"),),
    "safety_case": (("form_id", "row"), ("study_id", "number")),
    "case_entry": (("case_id", "number"),),
    "study_decision": (("study_id", "number"),),
    "monitoring": (("site_id", "number"),),
    "monitoring_entry": (("monitoring_id", "number"),),
    "dictionary": (("kind", "version"),),
}
"""Their further unique keys: a row could be replaced through each of them."""

FROZEN: Mapping[str, tuple[str, ...]] = {"definition": ("id",), "dictionary": ("id",), "dictionary_term": ("dictionary_id", "number")}
KEPT = (
    "study",
    "site",
    "account",
    "role_grant",
    "subject",
    "form",
    "query",
    "lab_range",
    "verification",
    "lock",
    "four_eyes",
    "site_release",
    "delegation",
    "enclosure",
)

ERASABLE = "audit_value"
"""The one append-only table whose rows may lose what they hold: where the trail says that it was redacted."""

_REFUSAL = "this row may never be changed or deleted"
LOCKED = "this is locked"
"""What a trigger says that refuses a write under a lock."""
_REDACTED = (
    "NEW.chain = OLD.chain AND NEW.seq = OLD.seq AND NEW.salt IS NULL AND NEW.value IS NULL AND EXISTS (SELECT 1 FROM audit_record "
    "WHERE entity = 'redaction' AND entity_id = CAST(OLD.seq AS TEXT) AND chain = OLD.chain)"
)

_STUDY = "'study/' || (SELECT study_id FROM site WHERE id = NEW.site_id), 'site/' || NEW.site_id"
_VISIT = "'subject/' || NEW.subject_id, 'visit/' || NEW.subject_id || '/' || NEW.event_oid || '/' || NEW.event_repeat"
LOCKABLE: Mapping[str, str] = {
    "subject": f"{_STUDY}, 'subject/' || NEW.id",
    "form": f"{_STUDY}, {_VISIT}, 'form/' || NEW.id",
    "query": f"{_STUDY}, {_VISIT}, 'form/' || NEW.form_id",
    "enclosure": f"{_STUDY}, {_VISIT}, 'form/' || NEW.form_id",
}
"""Tables that a lock closes whatever the program thinks, with the addresses (`core.lock.Address`) that a row lies under.

The lock of a single item is the program's own affair: its row is that of the whole form.
"""


def _locked(addresses: str) -> str:
    return f"EXISTS (SELECT 1 FROM lock WHERE state = 'locked' AND address IN ({addresses}))"


def _before(addresses: str) -> str:
    """The same of the row as it was: a row is not moved out of what is locked either."""
    return addresses.replace("NEW.", "OLD.")


FUNCTIONS: Mapping[str, str] = {
    "refuse_change": f"BEGIN RAISE EXCEPTION '{_REFUSAL}'; END",
    "refuse_unless_redacted": f"BEGIN IF NOT ({_REDACTED}) THEN RAISE EXCEPTION '{_REFUSAL}'; END IF; RETURN NEW; END",
    **{
        f"refuse_locked_{table}": f"BEGIN IF {_locked(addresses)} THEN RAISE EXCEPTION '{LOCKED}'; END IF; IF TG_OP = 'UPDATE' THEN "
        f"IF {_locked(_before(addresses))} THEN RAISE EXCEPTION '{LOCKED}'; END IF; END IF; RETURN NEW; END"
        for table, addresses in LOCKABLE.items()
    },
}
"""What PostgreSQL's triggers run, by name."""


class TriggersDiffer(Exception):
    """The database's triggers are not the ones that this version needs: it must not be written to."""


def expected(dialect: str, tables: Collection[str] | None = None) -> dict[str, str]:
    """Trigger name to the statement that makes it; only those of `tables`, where they are given."""
    made: dict[str, str] = {}
    for table, key in {**APPEND_ONLY, **FROZEN}.items():
        made |= _refuse(dialect, table, "UPDATE") if table != ERASABLE else _erasable(dialect, table)
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
    for table, addresses in LOCKABLE.items():
        made |= _refuse_locked(dialect, table, addresses)
    if tables is None:
        return made
    # A version that has no locks yet has nothing that these could ask.
    return {name: sql for name, sql in made.items() if _table_of(name) in tables and ("lock" in tables or "_no_locked_" not in name)}


def _table_of(trigger: str) -> str:
    return trigger.partition("_no_")[0]


def _function(statement: str) -> str:
    return statement.rpartition(" FUNCTION ")[2].removesuffix("()")


def _refuse(dialect: str, table: str, verb: str) -> dict[str, str]:
    name = f"{table}_no_{verb.lower()}"
    if dialect == "sqlite":
        return {name: f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"}
    return {name: f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"}


def _erasable(dialect: str, table: str) -> dict[str, str]:
    name = f"{table}_no_update"
    if dialect == "sqlite":
        return {name: f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} WHEN NOT ({_REDACTED}) BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"}
    return {name: f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_unless_redacted()"}


def _refuse_locked(dialect: str, table: str, addresses: str) -> dict[str, str]:
    made = {}
    for verb in ("INSERT", "UPDATE"):
        name = f"{table}_no_locked_{verb.lower()}"
        refuse = f"CREATE TRIGGER {name} BEFORE {verb} ON {table}"
        if dialect == "sqlite":
            also = f" OR {_locked(_before(addresses))}" if verb == "UPDATE" else ""
            made[name] = f"{refuse} WHEN {_locked(addresses)}{also} BEGIN SELECT RAISE(ABORT, '{LOCKED}'); END"
        else:
            made[name] = f"{refuse} FOR EACH ROW EXECUTE FUNCTION refuse_locked_{table}()"
    return made


def renew(connection: Connection) -> None:
    """Make every trigger that is missing or another one anew. Called after every migration: a table that a migration rebuilt has silently
    lost its own.

    A table that a later migration makes has none yet. What is as it must be is left alone: to touch it would lock its table, and on
    PostgreSQL people may be saving meanwhile.
    """
    dialect, tables = connection.dialect.name, inspect(connection).get_table_names()
    if dialect == "postgresql":
        for name, body in _functions_to_make(connection).items():
            made = f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $refuse${body}$refuse$"
            connection.execute(text(made.replace(":", "\\:")))
    present, wanted = _present(connection), _wanted(dialect, tables)
    for name, statement in expected(dialect, tables).items():
        if present.get(name) == wanted[name]:
            continue
        table = _table_of(name)
        connection.execute(text(f"DROP TRIGGER IF EXISTS {name}" + (f" ON {table}" if dialect == "postgresql" else "")))
        connection.execute(text(statement.replace(":", "\\:")))
        if dialect == "postgresql":
            connection.execute(text(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"))


def _functions_to_make(connection: Connection) -> dict[str, str]:
    asked = "SELECT proname AS name, prosrc AS body FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
    present = {row.name: row.body for row in connection.execute(text(asked))}
    return {name: body for name, body in FUNCTIONS.items() if present.get(name) != body}


def check(connection: Connection, tables: Collection[str] | None = None, later: bool = False) -> None:
    """Compare the database's triggers with what they must be. Raises TriggersDiffer naming each difference.

    `tables` is given only on the way through the migrations: a start asks for the triggers of every table. `later` says that the
    database is of a later version, which may guard tables that this one does not know.
    """
    present, wanted = _present(connection), _wanted(connection.dialect.name, tables)
    if later:
        known = {_table_of(name) for name in wanted}
        present = {name: sql for name, sql in present.items() if _table_of(name) in known}
    wrong = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if wrong:
        raise TriggersDiffer(", ".join(wrong))


def _wanted(dialect: str, tables: Collection[str] | None) -> dict[str, str]:
    made = expected(dialect, tables)
    if dialect == "sqlite":
        return made
    return {name: f"A {statement} {FUNCTIONS[_function(statement)]}" for name, statement in made.items()}


def _present(connection: Connection) -> dict[str, str]:
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
        return {row.name: row.sql for row in rows}
    rows = connection.execute(
        text(
            "SELECT t.tgname AS name, t.tgenabled::text || ' ' || pg_get_triggerdef(t.oid) || ' ' || p.prosrc AS sql FROM pg_trigger t "
            "JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid "
            "WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace"
        )
    )
    return {row.name: row.sql.replace("public.", "") for row in rows}
