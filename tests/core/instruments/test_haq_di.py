"""HAQ-DI: worst item of a category, aids raise to 2 and never add 1, six of eight categories."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trialcrf.core.instruments.haq_di import AIDS, CATEGORIES, HELPS, INPUTS, ITEMS, haq_categories, haq_di, haq_di_alternative
from trialcrf.core.kleene import Result
from trialcrf.core.typed import AWAITED, UNDETERMINED, Missing

NAMES = [name for name, *_ in CATEGORIES]


def items(*scores: Result, **changed: Result) -> list[Result]:
    """Every item of each category with the category's score; single items by their code, as i05."""
    of_item = {code: score for (_, codes, _, _), score in zip(CATEGORIES, scores, strict=True) for code in codes}
    return [changed.get(f"i{code}", of_item[code]) for code in ITEMS]


def index(answers: list[Result], *ticked: str, blank: Result = None) -> Result:
    return haq_di(*answers, *(True if code in ticked else blank for code in (*AIDS, *HELPS)))


ZERO, THREE = (Decimal(0),) * 8, (Decimal(3),) * 8
MIXED = tuple(map(Decimal, (0, 1, 0, 2, 1, 0, 1, 0)))


def test_the_order_of_the_arguments_is_what_forms_are_written_against() -> None:
    assert " ".join(ITEMS) == "01 02 03 04 05 06 07 08 09 23 24 25 26 27 28 29 30 31 32 33"
    assert " ".join(AIDS) == "14 16 15 10 11 12 13 34 35 37 39 38 36"
    assert " ".join(HELPS) == "19 20 21 22 42 43 44 45"
    assert INPUTS[0] == "HAQ0101"
    assert len(INPUTS) == 41


@pytest.mark.parametrize(("scores", "expected"), [(ZERO, "0"), (THREE, "3"), (MIXED, "0.625")])
def test_the_index_is_the_mean_of_eight_categories(scores: tuple[Decimal, ...], expected: str) -> None:
    assert index(items(*scores)) == haq_di_alternative(*items(*scores)) == Decimal(expected)


def test_the_worst_item_of_a_category_counts() -> None:
    assert haq_di_alternative(*items(*ZERO, i06=Decimal(3))) == Decimal("0.375")


@pytest.mark.parametrize(("worst", "raised"), [(0, 2), (1, 2), (2, 2), (3, 3)])
def test_an_aid_raises_to_2_and_adds_no_point(worst: int, raised: int) -> None:
    """A book chapter adds an extra point: 2 would be 3."""
    answers = items(Decimal(worst), *ZERO[1:])
    assert index(answers, "14") == Decimal(raised) / 8
    assert haq_di_alternative(*answers) == Decimal(worst) / 8


def test_a_jar_opener_raises_the_grip() -> None:
    assert index(items(*MIXED), "36") == Decimal("0.75")


@pytest.mark.parametrize(
    ("category", "codes"),
    [
        ("dressing", "14 19"),
        ("arising", "16 20"),
        ("eating", "15 21"),
        ("walking", "10 11 12 13 22"),
        ("hygiene", "34 35 37 39 42"),
        ("reach", "38 43"),
        ("grip", "36 44"),
        ("activities", "45"),
    ],
)
def test_every_aid_and_help_raises_its_own_category(category: str, codes: str) -> None:
    worst = [Decimal(3 if name == category else 0) for name in NAMES]
    for code in codes.split():
        assert index(items(*ZERO), code) == Decimal("0.25")
        assert index(items(*worst), code) == Decimal("0.375")


@pytest.mark.parametrize("blank", [None, False, "N", Missing("NASK"), UNDETERMINED])
def test_an_unanswered_aid_is_not_ticked(blank: Result) -> None:
    assert index(items(*ZERO), blank=blank) == 0


@pytest.mark.parametrize(("unasked", "expected"), [(None, AWAITED), (Missing("ND"), UNDETERMINED)])
def test_six_categories_are_enough_and_five_are_not(unasked: Result, expected: Result) -> None:
    six = items(*([Decimal(1)] * 6), unasked, unasked)
    assert index(six) == haq_di_alternative(*six) == 1
    assert haq_categories(*six) == 6
    five = items(*([Decimal(1)] * 5), unasked, unasked, unasked)
    assert index(five) is haq_di_alternative(*five) is expected
    assert haq_categories(*five) == 5


def test_an_aid_answers_no_category() -> None:
    assert index(items(*([Decimal(1)] * 5), None, None, None), "38", "36", "45") is AWAITED


def test_a_category_with_one_answered_item_is_answered() -> None:
    assert haq_di_alternative(*items(*([Decimal(1)] * 8), i01=None)) == 1


def test_an_answer_that_is_no_grade_leaves_no_index() -> None:
    assert haq_di_alternative(*items(*ZERO, i01=Decimal(4))) is UNDETERMINED
    assert haq_di_alternative(*items(*ZERO, i01=Decimal(4), i02=None)) is UNDETERMINED
    assert haq_categories(*items(*ZERO, i01="x")) is UNDETERMINED
