"""Calendar feeds: the secret addresses at which a person's calendar program reads the planned visits of a study."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, insert, select, update

from trialcrf.store.models import calendar_feed
from trialcrf.store.transaction import Transaction

TOUCH = timedelta(hours=1)
"""`read_at` is written at most this often, so that a calendar program that asks every minute costs no writes."""


@dataclass(frozen=True, slots=True)
class Feed:
    """An address in force; of its token only the hash is kept. `keys`: whether it names the keys of subjects."""

    id: int
    account_id: int
    study: str
    token_hash: str
    keys: bool
    created_at: datetime
    read_at: datetime | None


_COLUMNS: tuple[ColumnElement[Any], ...] = (
    calendar_feed.c.id,
    calendar_feed.c.account_id,
    calendar_feed.c.study,
    calendar_feed.c.token_hash,
    calendar_feed.c["keys"],  # its attribute `keys` is the collection's own
    calendar_feed.c.created_at,
    calendar_feed.c.read_at,
)


def _made(row: Any) -> Feed:
    return Feed(*row)


def create(tx: Transaction, account_id: int, study: str, token_hash: str, keys: bool) -> int:
    """A new feed; its id."""
    values = {"account_id": account_id, "study": study, "token_hash": token_hash, "keys": keys, "created_at": tx.at}
    made = tx.work(insert(calendar_feed).values(**values)).inserted_primary_key
    assert made is not None
    return int(made[0])


def find(tx: Transaction, token_hash: str) -> Feed | None:
    """The feed of this token, unless it was revoked."""
    row = tx.read(select(*_COLUMNS).where(calendar_feed.c.token_hash == token_hash, calendar_feed.c.revoked_at.is_(None))).first()
    return _made(row) if row else None


def all_of(tx: Transaction, account_id: int) -> list[Feed]:
    """The feeds of an account that are in force, the newest first."""
    mine = select(*_COLUMNS).where(calendar_feed.c.account_id == account_id, calendar_feed.c.revoked_at.is_(None))
    return [_made(row) for row in tx.read(mine.order_by(calendar_feed.c.id.desc()))]


def revoke(tx: Transaction, account_id: int, feed_id: int) -> bool:
    """Take an address of this account out of force, for good; False where it has no such one."""
    mine = (calendar_feed.c.id == feed_id, calendar_feed.c.account_id == account_id, calendar_feed.c.revoked_at.is_(None))
    return bool(tx.work(update(calendar_feed).where(*mine).values(revoked_at=tx.at)).rowcount)


def touch(tx: Transaction, feed_id: int) -> None:
    tx.work(update(calendar_feed).where(calendar_feed.c.id == feed_id).values(read_at=tx.at))
