"""What a printed definition says, before it is drawn: boxes, annotations, schedule, rules, registers."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest

from trialcrf.core.blank_crf import BlankCrf, Question, blank_crf
from trialcrf.core.definition.canonical import canonical
from trialcrf.core.definition.codes import CodeList, CodeListItem
from trialcrf.core.definition.load import load
from trialcrf.core.definition.model import DataType, ItemDef, Range, Study
from trialcrf.core.specification import Specification, specification
from trialcrf.core.wording import Message, Words
from trialcrf.external.files import read_study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def salt() -> Study:
    return load(read_study(ROOT / "tests/studies/tiny"))


@pytest.fixture(scope="module")
def trial() -> Study:
    return load(read_study(ROOT / "trialcrf/studies/msc_ssc"))


@pytest.fixture(scope="module")
def told(trial: Study) -> Specification:
    return specification(trial)


def questions(crf: BlankCrf) -> dict[str, Question]:
    return {f"{sheet.oid}.{each.oid}": each for sheet in crf.sheets for part in sheet.sections for each in part.questions}


def asked(study: Study, **changes: object) -> Question:
    """One question as it is printed, made of an item with these attributes."""
    form = study.form["WELCOME"]
    item = replace(ItemDef("ONE", Words({"en": "One"}), DataType.TEXT), **changes)
    group = replace(form.groups[0], items=(item,))
    return questions(blank_crf(replace(study, forms=(replace(form, groups=(group,)),))))["WELCOME.ONE"]


def noted(question: Question, name: str) -> object:
    return next(note.text for note in question.notes if note.name.msgid == name)


# The blank form


def test_forms_come_in_the_order_of_the_visits_and_every_one_comes_once(salt: Study) -> None:
    assert [sheet.oid for sheet in blank_crf(salt).sheets] == ["WELCOME", "ALLOT", "PLATE", "SCALES", "DIARY", "COMPLAINTS", "FAREWELL"]


def test_every_item_of_every_form_is_printed(trial: Study) -> None:
    assert set(questions(blank_crf(trial))) == {f"{form.oid}.{oid}" for form in trial.forms for oid in form.items}


def test_a_form_names_the_visits_that_ask_for_it_and_those_that_may_go_without(salt: Study) -> None:
    sheets = {sheet.oid: sheet for sheet in blank_crf(salt).sheets}
    assert [(visit.oid, visit.mandatory) for visit in sheets["DIARY"].visits] == [("WEIGH2", False)]
    assert sheets["SCALES"].numbered and not sheets["WELCOME"].numbered  # EXTRA repeats


@pytest.mark.parametrize(
    ("type_", "bounds", "decimals", "expected"),
    [
        (DataType.DECIMAL, Range("25", "250"), 1, ("digits", 3, 1)),
        (DataType.INTEGER, Range("0", "99"), None, ("digits", 2, 0)),
        (DataType.INTEGER, Range("-200", "9"), None, ("digits", 3, 0)),
        (DataType.DECIMAL, Range("0", "50"), None, ("line", 0, 0)),
        (DataType.DECIMAL, Range("0", None), 1, ("line", 0, 0)),
        (DataType.INTEGER, Range("0", "9999999999"), None, ("line", 0, 0)),
    ],
)
def test_a_number_has_a_box_a_digit_where_its_hard_range_bounds_it(salt, type_, bounds, decimals, expected) -> None:
    found = asked(salt, type=type_, hard=bounds, decimals=decimals)
    assert (found.boxes, found.whole, found.decimals) == expected
    assert found.signed is (bounds.low == "-200")


@pytest.mark.parametrize(
    ("changes", "boxes"),
    [
        ({"max_length": 10}, "letters"),
        ({"max_length": 200}, "line"),
        ({"max_length": 201}, "lines"),
        ({"type": DataType.PARTIAL_DATE}, "partial_date"),
        ({"type": DataType.PARTIAL_DATE, "aliases": ("BRTHDAT",)}, "month"),
        ({"type": DataType.DATETIME}, "datetime"),
        ({"type": DataType.REFERENCE}, "line"),
    ],
)
def test_what_there_is_to_write_in_follows_the_type(salt, changes, boxes) -> None:
    assert asked(salt, **changes).boxes == boxes


@pytest.mark.parametrize(("count", "label", "columns", "wide"), [(2, "yes", 0, False), (6, "fourteen chars", 2, False),
                                                               (6, "a label of thirty characters..", 1, False), (9, "short", 3, True),
                                                               (9, "a label of thirty characters..", 2, True)])  # fmt: skip
def test_long_lists_stand_in_columns_and_very_long_ones_below_their_question(salt, count, label, columns, wide) -> None:
    codes = CodeList("L", tuple(CodeListItem(str(number), Words({"en": label})) for number in range(count)))
    found = asked(salt, type=DataType.CODELIST, codelist=codes)
    assert (found.columns, found.wide) == (columns, wide)


def test_a_code_that_its_label_already_says_is_not_printed_beside_it(salt: Study) -> None:
    codes = CodeList("L", (CodeListItem("HEAD", Words({"en": "Head"})), CodeListItem("B", Words({"en": "Belly"}))))
    assert [option.told for option in asked(salt, type=DataType.CODELIST, codelist=codes).options] == [False, True]


def test_questions_with_the_same_choices_make_a_table_with_every_missing_code_as_a_column(trial: Study) -> None:
    sheet = next(sheet for sheet in blank_crf(trial).sheets if sheet.oid == "SKIN")
    sites = next(part for part in sheet.sections if len(part.questions) == 17)
    assert sites.layout == "table"
    assert [option.code for option in sites.columns] == ["0", "1", "2", "3"]
    assert [option.code for option in sites.absent] == ["ND", "NA"]
    assert [note.text for note in sites.kinds] == ["SKIN"] and not any(
        note in sites.kinds for each in sites.questions for note in each.notes
    )


def test_two_questions_with_the_same_choices_stay_a_list(salt: Study) -> None:
    form = salt.form["WELCOME"]
    items = tuple(ItemDef(oid, Words({"en": oid}), DataType.BOOLEAN) for oid in ("A", "B", "C"))
    for count, layout in ((2, "list"), (3, "table")):
        changed = replace(form, groups=(replace(form.groups[0], items=items[:count]),))
        assert blank_crf(replace(salt, forms=(changed,))).sheets[0].sections[0].layout == layout


def test_rows_have_a_table_for_further_rows_without_what_is_computed(salt: Study) -> None:
    sheets = {sheet.oid: sheet for sheet in blank_crf(salt).sheets}
    days, all_ = sheets["DIARY"].sections
    assert days.layout == "rows" and [each.oid for each in days.further] == ["DAY", "PINCHES"]
    assert all_.further == () and all_.questions[0].boxes == "computed" and all_.questions[0].rule == "sum(PINCHES)"


def test_annotations_tell_names_ranges_conditions_and_checks(salt: Study) -> None:
    found = questions(blank_crf(salt))
    grams = found["PLATE.GRAMS"]
    assert noted(grams, "CDASH/SDTM") == "EXDOSE" and grams.unit == "g"
    assert noted(grams, "hard range") == Message("%(low)s to %(high)s", {"low": Decimal(0), "high": Decimal(50)})
    assert noted(grams, "soft range") == Message("%(low)s to %(high)s", {"low": Decimal(0), "high": Decimal(12)})
    assert noted(found["SCALES.WHY_NOT"], "only if") == "not CAME"
    assert noted(found["COMPLAINTS.GRAVE"], "checks") == "GRAVE_MEANS"
    assert noted(found["WELCOME.AGREED"], "not in the future") == ""
    assert noted(found["COMPLAINTS.WHERE"], "one choice") == "BODY"
    kilos = found["SCALES.KILOS"]
    assert [option.code for option in kilos.missing] == ["ND"] and kilos.reason
    assert found["COMPLAINTS.DIED"].optional and not found["COMPLAINTS.GRAVE"].optional


def test_a_code_says_what_it_names_and_that_it_stands_once(salt: Study) -> None:
    bag = asked(salt, identity="bag", unique=True)
    assert (noted(bag, "scanned or typed, the code of"), noted(bag, "once in the study")) == (Message("Bag"), "")
    assert not {"scanned or typed, the code of", "once in the study"} & {note.name.msgid for note in asked(salt).notes}


# The specification


def test_the_edition_is_the_hash_of_the_published_text(told: Specification, trial: Study) -> None:
    assert told.edition.sha256 == sha256(canonical(trial).encode()).hexdigest()
    other = replace(trial, protocol="OTHER")
    assert specification(other).edition.sha256 != told.edition.sha256


def test_targets_and_windows_are_told_as_the_schedule_counts_them(salt: Study) -> None:
    visits = {visit.oid: visit for visit in specification(salt).plans[0].visits}
    assert visits["WEIGH1"].target == Message("%(days)s d", {"days": "+7"})
    assert visits["WEIGH1"].window == Message("−%(before)s / +%(after)s d", {"before": 1, "after": 2})
    assert visits["WEIGH2"].target == Message("%(months)s mo %(days)s d", {"months": "+1", "days": "+2"})
    assert visits["HELLO"].target == visits["HELLO"].window == "" and visits["EXTRA"].repeating
    assert visits["WEIGH1"].anchor == salt.anchors[0].label


def test_the_table_of_forms_by_visit_tells_what_must_and_what_may_be_filled_in(salt: Study) -> None:
    plan = specification(salt).plans[0]
    places = [visit.oid for visit in plan.visits]
    marks = {form.oid: dict(zip(places, row, strict=True)) for form, row in plan.marks}
    assert marks["SCALES"] | {"WEIGH1": "must", "WEIGH2": "must", "EXTRA": "must"} == marks["SCALES"]
    assert marks["DIARY"]["WEIGH2"] == "may" and marks["DIARY"]["WEIGH1"] == ""


def test_every_check_is_told_with_message_and_rule(told: Specification, trial: Study) -> None:
    found = {(form.oid, check.oid): check for form in told.rules for check in form.checks}
    assert set(found) == {(form.oid, check.oid) for form in trial.forms for check in form.checks}
    assert all(check.rule and check.message.texts for check in found.values())


def test_every_code_is_told_with_what_it_names_and_whether_it_stands_once(told: Specification, trial: Study) -> None:
    found = {line.oid: line for form in told.rules for line in form.codes}
    items = [item for form in trial.forms for _, item in form.items.values()]
    assert set(found) == {item.oid for item in items if item.identity or item.unique}
    assert (found["BAG_CODE"].names, found["BAG_CODE"].once) == (Message("Bag"), True)
    assert (found["MOV_BAG"].names, found["MOV_BAG"].once) == (Message("Bag"), False)


def test_criteria_name_the_inputs_that_they_judge(told: Specification, trial: Study) -> None:
    for definition, printed in zip(trial.eligibility, told.eligibility, strict=True):
        assert [line.id for line in printed.criteria] == [each.id for each in definition.criteria]
        for each, line in zip(definition.criteria, printed.criteria, strict=True):
            assert set(line.inputs) == {ref.item for ref in each.rule.references} & set(definition.input)


def test_an_assumption_names_everything_that_rests_on_it(told: Specification, trial: Study) -> None:
    lines = {line.id: line for line in told.assumptions}
    assert set(lines) == set(trial.assumptions)
    for key, line in lines.items():
        expected = {event.oid for event in trial.events if key in event.assumptions}
        expected |= {each.oid for each in trial.parameters if key in each.assumptions}
        expected |= {each.id for one in trial.eligibility for each in one.criteria if key in each.assumptions}
        assert set(line.used_by) == expected
        assert line.confirmed is (trial.assumptions[key].state == "confirmed")


def test_instruments_are_those_that_the_study_uses(told: Specification, salt: Study) -> None:
    found = {line.oid: line for line in told.instruments}
    assert "mrss" in found["mrss"].functions and not found["mrss"].verified and found["mrss"].note.msgid
    assert {"nyha", "capillaroscopy", "calcinosis"} <= set(found)  # without functions, known by their names
    assert specification(salt).instruments == ()


def test_codelists_are_told_with_every_code_and_with_who_uses_them(salt: Study) -> None:
    lists = {each.oid: each for each in specification(salt).codelists}
    assert [code for code, _ in lists["BOTHER"].codes] == ["BIT", "LOT", "AWFUL"] and lists["BOTHER"].used_by == ("COMPLAINTS.HOW_BAD",)
    assert lists["WHY"].used_by == ()


def test_it_says_when_who_is_reminded_and_in_which_words(told: Specification, trial: Study) -> None:
    lines = told.reminding.steps
    assert [line.oid for line in lines] == ["BEFORE7", "OPENS", "LAST7", "OVERDUE1", "OVERDUE7", "OVERDUE21", "ESCALATE21"]
    assert lines[0].when.params == {"days": 7} and [role.msgid for role in lines[-1].roles] == ["Monitor", "Sponsor"]
    assert [line.oid for line in lines if line.single] == ["ESCALATE21"]
    assert all(line.text.texts.keys() == {"fr", "en"} for line in lines)
    assert [rule.params for rule in told.reminding.rules[1:]] == [
        {"day": Message("Monday"), "at": "07:00"},
        {"start": "20:00", "end": "07:00"},
    ]
    loud = replace(trial, reminders=replace(trial.reminders, quiet_from="", quiet_to="", delivery="weekly"))
    rules = specification(loud).reminding.rules
    assert len(rules) == 2 and "weekly digest" in rules[0].msgid and rules[0] != told.reminding.rules[0]
