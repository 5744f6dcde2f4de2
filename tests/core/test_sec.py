"""The Single European Code: every part that can be wrong is named with its characters, and nothing is mended in silence."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.product.sec import BadCode, SingleEuropeanCode, check_donation, compose, parse, printed_donation
from trialcrf.core.wording import Message

CODE = "FR0001230000000123456E000004300120260930"
"""The synthetic example of the clinical reference, F.6."""
PRINTED = "FR 000123 0000000123456 E 0000043 001 20260930"


def refusal(text: str) -> str:
    with pytest.raises(BadCode) as caught:
        parse(text)
    said = caught.value.message
    return said.msgid % {name: value.msgid if isinstance(value, Message) else value for name, value in said.params.items()}


def test_a_code_is_read_by_its_parts():
    code = parse(CODE)
    assert code == SingleEuropeanCode("FR", "000123", "0000000123456", "E", "0000043", "001", "20260930")
    assert code.donation_identification == "FR0001230000000123456" and len(code.donation_identification) == 21
    assert code.expires == date(2026, 9, 30) and code.text == CODE


def test_a_code_is_composed_as_it_is_read():
    code = compose("FR", "000123", "0000000123456", "E", "0000043", "001", date(2026, 9, 30))
    assert code.text == CODE and len(code.text) == 40


def test_a_code_without_an_expiry_has_zeros_for_it():
    code = compose("FR", "000123", "0000000123456", "A", "0000043", "001", None)
    assert code.text.endswith("00000000") and code.expires is None and parse(code.text) == code


@pytest.mark.parametrize("system", "EAB")
def test_the_three_coding_systems_are_known(system):
    assert parse(CODE[:21] + system + CODE[22:]).system == system


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CODE[:-1], "has 39"),
        (CODE + "0", "has 41"),
        ("", "has 0"),
        ("F1" + CODE[2:], "characters 1 to 2"),
        (CODE[:2] + "00-123" + CODE[8:], "characters 3 to 8"),
        (CODE[:8] + "000000012345é" + CODE[21:], "characters 9 to 21"),
        (CODE[:21] + "C" + CODE[22:], "character 22"),
        (CODE[:22] + "000004_" + CODE[29:], "characters 23 to 29"),
        (CODE[:29] + "0.1" + CODE[32:], "characters 30 to 32"),
        (CODE[:32] + "2026093O", "characters 33 to 40 (“2026093O”): the expiry date is eight digits"),
        (CODE[:32] + "٢٠٢٦٠٩٣٠", "characters 33 to 40"),
        (CODE[:32] + "20260230", "characters 33 to 40 (“20260230”): the expiry date is no day of the calendar"),
        (CODE[:32] + "20261301", "no day of the calendar"),
        (CODE[:32] + "00000001", "no day of the calendar"),
        (CODE.lower(), "characters 1 to 2 (“fr”)"),
        (CODE[:21] + "e" + CODE[22:], "small letters"),
        (CODE[:32] + "2026sept", "small letters"),
    ],
)
def test_what_is_wrong_is_named_with_its_characters(text, said):
    assert said in refusal(text)


def test_a_code_in_small_letters_is_refused_and_told_so():
    assert "small letters" in refusal(CODE.lower()) and "scanner" in refusal(CODE.lower())


def test_a_part_that_is_too_short_is_not_filled_up():
    # 5 and 14 characters would make the right length together.
    with pytest.raises(BadCode):
        compose("FR", "00123", "00000000123456", "E", "0000043", "001", None)


def test_the_form_for_people_is_read_back():
    assert parse(CODE).printed() == PRINTED and parse(PRINTED).text == CODE
    assert parse(f"{CODE[:21]} {CODE[21:]}").text == CODE


@pytest.mark.parametrize("text", [PRINTED.replace("R 0", "R0 "), CODE[:5] + " " + CODE[5:], f"{CODE} ", PRINTED.replace(" ", "  ")])
def test_a_space_anywhere_else_is_refused(text):
    assert "spaces" in refusal(text)


def test_a_donation_identification_is_the_first_half():
    assert check_donation(CODE[:21]) == CODE[:21] == check_donation(printed_donation(CODE[:21]))
    assert printed_donation(CODE[:21]) == "FR 000123 0000000123456"
    assert printed_donation("HOSPITAL-7") == "HOSPITAL-7"


@pytest.mark.parametrize("text", [CODE[:20], CODE[:22], CODE[:21].lower(), "F" + "0" * 20, "FR000 1230000000123456"])
def test_what_is_no_donation_identification_is_refused(text):
    with pytest.raises(BadCode):
        check_donation(text)


@given(st.one_of(st.text(), st.text("FR0123456789EAB ", min_size=38, max_size=46)))
def test_any_text_is_read_or_refused(text):
    try:
        code = parse(text)
    except BadCode as error:
        assert error.message.msgid % error.message.params
    else:
        assert code.text == text.replace(" ", "") and parse(code.printed()) == code


@given(st.dates(), st.text("ABCXYZ0189", min_size=13, max_size=13))
def test_every_composed_code_is_read_back(day, donation):
    code = compose("DE", "A00001", donation, "B", "PROD001", "A01", day)
    assert parse(code.text) == code and code.expires == day
