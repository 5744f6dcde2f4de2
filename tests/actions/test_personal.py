"""Guarding what is typed: personal data is refused and kept nowhere, a listed name is asked about, and no list can be read again."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from tests.actions.test_enter import CONSENT, recipient, stored
from tests.actions.test_import import document, edit, folder, run  # noqa: F401 (a fixture)
from tests.actions.world import filling as filling_of
from tests.actions.world import open_world, typed
from trialcrf.actions import Impossible, enter, plain
from trialcrf.actions.enter import Typed
from trialcrf.actions.oversight import personal
from trialcrf.core.document import FormKey, Place
from trialcrf.core.entry import Refused
from trialcrf.core.workflow import QueryState
from trialcrf.store import audit, queries, replay, site_names, sites

NIR = "1 46 05 69 123 456 12"
MEDS = FormKey("CM", "CONMEDS")


@pytest.fixture
def filling(request, filling):
    return filling_of("cdisc_pilot") if "pilot_world" in request.fixturenames else filling


@pytest.fixture
def pilot_world(database_url):
    made = open_world(database_url, "cdisc_pilot")
    yield made
    made.engine.dispose()


def meds(version=None, row="new1", reason="", **boxes):
    return typed(version, reason, **{f"MEDS__{row}__{item}": value for item, value in boxes.items()})


def checks_of(refused) -> set[tuple[str, str]]:
    return {(str(finding.place), finding.check) for finding in refused.value.findings}


def keep(world, names: str, site: str = "01") -> int:
    with world.write() as tx:
        where = sites.find(tx, world.study, site)
        return personal.keep_names(tx, where, names)


def whole_database(world) -> str:
    with world.read() as tx:
        tables = ("audit_record", "audit_value", "form", "query", "fact", "site_name", "secret")
        return "\n".join(str(tuple(row)) for table in tables for row in tx.read(text(f"SELECT * FROM {table}")))


def test_an_answer_that_looks_like_personal_data_is_refused_at_its_place(world):
    subject = recipient(world)
    for said in (NIR, "appeler jean@example.org", "tél. 06 12 34 56 78", "née le 05/05/1980", "vue le 05/05/1980"):
        with pytest.raises(Refused) as refused:
            world.save(subject, "CONMEDS", "CM", meds(MED_NAME="paracétamol", MED_WHY=said))
        assert checks_of(refused) == {("MEDS/new1/MED_WHY", "personal")}, said
    assert stored(world, subject, "CONMEDS", "CM") is None


def test_what_a_trial_counts_is_no_personal_data(world):
    subject = recipient(world)
    world.save(subject, "CONMEDS", "CM", meds(MED_NAME="lot 0612345678", MED_WHY="EudraCT 2010-024041-78, vue le 05/05/2026"))
    assert stored(world, subject, "CONMEDS", "CM") is not None


def test_a_refused_text_is_in_no_table_and_the_trail_says_that_it_was_withheld(world):
    subject = recipient(world)
    sent = meds(MED_NAME="06 12 34 56 78", MED_WHY="douleur")
    with pytest.raises(Refused) as refused:
        world.save(subject, "CONMEDS", "CM", sent)
    with world.write() as tx:
        enter.record_refusal(tx, subject, MEDS, sent, refused.value.findings)
    with world.read() as tx:
        told = [json.loads(past.new) for past in audit.history(tx.connection, "refusal", str(subject.id))]
    assert [(one["typed"], one["withheld"]) for one in told if "withheld" in one] == [("", True)]
    assert "06 12 34" not in whole_database(world)


def test_a_telephone_number_typed_where_a_number_is_asked_is_not_told_by_the_trail_either(world):
    subject = recipient(world)
    sent = typed(None, WT="0612345678", PULSE="900")
    with pytest.raises(Refused) as refused:
        world.save(subject, "VITALS", "SCR", sent)
    with world.write() as tx:
        enter.record_refusal(tx, subject, FormKey("SCR", "VITALS"), sent, refused.value.findings)
    assert "0612345678" not in whole_database(world)
    assert "900" in whole_database(world)


def test_a_day_of_birth_in_the_box_of_the_month_is_not_told_by_the_trail(world):
    subject = recipient(world)
    sent = typed(1, "SOURCE", BIRTH_MONTH=(17, 5, 1980))
    with pytest.raises(Refused) as refused:
        world.save(subject, "RENROL", "SCR", sent)
    with world.write() as tx:
        enter.record_refusal(tx, subject, FormKey("SCR", "RENROL"), sent, refused.value.findings)
    with world.read() as tx:
        (past,) = audit.history(tx.connection, "refusal", str(subject.id))
    assert json.loads(past.new)["typed"] == ""


def test_reasons_notes_and_removals_are_guarded_as_answers_are(world):
    subject = recipient(world)
    world.save(subject, "CONMEDS", "CM", meds(MED_NAME="paracétamol", MED_WHY="douleur"))
    reason = world.published.study.reasons.items[0].code
    with pytest.raises(Refused) as changed:
        world.save(subject, "CONMEDS", "CM", meds(1, "1", f"{reason}: dit par jean@example.org", MED_WHY="fièvre"))
    assert checks_of(changed) == {("MEDS/1/MED_WHY", "personal")}
    with pytest.raises(Refused) as removed:
        world.save(subject, "CONMEDS", "CM", Typed(removed={("MEDS", "1"): "appeler 0612345678"}, version=1))
    assert {check for _, check in checks_of(removed)} == {"personal"}
    with pytest.raises(Refused) as missing:
        world.save(subject, "VITALS", "SCR", typed(None, WT={"missing": "ND", "note": "demander au 0612345678"}))
    assert ("WT", "personal") in checks_of(missing)
    with world.write() as tx, pytest.raises(Impossible):
        enter.mark_form_error(tx, subject, stored(world, subject, "CONMEDS", "CM"), "c’était jean@example.org")


def test_an_enrolment_is_guarded_and_leaves_no_subject(world):
    with pytest.raises(Refused) as refused:
        world.enrol("recipient", **{**CONSENT, "ICF_VERSION": "jean@example.org"})
    assert ("ICF_VERSION", "personal") in checks_of(refused)


def test_a_text_that_stands_already_stops_no_later_save(world):
    """It was recorded when nobody knew that it is of the year of birth."""
    subject = world.enrol("recipient", **{**CONSENT, "BIRTH_MONTH": ("", 5, 1981)})
    world.save(subject, "CONMEDS", "CM", meds(MED_NAME="depuis le 05/05/1980", MED_WHY="douleur"))
    reason = world.published.study.reasons.items[0].code
    world.save(subject, "RENROL", "SCR", typed(1, reason, BIRTH_MONTH=("", 5, 1980)))
    saved = world.save(subject, "CONMEDS", "CM", meds(1, "1", reason, MED_NAME="depuis le 05/05/1980", MED_WHY="fièvre"))
    assert [str(change.place) for change in saved.decision.changes] == ["MEDS/1/MED_WHY"]
    with pytest.raises(Refused):
        world.save(subject, "CONMEDS", "CM", meds(2, "1", reason, MED_WHY="depuis le 05/05/1980"))


def test_an_import_tells_personal_data_by_file_and_line(pilot_world, folder):  # noqa: F811
    edit(folder, "ae.csv", '"HEADACHE, MORNING"', '"HEADACHE, CALL 06 12 34 56 78"')
    outcome = run(pilot_world, folder)
    assert [(one.file, one.line) for one in outcome.refused] == [("ae.csv", 2)]
    assert "06 12 34" not in whole_database(pilot_world)
    assert document(pilot_world, "01-801-0002", "EVENTS", "AE") is not None


def test_free_texts_of_fixed_pages_are_guarded_and_addresses_of_accounts_are_not():
    with pytest.raises(Impossible) as refused:
        plain("son mari : 06 12 34 56 78", 500, "text")
    assert refused.value.field == "text"
    assert plain("zoe@example.org", 500, "email", addresses=True) == "zoe@example.org"


# --- Names ------------------------------------------------------------------------------------------------------------


def opened(world, subject, form="CONMEDS", event="CM"):
    with world.read() as tx:
        held = queries.of_form(tx, stored(world, subject, form, event).id)
    return [(str(one.place), one.check, one.state) for one in held]


def test_a_listed_name_is_asked_about_and_the_query_goes_with_the_name(world):
    assert keep(world, "DUPONT Hélène\nMartin") == 2
    subject = recipient(world)
    world.save(subject, "CONMEDS", "CM", meds(MED_NAME="paracétamol", MED_WHY="selon helene dupont"))
    assert opened(world, subject) == [("MEDS/1/MED_WHY", "name", QueryState.OPEN)]
    reason = world.published.study.reasons.items[0].code
    world.save(subject, "CONMEDS", "CM", meds(1, "1", reason, MED_WHY="selon sa fille"))
    assert opened(world, subject) == [("MEDS/1/MED_WHY", "name", QueryState.CLOSED)]
    with world.read() as tx:
        assert list(replay.differences(tx)) == []


def test_a_listed_name_is_confirmed_with_a_reason_as_any_doubt_is(world):
    keep(world, "Martin")
    subject = recipient(world)
    code = world.published.study.confirmations.items[0].code
    sent = meds(MED_NAME="pommade Martin", MED_WHY="douleur")
    confirmed = {(Place("MED_NAME", "MEDS", "1"), "name"): code}
    world.save(subject, "CONMEDS", "CM", Typed(sent.raws, confirmations=confirmed))
    assert opened(world, subject) == [("MEDS/1/MED_NAME", "name", QueryState.ANSWERED)]


def test_a_name_in_a_reason_stays_asked_about_because_a_reason_cannot_be_corrected(world):
    keep(world, "Martin")
    subject = recipient(world)
    world.save(subject, "CONMEDS", "CM", meds(MED_NAME="paracétamol", MED_WHY="douleur"))
    reason = world.published.study.reasons.items[0].code
    world.save(subject, "CONMEDS", "CM", meds(1, "1", f"{reason}: dit par Martin", MED_WHY="fièvre"))
    world.save(subject, "CONMEDS", "CM", meds(2, "1", reason, MED_NAME="ibuprofène"))
    assert opened(world, subject) == [("MEDS/1/MED_WHY", "name_in_reason", QueryState.OPEN)]


def test_the_list_of_one_site_says_nothing_at_another(world):
    keep(world, "Martin", "02")
    subject = recipient(world)
    world.save(subject, "CONMEDS", "CM", meds(MED_NAME="pommade Martin", MED_WHY="douleur"))
    assert opened(world, subject) == []
    with world.read() as tx:
        study_id = world.published.study_id
        assert site_names.any_in(tx, ["pommade Martin"], study_id)
        assert not site_names.any_in(tx, ["pommade Martin"], study_id, sites.find(tx, world.study, "01"))


def test_a_list_is_replaced_as_a_whole_and_no_name_of_it_is_stored_anywhere(world):
    keep(world, "Dupont\nMartin\nMARTIN")
    keep(world, "Durand")
    with world.read() as tx:
        where = sites.find(tx, world.study, "01")
        assert site_names.count(tx, where) == 1
        assert not site_names.any_in(tx, ["Martin", "Dupont"], where.study_id, where)
        assert list(replay.differences(tx)) == []
        counts = [past.new for past in audit.history(tx.connection, "site_names", str(where.id))]
        assert counts == ["2", "1"]
    everything = whole_database(world).casefold()
    assert not any(name in everything for name in ("dupont", "martin", "durand"))


def test_a_name_struck_off_a_list_behind_the_trail_is_found(world):
    keep(world, "Dupont\nMartin")
    with world.engine.begin() as connection:
        connection.execute(text("DELETE FROM site_name WHERE digest = (SELECT min(digest) FROM site_name)"))
    with world.read() as tx:
        assert [(one.entity, one.place) for one in replay.differences(tx)] == [("site_names", "count")]


def test_a_list_without_any_name_or_with_too_many_is_refused(world):
    many = "\n".join("".join(chr(97 + int(digit)) for digit in f"{number:05d}") for number in range(site_names.MOST + 1))
    for pasted in ("12345 ;;", many):
        with pytest.raises(Impossible):
            keep(world, pasted)
    assert keep(world, "") == 0
