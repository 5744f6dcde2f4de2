"""Medsger severity: every cut-off from both sides, the worst descriptor, and bounds."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

import pytest

from trialcrf.core.instruments import medsger
from trialcrf.core.kleene import Result
from trialcrf.core.typed import AWAITED, UNDETERMINED, Missing, Span

General = Callable[[Decimal], Result]


@pytest.mark.parametrize(
    ("organ", "grades"),
    [
        (lambda x: medsger.medsger_general(x, Decimal(40), Decimal(14)), "4.9:0 5:1 9.9:1 10:2 14.9:2 15:3 20:3 20.1:4"),
        (lambda x: medsger.medsger_general(Decimal(0), x, Decimal(14)), "37:0 36.9:1 33:1 32.9:2 29:2 28.9:3 25:3 24.9:4"),
        (lambda x: medsger.medsger_general(Decimal(0), Decimal(40), x), "12.3:0 12.2:1 11.0:1 10.9:2 9.7:2 9.6:3 8.3:3 8.2:4"),
        (medsger.medsger_skin, "0:0 1:1 14:1 15:2 29:2 30:3 39:3 40:4 51:4"),
        (medsger.medsger_joint, "0.9:0 1.0:1 1.9:1 2.0:2 3.9:2 4.0:3 4.9:3 5:4"),
        (lambda x: medsger.medsger_muscle(x, False), "0:0 1:1 2:2 3:3"),
        (lambda x: medsger.medsger_lung(x, Decimal(80), Decimal(34), False), "80:0 79:1 70:1 69:2 50:2 49:3 5:3"),
        (lambda x: medsger.medsger_lung(Decimal(80), x, Decimal(34), False), "80:0 79:1 70:1 69:2 50:2 49:3 5:3"),
        (lambda x: medsger.medsger_lung(Decimal(80), Decimal(80), x, False), "34:0 35:1 49:1 50:2 64:2 65:3 99:3"),
        (lambda x: medsger.medsger_heart(False, False, False, False, x), "50:0 49:1 45:1 44:2 40:2 39:3 30:3 29:4"),
        (lambda x: medsger.medsger_kidney(True, x, False), "0.8:1 1.4:1 1.5:2 2.4:2 2.5:3 5.0:3 5.1:4"),
    ],
)
def test_the_cut_offs_of_numbers(organ: General, grades: str) -> None:
    for number, grade in (pair.split(":") for pair in grades.split()):
        assert organ(Decimal(number)) == int(grade), number


@pytest.mark.parametrize("organ", [medsger.medsger_vascular, medsger.medsger_gi])
def test_signs_weigh_from_1_to_4(organ: Callable[..., Result]) -> None:
    assert organ(False, False, False, False) == 0
    for weight in range(1, 5):
        assert organ(*(each == weight for each in range(1, 5))) == weight
        assert organ(*(each <= weight for each in range(1, 5))) == weight


def test_the_worst_descriptor_counts() -> None:
    assert medsger.medsger_muscle(Decimal(1), True) == 4
    assert medsger.medsger_lung(Decimal(90), Decimal(65), Decimal(30), False) == 2
    assert medsger.medsger_lung(Decimal(90), Decimal(65), Decimal(30), True) == 4
    signs = [medsger.medsger_heart(*(each == weight for each in range(4)), Decimal(60)) for weight in range(4)]
    assert signs == [1, 2, 3, 4]


@pytest.mark.parametrize("unknown", [None, Missing("ND")])
def test_an_unknown_descriptor_leaves_bounds(unknown: Result) -> None:
    assert medsger.medsger_general(Decimal(12), unknown, Decimal(13)) == Span(Decimal(2), Decimal(4))
    assert medsger.medsger_lung(Decimal(60), unknown, Decimal(30), False) == Span(Decimal(2), Decimal(3))
    assert medsger.medsger_heart(False, False, False, True, unknown) == 4
    assert medsger.medsger_muscle(unknown, False) == Span(Decimal(0), Decimal(3))


@pytest.mark.parametrize(
    ("crisis", "creatinine", "dialysis", "expected"),
    [
        (False, "1.2", False, Decimal(0)),
        (False, "1.3", False, UNDETERMINED),
        (False, "5.1", False, Decimal(4)),
        (False, "1.2", True, Decimal(4)),
        (None, None, True, Decimal(4)),
        (None, "1.2", False, Span(Decimal(0), Decimal(1))),
        (None, "2.0", False, AWAITED),
        (Missing("UNK"), "2.0", False, UNDETERMINED),
        (True, None, False, Span(Decimal(1), Decimal(4))),
        (True, "2.0", None, Span(Decimal(2), Decimal(4))),
        (False, None, False, AWAITED),
        (None, None, None, AWAITED),
        (False, Span(Decimal("-Infinity"), Decimal("1.3"), high_open=True), False, Decimal(0)),
    ],
)
def test_the_kidney_is_graded_by_creatinine_after_a_crisis(crisis: Result, creatinine: Result, dialysis: Result, expected: Result) -> None:
    assert medsger.medsger_kidney(crisis, creatinine, dialysis) == expected


def test_an_untouched_organ_is_awaited() -> None:
    assert medsger.medsger_vascular(None, None, None, None) is AWAITED
    assert medsger.medsger_skin(None) is AWAITED


def test_the_tables_stand_in_order_and_say_that_they_wait_for_verification() -> None:
    for limits in (medsger.WEIGHT_LOSS, medsger.SKIN, medsger.FINGER_TO_PALM, medsger.PRESSURE, medsger.CREATININE_AFTER_CRISIS):
        assert all(one < other for (_, one), (_, other) in pairwise(limits))
    for limits in (medsger.HEMATOCRIT, medsger.HEMOGLOBIN, medsger.DLCO_OR_FVC, medsger.EJECTION_FRACTION):
        assert all(one > other for (_, one), (_, other) in pairwise(limits))
    assert medsger.VERIFIED is False
    assert medsger.INSTRUMENT.note
