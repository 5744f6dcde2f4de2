"""The ledger of jobs: one row for a job and its period, with a lease, so that what is due runs once and what died is taken up."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import CompoundSelect, func, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite

from trialcrf.core.rhythm import LEASE, Standing
from trialcrf.store.models import job_run
from trialcrf.store.models.base import moment_text
from trialcrf.store.transaction import Transaction

RUNNING, DONE, FAILED = "running", "done", "failed"
IDLE = "idle"
"""The period of the one row of a job without periods that says when it last looked and found nothing to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at a job for a period."""

    id: int
    job: str
    period: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Past:
    """A run for reading. `said` is English, as it was recorded; `counts` are the numbers in it."""

    job: str
    period: str
    attempt: int
    outcome: str
    began: datetime
    ended: datetime | None
    said: str
    counts: Mapping[str, float]


def begin(tx: Transaction, job: str, period: str, lease: timedelta = LEASE) -> Run | None:
    """Take the job for this period, or None: it is done, or another worker holds an unexpired lease."""
    until = tx.at + lease
    new = {"job": job, "period": period, "attempt": 1, "state": RUNNING, "lease_until": until, "started_at": tx.at}
    statement = _insert(tx).values(**new).on_conflict_do_nothing(index_elements=["job", "period"]).returning(job_run.c.id)
    made = tx.work(statement).first() is not None
    row = tx.read(select(job_run.c.id, job_run.c.attempt).where(job_run.c.job == job, job_run.c.period == period)).one()
    if made:
        return Run(row.id, job, period, 1)
    anew = {"state": RUNNING, "lease_until": until, "started_at": tx.at, "ended_at": None, "summary": "", "counts": "{}", "next_at": None}
    taken = tx.work(
        update(job_run)
        .where(job_run.c.id == row.id, job_run.c.state != DONE, job_run.c.attempt == row.attempt)
        .where((job_run.c.lease_until < tx.at) | (job_run.c.state == FAILED))
        .values(attempt=row.attempt + 1, **anew)
    ).rowcount
    return Run(row.id, job, period, row.attempt + 1) if taken else None


def finish(
    tx: Transaction, run: Run, state: str, summary: str, counts: Mapping[str, float] | None = None, next_at: datetime | None = None
) -> bool:
    """Close the run (`done` or `failed`), fenced by its attempt: False where another worker took it up meanwhile."""
    where = (job_run.c.id == run.id, job_run.c.attempt == run.attempt, job_run.c.state == RUNNING)
    told = {"state": state, "ended_at": tx.at, "summary": summary, "counts": _written(counts), "next_at": next_at}
    return tx.work(update(job_run).where(*where).values(**told)).rowcount == 1


def note(
    tx: Transaction, job: str, began: datetime, state: str, summary: str, counts: Mapping[str, float], next_at: datetime | None
) -> None:
    """Record a run of a job without periods, when it has ended.

    One that did something is a row of its own. One that found nothing to do only moves the idle row on, and one that failed as the
    run before it did moves that row on: such jobs run every few seconds.
    """
    told: dict[str, Any] = {"started_at": began, "ended_at": tx.at, "lease_until": tx.at, "next_at": next_at}
    told |= {"summary": summary, "counts": _written(counts)}
    if state == DONE and not any(counts.values()):
        new = {"job": job, "period": IDLE, "attempt": 1, "state": DONE, **told}
        tx.work(_insert(tx).values(**new).on_conflict_do_update(index_elements=["job", "period"], set_=told))
        return
    if state == FAILED:
        columns = (job_run.c.id, job_run.c.state, job_run.c.summary, job_run.c.attempt)
        last = tx.read(select(*columns).where(job_run.c.job == job).order_by(job_run.c.ended_at.desc()).limit(1)).first()
        if last is not None and (last.state, last.summary) == (FAILED, summary):
            tx.work(update(job_run).where(job_run.c.id == last.id).values(attempt=last.attempt + 1, **told))
            return
    period = f"{moment_text(began)} {secrets.token_hex(3)}"  # Two workers may begin in the same microsecond.
    tx.work(_insert(tx).values(job=job, period=period, attempt=1, state=state, **told))


def last_end(tx: Transaction, job: str) -> datetime | None:
    """When this job last ended well."""
    found = tx.read(select(func.max(job_run.c.ended_at)).where(job_run.c.job == job, job_run.c.state == DONE)).scalar()
    return found if isinstance(found, datetime) or found is None else None


def standings(tx: Transaction, jobs: Iterable[str]) -> dict[str, Standing]:
    """Where each of these jobs stands; one that never began is left out. One statement, however long the ledger is."""
    rows: dict[str, list[Any]] = {}
    for row in tx.read(_standings_of(tuple(jobs))):
        rows.setdefault(row.job, []).append(row)
    return {job: _standing(found) for job, found in rows.items()}


@cache
def _standings_of(jobs: tuple[str, ...]) -> CompoundSelect[Any]:
    """The newest row of each job that ended well, that ended, that runs, and that says what comes next. Built once."""
    columns = (
        job_run.c.job, job_run.c.attempt, job_run.c.state, job_run.c.started_at, job_run.c.ended_at, job_run.c.summary,
        job_run.c.counts, job_run.c.next_at,
    )  # fmt: skip
    ended = job_run.c.ended_at.is_not(None)
    wheres = (job_run.c.state == DONE, ended, job_run.c.ended_at.is_(None), ended & job_run.c.next_at.is_not(None))
    newest = [select(*columns).where(job_run.c.job == job).order_by(job_run.c.ended_at.desc()).limit(1) for job in jobs]
    return union_all(*(select(one.where(where).subquery()) for one in newest for where in wheres))


def _standing(rows: list[Any]) -> Standing:
    last = max(rows, key=lambda row: row.started_at)
    ended = max((row.ended_at for row in rows if row.state == DONE), default=None)
    # A run by hand does not say what the scheduler does next, and of a run that has not ended nobody knows.
    told = [row for row in rows if row.next_at]
    following = max(told, key=lambda row: row.ended_at).next_at if told and last.state != RUNNING else None
    return Standing(last.state, last.attempt, last.started_at, ended, following, last.summary, json.loads(last.counts))


def newest(tx: Transaction, limit: int) -> list[Past]:
    """The runs that were begun last, without the rows of idle runs."""
    rows = tx.read(select(job_run).where(job_run.c.period.not_in(["", IDLE])).order_by(job_run.c.id.desc()).limit(limit))
    return [
        Past(row.job, row.period, row.attempt, row.state, row.started_at, row.ended_at, row.summary, json.loads(row.counts)) for row in rows
    ]


def _insert(tx: Transaction) -> Any:
    return (postgresql if tx.connection.dialect.name == "postgresql" else sqlite).insert(job_run)


def _written(counts: Mapping[str, float] | None) -> str:
    return json.dumps(dict(counts or {}), sort_keys=True)
