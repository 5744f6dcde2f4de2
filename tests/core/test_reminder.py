"""When reminders are due: steps in order, each within its days; quiet hours at midnight and when clocks change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core import reminder
from trialcrf.core.definition.model import Reminders, ReminderStep
from trialcrf.core.schedule import spans
from trialcrf.core.wording import Words

PARIS = ZoneInfo("Europe/Paris")
OPENS, CLOSES = date(2028, 2, 20), date(2028, 3, 2)


def step(when: str, days: int = 0, *roles: str, single: bool = False) -> ReminderStep:
    oid = f"{when.upper()}{days}" + ("S" if single else "")
    return ReminderStep(oid, when, days, roles or ("coordinator",), Words({"en": oid}), single)


STEPS = (
    step("overdue", 21, "coordinator", "investigator"),
    step("overdue", 21, "monitor", "sponsor", single=True),
    step("overdue", 7, "coordinator", "investigator"),
    step("overdue", 1),
    step("last", 7),
    step("opens"),
    step("before", 7),
)


def held(today: date, *roles: str, singles_only: bool = False, steps=STEPS) -> str:
    found = reminder.gravest(reminder.reached(steps, OPENS, CLOSES, today), roles or ("coordinator",), singles_only)
    return found.oid if found else ""


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2028, 2, 12), ""),
        (date(2028, 2, 13), "BEFORE7"),
        (date(2028, 2, 19), "BEFORE7"),
        (date(2028, 2, 20), "OPENS0"),
        (date(2028, 2, 23), "OPENS0"),
        (date(2028, 2, 24), "LAST7"),  # Seven days before 2 March of a leap year.
        (date(2028, 2, 29), "LAST7"),
        (date(2028, 3, 2), "LAST7"),
        (date(2028, 3, 3), "OVERDUE1"),
        (date(2028, 3, 8), "OVERDUE1"),
        (date(2028, 3, 9), "OVERDUE7"),
        (date(2028, 3, 22), "OVERDUE7"),
        (date(2028, 3, 23), "OVERDUE21"),
        (date(2030, 1, 1), "OVERDUE21"),
    ],
)
def test_each_day_has_its_gravest_step_and_a_29_february_counts(today, expected):
    assert held(today) == expected


def test_without_a_29_february_the_last_week_begins_a_day_earlier():
    last = step("last", 7)
    assert reminder.span(last, date(2027, 2, 20), date(2027, 3, 2)) == (date(2027, 2, 23), date(2027, 3, 2))
    assert reminder.span(step("overdue", 1), date(2027, 2, 20), date(2027, 2, 28)) == (date(2027, 3, 1), None)
    assert reminder.span(step("overdue", 1), date(2028, 2, 20), date(2028, 2, 28)) == (date(2028, 2, 29), None)


def test_a_window_of_one_day_opens_on_its_last_day():
    steps = (step("opens"), step("last", 7), step("before", 1))
    on = [[one.oid for one in reminder.reached(steps, OPENS, OPENS, OPENS + timedelta(days=shift))] for shift in (-2, -1, 0, 1)]
    assert on == [[], ["BEFORE1"], ["OPENS0", "LAST7"], []]


def test_only_who_holds_a_role_of_the_step_is_told_and_an_escalation_is_graver_than_its_like():
    late = CLOSES + timedelta(days=30)
    assert [held(late, role) for role in ("coordinator", "monitor", "sponsor", "data_manager")] == [
        "OVERDUE21",
        "OVERDUE21S",
        "OVERDUE21S",
        "",
    ]
    assert held(late, "coordinator", "monitor") == "OVERDUE21S"
    assert held(CLOSES + timedelta(days=7), "investigator", "monitor") == "OVERDUE7"


def test_who_has_a_weekly_digest_gets_the_escalations_only():
    late = CLOSES + timedelta(days=30)
    assert [held(late, role, singles_only=True) for role in ("coordinator", "monitor")] == ["", "OVERDUE21S"]


days = st.integers(0, 60)
steps_of_any_kind = st.lists(
    st.one_of(
        st.builds(step, st.just("before"), st.integers(1, 40)),
        st.builds(step, st.just("opens")),
        st.builds(step, st.just("last"), st.integers(0, 40)),
        st.builds(step, st.just("overdue"), st.integers(1, 40)),
    ),
    max_size=6,
)
dates = st.dates(date(2024, 1, 1), date(2028, 12, 31))


@given(steps_of_any_kind, dates, days)
def test_as_days_go_by_the_gravest_step_only_ever_becomes_graver(steps, opens, width):
    closes, order = opens + timedelta(days=width), reminder.by_gravity(steps)
    last = -1
    for shift in range(-45, width + 45):
        found = reminder.reached(steps, opens, closes, opens + timedelta(days=shift))
        if found:
            rank = order.index(found[-1])
            assert rank >= last
            last = rank


@given(steps_of_any_kind, dates, days, st.integers(-90, 200))
def test_a_step_holds_within_its_span_and_what_the_scan_asks_for_is_what_holds(steps, opens, width, shift):
    closes, today = opens + timedelta(days=width), opens + timedelta(days=shift)
    found = reminder.reached(steps, opens, closes, today)
    for one in steps:
        first, last = reminder.span(one, opens, closes)
        assert (one in found) == (first <= today and (last is None or today <= last))
        assert last is None or first <= last
    asked = reminder.earliest(steps, today)
    assert any(window.holds(opens, closes) for window in asked) == bool(found)


@given(steps_of_any_kind, dates, days, st.integers(-90, 200))
def test_a_step_is_about_visits_that_the_lists_show_in_its_state(steps, opens, width, shift):
    closes, today = opens + timedelta(days=width), opens + timedelta(days=shift)
    state = next(state for state, span in spans(today, 40).items() if span.holds(opens, closes))
    for one in reminder.reached(steps, opens, closes, today):
        assert reminder.STATES[one.when] is state


# --- Quiet hours and the digest --------------------------------------------------------------------------------------------------------

NIGHT = Reminders(quiet_from="20:00", quiet_to="07:00")
NOON = Reminders(quiet_from="12:00", quiet_to="14:00")


def until(reminders: Reminders, *local: int, fold: int = 0, zone: ZoneInfo = PARIS) -> str:
    at = datetime(*local, tzinfo=zone, fold=fold)
    ends = reminder.quiet_until(reminders, at)
    return ends.astimezone(zone).strftime("%m-%d %H:%M") if ends else ""


@pytest.mark.parametrize(
    ("reminders", "local", "expected"),
    [
        (NIGHT, (2026, 11, 23, 19, 59), ""),
        (NIGHT, (2026, 11, 23, 20, 0), "11-24 07:00"),
        (NIGHT, (2026, 11, 23, 23, 59), "11-24 07:00"),
        (NIGHT, (2026, 11, 24, 0, 0), "11-24 07:00"),
        (NIGHT, (2026, 11, 24, 6, 59), "11-24 07:00"),
        (NIGHT, (2026, 11, 24, 7, 0), ""),
        (NIGHT, (2028, 2, 28, 22, 0), "02-29 07:00"),
        (NIGHT, (2026, 12, 31, 22, 0), "01-01 07:00"),
        (NOON, (2026, 11, 23, 11, 59), ""),
        (NOON, (2026, 11, 23, 12, 0), "11-23 14:00"),
        (NOON, (2026, 11, 23, 14, 0), ""),
        (Reminders(), (2026, 11, 23, 3, 0), ""),
    ],
)
def test_quiet_hours_end_at_their_hour_at_the_site(reminders, local, expected):
    assert until(reminders, *local) == expected


def test_a_night_in_which_clocks_change_is_an_hour_shorter_or_longer():
    for day, hours in (((2026, 3, 28), 10), ((2026, 10, 24), 12), ((2026, 6, 1), 11)):
        began = datetime(*day, 20, 0, tzinfo=PARIS)
        ends = reminder.quiet_until(NIGHT, began)
        assert ends - began.astimezone(UTC) == timedelta(hours=hours), day
        assert ends.astimezone(PARIS).strftime("%H:%M") == "07:00"


def test_an_end_that_is_skipped_when_clocks_go_forward_is_when_they_go_on():
    reminders = replace(NIGHT, quiet_to="02:30")
    assert until(reminders, 2026, 3, 29, 1, 59) == "03-29 03:30"


def test_an_end_that_comes_twice_is_always_in_the_future():
    reminders = replace(NIGHT, quiet_to="02:30")
    at = datetime(2026, 10, 25, 2, 10, tzinfo=PARIS)
    assert reminder.quiet_until(reminders, at) - at.astimezone(UTC) == timedelta(minutes=20)
    again = at.replace(fold=1)
    assert reminder.quiet_until(reminders, again) - again.astimezone(UTC) == timedelta(minutes=20)


hours = st.builds(lambda hour, minute: f"{hour:02d}:{minute:02d}", st.integers(0, 23), st.integers(0, 59))
zones = st.sampled_from([ZoneInfo(name) for name in ("Europe/Paris", "America/Guadeloupe", "Pacific/Tahiti", "Australia/Lord_Howe", "UTC")])
clock_changes = st.sampled_from(
    [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2026, 4, 4, 15, tzinfo=UTC)]
)


@given(hours, hours, zones, clock_changes, st.integers(-3000, 3000))
def test_whoever_waits_until_quiet_hours_end_waits_forwards_and_less_than_a_day(start, end, zone, near, minutes):
    reminders = Reminders(quiet_from=start, quiet_to=end) if start != end else Reminders()
    at = near + timedelta(minutes=minutes)
    ends = reminder.quiet_until(reminders, at.astimezone(zone))
    if ends is not None:
        assert timedelta() < ends - at <= timedelta(hours=25)
        wall = at.astimezone(zone).strftime("%H:%M")
        assert (start <= wall or wall < end) if start > end else start <= wall < end


def test_the_digest_goes_on_its_day_of_the_iso_week_at_its_hour_at_the_site():
    weekly = Reminders(digest_day=2, digest_at="07:30")
    for day in range(23, 30):
        at = datetime(2026, 11, day, 12, tzinfo=PARIS)
        assert reminder.digest_moment(weekly, at) == datetime(2026, 11, 25, 6, 30, tzinfo=UTC)
        assert reminder.week_of(at) == "2026-W48"
    assert reminder.week_of(datetime(2027, 1, 3, 23, tzinfo=PARIS)) == "2026-W53"
    assert reminder.digest_moment(Reminders(), datetime(2026, 10, 25, 12, tzinfo=PARIS)) == datetime(2026, 10, 19, 5, 0, tzinfo=UTC)
