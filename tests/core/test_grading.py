"""Flags and proposed grades: every vector of clinical.md E.1, zero, and every boundary from both sides."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trialcrf.core.safety.grading import Baseline, Flag, Limits, Proposal, edition, flag, pressure, propose, unit_key, worst
from trialcrf.core.typed import UNDETERMINED, Span
from trialcrf.external.language import Language

D = Decimal
BELOW = {n: Span(D("-Infinity"), D(n), True, True) for n in ("0.5", "0.4", "10", "20", "75", "3")}
ABOVE = {n: Span(D(n), D("Infinity"), True, True) for n in ("200", "40", "100")}


def one(version: str, analyte: str, value: object, unit: str = "", term: str = "", **known: object) -> Proposal:
    """The proposal of a rule; `low` and `high` are the laboratory's limits, `before` and `before_high` the baseline."""
    limits = Limits(*(D(str(known[end])) if end in known else None for end in ("low", "high")))
    before = (
        Baseline(D(str(known["before"])), D(str(known["before_high"])) if "before_high" in known else None) if "before" in known else None
    )
    typed = value if isinstance(value, Span) else D(str(value))
    found = [each for each in propose(version, analyte, typed, unit, limits, before) if term in ("", each.term)]
    assert found, (version, analyte)
    return found[0]


# --- Flags ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (D("1.49"), "1.5", "7.5", Flag.LOW), (D("1.5"), "1.5", "7.5", Flag.NORMAL), (D("7.5"), "1.5", "7.5", Flag.NORMAL),
        (D("7.51"), "1.5", "7.5", Flag.HIGH), (D(0), "1.5", "7.5", Flag.LOW), (D(0), "0", "40", Flag.NORMAL),
        (D(0), None, "40", Flag.NORMAL), (D("41"), None, "40", Flag.HIGH), (D("1"), "2", None, Flag.LOW), (D("99"), "2", None, Flag.NORMAL),
        (D("99"), None, None, None),
        (BELOW["0.5"], "0.5", None, Flag.LOW), (BELOW["0.5"], "0.4", None, UNDETERMINED), (BELOW["0.5"], None, "40", Flag.NORMAL),
        (ABOVE["40"], None, "40", Flag.HIGH), (ABOVE["40"], None, "41", UNDETERMINED), (ABOVE["200"], "1", "100", Flag.HIGH),
        (BELOW["10"], "4", "8", UNDETERMINED),
    ],
)  # fmt: skip
def test_a_value_is_low_normal_or_high_and_at_its_limit_normal(value, low, high, said) -> None:
    assert flag(value, D(low) if low else None, D(high) if high else None) is said


# --- The vectors of clinical.md E.1 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "v5", "v6"),
    [
        ("NEUT", "0.9", "10⁹/L", 3, 2),
        ("NEUT", "0.4", "10⁹/L", 4, 3),
        ("NEUT", "0.05", "10⁹/L", 4, 4),
        ("PLAT", "20", "10⁹/L", 4, 3),
        ("CD4", "150", "/mm3", 3, 3),
        ("FEV1PP", "45", "%", 4, None),
        ("HGB", "7.9", "g/dL", 3, 3),
    ],
)
def test_the_vectors_of_the_clinical_reference(analyte, value, unit, v5, v6) -> None:
    assert (one("5.0", analyte, value, unit).grade, one("6.0", analyte, value, unit).grade) == (v5, v6)


def test_the_pressures_of_the_clinical_reference() -> None:
    assert [pressure(version, D(185), D(112), (D(120), D(70)))[0].grade for version in ("5.0", "6.0")] == [3, 4]
    assert [pressure(version, D(125), D(82), (D(120), D(70)))[0].grade for version in ("5.0", "6.0")] == [1, 0]


def test_the_term_is_that_of_the_edition() -> None:
    assert one("5.0", "PLAT", 20, "10⁹/L").source == "CTCAE v5.0, Platelet count decreased"
    assert one("6.0", "PLAT", 20, "10⁹/L").source == "CTCAE v6.0, Thrombocytopenia"


# --- Boundaries: the value at each threshold, and just beyond it ------------------------------------------------------

FALLING = [
    ("5.0", "NEUT", "10⁹/L", {"low": "2"}, "2:0 1.99:1 1.5:1 1.49:2 1.0:2 0.99:3 0.5:3 0.49:4 0:4"),
    ("6.0", "NEUT", "10⁹/L", {}, "1.5:0 1.49:1 1.0:1 0.99:2 0.5:2 0.49:3 0.1:3 0.09:4 0:4"),
    ("5.0", "PLAT", "10⁹/L", {"low": "150"}, "150:0 149:1 75:1 74:2 50:2 49:3 25:3 24:4 0:4"),
    ("6.0", "PLAT", "10⁹/L", {"low": "150"}, "150:0 149:1 75:1 74:2 50:2 49:3 10:3 9:4 0:4"),
    ("5.0", "HGB", "g/dL", {"low": "12"}, "12:0 11.9:1 10.0:1 9.9:2 8.0:2 7.9:3 0:3"),
    ("6.0", "HGB", "g/L", {"low": "120"}, "120:0 119:1 100:1 99:2 80:2 79:3 0:3"),
    ("5.0", "HGB", "mmol/L", {"low": "7.5"}, "7.5:0 7.4:1 6.2:1 6.1:2 4.9:2 4.8:3"),
    ("5.0", "CD4", "10⁶/L", {"low": "600"}, "600:0 599:1 500:1 499:2 200:2 199:3 50:3 49:4 0:4"),
    ("6.0", "CD4", "10⁹/L", {"low": "0.6"}, "0.6:0 0.5:1 0.499:2 0.2:2 0.199:3 0.05:3 0.049:4"),
    ("5.0", "FVCPP", "%", {}, "90.1:0 90:1 75:1 74.9:2 50:2 49.9:3"),
    ("5.0", "FEV1PP", "%", {}, "100:0 99.5:? 99:1 70:1 69.5:? 69:2 60:2 59:3 50:3 49:4"),
    ("6.0", "FEV1PP", "%", {}, "100:0 99:1 69:2 50:3 49.9:? 0:?"),
]
RISING = [
    ("6.0", "HGB", "g/dL", {"high": "16", "term": "Hemoglobin increased"}, "16:0 16.1:1 18:1 18.1:2 20:2 20.1:3"),
    ("6.0", "HGB", "g/L", {"high": "160", "term": "Hemoglobin increased"}, "160:0 180:1 181:2 200:2 201:3"),
    ("5.0", "ALT", "U/L", {"high": "40", "before": "40"}, "0:0 40:0 40.1:1 120:1 120.1:2 200:2 200.1:3 800:3 800.1:4"),
    ("5.0", "AST", "U/L", {"high": "40", "before": "60"}, "89.9:0 90:1 180:1 180.1:2 300:2 300.1:3 1200:3 1200.1:4"),
    ("6.0", "ALT", "U/L", {"high": "40", "before": "10"}, "40:0 40.1:1 120:1 120.1:2 200:2 200.1:3 800:3 800.1:4"),
    ("6.0", "AST", "U/L", {"high": "40", "before": "60"}, "59.9:0 60:1 90:1 90.1:2 120:2 120.1:3 240:3 240.1:4"),
    ("6.0", "ALT", "U/L", {"high": "40", "before": "200"}, "400:2 400.1:3 800:3 800.1:4"),
    ("6.0", "ALT", "U/L", {"high": "40", "before": "201"}, "402:2 402.1:? 804:? 804.1:4"),
    ("5.0", "BILI", "µmol/L", {"high": "20", "before": "20"}, "20:0 20.1:1 30:1 30.1:2 60:2 60.1:3 200:3 200.1:4"),
    ("5.0", "BILI", "µmol/L", {"high": "20", "before": "30"}, "30:0 30.1:1 45:1 45.1:2 90:2 90.1:3 300:3 300.1:4"),
    ("6.0", "BILI", "µmol/L", {"high": "20", "before": "30"}, "29.9:0 30:1 45:1 45.1:2 75:2 75.1:3 300:3 300.1:4"),
    ("6.0", "BILI", "µmol/L", {"high": "20", "before": "5"}, "20:0 30:1 30.1:2 60:2 60.1:3 200.1:4"),
    ("5.0", "CREAT", "µmol/L", {"high": "100", "before": "100"}, "100:0 100.1:1 150:1 150.1:2 300:2 300.1:3 600:3 600.1:4"),
    ("5.0", "CREAT", "µmol/L", {"high": "100", "before": "40"}, "60:0 60.1:2 120:2 120.1:3 600:3 600.1:4"),
    ("6.0", "CREAT", "mg/dL", {"high": "1", "low": "0.5", "before": "0.5"}, "0.8:0 1:0 1.1:1 1.6:2 3.1:3 6.1:4"),
    ("6.0", "CREAT", "mg/dL", {"high": "1", "low": "0.5", "before": "0.4"}, "0.6:0 0.61:2 1.2:2 1.21:3 6:3 6.1:4"),
    ("5.0", "TEMP", "°C", {}, "37.9:0 38.0:1 39.0:1 39.1:2 40.0:2 40.1:3"),
]


@pytest.mark.parametrize(("version", "analyte", "unit", "known", "table"), FALLING + RISING)
def test_every_boundary_is_on_the_right_side(version, analyte, unit, known, table) -> None:
    wanted = [part.split(":") for part in table.split()]
    found = [(value, one(version, analyte, value, unit, **known).grade) for value, _ in wanted]
    assert found == [(value, None if grade == "?" else int(grade)) for value, grade in wanted]


@pytest.mark.parametrize(
    ("version", "table"),
    [
        ("5.0", "119/79:0 120/79:1 119/80:1 139/89:1 140/70:2 110/90:2 159/99:2 160/70:3 110/100:3 250/150:3"),
        ("6.0", "139/89:0 140/70:2 110/90:2 159/99:2 160/70:3 110/100:3 179/109:3 180/70:4 110/110:4"),
    ],
)
def test_every_boundary_of_the_pressures(version, table) -> None:
    before = (D(150), D(95))
    for reading, grade in (part.split(":") for part in table.split()):
        systolic, diastolic = (D(part) for part in reading.split("/"))
        assert (reading, pressure(version, systolic, diastolic, before)[0].grade) == (reading, int(grade))


def test_a_rise_of_the_pressure_makes_grade_three_of_the_sixth_edition_and_is_undetermined_without_a_baseline() -> None:
    def grade(systolic: int, diastolic: int, *before: int) -> int | None:
        return pressure("6.0", D(systolic), D(diastolic), (D(before[0]), D(before[1])) if before else None)[0].grade

    assert (grade(141, 70, 120, 70), grade(141, 70, 121, 70), grade(140, 70, 100, 70)) == (3, 2, 2)
    assert (grade(141, 98, 130, 80), grade(141, 90, 130, 80)) == (3, 2)  # mean pressure: 112.3 and 107 after 96.7
    assert grade(141, 70) is None
    (told,) = pressure("6.0", D(141), D(70))
    assert (told.at_least, told.by_limits, told.likely) == (2, 2, 2)
    assert grade(185, 70) == 4


def test_one_reading_does_not_tell_whether_a_pressure_lasts_and_half_a_reading_is_undetermined() -> None:
    assert pressure("6.0", D(185), D(112))[0].provided and pressure("5.0", D(145), D(80))[0].provided
    assert pressure("5.0", D(185), D(112))[0].provided is None
    (half,) = pressure("5.0", None, D(95))
    assert (half.grade, half.at_least) == (None, 2)
    assert pressure("5.0", None, D(105))[0].grade == 3
    assert pressure("5.0", None, D(70))[0].grade is None
    assert pressure("5.0", None, None) == pressure("4.0", D(185), D(112)) == ()


# --- What is missing is said ------------------------------------------------------------------------------------------


def said(found: Proposal) -> str:
    return Language("en").say(found.why)


def test_without_the_limit_there_is_no_proposal_but_a_reason() -> None:
    found = one("5.0", "NEUT", "1.8", "10⁹/L")
    assert (found.grade, said(found)) == (None, "the lower limit of the laboratory is not known")
    assert one("5.0", "NEUT", "1.4", "10⁹/L").grade == 2
    found = one("5.0", "ALT", "130", "U/L", before="20")
    assert (found.grade, said(found)) == (None, "the upper limit of the laboratory is not known")


def test_without_a_baseline_the_grade_by_the_limits_is_shown_and_not_proposed() -> None:
    found = one("5.0", "ALT", "130", "U/L", high="40")
    assert (found.grade, found.at_least, found.by_limits, found.likely) == (None, 0, 2, 2)
    assert said(found) == "the value before treatment is not known"
    assert one("5.0", "ALT", "40", "U/L", high="40").grade == 0  # no baseline could make it one
    assert one("6.0", "BILI", "20", "µmol/L", high="20").grade == 0
    creatinine = one("5.0", "CREAT", "310", "µmol/L", high="100")
    assert (creatinine.grade, creatinine.at_least) == (3, 3)
    rise = one("5.0", "CREAT", "110", "µmol/L", high="100")
    assert (rise.grade, rise.at_least, rise.by_limits) == (None, 1, 1)
    assert one("5.0", "CREAT", "90", "µmol/L", high="100").by_limits == 0


def test_the_baseline_is_abnormal_by_the_limit_of_its_own_day() -> None:
    assert one("5.0", "ALT", "100", "U/L", high="40", before="45", before_high="50").grade == 1
    assert one("5.0", "ALT", "100", "U/L", high="40", before="45", before_high="40").grade == 1
    assert one("5.0", "ALT", "60", "U/L", high="40", before="45", before_high="50").grade == 1
    assert one("5.0", "ALT", "60", "U/L", high="40", before="45", before_high="40").grade == 0


@pytest.mark.parametrize(
    ("version", "value", "grade", "at_least"),
    [("5.0", BELOW["0.5"], 4, 4), ("6.0", BELOW["0.5"], None, 3), ("6.0", BELOW["3"], None, 0), ("6.0", ABOVE["40"], 0, 0)],
)
def test_a_qualified_value_is_graded_only_where_all_of_it_lies_on_one_side(version, value, grade, at_least) -> None:
    found = one(version, "NEUT", value, "10⁹/L")
    assert (found.grade, found.at_least) == (grade, at_least)
    if grade is None:
        assert said(found).startswith("the value is only known as <")


def test_a_qualified_multiple_of_the_limit() -> None:
    assert one("5.0", "ALT", ABOVE["200"], "U/L", high="11", before="5").grade is None
    assert one("5.0", "ALT", ABOVE["200"], "U/L", high="11", before="5").at_least == 3
    assert one("5.0", "ALT", ABOVE["200"], "U/L", high="10", before="5").grade == 4


def test_the_unit_decides_and_an_unknown_one_is_not_guessed() -> None:
    assert (
        one("5.0", "NEUT", "900", "/mm³").grade == one("5.0", "NEUT", "0.9", "10^9/L").grade == one("5.0", "NEUT", "0.9", "G/L").grade == 3
    )
    found = one("5.0", "NEUT", "0.9", "furlongs")
    assert (found.grade, said(found)) == (None, "the rule does not know the unit “furlongs”")
    assert unit_key("10⁹/L") == unit_key("10^9/L") and unit_key("µmol/L") == unit_key("umol/L") != unit_key("mg/dL")


def test_the_reason_names_value_and_threshold_in_the_unit_of_the_value() -> None:
    assert said(one("6.0", "NEUT", "400", "/mm³")) == "400 is under 500"
    assert said(one("5.0", "ALT", "130", "U/L", high="40", before="20")) == "130 is over 3 × the upper limit (120)"
    assert said(one("5.0", "PLAT", "149", "10⁹/L", low="150")) == "149 is under the lower limit 150"
    assert said(one("5.0", "AST", "90", "U/L", high="40", before="60")) == "90 is at least 1.5 × the value before treatment (90)"
    assert said(one("6.0", "HGB", "190", "g/L", "Hemoglobin increased", high="160")) == "190 is more than 20 over the upper limit (180)"
    assert said(one("5.0", "NEUT", BELOW["0.4"], "10⁹/L")) == "<0.4 is under 0.5"


def test_an_edition_without_rules_proposes_nothing() -> None:
    assert propose("3.0", "NEUT", D("0.1"), "10⁹/L") == propose("5.0", "CRP", D(200), "mg/L") == propose("", "NEUT", D(0)) == ()
    assert [edition(text) for text in ("5", "v5.0", "CTCAE v6.0", "6", "4.03", "")] == ["5.0", "5.0", "6.0", "6.0", "", ""]


def test_what_no_value_tells_is_left_to_a_person() -> None:
    assert one("5.0", "HGB", "7.9", "g/dL").note and one("5.0", "TEMP", "40.1", "°C").note
    assert one("5.0", "HGB", "14", "g/dL", low="12").note is None


def test_the_worst_proposal_comes_first() -> None:
    anaemia, increased = propose("6.0", "HGB", D("7.9"), "g/dL", Limits(D(12), D(16)))
    assert worst([increased, anaemia]) == anaemia
    assert worst([]) is None
