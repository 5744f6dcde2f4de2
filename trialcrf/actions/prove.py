"""A fresh proof of who is there, asked before what would hurt most in other hands; and one's sessions, seen and ended."""

from __future__ import annotations

import secrets
from datetime import datetime

from trialcrf.actions import Impossible, plain, sign_in
from trialcrf.core.access import Actor
from trialcrf.core.wording import N_, Message
from trialcrf.external import passwords
from trialcrf.store import accounts, sessions
from trialcrf.store.sessions import Session
from trialcrf.store.transaction import Transaction

LONGEST_REASON = 500


class WrongProof(Impossible):
    """Whoever is there did not prove to be who signed in: nothing is done, and the shell calls `note_wrong`."""


def by_password(tx: Transaction, actor: Actor, password: str, address: str, now: datetime) -> None:
    """Check the password of whoever is signed in. Raises WrongProof.

    Reads only, and is called in a transaction that reads: a password takes its time on purpose. Another factor is another function
    beside this one; what follows a proof (`renew`) is the same for each.
    """
    try:
        sign_in.check_tries(tx, actor.username, address, now)
    except sign_in.WrongSignIn as wrong:
        raise WrongProof(wrong.message) from None
    found = accounts.by_id(tx, actor.id)
    right = passwords.matches(found.password_hash if found else None, password)
    if not right or found is None or not found.active:
        raise WrongProof(Message(N_("This is not your password: nothing was done.")))


def note_wrong(tx: Transaction, actor: Actor, address: str) -> None:
    """After WrongProof, in a transaction of its own: it counts as a failed sign-in does, in the same throttle."""
    sign_in.note_failure(tx, actor.username, address)


def renew(tx: Transaction, session: Session, address: str) -> str:
    """After a right proof: the session goes on under a new token, which is returned; it is fresh from now on. Raises WrongProof."""
    token = secrets.token_urlsafe(32)
    if not sessions.renew(tx, session.id, sign_in.hash_of(token)):
        raise WrongProof(Message(N_("This session was ended meanwhile: sign in again.")))
    accounts.forget_failures(tx, session.actor.username, address)
    return token


def end_own(tx: Transaction, session: Session, which: int) -> None:
    """End another session of one's own. Raises Impossible where it is none, or ended already."""
    if which == session.id or not sessions.end(tx, which, session.actor.id):
        raise Impossible(Message(N_("This session has ended already.")))
    accounts.note(tx, session.actor.id, "end_session", f"end_session {which}")


def end_others(tx: Transaction, session: Session) -> None:
    """End every session of one's own but this one."""
    ended = sessions.end_all(tx, session.actor.id, but=session.id)
    if ended:
        accounts.note(tx, session.actor.id, "end_session", f"end_session {ended}")


def end_of_other(tx: Transaction, account_id: int, reason: str) -> None:
    """An administrator ends every session of somebody, with a reason that the trail keeps. Raises Impossible."""
    why = plain(reason, LONGEST_REASON, "reason")
    if not why:
        raise Impossible(Message(N_("Say why.")), "reason")
    found = accounts.by_id(tx, account_id)
    assert found is not None
    if found.username == tx.who.actor:
        raise Impossible(Message(N_("These are your own sessions: end them on the page of your account.")), "reason")
    accounts.note(tx, account_id, "end_sessions", f"end_sessions {sessions.end_all(tx, account_id)}", why)
