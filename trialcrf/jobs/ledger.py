"""Running a job by its ledger: every run is a row, effects and `done` are one transaction, and a failure is written down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.exc import StatementError

from config import Settings
from trialcrf.core.rhythm import Rhythm
from trialcrf.core.wording import Message
from trialcrf.external import mail
from trialcrf.external.clock import now as read_clock  # Not the module: `trialcrf.jobs.clock` would take its name.
from trialcrf.external.language import Language
from trialcrf.external.mail import Post
from trialcrf.external.queue import Queue
from trialcrf.store import runs
from trialcrf.store.audit import Who
from trialcrf.store.runs import Run
from trialcrf.store.transaction import Transaction, writing

log = logging.getLogger(__name__)

WHO = Who.system("jobs")


@dataclass(frozen=True, slots=True)
class Means:
    """What jobs work with: the database, the post, the queue and the settings."""

    settings: Settings
    engine: Engine
    post: Post
    queue: Queue

    @classmethod
    def of(cls, settings: Settings, engine: Engine) -> Means:
        """`engine` is one that was checked to be of this version."""
        post = mail.post(settings.smtp_url, settings.mail_folder, settings.mail_from, "mail" in settings.unencrypted)
        return cls(settings, engine, post, Queue(settings.data, settings.database_url))


Effects = Callable[[Transaction], Message]
"""Writes what a job does and says it in a sentence; run in the transaction that also marks the run done, so both happen or neither."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job: its rhythm, and how it is done.

    `action` does what needs no transaction of the run (reading, mailing) and returns what is left to write, or just what it did.
    """

    rhythm: Rhythm
    action: Callable[[Means, datetime], Effects | Message]

    @property
    def name(self) -> str:
        return self.rhythm.name


class TakenOver(Exception):
    """Another worker took the run up after its lease ended: what this one did is rolled back."""


def run(means: Means, job: Job, now: datetime, by_hand: bool = False) -> Message | None:
    """Run a job as of `now`; None where its period is done or another worker is at it.

    `by_hand` runs it in a period of its own, whatever the scheduler did. What the job raises is recorded, then raised.
    """
    if job.rhythm.period is None:
        return _run_on_rows(means, job, now)
    at = read_clock()
    period = f"by hand {at.isoformat()}" if by_hand else job.rhythm.period(now).name
    with writing(means.engine, at, WHO) as tx:
        taken = runs.begin(tx, job.name, period, job.rhythm.lease)
    if taken is None:
        return None
    try:
        outcome = job.action(means, now)
        with writing(means.engine, read_clock(), WHO) as tx:
            said = outcome if isinstance(outcome, Message) else outcome(tx)
            following = None if by_hand else job.rhythm.next_after(now)
            if not runs.finish(tx, taken, runs.DONE, _recorded(said), counts_of(said), following):
                raise TakenOver(f"{job.name} {period}, attempt {taken.attempt}")
    except TakenOver as lost:
        log.warning("taken over by another worker: %s", lost)
        return None
    except Exception as error:
        _record_failure(means, taken, error, None if by_hand else now + job.rhythm.every)
        raise
    return said


def _run_on_rows(means: Means, job: Job, now: datetime) -> Message:
    """A job without periods: the rows that it works on say what is left, so its run needs no lease and is recorded at its end."""
    began = read_clock()
    try:
        said = job.action(means, now)
        assert isinstance(said, Message)  # Without a run there is no transaction for effects.
    except Exception as error:
        _note(means, job, began, runs.FAILED, _failure(error), {})
        raise
    _note(means, job, began, runs.DONE, _recorded(said), counts_of(said))
    return said


def _note(means: Means, job: Job, began: datetime, state: str, said: str, counts: Mapping[str, float]) -> None:
    try:
        with writing(means.engine, read_clock(), WHO) as tx:
            runs.note(tx, job.name, began, state, said, counts, tx.at + job.rhythm.every)
    except Exception:
        if state == runs.DONE:
            raise
        log.exception("the failure of %s could not be recorded", job.name)


def _record_failure(means: Means, taken: Run, error: Exception, next_at: datetime | None) -> None:
    """The next wake takes a failed run up again. Where not even this can be written, the lease ends and it is taken up then."""
    try:
        with writing(means.engine, read_clock(), WHO) as tx:
            runs.finish(tx, taken, runs.FAILED, _failure(error), None, next_at)
    except Exception:
        log.exception("the failure of %s could not be recorded", taken.job)


def counts_of(said: Message) -> dict[str, float]:
    """The numbers in what a job says."""
    return {name: value for name, value in said.params.items() if isinstance(value, int | float)}


def _failure(error: Exception) -> str:
    said = getattr(error, "message", None)
    if isinstance(said, Message):
        return _recorded(said)
    # A statement is quoted with its values, which may be a subject's: only what the database said of it is kept.
    text = str(error.orig).strip().partition("\n")[0] if isinstance(error, StatementError) else str(error)
    return f"{type(error).__name__}: {text}"[:500]


def _recorded(said: Message) -> str:
    # The ledger is for whoever runs the program: one language, whoever reads it.
    return Language("en").say(said)
