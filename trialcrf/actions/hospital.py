"""Signing in by the hospital: what begins a round trip, what its end may open, and how an account and an identity are linked."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from trialcrf.actions import Impossible, sign_in
from trialcrf.actions.prove import WrongProof, renew
from trialcrf.actions.sign_in import SignedIn, hash_of
from trialcrf.core.wording import N_, Message
from trialcrf.external.openid import Identity, Round, round_of
from trialcrf.store import accounts, factors, hospital, sessions
from trialcrf.store.hospital import Try
from trialcrf.store.sessions import Session
from trialcrf.store.transaction import Transaction

LASTS = timedelta(minutes=10)
"""How long somebody may take at the hospital's page."""

CODE_LASTS = timedelta(days=1)


_PROOF = "proof "
"""What a round trip is for is bound to its secret: one that was begun to prove links nothing, and one that links proves nothing."""

CLOCKS_APART = timedelta(seconds=60)


class NoWayIn(Exception):
    """Nothing is opened. `why` goes to the trail where it is a fault of what came back; the person is told `message`."""

    def __init__(self, message: Message, why: str = "") -> None:
        super().__init__(why or message.msgid)
        self.message, self.why = message, why


SAME_WORDS = N_("The sign-in of the hospital opened nothing here. Sign in with your password, or ask an administrator for a code.")


def refused(why: str) -> NoWayIn:
    """Whatever was wrong, the person reads the same: nothing of it helps whoever tries (ASVS 6.3.8)."""
    return NoWayIn(Message(SAME_WORDS), why)


def check_tries(tx: Transaction, address: str, now: datetime) -> None:
    """Raises NoWayIn where too much came back to this address of late that proved nothing."""
    try:
        sign_in.check_tries(tx, _throttled(address), address, now)
    except sign_in.WrongSignIn as wrong:
        raise NoWayIn(wrong.message) from None


def _throttled(address: str) -> str:
    # Counted for each address alone: a stranger elsewhere keeps nobody of the hospital out.
    return f"hospital {address}"


def note_refusal(tx: Transaction, why: str, address: str) -> None:
    """After NoWayIn with a `why`, in a transaction of its own."""
    hospital.note_refusal(tx, why, address)
    sign_in.note_failure(tx, _throttled(address), address)


def begin(
    tx: Transaction, secret: str, next_: str, links_account_id: int | None = None, code: str = "", proves: int | None = None
) -> Round:
    """A round trip of the browser that holds this secret: to sign in, to link one's own account, to link by a code, or to prove that the
    owner of the account `proves` is still there. Raises NoWayIn."""
    one, code_id = round_of(secret), None
    if code:
        found = hospital.find_code(tx, hash_of(code.strip()), tx.at - CODE_LASTS)
        if found is None:
            raise refused("code of a link")
        code_id, links_account_id = found
    nonce = hash_of(one.nonce if proves is None else _PROOF + one.nonce)
    hospital.begin(tx, hash_of(one.state), nonce, next_[:2000], links_account_id if proves is None else proves, code_id)
    return one


def take(tx: Transaction, state: str, secret: str) -> tuple[Try, Round]:
    """The round trip that comes back, used up by that whatever becomes of it. Raises NoWayIn for another browser's or an old one."""
    one = round_of(secret)
    if not secret or not hmac.compare_digest(one.state.encode(), state.encode("utf-8", "replace")):
        raise refused("state")
    found = hospital.take(tx, hash_of(state), tx.at - LASTS)
    if found is None or found.nonce_hash not in (hash_of(one.nonce), hash_of(_PROOF + one.nonce)):
        raise refused("state")
    return replace(found, proves=found.nonce_hash == hash_of(_PROOF + one.nonce)), one


def account_of(tx: Transaction, identity: Identity, demo_allowed: bool) -> int:
    """The account that an identity opens; never by an e-mail address. Reads only. Raises NoWayIn."""
    account_id = hospital.account_of(tx, identity.issuer, identity.subject)
    found = accounts.by_id(tx, account_id) if account_id is not None else None
    if found is None or not found.active or (found.demo and not demo_allowed):
        raise refused("unknown")
    return found.id


def asks_more(tx: Transaction, account_id: int, identity: Identity) -> bool:
    """Whether the account's own second factor follows: the hospital's word stands for the password, and for more only where it says so
    (ASVS 6.3.4: no way in is weaker than another)."""
    return not identity.strong and factors.any_of(tx, account_id)


def sign_in_by(tx: Transaction, account_id: int, address: str) -> SignedIn:
    """Open a session for the account that the hospital vouched for.

    Whether anybody typed anything there is not known: it may have remembered its people. So this is no fresh proof.
    """
    accounts.note(tx, account_id, "hospital_sign_in")
    signed_in = sign_in.begin(tx, account_id, address, sign_in.HOSPITAL)
    sessions.unprove(tx, hash_of(signed_in.token))
    return signed_in


def prove(tx: Transaction, one: Try, identity: Identity, session: Session | None, address: str) -> str:
    """Whoever is signed in showed the hospital anew who they are: their session goes on, fresh, under the token that is returned.

    That it was anew is believed where the hospital says when, and that was within this round trip. Raises NoWayIn.
    """
    if session is None or session.actor.id != one.links_account_id:
        raise refused("another account")
    if hospital.account_of(tx, identity.issuer, identity.subject) != session.actor.id:
        raise refused("another account")
    if identity.proved_at is None or identity.proved_at < one.began_at - CLOCKS_APART:
        raise refused("not anew")
    try:
        return renew(tx, session, address)
    except WrongProof as wrong:
        raise NoWayIn(wrong.message) from None


def link(tx: Transaction, one: Try, identity: Identity, session_account: int | None) -> int:
    """Link an identity to the account of the round trip: its owner's, who still is signed in, or the one of a code. Raises NoWayIn."""
    assert one.links_account_id is not None
    found = accounts.by_id(tx, one.links_account_id)
    if one.code_id is None and session_account != one.links_account_id:
        raise refused("another account")
    if one.code_id is not None and not hospital.use_code(tx, one.code_id, tx.at - CODE_LASTS):
        raise refused("code of a link")
    if found is None or not found.active:
        raise refused("unknown")
    other = hospital.account_of(tx, identity.issuer, identity.subject)
    if other is not None and other != found.id:
        raise refused("linked elsewhere")
    hospital.unlink(tx, found.id)
    try:
        hospital.link(tx, found.id, identity.issuer, identity.subject)
    except IntegrityError:
        raise refused("linked elsewhere") from None
    accounts.note(tx, found.id, "hospital_link")
    return found.id


def unlink(tx: Transaction, account_id: int) -> None:
    """Raises Impossible where nothing is linked, or nothing else opens the account."""
    found = accounts.by_id(tx, account_id)
    if found is not None and not found.password_hash:
        raise Impossible(Message(N_("You have no password here: without the sign-in of the hospital nothing would open your account.")))
    if not hospital.unlink(tx, account_id):
        raise Impossible(Message(N_("No sign-in of the hospital is linked to this account.")))
    accounts.note(tx, account_id, "hospital_unlink")


def new_code(tx: Transaction, account_id: int) -> str:
    """A code by which somebody links their account, good once and for a day: shown to the administrator who makes it, stored as a hash.

    Raises Impossible.
    """
    found = accounts.by_id(tx, account_id)
    assert found is not None
    if not found.active:
        raise Impossible(Message(N_("This account is not active.")))
    if found.username == tx.who.actor:
        raise Impossible(Message(N_("This is your own account: link it on the page of your account.")))
    code = secrets.token_urlsafe(16)
    hospital.new_code(tx, account_id, hash_of(code))
    accounts.note(tx, account_id, "hospital_code")
    return code
