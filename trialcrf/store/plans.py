"""The planned visits of subjects as rows, brought up to their records by the rule of the schedule."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, exists, insert, select

from trialcrf.core import schedule
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.schedule import Standing
from trialcrf.store import definitions, subjects
from trialcrf.store.audit import Entry, Who, history
from trialcrf.store.models import subject, visit
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

AT_ONCE = 200
"""Subjects whose records are held in memory together."""


def replan(tx: Transaction, which: Subject, reason: str = "") -> None:
    """Bring a subject's rows up to its records, under the version in force for it. Where a target moved that had been planned before,
    the trail says from where to where, and why: the reason of the save. One at a time per subject: each sees what the one before it saved.
    """
    subjects.hold(tx, [which.id])
    study = definitions.for_subject(tx, which).study
    record = subjects.records(tx, [which], schedule.bearing(study))[0]
    old = {row.event_oid: row for row in tx.read(select(visit).where(visit.c.subject_id == which.id))}
    new = {one.event.oid: one for one in schedule.standings(study, record)}
    moved = [(oid, old[oid].target, one.target) for oid, one in new.items() if oid in old and old[oid].target not in (None, one.target)]
    for oid, was, now in moved:
        said = json.dumps({"from": was.isoformat(), "to": now.isoformat() if now else None}, sort_keys=True)
        tx.entries.append(
            Entry(which.site.chain, "replan", "subject", str(which.id), f"visit/{oid}", said, which.key, reason, who=Who.system())
        )
    rows = {oid: row_of(which.id, which.site.id, one) for oid, one in new.items()}
    # A save moves a visit or two: the others stay untouched.
    gone = [oid for oid, row in old.items() if rows.get(oid) != tuple(row)]
    if gone:
        tx.work(delete(visit).where(visit.c.subject_id == which.id, visit.c.event_oid.in_(sorted(gone))))
    _insert(tx, [row for oid, row in rows.items() if oid in gone or oid not in old])


@dataclass(frozen=True, slots=True)
class Move:
    """A visit whose target moved, as the trail tells it: from, to (None: it has none any more), when it was recorded, and why."""

    event_oid: str
    was: date
    now: date | None
    at: datetime
    reason: str


def moves(tx: Transaction, which: Subject) -> list[Move]:
    """Every target of the subject that moved because something it is counted from was corrected, the newest first."""
    found = []
    for past in history(tx.connection, "subject", str(which.id)):
        if past.op == "replan" and past.new is not None:
            said = json.loads(past.new)
            to = date.fromisoformat(said["to"]) if said["to"] else None
            found.append(Move(past.place.partition("/")[2], date.fromisoformat(said["from"]), to, past.at, past.reason))
    return found[::-1]


def replan_all(tx: Transaction, people: Iterable[Subject]) -> int:
    """Write the rows of these subjects anew, as a version that takes effect or a new table asks for; returns how many subjects."""
    everyone = list(people)
    for start in range(0, len(everyone), AT_ONCE):
        some = everyone[start : start + AT_ONCE]
        subjects.hold(tx, [one.id for one in some])
        records = zip(some, subjects.records(tx, some), definitions.for_each(tx, some), strict=True)
        rows = [row_of(one.id, one.site.id, standing) for one, record, at in records for standing in schedule.standings(at.study, record)]
        _write(tx, rows, [one.id for one in some])
    return len(everyone)


def unplanned(tx: Transaction, study_oid: str) -> list[Subject]:
    """The living subjects without a single row: recorded before there was this table."""
    none = set(tx.read(select(subject.c.id).where(~exists().where(visit.c.subject_id == subject.c.id))).scalars())
    return [one for one in subjects.all_of(tx, study_oid) if one.id in none] if none else []


def differences(tx: Transaction, people: Sequence[Subject]) -> Iterator[tuple[Subject, str]]:
    """Every visit of these subjects whose row is not what the rule makes of their records."""
    for start in range(0, len(people), AT_ONCE):
        some = people[start : start + AT_ONCE]
        stored: dict[int, set[Row]] = {one.id: set() for one in some}
        for row in tx.read(select(visit).where(visit.c.subject_id.in_(sorted(stored)))):
            stored[row.subject_id].add(tuple(row))
        for one, record, at in zip(some, subjects.records(tx, some), definitions.for_each(tx, some), strict=True):
            for wrong in sorted(stored[one.id] ^ _rows(one, at.study, record), key=lambda row: str(row[1])):
                yield one, str(wrong[1])


Row = tuple[Any, ...]
"""The columns of a row, in their order."""

COLUMNS = tuple(column.name for column in visit.columns)


def row_of(subject_id: int, site_id: int, one: Standing) -> Row:
    return (subject_id, one.event.oid, site_id, one.course, one.target, one.opens, one.closes, one.held_on)


def _rows(one: Subject, study: Study, record: SubjectRecord) -> set[Row]:
    return {row_of(one.id, one.site.id, standing) for standing in schedule.standings(study, record)}


def _write(tx: Transaction, rows: Sequence[Row], of_subjects: Collection[int]) -> None:
    tx.work(delete(visit).where(visit.c.subject_id.in_(sorted(of_subjects))))
    _insert(tx, rows)


def _insert(tx: Transaction, rows: Sequence[Row]) -> None:
    if rows:
        tx.work(insert(visit), [dict(zip(COLUMNS, row, strict=True)) for row in rows])
