"""Kidney function of adults: Cockcroft-Gault (as such, for 1.73 m2, for 1 m2), CKD-EPI 2021, MDRD; body surface by Mosteller.

Creatinine in µmol/L (mg/dL x 88.42), weight in kg, height in cm, age in years (a span where the birth date is partial), sex 'F' or 'M'.
Cockcroft-Gault has two usual forms, with 1.23 and 1.04 in µmol/L and with 72 and 0.85 in mg/dL, which differ by half a per cent:
clearances are computed with the first, `cockcroft_gault_mg_dl` is the second. No coefficient of race is used. Results are rounded
to ten decimals. Licence: published formulas, cite.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from trialcrf.core.instruments.answers import REAL, across
from trialcrf.core.instruments.instrument import Instrument, Score, numbers
from trialcrf.core.kleene import Result, arithmetic
from trialcrf.core.typed import AWAITED, UNDETERMINED
from trialcrf.core.wording import N_

SOURCE = (
    "Cockcroft DW, Gault MH. Nephron 1976;16:31-41; Mosteller RD. N Engl J Med 1987;317:1098; "
    "Inker LA et al. N Engl J Med 2021;385:1737-49; Levey AS et al. Ann Intern Med 2006;145:247-54"
)
LICENCE = N_("Published criteria: cite the source.")
VERIFIED = True
UMOL_PER_MG_DL = Decimal("88.42")
NO_NUMBER = Decimal("NaN")
OLDEST = Decimal(140)
"""Above it Cockcroft-Gault is negative."""

UNITS = {"umol/l": Decimal(1), "\u00b5mol/l": Decimal(1), "\u03bcmol/l": Decimal(1), "mg/dl": UMOL_PER_MG_DL}
"""The micro sign and the Greek letter are two characters that look alike."""


def umol(value: Result, unit: Result) -> Result:
    """Creatinine in µmol/L from its value and unit ("umol/L" or "mg/dL"); undetermined in another unit."""
    if unit is None or unit is AWAITED:
        return AWAITED
    factor = UNITS.get(unit.lower()) if isinstance(unit, str) else None
    return UNDETERMINED if factor is None else arithmetic("*", value, factor)


def bsa_mosteller(height: Result, weight: Result) -> Result:
    """Body surface in m2."""
    return across(_surface, height, weight)


def cockcroft_gault(age: Result, weight: Result, creatinine: Result, sex: Result) -> Result:
    """Creatinine clearance in mL/min."""
    return _of_sex(sex, _clearance, age, weight, creatinine)


def cockcroft_gault_mg_dl(age: Result, weight: Result, creatinine: Result, sex: Result) -> Result:
    """Creatinine clearance in mL/min from creatinine in mg/dL, the form with 72."""
    return _of_sex(sex, _clearance_mg_dl, age, weight, creatinine)


def crcl_173(age: Result, weight: Result, height: Result, creatinine: Result, sex: Result) -> Result:
    """Cockcroft-Gault for 1.73 m2 of body surface, in mL/min/1.73 m2."""
    return _of_sex(sex, lambda *of: REAL.multiply(Decimal("1.73"), _clearance_by_surface(*of)), age, weight, height, creatinine)


def crcl_m2(age: Result, weight: Result, height: Result, creatinine: Result, sex: Result) -> Result:
    """Cockcroft-Gault for one m2 of body surface, in mL/min/m2, as R-E2b1 is written."""
    return _of_sex(sex, _clearance_by_surface, age, weight, height, creatinine)


def ckd_epi_2021(age: Result, creatinine: Result, sex: Result) -> Result:
    """Estimated filtration in mL/min/1.73 m2."""
    return _of_sex(sex, _ckd_epi, age, creatinine)


def mdrd(age: Result, creatinine: Result, sex: Result) -> Result:
    """Estimated filtration in mL/min/1.73 m2, the formula of 2006 with 175."""
    return _of_sex(sex, _mdrd, age, creatinine)


def _of_sex(sex: Result, formula: Callable[..., Decimal], *results: Result) -> Result:
    if sex is None or sex is AWAITED:
        return AWAITED
    if not isinstance(sex, str) or sex not in ("F", "M"):
        return UNDETERMINED
    return across(lambda *of: formula(sex == "F", *of), *results)


def _surface(height: Decimal, weight: Decimal) -> Decimal:
    if height <= 0 or weight <= 0:
        return NO_NUMBER
    return REAL.sqrt(REAL.divide(REAL.multiply(height, weight), Decimal(3600)))


def _clearance(female: bool, age: Decimal, weight: Decimal, creatinine: Decimal) -> Decimal:
    if not (0 <= age <= OLDEST and weight > 0 and creatinine > 0):
        return NO_NUMBER
    above = REAL.multiply(REAL.multiply(REAL.subtract(OLDEST, age), weight), Decimal("1.04") if female else Decimal("1.23"))
    return REAL.divide(above, creatinine)


def _clearance_mg_dl(female: bool, age: Decimal, weight: Decimal, creatinine: Decimal) -> Decimal:
    if not (0 <= age <= OLDEST and weight > 0 and creatinine > 0):
        return NO_NUMBER
    above = REAL.multiply(REAL.multiply(REAL.subtract(OLDEST, age), weight), Decimal("0.85") if female else Decimal(1))
    return REAL.divide(above, REAL.multiply(Decimal(72), creatinine))


def _clearance_by_surface(female: bool, age: Decimal, weight: Decimal, height: Decimal, creatinine: Decimal) -> Decimal:
    return REAL.divide(_clearance(female, age, weight, creatinine), _surface(height, weight))


def _ckd_epi(female: bool, age: Decimal, creatinine: Decimal) -> Decimal:
    if not (0 <= age <= OLDEST and creatinine > 0):
        return NO_NUMBER
    kappa, alpha = (Decimal("0.7"), Decimal("-0.241")) if female else (Decimal("0.9"), Decimal("-0.302"))
    ratio = REAL.divide(_mg_dl(creatinine), kappa)
    power = REAL.power(ratio, alpha if ratio < 1 else Decimal("-1.200"))
    found = REAL.multiply(REAL.multiply(Decimal(142), power), REAL.power(Decimal("0.9938"), age))
    return REAL.multiply(found, Decimal("1.012")) if female else found


def _mdrd(female: bool, age: Decimal, creatinine: Decimal) -> Decimal:
    if not (0 < age <= OLDEST and creatinine > 0):
        return NO_NUMBER
    power = REAL.power(_mg_dl(creatinine), Decimal("-1.154"))
    found = REAL.multiply(REAL.multiply(Decimal(175), power), REAL.power(age, Decimal("-0.203")))
    return REAL.multiply(found, Decimal("0.742")) if female else found


def _mg_dl(creatinine: Decimal) -> Decimal:
    return REAL.divide(creatinine, UMOL_PER_MG_DL)


INSTRUMENT = Instrument(
    "kidney",
    N_("Kidney function"),
    SOURCE,
    LICENCE,
    VERIFIED,
    ("age", "weight_kg", "creatinine_umol_per_l", "sex"),
    scores={
        "cockcroft_gault": Score(cockcroft_gault, (*numbers(3), "text")),
        "cockcroft_gault_mg_dl": Score(cockcroft_gault_mg_dl, (*numbers(3), "text")),
        "crcl_173": Score(crcl_173, (*numbers(4), "text")),
        "crcl_m2": Score(crcl_m2, (*numbers(4), "text")),
        "ckd_epi_2021": Score(ckd_epi_2021, (*numbers(2), "text")),
        "mdrd": Score(mdrd, (*numbers(2), "text")),
        "bsa_mosteller": Score(bsa_mosteller, numbers(2)),
        "umol": Score(umol, ("number", "text")),
    },
)
