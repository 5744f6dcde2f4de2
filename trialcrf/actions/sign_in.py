"""Signing in and out: passwords, sessions as rows, failures throttled without locking anyone out for good."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from trialcrf.actions import Impossible
from trialcrf.actions.reminding.notify import queue_account, queue_misuse
from trialcrf.actions.signing_in.choosing import check_new
from trialcrf.core.throttle import ADDRESS, ELSEWHERE, HERE, Failures, Limit, wait_until
from trialcrf.core.wording import N_, Message
from trialcrf.external import passwords
from trialcrf.store import accounts, attempts, outbox, sessions, steps
from trialcrf.store.accounts import Account
from trialcrf.store.audit import Who
from trialcrf.store.transaction import Transaction

PASSWORD, HOSPITAL, PASSKEY, CODE, RECOVERY = "password", "hospital", "passkey", "totp", "recovery"
"""The means of a sign-in as the trail has them: one of the first three, and what came second after a plus sign."""

GUESSED, STRANGE = "guessed", "strange"
"""What is suspicious about signing in: wrong passwords or codes until the throttle is shut; a sign-in after them, from an unknown place."""

SEVERAL = 3
"""So many wrong passwords or codes of an account, from where nobody signed in to it before, make a sign-in from such a place suspicious."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What the browser gets: a token that is stored nowhere but as its hash, and the account's language."""

    token: str
    language: str


class WrongSignIn(Exception):
    """The sign-in failed; the message says neither whether the account exists nor which part was wrong."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid)
        self.message = message


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def typed_name(typed: str) -> str:
    """A user name as it may be looked for: whatever was typed, no account has a NUL or more than 80 letters in its name."""
    return typed.replace("\x00", "").encode("utf-8", "ignore").decode().strip().lower()[:80]


def shut_until(tx: Transaction, username: str, address: str, now: datetime) -> datetime | None:
    """Until when nothing more is tried of this name from here, by whichever limit holds longest; None where the throttle is open.

    Whoever signed in from here before waits for their own failures here alone: no stranger keeps them out (ASVS 6.1.1).
    """
    familiar = attempts.is_familiar(tx, username, address)
    found = _failures(tx, now, username, address)
    ends = [wait_until(limit, failures) for limit, failures in found.items() if not (familiar and limit is not HERE)]
    return max((end for end in ends if end is not None and end > now), default=None)


def _failures(tx: Transaction, now: datetime, username: str, address: str) -> Mapping[Limit, Failures]:
    """What is tried of no account (a forgotten password, a passkey) is many people's: it counts for the address alone."""
    found = attempts.failures(tx, now, username, address)
    return {ADDRESS: found[ADDRESS]} if username == attempts.NOBODY else found


def check_tries(tx: Transaction, username: str, address: str, now: datetime) -> None:
    """Raise WrongSignIn where there were too many failures of late, of this account from here or from here at all."""
    until = shut_until(tx, typed_name(username), address, now)
    if until is not None:
        minutes = -(-(until - now) // timedelta(minutes=1))
        said = N_("Too many attempts from here. Wait a minute and try again.")
        if minutes == 1:
            raise WrongSignIn(Message(said))
        raise WrongSignIn(Message(N_("Too many attempts from here. Wait %(minutes)s minutes and try again."), {"minutes": minutes}))


def check_password(tx: Transaction, username: str, password: str, address: str, now: datetime, demo_allowed: bool) -> int:
    """The id of the account that this password opens. Reads only; raises WrongSignIn, after the same work whoever it was."""
    username = typed_name(username)
    check_tries(tx, username, address, now)
    found = accounts.find(tx, username)
    right = passwords.matches(found.password_hash if found else None, password)
    if not right or found is None or not found.active:
        raise WrongSignIn(Message(N_("This user name and password do not go together.")))
    check_demo(found, demo_allowed)
    return found.id


def check_demo(found: Account, demo_allowed: bool) -> None:
    if found.demo and not demo_allowed:
        raise WrongSignIn(Message(N_("Demo accounts work only where the server listens on this machine alone.")))


def rehashed(tx: Transaction, account_id: int, password: str) -> str | None:
    """The right password hashed with the work that is asked now, where it was hashed with less. Takes its time, and only reads."""
    found = accounts.by_id(tx, account_id)
    old = found.password_hash if found else None
    return passwords.hash_of(password) if old is not None and passwords.outdated(old) else None


def keep_rehashed(tx: Transaction, account_id: int, new: str) -> None:
    accounts.set_values(tx, account_id, "rehash", silent=("password_hash",), password_hash=new)


def begin(tx: Transaction, account_id: int, address: str, means: str = PASSWORD) -> SignedIn:
    """Open a session for an account that proved all that is asked of it; by which `means` is put into the trail.

    Its owner is told where it comes after several wrong passwords or codes, from an address from which nobody signed in to it before.
    """
    found = accounts.by_id(tx, account_id)
    assert found is not None
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    sessions.begin(tx, account_id, hash_of(token), csrf)
    if not attempts.is_familiar(tx, found.username, address) and _tried_before(tx, found.username, address):
        outbox.add_suspect(tx, found.username, STRANGE)
    accounts.forget_failures(tx, found.username, address)
    attempts.remember(tx, account_id, address)
    accounts.note(tx, account_id, "sign_in", f"sign_in {means}")
    return SignedIn(token, found.language)


def _tried_before(tx: Transaction, username: str, address: str) -> bool:
    return attempts.failures(tx, tx.at, username, address)[ELSEWHERE].count >= SEVERAL


def note_failure(tx: Transaction, username: str, address: str) -> None:
    """Count a failure. The one that shuts the throttle is put into the trail and told to every administrator (21 CFR 11.300(d)).

    Where it is shut for a name, the mail for whoever has it is queued too, by one statement whether or not anybody has (ASVS 6.3.5, 6.3.8).

    While it is shut nothing is tried, and so nothing is counted: whoever presses again and again does not wait the longer for it.
    """
    username = typed_name(username)
    if shut_until(tx, username, address, tx.at) is not None:
        return
    accounts.note_failure(tx, username, address)
    full = {limit for limit, failures in _failures(tx, tx.at, username, address).items() if failures.count == limit.free}
    if full:
        accounts.note_misuse(tx, username, address)
        queue_misuse(tx, address)
    if full - {ADDRESS}:
        outbox.add_suspect(tx, username, GUESSED)


def end(tx: Transaction, session: sessions.Session) -> None:
    """Sign out: the token is worthless from now on, whoever kept it."""
    sessions.end(tx, session.id)
    accounts.note(tx, session.actor.id, "sign_out")


def change_password(tx: Transaction, account_id: int, old: str, new: str, keep_session: int) -> None:
    """Change one's own password, of which `old` was found right before; every other session of the account ends. Raises Impossible."""
    found = accounts.by_id(tx, account_id)
    assert found is not None
    if passwords.normal(old) == passwords.normal(new):
        raise Impossible(Message(N_("This is the password that you have: choose another.")), "new")
    set_password(tx, account_id, found.username, new)
    sessions.end_all(tx, account_id, but=keep_session)
    queue_account(tx, account_id, "password")


def set_password(tx: Transaction, account_id: int, username: str, new: str) -> None:
    """Raises Impossible for a password that is too short or too easily guessed; long ones are taken whole.

    Links that set one, and sign-ins that are half done, are good for nothing afterwards.
    """
    found = accounts.by_id(tx, account_id)
    assert found is not None
    check_new(tx, found, new)
    accounts.set_values(
        tx,
        account_id,
        "password",
        silent=("password_hash", "password_set_at", "invitation_hash", "reset_hash"),
        password_hash=passwords.hash_of(new),
        password_set_at=tx.at,
        invitation_hash=None,
        invitation_ends_at=None,
        reset_hash=None,
        reset_ends_at=None,
    )
    steps.end_all(tx, account_id)


def who_signs_in(tx: Transaction, account_id: int, address: str) -> Who:
    """The person as the trail names them before any role is exercised."""
    found = accounts.by_id(tx, account_id)
    assert found is not None
    return Who(found.username, "self", found.organisation, address)
