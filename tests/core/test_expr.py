"""The expression language: grammar, three values, intervals, and that no text and no answer makes it crash."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.expr import FUNCTIONS, UNDETERMINED, DateInterval, ExprError, Missing, Ref, Undetermined, Value, evaluate, parse, verdict
from trialcrf.core.typed import AWAITED, interval

TODAY = date(2026, 11, 21)
Given = Value | tuple[Value, ...]


def answers(**values: Given) -> Callable[[Ref], Given]:
    return lambda ref: values.get(ref.item)


def value_of(text: str, **values: Given) -> Value | Undetermined:
    return evaluate(parse(text), answers(**values), TODAY)


ND = Missing("ND")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 4 - 3", "3"),
        ("12 / 4 / 3", "1"),
        ("-2 * -3", "6"),
        ("--2", "2"),
        ("0.1 + 0.2", "0.3"),
        ("2 - -3", "5"),
        ("round(2.5, 0)", "3"),
        ("round(-2.5, 0)", "-3"),
        ("round(1.005, 2)", "1.01"),
        ("round(7)", "7"),
        ("abs(-3.5)", "3.5"),
        ("sum(1, 2, 3.5)", "6.5"),
        ("mean(1, 2)", "1.5"),
        ("min(3, 1, 2)", "1"),
        ("max(3, 1, 2)", "3"),
        ("number('12')", "12"),
        ("days_between(date('2026-02-27'), date('2026-03-01'))", "2"),
        ("days_between(date('2026-03-01'), date('2026-02-27'))", "-2"),
        ("if(1 < 2, 10, 20)", "10"),
        ("if(1 > 2, 10, 20)", "20"),
    ],
)
def test_arithmetic_is_exact_and_follows_precedence(text: str, expected: str) -> None:
    assert value_of(text) == Decimal(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 = 1.0", True),
        ("1 != 1.0", False),
        ("2 < 2", False),
        ("2 <= 2", True),
        ("2 > 2", False),
        ("2 >= 2", True),
        ("1 < 2 and 3 < 4", True),
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("not false and false", False),
        ("not (false and false)", True),
        ("not 1 = 2", True),
        ("'A' = 'A'", True),
        ("'it''s' = 'it''s'", True),
        ("'A' in ('A', 'B')", True),
        ("'C' in ('A', 'B')", False),
        ("'C' not in ('A', 'B')", True),
        ("2 in (1, 2)", True),
        ("-2 in (1, -2)", True),
        ("date('2026-01-01') < date('2026-01-02')", True),
        ("today() = date('2026-11-21')", True),
        ("1 + 1 = 2 and 2 * 2 > 3", True),
    ],
)
def test_conditions_are_decided(text: str, expected: bool) -> None:
    assert value_of(text) is expected


THREE: dict[str, Value] = {"T": True, "F": False, "U": ND}
NOT_KNOWN = UNDETERMINED


def kleene_and(left: str, right: str) -> Value | Undetermined:
    return False if "F" in (left, right) else NOT_KNOWN if "U" in (left, right) else True


def kleene_or(left: str, right: str) -> Value | Undetermined:
    return True if "T" in (left, right) else NOT_KNOWN if "U" in (left, right) else False


@pytest.mark.parametrize(("left", "right"), list(product("TFU", repeat=2)))
def test_and_or_follow_kleenes_tables(left: str, right: str) -> None:
    assert value_of("A and B", A=THREE[left], B=THREE[right]) is kleene_and(left, right)
    assert value_of("A or B", A=THREE[left], B=THREE[right]) is kleene_or(left, right)


@pytest.mark.parametrize(("given_value", "expected"), [(True, False), (False, True), (ND, UNDETERMINED), (None, UNDETERMINED)])
def test_not_follows_kleenes_table(given_value: Value, expected: object) -> None:
    assert value_of("not A", A=given_value) is expected


@given(st.lists(st.sampled_from("TFU"), min_size=2, max_size=6))
def test_long_chains_are_kleenes_minimum_and_maximum(letters: list[str]) -> None:
    values = {f"X{number}": THREE[letter] for number, letter in enumerate(letters)}
    conjunction, disjunction = " and ".join(values), " or ".join(values)
    assert value_of(conjunction, **values) is (False if "F" in letters else UNDETERMINED if "U" in letters else True)
    assert value_of(disjunction, **values) is (True if "T" in letters else UNDETERMINED if "U" in letters else False)


@pytest.mark.parametrize("operator", ["=", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize(
    ("left", "right"), [(None, Decimal(1)), (ND, Decimal(1)), ("A", Decimal(1)), (interval("2026"), Decimal(1)), (frozenset("A"), "A")]
)
def test_a_comparison_with_nothing_or_something_else_is_undetermined(operator: str, left: Value, right: Value) -> None:
    assert value_of(f"A {operator} B", A=left, B=right) is UNDETERMINED
    assert value_of(f"B {operator} A", A=left, B=right) is UNDETERMINED


def test_texts_have_no_order_so_that_code_10_is_not_before_code_9() -> None:
    assert value_of("'10' < '9'") is UNDETERMINED


def test_a_boolean_equals_its_canonical_text_only() -> None:
    assert value_of("A = 'Y'", A=True) is True
    assert value_of("'N' = A", A=True) is False
    assert value_of("A = 'yes'", A=True) is UNDETERMINED


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        ("2026-01", "<", "2026-02-01", True),
        ("2026-01", "<", "2026-01-31", UNDETERMINED),
        ("2026-01", "<=", "2026-01-31", True),
        ("2026-01", "<", "2026-01-01", False),
        ("2026-01", ">=", "2026-01-01", True),
        ("2026-01", ">", "2026-01-01", UNDETERMINED),
        ("2026-01", "=", "2026-01-15", UNDETERMINED),
        ("2026-01", "=", "2026-02-15", False),
        ("2026-01", "!=", "2026-02-15", True),
        ("2026-01", "=", "2026-01", UNDETERMINED),
        ("2026-01-15", "=", "2026-01-15", True),
        ("2026", ">", "2025", True),
        ("2026", ">=", "2025-12-31", True),
        ("2026-06", "<", "2026", UNDETERMINED),
    ],
)
def test_partial_dates_are_decided_only_when_certain(left: str, operator: str, right: str, expected: object) -> None:
    assert value_of(f"A {operator} B", A=interval(left), B=interval(right)) is expected


days = st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 12, 31))


@st.composite
def intervals(draw: st.DrawFn) -> DateInterval:
    day = draw(days).isoformat()
    return interval(draw(st.sampled_from([day, day[:7], day[:4]])))


@given(intervals(), intervals(), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.data())
def test_a_decided_comparison_holds_for_every_day_it_may_be(
    left: DateInterval, right: DateInterval, operator: str, data: st.DataObject
) -> None:
    decided = value_of(f"A {operator} B", A=left, B=right)
    one = data.draw(st.dates(left.earliest, left.latest))
    other = data.draw(st.dates(right.earliest, right.latest))
    exactly = value_of(f"A {operator} B", A=DateInterval(one, one), B=DateInterval(other, other))
    assert isinstance(exactly, bool)
    assert decided is UNDETERMINED or decided is exactly


@given(intervals(), intervals(), st.sampled_from(["days_between", "months_between", "years_between"]), st.data())
def test_a_decided_distance_holds_for_every_day_it_may_be(left: DateInterval, right: DateInterval, name: str, data: st.DataObject) -> None:
    bound = data.draw(st.integers(-1300, 1300))
    one = data.draw(st.dates(left.earliest, left.latest))
    other = data.draw(st.dates(right.earliest, right.latest))
    text = f"{name}(A, B) >= {bound}"
    decided = value_of(text, A=left, B=right)
    assert decided is UNDETERMINED or decided is value_of(text, A=DateInterval(one, one), B=DateInterval(other, other))


@pytest.mark.parametrize(
    ("start", "end", "months", "years"),
    [
        ("2026-01-31", "2026-02-27", 0, 0),
        ("2026-01-31", "2026-02-28", 1, 0),
        ("2028-01-31", "2028-02-28", 0, 0),
        ("2028-01-31", "2028-02-29", 1, 0),
        ("2026-01-31", "2026-03-30", 1, 0),
        ("2026-01-31", "2026-03-31", 2, 0),
        ("2026-01-15", "2026-01-15", 0, 0),
        ("2026-01-15", "2027-01-14", 11, 0),
        ("2026-01-15", "2027-01-15", 12, 1),
        ("2024-02-29", "2025-02-28", 12, 1),
        ("2026-03-31", "2026-01-31", -2, 0),
        ("2026-02-28", "2026-01-31", -1, 0),
        ("2027-01-15", "2026-01-15", -12, -1),
    ],
)
def test_months_and_years_count_whole_calendar_months_with_the_end_of_month_clamp(start: str, end: str, months: int, years: int) -> None:
    given_days = {"A": interval(start), "B": interval(end)}
    assert value_of("months_between(A, B)", **given_days) == months
    assert value_of("years_between(A, B)", **given_days) == years


@given(days, st.integers(0, 600))
def test_months_between_is_the_inverse_of_add_months(day: date, months: int) -> None:
    moved = value_of(f"add_months(A, {months})", A=DateInterval(day, day))
    assert value_of("months_between(A, B)", A=DateInterval(day, day), B=moved) == months  # type: ignore[arg-type]


def test_an_age_from_a_month_of_birth_is_known_outside_that_month() -> None:
    born = interval("2008-11")
    assert value_of("years_between(A, B)", A=born, B=interval("2026-10-31")) == 17
    assert value_of("years_between(A, B)", A=born, B=interval("2026-11-15")) is UNDETERMINED
    assert value_of("years_between(A, B) >= 17", A=born, B=interval("2026-11-15")) is True
    assert value_of("years_between(A, B) >= 18", A=born, B=interval("2026-11-15")) is UNDETERMINED
    assert value_of("years_between(A, B) >= 18", A=born, B=interval("2026-11-30")) is True
    assert value_of("12 * years_between(A, B) + 1 > 204", A=born, B=interval("2026-11-15")) is True


def test_a_datetime_beside_a_date_counts_by_its_local_day() -> None:
    late = datetime(2026, 3, 29, 23, 30, tzinfo=timezone(timedelta(hours=2)))
    assert value_of("A = B", A=late, B=interval("2026-03-29")) is True
    assert value_of("A < B", A=late, B=datetime(2026, 3, 29, 21, 31, tzinfo=UTC)) is True
    assert value_of("days_between(A, B)", A=late, B=interval("2026-03-30")) == 1
    assert value_of("A < B", A=late, B=datetime(2026, 3, 29, 21, 31)) is UNDETERMINED  # noqa: DTZ001


def test_times_are_compared_and_picked() -> None:
    assert value_of("A < B", A=time(9), B=time(10)) is True
    assert value_of("max(A, B)", A=time(9), B=time(10)) == time(10)
    assert value_of("min(A, B)", A=interval("2026"), B=interval("2025-03")) == interval("2025-03")


@pytest.mark.parametrize(
    "text", ["1 / 0", "A / 0", "1 / (A - A)", "days_between(A, A) / 0", "sum(1, 'x')", "round(1, 99)", "add_months(today(), 1.5)"]
)
def test_what_cannot_be_computed_is_undetermined(text: str) -> None:
    assert value_of(text, A=Decimal(3)) is UNDETERMINED


def test_moving_a_date_clamps_and_leaves_the_calendar_undetermined() -> None:
    assert value_of("add_months(A, 1)", A=interval("2026-01-31")) == interval("2026-02-28")
    assert value_of("add_months(A, -1)", A=interval("2026-03-31")) == interval("2026-02-28")
    assert value_of("add_months(A, 1)", A=interval("2026-01")) == interval("2026-02")
    assert value_of("add_days(A, 1)", A=interval("2026-12-31")) == interval("2027-01-01")
    assert value_of("add_months(A, 99999)", A=interval("2026-01-31")) is UNDETERMINED
    assert value_of("add_days(A, -99999)", A=interval("0001-01-01")) is UNDETERMINED


def test_aggregates_take_the_rows_of_a_group() -> None:
    rows: Given = (Decimal(1), Decimal(2), Decimal("4.5"))
    assert value_of("sum(R)", R=rows) == Decimal("7.5")
    assert value_of("mean(R)", R=rows) == Decimal("2.5")
    assert value_of("count(R)", R=rows) == 3
    assert value_of("max(R, 9)", R=rows) == 9
    assert value_of("sum(R)", R=()) == 0
    assert value_of("count(R)", R=()) == 0
    assert value_of("mean(R)", R=()) is UNDETERMINED
    assert value_of("max(R)", R=()) is UNDETERMINED
    assert value_of("R > 1", R=rows) is UNDETERMINED
    assert value_of("R", R=rows) is UNDETERMINED


@pytest.mark.parametrize("unknown", [None, ND, "abc"])
@pytest.mark.parametrize("name", ["sum", "mean", "min", "max"])
def test_an_aggregate_over_something_unknown_is_undetermined(name: str, unknown: Value) -> None:
    assert value_of(f"{name}(R)", R=(Decimal(1), unknown)) is UNDETERMINED


def test_count_counts_values_and_neither_blanks_nor_missing_codes() -> None:
    assert value_of("count(R)", R=(Decimal(0), None, ND, "", False)) == 3


def test_a_score_is_summed_over_codes_that_are_numbers() -> None:
    assert value_of("sum(A, B, C)", A="0", B="3", C="2") == 5
    assert value_of("A + 1", A="1e5") is UNDETERMINED
    assert value_of("A + 1", A="NaN") is UNDETERMINED


@pytest.mark.parametrize(
    ("given_value", "missing", "answered", "blank"), [(None, False, False, True), (ND, True, True, False), (Decimal(0), False, True, False)]
)
def test_presence_is_always_known(given_value: Value, missing: bool, answered: bool, blank: bool) -> None:
    assert value_of("missing(A)", A=given_value) is missing
    assert value_of("answered(A)", A=given_value) is answered
    assert value_of("blank(A)", A=given_value) is blank


def test_has_asks_a_multiple_choice() -> None:
    chosen = frozenset({"HEAD", "HAND"})
    assert value_of("has(A, 'HAND')", A=chosen) is True
    assert value_of("has(A, 'FOOT')", A=chosen) is False
    assert value_of("has(A, 'FOOT')", A=None) is UNDETERMINED
    assert value_of("has(A, 'HAND')", A="HAND") is UNDETERMINED


def test_if_reads_only_the_branch_it_takes() -> None:
    assert value_of("if(A = 1, 2, B / 0)", A=Decimal(1)) == 2
    assert value_of("if(A = 1, 2, 2)", A=ND) is UNDETERMINED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A > 1", AWAITED),
        ("M > 1", UNDETERMINED),
        ("A > M", AWAITED),
        ("A > 1 and M > 1", UNDETERMINED),
        ("M > 1 and A > 1", UNDETERMINED),
        ("A > 1 or M > 1", AWAITED),
        ("M > 1 or A > 1", AWAITED),
        ("blank(A) and M > 1", UNDETERMINED),
        ("not A > 1", AWAITED),
        ("if(A > 1, true, false)", AWAITED),
        ("sum(A, 1) > 0", AWAITED),
        ("'x' + 1 > 0", UNDETERMINED),
        ("A", AWAITED),
        ("1", UNDETERMINED),
    ],
)
def test_a_verdict_tells_what_is_awaited_from_what_is_unsure(text: str, expected: object) -> None:
    assert verdict(parse(text), answers(M=ND), TODAY) is expected


def test_neither_third_value_may_be_taken_for_true_or_false() -> None:
    for third in (UNDETERMINED, AWAITED):
        with pytest.raises(TypeError):
            bool(third)


def test_names_are_read_as_item_form_item_and_event_form_item() -> None:
    expr = parse("SYSBP > DM.SEX + SCR.DM.AGE and subject.type = 'R'")
    assert expr.references == {Ref("SYSBP"), Ref("SEX", "DM"), Ref("AGE", "DM", "SCR"), Ref("type", "subject")}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1 + A", "number"),
        ("A > 1", "boolean"),
        ("A", ""),
        ("if(A, 'x', B)", "text"),
        ("today()", "date"),
        ("max(A, 1)", "number"),
        ("not A", "boolean"),
    ],
)
def test_an_expression_says_what_it_gives(text: str, kind: str) -> None:
    assert parse(text).kind == kind


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("   ", 4),
        ("1 +", 4),
        ("1 2", 3),
        ("A = = B", 5),
        ("A == B", 4),
        ("(1", 3),
        ("1)", 2),
        ("'open", 1),
        ("a < b < c", 7),
        ("a = b != c", 7),
        ("# 1", 1),
        ("nothing(1)", 1),
        ("abs()", 1),
        ("abs(1, 2)", 1),
        ("if(a, b)", 1),
        ("sum(1 2)", 7),
        ("sum(1,)", 7),
        ("today(1)", 1),
        ("A in ()", 7),
        ("A in (B)", 7),
        ("A in ('x' 'y')", 11),
        ("A not B", 7),
        ("A.B.C.D", 1),
        ("A.", 2),
        ("date('2026-02-30')", 6),
        ("date(2026)", 6),
        ("date('2026-01-01T10:00')", 6),
        ("a = not b", 5),
        ("and", 1),
        ("1e5", 2),
        ("\u0000", 1),
        ("١ + 1", 1),
        ("9" * 29, 1),
    ],
)
def test_a_text_that_is_no_expression_is_refused_at_its_column(text: str, column: int) -> None:
    with pytest.raises(ExprError) as refused:
        parse(text)
    assert refused.value.column == column
    assert refused.value.message.msgid % refused.value.message.params


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "-" * 5000 + "1",
        "not " * 2000 + "true",
        "abs(" * 2000,
        "1" + "+1" * 3000,
        "((((1+" * 500,
        "x" * 20_000,
        "a or " * 1500 + "b",
    ],
)
def test_a_monstrous_text_is_refused_and_does_not_exhaust_the_stack(text: str) -> None:
    with pytest.raises(ExprError):
        parse(text)


def test_the_deepest_tree_that_is_read_is_also_evaluated() -> None:
    assert value_of("1" + "+1" * 150) == 151
    assert value_of("(" * 39 + "1" + ")" * 39) == 1


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse(text)
    except ExprError as error:
        assert 1 <= error.column <= len(text) + 1


atoms = st.sampled_from(["A", "B", "R", "1", "0", "2.5", "'x'", "'1'", "true", "today()", "date('2026-01')", "DM.SEX"])
functions = [f"{name}(" for name in (*FUNCTIONS, "date")]
words = st.sampled_from(["and", "or", "not", "in", "=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "(", ")", ",", "'", *functions])


@given(st.lists(st.one_of(atoms, words), max_size=14).map(" ".join))
def test_any_row_of_words_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(ExprError):
        parse(text)


def expressions() -> st.SearchStrategy[str]:
    operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "and", "or"])
    names = [(name, function.fewest, min(function.most, 3)) for name, function in FUNCTIONS.items()]
    calls = st.sampled_from([(name, count) for name, fewest, most in names for count in range(fewest, most + 1)])

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(inner, operators, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
            inner.map(lambda x: f"(not {x})"),
            inner.map(lambda x: f"(-{x})"),
            inner.map(lambda x: f"({x} in ('x', 1))"),
            st.tuples(calls, inner, inner, inner).map(lambda t: f"{t[0][0]}({', '.join(t[1 : 1 + t[0][1]])})"),
        )

    return st.recursive(atoms, grow, max_leaves=8)


values: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**27), max_value=10**27),
    st.sampled_from([ND, Decimal(0), "12", Decimal("1e27")]),
    intervals(),
    st.just(DateInterval(date.min, date.max)),
    st.frozensets(st.sampled_from(["x", "y"])),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(),
    st.times(),
)


@given(expressions(), values, values, st.lists(values, max_size=4).map(tuple))
def test_no_answer_makes_an_evaluation_crash(text: str, one: Value, other: Value, rows: tuple[Value, ...]) -> None:
    result = value_of(text, A=one, B=other, R=rows)
    assert not isinstance(result, tuple)
    assert not isinstance(result, Decimal) or result.is_finite()
