"""A forgotten password, another e-mail address, and what an administrator does for somebody who lost their factors."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta

from trialcrf.actions import Impossible, plain
from trialcrf.actions.reminding.notify import queue_account
from trialcrf.actions.sign_in import hash_of, set_password, shut_until, typed_name
from trialcrf.core.wording import N_, Message
from trialcrf.store import accounts, attempts, factors, outbox, sessions, steps
from trialcrf.store.accounts import Account
from trialcrf.store.transaction import Transaction

RESET_LASTS = timedelta(hours=1)
LONGEST_EMAIL, LONGEST_REASON = 254, 500
EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,180}\.[^@\s\x00-\x1f.]{2,}")


def ask(tx: Transaction, typed: str, address: str) -> None:
    """Somebody forgot the password of the account with this user name or e-mail address.

    The same is written and the same is answered whether or not there is one; the mail goes later. It counts as a try from this address.
    """
    if shut_until(tx, attempts.NOBODY, address, tx.at) is not None:
        return
    accounts.note_failure(tx, attempts.NOBODY, address)
    outbox.add_reset(tx, typed.replace("\x00", "").encode("utf-8", "ignore").decode().strip().lower()[:LONGEST_EMAIL])


def start(tx: Transaction, account_id: int) -> None:
    """An administrator has the link sent to the person, and never sees it. Raises Impossible."""
    found = accounts.by_id(tx, account_id)
    assert found is not None
    if not found.active:
        raise Impossible(Message(N_("This account is not active.")))
    accounts.note(tx, account_id, "reset_start")
    outbox.add_reset(tx, typed_name(found.username))


def fresh_reset(tx: Transaction, account_id: int) -> str:
    """The token of a new link, made as its mail is written: only its hash is ever stored, and an earlier one is void."""
    token = secrets.token_urlsafe(32)
    accounts.set_values(tx, account_id, "reset", silent=("reset_hash",), reset_hash=hash_of(token), reset_ends_at=tx.at + RESET_LASTS)
    return token


def reset(tx: Transaction, token: str, password: str, now: datetime) -> Account:
    """Set a new password by the link of a mail, which is then used up, and end every session. Raises Impossible.

    It opens no session: whoever has a second factor is still asked for it (ASVS 6.4.3).
    """
    found = accounts.by_reset(tx, hash_of(token), now)
    if found is None:
        raise Impossible(Message(N_("This link is used up or too old: ask for another.")))
    set_password(tx, found.id, found.username, password)
    sessions.end_all(tx, found.id)
    queue_account(tx, found.id, "password")
    return found


def change_email(tx: Transaction, account_id: int, email: str) -> None:
    """One's own e-mail address; told to the old address and to the new one. Raises Impossible."""
    found = accounts.by_id(tx, account_id)
    assert found is not None
    email = plain(email, LONGEST_EMAIL, "email", addresses=True)
    if not EMAIL.fullmatch(email):
        raise Impossible(Message(N_("This is not an e-mail address.")), "email")
    if email == found.email:
        raise Impossible(Message(N_("This is the address that you have.")), "email")
    accounts.set_values(tx, account_id, "email", email=email, reset_hash=None, reset_ends_at=None, silent=("reset_hash",))
    queue_account(tx, account_id, "email", found.email)
    queue_account(tx, account_id, "email")


def remove_factors(tx: Transaction, account_id: int, reason: str) -> None:
    """An administrator takes away the factors that somebody lost. Every session ends, and the person is told. Raises Impossible.

    Whoever needs a factor sets up a new one at the next sign-in, before anything else.
    """
    found = accounts.by_id(tx, account_id)
    assert found is not None
    if found.username == tx.who.actor:
        raise Impossible(Message(N_("Nobody takes their own factors away here: another administrator can do it.")), "reason")
    why = plain(reason, LONGEST_REASON, "reason")
    if not why:
        raise Impossible(Message(N_("Say why.")), "reason")
    if factors.revoke_all(tx, account_id) == 0:
        raise Impossible(Message(N_("This person has no second factor.")), "reason")
    factors.replace_codes(tx, account_id, [])
    accounts.note(tx, account_id, "factors_removed", reason=why)
    sessions.end_all(tx, account_id)
    steps.end_all(tx, account_id)
    queue_account(tx, account_id, "factors_removed")
