"""What the throttle counts of failed sign-ins, and the addresses from which people signed in before."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects import postgresql, sqlite

from trialcrf.core.throttle import ADDRESS, ELSEWHERE, HERE, Failures, Limit
from trialcrf.store.models import account, sign_in_address, sign_in_attempt
from trialcrf.store.transaction import Transaction

NOBODY = ""
"""The name under which is counted what is tried of no account: none has it."""


def failures(tx: Transaction, now: datetime, username: str, address: str) -> dict[Limit, Failures]:
    """Failures of late, by the limit that counts them. Asked in the same way whether or not there is such an account."""
    of_name, from_here = sign_in_attempt.c.username == username, sign_in_attempt.c.address == address
    strange = sign_in_attempt.c.address.not_in(_familiar(username))
    return {
        HERE: _count(tx, now, HERE, of_name, from_here),
        ADDRESS: _count(tx, now, ADDRESS, from_here),
        ELSEWHERE: _count(tx, now, ELSEWHERE, of_name, strange),
    }


def _count(tx: Transaction, now: datetime, limit: Limit, *where: ColumnElement[bool]) -> Failures:
    asked = select(func.count(), func.max(sign_in_attempt.c.at, type_=sign_in_attempt.c.at.type))
    row = tx.read(asked.where(sign_in_attempt.c.at > now - limit.within, *where)).one()
    return Failures(int(row[0]), row[1])


def is_familiar(tx: Transaction, username: str, address: str) -> bool:
    """Whether somebody signed in to the account from this address before."""
    return tx.read(_familiar(username).where(sign_in_address.c.address == address)).first() is not None


def remember(tx: Transaction, account_id: int, address: str) -> None:
    """Somebody signed in to the account from this address."""
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    new = dialect.insert(sign_in_address).values(account_id=account_id, address=address, at=tx.at)
    tx.work(new.on_conflict_do_update(index_elements=["account_id", "address"], set_={"at": tx.at}))


def _familiar(username: str) -> Select[tuple[str]]:
    whose = sign_in_address.join(account, account.c.id == sign_in_address.c.account_id)
    return select(sign_in_address.c.address).select_from(whose).where(account.c.username == username)
