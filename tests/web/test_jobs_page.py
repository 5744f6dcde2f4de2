"""How the jobs stand, for administrators and for a watcher: the page, the banner, /healthz; nothing of a study, nothing to change."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text as sql

from tests.web.site import House, text
from trialcrf.core.access import Grant
from trialcrf.core.rhythm import RHYTHMS
from trialcrf.external import backup_folder, checkpoints, clock
from trialcrf.external.backup_folder import Proof
from trialcrf.store import accounts, runs
from trialcrf.store.audit import Who
from trialcrf.store.transaction import writing

NEVER = ("cora", "ivan", "mona", "dana", "sam", "dora", "olga")
SILENT = "The scheduler has been silent"


def ran(
    house: House, job: str, ago: timedelta = timedelta(0), counts: dict[str, float] | None = None, said: str = "", failed: bool = False
):
    """The job ended so long ago, as its ledger would have it."""
    at = clock.now() - ago
    rhythm = RHYTHMS[job]
    with writing(house.world.engine, at, Who.system("jobs")) as tx:
        state = runs.FAILED if failed else runs.DONE
        if rhythm.period is None:
            runs.note(tx, job, at, state, said, counts or {}, at + rhythm.every)
            return
        taken = runs.begin(tx, job, rhythm.period(at).name)
        assert taken
        assert runs.finish(tx, taken, state, said, counts or {}, rhythm.next_after(at))


def all_well(house: House) -> None:
    for name in RHYTHMS:
        ran(house, name, counts=dict.fromkeys(("count", "sent", "cancelled", "queued", "uncertain", "failed", "chains", "records"), 0))


def healthz(house: House):
    answer = house.app.test_client().get("/healthz")
    return answer.status_code, answer.get_json()


def english(house: House, name: str):
    someone = house.client(name)
    someone.post("/language", {"language": "en", "next": "/"})
    return someone


NO_ROWS = {"name": "account", "found": 1, "told": 2}


def backup_of(data: Path, at: datetime, encrypted: bool = True, proved: bool = True) -> Path:
    """A file as a backup of that moment, with what was proved of it."""
    folder = data / "backups"
    folder.mkdir(exist_ok=True)
    made = folder / backup_folder.name_of(["msc_ssc"], at, "ab" * 32, "0006", encrypted)
    made.write_text("x" * 1234)
    problems = () if proved else ({"msgid": "Table %(name)s has %(found)s rows; %(told)s were copied.", "params": NO_ROWS},)
    checks = ("bytes", "loaded", "sound", *(("rows", "heads", "triggers", "trail", "started") if proved else ()))
    backup_folder.write_proof(made, Proof(at.isoformat(), 12.5, checks, 5678, 4321, not encrypted, "ab" * 32, problems))
    return made


# --- The page --------------------------------------------------------------------------------------------------------------------------


def test_the_page_shows_every_job_with_what_it_does_and_how_it_ended(each_house):
    ran(each_house, "overdue-scan", counts={"count": 4}, said="Reminders queued: 4.")
    ran(each_house, "audit-verify", said="Chain x, record 3: the record was altered.", failed=True)
    answer = english(each_house, "adam").get("/admin/jobs")
    read = text(answer)
    assert answer.status_code == 200
    for rhythm in RHYTHMS.values():
        assert rhythm.name in read
        assert rhythm.does in read
    assert "Reminders queued: 4." in read
    assert "Chain x, record 3: the record was altered." in read
    assert answer.text.count('class="state failed"') >= 2
    assert "There is no backup yet." in read
    assert "There is no checkpoint yet." in read


def test_what_a_run_said_is_said_in_the_readers_language(house):
    ran(house, "overdue-scan", counts={"count": 4}, said="Reminders queued: 4.")
    assert "Rappels" in text(house.client("adam").get("/admin/jobs"))


def test_a_run_of_an_older_program_is_shown_as_it_was_recorded(house):
    ran(house, "deliver-mail", counts={"posted": 2}, said="Posted: 2.")
    assert '<span lang="en">Posted: 2.</span>' in house.client("adam").get("/admin/jobs").text


def test_the_page_shows_the_newest_backup_and_checkpoint(house):
    data: Path = house.app.config["DATA"]
    now = clock.now()
    made = backup_of(data, now - timedelta(hours=3))
    checkpoints.append(checkpoints.file_in(data), checkpoints.Kept(now - timedelta(days=3), "ab" * 32, (("system", 1, "cd" * 32),)))
    read = text(english(house, "adam").get("/admin/jobs"))
    assert made.name in read
    assert "3 h ago" in read
    assert "ab" * 32 in read
    assert "3 days ago" in read
    checkpoints.file_in(data).write_text("x\n")
    assert "somebody wrote over it" in text(english(house, "adam").get("/admin/jobs"))


@pytest.mark.parametrize("name", NEVER)
def test_nobody_but_an_administrator_sees_the_jobs(house, name):
    someone = house.client(name)
    assert someone.get("/admin/jobs").status_code == 403
    assert "/admin/jobs" not in someone.get("/account").text


def test_an_administrator_of_one_study_has_no_business_with_what_works_for_all(house):
    with house.world.write("trialcrf") as tx:
        accounts.give(tx, house.id_of(tx, "olga"), Grant("administrator", "msc_ssc"))
    olga = house.client("olga")
    assert olga.get("/people").status_code == 200
    assert olga.get("/admin/jobs").status_code == 403
    assert "/admin/jobs" not in olga.get("/people").text


def test_whoever_is_not_signed_in_is_sent_to_sign_in(house):
    assert "/sign-in" in house.app.test_client().get("/admin/jobs").location


def test_to_look_changes_nothing_and_nothing_can_be_sent_there(house):
    all_well(house)
    adam = house.client("adam")
    before = stored(house)
    assert adam.get("/admin/jobs?run=backup").status_code == 200
    assert adam.post("/admin/jobs", {"run": "backup"}).status_code == 405
    assert stored(house) == before


def stored(house: House) -> list[tuple[object, ...]]:
    with house.world.read() as tx:
        return [tuple(row) for row in tx.read(sql("SELECT * FROM job_run ORDER BY id"))]


def test_the_navigation_leads_administrators_there_and_marks_the_page(house):
    page = house.client("adam").get("/admin/jobs").text
    assert 'href="/admin/jobs" aria-current="page"' in page
    assert page.count('aria-current="page"') == 1


# --- The banner ------------------------------------------------------------------------------------------------------------------------


def test_while_all_is_well_nobody_is_alarmed(house):
    all_well(house)
    assert 'role="alert"' not in house.client("adam").get("/people").text


@pytest.mark.parametrize("address", ["/people", "/sites", "/account", "/admin/jobs"])
def test_a_silent_scheduler_is_told_on_every_page_of_an_administrator(house, address):
    all_well(house)
    with writing(house.world.engine, clock.now(), Who.system()) as tx:
        tx.work(sql("DELETE FROM job_run WHERE job = 'tick'"))
    ran(house, "tick", timedelta(minutes=3))
    answer = english(house, "adam").get(address)
    assert f"{SILENT} for 3 minutes" in text(answer)
    assert answer.text.count('role="alert"') == 1
    assert 'href="/admin/jobs"' in answer.text.partition('role="alert"')[2].partition("</div>")[0]


def test_a_scheduler_that_never_ran_is_told_too(house):
    assert "The scheduler has never run" in text(english(house, "adam").get("/people"))


def test_a_job_that_failed_is_named_in_the_banner(house):
    all_well(house)
    with writing(house.world.engine, clock.now(), Who.system()) as tx:
        tx.work(sql("DELETE FROM job_run WHERE job = 'backup'"))
    ran(house, "backup", said="There is no backup: x", failed=True)
    answer = english(house, "adam").get("/people")
    assert "Jobs that failed or are late: backup." in text(answer)
    assert "There is no backup: x" not in answer.text


def test_nobody_else_is_told_of_it(house):
    cora = english(house, "cora")
    assert SILENT not in text(cora.get("/account"))
    assert "scheduler" not in text(cora.get("/studies/msc_ssc/subjects"))


OLD = "The newest backup of which it is proved that it can be restored is older than two nights."


def test_a_proof_that_is_older_than_two_nights_is_told_on_every_page_and_to_the_watcher(house):
    all_well(house)
    data: Path = house.app.config["DATA"]
    backup_of(data, clock.now() - timedelta(hours=49))
    backup_of(data, clock.now() - timedelta(hours=1), proved=False)
    adam = english(house, "adam")
    assert OLD in text(adam.get("/people"))
    assert OLD not in text(english(house, "cora").get("/account"))
    status, told = healthz(house)
    assert (status, told["status"]) == (200, "backup-old")
    assert abs(told["backup"]["age"] - 49 * 3600) < 60
    backup_of(data, clock.now() - timedelta(hours=47))
    assert OLD not in text(adam.get("/people"))
    assert healthz(house)[1]["status"] == "ok"


def test_backups_that_are_not_encrypted_are_told_on_every_page(house):
    all_well(house)
    backup_of(house.app.config["DATA"], clock.now(), encrypted=False)
    adam = english(house, "adam")
    assert "Backups are not encrypted" in text(adam.get("/people"))
    backup_of(house.app.config["DATA"], clock.now() + timedelta(seconds=2))
    assert "Backups are not encrypted" not in text(adam.get("/people"))


# --- The page of backups ---------------------------------------------------------------------------------------------------------------


def test_the_page_of_backups_says_what_was_proved_of_each_and_how_one_is_restored(house):
    data: Path = house.app.config["DATA"]
    adam = english(house, "adam")
    assert "There is no backup yet." in text(adam.get("/admin/backups"))
    good = backup_of(data, clock.now() - timedelta(hours=3))
    bad = backup_of(data, clock.now() - timedelta(hours=5), encrypted=False, proved=False)
    never = data / "backups" / backup_folder.name_of(["msc_ssc"], clock.now() - timedelta(hours=7), "cd" * 32, "0006", encrypted=True)
    never.write_text("x")
    read = text(adam.get("/admin/backups"))
    assert "Newest proved backup: 3 h ago" in read
    first, rest = read.partition(good.name)[2].split(bad.name)
    second, third = rest.split(never.name)
    assert "1,234 yes abababababab proved" in first
    assert "4,321 audit records, 5,678 rows, 12.5 seconds" in first
    assert "the program starts on it and answers" in first
    assert "just before it was encrypted" in first
    assert "no abababababab not proved" in second
    assert "Table account has 1 rows; 2 were copied." in second
    assert "just before it was encrypted" not in second
    assert "cdcdcdcdcdcd nothing proved yet" in third
    assert "trialcrf backup restore FILE" in read
    assert "set TRIALCRF_BACKUP_RECIPIENTS" in read, "none are set here"


@pytest.mark.parametrize("name", NEVER)
def test_nobody_but_an_administrator_sees_the_backups(house, name):
    someone = house.client(name)
    assert someone.get("/admin/backups").status_code == 403
    assert "/admin/backups" not in someone.get("/account").text


def test_no_backup_is_taken_away_through_the_web(house):
    made = backup_of(house.app.config["DATA"], clock.now())
    adam = house.client("adam")
    assert made.name in adam.get("/admin/backups").text
    assert adam.get(f"/admin/backups/{made.name}").status_code == 404
    assert f'href="/admin/backups/{made.name}' not in adam.get("/admin/backups").text


# --- The watcher -----------------------------------------------------------------------------------------------------------------------


def test_before_the_first_tick_the_scheduler_is_silent(house):
    status, told = healthz(house)
    assert (status, told["status"], told["last_tick_age"]) == (503, "scheduler-silent", None)
    assert set(told["jobs"]) == set(RHYTHMS)
    assert told["jobs"]["backup"] == {"last_success": None, "age": None, "outcome": None, "next": None}


def test_a_new_database_whose_scheduler_ticks_is_well_before_the_first_night(each_house):
    ran(each_house, "tick")
    status, told = healthz(each_house)
    assert (status, told["status"], told["late"]) == (200, "ok", [])
    assert 0 <= told["last_tick_age"] < 60


def test_a_tick_that_is_two_minutes_old_is_silence(house):
    ran(house, "tick", timedelta(seconds=121))
    status, told = healthz(house)
    assert (status, told["status"]) == (503, "scheduler-silent")
    assert 120 < told["last_tick_age"] < 180


def test_each_job_is_told_with_its_last_success_and_its_next_run(house):
    all_well(house)
    before = clock.now() - timedelta(hours=49)
    with writing(house.world.engine, clock.now(), Who.system()) as tx:
        tx.work(sql("DELETE FROM job_run WHERE job = 'checkpoint'"))
    ran(house, "checkpoint", timedelta(hours=49))
    status, told = healthz(house)
    assert (status, told["status"], told["late"]) == (200, "job-late", ["checkpoint"])
    found = told["jobs"]["checkpoint"]
    assert abs(found["age"] - 49 * 3600) < 60
    assert found["outcome"] == "done"
    assert found["last_success"][:13] == before.isoformat()[:13]
    assert found["last_success"].endswith("Z")
    assert found["next"] == RHYTHMS["checkpoint"].next_after(before).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_failed_run_is_told_without_its_sentence(house):
    ran(house, "tick")
    ran(house, "deliver-mail", said="OSError: secret.example.org", failed=True)
    answer = house.app.test_client().get("/healthz")
    assert (answer.status_code, answer.get_json()["late"]) == (200, ["deliver-mail"])
    assert answer.get_json()["jobs"]["deliver-mail"]["outcome"] == "failed"
    assert "secret.example.org" not in answer.text
