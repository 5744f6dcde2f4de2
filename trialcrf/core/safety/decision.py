"""Decisions about a trial: holds that the program raises and people judge, cohorts that people open, and what may follow what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from trialcrf.core.ledger import Line
from trialcrf.core.safety.stopping import Cause, Status, Wanted, rule_plain
from trialcrf.core.wording import N_, Message


class DecisionKind(StrEnum):
    """What a line of the ledger decides. Its content is given beside it; `status` is what it rests on, `core.safety.stopping` says how.

    Every status has the moment at which the data were known and the digest of the audit checkpoint of that moment.
    """

    HOLD_RAISED = "hold_raised"  # {"cause", "n", "x", "concerns": [...], "status"}: by the program
    HOLD_CONFIRMED = "hold_confirmed"  # {"hold": number, "reason", "meaning", "status"}
    HOLD_DISMISSED = "hold_dismissed"  # {"hold": number, "reason", "meaning", "status"}
    HOLD_LIFTED = "hold_lifted"  # {"hold": number, "reason", "meaning", "status"}
    COHORT_OPENED = "cohort_opened"  # {"cohort": code, "reason", "meaning", "status"}
    DATABASE_LOCKED = "database_locked"  # {"site": code or "", "checklist": {line: count}, "explained": {line: words}, "reason", ...}
    DATABASE_UNLOCKED = "database_unlocked"  # {"site": code or "", "request": number, "asked_by", "reason", "meaning", "checkpoint"}
    AUDIT_REVIEW = "audit_review"  # {"period", "plan", "outcome": counts, "conclusion", "meaning", "known_at", "checkpoint", "version"}
    ACCESS_REVIEW = "access_review"


STOPPING = frozenset(
    {
        DecisionKind.HOLD_RAISED,
        DecisionKind.HOLD_CONFIRMED,
        DecisionKind.HOLD_DISMISSED,
        DecisionKind.HOLD_LIFTED,
        DecisionKind.COHORT_OPENED,
    }
)
"""What the stopping rule's pages and reports tell; the ledger holds other decisions about the study beside them."""


DECISIONS: Mapping[DecisionKind, str] = {
    DecisionKind.HOLD_RAISED: N_("hold raised by the program"),
    DecisionKind.HOLD_CONFIRMED: N_("hold confirmed"),
    DecisionKind.HOLD_DISMISSED: N_("hold dismissed"),
    DecisionKind.HOLD_LIFTED: N_("hold lifted"),
    DecisionKind.COHORT_OPENED: N_("cohort opened"),
    DecisionKind.DATABASE_LOCKED: N_("database locked"),
    DecisionKind.DATABASE_UNLOCKED: N_("database unlocked"),
    DecisionKind.AUDIT_REVIEW: N_("audit trail reviewed"),
    DecisionKind.ACCESS_REVIEW: N_("access rights reviewed"),
}

DECISION_MEANINGS: Mapping[DecisionKind, str] = {
    DecisionKind.HOLD_CONFIRMED: N_("I have reviewed the data of this status and confirm the hold: nobody else is to be treated"),
    DecisionKind.HOLD_DISMISSED: N_("I have reviewed the data of this status and dismiss the hold"),
    DecisionKind.HOLD_LIFTED: N_("I have reviewed the data of this status and lift the hold"),
    DecisionKind.COHORT_OPENED: N_("I have reviewed the data of this status and open the cohort"),
    DecisionKind.AUDIT_REVIEW: N_("I have reviewed the audit trail of this period and this is my conclusion"),
    DecisionKind.DATABASE_LOCKED: N_("I have reviewed this checklist and lock the database: nothing in it changes any more"),
    DecisionKind.DATABASE_UNLOCKED: N_("I have read the reason that was asked with and open what was locked again"),
}
"""What a signature says of a decision (21 CFR 11.50(a)(3)). The kind is stored and hashed, the sentence is shown."""

CAUSES: Mapping[Cause, str] = {
    Cause.BOUNDARY: N_("the boundary of the stopping rule is reached"),
    Cause.DEATH: N_("a related death is recorded"),
}


class HoldState(StrEnum):
    RAISED = "raised"  # waits for a named person
    CONFIRMED = "confirmed"  # the hold stands
    DISMISSED = "dismissed"
    LIFTED = "lifted"


HOLD_STATES: Mapping[HoldState, str] = {
    HoldState.RAISED: N_("raised, to be judged by a person"),
    HoldState.CONFIRMED: N_("confirmed: the hold stands"),
    HoldState.DISMISSED: N_("dismissed"),
    HoldState.LIFTED: N_("lifted"),
}

HOLD_MOVES: Mapping[tuple[HoldState, DecisionKind], HoldState] = {
    (HoldState.RAISED, DecisionKind.HOLD_CONFIRMED): HoldState.CONFIRMED,
    (HoldState.RAISED, DecisionKind.HOLD_DISMISSED): HoldState.DISMISSED,
    (HoldState.CONFIRMED, DecisionKind.HOLD_LIFTED): HoldState.LIFTED,
}
"""What may become of a hold. The program raises one; only a named person moves it on."""


@dataclass(frozen=True, slots=True)
class DecisionEntry(Line[DecisionKind]):
    """A line with its own hash."""

    hash: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold with what became of it. `confirmed_at` and `ended_at` bound the time in which it stood."""

    raised: DecisionEntry
    state: HoldState
    last: DecisionEntry
    confirmed_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def number(self) -> int:
        return self.raised.number

    @property
    def cause(self) -> Cause:
        return Cause(self.raised.content["cause"])

    def stood_at(self, moment: datetime) -> bool:
        return self.confirmed_at is not None and self.confirmed_at <= moment and (self.ended_at is None or moment < self.ended_at)


class NotDecidable(Exception):
    """A decision that the state table does not have, as a sentence for the person who tried."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid)
        self.message = message


def holds(entries: Sequence[DecisionEntry]) -> tuple[Hold, ...]:
    """Every hold with its state, in the order in which they were raised."""
    found: dict[int, Hold] = {}
    for one in entries:
        if one.kind is DecisionKind.HOLD_RAISED:
            found[one.number] = Hold(one, HoldState.RAISED, one)
        elif "hold" in one.content:
            was = found[one.content["hold"]]
            state = HOLD_MOVES[was.state, one.kind]
            confirmed = one.at if state is HoldState.CONFIRMED else was.confirmed_at
            found[was.number] = Hold(was.raised, state, one, confirmed, one.at if state is HoldState.LIFTED else None)
    return tuple(found.values())


def standing(entries: Sequence[DecisionEntry]) -> tuple[Hold, ...]:
    """The holds that nobody has ended: those that wait for a person, and those that were confirmed."""
    return tuple(one for one in holds(entries) if one.state in (HoldState.RAISED, HoldState.CONFIRMED))


def opened(entries: Sequence[DecisionEntry]) -> dict[str, DecisionEntry]:
    """The signed decision that opened each cohort, by its code."""
    return {one.content["cohort"]: one for one in entries if one.kind is DecisionKind.COHORT_OPENED}


def check_hold(entries: Sequence[DecisionEntry], number: int, kind: DecisionKind) -> Hold:
    """The hold that the decision moves on. Raises NotDecidable where there is none, or it cannot follow what was decided."""
    found = next((one for one in holds(entries) if one.number == number), None)
    if found is None:
        raise NotDecidable(Message(N_("There is no such hold.")))
    if (found.state, kind) not in HOLD_MOVES:
        said = N_("This hold is %(state)s: that is no longer possible.")
        raise NotDecidable(Message(said, {"state": Message(HOLD_STATES[found.state])}))
    return found


def check_opening(entries: Sequence[DecisionEntry], gated: Sequence[str], code: str) -> None:
    """Raises NotDecidable where the cohort is not one that a decision opens, is open already, or a hold stands."""
    if code not in gated:
        raise NotDecidable(Message(N_("There is no such cohort that a decision opens.")))
    if code in opened(entries):
        raise NotDecidable(Message(N_("This cohort was opened before.")))
    if standing(entries):
        raise NotDecidable(Message(N_("A hold was raised or stands: it is dismissed or lifted before a cohort is opened.")))


def new_holds(status: Status, entries: Sequence[DecisionEntry]) -> tuple[Wanted, ...]:
    """What the data ask for and no hold was raised for yet, under this rule.

    A hold covers the subjects (or deaths) that it was raised for: one more of them is a new crossing, another look at the same ones, or
    fewer, is not. So a hold that was dismissed or lifted does not come back by itself, and an edited event takes none away.
    """
    raised = [one.content for one in entries if one.kind is DecisionKind.HOLD_RAISED]
    return tuple(wanted for wanted in status.wanted if not any(_covers(said, wanted, rule_plain(status.rule)) for said in raised))


def _covers(said: Mapping[str, Any], wanted: Wanted, rule: Mapping[str, object]) -> bool:
    if said["cause"] != wanted.cause or not set(wanted.concerns) <= set(said["concerns"]):
        return False
    # A related death is one whatever the rule; a boundary is that of its rule.
    return wanted.cause is Cause.DEATH or said["status"]["rule"] == rule
