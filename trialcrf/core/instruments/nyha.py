"""NYHA functional class, I to IV; SDTM NYHACLS with the values "NYHA CLASS I" to "NYHA CLASS IV". Nothing is computed.

Licence: published criteria, cite.
"""

from __future__ import annotations

from trialcrf.core.instruments.instrument import Instrument
from trialcrf.core.wording import N_

SOURCE = "Criteria Committee of the New York Heart Association, 9th edition, 1994; CDISC CT (NYHACLS)"
LICENCE = N_("Published criteria: cite the source.")
VERIFIED = True
CLASSES = ("NYHA CLASS I", "NYHA CLASS II", "NYHA CLASS III", "NYHA CLASS IV")

INSTRUMENT = Instrument("nyha", N_("NYHA functional class"), SOURCE, LICENCE, VERIFIED, ("class",))
