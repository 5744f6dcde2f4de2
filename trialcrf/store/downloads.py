"""Files that people took of late, a row each: counted per person, and forgotten with the pages that were saved."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import delete, insert, select

from trialcrf.store.models import account, save_token
from trialcrf.store.transaction import Transaction

WHAT = "download"
"""What stands in place of the route and of the digest of a page: no route is called so."""


def taken_since(tx: Transaction, account_id: int, since: datetime) -> tuple[datetime, ...]:
    """When this person took a file after that moment, in order. Of two requests at once, the second waits here for the first one's end."""
    tx.read(select(account.c.id).where(account.c.id == account_id).with_for_update())
    mine = (save_token.c.account_id == account_id, save_token.c.endpoint == WHAT, save_token.c.at > since)
    return tuple(tx.read(select(save_token.c.at).where(*mine).order_by(save_token.c.at)).scalars())


def take(tx: Transaction, account_id: int) -> str:
    """Count one now; returns its key."""
    key = secrets.token_hex(32)
    tx.work(insert(save_token).values(token_hash=key, account_id=account_id, digest=WHAT, endpoint=WHAT, at=tx.at))
    return key


def give_back(tx: Transaction, key: str) -> None:
    """No file was sent after all."""
    tx.work(delete(save_token).where(save_token.c.token_hash == key, save_token.c.endpoint == WHAT))
