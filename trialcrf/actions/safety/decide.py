"""The stopping rule at work: the program raises a hold where the data ask for it; people judge it, lift it, and open cohorts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from trialcrf.actions import Impossible, NotAllowed, plain, sign_in, who
from trialcrf.actions.reminding.notify import queue_hold
from trialcrf.actions.sign import Proof
from trialcrf.core.access import Actor
from trialcrf.core.chain import Checkpoint
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Document
from trialcrf.core.facts import UNDERSTOOD, Fact, project
from trialcrf.core.safety import decision
from trialcrf.core.safety.case import raised
from trialcrf.core.safety.decision import DecisionEntry, DecisionKind, NotDecidable
from trialcrf.core.safety.stopping import Status, rule_of, status
from trialcrf.core.signature import canonical
from trialcrf.core.wording import N_, Message
from trialcrf.store import accounts, audit, cases, decisions, definitions, sites, subjects
from trialcrf.store.audit import Entry, Who
from trialcrf.store.definitions import Published
from trialcrf.store.transaction import Transaction

VERB = "decision.sign"
LONGEST_REASON = 1000

_BEARS = frozenset(alias for alias in UNDERSTOOD if alias.startswith(("AE", "EX"))) | {"RFICDAT", "PRSTDAT"}
_TREATS = frozenset({"EXSTDAT"})


@dataclass(frozen=True, slots=True)
class Standing:
    """The rule on what is known at a moment: its status, and the ledger. `seen` is what a page carries."""

    published: Published
    status: Status
    entries: tuple[DecisionEntry, ...]
    known_at: datetime

    @property
    def seen(self) -> str:
        """SHA-256 in hexadecimal of what the page shows: nobody decides on a status that the page did not show."""
        shown = {"status": self.status.plain(), "ledger": len(self.entries), "version": self.published.version}
        return hashlib.sha256(canonical(shown).encode()).hexdigest()

    def plain(self, checkpoint: str) -> dict[str, object]:
        """What a decision rests on, with when it was known and the digest of the trail's heads then."""
        said = {"known_at": self.known_at.astimezone(UTC).isoformat(), "checkpoint": checkpoint, "version": self.published.version}
        return {**self.status.plain(), **said}


def today_of(study: Study, now: datetime) -> date:
    """The day that it is at the sponsor: the cut-off of everything here. Without a sponsor's zone, that of universal time."""
    sponsor = study.safety.sponsor if study.safety else None
    return now.astimezone(ZoneInfo(sponsor.zone) if sponsor else UTC).date()


def standing_now(tx: Transaction, published: Published, now: datetime) -> Standing:
    """The rule on the data as they stand, what this transaction wrote included. Raises ValueError where the study has no rule."""
    study, settings = published.study, published.study.safety
    if settings is None:
        raise ValueError(f"{study.oid} has no stopping rule")
    aliases = _BEARS | {settings.arm_alias, settings.severity_alias} | {one.alias for one in study.anchors}
    records = subjects.records(tx, subjects.all_of(tx, study.oid), aliases)
    found = status(study, records, today_of(study, now), raised(cases.all_of(tx, study.oid)))
    return Standing(published, found, tuple(decisions.all_of(tx, study.oid)), now)


def checkpoint(tx: Transaction, study_oid: str) -> str:
    """The digest of the heads of the study's chains, with all that this transaction recorded so far."""
    tx.flush_trail()
    chains = {study_oid, *(site.chain for site in sites.all_of(tx, study_oid))}
    return Checkpoint(tuple(head for head in audit.chains(tx.connection) if head[0] in chains)).digest()


def check(tx: Transaction, published: Published, now: datetime) -> int:
    """Raise a hold for each crossing that none was raised for, and write to sponsor and investigators; returns how many.

    The study's chain is held first, so that two saves at two sites count each other's events and one crossing is raised once.
    """
    if rule_of(published.study) is None:
        return 0
    decisions.hold_ledger(tx, published.study.oid)
    found = standing_now(tx, published, now)
    wanted = decision.new_holds(found.status, found.entries)
    known = found.plain(checkpoint(tx, published.study.oid)) if wanted else {}
    for one in wanted:
        content = {"cause": str(one.cause), "n": one.n, "x": one.x, "concerns": list(one.concerns), "status": known}
        by = Who.system(tx.who.address)
        made = decisions.add(tx, published.study_id, published.study.oid, DecisionKind.HOLD_RAISED, by, by.actor, content)
        queue_hold(tx, published.study.oid, made.number)
    return len(wanted)


def check_after_save(tx: Transaction, published: Published, form: FormDef, before: Document, after: Document, now: datetime) -> int:
    """Check the rule after a save that may have led to a crossing: a treatment, or an event that may be a toxicity or a related death.

    Most saves are neither, and cost nothing but the look at their own answers. A save can only add a toxicity; what it takes away, and
    what the calendar brings, is the nightly check's. Returns how many holds were raised.
    """
    study = published.study
    if rule_of(study) is None:
        return 0
    changed = set(project(study, form, after)) - set(project(study, form, before))
    if not any(one.alias in _TREATS or one.alias.startswith("AE") for one in changed):
        return 0
    return check(tx, published, now) if _may_matter(study, project(study, form, after)) else 0


def _may_matter(study: Study, facts: Sequence[Fact]) -> bool:
    settings, rule = study.safety, rule_of(study)
    assert settings is not None and rule is not None
    codes = [item.code for item in settings.severities.items]
    severe = set(codes[codes.index(rule.grade_from) :])
    telling = {("AESER", "Y"), ("AESDTH", "Y"), ("AEOUT", "FATAL"), *((settings.severity_alias, code) for code in severe)}
    return any(one.alias in _TREATS or (one.alias, one.text) in telling for one in facts)


def scan(tx: Transaction, now: datetime) -> int:
    """Check the rule of every study: windows end by the calendar, and definitions change. Returns how many holds were raised."""
    return sum(check(tx, published, now) for published in definitions.all_of(tx))


def judge_hold(
    tx: Transaction, published: Published, actor: Actor, proof: Proof, kind: DecisionKind, number: int, reason: str, seen: str
) -> DecisionEntry:
    """Confirm, dismiss or lift a hold by a signature. Raises NotAllowed, Impossible; KeyError for a kind that judges no hold."""
    by, name, found = _prepared(tx, published, actor, proof, seen)
    said = _reason(reason, needed=kind is not DecisionKind.HOLD_CONFIRMED)
    try:
        decision.check_hold(found.entries, number, kind)
    except NotDecidable as refused:
        raise Impossible(refused.message) from None
    return _decided(tx, found, actor, by, name, kind, {"hold": number, "reason": said})


def open_cohort(tx: Transaction, published: Published, actor: Actor, proof: Proof, code: str, reason: str, seen: str) -> DecisionEntry:
    """Open a gated cohort by a signature. Raises NotAllowed, Impossible."""
    by, name, found = _prepared(tx, published, actor, proof, seen)
    said = _reason(reason, needed=True)
    settings = published.study.safety
    gated = [one.code for one in settings.cohorts if one.gated] if settings else []
    try:
        decision.check_opening(found.entries, gated, code)
    except NotDecidable as refused:
        raise Impossible(refused.message, "cohort") from None
    return _decided(tx, found, actor, by, name, DecisionKind.COHORT_OPENED, {"cohort": code, "reason": said})


def _reason(text: str, needed: bool) -> str:
    said = plain(text, LONGEST_REASON, "reason")
    if needed and not said:
        raise Impossible(Message(N_("Say what the decision rests on.")), "reason")
    return said


def _prepared(tx: Transaction, published: Published, actor: Actor, proof: Proof, seen: str) -> tuple[Who, str, Standing]:
    """Whoever may decide and typed the password in this request, with what stands now, which must be what the page showed."""
    by = who(actor, VERB, published.study.oid, None, tx.who.address)
    if (proof.account_id, proof.at) != (actor.id, tx.at) or tx.who.actor != actor.username:
        raise NotAllowed(f"{actor.username} decides without having typed the password")
    account = accounts.by_id(tx, actor.id)
    if account is None or not account.active:
        raise NotAllowed(f"{actor.username} has no account in force")
    if rule_of(published.study) is None:
        raise Impossible(Message(N_("This study has no stopping rule.")))
    decisions.hold_ledger(tx, published.study.oid)
    found = standing_now(tx, published, tx.at)
    if found.seen != seen:
        raise Impossible(Message(N_("The data changed while you were reading: look at them again before you decide. Nothing was signed.")))
    return by, account.name, found


def _decided(
    tx: Transaction, found: Standing, actor: Actor, by: Who, name: str, kind: DecisionKind, content: dict[str, object]
) -> DecisionEntry:
    _ = decision.DECISION_MEANINGS[kind]
    study = found.published
    whole = {**content, "meaning": str(kind), "status": found.plain(checkpoint(tx, study.study.oid))}
    made = decisions.add(tx, study.study_id, study.study.oid, kind, by, name, whole)
    accounts.forget_failures(tx, actor.username, by.address)
    return made


def note_refusal(tx: Transaction, published: Published, actor: Actor, meaning: str) -> None:
    """After WrongPassword, in a transaction of its own: count the failure and put the refused decision into the study's trail."""
    by = who(actor, VERB, published.study.oid, None, tx.who.address)
    sign_in.note_failure(tx, actor.username, by.address)
    said = canonical({"decision": meaning})
    tx.entries.append(
        Entry(published.study.oid, "refused", "refusal", str(published.study_id), "decision", said, "", "", "password", True, by)
    )
