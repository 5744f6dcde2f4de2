"""Reading what people type: every accepted form, every refusal, and the way back into the boxes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.boxes import raw_of
from trialcrf.core.definition.codes import CodeList, CodeListItem
from trialcrf.core.definition.model import DataType, ItemDef
from trialcrf.core.document import Answer
from trialcrf.core.expr import parse
from trialcrf.core.values import MISSING_CODES, DateInterval, Missing, Raw, Unreadable, Value, fits, interval, read, typed
from trialcrf.core.wording import Words

PARIS = ZoneInfo("Europe/Paris")
GRADES = CodeList("GRADES", tuple(CodeListItem(code, Words({"en": code})) for code in ("3", "1", "2", "OTHER")))
LABEL = Words({"en": "Question"})


def item(kind: DataType, **more: object) -> ItemDef:
    return replace(ItemDef("X", LABEL, kind, codelist=GRADES if kind in (DataType.CODELIST, DataType.MULTICHOICE) else None), **more)  # type: ignore[arg-type]


def read_text(kind: DataType, text: str) -> str | None:
    """The canonical text, None when it was refused, "" when it is blank."""
    found = read(item(kind), Raw({"": text}), PARIS)
    return None if isinstance(found, Unreadable) else found.text if found else ""


def read_boxes(kind: DataType, **parts: str) -> str | None:
    found = read(item(kind), Raw(parts), PARIS)
    return None if isinstance(found, Unreadable) else found.text if found else ""


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("12", "12"),
        (" 12 ", "12"),
        ("+12", "12"),
        ("-12", "-12"),
        ("\u221212", "-12"),
        ("0", "0"),
        ("-0", "0"),
        ("007", "7"),
        ("1 234", "1234"),
        ("1\u202f234\u202f567", "1234567"),
        ("1\u00a0234", "1234"),
        ("1\u2009234", "1234"),
        ("1 23", None),
        ("1234 567", None),
        ("1\u202f234 567", "1234567"),
        ("12 34", None),
        ("1,0", None),
        ("1.0", None),
        ("1,234", None),
        ("1e3", None),
        ("٣", None),
        ("²", None),
        ("abc", None),
        ("--1", None),
        ("9" * 28, "9" * 28),
        ("9" * 29, None),
        ("", ""),
        (" \u00a0 ", ""),
        ("1\u0000", None),
    ],
)
def test_a_whole_number(text: str, canonical: str | None) -> None:
    assert read_text(DataType.INTEGER, text) == canonical


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("72.50", "72.50"),
        ("72,50", "72.50"),
        ("72", "72"),
        ("0", "0"),
        ("-0,0", "0.0"),
        ("00.10", "0.10"),
        (",5", "0.5"),
        ("-.5", "-0.5"),
        ("5,", None),
        (".", None),
        ("-", None),
        ("1 234,5", "1234.5"),
        ("1\u202f234,50", "1234.50"),
        ("1,234.5", None),
        ("1.234,5", None),
        ("1,2,3", None),
        ("1..2", None),
        ("1.234", "1.234"),
        ("1e5", None),
        ("NaN", None),
        ("Infinity", None),
        ("1_000", None),
        ("1.000 000", None),
        ("", ""),
    ],
)
def test_a_decimal_number_with_comma_or_point(text: str, canonical: str | None) -> None:
    assert read_text(DataType.DECIMAL, text) == canonical


@pytest.mark.parametrize(
    ("boxes", "canonical"),
    [
        (("5", "1", "2026"), "2026-01-05"),
        (("05", "01", "2026"), "2026-01-05"),
        (("29", "2", "2028"), "2028-02-29"),
        (("29", "2", "2026"), None),
        (("31", "02", "2026"), None),
        (("31", "4", "2026"), None),
        (("0", "1", "2026"), None),
        (("1", "13", "2026"), None),
        (("1", "0", "2026"), None),
        (("1", "1", "26"), None),
        (("1", "1", "1899"), None),
        (("1", "1", "1900"), "1900-01-01"),
        (("1", "1", "2101"), None),
        (("", "1", "2026"), None),
        (("1", "", "2026"), None),
        (("1", "1", ""), None),
        (("UNK", "1", "2026"), None),
        (("x", "1", "2026"), None),
        (("٥", "1", "2026"), None),
        (("", "", ""), ""),
    ],
)
def test_a_date_in_three_boxes(boxes: tuple[str, str, str], canonical: str | None) -> None:
    assert read_boxes(DataType.DATE, d=boxes[0], m=boxes[1], y=boxes[2]) == canonical


@pytest.mark.parametrize(
    ("boxes", "canonical"),
    [
        (("5", "1", "2026"), "2026-01-05"),
        (("UNK", "1", "2026"), "2026-01"),
        (("unk", "1", "2026"), "2026-01"),
        (("UN", "12", "2026"), "2026-12"),
        (("?", "nk", "2026"), "2026"),
        (("INC", "UNK", "2026"), "2026"),
        (("5", "UNK", "2026"), None),
        (("UNK", "UNK", "UNK"), None),
        (("UNK", "UNK", ""), None),
        (("", "1", "2026"), None),
        (("UNK", "", "2026"), None),
        (("31", "2", "2026"), None),
        (("UNK", "13", "2026"), None),
    ],
)
def test_a_partial_date_says_what_is_unknown(boxes: tuple[str, str, str], canonical: str | None) -> None:
    assert read_boxes(DataType.PARTIAL_DATE, d=boxes[0], m=boxes[1], y=boxes[2]) == canonical


def test_a_box_that_was_not_shown_is_unknown_in_a_partial_date() -> None:
    assert read_boxes(DataType.PARTIAL_DATE, m="3", y="1970") == "1970-03"
    assert read_boxes(DataType.PARTIAL_DATE, y="1970") == "1970"
    assert read_boxes(DataType.DATE, y="1970") is None


@pytest.mark.parametrize(
    ("kind", "text", "canonical"),
    [
        (DataType.DATE, "2026-01-05", "2026-01-05"),
        (DataType.DATE, "2026-01", None),
        (DataType.DATE, "05/01/2026", None),
        (DataType.DATE, "2026-02-30", None),
        (DataType.DATE, "20260105", None),
        (DataType.DATE, "2026-W01-1", None),
        (DataType.PARTIAL_DATE, "2026-01", "2026-01"),
        (DataType.PARTIAL_DATE, "2026", "2026"),
        (DataType.PARTIAL_DATE, "2026-13", None),
    ],
)
def test_a_date_in_one_box_is_year_month_day(kind: DataType, text: str, canonical: str | None) -> None:
    assert read_text(kind, text) == canonical


def test_a_date_given_twice_is_refused() -> None:
    assert isinstance(read(item(DataType.DATE), Raw({"": "2026-01-05", "d": "5"}), PARIS), Unreadable)


def test_of_a_birth_date_only_month_and_year_are_recorded() -> None:
    birth = item(DataType.PARTIAL_DATE, aliases=("BRTHDAT",))
    assert read(birth, Raw({"d": "", "m": "3", "y": "1970"}), PARIS) == Answer("1970-03")
    assert isinstance(read(birth, Raw({"d": "5", "m": "3", "y": "1970"}), PARIS), Unreadable)
    assert isinstance(read(birth, Raw({"": "1970-03-05"}), PARIS), Unreadable)
    assert raw_of(birth, Answer("1970-03"), "fr").parts == {"d": "", "m": "03", "y": "1970"}


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("14:05", "14:05"),
        ("9:05", "09:05"),
        ("14h05", "14:05"),
        ("14H05", "14:05"),
        ("9h", "09:00"),
        ("1405", "14:05"),
        ("14:05:30", "14:05:30"),
        ("00:00", "00:00"),
        ("24:00", None),
        ("23:60", None),
        ("14:05:60", None),
        ("905", None),
        ("14", None),
        ("2 pm", None),
        ("", ""),
    ],
)
def test_a_time_of_day(text: str, canonical: str | None) -> None:
    assert read_text(DataType.TIME, text) == canonical


@pytest.mark.parametrize(
    ("day", "clock", "canonical"),
    [
        ("29", "14:05", "2026-03-29T14:05+02:00"),
        ("28", "14h05", "2026-03-28T14:05+01:00"),
        ("29", "02:30", None),  # The clocks go from 02:00 to 03:00.
        ("29", "02:30+01:00", None),
        ("29", "03:00", "2026-03-29T03:00+02:00"),
        ("29", "01:59", "2026-03-29T01:59+01:00"),
        ("28", "14:05+01:00", "2026-03-28T14:05+01:00"),
        ("28", "14:05+02:00", None),
        ("28", "14:05:30", "2026-03-28T14:05:30+01:00"),
        ("28", "", None),
        ("", "14:05", None),
        ("UNK", "14:05", None),
    ],
)
def test_a_datetime_carries_the_offset_of_the_site(day: str, clock: str, canonical: str | None) -> None:
    assert read_boxes(DataType.DATETIME, d=day, m="3", y="2026", t=clock) == canonical


def test_a_time_that_the_clocks_show_twice_needs_its_offset() -> None:
    doubtful = {"d": "25", "m": "10", "y": "2026"}
    refused = read(item(DataType.DATETIME), Raw({**doubtful, "t": "02:30"}), PARIS)
    assert isinstance(refused, Unreadable)
    assert {refused.message.params["first"], refused.message.params["second"]} == {"+02:00", "+01:00"}
    assert read(item(DataType.DATETIME), Raw({**doubtful, "t": "02:30+01:00"}), PARIS) == Answer("2026-10-25T02:30+01:00")
    assert read(item(DataType.DATETIME), Raw({**doubtful, "t": "02:30 +02:00"}), PARIS) == Answer("2026-10-25T02:30+02:00")
    assert isinstance(read(item(DataType.DATETIME), Raw({**doubtful, "t": "02:30+03:00"}), PARIS), Unreadable)


def test_a_datetime_in_one_box() -> None:
    assert read_text(DataType.DATETIME, "2026-03-29T14:05+02:00") == "2026-03-29T14:05+02:00"
    assert read_text(DataType.DATETIME, "2026-03-29 14:05") == "2026-03-29T14:05+02:00"
    assert read_text(DataType.DATETIME, "2026-03-29") is None
    assert read_text(DataType.DATETIME, "") == ""
    assert read(item(DataType.DATETIME), Raw({"": "2026-07-01T14:05Z"}), ZoneInfo("UTC")) == Answer("2026-07-01T14:05+00:00")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("  two words ", "two words"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("e\u0301", "\u00e9"),
        ("a\tb", "a\tb"),
        ("a\u0000b", None),
        ("a\u001bb", None),
        ("a\ud800b", None),
        ("x" * 2000, "x" * 2000),
        ("x" * 2001, None),
        ("x" * 10_000_000, None),
        ("<b>'\"", "<b>'\""),
        ("\n\n", ""),
    ],
)
def test_a_text_is_stripped_composed_and_bounded(text: str, canonical: str | None) -> None:
    assert read_text(DataType.TEXT, text) == canonical


def test_a_text_keeps_to_the_length_of_its_item() -> None:
    short = item(DataType.TEXT, max_length=3)
    assert read(short, Raw({"": "e\u0301" * 3}), PARIS) == Answer("\u00e9\u00e9\u00e9")
    assert isinstance(read(short, Raw({"": "abcd"}), PARIS), Unreadable)


def test_a_reference_is_one_line() -> None:
    assert read_text(DataType.REFERENCE, "R-01-001") == "R-01-001"
    assert read_text(DataType.REFERENCE, "R-01\n001") is None


def test_yes_and_no() -> None:
    assert [read_text(DataType.BOOLEAN, text) for text in ("Y", "n", "", "yes", "1")] == ["Y", "N", "", None, None]


def test_a_code_must_be_in_its_list() -> None:
    assert read_text(DataType.CODELIST, "OTHER") == "OTHER"
    assert read_text(DataType.CODELIST, "other") is None
    assert read_text(DataType.CODELIST, "4") is None
    assert read(item(DataType.CODELIST), Raw({}, ("3",)), PARIS) == Answer("3")
    assert isinstance(read(item(DataType.CODELIST), Raw({}, ("3", "1")), PARIS), Unreadable)
    assert isinstance(read(item(DataType.CODELIST), Raw({"": "1"}, ("3",)), PARIS), Unreadable)


def test_choices_are_recorded_in_the_order_of_their_list() -> None:
    many = item(DataType.MULTICHOICE)
    assert read(many, Raw({}, ("2", "OTHER", "3", "2")), PARIS) == Answer("3|2|OTHER")
    assert read(many, Raw({"": "1|3"}), PARIS) == Answer("3|1")
    assert read(many, Raw({}, ("",)), PARIS) is None
    assert isinstance(read(many, Raw({}, ("2", "9")), PARIS), Unreadable)
    assert isinstance(read(many, Raw({}, ("2",) * 1000), PARIS), Unreadable)


WITH_CODES = item(DataType.INTEGER, missing=("ND", "UNK"))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"missing": "UNK"}, Answer(missing="UNK")),
        ({"missing": "UNK", "note": " lost "}, Answer(missing="UNK", note="lost")),
        ({"missing": "ND", "note": "broken"}, Answer(missing="ND", note="broken")),
        ({"": "", "missing": "", "note": ""}, None),
        ({"": "5", "missing": ""}, Answer("5")),
    ],
)
def test_a_missing_code_is_an_answer(parts: dict[str, str], expected: Answer | None) -> None:
    assert read(WITH_CODES, Raw(parts), PARIS) == expected


@pytest.mark.parametrize(
    "parts",
    [
        {"missing": "ND"},
        {"missing": "ND", "note": "  "},
        {"missing": "NA"},
        {"missing": "nonsense"},
        {"": "5", "missing": "UNK"},
        {"d": "5", "missing": "UNK"},
        {"": "5", "note": "a reason without a code"},
        {"missing": "UNK", "note": "x" * 2001},
        {"missing": "UNK", "note": "\u0000"},
    ],
)
def test_a_missing_code_that_contradicts_is_refused_and_kept_as_typed(parts: dict[str, str]) -> None:
    refused = read(WITH_CODES, Raw(parts), PARIS)
    assert isinstance(refused, Unreadable)
    assert refused.raw == Raw(parts)


def test_a_ticked_choice_and_a_missing_code_contradict() -> None:
    assert isinstance(read(item(DataType.MULTICHOICE, missing=("UNK",)), Raw({"missing": "UNK"}, ("3",)), PARIS), Unreadable)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (DataType.TEXT, "12", "12"),
        (DataType.INTEGER, "12", Decimal(12)),
        (DataType.DECIMAL, "72.50", Decimal("72.50")),
        (DataType.BOOLEAN, "Y", True),
        (DataType.BOOLEAN, "N", False),
        (DataType.CODELIST, "3", "3"),
        (DataType.MULTICHOICE, "3|1", frozenset({"3", "1"})),
        (DataType.DATE, "2026-01-05", DateInterval(date(2026, 1, 5), date(2026, 1, 5))),
        (DataType.PARTIAL_DATE, "2028-02", DateInterval(date(2028, 2, 1), date(2028, 2, 29))),
        (DataType.PARTIAL_DATE, "2026", DateInterval(date(2026, 1, 1), date(2026, 12, 31))),
        (DataType.TIME, "14:05", time(14, 5)),
        (DataType.DATETIME, "2026-03-29T14:05+02:00", datetime(2026, 3, 29, 14, 5, tzinfo=timezone(timedelta(hours=2)))),
        (DataType.REFERENCE, "R-01-001", "R-01-001"),
        (DataType.DERIVED, "24.5", Decimal("24.5")),
        (DataType.DERIVED, "2026-01-05", DateInterval(date(2026, 1, 5), date(2026, 1, 5))),
        (DataType.DERIVED, "severe", "severe"),
    ],
)
def test_a_canonical_text_has_a_typed_value(kind: DataType, text: str, value: Value) -> None:
    found = typed(item(kind), Answer(text))
    assert found == value
    assert type(found) is type(value)


def test_a_derived_text_is_typed_as_its_expression_says() -> None:
    for expression, text, value in (("1 > 0", "Y", True), ("if(true, '1', '2')", "1", "1"), ("today()", "2026", interval("2026"))):
        assert typed(item(DataType.DERIVED, derive=parse(expression)), Answer(text)) == value


def test_nothing_entered_and_missing_are_two_things() -> None:
    assert typed(WITH_CODES, None) is None
    assert typed(WITH_CODES, Answer(missing="ND", note="x")) == Missing("ND")
    assert set(MISSING_CODES) == {"ND", "NA", "UNK", "NASK", "NRET"}


@pytest.mark.parametrize("kind", [k for k in DataType if k not in (DataType.TEXT, DataType.CODELIST, DataType.REFERENCE, DataType.DERIVED)])
@pytest.mark.parametrize("text", ["garbage", "2026-02", "1e5", "2026-03-29T14:05"])
def test_a_text_of_another_type_stays_text_and_does_not_fit(kind: DataType, text: str) -> None:
    if kind is DataType.MULTICHOICE or (kind is DataType.PARTIAL_DATE and text == "2026-02"):
        return
    value = typed(item(kind), Answer(text))
    assert value == text
    assert not fits(item(kind), value)


@pytest.mark.parametrize("text", ["", "x", "2026-13", "2026-1-1", "2026-02-30", "2026-W01-1", "0000", "2026-01-05x", "٢٠٢٦"])
def test_an_interval_of_anything_but_a_canonical_date_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        interval(text)


def test_the_interval_of_a_datetime_is_its_local_day() -> None:
    assert interval("2026-03-29T23:59+02:00") == interval("2026-03-29")


def test_boxes_follow_the_language() -> None:
    weight = item(DataType.DECIMAL)
    assert raw_of(weight, Answer("72.50"), "fr") == Raw({"": "72,50"})
    assert raw_of(weight, Answer("72.50"), "en") == Raw({"": "72.50"})
    assert raw_of(item(DataType.TEXT), Answer("72.50"), "fr") == Raw({"": "72.50"})
    assert raw_of(weight, None, "fr") == Raw()
    assert raw_of(item(DataType.PARTIAL_DATE), Answer("2026"), "fr").parts == {"d": "UNK", "m": "UNK", "y": "2026"}
    assert raw_of(WITH_CODES, Answer(missing="ND", note="x"), "en").parts == {"missing": "ND", "note": "x"}


def test_an_offset_is_shown_only_where_it_is_needed_when_the_zone_is_known() -> None:
    at = item(DataType.DATETIME)
    assert raw_of(at, Answer("2026-03-29T14:05+02:00"), "en", PARIS).parts["t"] == "14:05"
    assert raw_of(at, Answer("2026-03-29T14:05+02:00"), "en").parts["t"] == "14:05+02:00"
    assert raw_of(at, Answer("2026-10-25T02:30+01:00"), "en", PARIS).parts["t"] == "02:30+01:00"
    assert raw_of(at, Answer("2026-10-25T12:30+05:00"), "en", PARIS).parts["t"] == "12:30+05:00"


texts = st.one_of(
    st.text(max_size=30),
    st.text("0123456789.,+- \u202f\u2212", max_size=12),
    st.text("0123456789:hT-+Z ", max_size=25),
    st.sampled_from(["UNK", "?", "ND", "2026", "1", "02:30", "25", "10", "3", "Y", "29", "2"]),
    st.datetimes(min_value=datetime(1890, 1, 1), max_value=datetime(2110, 1, 1)).map(lambda at: at.isoformat(timespec="minutes")),  # noqa: DTZ001
    st.dates().map(date.isoformat),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
)
raws = st.builds(
    Raw,
    st.dictionaries(st.sampled_from(["", "d", "m", "y", "t", "missing", "note", "other"]), texts),
    st.lists(texts, max_size=3).map(tuple),
)
kinds = st.sampled_from(list(DataType))
zones = st.sampled_from([PARIS, ZoneInfo("UTC"), ZoneInfo("America/Sao_Paulo"), ZoneInfo("Australia/Lord_Howe"), timezone.utc])  # noqa: UP017
aliases = st.sampled_from([(), ("BRTHDAT",)])


@given(kinds, raws, zones, aliases)
def test_whatever_is_typed_is_read_or_refused_with_a_sentence(kind: DataType, raw: Raw, zone: ZoneInfo, alias: tuple[str, ...]) -> None:
    asked = item(kind, missing=("ND", "UNK"), aliases=alias)
    found = read(asked, raw, zone)
    if isinstance(found, Unreadable):
        assert found.raw == raw
        assert found.message.msgid % found.message.params
    elif found is not None:
        assert bool(found.text) != bool(found.missing)
        found.canonical().encode("utf-8")
        value = typed(asked, found)
        assert fits(asked, value)


# Nobody types what is derived: it is shown with the comma of the language, and computed anew whatever is sent.
@given(kinds.filter(lambda kind: kind is not DataType.DERIVED), raws, zones, aliases, st.sampled_from(["fr", "en"]), st.booleans())
def test_what_was_read_is_read_the_same_from_its_boxes(
    kind: DataType, raw: Raw, zone: ZoneInfo, alias: tuple[str, ...], language: str, zone_known: bool
) -> None:
    asked = item(kind, missing=("ND", "UNK"), aliases=alias)
    found = read(asked, raw, zone)
    if not isinstance(found, Unreadable):
        assert read(asked, raw_of(asked, found, language, zone if zone_known else None), zone) == found


@given(kinds, st.text(min_size=1), st.sampled_from(["fr", "en"]))
def test_any_stored_text_is_typed_and_shown_without_a_crash(kind: DataType, text: str, language: str) -> None:
    typed(item(kind), Answer(text))
    raw_of(item(kind), Answer(text), language, PARIS)


minutes = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 12, 31)).map(lambda at: at.replace(second=0, microsecond=0))  # noqa: DTZ001


@given(minutes, zones)
def test_every_minute_of_a_site_is_read_refused_as_skipped_or_told_apart(at: datetime, zone: ZoneInfo) -> None:
    parts = {"d": str(at.day), "m": str(at.month), "y": str(at.year), "t": at.strftime("%H:%M")}
    found = read(item(DataType.DATETIME), Raw(parts), zone)
    first, second = at.replace(tzinfo=zone), at.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        assert isinstance(found, Answer)
        assert typed(item(DataType.DATETIME), found) == first
    else:
        assert isinstance(found, Unreadable)
