"""The account of the bags: each counted once, each batch reconciled, and whatever does not add up told."""

from __future__ import annotations

from datetime import date

from tests.core.chain_cases import STUDY, Told, at, plain_chain
from trialcrf.core.product.accountability import Account, Accountability, account_of, accountability
from trialcrf.core.product.stock import BagState

TODAY = {"01": date(2026, 11, 21), "02": date(2026, 11, 20)}


def counted(told: Told, sites: frozenset[str] | None = None) -> Accountability:
    return accountability(STUDY, told.subjects, TODAY, sites)


def busy() -> Told:
    """Five bags of one batch: on hand, checked, in transit, given, discarded."""
    told = plain_chain()
    for letter in "CDE":
        told.bag("B-01-001", f"LOT-1-{letter}")
    told.check("R-02-001", "LOT-1-C", at("16:00"))
    told.move("B-01-001", "LOT-1-D", "SHIPPED", at("16:00"), "WARD")
    told.move("B-01-001", "LOT-1-E", "DISCARDED", at("16:00"))
    return told


def test_every_bag_stands_in_one_account_and_the_batch_is_reconciled():
    (batch,) = counted(busy()).batches
    assert [[bag.code[-1] for bag in batch.of(one)] for one in Account] == [["B", "C"], ["D"], ["A"], ["E"]]
    assert (batch.filled, batch.difference) == (5, 0)


def test_every_state_has_an_account():
    told = busy()
    told.move("B-01-001", told.bag("B-01-001", "LOT-1-F"), "THAWED", at("16:00"))
    found = counted(told)
    assert {bag.state for bag in found.bags} == set(BagState)
    assert all(account_of(bag) is not None for bag in found.bags)
    assert found.difference == 0


def test_bags_are_counted_by_place_and_state():
    found = counted(busy())
    assert found.places == ("LAB_TANK", "WARD")
    assert [bag.code for bag in found.at("WARD", BagState.IN_TRANSIT)] == ["LOT-1-D"]
    assert {one.state: len(one.bags) for one in found.counts if one.place == "LAB_TANK"} == {
        BagState.STORED: 1, BagState.CHECKED: 1, BagState.INFUSED: 1, BagState.DISCARDED: 1,
    }  # fmt: skip
    assert found.at("NOWHERE", BagState.STORED) == ()
    assert sum(len(one.bags) for one in found.counts) == len(found.bags) == 5


def test_a_code_that_two_batches_filled_is_a_difference_and_a_doubt():
    told = plain_chain()
    told.batch("B-01-002", "LOT-2", ("D-01-001/H0/1/HARVEST/1",))
    told.bag("B-01-002", "LOT-1-A")
    told.bag("B-01-002", "LOT-2-A")
    found = counted(told)
    assert [(one.batch.key, one.filled, one.difference) for one in found.batches] == [("B-01-001", 2, 0), ("B-01-002", 2, 1)]
    assert found.difference == 1
    assert [(one.bag, one.batch) for one in found.doubts] == [("LOT-1-A", "B-01-001")]


def test_a_movement_that_contradicts_and_a_bag_that_nobody_filled_are_doubts_that_name_nobody():
    told = plain_chain()
    told.infuse("R-01-009", "LOT-1-A", when=at("17:00"))
    told.infuse("R-01-009", "LOST", when=at("17:00"))
    found = counted(told)
    assert [(one.bag, one.batch) for one in found.doubts] == [("LOT-1-A", "B-01-001")] * 2 + [("LOST", "")]
    assert "R-01-009" not in str([one.message for one in found.doubts])


def test_a_bag_that_was_checked_for_one_and_given_to_another_is_a_doubt_although_every_move_is_possible():
    told = plain_chain()
    told.check("R-02-001", "LOT-1-B", at("16:00"))
    told.infuse("R-01-009", "LOT-1-B", when=at("17:00"))
    found = counted(told)
    assert [bag.flaws for bag in found.bags] == [(), ()]
    assert [one.message.msgid for one in found.doubts] == ["Bag %(bag)s is recorded for more than one recipient."]


def test_expired_and_recalled_bags_are_told_while_they_are_neither_given_nor_discarded():
    told = plain_chain()
    told.bag("B-01-001", "OLD", expires="2026-11-20")
    told.bag("B-01-001", "NEW", expires="2026-11-21")
    told.bag("B-01-001", "GONE", expires="2026-11-20")
    told.move("B-01-001", "GONE", "DISCARDED", at("16:00"))
    told.incident("B-01-001", "LOT-1-A")
    told.incident("B-01-001", "LOT-1-B")
    found = counted(told)
    assert [bag.code for bag in found.expired] == ["OLD"]
    assert [bag.code for bag in found.recalled] == ["LOT-1-B"]


def test_a_bag_expires_on_the_day_of_the_site_that_made_it():
    told = Told()
    told.batch("B-02-001", "LOT-9", (told.donation("D-02-001", "9"),))
    told.bag("B-02-001", "FAR", expires="2026-11-20")
    assert counted(told).expired == ()


def test_a_site_counts_what_it_made_and_what_was_given_there_and_reconciles_only_its_own_batches():
    told = plain_chain()
    here, there = counted(told, frozenset({"01"})), counted(told, frozenset({"02"}))
    assert [bag.code for bag in here.bags] == ["LOT-1-A", "LOT-1-B"] and len(here.batches) == 1
    assert [bag.code for bag in there.bags] == ["LOT-1-A"] and there.batches == ()
    assert counted(told, frozenset({"03"})) == Accountability()


def test_a_batch_without_bags_needs_no_account():
    told = Told()
    told.batch("B-01-001", "LOT-1", (told.donation("D-01-001", "1"),))
    assert counted(told) == Accountability()
