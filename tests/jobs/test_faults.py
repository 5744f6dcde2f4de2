"""Faults that reminders must survive: killed processes, bad mail servers and clocks, locked databases. None is lost, none goes twice."""

from __future__ import annotations

import json
import random
import socket
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url, select

from tests.actions.world import ROOT, TRAINED, World
from tests.jobs.launcher import POINTS
from tests.mailbox import Mailbox
from trialcrf.actions import administer
from trialcrf.actions.reminding import remind
from trialcrf.external.mail import Server, message_id
from trialcrf.jobs import WHO
from trialcrf.jobs.deliver import deliver
from trialcrf.store import outbox
from trialcrf.store.models import job_run

CONSENT = {
    "ICF_DATE": (2, 11, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip
ENROLLED = datetime(2026, 11, 2, 22, 0, tzinfo=UTC)
OVERDUE = datetime(2026, 12, 3, 9, tzinfo=UTC)
"""A weekday, ten o'clock at the site: the screening window of a consent on 2 November has ended, and it is no quiet hour."""

BASE = "http://x"
AFTER_LEASE = outbox.LEASE + timedelta(seconds=1)
KILLED = 9

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
"""For what the kind of database has no part in: the whole file is to run in two minutes on two busy cores."""


class Launcher:
    """The process that forks senders: it imports the program once for all of them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, orders: list[dict[str, Any]]) -> list[int]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(orders) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the launcher ended: see what it wrote to standard error"
        ended: list[int] = json.loads(line)
        return ended


@pytest.fixture(scope="module")
def launch():
    command = [sys.executable, "-m", "tests.jobs.launcher"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Launcher(process)
        assert process.stdin
        process.stdin.close()


def people(world: World, coordinators: int, subjects: int, consent: datetime = ENROLLED) -> None:
    """So many who are reminded of so many visits each; `cora` is one of them."""
    with world.write("trialcrf") as tx:
        for number in range(1, coordinators):
            account_id = administer.create_account(tx, f"nurse{number}", "Nurse", f"nurse{number}@example.org", "Hospital", "en")
            administer.give_role(tx, account_id, "coordinator", world.study, "01", TRAINED)
    day = (consent.day, consent.month, consent.year)
    for _ in range(subjects):
        world.enrol("recipient", "01", now=consent, **{**CONSENT, "ICF_DATE": day})


def scan(world: World, now: datetime = OVERDUE) -> int:
    with world.write("trialcrf", now) as tx:
        return remind.scan_reminders(tx, now)


def rows(world: World) -> dict[str, tuple[str, str]]:
    """(state, what was said) of every mail, by its key."""
    with world.read() as tx:
        return {row.key: (row.state, row.said) for row in outbox.all_of(tx)}


def states(world: World) -> dict[str, int]:
    with world.read() as tx:
        return outbox.counts(tx)


def deliver_at(world: World, post: Server, at: datetime, now: datetime = OVERDUE) -> Counter[str]:
    return deliver(world.engine, post, BASE, WHO, now, read_clock=lambda: at)


def reckon(world: World, box: Mailbox, due: int) -> Counter[str]:
    """What became of every mail: each is delivered at most once, none is lost, and only what is not known is uncertain."""
    delivered = Counter(message["Message-ID"] for _, message in box.taken)
    told = rows(world)
    known = {message_id(key, BASE): state for key, (state, _) in told.items()}
    assert set(delivered.values()) <= {1}, "a mail went twice"
    assert set(delivered) <= set(known), "a mail that nobody queued"
    assert set(known.values()) <= {outbox.SENT, outbox.UNCERTAIN}
    assert all(state == outbox.UNCERTAIN or delivered[one] for one, state in known.items()), "a mail counts as sent and is not there"
    assert len(known) == due, "delivered and uncertain are not what was due"
    return Counter(known.values())


# --- Killed -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("database_kind", "kills", "subjects"), [("sqlite", 100, 12), ("postgresql", 20, 3)], indirect=["database_kind"])
def test_whoever_is_killed_wherever_no_mail_goes_twice_and_none_is_lost(world, box, launch, means, kills, subjects):
    people(world, coordinators=16, subjects=subjects)
    due, at, chance = 16 * subjects, OVERDUE, random.Random(kills)
    order = {"url": means.settings.database_url, "smtp": box.url, "now": OVERDUE.isoformat()}

    def killed(**how: Any) -> dict[str, Any]:
        return order | {"clock": at.isoformat()} | how

    scans = [point for point in POINTS if "scan" in point]
    points = [point for point in POINTS if "scan" not in point]
    for point in scans:
        assert launch([killed(scan=True, point=point)]) == [KILLED]
        assert rows(world) == {}, "what the scan began to write is gone with it"
        at += timedelta(minutes=11)  # Its lease ends, and the next one takes the run up.
    assert launch([killed(scan=True, point="after the claim is committed")]) == [KILLED]
    assert len(rows(world)) == due
    dead = len(scans) + 1
    # At every step in turn, at the first mail or the second, two senders at once; then from outside, at any moment.
    for number in range(kills * 7 // 10 // 2):
        both = [killed(point=points[(2 * number + one) % len(points)], nth=1 + (number + one) % 5 // 4) for one in (0, 1)]
        ended = launch(both)
        assert ended == [KILLED, KILLED], both
        dead += 2
    while dead < kills:
        dead += launch([killed(delay=chance.uniform(0.005, 0.09), most=3) for _ in range(2)]).count(KILLED)
        assert len(box.taken) < due, "there must be something left to be killed at"

    post = Server(box.url, "trialcrf@localhost")
    assert states(world).get(outbox.UNCERTAIN, 0) == 0, "a claim that may still be worked on is nobody else's"
    deliver_at(world, post, at)
    before = len(box.taken)
    deliver_at(world, post, at + AFTER_LEASE)
    assert len(box.taken) == before, "what may have gone is not sent again"
    told = reckon(world, box, due)
    assert told[outbox.UNCERTAIN] >= dead // 3, "most of the kills were between the claim and its settlement"
    # Nobody scans them anew either, and time changes nothing.
    assert scan(world) == 0
    assert deliver_at(world, post, at + timedelta(days=1)) == {}


def test_four_schedulers_at_once_do_the_work_once(world, box, launch, means):
    people(world, coordinators=4, subjects=4)
    order = {"url": means.settings.database_url, "smtp": box.url, "now": OVERDUE.isoformat(), "clock": OVERDUE.isoformat(), "scan": True}
    assert launch([order] * 4) == [0] * 4
    with world.read() as tx:
        columns = (job_run.c.period, job_run.c.attempt, job_run.c.state)
        assert [tuple(row) for row in tx.read(select(*columns).where(job_run.c.job == "overdue-scan"))] == [("2026-12-03T09", 1, "done")]
    # Those that lost the race for the scan may have looked for mails too early: what is left goes with the next wake.
    deliver_at(world, Server(box.url, "trialcrf@localhost"), OVERDUE)
    assert reckon(world, box, 16) == {outbox.SENT: 16}


# --- Bad mail servers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def one_mail(world):
    people(world, 1, 1)
    assert scan(world) == 1
    return world


def only(world: World) -> tuple[str, str]:
    (found,) = rows(world).values()
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@on_sqlite
def test_a_server_that_is_down_gets_the_mail_when_it_is_back(one_mail, box):
    down = Server(f"smtp://127.0.0.1:{free_port()}", "trialcrf@localhost")
    at = OVERDUE
    for _ in range(8):
        assert deliver_at(one_mail, down, at) == {outbox.QUEUED: 1}
        assert "refused" in only(one_mail)[1]
        assert deliver_at(one_mail, down, at + timedelta(minutes=1)) == {}, "not at once: later, and later each time"
        at += outbox.LONGEST_PAUSE
    assert deliver_at(one_mail, Server(box.url, "trialcrf@localhost"), at) == {outbox.SENT: 1}
    assert only(one_mail) == (outbox.SENT, "250 taken as 1")
    reckon(one_mail, box, 1)


@on_sqlite
def test_a_server_that_never_comes_back_fails_the_mail_and_says_why(one_mail):
    down, at, tried = Server(f"smtp://127.0.0.1:{free_port()}", "trialcrf@localhost"), OVERDUE, 0
    while deliver_at(one_mail, down, at):
        at, tried = at + outbox.LONGEST_PAUSE, tried + 1
    assert tried == outbox.MAX_ATTEMPTS
    state, said = only(one_mail)
    assert (state, "refused" in said) == (outbox.FAILED, True)


@on_sqlite
@pytest.mark.parametrize(
    ("at", "answer", "state"),
    [
        ("RCPT", "450 greylisted", outbox.QUEUED),
        ("RCPT", "550 no such user", outbox.FAILED),
        ("DATA", "452 no room", outbox.QUEUED),
        ("DATA", "550 not wanted here", outbox.FAILED),
    ],
)
def test_a_refusal_is_kept_in_the_words_of_the_server(one_mail, box, at, answer, state):
    box.refuse_at, box.refusal = at, answer
    post = Server(box.url, "trialcrf@localhost")
    assert deliver_at(one_mail, post, OVERDUE) == {state: 1}
    assert only(one_mail) == (state, answer)
    box.refuse_at = ""
    again = deliver_at(one_mail, post, OVERDUE + timedelta(minutes=3))
    assert again == ({outbox.SENT: 1} if state == outbox.QUEUED else {}), "for now is not for good"


@on_sqlite
@pytest.mark.parametrize(("step", "state", "taken"), [("RCPT", outbox.QUEUED, 0), ("DATA", outbox.UNCERTAIN, 1)])
def test_a_server_that_is_too_slow_leaves_a_doubt_only_once_it_has_the_text(one_mail, box, step, state, taken):
    box.slow, box.slow_at = 1.0, step
    assert deliver_at(one_mail, Server(box.url, "trialcrf@localhost", patience=0.2), OVERDUE) == {state: 1}
    assert (len(box.taken), "timed out" in only(one_mail)[1]) == (taken, True)


@on_sqlite
def test_a_server_that_dies_after_the_text_leaves_a_doubt_that_a_person_resolves(one_mail, box):
    box.hang_up = True
    post = Server(box.url, "trialcrf@localhost")
    assert deliver_at(one_mail, post, OVERDUE) == {outbox.UNCERTAIN: 1}
    box.hang_up = False
    assert deliver_at(one_mail, post, OVERDUE + timedelta(hours=1)) == {}
    reckon(one_mail, box, 1)
    with one_mail.write("trialcrf") as tx:
        administer.resolve_mail(tx, outbox.all_of(tx)[0].id, arrived=False)
    assert deliver_at(one_mail, post, OVERDUE + timedelta(hours=1)) == {outbox.SENT: 1}
    assert len(box.taken) == 2, "a person wanted it again"


# --- Bad clocks -----------------------------------------------------------------------------------------------------------------


def ticking(*moments: datetime):
    """A clock that is read so often, and stays at its last moment."""
    left = list(moments)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


@on_sqlite
@pytest.mark.parametrize("readings", [1, 2, 3])
def test_a_clock_put_back_an_hour_while_a_mail_is_under_way_sends_it_once(one_mail, box, readings):
    back = OVERDUE - timedelta(hours=1)
    post = Server(box.url, "trialcrf@localhost")
    clock = ticking(*[OVERDUE] * readings, back)
    assert deliver(one_mail.engine, post, BASE, WHO, OVERDUE, read_clock=clock) == {outbox.SENT: 1}
    for at in (back, OVERDUE, OVERDUE + AFTER_LEASE, OVERDUE + timedelta(days=1)):
        assert deliver_at(one_mail, post, at) == {}
    assert reckon(one_mail, box, 1) == {outbox.SENT: 1}


@on_sqlite
def test_a_clock_put_back_while_a_sender_died_only_makes_the_doubt_come_later(one_mail, box):
    with one_mail.write("trialcrf", OVERDUE) as tx:
        assert outbox.claim(tx)
    post = Server(box.url, "trialcrf@localhost")
    for at in (OVERDUE - timedelta(hours=1), OVERDUE, OVERDUE + outbox.LEASE):
        assert deliver_at(one_mail, post, at) == {}
        assert states(one_mail) == {outbox.SENDING: 1}
    assert deliver_at(one_mail, post, OVERDUE + AFTER_LEASE) == {}
    assert only(one_mail) == (outbox.UNCERTAIN, outbox.STOPPED)


def test_a_sender_that_slept_over_its_lease_gives_the_mail_back_before_it_wrote_to_anyone(one_mail, box):
    clock = ticking(OVERDUE, OVERDUE + timedelta(hours=1))
    assert deliver(one_mail.engine, Server(box.url, "trialcrf@localhost"), BASE, WHO, OVERDUE, read_clock=clock) == {
        outbox.QUEUED: 1, outbox.SENT: 1,
    }  # fmt: skip
    assert reckon(one_mail, box, 1) == {outbox.SENT: 1}


def test_a_sender_that_comes_back_after_its_lease_knows_better_than_the_doubt(one_mail, box):
    with one_mail.write("trialcrf", OVERDUE) as tx:
        mail = outbox.claim(tx)
    deliver_at(one_mail, Server(box.url, "trialcrf@localhost"), OVERDUE + AFTER_LEASE)
    assert states(one_mail) == {outbox.UNCERTAIN: 1}
    with one_mail.write("trialcrf", OVERDUE + timedelta(hours=1)) as tx:
        assert remind.settle(tx, mail, None, "250 OK") == outbox.SENT
    assert only(one_mail) == (outbox.SENT, "250 OK")


# --- Days of silence, locks ----------------------------------------------------------------------------------------


def test_three_days_of_downtime_are_caught_up_by_one_scan_and_one_mail_each(world, box, means, launch):
    people(world, coordinators=3, subjects=2)
    assert scan(world) == 6
    order = {"url": means.settings.database_url, "smtp": box.url, "now": OVERDUE.isoformat(), "clock": OVERDUE.isoformat()}
    assert launch([order | {"point": "before the reply"}]) == [KILLED]
    later = OVERDUE + timedelta(days=3)
    assert launch([order | {"scan": True, "now": later.isoformat(), "clock": later.isoformat()}] * 2) == [0, 0]
    with world.read() as tx:
        assert len(tx.read(select(job_run.c.id).where(job_run.c.job == "overdue-scan")).all()) == 1
    assert reckon(world, box, 6) == {outbox.SENT: 5, outbox.UNCERTAIN: 1}
    assert len(box.taken) == 6


def test_a_database_locked_for_ten_seconds_while_a_mail_is_handed_over_loses_and_doubles_nothing(world, box, launch, means, database_kind):
    people(world, coordinators=3, subjects=2)
    assert scan(world) == 6
    url = means.settings.database_url
    released = threading.Event()

    def lock() -> None:
        """Taken while the first mail is at the server: nobody can settle it, nor claim another."""
        box.on_taken = None
        if database_kind == "sqlite":
            holder: Any = sqlite3.connect(str(make_url(url).database), timeout=30, isolation_level=None, check_same_thread=False)
            holder.execute("BEGIN EXCLUSIVE")
        else:
            holder = psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
            holder.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")

        def release() -> None:
            assert len(box.taken) <= 2, "each sender waits with the mail that it had"
            holder.rollback()
            holder.close()
            released.set()

        threading.Timer(10.0, release).start()

    box.on_taken = lock
    order = {"url": url, "smtp": box.url, "now": OVERDUE.isoformat(), "clock": OVERDUE.isoformat()}
    assert launch([order, order]) == [0, 0]
    assert released.is_set()
    assert reckon(world, box, 6) == {outbox.SENT: 6}
