"""The ledger's state table, who writes which line, and what two assessments make of an event."""

from dataclasses import replace

import pytest

from tests.core.case_cases import GRAVE, OTHER, case, settings
from trialcrf.core.definition.safety import ExpectedTerm, ReferenceSafety
from trialcrf.core.safety.case import (
    Case,
    CaseEntry,
    CaseState,
    Kind,
    facts_of,
    judgements,
    may_write,
    proposed,
    replay,
    reportable,
)
from trialcrf.core.workflow import NotPossible

GRADES = [one.code for one in settings().severities.items]


def assessed(expected: bool | None = False, **related: str) -> CaseEntry:
    return case((Kind.ASSESSED, {"related": related, "expected": expected})).entries[-1]


def after(*kinds: Kind) -> CaseState:
    return case(*((kind, {}) for kind in kinds)).state


def test_a_case_opens_is_assessed_closed_and_opened_again():
    assert after() is CaseState.OPEN
    assert after(Kind.ASSESSED) is CaseState.ASSESSED
    assert after(Kind.ASSESSED, Kind.CLOSED) is CaseState.CLOSED
    assert after(Kind.ASSESSED, Kind.CLOSED, Kind.REOPENED) is CaseState.OPEN


def test_a_new_version_has_to_be_assessed_anew():
    assert after(Kind.VERSION, Kind.ASSESSED, Kind.VERSION) is CaseState.OPEN


@pytest.mark.parametrize("kinds", [(Kind.CLOSED,), (Kind.REOPENED,), (Kind.NULLIFIED, Kind.VERSION), (Kind.OPENED,)])
def test_a_move_that_the_table_has_not_is_refused_in_words(kinds: tuple[Kind, ...]):
    with pytest.raises(NotPossible) as refused:
        after(*kinds)
    assert "no longer possible" in refused.value.message.msgid


def test_a_closed_case_takes_news_and_replies_but_no_judgement():
    assert after(Kind.ASSESSED, Kind.CLOSED, Kind.INFORMED, Kind.ACKNOWLEDGED) is CaseState.CLOSED
    with pytest.raises(NotPossible):
        after(Kind.ASSESSED, Kind.CLOSED, Kind.ASSESSED)


def test_a_nullified_case_is_still_reported():
    assert after(Kind.NULLIFIED, Kind.SUBMITTED) is CaseState.NULLIFIED
    assert after(Kind.NULLIFIED, Kind.REOPENED) is CaseState.OPEN


def test_an_empty_ledger_has_no_state():
    with pytest.raises(NotPossible):
        replay([])


def test_only_the_sponsor_judges_and_only_site_and_sponsor_write():
    assert may_write("sponsor", Kind.ASSESSED)
    assert not any(may_write(role, Kind.ASSESSED) for role in ("investigator", "coordinator", "monitor", "data_manager"))
    assert may_write("coordinator", Kind.INFORMED)
    assert not may_write("monitor", Kind.INFORMED)
    assert not any(may_write(role, kind) for role in ("sponsor", "coordinator") for kind in (Kind.OPENED, Kind.NULLIFIED))


def test_versions_are_numbered_and_a_line_knows_which_it_was_written_against():
    held: Case = case((Kind.ASSESSED, {}), (Kind.VERSION, {}), (Kind.ASSESSED, {}), (Kind.VERSION, {}))
    assert [one.number for one in held.versions] == [1, 2]
    assert [held.version_at(one) for one in held.all_of(Kind.ASSESSED)] == [0, 1]


def test_the_facts_are_read_by_alias():
    told = {"AESER": "Y", "AETERM": "fièvre", "AETOXGR": "5", "AERELPRD": "RELATED", "AEAWARE": "2026-02-26T10:00+01:00"}
    facts = facts_of("donor", told, settings())
    assert (facts.subject_type, facts.term, facts.fatal, facts.related) == ("donor", "fièvre", True, True)
    assert facts.aware.isoformat() == "2026-02-26T10:00:00+01:00"
    assert facts_of("donor", {"AEOUT": "FATAL"}, None).fatal
    assert facts_of("donor", {"AESLIFE": "Y"}, None).grave


@pytest.mark.parametrize(
    ("told", "related"),
    [
        ({}, None),
        ({"AEREL": "NOT RELATED"}, False),
        ({"AEREL": "NOT RELATED", "AERELINF": "RELATED"}, True),
        ({"AERELDIS": "RELATED"}, None),
        ({"AEREL": "POSSIBLE"}, True),
    ],
)
def test_what_the_trial_brought_about_is_related_and_a_disease_is_not(told: dict[str, str], related: bool | None):
    assert facts_of("recipient", told, replace(settings(), related=("RELATED", "POSSIBLE"))).related is related


def test_the_sponsor_raises_and_never_lowers():
    assert reportable(replace(OTHER, related=False), assessed(AERELPRD="RELATED")) is True
    assert reportable(OTHER, assessed(AERELPRD="NOT RELATED")) is True
    assert reportable(replace(OTHER, related=False), assessed(AERELPRD="NOT RELATED")) is False
    assert reportable(replace(OTHER, related=None), assessed(AERELPRD="NOT RELATED")) is None, "the investigator has not judged"
    assert reportable(replace(OTHER, related=None), None) is None


def test_a_disagreement_is_shown_factor_by_factor():
    facts = replace(OTHER, factors={"AERELPRD": "RELATED", "AERELDIS": "NOT RELATED"})
    found = {one.factor: one.disagreed for one in judgements(facts, assessed(AERELPRD="NOT RELATED", AERELINF="RELATED"))}
    assert found == {"AERELPRD": True, "AERELINF": False, "AERELDIS": False}


def listed(most: str = "3", fatal: bool = False, version: str = "1", **more: str) -> ReferenceSafety:
    return ReferenceSafety(version, more.get("since", "2026-01-01"), more.get("until", ""), (ExpectedTerm("Fever", most, fatal),))


def test_an_empty_list_expects_nothing():
    found = proposed((), GRADES, OTHER)
    assert (found.expected, found.version) == (False, "")


@pytest.mark.parametrize(("most", "expected"), [("2", False), ("3", True), ("4", True)])
def test_a_listed_term_is_expected_up_to_its_severity(most: str, expected: bool):
    assert proposed((listed(most),), GRADES, OTHER).expected is expected


def test_an_unlisted_term_or_an_unknown_grade_is_unexpected():
    assert not proposed((listed(),), GRADES, replace(OTHER, term="Chills")).expected
    assert not proposed((listed(),), GRADES, replace(OTHER, grade="")).expected
    assert proposed((listed(),), GRADES, replace(OTHER, term="fever")).expected


def test_a_fatal_outcome_is_unexpected_unless_listed_so():
    fatal = replace(OTHER, fatal=True, grade="5")
    assert not proposed((listed("5"),), GRADES, fatal).expected
    assert proposed((listed("3", fatal=True),), GRADES, fatal).expected


def test_the_version_in_force_at_onset_decides():
    old, new = listed(until="2026-02-24"), replace(listed(since="2026-02-25", version="2"), terms=())
    assert proposed((old, new), GRADES, OTHER) == proposed((new,), GRADES, OTHER)
    assert proposed((old, new), GRADES, replace(OTHER, onset="2026-02-24")).version == "1"
    assert not proposed((old, new), GRADES, replace(OTHER, onset="2026-02")).expected, "either may have been in force"
    assert not proposed((old,), GRADES, replace(OTHER, onset="2027-01-01")).expected


def test_a_grave_event_is_fatal_or_life_threatening():
    assert GRAVE.grave
    assert not OTHER.grave
