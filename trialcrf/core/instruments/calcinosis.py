"""Berger's calcinosis score: an ordinal grade from 1 to 4. What each grade means is the sponsor's to supply; nothing is computed.

No source with the definitions of the grades was at hand, so none is given here. Licence: unknown.
"""

from __future__ import annotations

from trialcrf.core.instruments.instrument import Instrument
from trialcrf.core.wording import N_

SOURCE = "Berger RG et al. Am J Med 1987;83:72-6"
LICENCE = N_("No licence is known: the sponsor asks before use.")
VERIFIED = False
GRADES = ("1", "2", "3", "4")

INSTRUMENT = Instrument(
    "calcinosis",
    N_("Berger calcinosis score"),
    SOURCE,
    LICENCE,
    VERIFIED,
    ("grade",),
    N_("The meaning of the grades 1 to 4 is supplied by the sponsor."),
)
