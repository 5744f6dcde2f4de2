"""Erasing personal data: the value is gone everywhere, the trail says so, every chain still verifies, and nothing else changed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from tests.actions.test_enter import CONSENT
from tests.actions.world import NOW, typed
from trialcrf import verify_audit
from trialcrf.actions import Impossible, enter
from trialcrf.actions.oversight import redact
from trialcrf.actions.records.export_trail import export_trail
from trialcrf.core.chain import Break
from trialcrf.core.definition.model import Severity
from trialcrf.core.document import REDACTED, FormKey, Place
from trialcrf.core.entry import Refused
from trialcrf.core.lock import Locked
from trialcrf.core.oversight.four_eyes import RequestKind
from trialcrf.store import audit, comments, forms, locks, replay, requests
from trialcrf.store.models import audit_value, fact
from trialcrf.store.models.base import moment_text

KEY = FormKey("SCR", "VITALS")
SECRET = "Mrs Exemple, 1 rue des Essais"
HEIGHT = Place("HT")
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def told(world):
    """A recipient whose height was not done, with a reason that names her; then the weight was corrected."""
    one = world.enrol("recipient", **CONSENT)
    world.save(one, "VITALS", "SCR", typed(WT="70,0", HT={"missing": "ND", "note": SECRET}))
    world.save(one, "VITALS", "SCR", typed(version=1, reason="TYPO", WT="71,0", HT={"missing": "ND", "note": f"{SECRET} bis"}), now=LATER)
    return world, one


def stored(world, one):
    with world.read() as tx:
        found = forms.read(tx, one.id, KEY)
    assert found
    return found


def ask(world, one, wanted):
    with world.write(now=LATER) as tx:
        site, study_id = one.site, one.site.study_id
        made = requests.ask(tx, RequestKind.REDACTION, wanted.address, site, one, study_id, site.chain, wanted.content)
    with world.read() as tx:
        return requests.find(tx, made)


def erase(world, one, place=HEIGHT):
    with world.read() as tx:
        wanted = redact.want_value(tx, one, forms.read(tx, one.id, KEY), place, "It names a person.")
    request = ask(world, one, wanted)
    with world.write("dana", NOW + timedelta(hours=2)) as tx:
        return redact.carry_out(tx, request)


def values(world):
    with world.read() as tx:
        everything = [row.value for row in tx.read(select(audit_value.c.value))]
        documents = [row.document for row in tx.read(text("SELECT document FROM form"))]
        facts = [row.text for row in tx.read(select(fact.c.text))]
    return [value for value in (*everything, *documents, *facts) if value is not None]


def holds(world):
    with world.read() as tx:
        return audit.broken(tx.connection) is None and list(replay.differences(tx)) == []


def test_the_value_is_gone_from_the_data_and_the_trail_and_every_chain_still_holds(told):
    world, one = told
    assert any(SECRET in value for value in values(world))
    erased = erase(world, one)
    assert (erased.records, erased.since) == (2, NOW)
    assert not any("Exemple" in value for value in values(world))
    assert stored(world, one).document.at(HEIGHT) == REDACTED
    assert holds(world)


def test_the_change_and_each_redaction_are_told_with_who_why_and_which_request(told):
    world, one = told
    erase(world, one)
    form_id = str(stored(world, one).id)
    with world.read() as tx:
        changed = audit.history(tx.connection, "form", form_id, "HT")
        told_of = [past for seq in (changed[0].seq, changed[1].seq) for past in audit.history(tx.connection, "redaction", str(seq))]
        request = requests.all_of(tx, world.study, list(requests.RequestState))[0]
    assert [(past.op, past.new, past.erased) for past in changed] == [
        ("set", audit.ERASED, True), ("set", audit.ERASED, True), ("set", audit.ERASED, False),
    ]  # fmt: skip
    assert {(past.actor, past.op, past.place, past.reason, past.prompted_by) for past in [changed[2], *told_of]} == {
        ("dana", op, "HT", "It names a person.", f"four_eyes/{request.id}") for op in ("set", "redact")
    }


def test_earlier_moments_are_still_drawn_with_the_value_erased_and_all_others_as_they_were(told):
    world, one = told
    erase(world, one)
    with world.read() as tx:
        upto = audit.heads_at(tx.connection, NOW + timedelta(minutes=1), [one.site.chain])
        then = replay.forms_at(tx, upto)[stored(world, one).id].document()
        second = replay.form_at_version(tx, stored(world, one).id, 2)
    assert (then.at(HEIGHT), then.at(Place("WT")).text) == (REDACTED, "70.0")
    assert (second.at(HEIGHT), second.at(Place("WT")).text) == (REDACTED, "71.0")


def test_the_form_is_saved_on_with_the_erased_box_left_blank_and_nobody_types_the_code(told):
    world, one = told
    erase(world, one)
    saved = world.save(one, "VITALS", "SCR", typed(version=3, reason="TYPO", WT="72,0", HT=""), now=NOW + timedelta(hours=3))
    assert [str(change.place) for change in saved.decision.changes] == ["WT"]
    with pytest.raises(Refused) as refused:
        world.save(one, "VITALS", "SCR", typed(version=4, reason="TYPO", WT={"missing": REDACTED.missing}))
    assert refused.value.findings[0].severity is Severity.HARD
    # What is right is entered in its place, with a reason, as any value is changed.
    world.save(one, "VITALS", "SCR", typed(version=4, reason="TYPO", HT="170"), now=NOW + timedelta(hours=4))
    assert stored(world, one).document.at(HEIGHT).text == "170"
    assert holds(world)


def test_a_value_that_was_cleared_long_ago_is_erased_without_touching_the_form(told):
    world, one = told
    world.save(one, "VITALS", "SCR", typed(version=2, reason="TYPO", HT=""), now=NOW + timedelta(minutes=90))
    erased = erase(world, one)
    assert (erased.records, stored(world, one).version, stored(world, one).document.at(HEIGHT)) == (2, 3, None)
    assert not any("Exemple" in value for value in values(world)) and holds(world)


def test_what_is_closed_must_be_opened_first_and_what_is_gone_is_not_erased_twice(told):
    world, one = told
    form = stored(world, one)
    with world.read() as tx:
        wanted = redact.want_value(tx, one, form, HEIGHT, "It names a person.")
        with pytest.raises(Impossible):
            redact.want_value(tx, one, form, HEIGHT, "  ")
        with pytest.raises(Impossible):
            redact.want_value(tx, one, form, Place("PULSE"), "Nothing stands there.")
    request = ask(world, one, wanted)
    address = locks.over_form(one, KEY, form.id)[-1]
    with world.write("dana") as tx:
        locks.move(tx, address, one.site, one, one.site.study_id, one.site.chain, "lock", "closed")
    with world.read() as tx, pytest.raises(Locked):
        redact.want_value(tx, one, form, HEIGHT, "It names a person.")
    with pytest.raises(Locked), world.write("dana") as tx:
        redact.carry_out(tx, request)
    with world.write("dana") as tx:
        locks.move(tx, address, one.site, one, one.site.study_id, one.site.chain, "unlock", "to erase")
        redact.carry_out(tx, request)
    with pytest.raises(Impossible), world.write("dana") as tx:
        redact.carry_out(tx, request)


def test_a_comment_and_what_a_refused_save_had_typed_are_erased_record_by_record(told):
    world, one = told
    form_id = stored(world, one).id
    with world.write() as tx:
        comments.add(tx, one, form_id, HEIGHT, f"{SECRET} called")
        comments.add(tx, one, form_id, HEIGHT, "harmless")
    with pytest.raises(Refused) as refused:
        world.save(one, "VITALS", "SCR", typed(version=2, reason="TYPO", WT=SECRET))
    with world.write() as tx:
        enter.record_refusal(tx, one, KEY, typed(WT=SECRET), refused.value.findings)
    erase(world, one)
    with world.read() as tx:
        named = [
            past
            for past in (*comments.of_form(tx, form_id), *audit.history(tx.connection, "refusal", str(one.id)))
            if "Ex" in (past.new or "")
        ]
        with pytest.raises(Impossible):
            redact.want_record(tx, one, 1, "It is the enrolment.")
    for past in named:
        with world.read() as tx:
            wanted = redact.want_record(tx, one, past.seq, "It names a person.")
        request = ask(world, one, wanted)
        with world.write("dana", LATER) as tx:
            assert redact.carry_out(tx, request).records == 1
    assert len(named) == 2 and not any("Exemple" in value for value in values(world))
    with world.read() as tx:
        assert [(past.new, past.erased) for past in comments.of_form(tx, form_id)] == [(None, True), ("harmless", False)]
    assert holds(world)


def test_only_what_two_persons_had_erased_may_be_missing(told):
    """The database refuses to erase a value beside no redaction; and where somebody did it all the same, it is found."""
    world, one = told
    with world.read() as tx:
        seq = audit.history(tx.connection, "form", str(stored(world, one).id), "HT")[0].seq
    with pytest.raises(Exception, match="never be changed"), world.write() as tx:
        audit.erase(tx.connection, one.site.chain, [seq])
    with world.engine.begin() as connection:
        connection.execute(
            text("DROP TRIGGER audit_value_no_update" + (" ON audit_value" if world.engine.dialect.name == "postgresql" else ""))
        )
        connection.execute(text(f"UPDATE audit_value SET salt = NULL, value = NULL WHERE chain = '{one.site.chain}' AND seq = {seq}"))
    with world.read() as tx:
        assert audit.broken(tx.connection) == Break(one.site.chain, seq, "value")


def test_the_archived_reports_that_may_have_shown_it_are_named(told):
    world, one = told
    with world.write("trialcrf") as tx:
        for key, (known, state, site, subject) in enumerate(
            [
                (NOW - timedelta(days=1), "drawn", "", ""),
                (LATER, "drawn", "", ""),
                (LATER, "ordered", "", ""),
                (LATER, "drawn", "02", ""),
                (LATER, "drawn", "01", ""),
                (LATER, "drawn", "", one.key),
                (LATER, "drawn", "", "R-02-0001"),
            ]
        ):
            tx.work(
                text(
                    "INSERT INTO report (key, study_id, kind, language, as_of, known_at, state, ordered_by, ordered_at, site, subject, "
                    "why, dictionary, progress, step, annexes, said) VALUES (:key, :study, 'safety', 'fr', '2026-11-21', :known, :state, "
                    "'sam', :known, :site, :subject, '', '', 0, '', '[]', '')"
                ),
                {
                    "key": str(key),
                    "study": one.site.study_id,
                    "known": moment_text(known),
                    "state": state,
                    "site": site,
                    "subject": subject,
                },
            )
    assert [(found.site, found.subject) for found in erase(world, one).reports] == [("", ""), ("01", ""), ("", one.key)]


def test_an_export_tells_of_the_redaction_and_verifies_offline(told, tmp_path):
    world, one = told
    before, after = tmp_path / "before", tmp_path / "after"
    with world.read() as tx:
        export_trail(tx, world.study, before, LATER)
    erase(world, one)
    with world.read() as tx:
        assert export_trail(tx, world.study, after, LATER).erased == 2
    said = verify_audit.verify(str(after), str(before / "manifest.json"))
    assert "HOLDS" in said and "Values erased by a redaction that the trail records: 2" in said
    assert "Exemple" not in "".join(path.read_text(encoding="utf-8") for path in after.iterdir())
