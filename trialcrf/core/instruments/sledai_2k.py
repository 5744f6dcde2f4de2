"""SLEDAI-2K, the activity of systemic lupus over the last ten days (or thirty, by the study's choice): 24 items, 0 to 105.

Persistent rash, alopecia, ulcers and proteinuria count, not only new ones. A public tool gives alopecia 1 point; it has 2.
Licence: no fee known.
"""

from __future__ import annotations

from decimal import Decimal

from trialcrf.core.instruments.answers import heaviest, total
from trialcrf.core.instruments.instrument import Instrument, Score, ticks
from trialcrf.core.kleene import Result, flag
from trialcrf.core.wording import N_

SOURCE = "Gladman DD et al. J Rheumatol 2002;29:288-91"
LICENCE = N_("No fee known; cite the source.")
VERIFIED = False
_BY_WEIGHT: tuple[tuple[int, tuple[str, ...]], ...] = (
    (8, ("seizure", "psychosis", "organic_brain_syndrome", "visual_disturbance", "cranial_nerve", "lupus_headache", "cva", "vasculitis")),
    (4, ("arthritis", "myositis", "urinary_casts", "haematuria", "proteinuria", "pyuria")),
    (2, ("rash", "alopecia", "mucosal_ulcers", "pleurisy", "pericarditis", "low_complement", "increased_dna_binding")),
    (1, ("fever", "thrombocytopenia", "leukopenia")),
)
WEIGHTS = {item: Decimal(weight) for weight, items in _BY_WEIGHT for item in items}


def sledai_2k(*items: Result) -> Result:
    """The score; bounds while items are unknown."""
    return total(items, (heaviest([(flag(item), weight)]) for item, weight in zip(items, WEIGHTS.values(), strict=False)))


INSTRUMENT = Instrument(
    "sledai_2k",
    N_("SLEDAI-2K lupus activity"),
    SOURCE,
    LICENCE,
    VERIFIED,
    tuple(WEIGHTS),
    N_("Items and weights are to be verified against the original paper."),
    {"sledai_2k": Score(sledai_2k, ticks(24))},
)
