"""What waits for people at their sites, besides visits and queries: forms begun, verdicts to sign, deviations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Select, exists, func, select

from trialcrf.core.document import FormKey
from trialcrf.core.schedule import ENDINGS
from trialcrf.store import subjects
from trialcrf.store.models import fact, form, signature, subject
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

NOWHERE: Mapping[str, Collection[str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A form that was begun and is not complete."""

    subject: Subject
    key: FormKey
    updated_at: datetime


def unfinished(
    tx: Transaction, places: Sequence[Site], limit: int, but: Collection[str] = (), only_at: Mapping[str, Collection[str]] = NOWHERE
) -> tuple[int, list[Unfinished]]:
    """How many forms were begun and are not complete, and those that were touched last; of no subject of the kinds `but`.

    The forms named in `only_at` count at the sites named there and nowhere else.
    """
    every = {one.code: one.id for one in places}
    hidden = {every[code]: {oid for oid, at in only_at.items() if code not in at} for code in every}
    apart = [(form.c.site_id == one) & form.c.form_oid.in_(sorted(oids)) for one, oids in hidden.items() if oids]
    begun = (form.c.site_id.in_([one.id for one in places]), form.c.complete.is_(False), form.c.error == "", subject.c.error == "")
    where = (*begun, subject.c.subject_type.not_in(sorted(but)), *(~one for one in apart))
    joined = form.join(subjects.JOINED, subject.c.id == form.c.subject_id)
    count = int(tx.read(select(func.count()).select_from(joined).where(*where)).scalar_one())
    mine = (form.c.event_oid, form.c.form_oid, form.c.event_repeat, form.c.form_repeat, form.c.updated_at)
    rows = tx.read(
        select(*subjects.COLUMNS, *mine).select_from(joined).where(*where).order_by(form.c.updated_at.desc(), form.c.id.desc()).limit(limit)
    )
    keys = [(row, FormKey(row.event_oid, row.form_oid, row.event_repeat, row.form_repeat)) for row in rows]
    return count, [Unfinished(subjects.made(row), key, row.updated_at) for row, key in keys]


def unsigned(
    tx: Transaction, places: Sequence[Site], subject_types: Collection[str], meaning: str, limit: int
) -> tuple[int, list[Subject]]:
    """How many subjects, whose participation has not ended, bear no signature of this meaning; and those who wait longest."""
    found = _taking_part(select(func.count()).select_from(subjects.JOINED), places, subject_types).where(~_signed(meaning))
    count = int(tx.read(found).scalar_one())
    first = _taking_part(select(*subjects.COLUMNS).select_from(subjects.JOINED), places, subject_types).where(~_signed(meaning))
    rows = tx.read(first.order_by(subject.c.enrolled_on, subject.c.key).limit(limit))
    return count, [subjects.made(row) for row in rows]


def signed_before(
    tx: Transaction, places: Sequence[Site], subject_types: Collection[str], meaning: str, aliases: Collection[str], limit: int
) -> list[Subject]:
    """Those who bear such a signature and have nothing recorded under these aliases (the infusion, the harvest) yet: newest first."""
    done = exists(
        select(1)
        .select_from(fact.join(form, form.c.id == fact.c.form_id))
        .where(form.c.subject_id == subject.c.id, form.c.error == "", fact.c.alias.in_(sorted(aliases)))
        .correlate(subject)
    )
    asked = _taking_part(select(*subjects.COLUMNS).select_from(subjects.JOINED), places, subject_types).where(_signed(meaning), ~done)
    return [subjects.made(row) for row in tx.read(asked.order_by(subject.c.id.desc()).limit(limit))]


def _taking_part(statement: Select[Any], places: Sequence[Site], subject_types: Collection[str]) -> Select[Any]:
    ended = exists(
        select(1)
        .select_from(fact.join(form, form.c.id == fact.c.form_id))
        .where(
            form.c.subject_id == subject.c.id,
            form.c.error == "",
            (fact.c.alias == "DTHDAT") | ((fact.c.alias == "DSDECOD") & fact.c.text.in_(sorted(ENDINGS))),
        )
        .correlate(subject)
    )
    where = (subject.c.site_id.in_([one.id for one in places]), subject.c.error == "", subject.c.subject_type.in_(sorted(subject_types)))
    return statement.where(*where, ~ended)


def _signed(meaning: str) -> Any:
    return exists().where(signature.c.subject_id == subject.c.id, signature.c.meaning == meaning)


def deviations(tx: Transaction, subject_ids: Collection[int]) -> dict[tuple[int, str], int]:
    """How many deviations are recorded of which visit of these subjects, by subject and event."""
    asked = select(form.c.subject_id, fact.c.text, func.count()).select_from(fact.join(form, form.c.id == fact.c.form_id))
    where = (fact.c.alias == "DVREFID", fact.c.missing == "", form.c.error == "", form.c.subject_id.in_(sorted(subject_ids)))
    return {(row[0], row[1]): row[2] for row in tx.read(asked.where(*where).group_by(form.c.subject_id, fact.c.text))}
