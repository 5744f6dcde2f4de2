"""Mails to deliver: one row a mail, with a key that makes it once only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from trialcrf.core.wording import N_
from trialcrf.store.models import account, hospital_link, outbox
from trialcrf.store.models.base import moment_text
from trialcrf.store.transaction import Transaction

QUEUED, SENDING, SENT, FAILED, UNCERTAIN, CANCELLED = "queued", "sending", "sent", "failed", "uncertain", "cancelled"
"""`said` tells of each: the server's reply to a mail that was sent, its words or the fault's otherwise, why (a msgid) of a cancelled one.

`uncertain`: the sender died between handing it over and saying so, or no reply came; a person looks, nothing resends it."""

STATES: Mapping[str, str] = {
    QUEUED: N_("Queued"),
    SENDING: N_("Being sent"),
    SENT: N_("Sent"),
    FAILED: N_("Failed"),
    UNCERTAIN: N_("Uncertain"),
    CANCELLED: N_("Cancelled"),
}

LEASE = timedelta(minutes=5)
MAX_ATTEMPTS, LONGEST_PAUSE = 16, timedelta(hours=4)
"""Pauses double from two minutes on: a mail server may be away for a day and a half before a mail is given up."""
LONGEST_KEY = 200
AT_ONCE = 500
"""Rows of one statement: SQLite takes 32,766 parameters in one."""

STOPPED = N_("The sender stopped while this mail was being handed over: it may or may not have gone.")
ARRIVED = N_("A person says that it arrived.")


@dataclass(frozen=True, slots=True)
class New:
    """A mail to queue. `role` is the one for which its recipient gets it, empty where it is meant for the person whatever they do."""

    key: str
    kind: str
    account_id: int
    params: Mapping[str, Any]
    role: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """A claimed mail. `until`, the end of its lease, tells this claim from every other one."""

    id: int
    key: str
    kind: str
    account_id: int
    params: Mapping[str, Any]
    attempts: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """A mail as those see it who look after the queue. `study` and `site` are where it is from, empty for one that is of no study."""

    id: int
    key: str
    kind: str
    username: str
    role: str
    state: str
    said: str
    attempts: int
    created_at: datetime
    not_before: datetime | None
    settled_at: datetime | None
    name: str
    study: str
    site: str


def add(tx: Transaction, key: str, kind: str, account_id: int, params: Mapping[str, Any], role: str = "") -> bool:
    """Queue a mail; False where this key was queued before, whatever became of it."""
    return add_many(tx, [New(key, kind, account_id, params, role)]) == 1


def key(*parts: str) -> str:
    """The key of a mail, made of what it is about. One too long for the table ends in a digest of the whole."""
    whole = "|".join(parts)
    return whole if len(whole) <= LONGEST_KEY else f"{whole[: LONGEST_KEY - 41]}|{hashlib.sha256(whole.encode()).hexdigest()[:40]}"


def add_many(tx: Transaction, rows: Sequence[New], again: bool = False) -> int:
    """Queue many mails of different keys, in their order; returns how many were queued that were not.

    `again`: one that was cancelled is queued anew, for its reason came back; nothing that may have gone ever is.
    """
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    made = 0
    for start in range(0, len(rows), AT_ONCE):
        values = [
            {
                "key": new.key,
                "kind": new.kind,
                "account_id": new.account_id,
                "params": json.dumps(new.params, sort_keys=True),
                "role": new.role,
                "state": QUEUED,
                "created_at": tx.at,
            }
            for new in rows[start : start + AT_ONCE]
        ]
        inserted = dialect.insert(outbox)
        if again:
            came_back = {"state": QUEUED, "said": "", "settled_at": None, "not_before": None, "claimed_until": None, "attempts": 0}
            cancelled = outbox.c.state == CANCELLED
            conflicting = inserted.on_conflict_do_update(index_elements=["key"], set_=came_back, where=cancelled)
        else:
            conflicting = inserted.on_conflict_do_nothing(index_elements=["key"])
        statement = conflicting.returning(outbox.c.id)
        # Not the row count: a driver need not tell it for an INSERT that returns something.
        # The rows are handed over as parameters: written into the statement, it would be compiled anew for every lot, at thrice the cost.
        made += len(tx.work(statement, values).all())
    return made


def add_reset(tx: Transaction, typed: str) -> None:
    """Queue the mail that sets a password anew, for the active accounts with this user name or e-mail address.

    One statement whoever it is: whether there is such an account is told by no time that it takes. One mail in ten minutes.
    """
    _add_to(tx, "reset", moment_text(tx.at)[:15], "{}", or_(account.c.username == typed, func.lower(account.c.email) == typed))


def _add_to(tx: Transaction, kind: str, slot: str, params: str, *whom: ColumnElement[bool]) -> None:
    """Queue a mail of this kind for whoever there is among the active accounts: one each and `slot`, in one statement."""
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    said = (literal(kind), account.c.id, literal(params), literal(""), literal(QUEUED), literal(tx.at, outbox.c.created_at.type))
    found = select(literal(f"{kind}|") + account.c.username + literal(f"|{slot}"), *said).where(account.c.active, *whom)
    names = ["key", "kind", "account_id", "params", "role", "state", "created_at"]
    tx.work(dialect.insert(outbox).from_select(names, found).on_conflict_do_nothing(index_elements=["key"]))


def add_suspect(tx: Transaction, username: str, what: str) -> None:
    """Queue the mail that warns the active account of this user name, once an hour and `what`.

    It goes to the address to which the invitation went by which a password was set, or by which the hospital was linked, and to no other.
    One statement whoever it is, as for a reset.
    """
    said = json.dumps({"what": what, "at": moment_text(tx.at)}, sort_keys=True)
    known = or_(account.c.password_hash.is_not(None), account.c.id.in_(select(hospital_link.c.account_id)))
    _add_to(tx, "suspect", f"{what}|{moment_text(tx.at)[:13]}", said, account.c.username == username, known)


def claim(tx: Transaction) -> Mail | None:
    """Take the oldest queued mail whose time has come, for LEASE. A mail whose claim ran out may have gone: it becomes uncertain."""
    stale = (outbox.c.state == SENDING, outbox.c.claimed_until < tx.at)
    tx.work(update(outbox).where(*stale).values(state=UNCERTAIN, settled_at=tx.at, said=STOPPED))
    row = tx.read(
        select(outbox.c.id, outbox.c.key, outbox.c.kind, outbox.c.account_id, outbox.c.params, outbox.c.attempts)
        .where(
            outbox.c.state == QUEUED,
            or_(outbox.c.not_before.is_(None), outbox.c.not_before <= tx.at),
            or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until <= tx.at),
        )
        .order_by(outbox.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    until = tx.at + LEASE
    tx.work(update(outbox).where(outbox.c.id == row.id).values(state=SENDING, claimed_until=until, attempts=row.attempts + 1))
    return Mail(row.id, row.key, row.kind, row.account_id, json.loads(row.params), row.attempts + 1, until)


def holds(tx: Transaction, mail: Mail) -> bool:
    """Whether the claim still stands; the row stays locked, so nobody gives the mail to anyone else within this transaction."""
    where = (*_claim_of(mail), outbox.c.state == SENDING, outbox.c.claimed_until >= tx.at)
    return tx.read(select(outbox.c.id).where(*where).with_for_update()).first() is not None


def settle(tx: Transaction, mail: Mail, state: str, said: str = "") -> bool:
    """Say what became of a claimed mail; False where it is another's by now.

    A sender that took longer than its lease and then knows better than "uncertain" is believed, as long as no person decided.
    """
    where = (*_claim_of(mail), outbox.c.state.in_((SENDING, UNCERTAIN)))
    return tx.work(update(outbox).where(*where).values(state=state, settled_at=tx.at, said=said)).rowcount == 1


def retry(tx: Transaction, mail: Mail, said: str) -> str:
    """The server refused for now or was not reached: again later, MAX_ATTEMPTS times in all, then failed. Returns the state."""
    if mail.attempts >= MAX_ATTEMPTS:
        settle(tx, mail, FAILED, said)
        return FAILED
    pause = min(timedelta(minutes=2**mail.attempts), LONGEST_PAUSE)
    _put_back(tx, mail, tx.at + pause, mail.attempts, said)
    return QUEUED


def postpone(tx: Transaction, mail: Mail, until: datetime) -> None:
    """Put a claimed mail back until then, without having tried: the attempt is not counted."""
    _put_back(tx, mail, until, mail.attempts - 1, "")


def resolve(tx: Transaction, mail_id: int, arrived: bool) -> bool:
    """What a person found out: an uncertain mail arrived, or an uncertain or failed one is to be sent again. False where it is neither."""
    where = (outbox.c.id == mail_id, outbox.c.state.in_((UNCERTAIN,) if arrived else (UNCERTAIN, FAILED)))
    if arrived:
        values: dict[str, Any] = {"state": SENT, "said": ARRIVED, "settled_at": tx.at}
    else:
        values = {"state": QUEUED, "said": "", "settled_at": None, "not_before": None, "attempts": 0}
    return tx.work(update(outbox).where(*where).values(claimed_until=None, **values)).rowcount == 1


def counts(tx: Transaction) -> dict[str, int]:
    """How many mails there are in each state."""
    return {row[0]: row[1] for row in tx.read(select(outbox.c.state, func.count()).group_by(outbox.c.state))}


def find(tx: Transaction, key: str) -> tuple[str, datetime | None] | None:
    """The state of the mail with this key, and when it was settled."""
    row = tx.read(select(outbox.c.state, outbox.c.settled_at).where(outbox.c.key == key)).first()
    return (row[0], row[1]) if row else None


def id_of(tx: Transaction, key: str) -> int | None:
    found = tx.read(select(outbox.c.id).where(outbox.c.key == key)).scalar()
    return None if found is None else int(found)


def by_id(tx: Transaction, mail_id: int) -> Row | None:
    row = tx.read(_ROWS.where(outbox.c.id == mail_id)).first()
    return _row(row) if row else None


def all_of(tx: Transaction, states: Sequence[str] | None = None, offset: int = 0, limit: int | None = None) -> list[Row]:
    """Mails in the order in which they were queued; those that a person must look at, uncertain ones and then failed ones, come first."""
    wanted = _ROWS if states is None else _ROWS.where(outbox.c.state.in_(states))
    first = case({UNCERTAIN: 0, FAILED: 1}, value=outbox.c.state, else_=2)
    return [_row(row) for row in tx.read(wanted.order_by(first, outbox.c.id).offset(offset).limit(limit))]


_ROWS = select(
    outbox.c.id,
    outbox.c.key,
    outbox.c.kind,
    account.c.username,
    outbox.c.role,
    outbox.c.state,
    outbox.c.said,
    outbox.c.attempts,
    outbox.c.created_at,
    outbox.c.not_before,
    outbox.c.settled_at,
    account.c.name,
    outbox.c.params,
).join(account, account.c.id == outbox.c.account_id)


def _row(row: Any) -> Row:
    *columns, params = row
    where = json.loads(params)
    return Row(*columns, *(str(where.get(name, "")) for name in ("study", "site")))


def _claim_of(mail: Mail) -> tuple[Any, ...]:
    # The number of attempts would not do: it starts again where a person has a mail sent again.
    return (outbox.c.id == mail.id, outbox.c.claimed_until == mail.until)


def _put_back(tx: Transaction, mail: Mail, until: datetime, attempts: int, said: str) -> None:
    where = (*_claim_of(mail), outbox.c.state.in_((SENDING, UNCERTAIN)))
    values = {"state": QUEUED, "not_before": until, "claimed_until": None, "settled_at": None, "attempts": attempts, "said": said}
    tx.work(update(outbox).where(*where).values(**values))
