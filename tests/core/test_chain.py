"""The hash chain: every alteration is found and named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.chain import GENESIS, Break, Checkpoint, Leaf, commitment, verify


def chain(size: int = 3):
    leaves, values, prev = [], {}, GENESIS
    for seq in range(1, size + 1):
        salt, value = f"salt{seq}", f"value{seq}"
        leaf = Leaf(
            "s/01", seq, "2026-01-01T00:00:00.000000Z", "cora", "coordinator", "H", "::1", "set", "form", "1", "R", "X", "", "", "",
            commitment(salt, value), prev,
        )  # fmt: skip
        prev = leaf.hash()
        leaves.append((leaf, prev))
        values[seq] = (salt, value)
    return leaves, values, (size, prev)


def test_an_untouched_chain_holds():
    leaves, values, head = chain()
    assert verify(leaves, values, head) is None


@pytest.mark.parametrize("name", [name for name in Leaf.__slots__ if name not in ("seq", "prev", "chain")])
def test_a_changed_field_of_any_record_is_found(name):
    leaves, values, head = chain()
    leaves[1] = (replace(leaves[1][0], **{name: "changed"}), leaves[1][1])
    assert verify(leaves, values, head) == Break("s/01", 2, "altered")


def test_a_record_rewritten_with_its_hash_breaks_the_link_behind_it():
    leaves, values, head = chain()
    forged = replace(leaves[1][0], actor="mallory")
    leaves[1] = (forged, forged.hash())
    assert verify(leaves, values, head) == Break("s/01", 3, "unlinked")


def test_a_missing_record_a_cut_tail_and_a_changed_value_are_found():
    leaves, values, head = chain()
    assert verify(leaves[:1] + leaves[2:], values, head) == Break("s/01", 2, "missing")
    assert verify(leaves[:2], values, head) == Break("s/01", 3, "cut")
    assert verify(leaves, {**values, 2: ("salt2", "other")}, head) == Break("s/01", 2, "value")
    assert verify(leaves, {1: values[1], 3: values[3]}, head) == Break("s/01", 2, "value")
    assert verify(leaves, values, (head[0], "0" * 64)) == Break("s/01", 4, "cut")


@given(st.text(), st.text(), st.text(), st.text())
def test_different_values_or_salts_have_different_commitments(salt, value, other_salt, other_value):
    same = (salt, value) == (other_salt, other_value)
    assert (commitment(salt, value) == commitment(other_salt, other_value)) == same


def test_a_checkpoint_depends_on_every_head():
    heads = (("a", 3, "x"), ("b", 4, "y"))
    assert Checkpoint(heads).digest() != Checkpoint((heads[0], ("b", 4, "z"))).digest()
    assert Checkpoint(heads).digest() == Checkpoint(tuple(heads)).digest()
