"""`trialcrf outbox` on both databases: what it shows of a mail, what not, and what a person decides with it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.actions.world import NOW, open_world
from tests.actions.world import filling as filling_of
from tests.test_cli import Cli
from trialcrf.store import accounts, audit, outbox

KEY = "overdue|msc_ssc|17|WEIGH1|1|cora"


@pytest.fixture
def filling(request):
    return filling_of() if "world" in request.fixturenames else None


@pytest.fixture
def world(database_url):
    made = open_world(database_url)
    yield made
    made.engine.dispose()


@pytest.fixture
def cli(database_url, tmp_path):
    return Cli(database_url, tmp_path / "data")


def settled(world, key: str, state: str, said: str = "") -> None:
    with world.write("trialcrf") as tx:
        outbox.add(tx, key, "overdue", accounts.find(tx, "cora").id, {"subject": 17, "secret": "of nobody"}, "coordinator")
        assert outbox.settle(tx, outbox.claim(tx), state, said)


def test_mails_are_listed_for_people_and_for_programs_without_address_or_text(world, cli):
    assert json.loads(cli("outbox", "list", "--json")) == []
    settled(world, "first", outbox.SENT, "250 OK")
    settled(world, KEY, outbox.FAILED, "550 <cora@example.org> is unknown")
    read = json.loads(cli("outbox", "list", "--json"))
    assert [one["key"] for one in read] == [KEY, "first"]
    assert read[0] == {
        "key": KEY, "kind": "overdue", "role": "coordinator", "state": "failed", "reason": "550 <…> is unknown", "attempts": 1,
        "created_at": NOW.isoformat(), "not_before": None, "settled_at": NOW.isoformat(),
    }  # fmt: skip
    lines = cli("outbox", "list").splitlines()
    assert lines[0] == f"failed  {NOW.isoformat(timespec='seconds')}  Coordinator  {KEY}  550 <…> is unknown"
    assert lines[1].startswith("sent  ") and lines[1].endswith("250 OK")
    assert "@" not in "".join(lines) and "nobody" not in "".join(lines)


def test_a_state_can_be_asked_for(world, cli):
    settled(world, "first", outbox.SENT)
    settled(world, "second", outbox.UNCERTAIN, outbox.STOPPED)
    with world.write("trialcrf") as tx:
        outbox.add(tx, "third", "invite", accounts.find(tx, "cora").id, {})
        outbox.postpone(tx, outbox.claim(tx), NOW + timedelta(hours=9))
    assert "may or may not have gone" in cli("outbox", "list", "--state", "uncertain")
    assert cli("outbox", "list", "--state", "failed") == ""
    assert cli("outbox", "list", "--state", "queued").startswith(f"queued  {(NOW + timedelta(hours=9)).isoformat()}  –  third")
    cli("outbox", "list", "--state", "lost", code=2)


def test_an_uncertain_mail_is_resolved_by_its_key_and_the_trail_tells_it(world, cli):
    settled(world, KEY, outbox.UNCERTAIN)
    cli("outbox", "resolve", KEY, code=2)
    assert cli("outbox", "resolve", KEY, "--again") == "The mail is queued again.\n"
    with world.write("trialcrf", NOW + timedelta(minutes=1)) as tx:
        mail = outbox.claim(tx)
        assert (mail.key, mail.attempts) == (KEY, 1)
        assert outbox.settle(tx, mail, outbox.UNCERTAIN)
    assert cli("outbox", "resolve", KEY, "--arrived") == "The mail counts as sent.\n"
    assert "neither uncertain nor failed" in cli("outbox", "resolve", KEY, "--again", code=1)
    assert "no mail nothing" in cli("outbox", "resolve", "nothing", "--arrived", code=1)
    with world.read() as tx:
        assert outbox.find(tx, KEY)[0] == outbox.SENT
        past = accounts.trail(tx, accounts.find(tx, "cora").id)
        assert [(one.actor, one.op) for one in past][-2:] == [("trialcrf", "mail")] * 2
        assert audit.broken(tx.connection) is None
