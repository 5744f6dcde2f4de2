"""ACR/EULAR 2013: the vectors, what counts once, and the bounds of R-I2."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trialcrf.core.instruments.acr_eular_2013 import INPUTS, THRESHOLD, acr_eular_2013
from trialcrf.core.kleene import Result, compare
from trialcrf.core.typed import AWAITED, UNDETERMINED, Missing, Span


def score(*there: str, rest: Result = False, **findings: Result) -> Result:
    return acr_eular_2013(*(True if name in there else findings.get(name, rest) for name in INPUTS))


@pytest.mark.parametrize(
    ("there", "points", "classified"),
    [
        ("raynaud aca telangiectasia", 8, False),
        ("raynaud aca telangiectasia capillaroscopy", 10, True),
        ("sclerodactyly pitting_scars raynaud", 10, True),
        ("puffy_fingers sclerodactyly", 4, False),
        ("puffy_fingers", 2, False),
        ("aca scl70", 3, False),
        ("rnap3", 3, False),
        ("pah ild", 2, False),
        ("pah", 2, False),
        ("tip_ulcers", 2, False),
        ("pitting_scars", 3, False),
        ("tip_ulcers pitting_scars", 3, False),
        ("skin_proximal_mcp", 9, True),
        ("skin_proximal_mcp sclerodactyly puffy_fingers", 9, True),
        ("sclerodactyly telangiectasia pitting_scars raynaud capillaroscopy ild", 16, True),
        ("", 0, False),
        (" ".join(INPUTS), 24, True),
        (" ".join(INPUTS[1:]), 19, True),
    ],
)
def test_the_vectors(there: str, points: int, classified: bool) -> None:
    found = score(*there.split())
    assert found == points
    assert compare(">=", found, THRESHOLD) is classified


def test_pitting_scars_are_3_points_and_not_a_flat_2_as_a_calculator_has_it() -> None:
    assert score("pitting_scars") == 3


@pytest.mark.parametrize(
    ("unknown", "low", "high", "classified"),
    [
        ("capillaroscopy", 8, 10, UNDETERMINED),
        ("ild", 8, 10, UNDETERMINED),
        ("pah ild", 8, 10, UNDETERMINED),
        ("skin_proximal_mcp", 8, 17, UNDETERMINED),
        ("skin_proximal_mcp sclerodactyly", 8, 17, UNDETERMINED),
        ("scl70", 8, 8, False),
    ],
)
@pytest.mark.parametrize("blank", [None, Missing("ND"), UNDETERMINED, "x"])
def test_what_is_unknown_gives_bounds(unknown: str, low: int, high: int, classified: Result, blank: Result) -> None:
    known = {name: name in ("raynaud", "aca", "telangiectasia") for name in INPUTS}
    found = score(**{**known, **dict.fromkeys(unknown.split(), blank)})
    assert found == (Span(Decimal(low), Decimal(high)) if low < high else low)
    assert compare(">=", found, THRESHOLD) is classified


def test_enough_certain_points_classify_whatever_is_unknown() -> None:
    assert compare(">=", score("sclerodactyly", "pitting_scars", "raynaud", rest=None), THRESHOLD) is True


def test_too_few_points_left_do_not_classify() -> None:
    assert compare(">=", score("raynaud", capillaroscopy=None, ild=None), THRESHOLD) is False


def test_an_untouched_form_is_awaited() -> None:
    assert score(rest=None) is AWAITED


def test_the_texts_of_derived_booleans_count() -> None:
    assert score(raynaud="Y", rest="N") == 3
