"""The hash chain: every alteration is found and named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.chain import GENESIS, Break, Checkpoint, Leaf, commitment, verify


def chain(size: int = 3, redacted: tuple[int, ...] = ()):
    """A chain of so many values, then the redactions of these; (record, hash, (salt, value)) each, and its head."""
    records, prev = [], GENESIS
    for seq in range(1, size + len(redacted) + 1):
        salt, value = f"salt{seq}", f"value{seq}"
        gone = redacted[seq - size - 1] if seq > size else 0
        leaf = Leaf(
            "s/01", seq, "2026-01-01T00:00:00.000000Z", "cora", "coordinator", "H", "::1", "redact" if gone else "set",
            "redaction" if gone else "form", str(gone or 1), "R", "X", "", "", "", "" if gone else commitment(salt, value), prev,
        )  # fmt: skip
        prev = leaf.hash()
        records.append((leaf, prev, None if gone else (None, None) if seq in redacted else (salt, value)))
    return records, (len(records), prev)


def test_an_untouched_chain_holds():
    assert verify(*chain()) is None
    assert verify([], (0, GENESIS)) is None


@pytest.mark.parametrize("name", [name for name in Leaf.__slots__ if name not in ("seq", "prev", "chain")])
def test_a_changed_field_of_any_record_is_found(name):
    records, head = chain()
    records[1] = (replace(records[1][0], **{name: "changed"}), *records[1][1:])
    assert verify(records, head) == Break("s/01", 2, "altered")


def test_a_record_rewritten_with_its_hash_breaks_the_link_behind_it():
    records, head = chain()
    forged = replace(records[1][0], actor="mallory")
    records[1] = (forged, forged.hash(), records[1][2])
    assert verify(records, head) == Break("s/01", 3, "unlinked")


def test_a_missing_record_a_cut_tail_and_a_changed_value_are_found():
    records, head = chain()
    leaf, hash_, _ = records[1]
    assert verify(records[:1] + records[2:], head) == Break("s/01", 2, "missing")
    assert verify(records[:2], head) == Break("s/01", 3, "cut")
    assert verify([records[0], (leaf, hash_, ("salt2", "other")), records[2]], head) == Break("s/01", 2, "value")
    assert verify([records[0], (leaf, hash_, None), records[2]], head) == Break("s/01", 2, "value")
    assert verify(records, (head[0], "0" * 64)) == Break("s/01", 4, "cut")


def test_an_erased_value_holds_only_where_a_later_record_says_that_it_was_redacted():
    records, head = chain(3, (2, 1))
    assert verify(records, head) is None
    # The redaction came, and the value is still there; or only its salt went.
    leaf, hash_, _ = records[1]
    for held in (("salt2", "value2"), (None, "value2"), ("salt2", None), None):
        assert verify([records[0], (leaf, hash_, held), *records[2:]], head) == Break("s/01", 2, "value"), held
    # Nobody said that it was erased.
    plain, end = chain()
    plain[1] = (*plain[1][:2], (None, None))
    assert verify(plain, end) == Break("s/01", 2, "value")


def test_a_redaction_of_what_comes_later_or_twice_or_of_itself_is_no_excuse():
    for redacted, where in (((9,), 9), ((2, 2), 2), ((4,), 4)):
        records, head = chain(3, redacted)
        assert verify(records, head) == Break("s/01", where, "value"), redacted


@given(st.integers(1, 12), st.data())
def test_whatever_is_redacted_the_chain_holds_and_whatever_is_touched_is_found(size, data):
    redacted = tuple(data.draw(st.lists(st.integers(1, size), unique=True)))
    records, head = chain(size, redacted)
    assert verify(records, head) is None
    number = data.draw(st.integers(0, len(records) - 1))
    leaf, hash_, held = records[number]
    harm = data.draw(st.sampled_from(["drop", "forge", "value"]))
    if harm == "drop":
        records = records[:number] + records[number + 1 :]
    elif harm == "forge":
        forged = replace(leaf, actor="mallory")
        records[number] = (forged, forged.hash(), held)
    else:
        records[number] = (leaf, hash_, ("salt", "another") if held is None or held[0] is None else (None, None))
    found = verify(records, head)
    assert found is not None and found.seq <= number + 2


@given(st.text(), st.text(), st.text(), st.text())
def test_different_values_or_salts_have_different_commitments(salt, value, other_salt, other_value):
    same = (salt, value) == (other_salt, other_value)
    assert (commitment(salt, value) == commitment(other_salt, other_value)) == same


def test_a_checkpoint_depends_on_every_head():
    heads = (("a", 3, "x"), ("b", 4, "y"))
    assert Checkpoint(heads).digest() != Checkpoint((heads[0], ("b", 4, "z"))).digest()
    assert Checkpoint(heads).digest() == Checkpoint(tuple(heads)).digest()
