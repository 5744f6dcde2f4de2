"""What was typed on a page and is not saved yet: kept for whoever typed it, on whatever device they return."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from trialcrf.store.models import draft
from trialcrf.store.transaction import Transaction

KEPT = timedelta(days=90)
"""How long a draft waits for whoever typed it; then it goes, and the trail tells that it went."""

MOST_AT_A_FORM = 20
"""Pages of one form that one person may leave unfinished; a program that repeats itself must not fill the disk."""

TAKEN_BACK = timedelta(days=1)
"""For so long whoever discarded a draft may take that back; then its words are gone."""

OF_STUDY = -1
"""The version of a draft of a page that belongs to no site but to the study; its site is then no more than one of the study."""

SHOWN_BY = "?"
"""No box: beside those of a fixed page, what its address asks for."""

DISCARDED = "~"
"""What stands before the page of a draft that was discarded: no page that is drawn is called so."""

_STANDS: ColumnElement[bool] = ~draft.c.page.startswith(DISCARDED)


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
    others = select(func.count()).select_from(draft).where(*_at(new.account_id, new.address), draft.c.page != new.page, _STANDS)
    return int(tx.read(others).scalar_one()) >= MOST_AT_A_FORM


def keep(tx: Transaction, new: Draft) -> bool:
    """Keep what a page holds now; False where the page sent something newer before."""
    key = {"account_id": new.account_id, "address": new.address, "page": new.page}
    said = {"version": new.version, "fields": json.dumps(new.fields), "turn": new.turn, "kept_at": new.kept_at}
    # The first keystroke stays the first, whatever the page says of it later.
    settled = _new(tx, new).on_conflict_do_update(index_elements=list(key), set_=said, where=draft.c.turn < new.turn)
    return tx.work(settled.returning(draft.c.turn)).first() is not None


def put_back(tx: Transaction, one: Draft) -> bool:
    """Keep again what was taken away; False where there is something newer of that page."""
    return tx.work(_new(tx, one).on_conflict_do_nothing().returning(draft.c.turn)).first() is not None


def of_form(tx: Transaction, account_id: int, address: str) -> list[Draft]:
    """What one person left unsaved at one address, newest first."""
    return [_read(row) for row in tx.read(select(draft).where(*_at(account_id, address), _STANDS).order_by(draft.c.kept_at.desc()))]


def of_person(tx: Transaction, account_id: int) -> list[Draft]:
    """Everything that one person left unsaved, newest first."""
    mine = select(draft).where(draft.c.account_id == account_id, _STANDS)
    return [_read(row) for row in tx.read(mine.order_by(draft.c.kept_at.desc()))]


def take(tx: Transaction, account_id: int, address: str, pages: Sequence[str]) -> list[Draft]:
    """Take these pages away: they were saved, taken up by another, or discarded. Returns what was there."""
    gone = delete(draft).where(*_at(account_id, address), draft.c.page.in_(pages)).returning(draft)
    return [_read(row) for row in tx.work(gone)]


def discard(tx: Transaction, account_id: int, address: str, pages: Sequence[str]) -> list[Draft]:
    """Take these pages away so that it can be taken back for a while. Returns what was there."""
    take(tx, account_id, address, [DISCARDED + page for page in pages])
    gone = take(tx, account_id, address, [page for page in pages if not page.startswith(DISCARDED)])
    for one in gone:
        put_back(tx, replace(one, page=DISCARDED + one.page, kept_at=tx.at))
    return gone


def discarded(tx: Transaction, account_id: int, address: str, page: str, now: datetime) -> bool:
    """Whether this page was discarded, and that can still be taken back."""
    asked = select(draft.c.page).where(*_at(account_id, address), draft.c.page == DISCARDED + page, draft.c.kept_at > now - TAKEN_BACK)
    return tx.read(asked).first() is not None


def restore(tx: Transaction, account_id: int, address: str, page: str) -> Draft | None:
    """Take back that a page was discarded; None where there is nothing to take back any more. It counts as kept now."""
    if not discarded(tx, account_id, address, page, tx.at):
        return None
    found = [replace(one, page=page, kept_at=tx.at) for one in take(tx, account_id, address, [DISCARDED + page])]
    return next((one for one in found if put_back(tx, one)), None)


def clear(tx: Transaction, before: datetime) -> list[Draft]:
    """Take away what nobody came back for since this moment. Returns what was there."""
    return [_read(row) for row in tx.work(delete(draft).where(draft.c.kept_at < before, _STANDS).returning(draft))]


def forget_discarded(tx: Transaction, before: datetime) -> int:
    """Take away for good what was discarded before this moment; returns how many there were."""
    return tx.work(delete(draft).where(draft.c.kept_at < before, ~_STANDS)).rowcount


def _new(tx: Transaction, one: Draft) -> Any:
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    columns = {name: getattr(one, name) for name in one.__slots__ if name != "fields"}
    return dialect.insert(draft).values(**columns, fields=json.dumps(one.fields))


def _at(account_id: int, address: str) -> tuple[ColumnElement[bool], ...]:
    return draft.c.account_id == account_id, draft.c.address == address


def _read(row: Row[tuple[object, ...]]) -> Draft:
    fields = tuple((str(name), str(value)) for name, value in json.loads(row.fields))
    return Draft(
        row.account_id, row.site_id, row.subject_id, row.address, row.page, row.version, fields, row.turn, row.begun_at, row.kept_at
    )
