"""The modified Rodnan skin score (17 sites, each 0 to 3) and the LeRoy subset that its sites imply.

Sites: fingers, hands, forearms, upper arms, thighs, legs and feet of both sides, face, anterior chest, abdomen; 0 none or uncertain,
1 mild, 2 moderate, 3 severe. There is a total (0 to 51) only when every site is scored; a partial sum stands beside the number of
sites and is never prorated. Licence: no fee known.
"""

from __future__ import annotations

from decimal import Decimal

from trialcrf.core.instruments.answers import gap, grade
from trialcrf.core.instruments.instrument import Instrument, Score, numbers
from trialcrf.core.kleene import Result, Truth, either
from trialcrf.core.wording import N_

SOURCE = "Clements P et al. J Rheumatol 1995;22:1281-5; subsets: LeRoy EC et al. J Rheumatol 1988;15:202-5"
LICENCE = N_("No fee known; cite the source.")
VERIFIED = False
SITES = (
    *("fingers_r", "fingers_l", "hand_r", "hand_l", "forearm_r", "forearm_l", "upper_arm_r", "upper_arm_l"),
    *("face", "chest", "abdomen", "thigh_r", "thigh_l", "leg_r", "leg_l", "foot_r", "foot_l"),
)
PROXIMAL = ("upper_arm_r", "upper_arm_l", "chest", "abdomen", "thigh_r", "thigh_l")
MOST = 3


def mrss(*sites: Result) -> Result:
    """The total of all sites, 0 to 51; none while a site is not scored."""
    scored = _scored(sites)
    return Decimal(sum(scored)) if len(scored) == len(sites) else gap(sites)


def mrss_partial(*sites: Result) -> Result:
    """The sum of the sites that were scored; awaited where none was."""
    scored = _scored(sites)
    return Decimal(sum(scored)) if scored else gap(sites)


def mrss_sites(*sites: Result) -> Result:
    """How many sites were scored, 0 to 17."""
    return Decimal(len(_scored(sites)))


def skin_diffuse(*sites: Result) -> Truth:
    """Whether skin is thickened on the trunk or above elbow or knee: diffuse (LeRoy), to compare with the subset that was reported."""
    return either(_thick(site) for site in sites)


def _scored(sites: tuple[Result, ...]) -> list[int]:
    return [scored for site in sites if isinstance(scored := grade(site, MOST), int)]


def _thick(site: Result) -> Truth:
    scored = grade(site, MOST)
    return scored >= 1 if isinstance(scored, int) else gap([site])


INSTRUMENT = Instrument(
    "mrss",
    N_("Modified Rodnan skin score"),
    SOURCE,
    LICENCE,
    VERIFIED,
    SITES,
    N_("The list of the 17 sites and the LeRoy rule are to be verified against the original papers."),
    {
        "mrss": Score(mrss, numbers(17)),
        "mrss_partial": Score(mrss_partial, numbers(17)),
        "mrss_sites": Score(mrss_sites, numbers(17)),
        "skin_diffuse": Score(skin_diffuse, numbers(6), "boolean"),
    },
)
