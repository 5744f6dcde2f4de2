"""People's accounts, the grants they hold, and the throttle of sign-ins."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update

from trialcrf.core.access import Actor, Grant
from trialcrf.store.audit import SYSTEM_CHAIN, Entry, Past, history
from trialcrf.store.models import account, grant, sign_in_attempt
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    username: str
    name: str
    email: str
    organisation: str
    language: str
    theme: str
    active: bool
    demo: bool
    password_hash: str | None
    invitation_ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class HeldGrant:
    id: int
    grant: Grant
    granted_at: datetime


_COLUMNS = (
    account.c.id,
    account.c.username,
    account.c.name,
    account.c.email,
    account.c.organisation,
    account.c.language,
    account.c.theme,
    account.c.active,
    account.c.demo,
    account.c.password_hash,
    account.c.invitation_ends_at,
)


def _made(row: Any) -> Account:
    return Account(*row)


def find(tx: Transaction, username: str) -> Account | None:
    row = tx.read(select(*_COLUMNS).where(account.c.username == username.strip().lower())).first()
    return _made(row) if row else None


def by_id(tx: Transaction, account_id: int) -> Account | None:
    row = tx.read(select(*_COLUMNS).where(account.c.id == account_id)).first()
    return _made(row) if row else None


def by_invitation(tx: Transaction, invitation_hash: str, now: datetime) -> Account | None:
    """The account that this invitation is for, while it is good."""
    where = (account.c.invitation_hash == invitation_hash, account.c.invitation_ends_at > now, account.c.active)
    row = tx.read(select(*_COLUMNS).where(*where)).first()
    return _made(row) if row else None


def all_of(tx: Transaction) -> list[Account]:
    return [_made(row) for row in tx.read(select(*_COLUMNS).order_by(account.c.username))]


def grants_of(tx: Transaction, account_id: int) -> list[HeldGrant]:
    rows = tx.read(
        select(grant.c.id, grant.c.role, grant.c.study, grant.c.site, grant.c.granted_at)
        .where(grant.c.account_id == account_id, grant.c.active)
        .order_by(grant.c.id)
    )
    return [HeldGrant(row.id, Grant(row.role, row.study, row.site), row.granted_at) for row in rows]


def held_by_each(tx: Transaction) -> dict[int, list[Grant]]:
    """The grants in force of everyone, by account id."""
    found: dict[int, list[Grant]] = {}
    for row in tx.read(select(grant.c.account_id, grant.c.role, grant.c.study, grant.c.site).where(grant.c.active).order_by(grant.c.id)):
        found.setdefault(row.account_id, []).append(Grant(row.role, row.study, row.site))
    return found


def trail(tx: Transaction, account_id: int) -> list[Past]:
    """What happened to an account and to the roles that it holds or held, in the order of the trail."""
    records = history(tx.connection, "account", str(account_id))
    for grant_id in tx.read(select(grant.c.id).where(grant.c.account_id == account_id)).scalars().all():
        records += history(tx.connection, "role_grant", str(grant_id))
    return sorted(records, key=lambda past: past.seq)


def actor(tx: Transaction, one: Account) -> Actor:
    """The account as an actor, with the grants in force now."""
    return Actor(one.id, one.username, one.name, one.organisation, tuple(held.grant for held in grants_of(tx, one.id)))


def holders(tx: Transaction, roles: Iterable[str], study: str, site: str) -> list[Account]:
    """The active accounts that hold one of these roles in the study, at this site or at all of them, by username."""
    where = (
        grant.c.role.in_(sorted(roles)),
        grant.c.study == study,
        or_(grant.c.site == "", grant.c.site == site),
        grant.c.active,
        account.c.active,
    )
    ids = select(grant.c.account_id).join(account, account.c.id == grant.c.account_id).where(*where)
    return [_made(row) for row in tx.read(select(*_COLUMNS).where(account.c.id.in_(ids)).order_by(account.c.username))]


def create(tx: Transaction, username: str, name: str, email: str, organisation: str, language: str, **more: Any) -> int:
    """A new account. Raises IntegrityError for a username that was ever used: names are never used again."""
    said = {"username": username, "name": name, "email": email, "organisation": organisation, "language": language}
    return tx.create(
        account,
        {"created_at": tx.at, "active": True, **said, **more},
        lambda key: [
            *(Entry(SYSTEM_CHAIN, "create", "account", str(key), place, value, first=True) for place, value in said.items()),
            Entry(SYSTEM_CHAIN, "create", "account", str(key), "active", "true", first=True),
        ],
    )


def set_values(tx: Transaction, account_id: int, op: str, reason: str = "", silent: Iterable[str] = (), **values: Any) -> None:
    """Change columns of an account. Those named in `silent` hold secrets: the trail says that they changed, not to what."""
    hidden = set(silent)
    entries = [
        Entry(SYSTEM_CHAIN, op, "account", str(account_id), place, None if place in hidden else _text(value), reason=reason)
        for place, value in values.items()
    ]
    tx.change(account, update(account).where(account.c.id == account_id).values(**values), entries)


def note(tx: Transaction, account_id: int, op: str, place: str = "") -> None:
    """Record something that an account did and that no column holds: a sign-in, an export."""
    tx.entries.append(Entry(SYSTEM_CHAIN, op, "account", str(account_id), place or op, first=True))


def give(tx: Transaction, account_id: int, new: Grant) -> int:
    said = json.dumps({"account": account_id, "role": new.role, "study": new.study, "site": new.site}, sort_keys=True)
    return tx.create(
        grant,
        {"account_id": account_id, "role": new.role, "study": new.study, "site": new.site, "active": True, "granted_at": tx.at},
        lambda key: [
            Entry(SYSTEM_CHAIN, "create", "role_grant", str(key), "", said, first=True),
            Entry(SYSTEM_CHAIN, "create", "role_grant", str(key), "active", "true", first=True),
        ],
    )


def take(tx: Transaction, grant_id: int, reason: str) -> None:
    """Take a grant away: in force no more from this transaction's end."""
    entry = Entry(SYSTEM_CHAIN, "revoke", "role_grant", str(grant_id), "active", "false", reason=reason)
    tx.change(grant, update(grant).where(grant.c.id == grant_id, grant.c.active).values(active=False), [entry])


def _text(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def note_failure(tx: Transaction, username: str, address: str) -> None:
    tx.work(insert(sign_in_attempt).values(username=username, address=address, at=tx.at))


def forget_failures(tx: Transaction, username: str, address: str) -> None:
    """A right password ends the counting, for this account from this address only."""
    tx.work(delete(sign_in_attempt).where(sign_in_attempt.c.username == username, sign_in_attempt.c.address == address))


def failures(tx: Transaction, now: datetime, within: timedelta, username: str, address: str) -> tuple[int, int]:
    """Failed sign-ins of late: (of this account from this address, from this address for any account)."""
    since = sign_in_attempt.c.at > now - within
    at_address = select(func.count()).select_from(sign_in_attempt).where(since, sign_in_attempt.c.address == address)
    both = at_address.where(sign_in_attempt.c.username == username)
    return int(tx.read(both).scalar_one()), int(tx.read(at_address).scalar_one())
