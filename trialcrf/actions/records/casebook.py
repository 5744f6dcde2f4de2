"""Casebooks: what was known of one subject at a checkpoint, gathered for paper, and the list of the casebooks of a site."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, timedelta

from trialcrf.actions import Impossible
from trialcrf.core.chain import Checkpoint
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.packs.casebook import casebook
from trialcrf.core.packs.casebook_parts import BookFile, Casebook, Casebooks, Person, Signed
from trialcrf.core.packs.casebook_told import role_of
from trialcrf.core.signature import Standing, Thing, with_documents
from trialcrf.core.wording import N_, Message, Words
from trialcrf.store import audit, casebooks, signatures, sites, subjects
from trialcrf.store.audit import Past
from trialcrf.store.signatures import NOT_DATA, Signature
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

WESTMOST = timedelta(hours=12)
"""How far the calendar at a site can be behind that of universal time."""


def casebook_of(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut, key: str, eyes: Collection[str] = ()) -> Casebook:
    """The casebook of one subject, with the kinds of forms in `eyes` (all where empty). Raises Impossible for whoever was not enrolled
    then, and for a cut-off before the moment: a casebook tells everything that is known."""
    check_whole(cut)
    which = subjects.find(tx, study.oid, key)
    records = casebooks.records_of(tx, which, upto) if which else []
    person = casebooks.person_of(which, records) if which else None
    if which is None or person is None:
        raise Impossible(Message(N_("There is no subject %(subject)s."), {"subject": key}), "subject")
    forms = casebooks.forms_of(tx, records)
    signed = list(_signed(tx, upto, which))
    closed = casebooks.locks_over(tx, which, forms, upto)
    return casebook(study, cut, person, records, forms, casebooks.messages_of(tx, records), signed, closed, eyes)


def casebooks_of(tx: Transaction, study: Study, upto: Checkpoint, cut: Cut, site: str, eyes: Collection[str] = ()) -> Casebooks:
    """The list of every subject that the site had then, those marked in error too; nothing of them is drawn yet. Raises Impossible."""
    check_whole(cut)
    if sites.find(tx, study.oid, site) is None:
        raise Impossible(Message(N_("Choose one of the sites offered.")), "site")
    books = []
    for one in _enrolled(tx, study, upto, site):
        kind = study.subject_type.get(one.subject_type)
        label = kind.label if kind else Words({"": one.subject_type})
        if eyes and not _readable(study, one.subject_type) & set(eyes):
            continue
        books.append(BookFile(one.key, label, one.enrolled_on, one.error, f"casebook-{one.key}.pdf"))
    every = {form.access for form in study.forms}
    return Casebooks(cut, study.title, study.protocol, site, bool(eyes) and bool(every - set(eyes)), tuple(books))


def check_whole(cut: Cut) -> None:
    """Refuse a cut-off before the moment of the data: nothing of a casebook is left out. Raises Impossible."""
    if cut.as_of < (cut.known_at - WESTMOST).date():
        raise Impossible(Message(N_("A casebook tells everything that was known at a moment: it has no earlier cut-off.")), "day")


def _readable(study: Study, subject_type: str) -> frozenset[str]:
    """The kinds of forms that a subject of this type has."""
    return frozenset(study.form[ref.form_oid].access for event in study.events_for(subject_type) for ref in event.forms)


def _enrolled(tx: Transaction, study: Study, upto: Checkpoint, site: str) -> Iterator[Person]:
    """Every subject whom the site had enrolled by the checkpoint, by key; those marked in error too."""
    own = Checkpoint(tuple(head for head in upto.heads if head[0] == f"{study.oid}/{site}"))
    people: dict[str, Person] = {}
    for entity_id, op, _, value in audit.replay(tx.connection, "subject", own):
        if op == "create":
            said = json.loads(value or "{}")
            people[entity_id] = Person(
                said["key"], said["site"], UTC, said["subject_type"], date.fromisoformat(said["enrolled_on"])
            )  # fmt: skip
        elif op == "error":
            people[entity_id] = replace(people[entity_id], error=value or "")
    yield from sorted(people.values(), key=lambda one: one.key)


def _signed(tx: Transaction, upto: Checkpoint, which: Subject) -> Iterator[Signed]:
    """The signatures on a subject that were known then, oldest first, each as it stood then."""
    sizes = {chain: size for chain, size, _ in upto.heads}
    known = [one for one in signatures.all_of(tx, which.id) if one.seq <= sizes.get(one.chain, 0)]
    broken = {id_ for id_, stood in signatures.standings(tx, known).items() if stood.standing is Standing.BROKEN}
    covered = {one: {(part.entity, part.entity_id) for part in one.signed} for one in known if one.id not in broken}
    things = {one.id: with_documents(held, one.meaning) for one, held in covered.items()}
    newest = _newest(tx, frozenset().union(*things.values()), sizes)
    for one in known:
        mine = things.get(one.id, frozenset())
        void = any(_after(past, one) for thing in mine for past in newest.get(thing, {}).values())
        standing = Standing.BROKEN if one.id in broken else Standing.VOID if void else Standing.VALID
        forms = tuple(sorted(int(entity_id) for entity, entity_id in mine if entity == "form"))
        yield Signed(one.id, one.at, one.name, role_of(one.role), one.organisation, one.meaning, one.hash, forms, standing)


def _after(past: Past, one: Signature) -> bool:
    """Whether a record is younger than a signature: by position within a chain, by time between two."""
    return past.seq > one.seq if past.chain == one.chain else past.at > one.at


def _newest(tx: Transaction, things: Collection[Thing], sizes: Mapping[str, int]) -> dict[Thing, dict[str, Past]]:
    """The newest record of each chain, within the checkpoint, that changed one of these things."""
    asked: dict[str, list[str]] = {}
    for entity, entity_id in sorted(things):
        asked.setdefault(entity, []).append(entity_id)
    found: dict[Thing, dict[str, Past]] = {}
    for entity, ids in asked.items():
        for start in range(0, len(ids), 500):
            for past in audit.of_things(tx.connection, entity, ids[start : start + 500]):
                if past.seq <= sizes.get(past.chain, 0) and past.op not in NOT_DATA:
                    found.setdefault((entity, past.entity_id), {})[past.chain] = past
    return found
