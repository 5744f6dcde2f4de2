"""Which passwords are refused and why, without asking any server; and that a long one costs no more than a short one."""

from __future__ import annotations

import time

import pytest

from trialcrf.external.guessing import Flaw, flaw

ABOUT = ["ivan", "Ivan Investigator", "ivan@example.org", "msc_ssc", "mesenchymal", "sclerosis", "Hospital", "trialcrf"]


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("Password123456", Flaw.KNOWN),
        ("qwertyuiopasdf", Flaw.KNOWN),
        ("iloveyou123456", Flaw.KNOWN),
        ("trustno1trustno1", Flaw.PATTERN),
        ("aaaaaaaaaaaaaaaa", Flaw.PATTERN),
        ("abcdefghijklmnop", Flaw.PATTERN),
        ("p4ssw0rd" * 20, Flaw.PATTERN),
        ("msc_ssc-2026-ivan", Flaw.PERSONAL),
        ("ivan ivan ivan ivan", Flaw.PERSONAL),
        ("Sclerosis-2026", Flaw.PERSONAL),
        ("hospitalIVANtrialcrf", Flaw.PERSONAL),
    ],
)
def test_what_is_easily_guessed_is_refused_with_why(password, why):
    assert flaw(password, ABOUT) is why


@pytest.mark.parametrize(
    "password",
    [
        "a long sentence for the tests",
        "correct horse battery staple",
        "il fait beau à Papeete le matin",
        "ivan walks his three dogs at noon",
        "vX9$kk2!Lq0z",
        "漢字とかなとカナのまじったもの",
        "a" * 72 + "and yet a long sentence follows",
    ],
)
def test_a_good_password_is_taken_even_with_ones_name_in_it(password):
    assert flaw(password, ABOUT) is None


@pytest.mark.parametrize("password", ["4" * 1000, "ab1!" * 250, "@4a" * 333, "correct horse battery staple " * 34])
def test_a_thousand_characters_are_judged_in_a_moment(password):
    began = time.process_time()
    flaw(password, ABOUT)
    assert time.process_time() - began < 2
