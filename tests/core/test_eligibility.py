"""Eligibility: every criterion true, false and undetermined; the reference's own vectors and rules; and what a casebook gives."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.core.eligibility_cases import CASES, DONOR, RECIPIENT
from trialcrf.core.casebook import Casebook
from trialcrf.core.definition.criteria import CriterionKind, EligibilityDef
from trialcrf.core.definition.load import load
from trialcrf.core.definition.model import Study
from trialcrf.core.document import Answer, Document, FormKey, Row
from trialcrf.core.eligibility import (
    DataProblems,
    Evaluation,
    Overall,
    State,
    Verdict,
    answering,
    evaluate,
    judge,
    partner_truth,
    values_of,
)
from trialcrf.core.explain import explain
from trialcrf.core.typed import AWAITED, UNDETERMINED
from trialcrf.external.files import read_study

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT.parent / "shared/protocol/criteria.json"
DAY = date(2026, 11, 21)


@cache
def study() -> Study:
    return load(read_study(ROOT / "trialcrf/studies/msc_ssc"))


def definition(kind: str) -> EligibilityDef:
    found = study().eligibility_of(kind)
    assert found
    return found


def set_of(criterion_id: str) -> EligibilityDef:
    return definition("recipient" if criterion_id.startswith("R-") else "donor")


def verdicts(which: EligibilityDef, plain: Mapping[str, Any]) -> dict[str, str]:
    exact = {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in plain.items()}
    return {each.criterion.id: each.verdict.value for each in judge(which, values_of(which, exact), DAY)}


@pytest.mark.parametrize(("criterion", "changed", "expected"), CASES)
def test_a_criterion_reads_as_its_clause(criterion, changed, expected):
    which = set_of(criterion)
    base = RECIPIENT if which.subject_type == "recipient" else DONOR
    assert verdicts(which, {**base, **changed})[criterion] == expected


def test_every_criterion_has_a_true_a_false_and_an_undetermined_case():
    told: dict[str, set[str]] = {}
    for criterion, _, verdict in CASES:
        told.setdefault(criterion, set()).add(verdict)
    for which in study().eligibility:
        for criterion in which.criteria:
            assert len(told[criterion.id]) == 3, criterion.id


def test_the_eligible_subject_is_eligible_and_every_clause_is_there_in_both_languages():
    for kind, base in (("recipient", RECIPIENT), ("donor", DONOR)):
        found = Evaluation(
            definition(kind), {}, judge(definition(kind), values_of(definition(kind), {**base, "age_max": base["age_min"]}), DAY)
        )
        assert found.overall is Overall.ELIGIBLE
    for which in study().eligibility:
        for criterion in which.criteria:
            assert criterion.clause.in_("fr") != criterion.clause.in_("en")
            assert all(name in study().assumptions for name in criterion.assumptions)


def test_one_criterion_against_outweighs_every_one_that_is_open():
    which = definition("recipient")
    found = Evaluation(which, {}, judge(which, values_of(which, {"neoplasia_any": True}), DAY))
    assert found.overall is Overall.NOT_ELIGIBLE
    assert [each.criterion.id for each in found.against] == ["R-E4"]
    assert Evaluation(which, {}, judge(which, {}, DAY)).overall is Overall.PENDING


def test_a_route_alone_never_decides():
    which = definition("recipient")
    found = judge(which, values_of(which, {**RECIPIENT, "age_max": 45}), DAY)
    assert {each.criterion.id: each.verdict for each in found}["R-I3b"] is Verdict.NOT_MET
    assert Evaluation(which, {}, found).overall is Overall.ELIGIBLE


def test_what_is_missing_is_exactly_what_could_still_decide():
    which = definition("recipient")
    for name, criteria in (("cd4", {"R-E5"}), ("hiv2", {"R-E7"}), ("mrss", {"R-I3s", "R-I3"}), ("dlco_pp", {"R-E2a2", "R-I3a", "R-I3"})):
        left = {key: value for key, value in {**RECIPIENT, "fvc_pp": 80}.items() if key != name}
        found = {each.criterion.id: each for each in judge(which, values_of(which, left), DAY)}
        assert {id_ for id_, each in found.items() if name in each.missing} == criteria
        assert all(each.missing == (name,) for id_, each in found.items() if id_ in criteria and id_ not in ("R-I3a", "R-I3"))


def test_the_vectors_of_the_reference():
    if not REFERENCE.exists():
        pytest.skip(f"{REFERENCE.name} of the protocol reference is not beside this checkout")
    plain = json.loads(REFERENCE.read_text(encoding="utf-8"), parse_float=Decimal)
    assert len(plain["test_vectors"]) >= 32
    for vector in plain["test_vectors"]:
        which = set_of(vector["criterion"])
        assert verdicts(which, vector["data"])[vector["criterion"]] == vector["expected"], vector


def test_the_rules_agree_with_those_of_the_reference_on_any_data():
    if not REFERENCE.exists():
        pytest.skip(f"{REFERENCE.name} of the protocol reference is not beside this checkout")
    plain = json.loads(REFERENCE.read_text(encoding="utf-8"), parse_float=Decimal)
    rules = {each["id"]: each for each in plain["criteria"]}
    assert rules.keys() == {each.id for which in study().eligibility for each in which.criteria}
    dice = random.Random(20261121)
    seen: set[tuple[str, str]] = set()
    for _ in range(400):
        for which in study().eligibility:
            data = _any_data(which, dice)
            found = verdicts(which, data)
            for id_, said in found.items():
                expected = _reference(rules, rules[id_]["rule"], data)
                word = {"excl": ("PRESENT", "ABSENT")}.get(rules[id_]["kind"], ("MET", "NOT_MET"))
                assert said == ("UNDETERMINED" if expected is None else word[0] if expected else word[1]), (id_, data)
                seen.add((id_, said))
    assert len(seen) > 2.5 * len(rules)


def _any_data(which: EligibilityDef, dice: random.Random) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for each in which.inputs:
        if each.oid in ("age_confirmed", "acr_eular_applies") or dice.random() < 0.15:
            continue
        if each.suffixes:
            low = dice.choice([8, 9, 17, 18, 65, 66, 69, 70])
            data[each.suffixes[0]], data[each.suffixes[1]] = low, low + dice.choice([0, 1])
        elif each.type == "boolean":
            data[each.oid] = dice.random() < 0.6
        elif each.type == "code":
            data[each.oid] = dice.choice(each.codes)
        else:
            data[each.oid] = dice.choice([0, 5, 6, 7.9, 8, 10, 15, 25, 26, 29, 30, 34, 35, 40, 41, 50, 59, 60, 70, 71, 199, 200])
    return data


def _reference(rules: Mapping[str, Any], rule: list[Any], data: Mapping[str, Any]) -> bool | None:
    """The reference's rules by its own definition of the operators, written anew: True, False, or None for undetermined."""
    op, *rest = rule
    if op in ("and", "or"):
        found = [_reference(rules, each, data) for each in rest]
        decisive = op == "or"
        return decisive if decisive in found else None if None in found else not decisive
    if op == "ref":
        return _reference(rules, rules[rest[0]]["rule"], data)
    if op == "if_true":
        return _reference(rules, rest[1], data) if data.get(rest[0]) is True else None
    if op in ("kgt", "kge", "klt"):
        low, high = data.get(f"{rest[0]}_min"), data.get(f"{rest[0]}_max")
        test: Callable[[Any], bool] = {"kgt": lambda x: x > rest[1], "kge": lambda x: x >= rest[1], "klt": lambda x: x < rest[1]}[op]
        return None if low is None else test(low) if test(low) == test(high) else None
    if op == "score_ge":
        low, high = data.get(f"{rest[0]}_lo"), data.get(f"{rest[0]}_hi")
        return None if low is None else True if low >= rest[1] else False if high < rest[1] else None
    value = data.get(rest[0])
    if value in (None, "NOT_DONE", "INDETERMINATE"):
        return None
    if op == "pos":
        return bool(value == "POSITIVE")
    simple: dict[str, Callable[[], bool]] = {
        "true": lambda: value is True, "false": lambda: value is False, "==": lambda: value == rest[1], "in": lambda: value in rest[1],
        "<": lambda: value < rest[1], "<=": lambda: value <= rest[1], ">": lambda: value > rest[1], ">=": lambda: value >= rest[1],
    }  # fmt: skip
    return simple[op]()


def test_bad_data_are_told_all_at_once():
    bad = {"nonsense": 1, "mrss": "many", "vt": "yes", "hiv1": "MAYBE", "age_min": 20, "age_max": 10, "anc": True, "plt": "<", "hgb": "NaN"}
    with pytest.raises(DataProblems) as told:
        values_of(definition("recipient"), bad)
    assert {name for name, _ in told.value.problems} == {"nonsense", "mrss", "vt", "hiv1", "age_min", "anc", "plt", "hgb"}


def test_the_explanation_shows_what_was_skipped_too():
    which = definition("recipient")
    criterion = which.criterion["R_I3a"]
    values = values_of(which, {**RECIPIENT, "dlco_pp": 45, "fvc_pp": 71})
    told = explain(criterion.rule.tree, answering(which, values, DAY), DAY)
    texts = {part.text: part.gave for part in _flat(told)}
    assert texts["dlco_pp < 60"] is True
    assert texts["fvc_pp <= 70"] is False
    assert texts["fvc_drop_rel >= 10"] is AWAITED


def _flat(part):
    yield part
    for each in part.parts:
        yield from _flat(each)


# From a casebook: where values come from, how old they may be, what a doubtful answer says.


class Held:
    def __init__(self, event, form, rows=None, **items):
        self.key = FormKey(event, form)
        answers = {oid: text if isinstance(text, Answer) else Answer(str(text)) for oid, text in items.items()}
        made = {
            group: tuple(Row(str(n), {oid: Answer(str(text)) for oid, text in row.items()}) for n, row in enumerate(found, 1))
            for group, found in (rows or {}).items()
        }
        self.document = Document(answers, made)


CONSENT = Held("SCR", "RENROL", ICF_DATE="2026-11-01", ICF_SIGNED="Y", BIRTH_MONTH="1980-04", SEX_BIRTH="F", SOCIAL_SECURITY="Y")


def evaluated(*held: Held, kind: str = "recipient", partner: Any = AWAITED) -> Evaluation:
    forms: dict[str, list[Held]] = {}
    for one in (CONSENT, *held):
        forms.setdefault(one.key.form_oid, []).append(one)
    casebook = Casebook(study(), lambda oid: forms.get(oid, []))
    return evaluate(study(), definition(kind), casebook, {"type": kind, "site": "01", "key": "X"}, DAY, partner)


def verdict(found: Evaluation, criterion: str) -> str:
    return next(each.verdict.value for each in found.judged if each.criterion.id == criterion)


def labs(day: str, **items: object) -> Held:
    return Held("SCR", "LABS", LAB_DATE=day, NEUTROPHILS="4", PLATELETS="200", HAEMOGLOBIN="12", CD4_COUNT="600", **items)


def test_a_value_is_told_with_its_place_and_its_date():
    given = evaluated(labs("2026-11-02")).given["anc"]
    assert (given.value, given.state, str(given.dated.earliest)) == (Decimal(4), State.KNOWN, "2026-11-02")
    assert [(one.key.form_oid, one.ref.item, one.answer.text) for one in given.found] == [("LABS", "NEUTROPHILS", "4")]


def test_a_test_expires_after_its_validity_counted_back_from_inclusion():
    inclusion = Held("SCR", "INCLUSION", INCL_DATE="2026-11-30")
    assert verdict(evaluated(labs("2026-11-02"), inclusion), "R-E5") == "ABSENT"  # 28 days to the day
    found = evaluated(labs("2026-11-01"), inclusion)
    assert (verdict(found, "R-E5"), found.given["anc"].state) == ("UNDETERMINED", State.EXPIRED)
    assert str(found.given["anc"].valid_until) == "2026-11-29"
    assert set(found.given) >= set(found.missing) >= {"anc", "plt", "hgb", "cd4"}


def test_lung_function_expires_by_calendar_months():
    lung = {"DLCO_PCT": "50", "FVC_PCT": "80"}
    inclusion = Held("SCR", "INCLUSION", INCL_DATE="2026-11-30")
    assert verdict(evaluated(Held("SCR", "LUNG", LUNG_DATE="2026-08-30", **lung), inclusion), "R-E2a2") == "ABSENT"
    assert verdict(evaluated(Held("SCR", "LUNG", LUNG_DATE="2026-08-29", **lung), inclusion), "R-E2a2") == "UNDETERMINED"


def test_a_value_without_a_date_that_it_needs_is_not_used():
    found = evaluated(Held("SCR", "LABS", NEUTROPHILS="0.1"))
    assert (verdict(found, "R-E5"), found.given["anc"].state) == ("UNDETERMINED", State.UNDATED)


def test_a_qualified_value_decides_only_where_the_whole_interval_does():
    def at(neutrophils: str) -> str:
        others = {"PLATELETS": "200", "HAEMOGLOBIN": "12", "CD4_COUNT": ">500"}
        return verdict(evaluated(Held("SCR", "LABS", LAB_DATE="2026-11-02", NEUTROPHILS=neutrophils, **others)), "R-E5")

    assert (at("<0.5"), at("<0.6"), at(">0.5"), at(">0.4")) == ("PRESENT", "UNDETERMINED", "ABSENT", "UNDETERMINED")


@pytest.mark.parametrize(("said", "expected"), [("NEGATIVE", "ABSENT"), ("INDETERMINATE", "UNDETERMINED"), ("POSITIVE", "PRESENT")])
def test_an_indeterminate_serology_is_never_negative(said, expected):
    others = dict.fromkeys(("HIV1", "HIV2", "HTLV1"), "NEGATIVE")
    found = evaluated(Held("SCR", "SEROLOGY", SEROLOGY_DATE="2026-11-02", HTLV2=said, INFECTION_UNCONTROLLED="N", **others))
    assert verdict(found, "R-E7") == expected
    assert (found.given["htlv2"].state is State.UNDECIDED) == (said == "INDETERMINATE")


def test_not_done_is_known_not_to_be_known():
    found = evaluated(Held("SCR", "LABS", LAB_DATE="2026-11-02", CD4_COUNT=Answer(missing="ND", note="tube broken")))
    assert found.given["cd4"].state is State.UNDECIDED
    assert "cd4" in found.missing


def test_a_month_at_the_edge_of_an_age_is_undetermined_until_the_site_answers():
    edge = {"ICF_DATE": "2026-11-15", "BIRTH_MONTH": "1956-11", "ICF_SIGNED": "Y", "SEX_BIRTH": "F"}

    def at(**more: str) -> str:
        casebook = Casebook(study(), lambda oid: [Held("SCR", "RENROL", **edge, **more)] if oid == "RENROL" else [])
        return verdict(evaluate(study(), definition("recipient"), casebook, {}, DAY), "R-I1")

    assert (at(), at(AGE_CONFIRMED="Y"), at(AGE_CONFIRMED="N")) == ("UNDETERMINED", "MET", "NOT_MET")


def test_hypertension_needs_two_readings_twelve_hours_apart():
    def at(first: str, second: str, sbp: str = "160") -> str:
        rows = [
            {"BP_DATE": "2026-11-02", "BP_TIME": first, "BP_SBP": sbp, "BP_DBP": "90", "BP_HIGH": "Y"},
            {"BP_DATE": "2026-11-02", "BP_TIME": second, "BP_SBP": "158", "BP_DBP": "111", "BP_HIGH": "Y"},
        ]
        if not second:
            del rows[1]["BP_TIME"]
        no = dict.fromkeys(("MAHA", "RECENT_RENAL"), "N")
        samples = [{"URINE_DATE": f"2026-11-{day}", "URINE_ABNORMAL": "N"} for day in ("02", "12")]
        kidney = Held("SCR", "KIDNEY", {"BP_READINGS": rows, "URINE": samples}, KIDNEY_OTHER_CAUSES_EXCLUDED="Y", **no)
        return verdict(evaluated(kidney), "R-I3c")

    assert (at("08:00", "20:00"), at("08:00", "19:59"), at("08:00", "")) == ("MET", "NOT_MET", "UNDETERMINED")


def test_liver_values_persist_only_over_a_week_and_one_normal_value_settles_them():
    def at(*rows: tuple[str, str]) -> str:
        tests = [{"LIVER_DATE": day, "LIVER_ALT_3X": flag, "LIVER_AST_3X": "N", "LIVER_BILI_3X": "N"} for day, flag in rows]
        return verdict(evaluated(Held("SCR", "LIVER", {"LIVER_TESTS": tests})), "R-E2d")

    assert at() == "UNDETERMINED"
    assert at(("2026-11-02", "N")) == "ABSENT"
    assert at(("2026-11-02", "Y")) == "UNDETERMINED"
    assert at(("2026-11-02", "Y"), ("2026-11-09", "Y")) == "PRESENT"
    assert at(("2026-11-02", "Y"), ("2026-11-08", "Y")) == "ABSENT"


def test_the_lower_of_two_ejection_fractions_counts():
    echo = {"ECHO_DATE": "2026-11-02", "LVEF_ECHO": "36", "SCINTI_DONE": "Y", "SCINTI_DATE": "2026-11-03", "LVEF_SCINTI": "34"}
    assert verdict(evaluated(Held("SCR", "ECHO", **echo)), "R-E2c2") == "PRESENT"


def test_a_fall_of_lung_function_is_relative_and_needs_the_same_reference_set():
    now = {
        "LUNG_DATE": "2026-11-02",
        "FVC_PCT": "72",
        "DLCO_PCT": "65",
        "TLC_PCT": "80",
        "VOLUME_SET": "GLI_GLOBAL",
        "DLCO_SET": "GLI_2017",
    }
    prior = {"PRIOR_PFT": "Y", "PRIOR_PFT_DATE": "2025-11", "PRIOR_FVC_PCT": "80", "PRIOR_DLCO_PCT": "66", "PRIOR_DLCO_SET": "GLI_2017"}
    same = evaluated(Held("SCR", "LUNG", **now), Held("SCR", "PRIORPFT", PRIOR_VOLUME_SET="GLI_GLOBAL", **prior))
    assert same.given["fvc_drop_rel"].value == Decimal(10)
    assert same.given["prior_pft_6_18m"].value is True
    other = evaluated(Held("SCR", "LUNG", **now), Held("SCR", "PRIORPFT", PRIOR_VOLUME_SET="ECSC_ERS_1993", **prior))
    assert other.given["fvc_drop_rel"].value is UNDETERMINED


@pytest.mark.parametrize(
    ("overall", "expected"),
    [(None, "UNDETERMINED"), (Overall.PENDING, "UNDETERMINED"), (Overall.ELIGIBLE, "MET"), (Overall.NOT_ELIGIBLE, "NOT_MET")],
)
def test_a_donor_counts_only_once_judged_eligible(overall, expected):
    assert verdict(evaluated(partner=partner_truth(overall)), "R-I4") == expected


def test_the_two_readings_of_the_clearance_are_half_a_verdict_apart():
    person = Held("SCR", "RENROL", ICF_DATE="2026-11-01", BIRTH_MONTH="1966-11", SEX_BIRTH="F")
    held = {
        "RENROL": [person],
        "VITALS": [Held("SCR", "VITALS", WT="60", HT="165")],
        "LABS": [Held("SCR", "LABS", LAB_DATE="2026-11-02", CREATININE="180", CREATININE_UNIT="umol/L")],
    }
    found = evaluate(study(), definition("recipient"), Casebook(study(), lambda oid: held.get(oid, [])), {}, DAY)
    assert verdict(found, "R-E2b1") == "ABSENT"
    low = found.given["crcl_norm"].value.low
    assert Decimal("28.8") < low < Decimal("29.1")


def test_donor_results_are_marked_as_the_donors_secret():
    hidden = {each.oid for each in definition("donor").inputs if each.access == "donor"}
    assert hidden == {"htlv1", "htlv2", "hbsag", "hcv_ab", "hiv1", "hiv2", "syphilis", "hiv_nat", "hcv_nat", "hbv_nat"}
    assert study().form["DSEROLOGY"].access == "donor"
    assert not [
        each for each in definition("recipient").inputs if each.value and any(ref.form == "DSEROLOGY" for ref in each.value.references)
    ]


def test_every_kind_is_used_and_routes_are_named_by_an_inclusion():
    kinds = {criterion.kind for which in study().eligibility for criterion in which.criteria}
    assert kinds == set(CriterionKind)
