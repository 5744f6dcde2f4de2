"""The planned review on a real database: what the trail tells of a period, and the review that is signed into the study's ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.actions.test_sign import ADDRESS, PASSWORD, actor, faults
from tests.actions.test_sign_data import signs
from tests.actions.world import NOW, World, typed
from trialcrf.actions import Impossible, NotAllowed, administer, enter, sign, sign_in
from trialcrf.actions.enter import Typed
from trialcrf.actions.oversight import review_trail
from trialcrf.actions.oversight.review_trail import Looked, Period
from trialcrf.actions.oversight.sign_data import Scope
from trialcrf.actions.safety import decide
from trialcrf.core.access import Grant
from trialcrf.core.definition.oversight import Oversight, ReviewPlan
from trialcrf.core.document import FormKey
from trialcrf.core.lock import Address, Level
from trialcrf.core.oversight.trail_review import Signal
from trialcrf.core.safety.decision import STOPPING, DecisionKind
from trialcrf.store import accounts, decisions, forms, locks
from trialcrf.store.audit import Entry, Who

KEY = "V0001.01"
PLAN = ReviewPlan(late_days=10, night=(22, 6), before_lock_days=14, same_reason=2, every_days=90)
MONTH = Period(date(2026, 11, 1), date(2026, 12, 31))
NIGHT = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)  # 23:30 in Paris, 12:30 in Papeete
TODAY = Period(date(2026, 11, 22), date(2026, 11, 22))
DAY = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def ward(salt):
    """Passwords; a volunteer with a diary at site 01 and one at site 02."""
    with salt.write("trialcrf") as tx:
        for name in ("ivan", "dana", "mona"):
            found = accounts.find(tx, name)
            assert found
            sign_in.set_password(tx, found.id, name, PASSWORD)
    for site in ("01", "02"):
        salt.enrol("volunteer", site, AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    saves(salt, KEY, DAYS__new1__DAY=(1, 3, 2026), DAYS__new1__PINCHES="1")
    return salt


def diary(world: World, key: str):
    with world.read() as tx:
        return forms.read(tx, world.subject(key).id, FormKey("WEIGH2", "DIARY"))


def saves(world: World, key: str, now=NOW, name: str = "cora", reason: str = "SLIP", **boxes: object) -> None:
    found = diary(world, key)
    world.save(world.subject(key), "DIARY", "WEIGH2", typed(found.version if found else None, reason, **boxes), now=now, name=name)


def looked(world: World, period: Period = MONTH, plan: ReviewPlan = PLAN) -> Looked:
    published = world.published
    planned = replace(published, study=replace(published.study, oversight=Oversight(review=plan)))
    with world.read() as tx:
        return review_trail.look(tx, planned, period, DAY)


def found(world: World, signal: Signal, **more):
    tally = looked(world, **more).outcome.found[signal]
    return tally.total, dict(tally.by_site), dict(tally.by_person)


def test_a_change_after_a_signature_is_met_and_one_before_is_not(ward):
    saves(ward, KEY, now=DAY, DAYS__1__PINCHES="4")
    assert found(ward, Signal.AFTER_SIGNATURE) == (0, {}, {})
    signs(ward, Scope("casebook"), now=DAY + timedelta(hours=1))
    saves(ward, KEY, now=DAY + timedelta(hours=2), DAYS__1__PINCHES="5")
    assert found(ward, Signal.AFTER_SIGNATURE) == (1, {"01": 1}, {"cora": 1})
    with ward.write("cora", DAY + timedelta(hours=3)) as tx:
        stored = forms.read(tx, ward.subject(KEY).id, FormKey("HELLO", "WELCOME"))
        enter.mark_form_error(tx, ward.subject(KEY), stored, "somebody else’s")
    assert found(ward, Signal.AFTER_SIGNATURE) == (2, {"01": 2}, {"cora": 2})


def test_night_is_that_of_the_site_and_the_programs_own_records_are_nobodys(ward):
    saves(ward, KEY, now=NIGHT + timedelta(days=2), DAYS__1__PINCHES="4")
    saves(ward, "V0001.02", now=NIGHT + timedelta(days=2), name="olga", DAYS__new1__PINCHES="2")
    with ward.write("cora", NIGHT + timedelta(days=2, minutes=1)) as tx:
        told = Entry(ward.subject(KEY).site.chain, "set", "form", str(diary(ward, KEY).id), "PINCHES_ALL", '"4"', KEY, who=Who.system())
        tx.entries.append(told)
    assert found(ward, Signal.NIGHT, period=TODAY) == (1, {"01": 1}, {"cora": 1})


def test_what_is_entered_late_is_counted_from_the_visit(ward):
    scales = typed(None, CAME="Y", CAME_ON=(11, 11, 2026), KILOS="70")
    ward.save(ward.subject(KEY), "SCALES", "WEIGH1", scales, now=DAY)
    assert found(ward, Signal.LATE)[0] == 3  # eleven days after; and the two welcomes, of January
    assert found(ward, Signal.LATE, plan=replace(PLAN, late_days=11))[0] == 2


def test_a_change_shortly_before_a_lock_is_met_also_when_the_lock_came_after_the_period(ward):
    saves(ward, KEY, now=DAY, DAYS__1__PINCHES="4")
    saves(ward, "V0001.02", now=DAY, name="olga", DAYS__new1__PINCHES="2")
    assert found(ward, Signal.NEAR_LOCK) == (0, {}, {})
    which = ward.subject(KEY)
    with ward.write("dana", datetime(2026, 12, 5, tzinfo=UTC)) as tx:
        locks.move(tx, Address(Level.SUBJECT, which.id), which.site, which, which.site.study_id, which.site.chain, "lock", "clean")
    assert found(ward, Signal.NEAR_LOCK, period=TODAY) == (1, {"01": 1}, {"cora": 1})
    assert found(ward, Signal.NEAR_LOCK, plan=replace(PLAN, before_lock_days=12)) == (0, {}, {})


def test_one_hand_at_two_sites_and_one_reason_again_and_again(ward):
    for pinches in ("4", "5"):
        saves(ward, KEY, now=DAY, DAYS__1__PINCHES=pinches)
    saves(ward, "V0001.02", now=DAY, name="cora", DAYS__new1__PINCHES="2")
    assert found(ward, Signal.MANY_SITES)[0] == 1
    assert found(ward, Signal.SAME_REASON) == (3, {"01": 2, "02": 1}, {"cora": 3})
    assert looked(ward).outcome.found[Signal.SAME_REASON].reasons == (("cora", "SLIP", 3),)
    assert found(ward, Signal.SAME_REASON, plan=replace(PLAN, same_reason=4)) == (0, {}, {})


def test_only_the_saves_of_the_period_are_looked_at(ward):
    saves(ward, KEY, now=DAY, DAYS__1__PINCHES="4")
    assert looked(ward, TODAY).outcome.saves == 1
    assert looked(ward, Period(date(2026, 11, 21), date(2026, 11, 21))).outcome.saves == looked(ward).outcome.saves - 1
    ward.save(ward.subject(KEY), "DIARY", "WEIGH2", Typed({}, version=diary(ward, KEY).version), now=DAY)
    assert looked(ward).outcome.saves == looked(ward).outcome.saves


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [(date(2026, 11, 2), date(2026, 11, 1), "before"), (date(2026, 11, 1), date(2026, 11, 24), "future")],
)
def test_a_period_must_be_one_and_be_over(ward, first, last, said):
    with pytest.raises(Impossible, match=said):
        review_trail.period_of(ward.published.study, first, last, DAY)


# --- The review itself is recorded and signed -------------------------------------------------------------------------


def concludes(world: World, name: str = "dana", said: str = "Nothing conspicuous.", seen: str | None = None, at=DAY, what=None):
    who, shown = actor(world, name), what or looked(world)
    with world.read() as tx:
        proof = sign.reauthenticate(tx, who, PASSWORD, ADDRESS, DAY)
    with world.write(name, at) as tx:
        return review_trail.sign_review(tx, world.published, who, proof, shown, said, shown.seen if seen is None else seen)


def test_a_signed_review_says_who_what_period_which_thresholds_and_what_was_counted(ward):
    signs(ward, Scope("casebook"), now=DAY)
    saves(ward, KEY, now=DAY, DAYS__1__PINCHES="4")
    with ward.read() as tx:
        heads = decide.checkpoint(tx, "salt")
    made = concludes(ward)
    assert (made.kind, made.actor, made.name, made.role, made.at) == (DecisionKind.AUDIT_REVIEW, "dana", "Dana", "data_manager", DAY)
    said = made.content
    assert said["period"] == {"from": "2026-11-01", "to": "2026-12-31"}
    assert (said["plan"]["late_days"], said["plan"]["night"]) == (10, [22, 6])
    assert said["outcome"]["signals"]["after_signature"] == {"total": 1, "by_site": {"01": 1}, "by_person": {"cora": 1}}
    assert said["conclusion"] == "Nothing conspicuous." and said["checkpoint"] == heads
    with ward.read() as tx:
        assert review_trail.reviews(tx, "salt") == [made]
        assert decisions.all_of(tx, "salt") == [] and DecisionKind.AUDIT_REVIEW not in STOPPING
    assert faults(ward) == []


def test_who_may_not_review_cannot_sign_one_and_nothing_is_written(ward):
    for name in ("mona", "ivan"):
        with pytest.raises(NotAllowed):
            concludes(ward, name)
    with pytest.raises(NotAllowed):  # a password of another moment
        concludes(ward, at=DAY + timedelta(seconds=1))
    for said in ("", "  ", "x" * 4001, "a\x00b"):
        with pytest.raises(Impossible):
            concludes(ward, said=said)
    with ward.read() as tx:
        assert review_trail.reviews(tx, "salt") == []


def test_numbers_that_the_page_did_not_show_are_not_signed(ward):
    shown = looked(ward).seen
    saves(ward, KEY, now=NIGHT + timedelta(days=2), DAYS__1__PINCHES="4")
    with pytest.raises(sign.Changed):
        concludes(ward, seen=shown)
    concludes(ward)


def test_a_site_bound_data_manager_cannot_review_the_whole_study(ward):
    with ward.write("trialcrf") as tx:
        account_id = administer.create_account(tx, "dirk", "Dirk", "dirk@example.org", "Hospital", "fr")
        accounts.give(tx, account_id, Grant("data_manager", "salt", "01"))
        sign_in.set_password(tx, account_id, "dirk", PASSWORD)
    with pytest.raises(NotAllowed):
        concludes(ward, "dirk")
