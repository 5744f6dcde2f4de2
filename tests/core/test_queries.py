"""States of queries, what a change answers, and how queries are aged: pure rules."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from tests.core.sample_study import SIGNS
from trialcrf.core.checks import Context
from trialcrf.core.document import Answer, Document, Place, Row
from trialcrf.core.entry import Decision, StandingQuery, Submitted, decide
from trialcrf.core.oversight.ageing import BUCKETS, Aged, add_up, bucket_of
from trialcrf.core.workflow import QUERY_MOVES, UNSETTLED, NotPossible, QueryState, may_move, moved


@pytest.mark.parametrize("state", [QueryState.ANSWERED, QueryState.CLOSED, QueryState.CANCELLED, QueryState.MODIFIED])
def test_only_an_open_query_is_answered(state):
    with pytest.raises(NotPossible) as refused:
        moved(state, "answer")
    assert refused.value.message.params["state"].msgid  # the sentence names the state that it is in now


def test_every_state_is_left_by_somebody_and_what_is_settled_can_be_opened_again():
    for state in QueryState:
        assert any(known is state for known, _ in QUERY_MOVES)
        assert may_move(state, "reopen") is (state not in (QueryState.OPEN, QueryState.ANSWERED))


@pytest.mark.parametrize("state", sorted(UNSETTLED))
def test_what_waits_can_be_closed_when_its_form_leaves_the_count(state):
    assert moved(state, "resolve") is QueryState.CLOSED


PULSE = Place("PULSE")
SETTING = Context(today=date(2026, 6, 1), zone=ZoneInfo("Europe/Paris"))


def change(standing: list[StandingQuery]) -> Decision:
    sent = Submitted({PULSE: Answer("80")}, reasons={PULSE: "ERROR"})
    return decide(SIGNS, Document({"PULSE": Answer("70")}), sent, standing, SETTING)


def test_a_change_names_the_query_that_waits_before_one_that_was_closed_and_never_a_cancelled_one():
    waiting, closed = StandingQuery(4, PULSE, "", QueryState.OPEN), StandingQuery(7, PULSE, "", QueryState.CLOSED)
    assert change([waiting, closed]).changes[0].prompted_by == "query/4"
    assert change([closed]).changes[0].prompted_by == "query/7"
    gone = [StandingQuery(9, PULSE, "", QueryState.CANCELLED), StandingQuery(8, PULSE, "SOME_CHECK", QueryState.CLOSED)]
    assert change(gone).changes[0].prompted_by == ""


def test_a_change_answers_what_people_ask_of_it_and_marks_what_was_closed_over_it():
    standing = [
        StandingQuery(1, PULSE, "", QueryState.OPEN),
        StandingQuery(2, PULSE, "", QueryState.CLOSED),
        StandingQuery(3, PULSE, "", QueryState.ANSWERED),
        StandingQuery(4, Place("UPPER"), "", QueryState.OPEN),
        StandingQuery(5, Place(""), "", QueryState.OPEN),
    ]
    decision = change(standing)
    assert (decision.corrected, decision.modified) == ({1: "ERROR"}, (2,))


def test_a_row_entered_in_error_answers_what_people_ask_of_it():
    group = next(one for one in SIGNS.groups if one.repeating)
    item = group.items[0].oid
    before = Document({"PULSE": Answer("70")}, {group.oid: (Row("1", {item: Answer("1")}), Row("2", {item: Answer("2")}))})
    standing = [
        StandingQuery(1, Place("", group.oid, "1"), "", QueryState.OPEN),
        StandingQuery(2, Place(item, group.oid, "1"), "", QueryState.OPEN),
        StandingQuery(3, Place("", group.oid, "2"), "", QueryState.OPEN),
    ]
    decision = decide(SIGNS, before, Submitted(removed={(group.oid, "1"): "wrong subject"}), standing, SETTING)
    assert decision.corrected == {1: "wrong subject", 2: "wrong subject"}


@pytest.mark.parametrize(("age", "bucket"), [(0, 0), (7, 0), (8, 1), (14, 1), (15, 2), (30, 2), (31, 3), (4000, 3)])
def test_an_age_falls_into_the_bucket_that_names_it(age, bucket):
    assert bucket_of(age) == bucket
    first, last = BUCKETS[bucket]
    assert first <= age
    assert last is None or age <= last


def test_what_is_settled_is_in_no_age_and_what_is_open_again_in_no_days_to_closing():
    found = add_up(
        "01",
        "Paris",
        [
            Aged(QueryState.OPEN, 40, to_answer=3, to_close=9, overdue=True),
            Aged(QueryState.MODIFIED, 2),
            Aged(QueryState.ANSWERED, 9, to_answer=4),
            Aged(QueryState.CLOSED, 300, to_answer=5, to_close=10),
            Aged(QueryState.CANCELLED, 200, to_close=1),
        ],
    )
    assert [found.number(state) for state in ("open", "answered", "closed", "cancelled", "modified")] == [1, 1, 1, 1, 1]
    assert found.waiting == (1, 1, 0, 1)
    assert (found.age, found.to_answer, found.to_close, found.overdue, found.total) == (9.0, 4.0, 10.0, 1, 5)


def test_of_no_queries_there_is_no_median():
    assert (add_up("01", "", []).age, add_up("01", "", []).waiting) == (None, (0, 0, 0, 0))
