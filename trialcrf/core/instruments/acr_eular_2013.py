"""ACR/EULAR 2013 classification criteria for systemic sclerosis: 0 to 24 points, classified from 9.

Skin counts once (9 when thickened proximal to the metacarpophalangeal joints of both hands, else sclerodactyly 4 or puffy fingers 2),
fingertip lesions, lungs and antibodies once each. Not applicable where skin thickening spares the fingers or another disorder explains
it better: that is a question of its own, and the rule that classifies asks both. Licence: published criteria, cite.
A public calculator (rheumanext) counts any fingertip lesion as 2; the paper gives pitting scars 3.
"""

from __future__ import annotations

from decimal import Decimal

from trialcrf.core.instruments.answers import heaviest, total
from trialcrf.core.instruments.instrument import Instrument, Score, ticks
from trialcrf.core.kleene import Result, flag
from trialcrf.core.wording import N_

SOURCE = "van den Hoogen F et al. Ann Rheum Dis 2013;72:1747-55, table 1"
LICENCE = N_("Published criteria: cite the source.")
VERIFIED = True
THRESHOLD = Decimal(9)
DOMAINS: tuple[tuple[tuple[str, int], ...], ...] = (
    (("skin_proximal_mcp", 9), ("puffy_fingers", 2), ("sclerodactyly", 4)),
    (("tip_ulcers", 2), ("pitting_scars", 3)),
    (("telangiectasia", 2),),
    (("capillaroscopy", 2),),
    (("pah", 2), ("ild", 2)),
    (("raynaud", 3),),
    (("aca", 3), ("scl70", 3), ("rnap3", 3)),
)
"""Of each domain the heaviest finding counts."""
INPUTS = tuple(name for domain in DOMAINS for name, _ in domain)


def acr_eular_2013(*findings: Result) -> Result:
    """The points; while findings are unknown, from what is certain to what would be if all of them were there (R-I2)."""
    known = dict(zip(INPUTS, findings, strict=False))
    domains = [[(flag(known.get(name)), Decimal(weight)) for name, weight in domain] for domain in DOMAINS]
    return total(findings, (heaviest(domain) for domain in domains))


INSTRUMENT = Instrument(
    "acr_eular_2013",
    N_("ACR/EULAR 2013 classification of systemic sclerosis"),
    SOURCE,
    LICENCE,
    VERIFIED,
    INPUTS,
    scores={"acr_eular_2013": Score(acr_eular_2013, ticks(13))},
)
