"""The ledger of decisions about a trial as stored: it only grows, and every line is bound to the study's trail by its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import bindparam, func, select

from trialcrf.core.chain import Checkpoint
from trialcrf.core.safety.decision import STOPPING, DecisionEntry, DecisionKind, HoldState, holds
from trialcrf.core.signature import canonical
from trialcrf.store import audit
from trialcrf.store.audit import Entry, Who
from trialcrf.store.models import audit_record, audit_value, study, study_decision
from trialcrf.store.models.base import moment_text
from trialcrf.store.transaction import Transaction

ENTITY = "study_decision"

_COLUMNS = tuple(study_decision.c[name] for name in ("number", "kind", "at", "actor", "name", "role", "organisation", "content", "hash"))
_OF_STUDY = (
    select(study_decision.c.id, study.c.oid.label("study"), *_COLUMNS)
    .join(study, study.c.id == study_decision.c.study_id)
    .order_by(study_decision.c.study_id, study_decision.c.number)
)
_BY_STUDY = _OF_STUDY.where(study.c.oid == bindparam("study_oid"))


def all_of(tx: Transaction, study_oid: str, kinds: Collection[DecisionKind] = STOPPING) -> list[DecisionEntry]:
    """The lines of these kinds in a study's ledger, oldest first; those of the stopping rule where nothing is said."""
    return [one for row in tx.read(_BY_STUDY, {"study_oid": study_oid}) if (one := _made(row)).kind in kinds]


def waiting(tx: Transaction, study_oid: str) -> int:
    """How many holds wait for a person."""
    return sum(one.state is HoldState.RAISED for one in holds(all_of(tx, study_oid)))


def known_at(tx: Transaction, study_oid: str, upto: Checkpoint) -> list[DecisionEntry]:
    """What the ledger told of the stopping rule at the checkpoint, by chain position: for a report that is made of an earlier moment."""
    known = {int(entity_id) for entity_id, *_ in audit.replay(tx.connection, ENTITY, upto)}
    found = [_made(row) for row in tx.read(_BY_STUDY, {"study_oid": study_oid}) if row.id in known]
    return [one for one in found if one.kind in STOPPING]


def hold_ledger(tx: Transaction, study_oid: str) -> None:
    """Hold the study's chain until this transaction ends: two of them cannot decide on the same ledger at once."""
    audit.locked_size(tx.connection, study_oid)


def add(
    tx: Transaction, study_id: int, study_oid: str, kind: DecisionKind, by: Who, name: str, content: Mapping[str, Any]
) -> DecisionEntry:
    """Write the next line. `name` is the one to print; `content` has a canonical text. The ledger was held before it was read.

    Raises TypeError for a content without canonical text.
    """
    last = tx.read(select(func.max(study_decision.c.number)).where(study_decision.c.study_id == study_id)).scalar()
    number, text = int(last or 0) + 1, canonical(content)
    values: dict[str, Any] = {
        "number": number, "kind": str(kind), "at": tx.at, "actor": by.actor, "name": name, "role": by.role,
        "organisation": by.organisation, "content": text,
    }  # fmt: skip
    hash_ = _digest(study_oid, values)
    tx.create(
        study_decision,
        {"study_id": study_id, **values, "hash": hash_},
        lambda id_: [Entry(study_oid, "decide", ENTITY, str(id_), "", _told(text, str(kind), hash_), first=True, who=by)],
    )
    return DecisionEntry(number, kind, tx.at, by.actor, name, by.role, by.organisation, json.loads(text), hash_)


def differences(tx: Transaction) -> Iterator[tuple[str, str]]:
    """(id, column) where a stored decision is not what the trail tells: altered, added or lost."""
    asked = (
        select(*audit_record.c, audit_value.c.value)
        .outerjoin(audit_value, (audit_value.c.chain == audit_record.c.chain) & (audit_value.c.seq == audit_record.c.seq))
        .where(audit_record.c.entity == ENTITY)
    )
    told = {row.entity_id: row for row in tx.read(asked)}
    for row in tx.read(_OF_STUDY):
        for column in _faults(row, told.pop(str(row.id), None))[:1]:
            yield str(row.id), column
    for entity_id in sorted(told):
        yield entity_id, ""


def _faults(row: Any, record: Any) -> list[str]:
    """The columns in which a decision disagrees with its record or with its own hash, the plainest first."""
    if record is None or (record.chain, record.op) != (row.study, "decide"):
        return [""]
    wrong = [name for name in ("actor", "role", "organisation") if getattr(row, name) != getattr(record, name)]
    if moment_text(row.at) != record.at:
        wrong.append("at")
    if _digest(row.study, row._mapping) != row.hash or record.value != _told(row.content, row.kind, row.hash):
        wrong.append("hash")
    return wrong


def _digest(study_oid: str, values: Mapping[str, Any]) -> str:
    """SHA-256 in hexadecimal of 0x03 and canonical JSON: who decided what, when, on what, as which line of which study's ledger."""
    said = {name: values[name] for name in ("number", "kind", "actor", "name", "role", "organisation", "content")}
    whole = {"study": study_oid, "at": moment_text(values["at"]), **said}
    return hashlib.sha256(b"\x03" + canonical(whole).encode()).hexdigest()


def _told(content: str, kind: str, hash_: str) -> str:
    """What the record of a decision commits to: its whole content, so that the trail alone tells what was decided."""
    return canonical({"content": json.loads(content), "hash": hash_, "kind": kind})


def _made(row: Any) -> DecisionEntry:
    return DecisionEntry(
        row.number, DecisionKind(row.kind), row.at, row.actor, row.name, row.role, row.organisation, json.loads(row.content), row.hash
    )
