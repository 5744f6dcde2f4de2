"""Documents that are attached to items of forms: their bytes never change, they are withdrawn with a reason and never deleted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from trialcrf.core import enclosure as core
from trialcrf.core.document import Place
from trialcrf.core.enclosure import ENTITY
from trialcrf.core.signature import canonical
from trialcrf.store import locks
from trialcrf.store.audit import Entry
from trialcrf.store.forms import StoredForm
from trialcrf.store.models import account, audit_record, audit_value, enclosure, enclosure_content, form
from trialcrf.store.models.base import moment_text
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Paper:
    """What a document is before it is attached: its cleaned name, what its content is, and what whoever attaches it says of it."""

    name: str
    media_type: str
    content: bytes
    description: str = ""


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A document at an item, without its content. Printed names; `withdrawn` is the reason, empty while it stands."""

    id: int
    form_id: int
    place: Place
    name: str
    description: str
    media_type: str
    size: int
    sha256: str
    at: datetime
    by: str
    withdrawn: str = ""
    withdrawn_at: datetime | None = None
    withdrawn_by: str = ""


_SAID = ("name", "description", "media_type", "size", "sha256")
_AUTHOR, _TAKER = account.alias(), account.alias()
_ALL = (
    select(enclosure, _AUTHOR.c.name.label("by_name"), _TAKER.c.name.label("taker_name"))
    .select_from(
        enclosure.outerjoin(_AUTHOR, _AUTHOR.c.username == enclosure.c.attached_by).outerjoin(
            _TAKER, _TAKER.c.username == enclosure.c.withdrawn_by
        )
    )
    .order_by(enclosure.c.id)
)


def _made(row: Any) -> Enclosure:
    return Enclosure(
        row.id, row.form_id, Place.parse(row.place), row.name, row.description, row.media_type, row.size, row.sha256, row.attached_at,
        row.by_name or row.attached_by, row.withdrawn, row.withdrawn_at, row.taker_name or row.withdrawn_by,
    )  # fmt: skip


def of_form(tx: Transaction, form_id: int) -> list[Enclosure]:
    """Everything that was ever attached to a form, oldest first."""
    return of_forms(tx, [form_id])[form_id]


def of_forms(tx: Transaction, form_ids: Collection[int]) -> dict[int, list[Enclosure]]:
    """The same of many: every form that is asked for is in it."""
    found: dict[int, list[Enclosure]] = {id_: [] for id_ in form_ids}
    ids = sorted(found)
    for start in range(0, len(ids), 500):
        for row in tx.read(_ALL.where(enclosure.c.form_id.in_(ids[start : start + 500]))):
            found[row.form_id].append(_made(row))
    return found


def find(tx: Transaction, form_id: int, number: int) -> Enclosure | None:
    row = tx.read(_ALL.where(enclosure.c.id == number, enclosure.c.form_id == form_id)).first()
    return _made(row) if row else None


def content(tx: Transaction, one: Enclosure) -> bytes:
    return bytes(tx.read(select(enclosure_content.c.content).where(enclosure_content.c.enclosure_id == one.id)).scalar_one())


def attach(tx: Transaction, which: Subject, stored: StoredForm, at: Place, paper: Paper) -> int:
    """Attach a document to an item; its number. The seal of the form breaks: whoever signed has not seen it. Raises Locked."""
    _open_form(tx, which, stored, at)
    said: dict[str, Any] = {
        "name": paper.name, "description": paper.description, "media_type": paper.media_type, "size": len(paper.content),
        "sha256": hashlib.sha256(paper.content).hexdigest(),
    }  # fmt: skip
    values = {
        **said, "site_id": which.site.id, "subject_id": which.id, "form_id": stored.id, "event_oid": stored.key.event_oid,
        "event_repeat": stored.key.event_repeat, "place": str(at), "attached_at": tx.at, "attached_by": tx.who.actor,
    }  # fmt: skip
    text = core.told(paper.name, said["size"], said["sha256"], paper.description)

    def entries(number: int) -> list[Entry]:
        told = canonical({**said, "text": text})
        return [Entry(which.site.chain, "attach", ENTITY, str(stored.id), core.place_of(at, number), told, which.key, first=True)]

    number = tx.create(enclosure, values, entries)
    tx.project(enclosure_content, insert(enclosure_content).values(enclosure_id=number, content=paper.content))
    tx.project(form, update(form).where(form.c.id == stored.id).values(sealed_by=None))
    return number


def withdraw(tx: Transaction, which: Subject, stored: StoredForm, one: Enclosure, reason: str) -> bool:
    """Mark a document withdrawn: it stays, and can be read. False where it was withdrawn meanwhile. Raises Locked."""
    _open_form(tx, which, stored, one.place)
    statement = update(enclosure).where(enclosure.c.id == one.id, enclosure.c.withdrawn == "")
    values = {"withdrawn": reason, "withdrawn_at": tx.at, "withdrawn_by": tx.who.actor}
    told = canonical({"withdrawn": reason, "text": one.name})
    place = core.place_of(one.place, one.id)
    entry = Entry(which.site.chain, "withdraw", ENTITY, str(stored.id), place, told, which.key, reason)
    if not tx.change(enclosure, statement.values(**values), [entry]):
        return False
    tx.project(form, update(form).where(form.c.id == stored.id).values(sealed_by=None))
    return True


def _open_form(tx: Transaction, which: Subject, stored: StoredForm, at: Place) -> None:
    """Nothing is attached to, or withdrawn from, what is frozen or locked. The form is held, as a save and a signature hold it."""
    locks.refuse_change(tx, (*locks.over_form(which, stored.key, stored.id), *locks.items_of(stored.id, [at])))
    tx.read(select(form.c.id).where(form.c.id == stored.id).with_for_update()).all()


def differences(tx: Transaction) -> Iterator[tuple[str, str]]:
    """(form id, place) where a document is not what the trail tells of it: altered, added or lost."""
    told = _told(tx)
    for row in tx.read(select(enclosure).order_by(enclosure.c.id)):
        place = core.place_of(Place.parse(row.place), row.id)
        attached, withdrawn = told.pop((str(row.form_id), place), (None, None))
        if attached is None or not _agrees(attached, withdrawn, row):
            yield str(row.form_id), place
        else:
            # One at a time: the largest has twenty megabytes.
            held = tx.read(select(enclosure_content.c.content).where(enclosure_content.c.enclosure_id == row.id)).scalar()
            if held is None or len(held) != row.size or hashlib.sha256(held).hexdigest() != row.sha256:
                yield str(row.form_id), place
    yield from sorted(told)


def _agrees(attached: Any, withdrawn: Any, row: Any) -> bool:
    said = json.loads(attached.value or "{}")
    same = all(said.get(name) == row._mapping[name] for name in _SAID)
    same = same and (attached.at, attached.actor) == (moment_text(row.attached_at), row.attached_by)
    if withdrawn is None:
        return same and not row.withdrawn and row.withdrawn_at is None
    at = moment_text(row.withdrawn_at) if row.withdrawn_at else ""
    reason = json.loads(withdrawn.value or "{}").get("withdrawn")
    return same and (reason, withdrawn.at, withdrawn.actor) == (row.withdrawn, at, row.withdrawn_by)


def _told(tx: Transaction) -> dict[tuple[str, str], tuple[Any, Any]]:
    """What the trail tells of each document, by form and place: its record, and that of its withdrawal."""
    beside = (audit_value.c.chain == audit_record.c.chain) & (audit_value.c.seq == audit_record.c.seq)
    columns = (*(audit_record.c[name] for name in ("entity_id", "place", "op", "at", "actor")), audit_value.c.value)
    asked = select(*columns).select_from(audit_record.outerjoin(audit_value, beside)).where(audit_record.c.entity == ENTITY)
    found: dict[tuple[str, str], tuple[Any, Any]] = {}
    for row in tx.read(asked.order_by(audit_record.c.chain, audit_record.c.seq)):
        attached, withdrawn = found.get((row.entity_id, row.place), (None, None))
        found[row.entity_id, row.place] = (row, withdrawn) if row.op == "attach" else (attached, row)
    return found
