"""People's accounts, the grants they hold, and their failed sign-ins."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, exists, insert, or_, select, update

from trialcrf.core.access import Actor, Grant
from trialcrf.store import definitions
from trialcrf.store.audit import SYSTEM_CHAIN, Entry, Past, Who, history
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
    password_set_at: datetime | None
    created_at: datetime
    shortcuts: str
    density: str


@dataclass(frozen=True, slots=True)
class HeldGrant:
    """A role that is held; `trained_on` is the day on which the person was trained for it, as far as it is recorded."""

    id: int
    grant: Grant
    granted_at: datetime
    trained_on: date | None = None


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
    account.c.password_set_at,
    account.c.created_at,
    account.c.shortcuts,
    account.c.density,
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


def by_reset(tx: Transaction, reset_hash: str, now: datetime) -> Account | None:
    """The account whose password this link sets anew, while it is good."""
    where = (account.c.reset_hash == reset_hash, account.c.reset_ends_at > now, account.c.active)
    row = tx.read(select(*_COLUMNS).where(*where)).first()
    return _made(row) if row else None


def all_of(tx: Transaction) -> list[Account]:
    return [_made(row) for row in tx.read(select(*_COLUMNS).order_by(account.c.username))]


def grants_of(tx: Transaction, account_id: int) -> list[HeldGrant]:
    """The roles that are held, those that open nothing yet for want of training among them."""
    rows = tx.read(
        select(grant.c.id, grant.c.role, grant.c.study, grant.c.site, grant.c.granted_at, grant.c.trained_on)
        .where(grant.c.account_id == account_id, grant.c.active)
        .order_by(grant.c.id)
    )
    return [HeldGrant(row.id, Grant(row.role, row.study, row.site), row.granted_at, row.trained_on) for row in rows]


def hold_grants(tx: Transaction, account_id: int, changing: int | None = None) -> frozenset[Grant]:
    """The roles that an active account holds now; none of them is taken away before this transaction has ended.

    PostgreSQL holds the rows for it; SQLite lets one transaction write at a time. `changing` is another account whose roles this
    transaction may take: the rows of both are held in the order of the accounts, so that of two people who change each other one waits.
    """
    if changing is not None and changing < account_id:
        _hold_for_change(tx, changing)
    found = _held(tx, account_id)
    if changing is not None and changing > account_id:
        _hold_for_change(tx, changing)
    return found


def _hold_for_change(tx: Transaction, account_id: int) -> None:
    tx.read(select(grant.c.id).where(grant.c.account_id == account_id, grant.c.active).order_by(grant.c.id).with_for_update())


def _held(tx: Transaction, account_id: int) -> frozenset[Grant]:
    living = exists().where(account.c.id == grant.c.account_id, account.c.active)
    asked = select(grant.c.role, grant.c.study, grant.c.site).where(grant.c.account_id == account_id, grant.c.active, living)
    return frozenset(Grant(*row) for row in tx.read(asked.order_by(grant.c.id).with_for_update(read=True)))


def held_by_each(tx: Transaction) -> dict[int, list[HeldGrant]]:
    """The same of everyone, by account id."""
    columns = (grant.c.account_id, grant.c.id, grant.c.role, grant.c.study, grant.c.site, grant.c.granted_at, grant.c.trained_on)
    found: dict[int, list[HeldGrant]] = {}
    for row in tx.read(select(*columns).where(grant.c.active).order_by(grant.c.id)):
        held = HeldGrant(row.id, Grant(row.role, row.study, row.site), row.granted_at, row.trained_on)
        found.setdefault(row.account_id, []).append(held)
    return found


UNTRAINED = frozenset({"administrator"})
"""Roles that open the door without training: somebody must be able to record it, and they see no clinical data."""


def asks_training(tx: Transaction, role: str, study: str) -> bool:
    """Whether a role opens nothing in a study before the person was trained (assumption of the study, ICH E6(R3) section 2.3)."""
    if role in UNTRAINED or study == "*":
        return False
    published = definitions.current(tx, study)
    return published is not None and published.study.oversight.training


def in_force(tx: Transaction, of: Grant, trained_on: date | None, now: datetime | None = None) -> bool:
    """Whether a grant opens anything: the training that the study asks for took place. No day of training is recorded ahead, so without
    `now` any recorded one counts."""
    trained = trained_on is not None and (now is None or trained_on <= now.date())
    # A trained person costs no look at the study: this is asked with every request.
    return trained or not asks_training(tx, of.role, of.study)


def trail(tx: Transaction, account_id: int) -> list[Past]:
    """What happened to an account and to the roles that it holds or held, in the order of the trail."""
    records = history(tx.connection, "account", str(account_id))
    for grant_id in tx.read(select(grant.c.id).where(grant.c.account_id == account_id)).scalars().all():
        records += history(tx.connection, "role_grant", str(grant_id))
    return sorted(records, key=lambda past: past.seq)


def actor(tx: Transaction, one: Account, now: datetime | None = None) -> Actor:
    """The account as an actor, with the grants in force: given, and opened by the training that their study asks for."""
    held = grants_of(tx, one.id)
    return Actor(
        one.id, one.username, one.name, one.organisation, tuple(of.grant for of in held if in_force(tx, of.grant, of.trained_on, now))
    )


def holders(tx: Transaction, roles: Iterable[str], study: str, *sites: str) -> list[Account]:
    """The active accounts that hold one of these roles in the study, at one of these sites or at all of them, by username; whoever is not
    trained as the study asks is not among them."""
    wanted = sorted(roles)
    gated = [role for role in wanted if asks_training(tx, role, study)]
    where = (
        grant.c.role.in_(wanted),
        grant.c.study == study,
        grant.c.site.in_(("", *sites)),
        or_(grant.c.trained_on.is_not(None), grant.c.role.not_in(gated)),
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


def note(tx: Transaction, account_id: int, op: str, place: str = "", reason: str = "") -> None:
    """Record something that an account did (or was done to it) and that no column holds: a sign-in, an export."""
    tx.entries.append(Entry(SYSTEM_CHAIN, op, "account", str(account_id), place or op, reason=reason, first=True))


def give(tx: Transaction, account_id: int, new: Grant, trained_on: date | None = None) -> int:
    said = json.dumps({"account": account_id, "role": new.role, "study": new.study, "site": new.site}, sort_keys=True)
    values = {"account_id": account_id, "role": new.role, "study": new.study, "site": new.site, "active": True, "granted_at": tx.at}
    return tx.create(
        grant,
        {**values, "trained_on": trained_on},
        lambda key: [
            Entry(SYSTEM_CHAIN, "create", "role_grant", str(key), "", said, first=True),
            Entry(SYSTEM_CHAIN, "create", "role_grant", str(key), "active", "true", first=True),
            *(
                [Entry(SYSTEM_CHAIN, "train", "role_grant", str(key), "trained_on", trained_on.isoformat(), first=True)]
                if trained_on
                else []
            ),
        ],
    )


def train(tx: Transaction, held: HeldGrant, day: date, reason: str = "") -> None:
    """Record on which day the person was trained for a role that is held, or correct it."""
    said = Entry(
        SYSTEM_CHAIN, "train", "role_grant", str(held.id), "trained_on", day.isoformat(), reason=reason, first=held.trained_on is None
    )
    tx.change(grant, update(grant).where(grant.c.id == held.id, grant.c.active).values(trained_on=day), [said])


def take(tx: Transaction, grant_id: int, reason: str) -> None:
    """Take a grant away: in force no more from this transaction's end."""
    entry = Entry(SYSTEM_CHAIN, "revoke", "role_grant", str(grant_id), "active", "false", reason=reason)
    tx.change(grant, update(grant).where(grant.c.id == grant_id, grant.c.active).values(active=False), [entry])


def _text(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def note_failure(tx: Transaction, username: str, address: str) -> None:
    tx.work(insert(sign_in_attempt).values(username=username, address=address, at=tx.at))


def note_misuse(tx: Transaction, username: str, address: str) -> None:
    """Put into the trail that the throttle was shut. What was typed as a user name is told only where it is one."""
    known = username if find(tx, username) else ""
    said = json.dumps({"address": address, "username": known}, sort_keys=True)
    tx.entries.append(Entry(SYSTEM_CHAIN, "refused", "misuse", address[:40] or "-", "sign_in", said, first=True, who=Who.system(address)))


def forget_failures(tx: Transaction, username: str, address: str) -> None:
    """A right password ends the counting, for this account from this address only."""
    tx.work(delete(sign_in_attempt).where(sign_in_attempt.c.username == username, sign_in_attempt.c.address == address))
