"""Freezes and locks on a real database: every level against every path that writes, four eyes, the signed lock, triggers."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.actions.world import NOW, World, typed
from trialcrf.actions import Impossible, NotAllowed, enrol, enter, sign, sign_in
from trialcrf.actions.enter import Typed
from trialcrf.actions.oversight import lock, lock_database, review, second, verify
from trialcrf.actions.oversight.sign_data import Scope, gather, sign_data
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import Address, Level, Locked, LockState, item_address, visit_address
from trialcrf.core.oversight.database_lock import Line
from trialcrf.core.oversight.four_eyes import RequestKind, RequestState
from trialcrf.core.safety.decision import DecisionKind
from trialcrf.core.signature import fingerprint
from trialcrf.store import accounts, audit, bulk, decisions, forms, locks, queries, replay, requests, sites, subjects
from trialcrf.store.transaction import Transaction

PASSWORD = "a long enough password"
FROZEN, LOCKED = LockState.FROZEN, LockState.LOCKED
DIARY = FormKey("WEIGH2", "DIARY")
PINCHES = Place("PINCHES", "DAYS", "1")
EVERY = frozenset(Level)
KEY = "V0001.01"


class Undo(Exception):
    """Ends a transaction without a trace."""


@pytest.fixture
def ward(salt):
    """Two volunteers at site 01; the first one with a diary of two days and a query about it."""
    for _ in range(2):
        salt.enrol("volunteer", "01", AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    days = {f"DAYS__new{n}__{item}": said for n in (1, 2) for item, said in (("DAY", (n, 3, 2026)), ("PINCHES", str(n)))}
    salt.save(salt.subject(KEY), "DIARY", "WEIGH2", typed(None, **days))
    with salt.write("trialcrf") as tx:
        for name in ("cora", "ivan", "mona", "dana"):
            found = accounts.find(tx, name)
            assert found
            sign_in.set_password(tx, found.id, name, PASSWORD)
    with salt.write("mona") as tx:
        which = subjects.find(tx, "salt", KEY)
        review.ask(tx, which, DIARY, diary(tx).id, PINCHES, "Only one?")
    return salt


def diary(tx: Transaction):
    which = subjects.find(tx, "salt", KEY)
    assert which
    found = forms.read(tx, which.id, DIARY)
    assert found
    return found


def addresses(tx: Transaction) -> dict[Level, Address]:
    stored = diary(tx)
    which = subjects.by_id(tx, stored.subject_id)
    assert which
    return {
        Level.ITEM: item_address(stored.id, PINCHES),
        Level.FORM: Address(Level.FORM, stored.id),
        Level.VISIT: visit_address(which.id, "WEIGH2", 1),
        Level.SUBJECT: Address(Level.SUBJECT, which.id),
        Level.SITE: Address(Level.SITE, which.site.id),
        Level.STUDY: Address(Level.STUDY, which.site.study_id),
    }


def close(tx: Transaction, level: Level, state: LockState) -> None:
    """Freeze or lock, a site and the study too: what the checklist asks is another test's affair."""
    where = sites.find(tx, "salt", "01") if level is not Level.STUDY else None
    which = subjects.find(tx, "salt", KEY) if level not in (Level.STUDY, Level.SITE) else None
    study_id = sites.find(tx, "salt", "01").study_id
    move = "freeze" if state is FROZEN else "lock"
    locks.move(tx, addresses(tx)[level], where, which, study_id, where.chain if where else "salt", move, "the end")


def save(tx: Transaction, world: World, form: str, event: str, sent: Typed) -> None:
    which = subjects.find(tx, "salt", KEY)
    enter.save_form(tx, world.published, which, FormKey(event, form), sent, NOW)


def reason(world: World) -> str:
    return world.published.study.reasons.items[0].code


def change(tx, world):
    save(tx, world, "DIARY", "WEIGH2", typed(1, reason(world), DAYS__1__PINCHES="9"))


def change_beside(tx, world):
    save(tx, world, "DIARY", "WEIGH2", typed(1, reason(world), DAYS__2__DAY=(3, 3, 2026)))


def remove_row(tx, world):
    save(tx, world, "DIARY", "WEIGH2", Typed(removed={("DAYS", "1"): reason(world)}, version=1))


def form_in_error(tx, world):
    enter.mark_form_error(tx, subjects.find(tx, "salt", KEY), diary(tx), "wrong")


def new_form_of_visit(tx, world):
    save(tx, world, "SCALES", "WEIGH2", typed(None, CAME="Y", CAME_ON=(6, 3, 2026), KILOS="70"))


def new_form_elsewhere(tx, world):
    save(tx, world, "SCALES", "WEIGH1", typed(None, CAME="Y", CAME_ON=(6, 3, 2026), KILOS="70"))


def subject_in_error(tx, world):
    enrol.mark_subject_error(tx, subjects.find(tx, "salt", KEY), "no volunteer")


def ask_removal(tx, world):
    second.ask_removal(tx, world.published, subjects.find(tx, "salt", KEY), "no volunteer")


def enrolment(tx, world):
    where = sites.find(tx, "salt", "01")
    enrol.enrol(tx, world.published, where, "volunteer", typed(AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F"), NOW)


def bulk_enrolment(tx, world):
    one = bulk.PackedSubject("volunteer", 77, "V0077.01", "2026-01-20", (), ())
    bulk.add(tx, sites.find(tx, "salt", "01"), world.published.id, [one])


def answer(tx, world):
    (found,) = queries.of_form(tx, diary(tx).id)
    review.answer(tx, world.published.study, sites.find(tx, "salt", "01"), found, "", "As the volunteer said.")


def open_query(tx, world):
    review.ask(tx, subjects.find(tx, "salt", KEY), DIARY, diary(tx).id, Place("", "", ""), "And the rest?")


def verifies(tx, world):
    which, asked = subjects.find(tx, "salt", KEY), verify.Asked("WEIGH2", everything=True)
    shown = verify.seen(verify.sheets(tx, world.published, which, asked, lambda _: True, NOW))
    verify.verify(tx, world.published, which, asked, lambda _: True, shown, {}, None, NOW)


def signs(tx, world):
    which, scope = subjects.find(tx, "salt", KEY), Scope("form", "WEIGH2", 1, "DIARY", 1)
    ivan = accounts.actor(tx, accounts.find(tx, "ivan"))
    sheet = gather(tx, world.published, which, ivan, scope)
    seen = fingerprint(sign.covered(tx, which, sheet.form_ids)) if sheet.parts else ""
    sign_data(tx, world.published, which, ivan, sign.Proof(ivan.id, NOW), scope, seen)


WIDE = frozenset({Level.SITE, Level.STUDY})
CHANGES: dict[Callable[..., None], frozenset[Level]] = {
    change: EVERY,
    change_beside: EVERY - {Level.ITEM},
    remove_row: EVERY,
    form_in_error: EVERY,
    new_form_of_visit: EVERY - {Level.ITEM, Level.FORM},
    new_form_elsewhere: EVERY - {Level.ITEM, Level.FORM, Level.VISIT},
    subject_in_error: EVERY,
    ask_removal: EVERY,
    enrolment: WIDE,
    bulk_enrolment: WIDE,
}
"""What changes values, with the levels at which a freeze or a lock stops it."""
WORK: dict[Callable[..., None], frozenset[Level]] = {
    answer: EVERY,
    open_query: EVERY - {Level.ITEM},
    verifies: EVERY,
    signs: EVERY - {Level.ITEM},
}
"""Work on values that changes none, with the levels at which a lock stops it; a freeze never does."""
BY = {signs: "ivan", verifies: "mona", open_query: "mona"}


def stopped(world: World, path: Callable[..., None], level: Level | None, state: LockState) -> bool:
    """Whether the path is refused by a freeze or lock; nothing of it stays."""
    try:
        with world.write(BY.get(path, "cora")) as tx:
            if level is not None:
                close(tx, level, state)
            path(tx, world)
            raise Undo
    except Undo:
        return False
    except Locked as refused:
        assert (refused.level, refused.state) == (level, state)
        return True


def test_every_level_stops_the_paths_that_lie_under_it_and_no_other(ward):
    for path, closed in {**CHANGES, **WORK}.items():
        assert not stopped(ward, path, None, FROZEN), path
        for level in Level:
            assert stopped(ward, path, level, LOCKED) is (level in closed), (path, level)
            assert stopped(ward, path, level, FROZEN) is (path in CHANGES and level in closed), (path, level)


def faults(world: World) -> list[tuple[str, str, str]]:
    with world.read() as tx:
        assert audit.broken(tx.connection) is None
        return [(one.entity, one.entity_id, one.place) for one in replay.differences(tx)]


def actor(tx: Transaction, name: str):
    found = accounts.find(tx, name)
    assert found
    return accounts.actor(tx, found)


def proof(tx: Transaction, name: str) -> sign.Proof:
    return sign.Proof(actor(tx, name).id, tx.at)


def thing(tx: Transaction, world: World, level: Level) -> lock.Thing:
    found = lock.find(tx, world.published, addresses(tx)[level].text)
    assert found
    return found


def test_what_is_closed_is_told_with_who_when_and_why_and_the_trail_says_the_same(ward):
    level = Level.VISIT
    for move, state in ((lock.freeze, FROZEN), (lock.thaw, LockState.OPEN), (lock.lock, LOCKED)):
        with ward.write("dana") as tx:
            assert move(tx, thing(tx, ward, level), f"because of {move.__name__}") is state
        with ward.read() as tx:
            assert locks.state_of(tx, addresses(tx)[level]) is state
    with ward.read() as tx:
        (held,) = locks.all_of(tx, ward.published.study_id, None)
        told = locks.told(tx, [held.id])[held.id]
        assert (held.address, held.state, held.site, held.subject) == (addresses(tx)[level], LOCKED, "01", KEY)
        assert (told.name, told.role, told.reason, told.at) == ("Dana", "data_manager", "because of lock", NOW)
        assert locks.all_of(tx, ward.published.study_id, frozenset({"02"})) == []
    assert faults(ward) == []
    with ward.engine.begin() as connection:
        connection.execute(text("UPDATE lock SET state = 'open'"))
    assert [fault[0] for fault in faults(ward)] == ["lock"]


def test_a_move_needs_a_reason_and_a_state_that_has_it(ward):
    for bad in ("", "  ", "x" * 1001, "nul\x00"):
        with pytest.raises(Impossible), ward.write("dana") as tx:
            lock.freeze(tx, thing(tx, ward, Level.FORM), bad)
    with pytest.raises(Impossible), ward.write("dana") as tx:
        lock.thaw(tx, thing(tx, ward, Level.FORM), "it is open")
    for level in (Level.SITE, Level.STUDY):
        with pytest.raises(Impossible), ward.write("dana") as tx:
            lock.lock(tx, thing(tx, ward, level), "without its checklist")
    with ward.read() as tx:
        assert locks.all_of(tx, ward.published.study_id, None) == []


NOWHERE = (
    "form/999",
    "item/1/NOTHING",
    "item/2/DAYS/9/PINCHES",
    "visit/1/NOWHERE/1",
    "visit/1/WEIGH2/2",
    "visit/1/WEIGH2/01",
    "study/2",
    "site/9",
    "ward/1",
)


def test_there_is_something_at_every_level_and_nothing_at_an_address_of_nothing(ward):
    with ward.read() as tx:
        assert {lock.find(tx, ward.published, one.text).address for one in addresses(tx).values()} == set(addresses(tx).values())
        assert [lock.find(tx, ward.published, one) for one in NOWHERE] == [None] * len(NOWHERE)


def locked(world: World, level: Level) -> int:
    """Locks, asks to unlock, and returns the number of the request."""
    with world.write("dana") as tx:
        close(tx, level, LOCKED)
    with world.write("dana") as tx:
        return second.ask_unlock(tx, world.published, thing(tx, world, level), "A result came late.")


@pytest.mark.parametrize("level", [Level.ITEM, Level.SITE, Level.STUDY])
def test_nobody_unlocks_alone_and_a_second_person_does_it_by_password(ward, level):
    number = locked(ward, level)
    with pytest.raises(Impossible), ward.write("dana") as tx:
        second.ask_unlock(tx, ward.published, thing(tx, ward, level), "asked twice")
    with pytest.raises(Impossible), ward.write("dana") as tx:
        second.grant(tx, ward.published, requests.find(tx, number), actor(tx, "dana"), proof(tx, "dana"), "")
    with pytest.raises(NotAllowed), ward.write("mona") as tx:
        second.grant(tx, ward.published, requests.find(tx, number), actor(tx, "mona"), proof(tx, "mona"), "")
    with pytest.raises(NotAllowed), ward.write("ivan") as tx:
        second.grant(tx, ward.published, requests.find(tx, number), actor(tx, "ivan"), sign.Proof(999, tx.at), "")
    with ward.read() as tx:
        assert locks.state_of(tx, addresses(tx)[level]) is LOCKED
    if level is Level.STUDY:
        # An investigator of one site opens no study: it takes a second data manager.
        with pytest.raises(NotAllowed), ward.write("ivan") as tx:
            second.grant(tx, ward.published, requests.find(tx, number), actor(tx, "ivan"), proof(tx, "ivan"), "")
    else:
        with ward.write("ivan") as tx:
            second.grant(tx, ward.published, requests.find(tx, number), actor(tx, "ivan"), proof(tx, "ivan"), "I saw it")
        with ward.read() as tx:
            assert locks.state_of(tx, addresses(tx)[level]) is LockState.OPEN
            told = locks.told(tx, [locks.id_of(tx, addresses(tx)[level])])
            assert [one.reason for one in told.values()] == ["A result came late."]
            lines = decisions.all_of(tx, "salt", [DecisionKind.DATABASE_UNLOCKED])
            assert [(one.content["site"], one.content["asked_by"], one.name) for one in lines] == (
                [("01", "dana", "Ivan")] if level is Level.SITE else []
            )
        with pytest.raises(Impossible), ward.write("ivan") as tx:
            second.grant(tx, ward.published, requests.find(tx, number), actor(tx, "ivan"), proof(tx, "ivan"), "again")
    assert faults(ward) == []


def test_a_refused_and_a_withdrawn_request_change_nothing(ward):
    first = locked(ward, Level.FORM)
    with pytest.raises(Impossible), ward.write("ivan") as tx:
        second.refuse(tx, ward.published, requests.find(tx, first), actor(tx, "ivan"), " ")
    with ward.write("ivan") as tx:
        second.refuse(tx, ward.published, requests.find(tx, first), actor(tx, "ivan"), "the result is there")
    with ward.write("dana") as tx:
        again = second.ask_unlock(tx, ward.published, thing(tx, ward, Level.FORM), "really")
    with pytest.raises(Impossible), ward.write("ivan") as tx:
        second.withdraw(tx, ward.published, requests.find(tx, again), "not mine")
    with ward.write("dana") as tx:
        second.withdraw(tx, ward.published, requests.find(tx, again), "")
    with ward.read() as tx:
        states = [one.state for one in requests.all_of(tx, "salt", list(RequestState))]
        assert states == [RequestState.REFUSED, RequestState.WITHDRAWN]
        assert locks.state_of(tx, addresses(tx)[Level.FORM]) is LOCKED
    assert faults(ward) == []


def test_a_subject_leaves_only_when_a_second_person_grants_it_and_nothing_stands_against_it(ward):
    with ward.write("cora") as tx:
        number = second.ask_removal(tx, ward.published, subjects.find(tx, "salt", KEY), "Not this volunteer")
    with ward.read() as tx:
        assert not ward.subject(KEY).error
        assert requests.find(tx, number).kind is RequestKind.REMOVAL
    with ward.write("dana") as tx:
        close(tx, Level.FORM, LOCKED)
    with pytest.raises(Locked), ward.write("ivan") as tx:
        second.grant(tx, ward.published, requests.find(tx, number), actor(tx, "ivan"), proof(tx, "ivan"), "")
    with ward.read() as tx:
        assert requests.find(tx, number).state is RequestState.WAITING
    with ward.write("dana") as tx:
        unlock = second.ask_unlock(tx, ward.published, thing(tx, ward, Level.FORM), "to remove it")
    with ward.write("ivan") as tx:
        second.grant(tx, ward.published, requests.find(tx, unlock), actor(tx, "ivan"), proof(tx, "ivan"), "")
    with ward.write("ivan") as tx:
        second.grant(tx, ward.published, requests.find(tx, number), actor(tx, "ivan"), proof(tx, "ivan"), "")
    assert ward.subject(KEY).error == "Not this volunteer"
    assert faults(ward) == []


def seen(world: World, site: str = "01") -> str:
    with world.read() as tx:
        where = sites.find(tx, "salt", site) if site else None
        return lock_database.seen(lock_database.checklist(tx, world.published, where, NOW), True)


def lock_site(world: World, words, site: str = "01", name: str = "dana", shown: str = ""):
    shown = shown or seen(world, site)
    with world.write(name) as tx:
        where = sites.find(tx, "salt", site) if site else None
        args = (actor(tx, name), proof(tx, name), where, words, "End of the trial", shown)
        return lock_database.lock_database(tx, world.published, *args)


WORDS = dict.fromkeys(Line, "known")


def test_the_checklist_counts_what_stands_open(ward):
    with ward.read() as tx:
        counts = dict(lock_database.checklist(tx, ward.published, sites.find(tx, "salt", "01"), NOW).counts)
        elsewhere = lock_database.checklist(tx, ward.published, sites.find(tx, "salt", "02"), NOW)
    assert counts == {**dict.fromkeys(Line, 0), Line.QUERIES: 1, Line.UNSIGNED: 3}
    assert elsewhere.open == ()
    ward.save(ward.subject(KEY), "SCALES", "WEIGH1", typed(None, CAME="Y"))
    said = {
        "OUCH": "Fell",
        "WHERE": "HEAD",
        "HOW_BAD": "AWFUL",
        "SINCE": (2, 3, 2026),
        "HOW_IT_ENDED": "RECOVERED/RESOLVED",
        "GRAVE": "Y",
        "WARD": "Y",
    }
    ward.save(ward.subject(KEY), "COMPLAINTS", "WOES", typed(None, **{f"LIST__new1__{item}": text for item, text in said.items()}))
    with ward.write("cora") as tx:
        second.ask_removal(tx, ward.published, subjects.find(tx, "salt", "V0002.01"), "twice")
    with ward.read() as tx:
        now = lock_database.checklist(tx, ward.published, None, NOW).counts
    assert now[Line.INCOMPLETE] >= 1
    assert (now[Line.CASES], now[Line.REQUESTS], now[Line.UNSIGNED]) == (1, 1, 5)


def test_a_database_is_locked_over_its_checklist_by_a_signature_and_the_ledger_tells_all_of_it(ward):
    for words, stopped_ in (({}, Impossible), ({"queries": "known"}, Impossible)):
        with pytest.raises(stopped_):
            lock_site(ward, words)
    with pytest.raises(Impossible):
        lock_site(ward, WORDS, shown="0" * 64)
    with pytest.raises(NotAllowed):
        lock_site(ward, WORDS, name="mona")
    with ward.read() as tx:
        assert locks.all_of(tx, ward.published.study_id, None) == []
    made = lock_site(ward, WORDS)
    assert (made.kind, made.name, made.role, made.content["site"]) == (DecisionKind.DATABASE_LOCKED, "Dana", "data_manager", "01")
    assert made.content["explained"] == {"queries": "known", "unsigned": "known"}
    assert made.content["checklist"]["unsigned"] == 3
    assert len(made.content["checkpoint"]) == 64
    with pytest.raises(Locked), ward.write() as tx:
        change(tx, ward)
    with pytest.raises(Impossible):
        lock_site(ward, WORDS)
    lock_site(ward, WORDS, site="")
    with pytest.raises(Locked), ward.write("dana") as tx:
        second.ask_unlock(tx, ward.published, thing(tx, ward, Level.SITE), "the study is opened first")
    assert faults(ward) == []
    with ward.read() as tx:
        assert decisions.all_of(tx, "salt") == []
        kinds = [one.kind for one in decisions.all_of(tx, "salt", list(DecisionKind))]
    assert kinds == [DecisionKind.DATABASE_LOCKED] * 2


def test_the_database_itself_refuses_to_write_under_a_lock(ward, database_kind):
    other = ward.enrol("volunteer", "02", AGREED=(20, 1, 2026), BORN=("", 5, 1980), GENDER="F")
    with ward.read() as tx:
        stored, which = diary(tx), subjects.find(tx, "salt", KEY)
    kept = (
        "site_id, subject_id, event_oid, event_repeat, form_oid, definition_id, version, document, complete, error, created_at, updated_at"
    )
    copy = f"INSERT INTO form (form_repeat, {kept}) SELECT 7, {kept} FROM form WHERE id = {stored.id}"
    at_form = [
        f"UPDATE form SET document = '{{}}' WHERE id = {stored.id}",
        f"UPDATE form SET subject_id = {other.id}, site_id = {other.site.id} WHERE id = {stored.id}",
        f"UPDATE query SET state = 'closed' WHERE form_id = {stored.id}",
    ]
    at_subject = [
        f"UPDATE subject SET error = 'gone' WHERE id = {which.id}",
        f"UPDATE subject SET site_id = {other.site.id}, number = 99 WHERE id = {which.id}",
        copy,
    ]
    if database_kind == "sqlite":
        at_form.append(f"INSERT OR REPLACE INTO form SELECT * FROM form WHERE id = {stored.id}")
    cases = {
        Level.FORM: at_form,
        Level.VISIT: [*at_form, copy],
        **{one: [*at_form, *at_subject] for one in (Level.SUBJECT, Level.SITE, Level.STUDY)},
    }
    for level, attacks in cases.items():
        for attack in attacks:
            # Without a lock the database takes it (but for a replaced row), so that it is the lock which refuses.
            for state in (None, LOCKED):
                with ward.engine.connect() as connection, connection.begin() as undone:
                    if state:
                        tx = Transaction(connection, NOW, ward_who())
                        connection.info["mode"] = "write"
                        close(tx, level, LOCKED)
                        connection.info.pop("mode")
                        with pytest.raises(DBAPIError, match=r"this is locked|never be changed"):
                            connection.execute(text(attack))
                    elif "REPLACE" not in attack:
                        assert connection.execute(text(attack)).rowcount == 1, attack
                    undone.rollback()


def ward_who():
    return audit.Who("dana", "data_manager", "Hospital", "")


def test_a_save_under_way_is_waited_for_and_none_slips_behind_the_lock(ward, database_kind):
    """It looked and found all open: the lock waits for it, and is told that the checklist is no longer the one that was read."""
    shown, looked, done = seen(ward), threading.Event(), []

    def saves() -> None:
        with ward.write() as tx:
            # A new form would hold the site by its key alone: this only changes rows that stand.
            form_in_error(tx, ward)
            looked.set()
            waited.wait(0.5)
        done.append("saved")

    waited = threading.Event()
    running = threading.Thread(target=saves)
    running.start()
    looked.wait(10)
    with pytest.raises(Impossible, match="changed while you were reading"):
        lock_site(ward, WORDS, shown=shown)
    assert done == ["saved"]
    running.join(10)
