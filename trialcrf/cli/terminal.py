"""What every command needs: settings, database, a voice in the terminal's language, and one plain sentence for whatever goes wrong."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, NoReturn

import click
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from config import BadSettings, Settings, terminal_language
from trialcrf.actions import Impossible, NotAllowed, NotClean
from trialcrf.core.definition.load import DefinitionProblems
from trialcrf.core.lock import Locked
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.external import clock
from trialcrf.external.age import CannotUseKey
from trialcrf.external.backup import CannotBackUp
from trialcrf.external.language import Language
from trialcrf.external.markup import CannotDraw
from trialcrf.store import definitions, guarded, migrations
from trialcrf.store.audit import Who
from trialcrf.store.damage import WritingStopped
from trialcrf.store.definitions import Published
from trialcrf.store.guarded import NotGuarded
from trialcrf.store.migrations import SchemaAhead, SchemaBehind
from trialcrf.store.transaction import Archived, Transaction, open_engine, reading, writing
from trialcrf.store.triggers import TriggersDiffer

BEHIND = N_("The database is not the one of this version: run trialcrf init (or, on PostgreSQL, trialcrf db upgrade).")
AHEAD = N_("The database is of a later version of the program: start that one.")


def here() -> Language:
    """The language of the terminal."""
    return Language(terminal_language())


def _(msgid: str) -> str:
    return here().gettext(msgid)


class Plain(click.ClickException):
    """One plain sentence on standard error, and exit code 1."""

    def show(self, file: Any = None) -> None:
        click.echo(self.message, err=True, file=file)


def stop(said: Sayable | str) -> NoReturn:
    """End the command with a sentence."""
    raise Plain(here().say(said))


class Group(click.Group):
    """A group of commands whose failures are told as one sentence each; `trialcrf --trace` shows where an unforeseen one came from."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            said = _sentence(error)
            if said is None and (isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort) or ctx.params.get("trace")):
                raise
            stop(said or Message(N_("This was not foreseen: %(what)s"), {"what": f"{type(error).__name__}: {error}"}))


def _sentence(error: Exception) -> Sayable | str | None:
    """What is to be said of a failure that can be foreseen; None for others."""
    if isinstance(error, Impossible | NotClean | CannotBackUp | CannotUseKey | Locked):
        return error.message
    if isinstance(error, DefinitionProblems):
        return "\n".join(f"{one.file}:{one.line}: {here().say(one.message)}" for one in error.problems)
    if isinstance(error, SchemaBehind):
        return Message(BEHIND)
    if isinstance(error, SchemaAhead):
        return Message(AHEAD)
    if isinstance(error, NotGuarded):
        return "\n".join(here().say(one) for one in error.findings)
    if isinstance(error, WritingStopped):
        return Message(N_("The database or its disk failed, and nothing more is written: %(what)s"), {"what": error.damage.what})
    if isinstance(error, TriggersDiffer):
        said = N_("The triggers that guard the audit trail are not as they must be (%(names)s): nothing is written to this database.")
        return Message(said, {"names": str(error)})
    if isinstance(error, Archived):
        return Message(N_("This is the database of an archive: nothing is written to it. trialcrf archive open serves one."))
    if isinstance(error, OperationalError):
        return Message(N_("The database cannot be used: %(what)s"), {"what": _first_line(error)})
    if isinstance(error, BadSettings | CannotDraw | NotAllowed):
        return str(error)
    if isinstance(error, OSError) and not isinstance(error, DBAPIError):
        return Message(N_("%(file)s: %(what)s"), {"file": str(error.filename or ""), "what": error.strerror or str(error)})
    return None


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


class Terminal:
    """The shell that a command runs in. Nothing is read or opened before it is asked for."""

    @cached_property
    def settings(self) -> Settings:
        return Settings.from_env()

    @cached_property
    def now(self) -> datetime:
        """The moment of this command: read once."""
        return clock.now()

    @property
    def who(self) -> Who:
        """The program, called by hand: the trail names the user of the machine where it names a person's address."""
        try:
            user = getpass.getuser()
        except (OSError, KeyError):  # a user id without a name, as in some containers
            user = "?"
        return Who.system(f"cli:{user}"[:60])

    @cached_property
    def engine(self) -> Engine:
        """The database, checked: no command touches one that is not of this version.

        Raises SchemaBehind, SchemaAhead, TriggersDiffer and NotGuarded.
        """
        engine = self.unchecked_engine
        migrations.check(engine)
        guarded.check(engine, self.settings.database_unguarded, "database" in self.settings.unencrypted)
        return engine

    @cached_property
    def unchecked_engine(self) -> Engine:
        self.settings.data.mkdir(parents=True, exist_ok=True)
        engine = open_engine(self.settings.database_url)
        click.get_current_context().find_root().call_on_close(engine.dispose)
        return engine

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with reading(self.engine) as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        # A moment of its own for every transaction: a long command must not date its last record before its first.
        with writing(self.engine, clock.now(), self.who) as tx:
            yield tx

    def published(self, tx: Transaction, study: str) -> Published:
        """The study of this key, or the end of the command."""
        found = definitions.current(tx, study)
        if found is None:
            stop(Message(N_("There is no study %(study)s: trialcrf study publish makes it known."), {"study": study}))
        return found

    def say(self, said: Sayable | str) -> None:
        click.echo(here().say(said))


terminal = click.make_pass_decorator(Terminal)


class _Moment(click.ParamType[datetime]):
    """A moment in ISO 8601; one without an offset is universal time."""

    name = "UTC"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            said = N_("%(text)s is not a moment: write 2026-11-21T14:05:00Z.")
            self.fail(here().say(Message(said, {"text": str(value)})), param, ctx)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)


class _Day(click.ParamType[date]):
    """A day in ISO 8601."""

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(here().say(Message(N_("%(text)s is not a day: write 2026-11-21."), {"text": str(value)})), param, ctx)


MOMENT, DAY = _Moment(), _Day()
