"""Commands that set PostgreSQL up: its three roles, its schema, and whether it keeps what it is given."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import Engine, inspect, make_url, text
from sqlalchemy.exc import DBAPIError

from trialcrf.actions.publish import plan_where_missing
from trialcrf.cli.terminal import AHEAD, BEHIND, Terminal, _, here, stop, terminal
from trialcrf.core.wording import N_, Message
from trialcrf.external import clock
from trialcrf.store import damage, guarded, migrations, privileges, triggers
from trialcrf.store.migrations import SchemaAhead, SchemaBehind
from trialcrf.store.privileges import Roles
from trialcrf.store.transaction import open_engine, writing
from trialcrf.store.triggers import TriggersDiffer

_SHORTEST = 16
"""Characters of a password that only programs type."""


@click.group(help=_("The database: its roles, its schema, and whether it is safe."))
def db() -> None:
    """The group of commands."""


_prefix = click.option(
    "--name", "prefix", metavar="NAME", help=_("What the roles are called: NAME_owner, NAME_app, NAME_read (default: the database).")
)


@db.command(
    "init",
    help=_(
        "Make a PostgreSQL database ready: three roles (its owner, the application, a reader), the schema, and who may do what. It asks "
        "for the address of the database as an administrator of the server (or takes DATABASE_OWNER_URL); a second run changes nothing."
    ),
)
@_prefix
@click.option("--owner-url", is_flag=True, help=_("Ask for the address, whatever DATABASE_OWNER_URL says."))
@click.option(
    "--passwords",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help=_('The passwords of the roles as JSON: {"owner": "…", "app": "…", "read": "…"}. Without it they are asked for.'),
)
@terminal
def init_(shell: Terminal, prefix: str | None, owner_url: bool, passwords: Path | None) -> None:
    url = _address(shell, owner_url)
    roles = Roles.named(prefix or str(make_url(url).database))
    with _administering(url) as engine, engine.begin() as connection:
        privileges.prepare(connection, roles, _passwords(roles, passwords))
    _migrate(shell, url, roles)
    shell.say(Message(N_("The database is ready. The program signs in to it as %(role)s (DATABASE_URL)."), {"role": roles.application}))


@db.command("upgrade", help=_("Bring the schema to this version as the owner of the database, and say anew who may do what."))
@_prefix
@click.option("--owner-url", is_flag=True, help=_("Ask for the address, whatever DATABASE_OWNER_URL says."))
@terminal
def upgrade(shell: Terminal, prefix: str | None, owner_url: bool) -> None:
    url = _address(shell, owner_url)
    _migrate(shell, url, Roles.named(prefix or str(make_url(url).database)))
    shell.say(Message(N_("The database is ready.")))


@db.command("check", help=_("Look whether the database is of this version, whole in its guards and safe; tells every finding."))
@terminal
def check(shell: Terminal) -> None:
    engine, found = shell.unchecked_engine, []
    try:
        migrations.check(engine)
    except SchemaBehind:
        found.append(Message(BEHIND))
    except SchemaAhead:
        found.append(Message(AHEAD))
    except TriggersDiffer as differ:
        found.append(Message(N_("The triggers that guard the audit trail are not as they must be (%(names)s)."), {"names": str(differ)}))
    found += guarded.findings(engine, "database" in shell.settings.unencrypted)
    if found:
        stop("\n".join(here().say(one) for one in found))
    with engine.connect() as connection:
        later = migrations.revision(connection) > migrations.newest()
    if later:
        shell.say(Message(N_("The database is of a later version that this one can work with, guarded and safe.")))
    else:
        shell.say(Message(N_("The database is of this version, guarded and safe.")))


def _address(shell: Terminal, ask: bool) -> str:
    if shell.settings.database_url.startswith("sqlite"):
        stop(Message(N_("DATABASE_URL is a SQLite file: it has no roles, and trialcrf init makes it ready.")))
    if shell.settings.database_owner_url and not ask:
        return shell.settings.database_owner_url
    # An address may hold a password: it is typed unseen, and never stands on a command line that others can read.
    given: str = click.prompt(
        _("Address of the database as its administrator or owner (postgresql://USER:PASSWORD@HOST/NAME)"), hide_input=True
    )
    scheme, _colon, rest = given.partition("://")
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg") or not rest:
        stop(Message(N_("This is not postgresql://USER:PASSWORD@HOST/NAME.")))
    return f"postgresql+psycopg://{rest}"


def _passwords(roles: Roles, file: Path | None) -> Mapping[str, str]:
    named = dict(zip(("owner", "app", "read"), roles.all, strict=True))
    if file is not None:
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            given = {role: str(told.get(name, "")) for name, role in named.items()}
        except (ValueError, AttributeError):
            stop(Message(N_("%(file)s is not a JSON object of passwords."), {"file": str(file)}))
    else:
        asked = _("Password of %(role)s (empty: as it is)")
        given = {
            role: click.prompt(asked % {"role": role}, default="", show_default=False, hide_input=True, err=True) for role in roles.all
        }
    short = [role for role, password in given.items() if password and len(password) < _SHORTEST]
    if short:
        said = N_("The password of %(role)s is too short: it has at least %(count)s characters.")
        stop(Message(said, {"role": ", ".join(short), "count": _SHORTEST}))
    return given


def _migrate(shell: Terminal, url: str, roles: Roles) -> None:
    """As the owner, whoever signed in: what it makes is then the owner's. Raises TriggersDiffer and SchemaAhead.

    People may be saving meanwhile: whoever waits for a table makes all others wait behind, so the wait is short and begun anew.
    """
    options = f"-c role={roles.owner} -c lock_timeout={LOCK_MS}"
    as_owner = make_url(url).update_query_dict({"options": options}).render_as_string(hide_password=False)
    with _administering(as_owner) as engine:
        try:
            migrations.check(engine, later=False)
        except SchemaBehind:
            _refuse_beside(engine, roles.application)
            _patiently(shell, lambda: migrations.upgrade(as_owner))
            migrations.check(engine, later=False)
        with engine.begin() as connection:
            for statement in privileges.grants(roles.application, roles.reader, inspect(connection).get_table_names()):
                connection.execute(text(statement))
            triggers.check(connection)

        def plan() -> None:
            with writing(engine, clock.now(), shell.who) as tx:
                plan_where_missing(tx)

        _patiently(shell, plan)


LOCK_MS, PAUSE, ATTEMPTS = 500, 1.0, 300
"""How long a migration waits for a table that somebody uses (milliseconds), seconds until it tries again, and how often it does."""


def _patiently(shell: Terminal, do: Callable[[], None]) -> None:
    for attempt in range(ATTEMPTS):
        try:
            return do()
        except DBAPIError as error:
            if not damage.is_passing(error):
                raise
        if attempt == 0:
            shell.say(Message(N_("A table that is to be changed is in use: this is tried again until it is free.")))
        time.sleep(PAUSE)
    stop(Message(N_("A table that is to be changed stays in use, perhaps by a backup: nothing was changed. Try again later.")))


def _refuse_beside(engine: Engine, application: str) -> None:
    """End the command where the program is at work that could not go on beside the migrations that are missing."""
    with engine.connect() as connection:
        since = migrations.revision(connection)
        asked = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = :role")
        open_ = int(connection.execute(asked, {"role": application}).scalar_one())
    if since and open_ and not migrations.additive(since):
        said = N_(
            "The version that runs cannot go on beside this upgrade: stop every web server and every scheduler first "
            "(%(role)s has %(count)s connections)."
        )
        stop(Message(said, {"role": application, "count": open_}))


@contextmanager
def _administering(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()
