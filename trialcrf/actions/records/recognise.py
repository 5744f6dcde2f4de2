"""Recognising a file: which archived report it is, whether it is altered, and whether its checkpoint is the one the trail had."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from trialcrf.actions.records import report
from trialcrf.external import pdf, seal
from trialcrf.external.drawing import Drawing
from trialcrf.external.seal import Seal
from trialcrf.store import audit, reports, sites
from trialcrf.store.reports import Report
from trialcrf.store.transaction import Transaction


class Standing(StrEnum):
    """What a file is to this installation.

    ARCHIVED: its SHA-256 is that of an archived report, or of an annex of one. ALTERED: it says that it is a report that was archived
    here, and its SHA-256 is another. FOREIGN: it says that it is a report, which was never archived here. UNKNOWN: it says nothing.
    """

    ARCHIVED = "archived"
    ALTERED = "altered"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Recognised:
    """`report` is the archived report that the file is, is an annex of (`annex`), or says it is; `told` what the file says of itself.

    `holds` says whether the checkpoint of that report is the one that the trail has for its moment; None where there is no report.
    """

    standing: Standing
    sha256: str
    report: Report | None = None
    annex: str = ""
    told: str = ""
    holds: bool | None = None


def recognise(tx: Transaction, content: bytes) -> Recognised:
    """Say which report this file is."""
    sha256, told = hashlib.sha256(content).hexdigest(), pdf.identity_of(content)
    archived = reports.by_sha256(tx, sha256)
    if archived:
        return Recognised(Standing.ARCHIVED, sha256, archived[0], "", told, checkpoint_holds(tx, archived[0]))
    for one in reports.with_annex(tx, sha256):
        name = next(file.name for file in one.annexes if file.sha256 == sha256)
        return Recognised(Standing.ARCHIVED, sha256, one, name, told, checkpoint_holds(tx, one))
    if not told:
        return Recognised(Standing.UNKNOWN, sha256)
    said = _claimed(tx, told)
    if said is None:
        return Recognised(Standing.FOREIGN, sha256, None, "", told)
    return Recognised(Standing.ALTERED, sha256, said, "", told, checkpoint_holds(tx, said))


class Sealed(StrEnum):
    """What a signature file is to a file and to this installation.

    OURS, OTHERS: it holds and was made with the key of this installation, or with another one. WRONG: it is not of the key that it
    names, or what it says was altered. ANOTHER: it holds, and is of another file. NONE: it is no signature file.
    """

    OURS = "ours"
    OTHERS = "others"
    WRONG = "wrong"
    ANOTHER = "another"
    NONE = "none"


def sealed(signature: bytes, own_fingerprint: str, sha256: str = "") -> tuple[Sealed, Seal | None]:
    """What a signature file is worth, of the file with this SHA-256 or (empty) of whichever file it names."""
    found = seal.read(signature)
    if found is None:
        return Sealed.NONE, None
    if not found.holds:
        return Sealed.WRONG, found
    if sha256 and found.said.get("sha256") != sha256:
        return Sealed.ANOTHER, found
    return (Sealed.OURS if found.fingerprint == own_fingerprint else Sealed.OTHERS), found


def checkpoint_holds(tx: Transaction, one: Report) -> bool:
    """Whether the trail still has, for the moment of the report, the checkpoint that it prints: nothing before it was changed or cut."""
    chains = [one.study_oid, *(site.chain for site in sites.all_of(tx, one.study_oid))]
    return audit.heads_at(tx.connection, one.known_at, chains).digest() == one.checkpoint


def again(tx: Transaction, one: Report, kept: Path | None = None) -> tuple[Drawing, bool]:
    """The report drawn again from the database, and whether its bytes are those that were archived. Raises Impossible and CannotDraw."""
    at = report.Workshop(lambda: nullcontext(tx), lambda name, content: hashlib.sha256(content).hexdigest(), kept)
    drawn = report.made(report.order_of(one), at)[1]
    return drawn, hashlib.sha256(drawn.pdf).hexdigest() == one.sha256


def _claimed(tx: Transaction, told: str) -> Report | None:
    """The archived report that a file says it is. What it says may be anything at all."""
    try:
        said = json.loads(told)
        known_at, study, kind = datetime.fromisoformat(said["known_at"]), str(said["study"]), str(said["kind"])
    except (ValueError, KeyError, TypeError):
        return None
    same = (said.get("language"), said.get("as_of"), said.get("checkpoint"), said.get("about"), said.get("eyes", []))
    for one in reports.drawn_at(tx, study, kind, known_at):
        asked = report.asked_of(one)
        if same == (one.language, one.as_of.isoformat(), one.checkpoint, list(asked.parts), list(asked.eyes)):
            return one
    return None
