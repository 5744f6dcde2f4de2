"""Backing up: one file with the database and the files beside it, encrypted, proved by restoring it, kept as long as was promised."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from trialcrf.actions.records import restore
from trialcrf.core.chain import Checkpoint
from trialcrf.core.rotation import Keep, kept
from trialcrf.core.wording import N_, Message, to_plain
from trialcrf.external import age, backup, backup_folder, bundle
from trialcrf.external.age import CannotUseKey
from trialcrf.external.backup import CannotBackUp
from trialcrf.external.backup_folder import Backup, Proof
from trialcrf.external.bundle import BadArchive
from trialcrf.store import audit, migrations, restored
from trialcrf.store.transaction import Transaction, open_engine, reading

MADE_AGAIN = ("queue.db",)
"""Files in the folder of an installation that the program makes anew, by the beginning of their names: messages that carry ids only."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Place:
    """What is backed up, and where to. `url` is the database as its owner reads it, `data` the folder of the installation.

    Without `recipients` (public keys of age) backups are not encrypted; `identity` is the file of a private key, where this machine has
    one; `server` is where scratch databases are made to prove a backup of PostgreSQL.
    """

    url: str
    data: Path
    folder: Path
    recipients: tuple[str, ...]
    identity: Path | None
    server: str
    keep: Keep
    program: str


def back_up(place: Place, read_clock: Callable[[], datetime]) -> Backup:
    """Make a backup, prove it, write beside it what was proved, and remove those that need not be kept any longer.

    One that cannot be proved is kept and bears why. Raises CannotBackUp and CannotUseKey; then there is no new file of a
    backup's name, or one that was never proved.
    """
    at = read_clock()
    age.check(place.recipients)
    with _room(place.folder), backup_folder.unfinished(place.folder, at) as scratch:
        clear = scratch / "clear"
        manifest = write(place, at, scratch, clear)
        named = backup_folder.name_of(manifest["studies"], at, manifest["checkpoint"], manifest["schema"], bool(place.recipients))
        if place.recipients:
            age.encrypt(clear, scratch / "closed", place.recipients)
            file = backup_folder.finish(scratch / "closed", place.folder, named)
            looked_at = file if place.identity else clear
            if place.identity:
                clear.unlink()  # The file itself is opened: the room of this one may be needed for it.
        else:
            file = looked_at = backup_folder.finish(clear, place.folder, named)
        proof = _proof(place, file, looked_at, scratch, read_clock)
        backup_folder.write_proof(file, proof)
    _rotate(place)
    return next(one for one in backup_folder.all_of(place.folder) if one.path == file)


def verify(place: Place, file: Path, scratch: Path, read_clock: Callable[[], datetime]) -> Proof:
    """Prove a backup once more, wherever it lies; what came of it is written beside it where it lies in the folder of backups.

    Raises OSError.
    """
    proof = _proof(place, file, file, scratch, read_clock)
    if file.absolute().parent == place.folder and backup_folder.is_ours(file.name):
        backup_folder.write_proof(file, proof)
    return proof


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise CannotBackUp(Message(N_("There is no backup: the disk of %(folder)s is full."), {"folder": str(folder)})) from error


# --- What is in it ------------------------------------------------------------------------------------------------------------------------


def write(place: Place, at: datetime, scratch: Path, file: Path) -> dict[str, Any]:
    """Copy the database and write it with the files beside it into `file`; returns the manifest without its list of members."""
    kind = "postgresql" if backup.is_postgresql(place.url) else "sqlite"
    copied = scratch / restore.DATABASES[kind]
    manifest: dict[str, Any]
    if kind == "postgresql":
        engine = open_engine(place.url)
        try:
            with reading(engine) as tx:
                view = restored.snapshot(tx)
                manifest = _manifest(tx, place, at, kind)
                backup.copy(place.url, copied, view)
        finally:
            engine.dispose()
    else:
        backup.copy(place.url, copied)
        engine = open_engine(f"sqlite:///{copied}")
        try:
            with reading(engine) as tx:
                manifest = _manifest(tx, place, at, kind)
        finally:
            engine.dispose()
        backup.make_one_file(copied)
    bundle.write(file, manifest, {copied.name: copied, **files_of(place)})
    copied.unlink()
    return manifest


def _manifest(tx: Transaction, place: Place, at: datetime, kind: str) -> dict[str, Any]:
    chains = audit.chains(tx.connection)
    return {
        "kind": restore.KIND,
        "program": place.program,
        "made_at": at.isoformat(),
        "database": kind,
        "schema": migrations.revision(tx.connection),
        # In words of SQL that hold for every schema: a backup is made before a migration, too.
        "studies": [str(oid) for (oid,) in tx.read(text("SELECT oid FROM study ORDER BY oid"))],
        "chains": [{"chain": chain, "size": size, "head": head} for chain, size, head in chains],
        "checkpoint": Checkpoint(tuple(head for head in chains if head[1])).digest(),
        "rows": restored.row_counts(tx.connection),
    }


def files_of(place: Place) -> dict[str, Path]:
    """Every file of the installation's folder by its name in a backup, but for the database, backups, hidden files and what is made again.

    Raises CannotBackUp for a file that a backup cannot hold: nothing is left out without a word.
    """
    database = "" if backup.is_postgresql(place.url) else str(backup.file_of(place.url))
    found: dict[str, Path] = {}
    for folder, below, names in os.walk(place.data):
        below[:] = sorted(name for name in below if not name.startswith(".") and Path(folder, name) != place.folder)
        for name in sorted(names):
            path = Path(folder, name)
            inside = path.relative_to(place.data).as_posix()
            if name.startswith(".") or (database and str(path).startswith(database)) or _is_made_again(inside, name):
                continue
            if not bundle.is_safe(inside) or inside in {*restore.DATABASES.values(), bundle.MANIFEST} or not path.is_file():
                said = N_("There is no backup: %(name)s, in the folder of the installation, is no file that a backup can hold.")
                raise CannotBackUp(Message(said, {"name": inside}))
            found[inside] = path
    return found


def _is_made_again(inside: str, name: str) -> bool:
    return inside.startswith(MADE_AGAIN) or backup_folder.is_ours(name) or backup_folder.is_proof(name)


# --- Whether it can be restored -----------------------------------------------------------------------------------------------------------


def _proof(place: Place, file: Path, looked_at: Path, scratch: Path, read_clock: Callable[[], datetime]) -> Proof:
    """`looked_at` is the file itself, or what went into it where this machine cannot open it."""
    began = read_clock()
    rows, records, checks, problems = 0, 0, (), ()  # type: int, int, tuple[str, ...], tuple[Message, ...]
    try:
        told, folder = restore.open_(looked_at, scratch, place.identity)
        rows, records = sum(told.rows.values()), told.records
        checked = restore.prove(told, folder, place.server, began)
        checks, problems = checked.checks, checked.problems
    except BadArchive as bad:
        problems = bad.problems
    except (CannotBackUp, CannotUseKey) as error:
        problems = (error.message,)
    except DBAPIError as error:
        said = N_("It cannot be restored into a scratch database: %(what)s")
        problems = (Message(said, {"what": str(error.orig).strip().partition("\n")[0][:300]}),)
    except OSError as error:
        problems = (Message(N_("It cannot be restored to scratch: %(what)s"), {"what": error.strerror or str(error)}),)
    ended = read_clock()
    seconds = round((ended - began).total_seconds(), 1)
    told_of = tuple(to_plain(one) for one in problems)
    return Proof(ended.isoformat(), seconds, checks, rows, records, looked_at == file, bundle.sha256_of(file), told_of)


def _rotate(place: Place) -> None:
    there = backup_folder.all_of(place.folder)
    stays = kept([(one.at, one.proved) for one in there], place.keep)
    for one in there:
        if one.at not in stays:
            backup_folder.remove(one)
