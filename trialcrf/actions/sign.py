"""Signing: the person is asked for the password again, and signs what the page showed and nothing else (21 CFR 11.50 to 11.200)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from trialcrf.actions import Impossible, NotAllowed, sign_in, who
from trialcrf.core.access import Actor, may
from trialcrf.core.signature import MEANINGS, Covered, Thing, canonical, fingerprint, with_documents
from trialcrf.core.wording import N_, Message
from trialcrf.external import passwords
from trialcrf.store import accounts, definitions, forms, signatures, subjects
from trialcrf.store.audit import Entry
from trialcrf.store.signatures import Signature
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

VERB = "signature.sign"

VERBS = {"release": "release.sign", "bedside": "bedside.check", "emergency": "bedside.override"}
"""What a person must be allowed to do to sign with this meaning, where it is another thing than signing as a physician."""

Things = Collection[Thing]
"""Whole things that are covered beside forms."""


@dataclass(frozen=True, slots=True)
class Proof:
    """That this account's password was typed again at this moment: good for signatures of the same moment, that is of one request."""

    account_id: int
    at: datetime


class WrongPassword(Impossible):
    """The password was wrong, or was wrong too often: nothing is signed, and the shell calls `note_refusal`."""

    def __init__(self, message: Message, field: str = "password") -> None:
        super().__init__(message, field)


class Changed(Impossible):
    """What the page showed is not what stands now: nothing is signed, and the page is shown anew."""

    def __init__(self) -> None:
        super().__init__(Message(N_("The data changed while you were reading: look at them again before you sign. Nothing was signed.")))


def reauthenticate(tx: Transaction, actor: Actor, password: str, address: str, now: datetime) -> Proof:
    """Check the password of whoever is signed in; the user name is the session's (21 CFR 11.200(a)(1)(i)). Raises WrongPassword.

    Reads only, and is called in a transaction that reads: a password takes its time on purpose, and nobody must wait for it. Failures
    count as those of signing in do, in the same throttle.
    """
    try:
        sign_in.check_tries(tx, actor.username, address, now)
    except sign_in.WrongSignIn as wrong:
        raise WrongPassword(wrong.message) from None
    found = accounts.by_id(tx, actor.id)
    right = passwords.matches(found.password_hash if found else None, password)
    if not right or found is None or not found.active:
        raise WrongPassword(Message(N_("This is not your password: nothing was signed.")))
    return Proof(found.id, now)


def reauthenticate_other(
    tx: Transaction, first: Actor, username: str, password: str, address: str, now: datetime, demo_allowed: bool
) -> tuple[Actor, Proof]:
    """Check who else stands at this device: a second person with an account and a password of their own. Raises WrongPassword.

    Counts in the same throttle, and says no more of another's account than signing in does.
    """
    if username.strip() == first.username:
        raise WrongPassword(Message(N_("The second person must be somebody else.")), "second_username")
    try:
        account_id = sign_in.check_password(tx, username.strip(), password, address, now, demo_allowed)
    except sign_in.WrongSignIn as wrong:
        raise WrongPassword(wrong.message, "second_password") from None
    found = accounts.by_id(tx, account_id)
    if found is None or found.id == first.id:
        raise WrongPassword(Message(N_("The second person must be somebody else.")), "second_username")
    return accounts.actor(tx, found, now), Proof(found.id, now)


def note_refusal(tx: Transaction, actor: Actor, subject: Subject, meaning: str) -> None:
    """After WrongPassword, in a transaction of its own: count the failure and put the refused signature into the site's trail."""
    by = who(actor, VERBS.get(meaning, VERB), subject.site.study_oid, subject.site.code, tx.who.address)
    sign_in.note_failure(tx, actor.username, by.address)
    said = json.dumps({"signature": meaning}, sort_keys=True)
    chain, about = subject.site.chain, str(subject.id)
    tx.entries.append(Entry(chain, "refused", "refusal", about, "signature", said, subject.key, "", "password", True, by))


def covered(tx: Transaction, subject: Subject, form_ids: Collection[int], extra: Things = (), meaning: str = "") -> Covered:
    """What a signature on these forms would cover now: every place of them, whatever became of it, and the `extra` things; with a
    meaning that endorses data, also the documents that are attached to them.

    A page that offers signing reads it together with what it shows and carries its `fingerprint`. Raises Impossible where a form is not
    this subject's.
    """
    for form_id in form_ids:
        stored = forms.by_id(tx, form_id)
        if stored is None or stored.subject_id != subject.id:
            raise Impossible(Message(N_("This form is not one of %(subject)s."), {"subject": subject.key}))
    things = {("form", str(form_id)) for form_id in form_ids} | set(extra)
    found = signatures.covered_now(tx, with_documents(things, meaning))
    if not things or things - {(one.entity, one.entity_id) for one in found}:
        raise ValueError(f"the trail knows nothing of {sorted(things - {(one.entity, one.entity_id) for one in found})}")
    return found


def sign(
    tx: Transaction,
    subject: Subject,
    actor: Actor,
    proof: Proof,
    meaning: str,
    form_ids: Collection[int],
    statement: Mapping[str, object],
    seen: str,
    extra: Things = (),
    beside: bool = False,
) -> Signature:
    """Sign these forms of a subject, in these steps:

    1. the person may sign at this site and typed the password in this request;
    2. the site's chain is held, so that what is covered is what stands at the moment of signing;
    3. it must be what the person may read and what the page showed: `seen` is the fingerprint that the page carried;
    4. the signature is written, its record is the next one of the chain, and the throttle is reset.

    `statement` is what the person saw, as plain values for canonical JSON. It is done last in its transaction. `beside`: the signer is a
    second person, who stands beside whoever asks and typed a password of their own.
    Raises NotAllowed, Impossible; KeyError for a meaning that does not exist, TypeError for a statement without canonical text.
    """
    text = canonical(statement)
    study, site = subject.site.study_oid, subject.site.code
    by = who(actor, VERBS.get(meaning, VERB), study, site, tx.who.address)
    if (proof.account_id, proof.at) != (actor.id, tx.at) or (tx.who.actor == actor.username) is beside:
        raise NotAllowed(f"{actor.username} signs without having typed the password")
    account = accounts.by_id(tx, actor.id)
    if account is None or not account.active:
        raise NotAllowed(f"{actor.username} has no account in force")
    _ = MEANINGS[meaning]
    if subject.error:
        raise Impossible(Message(N_("This was marked entered in error: it can be read and no longer changed.")))
    signatures.hold(tx, subject.site)
    now = covered(tx, subject, form_ids, extra, meaning)
    _check_readable(tx, actor, now)
    if fingerprint(now) != seen:
        raise Changed
    made = signatures.add(tx, subject, meaning, by, account.name, text, now)
    accounts.forget_failures(tx, account.username, by.address)
    return made


def _check_readable(tx: Transaction, actor: Actor, found: Covered) -> None:
    """Nobody signs for a form that they may not read, another subject's among the extra things neither. Raises NotAllowed."""
    for form_id in sorted({int(one.entity_id) for one in found if one.entity == "form"}):
        stored = forms.by_id(tx, form_id)
        assert stored is not None
        whose = subjects.by_id(tx, stored.subject_id)
        assert whose is not None
        verb = f"{definitions.read(tx, stored.definition_id).study.form[stored.key.form_oid].access}.read"
        if not may(actor, verb, whose.site.study_oid, whose.site.code):
            raise NotAllowed(f"{actor.username} may not {verb} form {form_id}")
