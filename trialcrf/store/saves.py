"""Saves of forms as the trail tells them, for the review of a period: streamed, with what stood over them then."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import select

from trialcrf.core.lock import Address, Level, visit_address
from trialcrf.core.signature import covered_of
from trialcrf.store.models import audit_record, form, signature, visit
from trialcrf.store.models.base import moment_of, moment_text
from trialcrf.store.transaction import Transaction

AT_ONCE = 500
"""Things that are asked for in one statement."""


@dataclass(frozen=True, slots=True)
class Told:
    """One save of a form by a person: all records of one save have the same moment. `seq` is its first record in the chain of the site.

    `reasons` are the different ones that were given for it.
    """

    chain: str
    seq: int
    at: datetime
    actor: str
    form_id: int
    subject: str
    begun: bool
    changed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Around:
    """What a form lies under and belongs to: the addresses of locks, the day of its visit where one is recorded, its first signature.

    `signed_at` is (chain, position) of the first signature that covers the form.
    """

    addresses: tuple[str, ...]
    held_on: date | None
    signed_at: tuple[str, int] | None


_COLUMNS = tuple(
    audit_record.c[name] for name in ("seq", "at", "actor", "role", "op", "entity_id", "subject", "place", "reason", "old_commit")
)


def told(tx: Transaction, chain: str, start: datetime, end: datetime) -> Iterator[Told]:
    """The saves of a chain from one moment to before another, by position; what the program did alone is left out.

    The trail has no index of time: every record of the chain is looked at, and none is kept.
    """
    asked = (
        select(*_COLUMNS)
        .where(audit_record.c.chain == chain, audit_record.c.at >= moment_text(start), audit_record.c.at < moment_text(end))
        # Written so that no index of entities is taken: the records lie in the order of the chain, and are read in it.
        .where(audit_record.c.entity.concat("") == "form", audit_record.c.op != "review")
        .order_by(audit_record.c.seq)
        .execution_options(yield_per=1000)
    )
    for (at, form_id), held in groupby(tx.read(asked), lambda row: (row.at, row.entity_id)):
        rows: list[Any] = list(held)
        by_people = [row for row in rows if row.role != "system"]
        if by_people:
            yield Told(
                chain,
                rows[0].seq,
                moment_of(at),
                by_people[0].actor,
                int(form_id),
                rows[0].subject,
                any(row.op == "create" for row in rows),
                any(row.op in ("error", "row_error") or (row.op == "set" and row.old_commit) for row in by_people),
                tuple(sorted({row.reason for row in by_people if row.reason})),
            )


def around(tx: Transaction, study_id: int, form_ids: Collection[int]) -> dict[int, Around]:
    """What stands around these forms; few enough for one statement."""
    held_on = (visit.c.subject_id == form.c.subject_id) & (visit.c.event_oid == form.c.event_oid) & (form.c.event_repeat == 1)
    columns = (form.c.id, form.c.site_id, form.c.subject_id, form.c.event_oid, form.c.event_repeat, visit.c.held_on)
    rows = tx.read(select(*columns).select_from(form.outerjoin(visit, held_on)).where(form.c.id.in_(sorted(form_ids)))).all()
    signed = _first_signatures(tx, {row.subject_id for row in rows})
    found = {}
    for row in rows:
        over = (
            Address(Level.STUDY, study_id),
            Address(Level.SITE, row.site_id),
            Address(Level.SUBJECT, row.subject_id),
            visit_address(row.subject_id, row.event_oid, row.event_repeat),
            Address(Level.FORM, row.id),
        )
        found[row.id] = Around(tuple(one.text for one in over), _day(row.held_on), signed.get(row.id))
    return found


def _day(text: str | None) -> date | None:
    """The day of a visit; a date that is not known to the day tells nothing."""
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def _first_signatures(tx: Transaction, subject_ids: Collection[int]) -> dict[int, tuple[str, int]]:
    found: dict[int, tuple[str, int]] = {}
    asked = select(signature.c.chain, signature.c.seq, signature.c.covered).where(signature.c.subject_id.in_(sorted(subject_ids)))
    for row in tx.read(asked.order_by(signature.c.id)):
        for form_id in {int(one.entity_id) for one in covered_of(row.covered) if one.entity == "form"}:
            found.setdefault(form_id, (row.chain, row.seq))
    return found


def lock_moments(tx: Transaction, chains: Sequence[str]) -> dict[str, list[datetime]]:
    """When what was locked, by address, in order."""
    found: dict[str, list[datetime]] = {}
    asked = select(audit_record.c.place, audit_record.c.at).where(
        audit_record.c.entity == "lock", audit_record.c.op == "lock", audit_record.c.chain.in_(sorted(chains))
    )
    for row in tx.read(asked):
        found.setdefault(row.place, []).append(moment_of(row.at))
    return {address: sorted(moments) for address, moments in found.items()}
