"""Dictionaries without a database: reading NCI's and MedDRA's files, finding a term as it is typed, and what is wrong with a coding."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.definition.model import Severity
from trialcrf.core.dictionary import CHECKS, GRADES, Coded, Index, Term, folded, judge, search
from trialcrf.core.dictionary_load import DictionaryProblems, column_of, ctcae_terms, meddra_terms

SHARED = Path(__file__).resolve().parents[3] / "shared/dictionaries"
HEADING = ("meddra_code", "soc", "term", "grade1", "grade2", "grade3", "grade4", "grade5", "definition", "navigational_note")
"""Made up, as all texts of these tests: the wording of CTCAE is not ours to print."""
ROWS = (
    ("90000001", "Cardiac disorders", "Asystole", "short", "", "", "long", "Death", "The heart stands still.", ""),
    ("90000002", "General disorders and administration site conditions", "Fever", "warm", "warmer", "hot", "hotter", "Death", "", "-"),
    ("90000003", "General disorders and administration site conditions", "Chills", "a", "b", "c", "-", "–", "With fever or not.", "n"),
    ("90000004", "Cardiac disorders", "Cardiac disorders - Other, specify", "a", "b", "c", "d", "Death", "-", ""),
    ("90000005", "Vascular disorders", "Hematoma", "a", "b", "c", "d", "Death", "", ""),
    ("90000006", "Blood and lymphatic system disorders", "Hay fever of the blood", "a", "", "", "", "", "", ""),
)


def rows_of(*rows: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    return [(line, dict(zip(HEADING, row, strict=True))) for line, row in enumerate(rows, 2)]


TERMS = ctcae_terms("made_up.csv", HEADING, rows_of(*ROWS))
TERM = {one.term: one for one in TERMS}


def problems_of(*rows: tuple[str, ...], heading: tuple[str, ...] = HEADING) -> list[tuple[int, str]]:
    with pytest.raises(DictionaryProblems) as raised:
        ctcae_terms("made_up.csv", heading, rows_of(*rows))
    return [(one.line, one.message.msgid % one.message.params) for one in raised.value.problems]


@pytest.mark.parametrize(
    ("version", "count", "exist", "no_grade_5", "lowest", "highest"),
    [
        ("5", 837, [645, 745, 750, 551, 494], 343, [645, 127, 50, 12, 3], [18, 53, 211, 61, 494]),
        ("6", 850, [652, 754, 754, 563, 512], 338, [652, 135, 48, 12, 3], [26, 55, 202, 55, 512]),
    ],
)
def test_the_counts_of_both_versions_are_those_of_the_clinical_reference(version, count, exist, no_grade_5, lowest, highest):
    path = SHARED / f"ctcae_v{version}.csv"
    if not path.is_file():
        pytest.skip("NCI's tables do not stand beside this checkout (../shared/dictionaries): their counts are not compared")
    with path.open(encoding="utf-8-sig", newline="") as file:
        raw = list(csv.DictReader(file))
    terms = ctcae_terms(path.name, list(raw[0]), list(enumerate(raw, 2)))
    assert len(terms) == count
    assert [sum(grade in one.grades for one in terms) for grade in GRADES] == exist
    assert sum("5" not in one.grades for one in terms) == no_grade_5
    assert [sum(min(one.grades) == grade for one in terms) for grade in GRADES] == lowest
    assert [sum(max(one.grades) == grade for one in terms) for grade in GRADES] == highest
    assert sum(one.asks_words for one in terms) == 26
    assert len({one.soc for one in terms}) == 26
    assert search(terms, "infusion rel")[0].code == "10051792"
    if version == "5":
        assert list(search(terms, "asystole")[0].grades) == ["1", "4", "5"]


def test_a_grade_exists_where_it_has_a_text_and_holes_stay_holes():
    assert dict(TERM["Asystole"].grades) == {"1": "short", "4": "long", "5": "Death"}
    assert list(TERM["Chills"].grades) == ["1", "2", "3"], "a dash is no text"
    assert (TERM["Chills"].definition, TERM["Chills"].note) == ("With fever or not.", "n")
    assert TERM["Fever"].note == "" and TERM["Cardiac disorders - Other, specify"].definition == ""


def test_headings_of_the_workbook_and_of_the_csv_are_the_same_columns():
    workbook = ("MedDRA Code", "MedDRA SOC", "CTCAE Term", *(f"Grade {n}   " for n in GRADES), "Definition", "Navigational Note")
    assert tuple(map(column_of, workbook)) == HEADING == tuple(map(column_of, HEADING))
    assert column_of("CTCAE v5.0 Term") == "term" and column_of("CTCAE v5.0 Change") == ""


def test_every_problem_of_a_file_is_told_at_its_line_at_once():
    good, other = ROWS[0], ROWS[1]
    assert problems_of(
        good,
        ("123", *other[1:]),
        ("90000009", "", "", "a", "", "", "", "", "", ""),
        ("90000010", "Cardiac disorders", "No grade", "", "-", "", "", "", "x", ""),
        (good[0], "Cardiac disorders", "ASYSTOLE!", *good[3:]),
        ("90000011", "Cardiac disorders", "x" * 251, "a", "", "", "", "", "", ""),
    ) == [
        (3, "“123” is no MedDRA code: eight digits."),
        (4, "The cell term is empty."),
        (4, "The cell soc is empty."),
        (5, "The term “No grade” has no grade at all."),
        (6, "The code 90000001 stands in line 2 already."),
        (6, "The term “ASYSTOLE!” stands in line 2 already."),
        (7, "This term has more than 250 characters."),
    ]


def test_missing_and_doubled_columns_are_told_before_any_row():
    with pytest.raises(DictionaryProblems) as raised:
        ctcae_terms("x.csv", ("meddra_code", "MedDRA Code", "soc", "term", "grade1", "grade2", "grade3", "grade4"), [])
    said = [one.message.msgid % one.message.params for one in raised.value.problems]
    assert said == ["The column meddra_code stands here twice.", "The column grade5 is missing."]


def test_a_file_without_terms_is_no_dictionary_and_titles_are_passed_over():
    title = ("Common terms", *[""] * 9)
    assert problems_of(title) == [(1, "There is no term in this file.")]
    assert len(ctcae_terms("x", HEADING, rows_of(title, *ROWS))) == len(ROWS)


LLT = [(n, line.split("$")) for n, line in enumerate(("80000001$Ague$70000001$$$$$$$Y$$", "80000002$Old ague$70000001$$$$$$$N$$"), 1)]
HIERARCHY = [
    (1, ["70000001", "1", "2", "60000001", "Chill", "h", "g", "General", "Genrl", "", "60000001", "Y", ""]),
    (2, ["70000001", "1", "2", "60000002", "Chill", "h", "g", "Other class", "Oth", "", "60000001", "N", ""]),
]


def test_meddra_gives_current_terms_with_their_preferred_term_and_its_primary_class():
    assert meddra_terms(LLT, HIERARCHY) == (Term("80000001", "Ague", "General", parent_code="70000001", parent_term="Chill"),)


def test_what_is_wrong_in_meddras_files_is_told_by_file_and_line():
    bad = [*LLT, (3, ["80000001", "Twice", "79999999", *[""] * 6, "Y"]), (4, ["short"])]
    with pytest.raises(DictionaryProblems) as raised:
        meddra_terms(bad, [*HIERARCHY, (3, ["short"])])
    assert [(one.file, one.line, one.message.msgid % one.message.params) for one in raised.value.problems] == [
        ("llt.asc", 3, "The code 80000001 stands in line 1 already."),
        ("llt.asc", 3, "The preferred term 79999999 has no primary class in mdhier.asc."),
        ("llt.asc", 4, "This row has 1 fields; 10 are needed."),
        ("mdhier.asc", 3, "This row has 1 fields; 12 are needed."),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("FEVER", ["Fever", "Hay fever of the blood", "Chills"]),  # the term, a word of it, its definition
        ("féver", ["Fever", "Hay fever of the blood", "Chills"]),
        ("eve", ["Fever", "Hay fever of the blood", "Chills"]),
        ("haematoma", ["Hematoma"]),
        ("blood hay", ["Hay fever of the blood"]),
        ("other, specify", ["Cardiac disorders - Other, specify"]),
        ("stands still", ["Asystole"]),
        ("nothing such", []),
        ("", []),
        (" -,. ", []),
    ],
)
def test_a_query_finds_the_nearest_terms_first(query, found):
    assert [one.term for one in search(TERMS, query)] == found


def test_a_search_gives_no_more_than_it_is_asked_for_and_nothing_twice():
    assert [one.term for one in search(TERMS, "e", 2)] == ["Asystole", "Cardiac disorders - Other, specify"]
    both = Index([("fever", 0), ("fievre fever", 0), ("fever tree", 1)])
    assert both.find("fever", 20) == [0, 1]


def test_another_wording_finds_the_term_too():
    assert search([Term("", "Fever", "x", also="Fièvre")], "fievre")[0].term == "Fever"


@given(st.lists(st.text(max_size=12), max_size=8), st.text(max_size=12))
def test_any_text_is_searched_and_what_contains_it_is_found(texts, query):
    terms = [Term(str(n), text, "x") for n, text in enumerate(texts)]
    found = search(terms, query)
    asked = folded(query)
    assert {one.code for one in terms if asked and asked in folded(one.term)} <= {one.code for one in found}


def said(coded: Coded, known: Term | None, complete: bool = True) -> list[tuple[str, Severity, str]]:
    doubts = judge(coded, known, "CTCAE 5.0", complete)
    assert all(one.check in CHECKS for one in doubts)
    return [(one.about, one.severity, one.message.msgid % one.message.params) for one in doubts]


def test_a_grade_that_the_term_has_not_stops_the_save_and_the_grades_that_exist_are_told():
    assert said(Coded("Asystole", "1"), TERM["Asystole"]) == []
    assert said(Coded("Asystole", "3"), TERM["Asystole"]) == [
        ("grade", Severity.HARD, "“Asystole” has no grade 3 in CTCAE 5.0. Its grades: 1, 4, 5.")
    ]
    [(_, severity, text)] = said(Coded("Chills", "5"), TERM["Chills"])
    assert severity is Severity.HARD and "Its grades: 1, 2, 3. For a death, record the fatal diagnosis" in text


def test_an_unknown_term_is_doubted_in_a_loaded_dictionary_and_only_told_where_the_starter_list_serves():
    assert said(Coded("Fevr", "9"), None) == [("term", Severity.SOFT, "“Fevr” is not a term of CTCAE 5.0.")]
    [(about, severity, text)] = said(Coded("Fevr"), None, complete=False)
    assert (about, severity) == ("term", Severity.NOTE) and "its grade cannot be checked" in text
    assert said(Coded(""), None) == []


def test_other_specify_asks_for_words_and_another_class_is_doubted():
    other = TERM["Cardiac disorders - Other, specify"]
    assert [one[:2] for one in said(Coded(other.term, "2", words="  "), other)] == [("words", Severity.HARD)]
    assert said(Coded(other.term, "2", words="a flutter"), other) == []
    assert said(Coded("Fever", soc="GENERAL disorders and administration site conditions"), TERM["Fever"]) == []
    [(about, severity, text)] = said(Coded("Fever", soc="Cardiac disorders"), TERM["Fever"])
    assert (about, severity) == ("class", Severity.SOFT) and "another class: General disorders" in text
