"""What was typed on a page and is not saved yet: kept for whoever typed it, on whatever device they return."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from trialcrf.store.models import draft
from trialcrf.store.transaction import Transaction

KEPT = timedelta(days=90)
"""How long a draft waits for whoever typed it; then it goes, and the trail tells that it went."""

MOST_AT_A_FORM = 20
"""Pages of one form that one person may leave unfinished; a program that repeats itself must not fill the disk."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What one page of one person holds. `address` is the path that the page is saved to, `page` the token that was drawn into it.

    `fields` are the boxes by name, in the page's order; `turn` counts what the page sent: an older one never replaces a newer.
    `begun_at` is the moment of the first keystroke, `kept_at` that of the newest storage (EMA guideline on computerised systems, 6.2.1).
    """

    account_id: int
    site_id: int
    subject_id: int | None
    address: str
    page: str
    version: int
    fields: tuple[tuple[str, str], ...]
    turn: int
    begun_at: datetime
    kept_at: datetime


def full(tx: Transaction, new: Draft) -> bool:
    """Whether there are too many other pages beside this one."""
    others = select(func.count()).select_from(draft).where(*_at(new.account_id, new.address), draft.c.page != new.page)
    return int(tx.read(others).scalar_one()) >= MOST_AT_A_FORM


def keep(tx: Transaction, new: Draft) -> bool:
    """Keep what a page holds now; False where the page sent something newer before."""
    key = {"account_id": new.account_id, "address": new.address, "page": new.page}
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    said = {"version": new.version, "fields": json.dumps(new.fields), "turn": new.turn, "kept_at": new.kept_at}
    made = dialect.insert(draft).values(**key, **said, site_id=new.site_id, subject_id=new.subject_id, begun_at=new.begun_at)
    # The first keystroke stays the first, whatever the page says of it later.
    settled = made.on_conflict_do_update(index_elements=list(key), set_=said, where=draft.c.turn < new.turn)
    return tx.work(settled.returning(draft.c.turn)).first() is not None


def of_form(tx: Transaction, account_id: int, address: str) -> list[Draft]:
    """What one person left unsaved at one address, newest first."""
    return [_read(row) for row in tx.read(select(draft).where(*_at(account_id, address)).order_by(draft.c.kept_at.desc()))]


def of_person(tx: Transaction, account_id: int, site_ids: Sequence[int]) -> list[Draft]:
    """Everything that one person left unsaved at these sites, newest first."""
    mine = (draft.c.account_id == account_id, draft.c.site_id.in_(site_ids))
    return [_read(row) for row in tx.read(select(draft).where(*mine).order_by(draft.c.kept_at.desc()))]


def take(tx: Transaction, account_id: int, address: str, pages: Sequence[str]) -> list[Draft]:
    """Take these pages away: they were saved, taken up by another, or discarded. Returns what was there."""
    gone = delete(draft).where(*_at(account_id, address), draft.c.page.in_(pages)).returning(draft)
    return [_read(row) for row in tx.work(gone)]


def clear(tx: Transaction, before: datetime) -> list[Draft]:
    """Take away what nobody came back for since this moment. Returns what was there."""
    return [_read(row) for row in tx.work(delete(draft).where(draft.c.kept_at < before).returning(draft))]


def _at(account_id: int, address: str) -> tuple[ColumnElement[bool], ...]:
    return draft.c.account_id == account_id, draft.c.address == address


def _read(row: Row[tuple[object, ...]]) -> Draft:
    fields = tuple((str(name), str(value)) for name, value in json.loads(row.fields))
    return Draft(
        row.account_id, row.site_id, row.subject_id, row.address, row.page, row.version, fields, row.turn, row.begun_at, row.kept_at
    )
