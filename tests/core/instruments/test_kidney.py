"""Kidney function: the vectors of D.9, units, body surface, and ages that are not exact."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from trialcrf.core.instruments.kidney import (
    bsa_mosteller,
    ckd_epi_2021,
    cockcroft_gault,
    cockcroft_gault_mg_dl,
    crcl_173,
    crcl_m2,
    mdrd,
    umol,
)
from trialcrf.core.kleene import Result, rounded
from trialcrf.core.typed import AWAITED, UNDETERMINED, Missing, Span


def number(result: Result) -> Decimal:
    assert isinstance(result, Decimal)
    return result


def mg_dl(value: str) -> Decimal:
    return number(umol(Decimal(value), "mg/dL"))


@pytest.mark.parametrize(
    ("function", "arguments", "decimals", "expected"),
    [
        (ckd_epi_2021, (55, mg_dl("1.09"), "M"), 0, "80"),
        (ckd_epi_2021, (65, 85, "F"), 0, "66"),
        (ckd_epi_2021, (55, "96.3", "M"), 4, "80.2293"),
        (ckd_epi_2021, (52, 70, "F"), 4, "89.7175"),
        (ckd_epi_2021, (67, 77, "M"), 4, "94.5453"),
        (ckd_epi_2021, (76, 65, "F"), 4, "84.4646"),
        (cockcroft_gault_mg_dl, (55, 90, "1.09", "M"), 0, "97"),
        (cockcroft_gault, (65, 60, 85, "F"), 0, "55"),
        (cockcroft_gault, (60, 60, 180, "F"), 2, "27.73"),
        (crcl_m2, (60, 60, 165, 180, "F"), 2, "16.72"),
        (crcl_173, (60, 60, 165, 180, "F"), 2, "28.93"),
        (mdrd, (55, mg_dl("1.09"), "M"), 1, "70.2"),
    ],
)
def test_the_vectors(function: Callable[..., Result], arguments: tuple[int | str | Decimal, ...], decimals: int, expected: str) -> None:
    *numbers, sex = arguments
    assert rounded(number(function(*map(Decimal, numbers), str(sex))), decimals) == Decimal(expected)


@pytest.mark.parametrize("creatinine", [40, 50, 62, 75, 79, 80, 400])
@pytest.mark.parametrize(("sex", "kappa", "alpha", "factor"), [("F", 0.7, -0.241, 1.012), ("M", 0.9, -0.302, 1.0)])
def test_ckd_epi_on_both_sides_of_kappa(creatinine: int, sex: str, kappa: float, alpha: float, factor: float) -> None:
    ratio = creatinine / 88.42 / kappa
    expected = 142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938**52 * factor
    assert float(number(ckd_epi_2021(Decimal(52), Decimal(creatinine), sex))) == pytest.approx(expected, rel=1e-12)


def test_a_woman_has_104_of_123_of_the_clearance_and_0742_of_mdrd() -> None:
    of = (Decimal(50), Decimal(70), Decimal(80))
    assert number(cockcroft_gault(*of, "F")) / number(cockcroft_gault(*of, "M")) == pytest.approx(Decimal("1.04") / Decimal("1.23"))
    assert number(mdrd(of[0], of[2], "F")) / number(mdrd(of[0], of[2], "M")) == pytest.approx(Decimal("0.742"))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("mg/dL", "88.42"), ("mg/dl", "88.42"), ("umol/L", "1"), ("\u00b5mol/L", "1"), ("\u03bcmol/L", "1"), ("UMOL/L", "1")],
)
def test_creatinine_is_converted_by_its_unit(unit: str, expected: str) -> None:
    assert umol(Decimal(1), unit) == Decimal(expected)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (Decimal(1), "mmol/L", UNDETERMINED),
        (Decimal(1), None, AWAITED),
        (Decimal(1), Missing("UNK"), UNDETERMINED),
        (None, "mg/dL", AWAITED),
        (Missing("ND"), "mg/dL", UNDETERMINED),
    ],
)
def test_without_value_or_known_unit_there_is_no_creatinine(value: Result, unit: Result, expected: Result) -> None:
    assert umol(value, unit) is expected


def test_the_body_surface_by_mosteller() -> None:
    assert bsa_mosteller(Decimal(180), Decimal(80)) == 2
    assert bsa_mosteller(Decimal(160), Decimal("56.25")) == Decimal("1.5811388301")


def test_a_clearance_is_normalised_to_one_surface_or_to_the_other() -> None:
    plain = number(cockcroft_gault(Decimal(50), Decimal(80), Decimal("98.4"), "M"))
    assert plain == 90
    assert crcl_m2(Decimal(50), Decimal(80), Decimal(180), Decimal("98.4"), "M") == 45
    assert crcl_173(Decimal(50), Decimal(80), Decimal(180), Decimal("98.4"), "M") == Decimal("77.85")


def test_an_age_between_bounds_gives_a_clearance_between_bounds() -> None:
    age = Span(Decimal(50), Decimal(59))
    assert cockcroft_gault(age, Decimal(80), Decimal("98.4"), "M") == Span(Decimal(81), Decimal(90))
    found = ckd_epi_2021(age, Decimal(80), "M")
    assert found == Span(number(ckd_epi_2021(Decimal(59), Decimal(80), "M")), number(ckd_epi_2021(Decimal(50), Decimal(80), "M")))


@pytest.mark.parametrize("wrong", [Decimal(0), Decimal(-5), Missing("ND"), "x", Span(Decimal(0), Decimal(80))])
def test_without_a_positive_creatinine_there_is_no_result(wrong: Result) -> None:
    assert cockcroft_gault(Decimal(50), Decimal(80), wrong, "M") is UNDETERMINED
    assert ckd_epi_2021(Decimal(50), wrong, "M") is UNDETERMINED
    assert mdrd(Decimal(50), wrong, "M") is UNDETERMINED


def test_no_clearance_is_negative() -> None:
    assert cockcroft_gault(Decimal(141), Decimal(80), Decimal(80), "M") is UNDETERMINED


@pytest.mark.parametrize(("sex", "expected"), [(None, AWAITED), ("U", UNDETERMINED), (Missing("UNK"), UNDETERMINED)])
def test_without_a_sex_there_is_no_result(sex: Result, expected: Result) -> None:
    assert ckd_epi_2021(Decimal(50), Decimal(80), sex) is expected
