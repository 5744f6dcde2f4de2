"""The chain of cells in a study file: read as written, and everything that is wrong in it at its line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.actions.world import study_of
from tests.core.test_definition_load import FILES, Files, loaded, problems
from trialcrf.core.definition.canonical import canonical, from_canonical
from trialcrf.core.definition.cells import LookBackNotice, PlannedDose, ReleaseCriterion
from trialcrf.core.definition.cells_consistency import CHAIN, ONCE
from trialcrf.core.document import Answer
from trialcrf.core.expr import evaluate
from trialcrf.core.product.release import Fulfilled, judge, overall
from trialcrf.core.wording import Words

CELLS = """\
cells:
  product: pack
  donor: person
  recipient: person
  counts: total
  tolerance: "0.20"
  doses: [{cohort: A, per_kg: "1.5"}]
  assumption: A-1
  specifications:
    - {oid: OURS, label: {fr: La nôtre, en: Ours}, source: A paper, published: yes, criteria: [
        {oid: ALIVE, label: {fr: Vie, en: Life}, alias: CTVIAB, low: "70", unit: "%"},
        {oid: CLEAN, label: {fr: Propre, en: Clean}, alias: CTMYCO, equals: LOW}]}
  specification: OURS
  infusions: 2
  thaw_minutes: 60
  vitals: [-15, 0, 30]
  vitals_tolerance: 5
  establishment: FR000123
  product_code: E0000043
  notices: [{oid: US, label: {fr: Nous, en: Us}, source: clause 2}]
"""
ITEM = "      - {{oid: {alias}_I, label: {{fr: x, en: x}}, type: {type}{more}, mandatory: no, alias: {alias}}}\n"
TYPES = {
    "CTSRCDON": ("reference", ", refers_to: 'form:ENROL'"),
    "CTEXPDTC": ("date", ""),
    "CTRELDEC": ("codelist", ", codelist: LEVEL"),
    "CTMVKIND": ("codelist", ", codelist: LEVEL"),
    "CTMVDTC": ("datetime", ""),
    "CTVIAB": ("decimal", ""),
    "CTMYCO": ("codelist", ", codelist: LEVEL"),
}


def chain_form(without: str = "", not_unique: str = "") -> str:
    """A form that asks everything a chain needs."""
    items = ""
    for alias in (*CHAIN, "CTVIAB", "CTMYCO"):
        kind, more = TYPES.get(alias, ("text", ""))
        more += ", unique: yes" if alias in ONCE and alias != not_unique else ""
        items += "" if alias == without else ITEM.format(alias=alias, type=kind, more=more)
    return "oid: CELLS\nlabel: {fr: Cellules, en: Cells}\ngroups:\n  - oid: G\n    label: {fr: g, en: g}\n    items:\n" + items


def files(was: str = "", becomes: str = "", form: str = "") -> Files:
    text = CELLS
    if was:
        assert text.count(was) == 1, was
        text = text.replace(was, becomes)
    main = FILES["study.yaml"].replace(
        "anchors:\n",
        "  - {oid: pack, label: {fr: Lot, en: Pack}, key: 'B-{site}-{number:03d}', enrolment: {event: MAKE, form: CELLS}, product: yes}\n"
        "anchors:\n",
    )
    event = "  - {oid: MAKE, label: {fr: Faire, en: Make}, type: Common, subject_types: [pack], forms: [CELLS]}\n"
    return {
        **FILES,
        "study.yaml": main + text,
        "schedule.yaml": FILES["schedule.yaml"] + event,
        "forms/cells.yaml": form or chain_form(),
    }


def test_the_chain_is_read_as_it_is_written_and_survives_its_canonical_text(tmp_path: Path) -> None:
    study = loaded(tmp_path, files())
    cells = study.cells
    assert cells is not None
    assert (cells.product, cells.counts, cells.tolerance, cells.assumption) == ("pack", "total", "0.20", "A-1")
    assert cells.doses == (PlannedDose("A", "1.5"),) and cells.per_kg("A") == "1.5" and cells.per_kg("B") == ""
    assert (cells.thaw_minutes, cells.vitals, cells.vitals_tolerance) == (60, (-15, 0, 30), 5) and cells.infusions == 2
    assert (cells.establishment, cells.product_code) == ("FR000123", "E0000043")
    assert cells.notices == (LookBackNotice("US", Words({"fr": "Nous", "en": "Us"}), "clause 2"),)
    ours = cells.specification_of("OURS")
    assert ours is not None and ours.published and cells.specification == "OURS" and cells.specification_of("THEIRS") is None
    assert ours.criteria[0] == ReleaseCriterion("ALIVE", Words({"fr": "Vie", "en": "Life"}), "CTVIAB", low="70", unit="%")
    assert study.is_product("pack") and not study.is_product("person") and not study.is_product("nobody")
    assert study.form["CELLS"].with_alias("CTBAG").unique  # type: ignore[union-attr]
    assert from_canonical(canonical(study)) == study


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("product: pack", "product: person", "The subject type “person” is a person where a product is meant"),
        ("donor: person", "donor: pack", "The subject type “pack” is a person where a product is meant"),
        ("recipient: person", "recipient: nobody", "There is no subject type “nobody”."),
        ("counts: total", "counts: dead", "“dead” is not known here"),
        ('tolerance: "0.20"', 'tolerance: "20"', "A number between 0 and 1 is expected here."),
        ("cohort: A", "cohort: C", "There is no cohort “C”."),
        ('per_kg: "1.5"', 'per_kg: "0"', "A number greater than 0 is expected here."),
        ("assumption: A-1\n", "assumption: A-9\n", "The assumption “A-9” is not explained"),
        ("alias: CTVIAB, low", "alias: CTNONE, low", "No form asks CTNONE, which a criterion judges."),
        ("equals: LOW", "equals: NONE", "“NONE” is no code of “CTMYCO_I”."),
        ('low: "70", ', "", "A criterion has one condition"),
        ('low: "70"', 'low: "70", above: "60"', "A criterion has one condition"),
        ("oid: CLEAN", "oid: ALIVE", "“ALIVE” stands here twice."),
        ("specification: OURS", "specification: THEIRS", "There is no specification “THEIRS”."),
        ("vitals: [-15, 0, 30]", "vitals: [0, -15, 30]", "The planned minutes stand in ascending order, each once."),
        ("establishment: FR000123", "establishment: fr000123", "An establishment is two letters and six letters or digits"),
        ("product_code: E0000043", "product_code: C0000043", "A product code is E, A or B and seven letters or digits"),
    ],
)
def test_what_is_wrong_is_named_at_its_line(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    found = problems(tmp_path, files(was, becomes))
    assert [one for one in found if said in one and one.startswith("study.yaml:")], found


@pytest.mark.parametrize("alias", CHAIN)
def test_a_chain_without_a_link_is_no_chain(tmp_path: Path, alias: str) -> None:
    assert any(f"No form asks {alias}," in one for one in problems(tmp_path, files(form=chain_form(without=alias))))


@pytest.mark.parametrize("alias", ONCE)
def test_what_stands_for_one_thing_is_unique(tmp_path: Path, alias: str) -> None:
    assert any(f"{alias} must be unique" in one for one in problems(tmp_path, files(form=chain_form(not_unique=alias))))


def test_identity_and_unique_belong_to_texts(tmp_path: Path) -> None:
    odd = chain_form().replace("alias: CTVIAB}", "alias: CTVIAB, identity: bag, unique: yes}")
    found = problems(tmp_path, files(form=odd))
    assert [key for key in ("identity", "unique") if any(f"“{key}” means nothing on an item of type decimal" in one for one in found)] == [
        "identity",
        "unique",
    ]


# The trial's own


def test_no_published_example_is_preferred_and_each_names_its_source() -> None:
    cells = study_of("msc_ssc").cells
    assert cells is not None and cells.specification == "" and cells.infusions == 1
    assert len(cells.specifications) == 4 and all(one.published and one.source for one in cells.specifications)


def test_the_form_of_the_infusion_plans_the_dose_that_the_settings_state() -> None:
    study = study_of("msc_ssc")
    item = study.form["INFUSION"].items["INF_PLANNED"][1]
    assert study.cells is not None and item.derive is not None
    for dose in study.cells.doses:
        answers = {"INF_COHORT": dose.cohort, "INF_WEIGHT": Decimal("62.4")}
        planned = evaluate(item.derive, lambda ref, told=answers: told[ref.item], None)  # type: ignore[arg-type, misc]
        assert planned == Decimal(dose.per_kg) * Decimal("62.4")


def test_the_planned_readings_are_the_codes_that_the_form_asks() -> None:
    study = study_of("msc_ssc")
    asked = study.form["INFVITALS"].with_alias("VSTPT")
    assert study.cells is not None and asked is not None and asked.codelist is not None
    assert [one.code for one in asked.codelist.items] == [f"{'M' if at < 0 else 'P'}{abs(at)}" for at in study.cells.vitals]
    assert study.cells.vitals == (-15, 0, 15, 30, 60, 120, 240, 360), "clinical reference, section C, R-D0"


@pytest.mark.parametrize(
    ("specification", "changes", "verdict"),
    [
        ("BMMSC_2010_024041_78", {}, Fulfilled.MET),
        ("BMMSC_2010_024041_78", {"CTVIAB": "70"}, Fulfilled.MET),
        ("BMMSC_2010_024041_78", {"CTVIAB": "69.9"}, Fulfilled.NOT_MET),
        ("BMMSC_2010_024041_78", {"CTHLADR": "60"}, Fulfilled.MET),
        ("BMMSC_2010_024041_78", {"CTCD45": ""}, Fulfilled.UNDETERMINED),
        ("UCMSC_BMJ_OPEN", {"CTVIAB": "80"}, Fulfilled.NOT_MET),
        ("MSCTC_0010", {"CTENDO": "<0.25", "CTPOTENC": "20"}, Fulfilled.MET),
        ("MSCTC_0010", {"CTENDO": "12.5", "CTPOTENC": "20"}, Fulfilled.NOT_MET),
        ("MSCTC_0010", {"CTENDO": "<20", "CTPOTENC": "20"}, Fulfilled.UNDETERMINED),
        ("HUCMSC_13287_020_01696", {"CTVIAB": "85"}, Fulfilled.MET),
        ("HUCMSC_13287_020_01696", {"CTSTERFU": "PENDING"}, Fulfilled.UNDETERMINED),
        ("HUCMSC_13287_020_01696", {"CTSTERAN": "POSITIVE"}, Fulfilled.NOT_MET),
    ],
)
def test_a_batch_is_judged_by_the_published_numbers(specification: str, changes: dict[str, str], verdict: Fulfilled) -> None:
    """Clinical reference, F.7: each number at its limit."""
    good = {
        "CTVIAB": "92", "CTCD105": "98", "CTCD73": "97", "CTCD90": "99", "CTCD45": "1", "CTCD31": "2", "CTCD34": "0.5", "CTCD11B": "0.4",
        "CTCD19": "0.3", "CTHLADR": "1", "CTTRILIN": "PASSED", "CTKARYO": "NORMAL", "CTMYCO": "NEGATIVE", "CTENDO": "<0.25",
        "CTENDOKG": "3", "CTSTERAE": "NEGATIVE", "CTSTERAN": "NEGATIVE", "CTSTERFU": "NEGATIVE",
    }  # fmt: skip
    cells = study_of("msc_ssc").cells
    assert cells is not None
    found = cells.specification_of(specification)
    assert found is not None
    results = {alias: Answer(text) for alias, text in {**good, **changes}.items() if text}
    assert overall(judge(found, results)) is verdict
