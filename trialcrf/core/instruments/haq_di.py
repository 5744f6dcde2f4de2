"""The HAQ disability index: 20 items in eight categories, 0 to 3, with and without aids and help.

A category is its worst answered item. Where an aid or a person's help of the category is ticked, 0 and 1 become 2, and 2 and 3 stay:
raised to 2, not one point more, as a book chapter has it. The index is the mean of the answered categories, of which six are needed.
An unanswered aid or help is not ticked; "other" aids (17, 18, 40, 41) belong to no category until a person says so.
Numbers are the last two digits of the CDISC codes HAQ0101 to HAQ0146. No text of the questionnaire is held here.
Licence: copyright Stanford University (ARAMIS); free for research under its permission rules, to be checked by the sponsor.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from trialcrf.core.instruments.answers import gap, grade
from trialcrf.core.instruments.instrument import Instrument, Score, numbers, ticks
from trialcrf.core.kleene import Result, arithmetic, flag
from trialcrf.core.typed import UNDETERMINED
from trialcrf.core.wording import N_

SOURCE = "Fries JF et al. Arthritis Rheum 1980;23:137-45; Bruce B, Fries JF. Health Qual Life Outcomes 2003;1:20; CDISC CT 2025-03-28"
LICENCE = N_("Copyright Stanford University (ARAMIS): permission rules apply; the questionnaire's text is not delivered.")
VERIFIED = False
MOST = 3
RAISED_TO = 2
FEWEST_CATEGORIES = 6

CATEGORIES: tuple[tuple[str, tuple[str, ...], tuple[str, ...], str], ...] = (
    ("dressing", ("01", "02"), ("14",), "19"),
    ("arising", ("03", "04"), ("16",), "20"),
    ("eating", ("05", "06", "07"), ("15",), "21"),
    ("walking", ("08", "09"), ("10", "11", "12", "13"), "22"),
    ("hygiene", ("23", "24", "25"), ("34", "35", "37", "39"), "42"),
    ("reach", ("26", "27"), ("38",), "43"),
    ("grip", ("28", "29", "30"), ("36",), "44"),
    ("activities", ("31", "32", "33"), (), "45"),
)
"""Name, items, aids and help of each category."""
ITEMS = tuple(code for _, items, _, _ in CATEGORIES for code in items)
AIDS = tuple(code for _, _, aids, _ in CATEGORIES for code in aids)
HELPS = tuple(help for _, _, _, help in CATEGORIES)
INPUTS = tuple(f"HAQ01{code}" for code in (*ITEMS, *AIDS, *HELPS))


def haq_di(*answers: Result) -> Result:
    """The index with aids and help; `answers` are the items, the aids and the helps, in the order of `INPUTS`."""
    ticked = {code for code, answer in zip((*AIDS, *HELPS), answers[len(ITEMS) :], strict=False) if flag(answer) is True}
    return _index(answers[: len(ITEMS)], ticked)


def haq_di_alternative(*items: Result) -> Result:
    """The index without aids and help."""
    return _index(items, set())


def haq_categories(*items: Result) -> Result:
    """How many categories were answered, 0 to 8."""
    scores = _categories(items, set())
    return UNDETERMINED if scores is None else Decimal(len(scores))


def _index(items: Sequence[Result], ticked: set[str]) -> Result:
    scores = _categories(items, ticked)
    if scores is None:
        return UNDETERMINED
    if len(scores) < FEWEST_CATEGORIES:
        return gap(items)
    return arithmetic("/", Decimal(sum(scores)), Decimal(len(scores)))


def _categories(items: Sequence[Result], ticked: set[str]) -> list[int] | None:
    """The scores of the answered categories; None where an answer is no grade, so that its category could be anything."""
    grades = {code: grade(answer, MOST) for code, answer in zip(ITEMS, items, strict=False)}
    if any(found is UNDETERMINED for found in grades.values()):
        return None
    scores: list[int] = []
    for _, codes, aids, help in CATEGORIES:
        answered = [found for code in codes if isinstance(found := grades.get(code), int)]
        if answered:
            worst = max(answered)
            scores.append(max(worst, RAISED_TO) if ticked & {*aids, help} else worst)
    return scores


INSTRUMENT = Instrument(
    "haq_di",
    N_("HAQ disability index"),
    SOURCE,
    LICENCE,
    VERIFIED,
    INPUTS,
    N_("That six of eight categories are needed is to be verified in the ARAMIS instructions."),
    {
        "haq_di": Score(haq_di, (*numbers(20), *ticks(21))),
        "haq_di_alternative": Score(haq_di_alternative, numbers(20)),
        "haq_categories": Score(haq_categories, numbers(20)),
    },
)
