"""The data as the trail tells it: what was known at a checkpoint, and the proof that what is stored is exactly that."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from sqlalchemy import select

from trialcrf.core.chain import Checkpoint
from trialcrf.core.document import Answer, Document, FormKey, Place, Row, row_order
from trialcrf.core.facts import Recorded, SubjectRecord, project, recorded
from trialcrf.store import (
    audit,
    cases,
    decisions,
    definitions,
    delegations,
    dictionaries,
    enclosures,
    lab_ranges,
    locks,
    monitoring,
    plans,
    requests,
    seals,
    signatures,
    site_names,
    subjects,
    unique_codes,
    verifications,
)  # fmt: skip
from trialcrf.store.models import account, fact, form, grant, query, site, subject
from trialcrf.store.transaction import Transaction


@dataclass
class Replayed:
    """A form as its records tell it, in their order."""

    subject_id: int
    key: FormKey
    definition_id: int
    error: str = ""
    items: dict[str, Answer] = field(default_factory=dict)
    rows: dict[str, dict[str, tuple[dict[str, Answer], list[str]]]] = field(default_factory=dict)

    def take(self, op: str, place: str, value: str | None) -> None:
        where = Place.parse(place)
        if op == "error":
            self.error = value or ""
        elif op == "migrate":
            self.definition_id = int(value or "0")
        elif op == "row_error":
            self._row(where)[1][:] = [value or ""]
        elif op == "set":
            into = self._row(where)[0] if where.row else self.items
            if value is None:
                into.pop(where.item, None)
            else:
                into[where.item] = Answer.from_plain(json.loads(value))

    def _row(self, where: Place) -> tuple[dict[str, Answer], list[str]]:
        return self.rows.setdefault(where.group, {}).setdefault(where.row, ({}, []))

    def document(self) -> Document:
        rows = {
            group: tuple(sorted((Row(row_id, items, error[0] if error else "") for row_id, (items, error) in held.items()), key=row_order))
            for group, held in self.rows.items()
        }
        return Document(self.items, rows)


def forms_at(tx: Transaction, upto: Checkpoint) -> dict[int, Replayed]:
    """Every form as it was at the checkpoint, by id, those in error too."""
    found: dict[int, Replayed] = {}
    for entity_id, op, place, value in audit.replay(tx.connection, "form", upto):
        if op == "create":
            said = json.loads(value or "{}")
            key = FormKey(said["event"], said["form"], said["event_repeat"], said["form_repeat"])
            found[int(entity_id)] = Replayed(said["subject"], key, said["definition"])
        else:
            found[int(entity_id)].take(op, place, value)
    return found


def form_at_version(tx: Transaction, form_id: int, version: int) -> Document:
    """A form as it stood after so many saves: all records of one save have the same moment."""
    held = Replayed(0, FormKey("", ""), 0)
    saves, last = 0, None
    for past in audit.history(tx.connection, "form", str(form_id)):
        if past.at != last:
            saves, last = saves + 1, past.at
        if saves > version:
            break
        held.take(past.op, past.place, past.new)
    return held.document()


def form_histories(tx: Transaction, form_ids: Collection[int], upto: Checkpoint | None = None) -> dict[int, list[Stood]]:
    """How these forms stood after each of their saves, oldest first, within the checkpoint if there is one; those in error too."""
    positions = {chain: size for chain, size, _ in upto.heads} if upto else {}
    found: dict[int, list[Stood]] = {id_: [] for id_ in form_ids}
    ids = sorted(str(id_) for id_ in found)
    for start in range(0, len(ids), 500):
        held: dict[str, tuple[Replayed, datetime]] = {}
        for past in audit.of_things(tx.connection, "form", ids[start : start + 500]):
            if upto is not None and past.seq > positions.get(past.chain, 0):
                continue
            replayed, at = held.setdefault(past.entity_id, (Replayed(0, FormKey("", ""), 0), past.at))
            if at != past.at:  # All records of one save have the same moment.
                found[int(past.entity_id)].append(_stood(at, replayed))
            replayed.take(past.op, past.place, past.new)
            held[past.entity_id] = (replayed, past.at)
        for entity_id, (replayed, at) in held.items():
            found[int(entity_id)].append(_stood(at, replayed))
    return found


@dataclass(frozen=True, slots=True)
class Stood:
    """A form as a save at this moment left it."""

    at: datetime
    document: Document
    error: str


def _stood(at: datetime, held: Replayed) -> Stood:
    # What is replayed goes on changing: what stood then is kept as it was.
    return Stood(at, Document.from_json(held.document().to_json()), held.error)


def subjects_at(tx: Transaction, upto: Checkpoint, aliases: frozenset[str] = frozenset()) -> list[SubjectRecord]:
    """What was understood of every subject at the checkpoint, by key; what was in error then is not in it.

    `aliases` are answers that a report needs beyond what the program understands everywhere (see `core.facts.project`).
    """
    people: dict[int, SubjectRecord] = {}
    for entity_id, op, _, value in audit.replay(tx.connection, "subject", upto):
        if op == "create":
            said = json.loads(value or "{}")
            enrolled = date.fromisoformat(said["enrolled_on"])
            people[int(entity_id)] = SubjectRecord(int(entity_id), said["key"], said["site"], said["subject_type"], enrolled)
        elif op == "error" and value:
            people.pop(int(entity_id), None)
    gathered: dict[int, list[Recorded]] = {id_: [] for id_ in people}
    for form_id, held in sorted(forms_at(tx, upto).items()):
        if not held.error and held.subject_id in gathered:
            study = definitions.read(tx, held.definition_id).study
            facts = project(study, study.form[held.key.form_oid], held.document(), aliases)
            gathered[held.subject_id].extend(recorded(form_id, held.key, facts))
    return sorted((replace(one, records=tuple(gathered[one.id])) for one in people.values()), key=lambda one: one.key)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something stored that the trail does not tell, or the other way round."""

    entity: str
    entity_id: str
    place: str


def differences(tx: Transaction) -> Iterator[Difference]:
    """Every place where what is stored is not the replay of the trail: documents, projections, and the states that lists rely on."""
    everything = Checkpoint(tuple(audit.chains(tx.connection)))
    yield from _form_differences(tx, everything)
    for published in definitions.all_of(tx):
        for one, event_oid in plans.differences(tx, subjects.all_of(tx, published.study.oid)):
            yield Difference("visit", str(one.id), event_oid)
    for entity_id, column in signatures.differences(tx):
        yield Difference("signature", entity_id, column)
    for form_id, column in seals.differences(tx):
        yield Difference("form", str(form_id), column)
    for entity_id, place in enclosures.differences(tx):
        yield Difference(enclosures.ENTITY, entity_id, place)
    for entity_id, column in decisions.differences(tx):
        yield Difference(decisions.ENTITY, entity_id, column)
    for entity_id, column in dictionaries.differences(tx):
        yield Difference("dictionary", entity_id, column)
    for entity_id, column in lab_ranges.differences(tx, everything):
        yield Difference("lab_range", entity_id, column)
    for entity, entity_id, column in cases.differences(tx):
        yield Difference(entity, entity_id, column)
    yield from _oversight_differences(tx, everything)
    yield from _enrolment_differences(tx, everything)
    for entity, table, columns in (
        ("subject", subject, ("error",)),
        ("query", query, ("state", "assignee", "due_on")),
        ("account", account, ("username", "name", "email", "organisation", "active")),
        ("role_grant", grant, ("active", "trained_on")),
        ("site", site, ("code", "name", "zone")),
    ):
        told: dict[tuple[str, str], str | None] = {}
        for entity_id, _, place, value in audit.replay(tx.connection, entity, everything):
            told[entity_id, place] = value
        stored: dict[tuple[str, str], str | None] = {}
        for row in tx.read(select(table.c.id, *(table.c[column] for column in columns))):
            for column in columns:
                value = getattr(row, column)
                stored[str(row.id), column] = str(value).lower() if isinstance(value, bool) else str(value or "")
        for key in sorted(told.keys() | stored.keys()):
            if key[1] in columns and (told.get(key) or "") != (stored.get(key) or ""):
                yield Difference(entity, *key)
        for entity_id in sorted({id_ for id_, _ in stored} ^ {id_ for id_, _ in told}):
            yield Difference(entity, entity_id, "")


def _enrolment_differences(tx: Transaction, everything: Checkpoint) -> Iterator[Difference]:
    """Who a subject is: its key, site, kind, number and day of enrolment never change."""
    told = {id_: json.loads(value) for id_, op, _, value in audit.replay(tx.connection, "subject", everything) if op == "create" and value}
    columns = (subject.c.id, subject.c.key, subject.c.subject_type, subject.c.number, subject.c.enrolled_on, site.c.code.label("site"))
    for row in tx.read(select(*columns).join(site, site.c.id == subject.c.site_id).order_by(subject.c.id)).mappings():
        for name, said in told.get(str(row["id"]), {}).items():
            if name in row and str(row[name]) != str(said):
                yield Difference("subject", str(row["id"]), name)


def _oversight_differences(tx: Transaction, everything: Checkpoint) -> Iterator[Difference]:
    verified = {
        (int(entity_id), place): value for entity_id, _, place, value in audit.replay(tx.connection, verifications.ENTITY, everything)
    }
    for form_id, place in verifications.differences(tx, verified):
        yield Difference(verifications.ENTITY, form_id, place)
    closed = {entity_id: (place, value or "") for entity_id, _, place, value in audit.replay(tx.connection, "lock", everything)}
    for entity_id, column in locks.differences(tx, closed):
        yield Difference("lock", entity_id, column)
    released: dict[str, dict[str, str | None]] = {}
    for entity_id, _, place, value in audit.replay(tx.connection, "site_release", everything):
        released.setdefault(entity_id, {})[place] = value
    for entity_id, column in definitions.release_differences(tx, released):
        yield Difference("site_release", entity_id, column)
    listed = {id_: value for id_, _, place, value in audit.replay(tx.connection, site_names.ENTITY, everything) if place == "count"}
    for entity_id, column in site_names.differences(tx, listed):
        yield Difference(site_names.ENTITY, entity_id, column)
    given: dict[str, dict[str, str | None]] = {}
    for entity_id, _, place, value in audit.replay(tx.connection, delegations.ENTITY, everything):
        given.setdefault(entity_id, {})[place] = value
    for entity_id, column in delegations.differences(tx, given):
        yield Difference(delegations.ENTITY, entity_id, column)
    asked: dict[str, dict[str, str | None]] = {}
    for entity_id, _, place, value in audit.replay(tx.connection, "four_eyes", everything):
        asked.setdefault(entity_id, {})[place] = value
    for entity_id, column in requests.differences(tx, asked):
        yield Difference("four_eyes", entity_id, column)
    for entity, entity_id, column in monitoring.differences(tx):
        yield Difference(entity, entity_id, column)


def _form_differences(tx: Transaction, everything: Checkpoint) -> Iterator[Difference]:
    told = forms_at(tx, everything)
    facts: dict[int, set[tuple[str, str, str, str, str, str]]] = {}
    for row in tx.read(select(fact)):
        facts.setdefault(row.form_id, set()).add((row.alias, row.item, row.grp, row.row, row.text, row.missing))
    codes = unique_codes.by_form(tx)
    gone = set(tx.read(select(subject.c.id).where(subject.c.error != "")).scalars())
    columns = (form.c.id, form.c.document, form.c.error, form.c.definition_id, form.c.form_oid, form.c.subject_id)
    for row in tx.read(select(*columns).order_by(form.c.id)):
        held = told.pop(row.id, None)
        if held is None or (held.subject_id, held.definition_id) != (row.subject_id, row.definition_id):
            yield Difference("form", str(row.id), "")
            continue
        document = held.document()
        if document.to_json() != row.document:
            yield Difference("form", str(row.id), _where(document, Document.from_json(row.document)))
        if held.error != row.error:
            yield Difference("form", str(row.id), "error")
        study = definitions.read(tx, row.definition_id).study
        projected = {
            (one.alias, one.item, one.group, one.row, one.text, one.missing) for one in project(study, study.form[row.form_oid], document)
        }
        if projected != facts.pop(row.id, set()):
            yield Difference("fact", str(row.id), "")
        living = set() if held.error or row.subject_id in gone else unique_codes.of_document(study.form[row.form_oid], document)
        if living != codes.pop(row.id, set()):
            yield Difference("unique_code", str(row.id), "")
    for form_id in sorted(told.keys() | facts.keys() | codes.keys()):
        yield Difference("form", str(form_id), "")


def _where(told: Document, stored: Document) -> str:
    one, other = dict(told.places()), dict(stored.places())
    return next((str(place) for place in sorted(one.keys() | other.keys()) if one.get(place) != other.get(place)), "rows")
