"""The scleroderma HAQ scales: centimetres of fifteen, millimetres of a hundred."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trialcrf.core.instruments.shaq import shaq_vas, shaq_vas_mm
from trialcrf.core.kleene import Result
from trialcrf.core.typed import AWAITED, UNDETERMINED, Missing


@pytest.mark.parametrize(("cm", "expected"), [("0", "0"), ("7.5", "1.5"), ("15", "3"), ("0.5", "0.1")])
def test_a_line_of_fifteen_centimetres(cm: str, expected: str) -> None:
    assert shaq_vas(Decimal(cm)) == Decimal(expected)


@pytest.mark.parametrize(("mm", "expected"), [("0", "0"), ("50", "1.5"), ("100", "3"), ("7.5", "0.225")])
def test_a_scale_of_a_hundred_millimetres_has_its_own_factor(mm: str, expected: str) -> None:
    assert shaq_vas_mm(Decimal(mm)) == Decimal(expected)


@pytest.mark.parametrize(
    ("mark", "expected"), [(Decimal("15.1"), UNDETERMINED), (Decimal("-0.1"), UNDETERMINED), (None, AWAITED), (Missing("ND"), UNDETERMINED)]
)
def test_a_mark_beyond_the_line_has_no_value(mark: Result, expected: Result) -> None:
    assert shaq_vas(mark) is expected


def test_a_mark_beyond_a_hundred_millimetres_has_no_value() -> None:
    assert shaq_vas_mm(Decimal("100.1")) is UNDETERMINED
