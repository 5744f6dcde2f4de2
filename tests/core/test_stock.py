"""The stock as movements tell of it: every row of the table of moves and every absence from it, order of moments, doubts."""

from __future__ import annotations

from datetime import date
from itertools import product

import pytest

from tests.core.chain_cases import STUDY, Told, at, plain_chain
from trialcrf.core.product.stock import MOVES, USED, Bag, BagState, MoveKind, Stock, settled, stock
from trialcrf.core.product.stock import Movement as Move

S, K = BagState, MoveKind
TABLE = {
    (None, K.FILLED): S.STORED,
    (S.STORED, K.SHIPPED): S.IN_TRANSIT,
    (S.STORED, K.MOVED): S.STORED,
    (S.STORED, K.RETURNED): S.STORED,
    (S.STORED, K.THAWED): S.THAWED,
    (S.STORED, K.CHECKED): S.CHECKED,
    (S.STORED, K.INFUSED): S.INFUSED,
    (S.STORED, K.DISCARDED): S.DISCARDED,
    (S.IN_TRANSIT, K.RECEIVED): S.STORED,
    (S.IN_TRANSIT, K.DISCARDED): S.DISCARDED,
    (S.THAWED, K.MOVED): S.THAWED,
    (S.THAWED, K.CHECKED): S.CHECKED,
    (S.THAWED, K.INFUSED): S.INFUSED,
    (S.THAWED, K.DISCARDED): S.DISCARDED,
    (S.CHECKED, K.THAWED): S.CHECKED,
    (S.CHECKED, K.INFUSED): S.INFUSED,
    (S.CHECKED, K.DISCARDED): S.DISCARDED,
    (S.INFUSED, K.CHECKED): S.INFUSED,  # begun before its check was recorded: no use of the bag follows from it
}
"""Written a second time on purpose: what a bag may do is decided here, not in the code."""

WAY: dict[BagState | None, tuple[MoveKind, ...]] = {
    None: (),
    S.STORED: (K.FILLED,),
    S.IN_TRANSIT: (K.FILLED, K.SHIPPED),
    S.THAWED: (K.FILLED, K.THAWED),
    S.CHECKED: (K.FILLED, K.CHECKED),
    S.INFUSED: (K.FILLED, K.CHECKED, K.INFUSED),
    S.DISCARDED: (K.FILLED, K.DISCARDED),
}


def moved(*kinds: MoveKind) -> Bag:
    """A bag to which this happened, one an hour."""
    moves = [Move("A", kind, at(f"{8 + hour:02d}:00"), "", "R-01-001", hour) for hour, kind in enumerate(kinds)]
    return settled(Bag("A", "B-01-001", "01"), moves)


def held(told: Told) -> Stock:
    return stock(STUDY, told.subjects)


def test_the_table_of_moves_is_this_one():
    assert dict(MOVES) == TABLE


@pytest.mark.parametrize(("state", "kind"), list(product([None, *BagState], MoveKind)), ids=lambda one: getattr(one, "value", "new"))
def test_every_move_from_every_state_is_taken_or_refused_with_a_reason(state, kind):
    bag = moved(*WAY[state], kind)
    if (state, kind) in TABLE:
        assert (bag.state, bag.flaws) == (TABLE[state, kind], ())
    else:
        assert bag.state is state
        (flaw,) = bag.flaws
        assert (flaw.movement.kind, flaw.state) == (kind, state)
        assert ("it was not filled by then" in flaw.message.msgid) == (state is None)


@pytest.mark.parametrize("state", sorted(USED))
def test_from_a_used_bag_nothing_goes_on(state):
    assert {MOVES.get((state, kind), state) for kind in MoveKind} == {state}
    assert not moved(*WAY[state]).on_hand


def test_moments_count_and_not_the_order_of_the_forms():
    told = plain_chain()
    told.move("B-01-001", "LOT-1-B", "RECEIVED", at("12:00"), "WARD")
    told.move("B-01-001", "LOT-1-B", "SHIPPED", at("11:00"), "WARD")
    bag = held(told).bags["LOT-1-B"]
    assert (bag.state, bag.place, bag.flaws) == (S.STORED, "WARD", ())
    assert [one.kind for one in bag.movements] == [K.FILLED, K.SHIPPED, K.RECEIVED]


def test_moments_are_compared_across_time_zones():
    told = plain_chain()
    told.move("B-01-001", "LOT-1-B", "SHIPPED", "2026-11-20T00:30:00-10:00", "WARD")  # 11:30 in Paris
    told.move("B-01-001", "LOT-1-B", "RECEIVED", at("12:00"), "WARD")
    assert held(told).bags["LOT-1-B"].flaws == ()


def test_of_two_movements_of_one_moment_the_bag_is_filled_and_checked_before_it_is_given():
    told = Told()
    told.batch("B-01-001", "LOT-1", (told.donation("D-01-001", "1"),))
    told.infuse("R-01-001", "A", when=at("10:00"))
    told.check("R-01-001", "A", at("10:00"))
    told.bag("B-01-001", "A", at("10:00"))
    bag = held(told).bags["A"]
    assert (bag.state, bag.flaws, bag.recipient) == (S.INFUSED, (), "R-01-001")


def test_who_got_a_bag_outweighs_for_whom_it_was_checked_whatever_the_moments_say():
    told = plain_chain()
    told.check("R-02-001", "LOT-1-B", at("16:00"))
    told.infuse("R-01-009", "LOT-1-B", when=at("15:00"))
    bag = held(told).bags["LOT-1-B"]
    assert (bag.state, bag.recipient, bag.given_to) == (S.INFUSED, "R-01-009", ("R-01-009",))


def test_a_movement_without_a_moment_comes_last_and_a_filling_without_one_first():
    told = Told()
    told.batch("B-01-001", "LOT-1", (told.donation("D-01-001", "1"),))
    told.bag("B-01-001", "A", filled="")
    told.infuse("R-01-001", "A")
    told.move("B-01-001", "A", "THAWED", at("09:00"))
    bag = held(told).bags["A"]
    assert [one.kind for one in bag.movements] == [K.FILLED, K.THAWED, K.INFUSED]
    assert (bag.state, bag.flaws) == (S.INFUSED, ())


def test_a_bag_that_nobody_filled_is_kept_apart_with_its_movements():
    told = plain_chain()
    told.infuse("R-02-001", "LOST", when=at("16:00"))
    told.move("B-01-001", "LOST", "THAWED", at("15:00"))
    found = held(told)
    assert "LOST" not in found.bags
    assert [(one.bag, one.kind) for one in found.unknown] == [("LOST", K.THAWED), ("LOST", K.INFUSED)]


def test_a_code_that_is_filled_twice_is_told():
    told = plain_chain()
    told.batch("B-01-002", "LOT-2", ("D-01-001/H0/1/HARVEST/1",))
    told.bag("B-01-002", "LOT-1-A")
    found = held(told)
    assert found.twice == ("LOT-1-A",)
    assert found.bags["LOT-1-A"].batch == "B-01-001"


def test_a_recall_of_the_batch_concerns_every_bag_and_one_of_a_bag_that_bag():
    told = plain_chain()
    told.incident("B-01-001", "LOT-1-A")
    assert [bag.code for bag in held(told).bags.values() if bag.recalled] == ["LOT-1-A"]
    told.incident("B-01-001", recall=False)
    assert [len(bag.incidents) for bag in held(told).bags.values()] == [2, 1]
    assert not held(told).bags["LOT-1-B"].recalled
    told.incident("B-01-001")
    assert all(bag.recalled for bag in held(told).bags.values())


def test_a_recall_of_a_batch_concerns_every_bag_of_what_was_made_of_it():
    told = plain_chain()
    told.batch("B-01-002", "LOT-2", origins=("B-01-001",))
    told.batch("B-01-003", "LOT-3", origins=("B-01-002", "B-01-003"))
    told.bag("B-01-003", "FAR")
    told.incident("B-01-001", "LOT-1-A")
    assert not held(told).bags["FAR"].incidents
    told.incident("B-01-001")
    assert held(told).bags["FAR"].recalled
    assert held(told).batches["B-01-003"].incidents == ()
    assert [one.batch for one in held(told).concerning("B-01-003")] == ["B-01-001"]


def test_a_recall_of_a_batch_does_not_concern_what_it_was_made_of():
    told = plain_chain()
    told.batch("B-01-002", "LOT-2", origins=("B-01-001",))
    told.incident("B-01-002")
    assert not held(told).bags["LOT-1-A"].recalled


def test_a_circle_of_batches_is_recalled_once():
    told = Told()
    told.batch("B-01-001", "LOT-1", origins=("B-01-002",))
    told.batch("B-01-002", "LOT-2", origins=("B-01-001",))
    told.incident("B-01-001")
    assert [len(held(told).concerning(key)) for key in ("B-01-001", "B-01-002")] == [1, 1]


def test_the_latest_decision_is_the_one_that_counts():
    told = plain_chain()
    told.release("B-01-001", "REJECTED", at("08:00"))  # its moment is the program's own, its form the later one
    assert held(told).batches["B-01-001"].release.decision == "REJECTED"
    assert not held(told).batches["B-01-001"].release.given


def test_a_bag_expires_after_its_last_day_and_one_without_a_day_is_expired():
    bag = Bag("A", "B", "01", expires="2026-12-31")
    assert not bag.expired(date(2026, 12, 31)) and bag.expired(date(2027, 1, 1))
    assert Bag("A", "B", "01").expired(date(2000, 1, 1))


def test_everybody_of_whom_an_infusion_is_recorded_got_the_bag_even_against_the_table():
    told = plain_chain()
    told.infuse("R-01-009", "LOT-1-A", when=at("16:00"))
    bag = held(told).bags["LOT-1-A"]
    assert bag.given_to == ("R-02-001", "R-01-009")
    assert len(bag.flaws) == 1


def test_for_whom_a_bag_is_stands_from_its_check_on():
    assert moved(K.FILLED).recipient == ""
    assert moved(K.FILLED, K.CHECKED).recipient == "R-01-001"
    assert moved(K.FILLED, K.CHECKED, K.DISCARDED).recipient == "R-01-001"
    assert moved(K.FILLED, K.DISCARDED).recipient == ""
