"""Coding events while they are entered, on a real database: what the dictionary stops, asks and fills in, what a new version changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.actions.world import NOW, World, typed
from trialcrf.actions import Impossible, publish
from trialcrf.actions.enter import preview
from trialcrf.actions.safety import coding, load_dictionary
from trialcrf.core.definition.model import Severity
from trialcrf.core.dictionary import Term
from trialcrf.core.dictionary_load import Source
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.core.entry import Refused
from trialcrf.store import audit, forms, queries

CONSENT = {
    "ICF_DATE": (2, 11, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip
GENERAL = "General disorders and administration site conditions"
FIVE = (
    Term("90000001", "Fever", GENERAL, dict.fromkeys("12345", "made up")),
    Term("90000002", "Old ague", "Cardiac disorders", {"1": "made up", "4": "made up", "5": "Death"}),
    Term("90000003", "Cardiac disorders - Other, specify", "Cardiac disorders", dict.fromkeys("12345", "made up")),
    Term("90000004", "Rattles", "Classless", {"2": "made up"}),
)
SIX = (replace(FIVE[0], grades={"2": "made up"}), replace(FIVE[1], term="New ague"))


def load(world: World, version: str = "5.0", terms=FIVE):
    source = Source("ctcae", version, f"ctcae_v{version}.csv", f"{version:x<64}", terms)
    with world.write("trialcrf") as tx:
        return load_dictionary.load(tx, source)


def recipient(world: World):
    return world.enrol("recipient", **CONSENT)


def event(world: World, subject, repeat: int = 1, version: int | None = None, reason: str = "", **boxes: object):
    given = boxes if version is not None else {"AE_WORDS": "ce que dit le centre", **boxes}
    return world.save(subject, "ADVERSE", "AE", typed(version, reason, **given), repeat)


def refusals(world: World, subject, repeat: int = 1, **boxes: object) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as raised:
        event(world, subject, repeat, **boxes)
    return [(str(one.place), one.check) for one in raised.value.findings]


def stored(world: World, subject, repeat: int = 1):
    with world.read() as tx:
        found = forms.read(tx, subject.id, FormKey("AE", "ADVERSE", 1, repeat))
    assert found
    return found


def asked(world: World, form_id: int) -> list[tuple[str, str]]:
    with world.read() as tx:
        return [(str(one.place), one.check) for one in queries.of_form(tx, form_id) if one.check.startswith("dictionary")]


def test_a_known_term_is_recorded_as_the_dictionary_writes_it_and_brings_its_class_along(world):
    load(world)
    subject = recipient(world)
    saved = event(world, subject, AE_CTCAE="FEVER", AE_CLASS="", AE_GRADE="2")
    document = stored(world, subject).document
    assert document.at(Place("AE_CTCAE")) == Answer("Fever")
    assert document.at(Place("AE_CLASS")) == Answer(GENERAL)
    with world.read() as tx:
        past = [one for one in audit.history(tx.connection, "form", str(saved.form_id)) if one.place == "AE_CLASS"]
    assert [(one.actor, one.new) for one in past] == [("cora", f'"{GENERAL}"')], "recorded as any answer"
    assert asked(world, saved.form_id) == []
    again = event(world, subject, AE_CTCAE="FEVER", AE_CLASS="", AE_GRADE="2")
    assert again.decision.empty, "the same page sent twice is no conflict"


def test_a_class_that_was_chosen_stays_and_is_asked_about(world):
    load(world)
    saved = event(world, recipient(world), AE_CTCAE="Fever", AE_CLASS="Cardiac disorders")
    assert asked(world, saved.form_id) == [("AE_CLASS", "dictionary_class")]


def test_a_class_that_the_study_has_not_is_left_blank(world):
    load(world)
    subject = recipient(world)
    event(world, subject, AE_CTCAE="Rattles", AE_CLASS="")
    assert stored(world, subject).document.at(Place("AE_CLASS")) is None


def test_a_grade_that_the_term_has_not_stops_the_save_in_the_course_too(world):
    load(world)
    subject = recipient(world)
    assert refusals(world, subject, AE_CTCAE="Old ague", AE_GRADE="3") == [("AE_GRADE", "dictionary_grade")]
    course = {"COURSE__new1__AE_COURSE_GRADE": "2", "COURSE__new2__AE_COURSE_GRADE": "4"}
    assert refusals(world, subject, AE_CTCAE="Old ague", AE_GRADE="4", **course) == [("COURSE/new1/AE_COURSE_GRADE", "dictionary_grade")]
    event(world, subject, AE_CTCAE="Old ague", AE_GRADE="4")
    with pytest.raises(Refused):
        event(world, subject, version=1, reason="TYPO", AE_GRADE="2")


def test_other_specify_needs_its_words(world):
    load(world)
    subject = recipient(world)
    other = FIVE[2].term
    assert refusals(world, subject, AE_CTCAE=other, AE_SPEC="") == [("AE_SPEC", "dictionary_words")]
    event(world, subject, AE_CTCAE=other, AE_SPEC="palpitations at night")


def test_an_unknown_term_is_saved_as_typed_with_a_query_that_closes_when_it_is_right(world):
    load(world)
    subject = recipient(world)
    saved = event(world, subject, AE_CTCAE="Feverr")
    assert asked(world, saved.form_id) == [("AE_CTCAE", "dictionary_term")]
    corrected = event(world, subject, version=1, reason="TYPO", AE_CTCAE="fever")
    assert len(corrected.decision.resolved) == 1
    assert stored(world, subject).document.at(Place("AE_CTCAE")) == Answer("Fever")


def test_a_file_that_is_loaded_later_locks_nothing_that_was_recorded_before(world):
    subject = recipient(world)
    event(world, subject, AE_CTCAE="Old ague", AE_GRADE="3")
    load(world)
    saved = event(world, subject, version=1, AE_TREATMENT="rest")
    assert asked(world, saved.form_id) == [("AE_GRADE", "dictionary_grade")], "asked, not refused"
    with pytest.raises(Refused):
        event(world, subject, version=2, reason="TYPO", AE_GRADE="2")


def test_without_a_loaded_file_the_starter_list_judges_and_any_other_text_is_free(world):
    subject = recipient(world)
    assert refusals(world, subject, AE_CTCAE="Anaphylaxie", AE_GRADE="2") == [("AE_GRADE", "dictionary_grade")]
    event(world, subject, AE_CTCAE="anaphylaxie", AE_GRADE="3", AE_CLASS="")
    assert stored(world, subject).document.at(Place("AE_CTCAE")) == Answer("Anaphylaxis")
    assert stored(world, subject).document.at(Place("AE_CLASS")) == Answer("Immune system disorders")
    free = event(world, subject, 2, AE_CTCAE="Rattles", AE_GRADE="3")
    assert asked(world, free.form_id) == []
    notes = [one for one in free.decision.findings if one.check == "dictionary_term"]
    assert [one.severity for one in notes] == [Severity.NOTE]
    with world.read() as tx:
        _, told = preview(tx, world.published, subject, FormKey("AE", "ADVERSE", 1, 2), typed(1), NOW)
    assert "dictionary_term" in {one.check for one in told}


def test_forms_without_a_coded_item_ask_no_dictionary(world, monkeypatch):
    def never(*_: object) -> None:
        raise AssertionError("a dictionary was asked for")

    monkeypatch.setattr(coding, "book_of", never)
    world.save(recipient(world), "VITALS", "SCR", typed(WT="72"))


def test_a_version_is_named_once_and_never_contradicted(world):
    assert load(world)[1] and not load(world)[1]
    for source, version, said in (
        (Source("ctcae", "", "x.csv", "0" * 64, FIVE), "", "--version"),
        (Source("ctcae", "6.0", "x.csv", "0" * 64, FIVE), "5.0", "says that it is version"),
        (Source("ctcae", "", "x.csv", "0" * 64, FIVE), "five", "is no version"),
        (Source("ctcae", "", "x.csv", "0" * 64, SIX), "5.0", "is loaded already"),
    ):
        with pytest.raises(Impossible, match=said), world.write("trialcrf") as tx:
            load_dictionary.load(tx, source, version)


def test_another_version_of_ctcae_lists_the_events_that_it_has_no_term_or_grade_for(world):
    load(world)
    subject = recipient(world)
    for number, boxes in enumerate(
        ({"AE_CTCAE": "Fever", "AE_GRADE": "2"}, {"AE_CTCAE": "Fever", "AE_GRADE": "4"}, {"AE_CTCAE": "Old ague"}), 1
    ):
        event(world, subject, number, **boxes)
    old = world.published.study
    assert old.safety
    new = replace(old, safety=replace(old.safety, ctcae="6.0"))
    with world.read() as tx:
        assert publish.effect(tx, old, new, None, NOW).loaded is False
    load(world, "6.0", SIX)
    with world.read() as tx:
        found = publish.effect(tx, old, new, None, NOW)
        assert [(one.subject, one.term, one.grade, one.grades, one.instead) for one in found.codings] == [
            (subject.key, "Fever", "4", ("2",), ""),
            (subject.key, "Old ague", "", (), "New ague"),
        ]
        assert (found.dictionary, found.loaded) == ("6.0", True)
        assert publish.effect(tx, old, old, None, NOW).dictionary == ""
    with world.write("trialcrf") as tx:
        publish.publish(tx, new)
    event(world, subject, 4, AE_CTCAE="New ague")
    assert refusals(world, subject, 5, AE_CTCAE="Fever", AE_GRADE="4") == [("AE_GRADE", "dictionary_grade")]
    kept = event(world, subject, 2, version=1, AE_TREATMENT="rest")
    assert asked(world, kept.form_id) == [], "an event keeps the version that it was recorded under"
