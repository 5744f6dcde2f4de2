"""The packs of a study's safety, counted by hand on an invented trial; where a study blinds, no arm is in what is drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tests.core.pack_cases import DECISIONS, pack_cases, pack_study, pack_trial
from tests.core.safety_cases import CUT
from tests.plain_values import plain
from trialcrf.core.packs.dsmb import DsmbReport, board_pack
from trialcrf.core.packs.dsur import previous_lock, update
from trialcrf.core.packs.report import tabulate
from trialcrf.core.packs.sae import list_serious

STUDY, TRIAL = pack_study(), pack_trial()
CASES = pack_cases(STUDY)


@pytest.fixture(scope="module")
def pack() -> DsmbReport:
    return board_pack(STUDY, TRIAL, CASES, DECISIONS, CUT, closed=False)


def test_serious_events_are_listed_with_both_judgements_and_their_deadlines():
    listed = list_serious(STUDY, TRIAL, CASES, CUT)
    assert [(one.event.subject, one.event.verbatim, one.number) for one in listed.events] == [
        ("R-01-001", "Infusion reaction", None), ("R-01-001", "Lung infection", 1), ("R-01-003", "Sepsis", None),
    ]  # fmt: skip
    reaction, lung, _ = listed.events
    assert (lung.investigator.msgid, lung.sponsor.params["judgement"].msgid, lung.expected.msgid) == ("not judged", "related", "unexpected")
    assert lung.related is True, "the sponsor may raise a judgement"
    assert (reaction.investigator.msgid, reaction.sponsor.msgid) == ("not related", "not judged")
    (told,) = lung.told
    assert told.bad and told.state.msgid == "met late" and told.met.day == 14
    assert (listed.subjects, listed.related, listed.unexpected, listed.fatal, listed.late, listed.without) == (2, 1, 1, 1, 1, 2)


def test_the_sponsor_never_lowers_what_the_investigator_saw():
    related = replace(STUDY, safety=replace(STUDY.safety, related=("RELATED", "POSSIBLE")))
    reaction = list_serious(related, TRIAL, (), CUT).events[0]
    assert reaction.related is True and reaction.investigator.msgid == "related"


@pytest.mark.parametrize(
    ("first", "lock", "previous"),
    [
        (date(2024, 3, 10), date(2026, 3, 9), date(2025, 3, 10)),
        (date(2024, 3, 10), date(2026, 3, 10), date(2025, 3, 10)),  # the day itself is inside, so it is not the previous one
        (date(2024, 3, 10), date(2026, 3, 11), date(2026, 3, 10)),
        (date(2024, 2, 29), date(2025, 3, 1), date(2025, 2, 28)),
        (date(2024, 3, 10), date(2025, 3, 9), None),
        (None, date(2026, 3, 9), None),
    ],
)
def test_the_interval_begins_after_the_last_anniversary_of_the_first_consent(first, lock, previous):
    assert previous_lock(first, lock) == previous


def test_the_interval_lists_reactions_after_the_previous_lock_and_on_this_one():
    def listed(as_of: date) -> list[str]:
        return [one.serious.event.verbatim for one in update(STUDY, TRIAL, CASES, replace(CUT, as_of=as_of)).reactions]

    assert listed(date(2026, 10, 31)) == listed(date(2026, 4, 10)) == listed(date(2027, 1, 2)) == ["Lung infection"]
    assert listed(date(2026, 4, 9)) == [], "it begins the day after"
    assert listed(date(2027, 1, 3)) == [], "another interval began after the anniversary of the first consent"


def test_the_annual_update_counts_exposure_by_arm_age_and_sex_once():
    report = update(STUDY, TRIAL, CASES, CUT)
    assert report.first_consent == date(2026, 1, 2)
    lines = {(one.group.msgid, str(one.label)): one.subjects for one in report.exposure}
    assert sorted(lines.values()) == sorted([(1, 1, 2), (1, 0, 1), (0, 1, 1), (1, 2, 3), (1, 0, 1), (2, 2, 4)])
    ages = [one.subjects for one in report.exposure if one.group.msgid in ("Age at first treatment", "not recorded")]
    sexes = [one.subjects for one in report.exposure if one.group.msgid == "Sex"]
    assert [sum(column) for column in zip(*ages, strict=True)] == [sum(column) for column in zip(*sexes, strict=True)] == [2, 2, 4]
    assert report.reactions[0].age == 55 and report.reactions[0].onset_day == 67
    assert [one.subject for one in report.deaths_in_interval] == ["R-01-003"]
    assert report.base.serious == tabulate(STUDY, TRIAL, CUT).serious


def test_the_primary_endpoint_has_exact_intervals_by_dose(pack):
    first, second, both = pack.safety.endpoint
    assert [(one.treated, one.subjects, one.unsure, one.events) for one in pack.safety.endpoint] == [
        (2, 1, 1, 1),
        (2, 0, 1, 0),
        (4, 1, 2, 1),
    ]
    assert (round(first.low, 4), round(first.high, 4)) == (Decimal("0.0126"), Decimal("0.9874"))
    assert (second.low, round(second.high, 4)) == (0, Decimal("0.8419"))
    assert (round(both.low, 4), round(both.high, 4)) == (Decimal("0.0063"), Decimal("0.8059"))
    assert [one.event.verbatim for one in pack.safety.in_window] == ["Infusion reaction"]


def test_doses_are_given_per_kg_with_their_batch(pack):
    assert {(one.subject, one.per_kg, one.batch) for one in pack.safety.infusions} == {
        (key, Decimal("1.00"), "B-1") for key in ("R-01-001", "R-01-002", "R-01-003", "R-02-001")
    }


def test_missing_visits_malignancies_and_shifts_are_found(pack):
    assert [(one.subject, one.state.msgid) for one in pack.missing] == [("R-02-001", "missed")]
    assert [(one.due, one.done, one.missed, one.overdue) for one in pack.visits] == [(3, 2, 1, 0)]
    assert [(one.subject, one.on) for one in pack.safety.malignancies] == [("R-02-001", "2026-08-20")]
    assert pack.safety.pregnancies == ()
    found = {(one.analyte, one.baseline.msgid): (one.subjects, one.normal, one.low, one.high, one.both) for one in pack.safety.shifts}
    assert found == {
        ("ALT", "within the limits"): (1, 0, 0, 1, 0), ("ALT", "above the limits"): (1, 1, 0, 0, 0), ("ALT", "not known"): (2, 0, 0, 1, 0),
        ("BILI", "within the limits"): (2, 1, 0, 1, 0), ("BILI", "not known"): (2, 2, 0, 0, 0),
    }  # fmt: skip


def test_phases_apart_donors_apart(pack):
    phases = {line.label.msgid: [count.events for count in line.counts] for line in pack.safety.report.phases}
    kinds = [column.kind for column in pack.safety.report.columns]
    donors, treated = kinds.index("other"), kinds.index("treated")
    assert phases["treatment-emergent"][donors] == 1, "a bruise after the harvest"
    assert phases["before treatment"][treated] == 1, "pain on the day before the infusion"
    assert sum(counts[-1] for name, counts in phases.items() if "window" not in name) == pack.safety.report.figures.events == 10


# Blinding by construction


@pytest.mark.parametrize("made", ["safety", "sae", "dsur", "dsmb"])
def test_where_a_study_blinds_no_arm_and_no_dose_is_in_the_value(made):
    blinded = pack_study(blinded=True)
    values = {
        "safety": lambda: tabulate(blinded, TRIAL, CUT),
        "sae": lambda: list_serious(blinded, TRIAL, CASES, CUT),
        "dsur": lambda: update(blinded, TRIAL, CASES, CUT),
        "dsmb": lambda: board_pack(blinded, TRIAL, CASES, DECISIONS, CUT, closed=False),
    }
    told = json.dumps(plain(values[made]()), ensure_ascii=False)
    assert "10⁶" not in told and '"D1"' not in told and '"D3"' not in told and '"70.0"' not in told and "B-1" not in told
    assert "All arms together (blinded)" in told


def test_who_may_sign_decisions_sees_the_arms_of_a_blinded_study(pack):
    closed = board_pack(pack_study(blinded=True), TRIAL, CASES, DECISIONS, CUT, closed=True)
    assert closed.safety == pack.safety and closed.by_arm
    assert [column.label.msgid for column in closed.pooled.columns if column.kind == "arm"] == ["All arms together (blinded)"]
