"""Copies of a database that are whole and checked, and how one becomes a database again."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from trialcrf.core.wording import N_, Message


class CannotBackUp(Exception):
    """There is no backup; `message` says why, without any password."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid % {name: str(value) for name, value in message.params.items()})
        self.message = message


class CannotRestore(CannotBackUp):
    """A copy did not become a database; `message` says why."""


def is_postgresql(url: str) -> bool:
    return url.startswith("postgresql")


def file_of(url: str) -> Path:
    """The file of a SQLite database, by its URL."""
    return Path(url.partition("://")[2].partition("?")[0][1:])


def copy(url: str, target: Path, snapshot: str = "") -> None:
    """Copy the database at `url` (as the settings name it) into a file, and wait until the disk has it.

    Nobody waits for it: it reads one consistent view and locks no writer out. `snapshot` names the view of a PostgreSQL transaction that
    is still open, where another question must be answered by the same view. Raises CannotBackUp.
    """
    if is_postgresql(url):
        _dump(url, target, snapshot)
    else:
        _copy(file_of(url), target)
    _sync(target)


def load(url: str, dump: Path) -> None:
    """Make the dump a database again, in the empty one at `url`: all of it or nothing. Raises CannotRestore.

    Owners and rights are left out: they are those of the place where it is restored, not of the one that it came from.
    """
    program = shutil.which("pg_restore")
    if program is None:
        raise CannotRestore(Message(N_("Nothing is restored: the program pg_restore is missing. The package postgresql-client has it.")))
    address, password = libpq(url)
    command = [program, "--single-transaction", "--no-owner", "--no-privileges", "--no-password", f"--dbname={address}", str(dump)]
    done = subprocess.run(command, env=environment(password), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRestore(Message(N_("Nothing is restored: %(what)s"), {"what": first_line(done)}))


def make_one_file(copy_: Path) -> None:
    """Bring a copy of SQLite that was opened and closed again back into one file, without a log beside it."""
    with closing(sqlite3.connect(copy_, isolation_level=None)) as held:
        held.execute("PRAGMA journal_mode=DELETE")
    _sync(copy_)


def first_line(done: subprocess.CompletedProcess[str]) -> str:
    return next((line for line in done.stderr.splitlines() if line.strip()), str(done.returncode))[:300]


def _sync(file: Path) -> None:
    handle = os.open(file, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- SQLite ----------------------------------------------------------------------------------------------------------------------------


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise CannotBackUp(Message(N_("There is no backup: the database is not there.")))
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=30)) as before,
            closing(sqlite3.connect(target)) as after,
        ):
            # All pages in one step: one view of the database, which in WAL mode makes no writer wait.
            before.backup(after, pages=-1)
            after.execute("PRAGMA journal_mode=DELETE")  # So that the copy is one file, and not a file and its log.
            said = [str(row[0]) for row in after.execute("PRAGMA integrity_check(1)")]
    except sqlite3.Error as error:
        raise CannotBackUp(Message(N_("There is no backup: %(what)s"), {"what": str(error)})) from error
    if said != ["ok"]:
        raise CannotBackUp(Message(N_("There is no backup: the copy is not sound (%(what)s)."), {"what": said[0] if said else "?"}))


# --- PostgreSQL ------------------------------------------------------------------------------------------------------------------------


def _dump(url: str, target: Path, snapshot: str) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        said = N_("There is no backup: the program pg_dump is missing. The package postgresql-client has it.")
        raise CannotBackUp(Message(said))
    address, password = libpq(url)
    command = [program, "--format=custom", "--no-password", f"--file={target}", f"--dbname={address}"]
    command += [f"--snapshot={snapshot}"] if snapshot else []
    done = subprocess.run(command, env=environment(password), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotBackUp(Message(N_("There is no backup: %(what)s"), {"what": first_line(done)}))
    # The format begins with its name and ends with its table of contents: what can list it can read it.
    lister = shutil.which("pg_restore")
    if lister and subprocess.run([lister, "--list", str(target)], capture_output=True, check=False).returncode:
        raise CannotBackUp(Message(N_("There is no backup: the copy is not sound (%(what)s)."), {"what": "pg_restore --list"}))


def libpq(url: str) -> tuple[str, str]:
    """The address as libpq reads it, without its password, and the password: what is in a command line, everybody on the machine reads."""
    parts = urlsplit(url)
    given, _, where = parts.netloc.rpartition("@")
    user, _, password = given.partition(":")
    options = parse_qsl(parts.query, keep_blank_values=True)
    password = unquote(password) or dict(options).get("password", "")
    query = urlencode([(name, value) for name, value in options if name != "password"], quote_via=quote)
    address = "postgresql://" + (f"{user}@" if user else "") + where + parts.path
    return address + (f"?{query}" if query else ""), password


def environment(password: str) -> dict[str, str] | None:
    """With a password of our own, what pg_dump needs besides it; without one it finds what it is used to find."""
    if not password:
        return None
    return {"PGPASSWORD": password, "PATH": os.defpath, "HOME": str(Path.home()), "LC_ALL": "C"}
