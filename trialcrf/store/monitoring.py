"""Monitoring visits and their ledgers as stored: lines are added, none is ever changed, and each is committed to in its site's chain."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Select, func, select

from trialcrf.core.chain import Checkpoint
from trialcrf.core.oversight.monitoring import EntryKind, Monitoring, check
from trialcrf.core.signature import canonical
from trialcrf.store import audit, ledgers, reports
from trialcrf.store.audit import Entry
from trialcrf.store.ledgers import Ledger
from trialcrf.store.models import monitoring, monitoring_entry, report, site, study
from trialcrf.store.models.base import moment_text
from trialcrf.store.reports import Report
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

VISIT, LINE = "monitoring", "monitoring_entry"


_COLUMNS = (
    monitoring.c.id, study.c.oid, site.c.code, monitoring.c.number, monitoring.c.kind, monitoring.c.planned_on, monitoring.c.created_at,
)  # fmt: skip
_VISITS = (
    select(*_COLUMNS)
    .select_from(monitoring.join(site, site.c.id == monitoring.c.site_id).join(study, study.c.id == site.c.study_id))
    .order_by(site.c.code, monitoring.c.number.desc())
)
LEDGER = Ledger(monitoring_entry, "monitoring_id", monitoring, EntryKind)


def find(tx: Transaction, where: Site, number: int) -> Monitoring | None:
    return next(iter(_made(tx, _VISITS.where(monitoring.c.site_id == where.id, monitoring.c.number == number))), None)


def by_id(tx: Transaction, visit_id: int) -> Monitoring | None:
    return next(iter(_made(tx, _VISITS.where(monitoring.c.id == visit_id))), None)


def all_of(tx: Transaction, study_oid: str, sites: Collection[str] | None = None) -> list[Monitoring]:
    """The visits of a study by site, the newest of each first; `sites=None` is every site."""
    asked = _VISITS.where(study.c.oid == study_oid)
    return _made(tx, asked if sites is None else asked.where(site.c.code.in_(sorted(sites))))


def known_at(tx: Transaction, where: Site, number: int, upto: Checkpoint) -> Monitoring | None:
    """A visit with its ledger as they were at the checkpoint, by chain position."""
    lines = {int(entity_id) for entity_id, *_ in audit.replay(tx.connection, LINE, upto)}
    found = _made(tx, _VISITS.where(monitoring.c.site_id == where.id, monitoring.c.number == number), lines)
    return next((one for one in found if one.entries), None)


def hold(tx: Transaction, visit: Monitoring) -> None:
    """Nobody else writes into the ledger of this visit until this transaction ends."""
    LEDGER.hold(tx, visit.id)


def letters(tx: Transaction, visit: Monitoring, kind: str) -> list[Report]:
    """The letters that were ordered of a visit (reports of this kind), the newest first."""
    asked = select(report.c.id).join(study, study.c.id == report.c.study_id)
    asked = asked.where(study.c.oid == visit.study_oid, report.c.kind == kind, report.c.site == visit.site)
    ids = tx.read(asked.where(report.c.case_number == visit.number).order_by(report.c.id.desc())).scalars().all()
    return [found for id_ in ids if (found := reports.find(tx, id_)) is not None]


def create(tx: Transaction, where: Site, purpose: str, planned_on: date, content: Mapping[str, Any]) -> Monitoring:
    """A new visit of a site, the next by number, with its first line. Held: two of them get two numbers."""
    audit.locked_size(tx.connection, where.chain)
    last = tx.read(select(func.max(monitoring.c.number)).where(monitoring.c.site_id == where.id)).scalar() or 0
    values: dict[str, Any] = {
        "site_id": where.id, "number": last + 1, "kind": purpose, "planned_on": planned_on, "created_at": tx.at,
    }  # fmt: skip
    new = tx.create(monitoring, values, lambda id_: [Entry(where.chain, "create", VISIT, str(id_), "", _visit_said(values), first=True)])
    made = Monitoring(new, where.study_oid, where.code, last + 1, purpose, planned_on, tx.at, ())
    return _write(tx, where, made, EntryKind.PLANNED, content)


def add(tx: Transaction, where: Site, visit: Monitoring, kind: EntryKind, content: Mapping[str, Any]) -> Monitoring:
    """Write the next line of the ledger; returns the visit with it. Raises NotNow, and Stale where it was not the next."""
    check(visit, kind, content)
    return _write(tx, where, visit, kind, content)


def _write(tx: Transaction, where: Site, visit: Monitoring, kind: EntryKind, content: Mapping[str, Any]) -> Monitoring:
    LEDGER.take(tx, visit.id, visit.entries)
    line = LEDGER.write(tx, where.chain, visit.id, visit.entries, kind, content, str(content.get("subject", "")))
    return Monitoring(
        visit.id, visit.study_oid, visit.site, visit.number, visit.purpose, visit.planned_on, visit.created_at, (*visit.entries, line)
    )


def differences(tx: Transaction) -> Iterator[tuple[str, str, str]]:
    """(entity, id, column) where a visit or a line is not what the trail tells: altered, added or lost."""
    told = ledgers.told(tx, (VISIT, LINE))
    for row in tx.read(select(monitoring).order_by(monitoring.c.id)):
        record = told.pop((VISIT, str(row.id)), None)
        if record is None or record.value != _visit_said(row._asdict()):
            yield VISIT, str(row.id), "number"
        elif record.at != moment_text(row.created_at):
            yield VISIT, str(row.id), "created_at"
    yield from LEDGER.differences(tx, told)
    for entity, id_ in sorted(told):
        yield entity, id_, ""


def _visit_said(values: Mapping[str, Any]) -> str:
    said = {name: values[name] for name in ("site_id", "number", "kind")}
    return canonical({**said, "planned_on": values["planned_on"].isoformat()})


def _made(tx: Transaction, asked: Select[Any], lines: Collection[int] | None = None) -> list[Monitoring]:
    """The visits with their ledgers; of these lines only, where they are given by their ids."""
    rows = tx.read(asked).all()
    held = LEDGER.read(tx, (row.id for row in rows), lines)
    return [Monitoring(one.id, one.oid, one.code, one.number, one.kind, one.planned_on, one.created_at, held[one.id]) for one in rows]
