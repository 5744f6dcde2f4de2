"""Training opens the door: a role without it opens nothing, is told of nothing, and the day of it is recorded with its trail."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.actions.world import NOW, TRAINED, World
from trialcrf.actions import Impossible, administer
from trialcrf.core.access import Grant, may
from trialcrf.store import accounts, audit, replay, sessions

TODAY = NOW.date()


def newcomer(world: World, role="coordinator", study="msc_ssc", site="01", trained_on=None, name="nina") -> int:
    with world.write("trialcrf") as tx:
        account = administer.create_account(tx, name, name.title(), "someone@example.org", "Hospital", "fr")
        administer.give_role(tx, account, role, study, site, trained_on)
    return account


def opened(world: World, account: int, now=NOW) -> tuple[Grant, ...]:
    """What a session of the account may use; the actor that letters and signatures ask must say the same."""
    with world.write("trialcrf", now) as tx:
        sessions.begin(tx, account, f"{account}|{now}", "csrf")
    with world.read() as tx:
        found = sessions.find(tx, f"{account}|{now}", now)
        actor = accounts.actor(tx, accounts.by_id(tx, account), now)
    assert found is not None
    assert found.actor == actor
    return actor.grants


def record(world: World, account: int, day: date, reason="") -> None:
    with world.write("trialcrf") as tx:
        (held,) = accounts.grants_of(tx, account)
        administer.record_training(tx, account, held.id, day, reason)


def test_a_role_opens_nothing_before_its_training_is_recorded_and_everything_of_it_afterwards(world):
    nina = newcomer(world)
    assert opened(world, nina) == ()
    record(world, nina, TODAY)
    (held,) = opened(world, nina, NOW + timedelta(minutes=1))
    assert held == Grant("coordinator", "msc_ssc", "01")


def test_a_role_opens_nothing_on_a_day_before_the_training(world):
    nina = newcomer(world, trained_on=TODAY)
    assert opened(world, nina, NOW - timedelta(days=1)) == ()
    assert opened(world, nina) != ()


def test_an_administrator_is_let_in_without_training_and_sees_no_data(world):
    nina = newcomer(world, "administrator", "*", "")
    assert opened(world, nina) == (Grant("administrator", "*"),)
    with world.read() as tx:
        assert not may(accounts.actor(tx, accounts.by_id(tx, nina)), "form.read", "msc_ssc")


def test_a_study_that_asks_for_no_training_opens_without(salt):
    nina = newcomer(salt, study="salt")
    assert opened(salt, nina) == (Grant("coordinator", "salt", "01"),)


def test_whoever_is_not_trained_is_told_of_nothing(world):
    nina = newcomer(world)
    with world.read() as tx:
        assert "nina" not in [one.username for one in accounts.holders(tx, ["coordinator"], "msc_ssc", "01")]
    record(world, nina, TODAY)
    with world.read() as tx:
        assert [one.username for one in accounts.holders(tx, ["coordinator"], "msc_ssc", "01")] == ["cora", "nina"]


def test_the_day_of_training_is_in_the_trail_and_a_correction_needs_a_reason(world):
    nina = newcomer(world)
    record(world, nina, TRAINED)
    with pytest.raises(Impossible) as refused:
        record(world, nina, TODAY)
    assert refused.value.field == "reason"
    record(world, nina, TODAY, "typed the wrong day")
    with world.read() as tx:
        (held,) = accounts.grants_of(tx, nina)
        told = audit.history(tx.connection, "role_grant", str(held.id), "trained_on")
        assert held.trained_on == TODAY
        assert [(past.old, past.new, past.reason) for past in told] == [
            (None, str(TRAINED), ""), (str(TRAINED), str(TODAY), "typed the wrong day"),
        ]  # fmt: skip
        assert audit.broken(tx.connection) is None
        assert list(replay.differences(tx)) == []


def test_no_training_is_recorded_ahead_twice_or_for_a_role_that_is_gone(world):
    nina = newcomer(world)
    with pytest.raises(Impossible, match="before it took place"):
        record(world, nina, TODAY + timedelta(days=1))
    with pytest.raises(Impossible, match="before it took place"):
        newcomer(world, trained_on=TODAY + timedelta(days=1), name="nora")
    record(world, nina, TODAY)
    with pytest.raises(Impossible, match="already"):
        record(world, nina, TODAY)
    with world.write("trialcrf") as tx:
        (held,) = accounts.grants_of(tx, nina)
        administer.take_role(tx, nina, held.id, "left")
    with world.write("trialcrf") as tx, pytest.raises(Impossible, match="no longer"):
        administer.record_training(tx, nina, held.id, TRAINED, "x")


def test_a_day_of_training_changed_behind_the_trail_is_found(world):
    from sqlalchemy import text

    nina = newcomer(world)
    with world.engine.begin() as connection:
        connection.info["mode"] = "maintenance"
        connection.execute(text("UPDATE role_grant SET trained_on = '2026-01-01' WHERE account_id = :nina"), {"nina": nina})
    with world.read() as tx:
        assert [(one.entity, one.place) for one in replay.differences(tx)] == [("role_grant", "trained_on")]


def test_a_user_name_is_never_used_again_whoever_asks_and_however_it_is_written(world):
    nina = newcomer(world)
    with world.write("trialcrf") as tx:
        administer.set_active(tx, nina, False, "left")
    for name in ("nina", "NINA", " Nina "):
        with pytest.raises(Impossible, match="never used again") as refused:
            newcomer(world, name=name)
        assert refused.value.field == "username"


def test_an_inspector_holds_no_other_role(world):
    nina = newcomer(world, "inspector", trained_on=TODAY)
    with world.write("trialcrf") as tx, pytest.raises(Impossible, match="no other role"):
        administer.give_role(tx, nina, "coordinator", "msc_ssc", "01", TODAY)
    other = newcomer(world, name="nora", trained_on=TODAY)
    with world.write("trialcrf") as tx, pytest.raises(Impossible, match="no other role"):
        administer.give_role(tx, other, "inspector", "msc_ssc", "", TODAY)
