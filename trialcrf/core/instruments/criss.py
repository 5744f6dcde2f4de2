"""ACR CRISS for early diffuse systemic sclerosis: the probability from 0 to 1 that a patient improved; improver from 0.60.

Step 1: a new renal crisis, interstitial lung disease with a confirmed relative fall of FVC by 15 % or more, or a new failure of the left
ventricle or pulmonary hypertension: not improved, 0. Step 2: 1 / (1 + exp(-e)) over the changes since baseline. Rounded to ten
decimals. Licence: published criteria, cite.
"""

from __future__ import annotations

from decimal import Decimal

from trialcrf.core.instruments.answers import REAL, across
from trialcrf.core.instruments.instrument import Instrument, Score, numbers, ticks
from trialcrf.core.kleene import Result, Truth, either, ends_of, flag
from trialcrf.core.typed import Span
from trialcrf.core.wording import N_

SOURCE = "Khanna D et al. Arthritis Rheumatol 2016;68:299-311 (PMC4826472)"
LICENCE = N_("Published criteria: cite the source.")
VERIFIED = False
INPUTS = ("step1", "change_mrss", "change_fvc_percent", "change_patient_global", "change_physician_global", "change_haq_di")
CONSTANT = Decimal("-5.54")
COEFFICIENTS = tuple(map(Decimal, ("-0.81", "0.21", "-0.40", "-0.44", "-3.41")))
IMPROVER = Decimal("0.60")


def criss_step1(renal_crisis: Result, ild_with_fvc_fall: Result, heart_or_pulmonary_failure: Result) -> Truth:
    """Whether the patient counts as not improved whatever else changed."""
    return either(map(flag, (renal_crisis, ild_with_fvc_fall, heart_or_pulmonary_failure)))


def criss(step1: Result, *changes: Result) -> Result:
    """The probability; 0 where step 1 is true, from 0 to the probability while step 1 is unknown."""
    failed = flag(step1)
    if failed is True:
        return Decimal(0)
    found = across(_probability, *changes)
    if failed is False or not isinstance(found, Decimal | Span):
        return found
    _, most = ends_of(found)
    return Span(Decimal(0), most) if most else Decimal(0)


def _probability(*changes: Decimal) -> Decimal:
    exponent = CONSTANT
    for coefficient, change in zip(COEFFICIENTS, changes, strict=False):
        exponent = REAL.fma(coefficient, change, exponent)
    return REAL.divide(Decimal(1), REAL.add(Decimal(1), REAL.exp(REAL.minus(exponent))))


INSTRUMENT = Instrument(
    "criss",
    N_("ACR CRISS response"),
    SOURCE,
    LICENCE,
    VERIFIED,
    INPUTS,
    N_("The coefficients are to be verified against the original paper."),
    {"criss": Score(criss, ("boolean", *numbers(5))), "criss_step1": Score(criss_step1, ticks(3), "boolean")},
)
