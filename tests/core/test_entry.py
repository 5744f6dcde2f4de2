"""What becomes of a save: reasons, refusals, queries, and nothing lost that was not sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from tests.core.sample_study import SIGNS, STUDY, VISIT, event, words
from trialcrf.core.checks import Context
from trialcrf.core.definition.model import DataType, ItemDef
from trialcrf.core.document import Answer, Document, Place, Row
from trialcrf.core.entry import Occasion, Refused, StandingQuery, Submitted, decide
from trialcrf.core.expr import parse
from trialcrf.core.values import Raw, Unreadable
from trialcrf.core.wording import Message
from trialcrf.core.workflow import QueryState

CONTEXT = Context(today=date(2026, 6, 1), zone=ZoneInfo("Europe/Paris"))
PULSE, UPPER, LOWER, GAP = Place("PULSE"), Place("UPPER"), Place("LOWER"), Place("GAP")


def save(before: Document | None = None, standing=(), reasons=None, confirmations=None, removed=None, **answers):
    sent = {place if isinstance(place, Place) else Place(place): _answer(text) for place, text in answers.items()}
    return decide(SIGNS, before, Submitted(sent, removed or {}, reasons or {}, confirmations or {}), standing, CONTEXT)


def _answer(text):
    return text if text is None or isinstance(text, Answer | Unreadable) else Answer(text)


def refused(*args, **kwargs) -> set[tuple[str, str]]:
    with pytest.raises(Refused) as stopped:
        save(*args, **kwargs)
    return {(str(finding.place), finding.check) for finding in stopped.value.findings}


STORED = Document({"PULSE": Answer("70"), "UPPER": Answer("120"), "LOWER": Answer("80"), "GAP": Answer("40")})


def test_a_field_that_was_not_sent_keeps_its_value():
    decision = save(STORED, PULSE="72", reasons={PULSE: "ERROR"})
    assert decision.document.at(UPPER) == Answer("120")
    assert [change.place for change in decision.changes] == [PULSE]


def test_a_field_sent_blank_is_cleared_and_needs_a_reason():
    assert refused(STORED, PULSE=None) == {("PULSE", "reason")}
    cleared = save(STORED, PULSE=None, reasons={PULSE: "ERROR"})
    assert cleared.document.at(PULSE) is None
    assert (cleared.changes[0].old, cleared.changes[0].new, cleared.changes[0].reason) == (Answer("70"), None, "ERROR")


def test_a_changed_value_needs_a_reason_and_a_first_one_does_not():
    assert refused(STORED, PULSE="71") == {("PULSE", "reason")}
    assert save(None, PULSE="71").changes[0].reason == ""


def test_one_changed_item_is_one_change():
    decision = save(STORED, PULSE="75", UPPER="120", LOWER="80", reasons={PULSE: "SOURCE"})
    assert [(change.place, change.old, change.new) for change in decision.changes] == [(PULSE, Answer("70"), Answer("75"))]


def test_nothing_different_is_an_empty_decision():
    assert save(STORED, PULSE="70", UPPER="120").empty


def test_every_hard_finding_is_told_at_once():
    unreadable = Unreadable(Raw({"": "5,5,1"}), Message("two separators"))
    assert refused(None, PULSE="300", UPPER="80", LOWER="120") == {("PULSE", "hard_range"), ("LOWER", "ORDER")}
    assert refused(None, PULSE=unreadable, UPPER="80", LOWER="120") == {("PULSE", "unreadable"), ("LOWER", "ORDER")}


@pytest.mark.parametrize(("pulse", "ok"), [("19", False), ("20", True), ("250", True), ("251", False), ("0", False)])
def test_hard_bounds_are_inclusive(pulse, ok):
    if ok:
        assert save(None, PULSE=pulse).document.at(PULSE) == Answer(pulse)
    else:
        assert refused(None, PULSE=pulse) == {("PULSE", "hard_range")}


def test_a_doubted_value_is_saved_as_typed_with_its_query_open():
    decision = save(None, PULSE="150")
    assert decision.document.at(PULSE) == Answer("150")
    assert [(query.place, query.check, query.confirmed) for query in decision.opened] == [(PULSE, "soft_range", "")]


def test_a_doubted_value_can_be_confirmed_in_the_same_save():
    assert save(None, PULSE="150", confirmations={(PULSE, "soft_range"): "CHECKED"}).opened[0].confirmed == "CHECKED"


def test_an_open_query_is_not_opened_twice_and_is_answered_by_a_confirmation():
    standing = [StandingQuery(7, PULSE, "soft_range", QueryState.OPEN)]
    doubted = Document({"PULSE": Answer("150")})
    assert save(doubted, standing, PULSE="150").empty
    assert save(doubted, standing, PULSE="150", confirmations={(PULSE, "soft_range"): "KNOWN"}).answered == {7: "KNOWN"}


def test_a_query_closes_by_itself_when_the_value_is_right_and_the_change_names_it():
    standing = [StandingQuery(7, PULSE, "soft_range", QueryState.ANSWERED)]
    decision = save(Document({"PULSE": Answer("150")}), standing, PULSE="80", reasons={PULSE: "ERROR"})
    assert (decision.resolved, decision.opened) == ((7,), ())
    assert decision.changes[0].prompted_by == "query/7"


def test_an_accepted_value_is_not_doubted_again_but_another_one_is():
    accepted = [StandingQuery(7, PULSE, "soft_range", QueryState.CLOSED)]
    doubted = Document({"PULSE": Answer("150")})
    assert save(doubted, accepted, PULSE="150").empty
    assert len(save(doubted, accepted, PULSE="160", reasons={PULSE: "ERROR"}).opened) == 1


def test_a_change_elsewhere_in_a_rule_reopens_what_was_accepted():
    accepted = [StandingQuery(7, UPPER, "NARROW", QueryState.CLOSED)]
    narrow = Document({"UPPER": Answer("120"), "LOWER": Answer("110"), "GAP": Answer("10")})
    assert save(narrow, accepted, UPPER="120").empty
    changed = save(narrow, accepted, LOWER="115", reasons={LOWER: "ERROR"})
    assert [(query.place, query.check) for query in changed.opened] == [(UPPER, "NARROW")]


def test_a_derived_item_follows_and_needs_no_reason():
    decision = save(STORED, UPPER="130", reasons={UPPER: "ERROR"})
    assert [(change.place, change.new, change.derived) for change in decision.changes] == [
        (UPPER, Answer("130"), False),
        (GAP, Answer("50"), True),
    ]
    assert save(STORED, UPPER=None, reasons={UPPER: "ERROR"}).document.at(GAP) is None


def test_a_missing_code_is_an_answer():
    decision = save(None, PULSE=Answer(missing="ND", note="device broken"))
    assert decision.complete
    assert not save(None, UPPER="120").complete


def test_a_row_is_removed_only_with_a_reason_and_is_kept_marked():
    rows = Document({}, {"DRUGS": (Row("1", {"DRUG": Answer("a"), "DOSE": Answer("500")}),)})
    assert ("DRUGS/1/DRUG", "reason") in refused(rows, removed={("DRUGS", "1"): ""})
    assert refused(rows, removed={("DRUGS", "9"): "typo"}) == {("DRUGS/9/", "reason")}
    decision = save(rows, removed={("DRUGS", "1"): "typo"})
    assert decision.document.row("DRUGS", "1") == Row("1", {"DRUG": Answer("a"), "DOSE": Answer("500")}, "typo")
    assert decision.findings == () or all(finding.place.row != "1" for finding in decision.findings)


def test_a_query_of_a_removed_row_closes():
    place = Place("DOSE", "DRUGS", "1")
    rows = Document({"PULSE": Answer("70")}, {"DRUGS": (Row("1", {"DRUG": Answer("a"), "DOSE": Answer("500")}),)})
    standing = [StandingQuery(3, place, "soft_range", QueryState.OPEN)]
    assert save(rows, standing, removed={("DRUGS", "1"): "typo"}).resolved == (3,)


@pytest.mark.parametrize(
    ("day", "stopped"), [("2026-01-30", True), ("2026-01-31", False), ("2025", True), ("2026-01", False), ("2026", False)]
)
def test_a_visit_cannot_be_dated_certainly_before_the_day_that_it_is_counted_from(day, stopped):
    occasion = Occasion(event("M1", 1), date(2026, 1, 31))
    sent = Submitted({Place("HELD"): Answer("Y"), Place("DAY"): Answer(day)})
    if stopped:
        with pytest.raises(Refused) as refusal:
            decide(VISIT, None, sent, (), CONTEXT, occasion)
        assert [finding.check for finding in refusal.value.findings] == ["before_anchor"]
    else:
        assert decide(VISIT, None, sent, (), CONTEXT, occasion).document.at(Place("DAY")) == Answer(day)
    assert decide(VISIT, None, sent, (), CONTEXT, Occasion(STUDY.event["START"], None)).changes


def test_a_document_survives_its_canonical_text():
    document = save(STORED, PULSE=Answer(missing="ND", note="“x”"), reasons={PULSE: "ERROR"}).document
    document = document.with_answer(Place("DRUG", "DRUGS", document.next_row("DRUGS")), Answer("é\n"))
    again = Document.from_json(document.to_json())
    assert again.to_json() == document.to_json()
    assert dict(again.places()) == dict(document.places())
    assert all(Place.parse(str(place)) == place for place, _ in document.places())


def test_a_new_form_in_which_nothing_was_typed_is_not_saved():
    assert refused(None) == {("PULSE", "blank")}
    assert refused(None, PULSE=None) == {("PULSE", "blank")}
    counting = ItemDef("HOW_MANY", words("how many"), DataType.DERIVED, derive=parse("count(PULSE)"), mandatory=False)
    counted = replace(SIGNS, groups=(replace(SIGNS.groups[0], items=(*SIGNS.groups[0].items, counting)), *SIGNS.groups[1:]))
    with pytest.raises(Refused):
        decide(counted, None, Submitted({PULSE: None}), (), CONTEXT)
