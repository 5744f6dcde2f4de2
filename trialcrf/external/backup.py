"""Backups: a copy of the database that is whole, checked and safe from a power cut, or none at all; the newest ones are kept.

A backup is not encrypted yet, and nothing restores one yet: both come later. Until then the folder needs the same care as the database.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from trialcrf.core.wording import N_, Message
from trialcrf.external.archive import sync_folder

KEPT = 14
"""How many backups are kept: two weeks of nights."""

ABANDONED = timedelta(days=1)
"""A copy that nobody finished in so long is of a process that died: it is removed."""

_STAMP = "%Y%m%dT%H%M%SZ"
_OURS = re.compile(r"trialcrf-(\d{8}T\d{6}Z)\.(?:sqlite3|pgdump)")
_UNFINISHED = ".unfinished-trialcrf-"


class CannotBackUp(Exception):
    """There is no backup; `message` says why, without any password."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid % {name: str(value) for name, value in message.params.items()})
        self.message = message


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that is there: when it was begun, its bytes, and (when it was just made) the seconds that it took."""

    path: Path
    at: datetime
    size: int
    seconds: float = 0.0


def folder_in(data: Path) -> Path:
    return data / "backups"


def make(url: str, folder: Path, at: datetime, keep: int = KEPT) -> Backup:
    """Copy the database at `url` (as the settings name it) into the folder, and remove all but the newest `keep` of ours.

    Nobody waits for it: it reads one consistent view and locks no writer out. Raises CannotBackUp and OSError; then no file of a
    backup's name is left.
    """
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_abandoned(folder, at)
    of_postgresql = url.startswith("postgresql")
    path = folder / f"trialcrf-{at.astimezone(UTC).strftime(_STAMP)}.{'pgdump' if of_postgresql else 'sqlite3'}"
    with _unfinished(folder) as copy:
        if of_postgresql:
            _dump(url, copy)
        else:
            _copy(Path(url.partition("://")[2].partition("?")[0][1:]), copy)
        _sync(copy)
        os.replace(copy, path)
    sync_folder(folder)
    for old in all_of(folder)[keep:]:
        old.path.unlink(missing_ok=True)
    return Backup(path, at, path.stat().st_size, round(time.monotonic() - began, 1))


def all_of(folder: Path) -> list[Backup]:
    """The backups that are there, the newest first. Files of any other name are not ours."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        named = _OURS.fullmatch(path.name)
        if named:
            found.append(Backup(path, datetime.strptime(named[1], _STAMP).replace(tzinfo=UTC), path.stat().st_size))
    return sorted(found, key=lambda one: one.at, reverse=True)


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """A file of our own to write to, readable by nobody else; whatever was not renamed away is removed again."""
    handle, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)  # mkstemp makes it 0600.
    os.close(handle)
    try:
        yield Path(name)
    finally:
        for left in folder.glob(Path(name).name + "*"):  # SQLite puts a journal beside what it writes.
            left.unlink(missing_ok=True)


def _remove_abandoned(folder: Path, now: datetime) -> None:
    for path in folder.glob(_UNFINISHED + "*"):
        with suppress(FileNotFoundError):  # Another worker may have finished with its file just now.
            if datetime.fromtimestamp(path.stat().st_mtime, UTC) < now - ABANDONED:
                path.unlink()


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


def _dump(url: str, target: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        said = N_("There is no backup: the program pg_dump is missing. The package postgresql-client has it.")
        raise CannotBackUp(Message(said))
    address, password = libpq(url)
    command = [program, "--format=custom", "--no-password", f"--file={target}", f"--dbname={address}"]
    done = subprocess.run(command, env=_environment(password), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        what = next((line for line in done.stderr.splitlines() if line.strip()), str(done.returncode))
        raise CannotBackUp(Message(N_("There is no backup: %(what)s"), {"what": what[:300]}))
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


def _environment(password: str) -> dict[str, str] | None:
    """With a password of our own, what pg_dump needs besides it; without one it finds what it is used to find."""
    if not password:
        return None
    return {"PGPASSWORD": password, "PATH": os.defpath, "HOME": str(Path.home()), "LC_ALL": "C"}
