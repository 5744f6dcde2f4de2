"""Labels and scanners: a wrong scan is refused in plain words and never taken as a key."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.product.identity import Kind, NoLabel, NotThisLabel, check_character, label, read_label, scanned
from trialcrf.core.wording import Message

STUDY = "msc_ssc"
BAG = label(STUDY, Kind.BAG, "B-01-001-1")
CODE = "FR0001230000000123456E000004300120260930"
ALPHANUMERIC = string.digits + string.ascii_uppercase

# What a machine set to one keyboard shows of what a scanner set to the other types: the same keys, with and without shift.
QWERTY = "1234567890-=qwertyuiop[]asdfghjkl;'zxcvbnm,./!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:\"ZXCVBNM<>?"
AZERTY = "&é\"'(-è_çà)=azertyuiop^$qsdfghjklmùwxcvbn,;:!1234567890°+AZERTYUIOP¨£QSDFGHJKLM%WXCVBN?./§"
AS_FRENCH = str.maketrans(QWERTY, AZERTY)
AS_ENGLISH = str.maketrans(AZERTY, QWERTY)


def refusal(read, text: str, wanted: Kind = Kind.BAG) -> str:
    with pytest.raises(NotThisLabel) as caught:
        read(text, STUDY, wanted)
    said = caught.value.message
    return said.msgid % {name: value.msgid if isinstance(value, Message) else value for name, value in said.params.items()}


def test_a_label_says_study_kind_key_and_check():
    assert BAG == "TC1.MSC_SSC.B.B-01-001-1.S"


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("key", ["R-01-004", "MSC-0107", "a.b_c/d-1", "X", "9" * 40, "B.1.Z"])
def test_a_label_is_read_back_to_its_key(kind, key):
    made = label(STUDY, kind, key)
    assert read_label(made, STUDY, kind) == scanned(f" {made}\r\n", STUDY, kind) == key


@pytest.mark.parametrize("key", ["", "é", "A B", "9" * 41, "A*", "TC1.X", "A\n", "²"])
def test_a_key_that_no_label_can_carry_is_refused(key):
    with pytest.raises(NoLabel):
        label(STUDY, Kind.BAG, key)


def test_the_check_character_is_that_of_iso_7064_mod_37_2():
    # The worked example of ISBT 128, which uses the same system.
    assert check_character("G123498654321") == "H"
    assert check_character("g1234-98/654321") == "H"


SAMPLES = [BAG, label(STUDY, Kind.WRISTBAND, "R-01-004"), label("OTHER", Kind.BATCH, "00A/1ZZ.7"), label("S", Kind.DONATION, "9Z0")]


@pytest.mark.parametrize("made", SAMPLES)
def test_every_exchanged_character_is_told(made):
    body, check = made[:-2], made[-1]
    for place, sign in enumerate(body):
        for other in ALPHANUMERIC.replace(sign, "") if sign in ALPHANUMERIC else "":
            assert check_character(body[:place] + other + body[place + 1 :]) != check, (place, other)


def test_every_swap_of_two_neighbours_is_told():
    # All pairs at both ends of every remainder: what stands before and after them only moves the sum.
    for before in ["", *ALPHANUMERIC]:
        for first in ALPHANUMERIC:
            for second in ALPHANUMERIC.replace(first, ""):
                assert check_character(before + first + second) != check_character(before + second + first)
                assert check_character(before + first + second + "7") != check_character(before + second + first + "7")


def test_a_swap_with_the_check_character_itself_is_told():
    for key in (f"K{number}" for number in range(500)):
        made = label(STUDY, Kind.BAG, f"B{key}")
        swapped = made[:-3] + made[-1] + "." + made[-3]
        if swapped != made:
            assert refusal(read_label, swapped)


def test_a_damaged_label_says_what_to_do():
    said = refusal(read_label, BAG.replace("001", "007"))
    assert "check character" in said and "keyboard layout" in said and "print a new label" in said
    assert refusal(scanned, BAG.replace("001", "007")) == refusal(scanned, BAG[:-2]) == refusal(scanned, "TC1.") == said


def test_a_label_of_another_study_is_refused_by_its_name():
    assert "another study (OTHER)" in refusal(scanned, label("other", Kind.BAG, "B-01-001-1"))


def test_another_kind_of_label_says_what_was_scanned_and_what_is_expected():
    said = refusal(scanned, label(STUDY, Kind.WRISTBAND, "R-01-004"))
    assert "Scanned: Wristband" in said and "Expected: Bag" in said
    assert "Scanned: Bag. Expected: Batch" in refusal(scanned, BAG, Kind.BATCH)


def test_what_is_none_of_ours_is_no_label():
    assert "no label of this trial" in refusal(read_label, "B-01-001-1")
    assert "no label of this trial" in refusal(read_label, "")


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("table", [AS_FRENCH, AS_ENGLISH], ids=["English scanner, French computer", "French scanner, English computer"])
def test_another_keyboard_layout_is_named_as_the_cause(kind, table):
    shown = label(STUDY, kind, "R-01-004").translate(table)
    for read in (read_label, scanned):
        assert "keyboard layout" in refusal(read, shown, kind) and "Set both" in refusal(read, shown, kind)


@pytest.mark.parametrize(
    "text",
    ["TC1:MSC_SSC:B:B-01-001:S", "tc1;MSC", "TC&;MSC", BAG.lower(), BAG.translate(AS_FRENCH).lower(), "$d&" + BAG.translate(AS_FRENCH)],
)
def test_the_same_fault_in_other_forms_is_named_too(text):
    assert "Caps Lock" in refusal(scanned, text)


@pytest.mark.parametrize("text", [CODE.translate(AS_FRENCH), "R-01-004".translate(AS_FRENCH), "à&àà&"])
def test_the_digits_of_any_other_code_in_the_french_layout_are_refused(text):
    assert "keyboard layout" in refusal(scanned, text)


@pytest.mark.parametrize("key", ["B-01-001-1", "LOT_7", "d'Artagnan", "été", "C1.2", "TC1", "TC-1.B", "A&B", "É-È", "MSC_SSC.X"])
def test_what_a_person_types_is_taken_as_it_is(key):
    assert scanned(f"  {key}\t", STUDY, Kind.BAG) == key


def test_a_label_that_lost_its_beginning_or_came_twice_is_no_key():
    assert "not read whole" in refusal(scanned, BAG[1:])
    assert "not read whole" in refusal(scanned, BAG[4:])
    assert "once" in refusal(scanned, BAG + BAG)
    assert "not read whole" in refusal(scanned, "B-01-0" + BAG)


def test_what_a_scanner_sends_before_the_text_is_left_out():
    assert scanned("]d1" + BAG, STUDY, Kind.BAG) == read_label("]d2" + BAG, STUDY, Kind.BAG) == "B-01-001-1"
    assert scanned("]X", STUDY, Kind.BAG) == "]X"


def test_a_single_european_code_stands_for_a_bag_or_a_donation():
    assert scanned(f"{CODE}\n", STUDY, Kind.BAG) == CODE
    assert scanned("FR 000123 0000000123456 E 0000043 001 20260930", STUDY, Kind.BAG) == CODE
    assert scanned(CODE, STUDY, Kind.DONATION) == CODE[:21]


@pytest.mark.parametrize("text", [CODE[:-1], CODE[:-2], CODE + "12", CODE.lower(), CODE.replace("E", "C"), CODE[:32] + "20260230"])
def test_a_wrong_single_european_code_is_never_taken_as_a_key(text):
    assert refusal(scanned, text) and refusal(scanned, text, Kind.DONATION)


@pytest.mark.parametrize("kind", [Kind.WRISTBAND, Kind.BATCH])
def test_a_single_european_code_is_no_wristband_and_no_batch(kind):
    assert "Scanned: Single European Code" in refusal(scanned, CODE, kind)


@given(st.one_of(st.text(), st.text("TC1.MSC_SSC.BSDL-0&:;]d\"'", max_size=60)), st.sampled_from(Kind))
def test_any_text_is_read_or_refused(text, kind):
    for read in (read_label, scanned):
        try:
            key = read(text, STUDY, kind)
        except NotThisLabel as error:
            assert error.message.msgid % error.message.params
        else:
            assert key == key.strip() and not key.startswith("TC1.")
