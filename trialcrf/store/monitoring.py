"""Monitoring visits and their ledgers as stored: lines are added, none is ever changed, and each is committed to in its site's chain."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Select, and_, func, select

from trialcrf.core.chain import Checkpoint
from trialcrf.core.monitoring import EntryKind, Monitoring, MonitoringEntry, check
from trialcrf.core.signature import canonical
from trialcrf.store import audit, reports
from trialcrf.store.audit import Entry
from trialcrf.store.models import account, audit_record, audit_value, monitoring, monitoring_entry, report, site, study
from trialcrf.store.models.base import moment_text
from trialcrf.store.reports import Report
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

VISIT, LINE = "monitoring", "monitoring_entry"


class StaleVisit(Exception):
    """Somebody wrote into the ledger since it was read: nothing was written."""


_COLUMNS = (
    monitoring.c.id, study.c.oid, site.c.code, monitoring.c.number, monitoring.c.kind, monitoring.c.planned_on, monitoring.c.created_at,
)  # fmt: skip
_VISITS = (
    select(*_COLUMNS)
    .select_from(monitoring.join(site, site.c.id == monitoring.c.site_id).join(study, study.c.id == site.c.study_id))
    .order_by(site.c.code, monitoring.c.number.desc())
)
_LINES = select(
    monitoring_entry.c.id, monitoring_entry.c.monitoring_id, monitoring_entry.c.number, monitoring_entry.c.kind, monitoring_entry.c.at,
    monitoring_entry.c.actor, monitoring_entry.c.name, monitoring_entry.c.role, monitoring_entry.c.organisation,
    monitoring_entry.c.content,
).order_by(monitoring_entry.c.monitoring_id, monitoring_entry.c.number)  # fmt: skip


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
    tx.read(select(monitoring.c.id).where(monitoring.c.id == visit.id).with_for_update(key_share=True))


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
    """Write the next line of the ledger; returns the visit with it. Raises NotNow, and StaleVisit where it was not the next."""
    check(visit, kind, content)
    return _write(tx, where, visit, kind, content)


def _write(tx: Transaction, where: Site, visit: Monitoring, kind: EntryKind, content: Mapping[str, Any]) -> Monitoring:
    hold(tx, visit)
    written = tx.read(select(func.count()).select_from(monitoring_entry).where(monitoring_entry.c.monitoring_id == visit.id)).scalar_one()
    if written != len(visit.entries):
        raise StaleVisit
    by = tx.who
    name = tx.read(select(account.c.name).where(account.c.username == by.actor)).scalar() or by.actor
    line = MonitoringEntry(written + 1, kind, tx.at, by.actor, name, by.role, by.organisation, dict(content))
    values = {
        "monitoring_id": visit.id, "number": line.number, "kind": kind.value, "at": line.at, "actor": line.actor, "name": line.name,
        "role": line.role, "organisation": line.organisation, "content": canonical(dict(content)),
    }  # fmt: skip
    told, subject = _line_said(values), str(content.get("subject", ""))
    tx.create(monitoring_entry, values, lambda id_: [Entry(where.chain, "create", LINE, str(id_), "", told, subject=subject, first=True)])
    return Monitoring(
        visit.id, visit.study_oid, visit.site, visit.number, visit.purpose, visit.planned_on, visit.created_at, (*visit.entries, line)
    )


def differences(tx: Transaction) -> Iterator[tuple[str, str, str]]:
    """(entity, id, column) where a visit or a line is not what the trail tells: altered, added or lost."""
    told: dict[tuple[str, str], Any] = {}
    joined = audit_record.outerjoin(audit_value, and_(audit_value.c.chain == audit_record.c.chain, audit_value.c.seq == audit_record.c.seq))
    columns = (*(audit_record.c[name] for name in ("entity", "entity_id", "at", "actor", "role", "organisation")), audit_value.c.value)
    for row in tx.read(select(*columns).select_from(joined).where(audit_record.c.entity.in_((VISIT, LINE)))):
        told[row.entity, row.entity_id] = row
    for row in tx.read(select(monitoring).order_by(monitoring.c.id)):
        record = told.pop((VISIT, str(row.id)), None)
        if record is None or record.value != _visit_said(row._asdict()):
            yield VISIT, str(row.id), "number"
        elif record.at != moment_text(row.created_at):
            yield VISIT, str(row.id), "created_at"
    for row in tx.read(select(monitoring_entry).order_by(monitoring_entry.c.id)):
        record = told.pop((LINE, str(row.id)), None)
        if record is None or not _says(record.value, row._asdict()):
            yield LINE, str(row.id), "content"
        elif record.at != moment_text(row.at):
            yield LINE, str(row.id), "at"
        else:
            wrong = [name for name in ("actor", "role", "organisation") if record._mapping[name] != row._mapping[name]]
            yield from ((LINE, str(row.id), name) for name in wrong[:1])
    for entity, id_ in sorted(told):
        yield entity, id_, ""


def _visit_said(values: Mapping[str, Any]) -> str:
    said = {name: values[name] for name in ("site_id", "number", "kind")}
    return canonical({**said, "planned_on": values["planned_on"].isoformat()})


def _line_said(values: Mapping[str, Any]) -> str:
    told = {name: values[name] for name in ("monitoring_id", "number", "kind", "name")}
    return canonical({**told, "content": json.loads(values["content"])})


def _says(told: str | None, values: Mapping[str, Any]) -> bool:
    """Whether the trail tells of this line; an altered content need not even be JSON."""
    if told is None:
        return False
    plain = json.loads(told)
    same = canonical(plain.pop("content")) == values["content"]
    return same and bool(plain == {name: values[name] for name in plain})


def _made(tx: Transaction, asked: Select[Any], lines: Collection[int] | None = None) -> list[Monitoring]:
    """The visits with their ledgers; of these lines only, where they are given by their ids."""
    rows = tx.read(asked).all()
    held: dict[int, list[MonitoringEntry]] = {row.id: [] for row in rows}
    ids = sorted(held)
    for start in range(0, len(ids), 500):
        for line in tx.read(_LINES.where(monitoring_entry.c.monitoring_id.in_(ids[start : start + 500]))):
            if lines is None or line.id in lines:
                held[line.monitoring_id].append(_line(line))
    return [
        Monitoring(one.id, one.oid, one.code, one.number, one.kind, one.planned_on, one.created_at, tuple(held[one.id])) for one in rows
    ]


def _line(row: Any) -> MonitoringEntry:
    return MonitoringEntry(
        row.number, EntryKind(row.kind), row.at, row.actor, row.name, row.role, row.organisation, json.loads(row.content)
    )
