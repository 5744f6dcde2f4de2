"""Signals of the audit-trail review, over saves as a table would tell them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from trialcrf.core.definition.oversight import ReviewPlan
from trialcrf.core.oversight.trail_review import SHOWN, SIGNALS, Save, Signal, at_night, looked_for, next_due, review, signals_of

PLAN = ReviewPlan(late_days=30, night=(22, 6), before_lock_days=14, same_reason=3, every_days=90)
NOON = datetime(2026, 6, 1, 12, 0, tzinfo=ZoneInfo("Europe/Paris"))
PLAIN = Save(NOON, "cora", "01", "R-01-001", 7)


@pytest.mark.parametrize(
    ("save", "met"),
    [
        (PLAIN, ()),
        (replace(PLAIN, begun=True, held_on=date(2026, 5, 1)), (Signal.LATE,)),
        (replace(PLAIN, begun=True, held_on=date(2026, 5, 2)), ()),
        (replace(PLAIN, held_on=date(2026, 1, 1)), ()),  # a correction of a form that was entered in time
        (replace(PLAIN, changed=True, signed=True), (Signal.AFTER_SIGNATURE,)),
        (replace(PLAIN, begun=True, signed=True), ()),
        (replace(PLAIN, changed=True, locked_at=NOON + timedelta(days=14)), (Signal.NEAR_LOCK,)),
        (replace(PLAIN, changed=True, locked_at=NOON + timedelta(days=14, seconds=1)), ()),
        (replace(PLAIN, changed=True, locked_at=NOON - timedelta(days=1)), ()),
        (replace(PLAIN, locked_at=NOON + timedelta(days=1)), ()),
        (replace(PLAIN, at=NOON.replace(hour=22)), (Signal.NIGHT,)),
        (replace(PLAIN, at=NOON.replace(hour=5, minute=59)), (Signal.NIGHT,)),
        (replace(PLAIN, at=NOON.replace(hour=6)), ()),
        (replace(PLAIN, at=NOON.replace(hour=21, minute=59)), ()),
    ],
)
def test_a_save_says_what_it_says(save, met):
    assert signals_of(save, PLAN) == met
    assert signals_of(replace(save, signed=False), ReviewPlan()) == ()


def test_night_may_begin_after_midnight_and_need_not_be_looked_for():
    assert [hour for hour in range(24) if at_night(hour, (0, 5))] == [0, 1, 2, 3, 4]
    assert [hour for hour in range(24) if at_night(hour, (22, 6))] == [0, 1, 2, 3, 4, 5, 22, 23]
    assert not any(at_night(hour, (0, 0)) for hour in range(24))


def test_one_hand_at_many_sites_counts_the_persons_and_their_sites():
    saves = [replace(PLAIN, actor=who, site=site) for who, site in (("cora", "01"), ("cora", "02"), ("cora", "02"), ("olga", "02"))]
    found = review(saves, PLAN).found[Signal.MANY_SITES]
    assert (found.total, dict(found.by_site), dict(found.by_person)) == (1, {"02": 2, "01": 1}, {"cora": 2})


def test_a_reason_counts_by_person_word_for_word():
    saves = [replace(PLAIN, reasons=("LATE: lost",))] * 3 + [replace(PLAIN, reasons=("LATE: Lost",), site="02")] * 2
    saves += [replace(PLAIN, actor="olga", reasons=("LATE: lost",))] * 2
    found = review(saves, PLAN).found[Signal.SAME_REASON]
    assert found.reasons == (("cora", "LATE: lost", 3),)
    assert (found.total, dict(found.by_site), dict(found.by_person)) == (3, {"01": 3}, {"cora": 3})


def test_every_save_counts_and_only_the_first_are_kept():
    night = replace(PLAIN, at=NOON.replace(hour=23))
    outcome = review((replace(night, form_id=number, site=f"0{1 + number % 2}") for number in range(SHOWN + 5)), PLAN)
    found = outcome.found[Signal.NIGHT]
    assert (outcome.saves, found.total) == (SHOWN + 5, SHOWN + 5)
    assert [one.form_id for one in found.examples] == list(range(SHOWN))
    assert outcome.plain()["signals"]["night"]["by_site"] == {"01": 28, "02": 27}


def test_what_the_plan_leaves_out_is_not_looked_for():
    assert looked_for(PLAN) == tuple(Signal) and set(SIGNALS) == set(Signal)
    assert looked_for(ReviewPlan()) == (Signal.AFTER_SIGNATURE, Signal.MANY_SITES)
    assert set(review([PLAIN], ReviewPlan()).found) == {Signal.AFTER_SIGNATURE, Signal.MANY_SITES}


def test_the_next_review_is_due_so_long_after_the_last():
    since = date(2026, 1, 1)
    assert next_due([], PLAN, since) == date(2026, 4, 1)
    assert next_due([date(2026, 5, 1), date(2026, 3, 1)], PLAN, since) == date(2026, 7, 30)
    assert next_due([], ReviewPlan(), since) is None


def test_the_hour_is_that_of_the_site():
    tahiti = datetime(2026, 6, 1, 9, 0, tzinfo=UTC).astimezone(ZoneInfo("Pacific/Tahiti"))  # 23:00 the day before
    late = replace(PLAIN, at=tahiti, begun=True, held_on=date(2026, 5, 1))
    assert signals_of(late, PLAN) == (Signal.NIGHT,)  # thirty days at the site, thirty-one by universal time
