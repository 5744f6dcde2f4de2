"""A disk or a server that failed: after such an error this process writes nothing any more. It is never tried again in silence.

What an operating system could not write it may believe written the second time, so whoever tries again may be told of success and lose
everything (PostgreSQL ends itself for the same reason). Only a new process, which looks at the database anew, may write again.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, ExceptionContext
from sqlalchemy.exc import DBAPIError

log = logging.getLogger("trialcrf")

_OF_SQLITE = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY})
_OF_POSTGRESQL = frozenset({"58030", "58P01", "53100", "XX001", "XX002"})
"""input or output failed, a file is missing, the disk is full, data or an index is corrupted."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What failed, in the words of the database, and in a transaction of which moment (None: it only read)."""

    what: str
    at: datetime | None


class WritingStopped(Exception):
    """This process does not write any more: `damage` says why."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage.what)
        self.damage = damage


@dataclass
class _Seen:
    damage: Damage | None = None
    tell: list[Callable[[], None]] = field(default_factory=list)


_SEEN: WeakKeyDictionary[Engine, _Seen] = WeakKeyDictionary()


def of(engine: Engine) -> Damage | None:
    """The damage that this process met on this database; None while all is well."""
    seen = _SEEN.get(engine)
    return seen.damage if seen else None


def tell(engine: Engine, what_to_do: Callable[[], None]) -> None:
    """Ask to be called, once, when damage is met."""
    _SEEN.setdefault(engine, _Seen()).tell.append(what_to_do)


def notice(context: ExceptionContext) -> None:
    """Listens to every error of an engine; the first that is damage stops all writing."""
    error = context.original_exception
    connection = context.connection
    # Whether a commit whose connection broke is kept nobody knows: whoever sent it is to look, and a second try is not ours to make.
    unknown = connection is not None and context.is_disconnect and not connection.closed and bool(connection.info.get("committing"))
    if context.engine is None or not (unknown or is_damage(error)):
        return
    seen = _SEEN.setdefault(context.engine, _Seen())
    if seen.damage is not None:
        return
    at = connection.info.get("at") if connection is not None and not connection.closed else None
    seen.damage = Damage(str(error).strip().partition("\n")[0][:200], at)
    log.critical("writing stops, nothing is saved any more: %s: %s", type(error).__name__, seen.damage.what)
    for call in seen.tell:
        call()


def is_damage(error: Any) -> bool:
    """Whether an error of a driver says that the disk or the database itself is at fault, not what was asked of it."""
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _OF_SQLITE
    return getattr(error, "sqlstate", None) in _OF_POSTGRESQL


_PASSING = frozenset({"40P01", "40001", "55P03"})
"""two stood in each other's way, or somebody else held what was waited for."""


def is_passing(error: Any) -> bool:
    """Whether the same request may well succeed when it is sent again: nothing of it was kept, and nothing is wrong with it."""
    if not isinstance(error, DBAPIError):
        return False
    busy = isinstance(error.orig, sqlite3.OperationalError) and "locked" in str(error.orig)
    # A statement that was prepared before a migration changed what it gives back: with the rollback the driver forgets it.
    outdated = "cached plan must not change" in str(error.orig)
    return busy or outdated or getattr(error.orig, "sqlstate", None) in _PASSING


def is_failure(error: BaseException) -> bool:
    """Whether a request failed by the database at all: once writing has stopped, that is why."""
    return isinstance(error, DBAPIError)
