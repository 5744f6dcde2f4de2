"""The delegation log: signed by the investigator, never altered, the same in the trail as in its table."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.actions.world import NOW, World
from trialcrf.actions import Impossible, NotAllowed, sign, sign_in
from trialcrf.actions.oversight import delegate
from trialcrf.core.oversight.delegation import TASKS, Task, known, stands
from trialcrf.core.throttle import HERE
from trialcrf.store import accounts, attempts, audit, delegations, replay, sites

TODAY = NOW.date()
PASSWORD = "a long sentence for the tests"


def act(world: World, what, name="ivan", password=PASSWORD, now=NOW):
    """Type the password as this person and do something at site 01."""
    with world.write("trialcrf") as tx:
        sign_in.set_password(tx, accounts.find(tx, name).id, name, PASSWORD)
    with world.read() as tx:
        actor = accounts.actor(tx, accounts.find(tx, name), now)
        proof = sign.reauthenticate(tx, actor, password, "::1", now)
    with world.write(name, now) as tx:
        return what(tx, sites.find(tx, world.study, "01"), actor, proof)


def ivan_of(world: World) -> int:
    with world.read() as tx:
        return accounts.find(tx, "ivan").id


def give(world: World, username="cora", tasks=("data_entry", "consent"), day=TODAY, **more):
    return act(world, lambda tx, where, actor, proof: delegate.delegate(tx, where, actor, proof, username, tasks, day, NOW), **more)


def log(world: World):
    with world.read() as tx:
        return delegations.all_of(tx, world.study)


def sound(world: World) -> None:
    with world.read() as tx:
        assert audit.broken(tx.connection) is None
        assert list(replay.differences(tx)) == []


def test_every_task_has_a_name_in_plain_words():
    assert set(TASKS) == set(Task)
    assert known(["nonsense", "queries", "consent"]) == (Task.CONSENT, Task.QUERIES)


def test_first_and_last_day_of_a_delegation_count():
    days = [TODAY + timedelta(days=number) for number in range(-1, 3)]
    assert [stands(TODAY, TODAY + timedelta(days=1), day) for day in days] == [False, True, True, False]
    assert stands(TODAY, None, TODAY + timedelta(days=4000))


def test_an_investigator_delegates_tasks_with_a_password_and_the_site_s_trail_tells_it(world):
    id_ = give(world)
    (line,) = log(world)
    assert (line.username, line.tasks, line.starts_on, line.ends_on) == ("cora", (Task.CONSENT, Task.DATA_ENTRY), TODAY, None)
    assert (line.by, line.by_name, line.site) == ("ivan", "Ivan", "01")
    with world.read() as tx:
        (past,) = audit.history(tx.connection, "delegation", str(id_))
    assert (past.chain, past.actor, past.role) == ("msc_ssc/01", "ivan", "investigator")
    sound(world)


def test_a_wrong_password_delegates_nothing_and_is_counted(world):
    with pytest.raises(sign.WrongPassword):
        give(world, password="wrong")
    assert log(world) == []
    with world.write("ivan") as tx:
        delegate.note_refusal(tx, sites.find(tx, world.study, "01"), accounts.actor(tx, accounts.find(tx, "ivan")))
    with world.read() as tx:
        assert attempts.failures(tx, NOW + timedelta(seconds=1), "ivan", "127.0.0.1")[HERE].count == 1


REFUSED = [
    ("username", {"username": "olga"}),
    ("username", {"username": "sam"}),
    ("username", {"username": "nobody"}),
    ("tasks", {"tasks": ()}),
    ("tasks", {"tasks": ("everything",)}),
    ("day", {"day": TODAY - timedelta(days=1)}),
]


def test_what_cannot_be_delegated_is_told_at_its_box(world):
    for field, said in REFUSED:
        with pytest.raises(Impossible) as refused:
            give(world, **said)
        assert refused.value.field == field, said
    assert log(world) == []


def test_only_an_investigator_delegates(world):
    for name in ("cora", "dora", "mona"):
        with pytest.raises(NotAllowed):
            give(world, name=name, username="lara")


def test_nobody_delegates_or_ends_by_a_password_of_another_person_or_of_another_moment(world):
    give(world)
    (line,) = log(world)
    for proof in (sign.Proof(0, NOW), sign.Proof(ivan_of(world), NOW - timedelta(seconds=1))):
        for what in (
            lambda tx, where, actor, _, kept=proof: delegate.delegate(tx, where, actor, kept, "lara", ["cells"], TODAY, NOW),
            lambda tx, where, actor, _, kept=proof: delegate.end(tx, where, actor, kept, line, TODAY, "x", NOW),
        ):
            with pytest.raises(NotAllowed):
                act(world, what)
    assert [one.ends_on for one in log(world)] == [None]


def test_a_task_is_delegated_to_a_person_once_at_a_time(world):
    give(world)
    with pytest.raises(Impossible):
        give(world, tasks=("consent", "queries"))
    give(world, tasks=("queries",))
    assert [line.tasks for line in log(world)] == [(Task.CONSENT, Task.DATA_ENTRY), (Task.QUERIES,)]


def test_a_delegation_is_ended_once_with_a_reason_and_stays_in_the_log(world):
    give(world)
    (line,) = log(world)

    def ended(reason="moved", last=TODAY):
        act(world, lambda tx, where, actor, proof: delegate.end(tx, where, actor, proof, line, last, reason, NOW))

    for reason, last in (("", TODAY), ("moved", TODAY + timedelta(days=1)), ("moved", TODAY - timedelta(days=1))):
        with pytest.raises(Impossible):
            ended(reason, last)
    ended()
    with pytest.raises(Impossible):
        ended()
    assert [one.ends_on for one in log(world)] == [TODAY]
    with world.read() as tx:
        assert [past.reason for past in audit.history(tx.connection, "delegation", str(line.id), "ends_on")] == ["moved"]
    sound(world)


CHANGES = [
    ("tasks = 'consent,infusion'", "tasks = 'consent,data_entry'"),
    ("ends_on = '2026-11-21'", "ends_on = NULL"),
    ("starts_on = '2026-11-01'", "starts_on = '2026-11-21'"),
    ("name = 'Somebody'", "name = 'Ivan'"),
]


def test_a_line_altered_behind_the_trail_is_found(world):
    give(world)
    for change, back in CHANGES:
        with world.engine.begin() as connection:
            connection.execute(text(f"UPDATE delegation SET {change}"))
        with world.read() as tx:
            assert [one.entity for one in replay.differences(tx)] == ["delegation"], change
        with world.engine.begin() as connection:
            connection.execute(text(f"UPDATE delegation SET {back}"))
    sound(world)
