"""Pages that were saved, by the token that was drawn into each: the same page sent again is answered and not saved again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from trialcrf.store.models import save_token
from trialcrf.store.transaction import Transaction

KEPT = timedelta(days=7)
"""How long a page is known: whoever wakes a computer up after a weekend finds its pages as they were."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One page as it was sent: the hash of its token, by whom, and the digest of its address and of everything in it."""

    token_hash: str
    account_id: int
    digest: str

    @property
    def key(self) -> dict[str, Any]:
        return {"token_hash": self.token_hash, "account_id": self.account_id, "digest": self.digest}


_SAVED = select(save_token.c.location).where(*(save_token.c[name] == bindparam(name) for name in ("token_hash", "account_id", "digest")))


def saved(tx: Transaction, sent: Sent) -> str | None:
    """Where the page was sent on to when it was saved (empty: nobody said); None where it never was."""
    found = tx.read(_SAVED, sent.key).first()
    return None if found is None else str(found.location)


def led_on(tx: Transaction, token: str, account_id: int) -> bool:
    """Whether a page with this token was saved by this person and sent on, whatever stood on it."""
    hashed = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
    whose = (save_token.c.token_hash == hashed, save_token.c.account_id == account_id)
    return tx.read(select(save_token.c.at).where(*whose, save_token.c.location != "")).first() is not None


def saved_by(tx: Transaction, token: str, account_id: int, routes: Sequence[str]) -> bool:
    """Whether a page with this token was saved by this person through one of these routes: one page may have boxes of several."""
    hashed = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
    through = or_(*(or_(save_token.c.endpoint == one, save_token.c.endpoint.startswith(f"{one} ", autoescape=True)) for one in routes))
    whose = (save_token.c.token_hash == hashed, save_token.c.account_id == account_id, through)
    return tx.read(select(save_token.c.at).where(*whose)).first() is not None


def take(tx: Transaction, sent: Sent, endpoint: str) -> bool:
    """Note in this transaction that the page is saved by it; False where it was already.

    Of two that come at once, the second waits here for the first one's end.
    """
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    new = dialect.insert(save_token).values(**sent.key, endpoint=endpoint[:80], at=tx.at).on_conflict_do_nothing()
    return tx.work(new.returning(save_token.c.at)).first() is not None


def lead(tx: Transaction, sent: Sent, location: str) -> None:
    """Say where the page is sent on to."""
    tx.work(update(save_token).where(*_same(sent)).values(location=location))


def forget(tx: Transaction, sent: Sent) -> None:
    """The page was answered without being saved: sent again, it is judged again."""
    tx.work(delete(save_token).where(*_same(sent)))


def clear(tx: Transaction, before: datetime) -> int:
    """Forget pages that were saved before this moment; returns how many."""
    return tx.work(delete(save_token).where(save_token.c.at < before)).rowcount


def _same(sent: Sent) -> list[Any]:
    return [save_token.c[name] == value for name, value in sent.key.items()]
