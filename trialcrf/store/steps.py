"""The steps of a sign-in, and of making a passkey: what was asked of a browser, good once and for five minutes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from trialcrf.store.models import sign_in_step
from trialcrf.store.transaction import Transaction

LASTS = timedelta(minutes=5)
MOST_WRONG = 5

SECOND, AFTER_HOSPITAL, ALONE, MAKE = "second", "hospital", "alone", "make"
"""After a right password, or the hospital's word; a passkey in place of one; a new passkey."""


@dataclass(frozen=True, slots=True)
class Step:
    """`account_id` is None where the passkey itself will say whose it is. `challenge` is what a passkey signs, in base64url."""

    id: int
    account_id: int | None
    challenge: str
    purpose: str = SECOND


def begin(tx: Transaction, purpose: str, token_hash: str, challenge: str, account_id: int | None) -> None:
    """A new step; those long past are swept away."""
    tx.work(delete(sign_in_step).where(sign_in_step.c.created_at < tx.at - 12 * LASTS))
    values = {"purpose": purpose, "token_hash": token_hash, "challenge": challenge, "account_id": account_id, "created_at": tx.at}
    tx.work(insert(sign_in_step).values(**values))


def find(tx: Transaction, purposes: Collection[str], token_hash: str, now: datetime) -> Step | None:
    """The step of this token while it is good: not ended, not too old."""
    where = (
        sign_in_step.c.token_hash == token_hash,
        sign_in_step.c.purpose.in_(purposes),
        sign_in_step.c.ended_at.is_(None),
        sign_in_step.c.created_at > now - LASTS,
    )
    asked = select(sign_in_step.c.id, sign_in_step.c.account_id, sign_in_step.c.challenge, sign_in_step.c.purpose).where(*where)
    row = tx.read(asked).first()
    return Step(*row) if row else None


def end(tx: Transaction, step: Step) -> bool:
    """Use a step up; False where another request did so first."""
    where = (sign_in_step.c.id == step.id, sign_in_step.c.ended_at.is_(None))
    return tx.work(update(sign_in_step).where(*where).values(ended_at=tx.at)).rowcount == 1


def count_wrong(tx: Transaction, step: Step) -> None:
    """A wrong answer; the last one that is allowed ends the step."""
    tx.work(update(sign_in_step).where(sign_in_step.c.id == step.id).values(wrong=sign_in_step.c.wrong + 1))
    full = (sign_in_step.c.id == step.id, sign_in_step.c.wrong >= MOST_WRONG, sign_in_step.c.ended_at.is_(None))
    tx.work(update(sign_in_step).where(*full).values(ended_at=tx.at))


def end_all(tx: Transaction, account_id: int) -> None:
    """No step of the account goes on: its password or its factors changed."""
    where = (sign_in_step.c.account_id == account_id, sign_in_step.c.ended_at.is_(None))
    tx.work(update(sign_in_step).where(*where).values(ended_at=tx.at))
