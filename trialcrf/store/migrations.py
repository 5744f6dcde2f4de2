"""Bringing a database to the newest schema, and refusing one that is not there."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

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


def check(engine: Engine) -> None:
    """Raise SchemaBehind, SchemaAhead or TriggersDiffer where this database must not be written to by this program."""
    with engine.connect() as connection:
        current = revision(connection)
        if current != newest():
            raise (SchemaAhead if current > newest() else SchemaBehind)(f"schema {current}, program {newest()}")
        triggers.check(connection)


def newest() -> str:
    """The schema of this program; revisions are numbered, so a later one is greater."""
    return str(ScriptDirectory.from_config(_config("")).get_current_head())


def revision(connection: Connection) -> str:
    """The schema of a database; empty where no migration ever ran."""
    return MigrationContext.configure(connection).get_current_revision() or ""
