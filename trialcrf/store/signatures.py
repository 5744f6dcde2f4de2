"""Electronic signatures as stored: whom they name, what they cover, and whether trail and data still say the same."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from trialcrf.core.signature import (
    SEALS,
    At,
    Covered,
    Signed,
    Standing,
    canonical,
    changed,
    covered_of,
    covered_text,
    digest,
    with_documents,
)
from trialcrf.store import forms
from trialcrf.store.audit import Entry, Who, locked_size
from trialcrf.store.models import account, audit_record, audit_value, signature
from trialcrf.store.models.base import moment_of, moment_text
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

NOT_DATA = frozenset({"review"})
"""Operations that record work on a covered thing and no value of it. Any other, one that is invented later too, makes a signature void."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature with everything that a reader must be shown (21 CFR 11.50): printed name, moment, meaning.

    `at` is UTC and `zone` the site's time zone then; `statement` and `covered` are canonical texts, `chain` and `seq` say where the trail
    tells of it.
    """

    id: int
    study: str
    site: str
    subject_id: int
    subject: str
    meaning: str
    actor: str
    name: str
    role: str
    organisation: str
    at: datetime
    zone: str
    statement: str
    covered: str
    hash: str
    chain: str
    seq: int

    @property
    def said(self) -> Any:
        """What the person saw, as plain values."""
        return json.loads(self.statement)

    @property
    def signed(self) -> Covered:
        return covered_of(self.covered)


@dataclass(frozen=True, slots=True)
class Change:
    """What made a signature void: the newest record at a place that is no longer as signed. `name` is printed, empty for the program.

    A covered thing that vanished from the trail has no such record: then `at` is None.
    """

    entity: str
    entity_id: str
    place: str
    at: datetime | None
    actor: str
    name: str


@dataclass(frozen=True, slots=True)
class Stood:
    """Where a signature stands, and where it is void, because of what."""

    standing: Standing
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class _Newest:
    commitment: str
    at: datetime
    actor: str


_ALL = select(*signature.c).order_by(signature.c.id)


def _made(row: Any) -> Signature:
    return Signature(*row)


def find(tx: Transaction, signature_id: int) -> Signature | None:
    row = tx.read(_ALL.where(signature.c.id == signature_id)).first()
    return _made(row) if row else None


def all_of(tx: Transaction, subject_id: int, meaning: str | None = None) -> list[Signature]:
    """The signatures on a subject's records, void ones too, oldest first."""
    return of_subjects(tx, [subject_id], meaning)[subject_id]


def of_subjects(tx: Transaction, subject_ids: Iterable[int], meaning: str | None = None) -> dict[int, list[Signature]]:
    """The same for lists, by subject id: everyone asked for is in it."""
    found: dict[int, list[Signature]] = {id_: [] for id_ in subject_ids}
    statement = _ALL if meaning is None else _ALL.where(signature.c.meaning == meaning)
    for ids in _parts(found):
        for row in tx.read(statement.where(signature.c.subject_id.in_(ids))):
            found[row.subject_id].append(_made(row))
    return found


def hold(tx: Transaction, at_site: Site) -> None:
    """Write what was recorded so far to the trail and hold the site's chain: what is covered cannot change until this transaction ends.

    Afterwards the transaction must touch no chain that sorts before this one: two of them could lock each other out.
    """
    tx.flush_trail()
    locked_size(tx.connection, at_site.chain)


def covered_now(tx: Transaction, things: Collection[tuple[str, str]]) -> Covered:
    """Every place of these (entity, entity id) with its newest commitment: rows and forms marked in error, and cleared values, too.

    What this transaction itself recorded counts: it is written to the trail first.
    """
    tx.flush_trail()
    return tuple(sorted(Signed(*at, newest.commitment) for at, newest in _newest(tx, things).items()))


def add(tx: Transaction, subject: Subject, meaning: str, who: Who, name: str, statement: str, covered: Covered) -> Signature:
    """Write a signature and its record in the site's chain. `hold` was called before what is covered was read.

    `statement` is the canonical text of what the person saw, `name` the one to print. Where its meaning is to endorse data, the forms that
    it covers bear its seal.
    """
    at_site = subject.site
    tx.flush_trail()
    seq = locked_size(tx.connection, at_site.chain) + 1
    made = Signature(
        0, at_site.study_oid, at_site.code, subject.id, subject.key, meaning, who.actor, name, who.role, who.organisation, tx.at,
        at_site.zone_name, statement, covered_text(covered), "", at_site.chain, seq,
    )  # fmt: skip
    hash_ = _hash_of(made)
    values = {column.name: getattr(made, column.name) for column in signature.c if column.name not in ("id", "hash")}
    told = _told(hash_, meaning)
    new = tx.create(
        signature,
        {**values, "hash": hash_},
        lambda id_: [Entry(at_site.chain, "sign", "signature", str(id_), "", told, subject.key, first=True, who=who)],
    )
    if meaning in SEALS:
        forms.seal(tx, {int(one.entity_id) for one in covered if one.entity == "form"}, new)
    tx.flush_trail()
    found = find(tx, new)
    assert found is not None
    return found


def standing(tx: Transaction, one: Signature) -> Stood:
    """Whether the signature is genuine and nothing that it covers changed since; where something did, when and by whom."""
    return standings(tx, [one])[one.id]


def standings(tx: Transaction, signatures: Collection[Signature]) -> dict[int, Stood]:
    """The same for lists, by signature id: the trail is asked once for each kind of thing, not once a signature."""
    faulty = {one.id for one, record in _with_records(tx, signatures) if _faults(one, record)}
    genuine = {one.id: one for one in signatures if one.id not in faulty}
    things = {id_: with_documents({part.at[:2] for part in one.signed}, one.meaning) for id_, one in genuine.items()}
    newest = _newest(tx, frozenset().union(*things.values()))
    of_thing: dict[tuple[str, str], dict[At, str]] = {}
    for at, held in newest.items():
        of_thing.setdefault(at[:2], {})[at] = held.commitment
    moved: dict[int, tuple[At, ...]] = {}
    for id_, one in genuine.items():
        now: dict[At, str] = {}
        for thing in things[id_]:
            now |= of_thing.get(thing, {})
        moved[id_] = changed(one.signed, now, one.meaning)
    names = _names(tx, {newest[at].actor for places in moved.values() for at in places if at in newest})
    found = dict.fromkeys(faulty, Stood(Standing.BROKEN))
    for id_, places in moved.items():
        changes = tuple(_change(at, newest.get(at), names) for at in places)
        found[id_] = Stood(Standing.VOID if changes else Standing.VALID, changes)
    return found


def genuine(tx: Transaction, ids: Collection[int]) -> list[Signature]:
    """Of these signatures, those that are what the trail tells; few enough for one statement."""
    made = [_made(row) for row in tx.read(_ALL.where(signature.c.id.in_(sorted(ids))))]
    return [one for one, record in _with_records(tx, made) if not _faults(one, record)]


def differences(tx: Transaction) -> Iterator[tuple[str, str]]:
    """(signature id, column) where a stored signature is not what the trail tells: altered, added, copied or lost."""
    told = {
        (row.chain, row.seq): row.entity_id
        for row in tx.read(
            select(audit_record.c.chain, audit_record.c.seq, audit_record.c.entity_id)
            .where(audit_record.c.entity == "signature")
            .order_by(audit_record.c.chain, audit_record.c.seq)
        )
    }
    for one, record in _with_records(tx, [_made(row) for row in tx.read(_ALL)]):
        told.pop((one.chain, one.seq), None)
        for column in _faults(one, record)[:1]:
            yield str(one.id), column
    for entity_id in told.values():
        yield entity_id, ""


def _change(at: At, held: _Newest | None, names: dict[str, str]) -> Change:
    return Change(*at, held.at, held.actor, names.get(held.actor, "")) if held else Change(*at, None, "", "")


def _hash_of(one: Signature) -> str:
    """The hash that this signature must have; empty where what it says to cover is no canonical text."""
    said = {
        "study": one.study, "site": one.site, "subject_id": str(one.subject_id), "subject": one.subject, "actor": one.actor,
        "name": one.name, "role": one.role, "organisation": one.organisation, "at": moment_text(one.at), "zone": one.zone,
    }  # fmt: skip
    try:
        covered = one.signed
        canonical_here = covered_text(covered) == one.covered
    except (ValueError, TypeError, AttributeError):
        return ""
    return digest(covered, one.meaning, one.statement, said) if canonical_here else ""


def _told(hash_: str, meaning: str) -> str:
    """What the record of a signature commits to."""
    return canonical({"hash": hash_, "meaning": meaning})


def _faults(one: Signature, record: Any) -> list[str]:
    """The columns in which a signature disagrees with its record or with its own hash, the plainest first."""
    if record is None or (record.entity, record.entity_id, record.op) != ("signature", str(one.id), "sign"):
        return [""]
    wrong = [name for name in ("subject", "actor", "role", "organisation") if getattr(one, name) != getattr(record, name)]
    if moment_text(one.at) != record.at:
        wrong.append("at")
    if _hash_of(one) != one.hash or record.value != _told(one.hash, one.meaning):
        wrong.append("hash")
    return wrong


_RECORDS = (
    select(*audit_record.c, audit_value.c.value, signature.c.id.label("of"))
    .join(signature, (signature.c.chain == audit_record.c.chain) & (signature.c.seq == audit_record.c.seq))
    .outerjoin(audit_value, (audit_value.c.chain == audit_record.c.chain) & (audit_value.c.seq == audit_record.c.seq))
    .where(signature.c.id.in_(bindparam("ids", expanding=True)))
)


def _with_records(tx: Transaction, signatures: Collection[Signature]) -> Iterator[tuple[Signature, Any]]:
    for part in _parts(signatures):
        records = {row.of: row for row in tx.read(_RECORDS, {"ids": [one.id for one in part]})}
        yield from ((one, records.get(one.id)) for one in part)


_COMMITTED = (
    select(*(audit_record.c[name] for name in ("entity_id", "place", "op", "new_commit", "at", "actor")))
    .where(audit_record.c.entity == bindparam("of_entity"), audit_record.c.entity_id.in_(bindparam("ids", expanding=True)))
    .order_by(audit_record.c.chain, audit_record.c.seq)
)


def _newest(tx: Transaction, things: Iterable[tuple[str, str]]) -> dict[At, _Newest]:
    ids_of: dict[str, set[str]] = {}
    for entity, entity_id in things:
        ids_of.setdefault(entity, set()).add(entity_id)
    found: dict[At, _Newest] = {}
    for entity, ids in sorted(ids_of.items()):
        for part in _parts(sorted(ids)):
            for row in tx.read(_COMMITTED, {"of_entity": entity, "ids": part}):
                if row.op not in NOT_DATA:
                    found[entity, row.entity_id, row.place] = _Newest(row.new_commit, moment_of(row.at), row.actor)
    return found


def _names(tx: Transaction, actors: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in _parts(sorted(actors)):
        found |= {row.username: row.name for row in tx.read(select(account.c.username, account.c.name).where(account.c.username.in_(part)))}
    return found


def _parts(things: Iterable[Any], size: int = 500) -> Iterator[list[Any]]:
    """In parts that a statement of either database can name."""
    listed = list(things)
    return (listed[start : start + size] for start in range(0, len(listed), size))
