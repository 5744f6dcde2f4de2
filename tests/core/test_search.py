"""A search is read as it was typed, and words are compared without case and accents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.search import LONGEST, MOST_WORDS, compact, fits, parts, read


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ("#12", 12),
        ("n° 12", 12),
        ("Query 12", 12),
        ("demande #12", 12),
        ("Demande de correction numéro 12", 12),
        ("R-01-003", None),
        ("12 13", None),
        ("M6", None),
    ],
)
def test_a_number_alone_may_be_that_of_a_query(text, number):
    assert read(text).number == number


def test_a_key_is_found_however_it_is_parted():
    assert compact("r-01-003") == compact("R01003") == compact("r 01/003") == "R01003"


@pytest.mark.parametrize(
    ("words", "away"),
    [
        ("m6 vitals", 0),
        ("m6 vita", 1),
        ("mois signes", 0),
        ("SIGNÉS mois", 0),
        ("m6 tals", 2),
        ("m6 als", None),
        ("m7 vitals", None),
        ("", 0),
    ],
)
def test_words_answer_in_either_language_the_exact_one_first(words, away):
    told = parts(("M6", "Month 6", "Mois 6", "VITALS", "Vital signs", "Signes vitaux"))
    wanted = parts(words.replace("SIGNÉS", "signes").split())
    assert fits(wanted, told) == away
    assert fits(parts(["éRYTHÈME"]), parts(["Erythème"])) == 0


@given(st.text())
def test_any_text_is_read(text):
    found = read(text)
    assert len(found.words) <= MOST_WORDS
    assert len(found.text) <= LONGEST
    assert found.number is None or 0 <= found.number < 2**31
