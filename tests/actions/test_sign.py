"""Signing on a real database: what a signature covers, what makes it void, who may not sign, and that no forged row goes unseen."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import pytest
from sqlalchemy import delete, event, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from tests.actions.world import CAST, NOW, World, typed
from trialcrf.actions import Impossible, NotAllowed, enrol, enter, sign, sign_in
from trialcrf.actions.enter import Typed
from trialcrf.actions.sign import Proof, WrongPassword
from trialcrf.core.document import FormKey, Place
from trialcrf.core.signature import Standing, fingerprint
from trialcrf.core.throttle import HERE
from trialcrf.store import accounts, audit, forms, replay, signatures, subjects
from trialcrf.store.audit import Entry
from trialcrf.store.models import audit_record, audit_value, sign_in_attempt, signature
from trialcrf.store.signatures import Signature, Stood
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Unaudited

PASSWORD = "a long enough password"
STATEMENT = {"verdict": "eligible", "criteria": [{"code": "I1", "met": True, "why": None}], "text": "Vérifié"}
ADDRESS = "127.0.0.1"
LATER = NOW + timedelta(hours=3)


@pytest.fixture
def ward(salt):
    """Passwords for the cast, two volunteers of site 01 and one of site 02, and a diary with two days and a total for the first."""
    with salt.write("trialcrf") as tx:
        for name in ("cora", "ivan", "mona"):
            found = accounts.find(tx, name)
            assert found
            sign_in.set_password(tx, found.id, name, PASSWORD)
    for site in ("01", "01", "02"):
        salt.enrol("volunteer", site, AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    days = {f"DAYS__new{n}__{item}": said for n in (1, 2) for item, said in (("DAY", (n, 3, 2026)), ("PINCHES", str(n)))}
    salt.save(salt.subject("V0001.01"), "DIARY", "WEIGH2", typed(None, **days))
    return salt


def subject(world: World, key: str = "V0001.01") -> Subject:
    return world.subject(key)


def diary(world: World):
    with world.read() as tx:
        found = forms.read(tx, subject(world).id, FormKey("WEIGH2", "DIARY"))
    assert found
    return found


def welcome(world: World, key: str) -> int:
    with world.read() as tx:
        found = forms.read(tx, subject(world, key).id, FormKey("HELLO", "WELCOME"))
    assert found
    return found.id


def actor(world: World, name: str):
    with world.read() as tx:
        found = accounts.find(tx, name)
        assert found
        return accounts.actor(tx, found)


def shown(world: World, form_ids: Collection[int], key: str = "V0001.01", extra=()) -> str:
    with world.read() as tx:
        return fingerprint(sign.covered(tx, subject(world, key), form_ids, extra))


def signs(
    world: World,
    name: str = "ivan",
    key: str = "V0001.01",
    form_ids: Collection[int] = (),
    password: str = PASSWORD,
    now=NOW,
    seen="",
    extra=(),
) -> Signature:
    """As a page does it: read, check the password, write; after a wrong password write the refusal."""
    form_ids = form_ids or [diary(world).id]
    who, seen = actor(world, name), seen or shown(world, form_ids, key, extra)
    try:
        with world.read() as tx:
            proof = sign.reauthenticate(tx, who, password, ADDRESS, now)
    except WrongPassword:
        with world.write(name, now) as tx:
            sign.note_refusal(tx, who, subject(world, key), "eligibility")
        raise
    with world.write(name, now) as tx:
        return sign.sign(tx, subject(world, key), who, proof, "eligibility", form_ids, STATEMENT, seen, extra)


def stood(world: World, one: Signature) -> Stood:
    with world.read() as tx:
        return signatures.standing(tx, one)


def voided_by(world: World, one: Signature) -> list[tuple[str, str, str]]:
    """(place, who, printed name) of every change; the moment is checked here."""
    found = stood(world, one)
    assert (found.standing is Standing.VOID) == bool(found.changes)
    assert {change.at for change in found.changes} <= {LATER}
    return [(change.place, change.actor, change.name) for change in found.changes]


def changes(world: World, reason: str = "SLIP", **boxes: object) -> None:
    world.save(subject(world), "DIARY", "WEIGH2", typed(diary(world).version, reason, **boxes), now=LATER)


def faults(world: World) -> list[tuple[str, str, str]]:
    with world.read() as tx:
        assert audit.broken(tx.connection) is None
        return [(one.entity, one.entity_id, one.place) for one in replay.differences(tx)]


def nothing_signed(world: World) -> bool:
    with world.read() as tx:
        rows = tx.read(select(func.count()).select_from(signature)).scalar_one()
        told = tx.read(select(func.count()).select_from(audit_record).where(audit_record.c.entity == "signature")).scalar_one()
    return rows == told == 0 and faults(world) == []


def unguarded(world: World, table: str) -> None:
    """As somebody with all rights on the database would begin."""
    with world.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        else:
            for verb in ("update", "delete", "replace"):
                connection.execute(text(f"DROP TRIGGER {table}_no_{verb}"))


# --- What it says and covers ------------------------------------------------------------------------------------------


def test_a_signature_names_who_when_and_why_and_its_record_is_in_the_sites_chain(ward):
    made = signs(ward)
    assert (made.actor, made.name, made.role, made.organisation, made.meaning) == (
        "ivan",
        "Ivan",
        "investigator",
        "Hospital",
        "eligibility",
    )
    assert (made.study, made.site, made.subject, made.at, made.zone) == ("salt", "01", "V0001.01", NOW, "Europe/Paris")
    assert made.said == STATEMENT
    with ward.read() as tx:
        (record,) = audit.history(tx.connection, "signature", str(made.id))
        assert signatures.all_of(tx, made.subject_id) == signatures.all_of(tx, made.subject_id, "eligibility") == [made]
        assert signatures.all_of(tx, made.subject_id, "other") == []
        assert signatures.find(tx, made.id) == made and signatures.find(tx, made.id + 1) is None
    assert (record.chain, record.seq, record.op, record.subject) == (made.chain, made.seq, "sign", "V0001.01")
    assert (record.actor, record.role, record.address, record.at) == ("ivan", "investigator", ADDRESS, NOW)
    assert record.new == f'{{"hash":"{made.hash}","meaning":"eligibility"}}'
    assert stood(ward, made) == Stood(Standing.VALID)
    assert faults(ward) == []


def test_it_covers_every_place_of_the_form_with_its_newest_commitment(ward):
    changes(ward, DAYS__1__PINCHES="7")
    row_in_error = Typed(removed={("DAYS", "2"): "typed twice"}, version=diary(ward).version)
    ward.save(subject(ward), "DIARY", "WEIGH2", row_in_error, now=LATER)
    made = signs(ward, now=LATER)
    with ward.read() as tx:
        told = tx.read(select(audit_record).where(audit_record.c.entity == "form", audit_record.c.entity_id == str(diary(ward).id)))
        newest = {row.place: row.new_commit for row in sorted(told, key=lambda row: row.seq)}
    assert {one.place: one.commitment for one in made.signed} == newest
    assert set(newest) == {"", "DAYS/1/DAY", "DAYS/1/PINCHES", "DAYS/2/", "DAYS/2/DAY", "DAYS/2/PINCHES", "PINCHES_ALL"}
    assert {(one.entity, one.entity_id) for one in made.signed} == {("form", str(diary(ward).id))}


def test_what_is_saved_and_signed_in_one_step_is_covered(ward):
    ivan, stored = actor(ward, "ivan"), diary(ward)
    with ward.read() as tx:
        proof = sign.reauthenticate(tx, ivan, PASSWORD, ADDRESS, LATER)
    with ward.write("ivan", LATER) as tx:
        sent = typed(stored.version, "SLIP", DAYS__1__PINCHES="9")
        enter.save_form(tx, ward.published, subject(ward), stored.key, sent, LATER)
        seen = fingerprint(sign.covered(tx, subject_in(tx, ward), [stored.id]))
        made = sign.sign(tx, subject_in(tx, ward), ivan, proof, "eligibility", [stored.id], STATEMENT, seen)
    assert stood(ward, made).standing is Standing.VALID
    assert faults(ward) == []


def subject_in(tx, world: World) -> Subject:
    found = subjects.find(tx, world.study, "V0001.01")
    assert found
    return found


# --- What makes it void -----------------------------------------------------------------------------------------------


def test_a_changed_value_voids_it_and_the_place_the_time_and_the_person_are_named(ward):
    made = signs(ward)
    changes(ward, DAYS__1__PINCHES="5")
    assert voided_by(ward, made) == [("DAYS/1/PINCHES", "cora", "Cora"), ("PINCHES_ALL", "trialcrf", "")]
    again = signs(ward, now=LATER)
    assert stood(ward, again).standing is Standing.VALID
    assert stood(ward, made).standing is Standing.VOID
    assert faults(ward) == []


def test_a_value_changed_back_leaves_it_void(ward):
    made = signs(ward)
    changes(ward, DAYS__1__DAY=(9, 3, 2026))
    changes(ward, DAYS__1__DAY=(1, 3, 2026))
    assert voided_by(ward, made) == [("DAYS/1/DAY", "cora", "Cora")]


def test_an_answer_added_later_to_a_covered_form_voids_it(ward):
    made = signs(ward)
    changes(ward, DAYS__new1__DAY=(4, 3, 2026))
    # Without its pinches the new day leaves the total undetermined: that answer changed as well.
    assert voided_by(ward, made) == [("DAYS/3/DAY", "cora", "Cora"), ("PINCHES_ALL", "trialcrf", "")]


def test_a_row_or_the_form_marked_in_error_voids_it(ward):
    made = signs(ward)
    ward.save(subject(ward), "DIARY", "WEIGH2", Typed(removed={("DAYS", "2"): "twice"}, version=diary(ward).version), now=LATER)
    assert ("DAYS/2/", "cora", "Cora") in voided_by(ward, made)
    again = signs(ward, now=LATER)
    with ward.write(now=LATER) as tx:
        stored = forms.by_id(tx, int(again.signed[0].entity_id))
        assert stored
        enter.mark_form_error(tx, subject_in(tx, ward), stored, "of another volunteer")
    assert voided_by(ward, again) == [("error", "cora", "Cora")]


def test_a_kind_of_record_that_is_not_known_yet_voids_it(ward):
    made, form_id = signs(ward), str(diary(ward).id)
    with ward.write(now=LATER) as tx:
        tx.entries.append(Entry("salt/01", "restore", "form", form_id, "error", "", "V0001.01", first=True))
    assert voided_by(ward, made) == [("error", "cora", "Cora")]


def test_changes_elsewhere_leave_it_valid(ward):
    made = signs(ward)
    other = typed(1, "SLIP", GENDER="M")
    ward.save(subject(ward), "WELCOME", "HELLO", other, now=LATER)
    ward.save(subject(ward, "V0002.01"), "WELCOME", "HELLO", other, now=LATER)
    ward.save(subject(ward), "PLATE", "MEALS", typed(None, EATEN=(1, 2, 2026, "12:00"), GRAMS="3"), now=LATER)
    v2 = subject(ward, "V0002.01")
    with ward.write(now=LATER) as tx:
        enrol.mark_subject_error(tx, v2, "enrolled twice")
    assert stood(ward, made) == Stood(Standing.VALID)


def test_working_on_a_query_changes_no_value_and_leaves_it_valid(ward):
    saved = ward.save(subject(ward), "PLATE", "MEALS", typed(None, EATEN=(1, 2, 2026, "12:00"), GRAMS="20"))
    (opened,) = saved.decision.opened
    made = signs(ward, form_ids=[saved.form_id])
    confirmed = Typed(confirmations={(Place("GRAMS"), opened.check): "YES_REALLY"}, version=1)
    assert ward.save(subject(ward), "PLATE", "MEALS", confirmed, now=LATER).version == 2
    with ward.read() as tx:
        assert audit.history(tx.connection, "form", str(saved.form_id))[-1].op == "review"
    assert stood(ward, made) == Stood(Standing.VALID)


def test_an_extra_thing_is_covered_as_a_whole(ward):
    one = subject(ward)
    made = signs(ward, extra=[("subject", str(one.id))])
    assert stood(ward, made).standing is Standing.VALID
    with ward.write(now=LATER) as tx:
        enrol.mark_subject_error(tx, one, "no volunteer at all")
    assert voided_by(ward, made) == [("error", "cora", "Cora")]


def test_a_redacted_value_leaves_it_valid_because_commitments_are_signed(ward):
    made = signs(ward)
    unguarded(ward, "audit_value")
    with ward.engine.begin() as connection:
        gone = connection.execute(delete(audit_value).where(audit_value.c.chain == made.chain, audit_value.c.seq < made.seq)).rowcount
    assert gone > 5
    assert stood(ward, made) == Stood(Standing.VALID)


def test_a_list_of_signatures_is_judged_with_as_many_statements_as_one(ward):
    first = signs(ward)
    changes(ward, DAYS__1__PINCHES="5")
    second = signs(ward, now=LATER)
    third = signs(ward, key="V0002.01", form_ids=[welcome(ward, "V0002.01")], now=LATER)
    counted: list[str] = []
    with ward.read() as tx:
        held = signatures.of_subjects(tx, [first.subject_id, third.subject_id, 999])
        event.listen(ward.engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
        found = signatures.standings(tx, [one for ones in held.values() for one in ones])
    assert held == {first.subject_id: [first, second], third.subject_id: [third], 999: []}
    assert {id_: one.standing for id_, one in found.items()} == {
        first.id: Standing.VOID, second.id: Standing.VALID, third.id: Standing.VALID
    }  # fmt: skip
    assert len(counted) == 3  # Their records, what they cover, and the names of who changed it.


# --- Who may not, and when --------------------------------------------------------------------------------------------


def attempts(world: World) -> int:
    with world.read() as tx:
        return int(tx.read(select(func.count()).select_from(sign_in_attempt)).scalar_one())


def test_a_wrong_password_is_told_at_its_box_counted_and_kept_in_the_trail_and_nothing_is_signed(ward):
    with pytest.raises(WrongPassword) as refused:
        signs(ward, password="not the password")
    assert refused.value.field == "password"
    assert attempts(ward) == 1
    with ward.read() as tx:
        (record,) = audit.history(tx.connection, "refusal", str(subject(ward).id))
    assert (record.chain, record.op, record.place, record.actor, record.role) == ("salt/01", "refused", "signature", "ivan", "investigator")
    assert (record.new, record.subject) == ('{"signature": "eligibility"}', "V0001.01")
    assert nothing_signed(ward)
    signs(ward)
    assert attempts(ward) == 0  # As after a right sign-in.


def test_too_many_wrong_passwords_shut_signing_and_signing_in_alike(ward):
    for _ in range(HERE.free):
        with pytest.raises(WrongPassword, match="not your password"):
            signs(ward, password="wrong")
    with pytest.raises(WrongPassword, match="Too many attempts"):
        signs(ward)
    with ward.read() as tx, pytest.raises(sign_in.WrongSignIn, match="Too many attempts"):
        sign_in.check_password(tx, "ivan", PASSWORD, ADDRESS, NOW, False)
    assert nothing_signed(ward)
    signs(ward, now=NOW + timedelta(minutes=1))


def test_an_account_that_was_deactivated_signs_no_more(ward):
    ivan = actor(ward, "ivan")
    with ward.write("trialcrf") as tx:
        accounts.set_values(tx, ivan.id, "deactivate", active=False)
    with ward.read() as tx, pytest.raises(WrongPassword):
        sign.reauthenticate(tx, ivan, PASSWORD, ADDRESS, NOW)
    with pytest.raises(NotAllowed), ward.write("ivan") as tx:
        sign.sign(tx, subject_in(tx, ward), ivan, Proof(ivan.id, NOW), "eligibility", [1], STATEMENT, "")
    assert nothing_signed(ward)


@pytest.mark.parametrize("name", ["cora", "mona"])
def test_a_role_without_the_verb_is_refused(ward, name):
    with pytest.raises(NotAllowed):
        signs(ward, name)
    assert nothing_signed(ward)


def test_another_site_is_refused(ward):
    assert CAST["ivan"] == ("investigator", "01")
    with pytest.raises(NotAllowed):
        signs(ward, key="V0001.02", form_ids=[welcome(ward, "V0001.02")])
    with pytest.raises(NotAllowed):
        signs(ward, extra=[("form", str(welcome(ward, "V0001.02")))])
    assert nothing_signed(ward)


def test_a_password_typed_by_another_or_earlier_opens_nothing(ward):
    ivan, cora, seen, form_id, one = actor(ward, "ivan"), actor(ward, "cora"), shown(ward, [diary(ward).id]), diary(ward).id, subject(ward)
    for proof, name in ((Proof(cora.id, NOW), "ivan"), (Proof(ivan.id, NOW - timedelta(seconds=1)), "ivan"), (Proof(ivan.id, NOW), "cora")):
        with pytest.raises(NotAllowed), ward.write(name) as tx:
            sign.sign(tx, one, ivan, proof, "eligibility", [form_id], STATEMENT, seen)
    assert nothing_signed(ward)


def test_what_changed_while_the_person_was_reading_is_not_signed(ward):
    seen = shown(ward, [diary(ward).id])
    changes(ward, DAYS__1__PINCHES="5")
    with pytest.raises(Impossible, match="look at them again"):
        signs(ward, seen=seen, now=LATER)
    assert nothing_signed(ward)


def test_a_form_of_another_subject_a_subject_in_error_and_an_unknown_meaning_are_not_signed(ward):
    with pytest.raises(Impossible, match="not one of"):
        signs(ward, key="V0002.01", form_ids=[diary(ward).id], seen="x")
    with pytest.raises(ValueError, match="knows nothing"):
        signs(ward, extra=[("form", "999")], seen="x")
    ivan, one = actor(ward, "ivan"), subject(ward)
    with pytest.raises(KeyError), ward.write("ivan") as tx:
        sign.sign(tx, one, ivan, Proof(ivan.id, NOW), "made up", [1], STATEMENT, "x")
    with ward.write() as tx:
        enrol.mark_subject_error(tx, one, "no volunteer")
    with pytest.raises(Impossible, match="entered in error"):
        signs(ward)
    assert nothing_signed(ward)


# --- Forgery ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ["UPDATE signature SET name = 'Mallory'", "DELETE FROM signature", "REPLACE", "REPLACE_CHAIN"])
def test_the_database_refuses_to_change_replace_or_delete_a_signature(ward, attack):
    made = signs(ward)
    if attack.startswith("REPLACE") and ward.engine.dialect.name == "postgresql":
        attack = "TRUNCATE signature"
    names = ", ".join(column.name for column in signature.c)
    if attack.startswith("REPLACE"):
        id_ = "99" if attack == "REPLACE_CHAIN" else "id"
        attack = f"INSERT OR REPLACE INTO signature ({names}) SELECT {names.replace('id', id_, 1)} FROM signature"
    with pytest.raises(DBAPIError, match="never be changed or deleted"), ward.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA recursive_triggers=OFF"))  # As in a connection that is not ours.
        connection.execute(text(attack))
    assert stood(ward, made) == Stood(Standing.VALID)


def test_the_program_itself_cannot_write_a_signature_without_its_record(ward):
    made = signs(ward)
    for statement in (update(signature).values(name="x"), delete(signature), insert(signature).values(hash="x")):
        with pytest.raises(Unaudited), ward.write("ivan") as tx:
            tx.work(statement)
    assert stood(ward, made) == Stood(Standing.VALID)


def test_a_copy_for_another_subject_is_not_genuine(ward):
    made = signs(ward)
    other = subject(ward, "V0002.01")
    row = {column.name: getattr(made, column.name) for column in signature.c}
    forged = {**row, "id": 99, "seq": 10_000, "subject_id": other.id, "subject": other.key}
    forged["hash"] = signatures._hash_of(Signature(**forged))  # Whoever knows the program can make a hash, but no record.
    with ward.engine.begin() as connection:
        connection.execute(insert(signature), forged)
        connection.execute(insert(signature), {**row, "id": 100, "seq": made.seq - 1})
    with ward.read() as tx:
        (copy,) = signatures.all_of(tx, other.id)
        found = {one.id: signatures.standing(tx, one).standing for one in (made, copy)}
        standings = signatures.standings(tx, signatures.all_of(tx, made.subject_id))
    assert found == {made.id: Standing.VALID, 99: Standing.BROKEN}
    assert standings[100] == Stood(Standing.BROKEN)
    assert faults(ward) == [("signature", "99", ""), ("signature", "100", "")]


FORGED = {
    "subject_id": 2, "subject": "V0002.01", "meaning": "other", "actor": "cora", "name": "Cora", "role": "coordinator",
    "organisation": "Elsewhere", "at": LATER, "zone": "UTC", "statement": '{"verdict":"not eligible"}', "covered": "{}", "hash": "0" * 64,
    "study": "other", "site": "02", "seq": 1,
}  # fmt: skip


@pytest.mark.parametrize("column", sorted(FORGED))
def test_a_signature_altered_behind_the_programs_back_is_not_genuine(ward, column):
    made = signs(ward)
    unguarded(ward, "signature")
    with ward.engine.begin() as connection:
        connection.execute(update(signature).values({column: FORGED[column]}))
    with ward.read() as tx:
        altered = signatures.find(tx, made.id)
        assert altered
        assert signatures.standing(tx, altered) == Stood(Standing.BROKEN)
    assert {fault[:2] for fault in faults(ward)} == {("signature", str(made.id))}
    if column != "hash":  # Whoever knows the program makes the hash fit as well; the record of the trail they cannot make.
        with ward.engine.begin() as connection:
            connection.execute(update(signature).values(hash=signatures._hash_of(altered)))
        assert {fault[:2] for fault in faults(ward)} == {("signature", str(made.id))}


def test_a_row_under_another_number_is_not_the_one_that_was_recorded(ward):
    made = signs(ward)
    unguarded(ward, "signature")
    with ward.engine.begin() as connection:
        connection.execute(update(signature).values(id=made.id + 98))
    assert faults(ward) == [("signature", str(made.id + 98), "")]


def test_a_covered_text_that_cannot_be_read_is_not_genuine(ward):
    made = signs(ward)
    unguarded(ward, "signature")
    for covered in ("", "[]", '{"form":1}', '{"form":{"1":{"A":{}}}}', made.covered + " "):
        with ward.engine.begin() as connection:
            connection.execute(update(signature).values(covered=covered))
        assert faults(ward) == [("signature", str(made.id), "hash")], covered


def test_a_signature_that_was_taken_away_is_missed(ward):
    made = signs(ward)
    unguarded(ward, "signature")
    with ward.engine.begin() as connection:
        connection.execute(delete(signature))
    assert faults(ward) == [("signature", str(made.id), "")]
