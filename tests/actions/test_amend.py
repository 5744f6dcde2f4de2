"""Two amendments of msc_ssc with data in between: approval site by site, who is asked what, records brought over, consents to renew."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.actions.amendments import amended
from tests.actions.screening import RECIPIENT
from tests.actions.world import NOW, typed
from trialcrf.actions import Impossible, enrol, enter, publish
from trialcrf.actions.oversight import amend
from trialcrf.actions.oversight.amend import Outcome
from trialcrf.core.definition.amendment import Amendment
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.core.entry import Refused
from trialcrf.core.lock import Address, Level
from trialcrf.core.wording import Words
from trialcrf.core.workflow import QueryState
from trialcrf.store import audit, definitions, forms, locks, queries, replay, sites, subjects, verifications, visits

BOTH = frozenset({"01", "02"})
VITALS, HAQ = FormKey("SCR", "VITALS"), FormKey("SCR", "HAQ")


def later(days: int):
    return NOW + timedelta(days=days)


def at(world, code):
    with world.read() as tx:
        return sites.find(tx, "msc_ssc", code)


def publish_(world, number, days):
    with world.write("trialcrf", later(days)) as tx:
        return publish.publish(tx, amended(number))[0]


def release(world, code, version, days, effective=0, name="dana"):
    on = at(world, code).today(later(days))
    with world.write(name, later(days)) as tx:
        return amend.release(tx, at(world, code), version, f"CPP {version.version}", on, on + timedelta(days=effective), later(days))


def asked(world, subject):
    with world.read() as tx:
        return definitions.for_subject(tx, subject)


def save(world, subject, key, days, reason="", name="cora", **boxes):
    with world.write(name, later(days)) as tx:
        published = definitions.for_subject(tx, subject)
        stored = forms.read(tx, subject.id, key)
        return enter.save_form(tx, published, subject, key, typed(stored.version if stored else None, reason, **boxes), later(days))


def stored(world, subject, key):
    with world.read() as tx:
        found = forms.read(tx, subject.id, key)
        return found, definitions.read(tx, found.definition_id).version


def migrate(world, days):
    @contextmanager
    def begin():
        with world.write("dana", later(days)) as tx:
            yield tx

    return amend.migrate(begin, "msc_ssc", None, later(days))


def outcomes(found):
    return {(one.subject, one.key.form_oid): (one.outcome, one.was, one.now) for one in found.lines}


def clean(world):
    with world.read() as tx:
        assert audit.broken(tx.connection) is None
        assert list(replay.differences(tx)) == []


@pytest.fixture
def story(world):
    """One recipient at each site under version 1; amendment 1 published and approved at 01 only; a second recipient there afterwards."""
    first, far = world.enrol("recipient", **RECIPIENT), world.enrol("recipient", "02", **RECIPIENT)
    for one, name in ((first, "cora"), (far, "olga")):
        save(world, one, VITALS, 0, name=name, WT="70", HT="175", PULSE="72", TEMPERATURE="37.0")
    second = publish_(world, 1, 10)
    assert release(world, "01", second, 20)
    with world.write("cora", later(30)) as tx:
        sent = typed(**{**RECIPIENT, "ICF_DATE": (20, 12, 2026)})
        new, _ = enrol.enrol(tx, definitions.at_site(tx, at(world, "01")), at(world, "01"), "recipient", sent, later(30))
    return world, first, new, far, second


def test_an_amendment_reaches_a_site_with_its_approval_and_no_other(story):
    world, first, new, far, _ = story
    assert [asked(world, one).version for one in (first, new, far)] == [2, 2, 1]
    with world.read() as tx:
        assert [definitions.at_site(tx, at(world, code)).version for code in ("01", "02")] == [2, 1]
        assert definitions.everywhere(tx, "msc_ssc").version == 2
    assert "O2_FLOW" not in asked(world, far).study.form["VITALS"].items
    save(world, far, FormKey("SCR", "VISIT"), 31, name="olga", VIS_DONE="Y", VIS_DATE=(16, 11, 2026))
    assert stored(world, far, FormKey("SCR", "VISIT"))[1] == 1, "site 02 goes on under what is approved there"
    clean(world)


def test_new_subjects_are_asked_what_the_others_are_not(story):
    world, first, new, _, _ = story
    save(world, first, HAQ, 31, HAQ_DATE=(16, 11, 2026))
    save(world, new, HAQ, 31, HAQ_DATE=(20, 12, 2026), HAQ_HELPED="Y")
    assert [stored(world, one, HAQ)[1] for one in (first, new)] == [1, 2]
    assert stored(world, new, HAQ)[0].document.at(Place("HAQ_HELPED")) == Answer("Y")
    save(world, first, HAQ, 32, "TYPO", HAQ_DATE=(17, 11, 2026))
    assert stored(world, first, HAQ)[1] == 1, "a correction stays under the version of its record"
    clean(world)


def test_windows_move_at_the_site_on_the_day_of_its_approval(story):
    world, first, _, far, _ = story
    for one, name in ((first, "cora"), (far, "olga")):
        save(world, one, FormKey("D0", "INFUSION"), 40, name=name, INF_START=(1, 12, 2026, "10:00"), ARM="MSC1")
    with world.read() as tx:
        opens = {
            one.key: next(row.opens for row in tx.read(visits.visit.select()) if row.subject_id == one.id and row.event_oid == "M1")
            for one in (first, far)
        }
    assert opens == {first.key: date(2026, 12, 22), far.key: date(2026, 12, 25)}
    clean(world)


def test_records_follow_with_an_account_and_new_questions_may_be_answered_as_not_collectable(story):
    world, first, _, far, second = story
    with world.read() as tx:
        rehearsed = amend.rehearse(tx, "msc_ssc", None, later(31))
    assert outcomes(rehearsed) == {(first.key, "VITALS"): (Outcome.MOVED, 1, 2)} and rehearsed.lines[0].missing == 1
    assert stored(world, first, VITALS)[1] == 1, "a rehearsal writes nothing"
    assert outcomes(migrate(world, 31)) == outcomes(rehearsed)
    held, version = stored(world, first, VITALS)
    assert version == 2 and not held.complete and held.document.at(Place("PULSE")) == Answer("72")
    assert stored(world, far, VITALS)[1] == 1, "site 02 has no approval"
    assert migrate(world, 32).lines == [], "done once"
    with world.read() as tx:
        (moved,) = [past for past in audit.history(tx.connection, "form", str(held.id)) if past.op == "migrate"]
    assert (moved.actor, moved.reason, moved.new) == ("dana", "Amendment 1 (2)", str(second.id))
    save(world, first, VITALS, 33, O2_FLOW={"missing": "NRET"})
    held, _ = stored(world, first, VITALS)
    assert held.document.at(Place("O2_FLOW")) == Answer(missing="NRET")
    clean(world)


def test_what_cannot_follow_stays_whole_and_is_named(story):
    world, first, new, _, _ = story
    save(world, new, VITALS, 31, WT="70", HT="175", PULSE="72", TEMPERATURE="37.0", O2_FLOW="2")
    save(world, new, FormKey("BAS", "VITALS"), 31, WT="71", O2_FLOW="2")
    save(world, first, VITALS, 31, "TYPO", PULSE="25")
    third = publish_(world, 2, 40)
    release(world, "01", third, 40)
    found = migrate(world, 41)
    assert {(one.subject, one.key.event_oid): (one.outcome, one.was, one.now) for one in found.lines} == {
        (first.key, "SCR"): (Outcome.KEPT, 1, 3),
        (new.key, "SCR"): (Outcome.KEPT, 2, 3),
        (new.key, "BAS"): (Outcome.MOVED, 2, 3),
    }
    reasons = {one.subject: [str(why.params.get("item") or why.msgid) for why in one.why] for one in found.lines if one.why}
    assert any("Température" in text for text in reasons[new.key]) and len(reasons[first.key]) >= 2, "every reason at once"
    assert stored(world, new, VITALS)[0].document.at(Place("TEMPERATURE")) == Answer("37.0")
    save(world, new, VITALS, 42, "TYPO", TEMPERATURE="36.9")
    with pytest.raises(Refused):
        save(world, new, VITALS, 42, "TYPO", TEMPERATURE="99")
    clean(world)


def test_a_schedule_for_new_subjects_leaves_those_who_take_part_theirs(story):
    world, _, new, _, _ = story
    third = publish_(world, 2, 40)
    release(world, "01", third, 40)
    assert asked(world, new).study.event["M1"].window.before == 10
    with world.write("cora", later(41)) as tx:
        sent = typed(**{**RECIPIENT, "ICF_DATE": (30, 12, 2026)})
        newest, _ = enrol.enrol(tx, definitions.at_site(tx, at(world, "01")), at(world, "01"), "recipient", sent, later(41))
    assert asked(world, newest).study.event["M1"].window.before == 3
    clean(world)


def test_an_approval_for_a_later_day_takes_effect_on_that_day(world):
    first = world.enrol("recipient", **RECIPIENT)
    version = publish_(world, 1, 10)
    assert release(world, "01", version, 12, effective=5) is False
    with world.write("trialcrf", later(16)) as tx:
        assert amend.scan(tx, later(16)) == 0
    assert asked(world, first).version == 1
    with world.write("trialcrf", later(17)) as tx:
        assert amend.scan(tx, later(17)) == 1
    with world.write("trialcrf", later(17)) as tx:
        assert amend.scan(tx, later(17)) == 0
    assert asked(world, first).version == 2
    clean(world)


def refused(world, code, version, days, approved, effective, reference="CPP"):
    with pytest.raises(Impossible) as problem, world.write("dana", later(days)) as tx:
        amend.release(tx, at(world, code), version, reference, approved, effective, later(days))
    return problem.value.field


def test_an_approval_is_refused_that_is_not_one(world):
    version = publish_(world, 1, 10)
    today = date(2026, 12, 1)
    assert refused(world, "01", version, 10, today + timedelta(days=1), today + timedelta(days=1)) == "approved_on"
    assert refused(world, "01", version, 10, today, today - timedelta(days=1)) == "effective_on"
    assert refused(world, "01", version, 10, today, today, " ") == "reference"
    third = publish_(world, 2, 11)
    assert refused(world, "01", third, 12, today, today) == "", "the first amendment waits"
    release(world, "01", version, 12)
    assert refused(world, "01", version, 13, today, today) == "reference", "recorded once"
    with world.read() as tx:
        first = definitions.versions_of(tx, "msc_ssc")[-1]
    assert refused(world, "01", first, 13, today, today) == "", "a first version without an amendment needs none"
    clean(world)


def test_a_locked_record_stays_and_a_migrated_one_loses_its_seal_and_no_verification(story):
    world, first, _, _, _ = story
    held, _ = stored(world, first, VITALS)
    with world.write("mona", later(31)) as tx:
        verifications.verify(tx, first, held.id, {Place("PULSE"): "c" * 64}, None)
        forms.seal(tx, [held.id], 7)
    with world.write("dana", later(31)) as tx:
        address = Address(Level.FORM, held.id)
        locks.move(tx, address, first.site, first, first.site.study_id, first.site.chain, "lock", "clean")
    assert [one.outcome for one in migrate(world, 32).lines] == [Outcome.KEPT]
    with world.write("dana", later(33)) as tx:
        locks.move(tx, address, first.site, first, first.site.study_id, first.site.chain, "unlock", "amended")
    assert [one.outcome for one in migrate(world, 34).lines] == [Outcome.MOVED]
    with world.read() as tx:
        assert tx.read(forms.form.select().where(forms.form.c.id == held.id)).one().sealed_by is None
        assert verifications.of_forms(tx, [held.id])[held.id][Place("PULSE")].standing


def test_who_consented_before_is_listed_until_the_consent_is_renewed(story):
    world, first, _, _, second = story

    def listed():
        with world.read() as tx:
            return [one.subject.key for one in amend.to_consent_again(tx, second, None)]

    assert listed() == [first.key], "not who consented to it, nor a site where it is not in force"
    save(
        world,
        first,
        FormKey("RECONSENT", "RECONSENT"),
        31,
        RECON_DATE=(5, 12, 2026),
        RECON_VERSION="2.0",
        RECON_LANG="fr",
        RECON_SIGNED="Y",
    )
    assert listed() == [first.key], "a consent from before the amendment took effect is none to it"
    key = FormKey("RECONSENT", "RECONSENT", 1, 2)
    save(world, first, key, 31, RECON_DATE=(20, 12, 2026), RECON_VERSION="4.0", RECON_LANG="fr", RECON_SIGNED="Y")
    assert listed() == []
    with world.read() as tx:
        assert amend.to_consent_again(tx, definitions.versions_of(tx, "msc_ssc")[-1], None) == []


def test_what_an_amendment_touches_is_counted(story):
    world, _, _, _, second = story
    with world.read() as tx:
        old = definitions.versions_of(tx, "msc_ssc")[-1]
        found = {
            (one.change.form, one.change.item): (one.records, one.answered, one.subjects)
            for one in amend.touched(tx, old.study, second, None)
        }
        mine = amend.touched(tx, old.study, second, frozenset({"02"}))
    assert found["VITALS", "PULSE"] == (2, 2, 2) and found["VITALS", "O2_FLOW"] == (2, 0, 2) and found["HAQ", "HAQ_HELPED"] == (0, 0, 0)
    assert {(one.change.item, one.records) for one in mine if one.change.form == "VITALS"} == {("PULSE", 1), ("O2_FLOW", 1)}


def test_a_query_of_a_check_that_is_gone_closes_with_the_migration(story):
    world, first, _, _, _ = story
    save(world, first, VITALS, 31, "TYPO", TEMPERATURE="39.5")
    held, _ = stored(world, first, VITALS)
    with world.read() as tx:
        assert [one.state for one in queries.of_form(tx, held.id)] == [QueryState.OPEN]
    assert [one.outcome for one in migrate(world, 32).lines] == [Outcome.MOVED]
    with world.read() as tx:
        assert [one.state for one in queries.of_form(tx, held.id)] == [QueryState.OPEN], "its check is still there"
    clean(world)


def test_nobody_is_enrolled_where_nothing_is_released(world):
    first = replace(amended(0), oid="second_trial", amendment=Amendment(Words({"fr": "Version 1", "en": "Version 1"})))
    with world.write("trialcrf") as tx:
        published, _ = publish.publish(tx, first)
        sites.create(tx, published.study_id, "01", "Paris", "Europe/Paris")
        where = sites.find(tx, "second_trial", "01")
        assert definitions.at_site(tx, where) is None
        amend.release(tx, where, published, "CPP 1", where.today(NOW), where.today(NOW), NOW)
    with world.read() as tx:
        assert definitions.at_site(tx, where).version == 1
        assert subjects.all_of(tx, "second_trial") == []
