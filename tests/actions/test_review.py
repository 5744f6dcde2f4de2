"""Queries of people, comments, and what both leave in the trail."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from tests.actions.world import NOW, study_of, typed
from trialcrf.actions import Impossible, enter
from trialcrf.actions.oversight import comment, lock, review
from trialcrf.actions.records import quality
from trialcrf.core.chain import Checkpoint
from trialcrf.core.cut import Cut
from trialcrf.core.document import Answer, Document, FormKey, Place
from trialcrf.core.lock import Address, Level, Locked
from trialcrf.core.workflow import NotPossible, QueryState
from trialcrf.store import audit, comments, forms, queries, query_courses, query_lists, replay
from trialcrf.store.models import audit_record
from trialcrf.store.query_lists import Narrower

CONSENT = {
    "ICF_DATE": (2, 11, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1981), "SEX_BIRTH": "F",
}  # fmt: skip
KEY, PLACE = FormKey("SCR", "RENROL"), Place("BIRTH_MONTH")


@pytest.fixture
def subject(world):
    return world.enrol("recipient", **CONSENT)


def form_id(world, subject) -> int:
    with world.read() as tx:
        return forms.read(tx, subject.id, KEY).id


def ask(world, subject, place=PLACE, text="Is the year right?", **more) -> int:
    about = form_id(world, subject)
    with world.write("mona") as tx:
        return review.ask(tx, subject, KEY, about, place, text, **more)


def found(world, number: int):
    with world.read() as tx:
        return queries.find(tx, number)


def move(world, name: str, number: int, what, *words: str) -> None:
    query = found(world, number)
    with world.write(name) as tx:
        what(tx, world.subject(query.subject).site, query, *words)


def answer(world, number: int, text: str = "yes, seen in the file") -> None:
    query = found(world, number)
    with world.write("cora") as tx:
        review.answer(tx, world.published.study, world.subject(query.subject).site, query, "", text)


def clean(world) -> bool:
    with world.read() as tx:
        return list(replay.differences(tx)) == [] and audit.broken(tx.connection) is None


def correct(world, subject, year: int, version: int = 1, reason: str = "") -> None:
    code = reason or world.published.study.reasons.items[0].code
    world.save(subject, "RENROL", "SCR", typed(version, code, BIRTH_MONTH=("", 5, year)))


# --- Asking and answering -----------------------------------------------------------------------------------------------


def test_a_query_goes_its_whole_way_and_every_move_is_in_the_trail(world, subject):
    number = ask(world, subject, assignee="cora", due_on=date(2026, 11, 30))
    opened = found(world, number)
    assert (opened.state, opened.opened_by, opened.assignee, opened.due_on, opened.check) == (
        "open", "mona", "cora", date(2026, 11, 30), "",
    )  # fmt: skip
    answer(world, number)
    move(world, "mona", number, review.reject, "which file?")
    answer(world, number, "the letter of 2 November")
    move(world, "dana", number, review.accept, "")
    closed = found(world, number)
    assert (closed.state, closed.settled_by, closed.settled_at) == ("closed", "dana", NOW)
    move(world, "mona", number, review.reopen, "the letter is of another person")
    assert (found(world, number).state, found(world, number).settled_at) == ("open", None)
    move(world, "mona", number, review.assign, "ivan", "")
    move(world, "mona", number, review.cancel, "asked twice")
    with world.read() as tx:
        told = [(past.op, past.actor, past.reason) for past in audit.history(tx.connection, "query", str(number))]
        text = audit.history(tx.connection, "query", str(number), "")[0].new
    assert told == [
        ("create", "mona", ""), ("open", "mona", ""), ("assign", "mona", ""), ("due", "mona", ""),
        ("answer", "cora", "yes, seen in the file"), ("reject", "mona", "which file?"), ("answer", "cora", "the letter of 2 November"),
        ("accept", "dana", ""), ("reopen", "mona", "the letter is of another person"), ("assign", "mona", ""),
        ("cancel", "mona", "asked twice"),
    ]  # fmt: skip
    assert "Is the year right?" in text
    assert clean(world)


def test_a_query_of_a_visit_has_no_form_and_is_found_with_its_visit(world, subject):
    with world.write("mona") as tx:
        number = review.ask(tx, subject, FormKey("M3", "", 1), None, Place(""), "When will it take place?")
    with world.read() as tx:
        assert [one.id for one in queries.of_visit(tx, subject.id, "M3", 1)] == [number]
        assert queries.open_at_visits(tx, [subject.id]) == {(subject.id, "M3", 1): 1}
        assert query_lists.count(tx, "msc_ssc", ["01"], [QueryState.OPEN]) == 1
        assert query_lists.count(tx, "msc_ssc", ["01"], [QueryState.OPEN], {"M3/": []}) == 0
        assert query_lists.count(tx, "msc_ssc", ["01"], [QueryState.OPEN], {"SCR/": [], "RENROL": []}) == 1
    answer(world, number)
    assert clean(world)


@pytest.mark.parametrize("place", ["NO_SUCH_ITEM", "NO/1/ITEM", "BIRTH_MONTH/", "NO/1/"])
def test_a_place_that_the_form_has_not_is_no_place(place):
    with pytest.raises(Impossible):
        review.place_at(study_of("msc_ssc").form["RENROL"], Document({"BIRTH_MONTH": Answer("1981-05")}), place)


def test_a_question_has_words_and_a_day_to_come_and_somebody_who_answers_here(world, subject):
    for more, box in (
        ({"text": "  "}, "text"),
        ({"due_on": date(2026, 11, 20)}, "day"),
        ({"assignee": "olga"}, "assignee"),
        ({"assignee": "mona"}, "assignee"),
        ({"assignee": "dora", "access": "link"}, "assignee"),
    ):
        with pytest.raises(Impossible) as refused:
            ask(world, subject, **more)
        assert refused.value.field == box
    assert found(world, ask(world, subject, due_on=date(2026, 11, 21))).due_on == date(2026, 11, 21)


def test_a_settled_query_is_not_answered_and_the_sentence_says_why(world, subject):
    for what, state in ((review.accept, "closed"), (review.cancel, "cancelled")):
        number = ask(world, subject)
        move(world, "mona", number, what, "settled")
        with pytest.raises(NotPossible) as refused:
            answer(world, number)
        assert refused.value.message.params["state"].msgid == found(world, number).state.value == state


def test_only_accepting_needs_no_words(world, subject):
    number = ask(world, subject)
    answer(world, number)
    for what in (review.reject, review.cancel, review.reopen):
        with pytest.raises(Impossible) as refused:
            move(world, "mona", number, what, " ")
        assert refused.value.field == "text"
    assert found(world, number).state == "answered"


def test_what_is_settled_is_not_assigned_and_what_stands_so_is_no_change(world, subject):
    number = ask(world, subject, assignee="cora")
    with pytest.raises(NotPossible):
        move(world, "mona", number, review.assign, "cora", "")
    move(world, "mona", number, review.assign, "", "whoever comes first")
    assert found(world, number).assignee == ""
    move(world, "mona", number, review.accept, "")
    for what, to in ((review.assign, "cora"), (review.set_due, date(2026, 12, 1))):
        with pytest.raises(NotPossible):
            move(world, "mona", number, what, to, "")
    assert clean(world)


def test_an_assignment_that_the_trail_does_not_tell_is_a_difference(world, subject):
    number = ask(world, subject, assignee="cora")
    with world.engine.begin() as connection:
        connection.info["permit"] = "query"
        connection.exec_driver_sql(f"UPDATE query SET assignee = 'ivan' WHERE id = {number}")
    with world.read() as tx:
        assert [(one.entity, one.place) for one in replay.differences(tx)] == [("query", "assignee")]


# --- What a change does -------------------------------------------------------------------------------------------------


def test_a_correction_answers_the_question_and_a_later_one_marks_what_was_closed(world, subject):
    number = ask(world, subject)
    correct(world, subject, 1980)
    assert found(world, number).state == "answered"
    move(world, "mona", number, review.accept, "")
    correct(world, subject, 1979, 2)
    assert found(world, number).state == "modified"
    with world.read() as tx:
        assert [past.prompted_by for past in audit.history(tx.connection, "form", str(form_id(world, subject)), "BIRTH_MONTH")] == [
            "", f"query/{number}", f"query/{number}",
        ]  # fmt: skip
    move(world, "mona", number, review.accept, "")
    assert (found(world, number).state, found(world, number).settled_by) == ("closed", "mona")
    assert clean(world)


def test_every_change_that_names_a_query_names_one_that_there_is(world, subject):
    doubted = world.enrol("recipient", **(CONSENT | {"BIRTH_MONTH": ("", 5, 1940)}))
    ask(world, subject)
    correct(world, subject, 1980)
    correct(world, doubted, 1975)
    with world.read() as tx:
        named = tx.read(select(audit_record.c.prompted_by).where(audit_record.c.prompted_by.like("query/%"))).scalars().all()
        known = {f"query/{one.id}" for one in query_lists.all_of(tx, "msc_ssc", None, list(QueryState))}
    assert len(named) == 2
    assert set(named) == known


def test_a_form_in_error_settles_what_was_asked_of_it_whatever_state_it_is_in(world, subject):
    number = ask(world, subject)
    move(world, "mona", number, review.accept, "")
    correct(world, subject, 1980)
    assert found(world, number).state == "modified"
    with world.write() as tx:
        enter.mark_form_error(tx, subject, forms.read(tx, subject.id, KEY), "wrong person")
    assert found(world, number).state == "closed"
    with pytest.raises(NotPossible):
        move(world, "mona", number, review.reopen, "why?")
    assert clean(world)


def test_a_query_that_changed_since_it_was_read_is_not_moved(world, subject):
    number = ask(world, subject)
    stale = found(world, number)
    answer(world, number)
    with pytest.raises(NotPossible), world.write("mona") as tx:
        review.cancel(tx, subject.site, stale, "asked twice")
    assert found(world, number).state == "answered"


def test_what_a_page_has_seen_changes_with_every_move_and_every_save(world, subject):
    number = ask(world, subject)

    def seen() -> str:
        with world.read() as tx:
            return queries.seen(tx, [number])[number]

    held = [seen()]
    move(world, "mona", number, review.assign, "cora", "")
    held.append(seen())
    answer(world, number)
    held.append(seen())
    world.save(subject, "RENROL", "SCR", typed(1, world.published.study.reasons.items[0].code, ICF_VERSION="2.0"))
    held.append(seen())
    assert len(set(held)) == 4


# --- Locks --------------------------------------------------------------------------------------------------------------


def test_under_a_lock_nobody_asks_answers_judges_or_comments_and_under_a_freeze_all_do(world, subject):
    number, about = ask(world, subject), form_id(world, subject)
    with world.write("dana") as tx:
        lock.freeze(tx, lock.find(tx, world.published, Address(Level.FORM, about).text), "cleaning ended")
    answer(world, number)
    with world.write("dana") as tx:
        lock.lock(tx, lock.find(tx, world.published, Address(Level.FORM, about).text), "cleaning ended")
    for name, what in (("mona", review.accept), ("mona", review.cancel)):
        with pytest.raises(Locked):
            move(world, name, number, what, "late")
    with pytest.raises(Locked):
        ask(world, subject)
    with pytest.raises(Locked), world.write() as tx:
        comment.write(tx, subject, KEY, about, PLACE, "late")
    assert found(world, number).state == "answered"


# --- Comments -----------------------------------------------------------------------------------------------------------


def test_a_comment_stands_in_the_trail_at_its_place(world, subject):
    about = form_id(world, subject)
    with world.write("ivan") as tx:
        comment.write(tx, subject, KEY, about, PLACE, " seen the passport ")
        comment.write(tx, subject, FormKey("M3", "", 1), None, Place(""), "comes by train")
    with world.read() as tx:
        told = [(past.actor, past.place, past.new) for past in comments.of_form(tx, about)]
        assert told == [("ivan", "BIRTH_MONTH", "seen the passport")]
        assert [past.new for past in comments.of_visit(tx, subject.id, FormKey("M3", "", 1))] == ["comes by train"]
        assert comments.of_visit(tx, subject.id, FormKey("M6", "", 1)) == []
    with pytest.raises(Impossible), world.write() as tx:
        comment.write(tx, subject, KEY, about, PLACE, "  ")
    assert clean(world)


# --- Lists and numbers --------------------------------------------------------------------------------------------------


def test_a_list_is_narrowed_by_who_by_when_by_what_and_by_whom(world, subject):
    mine, late = ask(world, subject, assignee="cora"), ask(world, subject, due_on=date(2026, 11, 22))
    doubted = world.enrol("recipient", **(CONSENT | {"BIRTH_MONTH": ("", 5, 1940)}))

    def ids(**asked) -> list[int]:
        with world.read() as tx:
            return [one.id for one in query_lists.all_of(tx, "msc_ssc", ["01"], [QueryState.OPEN], narrower=Narrower(**asked))]

    (by_check,) = ids(by="checks")
    # The whole list is kept by site, the narrowed one is asked for: both are in one order, page by page.
    assert ids() == ids(subject="R") == [mine, late, by_check]
    with world.read() as tx:
        pages = [query_lists.listed(tx, "msc_ssc", None, [QueryState.OPEN], start, 2) for start in (0, 2, 4)]
        assert [list(one.items()) for one in pages] == [[(mine, "01"), (late, "01")], [(by_check, "01")], []]
        assert query_lists.listed(tx, "msc_ssc", ["02"], [QueryState.OPEN]) == {}
        assert query_lists.listed(tx, "msc_ssc", None, [QueryState.OPEN], only_at={KEY.form_oid: ["02"]}) == {}
    assert ids(by="people") == [mine, late]
    assert ids(assignee="cora") == [mine]
    assert ids(assignee="") == [late, by_check]
    assert ids(late={date(2026, 11, 22): ["01"]}) == []
    assert ids(late={date(2026, 11, 23): ["01"]}) == [late]
    assert ids(late={date(2026, 11, 23): ["02"]}) == []
    assert ids(subject=doubted.key.lower()) == [by_check]
    assert ids(subject="%") == []


def test_courses_tell_the_first_answer_and_the_closing(world, subject):
    number = ask(world, subject)
    query = found(world, number)
    for days in (2, 5):
        with world.write("cora", NOW + timedelta(days=days)) as tx:
            review.answer(tx, world.published.study, subject.site, query, "", "yes")
        if days == 2:
            move(world, "mona", number, review.reject, "no")
    with world.write("mona", NOW + timedelta(days=7)) as tx:
        review.accept(tx, subject.site, found(world, number), "")
    with world.read() as tx:
        (course,) = query_courses.courses(tx, "msc_ssc", ["01"])
    assert (course.answered_at, course.settled_at) == (NOW + timedelta(days=2), NOW + timedelta(days=7))


def test_site_quality_counts_queries_of_visits_and_what_was_modified_and_nothing_settled(world, subject):
    with world.write("mona") as tx:
        review.ask(tx, subject, FormKey("M3", "", 1), None, Place(""), "When?")
    numbers = [ask(world, subject, Place("BIRTH_MONTH")), ask(world, subject, Place(""))]
    move(world, "mona", numbers[0], review.accept, "")
    move(world, "mona", numbers[1], review.cancel, "asked twice")
    correct(world, subject, 1980)
    with world.read() as tx:
        (now,) = quality.of_sites(tx, world.published.study, [subject.site], NOW)
        everything = Checkpoint(tuple(audit.chains(tx.connection)))
        cut = Cut(date(2026, 11, 21), NOW, 1, "", "", "msc_ssc")
        told = quality.quality_report(tx, world.published.study, everything, cut, "01").sites[0]
    assert (now.opened.number, now.answered.number) == (1, 1)
    assert (told.opened.number, told.answered.number) == (1, 1)
