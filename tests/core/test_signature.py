"""The hash and the standing of a signature: everything that was signed is in it, and any difference shows."""

from __future__ import annotations

from datetime import date
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core.signature import (
    MEANINGS,
    STANDINGS,
    Signed,
    Standing,
    canonical,
    changed,
    covered_of,
    covered_text,
    digest,
    fingerprint,
)

COVERED = (
    Signed("form", "7", "", "a1"),
    Signed("form", "7", "AGE", "b2"),
    Signed("form", "7", "DRUGS/1/", "c3"),
    Signed("form", "7", "DRUGS/1/NAME", ""),
    Signed("form", "8", "AGE", "d4"),
)
SAID = {
    "study": "s", "site": "01", "subject_id": "3", "subject": "R-01-001", "actor": "ivan", "name": "Ivan", "role": "investigator",
    "organisation": "Hospital", "at": "2026-11-21T09:00:00.000000Z", "zone": "Europe/Paris",
}  # fmt: skip
STATEMENT = canonical({"verdict": "eligible", "criteria": [["I1", True], ["E1", None]], "count": 2})
HASH = digest(COVERED, "eligibility", STATEMENT, SAID)


def with_one(number: int, **other: str):
    held = {name: getattr(COVERED[number], name) for name in Signed.__slots__}
    return (*COVERED[:number], Signed(**{**held, **other}), *COVERED[number + 1 :])


def test_the_hash_is_of_a_text_that_anyone_can_write_down():
    covered = '{"form":{"7":{"":"a1","AGE":"b2","DRUGS/1/":"c3","DRUGS/1/NAME":""},"8":{"AGE":"d4"}}}'
    assert covered_text(COVERED) == covered
    assert fingerprint(COVERED) == sha256(covered.encode()).hexdigest()
    assert STATEMENT == '{"count":2,"criteria":[["I1",true],["E1",null]],"verdict":"eligible"}'
    whole = canonical({"said": SAID, "statement": STATEMENT, "meaning": "eligibility", "covered": covered})
    assert sha256(b"\x02" + whole.encode()).hexdigest() == HASH


def test_the_hash_does_not_depend_on_any_order():
    assert digest(COVERED[::-1], "eligibility", STATEMENT, dict(reversed(SAID.items()))) == HASH
    assert canonical({"b": 1, "a": "é"}) == canonical({"a": "é", "b": 1}) == '{"a":"é","b":1}'


@pytest.mark.parametrize("number", range(len(COVERED)))
@pytest.mark.parametrize("name", Signed.__slots__)
def test_any_covered_place_and_commitment_is_in_the_hash(number, name):
    other = with_one(number, **{name: "9z"})
    assert digest(other, "eligibility", STATEMENT, SAID) != HASH
    assert fingerprint(other) != fingerprint(COVERED)


@pytest.mark.parametrize("number", range(len(COVERED)))
def test_a_covered_place_that_is_left_out_is_missed(number):
    assert digest(COVERED[:number] + COVERED[number + 1 :], "eligibility", STATEMENT, SAID) != HASH


@pytest.mark.parametrize("name", sorted(SAID))
def test_signer_subject_and_moment_are_in_the_hash(name):
    assert digest(COVERED, "eligibility", STATEMENT, {**SAID, name: "other"}) != HASH


def test_meaning_and_statement_are_in_the_hash():
    assert digest(COVERED, "other", STATEMENT, SAID) != HASH
    assert digest(COVERED, "eligibility", canonical({"verdict": "not eligible"}), SAID) != HASH
    assert digest(COVERED, "eligibility", STATEMENT + " ", SAID) != HASH


@given(st.lists(st.builds(Signed, *[st.text(max_size=4)] * 4), unique_by=lambda one: one.at))
def test_what_is_covered_is_read_back_as_it_was(covered):
    assert covered_of(covered_text(tuple(covered))) == tuple(sorted(covered))


@pytest.mark.parametrize("plain", [1.0, date(2026, 1, 1), b"x", {1: "x"}, {"a": [{"b": 0.5}]}, {"a"}])
def test_what_has_several_spellings_is_not_signed(plain):
    with pytest.raises(TypeError):
        canonical(plain)


NOW = {one.at: one.commitment for one in COVERED}


def test_nothing_changed_where_every_commitment_is_the_one_signed():
    assert changed(COVERED, NOW) == ()
    assert changed(COVERED, {**NOW, ("form", "9", "AGE"): "x", ("query", "7", "state"): "y"}) == ()


@pytest.mark.parametrize(
    "at,commitment",
    [
        (("form", "7", "AGE"), "other"),
        (("form", "7", "AGE"), ""),
        (("form", "7", "DRUGS/1/NAME"), "given after it was cleared"),
        (("form", "7", "NEW"), "an answer that was not there"),
        (("form", "8", "DRUGS/2/"), "a row marked in error"),
        (("form", "8", "error"), "the whole form in error"),
    ],
)
def test_a_changed_cleared_or_new_place_of_a_covered_thing_is_named(at, commitment):
    assert changed(COVERED, {**NOW, at: commitment}) == (at,)


def test_a_covered_place_that_is_gone_is_named():
    assert changed(COVERED, {at: held for at, held in NOW.items() if at[2] != "AGE"}) == (("form", "7", "AGE"), ("form", "8", "AGE"))


def test_every_meaning_and_every_standing_has_its_words():
    assert set(STANDINGS) == set(Standing)
    assert all(len(code) <= 40 and words for code, words in MEANINGS.items())


def test_a_document_voids_what_endorses_its_form_and_no_verdict_that_decides_by_values():
    now = {one.at: one.commitment for one in COVERED}
    attached = ("enclosure", "7", "AGE#1")
    assert changed(COVERED, {**now, attached: "e5"}, "eligibility") == ()
    for meaning in ("form", "visit", "casebook"):
        assert changed(COVERED, {**now, attached: "e5"}, meaning) == (attached,)
        assert changed(COVERED, {**now, ("enclosure", "9", "AGE#1"): "e5"}, meaning) == (), "of a form that is not covered"
        assert changed((*COVERED, Signed(*attached, "e5")), {**now, attached: "e5"}, meaning) == ()
        assert changed((*COVERED, Signed(*attached, "e5")), {**now, attached: "f6"}, meaning) == (attached,), "withdrawn since"
