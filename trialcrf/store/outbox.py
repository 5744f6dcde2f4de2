"""Mails to deliver: one row a mail, with a key that makes it once only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from trialcrf.store.models import outbox
from trialcrf.store.transaction import Transaction

WAITING, CLAIMED, SENT, DROPPED, FAILED, UNCERTAIN = "waiting", "claimed", "sent", "dropped", "failed", "uncertain"
"""`dropped`: no longer due when its turn came. `uncertain`: the sender died between handing it over and saying so; a person looks."""

LEASE = timedelta(minutes=5)
MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Mail:
    id: int
    key: str
    kind: str
    account_id: int
    params: Mapping[str, Any]
    attempts: int


def add(tx: Transaction, key: str, kind: str, account_id: int, params: Mapping[str, Any]) -> bool:
    """Queue a mail; False where this key was queued before, whatever became of it."""
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    statement = (
        dialect.insert(outbox)
        .values(key=key, kind=kind, account_id=account_id, params=json.dumps(params, sort_keys=True), state=WAITING, created_at=tx.at)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(outbox.c.id)
    )
    # Not the row count: a driver need not tell it for an INSERT that returns something.
    return tx.work(statement).first() is not None


def claim(tx: Transaction) -> Mail | None:
    """Take the oldest waiting mail for LEASE. A mail whose claim ran out may have gone: it becomes uncertain, never resent."""
    stale = (outbox.c.state == CLAIMED, outbox.c.claimed_until < tx.at)
    said = "The sender stopped while this mail was being handed over: it may or may not have gone."
    tx.work(update(outbox).where(*stale).values(state=UNCERTAIN, settled_at=tx.at, said=said))
    row = tx.read(
        select(outbox.c.id, outbox.c.key, outbox.c.kind, outbox.c.account_id, outbox.c.params, outbox.c.attempts)
        .where(outbox.c.state == WAITING, or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until <= tx.at))
        .order_by(outbox.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    tx.work(update(outbox).where(outbox.c.id == row.id).values(state=CLAIMED, claimed_until=tx.at + LEASE, attempts=row.attempts + 1))
    return Mail(row.id, row.key, row.kind, row.account_id, json.loads(row.params), row.attempts + 1)


def settle(tx: Transaction, mail: Mail, state: str, said: str = "") -> bool:
    """Say what became of a claimed mail; False where its claim was lost meanwhile."""
    where = (outbox.c.id == mail.id, outbox.c.state == CLAIMED, outbox.c.attempts == mail.attempts)
    return tx.work(update(outbox).where(*where).values(state=state, settled_at=tx.at, said=said)).rowcount == 1


def retry(tx: Transaction, mail: Mail, said: str) -> None:
    """The server refused or was not reached before the text was handed over: again later, a few times, then failed."""
    if mail.attempts >= MAX_ATTEMPTS:
        settle(tx, mail, FAILED, said)
        return
    pause = timedelta(minutes=2**mail.attempts)
    where = (outbox.c.id == mail.id, outbox.c.state == CLAIMED, outbox.c.attempts == mail.attempts)
    tx.work(update(outbox).where(*where).values(state=WAITING, claimed_until=tx.at + pause, said=said))


def counts(tx: Transaction) -> dict[str, int]:
    """How many mails there are in each state."""
    return {row[0]: row[1] for row in tx.read(select(outbox.c.state, func.count()).group_by(outbox.c.state))}


def find(tx: Transaction, key: str) -> tuple[str, datetime | None] | None:
    row = tx.read(select(outbox.c.state, outbox.c.settled_at).where(outbox.c.key == key)).first()
    return (row[0], row[1]) if row else None
