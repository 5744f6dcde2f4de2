"""The periodic review of who may do what: every role in a study is kept or taken away, signed, and written into the study's ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from trialcrf.actions import Impossible, NotAllowed, administer, plain, sign_in, who
from trialcrf.actions.sign import Proof
from trialcrf.core.access import Actor
from trialcrf.core.safety.decision import DecisionEntry, DecisionKind
from trialcrf.core.signature import canonical
from trialcrf.core.wording import N_, Message
from trialcrf.store import accesses, accounts, decisions
from trialcrf.store.accounts import Account, HeldGrant
from trialcrf.store.audit import Entry
from trialcrf.store.definitions import Published
from trialcrf.store.transaction import Transaction

VERB = "access.review"
LONGEST_REASON = 500
UNUSED_DAYS = 90
"""Days without a sign-in after which a page calls an account unused: a hint for whoever reviews, no rule."""

MEANING = N_("I have reviewed who has access to this study, role by role")
KEEP, REVOKE = "keep", "revoke"


@dataclass(frozen=True, slots=True)
class Line:
    """A role that is to be kept or taken away, with what helps to judge that."""

    account: Account
    held: HeldGrant
    signed_in: datetime | None
    unused: bool
    opens: bool


@dataclass(frozen=True, slots=True)
class Due:
    """When access was reviewed last, by whom, and when it is due; no day where the study asks for no review."""

    last: DecisionEntry | None
    on: date | None
    late: bool


def lines_of(tx: Transaction, study_oid: str, now: datetime) -> list[Line]:
    """Every role in the study that is in force, by user name; administrators of every study among them."""
    by_id, seen = {one.id: one for one in accounts.all_of(tx)}, accesses.last_sign_ins(tx)
    found = []
    for account_id, held in accounts.held_by_each(tx).items():
        one, at = by_id[account_id], seen.get(account_id)
        for each in held:
            if each.grant.study in (study_oid, "*"):
                unused = (at or each.granted_at) < now - timedelta(days=UNUSED_DAYS)
                opens = one.active and accounts.in_force(tx, each.grant, each.trained_on, now)
                found.append(Line(one, each, at, unused, opens))
    return sorted(found, key=lambda line: (line.account.username, line.held.id))


def due(tx: Transaction, published: Published, now: datetime) -> Due:
    """Whether a review is due, counted in days from the last one, or from the first role that was given in the study."""
    days = published.study.oversight.access_review_days
    reviews = all_of(tx, published.study.oid)
    last = reviews[-1] if reviews else None
    given = [line.held.granted_at for line in lines_of(tx, published.study.oid, now) if line.held.grant.study != "*"]
    since = last.at if last else min(given, default=None)
    on = since.date() + timedelta(days=days) if days and since else None
    return Due(last, on, on is not None and on < now.date())


def all_of(tx: Transaction, study_oid: str) -> list[DecisionEntry]:
    """The reviews of a study, oldest first."""
    return decisions.all_of(tx, study_oid, {DecisionKind.ACCESS_REVIEW})


def fingerprint(lines: Sequence[Line]) -> str:
    """What a page shows of the lines: it must still stand when the review is signed."""
    return sign_in.hash_of(canonical([[line.held.id, str(line.held.trained_on), line.account.active] for line in lines]))


def review(
    tx: Transaction,
    published: Published,
    actor: Actor,
    proof: Proof,
    choices: Mapping[int, tuple[str, str]],
    seen: str,
    now: datetime,
) -> DecisionEntry:
    """Record a review, in these steps:

    1. the administrator typed the password in this request;
    2. the ledger is held, and the lines are those that the page showed;
    3. every line is decided: kept, or taken away with a reason; what is taken away ends at once;
    4. the review is the next line of the study's ledger, with every role and what became of it.

    `choices`: (keep or revoke, reason) by the id of the role. Raises Impossible at `line-ID` or `reason-ID`, NotAllowed.
    """
    study = published.study.oid
    by = who(actor, VERB, study, None, tx.who.address)
    if (proof.account_id, proof.at, tx.who.actor) != (actor.id, tx.at, actor.username):
        raise NotAllowed(f"{actor.username} reviews without having typed the password")
    decisions.hold_ledger(tx, study)
    lines = lines_of(tx, study, now)
    if fingerprint(lines) != seen:
        raise Impossible(Message(N_("A role was given or taken away while you were reading: look again. Nothing was recorded.")))
    told = []
    for line in lines:
        choice, reason = choices.get(line.held.id, ("", ""))
        if choice not in (KEEP, REVOKE):
            raise Impossible(Message(N_("Say of every role whether it is kept.")), f"line-{line.held.id}")
        why = plain(reason, LONGEST_REASON, f"reason-{line.held.id}")
        if choice == REVOKE:
            _take(tx, actor, study, line, why)
        grant = line.held.grant
        told.append(
            {
                "account": line.account.username, "active": line.account.active, "choice": choice, "reason": why, "role": grant.role,
                "site": grant.site, "study": grant.study, "trained_on": str(line.held.trained_on or ""),
                "signed_in": line.signed_in.isoformat() if line.signed_in else "",
            }
        )  # fmt: skip
    content = {"lines": told, "meaning": str(DecisionKind.ACCESS_REVIEW), "reason": ""}
    return decisions.add(tx, published.study_id, study, DecisionKind.ACCESS_REVIEW, by, actor.name or actor.username, content)


def _take(tx: Transaction, actor: Actor, study: str, line: Line, why: str) -> None:
    if line.held.grant.study != study and not any(one.role == "administrator" and one.study == "*" for one in actor.grants):
        raise Impossible(Message(N_("Who administers every study is reviewed by another such administrator.")), f"line-{line.held.id}")
    if not why:
        raise Impossible(Message(N_("Say why.")), f"reason-{line.held.id}")
    try:
        administer.take_role(tx, line.account.id, line.held.id, why)
    except Impossible as problem:
        problem.field = f"line-{line.held.id}"
        raise


def note_refusal(tx: Transaction, published: Published, actor: Actor) -> None:
    """After a wrong password, in a transaction of its own: count it and put it into the study's trail."""
    by = who(actor, VERB, published.study.oid, None, tx.who.address)
    sign_in.note_failure(tx, actor.username, by.address)
    said = json.dumps({"signature": "access_review"}, sort_keys=True)
    about = str(published.study_id)
    tx.entries.append(Entry(published.study.oid, "refused", "refusal", about, "access_review", said, "", "", "password", True, by))
