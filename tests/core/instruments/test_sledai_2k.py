"""SLEDAI-2K: every weight, the maximum, and the alopecia that a public tool gets wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trialcrf.core.instruments.sledai_2k import WEIGHTS, sledai_2k
from trialcrf.core.typed import AWAITED, Missing, Span

ORDER = (
    *("seizure", "psychosis", "organic_brain_syndrome", "visual_disturbance", "cranial_nerve", "lupus_headache", "cva", "vasculitis"),
    *("arthritis", "myositis", "urinary_casts", "haematuria", "proteinuria", "pyuria"),
    *("rash", "alopecia", "mucosal_ulcers", "pleurisy", "pericarditis", "low_complement", "increased_dna_binding"),
    *("fever", "thrombocytopenia", "leukopenia"),
)
EXPECTED = dict(zip(ORDER, [8] * 8 + [4] * 6 + [2] * 7 + [1] * 3, strict=True))


def test_twenty_four_items_in_order_make_105() -> None:
    assert tuple(WEIGHTS) == ORDER
    assert sledai_2k(*[True] * 24) == 105
    assert sledai_2k(*[False] * 24) == 0


@pytest.mark.parametrize("item", ORDER)
def test_each_item_has_its_weight(item: str) -> None:
    assert sledai_2k(*(each == item for each in ORDER)) == EXPECTED[item]


def test_alopecia_is_2_points_and_not_1_as_a_public_tool_has_it() -> None:
    assert sledai_2k(*(each == "alopecia" for each in ORDER)) == 2


def test_unknown_items_give_bounds() -> None:
    answers = [Missing("ND") if each in ("proteinuria", "fever") else each == "rash" for each in ORDER]
    assert sledai_2k(*answers) == Span(Decimal(2), Decimal(7))
    assert sledai_2k(*[None] * 24) is AWAITED
