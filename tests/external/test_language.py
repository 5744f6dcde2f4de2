"""Language: messages, numbers and dates as a reader of French or English expects them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.wording import Message, Words
from trialcrf.external.language import PSEUDO, Language

NNBSP = "\u202f"
FR, EN, QPS = Language("fr"), Language("en"), Language(PSEUDO)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="'de'"):
        Language("de")


@pytest.mark.parametrize(
    ("value", "decimals", "french", "english"),
    [
        (1191, None, f"1{NNBSP}191", "1,191"),
        (-1234567, None, f"-1{NNBSP}234{NNBSP}567", "-1,234,567"),
        (0, None, "0", "0"),
        (Decimal("72.50"), None, "72,50", "72.50"),
        (Decimal("0.000"), None, "0,000", "0.000"),
        (Decimal("1234.5"), 2, f"1{NNBSP}234,50", "1,234.50"),
        (Decimal("0.125"), 2, "0,13", "0.13"),
        (Decimal("2.5"), 0, "3", "3"),
        (Decimal("-2.5"), 0, "-3", "-3"),
        (Decimal("-0.04"), 1, "0,0", "0.0"),
        (Decimal("1E+3"), None, f"1{NNBSP}000", "1,000"),
        (0.1, None, "0,1", "0.1"),
        (
            Decimal("12345678901234567890123456789012345.67"),
            1,
            "12 345 678 901 234 567 890 123 456 789 012 345,7".replace(" ", NNBSP),
            None,
        ),
    ],
)
def test_a_number_has_the_groups_and_the_sign_of_the_language(
    value: Decimal | int | float, decimals: int | None, french: str, english: str | None
) -> None:
    assert FR.number(value, decimals) == french
    assert english is None or EN.number(value, decimals) == english


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_a_written_number_is_the_number(value: Decimal) -> None:
    assert Decimal(FR.number(value).replace(NNBSP, "").replace(",", ".")) == value
    assert Decimal(EN.number(value).replace(",", "")) == value


@pytest.mark.parametrize(
    ("n", "d", "french", "english"),
    [(1, 8, "12,5", "12.5"), (254, 254, "100,0", "100.0"), (1, 2000, "0,1", "0.1"), (0, 5, "0,0", "0.0"), (2, 3, "66,7", "66.7")],
)
def test_a_share_is_rounded_half_up_to_one_decimal(n: int, d: int, french: str, english: str) -> None:
    assert FR.percent(n, d) == f"{french}\u00a0%"
    assert EN.percent(n, d) == f"{english}%"


def test_a_share_of_nothing_is_a_dash() -> None:
    assert FR.percent(0, 0) == EN.percent(3, 0) == "–"
    assert EN.percent(1, 3, decimals=0) == "33%"


def test_a_day_cannot_be_read_the_wrong_way_round() -> None:
    assert FR.day(date(2026, 1, 5)) == "5 janv. 2026"
    assert EN.day(date(2026, 1, 5)) == "5 Jan 2026"
    assert FR.month(date(2026, 8, 31)) == "août 2026"
    assert EN.month(date(2026, 8, 31)) == "August 2026"


def test_a_moment_is_told_by_the_clock_of_the_site_on_both_sides_of_a_change_of_hour() -> None:
    paris = ZoneInfo("Europe/Paris")
    assert FR.moment(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), paris) == "25 oct. 2026, 02:30 CEST"
    assert FR.moment(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), paris) == "25 oct. 2026, 02:30 CET"
    assert EN.moment(datetime(2026, 12, 31, 23, 30, tzinfo=UTC), paris) == "1 Jan 2027, 00:30 CET"
    assert EN.moment(datetime(2026, 12, 31, 23, 30, tzinfo=UTC)) == "31 Dec 2026, 23:30 UTC"
    with pytest.raises(ValueError, match="zone"):
        FR.moment(datetime(2026, 1, 1), paris)  # noqa: DTZ001  # what is refused


def test_parameters_are_written_by_their_type() -> None:
    inner = Message("inner %(n)s", {"n": 1500})
    params = {"a": Decimal("1.50"), "b": 2026, "c": "2026", "d": date(2026, 3, 1), "e": inner, "f": Words({"fr": "Visite", "en": "Visit"})}
    message = Message("%(a)s %(b)s %(c)s %(d)s %(e)s %(f)s", params)
    assert FR.say(message) == f"1,50 2{NNBSP}026 2026 1er mars 2026 inner 1{NNBSP}500 Visite"
    assert EN.say(message) == "1.50 2,026 2026 1 Mar 2026 inner 1,500 Visit"


def test_lists_times_and_moments_are_written_too() -> None:
    at = datetime(2026, 1, 5, 14, 5, tzinfo=UTC)
    assert FR.say(Message("%(x)s", {"x": ("AE", "DM", Message("CM"))})) == "AE, DM et CM"
    assert EN.say(Message("%(x)s %(y)s", {"x": time(9, 5, 30), "y": at})) == "09:05 5 Jan 2026, 14:05 UTC"


def test_a_text_that_is_not_a_message_is_left_alone() -> None:
    for language in (FR, EN, QPS):
        assert language.say("100 % sûr %(x)s") == "100 % sûr %(x)s"
    assert FR.say(Words({"en": "Only English"})) == "Only English"
    assert FR.gettext("") == EN.ngettext("", "", 2) == ""


def test_a_missing_parameter_is_a_fault_of_the_program() -> None:
    with pytest.raises(KeyError, match="x"):
        FR.say(Message("%(x)s"))


def test_the_plural_follows_the_language() -> None:
    assert EN.ngettext("one", "many", 0) == "many"
    assert QPS.ngettext("one", "many", 1) == "⟦öñé⟧"


def test_the_pseudo_language_marks_whatever_was_translated_and_keeps_parameters_and_markup() -> None:
    assert QPS.say(Message("Visit %(n)s <b>done</b> &amp; 5%%", {"n": "x"})) == "⟦Vîsît x <b>döñé</b> &amp; 5%⟧"
    assert QPS.say(Words({"fr": "Visite", "en": "Visit"})) == "⟦Visit⟧"
    assert QPS.day(date(2026, 1, 5)) == "⟦5 Jan 2026⟧"
    assert QPS.number(1191) == "1,191"
    assert QPS.tag == "en"


def test_french_writes_the_first_of_a_month_as_an_ordinal() -> None:
    assert FR.day(date(2026, 1, 1)) == "1er janv. 2026"
    assert FR.day(date(2026, 1, 11)) == "11 janv. 2026"
    assert FR.moment(datetime(2026, 2, 1, 8, tzinfo=UTC)).startswith("1er févr. 2026")
    assert EN.day(date(2026, 1, 1)) == "1 Jan 2026"


def test_no_french_sign_begins_a_line_without_its_word():
    french = Language("fr")
    assert french.say(Words({"fr": "« Et » ou « ou » : lequel ? À 12:30 ; vite !", "en": "Which?"})) == (
        "«\u202fEt\u202f» ou «\u202fou\u202f»\u202f: lequel\u202f? À 12:30\u202f; vite\u202f!"
    )
    assert french.gettext("Seen by:").endswith("\u202f:")
    assert Language("en").say(Words({"fr": "Quoi ?", "en": "a : b"})) == "a : b"
