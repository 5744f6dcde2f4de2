"""The vectors of the clinical reference, E.6, and what starts, moves and meets a clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.core.case_cases import (
    ALL,
    BIOVIGILANCE,
    DONOR,
    FIFTEEN,
    GRAVE,
    OPENED,
    OTHER,
    PARIS,
    SEVEN,
    SITE,
    WORSE,
    case,
    duty,
    sent,
    settings,
)
from trialcrf.core.definition.safety import ExpectedTerm, ReferenceSafety
from trialcrf.core.safety.case import Case, Facts, Kind
from trialcrf.core.safety.clock import ClockState, Deadline, Step, deadlines, nearest, reached

SOON = OPENED + timedelta(hours=1)


def clocks(held: Case, *known: Facts, now: datetime = SOON, duties: tuple = ALL, turned: datetime | None = None, **more: object):
    """The deadlines by OID: the event as known at opening, and (where there are two) from `turned` on."""
    history = [(held.opened_at, known[0]), *((turned, facts) for facts in known[1:])]
    return {one.obligation.oid: one for one in deadlines(settings(*duties, **more), held, history, PARIS, now)}


def on(month: int, day: int, hour: int = 10, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=PARIS)


def test_a_life_threatening_reaction_is_due_after_seven_days_and_ends_with_the_day():
    one = clocks(case(), GRAVE)["SEVEN"]
    assert (one.day, one.due) == (date(2026, 3, 5), on(3, 6, 0).astimezone(UTC))
    assert clocks(case(), GRAVE, now=on(3, 5, 23, 59))["SEVEN"].state is ClockState.DUE_SOON
    assert clocks(case(), GRAVE, now=on(3, 6, 0))["SEVEN"].state is ClockState.OVER


def test_any_other_unexpected_reaction_is_due_after_fifteen_days():
    found = clocks(case(), OTHER)
    assert found["FIFTEEN"].day == date(2026, 3, 13)
    assert found["SEVEN"].state is ClockState.NOT_STARTED


def test_a_month_with_an_end_is_counted_in_days():
    assert clocks(case(opened=on(1, 31)), OTHER)["FIFTEEN"].day == date(2026, 2, 15)


@pytest.mark.parametrize(("turned", "day"), [(on(3, 10), date(2026, 3, 13)), (on(3, 1), date(2026, 3, 8))])
def test_one_that_worsens_is_due_seven_days_later_but_never_after_the_first_deadline(turned: datetime, day: date):
    found = clocks(case(), OTHER, replace(OTHER, fatal=True), turned=turned, now=turned)
    assert found["WORSE"].day == day
    assert [oid for oid, one in found.items() if one.waits] == ["SITE", "WORSE"], "one report, one deadline"


def test_one_that_worsens_after_it_was_reported_has_its_seven_days():
    found = clocks(case(sent("FIFTEEN", on(3, 5))), OTHER, GRAVE, turned=on(3, 10), now=on(3, 10))
    assert (found["WORSE"].day, found["FIFTEEN"].state) == (date(2026, 3, 17), ClockState.MET)


def test_the_day_is_the_sponsors():
    late = datetime(2026, 2, 26, 23, 30, tzinfo=UTC)
    assert clocks(case(opened=late), GRAVE)["SEVEN"].day == date(2026, 3, 6)


def test_twenty_four_hours_run_over_a_weekend():
    friday = on(2, 27, 23, 30)
    assert clocks(case(), replace(GRAVE, aware=friday))["SITE"].due == on(2, 28, 23, 30)


def test_twenty_four_hours_are_hours_when_the_clocks_go_forward():
    one = clocks(case(), replace(GRAVE, aware=on(3, 28, 23, 30)), now=on(3, 29))["SITE"]
    assert one.due == datetime(2026, 3, 29, 22, 30, tzinfo=UTC)
    assert one.due.astimezone(PARIS).isoformat() == "2026-03-30T00:30:00+02:00"


def test_without_a_recorded_awareness_the_first_entry_counts_and_it_says_so():
    one = clocks(case(), OTHER)["SITE"]
    assert one.starts == OPENED
    assert "not recorded" in one.why.msgid
    assert "not recorded" not in clocks(case(), replace(OTHER, aware=OPENED))["SITE"].why.msgid


def test_the_sponsors_earlier_knowledge_is_day_zero_and_a_sites_is_not():
    earlier = {"who": "x", "aware": on(2, 24).isoformat(), "what": "by phone"}
    assert clocks(case((Kind.INFORMED, earlier)), GRAVE)["SEVEN"].day == date(2026, 3, 3)
    assert clocks(case((Kind.INFORMED, earlier, 0, "coordinator")), GRAVE)["SEVEN"].day == date(2026, 3, 5)


def test_the_site_has_told_the_sponsor_when_the_sponsor_writes_or_the_site_says_so():
    assert clocks(case(), OTHER, now=OPENED + timedelta(hours=25))["SITE"].state is ClockState.OVER
    wrote = clocks(case((Kind.VERSION, {}, 23)), OTHER, now=OPENED + timedelta(hours=25))["SITE"]
    assert (wrote.state, wrote.met_at) == (ClockState.MET, OPENED + timedelta(hours=23))
    late = clocks(case(sent("SITE", OPENED + timedelta(hours=24, seconds=1), "investigator")), OTHER, now=OPENED + timedelta(hours=25))
    assert late["SITE"].state is ClockState.LATE
    assert clocks(case((Kind.DOCUMENT, {}, 1, "coordinator")), OTHER)["SITE"].state is ClockState.RUNNING


def test_a_report_on_the_last_day_is_in_time_and_one_after_midnight_is_late():
    assert clocks(case(sent("SEVEN", on(3, 5, 23, 59))), GRAVE)["SEVEN"].state is ClockState.MET
    assert clocks(case(sent("SEVEN", on(3, 6, 0))), GRAVE)["SEVEN"].state is ClockState.LATE


def test_the_follow_up_runs_eight_days_from_the_report():
    assert clocks(case(), GRAVE)["MORE"].state is ClockState.NOT_STARTED
    assert clocks(case(sent("SEVEN", on(3, 2))), GRAVE)["MORE"].day == date(2026, 3, 10)


def test_the_report_of_a_worsening_has_a_follow_up_too():
    found = clocks(case(sent("WORSE", on(3, 2))), OTHER, GRAVE, turned=on(3, 1), now=on(3, 2))
    assert found["MORE"].day == date(2026, 3, 10)


def test_what_concerns_donors_or_biovigilance_runs_for_them_only():
    assert "DONOR" not in clocks(case(), OTHER)
    assert clocks(case(), OTHER)["BIOVIGILANCE"].state is ClockState.NOT_STARTED
    donor = clocks(case(), Facts("donor", related=False, biovigilance=True), now=OPENED + timedelta(hours=30))
    assert (donor["DONOR"].state, donor["BIOVIGILANCE"].state) == (ClockState.DUE_SOON, ClockState.DUE_SOON)
    assert donor["DONOR"].hours_left == -30, "at once is counted from the start"


def test_an_obligation_of_another_regime_is_not_there():
    other = duty("OTHER", "serious", "day_zero", days=1, regime="JARDE")
    assert clocks(case(), OTHER, duties=(other,)) == {}
    assert "OTHER" in clocks(case(), OTHER, duties=(other,), regime="JARDE")


def test_what_nobody_judged_yet_counts_as_related_and_unexpected():
    assert clocks(case(), replace(OTHER, related=None))["FIFTEEN"].waits
    assert clocks(case(), replace(OTHER, related=False))["FIFTEEN"].state is ClockState.NOT_STARTED


def test_either_judgement_makes_it_related_and_the_sponsors_decision_makes_it_expected():
    yes, no = ({"related": {"AERELPRD": said}, "expected": False} for said in ("RELATED", "NOT RELATED"))
    assert clocks(case((Kind.ASSESSED, yes)), replace(OTHER, related=False))["FIFTEEN"].waits
    assert clocks(case((Kind.ASSESSED, no)), OTHER)["FIFTEEN"].waits, "the sponsor never lowers"
    assert not clocks(case((Kind.ASSESSED, {**yes, "expected": True})), OTHER)["FIFTEEN"].waits


def test_until_the_sponsor_decides_the_reference_safety_information_does():
    listed = (ReferenceSafety("1", "2026-01-01", terms=(ExpectedTerm("Fever", "3"),)),)
    assert clocks(case(), OTHER, references=listed)["FIFTEEN"].state is ClockState.NOT_STARTED
    undecided = case((Kind.ASSESSED, {"related": {"AERELPRD": "RELATED"}, "expected": None}))
    assert clocks(undecided, OTHER, references=listed)["FIFTEEN"].state is ClockState.NOT_STARTED


def test_an_investigator_who_relates_it_later_starts_day_zero_then_but_a_sponsor_does_not():
    before, after = replace(OTHER, related=False), OTHER
    assert clocks(case(), before, after, turned=on(3, 10), now=on(3, 10))["FIFTEEN"].day == date(2026, 3, 25)
    sponsor = {"related": {"AERELPRD": "RELATED"}, "expected": False}
    assert clocks(case((Kind.ASSESSED, sponsor, 48)), before)["FIFTEEN"].day == date(2026, 3, 13)
    assert clocks(case((Kind.ASSESSED, sponsor, 48)), before, after, turned=on(3, 10), now=on(3, 10))["FIFTEEN"].day == date(2026, 3, 13)


def test_a_nullified_case_owes_nothing_and_one_that_is_serious_again_begins_anew():
    gone = case((Kind.NULLIFIED, {"why": "x"}, 5, "system"))
    assert not any(one.waits for one in clocks(gone, GRAVE).values())
    again = case((Kind.NULLIFIED, {"why": "x"}, 5, "system"), (Kind.REOPENED, {"why": "x"}, on(3, 10), "system"))
    assert clocks(again, GRAVE, now=on(3, 10))["SEVEN"].day == date(2026, 3, 17)


def test_a_closed_case_waits_for_no_follow_up():
    assessed = {"related": {"AERELPRD": "RELATED"}, "expected": False}
    closed = case(sent("SEVEN", on(3, 2)), (Kind.ASSESSED, assessed, on(3, 2)), (Kind.CLOSED, {"why": "x"}, on(3, 3)))
    assert clocks(closed, GRAVE)["MORE"].state is ClockState.NOT_STARTED


def test_hours_left_are_rounded_down_and_negative_when_over():
    assert clocks(case(), OTHER, now=OPENED + timedelta(minutes=90))["SITE"].hours_left == 22
    assert clocks(case(), OTHER, now=OPENED + timedelta(hours=24, minutes=1))["SITE"].hours_left == -1


def test_the_nearest_is_the_one_that_ends_first():
    found = list(clocks(case(), GRAVE).values())
    assert nearest(found).obligation is SITE
    assert nearest(list(clocks(case((Kind.VERSION, {}, 1)), GRAVE).values())).obligation is SEVEN
    assert nearest([]) is None


def step(held: Case, facts: Facts, duty_: str, now: datetime) -> Step | None:
    one: Deadline = clocks(held, facts, now=now)[duty_]
    return reached(one, now)


@pytest.mark.parametrize(
    ("hours", "told"),
    [(0, Step.OPENED), (11.9, Step.OPENED), (12, Step.HALF), (20, Step.SOON), (24.1, Step.OVER), (48, Step.OVER_DAY)],
)
def test_a_clock_of_hours_is_told_of_step_by_step(hours: float, told: Step):
    assert step(case(), OTHER, "SITE", OPENED + timedelta(hours=hours)) is told


def test_a_clock_of_days_is_told_of_a_day_before_its_end():
    assert step(case(), GRAVE, "SEVEN", on(3, 4, 23, 59)) is Step.HALF
    assert step(case(), GRAVE, "SEVEN", on(3, 5, 0)) is Step.SOON


def test_what_is_met_or_not_started_reminds_of_nothing():
    assert step(case(sent("SEVEN", on(3, 1))), GRAVE, "SEVEN", on(3, 5)) is None
    assert step(case(), GRAVE, "FIFTEEN", on(3, 5)) is None


def test_what_is_due_at_once_is_told_at_once_and_escalates_after_a_day():
    donor = Facts("donor", biovigilance=True)
    assert [step(case(), donor, "BIOVIGILANCE", OPENED + timedelta(hours=hours)) for hours in (0, 4, 24)] == [
        Step.OPENED, Step.SOON, Step.OVER_DAY,
    ]  # fmt: skip


def test_the_vectors_use_every_obligation():
    assert {one.oid for one in (SITE, SEVEN, FIFTEEN, WORSE, DONOR, BIOVIGILANCE)} < {one.oid for one in ALL}
