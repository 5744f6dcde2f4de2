"""The clock of the house: APScheduler wakes the jobs up, the queue's consumer runs beside it. It remembers nothing: the rows do."""

from __future__ import annotations

import logging
import threading
from datetime import UTC

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from trialcrf.external import clock
from trialcrf.external.queue import DRAW_REPORT
from trialcrf.jobs import JOBS, WHO, Job, Means, run
from trialcrf.jobs.verify import NotClean
from trialcrf.jobs.work import draw_report

log = logging.getLogger(__name__)


def serve(means: Means, stop: threading.Event) -> None:
    """Run every job at its rhythm and draw what is ordered, until `stop` is set; then end what is at hand and return.

    At the start every job is woken once: what was missed while the program stood still is caught up, once.
    """
    scheduler = BackgroundScheduler(
        jobstores={"default": MemoryJobStore()},
        executors={"default": ThreadPoolExecutor(len(JOBS))},
        # A run that comes late still runs, and many late ones are one: the default would drop every run after a pause.
        job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        timezone=UTC,
    )
    for job in JOBS.values():
        trigger = IntervalTrigger(seconds=int(job.every.total_seconds()), timezone=UTC)
        scheduler.add_job(wake, trigger, (means, job), id=job.name, next_run_time=clock.now())
    folder = means.settings.reports_folder

    def draw(report_id: int) -> None:
        draw_report(means.engine, folder, WHO, report_id, stop)

    means.queue.start({DRAW_REPORT: draw})
    scheduler.start()
    log.info("scheduler started: %s", ", ".join(JOBS))
    try:
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)
        means.queue.stop()
        means.engine.dispose()
        log.info("scheduler stopped")


def wake(means: Means, job: Job) -> None:
    """Run a job if it is due; what it raises is logged, and the next wake tries again."""
    try:
        said = run(means, job, clock.now())
    except NotClean as error:
        log.critical("%s: %s", job.name, error)
    except Exception:
        log.exception("job %s failed", job.name)
    else:
        if said is not None and job.period is not None:
            log.info("%s: %s", job.name, said.msgid % {name: str(value) for name, value in said.params.items()})
