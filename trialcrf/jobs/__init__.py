"""What the program does by itself: every job with its rhythm and its ledger. What is due follows from data, what was done is a row."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from config import Settings
from trialcrf.actions import remind, report
from trialcrf.core.wording import N_, Message
from trialcrf.external import mail
from trialcrf.external.clock import now as read_clock  # Not the module: `trialcrf.jobs.clock` would take its name here.
from trialcrf.external.language import Language
from trialcrf.external.mail import Post
from trialcrf.external.queue import DRAW_REPORT, Queue
from trialcrf.jobs.deliver import deliver
from trialcrf.jobs.verify import NotClean, verify
from trialcrf.store import reports, runs
from trialcrf.store.audit import Who
from trialcrf.store.runs import Run
from trialcrf.store.transaction import Transaction, reading, writing

log = logging.getLogger(__name__)

WHO = Who.system("jobs")
NIGHT = timedelta(hours=2)
"""A nightly period begins at two in the morning, universal time: at night in Europe."""


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
        post = mail.post(settings.smtp_url, settings.mail_folder, settings.mail_from)
        return cls(settings, engine, post, Queue(settings.data / "queue.db"))


Effects = Callable[[Transaction], Message]
"""Writes what a job does and says it in a sentence; run in the transaction that also marks the run done, so both happen or neither."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job. `period` names the stretch of time in which it is done once; without one the rows that it works on are its ledger.

    `action` does what needs no transaction of the run (reading, mailing) and returns what is left to write, or just what it did.
    """

    name: str
    every: timedelta
    does: str
    action: Callable[[Means, datetime], Effects | Message]
    period: Callable[[datetime], str] | None = None


def _tick(means: Means, now: datetime) -> Message:
    with writing(means.engine, read_clock(), WHO) as tx:
        runs.tick(tx)
    return Message(N_("The scheduler is alive."))


def _overdue_scan(means: Means, now: datetime) -> Effects:
    def effects(tx: Transaction) -> Message:
        return Message(N_("Reminders queued: %(count)s."), {"count": remind.scan_overdue(tx, now)})

    return effects


def _deliver_mail(means: Means, now: datetime) -> Message:
    told = deliver(means.engine, means.post, means.settings.base_url, WHO, now)
    params = {name: told[name] for name in ("sent", "dropped", "waiting", "uncertain", "failed")}
    said = N_(
        "Mails sent: %(sent)s; no longer due: %(dropped)s; to be tried again: %(waiting)s; uncertain: %(uncertain)s; failed: %(failed)s."
    )
    return Message(said, params)


def _monthly_safety(means: Means, now: datetime) -> Effects:
    def effects(tx: Transaction) -> Message:
        return Message(N_("Safety reports ordered: %(count)s."), {"count": len(report.monthly(tx, now))})

    return effects


def _draw_reports(means: Means, now: datetime) -> Message:
    # Messages that wait will be taken: to put the same orders beside them would only have each of them drawn twice.
    if len(means.queue):
        return Message(N_("Reports handed to the queue: %(count)s."), {"count": 0})
    with reading(means.engine) as tx:
        waiting = reports.waiting(tx)
    for report_id in waiting:
        means.queue.put(DRAW_REPORT, report_id)
    return Message(N_("Reports handed to the queue: %(count)s."), {"count": len(waiting)})


def _audit_verify(means: Means, now: datetime) -> Message:
    with reading(means.engine) as tx:
        return verify(tx)


JOBS: Mapping[str, Job] = {
    job.name: job
    for job in (
        Job("tick", timedelta(seconds=15), N_("Say that the scheduler is alive, for /healthz."), _tick),
        Job(
            "overdue-scan",
            timedelta(minutes=10),
            N_("Queue a reminder for every visit that is overdue, once an hour."),
            _overdue_scan,
            lambda now: now.strftime("%Y-%m-%dT%H"),
        ),
        Job("deliver-mail", timedelta(seconds=5), N_("Deliver the mails that wait, each once."), _deliver_mail),
        Job(
            "monthly-safety",
            timedelta(hours=1),
            N_("Order the safety report of the last month, once a month."),
            _monthly_safety,
            lambda now: (now - report.WESTMOST).strftime("%Y-%m"),
        ),
        Job("draw-reports", timedelta(seconds=15), N_("Hand reports that are ordered and not drawn to the queue."), _draw_reports),
        Job(
            "audit-verify",
            timedelta(hours=1),
            N_("Verify the audit trail, once a night; again every hour while it is not clean."),
            _audit_verify,
            lambda now: (now - NIGHT).date().isoformat(),
        ),
    )
}


class TakenOver(Exception):
    """Another worker took the run up after its lease ended: what this one did is rolled back."""


def run(means: Means, job: Job, now: datetime, by_hand: bool = False) -> Message | None:
    """Run a job as of `now`; None where its period is done or another worker is at it.

    `by_hand` runs it in a period of its own, whatever the scheduler did. What the job raises is recorded, then raised.
    """
    if job.period is None:
        said = job.action(means, now)
        assert isinstance(said, Message)  # Without a run there is no transaction for effects.
        return said
    at = read_clock()
    period = f"by hand {at.isoformat()}" if by_hand else job.period(now)
    with writing(means.engine, at, WHO) as tx:
        taken = runs.begin(tx, job.name, period)
    if taken is None:
        return None
    try:
        outcome = job.action(means, now)
        with writing(means.engine, read_clock(), WHO) as tx:
            said = outcome if isinstance(outcome, Message) else outcome(tx)
            if not runs.finish(tx, taken, "done", _recorded(said)):
                raise TakenOver(f"{job.name} {period}, attempt {taken.attempt}")
    except TakenOver as lost:
        log.warning("taken over by another worker: %s", lost)
        return None
    except Exception as error:
        _record_failure(means, taken, error)
        raise
    return said


def _record_failure(means: Means, taken: Run, error: Exception) -> None:
    """The next tick takes a failed run up again."""
    said = _recorded(error.message) if isinstance(error, NotClean) else f"{type(error).__name__}: {error}"[:500]
    with writing(means.engine, read_clock(), WHO) as tx:
        runs.finish(tx, taken, "failed", said)


def _recorded(said: Message) -> str:
    # The ledger is for whoever runs the program: one language, whoever reads it.
    return Language("en").say(said)
