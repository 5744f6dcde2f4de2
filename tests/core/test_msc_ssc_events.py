"""The adverse event form of msc_ssc, and what the study says about safety (clinical reference, E.1 to E.6; A-30, A-33, A-34)."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from tests.core.test_msc_ssc_forms import STUDY, filled
from trialcrf.core.checks import Context, run
from trialcrf.core.definition.model import Severity
from trialcrf.core.document import Answer, Document, Row
from trialcrf.core.safety.event import FACTORS
from trialcrf.core.values import typed

FORM = STUDY.form["ADVERSE"]
CRITERIA = ("AE_DEATH", "AE_LIFE", "AE_HOSPITAL", "AE_DISABILITY", "AE_CONGENITAL", "AE_MEDICAL")


def said(course: tuple[str, ...] = (), others: dict[str, str] | None = None, **answers: str) -> dict[str, Severity]:
    """What the rules of the form find: each check with its severity. `course` are the grades of the course, oldest first."""
    rows = {"COURSE": tuple(Row(str(n), {"AE_COURSE_GRADE": Answer(grade)}) for n, grade in enumerate(course, 1))} if course else {}

    def look_up(ref):
        text = (others or {}).get(".".join(part for part in (ref.event, ref.form, ref.item) if part))
        return None if text is None else typed(STUDY.form[ref.form].items[ref.item][1], Answer(text))

    document = Document({oid: Answer(text) for oid, text in answers.items()}, rows)
    context = Context(today=date(2026, 11, 22), zone=ZoneInfo("Europe/Paris"), others=look_up)
    own = {check.oid for check in FORM.checks}
    return {one.check: one.severity for one in run(FORM, document, context) if one.check in own}


NOT_ONE = dict.fromkeys(CRITERIA, "N")


def test_a_serious_event_without_any_criterion_is_refused_and_one_that_is_still_entered_is_not():
    assert said(AE_SERIOUS="Y", **NOT_ONE)["SERIOUS_HAS_CRITERION"] is Severity.HARD
    assert "SERIOUS_HAS_CRITERION" not in said(AE_SERIOUS="Y", **{**NOT_ONE, "AE_HOSPITAL": "Y"})
    assert "SERIOUS_HAS_CRITERION" not in said(AE_SERIOUS="Y", AE_DEATH="N"), "interrupted at the first criterion"


@pytest.mark.parametrize("criterion", CRITERIA)
def test_each_criterion_makes_an_event_serious(criterion):
    assert said(AE_SERIOUS="N", **{**NOT_ONE, criterion: "Y"})["CRITERION_IS_SERIOUS"] is Severity.SOFT


def test_an_event_is_fatal_exactly_when_its_grade_is_5():
    assert said(AE_OUTCOME="FATAL", AE_GRADE="4")["FATAL_IS_GRADE_5"] is Severity.HARD
    assert said(AE_OUTCOME="RECOVERED/RESOLVED", AE_GRADE="5")["GRADE_5_IS_FATAL"] is Severity.HARD
    both = said(AE_OUTCOME="FATAL", AE_GRADE="5")
    assert "FATAL_IS_GRADE_5" not in both and "GRADE_5_IS_FATAL" not in both


def test_the_grade_is_the_highest_of_its_course():
    assert said(("2", "4", "1"), AE_GRADE="3")["COURSE_HAS_HIGHEST"] is Severity.HARD
    assert said(("2", "3"), AE_GRADE="4")["COURSE_HAS_HIGHEST"] is Severity.HARD
    assert "COURSE_HAS_HIGHEST" not in said(("2", "4", "1"), AE_GRADE="4")
    assert "COURSE_HAS_HIGHEST" not in said(AE_GRADE="4"), "without a course there is nothing to contradict"


def test_every_factor_is_judged_and_those_of_the_trial_agree_with_the_whole():
    asked = {alias for _, item in FORM.items.values() for alias in item.aliases}
    assert set(FACTORS) <= asked
    none = {oid: "NOT RELATED" for oid in FORM.items if oid.startswith("AE_BY_")}
    assert said(AE_RELATED="RELATED", **none)["RELATED_HAS_FACTOR"] is Severity.SOFT
    assert said(AE_RELATED="RELATED", **{**none, "AE_BY_DISEASE": "RELATED"})["RELATED_HAS_FACTOR"] is Severity.SOFT
    for factor in ("PRODUCT", "EXCIPIENT", "INFUSION", "PREMEDICATION", "HARVEST"):
        one = {**none, f"AE_BY_{factor}": "RELATED"}
        assert "RELATED_HAS_FACTOR" not in said(AE_RELATED="RELATED", **one)
        assert said(AE_RELATED="NOT RELATED", **one)["FACTOR_IS_RELATED"] is Severity.SOFT
    assert "FACTOR_IS_RELATED" not in said(AE_RELATED="NOT RELATED", **{**none, "AE_BY_DISEASE": "RELATED"})


@pytest.mark.parametrize(("onset", "asked"), [("2026-06-09", False), ("2026-06-10", True), ("2026-06-11", True), ("2026-06-12", False)])
def test_the_time_of_onset_is_needed_on_the_day_of_the_infusion_and_the_day_after(onset, asked):
    infused = {"D0.INFUSION.INF_START": "2026-06-10T10:30+02:00"}
    assert ("AE_TIME_NEEDED" in said(others=infused, AE_ONSET=onset)) is asked
    assert "AE_TIME_NEEDED" not in said(others=infused, AE_ONSET=onset, AE_ONSET_TIME="11:00")


def test_a_death_is_recorded_on_its_own_form_too():
    assert said(AE_OUTCOME="FATAL")["AE_DEATH_RECORDED"] is Severity.NOTE
    assert "AE_DEATH_RECORDED" not in said(others={"DEATH.DEATH_DATE": "2026-07"}, AE_OUTCOME="FATAL")


def test_the_batch_follows_from_the_infusion():
    document = filled("ADVERSE", {"D0.INFUSION.INF_BATCH": "LOT-7"}, AE_WORDS="Fever")
    assert document.items["AE_BATCH"].text == "LOT-7"


def test_the_clocks_of_both_regimes_stand_in_the_definition_and_each_hangs_on_its_clause():
    safety = STUDY.safety
    assert safety and safety.regime == "CTR" and {one.regime for one in safety.obligations} == {"", "CTR", "JARDE_PTC"}
    terms = {one.oid: (one.concerns, one.starts, one.hours, one.days, one.at_once) for one in safety.obligations}
    assert terms["SITE_24H"] == ("serious", "site_awareness", 24, 0, False)
    assert terms["SUSAR_7D"] == ("susar_fatal", "day_zero", 0, 7, False)
    assert terms["SUSAR_15D"] == ("susar", "day_zero", 0, 15, False)
    assert terms["SUSAR_WORSE"] == ("susar_fatal", "worsening", 0, 7, False)
    assert terms["SUSAR_MORE"] == ("susar_fatal", "submission", 0, 8, False)
    assert terms["PTC_DONOR"] == ("serious", "day_zero", 0, 0, True)
    assert all(one.source for one in safety.obligations)
    assert all(one.assumption == "A-33" for one in safety.obligations if one.oid != "SITE_24H")


def test_the_stopping_rule_and_the_cohorts_are_those_proposed():
    safety = STUDY.safety
    assert safety and safety.stopping
    rule = safety.stopping
    assert (rule.prior_a, rule.prior_b, rule.limit, rule.threshold, rule.subjects) == ("0.2", "0.8", "0.20", "0.90", 20)
    assert (rule.grade_from, rule.assumption, safety.primary_days) == ("3", "A-34", 10)
    assert [(one.code, one.planned, one.gated) for one in safety.cohorts] == [("MSC1", 10, False), ("MSC3", 10, True)]
