"""Lung function: what the equations of the Global Lung Function Initiative (GLI) predict, by pyspiro, which carries their tables."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

GLI_2012, GLI_GLOBAL, GLI_2017, GLI_2021 = "GLI_2012", "GLI_GLOBAL", "GLI_2017", "GLI_2021"


@dataclass(frozen=True, slots=True)
class Predicted:
    """The median of healthy people of this sex, age and height, and the lower limit of normal (fifth centile), both in `unit`."""

    value: Decimal
    lln: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class OutOfRange:
    """Nothing is predicted: the equation holds for ages from `youngest` to `oldest` years, both included."""

    youngest: int
    oldest: int


@dataclass(frozen=True, slots=True)
class _Equation:
    """One column of the tables of one class of pyspiro. `more` are arguments that this class needs besides sex, age and height."""

    made_by: str
    parameter: str
    unit: str
    ages: OutOfRange
    more: tuple[tuple[str, int], ...] = ()


# The ages are those of the tables themselves; the package limits no height. Origin is not collected (clinical reference, D.8 and F.5):
# GLI-2012 is computed with its Caucasian coefficients (code 1) and offered only where the laboratory itself used GLI-2012.
_EQUATIONS = {
    ("FVC", GLI_2012): _Equation("GLI_2012", "FVC", "L", OutOfRange(3, 95), (("ethnicity", 1),)),
    ("FVC", GLI_GLOBAL): _Equation("BOWERMAN_2022", "FVC", "L", OutOfRange(3, 95)),
    ("TLC", GLI_2021): _Equation("GLI_2021", "TLC", "L", OutOfRange(5, 80)),
    ("DLCO", GLI_2017): _Equation("GLI_2017", "DLCO", "mL/min/mmHg", OutOfRange(5, 90)),
    ("TLCO", GLI_2017): _Equation("GLI_2017", "TLCO", "mmol/min/kPa", OutOfRange(5, 90)),
}
SEXES = {"F": 0, "M": 1}
"""The sexes that the equations know, and their numbers in the package."""
_PLACES = Decimal("0.000001")


@lru_cache(maxsize=1024)
def predicted(measure: str, sex: str, age: Decimal, height_cm: Decimal, reference: str) -> Predicted | OutOfRange:
    """What GLI predicts for someone of this sex (F or M), age in decimal years and height in centimetres.

    Measures and references: FVC by GLI_2012 (Quanjer 2012, doi 10.1183/09031936.00080312, Caucasian) or GLI_GLOBAL (Bowerman 2022,
    doi 10.1164/rccm.202205-0963OC), TLC by GLI_2021 (Hall 2021, doi 10.1183/13993003.00289-2020), both in litres; the transfer of carbon
    monoxide by GLI_2017 with its correction of 2020 (doi 10.1183/13993003.50010-2017): DLCO in mL/min/mmHg, TLCO in mmol/min/kPa.
    OutOfRange outside the ages of the equation. Raises ValueError for another measure, reference or sex, or a height that is none.
    """
    equation = _EQUATIONS.get((measure, reference))
    if equation is None or sex not in SEXES or height_cm <= 0:
        raise ValueError(f"no equation for {measure!r} by {reference!r}, sex {sex!r}, height {height_cm}")
    if not equation.ages.youngest <= age <= equation.ages.oldest:
        return equation.ages
    tables = _tables(equation.made_by)
    about = {
        "sex": SEXES[sex],
        "age": float(age),
        "height": float(height_cm),
        "parameter": tables.Parameters[equation.parameter],
        "value": 0.0,
        **dict(equation.more),
    }
    _, median, _ = tables.lms(**about)
    return Predicted(_exact(median), _exact(tables.lln(**about)), equation.unit)


@cache
def _tables(name: str) -> Any:
    # Imported at the first question and never before: pandas comes with it, a second and sixty megabytes for each process that asks.
    import pyspiro

    return getattr(pyspiro, name)()


def _exact(number: Any) -> Decimal:
    """Far more decimals than a laboratory gives, and the same ones on every machine."""
    return Decimal(str(float(number))).quantize(_PLACES)
