"""Limits of normal of the sites' laboratories: which held when, and for whom. Ended or marked in error, never deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import or_, select, update

from trialcrf.core.chain import Checkpoint
from trialcrf.store import audit
from trialcrf.store.audit import Entry
from trialcrf.store.models import lab_range, site
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class LabRange:
    """Limits of one analyte (its SDTM test code) at one laboratory of a site, as canonical decimals in `unit`; an empty one is not given.

    `sex` is F, M, or empty for everyone. In force from `valid_from` to `valid_to`, both days included; without an end, still.
    `error` is why the line was marked entered in error: it is used for nothing then.
    """

    id: int
    site_id: int
    laboratory: str
    analyte: str
    sex: str
    unit: str
    low: str
    high: str
    valid_from: date
    valid_to: date | None
    error: str

    def on(self, day: date) -> bool:
        """Whether these limits hold on the day."""
        return not self.error and self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


_COLUMNS = ("site_id", "laboratory", "analyte", "sex", "unit", "low", "high", "valid_from", "valid_to", "error")
_ALL = select(lab_range.c.id, *(lab_range.c[name] for name in _COLUMNS))
_ORDER = (lab_range.c.site_id, lab_range.c.laboratory, lab_range.c.analyte, lab_range.c.unit, lab_range.c.sex, lab_range.c.valid_from)


def all_of(tx: Transaction, site_ids: Collection[int]) -> list[LabRange]:
    """Every line of these sites, ended ones and those in error too, by site, laboratory, analyte and time."""
    asked = _ALL.where(lab_range.c.site_id.in_(sorted(site_ids))).order_by(*_ORDER, lab_range.c.id)
    return [LabRange(*row) for row in tx.read(asked)]


def find(tx: Transaction, range_id: int) -> LabRange | None:
    row = tx.read(_ALL.where(lab_range.c.id == range_id)).first()
    return LabRange(*row) if row else None


def in_force(tx: Transaction, site_id: int, analytes: Collection[str], sex: str) -> list[LabRange]:
    """The lines of a site that can hold for a person of this sex, for these analytes, on any day; a sex not known takes those for all."""
    asked = _ALL.where(
        lab_range.c.site_id == site_id,
        lab_range.c.analyte.in_(sorted(analytes)),
        lab_range.c.error == "",
        lab_range.c.sex.in_(["", sex]),
    )
    return [LabRange(*row) for row in tx.read(asked.order_by(*_ORDER))]


def overlapping(tx: Transaction, one: LabRange) -> LabRange | None:
    """A line that holds on a day on which this one would, for the same laboratory, analyte, unit and people; the site's row is locked.

    Limits for everyone overlap those for either sex.
    """
    tx.read(select(site.c.id).where(site.c.id == one.site_id).with_for_update())
    same = [
        lab_range.c.site_id == one.site_id,
        lab_range.c.laboratory == one.laboratory,
        lab_range.c.analyte == one.analyte,
        lab_range.c.unit == one.unit,
        lab_range.c.error == "",
        lab_range.c.id != one.id,
        or_(lab_range.c.valid_to.is_(None), lab_range.c.valid_to >= one.valid_from),
    ]
    if one.sex:
        same.append(lab_range.c.sex.in_(["", one.sex]))
    if one.valid_to is not None:
        same.append(lab_range.c.valid_from <= one.valid_to)
    row = tx.read(_ALL.where(*same).order_by(lab_range.c.valid_from)).first()
    return LabRange(*row) if row else None


def create(tx: Transaction, at_site: Site, one: LabRange) -> int:
    """Record new limits. Its id is given by the database; whether it overlaps was asked before."""
    values = {name: getattr(one, name) for name in _COLUMNS} | {"site_id": at_site.id}

    def entries(key: int) -> list[Entry]:
        told = ((name, _text(values[name])) for name in _COLUMNS)
        return [Entry(at_site.chain, "create", "lab_range", str(key), name, text, first=True) for name, text in told if text]

    return tx.create(lab_range, values, entries)


def end(tx: Transaction, at_site: Site, one: LabRange, last: date) -> bool:
    """The last day on which the limits hold. False where somebody changed the line meanwhile: nothing was written."""
    where = (lab_range.c.id == one.id, lab_range.c.error == "", _unchanged(one))
    statement = update(lab_range).where(*where).values(valid_to=last)
    entry = Entry(at_site.chain, "end", "lab_range", str(one.id), "valid_to", last.isoformat(), first=one.valid_to is None)
    return tx.change(lab_range, statement, [entry]) == 1


def mark_error(tx: Transaction, at_site: Site, one: LabRange, reason: str) -> bool:
    """Take the line out of use. False where somebody did so before: nothing was written."""
    statement = update(lab_range).where(lab_range.c.id == one.id, lab_range.c.error == "").values(error=reason)
    entry = Entry(at_site.chain, "error", "lab_range", str(one.id), "error", reason, reason=reason, first=True)
    return tx.change(lab_range, statement, [entry]) == 1


def differences(tx: Transaction, everything: Checkpoint) -> Iterator[tuple[str, str]]:
    """(id, column) where a stored line is not what the trail tells: altered, added or lost."""
    told: dict[str, dict[str, str]] = {}
    for entity_id, _, place, value in audit.replay(tx.connection, "lab_range", everything):
        told.setdefault(entity_id, {})[place] = value or ""
    for row in tx.read(_ALL.order_by(lab_range.c.id)):
        held, one = told.pop(str(row.id), None), LabRange(*row)
        if held is None:
            yield str(row.id), ""
            continue
        for name in _COLUMNS:
            if held.get(name, "") != _text(getattr(one, name)):
                yield str(row.id), name
    for entity_id in sorted(told):
        yield entity_id, ""


def _unchanged(one: LabRange) -> Any:
    return lab_range.c.valid_to.is_(None) if one.valid_to is None else lab_range.c.valid_to == one.valid_to


def _text(value: Any) -> str:
    return "" if value is None else str(value)
