"""Sessions as rows: ended by sign-out, and dead at once when the account is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, insert, select, update

from trialcrf.core.access import Actor, Grant
from trialcrf.store.accounts import in_force
from trialcrf.store.models import account, grant, session
from trialcrf.store.transaction import Transaction

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
TOUCH = timedelta(minutes=1)
"""`seen_at` is written at most this often, so that reading a page costs no write."""


@dataclass(frozen=True, slots=True)
class Session:
    id: int
    csrf: str
    seen_at: datetime
    actor: Actor
    language: str
    theme: str
    demo: bool


def begin(tx: Transaction, account_id: int, token_hash: str, csrf: str) -> None:
    tx.work(insert(session).values(token_hash=token_hash, account_id=account_id, csrf=csrf, created_at=tx.at, seen_at=tx.at))


# Asked by every request: built once, because building it takes longer than running it.
_LIVING = (
    select(
        session.c.id, session.c.csrf, session.c.seen_at, account.c.id.label("account_id"), account.c.username, account.c.name,
        account.c.organisation, account.c.language, account.c.theme, account.c.demo, grant.c.role, grant.c.study, grant.c.site,
        grant.c.trained_on,
    )
    .select_from(
        session.join(account, account.c.id == session.c.account_id).outerjoin(grant, (grant.c.account_id == account.c.id) & grant.c.active)
    )
    .where(
        session.c.token_hash == bindparam("token_hash"),
        session.c.ended_at.is_(None),
        session.c.seen_at > bindparam("seen_after"),
        session.c.created_at > bindparam("created_after"),
        account.c.active,
    )
    .order_by(grant.c.id)
)  # fmt: skip


def find(tx: Transaction, token_hash: str, now: datetime) -> Session | None:
    """The living session of this token with its actor: not ended, not idle too long, not too old, of an active account.

    Of the roles of the actor those count that the training which their study asks for has opened.
    """
    rows = tx.read(_LIVING, {"token_hash": token_hash, "seen_after": now - IDLE, "created_after": now - ABSOLUTE}).all()
    if not rows:
        return None
    one = rows[0]
    held = [(Grant(row.role, row.study, row.site), row.trained_on) for row in rows if row.role is not None]
    grants = tuple(given for given, trained_on in held if in_force(tx, given, trained_on, now))
    who = Actor(one.account_id, one.username, one.name, one.organisation, grants)
    return Session(one.id, one.csrf, one.seen_at, who, one.language, one.theme, one.demo)


def touch(tx: Transaction, session_id: int) -> None:
    tx.work(update(session).where(session.c.id == session_id).values(seen_at=tx.at))


def end(tx: Transaction, session_id: int) -> None:
    tx.work(update(session).where(session.c.id == session_id).values(ended_at=tx.at))


def end_all(tx: Transaction, account_id: int, but: int | None = None) -> None:
    """End every session of the account, save perhaps one: after a password change, or when it is deactivated."""
    where = [session.c.account_id == account_id, session.c.ended_at.is_(None)]
    if but is not None:
        where.append(session.c.id != but)
    tx.work(update(session).where(*where).values(ended_at=tx.at))
