"""The visual analogue scales of the scleroderma HAQ: each 0 to 3, reported alone and never averaged into the HAQ-DI.

Raynaud, digital ulcers, intestine, breathing, overall severity (and pain): a line of 15 cm, value = cm x 0.2; on an electronic scale of
100 mm the factor is 0.03 a millimetre. Licence: as the HAQ.
"""

from __future__ import annotations

from decimal import Decimal

from trialcrf.core.instruments.instrument import Instrument, Score, numbers
from trialcrf.core.kleene import Result, arithmetic, ends_of, number_of
from trialcrf.core.typed import UNDETERMINED, Awaited, Undetermined
from trialcrf.core.wording import N_

SOURCE = "Steen VD, Medsger TA. Arthritis Rheum 1997;40:1984-91"
LICENCE = N_("Copyright Stanford University (ARAMIS): permission rules apply; the questionnaire's text is not delivered.")
VERIFIED = True
INPUTS = ("cm",)


def shaq_vas(cm: Result) -> Result:
    """From centimetres on a line of 15; a mark beyond the line is undetermined."""
    return _scaled(cm, Decimal(15), Decimal("0.2"))


def shaq_vas_mm(mm: Result) -> Result:
    """From millimetres on a line of 100."""
    return _scaled(mm, Decimal(100), Decimal("0.03"))


def _scaled(mark: Result, length: Decimal, factor: Decimal) -> Result:
    number = number_of(mark)
    if isinstance(number, Undetermined | Awaited):
        return number
    low, high = ends_of(number)
    return arithmetic("*", number, factor) if low >= 0 and high <= length else UNDETERMINED


INSTRUMENT = Instrument(
    "shaq_vas",
    N_("Scleroderma HAQ visual analogue scales"),
    SOURCE,
    LICENCE,
    VERIFIED,
    INPUTS,
    scores={"shaq_vas": Score(shaq_vas, numbers(1)), "shaq_vas_mm": Score(shaq_vas_mm, numbers(1))},
)
