"""Amendments as values: what differs, what a casebook sees of several versions, and what may be carried over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date

import pytest

from tests.actions.amendments import amended
from trialcrf.core.checks import Context
from trialcrf.core.definition.amendment import Amendment, FormPolicy, InForce, Policy, seen, whole
from trialcrf.core.definition.canonical import canonical, from_canonical
from trialcrf.core.definition.compare import What, compare
from trialcrf.core.document import Answer, Document, Place, Row
from trialcrf.core.entry import Refused
from trialcrf.core.oversight.migration import carried, new_questions
from trialcrf.core.wording import Words

CONTEXT = Context(date(2026, 11, 21), UTC, {"type": "recipient", "site": "01", "key": "R-01-001"})


def vitals(**items: str) -> Document:
    return Document({oid: Answer(text) for oid, text in items.items()})


def chain(*before: bool) -> list[InForce]:
    return [InForce(10 + number, amended(number), taking_part) for number, taking_part in enumerate(before)]


def test_every_difference_is_named_with_its_kind_and_its_policy() -> None:
    found = {(one.what, one.event, one.form, one.item): (one.old, one.new, one.policy) for one in compare(amended(0), amended(1))}
    assert found == {
        (What.SCHEDULE, "M1", "", ""): ("INFUSION +1 m +0 d [-7, +7]", "INFUSION +1 m +0 d [-10, +7]", Policy.ALL),
        (What.APPEARS, "", "HAQ", "HAQ_HELPED"): ("", "boolean", Policy.NEW_SUBJECTS),
        (What.RANGE, "", "VITALS", "PULSE"): ("20 – 300 (40 – 130)", "30 – 300 (40 – 130)", Policy.ALL),
        (What.APPEARS, "", "VITALS", "O2_FLOW"): ("", "decimal", Policy.ALL),
    }
    second = {(one.what, one.event, one.form, one.item) for one in compare(amended(1), amended(2))}
    assert second == {(What.GONE, "", "VITALS", "TEMPERATURE"), (What.SCHEDULE, "M1", "", "")}
    assert compare(amended(1), amended(1)) == ()


@pytest.mark.parametrize(
    ("what", "more"),
    [
        (What.TYPE, {"unit": "lb"}),
        (What.TYPE, {"decimals": 2}),
        (What.CODES, {"missing": ("ND", "UNK")}),
        (What.NEEDED, {"mandatory": False}),
        (What.RULE, {"documents": True}),
        (What.WORDING, {"label": Words({"fr": "Masse", "en": "Mass"})}),
    ],
)
def test_each_kind_of_difference_of_a_question(what: What, more: dict[str, object]) -> None:
    study = amended(0)
    form = study.form["VITALS"]
    group = form.groups[0]
    item = replace(group.items[0], **more)  # type: ignore[arg-type]
    changed = replace(form, groups=(replace(group, items=(item, *group.items[1:])), *form.groups[1:]))
    new = replace(study, forms=tuple(changed if one.oid == "VITALS" else one for one in study.forms))
    (found,) = compare(study, new)
    assert (found.what, found.form, found.item) == (what, "VITALS", "WT")


def test_whoever_takes_part_is_asked_as_before_where_the_amendment_is_for_new_subjects() -> None:
    old = seen(chain(False, True))
    assert "HAQ_HELPED" not in old.study.form["HAQ"].items and old.origins == {"HAQ": 10}
    assert "O2_FLOW" in old.study.form["VITALS"].items
    assert old.study.event["M1"].window.before == 10, "the schedule of the first amendment holds for everybody"
    new = seen(chain(False, False))
    assert "HAQ_HELPED" in new.study.form["HAQ"].items and new.origins == {}


def test_a_schedule_for_new_subjects_leaves_the_others_theirs() -> None:
    old = seen(chain(False, True, True))
    assert (old.study.event["M1"].window.before, old.study.event["M1"].window.after) == (10, 7)
    assert "TEMPERATURE" not in old.study.form["VITALS"].items and old.origins == {"HAQ": 10}
    between = seen(chain(False, False, True))
    assert between.study.event["M1"].window.before == 10 and between.origins == {}
    assert seen(chain(False, False, False)).study.event["M1"].window.before == 3


def test_a_form_that_comes_for_new_subjects_is_asked_of_nobody_else() -> None:
    study = amended(0)
    fresh = replace(study.form["VITALS"], oid="FRESH")
    events = tuple(
        replace(one, forms=(*one.forms, replace(one.forms[0], form_oid="FRESH"))) if one.oid == "M1" else one for one in study.events
    )
    asked = Amendment(Words({"fr": "x", "en": "x"}), policies=(FormPolicy("FRESH", Policy.NEW_SUBJECTS),))
    new = replace(study, forms=(*study.forms, fresh), events=events, amendment=asked)
    old = seen([InForce(1, study, False), InForce(2, new, True)]).study
    assert "FRESH" not in old.form and all(ref.form_oid != "FRESH" for ref in old.event["M1"].forms)
    assert "FRESH" in seen([InForce(1, study, False), InForce(2, new, False)]).study.form


def test_what_only_an_older_version_has_keeps_its_name_in_lists() -> None:
    study = amended(0)
    less = replace(study, events=tuple(one for one in study.events if one.oid != "M1"), forms=study.forms[1:])
    both = whole([study, less])
    assert "M1" in both.event and study.forms[0].oid in both.form
    assert whole([less, study]) is study


def test_an_amendment_is_part_of_the_published_text_and_read_back() -> None:
    assert from_canonical(canonical(amended(1))).amendment == amended(1).amendment
    assert '"amendment"' not in canonical(amended(0)), "a version that amends nothing keeps its hash"


def test_a_record_is_carried_over_as_it_stands_and_new_questions_are_missing() -> None:
    old, new = (amended(number).form["VITALS"] for number in (0, 1))
    decision = carried(old, new, vitals(WT="70.0", HT="170.0", PULSE="72", TEMPERATURE="37.0"), [], CONTEXT, UTC)
    assert dict(decision.document.items) | {} == {
        **{oid: Answer(text) for oid, text in {"WT": "70.0", "HT": "170.0", "PULSE": "72", "TEMPERATURE": "37.0"}.items()},
        "BMI_KG_M2": Answer("24.2"),
    }
    assert not decision.complete and new_questions(old, new) == ("O2_FLOW",)


@pytest.mark.parametrize(
    ("old", "new", "document", "item"),
    [
        (1, 2, vitals(TEMPERATURE="37.0"), "TEMPERATURE"),
        (0, 1, vitals(PULSE="25"), "PULSE"),
    ],
)
def test_an_answer_that_would_be_lost_or_refused_keeps_its_record_where_it_is(old: int, new: int, document: Document, item: str) -> None:
    with pytest.raises(Refused) as kept:
        carried(amended(old).form["VITALS"], amended(new).form["VITALS"], document, [], CONTEXT, UTC)
    assert [finding.place.item for finding in kept.value.findings] == [item]


def test_an_answer_that_is_no_choice_any_more_keeps_its_record_where_it_is() -> None:
    form = amended(0).form["VITALS"]
    group = next(group for group in form.groups if group.repeating)
    item = next(item for item in group.items if item.oid == "BP_SIDE")
    assert item.codelist is not None
    fewer = replace(item, codelist=replace(item.codelist, items=item.codelist.items[1:]))
    new = replace(
        form, groups=tuple(replace(one, items=tuple(fewer if each is item else each for each in one.items)) for one in form.groups)
    )
    gone = item.codelist.items[0].code
    document = Document({}, {"BP": (Row("1", {"BP_SIDE": Answer(gone), "SBP": Answer("120")}),)})
    with pytest.raises(Refused) as kept:
        carried(form, new, document, [], CONTEXT, UTC)
    assert kept.value.findings[0].place == Place("BP_SIDE", "BP", "1")
