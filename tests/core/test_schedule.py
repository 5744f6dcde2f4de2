"""The one rule of visits: exactly one state for every visit, subject and day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.sample_study import STUDY, dosed, recorded, subject
from trialcrf.core.calendar import add_months
from trialcrf.core.schedule import LEFT, State, Visit, anchor_days, ending, overdue, plan, spans, standings

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


def test_before_the_anchor_is_known_a_visit_cannot_be_planned_and_says_why():
    one = visit("M3", date(2030, 1, 1))
    assert (one.state, one.target) == (State.NOT_PLANNABLE, None)
    assert "no exact date" in one.reason.msgid
    assert one.reason.params["anchor"] == STUDY.anchors[0].label


def test_the_window_is_counted_from_the_actual_dose_and_clamped():
    one = visit("M1", date(2026, 2, 1), dosed())
    assert (one.target, one.opens, one.closes) == (M1_TARGET, date(2026, 2, 26), date(2026, 3, 3))


@pytest.mark.parametrize(
    ("today", "state", "late"),
    [
        (date(2026, 2, 11), State.PLANNED, 0),
        (date(2026, 2, 12), State.DUE_SOON, 0),
        (date(2026, 2, 25), State.DUE_SOON, 0),
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
    assert visit("DOSE", date(2026, 2, 1)).state is State.NOT_PLANNABLE
    assert visit("DOSE", date(2026, 2, 1), dosed()).state is State.DONE


def test_the_earliest_dose_anchors_and_its_local_day_counts():
    late_evening = dosed("2026-01-30T23:30+01:00")
    assert visit("M1", date(2026, 2, 1), dosed("2026-02-15T10:00+01:00"), late_evening).target == date(2026, 2, 28)
    assert visit("M3", date(2026, 2, 1), late_evening).target == date(2026, 4, 30)


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("DEATH", State.CANCELLED),
        ("WITHDRAWAL BY SUBJECT", State.CANCELLED),
        ("LOST TO FOLLOW-UP", State.CANCELLED),
        ("SCREEN FAILURE", State.NOT_APPLICABLE),
        ("NEVER DOSED", State.NOT_APPLICABLE),
        ("COMPLETED", State.NOT_APPLICABLE),
    ],
)
def test_the_end_of_participation_ends_what_would_come_and_keeps_what_was_done_or_forgotten(code, left):
    records = (dosed(), recorded("START", SVSTDAT="2026-01-02"), recorded("M3", DSDECOD=code, DSSTDAT="2026-03-20"))
    states = {one.event.oid: one.state for one in plan(STUDY, subject(*records), date(2027, 1, 1))}
    assert states == {"START": State.DONE, "DOSE": State.DONE, "M1": State.OVERDUE, "M3": left}


def test_a_window_that_was_still_open_on_the_last_day_of_participation_is_cancelled():
    records = (dosed(), recorded("M3", DSDECOD="DEATH", DSSTDAT="2026-03-03"))
    assert visit("M1", date(2027, 1, 1), *records).state is State.CANCELLED


def test_where_the_day_of_the_end_is_not_certain_nothing_is_said_to_be_forgotten():
    for day in ({}, {"DSSTDAT": "2026-03"}):
        assert visit("M1", date(2027, 1, 1), dosed(), recorded("M3", DSDECOD="DEATH", **day)).state is State.CANCELLED
    assert visit("M1", date(2027, 1, 1), dosed(), recorded("M3", DSDECOD="DEATH", DSSTDAT="2026-04")).state is State.OVERDUE


def test_of_a_visit_forgotten_before_the_end_nobody_is_reminded():
    records = (dosed(), recorded("M3", DSDECOD="DEATH", DSSTDAT="2026-03-20"))
    courses = {one.event.oid: one.course for one in standings(STUDY, subject(*records))}
    assert (courses["M1"], courses["M3"]) == (LEFT, "cancelled")


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
    assert "before participation ended" in visit("M1", date(2027, 1, 1), *records).reason.msgid
    assert "before" not in visit("M3", date(2027, 1, 1), *records).reason.msgid


def test_every_window_says_what_it_is_counted_from():
    basis = visit("M1", date(2026, 2, 1), dosed()).basis
    assert basis is not None
    assert (basis.params["target"], basis.params["day"], basis.params["anchor"]) == (M1_TARGET, date(2026, 1, 31), STUDY.anchors[0].label)


def test_an_anchor_may_be_the_date_of_one_visit_only():
    counted = replace(STUDY, anchors=(replace(STUDY.anchors[0], alias="SVSTDAT", event="START"),))
    records = (recorded("M3", SVSTDAT="2026-01-05"), recorded("START", SVSTDAT="2026-01-31"))
    assert anchor_days(counted, subject(*records)) == {STUDY.anchors[0].oid: date(2026, 1, 31)}


_DAYS = st.dates(date(2020, 1, 1), date(2035, 12, 31))


@given(dose=_DAYS, done=st.none() | _DAYS, today=_DAYS)
def test_every_visit_has_one_state_and_time_only_moves_it_on(dose, done, today):
    records = [dosed(f"{dose.isoformat()}T10:00+00:00")]
    if done:
        records.append(recorded("M1", SVSTDAT=done.isoformat()))
    order = [State.PLANNED, State.DUE_SOON, State.DUE, State.OVERDUE]
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


@given(opens=_DAYS, length=st.integers(0, 90), today=_DAYS, soon=st.integers(0, 60))
def test_every_window_is_in_exactly_one_span_of_every_day(opens, length, today, soon):
    closes = opens + timedelta(days=length)
    states = [state for state, span in spans(today, soon).items() if span.holds(opens, closes)]
    assert len(states) == 1
    assert (states == [State.DUE]) == (opens <= today <= closes)
    assert (states == [State.DUE_SOON]) == (0 < (opens - today).days <= soon)


_RECORDS = st.lists(
    st.one_of(
        _DAYS.map(lambda day: dosed(f"{day.isoformat()}T10:00+00:00")),
        st.builds(lambda oid, day: recorded(oid, SVSTDAT=day), st.sampled_from(["START", "M1", "M3"]), _DAYS.map(str) | st.just("2026-02")),
        st.builds(lambda oid: recorded(oid, SVOCCUR="N"), st.sampled_from(["M1", "M3"])),
        st.builds(
            lambda code, day: recorded("M3", DSDECOD=code, **({"DSSTDAT": day} if day else {})),
            st.sampled_from(["DEATH", "SCREEN FAILURE", "COMPLETED", "WITHDRAWAL BY SUBJECT"]),
            st.none() | _DAYS.map(str) | st.just("2026"),
        ),
    ),
    max_size=6,
)


@given(records=_RECORDS, today=_DAYS, later=st.integers(1, 4000))
def test_whatever_is_recorded_every_visit_has_one_state_and_a_reason_and_time_only_moves_it_on(records, today, later):
    order = [State.PLANNED, State.DUE_SOON, State.DUE, State.OVERDUE]
    now, then = (plan(STUDY, subject(*records), day) for day in (today, today + timedelta(days=later)))
    assert [one.event.oid for one in now] == [one.event.oid for one in then] == ["START", "DOSE", "M1", "M3"]
    for one, after in zip(now, then, strict=True):
        assert one.reason.msgid and (one.target is None) == (one.basis is None)
        if one.state in order:
            assert order.index(after.state) >= order.index(one.state)
            assert (one.state is State.OVERDUE) == (one.overdue_by > 0) == (today > one.closes)
        else:
            assert after.state is one.state
