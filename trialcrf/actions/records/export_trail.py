"""Exporting the whole audit trail of a study: CSV and JSON Lines that say the same, a manifest, and the script that proves them offline."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO

from trialcrf.actions import Impossible
from trialcrf.actions.records.export import make_empty
from trialcrf.core.chain import REDACTION, Checkpoint
from trialcrf.core.wording import N_, Message
from trialcrf.external.tables import harmless, writing_table
from trialcrf.store import audit, definitions, trails
from trialcrf.store.audit import SYSTEM_CHAIN
from trialcrf.store.models.base import moment_text
from trialcrf.store.transaction import Transaction

FORMAT = "trialcrf audit export 1"
JSONL, CSV, MANIFEST, SCRIPT = "audit.jsonl", "audit.csv", "manifest.json", "verify_audit.py"


@dataclass(frozen=True, slots=True)
class ExportedTrail:
    """What an export of the trail wrote: how many records, how many of their values are erased, the checkpoint of its chains."""

    records: int
    erased: int
    checkpoint: str
    message: Message


def export_trail(tx: Transaction, study_oid: str, out: Path, now: datetime, with_system: bool = False) -> ExportedTrail:
    """Write every record of the study's chain and of its sites' chains into a new or empty folder, in order of chain and position.

    `with_system` adds the chain of the installation (accounts, sign-ins, exports), which tells of other studies too. Files: audit.jsonl
    and audit.csv with the same records, verify_audit.py, and, last, manifest.json in the words of a checkpoint: a folder without it is
    no whole export. No more than a batch of records is in memory. Raises Impossible.
    """
    versions = definitions.versions_of(tx, study_oid)
    if not versions:
        raise Impossible(Message(N_("There is no such study.")))
    make_empty(out)
    heads = tuple(sorted(head for head in audit.chains(tx.connection) if head[1] and _concerns(head[0], study_oid, with_system)))
    records = erased = 0
    with (out / JSONL).open("xb") as file, writing_table(out, CSV, trails.COLUMNS) as table:
        hashed = hashlib.sha256()
        for batch in (batch for chain, size, _ in heads for batch in trails.all_of(tx, chain, size)):
            lines = "".join(map(_line, batch)).encode()
            hashed.update(lines)
            file.write(lines)
            erased += sum(row[_ENTITY] == REDACTION for row in batch)
            table.add([harmless("" if cell is None else str(cell)) for cell in row] for row in batch)
            records += len(batch)
    script = _script()
    (out / SCRIPT).write_bytes(script)
    digest, written = Checkpoint(heads).digest(), table.written()
    manifest = {
        "format": FORMAT,
        "study": study_oid,
        "protocol": versions[0].study.protocol,
        "at": moment_text(now),
        "digest": digest,
        "chains": [{"chain": chain, "size": size, "head": head} for chain, size, head in heads],
        "records": records,
        "erased": erased,
        "columns": list(trails.COLUMNS),
        "program": version("trialcrf"),
        "definitions": [{"version": one.version, "sha256": one.hash} for one in versions],
        "files": {JSONL: {"rows": records, "sha256": hashed.hexdigest()}, CSV: {"rows": written.rows, "sha256": written.sha256}},
    }
    (out / MANIFEST).write_bytes(json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")
    said = N_("Audit records: %(records)s, in chains: %(chains)s. Values erased: %(erased)s. Checkpoint %(checkpoint)s")
    counts = {"records": records, "chains": len(heads), "erased": erased, "checkpoint": digest}
    return ExportedTrail(records, erased, digest, Message(said, counts))


def export_zip(tx: Transaction, study_oid: str, file: IO[bytes], now: datetime) -> ExportedTrail:
    """The same files as one ZIP archive, written to an open file. Raises Impossible."""
    with tempfile.TemporaryDirectory(prefix="trialcrf-audit-") as made:
        folder = Path(made)
        exported = export_trail(tx, study_oid, folder, now)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, path.name)
    return exported


def _concerns(chain: str, study_oid: str, with_system: bool) -> bool:
    return chain == study_oid or chain.startswith(f"{study_oid}/") or (with_system and chain == SYSTEM_CHAIN)


_ENTITY = trails.COLUMNS.index("entity")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _line(row: trails.Row) -> str:
    return _encode(dict(zip(trails.COLUMNS, row, strict=True))) + "\n"


def _script() -> bytes:
    """The script as it is shipped: the export is verified by exactly what the tests hold against the program's own rules."""
    return (Path(__file__).resolve().parents[2] / SCRIPT).read_bytes()
