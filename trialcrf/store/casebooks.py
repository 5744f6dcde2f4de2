"""Everything the trail tells of one subject, and how the forms of a subject stood, within a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from trialcrf.core.chain import Checkpoint
from trialcrf.core.document import FormKey
from trialcrf.core.lock import Address, LockState
from trialcrf.core.packs.casebook_parts import Person
from trialcrf.core.packs.casebook_told import Held, Told
from trialcrf.core.wording import Sayable
from trialcrf.store import definitions
from trialcrf.store.models import audit_record, audit_value, definition, study
from trialcrf.store.models.base import moment_of
from trialcrf.store.queries import find
from trialcrf.store.replay import Replayed
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

_BESIDE = audit_record.outerjoin(audit_value, (audit_value.c.chain == audit_record.c.chain) & (audit_value.c.seq == audit_record.c.seq))
_COLUMNS = (
    audit_record.c.chain, audit_record.c.seq, audit_record.c.at, audit_record.c.actor, audit_record.c.role, audit_record.c.organisation,
    audit_record.c.op, audit_record.c.entity, audit_record.c.entity_id, audit_record.c.place, audit_record.c.reason,
    audit_record.c.prompted_by, audit_record.c.new_commit, audit_value.c.value,
)  # fmt: skip


def records_of(tx: Transaction, which: Subject, upto: Checkpoint) -> list[Told]:
    """Every record that names the subject, in whatever chain of the checkpoint, by chain and position, old values beside new ones."""
    found: list[Told] = []
    for chain, size, _ in upto.heads:
        where = (audit_record.c.chain == chain, audit_record.c.subject == which.key, audit_record.c.seq <= size)
        last: dict[tuple[str, str, str], str | None] = {}
        for row in tx.read(select(*_COLUMNS).select_from(_BESIDE).where(*where).order_by(audit_record.c.seq)):
            at = (row.entity, row.entity_id, row.place)
            redacted = bool(row.new_commit) and row.value is None
            said = (row.chain, row.seq, moment_of(row.at), row.actor, row.role, row.organisation, row.op, *at, row.reason, row.prompted_by)
            found.append(Told(*said, last.get(at), row.value, redacted))
            last[at] = row.value
    return found


def person_of(which: Subject, records: Collection[Told]) -> Person | None:
    """The subject as the records tell it; None where it was not enrolled by then."""
    created = next((one for one in records if (one.entity, one.op, one.entity_id) == ("subject", "create", str(which.id))), None)
    if created is None:
        return None
    said = json.loads(created.new or "{}")
    error = next((one.new or "" for one in records if (one.entity, one.op) == ("subject", "error")), "")
    return Person(which.key, which.site.code, which.site.zone, said["subject_type"], date.fromisoformat(said["enrolled_on"]), error)


def forms_of(tx: Transaction, records: Collection[Told]) -> dict[int, Held]:
    """How each form of these records stood after the last of them, those in error too."""
    replayed: dict[int, Replayed] = {}
    for one in records:
        if one.entity != "form":
            continue
        if one.op == "create":
            said = json.loads(one.new or "{}")
            key = FormKey(said["event"], said["form"], said["event_repeat"], said["form_repeat"])
            replayed[int(one.entity_id)] = Replayed(said["subject"], key, said["definition"])
        elif int(one.entity_id) in replayed:
            replayed[int(one.entity_id)].take(one.op, one.place, one.new)
    found = {}
    for id_, held in replayed.items():
        pinned = definitions.read(tx, held.definition_id)
        found[id_] = Held(id_, held.key, pinned.study, pinned.version, held.document(), held.error)
    return found


def messages_of(tx: Transaction, records: Collection[Told]) -> dict[int, Sayable]:
    """What each query of these records asks, by its number."""
    numbers = sorted(int(one.entity_id) for one in records if (one.entity, one.op) == ("query", "create"))
    asked = ((number, find(tx, number)) for number in numbers)
    return {number: one.message for number, one in asked if one is not None}


def locks_over(tx: Transaction, which: Subject, forms: Collection[int], upto: Checkpoint) -> dict[Address, tuple[LockState, Any]]:
    """What is or was frozen or locked, with its newest state and when: the study, the site, the subject and whatever of it."""
    where: Site = which.site
    found: dict[Address, tuple[LockState, Any]] = {}
    own = {f"study/{where.study_id}", f"site/{where.id}", f"subject/{which.id}"}
    for chain, size, _ in upto.heads:
        if chain not in (where.study_oid, where.chain):
            continue
        asked = (audit_record.c.chain == chain, audit_record.c.seq <= size, audit_record.c.entity == "lock")
        columns = (audit_record.c.place, audit_record.c.at, audit_value.c.value)
        for row in tx.read(select(*columns).select_from(_BESIDE).where(*asked).order_by(audit_record.c.seq)):
            level, _, rest = row.place.partition("/")
            number = rest.partition("/")[0]
            if row.place in own or (level == "visit" and number == str(which.id)) or (level in ("form", "item") and int(number) in forms):
                found[Address.parse(row.place)] = (LockState(row.value), moment_of(row.at))
    return found


def editions(tx: Transaction, study_oid: str) -> list[tuple[int, datetime]]:
    """Every published version of the study with the moment from which it was the newest, newest first."""
    joined = definition.join(study, study.c.id == definition.c.study_id)
    asked = select(definition.c.version, definition.c.published_at).select_from(joined).where(study.c.oid == study_oid)
    return [(row.version, row.published_at) for row in tx.read(asked.order_by(definition.c.version.desc()))]
