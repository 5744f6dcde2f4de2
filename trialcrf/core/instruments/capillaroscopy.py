"""Nailfold capillaroscopy pattern (Cutolo): normal, non-specific, early, active or late. The assessor's choice; nothing is computed.

Early: few giant capillaries and haemorrhages, no evident loss; active: frequent giants and haemorrhages, moderate loss; late: few or no
giants and haemorrhages, severe loss with avascular areas, ramified capillaries. Licence: published description, cite.
"""

from __future__ import annotations

from trialcrf.core.instruments.instrument import Instrument
from trialcrf.core.wording import N_

SOURCE = "Cutolo M et al. J Rheumatol 2000;27:155-60"
LICENCE = N_("Published criteria: cite the source.")
VERIFIED = True
PATTERNS = ("NORMAL", "NONSPECIFIC", "EARLY", "ACTIVE", "LATE")

INSTRUMENT = Instrument("capillaroscopy", N_("Nailfold capillaroscopy pattern"), SOURCE, LICENCE, VERIFIED, ("pattern",))
