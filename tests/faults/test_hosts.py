"""Three machines with web server, scheduler and worker on one PostgreSQL; one loses its power, the other two are upgraded under load.

Both tests use one installation, which takes half a minute to start; each can run without the other.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlencode

import pytest

from config import ROOT
from tests.bench.browser import Browser
from tests.bench.trial import PASSWORD, STUDY
from tests.faults.clients import judge, wait_until
from tests.faults.hosts import BASE, Host, House, clients_joined, house, newer_checkout
from trialcrf.external.mail import Server, message_id
from trialcrf.jobs import WHO
from trialcrf.jobs.deliver import deliver
from trialcrf.store import migrations, outbox, reports
from trialcrf.store.migrations import SchemaAhead
from trialcrf.store.transaction import open_engine, reading

FULL = "TRIALCRF_FAULTS_KILLS" in os.environ
NIGHTLY = ("stopping-check", "audit-verify", "checkpoint", "clear-tokens", "overdue-scan", "digest-scan", "clock-scan")
REPORTS = ("The first.", "The second.", "The third.") if FULL else ("The first.",)
LIST = f"/studies/{STUDY}/reports"


@pytest.fixture(scope="module")
def running() -> Iterator[House]:
    with house(6 if FULL else 3) as made:
        yield made


def signed_in(here: House, host: Host, name: str) -> Browser:
    browser = here.browser(host)
    browser.sign_in(name, PASSWORD)
    return browser


def order(browser: Browser, why: str) -> None:
    told = {"kind": "quality", "day": "20", "month": "11", "year": "2026", "language": "fr", "why": why, "token": browser.token}
    assert browser.post(LIST, urlencode(told).encode()).status == 303


def ordered(here: House) -> list[reports.Report]:
    engine = open_engine(here.url)
    try:
        with reading(engine) as tx:
            return reports.all_of(tx, STUDY)
    finally:
        engine.dispose()


def saves(here: House) -> int:
    return sum(one.saves for one in here.clients)


def wrong_mails(here: House, taken: list[tuple[str, EmailMessage]]) -> str:
    """What is wrong with what became of the reminders; empty where nothing is."""
    delivered = Counter(str(message["Message-ID"]) for _, message in taken)
    rows = here.ask("SELECT key, state, params FROM outbox WHERE kind = 'remind'")
    if not rows:
        return "nobody was to be reminded"
    known = {message_id(str(key), BASE): (str(state), str(params)) for key, state, params in rows}
    for one, (state, params) in known.items():
        if delivered[one] > 1:
            return f"a mail went {delivered[one]} times"
        if state not in (outbox.SENT, outbox.UNCERTAIN, outbox.CANCELLED):
            return f"a mail is {state}"
        if (state == outbox.SENT and not delivered[one]) or (state == outbox.CANCELLED and delivered[one]):
            return f"a mail that is {state} was delivered {delivered[one]} times"
        if state == outbox.CANCELLED and json.loads(params)["subject"] == here.unfilled:
            return "a reminder of a visit that nobody filled was cancelled"
    return ""


def wrong_reports(here: House, browser: Browser) -> str:
    """What is wrong with the reports that were ordered: each is there once, for whoever asks."""
    made = ordered(here)
    if [one.state for one in made] != [reports.DRAWN] * len(REPORTS):
        return f"the reports are {[one.state for one in made]}"
    for one in made:
        sent = browser.get(f"{LIST}/{one.id}.pdf")
        if hashlib.sha256(sent.body).hexdigest() != one.sha256:
            return f"report {one.id} is not what was archived"
    return ""


def wrong_runs(here: House) -> str:
    """Which jobs were done another number of times than once in their period."""
    rows = here.ask("SELECT job, period, state, attempt FROM job_run WHERE period NOT LIKE '%Z %' AND period <> 'idle' AND job <> 'tick'")
    done = Counter(str(job) for job, _, state, attempt in rows if state == "done" and attempt == 1)
    periods = Counter(str(job) for job, _, _, _ in rows)
    wrong = [name for name in NIGHTLY if not done[name] or done[name] != periods[name] or done[name] > 2]  # Two, where the hour just ended.
    lines = (here.data / "checkpoints.jsonl").read_text().splitlines()
    return f"{wrong} of {rows}" if wrong else "" if len(lines) == done["checkpoint"] else f"{len(lines)} checkpoints"


def test_a_host_that_loses_its_power_takes_nothing_along(running):
    here = running
    here.box.slow = 0.15  # So that somebody is handing a mail over when the power goes.
    until = threading.Event()
    working = here.rove(until)
    dana = signed_in(here, here.hosts[0], "dana")
    for why in REPORTS:
        order(dana, why)
    wait_until(lambda: saves(here) >= 12 and any(host.draws() for host in here.hosts), 90)
    dying = next(host for host in here.hosts if host.draws())
    holding = here.hold(dying)
    here.die(dying)
    holding.wait(10)
    stood = saves(here)

    # What it had locked is free again; the first saves wait for that, and those who asked it go elsewhere.
    began = time.monotonic()
    wait_until(lambda: saves(here) >= stood + 12, 90)
    waited = time.monotonic() - began
    near, far = here.hosts[:2]
    with closing(signed_in(here, near, "dana")) as elsewhere, here.network.switch.inside():
        elsewhere.move(far.address)
        assert elsewhere.get(LIST).status == 200
        copy = here.browser(near)
        copy._cookie, copy.token = elsewhere._cookie, elsewhere.token
        assert copy.post("/sign-out", urlencode({"token": copy.token}).encode()).status == 303
        assert elsewhere.get(LIST).status != 200, "a session that was ended on one host lives on another"
        copy.close()
    wait_until(lambda: all(one.state == reports.DRAWN for one in ordered(here)), 150)
    until.set()
    clients_joined(working)

    assert waited < 60
    assert [one.wrong for one in here.clients] == [""] * len(here.clients), "somebody was signed out, or refused"
    assert judge(here.url, here.clients) == ""
    assert set().union(*(one.per_host for one in here.clients)) >= {near.address, far.address, dying.address}
    settle(here)
    assert wrong_mails(here, here.box.taken) == ""
    assert wrong_runs(here) == ""
    with here.network.switch.inside():
        dana.move(far.address)
    assert wrong_reports(here, dana) == "", "dana was signed in all the time"

    # The same judges, where there is something to find.
    assert "2 times" in wrong_mails(here, [*here.box.taken, here.box.taken[0]])
    assert "0 times" in wrong_mails(here, here.box.taken[1:])
    one = here.clients[0]
    address = next(iter(one.acknowledged))
    one.acknowledged[address] += 1
    assert address in judge(here.url, here.clients)
    one.acknowledged[address] -= 1
    here.ask("INSERT INTO job_run (job, period, attempt, state, lease_until, started_at) SELECT job, period || '+', 2, state, lease_until, "
             "started_at FROM job_run WHERE job = 'audit-verify' RETURNING id")  # fmt: skip
    assert "audit-verify" in wrong_runs(here)
    here.ask("DELETE FROM job_run WHERE period LIKE '%+' RETURNING id")
    next(here.data.glob("reports/*.pdf")).write_bytes(b"%PDF- another")
    assert "is not what was archived" in wrong_reports(here, dana)
    dana.close()


def settle(here: House) -> None:
    """Wait for the mails, and let the claims of the dead end: whether such a mail went nobody knows."""
    here.box.slow = 0.0
    wait_until(lambda: not here.ask("SELECT 1 FROM outbox WHERE state = 'queued' LIMIT 1"), 60)
    time.sleep(0.5)
    engine = open_engine(here.url)
    deliver(engine, Server("smtp://127.0.0.1:1", "x@example.org", 1.0), BASE, WHO, read_clock=lambda: datetime.now(UTC) + outbox.LEASE)
    engine.dispose()


def test_the_hosts_are_upgraded_one_after_the_other_while_people_save(running, tmp_path):
    here = running
    newer, until = newer_checkout(tmp_path / "newer"), threading.Event()
    before = [one.statuses.copy() for one in here.clients]
    working = here.rove(until)

    def go_on(least: int = 8) -> None:
        stood = saves(here)
        wait_until(lambda: saves(here) >= stood + least, 90)

    go_on(20)  # Every statement of a save is prepared by now.
    env = {**os.environ, "DATABASE_URL": here.url, "DATABASE_OWNER_URL": here.url, "TRIALCRF_DATA": str(tmp_path / "admin"), "LC_ALL": "C"}
    upgrade = [sys.executable, "-m", "trialcrf.cli", "db", "upgrade", "--name", "trial"]
    done = subprocess.run(upgrade, cwd=newer, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    go_on(20)  # The version before goes on, on a schema that it does not know.
    if FULL:
        restarted(here, here.hosts[0], ROOT, go_on)  # And it starts on it.
    for host in here.hosts[:2]:
        restarted(here, host, newer, go_on)
    until.set()
    clients_joined(working)

    statuses: Counter[int] = sum((one.statuses - then for one, then in zip(here.clients, before, strict=True)), Counter())
    assert set(statuses) <= {303, 503}, statuses
    assert [one.wrong for one in here.clients] == [""] * len(here.clients)
    assert judge(here.url, here.clients) == ""
    assert here.ask("SELECT count(*) FROM session WHERE of_a_test = 7 AND ended_at IS NULL")[0][0]
    refused_where_the_migration_says_so(here)


def restarted(here: House, host: Host, root: Path, go_on: Callable[[], None]) -> None:
    host.stop()
    go_on()
    host.start(root, FULL or host is here.hosts[0])  # To start is what costs here: one scheduler stands for both.
    here.ready(host)
    go_on()


def refused_where_the_migration_says_so(here: House) -> None:
    engine = open_engine(here.url)
    migrations.check(engine)
    said = str(here.ask("SELECT obj_description('alembic_version'::regclass, 'pg_class')")[0][0])
    schema = said.partition(" ")[0]
    with engine.begin() as connection:
        connection.exec_driver_sql(f"COMMENT ON TABLE alembic_version IS '{schema} serves the program from {schema}'")
    with pytest.raises(SchemaAhead):
        migrations.check(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"COMMENT ON TABLE alembic_version IS '{said}'")
    engine.dispose()
