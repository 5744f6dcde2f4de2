"""The archive of a trial: everything recorded goes into one file, which is proved before it stands and again whenever it is opened."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from trialcrf.actions import Impossible, NotClean
from trialcrf.actions.records import checkpoint
from trialcrf.actions.records.report import folder_of_annexes
from trialcrf.core.chain import Checkpoint
from trialcrf.core.wording import N_, Message, from_plain, to_plain
from trialcrf.external import bundle, checkpoints
from trialcrf.external.bundle import BadArchive
from trialcrf.external.checkpoints import Unreadable
from trialcrf.store import archives, audit, definitions, migrations, replay, reports
from trialcrf.store.archives import Only, Sum
from trialcrf.store.transaction import Transaction, open_engine, reading
from trialcrf.store.triggers import TriggersDiffer

DATABASE, CHECKPOINTS, REPORTS, README = "database.sqlite3", "checkpoints.jsonl", "reports", "README.txt"
"""The members of an archive, beside its manifest."""

MOST_DIFFERENCES = 20
"""How many places that differ from the trail are named: the first ones say where to look."""

_TOLD = """This file is the archive of a clinical trial, written by trialcrf {program} at {made_at}.

To open it:    trialcrf archive open FILE      (read-only pages on this machine)
To verify it:  trialcrf archive verify FILE

Without the program: it is a zip. {database} is a SQLite database; table "form" holds the records as JSON, "definition" what was
asked and how, "audit_record" and "audit_value" the audit trail as hash chains, {reports}/ the reports as PDF, {checkpoints} the
heads of the chains as they were noted each night. manifest.json has the SHA-256 of every file, and of every table: over its rows
in the order told there, each as a JSON array without spaces and a line feed (UTF-8; a value of bytes as its size and SHA-256).
The last 64 bytes of this file are the SHA-256 of all bytes before them, in hexadecimal. Times are UTC.

Ce fichier est l’archive d’un essai clinique. Pour la lire : trialcrf archive open FICHIER ; pour la vérifier : trialcrf archive verify
FICHIER. Sans le programme : c’est un fichier zip, dont la base de données est au format SQLite.
"""


@dataclass(frozen=True, slots=True)
class Gathered:
    """An archive's members, ready to be written, and what its manifest says besides their hashes."""

    members: Mapping[str, Path]
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Proof:
    """What an archive holds, in numbers, and the checkpoint of its chains. `broken` was wrong already when it was made."""

    made_at: datetime
    program: str
    schema: str
    study: str
    tables: int
    rows: int
    chains: int
    records: int
    checkpoint: str
    broken: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """An archive that stands: the SHA-256 of its file and its bytes."""

    sha256: str
    size: int
    proof: Proof


def gather(
    tx: Transaction, at: datetime, program: str, data: Path, scratch: Path, study: str | None = None, even_if_broken: bool = False
) -> Gathered:
    """Copy all that one view of the database holds into `scratch`, an empty folder. Writes nothing else.

    `study` leaves out what is of other studies alone; accounts, roles, sites, dictionaries and the system's chain stay whole. Raises
    Impossible where there is no such study, BadArchive with all that does not hold unless `even_if_broken`, which notes it in the
    manifest, and OSError.
    """
    only = _only(tx, study)
    problems = [*unsound(tx), *_off_checkpoint(tx, at, checkpoints.file_in(data))]
    members, missing = _report_files(tx, data / REPORTS, only)
    problems += missing
    if problems and not even_if_broken:
        raise BadArchive(tuple(problems))
    told = archives.copy(tx.connection, scratch / DATABASE, only)
    chains = [head for head in audit.chains(tx.connection) if only is None or _is_of(head[0], only.oid)]
    manifest: dict[str, Any] = {
        "program": program,
        "made_at": at.isoformat(),
        "database": tx.connection.dialect.name,
        "schema": migrations.revision(tx.connection),
        "study": only.oid if only else None,
        "studies": [_study(tx, oid) for oid in _oids(tx, only)],
        "chains": [{"chain": chain, "size": size, "head": head} for chain, size, head in chains],
        "checkpoint": Checkpoint(tuple(chains)).digest(),
        "tables": [asdict(one) for one in told],
        "broken": [to_plain(one) for one in problems],
    }
    readme = scratch / README
    readme.write_text(
        _TOLD.format(program=program, made_at=at.isoformat(), database=DATABASE, reports=REPORTS, checkpoints=CHECKPOINTS),
        encoding="utf-8",
    )
    members |= {DATABASE: scratch / DATABASE, README: readme}
    if checkpoints.file_in(data).is_file():
        members[CHECKPOINTS] = checkpoints.file_in(data)
    return Gathered(members, manifest)


def write(gathered: Gathered, file: Path, scratch: Path) -> Made:
    """Write the file, open it again in `scratch` (an empty folder) and prove it; what cannot be proved is taken away again.

    Raises BadArchive with every problem, and OSError.
    """
    sha256 = bundle.write(file, gathered.manifest, gathered.members)
    try:
        proof = prove(file, scratch)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return Made(sha256, file.stat().st_size, proof)


def prove(file: Path, folder: Path, sha256: str = "") -> Proof:
    """Unpack an archive into `folder` (empty, nobody else's) and hold everything in it against its manifest; the file stays as it is.

    What an older version of the program wrote is migrated there once its hashes are proved. `sha256` is what was noted of the file
    when it was made. Raises BadArchive with every problem, and OSError.
    """
    problems = []
    if sha256 and bundle.sha256_of(file) != sha256.strip().lower():
        problems.append(Message(N_("The file is another one than the one that was noted: its SHA-256 differs.")))
    try:
        manifest = bundle.unpack(file, folder)
    except BadArchive as bad:
        raise BadArchive((*problems, *bad.problems)) from bad
    try:
        proof, told = _proof(manifest), [Sum(**_tuples(one)) for one in manifest["tables"]]
        heads = tuple((str(one["chain"]), int(one["size"]), str(one["head"])) for one in manifest["chains"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = Message(N_("The manifest does not say what is in the archive."))
        raise BadArchive((*problems, problem)) from error
    problems += _differing(folder / DATABASE, told)
    if not problems:
        problems += _not_held(folder, proof, heads)
    if problems:
        raise BadArchive(tuple(problems))
    return proof


def _only(tx: Transaction, study: str | None) -> Only | None:
    if study is None:
        return None
    found = definitions.current(tx, study)
    if found is None:
        raise Impossible(Message(N_("There is no such study.")), "study")
    return Only(found.study_id, study)


def _oids(tx: Transaction, only: Only | None) -> list[str]:
    return [only.oid] if only else [one.study.oid for one in definitions.all_of(tx)]


def _study(tx: Transaction, oid: str) -> dict[str, Any]:
    versions = [{"version": one.version, "hash": one.hash} for one in definitions.versions_of(tx, oid)]
    return {"oid": oid, "versions": sorted(versions, key=lambda one: int(one["version"]))}


def _is_of(chain: str, oid: str) -> bool:
    return chain in (oid, audit.SYSTEM_CHAIN) or chain.startswith(f"{oid}/")


# --- What does not hold ------------------------------------------------------------------------------------------------------------------


_KINDS: Mapping[str, str] = {
    "altered": N_("the record was altered"),
    "missing": N_("the record is missing"),
    "unlinked": N_("it does not follow the record before it"),
    "value": N_("the value is not the one that was recorded"),
    "cut": N_("the end of the chain was cut off or replaced"),
}


def unsound(tx: Transaction) -> Iterator[Message]:
    broken = audit.broken(tx.connection)
    if broken is not None:
        # Positions are texts: a grouped number is not what one looks for in a table.
        told = {"chain": broken.chain, "seq": str(broken.seq), "kind": Message(_KINDS.get(broken.kind, broken.kind))}
        yield Message(N_("Chain %(chain)s does not hold at record %(seq)s (%(kind)s)."), told)
        return  # Nothing can be replayed from a trail that does not hold.
    for one in islice(replay.differences(tx), MOST_DIFFERENCES):
        said = N_("%(entity)s %(id)s, at “%(place)s”: what is stored is not what the trail tells.")
        yield Message(said, {"entity": one.entity, "id": one.entity_id, "place": one.place or "–"})


def _off_checkpoint(tx: Transaction, at: datetime, file: Path) -> Iterator[Message]:
    try:
        checkpoint.take(tx, at, file)
    except NotClean as problem:
        yield problem.message


def _report_files(tx: Transaction, folder: Path, only: Only | None) -> tuple[dict[str, Path], list[Message]]:
    """The archived reports and their annexes by their names inside, and those that are not what was archived."""
    members: dict[str, Path] = {}
    problems = []
    for oid in _oids(tx, only):
        for name, sha256 in _drawn(tx, oid):
            path = folder / name
            said = _report_problem(path, name, sha256)
            if said:
                problems.append(said)
            if path.is_file() and bundle.is_safe(f"{REPORTS}/{name}"):
                members[f"{REPORTS}/{name}"] = path
    return members, problems


def _drawn(tx: Transaction, oid: str) -> Iterator[tuple[str, str]]:
    """(name below the folder of reports, SHA-256) of each file of a drawn report of the study."""
    for one in reports.all_of(tx, oid, limit=reports.count(tx, oid) or 1):
        if one.state == reports.DRAWN and one.file:
            name = Path(one.file).name
            yield name, one.sha256 or ""
            for annex in one.annexes:
                yield f"{folder_of_annexes(name)}/{annex.name}", annex.sha256


def _report_problem(path: Path, name: str, sha256: str) -> Message | None:
    if not path.is_file():
        return Message(N_("The archived report %(name)s is not there."), {"name": name})
    if bundle.sha256_of(path) != sha256:
        return Message(N_("The archived report %(name)s is not what was archived: its SHA-256 differs."), {"name": name})
    return None


# --- Proving ------------------------------------------------------------------------------------------------------------------------------


def _proof(manifest: Mapping[str, Any]) -> Proof:
    said = [from_plain(one) for one in manifest["broken"]]
    return Proof(
        datetime.fromisoformat(manifest["made_at"]),
        str(manifest["program"]),
        str(manifest["schema"]),
        str(manifest["study"] or ""),
        len(manifest["tables"]),
        sum(int(one["rows"]) for one in manifest["tables"]),
        len(manifest["chains"]),
        sum(int(one["size"]) for one in manifest["chains"]),
        str(manifest["checkpoint"]),
        tuple(one for one in said if isinstance(one, Message)),
    )


def _tuples(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}


def _differing(database: Path, told: Sequence[Sum]) -> Iterator[Message]:
    """Where the database in the archive is not the one that its manifest tells of, in the schema in which it was written."""
    if not database.is_file():
        yield Message(N_("%(name)s is missing."), {"name": DATABASE})
        return
    wrong = archives.unsound(database)
    if wrong:
        yield Message(N_("The database of the archive is not sound: %(what)s"), {"what": wrong})
        return
    for one, found in archives.sums(database, told):
        if found is None:
            yield Message(N_("Table %(name)s cannot be read as the manifest tells of it."), {"name": one.name})
        elif (found.rows, found.sha256) != (one.rows, one.sha256):
            said = N_("Table %(name)s has %(found)s rows, %(told)s were archived; or a value of it differs.")
            yield Message(said, {"name": one.name, "found": found.rows, "told": one.rows})
    for name in sorted(archives.tables(database) - {one.name for one in told} - {"alembic_version"}):
        yield Message(N_("Table %(name)s is in the archive, and the manifest does not know it."), {"name": name})


def _not_held(folder: Path, proof: Proof, heads: tuple[tuple[str, int, str], ...]) -> list[Message]:
    """What the trail of the archive proves wrong, once its rows are those that were archived."""
    database, newest = folder / DATABASE, migrations.newest()
    try:
        found = archives.schema(database)
        if found > newest:
            said = N_("A newer version of the program wrote this archive (schema %(found)s; this program knows %(known)s).")
            return [Message(said, {"found": found, "known": newest})]
        if not archives.is_of_this_version(database):
            archives.migrate(database)
        engine = open_engine(f"sqlite:///{database}")
        try:
            migrations.check(engine)
            with reading(engine) as tx:
                return [*_other_heads(tx, proof, heads), *_newly_broken(tx, proof), *_files_differing(tx, folder, proof)]
        finally:
            engine.dispose()
    except (DBAPIError, sqlite3.Error, TriggersDiffer, migrations.SchemaBehind, json.JSONDecodeError) as error:
        return [Message(N_("The database of the archive is not sound: %(what)s"), {"what": str(error).partition("\n")[0]})]


def _other_heads(tx: Transaction, proof: Proof, heads: tuple[tuple[str, int, str], ...]) -> Iterator[Message]:
    found = {chain: (size, head) for chain, size, head in audit.chains(tx.connection)}
    for chain in sorted(found.keys() ^ {chain for chain, _, _ in heads}):
        yield Message(N_("Chain %(chain)s is not in both the archive and its manifest."), {"chain": chain})
    for chain, size, head in heads:
        if chain in found and found[chain] != (size, head):
            yield Message(N_("Chain %(chain)s does not end as it did when it was archived."), {"chain": chain})
    if Checkpoint(heads).digest() != proof.checkpoint:
        yield Message(N_("The checkpoint of the manifest is not that of its chains."))


def _newly_broken(tx: Transaction, proof: Proof) -> Iterator[Message]:
    known = [to_plain(one) for one in proof.broken]
    return (one for one in unsound(tx) if to_plain(one) not in known)


def _files_differing(tx: Transaction, folder: Path, proof: Proof) -> Iterator[Message]:
    known = [to_plain(one) for one in proof.broken]
    for oid in _oids(tx, None):
        for name, sha256 in _drawn(tx, oid):
            said = _report_problem(folder / REPORTS / name, name, sha256)
            if said and to_plain(said) not in known:
                yield said
    try:
        noted = checkpoints.newest(folder / CHECKPOINTS)
    except Unreadable:
        noted = None
    for chain, size, head in noted.chains if noted else ():
        # An archive of one study has not every chain of which the installation took note.
        at = audit.hash_at(tx.connection, chain, size)
        if at != head and not (at is None and proof.study and not _is_of(chain, proof.study)) and not proof.broken:
            yield Message(N_("Chain %(chain)s does not go on from the last checkpoint that was noted."), {"chain": chain})
