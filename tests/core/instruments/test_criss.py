"""ACR CRISS: the vectors under the coefficients of clinical reference, step 1, and bounds."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trialcrf.core.instruments.criss import IMPROVER, VERIFIED, criss, criss_step1
from trialcrf.core.kleene import Result, compare, rounded
from trialcrf.core.typed import AWAITED, UNDETERMINED, Missing, Span


@pytest.mark.parametrize(
    ("changes", "probability", "improved"),
    [("0 0 0 0 0", "0.003911", False), ("-10 0 0 0 0", "0.928242", True), ("-8 2 -1 -1 -0.25", "0.954890", True)],
)
def test_the_vectors(changes: str, probability: str, improved: bool) -> None:
    found = criss(False, *map(Decimal, changes.split()))
    assert isinstance(found, Decimal)
    assert rounded(found, 6) == Decimal(probability)
    assert compare(">=", found, IMPROVER) is improved


def test_a_failure_of_step_1_is_no_improvement_whatever_changed() -> None:
    assert criss(True, *[None] * 5) == 0
    assert criss(True, Decimal(-30), *[Decimal(0)] * 4) == 0


def test_while_step_1_is_unknown_the_probability_is_a_bound() -> None:
    found = criss(None, Decimal(-10), *[Decimal(0)] * 4)
    assert isinstance(found, Span)
    assert (found.low, rounded(found.high, 6)) == (0, Decimal("0.928242"))


@pytest.mark.parametrize(("unknown", "expected"), [(None, AWAITED), (Missing("ND"), UNDETERMINED)])
def test_without_one_change_there_is_no_probability(unknown: Result, expected: Result) -> None:
    assert criss(False, unknown, *[Decimal(0)] * 4) is expected


@pytest.mark.parametrize("huge", ["1e27", "-1e27"])
def test_no_change_is_too_large(huge: str) -> None:
    assert criss(False, Decimal(huge), *[Decimal(0)] * 4) in (0, 1)


def test_any_one_failure_is_step_1() -> None:
    assert [criss_step1(*(each == one for each in range(3))) for one in range(3)] == [True] * 3
    assert criss_step1(False, False, False) is False
    assert criss_step1(False, None, False) is AWAITED


def test_the_coefficients_say_that_they_wait_for_verification() -> None:
    assert VERIFIED is False
