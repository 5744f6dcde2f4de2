"""The folder of backups: what its files are called, what was proved of each, and that none is ever seen half-written."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from trialcrf.external import age
from trialcrf.external.archive import keep, sync_folder

ABANDONED = timedelta(days=1)
"""What has no lock, on a file system without them, and was finished by nobody in so long is of a process that died: it is removed."""

CLEAR = ".trialcrf-backup"
"""How the name of a backup ends; that of an encrypted one goes on with the ending of age."""

_STAMP = "%Y%m%dT%H%M%SZ"
_HEAD_SHOWN = 12
_OURS = re.compile(
    rf"trialcrf-(?:(?P<studies>[\w.+]+)-)?(?P<at>\d{{8}}T\d{{6}}Z)(?:-(?P<head>[0-9a-f]{{{_HEAD_SHOWN}}})-(?P<schema>\w+))?"
    rf"(?P<ending>\.sqlite3|\.pgdump|{re.escape(CLEAR)}(?P<closed>{re.escape(age.ENDING)})?)"
)
"""Names of ours; the two short endings are those that an earlier version of the program wrote."""

_PROOF = ".proof.json"
_UNFINISHED = ".unfinished-trialcrf-"
_HELD = "held"
"""The file of an unfinished folder that whoever works at it keeps locked."""
_STUDIES_NAMED = 3


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proved of a backup: when, in how many seconds, by which checks, of how many rows and audit records.

    `problems` are what did not hold, as plain JSON of messages; with one of them it is not proved. `opened` says whether the file itself
    was opened for it; without a private key what goes into it was proved just before it was encrypted. `sha256` is that of the file.
    """

    at: str
    seconds: float
    checks: tuple[str, ...]
    rows: int
    records: int
    opened: bool
    sha256: str
    problems: tuple[Any, ...] = ()

    @property
    def held(self) -> bool:
        return not self.problems

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that is there: when it was begun, its bytes, what its name tells, and what was proved of it (None: nothing yet)."""

    path: Path
    at: datetime
    size: int
    head: str
    schema: str
    encrypted: bool
    proof: Proof | None

    @property
    def proved(self) -> bool:
        return self.proof is not None and self.proof.held


def name_of(studies: Sequence[str], at: datetime, head: str, schema: str, encrypted: bool) -> str:
    """The name of a backup: its studies, its moment in UTC, the beginning of the digest over all chain heads, the schema."""
    named = "+".join(re.sub(r"[^A-Za-z0-9_.]", "_", one)[:40] for one in studies[:_STUDIES_NAMED])
    more = f"+{len(studies) - _STUDIES_NAMED}" if len(studies) > _STUDIES_NAMED else ""
    what = [named + more] if studies else []
    parts = ["trialcrf", *what, at.astimezone(UTC).strftime(_STAMP), head[:_HEAD_SHOWN], schema]
    return "-".join(parts) + CLEAR + (age.ENDING if encrypted else "")


def all_of(folder: Path) -> list[Backup]:
    """The backups that are there, the newest first. Files of any other name are not ours."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        named = _OURS.fullmatch(path.name)
        if named:
            with suppress(FileNotFoundError):  # Another worker may remove it just now.
                at = datetime.strptime(named["at"], _STAMP).replace(tzinfo=UTC)
                size = path.stat().st_size
                found.append(Backup(path, at, size, named["head"] or "", named["schema"] or "", bool(named["closed"]), proof_of(path)))
    return sorted(found, key=lambda one: (one.at, one.path.name), reverse=True)


def newest_proved(backups: Sequence[Backup]) -> Backup | None:
    return next((one for one in backups if one.proved), None)


def remove(backup: Backup) -> None:
    """Take a backup away. Its proof goes last: no file is ever left that looks as if it had not been proved."""
    backup.path.unlink(missing_ok=True)
    _proof_file(backup.path).unlink(missing_ok=True)


def is_ours(name: str) -> bool:
    return _OURS.fullmatch(name) is not None


def is_proof(name: str) -> bool:
    return name.endswith(_PROOF) and is_ours(name.removesuffix(_PROOF))


def proof_of(file: Path) -> Proof | None:
    """What was proved of this backup; None where nothing was, or where what is written beside it cannot be read."""
    try:
        said = json.loads(_proof_file(file).read_text(encoding="utf-8"))
        proof = Proof(**{**said, "checks": tuple(said["checks"]), "problems": tuple(said["problems"])})
        return proof if proof.moment.tzinfo else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_proof(file: Path, proof: Proof) -> None:
    """Write beside a backup what was proved of it. Raises OSError."""
    keep(_proof_file(file), json.dumps(asdict(proof), indent=1, sort_keys=True).encode(), mode=0o600)


def _proof_file(file: Path) -> Path:
    return file.with_name(file.name + _PROOF)


@contextmanager
def unfinished(folder: Path, now: datetime) -> Iterator[Path]:
    """A folder of our own in that of the backups, readable by nobody else: what was not moved out of it is removed again.

    As long as it is used it holds a lock, which the system lets go when its process ends, however that ends. What others left is cleared
    away first.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    clear_away(folder, now)
    scratch = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
    try:
        with _held(scratch):
            yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def clear_away(folder: Path, now: datetime) -> None:
    """Remove at once what a process left that was killed: a database may lie there as anybody reads it. What somebody works at stays."""
    for left in folder.glob(_UNFINISHED + "*"):
        with suppress(FileNotFoundError):  # Another worker may have finished with it just now.
            told = left.lstat()
            if told.st_uid == os.geteuid() and not left.is_symlink() and _is_abandoned(left, told, now):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()


@contextmanager
def _held(scratch: Path) -> Iterator[None]:
    """The lock of a folder. It is taken before it has its name, so nobody finds one that is not locked yet."""
    handle = os.open(scratch / f"{_HELD}.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with suppress(OSError):  # A file system without locks: there the folder's age tells, as that of one without a lock.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.replace(scratch / f"{_HELD}.new", scratch / _HELD)
        yield
    finally:
        os.close(handle)


def _is_abandoned(left: Path, told: os.stat_result, now: datetime) -> bool:
    try:
        handle = os.open(left / _HELD, os.O_WRONLY)
    except OSError:
        return datetime.fromtimestamp(told.st_mtime, UTC) < now - ABANDONED
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(handle)


def finish(file: Path, folder: Path, name: str) -> Path:
    """Give a file that is whole, and on the disk, its name in the folder."""
    path = folder / name
    os.replace(file, path)
    sync_folder(folder)
    return path
