"""The study msc_ssc as it stands in its files: its visits on the calendar and the forms that they ask (clinical reference, C)."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from trialcrf.core.definition.load import load
from trialcrf.core.definition.model import EventType
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.schedule import State, Visit, plan
from trialcrf.external.files import read_study

STUDY = load(read_study(Path(__file__).parents[2] / "trialcrf" / "studies" / "msc_ssc"))
TODAY = date(2026, 11, 21)


def recorded(event_oid: str, form_oid: str, **values: str) -> Recorded:
    return Recorded(1, event_oid, 1, form_oid, 1, "", values)


def infused(day: date) -> Recorded:
    return recorded("D0", "INFUSION", EXSTDAT=f"{day}T10:00+01:00")


def harvested(day: date) -> Recorded:
    return recorded("H0", "HARVEST", PRSTDAT=f"{day}T09:00+01:00")


def visits(kind: str, *records: Recorded, today: date = TODAY) -> dict[str, Visit]:
    return {one.event.oid: one for one in plan(STUDY, SubjectRecord(1, "S-01-001", "01", kind, date(2026, 1, 1), records), today)}


# Section C of the clinical reference: target, first and last day, counted from an infusion on these days.
JANUARY, LEAP_JANUARY, LEAP_DAY = date(2026, 1, 31), date(2028, 1, 31), date(2028, 2, 29)
CALENDAR = [
    # visit, target from 31 January 2026, from 31 January 2028, from 29 February 2028, days before and after
    ("BAS", "2026-01-31", "2028-01-31", "2028-02-29", 7, 0),
    ("D1", "2026-02-01", "2028-02-01", "2028-03-01", 0, 0),
    ("D2", "2026-02-02", "2028-02-02", "2028-03-02", 0, 0),
    ("D3", "2026-02-03", "2028-02-03", "2028-03-03", 1, 1),
    ("D7", "2026-02-07", "2028-02-07", "2028-03-07", 1, 1),
    ("D10", "2026-02-10", "2028-02-10", "2028-03-10", 0, 2),
    ("M1", "2026-02-28", "2028-02-29", "2028-03-29", 7, 7),
    ("M3", "2026-04-30", "2028-04-30", "2028-05-29", 14, 14),
    ("M6", "2026-07-31", "2028-07-31", "2028-08-29", 14, 14),
    ("M9", "2026-10-31", "2028-10-31", "2028-11-29", 21, 21),
    ("M12", "2027-01-31", "2029-01-31", "2029-02-28", 30, 30),
    ("M18", "2027-07-31", "2029-07-31", "2029-08-29", 30, 30),
    ("M24", "2028-01-31", "2030-01-31", "2030-02-28", 30, 30),
]


@pytest.mark.parametrize("row", CALENDAR, ids=[row[0] for row in CALENDAR])
@pytest.mark.parametrize(("column", "start"), [(1, JANUARY), (2, LEAP_JANUARY), (3, LEAP_DAY)])
def test_each_visit_stands_where_section_c_puts_it(row, column, start):
    oid, before, after = row[0], timedelta(row[4]), timedelta(row[5])
    target = date.fromisoformat(row[column])
    one = visits("recipient", infused(start))[oid]
    assert (one.target, one.opens, one.closes) == (target, target - before, target + after)


def test_no_visit_of_a_recipient_is_missing_from_the_table():
    assert {"SCR", "D0", *(row[0] for row in CALENDAR)} == set(visits("recipient"))


@pytest.mark.parametrize(("oid", "days", "before", "after"), [("F1", 1, 1, 1), ("F7", 7, 2, 2), ("F30", 30, 7, 7)])
def test_a_donor_is_followed_from_the_harvest(oid, days, before, after):
    one = visits("donor", harvested(LEAP_DAY))[oid]
    target = LEAP_DAY + timedelta(days)
    assert (one.target, one.opens, one.closes) == (target, target - timedelta(before), target + timedelta(after))


def test_the_calendars_of_donor_and_recipient_do_not_know_each_other():
    donor, recipient = set(visits("donor")), set(visits("recipient"))
    assert donor == {"DSCR", "H0", "F1", "F7", "F30"} and not donor & recipient
    assert all(visits("donor", infused(JANUARY))[oid].target is None for oid in ("F1", "F7", "F30"))
    assert all(visits("recipient", harvested(JANUARY))[row[0]].target is None for row in CALENDAR)


@pytest.mark.parametrize(
    ("day", "state"),
    [
        ("2026-02-09", State.DONE_OUT),
        ("2026-02-10", State.DONE),
        ("2026-02-12", State.DONE),
        ("2026-02-13", State.DONE_OUT),
    ],
)
def test_day_10_is_never_before_day_10(day, state):
    assert visits("recipient", infused(JANUARY), recorded("D10", "FVISIT", SVSTDAT=day))["D10"].state is state


def test_day_10_is_not_due_before_day_10():
    assert visits("recipient", infused(JANUARY), today=date(2026, 2, 9))["D10"].state is State.DUE_SOON
    assert visits("recipient", infused(JANUARY), today=date(2026, 2, 10))["D10"].state is State.DUE


def test_an_infusion_with_another_date_moves_every_visit_after_it():
    before, after = visits("recipient", infused(JANUARY)), visits("recipient", infused(JANUARY + timedelta(3)))
    assert all(before[row[0]].target != after[row[0]].target for row in CALENDAR)


def asked(event_oid: str, mandatory: bool = True) -> set[str]:
    return {ref.form_oid for ref in STUDY.event[event_oid].forms if ref.mandatory is mandatory}


@pytest.mark.parametrize("oid", ["M3", "M6", "M12", "M24"])
def test_a_full_visit_asks_the_whole_efficacy_set(oid):
    assert {"VITALS", "PHYSEXAM", "SKIN", "LUNG", "LABS", "HAQ", "EUSTARACT"} <= asked(oid)


def test_month_9_and_month_18_ask_what_section_c_lists():
    assert asked("M9") == {"FVISIT", "SKIN", "LUNG", "LABS", "HAQ", "MALIGNANCY"}
    assert asked("M18") == {"FVISIT", "SKIN", "LABS", "MALIGNANCY"}


def test_malignancy_is_asked_at_every_visit_after_month_3_and_at_none_before():
    after = {event.oid for event in STUDY.events if event.type is EventType.SCHEDULED and "MALIGNANCY" in asked(event.oid)}
    assert after == {"M6", "M9", "M12", "M18", "M24"}


def test_imaging_is_asked_again_at_month_12():
    assert {"IMAGING", "ECHO", "CAPILLARO"} <= asked("M12")


def test_screening_of_a_recipient_asks_every_form_of_the_recipient_that_an_eligibility_rule_reads():
    rules = STUDY.eligibility_of("recipient")
    assert rules is not None
    after_screening = {"LINK", "D0"}
    read = {
        ref.form for each in rules.inputs if each.value is not None for ref in each.value.references if ref.event not in after_screening
    }
    common = {ref.form_oid for oid in after_screening for ref in STUDY.event[oid].forms}
    assert read - common - {"subject"} <= asked("SCR")


UNVERIFIED = ["CAPILLARO", "HAQ", "EUSTARACT", "MEDSGER", "CALCINOSIS", "SLEDAI", "BILAG", "CRISSFORM", "EQ5D"]


@pytest.mark.parametrize("oid", UNVERIFIED)
def test_an_instrument_that_nobody_has_verified_says_so_where_it_is_filled_in(oid):
    told = STUDY.form[oid].help.texts
    assert "à vérifier" in told["fr"].lower() and "to be verified" in told["en"].lower()


def test_overlap_instruments_and_calcinosis_are_never_demanded():
    optional = {"SLEDAI", "BILAG", "CRISSFORM", "CALCINOSIS"}
    assert not any(optional & asked(event.oid) for event in STUDY.events)
    assert optional - {"CRISSFORM"} <= asked("UNS", mandatory=False) and optional <= asked("M6", mandatory=False)


def test_a_death_ends_the_calendar_wherever_it_is_recorded():
    ended = visits("recipient", infused(JANUARY), recorded("DEATH", "DEATH", DTHDAT="2026-04-01"))
    assert ended["M3"].state is State.CANCELLED
    assert "DTHDAT" in STUDY.form["DEATH"].items["DEATH_DATE"][1].aliases


def test_early_termination_does_not_end_the_calendar_by_itself():
    assert STUDY.form["ETERM"].with_alias("DSDECOD") is None


@pytest.mark.parametrize("kind", ["recipient", "donor"])
def test_deaths_deviations_and_unplanned_visits_can_be_recorded_for_both_kinds(kind):
    assert {"UNS", "ET", "AE", "CM", "DV", "DEATH", "END"} <= {event.oid for event in STUDY.events_for(kind)}


def test_what_a_donors_tests_found_is_the_donors_secret():
    assert STUDY.form["DSEROLOGY"].access == "donor"
    assert [event.oid for event in STUDY.events if "DSEROLOGY" in {ref.form_oid for ref in event.forms}] == ["DSCR"]
    assert STUDY.event["DSCR"].subject_types == ("donor",)


def test_every_assumption_is_proposed_and_says_what_is_asked_how_it_is_read_and_why():
    assert len(STUDY.assumptions) == 46
    for one in STUDY.assumptions.values():
        assert one.state == "proposed" and not one.by and not one.on
        assert all(words.texts[language] for words in (one.question, one.reading, one.why) for language in ("fr", "en"))
