"""The stopping rule: boundaries, operating characteristics and intervals by published vectors; who is evaluable and what is a toxicity."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from math import comb

import pytest

from tests.core import safety_cases
from tests.core.safety_cases import Subject
from trialcrf.core.definition.model import Anchor
from trialcrf.core.definition.safety import Cohort, Emergence, StoppingRule
from trialcrf.core.safety import decision
from trialcrf.core.safety.betabinomial import boundary, exceeded, looked_at, operating_characteristics, posterior
from trialcrf.core.safety.decision import DecisionEntry, DecisionKind, HoldState, NotDecidable
from trialcrf.core.safety.interval import clopper_pearson
from trialcrf.core.safety.stopping import Cause, Status, status

RULE = StoppingRule("0.2", "0.8", "0.20", "0.90", 20, "3")
AS_OF = date(2026, 10, 31)
AT = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)

# --- The arithmetic: clinical reference, E.12 -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "limit", "said"),
    [
        ("0.2", "0.8", "0.20", "–,2,2,3,3,3,4,4,4,4,5,5,5,6,6,6,6,7,7,7"),
        ("0.5", "0.5", "0.20", "1,2,2,2,3,3,3,4,4,4,4,5,5,5,6,6,6,6,7,7"),
        ("1", "1", "0.20", "1,2,2,2,2,3,3,3,4,4,4,4,5,5,5,6,6,6,6,7"),
        ("0.3", "0.7", "0.30", "–,2,3,3,4,4,4,5,5,6,6,6,7,7,8,8,8,9,9,9"),
    ],
)
def test_the_boundary_is_that_of_the_clinical_reference(a: str, b: str, limit: str, said: str) -> None:
    found = boundary(StoppingRule(a, b, limit, "0.90", 20, "3"))
    assert ",".join("–" if least is None else str(least) for least in found) == said


@pytest.mark.parametrize(
    ("looks", "said"),
    [((10, 20), ["0.1", "1.4", "15.7", "48.5", "80.2"]), ((), ["0.9", "4.4", "24.3", "57.6", "84.9"])],
)
def test_how_often_the_rule_stops_is_that_of_the_clinical_reference(looks: tuple[int, ...], said: list[str]) -> None:
    found = operating_characteristics(replace(RULE, looks=looks))
    assert [str(one.rate) for one in found] == ["0.05", "0.10", "0.20", "0.30", "0.40"]
    assert [f"{one.stops * 100:.1f}" for one in found] == said


def test_a_rule_that_looks_twice_treats_ten_or_twenty() -> None:
    """The mean number of subjects follows from the share that stops at the first look, counted here by hand."""
    rule = replace(RULE, looks=(10, 20))
    least = boundary(rule)[9]
    assert least is not None
    stops_first = sum(comb(10, k) * Fraction(2, 10) ** k * Fraction(8, 10) ** (10 - k) for k in range(least, 11))
    (found,) = operating_characteristics(rule, [Decimal("0.2")])
    assert abs(Fraction(found.subjects) - (20 - 10 * stops_first)) < Fraction(1, 10**30)


def test_the_posterior_of_a_uniform_prior_is_a_binomial_sum_to_thirty_places() -> None:
    for n in (1, 5, 20):
        for x in range(0, n + 1, 3):
            for limit in ("0.2", "0.7", "0.9"):
                exact = sum(comb(n + 1, k) * Fraction(limit) ** k * (1 - Fraction(limit)) ** (n + 1 - k) for k in range(x + 1))
                assert abs(Fraction(posterior(x, n, "1", "1", limit)) - exact) < Fraction(1, 10**30)


def test_a_threshold_must_be_exceeded_and_not_only_met() -> None:
    # Beta(1,1) with no toxicity in no subject: P(rate > 0.2) is 0.8 exactly.
    assert posterior(0, 0, "1", "1", "0.2") == Decimal("0.8")
    assert not exceeded(StoppingRule("1", "1", "0.2", "0.8", 20, "3"), 0, 0)


@pytest.mark.parametrize(("x", "n", "a", "limit"), [(2, 1, "1", "0.2"), (-1, 1, "1", "0.2"), (0, 1, "0", "0.2"), (0, 1, "1", "1")])
def test_what_is_no_count_prior_or_limit_has_no_posterior(x: int, n: int, a: str, limit: str) -> None:
    with pytest.raises(ValueError, match="no posterior"):
        posterior(x, n, a, "1", limit)


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    [(0, 20, "0.00", "16.84"), (0, 10, "0.00", "30.85"), (1, 20, "0.13", "24.87"), (2, 20, "1.23", "31.70"), (3, 20, "3.21", "37.89")],
)
def test_an_exact_interval_is_that_of_the_clinical_reference(x: int, n: int, low: str, high: str) -> None:
    found = clopper_pearson(x, n)
    assert [f"{limit * 100:.2f}" for limit in found] == [low, high]
    assert clopper_pearson(n - x, n) == (1 - found[1], 1 - found[0])


def test_a_one_sided_limit_is_that_of_a_wider_interval() -> None:
    assert f"{clopper_pearson(0, 20, '0.90')[1] * 100:.2f}" == "13.91"
    assert f"{clopper_pearson(0, 10, '0.90')[1] * 100:.2f}" == "25.89"


def test_of_nobody_everything_is_possible_and_no_count_has_no_interval() -> None:
    assert clopper_pearson(0, 0) == (0, 1)
    for x, n, level in ((3, 2, "0.95"), (-1, 2, "0.95"), (1, 2, "1")):
        with pytest.raises(ValueError, match="no interval"):
            clopper_pearson(x, n, level)


# --- On the data ------------------------------------------------------------------------------------------------------

STUDY = safety_cases.study()
assert STUDY.safety
STUDY = replace(
    STUDY,
    anchors=(Anchor("INFUSION", STUDY.title, "EXSTDAT"),),
    safety=replace(
        STUDY.safety,
        emergence=(Emergence("R", "INFUSION"),),
        primary_days=10,
        stopping=RULE,
        cohorts=(Cohort("D1", 10), Cohort("D3", 10, gated=True)),
    ),
)
TOXIC = {"grade": "3", "onset": "2026-02-04", "AEREL": "RELATED"}


def of(*subjects: Subject, as_of: date = AS_OF, rule: StoppingRule = RULE) -> Status:
    assert STUDY.safety
    return status(replace(STUDY, safety=replace(STUDY.safety, stopping=rule)), [one.record() for one in subjects], as_of)


def treated(number: int, **event: str) -> Subject:
    """Infused on 2 February 2026, so its window ends with the 12th."""
    one = Subject(f"R-01-{number:03d}").treated()
    return one.event(**event) if event else one


def test_a_subject_is_evaluable_from_the_day_after_its_window() -> None:
    assert of(treated(1), as_of=date(2026, 2, 12)).n == 0
    assert of(treated(1), as_of=date(2026, 2, 12)).waiting == 1
    assert of(treated(1), as_of=date(2026, 2, 13)).n == 1


def test_a_toxicity_makes_a_subject_evaluable_at_once() -> None:
    found = of(treated(1, **TOXIC), as_of=date(2026, 2, 5))
    assert (found.n, found.x, found.waiting) == (1, 1, 0)
    assert [one.subject for one in found.toxic] == ["R-01-001"]


@pytest.mark.parametrize(
    ("event", "x"),
    [
        (TOXIC, 1),
        ({**TOXIC, "grade": "2"}, 0),
        ({**TOXIC, "grade": "2", "AESER": "Y", "AESHOSP": "Y"}, 1),
        ({**TOXIC, "AEREL": "NOT RELATED"}, 0),
        ({**TOXIC, "onset": "2026-02-12"}, 1),
        ({**TOXIC, "onset": "2026-02-13"}, 0),
        ({**TOXIC, "onset": "2026-02-01"}, 0),
    ],
)
def test_a_toxicity_is_related_severe_or_serious_and_in_the_window(event: dict[str, str], x: int) -> None:
    found = of(treated(1, **event))
    assert (found.n, found.x, found.undecided) == (1, x, 0)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({**TOXIC, "onset": "2026-02"}, "the onset is not known well enough to say whether it lies in the primary window"),
        ({**TOXIC, "AEREL": ""}, "the relation is not recorded"),
        ({**TOXIC, "grade": ""}, "the grade is not recorded"),
        ({**TOXIC, "grade": "1", "AESER": ""}, "the seriousness is not recorded, or contradicts its criteria"),
        ({**TOXIC, "grade": "1", "AESER": "N", "AESHOSP": "Y"}, "the seriousness is not recorded, or contradicts its criteria"),
    ],
)
def test_what_cannot_be_decided_is_told_and_counted_apart(event: dict[str, str], why: str) -> None:
    found = of(treated(1, **event), treated(2, **TOXIC))
    assert (found.n, found.x, found.undecided, found.n_if_all, found.x_if_all) == (2, 1, 1, 2, 2)
    assert [(one.subject, [said.msgid for said in one.why]) for one in found.unsure] == [("R-01-001", [why])]
    assert (found.reached, found.reached_if_all) == (False, True)
    assert found.wanted == ()


def test_an_undecided_event_before_the_end_of_the_window_counts_its_subject_only_if_all_do() -> None:
    found = of(treated(1, **{**TOXIC, "AEREL": ""}), as_of=date(2026, 2, 6))
    assert (found.n, found.x, found.n_if_all, found.x_if_all) == (0, 0, 1, 1)


def test_a_missing_part_that_cannot_change_the_answer_leaves_nothing_undecided() -> None:
    found = of(treated(1, **{**TOXIC, "AEREL": "NOT RELATED", "grade": ""}), treated(2, **{**TOXIC, "AEREL": "", "onset": "2026-05"}))
    assert (found.undecided, found.unsure) == (0, ())


def test_a_subject_with_a_toxicity_counts_once_and_is_not_undecided_too() -> None:
    found = of(treated(1, **TOXIC).event("Chills", **TOXIC).event("Pain", **{**TOXIC, "AEREL": ""}))
    assert (found.n, found.x, found.undecided, found.x_if_all) == (1, 1, 0, 1)
    assert len(found.toxic) == 2
    assert len(found.unsure) == 1


def test_two_of_two_reach_the_boundary_and_one_does_not() -> None:
    assert of(treated(1, **TOXIC)).wanted == ()
    (wanted,) = of(treated(1, **TOXIC), treated(2, **TOXIC)).wanted
    assert (wanted.cause, wanted.n, wanted.x, wanted.concerns) == (Cause.BOUNDARY, 2, 2, ("R-01-001", "R-01-002"))


def test_a_rule_with_looks_waits_for_the_look_and_counts_the_first_treated() -> None:
    rule = replace(RULE, looks=(3, 6))
    assert looked_at(rule) == (3, 6)
    two = [treated(1, **TOXIC), treated(2, **TOXIC)]
    assert of(*two, rule=rule).look == 0
    assert of(*two, rule=rule).wanted == ()
    assert [one.n for one in of(*two, treated(3), rule=rule).wanted] == [3]
    late = Subject("R-01-000").treated("2026-03-02T10:00+01:00").event(**{**TOXIC, "onset": "2026-03-03"})
    found = of(treated(1, **TOXIC), treated(2), treated(3), late, rule=rule)
    assert (found.n, found.x, found.look, found.look_x, found.reached) == (4, 2, 3, 1, False)


def test_a_related_death_is_a_reason_at_any_time_and_of_anybody() -> None:
    donor = Subject("D-01-001", "D").event("Sepsis", grade="5", onset="2026-06-01", AEREL="RELATED", AEOUT="FATAL", AESDTH="Y", AESER="Y")
    found = of(treated(1), donor)
    assert [(one.cause, one.concerns) for one in found.wanted] == [(Cause.DEATH, ("1:",))]
    other = Subject("D-01-001", "D").event("Sepsis", grade="5", onset="2026-06-01", AEREL="NOT RELATED", AEOUT="FATAL")
    assert of(treated(1), other).wanted == ()
    unknown = of(treated(1), Subject("D-01-001", "D").event("Sepsis", grade="5", onset="2026-06-01", AEOUT="FATAL"))
    assert unknown.wanted == ()
    assert [one.death for one in unknown.unsure] == [True]


def test_who_was_never_treated_and_what_came_after_the_cut_off_do_not_count() -> None:
    assert of(Subject("R-01-001").event(**TOXIC)).n == 0
    found = of(treated(1, **TOXIC), as_of=date(2026, 2, 3))
    assert (found.n, found.x) == (0, 0)


def test_every_cohort_has_its_line_and_whoever_is_in_none_too() -> None:
    found = of(treated(1, **TOXIC), treated(2), Subject("R-01-003").treated(arm="D3"), Subject("R-01-004").treated(arm="DX"))
    assert [(one.code, one.planned, one.gated, one.treated, one.evaluable, one.toxicities) for one in found.cohorts] == [
        ("D1", 10, False, 2, 2, 1),
        ("D3", 10, True, 1, 1, 0),
        ("", 0, False, 1, 1, 0),
    ]


def test_more_subjects_than_planned_are_still_looked_at() -> None:
    few = replace(RULE, subjects=2)
    found = of(*(treated(number, **TOXIC) for number in range(1, 5)), rule=few)
    assert (found.n, found.least, found.reached) == (4, 3, True)


# --- Decisions --------------------------------------------------------------------------------------------------------


def entry(number: int, kind: DecisionKind, **content: object) -> DecisionEntry:
    return DecisionEntry(number, kind, AT.replace(hour=number), "sam", "Sam", "sponsor", "", content)


def raised(number: int, found: Status) -> DecisionEntry:
    (wanted,) = found.wanted
    return entry(
        number,
        DecisionKind.HOLD_RAISED,
        cause=str(wanted.cause),
        n=wanted.n,
        x=wanted.x,
        concerns=list(wanted.concerns),
        status=found.plain(),
    )


def test_a_crossing_is_raised_once_and_again_only_for_one_more_toxicity() -> None:
    two = [treated(1, **TOXIC), treated(2, **TOXIC)]
    found = of(*two)
    ledger = [raised(1, found)]
    assert decision.new_holds(found, []) == found.wanted
    assert decision.new_holds(found, ledger) == ()
    assert of(*two, treated(3)).reached
    assert decision.new_holds(of(*two, treated(3)), ledger) == ()
    third = of(*two, treated(3, **TOXIC))
    assert [one.x for one in decision.new_holds(third, ledger)] == [3]
    # One of the three is corrected away: what is left was all covered before.
    assert decision.new_holds(found, [raised(2, third)]) == ()


def test_a_hold_of_another_rule_covers_nothing_and_a_death_is_one_under_any() -> None:
    two = [treated(1, **TOXIC), treated(2, **TOXIC)]
    ledger = [raised(1, of(*two))]
    assert decision.new_holds(of(*two, rule=replace(RULE, limit="0.15")), ledger)
    dead = [treated(1).event("Sepsis", grade="5", onset="2026-06-01", AEREL="RELATED", AEOUT="FATAL", AESDTH="Y", AESER="Y")]
    ledger = [raised(1, of(*dead))]
    assert decision.new_holds(of(*dead, rule=replace(RULE, limit="0.15")), ledger) == ()


def test_a_hold_is_judged_by_the_state_table() -> None:
    found = of(treated(1, **TOXIC), treated(2, **TOXIC))
    ledger = [raised(1, found)]
    assert [one.state for one in decision.holds(ledger)] == [HoldState.RAISED]
    with pytest.raises(NotDecidable):
        decision.check_hold(ledger, 1, DecisionKind.HOLD_LIFTED)
    with pytest.raises(NotDecidable):
        decision.check_hold(ledger, 2, DecisionKind.HOLD_CONFIRMED)
    decision.check_hold(ledger, 1, DecisionKind.HOLD_CONFIRMED)
    ledger.append(entry(2, DecisionKind.HOLD_CONFIRMED, hold=1))
    with pytest.raises(NotDecidable):
        decision.check_hold(ledger, 1, DecisionKind.HOLD_DISMISSED)
    assert [one.state for one in decision.standing(ledger)] == [HoldState.CONFIRMED]
    ledger.append(entry(4, DecisionKind.HOLD_LIFTED, hold=1))
    assert decision.standing(ledger) == ()
    (hold,) = decision.holds(ledger)
    assert [hold.stood_at(AT.replace(hour=hour)) for hour in (1, 2, 3, 4)] == [False, True, True, False]


def test_a_cohort_is_opened_once_and_not_under_a_hold() -> None:
    decision.check_opening([], ["D3"], "D3")
    with pytest.raises(NotDecidable):
        decision.check_opening([], ["D3"], "D1")
    with pytest.raises(NotDecidable):
        decision.check_opening([entry(1, DecisionKind.COHORT_OPENED, cohort="D3")], ["D3"], "D3")
    held = [raised(1, of(treated(1, **TOXIC), treated(2, **TOXIC)))]
    with pytest.raises(NotDecidable):
        decision.check_opening(held, ["D3"], "D3")
    decision.check_opening([*held, entry(2, DecisionKind.HOLD_DISMISSED, hold=1)], ["D3"], "D3")
