"""Figures against counts made by hand: what is drawn, what is in the table beside it, and what the alternative text says are one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.core.pack_cases import pack_study, pack_trial
from tests.core.safety_cases import CUT, DOSES, Subject, invented_trial, published_msc_trial, study
from trialcrf.core.document import Answer, Document, FormKey
from trialcrf.core.facts import Fact, project, recorded
from trialcrf.core.packs.difference import newcombe, wilson
from trialcrf.core.packs.figure import Figure, percent
from trialcrf.core.packs.figures_course import mean_cumulative, mean_events, swimmer
from trialcrf.core.packs.figures_measured import edish, trajectories
from trialcrf.core.packs.report import SafetyReport, tabulate
from trialcrf.core.safety.course import Course, Mark, courses
from trialcrf.core.safety.laboratory import Peak, Point, Series, peaks, series
from trialcrf.core.safety.participant import read_participant
from trialcrf.core.wording import Message, Words

ARMS = {item.code: item.label for item in DOSES.items}


@pytest.fixture(scope="module")
def report() -> SafetyReport:
    return tabulate(study(), invented_trial(), CUT)


def figure(report: SafetyReport, oid: str) -> Figure:
    return next(one for one in report.drawings if one.oid == oid)


def text(said: object) -> str:
    return said.in_("en") if isinstance(said, Words) else said.msgid if isinstance(said, Message) else str(said)


def people(study_, subjects):
    return [read_participant(study_, study_.safety, one, CUT.as_of) for one in subjects]


@pytest.mark.parametrize(
    ("x", "n", "y", "m", "expected"),
    [
        # Newcombe 1998, table II, method 10: (a) 56/70 - 48/80, (b) 9/10 - 3/10, (d) 5/56 - 0/29, (g) 10/10 - 0/10.
        (56, 70, 48, 80, (0.2000, 0.0524, 0.3339)),
        (9, 10, 3, 10, (0.6000, 0.1705, 0.8090)),
        (5, 56, 0, 29, (0.0893, -0.0381, 0.1926)),
        (10, 10, 0, 10, (1.0000, 0.6075, 1.0000)),
    ],
)
def test_differences_have_the_published_intervals(x, n, y, m, expected):
    assert tuple(round(value, 4) for value in newcombe(x, n, y, m)) == expected


def test_what_is_no_share_has_no_interval():
    for x, n in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="no share"):
            wilson(x, n)


def test_the_dot_plot_draws_and_tabulates_the_same_shares(report):
    dots = figure(report, "dots")
    assert [(text(row[0]), *row[1:5]) for row in dots.rows] == [
        ("Sepsis", 0, Decimal("0.0"), 1, Decimal("50.0")),
        ("Headache <mild> & brief", 0, Decimal("0.0"), 1, Decimal("50.0")),
        ("Abdominal pain", 1, Decimal("50.0"), 0, Decimal("0.0")),
        ("Fatigue", 1, Decimal("50.0"), 0, Decimal("0.0")),
        ("Fièvre", 1, Decimal("50.0"), 0, Decimal("0.0")),
        ("Lung infection", 1, Decimal("50.0"), 0, Decimal("0.0")),
    ]
    left, right = dots.spec["hconcat"]
    drawn = {(text(one["term"]), text(one["arm"])): one["x"] for one in left["data"]["values"]}
    assert drawn["Sepsis", "1×10⁶/kg"] == 0 and drawn["Sepsis", "3×10⁶/kg"] == 50 and len(drawn) == 12
    sepsis = next(one for one in right["data"]["values"] if text(one["term"]) == "Sepsis")
    assert (sepsis["low"], sepsis["x"], sepsis["high"]) == (pytest.approx(-27.3, abs=0.1), 50, pytest.approx(90.5, abs=0.1))
    assert dots.rows[0][5].params == {"difference": Decimal("50.0"), "lower": Decimal("-27.3"), "upper": Decimal("90.5")}
    assert dots.description.params["shown"] == dots.description.params["terms"] == 6


def test_a_term_of_two_classes_is_named_with_its_class():
    subject = Subject("R-01-001").treated().event("Fever", "GENERAL").event("Fever", "INFECTIONS").event("Rash", "GENERAL").record()
    dots = tabulate(study(), [subject], CUT).drawings[0]
    named = [(one.params["term"], one.params["class"]) for one, *_ in dots.rows if isinstance(one, Message)]
    assert len(named) == 2 and len(dots.rows) == 3


def test_the_severity_bars_are_those_of_the_table_of_events(report):
    bars = figure(report, "severity")
    place = next(place for place, column in enumerate(report.columns) if column.kind == "treated")
    cells = {text(line.label): line.cells[place] for line in report.events.classes if line.cells[place].subjects}
    assert {text(row[0]): row[3:] for row in bars.rows} == {
        name: tuple(level.subjects for level in cell.levels) for name, cell in cells.items()
    }
    drawn: dict[str, int] = {}
    for one in bars.spec["data"]["values"]:
        assert one["to"] - one["from"] == one["n"]
        drawn[text(one["class"])] = drawn.get(text(one["class"]), 0) + one["n"]
    assert drawn == {name: cell.subjects for name, cell in cells.items()}


def test_the_published_trial_is_drawn_as_published():
    grades = figure(tabulate(study(), published_msc_trial(), CUT), "classes")
    ((label, events, *levels),) = grades.rows
    assert (text(label), events, levels) == ("General disorders", 21, [7, 14, 0, 0, 0])
    assert [one["n"] for one in grades.spec["data"]["values"]] == levels


def test_a_lane_a_treated_subject_with_the_end_of_its_follow_up(report):
    lanes = figure(report, "swimmer")
    found = {text(row[0]): row for row in lanes.rows}
    assert set(found) == {"R-01-001", "R-01-002", "R-01-003", "R-02-001"}
    days = {key: (row[3], text(row[4]), row[5], text(row[6]) if row[6] else "", row[8]) for key, row in found.items()}
    assert days == {
        "R-01-001": (271, "goes on", 3, "67", 0),
        "R-01-002": (243, "goes on", 2, "", 0),
        "R-01-003": (55, "death", 1, "47", 0),
        "R-02-001": (113, "ended", 1, "", 1),
    }


def test_more_subjects_than_lanes_leave_the_worst_in_sight_and_say_so():
    every = [Subject(f"R-01-{number:03}").treated().event("Fever") for number in range(60)]
    every[37].event("Sepsis", "INFECTIONS", "4", AESER="Y")
    made = study()
    lanes = swimmer(courses(people(made, [one.record() for one in every]), CUT.as_of), tabulate(made, [], CUT).levels, ARMS)
    assert len(lanes.rows) == 40 and "R-01-037" in {text(row[0]) for row in lanes.rows}
    assert (lanes.note.params["shown"], lanes.note.params["subjects"]) == (40, 60)


def test_an_event_of_years_ago_does_not_squeeze_the_lanes():
    subject = Subject("R-01-001").treated().event("Rash", onset="1990-05").event("Fever", onset="2026-01-03")
    made = study()
    lanes = swimmer(courses(people(made, [subject.record()]), CUT.as_of), tabulate(made, [], CUT).levels, ARMS)
    assert [one["day"] for one in lanes.spec["layer"][2]["data"]["values"]] == [-30]
    assert lanes.note.params["before"] == 1 and lanes.rows[0][5] == 2


def course(subject: str, end: int, *days: int, arm: str = "D1") -> Course:
    event = people(study(), [Subject(subject).treated().event("Fever").record()])[0].events[0]
    return Course(subject, arm, ARMS[arm], end, "", False, (0,), tuple(Mark(day, event) for day in days), 0)


def test_the_mean_cumulative_number_divides_by_those_still_followed():
    steps = mean_cumulative([course("A", 100, 10, 30), course("B", 20, 10), course("C", 100, 30, 30, 101), course("D", 5, -1)])
    # Day 10: 2 events of 3 followed; day 30: 3 events of 2 followed. Day 101 and day -1 are outside.
    assert [(one.day, one.events, one.at_risk, round(one.mean, 4)) for one in steps] == [(10, 2, 3, 0.6667), (30, 3, 2, 2.1667)]
    # By hand: residuals of day 10 are 1/9, 1/9, -2/9, of day 30 (1 - 1.5)/2 and (2 - 1.5)/2.
    variance = (1 / 9 - 0.25) ** 2 + (1 / 9) ** 2 + (-2 / 9 + 0.25) ** 2
    assert steps[1].high - steps[1].mean == pytest.approx(1.959964 * variance**0.5, abs=1e-5)


def test_mean_events_count_those_left_out_and_those_at_risk():
    drawn = mean_events([course("A", 100, 10, 30), course("B", 20, 10, 40), course("C", 60, arm="D3")], ARMS)
    assert drawn.note.params == {"outside": 1, "undated": 0}
    at_98 = [row[1:4] for row in drawn.rows if row[1] == 98]
    assert at_98 == [(98, 1, 3), (98, 0, 0)]


def test_trajectories_mark_what_is_missing():
    made, trial = pack_study(), pack_trial()
    found = series(made, people(made, trial), "MRSSTOT", CUT.as_of)
    assert {one.subject: [(point.day, point.visit, point.value) for point in one.points] for one in found} == {
        "R-01-001": [(-13, "E", 30), (89, "M3", 24)],
        "R-01-002": [(92, "M3", 18)],
        "R-01-003": [(-4, "E", 22)],
        "R-02-001": [],
    }
    assert {one.subject: one.missing for one in found if one.missing} == {"R-02-001": (92,)}
    drawn = trajectories("skin", Words({"en": "mRSS"}), found, ARMS, {"M3": Words({"en": "Month 3"})})
    assert drawn.description.params["missing"] == 1 and drawn.description.params["values"] == 4
    assert drawn.rows == ((Words({"en": "Month 3"}), ARMS["D1"], 92, 2, Decimal("21.0"), Decimal("4.2"), Decimal("18.0"), Decimal("24.0")),)


def test_peaks_are_those_after_treatment_and_limits_count_as_above():
    made, trial = pack_study(), pack_trial()
    found = {one.subject: (one.alt, one.alt_day, one.bilirubin) for one in peaks(made, people(made, trial), CUT.as_of)}
    assert found == {
        "R-01-001": (3, 3, 2),
        "R-01-002": (1, 3, Decimal("0.25")),
        "R-01-003": (4, 16, Decimal("0.6")),
        "R-02-001": (None, None, Decimal("0.45")),
    }
    drawn = edish(peaks(made, people(made, trial), CUT.as_of), tuple(ARMS.values()))
    assert drawn.description.params == {"judged": 3, "treated": 4, "both": 1, "alt": 1, "bilirubin": 0, "neither": 1}
    nothing = edish([Peak("A", ARMS["D1"], Decimal(1), 1, None, None)], ())
    assert nothing.spec == {} and nothing.empty is not None


@pytest.mark.parametrize("oid", ["dots", "severity", "classes", "swimmer"])
def test_without_events_a_figure_says_so(oid):
    one = figure(tabulate(study(), [], CUT), oid)
    assert one.spec == {} and one.rows == () and "nothing to draw" in one.empty.msgid


def test_without_values_or_treated_a_figure_says_so():
    assert "nothing to draw" in mean_events((), ARMS).empty.msgid
    only_missing = Series("A", "D1", ARMS["D1"], (), (90,))
    assert "nothing to draw" in trajectories("skin", Words(), [only_missing], ARMS, {}).empty.msgid
    assert trajectories("skin", Words(), [replace(only_missing, points=(Point(1, "M3", Decimal(0)),))], ARMS, {}).empty is None


def test_blinded_arms_are_one_column_of_dots():
    dots = tabulate(pack_study(blinded=True), pack_trial(), CUT).drawings[0]
    assert "hconcat" not in dots.spec and len(dots.columns) == 3


def test_shares_round_half_up():
    assert [percent(1, 8), percent(1, 16), percent(3, 16), percent(0, 0)] == [
        Decimal("12.5"),
        Decimal("6.3"),
        Decimal("18.8"),
        Decimal("0.0"),
    ]


def test_a_limit_belongs_to_the_result_before_it():
    made = pack_study()
    answers = {"Q_LBDAT": "2026-01-20", "ALAT": "20", "ALAT_ULN": "40", "BILIRUBIN": "10", "BILIRUBIN_ULN": "22"}
    held = Document({oid: Answer(value) for oid, value in answers.items()})
    more = frozenset({"ALT", "BILI", "LBDAT", "LBORNRHI.ALT", "LBORNRHI.BILI"})
    (one,) = recorded(1, FormKey("E", "LABS"), project(made, made.form["LABS"], held, more))
    assert one.values == {"LBDAT": "2026-01-20", "ALT": "20", "LBORNRHI.ALT": "40", "BILI": "10", "LBORNRHI.BILI": "22"}
    assert [fact for fact in project(made, made.form["LABS"], held) if isinstance(fact, Fact)] == []
