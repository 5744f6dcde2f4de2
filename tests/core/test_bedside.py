"""Every reason against an infusion, one by one and together: what each is, in which order, and which of them a deviation may lift."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from trialcrf.core.product.bedside import OVERRIDABLE, STOPS, Scanned, Situation, Stop, may_be_overridden, stops, told
from trialcrf.core.product.stock import Bag, BagState, Incident, Release

TODAY = date(2026, 11, 21)
BAG = Bag("A", "B-01-001", "01", cells="80", volume="50", expires="2026-11-21", state=BagState.THAWED)
RELEASED = Release("RELEASED", "2026-11-20T10:00:00+01:00", "SPEC", 1)
SCANNED = Scanned("A", "R-01-001", "DON-1")
GOOD = Situation(
    recipient="R-01-001", bag=BAG, release=RELEASED, donors=["D-01-001"], donations={"DON-1"}, linked="D-01-001", eligible=True,
    donor_eligible=True, cohort_known=True, cohort_open=True, hold=False, today=TODAY,
)  # fmt: skip


def of_bag(**more: object) -> Situation:
    return replace(GOOD, bag=replace(BAG, **more))


def test_the_right_bag_on_its_last_day_may_be_given() -> None:
    assert stops(GOOD, SCANNED) == ()
    assert stops(of_bag(state=BagState.STORED), SCANNED) == ()
    assert stops(replace(GOOD, release=replace(RELEASED, decision="CONDITIONAL")), SCANNED) == ()


CASES: list[tuple[Situation, Scanned, Stop]] = [
    (GOOD, replace(SCANNED, wristband="R-01-002"), Stop.WRONG_PERSON),
    (GOOD, replace(SCANNED, wristband="r-01-001"), Stop.WRONG_PERSON),
    (GOOD, replace(SCANNED, donation="DON-2"), Stop.WRONG_DONATION),
    (replace(GOOD, linked=""), SCANNED, Stop.NO_LINK),
    (replace(GOOD, donors=["D-01-002"]), SCANNED, Stop.WRONG_DONOR),
    (replace(GOOD, donors=["D-01-001", "D-01-002"]), SCANNED, Stop.WRONG_DONOR),
    (replace(GOOD, donors=[]), SCANNED, Stop.WRONG_DONOR),
    (of_bag(state=BagState.INFUSED), SCANNED, Stop.USED),
    (of_bag(state=BagState.CHECKED), SCANNED, Stop.RESERVED),
    (of_bag(state=BagState.DISCARDED), SCANNED, Stop.DISCARDED),
    (of_bag(state=BagState.IN_TRANSIT), SCANNED, Stop.IN_TRANSIT),
    (of_bag(state=None), SCANNED, Stop.CONTRADICTED),
    (of_bag(incidents=(Incident("B-01-001", "OTHER", "", "A", True, 9),)), SCANNED, Stop.RECALLED),
    (replace(GOOD, release=replace(RELEASED, decision="REJECTED")), SCANNED, Stop.REJECTED),
    (replace(GOOD, release=None), SCANNED, Stop.UNRELEASED),
    (of_bag(expires="2026-11-20"), SCANNED, Stop.EXPIRED),
    (of_bag(expires=""), SCANNED, Stop.EXPIRED),
    (replace(GOOD, eligible=False), SCANNED, Stop.RECIPIENT),
    (replace(GOOD, donor_eligible=False), SCANNED, Stop.DONOR),
    (replace(GOOD, cohort_known=False, cohort_open=False), SCANNED, Stop.NO_COHORT),
    (replace(GOOD, cohort_open=False), SCANNED, Stop.COHORT_SHUT),
    (replace(GOOD, hold=True), SCANNED, Stop.HOLD),
    (replace(GOOD, treated=True), SCANNED, Stop.TREATED),
]


@pytest.mark.parametrize(("now", "scanned", "stop"), CASES)
def test_each_reason_stops_alone(now: Situation, scanned: Scanned, stop: Stop) -> None:
    assert stops(now, scanned) == (stop,)


def test_every_reason_has_a_case_and_a_sentence() -> None:
    assert {stop for _, _, stop in CASES} | {Stop.UNKNOWN_BAG} == set(Stop) == set(STOPS)
    assert len(set(STOPS.values())) == len(STOPS)


def test_an_unknown_bag_says_nothing_of_donor_or_release() -> None:
    assert stops(replace(GOOD, bag=None, release=None, donors=[], donations=set()), SCANNED) == (Stop.UNKNOWN_BAG,)


def test_an_incident_that_recalls_nothing_stops_nothing() -> None:
    assert stops(of_bag(incidents=(Incident("B-01-001", "OTHER", "", "A", False, 9),)), SCANNED) == ()


def test_reasons_are_told_together_in_their_order() -> None:
    now = replace(of_bag(expires="2026-01-01", state=BagState.INFUSED), release=None, hold=True, eligible=False)
    found = stops(now, replace(SCANNED, wristband="X"))
    assert found == (Stop.WRONG_PERSON, Stop.USED, Stop.UNRELEASED, Stop.EXPIRED, Stop.RECIPIENT, Stop.HOLD)
    assert [one.msgid for one in told(found[::-1])] == [STOPS[stop] for stop in found]


NEVER = {
    Stop.UNKNOWN_BAG, Stop.WRONG_PERSON, Stop.WRONG_DONATION, Stop.NO_LINK, Stop.WRONG_DONOR, Stop.USED, Stop.RESERVED, Stop.DISCARDED,
    Stop.IN_TRANSIT, Stop.CONTRADICTED, Stop.RECALLED, Stop.REJECTED, Stop.NO_COHORT,
}  # fmt: skip


@pytest.mark.parametrize("stop", Stop)
def test_a_wrong_person_donor_or_bag_is_never_overridden(stop: Stop) -> None:
    assert may_be_overridden([stop]) is (stop not in NEVER)
    assert not may_be_overridden([stop, Stop.WRONG_PERSON])


def test_nothing_is_not_overridden() -> None:
    assert not may_be_overridden([])
    assert may_be_overridden(OVERRIDABLE)
