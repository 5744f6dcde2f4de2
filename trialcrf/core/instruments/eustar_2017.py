"""The revised EUSTAR activity index of systemic sclerosis (2017): 0 to 10, active from 2.5.

Skin worse in the previous month as the patient says 1.5, digital ulcers 1.5, mRSS above 18 1.5, tendon friction rubs 2.25, CRP above
1 mg/dL 2.25, DLCO below 70 % 1.0. CRP is taken in mg/L, so its limit is 10. Not the EScSG index of 2001. Licence: cite.
"""

from __future__ import annotations

from decimal import Decimal

from trialcrf.core.instruments.answers import heaviest, total
from trialcrf.core.instruments.instrument import Instrument, Score
from trialcrf.core.kleene import Result, compare, flag, number_of
from trialcrf.core.wording import N_

SOURCE = "Valentini G et al. Ann Rheum Dis 2017;76:270-6"
LICENCE = N_("Published criteria: cite the source.")
VERIFIED = False
INPUTS = ("skin_worse", "digital_ulcers", "mrss", "friction_rubs", "crp_mg_per_l", "dlco_percent")
THRESHOLD = Decimal("2.5")
WEIGHTS = tuple(map(Decimal, ("1.5", "1.5", "1.5", "2.25", "2.25", "1.0")))
MRSS_ABOVE, CRP_MG_PER_L_ABOVE, DLCO_BELOW = Decimal(18), Decimal(10), Decimal(70)


def eustar_2017(skin_worse: Result, ulcers: Result, mrss: Result, rubs: Result, crp_mg_per_l: Result, dlco: Result) -> Result:
    """The index; bounds while answers are unknown."""
    claims = (
        flag(skin_worse),
        flag(ulcers),
        compare(">", number_of(mrss), MRSS_ABOVE),
        flag(rubs),
        compare(">", number_of(crp_mg_per_l), CRP_MG_PER_L_ABOVE),
        compare("<", number_of(dlco), DLCO_BELOW),
    )
    parts = (heaviest([(claim, weight)]) for claim, weight in zip(claims, WEIGHTS, strict=True))
    return total((skin_worse, ulcers, mrss, rubs, crp_mg_per_l, dlco), parts)


INSTRUMENT = Instrument(
    "eustar_2017",
    N_("EUSTAR revised activity index (2017)"),
    SOURCE,
    LICENCE,
    VERIFIED,
    INPUTS,
    N_("The weights are to be verified against the original paper."),
    {"eustar_2017": Score(eustar_2017, ("boolean", "boolean", "number", "boolean", "number", "number"))},
)
