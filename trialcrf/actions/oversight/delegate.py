"""Delegating tasks of the trial at a site, and ending that: signed with the investigator's password."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date, datetime

from trialcrf.actions import Impossible, NotAllowed, plain, sign_in, who
from trialcrf.actions.sign import Proof
from trialcrf.core.access import Actor
from trialcrf.core.oversight.delegation import known
from trialcrf.core.wording import N_, Message
from trialcrf.store import accounts, delegations
from trialcrf.store.accounts import Account
from trialcrf.store.audit import Entry
from trialcrf.store.delegations import Delegation
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

VERB = "delegation.sign"
LONGEST_REASON = 500
SITE_ROLES = ("coordinator", "investigator", "donor_physician", "cell_lab")


def may_be_given(tx: Transaction, where: Site) -> list[Account]:
    """The people of a site to whom a task can be delegated: they have a role there and are trained for it, by user name."""
    return accounts.holders(tx, SITE_ROLES, where.study_oid, where.code)


def delegate(
    tx: Transaction, where: Site, actor: Actor, proof: Proof, username: str, tasks: Collection[str], starts_on: date, now: datetime
) -> int:
    """Delegate tasks to somebody of the site from a day on, signed. Raises Impossible at a box, NotAllowed.

    A delegation opens no page: what an account may do is its role's matter. It cannot be written back beyond today at the site.
    """
    _signed_by(tx, where, actor, proof)
    given = known(tasks)
    people = {one.username: one for one in may_be_given(tx, where)}
    if username not in people:
        raise Impossible(Message(N_("Choose somebody of this site.")), "username")
    if not given:
        raise Impossible(Message(N_("Choose at least one task.")), "tasks")
    if starts_on < where.today(now):
        raise Impossible(Message(N_("A delegation begins today or later: what was not delegated then cannot be written now.")), "day")
    standing = [one for one in delegations.all_of(tx, where.study_oid, {where.code}) if one.ends_on is None and one.username == username]
    if any(set(one.tasks) & set(given) for one in standing):
        raise Impossible(Message(N_("One of these tasks is delegated to this person already.")), "tasks")
    return delegations.add(tx, where, username, people[username].id, given, starts_on, actor.name or actor.username)


def end(tx: Transaction, where: Site, actor: Actor, proof: Proof, one: Delegation, last: date, reason: str, now: datetime) -> None:
    """Say until when a delegation holds, signed; the line stays in the log. Raises Impossible at a box, NotAllowed."""
    _signed_by(tx, where, actor, proof)
    why = plain(reason, LONGEST_REASON, "reason")
    if not why:
        raise Impossible(Message(N_("Say why.")), "reason")
    if not max(one.starts_on, where.today(one.at)) <= last <= where.today(now):
        raise Impossible(Message(N_("The last day lies between the first one and today.")), "day")
    if not delegations.end(tx, where, one, last, why):
        raise Impossible(Message(N_("Somebody else did this already.")))


def note_refusal(tx: Transaction, where: Site, actor: Actor) -> None:
    """After a wrong password, in a transaction of its own: count it and put it into the site's trail."""
    by = who(actor, VERB, where.study_oid, where.code, tx.who.address)
    sign_in.note_failure(tx, actor.username, by.address)
    said = json.dumps({"signature": "delegation"}, sort_keys=True)
    tx.entries.append(Entry(where.chain, "refused", "refusal", f"site/{where.id}", "delegation", said, "", "", "password", True, by))


def _signed_by(tx: Transaction, where: Site, actor: Actor, proof: Proof) -> None:
    """The investigator typed the password in this request, and may delegate at this site. Raises NotAllowed."""
    who(actor, VERB, where.study_oid, where.code, tx.who.address)
    if (proof.account_id, proof.at, tx.who.actor) != (actor.id, tx.at, actor.username):
        raise NotAllowed(f"{actor.username} delegates without having typed the password")
