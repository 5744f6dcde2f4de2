"""Dictionaries in both databases: loaded once with one record, never changed, several side by side, and quick to search."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.actions.world import World
from trialcrf.core.dictionary import Term
from trialcrf.store import audit, dictionaries, replay
from trialcrf.store.audit import SYSTEM_CHAIN
from trialcrf.store.transaction import open_engine

FEVER = Term("90000001", "Fever", "General", {"1": "warm", "4": "hot"}, "Heat.", "note")
TERMS = (
    FEVER,
    Term("90000002", "Hay fever", "Immune", {"2": ""}),
    Term("90000003", "fever", "Other", parent_code="7", parent_term="Chill"),
)


@pytest.fixture
def world(database_url):
    made = World(open_engine(database_url), "")
    yield made
    made.engine.dispose()


def load(world: World, version: str = "5.0", terms=TERMS, sha256: str = "a" * 64, kind: str = "ctcae"):
    with world.write("trialcrf") as tx:
        return dictionaries.load(tx, kind, version, f"{kind}.csv", sha256, terms)


def records(world: World) -> list[str]:
    with world.read() as tx:
        return [row.op for row in tx.read(text("SELECT op FROM audit_record WHERE entity = 'dictionary'"))]


def test_a_dictionary_is_loaded_with_one_record_and_given_back_as_it_was(world):
    loaded, new = load(world)
    assert new and (loaded.kind, loaded.version, loaded.terms) == ("ctcae", "5.0", 3)
    assert records(world) == ["create"]
    with world.read() as tx:
        assert dictionaries.terms_of(tx, loaded) == list(TERMS)
        assert dictionaries.find(tx, "ctcae", "6.0") is None
        past = audit.history(tx.connection, "dictionary", str(loaded.id))
        assert [one.chain for one in past] == [SYSTEM_CHAIN] and '"sha256": "aaaa' in (past[0].new or "")
        assert list(replay.differences(tx)) == []


def test_the_same_again_changes_nothing_and_other_content_is_refused(world):
    load(world)
    assert load(world)[1] is False
    assert load(world, sha256="b" * 64)[1] is False, "another file that says the same"
    with pytest.raises(dictionaries.OtherContent):
        load(world, terms=(replace(FEVER, grades={"1": "warm"}), *TERMS[1:]), sha256="c" * 64)
    load(world, "6.0", TERMS[:1], "d" * 64)
    load(world, "28.0", TERMS[2:], "e" * 64, "meddra")
    with world.read() as tx:
        assert [(one.kind, one.version, one.terms) for one in dictionaries.versions(tx)] == [
            ("ctcae", "5.0", 3),
            ("ctcae", "6.0", 1),
            ("meddra", "28.0", 1),
        ]
        assert [one.version for one in dictionaries.versions(tx, "meddra")] == ["28.0"]
    assert records(world) == ["create"] * 3


def test_a_term_is_found_as_it_is_written_and_by_its_code_in_its_own_version(world):
    five, _ = load(world)
    six, _ = load(world, "6.0", [replace(FEVER, grades={"2": "x"})], "d" * 64)
    with world.read() as tx:
        assert dictionaries.term_of(tx, five, "FEVER") == FEVER
        assert dictionaries.term_of(tx, five, "fever") == TERMS[2], "written exactly so"
        assert dictionaries.term_of(tx, six, "Fever").grades == {"2": "x"}
        assert dictionaries.term_of(tx, five, "") is None and dictionaries.term_of(tx, five, "cough") is None
        assert dictionaries.term_with_code(tx, five, "90000002").term == "Hay fever"
        assert [one.term for one in dictionaries.search(tx, five, "fev")] == ["Fever", "fever", "Hay fever"]
        assert dictionaries.search(tx, five, "fev", 1) == [FEVER]
        assert dictionaries.search(tx, five, "heat") == [FEVER]
        assert dictionaries.search(tx, six, "hay") == []


def test_nothing_that_is_loaded_can_be_changed_and_what_was_slipped_in_is_found(world):
    loaded, _ = load(world)
    for statement in ("UPDATE dictionary_term SET term = 'x'", "DELETE FROM dictionary_term", "UPDATE dictionary SET version = '9'"):
        with pytest.raises(DBAPIError), world.engine.begin() as connection:
            connection.execute(text(statement))
    added = "INSERT INTO dictionary_term (dictionary_id, number, code, term, folded, soc) VALUES (:of, 9, '9', 'Made up', 'made up', 'x')"
    with world.engine.begin() as connection:
        connection.execute(text(added), {"of": loaded.id})
    with world.read() as tx:
        assert [(one.entity, one.place) for one in replay.differences(tx)] == [("dictionary", "content")]
