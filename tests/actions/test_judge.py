"""The verdict that is signed: judged under the version in force, kept beside the computed one, void once a value changes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.actions.screening import put, screen_donor, screen_recipient
from tests.actions.world import NOW, study_of, typed
from trialcrf.actions import Impossible, NotAllowed, enter, judge, publish, sign, sign_in
from trialcrf.actions.judge import Signing
from trialcrf.core.definition.criteria import Assumption
from trialcrf.core.document import FormKey
from trialcrf.core.eligibility import Overall, Verdict
from trialcrf.core.entry import Refused
from trialcrf.core.expr import parse
from trialcrf.core.signature import Standing, fingerprint
from trialcrf.core.wording import Words
from trialcrf.store import accounts, audit, forms, queries, replay, signatures

PASSWORD = "a long sentence for the tests"
TODAY = date(2026, 11, 20)


@pytest.fixture
def signing(world):
    """Everybody has a password."""
    for name in ("ivan", "dora", "cora"):
        with world.write("trialcrf") as tx:
            sign_in.set_password(tx, accounts.find(tx, name).id, name, PASSWORD)
    return world


def screened(world, subject):
    with world.read() as tx:
        return judge.screen(tx, world.published, subject, NOW)


def by_id(found):
    return {each.criterion.id: each.verdict for each in found.evaluation.judged}


def sign_as(world, name, subject, verdict, now=NOW, **more):
    """Sign as a page does: what was shown, the password, one transaction."""
    with world.read() as tx:
        found = judge.screen(tx, world.published, subject, now)
        seen = fingerprint(sign.covered(tx, subject, found.used))
        actor = accounts.actor(tx, accounts.find(tx, name))
        proof = sign.reauthenticate(tx, actor, PASSWORD, "127.0.0.1", now)
    sent = Signing(verdict, TODAY, **{"seen": seen, **more})
    with world.write(name, now) as tx:
        return judge.sign_verdict(tx, world.published, subject, actor, proof, sent, now)


def test_a_screened_pair_is_eligible_and_turns_as_forms_are_filled(world):
    donor = screen_donor(world)
    recipient = screen_recipient(world, only=("VISIT",))
    before = screened(world, recipient)
    assert before.evaluation.overall is Overall.PENDING
    assert by_id(before)["R-I6"] is Verdict.MET
    assert {by_id(before)[id_] for id_ in ("R-I4", "R-E5", "R-I3a")} == {Verdict.UNDETERMINED}
    put(world, recipient, "DONORLINK", "LINK", LINK_DONOR=donor.key, LINK_RELATION="SIBLING")
    assert by_id(screened(world, recipient))["R-I4"] is Verdict.MET
    assert screened(world, donor).evaluation.overall is Overall.ELIGIBLE


def test_a_donor_who_is_not_eligible_is_no_donor_and_says_nothing_of_why(world):
    donor = screen_donor(world, HIV_NAT="POSITIVE")
    recipient = screen_recipient(world, donor.key)
    found = screened(world, recipient)
    assert by_id(found)["R-I4"] is Verdict.NOT_MET
    assert found.evaluation.overall is Overall.NOT_ELIGIBLE
    given = found.evaluation.given["donor_linked_consenting"]
    assert [(one.key.form_oid, one.answer.text) for one in given.found] == [("DONORLINK", donor.key)], "the link, and nothing of the donor"
    assert "DSEROLOGY" not in {one.key.form_oid for each in found.evaluation.given.values() for one in each.found}


def test_an_indeterminate_donor_is_pending_and_keeps_the_recipient_open(world):
    donor = screen_donor(world, SYPHILIS="INDETERMINATE")
    recipient = screen_recipient(world, donor.key)
    assert screened(world, donor).evaluation.overall is Overall.PENDING
    assert by_id(screened(world, recipient))["R-I4"] is Verdict.UNDETERMINED
    assert screened(world, recipient).evaluation.overall is Overall.PENDING


def test_a_signed_verdict_is_kept_with_the_computed_one_and_covers_every_form_behind_it(signing):
    recipient = screen_recipient(signing, screen_donor(signing).key)
    made = sign_as(signing, "ivan", recipient, Overall.ELIGIBLE)
    with signing.read() as tx:
        stored = forms.read(tx, recipient.id, FormKey("SCR", "INCLUSION"))
        kept_answers = {oid: answer.text for oid, answer in stored.document.items.items()}
        assert kept_answers.items() >= {"IEYN": "ELIGIBLE", "IE_COMPUTED": "ELIGIBLE", "INCL_DATE": "2026-11-20"}.items()
        assert not [one for one in queries.of_form(tx, stored.id) if one.state == "open"]
        assert signatures.standing(tx, made).standing is Standing.VALID
        said = made.said
        covered = {(one.entity, one.entity_id) for one in made.signed}
        kept = {form.key.form_oid: str(form.id) for form in forms.all_of(tx, [recipient.id])}
        assert audit.broken(tx.connection) is None
        assert list(replay.differences(tx)) == []
    assert (said["signed"], said["computed"], said["criteria"]["R-I3a"]) == ("ELIGIBLE", "ELIGIBLE", "MET")
    assert said["definition"]["version"] == 1
    assert {("form", kept[oid]) for oid in ("INCLUSION", "LABS", "LUNG", "SKIN", "DONORLINK", "RENROL", "SEROLOGY")} <= covered
    assert "12.5" not in made.statement, "values stay where a redaction reaches them"


def test_a_changed_value_makes_the_verdict_void_and_says_who_and_what(signing):
    recipient = screen_recipient(signing, screen_donor(signing).key)
    made = sign_as(signing, "ivan", recipient, Overall.ELIGIBLE)
    put(signing, recipient, "CONMEDS", "CM", CM_NAME="Aspirin") if False else None
    later = NOW + timedelta(hours=1)
    with signing.read() as tx:
        version = forms.read(tx, recipient.id, FormKey("SCR", "LABS")).version
    signing.save(recipient, "LABS", "SCR", typed(version, "TYPO", PLATELETS="45"), now=later)
    with signing.read() as tx:
        stood = signatures.standing(tx, made)
        assert stood.standing is Standing.VOID
        assert {(one.place, one.actor, one.at) for one in stood.changes} >= {("PLATELETS", "cora", later)}
    assert by_id(screened(signing, recipient))["R-E5"] is Verdict.PRESENT


def test_an_entry_against_the_criteria_is_a_deviation_and_a_query_never_an_override(signing):
    recipient = screen_recipient(signing, screen_donor(signing).key, NEOPLASIA_ANY="Y")
    with pytest.raises(Impossible) as told:
        sign_as(signing, "ivan", recipient, Overall.ELIGIBLE)
    assert told.value.field == "comment"
    sign_as(signing, "ivan", recipient, Overall.ELIGIBLE, comment="Basal-cell carcinoma, cured in 2009")
    with signing.read() as tx:
        kept = {one.key.form_oid: one for one in forms.all_of(tx, [recipient.id])}
        inclusion, deviation = kept["INCLUSION"], kept["DEVIATION"]
        opened = [one for one in queries.of_form(tx, inclusion.id) if one.state == "open"]
    assert (inclusion.document.items["IEYN"].text, inclusion.document.items["IE_COMPUTED"].text) == ("ELIGIBLE", "NOT_ELIGIBLE")
    assert [one.place.item for one in opened] == ["IEYN"]
    rows = [{oid: answer.text for oid, answer in row.items.items()} for row in inclusion.document.rows["IE"]]
    assert rows == [{"IETESTCD": "RE4", "IECAT": "EXCLUSION", "IEORRES": "PRESENT"}]
    texts = {oid: answer.text for oid, answer in deviation.document.items.items()}
    assert texts["DVCAT"] == "ELIGIBILITY"
    assert texts["DV_CRITERIA"] == "RE4"
    assert by_id(screened(signing, recipient))["R-E4"] is Verdict.PRESENT


def test_refusing_someone_whom_the_criteria_admit_is_no_deviation(signing):
    recipient = screen_recipient(signing, screen_donor(signing).key)
    sign_as(signing, "ivan", recipient, Overall.NOT_ELIGIBLE, comment="Does not wish to travel")
    with signing.read() as tx:
        assert not [one for one in forms.all_of(tx, [recipient.id]) if one.key.form_oid == "DEVIATION"]


def test_signing_again_needs_a_reason_and_replaces_the_rows(signing):
    recipient = screen_recipient(signing, screen_donor(signing).key, NEOPLASIA_ANY="Y")
    sign_as(signing, "ivan", recipient, Overall.NOT_ELIGIBLE)
    put(signing, recipient, "CONDITIONS", "SCR", NEOPLASIA_ANY="N")
    with pytest.raises(Impossible) as told:
        sign_as(signing, "ivan", recipient, Overall.ELIGIBLE, now=NOW + timedelta(minutes=5))
    assert told.value.field == "reason"
    with pytest.raises(Impossible) as told:
        sign_as(signing, "ivan", recipient, Overall.ELIGIBLE, now=NOW + timedelta(minutes=5), reason="BECAUSE")
    assert told.value.field == "reason", "a reason that the study does not know"
    sign_as(signing, "ivan", recipient, Overall.ELIGIBLE, now=NOW + timedelta(minutes=5), reason="SOURCE")
    with signing.read() as tx:
        first, second = signatures.all_of(tx, recipient.id, judge.MEANING)
        assert (signatures.standing(tx, first).standing, signatures.standing(tx, second).standing) == (Standing.VOID, Standing.VALID)
        stored = forms.read(tx, recipient.id, FormKey("SCR", "INCLUSION"))
        assert all(row.error for row in stored.document.rows["IE"])
        assert stored.document.items["IEYN"].text == "ELIGIBLE"


def test_what_changed_after_the_page_was_shown_is_not_signed(signing):
    recipient = screen_recipient(signing, screen_donor(signing).key)
    with signing.read() as tx:
        seen = fingerprint(sign.covered(tx, recipient, judge.screen(tx, signing.published, recipient, NOW).used))
    put(signing, recipient, "LABS", "SCR", CD4_COUNT="90")
    with pytest.raises(Impossible):
        sign_as(signing, "ivan", recipient, Overall.ELIGIBLE, seen=seen)
    with signing.read() as tx:
        assert signatures.all_of(tx, recipient.id) == []
        assert forms.read(tx, recipient.id, FormKey("SCR", "INCLUSION")) is None


def test_a_coordinator_signs_nothing(signing):
    recipient = screen_recipient(signing, screen_donor(signing).key)
    with pytest.raises(NotAllowed):
        sign_as(signing, "cora", recipient, Overall.ELIGIBLE)


def test_validity_counts_back_from_the_signed_day(signing):
    recipient = screen_recipient(signing, screen_donor(signing).key, LAB_DATE=(1, 10, 2026))
    assert by_id(screened(signing, recipient))["R-E5"] is Verdict.UNDETERMINED  # 40 days before the consent
    fresh = screen_recipient(signing, screen_donor(signing).key, LAB_DATE=(20, 10, 2026))
    assert by_id(screened(signing, fresh))["R-E5"] is Verdict.ABSENT
    sign_as(signing, "ivan", fresh, Overall.NOT_ELIGIBLE, comment="Laboratory tests too old")
    assert by_id(screened(signing, fresh))["R-E5"] is Verdict.UNDETERMINED
    with signing.read() as tx:
        assert json.loads(signatures.all_of(tx, fresh.id)[0].statement)["computed"] == "PENDING"


def amended(reading: str):
    """A later version: FVC below 70 (A-06a read otherwise) and a day less for M3."""
    study = study_of("msc_ssc")
    which = study.eligibility_of("recipient")
    rule = which.criterion["R_I3a"].rule.text.replace("fvc_pp <= 70", "fvc_pp < 70")
    criteria = tuple(replace(each, rule=parse(rule)) if each.id == "R-I3a" else each for each in which.criteria)
    rules = (replace(which, criteria=criteria), *study.eligibility[1:])
    old = study.assumptions["A-06a"]
    assumption = Assumption(old.question, Words({"fr": reading, "en": reading}), old.why, "confirmed", "Sponsor", "2026-11-20")
    events = tuple(
        replace(event, window=replace(event.window, after=event.window.after - 1)) if event.oid == "M3" else event for event in study.events
    )
    return replace(study, eligibility=rules, assumptions={**study.assumptions, "A-06a": assumption}, events=events)


def test_a_subject_is_judged_under_the_version_in_force_at_the_consent(world):
    recipient = screen_recipient(world, screen_donor(world).key)
    assert by_id(screened(world, recipient))["R-I3a"] is Verdict.MET  # FVC is 70 exactly
    later = NOW + timedelta(days=3)
    with world.write("trialcrf", later) as tx:
        publish.publish(tx, amended("< 70"))
    found = screened(world, recipient)
    assert (found.published.version, by_id(found)["R-I3a"]) == (1, Verdict.MET)


def test_the_effect_of_a_version_names_every_subject_whose_verdict_or_window_moves(world):
    recipient = screen_recipient(world, screen_donor(world).key)
    put(world, recipient, "INFUSION", "D0", INF_START=(20, 11, 2026, "10:00"))
    old, new = study_of("msc_ssc"), amended("< 70")
    with world.read() as tx:
        found = publish.effect(tx, old, new, None, NOW)
        elsewhere = publish.effect(tx, old, new, frozenset({"02"}), NOW)
    assert [(name, was.state, now.state) for name, was, now in found.assumptions] == [("A-06a", "proposed", "confirmed")]
    assert {(one.subject, one.criterion, one.old, one.new) for one in found.verdicts} == {
        (recipient.key, "R-I3a", "MET", "NOT_MET"),
        (recipient.key, "R-I3", "MET", "NOT_MET"),
        (recipient.key, "", "ELIGIBLE", "NOT_ELIGIBLE"),
    }
    assert [(one.subject, one.visit.in_("en")) for one in found.windows] == [(recipient.key, "Month 3")]
    assert (elsewhere.verdicts, elsewhere.windows, elsewhere.subjects) == ((), (), 0)


def test_a_contradiction_stops_the_save(world):
    recipient = screen_recipient(world, only=("VISIT",))
    with pytest.raises(Refused):
        put(world, recipient, "HEART", "SCR", CHF_REVERSIBLE="Y", CHF_REFRACTORY="Y")


def test_a_donor_of_two_recipients_is_asked_about(world):
    donor = screen_donor(world)
    first = screen_recipient(world, donor.key, only=("VISIT",))
    second = screen_recipient(world, donor.key, only=("VISIT",))
    with world.read() as tx:
        for who, asked in ((first, []), (second, ["shared_reference"])):
            stored = forms.read(tx, who.id, FormKey("LINK", "DONORLINK"))
            assert [one.check for one in queries.of_form(tx, stored.id) if one.state == "open"] == asked
    put(world, second, "DONORLINK", "LINK", LINK_WHY_NOT_NEARER="-", LINK_RELATION="COUSIN")
    with world.read() as tx:
        stored = forms.read(tx, second.id, FormKey("LINK", "DONORLINK"))
        assert [one.check for one in queries.of_form(tx, stored.id) if one.state == "open"] == ["shared_reference"]


def test_a_recipient_is_no_donor(world):
    recipient = screen_recipient(world, only=("VISIT",))
    other = screen_recipient(world, only=("VISIT",))
    with pytest.raises(Refused):
        put(world, other, "DONORLINK", "LINK", LINK_DONOR=recipient.key, LINK_RELATION="SIBLING")


def test_an_infusion_without_a_signed_verdict_is_noted(signing):
    donor = screen_donor(signing)
    told = {}
    for signed in (False, True):
        recipient = screen_recipient(signing, donor.key, VIS_DATE=(11, 11, 2026))
        if signed:
            sign_as(signing, "ivan", recipient, Overall.ELIGIBLE)
        with signing.write("cora") as tx:
            sent = typed(INF_START=(20, 11, 2026, "10:00"))
            _, findings = enter.preview(tx, signing.published, recipient, FormKey("D0", "INFUSION"), sent, NOW)
        told[signed] = {one.check for one in findings}
    assert "INCLUDED" in told[False]
    assert "INCLUDED" not in told[True]
    assert "SCREENED_IN_TIME" not in told[True]
