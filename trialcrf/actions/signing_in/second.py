"""The second step of a sign-in: a one-time code, a passkey or a recovery code; and a passkey in place of name and password."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from trialcrf.actions import sign_in
from trialcrf.actions.reminding.notify import queue_account
from trialcrf.actions.sign_in import SignedIn, WrongSignIn, begin, check_demo, check_tries, hash_of, note_failure
from trialcrf.core.wording import N_, Message
from trialcrf.external import strongbox, totp, webauthn
from trialcrf.external.webauthn import Here, NotProven
from trialcrf.store import accounts, attempts, factors, steps
from trialcrf.store.factors import PASSKEY, TOTP, Factor
from trialcrf.store.steps import AFTER_HOSPITAL, ALONE, SECOND, Step
from trialcrf.store.transaction import Transaction

log = logging.getLogger(__name__)

_SECOND = (SECOND, AFTER_HOSPITAL)

OVER = N_("This took too long, or there were too many wrong codes: begin again with user name and password.")
WRONG = N_("This code is wrong, or it was used before.")
NOT_PROVEN = N_("The passkey was not accepted. Try again, or use another way.")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the second step asks: `codes` of an app, `recovery` codes; `passkey` is what the browser is asked, empty where there is none."""

    token: str
    codes: bool
    recovery: bool
    passkey: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person answered: a code that was typed, or what the browser says of a passkey (JSON)."""

    code: str = ""
    passkey: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where it happens: the address the request came from, that of this program, and the key that secrets are locked up with."""

    address: str
    here: Here
    key_file: Path
    demo_allowed: bool = False


def owner_of(account_id: int) -> str:
    """For whom a secret is locked up."""
    return f"account {account_id}"


def begin_step(tx: Transaction, account_id: int, by_hospital: bool = False) -> str:
    """After a right password, or the hospital's word, where there is a second factor: the token of the step, stored as its hash alone."""
    return _begin(tx, AFTER_HOSPITAL if by_hospital else SECOND, account_id)


def begin_alone(tx: Transaction) -> str:
    """For a passkey in place of name and password: whose it is, it says itself, so nothing tells which accounts there are."""
    return _begin(tx, ALONE, None)


def _begin(tx: Transaction, purpose: str, account_id: int | None) -> str:
    token = secrets.token_urlsafe(32)
    steps.begin(tx, purpose, hash_of(token), secrets.token_urlsafe(32), account_id)
    return token


def asked(tx: Transaction, token: str, place: Place, now: datetime) -> Asked:
    """What the page of a step asks. Raises WrongSignIn where it is over."""
    step = _step(tx, _SECOND, token, now)
    assert step.account_id is not None
    held = factors.all_of(tx, step.account_id)
    keys = [one.credential for one in held if one.credential]
    question = webauthn.to_prove(place.here, step.challenge, keys, verified=False) if keys else ""
    return Asked(token, any(one.kind == TOTP for one in held), factors.codes_left(tx, step.account_id) > 0, question)


def asked_alone(tx: Transaction, token: str, place: Place, now: datetime) -> str:
    """What the browser is asked for a passkey in place of name and password. Raises WrongSignIn."""
    return webauthn.to_prove(place.here, _step(tx, (ALONE,), token, now).challenge, [], verified=True)


def whose(tx: Transaction, token: str, now: datetime) -> int:
    """The account that a step is for. Raises WrongSignIn where it is over."""
    found = _step(tx, _SECOND, token, now).account_id
    assert found is not None
    return found


def whose_alone(tx: Transaction, passkey: str) -> int | None:
    """The account of the passkey that answers; None where it is nobody's. Proves nothing yet."""
    try:
        found = factors.by_credential(tx, webauthn.named(passkey))
    except NotProven:
        return None
    return found.account_id if found else None


def finish(tx: Transaction, token: str, answer: Answer, place: Place, now: datetime) -> SignedIn | Message:
    """Check the answer to the second step: a session, or what was wrong, which is then counted in this same transaction."""
    try:
        step = _step(tx, _SECOND, token, now)
        assert step.account_id is not None
        found = accounts.by_id(tx, step.account_id)
        assert found is not None
        if not found.active:
            return Message(OVER)
        check_demo(found, place.demo_allowed)
        check_tries(tx, found.username, place.address, now)
    except WrongSignIn as wrong:
        return wrong.message
    if answer.passkey:
        second = sign_in.PASSKEY if _passkey(tx, step, found.id, answer.passkey, place) else ""
    else:
        second = _code(tx, found.id, answer.code, place, now)
    if second and steps.end(tx, step):
        first = sign_in.HOSPITAL if step.purpose == AFTER_HOSPITAL else sign_in.PASSWORD
        return begin(tx, found.id, place.address, f"{first}+{second}")
    steps.count_wrong(tx, step)
    note_failure(tx, found.username, place.address)
    return Message(NOT_PROVEN if answer.passkey else WRONG)


def finish_alone(tx: Transaction, token: str, passkey: str, place: Place, now: datetime) -> SignedIn | Message:
    """Check a passkey that comes in place of name and password; its device must have asked for finger, face or code."""
    try:
        step = _step(tx, (ALONE,), token, now)
        account_id = whose_alone(tx, passkey)
        found = accounts.by_id(tx, account_id) if account_id is not None else None
        check_tries(tx, found.username if found else attempts.NOBODY, place.address, now)
        if found is not None:
            check_demo(found, place.demo_allowed)
    except WrongSignIn as wrong:
        return wrong.message
    held = found is not None and found.active and _passkey(tx, step, found.id, passkey, place, verified=True)
    if found is not None and held and steps.end(tx, step):
        return begin(tx, found.id, place.address, sign_in.PASSKEY)
    steps.end(tx, step)  # What was asked of a browser is answered once.
    note_failure(tx, found.username if found else attempts.NOBODY, place.address)
    return Message(NOT_PROVEN)


def _step(tx: Transaction, purposes: Collection[str], token: str, now: datetime) -> Step:
    found = steps.find(tx, purposes, hash_of(token), now)
    if found is None:
        raise WrongSignIn(Message(OVER))
    return found


def _code(tx: Transaction, account_id: int, typed: str, place: Place, now: datetime) -> str:
    """Which kind of code it is, used up by that; empty where it opens nothing."""
    code = "".join(sign for sign in typed if not sign.isspace() and sign != "-")[:40]
    for one in factors.all_of(tx, account_id):
        step = accepted(one, code, place.key_file, now) if one.kind == TOTP else None
        if step is not None:
            return sign_in.CODE if factors.use(tx, one, step) else ""
    if not factors.use_code(tx, account_id, hash_of(f"{account_id}:{code.lower()}")):
        return ""
    accounts.note(tx, account_id, "recovery_used")
    queue_account(tx, account_id, "recovery_used")
    return sign_in.RECOVERY


def accepted(one: Factor, code: str, key_file: Path, now: datetime) -> int | None:
    """The step of this one-time code where it is right and was not used before."""
    try:
        secret = strongbox.unlock(key_file, one.secret, owner_of(one.account_id))
    except strongbox.CannotOpen:
        # The key file is another one: the codes of this person open nothing, their recovery codes still do.
        log.exception("factor %s", one.id)
        return None
    return totp.accepted(secret, code, now, one.counter)


def _passkey(tx: Transaction, step: Step, account_id: int, answer: str, place: Place, verified: bool = False) -> bool:
    try:
        one = factors.by_credential(tx, webauthn.named(answer))
        if one is None or one.account_id != account_id or one.kind != PASSKEY:
            return False
        return factors.use(tx, one, webauthn.proven(place.here, step.challenge, answer, one.secret, one.counter, verified))
    except NotProven as why:
        log.info("passkey of account %s refused: %s", account_id, why)
        return False
