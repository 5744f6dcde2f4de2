"""Forms as documents: one read loads a form, one `apply` saves a decision with its trail, its facts and its queries."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Document, FormKey, Place
from trialcrf.core.entry import Decision
from trialcrf.core.facts import project
from trialcrf.core.facts import unique_codes as codes_of
from trialcrf.core.lock import Address
from trialcrf.store import locks, queries, unique_codes, verifications
from trialcrf.store.audit import Entry, Who
from trialcrf.store.definitions import Published
from trialcrf.store.models import fact, form, query
from trialcrf.store.models import subject as subjects_table
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction


class Stale(Exception):
    """Someone else saved this form since the page was drawn: nothing was written."""


@dataclass(frozen=True, slots=True)
class StoredForm:
    """A form as it stands. `version` counts its saves and is what a page must bring back."""

    id: int
    subject_id: int
    key: FormKey
    definition_id: int
    version: int
    document: Document
    complete: bool
    error: str
    updated_at: datetime


_COLUMNS = (
    form.c.id,
    form.c.subject_id,
    form.c.event_oid,
    form.c.form_oid,
    form.c.event_repeat,
    form.c.form_repeat,
    form.c.definition_id,
    form.c.version,
    form.c.document,
    form.c.complete,
    form.c.error,
    form.c.updated_at,
)


def _made(row: Any) -> StoredForm:
    key = FormKey(row.event_oid, row.form_oid, row.event_repeat, row.form_repeat)
    document = Document.from_json(row.document)
    return StoredForm(row.id, row.subject_id, key, row.definition_id, row.version, document, row.complete, row.error, row.updated_at)


_BY_KEY = select(*_COLUMNS).where(
    form.c.subject_id == bindparam("subject_id"),
    form.c.event_oid == bindparam("event_oid"),
    form.c.form_oid == bindparam("form_oid"),
    form.c.event_repeat == bindparam("event_repeat"),
    form.c.form_repeat == bindparam("form_repeat"),
)


def read(tx: Transaction, subject_id: int, key: FormKey) -> StoredForm | None:
    asked = {
        "subject_id": subject_id,
        "event_oid": key.event_oid,
        "form_oid": key.form_oid,
        "event_repeat": key.event_repeat,
        "form_repeat": key.form_repeat,
    }
    row = tx.read(_BY_KEY, asked).first()
    return _made(row) if row else None


def by_id(tx: Transaction, form_id: int) -> StoredForm | None:
    row = tx.read(select(*_COLUMNS).where(form.c.id == form_id)).first()
    return _made(row) if row else None


def by_ids(tx: Transaction, form_ids: Collection[int]) -> dict[int, StoredForm]:
    """These forms by their ids, those in error too."""
    found: dict[int, StoredForm] = {}
    ids = sorted(form_ids)
    for start in range(0, len(ids), 500):
        rows = tx.read(select(*_COLUMNS).where(form.c.id.in_(ids[start : start + 500])))
        found |= {row.id: _made(row) for row in rows}
    return found


_ALL = select(*_COLUMNS).where(form.c.subject_id.in_(bindparam("ids", expanding=True)), form.c.error == "").order_by(form.c.id)
_ALL_OF_THESE = _ALL.where(form.c.form_oid.in_(bindparam("form_oids", expanding=True)))


def all_of(tx: Transaction, subject_ids: Collection[int], form_oids: Collection[str] | None = None) -> list[StoredForm]:
    """The forms of these subjects, those in error left out, oldest first."""
    found: list[StoredForm] = []
    ids = sorted(subject_ids)
    for start in range(0, len(ids), 500):
        asked: dict[str, Any] = {"ids": ids[start : start + 500]}
        if form_oids is not None:
            asked["form_oids"] = sorted(form_oids)
        found.extend(_made(row) for row in tx.read(_ALL if form_oids is None else _ALL_OF_THESE, asked))
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a form stands, for lists: no document is read for it."""

    id: int
    subject_id: int
    key: FormKey
    complete: bool
    error: str
    open_queries: int


def standings(
    tx: Transaction, subject_ids: Collection[int], in_error: bool = False, event_oids: Collection[str] | None = None
) -> list[Standing]:
    """How far the forms of these subjects are, at all events or at these, with their open queries; or those marked in error."""
    waiting = select(func.count()).where(query.c.form_id == form.c.id, query.c.state == "open").correlate(form).scalar_subquery()
    columns = (*_COLUMNS[:6], form.c.complete, form.c.error, waiting.label("open"))
    found = []
    ids = sorted(subject_ids)
    for start in range(0, len(ids), 500):
        where = [form.c.subject_id.in_(ids[start : start + 500]), form.c.error != "" if in_error else form.c.error == ""]
        if event_oids is not None:
            where.append(form.c.event_oid.in_(sorted(event_oids)))
        for row in tx.read(select(*columns).where(*where).order_by(form.c.id)):
            key = FormKey(row.event_oid, row.form_oid, row.event_repeat, row.form_repeat)
            found.append(Standing(row.id, row.subject_id, key, row.complete, row.error, row.open))
    return found


def addresses(tx: Transaction, site_id: int, form_oid: str, subject_id: int | None = None) -> list[str]:
    """The living forms of one kind at a site, or of one subject there, as `SUBJECT/EVENT/REPEAT/FORM/REPEAT`: what a reference records."""
    columns = (subjects_table.c.key, form.c.event_oid, form.c.event_repeat, form.c.form_oid, form.c.form_repeat)
    where = [form.c.site_id == site_id, form.c.form_oid == form_oid, form.c.error == "", subjects_table.c.error == ""]
    if subject_id is not None:
        where.append(form.c.subject_id == subject_id)
    joined = form.join(subjects_table, subjects_table.c.id == form.c.subject_id)
    rows = tx.read(select(*columns).select_from(joined).where(*where).order_by(subjects_table.c.key, form.c.id))
    return ["/".join(str(part) for part in row) for row in rows]


def next_repeat(tx: Transaction, subject_id: int, event_oid: str, form_oid: str, event_repeat: int | None) -> int:
    """The next free repeat: of the form within one occasion, or (event_repeat None) of the occasion itself. Never one used before."""
    column = form.c.event_repeat if event_repeat is None else form.c.form_repeat
    where = [form.c.subject_id == subject_id, form.c.event_oid == event_oid]
    if event_repeat is not None:
        where += [form.c.form_oid == form_oid, form.c.event_repeat == event_repeat]
    return 1 + max(tx.read(select(column).where(*where)).scalars().all(), default=0)


def apply(tx: Transaction, subject: Subject, key: FormKey, published: Published, old: StoredForm | None, decision: Decision) -> int:
    """Save a decision: the document, its audit records, its facts and its queries. Returns the form's id.

    Raises Stale where the form is not (or no longer) at the version of `old`, unique_codes.Taken where a unique answer is another
    form's by now, and Locked where it lies under a freeze or a lock. What changes is verified and signed no longer.
    """
    _refuse_closed(tx, subject, key, old, decision)
    text = decision.document.to_json()
    if old is None:
        form_id = _create(tx, subject, key, published.id, text, decision)
    else:
        form_id = old.id
        values: dict[str, Any] = {"document": text, "complete": decision.complete, "version": old.version + 1, "updated_at": tx.at}
        if decision.changes or decision.removed:
            values["sealed_by"] = None
        statement = update(form).where(form.c.id == old.id, form.c.version == old.version).values(**values)
        entries = _entries(subject, form_id, decision) or [
            Entry(subject.site.chain, "review", "form", str(form_id), "queries", "", subject=subject.key)
        ]
        if tx.change(form, statement, entries) != 1:
            raise Stale
    asked = published.study, published.study.form[key.form_oid]
    _project(tx, subject, form_id, (*asked, old.document if old else Document()), (*asked, decision.document))
    queries.apply(tx, subject, key, form_id, decision)
    if old is not None:
        verifications.undo(tx, subject, form_id, _gone(old.document, decision), "", Who.system())
    return form_id


def _refuse_closed(tx: Transaction, subject: Subject, key: FormKey, old: StoredForm | None, decision: Decision) -> None:
    over = locks.over_form(subject, key, old.id if old else None)
    if old is None or decision.changes or decision.removed:
        locks.refuse_change(tx, (*over, *(locks.items_of(old.id, _gone(old.document, decision)) if old else ())))
    else:
        locks.refuse_work(tx, over)


def _gone(before: Document, decision: Decision) -> set[Place]:
    """Where what was recorded before stands no longer as it was: changed, or in a row marked entered in error."""
    rows = {place for place, _ in before.places() if (place.group, place.row) in decision.removed}
    return {change.place for change in decision.changes} | rows


def _create(tx: Transaction, subject: Subject, key: FormKey, definition_id: int, text: str, decision: Decision) -> int:
    said = {
        "subject": subject.id,
        "event": key.event_oid,
        "event_repeat": key.event_repeat,
        "form": key.form_oid,
        "form_repeat": key.form_repeat,
        "definition": definition_id,
    }
    chain = subject.site.chain

    def entries(form_id: int) -> list[Entry]:
        created = Entry(chain, "create", "form", str(form_id), "", json.dumps(said, sort_keys=True), subject=subject.key, first=True)
        return [created, *_entries(subject, form_id, decision)]

    values = {
        "site_id": subject.site.id,
        "subject_id": subject.id,
        "event_oid": key.event_oid,
        "event_repeat": key.event_repeat,
        "form_oid": key.form_oid,
        "form_repeat": key.form_repeat,
        "definition_id": definition_id,
        "version": 1,
        "document": text,
        "complete": decision.complete,
        "created_at": tx.at,
        "updated_at": tx.at,
    }
    try:
        return tx.create(form, values, entries)
    except IntegrityError as error:
        raise Stale from error


def _entries(subject: Subject, form_id: int, decision: Decision) -> list[Entry]:
    chain, system = subject.site.chain, Who.system()
    made = [
        Entry(
            chain,
            "set",
            "form",
            str(form_id),
            str(change.place),
            change.new.canonical() if change.new else None,
            subject=subject.key,
            reason=change.reason,
            prompted_by=change.prompted_by,
            first=change.old is None,
            who=system if change.derived else None,
        )
        for change in decision.changes
    ]
    for (group, row), reason in decision.removed.items():
        made.append(
            Entry(chain, "row_error", "form", str(form_id), f"{group}/{row}/", reason, subject=subject.key, reason=reason, first=True)
        )
    return made


def migrate(tx: Transaction, subject: Subject, old: StoredForm, was: Published, now: Published, decision: Decision, reason: str) -> None:
    """Bring a form to another version of its definition, with what that makes of it: recorded as the program's own change, for this reason.

    Its seal breaks: whoever signed has not seen what is asked now. Raises Stale, Taken, Locked.
    """
    locks.refuse_change(tx, (*locks.over_form(subject, old.key, old.id), *_items(old)))
    values = {
        "document": decision.document.to_json(), "complete": decision.complete, "version": old.version + 1, "updated_at": tx.at,
        "definition_id": now.id, "sealed_by": None,
    }  # fmt: skip
    statement = update(form).where(form.c.id == old.id, form.c.version == old.version).values(**values)
    moved = Entry(subject.site.chain, "migrate", "form", str(old.id), "definition", str(now.id), subject.key, reason)
    if tx.change(form, statement, [moved, *_entries(subject, old.id, decision)]) != 1:
        raise Stale
    before, after = ((each.study, each.study.form[old.key.form_oid]) for each in (was, now))
    _project(tx, subject, old.id, (*before, old.document), (*after, decision.document))
    queries.apply(tx, subject, old.key, old.id, decision)
    verifications.undo(tx, subject, old.id, _gone(old.document, decision), "", Who.system())


_Asked = tuple[Study, FormDef, Document]


def _project(tx: Transaction, subject: Subject, form_id: int, before: _Asked, after: _Asked) -> None:
    was, now = set(project(*before)), set(project(*after))
    unique_codes.apply(tx, subject.site.study_id, form_id, *(codes_of(asked, document) for _, asked, document in (before, after)))
    gone = {(one.alias, one.item, one.group, one.row) for one in was - now}
    for alias, item, group, row in sorted(gone):
        where = (fact.c.form_id == form_id, fact.c.alias == alias, fact.c.item == item, fact.c.grp == group, fact.c.row == row)
        tx.project(fact, delete(fact).where(*where))
    new = sorted(now - was, key=lambda one: (one.alias, one.item, one.group, one.row))
    if new:
        rows = [
            {
                "form_id": form_id,
                "alias": one.alias,
                "item": one.item,
                "grp": one.group,
                "row": one.row,
                "text": one.text,
                "missing": one.missing,
            }
            for one in new
        ]
        tx.project(fact, insert(fact), rows)


def mark_error(tx: Transaction, subject: Subject, stored: StoredForm, reason: str) -> None:
    """Mark the whole form entered in error: it leaves every list and count and stays in the trail. Raises Stale, Locked."""
    locks.refuse_change(tx, (*locks.over_form(subject, stored.key, stored.id), *_items(stored)))
    statement = (
        update(form)
        .where(form.c.id == stored.id, form.c.version == stored.version)
        .values(error=reason, version=stored.version + 1, updated_at=tx.at, sealed_by=None)
    )
    entry = Entry(subject.site.chain, "error", "form", str(stored.id), "error", reason, subject=subject.key, reason=reason, first=True)
    if tx.change(form, statement, [entry]) != 1:
        raise Stale
    unique_codes.give_back(tx, stored.id)
    queries.close_all(tx, subject, stored.id, reason)


def _items(stored: StoredForm) -> tuple[Address, ...]:
    return locks.items_of(stored.id, (place for place, _ in stored.document.places()))


def seal(tx: Transaction, form_ids: Collection[int], signature_id: int) -> None:
    """These forms stand as signed, until anything in them changes."""
    tx.project(form, update(form).where(form.c.id.in_(sorted(form_ids))).values(sealed_by=signature_id, signed_by=signature_id))
