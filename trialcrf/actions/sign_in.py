"""Signing in and out: passwords by argon2id, sessions as rows, failures throttled without locking anyone out for good."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from trialcrf.actions import Impossible
from trialcrf.actions.reminding.notify import queue_misuse
from trialcrf.core.wording import N_, Message
from trialcrf.external import passwords
from trialcrf.store import accounts, sessions
from trialcrf.store.audit import Who
from trialcrf.store.transaction import Transaction

WITHIN = timedelta(minutes=15)
TRIES_OF_ACCOUNT = 5
TRIES_OF_ADDRESS = 30
"""Counted for an account from one address: a stranger elsewhere cannot lock an investigator out (ASVS 6.1.1)."""

SHORTEST = 12


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


def _name(typed: str) -> str:
    """A user name as it may be looked for: whatever was typed, no account has a NUL or more than 80 letters in its name."""
    return typed.replace("\x00", "").strip().lower()[:80]


def check_tries(tx: Transaction, username: str, address: str, now: datetime) -> None:
    """Raise WrongSignIn where there were too many failures of late, of this account from here or from here at all."""
    of_account, of_address = accounts.failures(tx, now, WITHIN, _name(username), address)
    if of_account >= TRIES_OF_ACCOUNT or of_address >= TRIES_OF_ADDRESS:
        raise WrongSignIn(Message(N_("Too many attempts from here. Wait %(minutes)s minutes and try again."), {"minutes": 15}))


def check_password(tx: Transaction, username: str, password: str, address: str, now: datetime, demo_allowed: bool) -> int:
    """The id of the account that this password opens. Reads only; raises WrongSignIn, after the same work whoever it was."""
    username = _name(username)
    check_tries(tx, username, address, now)
    found = accounts.find(tx, username)
    right = passwords.matches(found.password_hash if found else None, password)
    if not right or found is None or not found.active:
        raise WrongSignIn(Message(N_("This user name and password do not go together.")))
    if found.demo and not demo_allowed:
        raise WrongSignIn(Message(N_("Demo accounts work only where the server listens on this machine alone.")))
    return found.id


def begin(tx: Transaction, account_id: int, address: str) -> SignedIn:
    """Open a session for an account whose password was right."""
    found = accounts.by_id(tx, account_id)
    assert found is not None
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    sessions.begin(tx, account_id, hash_of(token), csrf)
    accounts.forget_failures(tx, found.username, address)
    accounts.note(tx, account_id, "sign_in")
    return SignedIn(token, found.language)


def note_failure(tx: Transaction, username: str, address: str) -> None:
    """Count a failure. The one that shuts the throttle is put into the trail and told to every administrator (21 CFR 11.300(d))."""
    accounts.note_failure(tx, _name(username), address)
    of_account, of_address = accounts.failures(tx, tx.at, WITHIN, _name(username), address)
    if of_account == TRIES_OF_ACCOUNT or of_address == TRIES_OF_ADDRESS:
        accounts.note_misuse(tx, _name(username), address)
        queue_misuse(tx, address)


def end(tx: Transaction, session: sessions.Session) -> None:
    """Sign out: the token is worthless from now on, whoever kept it."""
    sessions.end(tx, session.id)
    accounts.note(tx, session.actor.id, "sign_out")


def change_password(tx: Transaction, account_id: int, old: str, new: str, keep_session: int) -> None:
    """Change one's own password; every other session of the account ends. Raises Impossible."""
    found = accounts.by_id(tx, account_id)
    assert found is not None
    if not passwords.matches(found.password_hash, old):
        raise Impossible(Message(N_("The present password is not right.")), "old")
    set_password(tx, account_id, found.username, new)
    sessions.end_all(tx, account_id, but=keep_session)


def set_password(tx: Transaction, account_id: int, username: str, new: str) -> None:
    """Raises Impossible for a password that is too short or too easily guessed; long ones are taken whole."""
    if len(new) < SHORTEST:
        raise Impossible(Message(N_("A password has at least %(count)s characters."), {"count": SHORTEST}), "new")
    if len(new) > 1000:
        raise Impossible(Message(N_("A password has at most %(count)s characters."), {"count": 1000}), "new")
    if username in new.lower() or len(set(new)) < 5:
        raise Impossible(Message(N_("This password is too easy to guess: choose another.")), "new")
    hidden = ("password_hash", "invitation_hash")
    accounts.set_values(
        tx, account_id, "password", silent=hidden, password_hash=passwords.hash_of(new), invitation_hash=None, invitation_ends_at=None
    )


def who_signs_in(tx: Transaction, account_id: int, address: str) -> Who:
    """The person as the trail names them before any role is exercised."""
    found = accounts.by_id(tx, account_id)
    assert found is not None
    return Who(found.username, "self", found.organisation, address)
