"""Serious events as cases, their ledgers and the papers attached to them: lines are added, and none is ever changed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from typing import Any

from sqlalchemy import Select, func, select

from trialcrf.core.chain import Checkpoint
from trialcrf.core.safety.case import Case, Kind, moved
from trialcrf.core.signature import canonical
from trialcrf.store import ledgers, tallies
from trialcrf.store.audit import Entry, Who
from trialcrf.store.ledgers import Ledger
from trialcrf.store.models import attachment, audit_record, case_entry, form, safety_case, site, study, subject
from trialcrf.store.models.base import moment_text
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Attachment:
    """A paper of a case, without its content."""

    id: int
    case_id: int
    name: str
    media_type: str
    size: int
    sha256: str


def said(at: datetime) -> str:
    """A moment as the ledger says it."""
    return at.astimezone(UTC).isoformat()


_JOINED = (
    safety_case.join(study, study.c.id == safety_case.c.study_id)
    .join(site, site.c.id == safety_case.c.site_id)
    .join(subject, subject.c.id == safety_case.c.subject_id)
    .join(form, form.c.id == safety_case.c.form_id)
)
_COLUMNS = (
    safety_case.c.id, safety_case.c.number, study.c.oid, site.c.code, subject.c.key, safety_case.c.form_id, safety_case.c.row,
    safety_case.c.opened_at,
)  # fmt: skip
_CASES = select(*_COLUMNS).select_from(_JOINED).order_by(safety_case.c.number)
LEDGER = Ledger(case_entry, "case_id", safety_case, Kind)


def find(tx: Transaction, study_oid: str, number: int) -> Case | None:
    return _one(tx, _CASES.where(study.c.oid == study_oid, safety_case.c.number == number))


def by_id(tx: Transaction, case_id: int) -> Case | None:
    return _one(tx, _CASES.where(safety_case.c.id == case_id))


def of_form(tx: Transaction, form_id: int) -> dict[str, Case]:
    """The cases of the events of a form, by row."""
    return {one.row: one for one in _made(tx, _CASES.where(safety_case.c.form_id == form_id))}


def of_subject(tx: Transaction, subject_id: int) -> list[Case]:
    return _made(tx, _CASES.where(safety_case.c.subject_id == subject_id))


def all_of(tx: Transaction, study_oid: str, sites: Collection[str] | None = None) -> list[Case]:
    """The cases of a study by number, nullified ones too; `sites=None` is every site."""
    asked = _CASES.where(study.c.oid == study_oid)
    return _made(tx, asked if sites is None else asked.where(site.c.code.in_(sorted(sites))))


def of_sites(tx: Transaction, places: Sequence[Site]) -> list[Case]:
    """The same of these sites, which stand until something is recorded there: a list of the day asks for all of them at every look."""
    code = {one.id: one.code for one in places}

    def look(some: Sequence[Site]) -> dict[int, list[Case]]:
        held = _made(tx, _CASES.where(safety_case.c.site_id.in_([one.id for one in some])))
        return {one.id: [each for each in held if each.site == code[one.id]] for one in some}

    none: list[Case] = []
    return list(merge(*tallies.of_sites(tx, places, safety_case.name, look, none), key=lambda one: one.number))


def cases_at(tx: Transaction, study_oid: str, upto: Checkpoint) -> list[Case]:
    """The cases with their ledgers as they were known at the checkpoint, by number: by position in the chains, not by clocks."""
    known: dict[str, set[int]] = {"safety_case": set(), "case_entry": set()}
    for chain, size, _ in upto.heads:
        where = (audit_record.c.chain == chain, audit_record.c.seq <= size, audit_record.c.entity.in_(sorted(known)))
        for entity, id_ in tx.read(select(audit_record.c.entity, audit_record.c.entity_id).where(*where)):
            known[entity].add(int(id_))
    asked = _CASES.where(study.c.oid == study_oid)
    return [one for one in _made(tx, asked, known["case_entry"]) if one.id in known["safety_case"]]


def open_(tx: Transaction, which: Subject, form_id: int, row: str, content: Mapping[str, Any]) -> Case:
    """Open the case of an event, under the study's next number."""
    # Two events must not get one number; rows that name the study are inserted all the same.
    tx.read(select(study.c.id).where(study.c.id == which.site.study_id).with_for_update(key_share=True))
    last = tx.read(select(func.max(safety_case.c.number)).where(safety_case.c.study_id == which.site.study_id)).scalar() or 0
    values = {
        "study_id": which.site.study_id, "site_id": which.site.id, "subject_id": which.id, "form_id": form_id, "row": row,
        "number": last + 1, "opened_at": tx.at,
    }  # fmt: skip
    told = _case_said(values)
    chain = which.site.chain
    new = tx.create(
        safety_case, values, lambda id_: [Entry(chain, "create", "safety_case", str(id_), "", told, subject=which.key, first=True)]
    )
    made = Case(new, last + 1, which.site.study_oid, which.site.code, which.key, form_id, row, tx.at, ())
    return add(tx, made, chain, Kind.OPENED, content)


def add(tx: Transaction, case: Case, chain: str, kind: Kind, content: Mapping[str, Any], who: Who | None = None) -> Case:
    """Write the next line of the ledger; returns the case with it. Raises NotPossible, and Stale where it was not the next."""
    LEDGER.take(tx, case.id, case.entries)
    moved(case.state if case.entries else None, kind)
    line = LEDGER.write(tx, chain, case.id, case.entries, kind, content, case.subject, who)
    return Case(
        case.id, case.number, case.study_oid, case.site, case.subject, case.form_id, case.row, case.opened_at, (*case.entries, line)
    )


def attach(tx: Transaction, case: Case, chain: str, name: str, media_type: str, content: bytes) -> Attachment:
    """Keep a paper; the line that tells of it is the caller's to write, in the same transaction."""
    values: dict[str, Any] = {
        "case_id": case.id, "name": name, "media_type": media_type, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip
    told = canonical(values)
    new = tx.create(
        attachment,
        {**values, "content": content},
        lambda id_: [Entry(chain, "create", "attachment", str(id_), "", told, subject=case.subject, first=True)],
    )
    return Attachment(new, **values)


def paper(tx: Transaction, case_id: int, attachment_id: int) -> tuple[Attachment, bytes] | None:
    """A paper of this case with its content."""
    where = (attachment.c.id == attachment_id, attachment.c.case_id == case_id)
    row = tx.read(select(*_PAPER, attachment.c.content).where(*where)).first()
    return (Attachment(*row[:-1]), bytes(row.content)) if row else None


_PAPER = (attachment.c.id, attachment.c.case_id, attachment.c.name, attachment.c.media_type, attachment.c.size, attachment.c.sha256)


def differences(tx: Transaction) -> Iterator[tuple[str, str, str]]:
    """(entity, id, column) where a case, a line or a paper is not what the trail tells: altered, added or lost."""
    told = ledgers.told(tx, ("attachment", "case_entry", "safety_case"))
    yield from ((entity, id_, wrong) for entity, id_, wrong in _compared(tx, told) if wrong)
    yield from LEDGER.differences(tx, told)
    for entity, id_ in sorted(told):
        yield entity, id_, ""


def _compared(tx: Transaction, told: dict[tuple[str, str], Any]) -> Iterator[tuple[str, str, str]]:
    """Every case and paper with the column in which it differs, empty where it does not; what was found is taken out of `told`."""
    for row in tx.read(select(safety_case)):
        record = told.pop(("safety_case", str(row.id)), None)
        faults = [] if record and record.value == _case_said(row._asdict()) else ["number"]
        if record and record.at != moment_text(row.opened_at):
            faults.append("opened_at")
        yield "safety_case", str(row.id), faults[0] if faults else ""
    for id_ in tx.read(select(attachment.c.id).order_by(attachment.c.id)).scalars().all():
        row = tx.read(select(*_PAPER, attachment.c.content).where(attachment.c.id == id_)).one()
        record = told.pop(("attachment", str(id_)), None)
        values = {name: row._mapping[name] for name in ("case_id", "name", "media_type", "size", "sha256")}
        fault = "" if record and record.value == canonical(values) else "name"
        if hashlib.sha256(row.content).hexdigest() != row.sha256 or len(row.content) != row.size:
            fault = "content"
        yield "attachment", str(id_), fault


def _case_said(values: Mapping[str, Any]) -> str:
    return canonical({name: values[name] for name in ("study_id", "site_id", "subject_id", "form_id", "row", "number")})


def _one(tx: Transaction, asked: Select[Any]) -> Case | None:
    return next(iter(_made(tx, asked)), None)


def _made(tx: Transaction, asked: Select[Any], lines: Collection[int] | None = None) -> list[Case]:
    """The cases with their ledgers; of these lines only, where they are given by their ids."""
    rows: Sequence[Any] = tx.read(asked).all()
    held = LEDGER.read(tx, (row.id for row in rows), lines)
    return [Case(one.id, one.number, one.oid, one.code, one.key, one.form_id, one.row, one.opened_at, held[one.id]) for one in rows]
