"""Signing forms, visits and casebooks on a real database: what is covered, what breaks a seal, and who is refused."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import func, insert, select, update

from tests.actions.screening import screen_donor
from tests.actions.test_sign import ADDRESS, LATER, PASSWORD, actor, faults, unguarded
from tests.actions.world import NOW, World, typed
from trialcrf.actions import Impossible, NotAllowed, enter, sign, sign_in
from trialcrf.actions.enter import Typed
from trialcrf.actions.oversight import sign_data
from trialcrf.actions.oversight.sign_data import Scope, Sheet
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import Address, Level, Locked, visit_address
from trialcrf.core.signature import SealState, Standing, fingerprint
from trialcrf.store import accounts, forms, locks, seals, signatures, sites
from trialcrf.store.audit import Entry
from trialcrf.store.models import audit_record, form, signature
from trialcrf.store.models import subject as subjects_table
from trialcrf.store.seals import Asked
from trialcrf.store.signatures import Signature
from trialcrf.store.transaction import Unaudited

KEY = "V0001.01"
WELCOME = Scope("form", "HELLO", 1, "WELCOME")
DIARY = Scope("form", "WEIGH2", 1, "DIARY")
WEIGHING = Scope("visit", "WEIGH2", 1)
CASEBOOK = Scope("casebook")


@pytest.fixture
def ward(salt):
    """Passwords for the cast; a volunteer with a welcome, a diary of two days and scales begun, and one of each site with a welcome."""
    with salt.write("trialcrf") as tx:
        for name in ("cora", "ivan", "mona"):
            found = accounts.find(tx, name)
            assert found
            sign_in.set_password(tx, found.id, name, PASSWORD)
    for site in ("01", "01", "02"):
        salt.enrol("volunteer", site, AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    days = {f"DAYS__new{n}__{item}": said for n in (1, 2) for item, said in (("DAY", (n, 3, 2026)), ("PINCHES", str(n)))}
    salt.save(salt.subject(KEY), "DIARY", "WEIGH2", typed(None, **days))
    return salt


def sheet(world: World, scope: Scope, name: str = "ivan", key: str = KEY) -> Sheet:
    who = actor(world, name)
    with world.read() as tx:
        return sign_data.gather(tx, world.published, world.subject(key), who, scope)


def seen(world: World, scope: Scope, name: str = "ivan", key: str = KEY) -> str:
    ids = sheet(world, scope, name, key).form_ids
    with world.read() as tx:
        return fingerprint(sign.covered(tx, world.subject(key), ids, meaning=scope.meaning))


def signs(world: World, scope: Scope, name: str = "ivan", key: str = KEY, now=NOW, shown: str = "") -> Signature:
    who, shown = actor(world, name), shown or seen(world, scope, "ivan", key)
    with world.read() as tx:
        proof = sign.reauthenticate(tx, who, PASSWORD, ADDRESS, now)
    with world.write(name, now) as tx:
        return sign_data.sign_data(tx, world.published, world.subject(key), who, proof, scope, shown)


def stored(world: World, event: str, oid: str, key: str = KEY):
    with world.read() as tx:
        found = forms.read(tx, world.subject(key).id, FormKey(event, oid))
    assert found
    return found


def corrects(world: World, now=LATER, **boxes: object) -> None:
    version = stored(world, "WEIGH2", "DIARY").version
    world.save(world.subject(KEY), "DIARY", "WEIGH2", typed(version, "SLIP", **boxes), now=now)


def states(world: World, key: str = KEY) -> dict[str, SealState]:
    with world.read() as tx:
        which = world.subject(key)
        held = {one.id: one.key.form_oid for one in forms.all_of(tx, [which.id])}
        found = {held[id_]: state for id_, state in seals.of_subject(tx, which.id).items()}
        assert {held[id_]: seals.of_form(tx, id_).state for id_ in held} == found
    return found


def asked(world: World, **more) -> Asked:
    with world.read() as tx:
        return Asked(sites.all_of(tx, world.study), **more)


def locks_(world: World, address: Address, move: str = "lock") -> None:
    with world.write("dana") as tx:
        which = world.subject(KEY)
        locks.move(tx, address, which.site, which, which.site.study_id, which.site.chain, move, "end of study")


def nothing_signed(world: World) -> bool:
    with world.read() as tx:
        rows = tx.read(select(func.count()).select_from(signature)).scalar_one()
        sealed = tx.read(select(func.count()).select_from(form).where(form.c.sealed_by.is_not(None))).scalar_one()
        told = tx.read(select(func.count()).select_from(audit_record).where(audit_record.c.entity == "signature")).scalar_one()
    return rows == sealed == told == 0 and faults(world) == []


# --- What is covered, and sealed --------------------------------------------------------------------------------------


def test_a_form_a_visit_and_a_casebook_cover_what_they_say_and_seal_it(ward):
    one = signs(ward, WELCOME)
    assert states(ward) == {"WELCOME": SealState.SEALED, "DIARY": SealState.NEVER}
    two = signs(ward, WEIGHING)
    assert {part.entity_id for part in two.signed} == {str(stored(ward, "WEIGH2", "DIARY").id)}
    assert states(ward) == {"WELCOME": SealState.SEALED, "DIARY": SealState.SEALED}
    three = signs(ward, CASEBOOK)
    assert {part.entity_id for part in three.signed} == {str(part.stored.id) for part in sheet(ward, CASEBOOK).parts}
    assert [made.meaning for made in (one, two, three)] == ["form", "visit", "casebook"]
    with ward.read() as tx:
        assert set(tx.read(select(form.c.sealed_by).where(form.c.subject_id == one.subject_id)).scalars()) == {three.id}
        assert {found.standing for found in signatures.standings(tx, [one, two, three]).values()} == {Standing.VALID}
    assert faults(ward) == []


def test_the_statement_says_what_the_page_showed_without_a_single_value(ward):
    made = signs(ward, WEIGHING)
    assert made.said["subject"] == KEY
    assert made.said["scope"] == {"meaning": "visit", "event": "WEIGH2", "event_repeat": 1}
    (said,) = made.said["forms"]
    assert (said["form"], said["seal"], said["changed"], said["definition"]["version"]) == ("DIARY", "never", [], 1)
    assert "2026-03-01" not in made.statement


def test_an_incomplete_form_is_signed_and_said_to_be_incomplete(ward):
    ward.save(ward.subject(KEY), "SCALES", "WEIGH1", typed(None, CAME="Y"))
    assert not stored(ward, "WEIGH1", "SCALES").complete
    assert sheet(ward, Scope("visit", "WEIGH1")).incomplete == 1
    made = signs(ward, Scope("form", "WEIGH1", 1, "SCALES"))
    assert made.said["forms"][0]["complete"] is False
    assert states(ward)["SCALES"] is SealState.SEALED


# --- What breaks a seal, and what was different -----------------------------------------------------------------------


def test_a_correction_breaks_the_seal_of_its_form_alone_and_shows_what_changed(ward):
    made = signs(ward, CASEBOOK)
    corrects(ward, DAYS__1__PINCHES="7")
    assert states(ward) == {"WELCOME": SealState.SEALED, "DIARY": SealState.BROKEN}
    part = next(part for part in sheet(ward, CASEBOOK).parts if part.stored.key.form_oid == "DIARY")
    assert part.before == made
    told = [(past.place, past.old, past.new, past.actor, past.at, past.reason) for past in part.changes]
    assert told == [
        ("DAYS/1/PINCHES", '"1"', '"7"', "cora", LATER, "SLIP"),
        ("PINCHES_ALL", '"3"', '"9"', "trialcrf", LATER, ""),
    ]
    with ward.write("dana", LATER) as tx:  # Work on a query of the form is no change of it.
        chain = ward.subject(KEY).site.chain
        tx.entries.append(Entry(chain, "review", "form", str(part.stored.id), "queries", "", KEY))
    assert len(sheet(ward, DIARY).parts[0].changes) == 2
    assert part.changed == {Place("PINCHES", "DAYS", "1"), Place("PINCHES_ALL")}
    again = signs(ward, DIARY, now=LATER)
    assert again.said["forms"][0]["changed"] == ["DAYS/1/PINCHES", "PINCHES_ALL"]
    assert states(ward) == {"WELCOME": SealState.SEALED, "DIARY": SealState.SEALED}
    assert sheet(ward, DIARY).parts[0].changes == ()
    assert faults(ward) == []


def test_a_value_changed_back_is_shown_and_the_seal_stays_broken(ward):
    signs(ward, DIARY)
    corrects(ward, DAYS__1__PINCHES="7")
    corrects(ward, DAYS__1__PINCHES="1")
    (part,) = sheet(ward, DIARY).parts
    assert part.state is SealState.BROKEN
    assert [past.new for past in part.changes if past.place == "DAYS/1/PINCHES"] == ['"7"', '"1"']


def test_a_row_in_error_and_a_form_in_error_lose_their_seals(ward):
    signs(ward, CASEBOOK)
    ward.save(ward.subject(KEY), "DIARY", "WEIGH2", Typed(removed={("DAYS", "2"): "typed twice"}, version=1), now=LATER)
    assert states(ward)["DIARY"] is SealState.BROKEN
    assert "row_error" in {past.op for past in sheet(ward, DIARY).parts[0].changes}
    with ward.write("cora", LATER) as tx:
        enter.mark_form_error(tx, ward.subject(KEY), stored(ward, "WEIGH2", "DIARY"), "another person’s")
    assert "DIARY" not in states(ward)
    with pytest.raises(Impossible, match="nothing here"):
        sheet(ward, DIARY)
    assert faults(ward) == []


def test_a_save_that_changes_nothing_leaves_the_seal(ward):
    signs(ward, DIARY)
    corrects(ward, DAYS__1__PINCHES="1")
    assert states(ward)["DIARY"] is SealState.SEALED


# --- The queue --------------------------------------------------------------------------------------------------------


def test_the_queue_counts_what_bears_no_seal_and_a_correction_comes_back(ward):
    def counted(**more) -> list[tuple[str, int, int]]:
        with ward.read() as tx:
            return [(one.subject.key, one.never, one.broken) for one in seals.by_subject(tx, asked(ward, **more), 0, 9)]

    assert counted() == [(KEY, 2, 0), ("V0001.02", 1, 0), ("V0002.01", 1, 0)]
    signs(ward, CASEBOOK)
    assert counted() == [("V0001.02", 1, 0), ("V0002.01", 1, 0)]
    corrects(ward, DAYS__1__PINCHES="7")
    assert counted() == [(KEY, 0, 1), ("V0001.02", 1, 0), ("V0002.01", 1, 0)]
    assert counted(state=SealState.BROKEN) == [(KEY, 0, 1)]
    assert counted(state=SealState.NEVER, subject="V0002.01") == [("V0002.01", 1, 0)]
    assert counted(only_at={"DIARY": ["02"]}) == [("V0001.02", 1, 0), ("V0002.01", 1, 0)]
    assert counted(products=["volunteer"]) == []
    for error, left in (("nobody", [(KEY, 0, 1), ("V0001.02", 1, 0)]), ("", [(KEY, 0, 1), ("V0001.02", 1, 0), ("V0002.01", 1, 0)])):
        with ward.engine.begin() as connection:
            connection.execute(update(subjects_table).where(subjects_table.c.key == "V0002.01").values(error=error))
        assert counted() == left
    with ward.read() as tx:
        assert seals.count(tx, asked(ward)) == 3 and seals.count(tx, asked(ward), at_most=2) == 2
        assert seals.by_site(tx, asked(ward)) == {"01": (2, 1, 1), "02": (1, 1, 0)}
        (waits,) = seals.all_of(tx, asked(ward, subject=KEY))
    assert (waits.key, waits.state, waits.complete) == (FormKey("WEIGH2", "DIARY"), SealState.BROKEN, True)


# --- Who and what is refused ------------------------------------------------------------------------------------------


def test_a_coordinator_and_a_monitor_cannot_sign_and_nothing_is_written(ward):
    for name in ("cora", "mona"):
        with pytest.raises(NotAllowed):
            signs(ward, WEIGHING, name)
    assert nothing_signed(ward)


def test_signing_what_changed_a_second_ago_is_refused(ward):
    shown = seen(ward, WEIGHING)
    corrects(ward, DAYS__1__PINCHES="7")
    with pytest.raises(sign.Changed):
        signs(ward, WEIGHING, shown=shown)
    ward.save(ward.subject(KEY), "SCALES", "WEIGH2", typed(None, CAME="Y"))
    for scope in (WEIGHING, CASEBOOK):  # A form that came meanwhile was not on the page either.
        with pytest.raises(sign.Changed):
            signs(ward, scope, shown=shown)
    assert nothing_signed(ward)


def test_a_password_typed_earlier_or_by_somebody_else_signs_nothing(ward):
    who = actor(ward, "ivan")
    with ward.read() as tx:
        proof = sign.reauthenticate(tx, who, PASSWORD, ADDRESS, NOW)
    for name, at, proven in (("ivan", LATER, proof), ("ivan", NOW, sign.Proof(actor(ward, "cora").id, NOW)), ("cora", NOW, proof)):
        with pytest.raises(NotAllowed), ward.write(name, at) as tx:
            sign_data.sign_data(tx, ward.published, ward.subject(KEY), who, proven, WEIGHING, seen(ward, WEIGHING))
    assert nothing_signed(ward)


def test_what_is_frozen_is_signed_and_what_is_locked_is_not(ward):
    diary = Address(Level.FORM, stored(ward, "WEIGH2", "DIARY").id)
    locks_(ward, diary, "freeze")
    signs(ward, DIARY)
    locks_(ward, diary)
    shown = seen(ward, CASEBOOK)
    with pytest.raises(Locked):
        signs(ward, DIARY, shown=shown)
    assert [one.key.form_oid for one in sheet(ward, CASEBOOK).locked] == ["DIARY"]
    made = signs(ward, CASEBOOK, shown=shown)  # What is open is signed, and the locked form is said to be left out.
    assert [said["form"] for said in made.said["forms"]] == ["WELCOME"]
    assert made.said["left_out"]["locked"] == [stored(ward, "WEIGH2", "DIARY").id]
    locks_(ward, visit_address(ward.subject(KEY).id, "HELLO", 1))
    with pytest.raises(Locked):
        signs(ward, WELCOME, shown=shown)
    with pytest.raises(Impossible, match="nothing here"):
        signs(ward, CASEBOOK, shown=shown)
    locks_(ward, Address(Level.SUBJECT, ward.subject(KEY).id))
    with pytest.raises(Locked):
        signs(ward, CASEBOOK, shown=shown)
    with ward.read() as tx:
        assert sign_data.closed(tx, ward.subject(KEY), CASEBOOK) is not None
        assert sign_data.closed(tx, ward.subject("V0002.01"), CASEBOOK) is None
    assert faults(ward) == []


def test_a_form_that_the_signer_may_not_read_is_left_out(world):
    """A donor's tests are the donor's secret: the physician of the recipients signs without them, and is told so."""
    key = screen_donor(world).key
    mine, theirs = sheet(world, CASEBOOK, "ivan", key), sheet(world, CASEBOOK, "dora", key)
    assert "DSEROLOGY" not in {part.form.oid for part in mine.parts} and mine.hidden
    assert {part.form.oid for part in theirs.parts} - {part.form.oid for part in mine.parts} >= {"DSEROLOGY"}
    assert not theirs.hidden


def test_a_batch_is_not_signed_here(world):
    product = replace(world.subject(screen_donor(world).key), subject_type="batch")
    with pytest.raises(Impossible, match="by its release"), world.read() as tx:
        sign_data.gather(tx, world.published, product, actor(world, "quin"), CASEBOOK)


def test_a_save_that_is_under_way_is_waited_for_and_then_nothing_is_signed(ward):
    """The save holds its form first and the chain of the site last: signing does the same, and neither locks the other out."""
    shown, who, told = seen(ward, DIARY), actor(ward, "ivan"), []
    published, subject = ward.published, ward.subject(KEY)

    def sign_now() -> None:
        try:
            with ward.write("ivan") as tx:
                sign_data.sign_data(tx, published, subject, who, sign.Proof(who.id, NOW), DIARY, shown)
        except sign.Changed as refused:
            told.append(refused)

    signing = threading.Thread(target=sign_now)
    with ward.write("cora", LATER) as tx:
        sent = typed(1, "SLIP", DAYS__1__PINCHES="7")
        enter.save_form(tx, published, subject, FormKey("WEIGH2", "DIARY"), sent, LATER)
        signing.start()
        signing.join(0.3)
        assert signing.is_alive() and not told
    signing.join(30)
    assert len(told) == 1 and nothing_signed(ward)


# --- Tampering --------------------------------------------------------------------------------------------------------


def test_a_signature_copied_to_another_form_is_found(ward):
    made = signs(ward, WELCOME)
    other = stored(ward, "HELLO", "WELCOME", "V0002.01")
    mine = stored(ward, "HELLO", "WELCOME")
    with ward.engine.connect() as connection:
        row = dict(connection.execute(select(signature)).mappings().one())
    row |= {"id": 77, "seq": made.seq + 1, "subject": "V0002.01", "subject_id": other.subject_id}
    row["covered"] = made.covered.replace(f'"{mine.id}":', f'"{other.id}":')
    unguarded(ward, "signature")
    with ward.engine.begin() as connection:
        connection.execute(insert(signature).values(**row))
        connection.execute(update(form).where(form.c.id == other.id).values(sealed_by=77, signed_by=77))
    with ward.read() as tx:
        copied = signatures.find(tx, 77)
        assert copied and signatures.standing(tx, copied).standing is Standing.BROKEN
    assert faults(ward) == [("signature", "77", ""), ("form", str(other.id), "signed_by"), ("form", str(other.id), "sealed_by")]


@pytest.mark.parametrize(
    ("which", "column", "value"),
    [
        (("WEIGH2", "DIARY"), "sealed_by", 1),  # it was signed and changed since
        (("WEIGH2", "DIARY"), "signed_by", None),
        (("HELLO", "WELCOME"), "sealed_by", None),  # it stands as it was signed
        (("HELLO", "WELCOME", "V0002.01"), "sealed_by", 1),  # nobody ever signed it
        (("HELLO", "WELCOME", "V0002.01"), "signed_by", 1),
    ],
)
def test_a_seal_that_no_signature_gave_or_that_was_taken_away_is_found(ward, which, column, value):
    signs(ward, CASEBOOK)
    corrects(ward, DAYS__1__PINCHES="7")
    assert faults(ward) == []
    form_id = stored(ward, *which).id
    with ward.engine.begin() as connection:
        connection.execute(update(form).where(form.c.id == form_id).values({column: value}))
    assert faults(ward) == [("form", str(form_id), column)]


def test_no_seal_is_set_without_a_signature(ward):
    with pytest.raises(Unaudited), ward.write("ivan") as tx:
        forms.seal(tx, [stored(ward, "WEIGH2", "DIARY").id], 1)
