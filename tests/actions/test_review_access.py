"""Who could do what on a day, from the trail alone; and the review of it that is signed into the study's ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.actions.world import CAST, NOW, TRAINED, World
from trialcrf.actions import Impossible, NotAllowed, administer, sign, sign_in
from trialcrf.actions.oversight import review_access
from trialcrf.core.access import Grant
from trialcrf.core.safety.decision import DecisionKind
from trialcrf.store import accesses, accounts, audit, decisions, replay
from trialcrf.store.accesses import Stood

PASSWORD = "a long sentence for the tests"
THIRD, FOURTH = date(2027, 3, 3), date(2027, 3, 4)


def evening(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 22, 59, tzinfo=UTC)


def standing(world: World, day: date, site="") -> dict[str, Stood]:
    with world.read() as tx:
        return {one.username: one for one in accesses.at(tx, "msc_ssc", evening(day), day, site)}


def take(world: World, name: str, on: datetime) -> None:
    with world.write("trialcrf", on) as tx:
        account = accounts.find(tx, name)
        administer.take_role(tx, account.id, accounts.grants_of(tx, account.id)[0].id, "left")


def test_a_role_taken_away_on_4_march_is_there_on_3_march(world):
    take(world, "cora", datetime(2027, 3, 4, 8, 0, tzinfo=UTC))
    assert [role.grant for role in standing(world, THIRD)["cora"].roles] == [Grant("coordinator", "msc_ssc", "01")]
    assert standing(world, THIRD)["cora"].roles[0].opens
    assert "cora" not in standing(world, FOURTH)
    assert set(standing(world, THIRD)) == set(CAST)


def test_nobody_could_do_anything_before_the_accounts_were_made(world):
    assert standing(world, NOW.date() - timedelta(days=1)) == {}


def test_it_is_told_by_the_trail_and_not_by_the_tables_of_today(world):
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE role_grant SET active = :no, trained_on = NULL"), {"no": False})
        connection.execute(text("UPDATE account SET active = :no, name = 'x'"), {"no": False})
    found = standing(world, THIRD)["ivan"]
    assert (found.name, found.active, found.roles[0].trained_on, found.roles[0].opens) == ("Ivan", True, TRAINED, True)


def test_whoever_was_deactivated_or_not_yet_trained_is_told_and_could_do_nothing(world):
    with world.write("trialcrf", datetime(2027, 3, 3, 9, 0, tzinfo=UTC)) as tx:
        administer.set_active(tx, accounts.find(tx, "olga").id, False, "left")
        nina = administer.create_account(tx, "nina", "Nina", "nina@example.org", "Hospital", "fr")
        administer.give_role(tx, nina, "coordinator", "msc_ssc", "02")
    with world.write("trialcrf", datetime(2027, 3, 4, 9, 0, tzinfo=UTC)) as tx:
        administer.record_training(tx, nina, accounts.grants_of(tx, nina)[0].id, FOURTH, "")
    third, fourth = standing(world, THIRD), standing(world, FOURTH)
    assert (third["olga"].active, third["olga"].roles[0].opens) == (False, False)
    assert (third["nina"].roles[0].trained_on, third["nina"].roles[0].opens) == (None, False)
    assert (fourth["nina"].roles[0].trained_on, fourth["nina"].roles[0].opens) == (FOURTH, True)


def test_a_site_is_told_of_its_own_people_and_of_those_of_every_site(world):
    assert set(standing(world, THIRD, "02")) == {"olga"} | {name for name, (_, site) in CAST.items() if not site}


# --- The review -------------------------------------------------------------------------------------------------------


def administrator(world: World) -> None:
    with world.write("trialcrf") as tx:
        account = administer.create_account(tx, "adam", "Adam", "adam@example.org", "Hospital", "fr")
        accounts.give(tx, account, Grant("administrator", "*"))
        sign_in.set_password(tx, account, "adam", PASSWORD)


def lines(world: World, now=NOW):
    with world.read() as tx:
        return review_access.lines_of(tx, "msc_ssc", now)


def review(world: World, choices=None, seen=None, now=NOW, name="adam", but=()):
    held = lines(world, now)
    decided = {line.held.id: ("keep", "") for line in held} | (choices or {})
    with world.read() as tx:
        actor = accounts.actor(tx, accounts.find(tx, name), now)
        proof = sign.reauthenticate(tx, actor, PASSWORD, "::1", now)
    with world.write(name, now) as tx:
        kept = {id_: choice for id_, choice in decided.items() if id_ not in but}
        return review_access.review(tx, world.published, actor, proof, kept, seen or review_access.fingerprint(held), now)


def id_of(world: World, name: str) -> int:
    return next(line.held.id for line in lines(world) if line.account.username == name)


def test_a_review_keeps_and_takes_away_and_is_a_line_of_the_study_s_ledger(world):
    administrator(world)
    cora = id_of(world, "cora")
    made = review(world, {cora: ("revoke", "on leave since May")})
    assert cora not in [line.held.id for line in lines(world)]
    told = {line["account"]: (line["choice"], line["reason"], line["role"]) for line in made.content["lines"]}
    assert told["cora"] == ("revoke", "on leave since May", "coordinator")
    assert told["ivan"] == ("keep", "", "investigator")
    assert set(told) == {*CAST, "adam"}
    with world.read() as tx:
        assert [one.kind for one in decisions.all_of(tx, "msc_ssc", {DecisionKind.ACCESS_REVIEW})] == [DecisionKind.ACCESS_REVIEW]
        assert decisions.all_of(tx, "msc_ssc") == []
        assert (made.actor, made.role) == ("adam", "administrator")
        assert audit.broken(tx.connection) is None
        assert list(replay.differences(tx)) == []


def test_every_role_must_be_decided_and_one_taken_away_needs_a_reason(world):
    administrator(world)
    cora = id_of(world, "cora")
    for more in ({"but": {cora}}, {"choices": {cora: ("revoke", " ")}}, {"choices": {cora: ("perhaps", "x")}}):
        with pytest.raises(Impossible) as refused:
            review(world, **more)
        assert refused.value.field in (f"line-{cora}", f"reason-{cora}")
    assert cora in [line.held.id for line in lines(world)]


def test_a_role_given_while_somebody_was_reading_is_not_reviewed_unseen(world):
    administrator(world)
    seen = review_access.fingerprint(lines(world))
    with world.write("trialcrf") as tx:
        administer.give_role(tx, accounts.find(tx, "cora").id, "coordinator", "msc_ssc", "02", TRAINED)
    with pytest.raises(Impossible, match="while you were reading"):
        review(world, seen=seen)


def test_nobody_takes_their_own_administration_away_and_no_other_role_reviews(world):
    administrator(world)
    with pytest.raises(Impossible):
        review(world, {id_of(world, "adam"): ("revoke", "x")})
    with world.write("trialcrf") as tx:
        sign_in.set_password(tx, accounts.find(tx, "dana").id, "dana", PASSWORD)
    with pytest.raises(NotAllowed):
        review(world, name="dana")


def test_a_review_is_due_after_so_many_days_of_the_last_one(world):
    administrator(world)
    days = timedelta(days=world.published.study.oversight.access_review_days)
    assert days
    with world.read() as tx:
        assert review_access.due(tx, world.published, NOW).on == (NOW + days).date()
        assert not review_access.due(tx, world.published, NOW + days).late
        assert review_access.due(tx, world.published, NOW + days + timedelta(days=1)).late
    later = NOW + days + timedelta(days=3)
    review(world, now=later)
    with world.read() as tx:
        due = review_access.due(tx, world.published, later)
    assert (due.on, due.late) == ((later + days).date(), False)
    assert due.last is not None


def test_an_account_that_nobody_signed_in_with_for_long_is_marked_unused(world):
    administrator(world)
    with world.write("trialcrf", NOW + timedelta(days=100)) as tx:
        sign_in.begin(tx, accounts.find(tx, "ivan").id, "::1")
    found = {line.account.username: line for line in lines(world, NOW + timedelta(days=101))}
    assert (found["ivan"].unused, found["cora"].unused) == (False, True)
    assert (found["ivan"].signed_in, found["cora"].signed_in) == (NOW + timedelta(days=100), None)
