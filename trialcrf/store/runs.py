"""The ledger of jobs: one row for a job and its period, with a lease, so that what is due runs once and what died is taken up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from trialcrf.store.models import job_run
from trialcrf.store.transaction import Transaction

LEASE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at a job for a period."""

    id: int
    job: str
    period: str
    attempt: int


def begin(tx: Transaction, job: str, period: str) -> Run | None:
    """Take the job for this period, or None: it is done, or another worker holds an unexpired lease."""
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    until = tx.at + LEASE
    new = {"job": job, "period": period, "attempt": 1, "state": "running", "lease_until": until, "started_at": tx.at}
    statement = dialect.insert(job_run).values(**new).on_conflict_do_nothing(index_elements=["job", "period"]).returning(job_run.c.id)
    made = tx.work(statement).first() is not None
    row = tx.read(select(job_run.c.id, job_run.c.attempt).where(job_run.c.job == job, job_run.c.period == period)).one()
    if made:
        return Run(row.id, job, period, 1)
    taken = tx.work(
        update(job_run)
        .where(job_run.c.id == row.id, job_run.c.state != "done", job_run.c.attempt == row.attempt)
        .where((job_run.c.lease_until < tx.at) | (job_run.c.state == "failed"))
        .values(attempt=row.attempt + 1, state="running", lease_until=until, started_at=tx.at, ended_at=None, summary="")
    ).rowcount
    return Run(row.id, job, period, row.attempt + 1) if taken else None


def finish(tx: Transaction, run: Run, state: str, summary: str) -> bool:
    """Close the run (`done` or `failed`), fenced by its attempt: False where another worker took it up meanwhile."""
    where = (job_run.c.id == run.id, job_run.c.attempt == run.attempt, job_run.c.state == "running")
    return tx.work(update(job_run).where(*where).values(state=state, ended_at=tx.at, summary=summary)).rowcount == 1


def last_end(tx: Transaction, job: str) -> datetime | None:
    """When this job last ended well."""
    found = tx.read(select(func.max(job_run.c.ended_at)).where(job_run.c.job == job, job_run.c.state == "done")).scalar()
    return found if isinstance(found, datetime) or found is None else None


def tick(tx: Transaction) -> None:
    """The scheduler's sign of life: one row that is only ever moved on."""
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    now = {"lease_until": tx.at, "started_at": tx.at, "ended_at": tx.at}
    new = {"job": "tick", "period": "", "attempt": 1, "state": "done", **now}
    tx.work(dialect.insert(job_run).values(**new).on_conflict_do_update(index_elements=["job", "period"], set_=now))
