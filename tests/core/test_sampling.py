"""What must be verified by plan, and how far it is: tables of small forms."""

from __future__ import annotations

from functools import reduce
from operator import add

import pytest

from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef
from trialcrf.core.definition.oversight import Oversight, SamplingRule
from trialcrf.core.document import Answer, Document, Place, Row
from trialcrf.core.oversight.sampling import Coverage, asks, coverage, drawn, recorded, required, rules_for, sampled
from trialcrf.core.wording import Words

KEYS = [f"R-0{site}-{number:03d}" for site in range(1, 5) for number in range(1, 501)]
EVERY = SamplingRule()
TEXT, DERIVED = DataType.TEXT, DataType.DERIVED
SINGLE = (ItemDef("A", Words(), TEXT), ItemDef("B", Words(), TEXT), ItemDef("SUM", Words(), DERIVED))
FORM = FormDef(
    "F", Words(), (ItemGroupDef("G", Words(), SINGLE), ItemGroupDef("R", Words(), (ItemDef("C", Words(), TEXT),), repeating=True))
)
ROW_1, ROW_2 = Place("C", "R", "1"), Place("C", "R", "2")
A, B, SUM = Place("A"), Place("B"), Place("SUM")
DOCUMENT = Document(
    {"A": Answer("x"), "SUM": Answer("3")}, {"R": (Row("1", {"C": Answer("y")}), Row("2", {"C": Answer("z")}, error="TYPO"))}
)


@pytest.mark.parametrize("percent", [1, 20, 50, 99])
def test_a_share_is_drawn_and_is_about_as_large_as_asked(percent: int) -> None:
    share = 100 * sum(drawn("seed", key, percent) for key in KEYS) / len(KEYS)
    assert abs(share - percent) < 4


def test_the_draw_is_the_same_everywhere_and_changes_with_the_seed_alone() -> None:
    numbers = [int(key[-3:]) for key in KEYS[:30] if drawn("seed", key, 20)]
    assert numbers == [1, 2, 4, 8, 9, 11, 13, 28]
    assert {key for key in KEYS if drawn("seed", key, 20)} != {key for key in KEYS if drawn("other", key, 20)}


def test_a_larger_share_holds_every_subject_of_a_smaller_one() -> None:
    small, large = ({key for key in KEYS if drawn("seed", key, percent)} for percent in (20, 60))
    assert small < large and all(drawn("seed", key, 100) for key in KEYS) and not any(drawn("seed", key, 0) for key in KEYS)


def test_the_rules_of_a_subject_are_those_of_everybody_and_of_the_shares_that_it_is_in() -> None:
    plan = Oversight("seed", (SamplingRule(("AE",)), SamplingRule(percent=20)))
    found = {key: rules_for(plan, key) for key in KEYS[:50]}
    assert all(rules[0] == SamplingRule(("AE",)) for rules in found.values())
    assert [key for key, rules in found.items() if len(rules) == 2] == [key for key in KEYS[:50] if drawn("seed", key, 20)]


@pytest.mark.parametrize(
    ("rule", "form", "item", "asked"),
    [
        (SamplingRule(), "F", "A", True),
        (SamplingRule(("F",)), "F", "A", True),
        (SamplingRule(("F",)), "G", "A", False),
        (SamplingRule((), ("F.A",)), "F", "A", True),
        (SamplingRule((), ("F.A",)), "F", "B", False),
        (SamplingRule((), ("F.A",)), "G", "A", False),
    ],
)
def test_a_rule_asks_for_forms_or_for_items(rule: SamplingRule, form: str, item: str, asked: bool) -> None:
    assert sampled([rule], form, item) is asked
    assert asks([rule], form) is (asked or (form, item) == ("F", "B"))
    assert not sampled([], form, item) and not asks([], form)


def test_what_has_a_source_is_what_was_recorded_and_neither_derived_nor_in_a_row_in_error() -> None:
    assert list(recorded(FORM, DOCUMENT)) == [A, ROW_1]


def test_a_value_that_was_verified_and_cleared_since_is_still_asked_for() -> None:
    assert required([EVERY], FORM, DOCUMENT, {}) == {A, ROW_1}
    assert required([EVERY], FORM, DOCUMENT, {B: False}) == {A, B, ROW_1}
    assert required([EVERY], FORM, DOCUMENT, {B: True}) == {A, ROW_1}, "a blank that was verified as blank asks for nothing more"
    assert required([EVERY], FORM, DOCUMENT, {ROW_2: False}) == {A, ROW_1}, "a row in error has left every count"
    assert required([SamplingRule((), ("F.C",))], FORM, DOCUMENT, {B: False}) == {ROW_1}


@pytest.mark.parametrize(
    ("held", "counted", "percent", "left"),
    [
        ({}, Coverage(2, 0, 0, 0), 0, 2),
        ({A: True}, Coverage(2, 1, 0, 0), 50, 1),
        ({A: False, ROW_1: True}, Coverage(2, 1, 1, 0), 50, 1),
        ({A: True, ROW_1: True}, Coverage(2, 2, 0, 0), 100, 0),
        ({A: True, ROW_1: True, B: True}, Coverage(2, 2, 0, 1), 100, 0),
        ({A: True, ROW_1: True, B: False}, Coverage(3, 2, 1, 0), 66, 1),
    ],
)
def test_coverage_counts_what_is_asked_what_stands_and_what_changed_since(
    held: dict[Place, bool], counted: Coverage, percent: int, left: int
) -> None:
    found = coverage([EVERY], FORM, DOCUMENT, held)
    assert (found, found.percent, found.left) == (counted, percent, left)


def test_what_the_plan_does_not_ask_for_is_counted_apart() -> None:
    found = coverage([SamplingRule((), ("F.C",))], FORM, DOCUMENT, {A: True, ROW_1: True})
    assert found == Coverage(1, 1, 0, 1)


def test_coverage_adds_up_and_is_100_only_of_everything() -> None:
    total = reduce(add, [Coverage(999, 998, 1, 0), Coverage(1, 1, 0, 2)])
    assert total == Coverage(1000, 999, 1, 2) and total.percent == 99
    assert Coverage().percent is None
