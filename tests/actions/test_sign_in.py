"""Signing in: throttling that keeps nobody out for good, steps, codes used once, what is mailed; on both databases where they matter."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import select

from tests.actions.world import NOW, World, filling, open_world
from tests.conftest import Databases
from trialcrf.actions import Impossible, administer, hospital, publish, sign_in
from trialcrf.actions.reminding import letters
from trialcrf.actions.sign_in import SignedIn, WrongSignIn
from trialcrf.actions.signing_in import demands, own_factors, resets, second
from trialcrf.actions.signing_in.second import Answer, Place
from trialcrf.core.access import Grant
from trialcrf.core.definition.signing_in import SigningIn
from trialcrf.external import mail
from trialcrf.external.strongbox import KEY_FILE
from trialcrf.external.webauthn import Here
from trialcrf.store import accounts, audit, factors, outbox, sessions
from trialcrf.store.models import factor, recovery_code, sign_in_step

PASSWORD = "a long sentence for the tests"
HOME, AWAY = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def one_world(databases: Databases) -> Iterator[World]:
    """For what no database decides: one is enough."""
    url = databases.fresh("sqlite", filling())
    made = open_world(url)
    yield made
    made.engine.dispose()
    databases.drop(url)


def id_of(world, name="ivan"):
    with world.read() as tx:
        return accounts.find(tx, name).id


def fail(world, address, now, name="ivan", times=1):
    with world.write("trialcrf", now) as tx:
        for _ in range(times):
            sign_in.note_failure(tx, name, address)


def come_in(world, address, now=NOW, name="ivan"):
    with world.write("trialcrf", now) as tx:
        return sign_in.begin(tx, accounts.find(tx, name).id, address)


def shut(world, address, now, name="ivan"):
    with world.read() as tx:
        return sign_in.shut_until(tx, name, address, now) is not None


def test_no_stranger_keeps_an_investigator_out_where_they_signed_in_before(world):
    come_in(world, HOME)
    with world.write("trialcrf") as tx:
        for number in range(40):
            sign_in.note_failure(tx, "ivan", f"203.0.113.{number}")
            sign_in.note_failure(tx, f"guess{number}", HOME)
    assert not shut(world, HOME, NOW), "neither guessing from everywhere nor a flood from the same house"
    assert shut(world, AWAY, NOW), "but an address from which nobody ever signed in waits"
    assert shut(world, HOME, NOW, "cora"), "and so does anybody else in the flooded house"
    assert not shut(world, AWAY, NOW + timedelta(hours=1, minutes=1)), "never for good"


def test_each_failure_after_the_fifth_doubles_the_wait_and_what_is_tried_meanwhile_does_not_count(one_world):
    now = NOW
    fail(one_world, AWAY, now, times=5)
    for minutes in (1, 2, 4):
        fail(one_world, AWAY, now, times=3)
        assert shut(one_world, AWAY, now + timedelta(seconds=60 * minutes - 1))
        now += timedelta(minutes=minutes)
        assert not shut(one_world, AWAY, now)
        fail(one_world, AWAY, now)
    come_in(one_world, AWAY, now)
    assert not shut(one_world, AWAY, now), "who gets in starts anew"


def test_the_message_says_how_long_to_wait_and_whoever_does_not_exist_waits_as_well(one_world):
    for name in ("ivan", "nobody-of-this-name"):
        fail(one_world, AWAY, NOW, name, times=5)
        with one_world.read() as tx, pytest.raises(WrongSignIn) as told:
            sign_in.check_password(tx, name, PASSWORD, AWAY, NOW, False)
        assert told.value.message.msgid == "Too many attempts from here. Wait a minute and try again."


def suspects(world):
    with world.read() as tx:
        return [(one.username, one.key.split("|")[2]) for one in outbox.all_of(tx) if one.kind == "suspect"]


def has_a_password(world, name="ivan"):
    with world.write("trialcrf", NOW - timedelta(days=1)) as tx:
        sign_in.set_password(tx, id_of(world, name), name, PASSWORD)


def test_who_is_guessed_at_is_told_once_an_hour_and_nobody_else(world):
    has_a_password(world)
    fail(world, AWAY, NOW, times=4)
    assert suspects(world) == [], "a mistake of a hand"
    fail(world, AWAY, NOW, times=4)
    for number in range(30):
        fail(world, f"203.0.113.{number}", NOW + timedelta(minutes=10))
    assert suspects(world) == [("ivan", "guessed")], "whatever the burst"
    world.invite("nina")
    fail(world, AWAY, NOW, "nina", times=5)
    fail(world, AWAY, NOW, "nobody-of-this-name", times=5)
    assert suspects(world) == [("ivan", "guessed")], "an invitation that nobody took up has proved no address"
    fail(world, AWAY, NOW + timedelta(days=1), times=5)
    assert suspects(world) == [("ivan", "guessed")] * 2


def test_a_flood_of_names_from_one_address_warns_none_whom_it_hit_once(one_world):
    has_a_password(one_world)
    for number in range(29):
        fail(one_world, AWAY, NOW, f"guess{number}")
    fail(one_world, AWAY, NOW)
    assert suspects(one_world) == [] and mails(one_world, "misuse") == []


def test_a_sign_in_from_an_unknown_place_after_wrong_passwords_is_told(one_world):
    has_a_password(one_world)
    come_in(one_world, HOME)
    fail(one_world, AWAY, NOW, times=2)
    come_in(one_world, AWAY)
    assert suspects(one_world) == [], "two mistakes on a new computer"
    fail(one_world, "203.0.113.9", NOW, times=3)
    come_in(one_world, HOME)
    come_in(one_world, AWAY)
    assert suspects(one_world) == [], "from where one signed in before"
    come_in(one_world, "203.0.113.77")
    assert suspects(one_world) == [("ivan", "strange")]


def test_the_mail_says_when_and_what_to_do_and_nothing_that_was_typed_or_from_where(one_world):
    has_a_password(one_world)
    fail(one_world, AWAY, NOW, times=5)
    with one_world.write("trialcrf") as tx:
        found = next(one for one in iter(lambda: outbox.claim(tx), None) if one.kind == "suspect")
        account = accounts.by_id(tx, found.account_id)
        letter = letters.write(tx, found.kind, account, found.params, NOW)
    assert letter.to == "", "to the address of the account and to no other"
    said = mail.write("suspect", "en", account.email, "<a@b>", {**letter.values, "name": account.name, "link": letter.path})
    for words in ("On 2026-11-21 09:00 (UTC)", "your account ivan", "change your password", "/account"):
        assert words in said.body
    assert AWAY not in said.body


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("elevenchars", "at least"),
        ("e" * 11 + "\u0301", "at least"),
        ("x" * 1001, "at most"),
        ("Password123456", "stolen"),
        ("Ivan-Hospital", "made of your name"),
        ("msc_ssc-mesenchymal", "made of your name"),
        ("qweasdzxcqweasdzxc", "easy to guess"),
    ],
)
def test_a_password_is_refused_with_the_reason(one_world, password, words):
    with pytest.raises(Impossible) as refused, one_world.write("trialcrf") as tx:
        sign_in.set_password(tx, id_of(one_world), "ivan", password)
    assert words in refused.value.message.msgid


def test_a_thousand_characters_count_to_the_last_and_are_the_same_however_they_are_typed(one_world):
    words = " ".join(f"mot{number}" for number in range(200))[:998] + "é."
    with one_world.write("trialcrf") as tx:
        sign_in.set_password(tx, id_of(one_world), "ivan", words)
    with one_world.read() as tx:
        for typed, right in ((words, True), (words.replace("é", "e\u0301"), True), (words[:-1], False), (words[:-1] + "!", False)):
            try:
                assert (sign_in.check_password(tx, "ivan", typed, HOME, NOW, False) > 0) is right
            except WrongSignIn:
                assert not right, typed[-5:]


# --- The second step ---------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(HOME, Here.of("https://crf.example.org"), tmp_path / KEY_FILE)


def set_up(world, place, name="ivan", now=NOW):
    """An app with one-time codes; its generator, and the recovery codes."""
    with world.write(name, now) as tx:
        own_factors.begin_codes(tx, id_of(world, name), "my telephone", place.key_file)
    with world.read() as tx:
        key = own_factors.waiting_codes(tx, id_of(world, name), name, place.key_file, now).key.replace(" ", "")
    app = pyotp.TOTP(key)
    with world.write(name, now) as tx:
        recovery = own_factors.confirm_codes(tx, id_of(world, name), app.at(now), place.key_file, now)
    return app, recovery


def step(world, now, name="ivan"):
    with world.write(name, now) as tx:
        return second.begin_step(tx, id_of(world, name))


def answer(world, place, token, code, now):
    with world.write("ivan", now) as tx:
        return second.finish(tx, token, Answer(code), place, now)


def test_a_code_opens_one_door_once_and_a_step_is_good_once(world, place):
    app, _ = set_up(world, place)
    now = NOW + timedelta(minutes=1)
    token = step(world, now)
    assert isinstance(answer(world, place, token, f" {app.at(now)[:3]} {app.at(now)[3:]} ", now), SignedIn)
    again = answer(world, place, step(world, now), app.at(now), now)
    assert again.msgid == second.WRONG, "the same code in another step"
    later = now + timedelta(seconds=30)
    assert answer(world, place, token, app.at(later), later).msgid == second.OVER, "another code in the same step"


def test_the_code_that_set_the_app_up_signs_nobody_in(one_world, place):
    app, _ = set_up(one_world, place)
    assert answer(one_world, place, step(one_world, NOW), app.at(NOW), NOW).msgid == second.WRONG


def test_two_who_bring_the_same_code_at_once_are_not_both_let_in(world, place):
    set_up(world, place)
    with world.read() as tx:
        (seen,) = factors.all_of(tx, id_of(world))
    with world.write("ivan") as tx:
        assert factors.use(tx, seen, seen.counter + 1)
        assert not factors.use(tx, seen, seen.counter + 1)


def test_five_wrong_codes_end_the_step_and_shut_the_throttle(world, place):
    app, _ = set_up(world, place)
    now = NOW + timedelta(minutes=1)
    token = step(world, now)
    assert {answer(world, place, token, f"00000{number}", now).msgid for number in range(5)} == {second.WRONG}
    assert answer(world, place, token, app.at(now), now).msgid == second.OVER
    assert answer(world, place, step(world, now), app.at(now), now).msgid.startswith("Too many attempts")


def test_a_step_is_over_after_five_minutes_and_after_a_new_password(one_world, place):
    app, _ = set_up(one_world, place)
    late = NOW + timedelta(minutes=6)
    assert answer(one_world, place, step(one_world, NOW), app.at(late), late).msgid == second.OVER
    token = step(one_world, late)
    with one_world.write("ivan", late) as tx:
        sign_in.set_password(tx, id_of(one_world), "ivan", PASSWORD)
    assert answer(one_world, place, token, app.at(late), late).msgid == second.OVER


def test_the_trail_says_by_what_somebody_signed_in(world, place):
    app, recovery = set_up(world, place)
    now = NOW + timedelta(minutes=1)
    come_in(world, HOME)
    assert isinstance(answer(world, place, step(world, now), app.at(now), now), SignedIn)
    assert isinstance(answer(world, place, step(world, now), recovery[0], now), SignedIn)
    with world.write("ivan", now) as tx:
        token = second.begin_step(tx, id_of(world), by_hospital=True)
    assert isinstance(answer(world, place, token, recovery[1], now), SignedIn)
    with world.write("ivan", now) as tx:
        hospital.sign_in_by(tx, id_of(world), HOME)
    with world.read() as tx:
        told = [past.place for past in audit.history(tx.connection, "account", str(id_of(world))) if past.op == "sign_in"]
    means = ("password", "password+totp", "password+recovery", "hospital+recovery", "hospital")
    assert told == [f"sign_in {one}" for one in means]


def test_a_step_of_one_account_takes_no_code_of_another(one_world, place):
    set_up(one_world, place)
    app, recovery = set_up(one_world, place, "mona")
    now = NOW + timedelta(minutes=1)
    assert answer(one_world, place, step(one_world, now), app.at(now), now).msgid == second.WRONG
    assert answer(one_world, place, step(one_world, now), recovery[0], now).msgid == second.WRONG


def test_each_of_ten_recovery_codes_opens_once_and_its_owner_is_told(world, place):
    _, recovery = set_up(world, place)
    letters_of = [code.replace("-", "") for code in recovery]
    assert len(set(recovery)) == 10 and all(len(code) >= 10 for code in letters_of) and len(set("".join(letters_of))) > 20, "49 bits"
    assert isinstance(answer(world, place, step(world, NOW), recovery[3].upper(), NOW), SignedIn)
    assert answer(world, place, step(world, NOW), recovery[3], NOW).msgid == second.WRONG
    with world.read() as tx:
        assert factors.codes_left(tx, id_of(world)) == 9
        told = [one for one in outbox.all_of(tx) if "recovery_used" in one.key]
        assert [one.username for one in told] == ["ivan"]
        assert audit.history(tx.connection, "account", str(id_of(world)), "recovery_used")
    with world.write("ivan") as tx:
        fresh = own_factors.fresh_codes(tx, id_of(world))
    assert answer(world, place, step(world, NOW), recovery[4], NOW).msgid == second.WRONG, "new ones void the old ones"
    assert isinstance(answer(world, place, step(world, NOW), fresh[0], NOW), SignedIn)


def test_a_recovery_code_is_too_long_a_chance_to_be_found_in_its_hash(one_world):
    """112 bits and more (OWASP ASVS 5.0.0, 6.5.2): then a hash without work is enough."""
    with one_world.write("ivan") as tx:
        made = own_factors.fresh_codes(tx, id_of(one_world))
    letters = {sign for code in made for sign in code.replace("-", "")}
    assert 25 < len(letters) <= 31
    assert min(len(code.replace("-", "")) for code in made) * math.log2(31) >= 112
    assert all(re.fullmatch(r"(?:[a-z2-9]{4}-){5}[a-z2-9]{4}", code) for code in made), "in groups that a person can read aloud"


def test_the_database_holds_no_secret_in_clear_nor_does_the_trail(world, place):
    app, recovery = set_up(world, place)
    token = step(world, NOW)
    with world.read() as tx:
        stored = str([tx.read(select(table)).all() for table in (factor, recovery_code, sign_in_step)])
        trail = str(accounts.trail(tx, id_of(world)))
    for secret in (app.secret, token, *recovery, *(code.replace("-", "") for code in recovery)):
        assert secret not in stored and secret not in trail


def test_with_another_key_file_codes_open_nothing_and_recovery_codes_still_do(one_world, place, tmp_path):
    app, recovery = set_up(one_world, place)
    place = replace(place, key_file=tmp_path / "elsewhere" / KEY_FILE)
    now = NOW + timedelta(minutes=1)
    assert answer(one_world, place, step(one_world, now), app.at(now), now).msgid == second.WRONG
    assert isinstance(answer(one_world, place, step(one_world, now), recovery[0], now), SignedIn)


def test_the_last_factor_stays_where_a_role_needs_one_and_recovery_codes_go_with_it(one_world, place):
    set_up(one_world, place)
    with one_world.read() as tx:
        (one,) = factors.all_of(tx, id_of(one_world))
    with pytest.raises(Impossible), one_world.write("ivan") as tx:
        own_factors.revoke(tx, id_of(one_world), one.id, demanded=True)
    with one_world.write("ivan") as tx:
        own_factors.revoke(tx, id_of(one_world), one.id, demanded=False)
    with one_world.read() as tx:
        assert not factors.any_of(tx, id_of(one_world)) and factors.codes_left(tx, id_of(one_world)) == 0
        assert tx.read(select(factor.c.secret)).scalars().all() == [""]
    with pytest.raises(Impossible), one_world.write("mona") as tx:
        own_factors.revoke(tx, id_of(one_world, "mona"), one.id, demanded=False)


# --- Who needs one, and who lost one -----------------------------------------------------------------------------------


def demand(world, **said):
    with world.write("trialcrf") as tx:
        publish.publish(tx, replace(world.published.study, sign_in=SigningIn(**said)))


def actor(world, name):
    with world.read() as tx:
        return accounts.actor(tx, accounts.find(tx, name), NOW)


def test_a_factor_is_asked_of_the_roles_that_the_study_names_until_there_is_one(one_world, place):
    with one_world.read() as tx:
        assert not demands.lacks_factor(tx, actor(one_world, "ivan"), True)
    demand(one_world, second_factor=("investigator",))
    with one_world.read() as tx:
        assert [demands.lacks_factor(tx, actor(one_world, name), True) for name in ("ivan", "cora", "mona")] == [True, False, False]
    set_up(one_world, place)
    with one_world.read() as tx:
        assert not demands.lacks_factor(tx, actor(one_world, "ivan"), True)


def test_of_administrators_it_is_asked_where_the_installation_says_so(one_world):
    with one_world.write("trialcrf") as tx:
        account_id = administer.create_account(tx, "adam", "Adam", "adam@example.org", "Hospital", "fr")
        accounts.give(tx, account_id, Grant("administrator", "*"))
    with one_world.read() as tx:
        assert demands.lacks_factor(tx, actor(one_world, "adam"), True)
        assert not demands.lacks_factor(tx, actor(one_world, "adam"), False)


def test_a_password_grows_old_only_where_the_study_insists(one_world):
    with one_world.write("trialcrf") as tx:
        sign_in.set_password(tx, id_of(one_world), "ivan", PASSWORD)
    ages = (timedelta(days=89), timedelta(days=91))
    with one_world.read() as tx:
        assert not any(demands.password_too_old(tx, actor(one_world, "ivan"), one_world.published.study, NOW + age) for age in ages)
    demand(one_world, password_days=90)
    with one_world.read() as tx:
        assert [demands.password_too_old(tx, actor(one_world, "ivan"), one_world.published.study, NOW + age) for age in ages] == [
            False,
            True,
        ]


def test_an_administrator_removes_lost_factors_with_a_reason_and_the_person_is_told(world, place):
    _, recovery = set_up(world, place)
    session = come_in(world, HOME)
    token = step(world, NOW)
    with pytest.raises(Impossible), world.write("trialcrf") as tx:
        resets.remove_factors(tx, id_of(world), " ")
    with pytest.raises(Impossible), world.write("ivan") as tx:
        resets.remove_factors(tx, id_of(world), "mine")
    with world.write("trialcrf") as tx:
        resets.remove_factors(tx, id_of(world), "telephone stolen, seen in person")
    with world.read() as tx:
        assert not factors.any_of(tx, id_of(world))
        assert sessions.find(tx, sign_in.hash_of(session.token), NOW) is None
        (told,) = audit.history(tx.connection, "account", str(id_of(world)), "factors_removed")
        assert told.reason == "telephone stolen, seen in person"
        assert any("factors_removed" in one.key for one in outbox.all_of(tx))
    assert answer(world, place, token, recovery[0], NOW).msgid == second.OVER


# --- Resets ------------------------------------------------------------------------------------------------------------


def mails(world, kind="reset"):
    with world.read() as tx:
        return [one.username for one in outbox.all_of(tx) if one.kind == kind]


@pytest.mark.parametrize("typed", ["ivan", " IVAN ", "Ivan@Example.org"])
def test_a_reset_is_asked_by_name_or_address_and_mailed_once_in_ten_minutes(world, typed):
    for _ in range(3):
        with world.write("trialcrf") as tx:
            resets.ask(tx, typed, AWAY)
    assert mails(world) == ["ivan"]


def test_nobody_and_the_deactivated_get_no_mail_and_a_flood_from_one_address_dries_up(world):
    with world.write("trialcrf") as tx:
        administer.set_active(tx, id_of(world), False, "left")
    for typed in ("ivan", "nobody", "", "%", "\x00", "\ud800"):
        with world.write("trialcrf") as tx:
            resets.ask(tx, typed, AWAY)
    assert mails(world) == []
    with world.write("trialcrf") as tx:
        for _ in range(29 - 6):
            resets.ask(tx, "nobody", AWAY)
        resets.ask(tx, "dana", AWAY)
        resets.ask(tx, "mona", AWAY)
        resets.ask(tx, "cora", HOME)
    assert mails(world) == ["dana", "cora"], "a house where thirty forget theirs within a quarter of an hour has a guest"


def test_asking_writes_the_same_whether_or_not_there_is_such_an_account(one_world):
    with one_world.write("trialcrf") as tx:
        before = len(tx.entries)
        resets.ask(tx, "ivan", AWAY)
        assert len(tx.entries) == before, "what the trail tells of a known account, it would take time to write"


def test_a_reset_is_good_once_and_for_an_hour_and_ends_every_session_but_asks_the_second_factor(world, place):
    set_up(world, place)
    session = come_in(world, HOME)
    with world.write("trialcrf") as tx:
        old = resets.fresh_reset(tx, id_of(world))
        link = resets.fresh_reset(tx, id_of(world))
    for token, now in ((old, NOW), (link, NOW + timedelta(minutes=61)), ("guess", NOW)):
        with pytest.raises(Impossible), world.write("trialcrf", now) as tx:
            resets.reset(tx, token, PASSWORD, now)
    with pytest.raises(Impossible), world.write("trialcrf") as tx:
        resets.reset(tx, link, "Password123456", NOW)
    with world.write("trialcrf") as tx:
        resets.reset(tx, link, PASSWORD, NOW)
    with pytest.raises(Impossible), world.write("trialcrf") as tx:
        resets.reset(tx, link, PASSWORD + "!", NOW)
    with world.read() as tx:
        assert sessions.find(tx, sign_in.hash_of(session.token), NOW) is None
        assert sign_in.check_password(tx, "ivan", PASSWORD, HOME, NOW, False) == id_of(world)
        assert factors.any_of(tx, id_of(world)), "what was asked before is asked still"
        assert link not in str(tx.read(select(accounts.account)).all())


def test_another_address_is_told_to_both_and_voids_a_link_that_is_on_its_way(one_world):
    with one_world.write("trialcrf") as tx:
        link = resets.fresh_reset(tx, id_of(one_world))
    with one_world.write("ivan") as tx:
        resets.change_email(tx, id_of(one_world), "ivan@elsewhere.example")
    assert mails(one_world, "account") == ["ivan", "ivan"]
    with one_world.read() as tx:
        assert accounts.by_reset(tx, sign_in.hash_of(link), NOW) is None
    for bad in ("ivan@elsewhere.example", "no address", "a@b.c\nBcc: x@y.zz"):
        with pytest.raises(Impossible), one_world.write("ivan") as tx:
            resets.change_email(tx, id_of(one_world), bad)
