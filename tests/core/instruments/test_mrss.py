"""The modified Rodnan skin score: vectors, partial sums, and the subset that the sites imply."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trialcrf.core.instruments.mrss import PROXIMAL, SITES, mrss, mrss_partial, mrss_sites, skin_diffuse
from trialcrf.core.kleene import Result
from trialcrf.core.typed import AWAITED, UNDETERMINED, Missing


def sites(rest: Result = Decimal(0), **scored: Result) -> list[Result]:
    return [scored.get(site, rest) for site in SITES]


ACROSCLEROSIS: dict[str, Result] = {f"{site}_{side}": "3" for site in ("fingers", "hand", "forearm") for side in "rl"}


@pytest.mark.parametrize(
    ("answers", "total"),
    [(sites(Decimal(0)), 0), (sites(Decimal(3)), 51), (sites(Decimal(1)), 17), (sites("1"), 17), (sites(Decimal(0), **ACROSCLEROSIS), 18)],
)
def test_the_total_is_the_sum_of_seventeen_sites(answers: list[Result], total: int) -> None:
    assert len(SITES) == 17
    assert mrss(*answers) == mrss_partial(*answers) == total
    assert mrss_sites(*answers) == 17


@pytest.mark.parametrize(
    ("abdomen", "total"), [(None, AWAITED), (Missing("ND"), UNDETERMINED), (Decimal(4), UNDETERMINED), ("x", UNDETERMINED)]
)
def test_without_one_site_there_is_no_total_and_nothing_is_prorated(abdomen: Result, total: Result) -> None:
    answers = sites(Decimal(1), abdomen=abdomen)
    assert mrss(*answers) is total
    assert (mrss_partial(*answers), mrss_sites(*answers)) == (16, 16)


def test_of_no_site_there_is_no_partial_sum() -> None:
    assert mrss_partial(*sites(None)) is AWAITED
    assert mrss_sites(*sites(None)) == 0


@pytest.mark.parametrize("wrong", [Decimal(-1), Decimal("1.5"), Decimal(4), True])
def test_a_grade_is_a_whole_number_from_0_to_3(wrong: Result) -> None:
    assert mrss_sites(*sites(Decimal(1), face=wrong)) == 16


@pytest.mark.parametrize("site", range(len(PROXIMAL)))
def test_any_thickening_above_elbow_or_knee_or_on_the_trunk_is_diffuse(site: int) -> None:
    answers: list[Result] = [Decimal(0)] * len(PROXIMAL)
    assert skin_diffuse(*answers) is False
    answers[site] = Decimal(1)
    assert skin_diffuse(*answers) is True
    answers[site] = None
    assert skin_diffuse(*answers) is AWAITED
    answers[site] = Missing("ND")
    assert skin_diffuse(*answers) is UNDETERMINED
