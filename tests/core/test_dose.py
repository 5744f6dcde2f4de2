"""The dose against the numbers of the clinical reference (F.7), and where it cannot be told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trialcrf.core.product.dose import dose, shown, volume_for


@pytest.mark.parametrize(("per_kg", "planned", "low", "high"), [("1", "62.4", "49.92", "74.88"), ("3", "187.2", "149.76", "224.64")])
def test_the_planned_dose_is_the_cohorts_by_the_weight_of_the_day(per_kg: str, planned: str, low: str, high: str) -> None:
    made = dose(per_kg, "62.4", "", "", "0.20")
    assert made.planned == Decimal(planned)
    assert made.accepted == (Decimal(low), Decimal(high))


def test_viable_cells_are_all_cells_by_their_viability_and_give_the_dose_per_kilogram() -> None:
    made = dose("3", "62.4", "200", "78", "0.20")
    assert (made.total, made.viable, made.counted) == (Decimal(200), Decimal(156), Decimal(156))
    assert made.per_kg == Decimal("2.5")
    assert made.planned and shown(made.counted / made.planned * 100, 0) == 83
    assert made.deviation is not None and shown(made.deviation, 4) == Decimal("-0.1667")
    assert made.beyond is False


@pytest.mark.parametrize(
    ("given", "beyond"), [("49.92", False), ("49.9", True), ("74.88", False), ("74.9", True), ("62.4", False), ("624", True)]
)
def test_the_limits_of_the_tolerance_are_accepted_and_what_lies_outside_is_beyond(given: str, beyond: bool) -> None:
    assert dose("1", "62.4", "", "", "0.20", given=given).beyond is beyond


def test_a_study_may_count_all_cells() -> None:
    every = dose("3", "62.4", "200", "78", "0.20", "total")
    assert (every.counted, every.viable) == (Decimal(200), Decimal(156))
    assert dose("3", "62.4", "200", "78", "0.20", "total", given="150").counted == Decimal(150)


@pytest.mark.parametrize("lacking", ["per_kg", "weight", "total", "viability", "tolerance"])
def test_what_is_not_known_makes_nothing_up(lacking: str) -> None:
    texts = {"per_kg": "3", "weight": "62.4", "total": "200", "viability": "78", "tolerance": "0.20"}
    made = dose(**{**texts, lacking: ""})
    assert made.beyond is None
    assert (made.planned is None) is (lacking in ("per_kg", "weight"))
    assert (made.per_kg is None) is (lacking in ("weight", "total", "viability"))
    assert (made.accepted is None) is (lacking in ("per_kg", "weight", "tolerance"))


def test_a_viability_of_nought_is_a_number_and_no_dose() -> None:
    made = dose("3", "62.4", "200", "0", "0.20")
    assert made.counted == 0 and made.per_kg == 0 and made.deviation == -1 and made.beyond is True


@pytest.mark.parametrize(
    ("planned", "cells", "volume", "viability", "counts", "wanted"),
    [
        ("62.4", "80", "50", "78", "viable", "50"),  # 62.4 of 80 at 78 %: the whole bag
        ("31.2", "80", "50", "78", "viable", "25"),
        ("70", "80", "50", "100", "viable", "43.75"),
        ("40", "80", "50", "78", "total", "25"),
        ("40", "80", "50", "", "total", "25"),
        ("62.4", "80", "50", "", "viable", None),
        ("62.4", "", "50", "78", "viable", None),
        ("62.4", "80", "", "78", "viable", None),
        ("62.4", "80", "50", "0", "viable", None),
        ("62.4", "0", "50", "78", "viable", None),
    ],
)
def test_the_volume_that_holds_the_planned_dose(planned, cells, volume, viability, counts, wanted) -> None:
    found = volume_for(Decimal(planned), cells, volume, viability, counts)
    assert found == (Decimal(wanted) if wanted else None)


def test_a_number_for_people_rounds_halves_to_even() -> None:
    assert (shown(Decimal("2.25")), shown(Decimal("2.35")), shown(Decimal("2.5"), 2)) == (Decimal("2.2"), Decimal("2.4"), Decimal("2.50"))
