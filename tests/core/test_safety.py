"""The safety tabulation: tables of cases, a published table, and what must hold for any data."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.safety_cases import CUT, LEVELS, Subject, invented_trial, published_msc_trial, study
from tests.plain_values import as_sample
from trialcrf.core.cut import Cut
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.report import NoSafetySettings, SafetyReport, tabulate
from trialcrf.core.packs.tables import Cell, Count, SocLine, TermLine
from trialcrf.core.safety.event import Flaw
from trialcrf.core.safety.participant import ColumnKind
from trialcrf.core.wording import Message, Words

STUDY = study()
SAMPLE = Path(__file__).resolve().parents[2] / "reports" / "safety" / "sample.json"


def report(*subjects: Subject, cut: Cut = CUT) -> SafetyReport:
    return tabulate(STUDY, [subject.record() for subject in subjects], cut)


def flaws(**values: str) -> set[Flaw]:
    """The flaws of one event with these answers."""
    found = report(Subject("R-01-001").treated().event(**values))
    return set(found.listing[0].event.flaws)


def column(found: SafetyReport, kind: ColumnKind, label: str = "") -> int:
    return next(
        place
        for place, column in enumerate(found.columns)
        if column.kind is kind and (not label or (isinstance(column.label, Words) and column.label.in_("en") == label))
    )


def line(found: SafetyReport, soc: str, term: str = "") -> SocLine | TermLine:
    of_class = next(each for each in found.events.classes if isinstance(each.label, Words) and each.label.in_("en") == soc)
    return next(each for each in of_class.terms if isinstance(each.label, Words) and each.label.in_("en") == term) if term else of_class


# The published table (clinical reference, B.2)


def test_the_published_table_of_the_msc_trial_comes_out() -> None:
    found = tabulate(STUDY, published_msc_trial(), CUT)
    everything = found.events.cells[column(found, ColumnKind.TREATED)]
    assert everything.events == found.figures.events == 21
    assert [count.events for count in everything.levels] == [7, 14, 0, 0, 0]
    assert everything.subjects == 6 and found.figures.severe_events == 0
    assert found.figures.serious_events == 1 and found.serious_listing[0].event.subject == "S3"
    related = [line.event for line in found.listing if line.event.relation == Words({"fr": "Possible", "en": "Possible"})]
    assert len(related) == 4
    per_subject = Counter((line.event.subject, line.event.level) for line in found.listing)
    assert [(per_subject[key, 0], per_subject[key, 1]) for key in ("S1", "S2", "S3", "S4", "S5", "S6")] == [
        (3, 5), (0, 2), (2, 2), (0, 3), (1, 1), (1, 1),
    ]  # fmt: skip
    assert everything.levels[1].subjects == 6, "every subject's worst grade is 2"


# Counting


def test_a_subject_counts_once_a_line_at_the_worst_severity() -> None:
    found = report(Subject("R-01-001").treated().event(grade="1").event(grade="3").event(grade="2"))
    cell = line(found, "General disorders", "Fever").cells[column(found, ColumnKind.ARM)]
    assert cell == Cell(3, 1, (Count(1, 0), Count(1, 0), Count(1, 1), Count(0, 0), Count(0, 0)))


def test_a_recorded_severity_outranks_an_unrecorded_one() -> None:
    found = report(Subject("R-01-001").treated().event(grade="").event(grade="1"), Subject("R-01-002").treated().event(grade=""))
    cell = found.events.cells[column(found, ColumnKind.TREATED)]
    assert (cell.levels[0], cell.levels[-1]) == (Count(1, 1), Count(2, 1))
    assert found.levels[-1].label == Message("Not stated")


def test_the_column_of_unrecorded_severities_appears_only_with_one() -> None:
    assert len(report(Subject("R-01-001").treated().event()).levels) == 5


def test_spelling_does_not_make_a_subject_count_on_two_lines() -> None:
    found = report(Subject("R-01-001").treated().event("headache ").event("Headache").event("HEADACHE"))
    (only,) = found.events.classes[0].terms
    assert only.label == Words({"": "HEADACHE"}) and only.cells[0].subjects == 1 and only.cells[0].events == 3


def test_the_coded_term_is_the_line_and_the_verbatim_stays_in_the_listing() -> None:
    found = report(Subject("R-01-001").treated().event("mal de tête", AEDECOD="Headache"))
    assert found.events.classes[0].terms[0].label == Words({"": "Headache"})
    assert found.listing[0].event.verbatim == "mal de tête"


def test_severe_means_from_the_level_the_study_names() -> None:
    found = report(Subject("R-01-001").treated().event(grade="2").event(grade="3").event(grade="4"))
    assert (found.figures.severe_events, found.figures.severe_subjects) == (2, 1)
    assert [level.severe for level in found.levels] == [False, False, True, True, True]


def test_a_study_with_three_levels_of_severity_is_counted_by_them() -> None:
    three = study("AESEV", LEVELS, "SEVERE")
    subject = Subject("R-01-001").treated().event(grade="", AESEV="MODERATE").event(grade="", AESEV="SEVERE")
    found = tabulate(three, [subject.record()], CUT)
    assert [count.events for count in found.events.cells[0].levels] == [0, 1, 1]
    assert found.figures.severe_events == 1


def test_an_event_saved_without_its_term_still_counts() -> None:
    found = report(Subject("R-01-001").treated().with_("EVENT", {"AESER": "N", "AESTDAT": "2026-03-01"}))
    assert found.figures.events == 1
    assert found.events.classes[-1].recorded is False and found.events.classes[-1].terms[0].recorded is False
    assert Flaw.TERM_MISSING in found.listing[0].event.flaws


def test_classes_and_terms_not_recorded_come_last() -> None:
    found = report(Subject("R-01-001").treated().event("Zoster", "VASCULAR").event("Cough", "").event("", "GASTRO").event("Air", "GASTRO"))
    assert [each.recorded for each in found.events.classes] == [True, True, False]
    assert [each.recorded for each in found.events.classes[0].terms] == [True, False]


# Who is counted


def test_events_of_the_never_treated_and_of_donors_have_columns_of_their_own() -> None:
    found = tabulate(STUDY, invented_trial(), CUT)
    assert [column.kind.value for column in found.columns] == ["arm", "arm", "treated", "untreated", "other", "all"]
    assert [column.subjects for column in found.columns] == [2, 2, 4, 1, 1, 6]
    assert [cell.events for cell in found.events.cells] == [5, 2, 7, 1, 1, 9]
    assert (found.figures.enrolled, found.figures.in_population, found.figures.treated) == (6, 5, 4)


def test_a_treatment_after_the_cut_off_treats_nobody() -> None:
    found = report(Subject("R-01-001").treated("2026-11-01T09:00+01:00").event())
    assert found.figures.treated == 0 and found.columns[column(found, ColumnKind.UNTREATED)].subjects == 1
    assert found.events.cells[column(found, ColumnKind.UNTREATED)].events == 1


def test_a_treatment_on_the_day_of_the_cut_off_counts() -> None:
    assert report(Subject("R-01-001").treated("2026-10-31T23:30+01:00")).figures.treated == 1


def test_a_treated_subject_without_an_arm_is_counted_and_named() -> None:
    found = report(Subject("R-01-001").with_("PERFUSION", {"EXSTDAT": "2026-02-02"}).event())
    assert found.columns[0].label == Message("Arm not recorded") and found.events.cells[0].events == 1
    assert any(group.subjects == ("R-01-001",) for group in found.inconsistencies)


def test_two_arms_in_the_records_of_one_subject_are_an_inconsistency() -> None:
    found = report(Subject("R-01-001").treated(arm="D1").treated(arm="D3").event())
    assert [column.label.in_("en") for column in found.columns if isinstance(column.label, Words)] == ["1×10⁶/kg"]
    assert any(group.subjects == ("R-01-001",) for group in found.inconsistencies)


def test_an_arm_that_nobody_entered_yet_is_in_the_exposure_and_has_no_column() -> None:
    found = report(Subject("R-01-001").treated(arm="D1"))
    assert [(line.label.in_("en"), line.treated) for line in found.exposure if isinstance(line.label, Words)] == [
        ("1×10⁶/kg", 1),
        ("3×10⁶/kg", 0),
    ]
    assert sum(column.kind is ColumnKind.ARM for column in found.columns) == 1


def test_a_subject_enrolled_after_the_cut_off_is_not_in_the_report() -> None:
    assert report(Subject("R-01-001", enrolled_on=date(2026, 11, 1))).figures.enrolled == 0
    assert report(Subject("R-01-001", enrolled_on=date(2026, 10, 31))).figures.enrolled == 1


def test_an_event_is_not_lost_because_its_subject_was_enrolled_late() -> None:
    found = report(Subject("R-01-001", enrolled_on=date(2026, 11, 1)).event(onset="2026-10-01"))
    assert found.figures.events == 1 and found.figures.enrolled == 1


def test_exposure_gives_days_and_doses_of_the_arm() -> None:
    found = report(
        Subject("R-01-001").treated("2026-02-02T10:00+01:00", "D3", "2.90"),
        Subject("R-01-002").treated("2026-05-04", "D3", "3.05").with_("PERFUSION", {"EXSTDAT": "2026-06-01", "EXENDAT": "2026-12-01"}),
    )
    arm = found.exposure[1]
    assert (arm.treated, arm.administrations, arm.doses, arm.dose_low, arm.dose_high, arm.unit) == (
        2, 3, 2, Decimal("2.90"), Decimal("3.05"), "10⁶/kg",
    )  # fmt: skip
    assert (arm.first, arm.last) == (date(2026, 2, 2), date(2026, 6, 1)), "an end after the cut-off is not yet known at the cut-off"


def test_ends_of_study_count_each_subject_once_a_line_and_by_the_cut_off() -> None:
    ended = {"DSDECOD": "WITHDRAWAL BY SUBJECT", "DSSTDAT": "2026-05-01"}
    found = report(
        Subject("R-01-001").treated().with_("FIN", ended).with_("FIN", ended),
        Subject("R-01-002").treated().with_("FIN", {"DSDECOD": "COMPLETED", "DSSTDAT": "2026-11-01"}),
        Subject("R-01-003").treated().with_("FIN", {"DSDECOD": "RANDOMIZED", "DSSTDAT": "2026-01-05"}),
    )
    assert [line.subjects[column(found, ColumnKind.TREATED)] for line in found.dispositions] == [1, 2]


# The cut-off


@pytest.mark.parametrize(
    ("onset", "counted"),
    [
        ("2026-10-31", True),
        ("2026-11-01", False),
        ("2026-10", True),
        ("2026-11", False),
        ("2026", True),
        ("2027", False),
        ("2026-10-31T23:59+01:00", True),
        ("", True),
    ],
)
def test_an_event_counts_when_it_may_have_begun_by_the_cut_off(onset: str, counted: bool) -> None:
    found = report(Subject("R-01-001").treated().event(onset=onset))
    assert (found.figures.events, found.figures.after_cut_off) == ((1, 0) if counted else (0, 1))
    assert found.figures.undated_events == (onset == "")


def test_study_day_one_is_the_day_of_the_first_treatment_and_there_is_no_day_zero() -> None:
    found = report(Subject("R-01-001").treated("2026-03-02").event(onset="2026-03-01").event(onset="2026-03-02").event(onset="2026-03"))
    assert {line.event.onset: line.event.study_day for line in found.listing} == {"2026-03-01": -1, "2026-03-02": 1, "2026-03": None}


def test_the_moment_of_the_data_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        replace(CUT, known_at=datetime(2026, 11, 12, 8, 0))  # noqa: DTZ001


def test_a_study_that_does_not_say_how_it_counts_is_refused() -> None:
    with pytest.raises(NoSafetySettings):
        tabulate(replace(STUDY, safety=None), [], CUT)


# Inconsistencies: listed, never recounted


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, set()),
        ({"AEHOSP": "Y"}, set()),
        ({"AESHOSP": "Y"}, {Flaw.NOT_SERIOUS}),
        ({"AESMIE": "Y", "AESER": "Y"}, set()),
        ({"AESER": "Y"}, {Flaw.NO_CRITERION}),
        ({"AESER": ""}, {Flaw.SERIOUSNESS_MISSING}),
        ({"AEOUT": "FATAL", "AESER": "Y", "AESDTH": "Y", "grade": "5"}, set()),
        ({"AEOUT": "FATAL", "AESER": "Y", "AESDTH": "Y", "grade": "4"}, {Flaw.FATAL_OUTCOME_GRADE}),
        ({"AEOUT": "FATAL", "AESER": "Y", "AESLIFE": "Y", "grade": "5"}, {Flaw.FATAL_OUTCOME}),
        ({"AESER": "Y", "AESDTH": "Y"}, {Flaw.FATAL_CRITERION}),
        ({"grade": "5"}, {Flaw.FATAL_GRADE_OUTCOME}),
        ({"grade": ""}, {Flaw.SEVERITY_MISSING}),
        ({"grade": "7"}, {Flaw.SEVERITY_UNKNOWN}),
        ({"onset": "2026-03"}, {Flaw.ONSET_PARTIAL}),
        ({"onset": "2026"}, {Flaw.ONSET_STRADDLES}),
        ({"onset": ""}, {Flaw.ONSET_MISSING}),
        ({"AEENDAT": "2026-02-03"}, set()),
        ({"AEENDAT": "2026-02-02"}, {Flaw.END_BEFORE_ONSET}),
        ({"AEENDAT": "2026-02"}, set()),
        ({"AEENDAT": "2026-01"}, {Flaw.END_BEFORE_ONSET}),
    ],
)
def test_each_contradiction_is_found_and_nothing_else(values: dict[str, str], expected: set[Flaw]) -> None:
    assert flaws(**values) == expected


def test_seriousness_is_counted_as_recorded_whatever_the_criteria() -> None:
    found = report(Subject("R-01-001").treated().event(AESER="N", AESDTH="Y").event(AESER="Y"))
    assert found.figures.serious_events == 1 and found.figures.events == 2
    assert [group.message.msgid for group in found.inconsistencies][:2] == [
        "Recorded as not serious, with a seriousness criterion",
        "Recorded as serious, without a seriousness criterion",
    ]


# Deaths


@pytest.mark.parametrize(
    ("values", "on"),
    [
        ({"DSDECOD": "DEATH", "DSSTDAT": "2026-06-28"}, "2026-06-28"),
        ({"DSDECOD": "DEATH"}, ""),
        ({"DTHDAT": "2026-06"}, "2026-06"),
        ({"DTHFL": "Y"}, ""),
        ({"DSDECOD": "DEATH", "DSSTDAT": "2026-10-31"}, "2026-10-31"),
        ({"DSDECOD": "DEATH", "DSSTDAT": "2026-11-01"}, None),
        ({"DTHDAT": "2026-11"}, None),
        ({"DSDECOD": "COMPLETED", "DSSTDAT": "2026-06-28"}, None),
    ],
)
def test_a_death_is_told_by_any_record_up_to_the_cut_off(values: dict[str, str], on: str | None) -> None:
    found = report(Subject("R-01-001").treated().with_("FIN", values))
    assert [death.on for death in found.deaths] == ([] if on is None else [on])
    assert found.figures.deaths == len(found.deaths)
    assert all(len(death.sources) == 1 for death in found.deaths)


def test_all_that_tells_of_one_death_is_one_line() -> None:
    fatal = {"AESER": "Y", "AESDTH": "Y", "AEOUT": "FATAL", "AEENDAT": "2026-06-28"}
    dead = Subject("R-01-001").treated("2026-06-01").event(grade="5", onset="2026-06-20", **fatal)
    found = report(dead.with_("FIN", {"DSDECOD": "DEATH", "DSSTDAT": "2026-06-28", "DTHDAT": "2026-06-27"}))
    (death,) = found.deaths
    assert (death.on, death.study_day, len(death.sources)) == ("2026-06-27", 27, 4)


def test_a_fatal_event_alone_tells_of_a_death() -> None:
    assert len(report(Subject("R-01-001").treated().event(AEOUT="FATAL")).deaths) == 1
    assert len(report(Subject("R-01-001").treated().event(AESDTH="Y")).deaths) == 1


def test_a_death_known_to_lie_after_the_cut_off_is_not_told_by_its_undated_event() -> None:
    found = report(Subject("R-01-001").treated().event(onset="2026-10-30", AEOUT="FATAL").with_("FIN", {"DTHDAT": "2026-11-02"}))
    assert found.deaths == ()


# Whatever the data


DAYS = st.sampled_from(["", "2025", "2026-02", "2026-02-01", "2026-10-31", "2026", "2026-11-01", "2027-01", "2026-03-29T14:05+02:00"])
EVENT_VALUES = st.fixed_dictionaries(
    {
        "AETERM": st.sampled_from(["", "Fever", "fever", "Cough", "Élévation", "zona"]),
        "AEBODSYS": st.sampled_from(["", "GENERAL", "INFECTIONS", "unlisted"]),
        "AETOXGR": st.sampled_from(["", "1", "2", "3", "4", "5", "9"]),
        "AESTDAT": DAYS,
        "AEENDAT": DAYS,
        "AESER": st.sampled_from(["", "Y", "N"]),
        "AESDTH": st.sampled_from(["", "Y", "N"]),
        "AEOUT": st.sampled_from(["", "FATAL", "RECOVERED/RESOLVED"]),
    }
)


@st.composite
def trials(draw: st.DrawFn) -> list[SubjectRecord]:
    subjects = []
    for number in range(draw(st.integers(0, 6))):
        enrolled = draw(st.sampled_from([date(2026, 1, 5), date(2026, 12, 1)]))
        subject = Subject(f"S{number}", draw(st.sampled_from(["R", "R", "D"])), draw(st.sampled_from(["01", "02"])), enrolled)
        for day, arm in draw(st.lists(st.tuples(DAYS, st.sampled_from(["", "D1", "D3", "D9"])), max_size=2)):
            subject.with_("PERFUSION", {alias: text for alias, text in {"EXSTDAT": day, "ACTARM": arm}.items() if text})
        for values in draw(st.lists(EVENT_VALUES, max_size=5)):
            subject.with_("EVENT", {alias: text for alias, text in values.items() if text})
        if draw(st.booleans()):
            subject.with_(
                "FIN", {"DSDECOD": draw(st.sampled_from(["DEATH", "COMPLETED", "RANDOMIZED"])), "DSSTDAT": draw(DAYS) or "2026-05-01"}
            )
        subjects.append(subject.record())
    return subjects


@settings(max_examples=150, deadline=None)
@given(trials(), st.randoms(use_true_random=False))
def test_the_order_of_subjects_and_records_changes_nothing(subjects: list[SubjectRecord], random: object) -> None:
    def shuffled(things: tuple[object, ...] | list[SubjectRecord]) -> list:  # type: ignore[type-arg]
        return random.sample(list(things), len(things))  # type: ignore[attr-defined]

    expected = tabulate(STUDY, subjects, CUT)
    assert tabulate(STUDY, shuffled([replace(subject, records=tuple(shuffled(subject.records))) for subject in subjects]), CUT) == expected


@settings(max_examples=150, deadline=None)
@given(trials())
def test_no_event_is_lost_and_the_totals_reconcile(subjects: list[SubjectRecord]) -> None:
    found = tabulate(STUDY, subjects, CUT)
    recorded = sum(any(alias.startswith("AE") for alias in record.values) for subject in subjects for record in subject.records)
    assert found.figures.events + found.figures.after_cut_off == recorded == len(found.listing) + found.figures.after_cut_off
    kinds = [column.kind for column in found.columns]
    apart = [place for place, kind in enumerate(kinds) if kind in (ColumnKind.ARM, ColumnKind.UNTREATED, ColumnKind.OTHER)]
    arms = [place for place, kind in enumerate(kinds) if kind is ColumnKind.ARM]
    treated, everybody = kinds.index(ColumnKind.TREATED), len(kinds) - 1
    assert sum(found.columns[place].subjects for place in apart) == found.columns[everybody].subjects == found.figures.enrolled
    assert sum(line.enrolled for line in found.enrolment) == found.figures.enrolled
    assert sum(line.treated for line in found.enrolment) == found.columns[treated].subjects == found.figures.treated
    assert found.events.cells[everybody].events == found.figures.events
    for total, parts in [(found.events.cells, [each.cells for each in found.events.classes])] + [
        (each.cells, [term.cells for term in each.terms]) for each in found.events.classes
    ]:
        for cells in (total, *parts):
            assert sum(cells[place].events for place in arms) == cells[treated].events
            assert sum(cells[place].subjects for place in arms) == cells[treated].subjects
            assert sum(cells[place].events for place in apart) == cells[everybody].events
            for cell, column in zip(cells, found.columns, strict=True):
                assert sum(count.events for count in cell.levels) == cell.events
                assert sum(count.subjects for count in cell.levels) == cell.subjects <= min(column.subjects, cell.events)
        assert [sum(part[place].events for part in parts) for place in range(len(kinds))] == [cell.events for cell in total]


# The sample of the document


def test_the_sample_of_the_document_is_the_report_of_the_invented_trial() -> None:
    expected = as_sample(tabulate(STUDY, invented_trial(), CUT))
    assert SAMPLE.read_text(encoding="utf-8") == expected, f"if the change is meant, write this to {SAMPLE.name}:\n{expected}"
