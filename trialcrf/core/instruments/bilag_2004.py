"""BILAG-2004 as a number: nine systems graded A to E, A 12, B 8, C 1, D and E 0; 0 to 108.

The grades are stored as the assessor gives them; how items lead to a grade is long, licensed, and not computed here. Older
numberings (12/5/1, 9/3/1) did not fit. Licence: University of Birmingham, to be obtained by the sponsor.
"""

from __future__ import annotations

from decimal import Decimal

from trialcrf.core.instruments.answers import Bounds, total
from trialcrf.core.instruments.instrument import Instrument, Score
from trialcrf.core.kleene import Result
from trialcrf.core.wording import N_

SOURCE = "Yee CS et al. 2010 (PMC2919194)"
LICENCE = N_("Licence of the University of Birmingham needed.")
VERIFIED = True
SYSTEMS = (
    *("constitutional", "mucocutaneous", "neuropsychiatric", "musculoskeletal", "cardiorespiratory"),
    *("gastrointestinal", "ophthalmic", "renal", "haematological"),
)
POINTS = {"A": Decimal(12), "B": Decimal(8), "C": Decimal(1), "D": Decimal(0), "E": Decimal(0)}


def bilag_2004(*systems: Result) -> Result:
    """The sum over the systems; bounds while grades are unknown."""
    return total(systems, (_points(system) for system in systems))


def _points(system: Result) -> Bounds:
    points = POINTS.get(system) if isinstance(system, str) else None
    return (min(POINTS.values()), max(POINTS.values())) if points is None else (points, points)


INSTRUMENT = Instrument(
    "bilag_2004",
    N_("BILAG-2004 numerical score"),
    SOURCE,
    LICENCE,
    VERIFIED,
    SYSTEMS,
    scores={"bilag_2004": Score(bilag_2004, ("text",) * 9)},
)
