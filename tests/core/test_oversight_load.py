"""The oversight of a study file: read as written, and everything that is wrong in it at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.actions.world import study_of
from tests.core.test_definition_load import FILES, MAIN, Files, loaded, problems
from trialcrf.core.definition.canonical import canonical, from_canonical
from trialcrf.core.definition.oversight import Oversight, ReviewPlan, SamplingRule

OVERSIGHT = """\
oversight:
  seed: ours
  sampling:
    - {forms: [ENROL, EVENT]}
    - {items: [MEASURE.KG], percent: 50}
    - {percent: 1}
  review: {late_days: 30, night: [22, 6], before_lock_days: 14, same_reason: 10, every_days: 90, assumption: A-1}
  training: yes
  access_review_days: 180
  assumption: A-1
  access_assumption: A-1
"""
FIRST = MAIN.count("\n") + 1


def files(was: str = "", becomes: str = "") -> Files:
    if was:
        assert OVERSIGHT.count(was) == 1, was
    return {**FILES, "study.yaml": MAIN + OVERSIGHT.replace(was, becomes)} if was else {**FILES, "study.yaml": MAIN + OVERSIGHT}


def test_an_oversight_is_read_as_it_is_written_and_survives_its_canonical_text(tmp_path: Path) -> None:
    study = loaded(tmp_path, files())
    assert study.oversight == Oversight(
        "ours",
        (SamplingRule(("ENROL", "EVENT")), SamplingRule((), ("MEASURE.KG",), 50), SamplingRule((), (), 1)),
        ReviewPlan(30, (22, 6), 14, 10, 90, "A-1"),
        True,
        180,
        "A-1",
        "A-1",
    )
    assert from_canonical(canonical(study)).oversight == study.oversight


def test_a_study_without_oversight_asks_nothing_of_it_and_its_text_is_silent(tmp_path: Path) -> None:
    study = loaded(tmp_path, FILES)
    assert study.oversight == Oversight() and "oversight" not in canonical(study)


BAD = [
    ("seed: ours", "seed: ours\n  seeds: x", 2, "Unknown key “seeds”"),
    ("  seed: ours\n", "", 3, "give “seed”"),
    ("[ENROL, EVENT]", "[ENROL, NOWHERE]", 3, "no form “NOWHERE”"),
    ("[ENROL, EVENT]", "[ENROL, ENROL]", 3, "“ENROL” stands here twice"),
    ("[ENROL, EVENT]", "[]", 3, "would verify everything"),
    ("MEASURE.KG", "MEASURE.POUND", 4, "no item “MEASURE.POUND”"),
    ("MEASURE.KG", "KG", 4, "no item “KG”"),
    ("{items:", "{forms: [EVENT], items:", 4, "not both"),
    ("percent: 50", "percent: 0", 4, "whole number from 1 to 100"),
    ("percent: 50", "percent: 101", 4, "whole number from 1 to 100"),
    ("[22, 6]", "[22, 24]", 6, "whole number from 0 to 23"),
    ("[22, 6]", "[-1, 6]", 6, "whole number from 0 to 23"),
    ("[22, 6]", "[22]", 6, "two different hours"),
    ("[22, 6]", "[6, 6]", 6, "two different hours"),
    ("late_days: 30", "late_days: soon", 6, "whole number"),
    ("training: yes", "training: often", 7, "Yes or no"),
    ("access_review_days: 180", "access_review_days: -1", 8, "whole number from 0"),
    ("  assumption: A-1", "  assumption: A-9", 9, "“A-9” is not explained"),
    ("access_assumption: A-1", "access_assumption: A-8", 10, "“A-8” is not explained"),
    ("every_days: 90, assumption: A-1", "every_days: 90, assumption: A-7", 6, "“A-7” is not explained"),
]


@pytest.mark.parametrize(("was", "becomes", "line", "words"), BAD, ids=[becomes or was for was, becomes, *_ in BAD])
def test_what_is_wrong_is_said_at_its_line(tmp_path: Path, was: str, becomes: str, line: int, words: str) -> None:
    said = problems(tmp_path, files(was, becomes))
    assert any(one.startswith(f"study.yaml:{FIRST + line}:") and words in one for one in said), said


def test_the_trial_samples_consent_eligibility_events_and_infusions_of_everybody_and_says_that_it_is_proposed() -> None:
    study = study_of("msc_ssc")
    plan = study.oversight
    everybody = {oid for rule in plan.sampling if rule.percent == 100 for oid in rule.forms}
    assert {"RENROL", "DENROL", "INCLUSION", "ADVERSE", "INFUSION"} <= everybody
    assert plan.seed and [rule.percent for rule in plan.sampling] == [100, 20]
    assert {plan.assumption, plan.review.assumption, plan.access_assumption} == {"A-43", "A-44", "A-45"}
    assert all(study.assumptions[name].state == "proposed" for name in ("A-43", "A-44", "A-45"))
