"""Sessions as rows: ended by sign-out, by a change of password or roles, by their owner, and dead at once when the account is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, insert, select, update

from trialcrf.core.access import Actor, Grant
from trialcrf.core.definition.session import SessionLimits, strictest
from trialcrf.store import definitions
from trialcrf.store.accounts import grants_of, in_force
from trialcrf.store.models import account, grant, session
from trialcrf.store.transaction import Transaction

TOUCH = timedelta(minutes=1)
"""`seen_at` is written at most this often, so that reading a page costs no write; oftener where a session ends that soon."""

FRESH = timedelta(minutes=10)
"""How long a proof of who is there is good for what asks for a fresh one."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in. `proved_at` is when they last proved who they are here; None: not since this is kept."""

    id: int
    csrf: str
    seen_at: datetime
    actor: Actor
    language: str
    theme: str
    demo: bool
    proved_at: datetime | None = None
    browser: str = ""
    idle_minutes: int = 30
    shortcuts: str = "single"
    density: str = "comfortable"

    def due(self, now: datetime) -> bool:
        """Whether its being used is to be written down again."""
        return self.seen_at < now - min(TOUCH, timedelta(minutes=self.idle_minutes) / 4)

    def fresh(self, now: datetime) -> bool:
        """Whether the last proof is good for what asks for a fresh one."""
        return self.proved_at is not None and self.proved_at > now - FRESH


@dataclass(frozen=True, slots=True)
class Living:
    """A session of somebody as they see it themselves: never its token."""

    id: int
    began_at: datetime
    seen_at: datetime
    address: str
    browser: str


def begin(tx: Transaction, account_id: int, token_hash: str, csrf: str) -> None:
    """A new session under the limits of the studies in which the account has a role; whoever begins it has just proved who they are."""
    limits = limits_of(tx, account_id)
    tx.work(
        insert(session).values(
            token_hash=token_hash,
            account_id=account_id,
            csrf=csrf,
            created_at=tx.at,
            seen_at=tx.at,
            proved_at=tx.at,
            idle_minutes=limits.idle_minutes,
            absolute_hours=limits.absolute_hours,
            address=tx.who.address[:60],
        )
    )


def limits_of(tx: Transaction, account_id: int) -> SessionLimits:
    """The strictest of the studies in which the account has a role; of every study for a role in all of them."""
    held = {one.grant.study for one in grants_of(tx, account_id)}
    every = definitions.all_of(tx) if held else []
    return strictest(one.study.sessions for one in every if "*" in held or one.study.oid in held)


def tighten(tx: Transaction, study: str, limits: SessionLimits) -> None:
    """A version that was published with shorter limits holds for the sessions that are open too; longer ones from the next sign-in on."""
    holders = select(grant.c.account_id).where(grant.c.study.in_((study, "*")), grant.c.active)
    theirs = (session.c.account_id.in_(holders), session.c.ended_at.is_(None))
    for column, most in ((session.c.idle_minutes, limits.idle_minutes), (session.c.absolute_hours, limits.absolute_hours)):
        tx.work(update(session).where(*theirs, column > most).values({column: most}))


# Asked by every request: built once, because building it takes longer than running it.
_LIVING = (
    select(
        session.c.id, session.c.csrf, session.c.seen_at, session.c.created_at, session.c.idle_minutes, session.c.absolute_hours,
        session.c.proved_at, session.c.browser, account.c.shortcuts, account.c.density, account.c.id.label("account_id"),
        account.c.username, account.c.name, account.c.organisation, account.c.language, account.c.theme, account.c.demo,
        grant.c.role, grant.c.study, grant.c.site, grant.c.trained_on,
    )
    .select_from(
        session.join(account, account.c.id == session.c.account_id).outerjoin(grant, (grant.c.account_id == account.c.id) & grant.c.active)
    )
    .where(
        session.c.token_hash == bindparam("token_hash"),
        session.c.ended_at.is_(None),
        account.c.active,
    )
    .order_by(grant.c.id)
)  # fmt: skip


def find(tx: Transaction, token_hash: str, now: datetime) -> Session | None:
    """The living session of this token with its actor: not ended, not idle too long, not too old, of an active account.

    Of the roles of the actor those count that the training which their study asks for has opened.
    """
    rows = tx.read(_LIVING, {"token_hash": token_hash}).all()
    if not rows or not _lasts(rows[0].seen_at, rows[0].created_at, rows[0].idle_minutes, rows[0].absolute_hours, now):
        return None
    one = rows[0]
    held = [(Grant(row.role, row.study, row.site), row.trained_on) for row in rows if row.role is not None]
    grants = tuple(given for given, trained_on in held if in_force(tx, given, trained_on, now))
    who = Actor(one.account_id, one.username, one.name, one.organisation, grants)
    return Session(
        one.id, one.csrf, one.seen_at, who, one.language, one.theme, one.demo, one.proved_at, one.browser, one.idle_minutes, one.shortcuts,
        one.density,
    )  # fmt: skip


def _lasts(seen_at: datetime, created_at: datetime, idle_minutes: int, absolute_hours: int, now: datetime) -> bool:
    return now < min(seen_at + timedelta(minutes=idle_minutes), created_at + timedelta(hours=absolute_hours))


def of_account(tx: Transaction, account_id: int, now: datetime) -> list[Living]:
    """The living sessions of an account, the one that was used last first."""
    rows = tx.read(
        select(session)
        .where(session.c.account_id == account_id, session.c.ended_at.is_(None))
        .order_by(session.c.seen_at.desc(), session.c.id.desc())
    )
    return [
        Living(row.id, row.created_at, row.seen_at, row.address, row.browser)
        for row in rows
        if _lasts(row.seen_at, row.created_at, row.idle_minutes, row.absolute_hours, now)
    ]


def touch(tx: Transaction, session_id: int, address: str = "", browser: str = "") -> None:
    """It was used just now, from there."""
    said = {"address": address[:60], "browser": browser[:40]} if address or browser else {}
    tx.work(update(session).where(session.c.id == session_id).values(seen_at=tx.at, **said))


def renew(tx: Transaction, session_id: int, token_hash: str) -> bool:
    """Whoever is there proved it anew: the session goes on under another token, and the one before opens nothing any more (ASVS 7.2.4).

    False where it ended meanwhile. Its pages that are open elsewhere stay good: what they carry is not the token.
    """
    alive = (session.c.id == session_id, session.c.ended_at.is_(None))
    return tx.work(update(session).where(*alive).values(token_hash=token_hash, proved_at=tx.at, seen_at=tx.at)).rowcount == 1


def unprove(tx: Transaction, token_hash: str) -> None:
    """It began without a proof that this house has seen: what needs a fresh one asks for it."""
    tx.work(update(session).where(session.c.token_hash == token_hash).values(proved_at=None))


def end(tx: Transaction, session_id: int, account_id: int | None = None) -> bool:
    """End a session; with `account_id` only one of this account's. False where there is none that lives."""
    where = [session.c.id == session_id, session.c.ended_at.is_(None)]
    if account_id is not None:
        where.append(session.c.account_id == account_id)
    return tx.work(update(session).where(*where).values(ended_at=tx.at)).rowcount == 1


def end_all(tx: Transaction, account_id: int, but: int | None = None) -> int:
    """End every session of the account, save perhaps one; how many that were. After a change of password or roles, or of the account."""
    where = [session.c.account_id == account_id, session.c.ended_at.is_(None)]
    if but is not None:
        where.append(session.c.id != but)
    return tx.work(update(session).where(*where).values(ended_at=tx.at)).rowcount
