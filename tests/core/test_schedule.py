"""The one rule of visits: exactly one state for every visit, subject and day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.sample_study import STUDY, dosed, recorded, subject
from trialcrf.core.calendar import add_months
from trialcrf.core.schedule import State, Visit, ending, overdue, plan

M1_TARGET = date(2026, 2, 28)


def visit(oid: str, today: date, *records) -> Visit:
    return next(one for one in plan(STUDY, subject(*records), today) if one.event.oid == oid)


@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2027, 10, 31), 4, date(2028, 2, 29)),
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2026, 3, 15), 12, date(2027, 3, 15)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
    ],
)
def test_months_are_calendar_months_clamped_to_the_end_of_the_month(start, months, expected):
    assert add_months(start, months) == expected


def test_before_the_anchor_is_known_a_visit_is_planned_and_says_why():
    one = visit("M3", date(2030, 1, 1))
    assert (one.state, one.target) == (State.PLANNED, None)
    assert "no exact date" in one.reason.msgid


def test_the_window_is_counted_from_the_actual_dose_and_clamped():
    one = visit("M1", date(2026, 2, 1), dosed())
    assert (one.target, one.opens, one.closes) == (M1_TARGET, date(2026, 2, 26), date(2026, 3, 3))


@pytest.mark.parametrize(
    ("today", "state", "late"),
    [
        (date(2026, 2, 25), State.PLANNED, 0),
        (date(2026, 2, 26), State.DUE, 0),
        (date(2026, 3, 3), State.DUE, 0),
        (date(2026, 3, 4), State.OVERDUE, 1),
        (date(2026, 3, 14), State.OVERDUE, 11),
    ],
)
def test_a_visit_is_due_through_the_last_day_of_its_window_and_overdue_the_day_after(today, state, late):
    one = visit("M1", today, dosed())
    assert (one.state, one.overdue_by) == (state, late)


@pytest.mark.parametrize(
    ("on", "state"),
    [
        ("2026-02-26", State.DONE),
        ("2026-03-03", State.DONE),
        ("2026-02-25", State.DONE_OUT),
        ("2026-03-04", State.DONE_OUT),
        ("2026-02", State.DONE),
        ("2026-04", State.DONE_OUT),
    ],
)
def test_a_recorded_date_makes_a_visit_done_and_out_of_window_only_when_that_is_certain(on, state):
    one = visit("M1", date(2026, 6, 1), dosed(), recorded("M1", SVOCCUR="Y", SVSTDAT=on))
    assert one.state is state


def test_a_partial_date_that_may_be_outside_says_that_it_cannot_be_verified():
    one = visit("M1", date(2026, 6, 1), dosed(), recorded("M1", SVSTDAT="2026-02"))
    assert "cannot be verified" in one.reason.msgid


def test_a_visit_marked_missed_is_missed_and_no_longer_overdue():
    records = (dosed(), recorded("M1", SVOCCUR="N", SVREASOC="strike"))
    assert visit("M1", date(2026, 6, 1), *records).state is State.MISSED
    assert visit("M1", date(2026, 6, 1), *records).reason.params["why"] == "strike"
    assert [one.event.oid for one in overdue(STUDY, subject(*records), date(2026, 6, 1))] == ["M3"]


def test_the_anchor_event_itself_is_done_by_its_own_date():
    assert visit("DOSE", date(2026, 2, 1)).state is State.PLANNED
    assert visit("DOSE", date(2026, 2, 1), dosed()).state is State.DONE


def test_the_earliest_dose_anchors_and_its_local_day_counts():
    late_evening = dosed("2026-01-30T23:30+01:00")
    assert visit("M1", date(2026, 2, 1), dosed("2026-02-15T10:00+01:00"), late_evening).target == date(2026, 2, 28)
    assert visit("M3", date(2026, 2, 1), late_evening).target == date(2026, 4, 30)


@pytest.mark.parametrize("code", ["DEATH", "WITHDRAWAL BY SUBJECT", "SCREEN FAILURE", "LOST TO FOLLOW-UP", "COMPLETED"])
def test_the_end_of_participation_ends_what_is_due_and_overdue_and_keeps_what_was_done(code):
    records = (dosed(), recorded("START", SVSTDAT="2026-01-02"), recorded("M3", DSDECOD=code, DSSTDAT="2026-03-20"))
    states = {one.event.oid: one.state for one in plan(STUDY, subject(*records), date(2027, 1, 1))}
    assert states == {"START": State.DONE, "DOSE": State.DONE, "M1": State.NOT_APPLICABLE, "M3": State.NOT_APPLICABLE}


def test_a_milestone_is_no_end():
    assert ending(subject(recorded("START", DSDECOD="RANDOMIZED", DSSTDAT="2026-01-02"))) is None


def test_death_outranks_another_end_and_its_day_is_the_day_of_death():
    end = ending(
        subject(
            recorded("M1", DSDECOD="WITHDRAWAL BY SUBJECT", DSSTDAT="2026-02-01"),
            recorded("M3", DSDECOD="DEATH", DSSTDAT="2026-03-20", DTHDAT="2026-03-18"),
        )
    )
    assert end is not None
    assert (end.code, end.on.earliest) == ("DEATH", date(2026, 3, 18))


def test_a_visit_whose_window_had_ended_before_the_death_says_so():
    records = (dosed(), recorded("M3", DSDECOD="DEATH", DSSTDAT="2026-03-20"))
    assert "had ended before" in visit("M1", date(2027, 1, 1), *records).reason.msgid
    assert "had ended before" not in visit("M3", date(2027, 1, 1), *records).reason.msgid


_DAYS = st.dates(date(2020, 1, 1), date(2035, 12, 31))


@given(dose=_DAYS, done=st.none() | _DAYS, today=_DAYS)
def test_every_visit_has_one_state_and_time_only_moves_it_on(dose, done, today):
    records = [dosed(f"{dose.isoformat()}T10:00+00:00")]
    if done:
        records.append(recorded("M1", SVSTDAT=done.isoformat()))
    order = [State.PLANNED, State.DUE, State.OVERDUE]
    now = plan(STUDY, subject(*records), today)
    then = plan(STUDY, subject(*records), today + timedelta(days=1))
    assert [one.event.oid for one in now] == ["START", "DOSE", "M1", "M3"]
    for one, next_day in zip(now, then, strict=True):
        if one.state in order:
            assert order.index(next_day.state) >= order.index(one.state)
            assert (one.state is State.OVERDUE) == (one.closes is not None and today > one.closes)
        else:
            assert next_day.state is one.state
        assert (one.overdue_by > 0) == (one.state is State.OVERDUE)
