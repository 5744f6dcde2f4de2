"""The clock of the house: APScheduler wakes the jobs up, the queue's consumer runs beside it. It remembers nothing: the rows do."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from trialcrf.actions import NotClean
from trialcrf.actions.reminding.notify import queue_alarm
from trialcrf.external import clock
from trialcrf.external.queue import DRAW_REPORT
from trialcrf.jobs import JOBS, WHO, Job, Means, run
from trialcrf.jobs.ledger import counts_of
from trialcrf.jobs.work import draw_report
from trialcrf.store.transaction import writing

log = logging.getLogger(__name__)


LOOK_EVERY = 5.0
"""Seconds between two looks at whether the clock of the machine was set back."""


def serve(means: Means, stop: threading.Event) -> None:
    """Run every job at its rhythm and draw what is ordered, until `stop` is set; then end what is at hand and return.

    At the start every job is woken once: what was missed while the program stood still is caught up, once.
    """
    folder = means.settings.reports_folder

    def draw(report_id: int) -> None:
        draw_report(means.engine, folder, WHO, report_id, stop)

    scheduler = make_scheduler(means)
    means.queue.start({DRAW_REPORT: draw})
    scheduler.start()
    log.info("scheduler started: %s", ", ".join(JOBS))
    try:
        watch(scheduler, stop)
    finally:
        scheduler.shutdown(wait=True)
        means.queue.stop()
        means.engine.dispose()
        log.info("scheduler stopped")


def make_scheduler(means: Means) -> BackgroundScheduler:
    """A scheduler with every job in it, to be woken at once; not started yet."""
    scheduler = BackgroundScheduler(
        jobstores={"default": MemoryJobStore()},
        executors={"default": ThreadPoolExecutor(len(JOBS))},
        # A run that comes late still runs, and many late ones are one: the default would drop every run after a pause.
        job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        timezone=UTC,
    )
    for job in JOBS.values():
        trigger = IntervalTrigger(seconds=int(job.rhythm.every.total_seconds()), timezone=UTC)
        scheduler.add_job(wake, trigger, (means, job), id=job.name, next_run_time=clock.now())
    return scheduler


def watch(scheduler: BackgroundScheduler, stop: threading.Event, every: float = LOOK_EVERY) -> None:
    """Wait for `stop`, and meanwhile wake what would sleep too long.

    A wake is a moment of the machine's clock. Where that was set back by an hour, every wake lies an hour ahead, and the scheduler
    would be silent until then; a wake further ahead than its rhythm can only be of another clock.
    """
    while not stop.wait(every):
        now = clock.now()
        for one in scheduler.get_jobs():
            if one.next_run_time is not None and one.next_run_time > now + JOBS[one.id].rhythm.every + CORRECTED:
                log.warning("the clock was set back: %s is woken now", one.id)
                scheduler.modify_job(one.id, next_run_time=now)


CORRECTED = timedelta(seconds=1)
"""How far a clock may be put right by the network without anybody speaking of it."""


def _tell(means: Means, job: Job) -> None:
    try:
        with writing(means.engine, clock.now(), WHO) as tx:
            queue_alarm(tx, job.name)
    except Exception:
        log.exception("the alarm of %s could not be queued", job.name)


def wake(means: Means, job: Job) -> None:
    """Run a job if it is due; what it raises is logged, and the next wake tries again."""
    try:
        said = run(means, job, clock.now())
    except NotClean as error:
        log.critical("%s: %s", job.name, error)
        _tell(means, job)
    except Exception:
        log.exception("job %s failed", job.name)
    else:
        if said is not None and (job.rhythm.period is not None or any(counts_of(said).values())):
            log.info("%s: %s", job.name, said.msgid % {name: str(value) for name, value in said.params.items()})
