"""An adverse event as it is read: when it began, whether it falls into the primary window, what it is related to, its course."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from tests.core.safety_cases import Subject, study
from trialcrf.core.definition.model import Anchor, Study
from trialcrf.core.definition.safety import Emergence, SafetySettings
from trialcrf.core.facts import Recorded
from trialcrf.core.safety.case import facts_of
from trialcrf.core.safety.event import AdverseEvent, Flaw, Phase, read_event
from trialcrf.core.wording import Words

AS_OF = date(2026, 12, 31)
CONSENT, INFUSION, HARVEST = "2026-05-01", "2026-06-10T10:30:00+02:00", "2026-05-20T09:00:00+02:00"


def settled(days: int = 10) -> tuple[Study, SafetySettings]:
    """The invented study with anchors for both kinds of subjects and a primary window of so many days after the infusion's."""
    base = study()
    anchors = tuple(Anchor(oid, Words({"en": oid}), alias) for oid, alias in (("C", "RFICDAT"), ("I", "EXSTDAT"), ("H", "PRSTDAT")))
    assert base.safety
    safety = replace(base.safety, consent="C", emergence=(Emergence("R", "I"), Emergence("D", "H")), primary_days=days)
    return replace(base, anchors=anchors, safety=safety), safety


def event(kind: str = "R", started: str = INFUSION, consent: str = CONSENT, days: int = 10, **told: str) -> AdverseEvent:
    of, safety = settled(days)
    person = Subject("R-01-001", kind)
    if consent:
        person.with_("CONSENT", {"RFICDAT": consent})
    if started:
        person.with_("PERFUSION", {"EXSTDAT" if kind == "R" else "PRSTDAT": started})
    person.with_("EVENT", {"AETERM": "Fever", **told})
    found = [read for record in person.record().records if (read := read_event(of, safety, person.record(), record, AS_OF, None))]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("onset", "clock", "phase"),
    [
        ("2026-04-30", "", Phase.BEFORE_CONSENT),
        ("2026-05-01", "", Phase.PRE_TREATMENT),
        ("2026-05", "", Phase.PRE_TREATMENT),
        ("2026-04", "", Phase.BEFORE_CONSENT),
        ("2026-06-09", "", Phase.PRE_TREATMENT),
        ("2026-06-10", "10:29", Phase.PRE_TREATMENT),
        ("2026-06-10", "10:30", Phase.TREATMENT_EMERGENT),
        ("2026-06-10", "", Phase.TREATMENT_EMERGENT),
        ("2026-06", "", Phase.TREATMENT_EMERGENT),
        ("2026-06-11", "00:05", Phase.TREATMENT_EMERGENT),
        ("", "", Phase.UNKNOWN),
    ],
)
def test_an_event_stands_before_consent_before_treatment_or_after_its_start(onset, clock, phase):
    told = ({"AESTDAT": onset} if onset else {}) | ({"AESTTIM": clock} if clock else {})
    assert event(**told).phase is phase


def test_a_donors_events_count_from_the_harvest():
    assert event("D", HARVEST, AESTDAT="2026-05-19").phase is Phase.PRE_TREATMENT
    assert event("D", HARVEST, AESTDAT="2026-05-21").phase is Phase.TREATMENT_EMERGENT
    assert event("D", HARVEST, AESTDAT="2026-05-21").primary is False, "the primary window is the recipients'"


def test_without_treatment_nothing_is_treatment_emergent():
    read = event(started="", AESTDAT="2026-06-11")
    assert (read.phase, read.primary) == (Phase.PRE_TREATMENT, False)


@pytest.mark.parametrize(
    ("onset", "clock", "inside"),
    [
        ("2026-06-09", "", False),
        ("2026-06-10", "09:00", False),
        ("2026-06-10", "11:00", True),
        ("2026-06-20", "23:59", True),
        ("2026-06-21", "00:00", False),
        ("2026-06", "", None),
        ("2026-07", "", False),
        ("2026", "", None),
    ],
)
def test_the_primary_window_ends_with_its_tenth_day_at_the_site(onset, clock, inside):
    told = {"AESTDAT": onset} | ({"AESTTIM": clock} if clock else {})
    assert event(**told).primary is inside


def test_an_event_without_onset_is_in_the_window_of_the_treated_perhaps_and_of_others_never():
    assert event().primary is None
    assert event(started="").primary is False
    assert event(days=0, AESTDAT="2026-06-11").primary is None, "a study without a primary window decides nothing"


@pytest.mark.parametrize(
    ("told", "related"),
    [
        ({}, None),
        ({"AEREL": "RELATED"}, True),
        ({"AEREL": "NOT RELATED"}, False),
        ({"AEREL": "NOT RELATED", "AERELINF": "RELATED"}, True),
        ({"AERELHAR": "RELATED"}, True),
        ({"AEREL": "NOT RELATED", "AERELDIS": "RELATED"}, False),
        ({"AERELCM": "RELATED"}, None),
        ({"AERELPRD": "NOT RELATED"}, False),
    ],
)
def test_a_factor_of_the_trial_makes_an_event_a_reaction_and_the_disease_does_not(told, related):
    read = event(**told)
    assert read.related is related
    assert facts_of("R", told, settled()[1]).related is related, "the case and the tables read one judgement alike"
    assert read.factors == {alias: text for alias, text in told.items() if alias != "AEREL"}


def test_the_course_of_a_grade_is_part_of_its_event_and_no_event_of_its_own():
    of, safety = settled()
    whole = Recorded(7, "AE", 1, "EVENT", 1, "", {"AETERM": "Sepsis", "AETOXGR": "4", "AESER": "Y", "AESLIFE": "Y"})
    rows = [Recorded(7, "AE", 1, "EVENT", 1, row, {"AECGRADE": row, "AECDAT": f"2026-06-1{row}"}) for row in ("2", "4")]
    another = Recorded(8, "AE", 1, "EVENT", 2, "1", {"AECGRADE": "1", "AECDAT": "2026-06-01"})
    person = replace(Subject("R-01-001").record(), records=(whole, *rows, another))
    found = [read for record in person.records if (read := read_event(of, safety, person, record, AS_OF, None))]
    assert [(one.verbatim, one.course) for one in found] == [("Sepsis", (("2", "2026-06-12"), ("4", "2026-06-14")))]
    assert (found[0].life_threatening, found[0].fatal) == (True, False)


def test_what_makes_the_onset_doubtful_is_said():
    assert Flaw.ONSET_TIME in event(AESTDAT="2026-06-10").flaws
    assert Flaw.ONSET_TIME not in event(AESTDAT="2026-06-10", AESTTIM="11:00").flaws
    assert Flaw.ONSET_TIME not in event(AESTDAT="2026-06-11").flaws
    assert Flaw.ONSET_BEFORE_CONSENT in event(AESTDAT="2026-04-30").flaws
    assert Flaw.ONSET_BEFORE_CONSENT not in event(AESTDAT="2026-05").flaws
