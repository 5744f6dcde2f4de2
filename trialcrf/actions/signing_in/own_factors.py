"""One's own factors: one-time codes and passkeys set up, named and revoked, and recovery codes, shown once."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from trialcrf.actions import Impossible, plain
from trialcrf.actions.reminding.notify import queue_account
from trialcrf.actions.sign_in import WrongSignIn, check_tries, hash_of
from trialcrf.actions.signing_in.second import accepted, owner_of
from trialcrf.core.wording import N_, Message
from trialcrf.external import passwords, strongbox, totp, webauthn
from trialcrf.external.webauthn import Here, NotProven
from trialcrf.store import accounts, factors, steps
from trialcrf.store.factors import PASSKEY, TOTP, Factor
from trialcrf.store.steps import MAKE
from trialcrf.store.transaction import Transaction

CODES, LONGEST_NAME = 10, 80
CODE_LETTERS = 24
MOST = 20
"""Factors of one person: more are a mistake, or a flood."""

ISSUER = "trialcrf"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Of recovery codes: nothing that looks like another letter on paper. Twenty-four are 118 random bits: nobody finds such a code in its
hash, whatever they compute (OWASP ASVS 5.0.0, 6.5.2, asks for 112). Each is good once and throttled."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """A key of one-time codes that waits for its first code: the key in groups of four, and what an app reads."""

    key: str
    uri: str


class WrongPassword(Impossible):
    """The password was not the person's: the shell counts it as a failed sign-in."""


def confirm_person(tx: Transaction, account_id: int, password: str, address: str, now: datetime) -> None:
    """Whoever changes what opens an account types its password again. Reads only. Raises Impossible; WrongPassword is to be counted."""
    found = accounts.by_id(tx, account_id)
    assert found is not None
    try:
        check_tries(tx, found.username, address, now)
    except WrongSignIn as wrong:
        raise Impossible(wrong.message, "password") from None
    if not password:  # Left out, which is no guess.
        raise Impossible(Message(N_("The present password is not right.")), "password")
    if not passwords.matches(found.password_hash, password):
        raise WrongPassword(Message(N_("The present password is not right.")), "password")


def begin_codes(tx: Transaction, account_id: int, name: str, key_file: Path) -> None:
    """A new key for an authenticator app; an earlier one that never got its first code is void. Raises Impossible, OSError."""
    _room_for_one_more(tx, account_id)
    factors.revoke_all(tx, account_id, TOTP, waiting=True)
    locked = strongbox.lock(key_file, totp.new_secret(), owner_of(account_id))
    factors.add(tx, account_id, TOTP, _name(name), locked, good=False)


def waiting_codes(tx: Transaction, account_id: int, username: str, key_file: Path, now: datetime) -> SetUp | None:
    """The key that waits for its first code: nobody sees it afterwards."""
    one = factors.waiting(tx, account_id, now)
    if one is None:
        return None
    secret = strongbox.unlock(key_file, one.secret, owner_of(account_id))
    return SetUp(" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)), totp.uri(secret, username, ISSUER))


def confirm_codes(tx: Transaction, account_id: int, code: str, key_file: Path, now: datetime) -> tuple[str, ...]:
    """The first code of the app: from now on it is asked for. Returns recovery codes where there were none. Raises Impossible."""
    one = factors.waiting(tx, account_id, now)
    if one is None:
        raise Impossible(Message(N_("This took too long: begin again.")), "code")
    step = accepted(one, "".join(code.split()), key_file, now)
    if step is None or not factors.confirm(tx, one, step):
        raise Impossible(Message(N_("This is not the code of this key: look whether the clock of the device is right.")), "code")
    return _added(tx, account_id, one.name)


def begin_passkey(tx: Transaction, account_id: int) -> str:
    """The token of a step in which the browser makes a passkey. Raises Impossible."""
    _room_for_one_more(tx, account_id)
    token = secrets.token_urlsafe(32)
    steps.begin(tx, MAKE, hash_of(token), secrets.token_urlsafe(32), account_id)
    return token


def passkey_asked(tx: Transaction, account_id: int, token: str, here: Here, now: datetime) -> str:
    """What the browser is asked to make a passkey, as JSON. Raises Impossible."""
    step = steps.find(tx, (MAKE,), hash_of(token), now)
    found = accounts.by_id(tx, account_id)
    if step is None or step.account_id != account_id or found is None:
        raise Impossible(Message(N_("This took too long: begin again.")))
    known = [one.credential for one in factors.all_of(tx, account_id) if one.credential]
    handle = hashlib.sha256(f"{ISSUER}:{account_id}".encode()).digest()
    return webauthn.to_make(here, step.challenge, handle, found.username, found.name, known)


def add_passkey(tx: Transaction, account_id: int, token: str, answer: str, name: str, here: Here, now: datetime) -> tuple[str, ...]:
    """Keep the passkey that the browser made. Returns recovery codes where there were none. Raises Impossible."""
    step = steps.find(tx, (MAKE,), hash_of(token), now)
    if step is None or step.account_id != account_id or not steps.end(tx, step):
        raise Impossible(Message(N_("This took too long: begin again.")))
    try:
        made = webauthn.made(here, step.challenge, answer)
        factors.add(tx, account_id, PASSKEY, _name(name), made.public_key, made.credential, made.counter)
    except (NotProven, IntegrityError):
        raise Impossible(Message(N_("The browser made no passkey that can be used here: try again, or use another way."))) from None
    return _added(tx, account_id, _name(name))


def _added(tx: Transaction, account_id: int, name: str) -> tuple[str, ...]:
    accounts.note(tx, account_id, "factor_add", f"factor_add {name}")
    queue_account(tx, account_id, "factor_add")
    return () if factors.codes_left(tx, account_id) else fresh_codes(tx, account_id)


def fresh_codes(tx: Transaction, account_id: int) -> tuple[str, ...]:
    """Ten recovery codes in place of those that were there; they are shown once, and only their hashes are kept."""
    made = tuple("".join(secrets.choice(_LETTERS) for _ in range(CODE_LETTERS)) for _ in range(CODES))
    factors.replace_codes(tx, account_id, [hash_of(f"{account_id}:{code}") for code in made])
    accounts.note(tx, account_id, "recovery_codes")
    queue_account(tx, account_id, "recovery_codes")
    return tuple("-".join(code[at : at + 4] for at in range(0, CODE_LETTERS, 4)) for code in made)


def rename(tx: Transaction, account_id: int, factor_id: int, name: str) -> None:
    """Raises Impossible."""
    one = _mine(tx, account_id, factor_id)
    factors.rename(tx, one.id, _name(name))
    accounts.note(tx, account_id, "factor_rename", f"factor_rename {_name(name)}")


def revoke(tx: Transaction, account_id: int, factor_id: int, demanded: bool) -> None:
    """Take a factor of one's own away; not the last one where one is `demanded`. Raises Impossible."""
    one = _mine(tx, account_id, factor_id)
    left = [each for each in factors.all_of(tx, account_id) if each.id != one.id]
    if demanded and not left:
        raise Impossible(Message(N_("Your role needs a second factor: set up another one before you revoke this one.")))
    factors.revoke(tx, one.id)
    if not left:
        # Recovery codes stand for a factor: without one they would be a second password.
        factors.replace_codes(tx, account_id, [])
    steps.end_all(tx, account_id)
    accounts.note(tx, account_id, "factor_revoke", f"factor_revoke {one.name}")
    queue_account(tx, account_id, "factor_revoke")


def _mine(tx: Transaction, account_id: int, factor_id: int) -> Factor:
    found = next((one for one in factors.all_of(tx, account_id) if one.id == factor_id), None)
    if found is None:
        raise Impossible(Message(N_("This factor is revoked already.")))
    return found


def _name(typed: str) -> str:
    name = plain(typed, LONGEST_NAME, "name", addresses=True)
    if not name:
        raise Impossible(Message(N_("Give it a name by which you know the device.")), "name")
    return name


def _room_for_one_more(tx: Transaction, account_id: int) -> None:
    if len(factors.all_of(tx, account_id)) >= MOST:
        raise Impossible(Message(N_("At most %(count)s factors: revoke one that you do not use."), {"count": MOST}))
