"""The forms of msc_ssc, filled in: the scores that they derive and what they notice (vectors of the clinical reference, section D)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from trialcrf.core.checks import Context, derive, run
from trialcrf.core.definition.load import load
from trialcrf.core.document import Answer, Document
from trialcrf.core.expr import Ref
from trialcrf.core.typed import Value
from trialcrf.core.values import typed
from trialcrf.external.files import read_study

STUDY = load(read_study(Path(__file__).parents[2] / "trialcrf" / "studies" / "msc_ssc"))
TODAY = date(2026, 11, 21)

ND = Answer(missing="ND", note="bandage")


def filled(form: str, others: dict[str, str] | None = None, **answers: str | Answer) -> Document:
    items = {oid: answer if isinstance(answer, Answer) else Answer(answer) for oid, answer in answers.items()}
    return derive(STUDY.form[form], Document(items, {}), context(others))


def context(others: dict[str, str] | None = None) -> Context:
    def look_up(ref: Ref) -> Value | tuple[Value, ...]:
        text = (others or {}).get(".".join(part for part in (ref.event, ref.form, ref.item) if part))
        return None if text is None else typed(STUDY.form[ref.form].items[ref.item][1], Answer(text))

    return Context(today=TODAY, zone=ZoneInfo("Europe/Paris"), others=look_up)


def of(document: Document, *oids: str) -> list[str | None]:
    return [document.items[oid].text if oid in document.items else None for oid in oids]


def codes_of(form: str, group: str) -> list[str]:
    return [item.oid for one in STUDY.form[form].groups if one.oid == group for item in one.items]


SITES = codes_of("SKIN", "SITES")
SKIN_TOTALS = ("SKIN_TOTAL", "SKIN_ASSESSED", "SKIN_PARTIAL")
HANDS = [f"SKIN_{site}_{side}" for site in ("FINGERS", "HAND", "FOREARM") for side in "RL"]


@pytest.mark.parametrize(("grade", "total"), [("0", "0"), ("1", "17"), ("3", "51")])
def test_seventeen_scored_sites_have_a_total(grade, total):
    assert of(filled("SKIN", **dict.fromkeys(SITES, grade)), *SKIN_TOTALS) == [total, "17", total]


def test_fingers_hands_and_forearms_of_3_total_18_and_are_not_diffuse():
    answers = dict.fromkeys(SITES, "0") | dict.fromkeys(HANDS, "3")
    assert of(filled("SKIN", **answers), "SKIN_TOTAL", "SKIN_DIFFUSE") == ["18", "N"]


def test_a_site_that_was_not_assessed_leaves_no_total():
    answers = dict.fromkeys(SITES, "1") | {"SKIN_ABDOMEN": ND}
    assert of(filled("SKIN", **answers), *SKIN_TOTALS) == [None, "16", "16"]


@pytest.mark.parametrize("site", ["UPPERARM_R", "UPPERARM_L", "CHEST", "ABDOMEN", "THIGH_R", "THIGH_L"])
def test_one_proximal_site_makes_the_involvement_diffuse_and_the_limited_form_doubtful(site):
    document = filled("SKIN", **dict.fromkeys(SITES, "0") | {f"SKIN_{site}": "1"})
    assert of(document, "SKIN_DIFFUSE") == ["Y"]
    assert "LIMITED_AS_REPORTED" in found("SKIN", document, {"SSCHIST.SUBSET": "LIMITED"})
    assert "DIFFUSE_AS_REPORTED" not in found("SKIN", document, {"SSCHIST.SUBSET": "DIFFUSE"})


def test_another_assessor_than_at_baseline_is_noticed():
    document = filled("SKIN", SKIN_ASSESSOR="A2")
    assert "SAME_ASSESSOR" in found("SKIN", document, {"BAS.SKIN.SKIN_ASSESSOR": "A1"})
    assert "SAME_ASSESSOR" not in found("SKIN", document, {"BAS.SKIN.SKIN_ASSESSOR": "A2"})


def found(form: str, document: Document, others: dict[str, str] | None = None) -> set[str]:
    return {finding.check for finding in run(STUDY.form[form], document, context(others))}


HAQ_ITEMS = codes_of("HAQ", "ITEMS")
# Categories 0, 1, 0, 2, 1, 0, 1, 0 (clinical reference, D.4).
MIXED = dict.fromkeys(HAQ_ITEMS, "0") | {"HAQ0103": "1", "HAQ0109": "2", "HAQ0124": "1", "HAQ0130": "1"}


def without(*numbers: str) -> dict[str, Answer]:
    return {f"HAQ01{number}": ND for number in numbers}


def test_the_questionnaire_asks_the_twenty_items_of_cdisc():
    numbers = ["01", "02", "03", "04", "05", "06", "07", "08", "09", *map(str, range(23, 34))]
    assert [f"HAQ01{number}" for number in numbers] == HAQ_ITEMS
    assert all(oid in STUDY.form["HAQ"].items[oid][1].aliases for oid in HAQ_ITEMS)


@pytest.mark.parametrize(
    ("answers", "index", "alternative"),
    [
        (dict.fromkeys(HAQ_ITEMS, "0"), "0.000", "0.000"),
        (dict.fromkeys(HAQ_ITEMS, "3"), "3.000", "3.000"),
        (MIXED, "0.625", "0.625"),
        (MIXED | {"HAQ0136": "Y"}, "0.750", "0.625"),
        (MIXED | {"HAQ0144": "Y"}, "0.750", "0.625"),
        (MIXED | {"HAQ0136": "N"}, "0.625", "0.625"),
        (dict.fromkeys(HAQ_ITEMS, "1") | without("01", "02", "03", "04"), "1.000", "1.000"),
        (dict.fromkeys(HAQ_ITEMS, "1") | without("01", "02", "03", "04", "26", "27"), None, None),
    ],
)
def test_the_haq_index_with_and_without_aids(answers, index, alternative):
    assert of(filled("HAQ", **answers), "HAQ_DI", "HAQ_DI_ALT") == [index, alternative]


AIDS = {
    "DRESSING": ("14", "19"),
    "ARISING": ("16", "20"),
    "EATING": ("15", "21"),
    "WALKING": ("10", "11", "12", "13", "22"),
    "HYGIENE": ("34", "35", "37", "39", "42"),
    "REACH": ("38", "43"),
    "GRIP": ("36", "44"),
    "ACTIVITIES": ("45",),
}


@pytest.mark.parametrize(("category", "aid"), [(category, aid) for category, aids in AIDS.items() for aid in aids])
@pytest.mark.parametrize(("worst", "raised"), [("0", 2), ("1", 2), ("2", 2), ("3", 3)])
def test_an_aid_or_help_raises_its_own_category_to_2_in_the_index_and_in_the_category(category, aid, worst, raised):
    document = filled("HAQ", **dict.fromkeys(HAQ_ITEMS, worst) | {f"HAQ01{aid}": "Y"})
    scores = {name: str(raised) if name == category else worst for name in AIDS}
    assert {name: of(document, f"HAQ_{name}")[0] for name in AIDS} == scores
    (index,) = of(document, "HAQ_DI")
    assert index == f"{sum(map(int, scores.values())) / 8:.3f}"


@pytest.mark.parametrize("worst", HAQ_ITEMS)
def test_each_item_counts_in_exactly_one_category(worst):
    document = filled("HAQ", **dict.fromkeys(HAQ_ITEMS, "0") | {worst: "1"})
    assert sorted(of(document, *(f"HAQ_{name}" for name in AIDS))) == ["0"] * 7 + ["1"]  # type: ignore[type-var]
    assert of(document, "HAQ_DI") == ["0.125"]


def test_a_category_without_an_answer_has_no_score_and_one_answer_is_enough():
    document = filled("HAQ", **dict.fromkeys(HAQ_ITEMS, "1") | without("01", "02", "05") | {"HAQ0114": "Y"})
    assert of(document, "HAQ_DRESSING", "HAQ_EATING", "HAQ_CATEGORIES") == [None, "1", "7"]


@pytest.mark.parametrize(("distance", "score"), [("0", "0.00"), ("7.5", "1.50"), ("15", "3.00")])
def test_a_scale_of_15_cm_scores_0_to_3(distance, score):
    assert of(filled("HAQ", SHAQ_LUNG=distance), "SHAQ_LUNG_SCORE", "SHAQ_PAIN_SCORE") == [score, None]


def test_a_distance_beyond_the_line_is_refused():
    assert "hard_range" in found("HAQ", filled("HAQ", SHAQ_PAIN="15.1"))


EUSTAR = {"EUS_SKIN_WORSE": "N", "EUS_ULCERS": "N", "EUS_MRSS": "18", "EUS_RUBS": "N", "EUS_CRP": "10", "EUS_DLCO": "70"}


@pytest.mark.parametrize(
    ("answers", "score", "active"),
    [
        ({}, "0.00", "N"),
        ({"EUS_MRSS": "19"}, "1.50", "N"),
        ({"EUS_SKIN_WORSE": "Y"}, "1.50", "N"),
        ({"EUS_CRP": "10.1"}, "2.25", "N"),
        ({"EUS_RUBS": "Y"}, "2.25", "N"),
        ({"EUS_ULCERS": "Y", "EUS_DLCO": "65"}, "2.50", "Y"),
    ],
)
def test_the_activity_index(answers, score, active):
    assert of(filled("EUSTARACT", **EUSTAR | answers), "EUS_SCORE", "EUS_LOW", "EUS_HIGH", "EUS_ACTIVE") == [score, score, score, active]


def test_an_activity_index_with_a_missing_item_shows_its_bounds():
    assert of(filled("EUSTARACT", **EUSTAR | {"EUS_CRP": ND}), "EUS_SCORE", "EUS_LOW", "EUS_HIGH", "EUS_ACTIVE") == [
        None,
        "0.00",
        "2.25",
        "N",
    ]


BASELINE = {
    "BAS.SKIN.SKIN_TOTAL": "30",
    "SCR.LUNG.FVC_PCT": "70",
    "BAS.CRISSFORM.CRI_PATIENT": "5",
    "BAS.CRISSFORM.CRI_PHYSICIAN": "5",
    "BAS.HAQ.HAQ_DI": "1.500",
}
CRISS = {
    "CRI_RENAL": "N",
    "CRI_LUNG": "N",
    "CRI_HEART": "N",
    "CRI_MRSS": "30",
    "CRI_FVC": "70",
    "CRI_PATIENT": "5",
    "CRI_PHYSICIAN": "5",
    "CRI_HAQ": "1.5",
}


@pytest.mark.parametrize(
    ("answers", "probability", "improved"),
    [
        ({}, "0.003911", "N"),
        ({"CRI_MRSS": "20"}, "0.928242", "Y"),
        ({"CRI_MRSS": "22", "CRI_FVC": "72", "CRI_PATIENT": "4", "CRI_PHYSICIAN": "4", "CRI_HAQ": "1.25"}, "0.954890", "Y"),
        ({"CRI_MRSS": "20", "CRI_RENAL": "Y"}, "0.000000", "N"),
    ],
)
def test_the_criss_counts_its_changes_from_baseline(answers, probability, improved):
    assert of(filled("CRISSFORM", BASELINE, **CRISS | answers), "CRI_SCORE", "CRI_IMPROVED") == [probability, improved]


LUPUS = [oid for oid in codes_of("SLEDAI", "DESCRIPTORS") if oid != "SLE_DATE"]


def total(form: str, item: str, answers: Iterable[tuple[str, str]]) -> str | None:
    return of(filled(form, **dict(answers)), item)[0]


def test_every_lupus_descriptor_has_its_weight():
    weights = [total("SLEDAI", "SLE_TOTAL", {**dict.fromkeys(LUPUS, "N"), oid: "Y"}.items()) for oid in LUPUS]
    assert weights == ["8"] * 8 + ["4"] * 6 + ["2"] * 7 + ["1"] * 3
    assert total("SLEDAI", "SLE_TOTAL", dict.fromkeys(LUPUS, "Y").items()) == "105"


def test_bilag_grades_have_their_numbers():
    assert total("BILAG", "BIL_TOTAL", zip(codes_of("BILAG", "SYSTEMS"), "ABBCDEEEE", strict=True)) == "29"


@pytest.mark.parametrize(
    ("item", "answers", "grade"),
    [
        ("MED_GENERAL_GRADE", {"MED_WEIGHT_LOSS": "12", "MED_HCT": "40", "MED_HB": "13"}, "2"),
        ("MED_VASCULAR_GRADE", {"MED_RAYNAUD": "Y", "MED_PITTING": "Y", "MED_TIP_ULCERS": "N", "MED_GANGRENE": "N"}, "2"),
        ("MED_SKIN_GRADE", {"MED_MRSS": "15"}, "2"),
        ("MED_JOINT_GRADE", {"MED_FTP": "4.5"}, "3"),
        ("MED_MUSCLE_GRADE", {"MED_WEAKNESS": "1", "MED_WALKING_AIDS": "N"}, "1"),
        (
            "MED_GUT_GRADE",
            {"MED_HYPOPERISTALSIS": "Y", "MED_ANTIBIOTICS": "Y", "MED_MALABSORPTION": "N", "MED_HYPERALIMENTATION": "N"},
            "2",
        ),
        ("MED_LUNG_GRADE", {"MED_DLCO": "85", "MED_FVC": "60", "MED_SPAP": "30", "MED_OXYGEN": "N"}, "2"),
        (
            "MED_HEART_GRADE",
            {"MED_CONDUCTION": "N", "MED_ARRHYTHMIA": "N", "MED_ARRHYTHMIA_TREATED": "N", "MED_CHF": "N", "MED_LVEF": "47"},
            "1",
        ),
        ("MED_KIDNEY_GRADE", {"MED_CRISIS": "Y", "MED_CREATININE": "177", "MED_DIALYSIS": "N"}, "2"),
    ],
)
def test_each_organ_has_the_grade_of_its_worst_descriptor(item, answers, grade):
    assert total("MEDSGER", item, answers.items()) == grade
