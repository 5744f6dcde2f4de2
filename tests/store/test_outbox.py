"""The queue of mails on both databases: once a key, in order, not before its time, and a claim is one sender's."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.actions.world import NOW, World, open_world
from tests.actions.world import filling as filling_of
from trialcrf.store import accounts, choices, outbox
from trialcrf.store.outbox import New


@pytest.fixture
def filling(request):
    return filling_of("salt") if "world" in request.fixturenames else None


@pytest.fixture
def world(database_url):
    made = open_world(database_url, "salt")
    yield made
    made.engine.dispose()


def add(world: World, *keys: str) -> int:
    with world.write("trialcrf") as tx:
        cora = accounts.find(tx, "cora").id
        return outbox.add_many(tx, [New(key, "remind", cora, {"study": "salt"}, "coordinator") for key in keys])


def claim(world: World, at=NOW):
    with world.write("trialcrf", at) as tx:
        return outbox.claim(tx)


def test_many_are_queued_in_lots_each_key_once_and_only_new_ones_are_counted(world):
    keys = [f"key {number}" for number in range(2 * outbox.AT_ONCE + 3)]
    assert add(world, *keys[:7]) == 7
    assert add(world, *keys) == len(keys) - 7
    assert add(world, *keys) == 0
    with world.read() as tx:
        assert outbox.counts(tx) == {outbox.QUEUED: len(keys)}
        rows = outbox.all_of(tx)
    assert [row.key for row in rows] == keys, "and in their order"
    assert (rows[-1].role, rows[-1].study, rows[-1].site, rows[-1].created_at) == ("coordinator", "salt", "", NOW)


def test_a_key_that_was_settled_is_not_queued_again(world):
    add(world, "one")
    with world.write("trialcrf") as tx:
        outbox.settle(tx, outbox.claim(tx), outbox.SENT)
    assert add(world, "one") == 0
    assert claim(world) is None


def test_the_oldest_goes_first_and_a_postponed_one_when_its_time_has_come_without_having_been_tried(world):
    add(world, "first", "second", "third")
    with world.write("trialcrf") as tx:
        first = outbox.claim(tx)
        assert (first.key, first.attempts) == ("first", 1)
        outbox.postpone(tx, first, NOW + timedelta(hours=9))
    assert claim(world).key == "second"
    assert claim(world).key == "third"
    assert claim(world, NOW + timedelta(minutes=1)) is None
    again = claim(world, NOW + timedelta(hours=9))
    assert (again.key, again.attempts) == ("first", 1)


def test_a_refused_one_goes_back_with_its_attempt_counted_and_longer_each_time(world):
    add(world, "one")
    at, pauses = NOW, []
    for attempt in range(1, outbox.MAX_ATTEMPTS):
        with world.write("trialcrf", at) as tx:
            mail = outbox.claim(tx)
            assert mail.attempts == attempt
            assert outbox.retry(tx, mail, "busy") == outbox.QUEUED
        with world.read() as tx:
            (row,) = outbox.all_of(tx)
        assert (row.said, row.settled_at) == ("busy", None)
        pauses.append(row.not_before - at)
        at = row.not_before
    assert pauses[:3] == [timedelta(minutes=2), timedelta(minutes=4), timedelta(minutes=8)]
    assert max(pauses) == outbox.LONGEST_PAUSE and sum(pauses, timedelta()) > timedelta(days=1)
    with world.write("trialcrf", at) as tx:
        assert outbox.retry(tx, outbox.claim(tx), "busy") == outbox.FAILED


def test_a_claim_belongs_to_one_sender_until_it_ends_and_then_to_nobody(world):
    add(world, "one")
    mail = claim(world)
    assert claim(world, NOW + outbox.LEASE) is None
    with world.write("trialcrf", NOW + outbox.LEASE) as tx:
        assert outbox.holds(tx, mail)
    assert claim(world, NOW + outbox.LEASE + timedelta(microseconds=1)) is None
    with world.write("trialcrf", NOW + outbox.LEASE) as tx:
        assert not outbox.holds(tx, mail)
        (row,) = outbox.all_of(tx, [outbox.UNCERTAIN])
        assert (row.said, outbox.find(tx, "one")[0]) == (outbox.STOPPED, outbox.UNCERTAIN)


def test_a_choice_is_one_of_those_there_are_and_the_last_one_counts(world):
    with world.write("trialcrf") as tx:
        cora, ivan = accounts.find(tx, "cora").id, accounts.find(tx, "ivan").id
        assert choices.of(tx, cora, "salt", "weekly") == "weekly"
        for choice in (choices.NONE, choices.EACH):
            choices.set_(tx, cora, "salt", choice)
        choices.set_(tx, ivan, "other", choices.NONE)
        assert choices.all_of(tx, "salt") == {cora: choices.EACH}
        with pytest.raises(ValueError):
            choices.set_(tx, cora, "salt", "sometimes")


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_two_who_claim_at_once_get_two_mails_and_neither_waits(world):
    add(world, "first", "second")
    with world.write("trialcrf") as one:
        assert outbox.claim(one).key == "first"
        with world.write("trialcrf") as other:
            other.work(text("SET LOCAL lock_timeout = '2s'"))
            assert outbox.claim(other).key == "second"
            assert outbox.claim(other) is None
