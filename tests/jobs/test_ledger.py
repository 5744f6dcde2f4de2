"""The ledger: every run is a row, idle ones move one row on, a failure is written down; clocks, downtime and several schedulers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text

from tests.actions.world import ROOT
from trialcrf.actions import NotClean
from trialcrf.core.rhythm import RHYTHMS, health, late
from trialcrf.core.wording import Message
from trialcrf.external import backup_folder, checkpoints, clock
from trialcrf.jobs import JOBS, WHO, Job, run
from trialcrf.jobs.clock import make_scheduler, wake, watch
from trialcrf.store import audit, runs
from trialcrf.store.models import job_run
from trialcrf.store.transaction import reading, writing

AT = datetime(2026, 12, 3, 6, 0, tzinfo=UTC)


def rows(means, job: str):
    columns = (job_run.c.period, job_run.c.attempt, job_run.c.state, job_run.c.summary, job_run.c.counts)
    with reading(means.engine) as tx:
        return [tuple(row) for row in tx.read(select(*columns).where(job_run.c.job == job).order_by(job_run.c.id))]


def standing(means, job: str):
    with reading(means.engine) as tx:
        return runs.standings(tx, RHYTHMS).get(job)


def saying(name: str, *told: object) -> Job:
    """The job, doing nothing but to count these numbers, one a run, or to raise what is an exception."""
    left = list(told)

    def action(_means, _now):
        this = left.pop(0)
        if isinstance(this, Exception):
            raise this
        return Message("Counted: %(count)s.", {"count": this})

    return Job(RHYTHMS[name], action)


def attempt(means, job: Job, now: datetime = AT) -> None:
    with pytest.raises(RuntimeError):
        run(means, job, now)


# --- Rows ------------------------------------------------------------------------------------------------------------------------------


def test_idle_runs_move_one_row_on_and_a_run_that_did_something_is_a_row_of_its_own(means):
    job = saying("deliver-mail", 0, 0, 3, 0, 2)
    for _ in range(5):
        run(means, job, AT)
    found = rows(means, "deliver-mail")
    assert [(row[0] == runs.IDLE, row[2], json.loads(row[4])["count"]) for row in found] == [
        (True, "done", 0), (False, "done", 3), (False, "done", 2),
    ]  # fmt: skip
    assert [one.counts for one in _newest(means)] == [{"count": 2}, {"count": 3}], "the list of runs is of those that did something"


def _newest(means):
    with reading(means.engine) as tx:
        return runs.newest(tx, 50)


def test_the_last_success_is_that_of_the_idle_row_too(means):
    job = saying("draw-reports", 1, 0)
    run(means, job, AT)
    before = clock.now()
    run(means, job, AT)
    found = standing(means, "draw-reports")
    assert (found.outcome, found.counts) == ("done", {"count": 0})
    assert found.last_success >= before
    assert found.next_at - found.last_success == RHYTHMS["draw-reports"].every


def test_a_job_without_periods_that_fails_leaves_a_failed_row_and_says_so(means):
    job = saying("deliver-mail", 0, RuntimeError("no server"))
    run(means, job, AT)
    attempt(means, job)
    assert [row[:4] for row in rows(means, "deliver-mail")][1][1:] == (1, "failed", "RuntimeError: no server")
    found = standing(means, "deliver-mail")
    assert found.outcome == "failed"
    assert found.last_success is not None
    assert late(RHYTHMS["deliver-mail"], found, clock.now())


def test_the_same_failure_again_and_again_is_one_row_until_something_else_happens(means):
    job = saying("draw-reports", *(RuntimeError("no queue") for _ in range(3)), RuntimeError("no disk"), 0, RuntimeError("no disk"))
    for _ in range(4):
        attempt(means, job)
    run(means, job, AT)
    attempt(means, job)
    told = [row[1:4] for row in rows(means, "draw-reports")]
    assert told == [
        (3, "failed", "RuntimeError: no queue"),
        (1, "failed", "RuntimeError: no disk"),
        (1, "done", "Counted: 0."),
        (1, "failed", "RuntimeError: no disk"),
    ]
    assert standing(means, "draw-reports").outcome == "failed"


def test_a_run_of_a_period_records_its_counts_and_when_the_next_one_is_due(means):
    run(means, saying("audit-verify", 7), AT)
    found = standing(means, "audit-verify")
    assert (found.outcome, found.counts, found.next_at) == ("done", {"count": 7}, datetime(2026, 12, 4, 2, tzinfo=UTC))


def test_a_run_that_failed_is_due_at_the_next_wake_and_late_until_it_ends_well(means):
    job = saying("audit-verify", RuntimeError("x"), 1)
    attempt(means, job)
    assert standing(means, "audit-verify").next_at == AT + RHYTHMS["audit-verify"].every
    assert late(RHYTHMS["audit-verify"], standing(means, "audit-verify"), clock.now())
    with writing(means.engine, clock.now(), WHO) as tx:
        assert runs.begin(tx, "audit-verify", "2026-12-03") is not None
    found = standing(means, "audit-verify")
    assert (found.outcome, found.attempt, found.next_at) == ("running", 2, None)
    assert late(RHYTHMS["audit-verify"], found, clock.now()), "to try again is not to be well"


def test_a_run_by_hand_does_not_say_when_the_next_one_is_due(means):
    job = saying("backup", 1, 2)
    run(means, job, AT)
    run(means, job, AT + timedelta(days=99), by_hand=True)
    found = standing(means, "backup")
    assert (found.counts, found.next_at) == ({"count": 2}, datetime(2026, 12, 4, 2, tzinfo=UTC))


def test_a_failure_of_the_database_is_recorded_without_the_values_of_the_statement(means):
    def action(_means, _now):
        def effects(tx):
            tx.work(text("INSERT INTO no_such_table VALUES (:value)"), {"value": "R-01-001"})
            return Message("x")

        return effects

    with pytest.raises(Exception, match="no_such_table"):
        run(means, Job(RHYTHMS["overdue-scan"], action), AT)
    said = rows(means, "overdue-scan")[0][3]
    assert "no_such_table" in said
    assert "R-01-001" not in said


def test_a_job_that_reads_everything_keeps_its_lease_longer(means):
    long = RHYTHMS["backup"].lease
    assert long > runs.LEASE
    then = clock.now() - runs.LEASE - timedelta(seconds=1)
    with writing(means.engine, then, WHO) as tx:
        assert runs.begin(tx, "backup", "2026-12-03", long) is not None
    assert run(means, saying("backup", 1), AT) is None


def test_standings_name_every_job_that_ever_began_and_no_other(means):
    run(means, JOBS["tick"], AT)
    run(means, saying("backup", 1), AT)
    with reading(means.engine) as tx:
        found = runs.standings(tx, RHYTHMS)
    assert set(found) == {"tick", "backup"}
    assert not health(found, clock.now()).silent
    assert health(found, clock.now()).late == (), "what never ran is not late"


# --- Clocks and downtime ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_a_nightly_job_runs_once_in_the_night_in_which_the_clocks_change(means, day):
    noon = datetime.fromisoformat(day + "T12:00").replace(tzinfo=ZoneInfo("Europe/Paris")).astimezone(UTC)
    job = saying("audit-verify", *range(1, 100))
    run(means, job, noon - timedelta(hours=24))  # the night before
    done = [run(means, job, noon - timedelta(minutes=30 * step)) for step in range(47, -1, -1)]
    assert len([one for one in done if one]) == 1
    assert rows(means, "audit-verify")[-1][0] == day


def test_a_clock_that_is_set_back_an_hour_repeats_no_period(means):
    job = saying("overdue-scan", *range(1, 100))
    minutes = [0, 30, 60, 90, 30, 59, 60, 119, 120]  # an hour is lost after the fourth
    done = [run(means, job, AT + timedelta(minutes=each)) for each in minutes]
    assert [one is not None for one in done] == [True, False, True, False, False, False, False, False, True]


def test_three_days_of_downtime_are_one_run(means):
    job = saying("backup", 1, 2, 3)
    for now in (AT, AT + timedelta(days=3), AT + timedelta(days=3, hours=1)):
        run(means, job, now)
    assert [row[0] for row in rows(means, "backup")] == ["2026-12-03", "2026-12-06"]


def test_a_scheduler_whose_clock_is_set_back_wakes_its_jobs_and_does_not_sleep_an_hour(means):
    scheduler, stop = make_scheduler(means), threading.Event()
    scheduler.remove_all_jobs()
    rhythm = RHYTHMS["tick"]
    # As the scheduler finds it after the change: its next wake is where the clock was.
    scheduler.add_job(wake, "interval", (means, JOBS["tick"]), seconds=15, id=rhythm.name, next_run_time=clock.now() + timedelta(hours=1))
    scheduler.start()
    watching = threading.Thread(target=watch, args=(scheduler, stop, 0.1))
    watching.start()
    end = time.monotonic() + 20
    while not rows(means, "tick") and time.monotonic() < end:
        time.sleep(0.05)
    ahead = scheduler.get_job("tick").next_run_time - clock.now()
    stop.set()
    watching.join()
    scheduler.shutdown(wait=True)
    assert rows(means, "tick")
    assert ahead <= rhythm.every


# --- Several schedulers ----------------------------------------------------------------------------------------------------------------

ONCE = ("overdue-scan", "digest-scan", "monthly-safety", "audit-verify", "checkpoint", "backup")


@pytest.mark.parametrize("number", [4])
def test_several_scheduler_processes_do_the_work_of_a_period_once(means, world, database_kind, number, request):
    # The ledger decides who does it, and asks nobody what it is: on one kind of database a true backup shows that it is made once.
    backups = database_kind == "sqlite"
    if not backups:
        request.getfixturevalue("backed_up")
    env = {**os.environ, "TRIALCRF_DATA": str(means.settings.data), "DATABASE_URL": means.settings.database_url, "SMTP_URL": ""}
    command = [sys.executable, "-m", "trialcrf.cli", "jobs", "serve"]
    logs = [means.settings.data.parent / f"scheduler-{each}.txt" for each in range(number)]
    with_logs = [file.open("w") for file in logs]
    processes = [subprocess.Popen(command, cwd=ROOT, env=env, stderr=log) for log in with_logs]
    try:
        end = time.monotonic() + 120
        # Each must have been at the jobs before any of them may stop.
        while time.monotonic() < end and not (_all_done(means) and all("scheduler started" in file.read_text() for file in logs)):
            time.sleep(0.2)
        time.sleep(1)
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait(timeout=60) for process in processes]
        for log in with_logs:
            log.close()
    said = "\n".join(file.read_text() for file in logs)
    assert codes == [0] * number, said
    assert "Traceback" not in said, said
    for job in ONCE:
        found = rows(means, job)
        assert found, said
        assert {(row[1], row[2]) for row in found} == {(1, "done")}, (job, found, said)
    # A night or an hour may begin meanwhile: there is one effect for each row.
    assert len(backup_folder.all_of(means.settings.backup_folder)) == len(rows(means, "backup")) * backups
    assert len((means.settings.data / "checkpoints.jsonl").read_text().splitlines()) == len(rows(means, "checkpoint"))
    assert len(rows(means, "tick")) == 1


def _all_done(means) -> bool:
    return all(rows(means, job) and all(row[2] == "done" for row in rows(means, job)) for job in ONCE)


# --- Checkpoints -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(means) -> Path:
    return checkpoints.file_in(means.settings.data)


def nights(means, number: int, first: int = 0) -> None:
    for night in range(first, first + number):
        assert run(means, JOBS["checkpoint"], AT + timedelta(days=night)) is not None


def behind(means, *statements: str) -> None:
    """What somebody with every right on the database could do: the guards lifted for good."""
    postgresql = means.engine.dialect.name == "postgresql"
    with means.engine.connect() as connection, connection.begin():
        if postgresql:
            for table in ("audit_record", "audit_value", "chain_head"):
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        else:
            for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_each_night_adds_one_line_with_the_heads_of_all_chains(means, world, file):
    nights(means, 1)
    world.enrol(
        "recipient", ICF_DATE=(2, 11, 2026), ICF_VERSION="1.0", ICF_LANG="fr", ICF_SIGNED="Y", BIRTH_MONTH=("", 5, 1946), SEX_BIRTH="F"
    )
    nights(means, 1, 1)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 2
    before, after = ({one["chain"]: one["size"] for one in line["chains"]} for line in lines)
    assert {"system", "msc_ssc", "msc_ssc/01"} <= set(after)
    assert sum(after.values()) > sum(before.values())
    assert lines[0]["digest"] != lines[1]["digest"]
    assert json.loads(rows(means, "checkpoint")[1][4]) == {"chains": len(after), "records": sum(after.values())}


def failing(means, night: int) -> str:
    with pytest.raises(NotClean):
        run(means, JOBS["checkpoint"], AT + timedelta(days=night))
    assert rows(means, "checkpoint")[-1][2] == "failed"
    return rows(means, "checkpoint")[-1][3]


def test_a_database_that_was_set_back_is_noticed_though_its_chains_hold(means, world, file):
    nights(means, 1)
    behind(
        means,
        "DELETE FROM audit_value WHERE chain = 'system' AND seq = (SELECT seq FROM chain_head WHERE chain = 'system')",
        "DELETE FROM audit_record WHERE chain = 'system' AND seq = (SELECT seq FROM chain_head WHERE chain = 'system')",
        "UPDATE chain_head SET seq = seq - 1, hash = (SELECT r.hash FROM audit_record r WHERE r.chain = 'system' AND r.seq ="
        " (SELECT max(seq) FROM audit_record WHERE chain = 'system')) WHERE chain = 'system'",
    )
    with reading(means.engine) as tx:
        assert audit.broken(tx.connection) is None
    before = file.read_text()
    said = failing(means, 1)
    assert "Chain system does not go on from the checkpoint of" in said
    assert file.read_text() == before, "nothing is appended to what the trail does not follow"


def test_another_database_in_its_place_is_noticed(means, world, file):
    nights(means, 1)
    behind(means, "UPDATE audit_record SET hash = '" + "a" * 64 + "' WHERE chain = 'msc_ssc'")
    assert "Chain msc_ssc does not go on" in failing(means, 1)


def test_a_line_that_a_power_cut_left_unfinished_stays_and_the_one_before_it_counts(means, world, file):
    nights(means, 1)
    whole = file.read_text()
    file.write_text(whole + whole[:40])
    nights(means, 1, 1)
    lines = file.read_text().splitlines()
    assert len(lines) == 3
    assert lines[1] == whole[:40]
    assert json.loads(lines[2])
    behind(means, "UPDATE audit_record SET hash = '" + "a" * 64 + "' WHERE chain = 'msc_ssc'")
    file.write_text(whole + whole[:40])
    assert "Chain msc_ssc does not go on" in failing(means, 2)


def test_a_line_that_was_altered_and_a_file_that_was_written_over_are_noticed(means, world, file):
    nights(means, 1)
    whole = file.read_text()
    said = json.loads(whole)
    said["chains"] = said["chains"][:1]
    file.write_text(json.dumps(said) + "\n")
    assert "was altered" in failing(means, 1)
    file.write_text("nothing\n")
    assert "wrote over it" in failing(means, 2)
    file.write_text(whole)
    nights(means, 1, 3)
