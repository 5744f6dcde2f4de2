"""EUSTAR activity index 2017: weights, the limits of mRSS, CRP (in mg/L) and DLCO, and bounds."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trialcrf.core.instruments.eustar_2017 import THRESHOLD, eustar_2017
from trialcrf.core.kleene import Result, compare
from trialcrf.core.typed import AWAITED, UNDETERMINED, Missing, Span

QUIET: dict[str, Result] = {
    "skin_worse": False,
    "ulcers": False,
    "mrss": Decimal(18),
    "rubs": False,
    "crp_mg_per_l": Decimal(10),
    "dlco": Decimal(70),
}
LOUD: dict[str, Result] = {"skin_worse": True, "ulcers": True, "mrss": "19", "rubs": True, "crp_mg_per_l": "10.1", "dlco": "69.9"}


@pytest.mark.parametrize(
    ("answers", "points", "active"),
    [
        ({}, "0", False),
        ({"ulcers": True, "dlco": Decimal(65)}, "2.5", True),
        ({"rubs": True}, "2.25", False),
        ({"skin_worse": True}, "1.5", False),
        ({"ulcers": True}, "1.5", False),
        ({"mrss": Decimal(18)}, "0", False),
        ({"mrss": Decimal(19)}, "1.5", False),
        ({"crp_mg_per_l": Decimal("10.1")}, "2.25", False),
        ({"crp_mg_per_l": Decimal("1.1")}, "0", False),
        ({"dlco": Decimal("69.9")}, "1", False),
        (LOUD, "10", True),
    ],
)
def test_the_vectors(answers: dict[str, Result], points: str, active: bool) -> None:
    found = eustar_2017(**{**QUIET, **answers})
    assert found == Decimal(points)
    assert compare(">=", found, THRESHOLD) is active


@pytest.mark.parametrize(
    ("answers", "low", "high", "active"),
    [
        ({"rubs": None}, "0", "2.25", False),
        ({"rubs": Missing("ND"), "dlco": Decimal(60)}, "1", "3.25", UNDETERMINED),
        ({"ulcers": True, "dlco": Decimal(60), "crp_mg_per_l": None}, "2.5", "4.75", True),
        ({"crp_mg_per_l": Span(Decimal("-Infinity"), Decimal(5), high_open=True), "rubs": None}, "0", "2.25", False),
    ],
)
def test_what_is_unknown_gives_bounds(answers: dict[str, Result], low: str, high: str, active: Result) -> None:
    found = eustar_2017(**{**QUIET, **answers})
    assert found == Span(Decimal(low), Decimal(high))
    assert compare(">=", found, THRESHOLD) is active


def test_an_untouched_form_is_awaited() -> None:
    assert eustar_2017(None, None, None, None, None, None) is AWAITED
