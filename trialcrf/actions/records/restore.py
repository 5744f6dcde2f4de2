"""Restoring a backup: opening its file, making it a database again, and proving that it is the one that was copied."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from trialcrf.actions.records.archive_study import unsound
from trialcrf.core.wording import N_, Message
from trialcrf.external import age, backup, backup_folder, bundle, trial_run
from trialcrf.external.archive import sync_folder
from trialcrf.external.backup import CannotRestore
from trialcrf.external.bundle import BadArchive
from trialcrf.external.checkpoints import Kept
from trialcrf.store import audit, migrations, restored
from trialcrf.store.migrations import SchemaBehind
from trialcrf.store.transaction import open_engine, reading
from trialcrf.store.triggers import TriggersDiffer

KIND = "backup"
"""What the manifest of a backup says that it is: an archive of a trial is another file."""

DATABASES: Mapping[str, str] = {"sqlite": "database.sqlite3", "postgresql": "database.pgdump"}
"""The member that holds the database, by its kind."""

BYTES, SOUND, LOADED, ROWS, TRIGGERS, HEADS, TRAIL, STARTED = (
    "bytes", "sound", "loaded", "rows", "triggers", "heads", "trail", "started",
)  # fmt: skip
CHECKS: Mapping[str, str] = {
    BYTES: N_("every byte is as it was written"),
    SOUND: N_("the database finds itself sound"),
    LOADED: N_("it was restored into an empty database"),
    ROWS: N_("each table has its rows"),
    TRIGGERS: N_("the triggers that guard the trail are there"),
    HEADS: N_("every chain ends as it did"),
    TRAIL: N_("the chains hold, and what is stored is what the trail tells"),
    STARTED: N_("the program starts on it and answers"),
}
"""What is proved of a restored backup, in this order."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the manifest of a backup says of it."""

    program: str
    made_at: datetime
    database: str
    schema: str
    studies: tuple[str, ...]
    chains: tuple[tuple[str, int, str], ...]
    checkpoint: str
    rows: Mapping[str, int]

    @property
    def records(self) -> int:
        return sum(size for _, size, _ in self.chains)


@dataclass(frozen=True, slots=True)
class Checked:
    """Which checks a restored database passed, in their order, and what did not hold."""

    checks: tuple[str, ...]
    problems: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that was restored. `behind` says that its schema is an older one, so that it is not proved before it is migrated."""

    told: Told
    checked: Checked
    behind: bool


def open_(file: Path, scratch: Path, identity: Path | None) -> tuple[Told, Path]:
    """Decrypt where that is needed, check every byte and unpack; the folder (in `scratch`) holds the database and the files.

    Raises CannotRestore, CannotUseKey, BadArchive with every problem, and OSError.
    """
    clear = file
    if age.is_encrypted(file):
        if identity is None:
            raise CannotRestore(Message(N_("The backup is encrypted: only with the file of a private key can it be opened.")))
        clear = scratch / "decrypted"
        age.decrypt(file, clear, identity)
    folder = scratch / "opened"
    folder.mkdir(mode=0o700)
    manifest = bundle.unpack(clear, folder)
    if clear != file:
        clear.unlink()
    told = _told(manifest)
    if told.schema > migrations.newest():
        said = N_("A newer version of the program (%(program)s) wrote this backup: schema %(found)s, this program knows %(known)s.")
        raise CannotRestore(Message(said, {"program": told.program, "found": told.schema, "known": migrations.newest()}))
    return told, folder


def _told(manifest: Mapping[str, Any]) -> Told:
    try:
        if manifest["kind"] != KIND or manifest["database"] not in DATABASES:
            raise ValueError
        return Told(
            str(manifest["program"]),
            datetime.fromisoformat(manifest["made_at"]),
            str(manifest["database"]),
            str(manifest["schema"]),
            tuple(str(one) for one in manifest["studies"]),
            tuple((str(one["chain"]), int(one["size"]), str(one["head"])) for one in manifest["chains"]),
            str(manifest["checkpoint"]),
            {str(name): int(count) for name, count in manifest["rows"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadArchive((Message(N_("The file is no backup of this program.")),)) from error


# --- Proving ------------------------------------------------------------------------------------------------------------------------------


def prove(told: Told, folder: Path, server: str, now: datetime) -> Checked:
    """Restore what was unpacked into a database of its own, on the server of this URL where it is PostgreSQL's, and check everything.

    Nothing of it is left there. Raises CannotRestore, DBAPIError and OSError.
    """
    member = folder / DATABASES[told.database]
    if told.database == "sqlite":
        return check(f"sqlite:///{member}", told, folder)
    if not backup.is_postgresql(server):
        raise CannotRestore(Message(N_("This is a backup of PostgreSQL: to prove it takes the address of a PostgreSQL server.")))
    with restored.scratch_database(server, now) as url:
        backup.load(url, member)
        return check(url, told, folder)


def check(url: str, told: Told, data: Path | None = None) -> Checked:
    """Hold a restored database against what its backup told of it.

    With `data`, the folder of its files, it is a scratch one: an older schema is migrated, and the program started on it. Without, it is
    where it is to stay, and nothing but what its backup held is written to it.
    """
    done = [BYTES, LOADED]
    engine = open_engine(url)
    try:
        problems = _checked(engine, url, told, done, migrate=data is not None)
    except (DBAPIError, SchemaBehind, TriggersDiffer, json.JSONDecodeError) as error:
        problems = [Message(N_("The restored database cannot be used: %(what)s"), {"what": _first_line(error)})]
    finally:
        engine.dispose()
    if not problems and data is not None:
        wrong = trial_run.problem({"TRIALCRF_DATA": str(data), "DATABASE_URL": url, "TRIALCRF_DATABASE_UNGUARDED": "yes"})
        if wrong:
            problems.append(Message(N_("The program does not start on the restored database: %(what)s"), {"what": wrong}))
        else:
            done.append(STARTED)
    return Checked(tuple(done), tuple(problems))


def _checked(engine: Engine, url: str, told: Told, done: list[str], migrate: bool) -> list[Message]:
    wrong = restored.unsound(engine)
    if wrong:
        return [Message(N_("The restored database is not sound: %(what)s"), {"what": wrong})]
    done.append(SOUND)
    with reading(engine) as tx:
        schema, rows, heads = migrations.revision(tx.connection), restored.row_counts(tx.connection), audit.chains(tx.connection)
    problems = [*_other_rows(rows, told.rows), *_other_heads(dict(_by_chain(heads)), dict(_by_chain(told.chains)))]
    if problems:
        return problems
    done += [ROWS, HEADS]
    if schema != migrations.newest():
        if not migrate:
            return []
        engine.dispose()
        migrations.upgrade(url)
    migrations.check(engine)
    done.append(TRIGGERS)
    with reading(engine) as tx:
        problems = list(unsound(tx))
    if not problems:
        done.append(TRAIL)
    return problems


def _other_rows(found: Mapping[str, int], told: Mapping[str, int]) -> list[Message]:
    said = N_("Table %(name)s has %(found)s rows; %(told)s were copied.")
    return [
        Message(said, {"name": name, "found": found.get(name, 0), "told": told.get(name, 0)})
        for name in sorted(found.keys() | told.keys())
        if found.get(name) != told.get(name)
    ]


def _by_chain(heads: Sequence[tuple[str, int, str]]) -> list[tuple[str, tuple[int, str]]]:
    return [(chain, (size, head)) for chain, size, head in heads]


def _other_heads(found: Mapping[str, tuple[int, str]], told: Mapping[str, tuple[int, str]]) -> list[Message]:
    said = N_("Chain %(chain)s does not end as it did when it was copied.")
    return [Message(said, {"chain": chain}) for chain in sorted(found.keys() | told.keys()) if found.get(chain) != told.get(chain)]


def _first_line(error: Exception) -> str:
    # What a statement was given stays out: it may be a subject's.
    text = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    return text.strip().partition("\n")[0][:300]


# --- Restoring ----------------------------------------------------------------------------------------------------------------------------


def restore(file: Path, url: str, data: Path, backups: Path, identity: Path | None, now: datetime) -> Restored:
    """Make the backup the database at `url` and the files in `data`, both of which must be empty (but for the folder of backups).

    Raises CannotRestore, CannotUseKey, BadArchive and OSError; then nothing was written over, and no database was begun.
    """
    refuse_occupied(url, data, backups)
    with backup_folder.unfinished(data, now) as scratch:
        told, folder = open_(file, scratch, identity)
        if (told.database == "postgresql") != backup.is_postgresql(url):
            said = N_("This is a backup of %(found)s, and DATABASE_URL names another kind of database.")
            raise CannotRestore(Message(said, {"found": told.database}))
        member = folder / DATABASES[told.database]
        if backup.is_postgresql(url):
            backup.load(url, member)
            member.unlink()
        else:
            _move(member, backup.file_of(url))
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                _move(path, data / path.relative_to(folder))
    return Restored(told, check(url, told), behind=told.schema != migrations.newest())


def refuse_occupied(url: str, data: Path, backups: Path) -> None:
    """Raise CannotRestore where a restored backup would come to lie over something."""
    if not restored.is_empty(url):
        raise CannotRestore(Message(N_("There is a database already: a backup is restored into an empty one, and nothing was changed.")))
    there = sorted(one.name for one in data.iterdir() if one != backups) if data.is_dir() else []
    if there:
        said = N_("%(folder)s is not empty (%(name)s): a backup is restored into an empty folder, and nothing was changed.")
        raise CannotRestore(Message(said, {"folder": str(data), "name": there[0]}))


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    begun = target.with_name(f".unfinished-{target.name}")
    shutil.move(source, begun)  # It may lie on another disk.
    with begun.open("rb") as held:
        os.fsync(held.fileno())
    os.replace(begun, target)
    sync_folder(target.parent)


def missing_since(url: str, checkpoint: Kept) -> list[Message]:
    """What a checkpoint, taken at another time, knows of the trail and this database does not hold, a sentence for each chain."""
    found = []
    engine = open_engine(url)
    try:
        with reading(engine) as tx:
            sizes = {chain: size for chain, size, _ in audit.chains(tx.connection)}
            for chain, size, head in checkpoint.chains:
                here = sizes.get(chain, 0)
                if here < size:
                    said = N_("Chain %(chain)s: records %(first)s to %(last)s, which the checkpoint of %(at)s knows, are missing.")
                    told = {"chain": chain, "first": str(here + 1), "last": str(size), "at": checkpoint.at.isoformat(timespec="seconds")}
                    found.append(Message(said, told))
                elif audit.hash_at(tx.connection, chain, size) != head:
                    said = N_("Chain %(chain)s: record %(seq)s is another one than the checkpoint of %(at)s knows.")
                    at = checkpoint.at.isoformat(timespec="seconds")
                    found.append(Message(said, {"chain": chain, "seq": str(size), "at": at}))
    finally:
        engine.dispose()
    return found
