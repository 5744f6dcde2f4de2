"""Source data verification as stored: which value was held against its source, and whether it is still that value."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from trialcrf.core.document import Place
from trialcrf.store.audit import Entry, Who
from trialcrf.store.models import audit_record, audit_value, form, verification
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

ENTITY = "verification"


@dataclass(frozen=True, slots=True)
class Verified:
    """One value that was verified. `commitment` is that of the value then, empty for a blank; `standing` False: it changed since."""

    form_id: int
    place: Place
    commitment: str
    standing: bool
    at: datetime
    actor: str
    monitoring_id: int | None


_ALL = select(
    verification.c.form_id, verification.c.place, verification.c.commitment, verification.c.standing, verification.c.at,
    verification.c.actor, verification.c.monitoring_id,
).order_by(verification.c.form_id, verification.c.place)  # fmt: skip


def _made(row: Any) -> Verified:
    return Verified(row.form_id, Place.parse(row.place), row.commitment, row.standing, row.at, row.actor, row.monitoring_id)


def of_forms(tx: Transaction, form_ids: Collection[int]) -> dict[int, dict[Place, Verified]]:
    """What was verified in these forms, by form and place: what no longer stands too. Every form asked for is in it."""
    found: dict[int, dict[Place, Verified]] = {id_: {} for id_ in form_ids}
    ids = sorted(found)
    for start in range(0, len(ids), 500):
        for one in map(_made, tx.read(_ALL.where(verification.c.form_id.in_(ids[start : start + 500])))):
            found[one.form_id][one.place] = one
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """How many values of a form stand verified, without its document."""

    form_id: int
    subject_id: int
    definition_id: int
    form_oid: str
    count: int


def standing_of(tx: Transaction, subject_ids: Collection[int]) -> list[Standing]:
    """The forms of these subjects of which anything stands verified, those in error left out."""
    columns = (form.c.id, form.c.subject_id, form.c.definition_id, form.c.form_oid)
    joined = verification.join(form, form.c.id == verification.c.form_id)
    asked = select(*columns, func.count()).select_from(joined).where(verification.c.standing, form.c.error == "").group_by(*columns)
    ids = sorted(subject_ids)
    parts = (ids[start : start + 500] for start in range(0, len(ids), 500))
    return [Standing(*row) for part in parts for row in tx.read(asked.where(form.c.subject_id.in_(part)).order_by(form.c.id))]


def verify(tx: Transaction, which: Subject, form_id: int, commitments: Mapping[Place, str], monitoring_id: int | None) -> None:
    """Record that these values (their commitments, empty for a blank) agree with their sources."""
    held = of_forms(tx, [form_id])[form_id]
    for place, commitment in sorted(commitments.items()):
        values = {"commitment": commitment, "standing": True, "at": tx.at, "actor": tx.who.actor, "monitoring_id": monitoring_id}
        entry = Entry(which.site.chain, "verify", ENTITY, str(form_id), str(place), commitment, which.key, first=place not in held)
        if place in held:
            where = (verification.c.form_id == form_id, verification.c.place == str(place))
            tx.change(verification, update(verification).where(*where).values(**values), [entry])
        else:
            whole = {"form_id": form_id, "place": str(place), "site_id": which.site.id, **values}
            tx.change(verification, verification.insert().values(**whole), [entry])


def hold_forms(tx: Transaction, which: Subject, event_oid: str, event_repeat: int) -> None:
    """Nobody saves a form of this visit until this transaction ends: what is verified is what stands."""
    where = (form.c.subject_id == which.id, form.c.event_oid == event_oid, form.c.event_repeat == event_repeat)
    tx.read(select(form.c.id).where(*where).order_by(form.c.id).with_for_update(key_share=True)).all()


def undo(tx: Transaction, which: Subject, form_id: int, places: Collection[Place], reason: str, who: Who | None = None) -> None:
    """These values stand verified no longer: they changed (then the program says so, `who`), or the monitor takes it back."""
    if not places:
        return
    asked = select(verification.c.place).where(
        verification.c.form_id == form_id, verification.c.standing, verification.c.place.in_([str(place) for place in places])
    )
    gone = sorted(tx.read(asked).scalars())
    if gone:
        statement = update(verification).where(verification.c.form_id == form_id, verification.c.place.in_(gone)).values(standing=False)
        entries = [Entry(which.site.chain, "unverify", ENTITY, str(form_id), place, None, which.key, reason, who=who) for place in gone]
        tx.change(verification, statement, entries)


def values_then(tx: Transaction, form_id: int, commitments: Mapping[Place, str]) -> dict[Place, str | None]:
    """The canonical texts that these commitments are to: what was verified, as the trail holds it. None: blank, or redacted since."""
    found: dict[Place, str | None] = dict.fromkeys(commitments)
    wanted = {str(place): (place, commitment) for place, commitment in commitments.items() if commitment}
    joined = audit_record.join(audit_value, (audit_value.c.chain == audit_record.c.chain) & (audit_value.c.seq == audit_record.c.seq))
    columns = (audit_record.c.place, audit_record.c.new_commit, audit_value.c.value)
    asked = select(*columns).select_from(joined).where(audit_record.c.entity == "form", audit_record.c.entity_id == str(form_id))
    for row in tx.read(asked.where(audit_record.c.place.in_(sorted(wanted)))) if wanted else ():
        place, commitment = wanted[row.place]
        if row.new_commit == commitment:
            found[place] = row.value
    return found


def differences(tx: Transaction, told: dict[tuple[int, str], str | None]) -> Iterator[tuple[str, str]]:
    """(form id, place) where what is stored is not what the trail tells; `told` is the newest commitment by form and place."""
    for row in tx.read(_ALL.join(form, form.c.id == verification.c.form_id)):
        if told.pop((row.form_id, row.place), None) != (row.commitment if row.standing else None):
            yield str(row.form_id), row.place
    for form_id, place in sorted(key for key, commitment in told.items() if commitment is not None):
        yield str(form_id), place
