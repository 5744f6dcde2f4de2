"""Synthetic subjects as values: what follows from a seed, what a script may say, what a mistake looks like."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from zoneinfo import ZoneInfo

import pytest

from trialcrf.core.checks import Severity
from trialcrf.core.definition.load import load
from trialcrf.core.document import Answer, Place
from trialcrf.core.simulation import course
from trialcrf.core.simulation.answers import moment, number
from trialcrf.core.simulation.chance import Chance
from trialcrf.core.simulation.mistakes import spoiled
from trialcrf.core.simulation.script import NoScript, load_script, plain_script
from trialcrf.core.simulation.story import Seat, Telling, tell
from trialcrf.external.files import read_script, read_study

STUDY = load(read_study(Path(__file__).parents[2] / "trialcrf" / "studies" / "msc_ssc"))
SCRIPT = load_script(STUDY, read_script("msc_ssc"))
TODAY, PARIS = date(2026, 11, 21), ZoneInfo("Europe/Paris")
SEATS = {"recipient": Seat("recipient", "R-01-001", "01"), "donor": Seat("donor", "D-01-001", "01")}


@cache
def told(number_: int):
    return tell(Telling(STUDY, SCRIPT, 1), number_, SEATS, TODAY, PARIS)


def test_a_stream_is_the_same_on_every_machine():
    chance = Chance(1, "recipient", 4)
    assert [round(chance.share(), 9) for _ in range(3)] == [0.542282077, 0.812925601, 0.565413949]
    assert Chance(1, 23).share() != Chance(12, 3).share(), "paths are told apart"
    drawn = [Chance("normal", each).normal(10, 2) for each in range(4000)]
    assert abs(mean(drawn) - 10) < 0.15
    assert abs(stdev(drawn) - 2) < 0.1
    assert abs(mean(Chance("count", each).count(1.5) for each in range(4000)) - 1.5) < 0.1
    shares = [Chance("weighted", each).weighted({"A": 3, "B": 1}) for each in range(4000)]
    assert 0.72 < shares.count("A") / len(shares) < 0.78
    assert {Chance("whole", each).whole(1, 3) for each in range(50)} == {1, 2, 3}


def test_who_is_severer_in_one_thing_is_so_in_the_others():
    people = [course.person(Chance("person", each), True, {}) for each in range(600)]
    severe = [one for one in people if one.base["mrss"] > 29]
    mild = [one for one in people if one.base["mrss"] < 21]
    for name, sign in (("fvc_pct", -1), ("dlco_pct", -1), ("haq", 1)):
        assert sign * (mean(one.base[name] for one in severe) - mean(one.base[name] for one in mild)) > 0, name
    better = [one for one in people if one.response > 0.5]
    later = [course.at(one, 12, Chance("later", place)) for place, one in enumerate(better)]
    assert mean(one["mrss"] for one in later) < 0.7 * mean(one.base["mrss"] for one in better)
    assert mean(one["fvc_pct"] for one in later) > mean(one.base["fvc_pct"] for one in better)


def test_every_save_of_a_story_is_taken_and_its_forms_are_complete():
    for number_ in range(SCRIPT.size + 10):
        for subject in told(number_):
            findings = [finding for one in subject.entered for finding in one.decision.findings]
            assert not [finding for finding in findings if finding.severity is Severity.HARD]
            assert not [finding for finding in findings if finding.check == "condition"], "nothing is answered that is not asked"
            assert all(one.decision.complete for one in subject.entered), [one.key for one in subject.entered if not one.decision.complete]


def test_without_mistakes_hardly_a_query_opens():
    forms = [form for number_ in range(SCRIPT.size, SCRIPT.size + 10) for one in told(number_) for form in one.entered]
    opened = [query for form in forms for query in form.decision.opened]
    assert len(opened) < len(forms) / 50, opened


def test_forms_are_entered_in_the_order_of_their_days_and_none_in_the_future():
    for number_ in range(SCRIPT.size):
        for subject in told(number_):
            days = [fact.text for one in subject.entered for fact in one.facts if fact.alias == "SVSTDAT"]
            assert days == sorted(days)
            assert all(day <= TODAY.isoformat() for day in days)
            assert subject.entered[0].key.form_oid in ("RENROL", "DENROL")


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ({}, "block"),
        ({"block": ({"nobody": {}},)}, "nobody"),
        ({"block": ({"donor": {}},), "forms": {"NOFORM": {}}}, "NOFORM"),
        ({"block": ({"donor": {}},), "forms": {"VITALS": {"NOITEM": "1"}}}, "NOITEM"),
        ({"block": ({"donor": {}},), "forms": {"VITALS": {"WT": {"guess": "1"}}}}, "guess"),
        ({"block": ({"donor": {"visits": {"NEVER": "open"}}},)}, "NEVER"),
        ({"block": ({"donor": {"with": ("nothing",)}},)}, "nothing"),
        ({"block": ({"donor": {"days": {"CONSENT": "soon"}}},)}, "number"),
        ({"block": ({"donor": {"answers": {"VITALS.NOITEM": "1"}}},)}, "NOITEM"),
        ({"block": ({"donor": {}},), "endings": {"DEATH": ("unknown",)}}, "unknown"),
    ],
)
def test_a_script_that_does_not_fit_the_study_is_refused_with_its_place(plain, said):
    with pytest.raises(NoScript, match=said):
        load_script(STUDY, plain)


def test_a_study_without_a_script_is_told_too():
    for subject in tell(Telling(STUDY, plain_script(STUDY), 1), 0, SEATS, TODAY, PARIS):
        assert len(subject.entered) > 3
        assert not [finding for one in subject.entered for finding in one.decision.findings if finding.severity is Severity.HARD]


def test_a_mistake_changes_one_answer_to_another_text_of_its_type():
    form = STUDY.form["VITALS"]
    answers = {Place("WT"): Answer("62.5"), Place("HT"): Answer("171.0"), Place("PULSE"): Answer("76")}
    for seed in range(80):
        wrong = spoiled(form, answers, Chance("wrong", seed))
        if wrong is not None:
            changed = [place for place in answers if wrong[place] != answers[place]]
            assert len(changed) == 1
            assert float(wrong[changed[0]].text) >= 0
    assert sum(spoiled(form, answers, Chance("wrong", seed)) is not None for seed in range(80)) > 60


def test_numbers_keep_to_the_range_and_decimals_of_their_item():
    items = {item.oid: item for _, item in STUDY.form["VITALS"].items.values()}
    assert number(items["WT"], 62.347) == "62.3"
    assert number(items["WT"], -5) == "35.0"
    assert number(items["PULSE"], 76.4) == "76"
    assert number(items["PULSE"], 900) == "130"


def test_an_hour_that_the_clocks_skip_or_repeat_is_not_written():
    assert moment(date(2026, 3, 29), "02:30", PARIS) == "2026-03-29T04:30+02:00"
    assert moment(date(2026, 10, 25), "02:30", PARIS) == "2026-10-25T04:30+01:00"
    assert moment(TODAY, "10:30", PARIS) == "2026-11-21T10:30+01:00"
