"""The planned review of the audit trail: look at a period by the study's plan, and sign a conclusion that the study's ledger keeps."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from trialcrf.actions import Impossible, NotAllowed, plain, sign_in, who
from trialcrf.actions.safety.decide import checkpoint, today_of
from trialcrf.actions.sign import Changed, Proof
from trialcrf.core.access import Actor
from trialcrf.core.definition.model import Study
from trialcrf.core.definition.oversight import ReviewPlan
from trialcrf.core.oversight.trail_review import Outcome, Save, review
from trialcrf.core.safety.decision import DecisionEntry, DecisionKind
from trialcrf.core.signature import canonical
from trialcrf.core.wording import N_, Message
from trialcrf.store import accounts, decisions, saves, sites
from trialcrf.store.audit import Entry
from trialcrf.store.definitions import Published
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

VERB = "audit.review"
LONGEST_CONCLUSION = 4000


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days at the sponsor, the last one included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Looked:
    """What a period of the trail told under a plan, of the trail as it was at the checkpoint: what comes later is another review's."""

    period: Period
    plan: ReviewPlan
    outcome: Outcome
    known_at: datetime
    checkpoint: str
    version: int

    @property
    def seen(self) -> str:
        """SHA-256 in hexadecimal of what the page shows: nobody concludes from numbers that the page did not show."""
        return hashlib.sha256(canonical(self._shown()).encode()).hexdigest()

    def _shown(self) -> dict[str, object]:
        period = {"from": self.period.first.isoformat(), "to": self.period.last.isoformat()}
        return {"period": period, "plan": _plan(self.plan), "outcome": self.outcome.plain(), "version": self.version}

    def plain(self) -> dict[str, object]:
        return {**self._shown(), "known_at": self.known_at.astimezone(UTC).isoformat(), "checkpoint": self.checkpoint}


def _plan(plan: ReviewPlan) -> Mapping[str, object]:
    return {**asdict(plan), "night": list(plan.night)}


def period_of(study: Study, first: date, last: date, now: datetime) -> Period:
    """The period, in its order. Raises Impossible where it is none, or has not passed."""
    if last < first:
        raise Impossible(Message(N_("The last day lies before the first one.")), "last")
    if last > today_of(study, now):
        raise Impossible(Message(N_("The period ends in the future.")), "last")
    return Period(first, last)


def look(tx: Transaction, published: Published, period: Period, now: datetime) -> Looked:
    """Look at every save of the period at every site. Reads only: the trail never changes, so it is done before anything is written."""
    study, plan = published.study, published.study.oversight.review
    settings = study.safety
    zone = ZoneInfo(settings.sponsor.zone) if settings and settings.sponsor else UTC
    start = datetime.combine(period.first, time(), zone).astimezone(UTC)
    end = datetime.combine(period.last + timedelta(days=1), time(), zone).astimezone(UTC)
    places = sites.all_of(tx, study.oid)
    locked = saves.lock_moments(tx, [study.oid, *(one.chain for one in places)])
    found = (save for place in places for save in _saves(tx, published.study_id, place, locked, start, end))
    return Looked(period, plan, review(found, plan), now, checkpoint(tx, study.oid), published.version)


def _saves(
    tx: Transaction, study_id: int, place: Site, locked: Mapping[str, Sequence[datetime]], start: datetime, end: datetime
) -> Iterator[Save]:
    for part in _parts(saves.told(tx, place.chain, start, end)):
        stood = saves.around(tx, study_id, {one.form_id for one in part})
        for one in part:
            beside = stood.get(one.form_id)
            if beside is None:
                continue  # The trail tells of a form that is not there: that is found by its verification.
            signed = beside.signed_at is not None and (beside.signed_at[0], one.seq) > beside.signed_at
            moments = [moment for address in beside.addresses if (moment := _next(locked.get(address, ()), one.at))]
            yield Save(
                one.at.astimezone(place.zone), one.actor, place.code, one.subject, one.form_id, one.begun, one.changed, one.reasons,
                beside.held_on, signed, min(moments, default=None),
            )  # fmt: skip


def _parts(found: Iterator[saves.Told]) -> Iterator[tuple[saves.Told, ...]]:
    while part := tuple(islice(found, saves.AT_ONCE)):
        yield part


def _next(moments: Sequence[datetime], at: datetime) -> datetime | None:
    index = bisect_left(moments, at)
    return moments[index] if index < len(moments) else None


def sign_review(
    tx: Transaction, published: Published, actor: Actor, proof: Proof, looked: Looked, conclusion: str, seen: str
) -> DecisionEntry:
    """Record and sign a review: who looked at which period under which thresholds, what was counted, and what was concluded.

    Raises NotAllowed, Impossible; Changed where the page showed something else than what was looked at now.
    """
    study = published.study
    by = who(actor, VERB, study.oid, None, tx.who.address)
    if (proof.account_id, proof.at) != (actor.id, tx.at) or tx.who.actor != actor.username:
        raise NotAllowed(f"{actor.username} signs without having typed the password")
    account = accounts.by_id(tx, actor.id)
    if account is None or not account.active:
        raise NotAllowed(f"{actor.username} has no account in force")
    said = plain(conclusion, LONGEST_CONCLUSION, "conclusion")
    if not said:
        raise Impossible(Message(N_("Say what the review came to.")), "conclusion")
    if looked.seen != seen:
        raise Changed
    decisions.hold_ledger(tx, study.oid)
    content = {**looked.plain(), "conclusion": said, "meaning": str(DecisionKind.AUDIT_REVIEW)}
    made = decisions.add(tx, published.study_id, study.oid, DecisionKind.AUDIT_REVIEW, by, account.name, content)
    accounts.forget_failures(tx, actor.username, by.address)
    return made


def reviews(tx: Transaction, study_oid: str) -> list[DecisionEntry]:
    """Every review that was signed, oldest first."""
    return decisions.all_of(tx, study_oid, {DecisionKind.AUDIT_REVIEW})


def note_refusal(tx: Transaction, published: Published, actor: Actor) -> None:
    """After WrongPassword, in a transaction of its own: count the failure and put the refused review into the study's trail."""
    by = who(actor, VERB, published.study.oid, None, tx.who.address)
    sign_in.note_failure(tx, actor.username, by.address)
    said = canonical({"decision": str(DecisionKind.AUDIT_REVIEW)})
    oid = published.study.oid
    tx.entries.append(Entry(oid, "refused", "refusal", str(published.study_id), "decision", said, "", "", "password", True, by))
