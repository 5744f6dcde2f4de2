"""Freezes and locks as one state machine, the checklist of a database lock, and what a second person may decide: tables of cases."""

from __future__ import annotations

import pytest

from trialcrf.core.access import VERBS
from trialcrf.core.document import Place
from trialcrf.core.lock import (
    MOVE_VERBS,
    Address,
    Level,
    Locked,
    LockState,
    NotPossibleNow,
    closed_by,
    item_address,
    strongest,
    visit_address,
)
from trialcrf.core.oversight.database_lock import Checklist, Line, Unexplained, explained
from trialcrf.core.oversight.four_eyes import ASK, DECIDE, RequestKind, RequestState, SamePerson, decided

OPEN, FROZEN, LOCKED = LockState
MOVES = {
    (OPEN, "freeze"): FROZEN,
    (OPEN, "lock"): LOCKED,
    (FROZEN, "thaw"): OPEN,
    (FROZEN, "lock"): LOCKED,
    (LOCKED, "unlock"): OPEN,
}
FORM, SUBJECT, STUDY = Address(Level.FORM, 4), Address(Level.SUBJECT, 3), Address(Level.STUDY, 1)


@pytest.mark.parametrize("state", LockState)
@pytest.mark.parametrize("move", [*MOVE_VERBS, "melt", ""])
def test_every_state_has_the_moves_of_the_table_and_no_other(state, move):
    if (state, move) in MOVES:
        assert closed_by(state, move) is MOVES[state, move]
    else:
        with pytest.raises(NotPossibleNow):
            closed_by(state, move)


def test_every_move_has_a_verb_of_the_table_of_permissions():
    assert set(MOVE_VERBS) == {move for _, move in MOVES}
    assert set(MOVE_VERBS.values()) <= VERBS.keys()
    assert MOVE_VERBS["thaw"] == MOVE_VERBS["freeze"] != MOVE_VERBS["unlock"]


ADDRESSES = {
    "study/1": STUDY,
    "site/2": Address(Level.SITE, 2),
    "subject/3": SUBJECT,
    "visit/3/M3/1": visit_address(3, "M3", 1),
    "form/4": FORM,
    "item/4/WT": item_address(4, Place("WT")),
    "item/4/BP/2/SBP": item_address(4, Place("SBP", "BP", "2")),
}


@pytest.mark.parametrize(("text", "address"), ADDRESSES.items(), ids=ADDRESSES)
def test_an_address_is_read_as_it_is_written(text, address):
    assert address.text == text
    assert Address.parse(text) == address


@pytest.mark.parametrize(
    "text", ["", "form", "form/", "form/x", "form/04", "form/4/WT", "visit/3", "item/4", "ward/1", "study/1/", "form/-1 "]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        Address.parse(text)


CLOSED = {
    "nothing": ([], None),
    "open ones": ([(STUDY, OPEN), (FORM, OPEN)], None),
    "the wider of two": ([(FORM, FROZEN), (SUBJECT, FROZEN)], (Level.SUBJECT, FROZEN)),
    "a lock before a wider freeze": ([(STUDY, FROZEN), (FORM, LOCKED)], (Level.FORM, LOCKED)),
    "the wider of two locks": ([(STUDY, LOCKED), (FORM, LOCKED)], (Level.STUDY, LOCKED)),
}


@pytest.mark.parametrize(("held", "found"), CLOSED.values(), ids=CLOSED)
def test_the_strongest_closing_over_a_thing_counts(held, found):
    assert strongest(held) == strongest(held[::-1]) == found


@pytest.mark.parametrize("level", Level)
def test_whoever_is_stopped_is_told_what_closed_it_and_who_opens_it(level):
    frozen, locked = Locked(level, FROZEN).message, Locked(level, LOCKED).message
    assert "thaw" in frozen.msgid
    assert "two persons" in locked.msgid
    assert frozen.params["level"] == locked.params["level"]
    assert len({Locked(one, LOCKED).message.params["level"].msgid for one in Level}) == len(Level)


def test_the_lines_that_are_not_clean_are_explained_each_and_no_other():
    found = Checklist("01", {Line.QUERIES: 3, Line.CASES: 1, Line.UNSIGNED: 0})
    assert found.open == (Line.QUERIES, Line.CASES)
    said = {"queries": " to be asked by phone ", "cases": "follow-up waits", "unsigned": "not needed"}
    assert explained(found, said) == {"queries": "to be asked by phone", "cases": "follow-up waits"}
    for missing in ("queries", "cases"):
        with pytest.raises(Unexplained) as stopped:
            explained(found, {**said, missing: "  "})
        assert stopped.value.line == missing
    assert explained(Checklist("", {}), {}) == {}
    assert found.plain() == {**dict.fromkeys(Line, 0), "queries": 3, "cases": 1}


WAITING, GRANTED, REFUSED, WITHDRAWN = RequestState


@pytest.mark.parametrize("state", RequestState)
@pytest.mark.parametrize("actor", ["dana", "ivan"])
@pytest.mark.parametrize("decision", [GRANTED, REFUSED, WITHDRAWN])
def test_only_another_person_decides_and_only_the_asker_withdraws_and_only_once(state, actor, decision):
    if state is WAITING and (decision is WITHDRAWN) == (actor == "dana"):
        assert decided(state, "dana", actor, decision) is decision
    else:
        with pytest.raises(SamePerson):
            decided(state, "dana", actor, decision)


def test_every_kind_of_request_is_asked_for_and_decided_under_verbs_of_its_own():
    assert ASK.keys() == DECIDE.keys() == set(RequestKind)
    assert len({*ASK.values(), *DECIDE.values()} & VERBS.keys()) == 2 * len(RequestKind)
