"""BILAG-2004 as a number: A 12, B 8, C 1, D and E 0."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trialcrf.core.instruments.bilag_2004 import bilag_2004
from trialcrf.core.kleene import Result
from trialcrf.core.typed import AWAITED, Missing, Span


@pytest.mark.parametrize(
    ("grades", "points"), [("ABBCDEEEE", 29), ("AAAAAAAAA", 108), ("EEEEEEEEE", 0), ("BEEEEEEEE", 8), ("CDDDDDDDD", 1)]
)
def test_the_vectors(grades: str, points: int) -> None:
    assert bilag_2004(*grades) == points


@pytest.mark.parametrize("unknown", [None, Missing("ND"), "F", "a"])
def test_an_unknown_grade_may_be_any(unknown: Result) -> None:
    assert bilag_2004(*"BEEEEEEE", unknown) == Span(Decimal(8), Decimal(20))


def test_an_untouched_form_is_awaited() -> None:
    assert bilag_2004(*[None] * 9) is AWAITED
