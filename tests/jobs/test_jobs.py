"""Jobs on real databases, queue and mail server: once a period, effects and `done` together, no mail twice whoever dies."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import pytest
from sqlalchemy import select, text

from tests.actions.world import ROOT, World
from tests.external.test_clock import telling
from trialcrf.actions.records import report
from trialcrf.actions.reminding import remind
from trialcrf.core.rhythm import RHYTHMS, Period
from trialcrf.core.wording import Message
from trialcrf.external import clock
from trialcrf.external.queue import DRAW_REPORT, Queue
from trialcrf.jobs import JOBS, WHO, Job, run
from trialcrf.jobs.deliver import deliver
from trialcrf.jobs.verify import NotClean, verify
from trialcrf.jobs.work import draw_report
from trialcrf.store import definitions, outbox, reports, runs
from trialcrf.store.models import job_run
from trialcrf.store.models import outbox as outbox_table
from trialcrf.store.transaction import open_engine, writing

CONSENT = {
    "ICF_DATE": (2, 11, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip
ENROLLED = datetime(2026, 11, 2, 22, 0, tzinfo=UTC)
OVERDUE = datetime(2026, 12, 3, 6, tzinfo=UTC)


def recipient(world: World, site: str = "01"):
    return world.enrol("recipient", site, now=ENROLLED, **CONSENT)


def ledger(world: World, job: str):
    with world.read() as tx:
        columns = (job_run.c.period, job_run.c.attempt, job_run.c.state, job_run.c.summary)
        return [tuple(row) for row in tx.read(select(*columns).where(job_run.c.job == job).order_by(job_run.c.id))]


def one_period(name: str, action) -> Job:
    """A job of this name that does something else, in a period that never ends."""
    always = Period("p", datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    return Job(replace(RHYTHMS[name], period=lambda now: always), action)


def states(world: World) -> dict[str, int]:
    with world.read() as tx:
        return outbox.counts(tx)


# --- Periods, leases, effects ----------------------------------------------------------------------------------------------------------


def test_a_job_is_done_once_in_its_period_and_again_in_the_next(world, means):
    recipient(world)
    job = JOBS["overdue-scan"]
    said = [run(means, job, OVERDUE + timedelta(minutes=minutes)) for minutes in (0, 10, 59, 60)]
    assert [one and one.params["count"] for one in said] == [1, None, None, 0]
    assert ledger(world, "overdue-scan") == [
        ("2026-12-03T06", 1, "done", "Reminders queued: 1."),
        ("2026-12-03T07", 1, "done", "Reminders queued: 0."),
    ]


def test_days_of_silence_are_caught_up_once(world, means):
    recipient(world)
    assert run(means, JOBS["overdue-scan"], OVERDUE) is not None
    assert run(means, JOBS["overdue-scan"], OVERDUE + timedelta(days=3)) is not None
    assert len(ledger(world, "overdue-scan")) == 2


def test_by_hand_a_job_runs_whatever_the_scheduler_did(world, means):
    recipient(world)
    run(means, JOBS["overdue-scan"], OVERDUE)
    assert run(means, JOBS["overdue-scan"], OVERDUE, by_hand=True).params["count"] == 0
    assert [row[2] for row in ledger(world, "overdue-scan")] == ["done", "done"]


def test_two_schedulers_at_once_scan_once(world, means):
    recipient(world)

    def scheduler():
        engine = open_engine(means.settings.database_url)
        try:
            return run(replace(means, engine=engine), JOBS["overdue-scan"], OVERDUE)
        finally:
            engine.dispose()

    said = at_once(scheduler, 4)
    assert sorted(one.params["count"] for one in said if one) == [1]
    assert states(world) == {"queued": 1}


def at_once(do, times: int) -> list:
    """Run it in so many threads that all begin together; what one raises fails the test."""
    gate, found = threading.Barrier(times), []

    def one() -> None:
        gate.wait()
        found.append(do())

    threads = [threading.Thread(target=one) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == times
    return found


def test_what_a_failed_job_began_to_write_is_rolled_back_and_the_next_wake_tries_again(world, means):
    recipient(world)
    trouble = [True]

    def action(_means, now):
        def effects(tx):
            remind.scan_reminders(tx, now)
            if trouble:
                raise RuntimeError("power failed")
            return Message("Done.")

        return effects

    job = one_period("overdue-scan", action)
    with pytest.raises(RuntimeError):
        run(means, job, OVERDUE)
    assert states(world) == {}
    assert ledger(world, "overdue-scan") == [("p", 1, "failed", "RuntimeError: power failed")]
    trouble.clear()
    assert run(means, job, OVERDUE) is not None
    assert states(world) == {"queued": 1}
    assert ledger(world, "overdue-scan") == [("p", 2, "done", "Done.")]


def test_a_worker_that_was_given_up_writes_nothing_when_it_wakes(world, means):
    recipient(world)

    def slow(_means, now):
        def effects(tx):
            # While this worker slept its lease ended, and another one took the run up.
            tx.work(text("UPDATE job_run SET attempt = attempt + 1 WHERE job = 'overdue-scan'"))
            return Message(str(remind.scan_reminders(tx, now)))

        return effects

    assert run(means, one_period("overdue-scan", slow), OVERDUE) is None
    assert states(world) == {}


def test_a_dead_workers_run_is_taken_up_when_its_lease_ends(world, means):
    now = clock.now()
    with writing(means.engine, now - runs.LEASE - timedelta(seconds=1), WHO) as tx:
        assert runs.begin(tx, "overdue-scan", "2026-12-03T06") is not None
    recipient(world)
    assert run(means, JOBS["overdue-scan"], OVERDUE) is not None
    assert ledger(world, "overdue-scan") == [("2026-12-03T06", 2, "done", "Reminders queued: 1.")]


def test_every_job_says_what_it_does(means):
    assert set(JOBS) == {
        "tick", "overdue-scan", "digest-scan", "deliver-mail", "monthly-safety", "draw-reports", "audit-verify", "checkpoint", "backup",
        "clock-scan", "stopping-check", "take-effect", "clock-check", "disk-check", "clear-tokens", "end-drafts",
    }  # fmt: skip
    assert all(job.rhythm.does.endswith(".") for job in JOBS.values())


def test_the_tick_clears_away_what_a_killed_backup_left(world, means):
    left = means.settings.backup_folder / ".unfinished-trialcrf-killed"
    left.mkdir(parents=True)
    (left / "held").write_bytes(b"")
    (left / "clear").write_bytes(b"every record of the trial")
    run(means, JOBS["tick"], OVERDUE)
    assert not left.exists()


def test_the_tick_is_one_row_that_moves_on(world, means):
    for _ in range(3):
        run(means, JOBS["tick"], OVERDUE)
    assert len(ledger(world, "tick")) == 1
    with world.read() as tx:
        assert clock.now() - runs.last_end(tx, "tick") < timedelta(seconds=60)


# --- Delivery --------------------------------------------------------------------------------------------------------------------------


def queue_mails(world: World, number: int) -> None:
    for _ in range(number):
        recipient(world)
    with world.write("trialcrf", OVERDUE) as tx:
        assert remind.scan_reminders(tx, OVERDUE) == number


def test_what_waits_is_delivered_once(world, means, box):
    queue_mails(world, 2)
    assert deliver(means.engine, means.post, "http://x", WHO, OVERDUE) == {"sent": 2}
    assert deliver(means.engine, means.post, "http://x", WHO, OVERDUE) == {}
    assert [to for to, _ in box.taken] == ["cora@example.org", "cora@example.org"]
    assert len({message["Message-ID"] for _, message in box.taken}) == 2


def test_several_workers_at_once_send_each_mail_once(world, means, box):
    queue_mails(world, 6)

    def work():
        engine = open_engine(means.settings.database_url)
        try:
            return deliver(engine, means.post, "http://x", WHO, OVERDUE)
        finally:
            engine.dispose()

    told = at_once(work, 3)
    assert sum(one["sent"] for one in told) == 6
    assert len(box.taken) == len({message["Message-ID"] for _, message in box.taken}) == 6
    assert states(world) == {"sent": 6}


def test_one_mail_that_cannot_be_written_stops_no_other(world, means, box):
    queue_mails(world, 2)
    with world.write("trialcrf") as tx:
        first = tx.read(select(outbox_table.c.id).order_by(outbox_table.c.id)).first()
        tx.work(text("UPDATE outbox SET kind = 'nonsense' WHERE id = :id"), {"id": first.id})
    assert deliver(means.engine, means.post, "http://x", WHO, OVERDUE) == {"queued": 1, "sent": 1}
    assert len(box.taken) == 1


# --- Reports and the queue -------------------------------------------------------------------------------------------------------------


def order(world: World, at: datetime | None = None) -> int:
    with world.write("dana", at or clock.now()) as tx:
        made = report.order(tx, definitions.current(tx, world.study), "en", date(2026, 11, 1), None, "dana", why="For a test.")
    assert made
    return made


def found(world: World, report_id: int):
    with world.read() as tx:
        return reports.find(tx, report_id)


def test_a_report_that_was_ordered_is_drawn_archived_and_drawn_no_second_time(world, means):
    folder = means.settings.reports_folder
    report_id = order(world)
    assert draw_report(means.engine, folder, WHO, report_id)
    archived = found(world, report_id)
    assert archived.state == reports.DRAWN
    assert hashlib.sha256((folder / archived.file).read_bytes()).hexdigest() == archived.sha256
    before = (folder / archived.file).stat().st_mtime_ns
    assert not draw_report(means.engine, folder, WHO, report_id)
    assert (folder / archived.file).stat().st_mtime_ns == before


def test_a_report_that_cannot_be_archived_says_so_on_its_order(world, means, tmp_path, caplog):
    (tmp_path / "taken").write_text("not a folder")
    report_id = order(world)
    assert not draw_report(means.engine, tmp_path / "taken", WHO, report_id)
    failed = found(world, report_id)
    assert (failed.state, failed.said, failed.sha256) == (reports.FAILED, report.NOT_DRAWN, None)
    assert "was not drawn" in caplog.text


def test_the_sweep_hands_every_order_to_the_queue_and_none_beside_those_that_wait(world, means):
    first, second = order(world), order(world)
    assert run(means, JOBS["draw-reports"], OVERDUE).params["count"] == 2
    assert run(means, JOBS["draw-reports"], OVERDUE).params["count"] == 0
    if world.engine.dialect.name == "sqlite":
        with sqlite3.connect(means.settings.data / "queue.db") as queue:
            messages = [json.loads(row[0]) for row in queue.execute("SELECT data FROM task ORDER BY id")]
    else:
        assert not (means.settings.data / "queue.db").exists(), "another machine would not see it"
        with world.engine.connect() as connection:
            messages = [json.loads(bytes(row[0])) for row in connection.execute(text("SELECT data FROM queue.huey_task ORDER BY id"))]
    assert [message["args"] for message in messages] == [[first], [second]]
    assert all(set(message) == {"id", "name", "args"} for message in messages), "a message carries an id and nothing else"


def test_messages_outlive_the_process_and_are_taken_by_one_worker(tmp_path, database_url):
    Queue(tmp_path, database_url).put(DRAW_REPORT, 17)
    taken: list[int] = []
    done = threading.Event()
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    queue = Queue(tmp_path, database_url)
    assert len(queue) == 1

    def draw(report_id: int) -> None:
        taken.append(report_id)
        done.set()

    queue.start({DRAW_REPORT: draw})
    assert done.wait(20)
    queue.stop()
    assert (taken, len(queue)) == ([17], 0)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before, "signals are the shell's"


# --- The trail -------------------------------------------------------------------------------------------------------------------------


def test_a_clean_trail_is_counted(world, means):
    recipient(world)
    said = run(means, JOBS["audit-verify"], OVERDUE)
    with world.read() as tx:
        records = tx.read(text("SELECT count(*) FROM audit_record")).scalar_one()
    assert said.params["records"] == records
    assert ledger(world, "audit-verify")[0][:3] == ("2026-12-03", 1, "done")


def test_a_trail_that_was_altered_is_a_failed_run_that_names_the_record(world, means):
    recipient(world)
    with means.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE form SET document = replace(document, '1.0', '9.9')")
    with pytest.raises(NotClean) as told:
        run(means, JOBS["audit-verify"], OVERDUE)
    assert "ICF_VERSION" in str(told.value)
    assert ledger(world, "audit-verify") == [
        ("2026-12-03", 1, "failed", "form 1, at “ICF_VERSION”: what is stored is not what the trail tells.")
    ]
    with pytest.raises(NotClean):
        run(means, JOBS["audit-verify"], OVERDUE + timedelta(hours=1))
    assert ledger(world, "audit-verify")[0][1] == 2


def test_verifying_writes_nothing_and_locks_nobody_out(world, means):
    recipient(world)
    with world.write(), world.read() as tx:  # somebody saves meanwhile
        assert verify(tx).params["chains"] == 3


# --- The clock -------------------------------------------------------------------------------------------------------------------------


def test_the_scheduler_wakes_every_job_draws_what_is_ordered_and_stops_on_a_signal(world, means, backed_up):
    queue_mails(world, 1)
    report_id = order(world)
    env = {**os.environ, "TRIALCRF_DATA": str(means.settings.data), "DATABASE_URL": means.settings.database_url}
    with subprocess.Popen(
        [sys.executable, "-m", "trialcrf.cli", "jobs", "serve"], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True
    ) as process:
        end = time.monotonic() + 90
        while found(world, report_id).state != reports.DRAWN and time.monotonic() < end and process.poll() is None:
            time.sleep(0.2)
        while not ledger(world, "audit-verify") and time.monotonic() < end:
            time.sleep(0.2)
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert found(world, report_id).state == reports.DRAWN, said
    assert "Traceback" not in said, said
    assert states(world)["cancelled"] == 1, "by the true clock that visit is not overdue yet"
    for job in ("tick", "overdue-scan", "monthly-safety", "audit-verify"):
        assert [row[2] for row in ledger(world, job)] == ["done"], said


def test_a_clock_that_is_wrong_is_a_failed_run_that_the_banner_tells(world, means):
    assert run(means, JOBS["clock-check"], clock.now()).params["count"] == 0, "no other clock is set"
    for theirs, right in ((0, True), (-60, False)):
        with telling(format_datetime(clock.now() + timedelta(seconds=theirs))) as address:
            there = replace(means, settings=replace(means.settings, time_url=address))
            if right:
                assert run(there, JOBS["clock-check"], clock.now(), by_hand=True)
            else:
                with pytest.raises(NotClean, match="differs by"):
                    run(there, JOBS["clock-check"], clock.now(), by_hand=True)
    with world.read() as tx:
        assert runs.standings(tx, RHYTHMS)["clock-check"].outcome == "failed"
