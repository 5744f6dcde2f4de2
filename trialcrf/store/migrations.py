"""Bringing a database to the newest schema, and refusing one that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from trialcrf.store import triggers

_FOLDER = Path(__file__).resolve().parents[2] / "migrations"


class SchemaBehind(Exception):
    """The database was made by an earlier version of the program: it must be migrated before it is used."""


class SchemaAhead(Exception):
    """The database was migrated by a later version of the program: this one does not know what is in it."""


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Run every missing migration, forward only, each database in one transaction; triggers are made anew and compared."""
    command.upgrade(_config(url), revision)


def check(engine: Engine, later: bool = True) -> None:
    """Raise SchemaBehind, SchemaAhead or TriggersDiffer where this database must not be written to by this program.

    A database that was migrated further passes where it says that this version can go on with it; not with `later` False, for whoever
    would say anew what stands in it.
    """
    with engine.connect() as connection:
        current = revision(connection)
        ahead = current > newest()
        if current < newest() or (ahead and not (later and serves_from(connection) <= newest())):
            raise (SchemaAhead if ahead else SchemaBehind)(f"schema {current}, program {newest()}")
        triggers.check(connection, later=ahead)


def newest() -> str:
    """The schema of this program; revisions are numbered, so a later one is greater."""
    return str(ScriptDirectory.from_config(_config("")).get_current_head())


def revision(connection: Connection) -> str:
    """The schema of a database; empty where no migration ever ran."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def serves_from(connection: Connection) -> str:
    """The oldest program, by its newest schema, that can work with this database: what its last migration said, else its own."""
    current = revision(connection)
    if connection.dialect.name != "postgresql":
        return current
    said = connection.execute(text("SELECT obj_description('alembic_version'::regclass, 'pg_class')")).scalar_one()
    # A word about another schema than the one that is there says nothing of this one.
    found = re.fullmatch(r"(\d+) serves the program from (\d+)", str(said or ""))
    return found[2] if found and found[1] == current else current


def note_serving(connection: Connection, scripts: ScriptDirectory) -> None:
    """Write down, beside the schema, which programs can go on working with it: a program of before does not know the word of a migration.

    As a comment on the table of alembic, which its owner alone may write. A SQLite file serves one version: nobody upgrades it under load.
    """
    current = revision(connection)
    if connection.dialect.name == "postgresql" and current:
        connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{current} serves the program from {_oldest(scripts, current)}'"))


def additive(since: str) -> bool:
    """Whether a program whose newest schema is `since` can go on working while and after this one's migrations run."""
    scripts = ScriptDirectory.from_config(_config(""))
    return _oldest(scripts, newest()) <= since


def _oldest(scripts: ScriptDirectory, current: str) -> str:
    script = scripts.get_revision(current)
    while getattr(script.module, "additive", False):
        script = scripts.get_revision(str(script.down_revision))
    return str(script.revision)
