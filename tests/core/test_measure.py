"""Functions of the language over values: ends of spans, exact ages, conditions, falls, and pairs of readings."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.core.test_expr import TODAY, answers
from trialcrf.core.calendar import add_months
from trialcrf.core.expr import evaluate, parse, verdict
from trialcrf.core.kleene import Result
from trialcrf.core.measure import age, drop, high, low, lowest, pair_days, pair_hours
from trialcrf.core.typed import AWAITED, UNDETERMINED, DateInterval, Missing, Span, Value, interval

ND = Missing("ND")


def span(least: str, most: str, *opened: bool) -> Span:
    return Span(Decimal(least), Decimal(most), *opened)


BELOW = span("-Infinity", "0.5", False, True)
ABOVE = span("200", "Infinity", True)


@pytest.mark.parametrize(
    ("number", "least", "most"),
    [
        (span("8", "10"), Decimal(8), Decimal(10)),
        (Decimal(7), Decimal(7), Decimal(7)),
        ("7", Decimal(7), Decimal(7)),
        (BELOW, UNDETERMINED, Decimal("0.5")),
        (ABOVE, Decimal(200), UNDETERMINED),
        (None, AWAITED, AWAITED),
        (ND, UNDETERMINED, UNDETERMINED),
    ],
)
def test_the_ends_of_a_span(number: Result, least: Result, most: Result) -> None:
    assert low(number) == least
    assert high(number) == most


def test_a_derived_item_may_hold_an_end() -> None:
    text = "low(acr_eular_2013(A, A, A, A, A, A, A, A, A, A, A, A, A))"
    assert evaluate(parse(text), answers(A=True), TODAY) == 24
    assert evaluate(parse(text), answers(A=False), TODAY) == 0


# Ages.
def years(birth: str, on: str) -> Result:
    return age(interval(birth), interval(on))


@pytest.mark.parametrize(
    ("birth", "on", "expected"),
    [
        ("1980-05-17", "1998-05-17", "18"),
        ("1980-05-17", "2050-05-17", "70"),
        ("1980-05-17", "1980-05-17", "0"),
        ("2000-02-29", "2018-02-28", "18"),
        ("2000-02-29", "2020-02-29", "20"),
        ("2001-01-01", "2001-07-02", str(Decimal(182) / 365)),
        ("2000-01-01", "2000-07-01", str(Decimal(182) / 366)),
        ("2026-05-17", "2025-05-17", "-1"),
    ],
)
def test_an_exact_age_is_whole_on_the_birthday(birth: str, on: str, expected: str) -> None:
    found = years(birth, on)
    assert isinstance(found, Decimal)
    assert found == pytest.approx(Decimal(expected), abs=Decimal("1e-25"))


@pytest.mark.parametrize(
    ("birth", "on", "expected"),
    [
        ("1980-05", "1998-05-17", UNDETERMINED),  # R-I1: 18.00 to 18.08, and the month's last day is still seventeen
        ("1956-05", "2026-06-20", False),
        ("1956-05", "2026-05-31", False),
        ("1956-05", "2026-05-20", UNDETERMINED),
        ("1956-06", "2026-05-20", True),
        ("1980-05-17", "1998-05-17", False),
        ("1980-05-16", "1998-05-17", True),
        ("1980-05", "1998-06-01", True),
        ("1980", "1998-12-31", UNDETERMINED),
        ("1980-05-17", "2050-05-17", False),
        ("1980-05-18", "2050-05-17", True),
    ],
)
def test_an_age_above_18_and_below_70_is_decided_where_every_birth_day_agrees(birth: str, on: str, expected: Result) -> None:
    rule = parse("age(BIRTH, ON) > 18 and age(BIRTH, ON) < 70")
    assert verdict(rule, answers(BIRTH=interval(birth), ON=interval(on)), TODAY) is expected


def test_completed_years_decide_an_age_below_66() -> None:
    rule = parse("age(BIRTH, ON) < 66")
    assert verdict(rule, answers(BIRTH=interval("1960-05-18"), ON=interval("2026-05-17")), TODAY) is True
    assert verdict(rule, answers(BIRTH=interval("1960-05-17"), ON=interval("2026-05-17")), TODAY) is False


def test_the_ends_of_an_age_are_the_ends_of_the_birth_month() -> None:
    assert years("1980-05", "2026-05-31") == Span(low(years("1980-05-31", "2026-05-31")), high(years("1980-05-01", "2026-05-31")))  # type: ignore[arg-type]
    assert low(years("1980-05", "2026-05-31")) == 46


@pytest.mark.parametrize("birth", [None, AWAITED])
def test_an_age_is_awaited_and_a_missing_birth_date_is_not(birth: Result) -> None:
    assert age(birth, interval("2026")) is AWAITED
    assert age(ND, interval("2026")) is UNDETERMINED


def test_a_birthday_beyond_the_calendar_does_not_crash() -> None:
    assert age(DateInterval(date.max, date.max), DateInterval(date.max, date.max)) is UNDETERMINED


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 100))
def test_an_age_reaches_a_number_of_years_on_that_birthday_and_never_before(birth: date, on: date, whole: int) -> None:
    assume(on >= birth)
    found = age(DateInterval(birth, birth), DateInterval(on, on))
    assert isinstance(found, Decimal)
    assert (found >= whole) == (on >= add_months(birth, 12 * whole))
    assert (found == whole) == (on == add_months(birth, 12 * whole))


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.dates(date(1900, 1, 1), date(2100, 1, 1)))
def test_an_age_grows_every_day(birth: date, on: date) -> None:
    def at(day: date) -> Decimal:
        found = age(DateInterval(birth, birth), DateInterval(day, day))
        assert isinstance(found, Decimal)
        return found

    assert at(on) < at(on + timedelta(days=1))


# Conditions.
@pytest.mark.parametrize(
    ("gate", "value", "expected"),
    [
        (True, Decimal(7), True),
        ("Y", Decimal(7), True),
        (True, Decimal(9), False),
        (True, None, AWAITED),
        (False, Decimal(7), UNDETERMINED),
        ("N", Decimal(7), UNDETERMINED),
        (ND, Decimal(7), UNDETERMINED),
        (None, Decimal(7), AWAITED),
    ],
)
def test_what_is_asked_under_a_condition_says_nothing_without_it(gate: Value, value: Value, expected: Result) -> None:
    """R-E2a3: blood gases count only when they were taken in room air."""
    assert verdict(parse("given(AIR, PAO2 < 8)"), answers(AIR=gate, PAO2=value), TODAY) is expected


def test_a_given_value_keeps_its_kind() -> None:
    assert parse("given(A, 1)").kind == "number"
    assert parse("given(A = 1, 'x')").kind == "text"


# Numbers.
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((Decimal(40), Decimal(35)), Decimal(35)),
        ((Decimal(40), "35"), Decimal(35)),
        ((None, Decimal(40)), Decimal(40)),
        ((ND, Decimal(40)), Decimal(40)),
        ((Decimal(40), AWAITED), Decimal(40)),
        ((None, ND), AWAITED),
        ((None, None), AWAITED),
        ((ND, ND), UNDETERMINED),
        ((Decimal(40), "x"), UNDETERMINED),
        ((Decimal(40), UNDETERMINED), UNDETERMINED),
        ((span("30", "50"), Decimal(40)), span("30", "40")),
        ((BELOW, Decimal("0.5")), BELOW),
        ((ABOVE, Decimal(40)), Decimal(40)),
        ((span("40", "50", True), Decimal(40)), Decimal(40)),
        ((span("40", "50", True), span("40", "60")), span("40", "50")),
    ],
)
def test_the_lowest_of_what_was_answered(values: tuple[Result, ...], expected: Result) -> None:
    assert lowest(*values) == expected


def test_the_lowest_of_two_ejection_fractions_decides() -> None:
    rule = parse("lowest(ECHO, SCINTI) < 35")
    assert verdict(rule, answers(ECHO=Decimal(36), SCINTI=Decimal(34)), TODAY) is True
    assert verdict(rule, answers(ECHO=Decimal(36)), TODAY) is False
    assert verdict(rule, answers(), TODAY) is AWAITED
    assert verdict(rule, answers(ECHO=(Decimal(40), Decimal(34))), TODAY) is True


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (Decimal(80), Decimal(72), Decimal(10)),
        (Decimal(30), Decimal("22.5"), Decimal(25)),
        (Decimal(50), Decimal(60), Decimal(-20)),
        ("20", "15", Decimal(25)),
        (Decimal(0), Decimal(1), UNDETERMINED),
        (None, Decimal(1), AWAITED),
        (Decimal(1), ND, UNDETERMINED),
        (span("80", "100"), Decimal(40), span("50", "60")),
    ],
)
def test_a_fall_is_in_per_cent_of_what_was(old: Result, new: Result, expected: Result) -> None:
    assert drop(old, new) == expected


# Pairs of readings: flag, day, time.
Reading = tuple[Result, str | None, str | None]


def pair(*readings: Reading, hours: Result = Decimal(12)) -> Result:
    flags = tuple(each[0] for each in readings)
    days = tuple(interval(each[1]) if each[1] else None for each in readings)
    times = tuple(time.fromisoformat(each[2]) if each[2] else None for each in readings)
    return pair_hours(flags, days, times, hours)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([(True, "2026-03-02", "08:00"), (True, "2026-03-02", "20:00")], True),
        ([(True, "2026-03-02", "20:00"), (True, "2026-03-02", "08:00")], True),
        ([(True, "2026-03-02", "08:00"), (True, "2026-03-02", "19:59")], False),
        ([(True, "2026-03-02", "20:00"), (True, "2026-03-03", "08:00")], True),
        ([("Y", "2026-03-02", "20:00"), ("Y", "2026-03-03", "08:00")], True),
        ([(True, "2026-03-02", "08:00"), (False, "2026-03-04", "08:00")], False),
        ([(False, "2026-03-02", "08:00"), (False, "2026-03-04", "08:00")], False),
        ([(True, "2026-03-02", "08:00"), (None, "2026-03-04", "08:00")], UNDETERMINED),
        ([(True, "2026-03-02", "08:00"), (ND, "2026-03-04", "08:00")], UNDETERMINED),
        ([(True, "2026-03-02", "08:00"), (None, "2026-03-02", "09:00")], False),
        ([(True, "2026-03-02", None), (True, "2026-03-02", None)], UNDETERMINED),
        ([(True, "2026-03-02", "08:00"), (True, "2026-03-02", None)], UNDETERMINED),
        ([(True, "2026-03-02", None), (True, "2026-03-09", None)], UNDETERMINED),
        ([(True, "2026-03", "08:00"), (True, "2026-03-04", "08:00")], UNDETERMINED),
        ([(True, "2026-03", "08:00"), (True, "2026-05-04", "08:00")], UNDETERMINED),
        ([(None, "2026-03-02", "08:00"), (True, "2026-03-04", "08:00")], UNDETERMINED),
        ([(True, "2026-03-02", "08:00")], AWAITED),
        ([], AWAITED),
        ([(True, "2026-03-02", "08:00"), (True, None, "08:00")], AWAITED),
        ([(True, "2026-03-02", "08:00"), (False, "2026-03-03", "08:00"), (True, None, None)], UNDETERMINED),
        ([(False, "2026-03-02", "08:00"), (False, "2026-03-03", "08:00"), (True, None, None)], False),
        ([(True, "2026-03-02", "08:00"), (True, "2026-03-02", "09:00"), (True, "2026-03-02", "20:30")], True),
        ([(True, "2026-03-02", "08:00"), (None, None, None), (True, "2026-03-02", "20:30")], True),
    ],
)
def test_two_readings_at_least_twelve_hours_apart(readings: list[Reading], expected: Result) -> None:
    assert pair(*readings) is expected


def test_an_unknown_time_is_any_time_of_its_day() -> None:
    readings: list[Reading] = [(True, "2026-03-02", "12:00"), (True, "2026-03-02", None)]
    assert pair(*readings) is UNDETERMINED
    assert pair(*readings, hours=Decimal("12.1")) is False


BLOOD_PRESSURE = parse("pair_hours(HIGH, ON, AT, 12)")


@pytest.mark.parametrize(
    ("pressures", "hours_later", "expected"),
    [
        ([(160, 90), (158, 111)], "20:00", True),
        ([(160, 110), (159, 110)], "20:00", False),
        ([(160, 90), (158, 111)], "19:59", False),
        ([(160, 90), (158, 111)], "", UNDETERMINED),
    ],
)
def test_the_hypertension_of_r_i3c(pressures: list[tuple[int, int]], hours_later: str, expected: Result) -> None:
    flag = parse("SBP >= 160 or DBP > 110")
    flags = tuple(verdict(flag, answers(SBP=Decimal(sbp), DBP=Decimal(dbp)), TODAY) for sbp, dbp in pressures)
    times = (time(8), time.fromisoformat(hours_later) if hours_later else ND)
    day = interval("2026-03-02")
    assert verdict(BLOOD_PRESSURE, answers(HIGH=flags, ON=(day, day), AT=times), TODAY) is expected  # type: ignore[arg-type]


def test_moments_need_no_column_of_times() -> None:
    moments = tuple(datetime(2026, 3, 2, hour, tzinfo=UTC) for hour in (8, 20))
    assert pair_hours((True, True), moments, (None, None), Decimal(12)) is True
    assert pair_hours((True, True), moments, (None, None), Decimal(13)) is False


@pytest.mark.parametrize(("hours", "expected"), [(None, AWAITED), (ND, UNDETERMINED), (span("1", "20"), UNDETERMINED)])
def test_the_distance_asked_must_be_known(hours: Result, expected: Result) -> None:
    assert pair((True, "2026-03-02", "08:00"), (True, "2026-03-04", "08:00"), hours=hours) is expected


def test_columns_of_different_groups_make_no_pairs() -> None:
    day = interval("2026-03-02")
    assert pair_days((True, True), (day, day, day), Decimal(0)) is UNDETERMINED


@pytest.mark.parametrize(
    ("dates", "days", "expected"),
    [
        (("2026-03-02", "2026-03-09"), 7, True),
        (("2026-03-02", "2026-03-08"), 7, False),
        (("2026-03", "2026-05"), 31, True),
        (("2026-03", "2026-05"), 32, UNDETERMINED),
        (("2026-03", "2026-05"), 91, UNDETERMINED),
        (("2026-03", "2026-05"), 92, False),
        (("2026-03", None), 1, AWAITED),
    ],
)
def test_two_days_at_least_so_many_apart(dates: tuple[str | None, ...], days: int, expected: Result) -> None:
    column = tuple(interval(each) if each else None for each in dates)
    assert pair_days((True, True), column, Decimal(days)) is expected


ROW = st.tuples(
    st.sampled_from([True, False, None, ND]),
    st.sampled_from(["2026-03-02", "2026-03-03", "2026-03", "2026", None]),
    st.sampled_from(["00:00", "08:00", "19:59", "20:00", None]),
)
EXACT_ROW = st.tuples(
    st.booleans(), st.sampled_from(["2026-03-01", "2026-03-02", "2026-03-03"]), st.sampled_from(["00:00", "08:00", "19:59", "20:00"])
)


@given(st.lists(st.tuples(EXACT_ROW, st.tuples(st.booleans(), st.booleans(), st.booleans())), min_size=2, max_size=4))
def test_what_is_entered_later_never_contradicts_a_verdict(rows: list[tuple[Reading, tuple[bool, bool, bool]]]) -> None:
    after = pair(*(row for row, _ in rows))
    before = pair(*(tuple(value if kept else None for value, kept in zip(row, keep, strict=True)) for row, keep in rows))  # type: ignore[arg-type]
    assert before in (AWAITED, UNDETERMINED) or before is after


@given(st.lists(ROW, max_size=5))
def test_no_reading_makes_a_pair_crash(rows: list[Reading]) -> None:
    assert pair(*rows) in (True, False, UNDETERMINED, AWAITED)
