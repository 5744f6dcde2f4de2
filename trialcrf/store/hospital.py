"""The hospital's sign-in as rows: which identity opens which account, round trips that are under way, and codes that link."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from trialcrf.store.audit import SYSTEM_CHAIN, Entry, Who
from trialcrf.store.models import hospital_link, hospital_try, link_code
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Link:
    id: int
    account_id: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Try:
    """A round trip under way: to link an account (`code_id`: by a code, else by its owner), to prove (`proves`) that its owner is still
    there, or, without an account, to sign in."""

    id: int
    nonce_hash: str
    links_account_id: int | None
    code_id: int | None
    next: str
    began_at: datetime
    proves: bool = False


def begin(tx: Transaction, state_hash: str, nonce_hash: str, next_: str, links_account_id: int | None, code_id: int | None) -> None:
    """A round trip begins; those of yesterday are forgotten."""
    tx.work(delete(hospital_try).where(hospital_try.c.created_at < tx.at - timedelta(days=1)))
    values = {"state_hash": state_hash, "nonce_hash": nonce_hash, "next": next_, "links_account_id": links_account_id, "code_id": code_id}
    tx.work(insert(hospital_try).values(created_at=tx.at, **values))


def take(tx: Transaction, state_hash: str, since: datetime) -> Try | None:
    """The round trip of this state that began since then, for the first who asks: it is used up by that."""
    where = (hospital_try.c.state_hash == state_hash, hospital_try.c.used_at.is_(None), hospital_try.c.created_at > since)
    if tx.work(update(hospital_try).where(*where).values(used_at=tx.at)).rowcount != 1:
        return None
    row = tx.read(select(hospital_try).where(hospital_try.c.state_hash == state_hash)).one()
    return Try(row.id, row.nonce_hash, row.links_account_id, row.code_id, row.next, row.created_at)


def account_of(tx: Transaction, issuer: str, subject: str) -> int | None:
    """The account that this identity opens."""
    where = (hospital_link.c.issuer == issuer, hospital_link.c.subject == subject)
    return tx.read(select(hospital_link.c.account_id).where(*where)).scalar()


def link_of(tx: Transaction, account_id: int) -> Link | None:
    row = tx.read(select(hospital_link).where(hospital_link.c.account_id == account_id).order_by(hospital_link.c.id.desc())).first()
    return Link(row.id, row.account_id, row.made_at) if row else None


def link(tx: Transaction, account_id: int, issuer: str, subject: str) -> None:
    """Raises IntegrityError where the identity opens another account meanwhile."""
    tx.work(insert(hospital_link).values(account_id=account_id, issuer=issuer, subject=subject, made_at=tx.at))


def unlink(tx: Transaction, account_id: int) -> bool:
    return tx.work(delete(hospital_link).where(hospital_link.c.account_id == account_id)).rowcount > 0


def new_code(tx: Transaction, account_id: int, code_hash: str) -> None:
    """A code for the account; an earlier one is void."""
    unused = (link_code.c.account_id == account_id, link_code.c.used_at.is_(None))
    tx.work(update(link_code).where(*unused).values(used_at=tx.at))
    tx.work(insert(link_code).values(account_id=account_id, code_hash=code_hash, created_at=tx.at))


def find_code(tx: Transaction, code_hash: str, since: datetime) -> tuple[int, int] | None:
    """(id, account) of a code that was made since then and is not used."""
    where = (link_code.c.code_hash == code_hash, link_code.c.used_at.is_(None), link_code.c.created_at > since)
    row = tx.read(select(link_code.c.id, link_code.c.account_id).where(*where)).first()
    return (row.id, row.account_id) if row else None


def use_code(tx: Transaction, code_id: int, since: datetime) -> bool:
    where = (link_code.c.id == code_id, link_code.c.used_at.is_(None), link_code.c.created_at > since)
    return tx.work(update(link_code).where(*where).values(used_at=tx.at)).rowcount == 1


def note_refusal(tx: Transaction, why: str, address: str) -> None:
    """Put into the trail that something came back from the hospital that proves nothing: what was wrong with it, and nothing of it."""
    said = json.dumps({"address": address, "why": why}, sort_keys=True)
    tx.entries.append(Entry(SYSTEM_CHAIN, "refused", "misuse", address[:40] or "-", "hospital", said, first=True, who=Who.system(address)))
