"""What people sign in with beside their password: one-time codes, passkeys, recovery codes. Their secrets stand encrypted or hashed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, insert, select, update

from trialcrf.store.models import factor, recovery_code
from trialcrf.store.transaction import Transaction

TOTP, PASSKEY = "totp", "passkey"

SET_UP_WITHIN = timedelta(minutes=15)
"""How long a key of one-time codes waits for its first code."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A factor. `secret` is the encrypted key of one-time codes, or the public key of a passkey.

    `counter` is the last step whose code was used, or how often a passkey said that it was.
    """

    id: int
    account_id: int
    kind: str
    name: str
    credential: str | None
    secret: str
    counter: int
    created_at: datetime
    used_at: datetime | None


_COLUMNS = (
    factor.c.id,
    factor.c.account_id,
    factor.c.kind,
    factor.c.name,
    factor.c.credential,
    factor.c.secret,
    factor.c.counter,
    factor.c.created_at,
    factor.c.used_at,
)
_GOOD = (factor.c.confirmed_at.is_not(None), factor.c.revoked_at.is_(None))


def add(
    tx: Transaction, account_id: int, kind: str, name: str, secret: str, credential: str | None = None, counter: int = 0, good: bool = True
) -> int:
    """A new factor; not `good` before its owner showed that it works. Raises IntegrityError for a passkey that is known already."""
    values = {"account_id": account_id, "kind": kind, "name": name, "secret": secret, "credential": credential, "counter": counter}
    made = tx.work(insert(factor).values(**values, created_at=tx.at, confirmed_at=tx.at if good else None)).inserted_primary_key
    assert made is not None
    return int(made[0])


def all_of(tx: Transaction, account_id: int) -> list[Factor]:
    """The factors in force, in the order in which they were made."""
    return [Factor(*row) for row in tx.read(select(*_COLUMNS).where(factor.c.account_id == account_id, *_GOOD).order_by(factor.c.id))]


def any_of(tx: Transaction, account_id: int) -> bool:
    """Whether there is a factor in force: asked with every request."""
    return bool(tx.read(select(exists().where(factor.c.account_id == account_id, *_GOOD))).scalar())


def by_credential(tx: Transaction, credential: str) -> Factor | None:
    """The passkey with this id, in force."""
    return _one(tx, factor.c.credential == credential, *_GOOD)


def waiting(tx: Transaction, account_id: int, now: datetime) -> Factor | None:
    """The key of one-time codes that waits for its first code."""
    fresh = factor.c.created_at > now - SET_UP_WITHIN
    return _one(tx, factor.c.account_id == account_id, factor.c.confirmed_at.is_(None), factor.c.revoked_at.is_(None), fresh)


def _one(tx: Transaction, *where: Any) -> Factor | None:
    row = tx.read(select(*_COLUMNS).where(*where).order_by(factor.c.id.desc()).limit(1)).first()
    return Factor(*row) if row else None


def confirm(tx: Transaction, one: Factor, counter: int) -> bool:
    """The first code of a key was right: it is in force. False where it is so already."""
    where = (factor.c.id == one.id, factor.c.confirmed_at.is_(None), factor.c.revoked_at.is_(None))
    return tx.work(update(factor).where(*where).values(confirmed_at=tx.at, counter=counter)).rowcount == 1


def use(tx: Transaction, one: Factor, counter: int) -> bool:
    """Count a use. False where somebody used the factor since it was read, or it was revoked: the same code opens one door once."""
    where = (factor.c.id == one.id, factor.c.counter == one.counter, *_GOOD)
    return tx.work(update(factor).where(*where).values(counter=counter, used_at=tx.at)).rowcount == 1


def rename(tx: Transaction, factor_id: int, name: str) -> None:
    tx.work(update(factor).where(factor.c.id == factor_id).values(name=name))


def revoke(tx: Transaction, factor_id: int) -> bool:
    """A revoked factor opens nothing any more, and its secret is gone. False where it was revoked before."""
    where = (factor.c.id == factor_id, factor.c.revoked_at.is_(None))
    return tx.work(update(factor).where(*where).values(revoked_at=tx.at, secret="")).rowcount == 1


def revoke_all(tx: Transaction, account_id: int, kind: str | None = None, waiting: bool = False) -> int:
    """Revoke the factors of an account, or those `waiting` for their first code; how many they were."""
    where = [factor.c.account_id == account_id, factor.c.revoked_at.is_(None)]
    if kind is not None:
        where.append(factor.c.kind == kind)
    if waiting:
        where.append(factor.c.confirmed_at.is_(None))
    return tx.work(update(factor).where(*where).values(revoked_at=tx.at, secret="")).rowcount


def replace_codes(tx: Transaction, account_id: int, hashes: Sequence[str]) -> None:
    """Recovery codes in place of those that were there, which open nothing any more."""
    tx.work(update(recovery_code).where(recovery_code.c.account_id == account_id, recovery_code.c.used_at.is_(None)).values(used_at=tx.at))
    if hashes:
        tx.work(insert(recovery_code), [{"account_id": account_id, "code_hash": one, "created_at": tx.at} for one in hashes])


def codes_left(tx: Transaction, account_id: int) -> int:
    """How many recovery codes were not used yet."""
    unused = (recovery_code.c.account_id == account_id, recovery_code.c.used_at.is_(None))
    return int(tx.read(select(func.count()).select_from(recovery_code).where(*unused)).scalar_one())


def use_code(tx: Transaction, account_id: int, code_hash: str) -> bool:
    """Use up a recovery code; False where there is none such, or it was used before."""
    where = (recovery_code.c.account_id == account_id, recovery_code.c.code_hash == code_hash, recovery_code.c.used_at.is_(None))
    return tx.work(update(recovery_code).where(*where).values(used_at=tx.at)).rowcount == 1
