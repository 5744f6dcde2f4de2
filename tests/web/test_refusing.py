"""A failing disk: nothing more is saved by this process, every page says so, reading goes on, and nothing that was saved is harmed."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from sqlalchemy import event

from tests.actions.world import ROOT
from tests.web.site import House, text
from tests.web.test_entry_pages import STUDY, VITALS, enrol, stored, weight
from trialcrf.core.document import Answer, Place
from trialcrf.external import clock
from trialcrf.jobs.verify import verify
from trialcrf.store import damage, outbox
from trialcrf.store.damage import WritingStopped
from trialcrf.store.transaction import writing
from trialcrf.web import refusing


def fill_up(house: House) -> None:
    """From now on the file of the database may not grow, as on a disk without room."""
    engine = house.app.extensions["trialcrf.engine"]
    engine.dispose()

    @event.listens_for(engine, "connect")
    def no_more(connection, _record):
        connection.execute("PRAGMA max_page_count = 1")  # It becomes as many pages as there are.


def test_a_full_disk_stops_writing_harms_nothing_and_says_so(house):
    cora = house.client("cora")
    enrol(cora)
    assert cora.post(VITALS, weight("62")).status_code == 303
    fill_up(house)
    comment = {"text": "Looked up once more. " * 40, "about": ""}
    answers = [cora.post(f"{STUDY}/subjects/R-01-001/SCR/1/RENROL/1/thread/comment", comment) for _ in range(30)]
    assert {one.status_code for one in answers} <= {303, 503}
    assert answers[-1].status_code == 503
    said = text(answers[-1])
    assert "go back" in said.lower() or "revenez" in said.lower()
    page = cora.get(VITALS)
    assert page.status_code == 200
    assert 'id="stopped"' in page.text
    assert 'value="62"' in page.text
    refused = cora.post(VITALS, weight("63", version="1"))  # It would have had room: once failed, nothing is tried again.
    assert refused.status_code == 503
    assert stored(house).document.at(Place("WT")) == Answer("62")
    with house.world.read() as tx:
        verify(tx)
    health = house.app.test_client().get("/healthz")
    assert (health.status_code, health.get_json()["status"]) == (503, "writing-stopped")


def test_an_ordinary_refusal_of_the_database_stops_nothing(each_house):
    engine = each_house.app.extensions["trialcrf.engine"]
    cora = each_house.client("cora")
    with pytest.raises(Exception, match=r"(?i)syntax|exist|such"), engine.connect() as connection:
        connection.exec_driver_sql("SELECT nothing FROM nowhere")
    enrol(cora)
    assert damage.of(engine) is None


def test_below_the_floor_nothing_new_is_saved_and_everything_can_be_read(house, monkeypatch):
    cora, adam = house.client("cora"), house.client("adam")
    enrol(cora)
    monkeypatch.setattr(refusing.room, "FLOOR", 2**62)
    refused = cora.post(VITALS, weight("62"))
    assert refused.status_code == 503
    assert stored(house) is None
    assert cora.get(VITALS).status_code == 200
    assert cora.post("/account/theme", {"theme": "dark"}).status_code == 303
    assert house.client("cora").get("/studies").status_code == 200
    house.app.config["DISK_RESERVE"] = 2**62
    for browser, told in ((adam, True), (cora, False)):
        assert ("megabytes" in browser.get("/account").text or "mégaoctets" in browser.get("/account").text) is told
    assert house.app.test_client().get("/healthz").get_json()["disk_low"] is True


PROGRAM = """
import sys, threading, time
from datetime import UTC, datetime
from sqlalchemy import text
from trialcrf.store.audit import Who
from trialcrf.store.transaction import open_engine, writing
from trialcrf.web import refusing
refusing.FAREWELL = 0.2
engine = open_engine(sys.argv[1])
refusing.end_with(engine)
with engine.connect() as connection:
    connection.exec_driver_sql("PRAGMA max_page_count = 1")
try:
    with writing(engine, datetime.now(UTC), Who.system()) as tx:
        tx.work(text("INSERT INTO secret VALUES ('x', :big)"), {"big": "x" * 10_000_000})
except Exception as error:
    print(type(error).__name__, flush=True)
time.sleep(20)
"""


def test_the_process_ends_by_itself_and_says_so_by_its_code(databases):
    url = databases.fresh("sqlite")
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", PROGRAM, url], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (refusing.CODE, "OperationalError\n"), done.stderr
    assert time.monotonic() - began < 15
    assert "nothing is saved any more" in done.stderr
    databases.drop(url)


def test_a_commit_whose_connection_broke_stops_writing_because_nobody_knows(databases):
    from sqlalchemy import text as sql

    from trialcrf.store.audit import Who
    from trialcrf.store.transaction import open_engine

    url = databases.fresh("postgresql")
    engine, other = open_engine(url), open_engine(url)
    now = clock.now()

    def cut(which) -> None:
        with other.connect() as killing:
            killing.execute(sql("SELECT pg_terminate_backend(:pid)"), {"pid": which}).all()

    # While a transaction is at work its end is known: it is rolled back, and the next one goes on.
    with pytest.raises(Exception, match=r"terminating|closed"), writing(engine, now, Who.system()) as tx:
        cut(tx.read(sql("SELECT pg_backend_pid()")).scalar_one())
        tx.read(sql("SELECT 1"))
    assert damage.of(engine) is None
    with pytest.raises(Exception, match=r"terminating|closed"), writing(engine, now, Who.system()) as tx:
        cut(tx.read(sql("SELECT pg_backend_pid()")).scalar_one())
    assert damage.of(engine).at == now
    with pytest.raises(WritingStopped), writing(engine, now, Who.system()):
        pass
    engine.dispose()
    other.dispose()
    databases.drop(url)


def test_little_room_fails_the_job_and_is_mailed_once_a_day(house, tmp_path):
    from dataclasses import replace

    from tests.web.site import settings_for
    from trialcrf.actions import NotClean
    from trialcrf.jobs import JOBS, Means, run

    url = house.world.engine.url.render_as_string(hide_password=False)
    full = replace(settings_for(url, tmp_path), disk_reserve=2**62)
    means = Means.of(full, house.world.engine)
    for _ in range(2):
        with pytest.raises(NotClean):
            run(means, JOBS["disk-check"], clock.now())
    with house.world.read() as tx:
        assert [one.kind for one in outbox.all_of(tx) if one.kind == "room"] == ["room"]
    assert house.app.test_client().get("/healthz").get_json()["late"] == ["disk-check"]
    run(Means.of(settings_for(url, tmp_path), house.world.engine), JOBS["disk-check"], clock.now())
