"""Planned vital signs of an infusion: when each is due, late, missed; which day a time means; and the clock since the thaw."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from trialcrf.core.product.thaw import thaw
from trialcrf.core.product.vitals import PointState, Taken, code_of, day_of, minutes_of, points

PLANNED = (-15, 0, 15, 30, 60, 120, 240, 360)
START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
S = PointState


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def states(minutes: int, **taken: Taken) -> list[PointState]:
    return [one.state for one in points(PLANNED, START, taken, at(minutes))]


@pytest.mark.parametrize("minutes", PLANNED)
def test_a_code_names_its_minutes(minutes: int) -> None:
    assert minutes_of(code_of(minutes)) == minutes
    assert code_of(-15) == "M15" and code_of(0) == "P0"


@pytest.mark.parametrize("text", ["", "P", "15", "P-1", "p15", "P1500000", "M15 "])
def test_what_is_no_code_names_nothing(text: str) -> None:
    assert minutes_of(text) is None


def test_before_the_start_only_what_precedes_it_can_be_taken() -> None:
    found = points(PLANNED, None, {}, START)
    assert [one.state for one in found] == [S.DUE, *[S.WAITING] * 7]
    assert all(one.planned_at is None for one in found)


@pytest.mark.parametrize(
    ("minutes", "first"),
    [
        (-16, [S.PLANNED, S.PLANNED]),
        (-15, [S.DUE, S.PLANNED]),
        (-1, [S.DUE, S.PLANNED]),
        (0, [S.MISSED, S.DUE]),
        (14, [S.MISSED, S.DUE]),
        (15, [S.MISSED, S.MISSED]),
    ],
)
def test_a_reading_is_due_from_its_time_until_that_of_the_next(minutes: int, first: list[PointState]) -> None:
    assert states(minutes)[:2] == first


def test_the_last_reading_is_missed_after_as_long_as_lay_before_it() -> None:
    assert states(360)[-1] is S.DUE and states(479)[-1] is S.DUE and states(480)[-1] is S.MISSED


@pytest.mark.parametrize(
    ("off", "tolerance", "state"), [(0, 0, S.TAKEN), (-4, 0, S.TAKEN), (1, 0, S.LATE), (5, 5, S.TAKEN), (6, 5, S.LATE), (400, 5, S.LATE)]
)
def test_a_reading_is_late_by_the_minutes_that_the_study_does_not_accept(off: int, tolerance: int, state: PointState) -> None:
    found = points(PLANNED, START, {"P30": Taken("1", at(30 + off))}, at(500), tolerance)[3]
    assert (found.state, found.off) == (state, off)


def test_not_done_and_a_time_that_is_not_typed_are_told_apart() -> None:
    assert states(100, P15=Taken("1", None))[2] is S.NOT_DONE
    assert states(100, P15=Taken("1", None, untimed=True))[2] is S.TAKEN


@pytest.mark.parametrize(
    ("clock", "planned", "now", "day"),
    [
        ("09:58", None, "2026-11-21 10:00", 21),
        ("10:01", None, "2026-11-21 10:00", 20),  # no moment to come: it was yesterday
        ("23:50", "2026-11-21 23:45", "2026-11-22 00:10", 21),
        ("00:05", "2026-11-21 23:45", "2026-11-22 00:10", 22),
        ("14:05", "2026-11-21 14:00", "2026-11-23 09:00", 21),  # recorded two days later
        ("10:30", "2026-11-21 10:15", "2026-11-21 10:20", 20),  # typed for a moment to come
    ],
)
def test_a_time_means_the_day_that_is_nearest_to_its_plan(clock: str, planned: str | None, now: str, day: int) -> None:
    zone = ZoneInfo("Europe/Paris")
    moments = [datetime.fromisoformat(text).replace(tzinfo=zone) if text else None for text in (planned, now)]
    assert moments[1]
    assert day_of(time.fromisoformat(clock), moments[0], moments[1]) == date(2026, 11, day)


def test_the_clock_since_the_thaw_stops_at_the_start_of_the_infusion() -> None:
    assert thaw("A", None, None, START) is None
    running = thaw("A", START, None, at(37), 60)
    assert running and (running.minutes, running.left, running.beyond, running.ended) == (37, 23, False, False)
    ended = thaw("A", START, at(20), at(500), 60)
    assert ended and (ended.minutes, ended.left, ended.beyond, ended.ended) == (20, 40, False, True)


@pytest.mark.parametrize(("passed", "limit", "left", "beyond"), [(60, 60, 0, False), (61, 60, 0, True), (600, 0, None, False)])
def test_the_last_minute_is_accepted_and_without_a_limit_nothing_is_beyond(passed: int, limit: int, left: int | None, beyond: bool) -> None:
    found = thaw("A", START, None, at(passed), limit)
    assert found and (found.left, found.beyond) == (left, beyond)


def test_a_second_past_the_limit_is_beyond_it_and_half_a_minute_is_no_minute() -> None:
    found = thaw("A", START, None, at(60) + timedelta(seconds=1), 60)
    assert found and found.beyond and found.minutes == 60 and found.left == 0
