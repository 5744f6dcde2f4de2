"""What is frozen or locked: one row for whatever was ever closed, its state the newest; everything that writes data asks here first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update

from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import Address, Level, Locked, LockState, closed_by, item_address, strongest, visit_address
from trialcrf.store.audit import Entry
from trialcrf.store.models import account, audit_record, lock, site, subject
from trialcrf.store.models.base import moment_of
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Held:
    """Something that is closed, or was. `subject` is a key, `site` a code; both empty where they do not apply."""

    id: int
    address: Address
    state: LockState
    site: str
    subject: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """Who made the newest move on something, when (UTC), and why: as the trail tells it. `name` is the printed one."""

    at: datetime
    name: str
    role: str
    reason: str


_STATES = select(lock.c.address, lock.c.state).where(lock.c.address.in_(bindparam("addresses", expanding=True)), lock.c.state != "open")


def over_site(where: Site) -> tuple[Address, ...]:
    return Address(Level.STUDY, where.study_id), Address(Level.SITE, where.id)


def over_subject(which: Subject) -> tuple[Address, ...]:
    return *over_site(which.site), Address(Level.SUBJECT, which.id)


def over_visit(which: Subject, event_oid: str, event_repeat: int) -> tuple[Address, ...]:
    return *over_subject(which), visit_address(which.id, event_oid, event_repeat)


def over_form(which: Subject, key: FormKey, form_id: int | None) -> tuple[Address, ...]:
    """Everything that a form lies under, itself included where it exists."""
    return *over_visit(which, key.event_oid, key.event_repeat), *((Address(Level.FORM, form_id),) if form_id else ())


def closed(tx: Transaction, addresses: Iterable[Address]) -> tuple[Level, LockState] | None:
    """What closes something that lies under these addresses, None where it is open."""
    rows = tx.read(_STATES, {"addresses": [one.text for one in addresses]})
    return strongest((Address.parse(row.address), LockState(row.state)) for row in rows)


def refuse_change(tx: Transaction, addresses: Iterable[Address]) -> None:
    """Before any value changes. Raises Locked where it is frozen or locked; until this transaction ends nobody freezes or locks it."""
    over = list(addresses)
    _stay_open(tx, over)
    found = closed(tx, over)
    if found is not None:
        raise Locked(*found)


def refuse_work(tx: Transaction, addresses: Iterable[Address]) -> None:
    """Before work on values that changes none (queries, verification, signatures). Raises Locked where it is locked."""
    over = list(addresses)
    _stay_open(tx, over)
    found = closed(tx, over)
    if found is not None and found[1] is LockState.LOCKED:
        raise Locked(*found)


def refuse_whole(tx: Transaction, which: Subject) -> None:
    """Before a whole subject is marked in error. Raises Locked where it, or anything recorded of it, is frozen or locked."""
    _stay_open(tx, over_subject(which))
    found = strongest(of_subject(tx, which).items())
    if found is not None:
        raise Locked(*found)


_SITES = select(site.c.id).order_by(site.c.id)
_SHARED = _SITES.where(site.c.id.in_(bindparam("ids", expanding=True))).with_for_update(read=True, key_share=True)


def _stay_open(tx: Transaction, addresses: Iterable[Address]) -> None:
    """Let no lock come between this look and the end of the transaction: whoever closes something waits for it (`hold`).

    In SQLite there is one writer at a time. The row's lock is the one that a row takes which refers to the site: saves do not wait for
    each other.
    """
    ids = [one.id for one in addresses if one.level is Level.SITE]
    # A page that only looks has nothing to keep open, and a read-only transaction holds no rows.
    if ids and tx.connection.dialect.name == "postgresql" and tx.connection.info.get("mode") == "write":
        tx.read(_SHARED, {"ids": ids})


def hold(tx: Transaction, study_id: int, where: Site | None) -> None:
    """Wait for the saves under way at the site (None: at every site of the study), and let none begin before this transaction ends.

    Done before any chain is held: a save holds its site first and its chain last.
    """
    asked = _SITES.where(site.c.study_id == study_id) if where is None else _SITES.where(site.c.id == where.id)
    tx.read(asked.with_for_update())


def items_of(form_id: int, places: Iterable[Place]) -> tuple[Address, ...]:
    return tuple(item_address(form_id, place) for place in places)


def state_of(tx: Transaction, address: Address) -> LockState:
    """The state of this very thing, whatever lies over it."""
    found = tx.read(select(lock.c.state).where(lock.c.address == address.text)).scalar()
    return LockState(found) if found else LockState.OPEN


def move(
    tx: Transaction, address: Address, where: Site | None, which: Subject | None, study_id: int, chain: str, move_: str, reason: str
) -> LockState:
    """Make a move on one thing. `where` and `which` say under which site and subject it lies. Raises NotPossibleNow."""
    hold(tx, study_id, where)
    before = tx.read(select(lock.c.id, lock.c.state).where(lock.c.address == address.text).with_for_update()).first()
    state = closed_by(LockState(before.state) if before else LockState.OPEN, move_)
    key = which.key if which else ""

    def entries(id_: int) -> list[Entry]:
        return [Entry(chain, move_, "lock", str(id_), address.text, state.value, key, reason, first=before is None)]

    if before is None:
        values: dict[str, Any] = {
            "address": address.text, "study_id": study_id, "site_id": where.id if where else None,
            "subject_id": which.id if which else None, "state": state.value, "at": tx.at,
        }  # fmt: skip
        tx.create(lock, values, entries)
    else:
        tx.change(lock, update(lock).where(lock.c.id == before.id).values(state=state.value, at=tx.at), entries(before.id))
    return state


def all_of(tx: Transaction, study_id: int, sites: frozenset[str] | None) -> list[Held]:
    """What is frozen or locked in a study, the whole study first; at these sites only (None: all)."""
    joined = lock.outerjoin(site, site.c.id == lock.c.site_id).outerjoin(subject, subject.c.id == lock.c.subject_id)
    columns = (lock.c.id, lock.c.address, lock.c.state, lock.c.at, site.c.code, subject.c.key)
    asked = select(*columns).select_from(joined).where(lock.c.study_id == study_id, lock.c.state != "open").order_by(lock.c.id)
    held = [Held(row.id, Address.parse(row.address), LockState(row.state), row.code or "", row.key or "", row.at) for row in tx.read(asked)]
    held.sort(key=lambda one: (one.address.level is not Level.STUDY, one.site, one.subject, one.id))
    return [one for one in held if sites is None or not one.site or one.site in sites]


def id_of(tx: Transaction, address: Address) -> int | None:
    """The number under which the trail tells of the moves on this very thing; None where nobody ever made one."""
    return tx.read(select(lock.c.id).where(lock.c.address == address.text)).scalar()


def told(tx: Transaction, ids: Iterable[int]) -> dict[int, Told]:
    """The newest move on each of these, by their numbers."""
    found: dict[int, Told] = {}
    wanted = sorted(set(ids))
    columns = (*(audit_record.c[name] for name in ("entity_id", "at", "actor", "role", "reason")), account.c.name)
    joined = audit_record.outerjoin(account, account.c.username == audit_record.c.actor)
    for start in range(0, len(wanted), 500):
        texts = [str(one) for one in wanted[start : start + 500]]
        of_locks = (audit_record.c.entity == "lock", audit_record.c.entity_id.in_(texts))
        newest = select(audit_record.c.entity_id, func.max(audit_record.c.seq).label("seq")).where(*of_locks)
        last = newest.group_by(audit_record.c.entity_id).subquery()
        same = (last.c.entity_id == audit_record.c.entity_id) & (last.c.seq == audit_record.c.seq)
        for row in tx.read(select(*columns).select_from(joined.join(last, same)).where(*of_locks)):
            found[int(row.entity_id)] = Told(moment_of(row.at), row.name or row.actor, row.role, row.reason)
    return found


def of_subject(tx: Transaction, which: Subject) -> dict[Address, LockState]:
    """Everything closed that concerns a subject: study, site, itself, its visits, forms and items."""
    over = [one.text for one in over_site(which.site)]
    rows = tx.read(
        select(lock.c.address, lock.c.state).where((lock.c.subject_id == which.id) | lock.c.address.in_(over), lock.c.state != "open")
    )
    return {Address.parse(row.address): LockState(row.state) for row in rows}


def differences(tx: Transaction, told: dict[str, tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(id, column) where a stored lock is not what the trail tells; `told` is (address, state) by id."""
    for row in tx.read(select(lock.c.id, lock.c.address, lock.c.state).order_by(lock.c.id)):
        said = told.pop(str(row.id), None)
        if said != (row.address, row.state):
            yield str(row.id), "state" if said and said[0] == row.address else ""
    for id_ in sorted(told):
        yield id_, ""
