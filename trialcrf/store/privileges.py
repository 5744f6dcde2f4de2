"""Who may do what in PostgreSQL, in one table: the owner migrates, the application records, a reader reads what holds no secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from trialcrf.store.models import metadata
from trialcrf.store.triggers import APPEND_ONLY, ERASABLE, FROZEN, KEPT

WORK = frozenset(
    {
        "fact", "unique_code", "visit", "site_name", "session", "sign_in_attempt", "reminder_choice", "calendar_feed", "secret", "outbox",
        "job_run", "report", "save_token", "chain_head", "factor", "recovery_code", "sign_in_step", "sign_in_address", "hospital_link",
        "hospital_try", "link_code", "draft",
    }
)  # fmt: skip
"""Tables of work and of projections: no record that must not be lost."""

CLEARED = frozenset(
    {
        "fact",
        "unique_code",
        "visit",
        "site_name",
        "session",
        "sign_in_attempt",
        "save_token",
        "draft",
        "sign_in_step",
        "hospital_link",
        "hospital_try",
    }
)
"""Those of them whose rows the program takes away again."""

WRITABLE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    ERASABLE: ("salt", "value"),
    # The row of a ledger's thing is locked while a line is added, and PostgreSQL lets only those lock a row that may change it;
    # the trigger refuses the change itself.
    "monitoring": ("id",),
    "safety_case": ("id",),
}
"""Columns of append-only tables that the application may name in an UPDATE. What it may really change the triggers say."""

HIDDEN = frozenset(
    {"session", "secret", "sign_in_attempt", "save_token", "site_name", "outbox", "factor", "recovery_code", "sign_in_step"}
    | {"sign_in_address", "hospital_link", "hospital_try", "link_code", "draft"}
)
"""Tables of which a reader sees nothing: keys, and what only the program is to know."""

_SECRET = re.compile(r"(?:_hash|^csrf|token|password|secret|totp|credential|recovery|private)")


def of_application(table: str) -> dict[str, tuple[str, ...]]:
    """What the application may do with a table: privilege to the columns that it holds for (none: all)."""
    if table in APPEND_ONLY or table in FROZEN:
        columns = WRITABLE_COLUMNS.get(table)
        return {"SELECT": (), "INSERT": (), **({"UPDATE": columns} if columns else {})}
    # A table that no list names yet can be worked with, and nothing in it can be taken away.
    return {"SELECT": (), "INSERT": (), "UPDATE": (), **({"DELETE": ()} if table in CLEARED else {})}


def of_reader(table: str) -> dict[str, tuple[str, ...]]:
    """What a reader may do with a table: nothing, read it all, or read the columns that are no secret."""
    if table in HIDDEN:
        return {}
    columns = [column.name for column in metadata.tables[table].columns]
    open_ = tuple(name for name in columns if not _SECRET.search(name))
    return {"SELECT": () if len(open_) == len(columns) else open_}


def unclassed() -> set[str]:
    """Tables that nobody has said anything of."""
    return set(metadata.tables) - set(APPEND_ONLY) - set(FROZEN) - set(KEPT) - WORK


def grants(application: str, reader: str, present: Iterable[str]) -> list[str]:
    """The statements, run by the owner, that leave both roles with exactly their privileges on the tables that are there."""
    made = [*_of_queue(_quoted(application), _quoted(reader))]
    made += [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {_quoted(application)}, {_quoted(reader)}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, {_quoted(application)}, {_quoted(reader)}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {_quoted(application)}",  # Reading them is for the backup.
        f"GRANT SELECT ON TABLE alembic_version TO {_quoted(application)}, {_quoted(reader)}",
    ]
    for table in sorted(set(metadata.tables) & set(present)):
        for role, held in ((application, of_application(table)), (reader, of_reader(table))):
            made.append(f"REVOKE ALL ON TABLE {_quoted(table)} FROM {_quoted(role)}")
            for privilege, columns in held.items():
                listed = f" ({', '.join(map(_quoted, columns))})" if columns else ""
                made.append(f"GRANT {privilege}{listed} ON TABLE {_quoted(table)} TO {_quoted(role)}")
    return made


QUEUE = "queue"
"""The schema with the tables of the library that keeps the queue. What waits there carries ids, and nothing else is lost with it."""


def _of_queue(application: str, reader: str) -> list[str]:
    return [
        f"REVOKE ALL ON SCHEMA {QUEUE} FROM PUBLIC, {application}, {reader}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {QUEUE} FROM PUBLIC, {application}, {reader}",
        f"GRANT USAGE ON SCHEMA {QUEUE} TO {application}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {QUEUE} TO {application}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {QUEUE} TO {application}",
    ]


@dataclass(frozen=True, slots=True)
class Roles:
    """The names of the three roles of one database."""

    owner: str
    application: str
    reader: str

    @classmethod
    def named(cls, prefix: str) -> Roles:
        return cls(f"{prefix}_owner", f"{prefix}_app", f"{prefix}_read")

    @property
    def all(self) -> tuple[str, str, str]:
        return (self.owner, self.application, self.reader)


def prepare(connection: Connection, names: Roles, passwords: Mapping[str, str]) -> None:
    """As an administrator of the server: make or renew the three roles, and give the database and its schema to the owner.

    A role without a password in `passwords` keeps the one that it has. No password ever stands in a statement that the server logs:
    it is sent as the verifier that the server keeps.
    """
    present = set(connection.execute(text("SELECT rolname FROM pg_roles")).scalars())
    for role in names.all:
        if role not in present:
            connection.exec_driver_sql(f"CREATE ROLE {_quoted(role)} LOGIN")
        connection.exec_driver_sql(f"ALTER ROLE {_quoted(role)} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS LOGIN")
        if passwords.get(role):
            _set_password(connection, role, passwords[role])
    database = _quoted(str(connection.execute(text("SELECT current_database()")).scalar_one()))
    owner, application, reader = (_quoted(role) for role in names.all)
    me = connection.execute(text("SELECT current_user")).scalar_one()
    if me != names.owner:
        # Whoever gives something away must be of those who get it.
        connection.exec_driver_sql(f"GRANT {owner} TO {_quoted(str(me))}")
    for statement in (
        f"ALTER DATABASE {database} OWNER TO {owner}",
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {database} TO {application}, {reader}",
        f"ALTER SCHEMA public OWNER TO {owner}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"REVOKE ALL ON SCHEMA public FROM {application}, {reader}",
        f"GRANT USAGE ON SCHEMA public TO {application}, {reader}",
        f"ALTER ROLE {reader} IN DATABASE {database} SET default_transaction_read_only = on",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public REVOKE ALL ON TABLES FROM PUBLIC",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT SELECT, INSERT ON TABLES TO {application}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {application}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    ):
        connection.exec_driver_sql(statement)
    for kind, name in connection.execute(text(_OTHERS), {"owner": names.owner}).all():
        connection.exec_driver_sql(f"ALTER {kind} {name} OWNER TO {owner}")


_OTHERS = """
SELECT 'SCHEMA', quote_ident(nspname) FROM pg_namespace WHERE nspname = 'queue' AND pg_get_userbyid(nspowner) <> :owner
UNION ALL
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'queue') AND c.relkind IN ('r', 'p', 'S') AND pg_get_userbyid(c.relowner) <> :owner
AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i') AND c.relkind = 'S')
UNION ALL
SELECT 'FUNCTION', 'public.' || quote_ident(p.proname) || '()' FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace AND p.pronargs = 0 AND pg_get_userbyid(p.proowner) <> :owner
"""
"""What another role made before: a sequence of a table goes with its table."""


def _set_password(connection: Connection, role: str, password: str) -> None:
    driver = connection.connection.dbapi_connection
    assert driver is not None
    verifier = driver.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode("ascii")
    connection.exec_driver_sql(f"ALTER ROLE {_quoted(role)} PASSWORD '{verifier}'")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
