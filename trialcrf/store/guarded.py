"""Whether a database is set up so that it keeps what it is given: asked at every start, before anything is written."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Any

from sqlalchemy import Connection, Engine, text

from trialcrf.core.wording import N_, Message
from trialcrf.store import privileges
from trialcrf.store.transaction import is_archive
from trialcrf.store.triggers import APPEND_ONLY, FROZEN

READ_ONLY = N_("The file of the database cannot be written to: give it to the user that runs the program, on a disk that is not read-only.")
JOURNAL = N_(
    "SQLite keeps no write-ahead log here (journal_mode is %(found)s): a power cut could lose what was saved. Put the database on a local "
    "disk, not on a network drive, and stop other programs that use it."
)
PRAGMA = N_("SQLite does not take the setting %(name)s (it is %(found)s, it must be %(wanted)s): use another build of SQLite.")
ENCODING = N_("The database is encoded in %(found)s: create it anew with the encoding UTF8.")
LOSSY = N_("PostgreSQL runs with %(name)s = %(found)s, and a power cut could lose what was saved: set it to on.")
UNCHECKED = N_("session_replication_role is %(found)s, so that triggers do not run: set it to origin for this role and database.")
POWERFUL = N_(
    "The role %(role)s is %(what)s: let the program sign in to the database as the application's role, which trialcrf db init makes."
)
OWNS = N_("The role %(role)s owns tables (%(tables)s) and could switch their guards off: trialcrf db init gives them to another role.")
TOO_MUCH = N_("The role %(role)s may %(privilege)s on %(tables)s: trialcrf db init takes that away.")
UNPROVED = N_(
    "PostgreSQL is on another machine (%(host)s), and the way there is not proved: add sslmode=verify-full and sslrootcert=FILE to its "
    "address, or write database into TRIALCRF_UNENCRYPTED where the way is safe otherwise."
)
MAKES = N_("The role %(role)s may create things in this database: trialcrf db init takes that away.")

_PRAGMAS = {"foreign_keys": 1, "recursive_triggers": 1}
_ATTRIBUTES = {
    "rolsuper": N_("a superuser"),
    "rolbypassrls": N_("allowed to pass by row security"),
    "rolcreaterole": N_("allowed to make roles"),
    "rolcreatedb": N_("allowed to make databases"),
    "rolreplication": N_("allowed to copy the whole server"),
}


class NotGuarded(Exception):
    """The database could lose or be made to lose what is recorded: `findings` say what is wrong and what to do."""

    def __init__(self, findings: tuple[Message, ...]) -> None:
        super().__init__("; ".join(one.msgid for one in findings))
        self.findings = findings


def check(engine: Engine, unguarded: bool = False, unencrypted: bool = False) -> None:
    """Raise NotGuarded with every finding. `unguarded` lets a PostgreSQL pass that somebody only tries out, `unencrypted` one on another
    machine that is reached without TLS or by a certificate that nobody checks."""
    found = findings(engine, unencrypted)
    if found and not (unguarded and engine.dialect.name == "postgresql"):
        raise NotGuarded(found)


def findings(engine: Engine, unencrypted: bool = False) -> tuple[Message, ...]:
    """What is wrong with the way in which the database runs and in which this connection reaches it."""
    if is_archive(engine):
        return ()  # It is opened to be read, and the database itself refuses every write.
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            return tuple(_of_sqlite(connection))
        return (*([] if unencrypted else _of_way(connection)), *_of_postgresql(connection))


def _of_way(connection: Connection) -> list[Message]:
    """What is wrong with the way to PostgreSQL: it ends on this machine, or both the encryption and the certificate are insisted on."""
    driver: Any = connection.connection.dbapi_connection
    told = driver.info
    if told.host.startswith(("/", "@")) or _is_here(told.hostaddr):
        return []
    proved = driver.pgconn.ssl_in_use and told.get_parameters().get("sslmode") == "verify-full"
    return [] if proved else [Message(UNPROVED, {"host": told.host or told.hostaddr})]


def _is_here(address: str) -> bool:
    """Whether an address that was reached is of this machine alone."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _of_sqlite(connection: Connection) -> list[Message]:
    found = []
    file = connection.engine.url.database or ""
    if not file.startswith("file:") and not os.access(file, os.W_OK):
        found.append(Message(READ_ONLY))
    journal = str(_pragma(connection, "journal_mode"))
    if journal != "wal":
        found.append(Message(JOURNAL, {"found": journal}))
    synchronous = _pragma(connection, "synchronous")
    if synchronous < 2:
        found.append(Message(PRAGMA, {"name": "synchronous", "found": str(synchronous), "wanted": "2"}))
    for name, wanted in _PRAGMAS.items():
        if (value := _pragma(connection, name)) != wanted:
            found.append(Message(PRAGMA, {"name": name, "found": str(value), "wanted": str(wanted)}))
    return found


def _pragma(connection: Connection, name: str) -> int:
    value: int = connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
    return value


def _of_postgresql(connection: Connection) -> list[Message]:
    asked = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
    set_to = {row.name: row.setting for row in connection.execute(asked, {"names": list(_SETTINGS)})}
    found = []
    if set_to["server_encoding"] != "UTF8":
        found.append(Message(ENCODING, {"found": set_to["server_encoding"]}))
    lossy = {"off", "local"} if set_to.get("synchronous_standby_names") else {"off"}
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if set_to[name] in lossy:
            found.append(Message(LOSSY, {"name": name, "found": set_to[name]}))
    if set_to["session_replication_role"] != "origin":
        found.append(Message(UNCHECKED, {"found": set_to["session_replication_role"]}))
    return found + _of_role(connection)


def _of_role(connection: Connection) -> list[Message]:
    """What the role could do that the application never needs. A superuser could do all of it: that alone is said then."""
    role = str(connection.execute(text("SELECT current_user")).scalar_one())
    asked = text(f"SELECT {', '.join(f'bool_or({name}) AS {name}' for name in _ATTRIBUTES)} FROM pg_roles WHERE pg_has_role(oid, 'MEMBER')")
    held = connection.execute(asked).mappings().one()
    powers = [what for name, what in _ATTRIBUTES.items() if held[name]]
    if held["rolsuper"]:
        return [Message(POWERFUL, {"role": role, "what": Message(_ATTRIBUTES["rolsuper"])})]
    found = [Message(POWERFUL, {"role": role, "what": Message(what)}) for what in powers]
    owned = connection.execute(text(_OWNED)).scalars().all()
    if owned:
        found.append(Message(OWNS, {"role": role, "tables": ", ".join(owned[:5])}))
    if connection.execute(text(_MAKES)).scalar():
        found.append(Message(MAKES, {"role": role}))
    beyond: dict[str, list[str]] = {}
    for row in connection.execute(text(_HELD)):
        allowed = privileges.of_application(row.name)
        guarded = row.name in APPEND_ONLY or row.name in FROZEN
        for privilege in ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"):
            if row.held[privilege] and (guarded or privilege != "UPDATE") and allowed.get(privilege, "no") != ():
                beyond.setdefault(privilege, []).append(row.name)
    found += [Message(TOO_MUCH, {"role": role, "privilege": one, "tables": ", ".join(tables[:5])}) for one, tables in beyond.items()]
    return found


_SETTINGS = (
    "server_encoding", "fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names", "session_replication_role",
)  # fmt: skip
_MAKES = "SELECT has_schema_privilege('public', 'CREATE') OR has_database_privilege(current_database(), 'CREATE')"
_OWNED = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND pg_has_role(relowner, 'MEMBER')
ORDER BY relname
"""
_HELD = """
SELECT relname AS name, json_build_object(
  'UPDATE', has_table_privilege(oid, 'UPDATE'), 'DELETE', has_table_privilege(oid, 'DELETE'),
  'TRUNCATE', has_table_privilege(oid, 'TRUNCATE'),
  'TRIGGER', has_table_privilege(oid, 'TRIGGER'),
  'REFERENCES', has_table_privilege(oid, 'REFERENCES')) AS held
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname
"""
