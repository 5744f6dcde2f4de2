"""Entering data on a real database: what is saved, audited, doubted, refused, and never lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.actions.world import NOW, World, make_world, raw, typed
from trialcrf.actions import Impossible, enrol, enter, publish
from trialcrf.actions.enter import StaleSave, Typed
from trialcrf.actions.oversight import review
from trialcrf.core.definition.model import DataType, ItemDef
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.core.entry import Refused
from trialcrf.core.wording import Words
from trialcrf.core.workflow import NotPossible, QueryState
from trialcrf.store import audit, forms, queries, query_lists, replay, sites, subjects

CONSENT = {
    "ICF_DATE": (2, 11, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip


def recipient(world: World, site: str = "01"):
    return world.enrol("recipient", site, **CONSENT)


def stored(world: World, subject, form: str, event: str, repeat: int = 1):
    with world.read() as tx:
        return forms.read(tx, subject.id, FormKey(event, form, 1, repeat))


def trail(world: World, form_id: int, op: str = "set"):
    with world.read() as tx:
        return [past for past in audit.history(tx.connection, "form", str(form_id)) if past.op == op]


def test_numbers_are_counted_by_site_and_kind_and_never_given_twice(world):
    assert [recipient(world).key, recipient(world).key, recipient(world, "02").key] == ["R-01-001", "R-01-002", "R-02-001"]
    with world.write() as tx:
        enrol.mark_subject_error(tx, world.subject("R-01-002"), "entered twice")
    assert recipient(world).key == "R-01-003"


def test_an_enrolment_that_is_refused_leaves_no_subject(world):
    with pytest.raises(Refused):
        world.enrol("recipient", **{**CONSENT, "ICF_DATE": (31, 2, 2026)})
    with world.read() as tx:
        assert subjects.count(tx, "msc_ssc") == 0
        assert audit.broken(tx.connection) is None
    assert recipient(world).key == "R-01-001"


def test_the_day_of_birth_is_never_taken(world):
    subject = recipient(world)
    assert stored(world, subject, "RENROL", "SCR").document.at(Place("BIRTH_MONTH")) == Answer("1980-05")
    with pytest.raises(Refused):
        world.enrol("recipient", **{**CONSENT, "BIRTH_MONTH": (12, 5, 1980)})


def test_every_item_has_one_audit_record_with_who_when_and_no_reason_at_first(world):
    subject = recipient(world)
    made = stored(world, subject, "RENROL", "SCR")
    records = trail(world, made.id)
    assert sorted(past.place for past in records) == sorted(CONSENT)
    assert {(past.actor, past.role, past.organisation, past.at, past.subject) for past in records} == {
        ("cora", "coordinator", "Hospital", NOW, "R-01-001")
    }
    assert all(past.old is None and past.new is not None for past in records)


def test_one_corrected_item_is_one_record_with_old_new_and_reason(world):
    subject = recipient(world)
    world.save(subject, "RENROL", "SCR", typed(1, _reason(world), SEX_BIRTH="M"))
    made = stored(world, subject, "RENROL", "SCR")
    last = trail(world, made.id)[-1]
    assert len(trail(world, made.id)) == len(CONSENT) + 1
    assert (last.place, last.old, last.new) == ("SEX_BIRTH", '"F"', '"M"')
    assert last.reason


def _reason(world: World) -> str:
    return world.published.study.reasons.items[0].code


def test_a_change_without_a_reason_or_with_an_unknown_one_is_refused(world):
    subject = recipient(world)
    for reason in ("", "BECAUSE"):
        with pytest.raises(Refused):
            world.save(subject, "RENROL", "SCR", typed(1, reason, SEX_BIRTH="M"))
    assert stored(world, subject, "RENROL", "SCR").version == 1


def test_a_refusal_is_told_in_the_trail_with_what_was_typed(world):
    subject = recipient(world)
    sent = typed(None, WT="900", PULSE="70")
    key = FormKey("SCR", "VITALS")
    with pytest.raises(Refused) as stopped:
        world.save(subject, "VITALS", "SCR", sent)
    with world.write() as tx:
        enter.record_refusal(tx, subject, key, sent, stopped.value.findings)
    with world.read() as tx:
        told = audit.history(tx.connection, "refusal", str(subject.id))
        assert stored(world, subject, "VITALS", "SCR") is None
    assert ("WT", "hard_range") in {(past.place, past.prompted_by) for past in told}
    assert "900" in next(past.new for past in told if past.place == "WT")


def test_a_field_of_another_form_and_a_forged_row_are_not_read(world):
    subject = recipient(world)
    sent = typed(None, WT="70", SEX_BIRTH="M", GHOST="x", BP__7__SBP="120", BP__new1__DBP="80", NOGROUP__new1__SBP="120", WT__new1__SBP="1")
    world.save(subject, "VITALS", "SCR", sent)
    assert {str(place) for place, _ in stored(world, subject, "VITALS", "SCR").document.places()} == {"WT", "BP/1/DBP"}


def test_a_page_drawn_before_someone_elses_save_is_stale_and_shows_theirs(world):
    subject = recipient(world)
    reason = _reason(world)
    world.save(subject, "RENROL", "SCR", typed(1, reason, SEX_BIRTH="M"), name="ivan")
    with pytest.raises(StaleSave) as stale:
        world.save(subject, "RENROL", "SCR", typed(1, reason, ICF_VERSION="2.0"))
    assert stale.value.theirs.document.at(Place("SEX_BIRTH")) == Answer("M")
    assert stored(world, subject, "RENROL", "SCR").document.at(Place("ICF_VERSION")) == Answer("1.0")


def test_the_same_page_sent_twice_is_saved_once(world):
    subject = recipient(world)
    again = world.save(subject, "RENROL", "SCR", typed(None, **CONSENT))
    assert again.decision.empty
    assert stored(world, subject, "RENROL", "SCR").version == 1
    assert len(trail(world, again.form_id)) == len(CONSENT)


def test_two_people_saving_at_the_same_moment_lose_nothing(database_url):
    world = make_world(database_url)
    subject = recipient(world)
    reason = _reason(world)
    outcomes = []

    def save(name: str, item: str, value: str) -> None:
        try:
            world.save(subject, "RENROL", "SCR", typed(1, reason, **{item: value}), name=name)
            outcomes.append("saved")
        except StaleSave:
            outcomes.append("stale")

    threads = [threading.Thread(target=save, args=args) for args in (("cora", "ICF_VERSION", "2.0"), ("ivan", "ICF_VERSION", "3.0"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["saved", "stale"]
    with world.read() as tx:
        assert audit.broken(tx.connection) is None
        assert list(replay.differences(tx)) == []
    world.engine.dispose()


def doubted(world: World):
    """A recipient of 80 whose age is doubted: a query stands at the month of birth."""
    subject = world.enrol("recipient", **{**CONSENT, "BIRTH_MONTH": ("", 5, 1946)})
    with world.read() as tx:
        (query,) = query_lists.all_of(tx, "msc_ssc", None, [QueryState.OPEN])
    return subject, query


def test_a_doubted_value_is_saved_and_its_query_goes_through_answer_rejection_and_acceptance(world):
    subject, query = doubted(world)
    assert (query.subject, query.check, str(query.place)) == ("R-01-001", "AGE_AT_CONSENT", "BIRTH_MONTH")
    study = world.published.study
    code = study.confirmations.items[0].code

    def current():
        with world.read() as tx:
            return queries.find(tx, query.id)

    with world.write() as tx:
        review.answer(tx, study, subject.site, current(), code, "seen in the file")
    with world.write("mona") as tx, pytest.raises(Impossible):
        review.reject(tx, subject.site, current(), " ")
    with world.write("mona") as tx:
        review.reject(tx, subject.site, current(), "no source")
    assert current().state is QueryState.OPEN
    with world.write() as tx:
        review.answer(tx, study, subject.site, current(), code, "")
    with world.write("dana") as tx:
        review.accept(tx, subject.site, current(), "")
    assert current().state is QueryState.CLOSED
    with world.write("dana") as tx, pytest.raises(NotPossible):
        review.accept(tx, subject.site, current(), "")
    with world.read() as tx:
        thread = [(past.op, past.actor, past.new) for past in audit.history(tx.connection, "query", str(query.id), "state")]
    assert thread == [
        ("open", "trialcrf", "open"), ("answer", "cora", "answered"), ("reject", "mona", "open"), ("answer", "cora", "answered"),
        ("accept", "dana", "closed"),
    ]  # fmt: skip


def test_a_query_closes_with_trace_when_the_value_is_corrected(world):
    subject, query = doubted(world)
    world.save(subject, "RENROL", "SCR", typed(1, _reason(world), BIRTH_MONTH=("", 5, 1964)))
    with world.read() as tx:
        assert queries.find(tx, query.id).state is QueryState.CLOSED
        assert [past.op for past in audit.history(tx.connection, "query", str(query.id), "state")] == ["open", "resolve"]


def test_a_form_marked_in_error_leaves_lists_and_counts_and_stays_in_the_trail(world):
    subject, _ = doubted(world)
    made = stored(world, subject, "RENROL", "SCR")
    with world.write() as tx, pytest.raises(Impossible):
        enter.mark_form_error(tx, subject, made, "  ")
    with world.write() as tx:
        enter.mark_form_error(tx, subject, made, "wrong person")
    with world.read() as tx:
        assert subjects.records(tx, [subject])[0].records == ()
        assert query_lists.count(tx, "msc_ssc", None, list(QueryState)) == 0
        assert forms.all_of(tx, [subject.id]) == []
        assert list(replay.differences(tx)) == []
    assert trail(world, made.id, "error")[0].reason == "wrong person"
    with pytest.raises(Impossible):
        world.save(subject, "RENROL", "SCR", typed(2, _reason(world), SEX_BIRTH="M"))


def test_a_subject_marked_in_error_leaves_every_list(world):
    subject, _ = doubted(world)
    with world.write() as tx:
        enrol.mark_subject_error(tx, subject, "wrong site")
    with world.read() as tx:
        assert subjects.all_of(tx, "msc_ssc") == []
        assert query_lists.all_of(tx, "msc_ssc", None, list(QueryState)) == []
        everything = audit.heads_at(tx.connection, NOW + timedelta(days=1), [chain for chain, _, _ in audit.chains(tx.connection)])
        assert replay.subjects_at(tx, everything) == []


@pytest.mark.parametrize(
    "key",
    [
        FormKey("M3", "HARVEST"),
        FormKey("NOPE", "VISIT"),
        FormKey("M3", "NOPE"),
        FormKey("M3", "FVISIT", 2, 1),
        FormKey("M3", "FVISIT", 1, 2),
        FormKey("M3", "FVISIT", 0, 1),
        FormKey("H0", "HARVEST"),
    ],
)
def test_a_form_that_the_study_does_not_have_there_cannot_be_saved(world, key):
    subject = recipient(world)
    with world.write() as tx, pytest.raises(Impossible):
        enter.save_form(tx, world.published, subject, key, Typed(), NOW)


def test_what_is_stored_is_the_replay_of_the_trail_until_someone_alters_it_by_sql(world, database_kind):
    subject, _ = doubted(world)
    with world.read() as tx:
        assert list(replay.differences(tx)) == []
    made = stored(world, subject, "RENROL", "SCR")
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE form SET document = replace(document, '1946', '1956')"))
    with world.read() as tx:
        assert [(one.entity, one.entity_id, one.place) for one in replay.differences(tx)] == [("form", str(made.id), "BIRTH_MONTH")]
        assert audit.broken(tx.connection) is None


@pytest.mark.parametrize(
    "attack", ["UPDATE fact SET text = '1999-01'", "UPDATE query SET state = 'closed'", "UPDATE account SET name = 'Eve'"]
)
def test_a_projection_altered_by_sql_is_found(world, attack):
    doubted(world)
    with world.engine.begin() as connection:
        connection.execute(text(attack))
    with world.read() as tx:
        assert list(replay.differences(tx))


def test_rows_are_numbered_kept_and_removed_with_their_reason(world):
    subject = recipient(world)
    form, group, item = _repeating(world)
    first = typed(None, **{f"{group}__new1__{item}": "first", f"{group}__new2__{item}": "second", f"{group}__new3__{item}": ""})
    try:
        saved = world.save(subject, form, "CM", first)
    except Refused as refused:  # pragma: no cover - says what the study wants
        raise AssertionError(str(refused)) from refused
    rows = stored(world, subject, form, "CM").document.rows[group]
    assert [(row.id, row.items[item].text) for row in rows] == [("1", "first"), ("2", "second")]
    world.save(subject, form, "CM", Typed(removed={(group, "1"): "typed twice"}, version=saved.version))
    rows = stored(world, subject, form, "CM").document.rows[group]
    assert [(row.id, row.error) for row in rows] == [("1", "typed twice"), ("2", "")]
    world.save(subject, form, "CM", Typed({Place(item, group, "new1"): raw("third")}, version=2))
    assert [row.id for row in stored(world, subject, form, "CM").document.rows[group]] == ["1", "2", "3"]
    with world.read() as tx:
        assert list(replay.differences(tx)) == []


def _repeating(world: World) -> tuple[str, str, str]:
    form = world.published.study.form["CONMEDS"]
    group = next(group for group in form.groups if group.repeating)
    return form.oid, group.oid, next(item.oid for item in group.items if item.type == "text")


def test_a_serious_event_queues_one_mail_each_to_investigator_and_sponsor(world):
    subject = recipient(world)
    study = world.published.study
    form = next(study.forms_with("AETERM"))
    term, serious = form.with_alias("AETERM").oid, form.with_alias("AESER").oid
    saved = world.save(subject, form.oid, "AE", typed(None, **{term: "Pneumonia", serious: "N"}))
    with world.read() as tx:
        assert tx.read(text("SELECT count(*) FROM outbox")).scalar() == 0
    world.save(subject, form.oid, "AE", typed(1, _reason(world), **{serious: "Y"}))
    world.save(subject, form.oid, "AE", typed(2, _reason(world), **{term: "Lung infection"}))
    with world.read() as tx:
        rows = tx.read(text("SELECT account.username, outbox.params FROM outbox JOIN account ON account.id = account_id")).all()
    assert sorted(row[0] for row in rows) == ["ivan", "sam"]
    assert all("R-01" not in row[1] and str(saved.form_id) in row[1] for row in rows)


def test_a_study_with_other_words_is_entered_the_same_way(salt):
    study = salt.published.study
    kind = study.subject_types[0]
    with salt.write() as tx:
        site = sites.find(tx, "salt", "01")
        form = study.form[kind.form_oid]
        boxes = {}
        for oid, (group, item) in form.items.items():
            if not group.repeating and item.when is None:
                boxes[oid] = {"date": (2, 11, 2026), "partial_date": ("", 5, 1980), "datetime": (2, 11, 2026, "10:00")}.get(
                    item.type.value, item.codelist.items[0].code if item.codelist else "Y" if item.type == "boolean" else "1"
                )
        subject, saved = enrol.enrol(tx, salt.published, site, kind.oid, typed(**boxes), datetime(2026, 11, 21, tzinfo=UTC))
    assert subject.key == "V0001.01"
    assert saved.decision.changes


def test_a_reference_names_a_form_that_exists_at_the_site(world):
    study = world.published.study
    asked = study.form["TOLERANCE"]
    naming = ItemDef("TOL_WHICH", Words({"fr": "Quelle perfusion", "en": "Which infusion"}), DataType.REFERENCE, refers_to="form:INFUSION")
    group = replace(asked.groups[0], items=(*asked.groups[0].items, naming))
    changed = replace(asked, groups=(group,))
    with world.write("trialcrf") as tx:
        publish.publish(tx, replace(study, forms=tuple(changed if form.oid == "TOLERANCE" else form for form in study.forms)))
    subject = recipient(world)
    with pytest.raises(Refused):
        world.save(subject, "TOLERANCE", "D10", typed(None, TOL_WHICH="R-01-001/D0/1/INFUSION/1"))
    world.save(subject, "INFUSION", "D0", typed(None, INF_BATCH="B1"))
    world.save(subject, "TOLERANCE", "D10", typed(None, TOL_WHICH="R-01-001/D0/1/INFUSION/1"))
    assert stored(world, subject, "TOLERANCE", "D10").document.at(Place("TOL_WHICH")) == Answer("R-01-001/D0/1/INFUSION/1")
    assert world.published.version == 2
    assert stored(world, subject, "RENROL", "SCR").definition_id == world.published.id
