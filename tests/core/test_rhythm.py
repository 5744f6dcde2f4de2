"""Rhythms: periods that no clock of a site can double, and when a job or the scheduler is said to be unwell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from trialcrf.actions.records import report
from trialcrf.core.rhythm import RHYTHMS, WESTMOST, Standing, health, hourly, late, monthly, nightly

NOW = datetime(2026, 12, 3, 6, 30, tzinfo=UTC)
NIGHTLY, AT_ROWS = RHYTHMS["backup"], RHYTHMS["deliver-mail"]


def standing(outcome: str = "done", attempt: int = 1, began: timedelta = timedelta(0), success: timedelta | None = timedelta(0)):
    """One that began and last ended well so long ago."""
    return Standing(outcome, attempt, NOW - began, None if success is None else NOW - success, None)


@pytest.mark.parametrize(
    ("period", "moment", "name", "begins", "ends"),
    [
        (hourly, "2026-12-03T06:59:59", "2026-12-03T06", "2026-12-03T06:00", "2026-12-03T07:00"),
        (nightly, "2026-12-03T01:59:59", "2026-12-02", "2026-12-02T02:00", "2026-12-03T02:00"),
        (nightly, "2026-12-03T02:00:00", "2026-12-03", "2026-12-03T02:00", "2026-12-04T02:00"),
        (monthly, "2026-12-01T11:59:59", "2026-11", "2026-11-01T12:00", "2026-12-01T12:00"),
        (monthly, "2026-12-01T12:00:00", "2026-12", "2026-12-01T12:00", "2027-01-01T12:00"),
        (monthly, "2028-02-29T12:00:00", "2028-02", "2028-02-01T12:00", "2028-03-01T12:00"),
        (monthly, "2026-01-31T12:00:00", "2026-01", "2026-01-01T12:00", "2026-02-01T12:00"),
    ],
)
def test_a_period_has_a_name_a_beginning_and_an_end(period, moment, name, begins, ends):
    found = period(datetime.fromisoformat(moment + "+00:00"))
    assert (found.name, found.begins.isoformat()[:16], found.ends.isoformat()[:16]) == (name, begins, ends)
    assert period(found.ends).begins == found.ends
    assert period(found.ends - timedelta(microseconds=1)).name == name


@pytest.mark.parametrize("zone", ["Europe/Paris", "Pacific/Tahiti", "Australia/Lord_Howe"])
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-04-05", "2026-10-04", "2028-02-29"])
def test_a_day_with_23_or_25_hours_at_the_site_begins_one_night_as_any_other(zone, day):
    noon = datetime.fromisoformat(day + "T12:00").replace(tzinfo=ZoneInfo(zone))
    moments = [(noon - timedelta(days=1)).astimezone(UTC) + timedelta(minutes=10 * step) for step in range(6 * 25)]
    begun = {nightly(one).begins for one in moments if one <= noon.astimezone(UTC)}
    assert len([one for one in begun if moments[0] < one]) == 1


def test_a_month_ends_for_the_scheduler_when_it_ends_for_the_report():
    assert WESTMOST == report.WESTMOST


def test_the_next_run_is_the_next_period_or_the_next_wake():
    assert NIGHTLY.next_after(NOW) == datetime(2026, 12, 4, 2, tzinfo=UTC)
    assert AT_ROWS.next_after(NOW) == NOW + timedelta(seconds=5)


@pytest.mark.parametrize(
    ("rhythm", "found", "expected"),
    [
        (NIGHTLY, None, False),
        (NIGHTLY, standing(success=timedelta(hours=48)), False),
        (NIGHTLY, standing(success=timedelta(hours=48, seconds=1)), True),
        (NIGHTLY, standing("failed"), True),
        (NIGHTLY, standing("running"), False),
        (NIGHTLY, standing("running", attempt=2), True),
        (NIGHTLY, standing("running", success=None, began=timedelta(hours=1)), False),
        (NIGHTLY, standing("running", success=None, began=timedelta(hours=49)), True),
        (RHYTHMS["overdue-scan"], standing(success=timedelta(hours=2, seconds=1)), True),
        (RHYTHMS["monthly-safety"], standing(success=timedelta(days=60)), False),
        (AT_ROWS, standing(success=timedelta(minutes=10)), False),
        (AT_ROWS, standing(success=timedelta(minutes=10, seconds=1)), True),
        (AT_ROWS, standing(success=-timedelta(hours=1)), False),
    ],
)
def test_a_job_is_late_when_it_failed_or_did_not_end_well_for_two_periods(rhythm, found, expected):
    assert late(rhythm, found, NOW) is expected


@pytest.mark.parametrize(
    ("age", "silent"),
    [(timedelta(seconds=119), False), (timedelta(seconds=120), True), (timedelta(hours=-1), True), (timedelta(seconds=-15), False)],
)
def test_the_scheduler_is_silent_by_its_tick_also_by_one_that_lies_ahead(age, silent):
    assert health({"tick": standing(success=age)}, NOW).silent is silent
    assert health({}, NOW).silent


def test_the_late_ones_are_named_and_the_tick_is_not_among_them():
    found = health({"tick": standing(success=timedelta(days=9)), "backup": standing("failed"), "checkpoint": standing()}, NOW)
    assert found.late == ("backup",)


def test_what_a_job_says_names_only_numbers():
    for rhythm in RHYTHMS.values():
        named = {part.partition(")")[0] for part in rhythm.says.split("%(")[1:]}
        assert rhythm.says % dict.fromkeys(named, 1)
