"""ARA 1980 preliminary criteria for systemic sclerosis: the major criterion, or two of three minor ones.

Major: symmetric skin thickening proximal to the metacarpophalangeal or metatarsophalangeal joints. Minor: sclerodactyly; digital
pitting scars or loss of finger-pad substance; bibasilar pulmonary fibrosis. Licence: published criteria, cite.
"""

from __future__ import annotations

from trialcrf.core.instruments.answers import gap
from trialcrf.core.instruments.instrument import Instrument, Score, ticks
from trialcrf.core.kleene import Result, Truth, either, flag
from trialcrf.core.wording import N_

SOURCE = "Subcommittee for scleroderma criteria of the ARA. Arthritis Rheum 1980;23:581-90"
LICENCE = N_("Published criteria: cite the source.")
VERIFIED = False
INPUTS = ("skin_proximal_mcp_mtp", "sclerodactyly", "pitting_or_pulp_loss", "bibasilar_fibrosis")
MINOR_NEEDED = 2


def ara_1980(major: Result, *minors: Result) -> Truth:
    """Whether the criteria are fulfilled, in three values."""
    claims = [flag(minor) for minor in minors]
    enough: Truth
    if sum(claim is True for claim in claims) >= MINOR_NEEDED:
        enough = True
    elif sum(claim is not False for claim in claims) < MINOR_NEEDED:
        enough = False
    else:
        enough = gap(minors)
    return either((flag(major), enough))


INSTRUMENT = Instrument(
    "ara_1980",
    N_("ARA 1980 criteria of systemic sclerosis"),
    SOURCE,
    LICENCE,
    VERIFIED,
    INPUTS,
    N_("The criteria are to be verified against the original paper."),
    {"ara_1980": Score(ara_1980, ticks(4), "boolean")},
)
