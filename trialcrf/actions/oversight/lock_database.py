"""Locking a study or a site as a database: the checklist, what is explained of it, and the signature under which it closes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from trialcrf.actions import Impossible, NotAllowed, plain, sign_in, who
from trialcrf.actions.oversight import verify
from trialcrf.actions.oversight.lock import LONGEST_REASON, may_act, reason_of
from trialcrf.actions.oversight.sign_data import OWN_ACT
from trialcrf.actions.safety.decide import checkpoint
from trialcrf.actions.safety.follow_case import followed
from trialcrf.actions.sign import Proof
from trialcrf.core.access import Actor
from trialcrf.core.lock import Address, Level, NotPossibleNow
from trialcrf.core.oversight.database_lock import Checklist, Line, Unexplained, explained
from trialcrf.core.oversight.four_eyes import RequestState
from trialcrf.core.safety.case import CaseState
from trialcrf.core.safety.decision import DECISION_MEANINGS, DecisionEntry, DecisionKind
from trialcrf.core.schedule import State
from trialcrf.core.signature import canonical
from trialcrf.core.wording import N_, Message
from trialcrf.core.workflow import UNSETTLED
from trialcrf.store import accounts, cases, checklists, decisions, definitions, locks, query_lists, requests, seals, sites, subjects, visits
from trialcrf.store.audit import Entry, Who
from trialcrf.store.definitions import Published
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

VERB = "lock.lock"


def address_of(published: Published, where: Site | None) -> Address:
    """What is locked: the site, or (None) the whole study."""
    return Address(Level.SITE, where.id) if where else Address(Level.STUDY, published.study_id)


def checklist(tx: Transaction, published: Published, where: Site | None, now: datetime) -> Checklist:
    """What still stands open at the site, or (None) in the whole study. It counts everything, whoever asks: it is for data managers."""
    study = published.study
    places = [where] if where else sites.all_of(tx, study.oid)
    codes = frozenset(one.code for one in places)
    waiting = requests.all_of(tx, study.oid, [RequestState.WAITING], codes if where else None)
    counts = {
        Line.QUERIES: query_lists.count(tx, study.oid, codes, UNSETTLED),
        Line.VISITS: visits.count(tx, visits.Asked(places, now, study.due_soon, State.OVERDUE)),
        Line.INCOMPLETE: checklists.incomplete(tx, places),
        Line.UNSIGNED: _unsigned(tx, published, places),
        Line.UNVERIFIED: _unverified(tx, published, codes),
        Line.CASES: _unreconciled(tx, published, codes, now),
        Line.REQUESTS: len(waiting),
    }
    return Checklist(where.code if where else "", counts)


def _unsigned(tx: Transaction, published: Published, places: list[Site]) -> int:
    """Forms that wait for an investigator, as the list of what is to be signed has them."""
    study = published.study
    versions = [one.study for one in definitions.versions_of(tx, study.oid)]
    own_act: dict[str, tuple[str, ...]] = {form.oid: () for version in versions for form in version.forms if form.access in OWN_ACT}
    return seals.count(tx, seals.Asked(places, own_act, study.products))


def _unverified(tx: Transaction, published: Published, codes: frozenset[str]) -> int:
    if not published.study.oversight.sampling:
        return 0
    people = subjects.all_of(tx, published.study.oid, codes)
    return sum(one.left for one in verify.of_subjects(tx, published, people, lambda _: True).values())


def _unreconciled(tx: Transaction, published: Published, codes: frozenset[str], now: datetime) -> int:
    """Cases that are not closed, and closed ones of which the event is not what the last frozen version told."""
    held = [one for one in cases.all_of(tx, published.study.oid, codes) if one.state is not CaseState.NULLIFIED]
    closed = [one for one in held if one.state is CaseState.CLOSED]
    return len(held) - len(closed) + sum(bool(one.unreported) for one in followed(tx, published, closed, now))


def seen(shown: Checklist, open_: bool) -> str:
    """SHA-256 in hexadecimal of what a page shows: nobody signs a checklist that the page did not show."""
    return hashlib.sha256(canonical({"site": shown.site, "counts": shown.plain(), "open": open_}).encode()).hexdigest()


def lock_database(
    tx: Transaction,
    published: Published,
    actor: Actor,
    proof: Proof,
    where: Site | None,
    words: Mapping[str, str],
    reason: str,
    shown: str,
) -> DecisionEntry:
    """Lock a site, or (None) the whole study, by a signature, in these steps:

    1. the person may do this and typed the password in this request;
    2. wait for the saves under way, and let none begin;
    3. the checklist must be what the page showed (`shown` is its fingerprint), and each line that is not clean is explained;
    4. lock, and write the line of the study's ledger: checklist, explanations, reason, and the checkpoint of the trail with the lock in it.

    Raises NotAllowed; Impossible (with the box), Locked where a site is locked in a study that is.
    """
    by, name = signer(tx, published, actor, proof, VERB, where)
    said = reason_of(reason)
    locks.hold(tx, published.study_id, where)
    address = address_of(published, where)
    locks.refuse_work(tx, [one for one in locks.over_site(where) if one != address] if where else ())
    found = checklist(tx, published, where, tx.at)
    if seen(found, locks.state_of(tx, address) != "locked") != shown:
        raise Impossible(Message(N_("The data changed while you were reading: look at the checklist again. Nothing was locked.")))
    try:
        why = {line: plain(text, LONGEST_REASON, line) for line, text in explained(found, words).items()}
    except Unexplained as missing:
        raise Impossible(missing.message, missing.line.value) from None
    chain = where.chain if where else published.study.oid
    try:
        locks.move(tx, address, where, None, published.study_id, chain, "lock", said)
    except NotPossibleNow as refused:
        raise Impossible(refused.message) from None
    content = {"checklist": found.plain(), "explained": why, "reason": said}
    return record(tx, published, by, name, DecisionKind.DATABASE_LOCKED, where.code if where else "", content)


def signer(tx: Transaction, published: Published, actor: Actor, proof: Proof, verb: str, where: Site | None) -> tuple[Who, str]:
    """Whoever may do this and typed the password in this request, with the name to print. Raises NotAllowed."""
    study = published.study.oid
    by = who(actor, verb, study, where.code if where else None, tx.who.address)
    if not may_act(actor, verb, study, where.code if where else ""):
        raise NotAllowed(f"{actor.username} may not {verb} in the whole of {study}")
    if (proof.account_id, proof.at) != (actor.id, tx.at) or tx.who.actor != actor.username:
        raise NotAllowed(f"{actor.username} decides without having typed the password")
    account = accounts.by_id(tx, actor.id)
    if account is None or not account.active:
        raise NotAllowed(f"{actor.username} has no account in force")
    accounts.forget_failures(tx, actor.username, by.address)
    return by, account.name


def record(
    tx: Transaction, published: Published, by: Who, name: str, kind: DecisionKind, site: str, content: Mapping[str, object]
) -> DecisionEntry:
    """The line of the study's ledger about a database that was locked or unlocked."""
    _ = DECISION_MEANINGS[kind]
    study = published.study.oid
    tx.flush_trail()
    decisions.hold_ledger(tx, study)
    whole = {**content, "site": site, "meaning": str(kind), "version": published.version, "checkpoint": checkpoint(tx, study)}
    return decisions.add(tx, published.study_id, study, kind, by, name, whole)


def note_wrong_password(tx: Transaction, published: Published, actor: Actor, verb: str, where: Site | None, tried: str) -> None:
    """After WrongPassword, in a transaction of its own: count the failure and put what was refused into the trail."""
    study = published.study.oid
    by = who(actor, verb, study, where.code if where else None, tx.who.address)
    sign_in.note_failure(tx, actor.username, by.address)
    about = f"site/{where.id}" if where else f"study/{study}"
    chain, said = where.chain if where else study, canonical({"tried": tried[:200]})
    tx.entries.append(Entry(chain, "refused", "refusal", about, "lock", said, "", "", "password", True, by))
