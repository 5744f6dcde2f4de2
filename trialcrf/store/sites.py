"""Sites of a study, each with its code and its time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select

from trialcrf.store.audit import SYSTEM_CHAIN, Entry
from trialcrf.store.models import site, study
from trialcrf.store.transaction import Transaction


@cache
def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@dataclass(frozen=True, slots=True)
class Site:
    id: int
    study_id: int
    study_oid: str
    code: str
    name: str
    zone_name: str

    @property
    def zone(self) -> ZoneInfo:
        return zone_of(self.zone_name)

    def today(self, now: datetime) -> date:
        """The calendar day at the site."""
        return _day(self.zone_name, now)

    @property
    def chain(self) -> str:
        return f"{self.study_oid}/{self.code}"


@lru_cache(maxsize=500)
def _day(zone_name: str, now: datetime) -> date:
    """The sites of a study are mostly in one zone, and every list asks each of them."""
    return now.astimezone(zone_of(zone_name)).date()


_COLUMNS = (site.c.id, site.c.study_id, study.c.oid, site.c.code, site.c.name, site.c.zone)


def _made(row: Any) -> Site:
    return Site(*row)


_OF_STUDY = select(*_COLUMNS).join(study, study.c.id == site.c.study_id).where(study.c.oid == bindparam("study_oid")).order_by(site.c.code)


def all_of(tx: Transaction, study_oid: str) -> list[Site]:
    """By code. A page and its navigation ask several times."""
    return [*tx.once((site.name, study_oid), lambda: [_made(row) for row in tx.read(_OF_STUDY, {"study_oid": study_oid})])]


def known_at(tx: Transaction, study_oid: str, moment: datetime) -> list[Site]:
    """The sites that the study had at that moment."""
    asked = select(*_COLUMNS).join(study, study.c.id == site.c.study_id).where(study.c.oid == study_oid, site.c.created_at <= moment)
    return [_made(row) for row in tx.read(asked.order_by(site.c.code))]


def find(tx: Transaction, study_oid: str, code: str) -> Site | None:
    row = tx.read(select(*_COLUMNS).join(study, study.c.id == site.c.study_id).where(study.c.oid == study_oid, site.c.code == code)).first()
    return _made(row) if row else None


def by_id(tx: Transaction, site_id: int) -> Site:
    """Raises LookupError for a number that no site has."""
    row = tx.read(select(*_COLUMNS).join(study, study.c.id == site.c.study_id).where(site.c.id == site_id)).first()
    if row is None:
        raise LookupError(f"there is no site number {site_id}")
    return _made(row)


def create(tx: Transaction, study_id: int, code: str, name: str, zone: str) -> int:
    """A new site. Raises IntegrityError where the study has this code already."""
    values = {"code": code, "name": name, "zone": zone}
    return tx.create(
        site,
        {"study_id": study_id, "created_at": tx.at, **values},
        lambda key: [Entry(SYSTEM_CHAIN, "create", "site", str(key), place, value, first=True) for place, value in values.items()],
    )
