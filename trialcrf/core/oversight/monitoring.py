"""A monitoring visit: what it was planned for, what was sampled and found, what is to be done about it, and when it may be closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from trialcrf.core.ledger import Line
from trialcrf.core.wording import N_, Message


class MonitoringState(StrEnum):
    PLANNED = "planned"
    HELD = "held"
    REPORTED = "reported"  # its letter is with the site
    CLOSED = "closed"
    CANCELLED = "cancelled"


MONITORING_STATES: Mapping[MonitoringState, str] = {
    MonitoringState.PLANNED: N_("planned"),
    MonitoringState.HELD: N_("held, letter to be sent"),
    MonitoringState.REPORTED: N_("letter sent, being followed up"),
    MonitoringState.CLOSED: N_("closed"),
    MonitoringState.CANCELLED: N_("cancelled"),
}

PURPOSES: Mapping[str, str] = {
    "initiation": N_("Initiation visit"),
    "routine": N_("Routine visit"),
    "cause": N_("Visit for cause"),
    "remote": N_("Remote visit"),
    "close_out": N_("Close-out visit"),
}
SEVERITIES: Mapping[str, str] = {"minor": N_("minor"), "major": N_("major"), "critical": N_("critical")}
OWNERS: Mapping[str, str] = {"site": N_("Site"), "monitor": N_("Monitor"), "sponsor": N_("Sponsor")}


class EntryKind(StrEnum):
    """The lines of the ledger, each with the shape of its content. Days are ISO dates, `action` and `finding` numbers of lines."""

    PLANNED = "planned"  # {"on": day, "purpose": code, "what": words}
    SAMPLE = "sample"  # {"seed": words, "subjects": [{"subject": key, "required": n, "verified": n, "changed": n}]}
    HELD = "held"  # {"from": day, "to": day, "present": words}
    VERIFIED = "verified"  # {"subject": key, "event": oid, "repeat": n, "values": n}
    QUERY = "query"  # {"query": id, "subject": key}
    FINDING = "finding"  # {"severity": code, "subject": key or "", "text": words}
    ACTION = "action"  # {"finding": line or 0, "owner": code, "due": day, "text": words}
    LETTER_SENT = "letter_sent"  # {"on": day, "to": words, "report": id}
    FOLLOW_UP_DONE = "follow_up_done"  # {"action": line, "text": words}
    CLOSED = "closed"  # {"text": words}
    CANCELLED = "cancelled"  # {"why": words}


ENTRY_KINDS: Mapping[EntryKind, str] = {
    EntryKind.PLANNED: N_("Visit planned"),
    EntryKind.SAMPLE: N_("Sample drawn"),
    EntryKind.HELD: N_("Visit held"),
    EntryKind.VERIFIED: N_("Values verified"),
    EntryKind.QUERY: N_("Query raised"),
    EntryKind.FINDING: N_("Finding"),
    EntryKind.ACTION: N_("Action agreed"),
    EntryKind.LETTER_SENT: N_("Letter sent"),
    EntryKind.FOLLOW_UP_DONE: N_("Action done"),
    EntryKind.CLOSED: N_("Visit closed"),
    EntryKind.CANCELLED: N_("Visit cancelled"),
}

_P, _H, _R = MonitoringState.PLANNED, MonitoringState.HELD, MonitoringState.REPORTED

MONITORING_MOVES: Mapping[tuple[MonitoringState | None, EntryKind], MonitoringState] = {
    (None, EntryKind.PLANNED): _P,
    (_P, EntryKind.SAMPLE): _P,
    (_P, EntryKind.HELD): _H,
    (_P, EntryKind.CANCELLED): MonitoringState.CANCELLED,
    **{(_H, kind): _H for kind in (EntryKind.SAMPLE, EntryKind.VERIFIED, EntryKind.QUERY)},
    **{(_H, kind): _H for kind in (EntryKind.FINDING, EntryKind.ACTION, EntryKind.FOLLOW_UP_DONE)},
    (_H, EntryKind.LETTER_SENT): _R,
    (_R, EntryKind.LETTER_SENT): _R,
    (_R, EntryKind.FOLLOW_UP_DONE): _R,
    (_R, EntryKind.CLOSED): MonitoringState.CLOSED,
}
"""(state, line) to state; what is not in the table is refused. What was found is told in the letter: afterwards nothing is added to it."""


MonitoringEntry = Line[EntryKind]


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody has to do about a visit. `number` is that of its line; `done` the line that says so, None while it is open."""

    number: int
    owner: str
    due: date
    text: str
    finding: int
    done: MonitoringEntry | None


@dataclass(frozen=True, slots=True)
class Monitoring:
    """A monitoring visit of a site with its whole ledger, oldest first. `number` counts the visits of the site from 1."""

    id: int
    study_oid: str
    site: str
    number: int
    purpose: str
    planned_on: date
    created_at: datetime
    entries: tuple[MonitoringEntry, ...]

    def all_of(self, kind: EntryKind) -> tuple[MonitoringEntry, ...]:
        return tuple(one for one in self.entries if one.kind is kind)

    def latest(self, kind: EntryKind) -> MonitoringEntry | None:
        return next((one for one in reversed(self.entries) if one.kind is kind), None)

    @property
    def state(self) -> MonitoringState:
        return replay(self.entries)

    @property
    def actions(self) -> tuple[Action, ...]:
        """Every action that was agreed, in the order of the ledger."""
        done = {int(one.content["action"]): one for one in self.all_of(EntryKind.FOLLOW_UP_DONE)}
        return tuple(
            Action(
                one.number,
                str(one.content["owner"]),
                date.fromisoformat(one.content["due"]),
                str(one.content["text"]),
                int(one.content["finding"]),
                done.get(one.number),
            )
            for one in self.all_of(EntryKind.ACTION)
        )

    @property
    def verified(self) -> Mapping[str, int]:
        """How many values were verified during the visit, by the key of the subject."""
        found: dict[str, int] = {}
        for one in self.all_of(EntryKind.VERIFIED):
            found[str(one.content["subject"])] = found.get(str(one.content["subject"]), 0) + int(one.content["values"])
        return dict(sorted(found.items()))

    @property
    def open_actions(self) -> tuple[Action, ...]:
        return tuple(one for one in self.actions if one.done is None)


class NotNow(Exception):
    """A line that the state table does not have, as a sentence for the person who tried."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid)
        self.message = message


def replay(entries: Iterable[MonitoringEntry]) -> MonitoringState:
    """The state that the ledger leads to. Raises NotNow for a ledger that the table does not have."""
    state: MonitoringState | None = None
    for one in entries:
        state = moved(state, one.kind)
    if state is None:
        raise ValueError("a monitoring visit without a line")
    return state


def moved(state: MonitoringState | None, kind: EntryKind) -> MonitoringState:
    """The state after a line. Raises NotNow where the table has none."""
    try:
        return MONITORING_MOVES[state, kind]
    except KeyError:
        now = Message(MONITORING_STATES[state]) if state else ""
        raise NotNow(Message(N_("This visit is %(state)s now: that is no longer possible."), {"state": now})) from None


def check(visit: Monitoring, kind: EntryKind, content: Mapping[str, Any]) -> None:
    """What the state alone does not tell: nothing is closed over open actions, and only an open action can be done. Raises NotNow."""
    moved(visit.state, kind)
    if kind is EntryKind.CLOSED and visit.open_actions:
        said = N_("Actions are still open: %(count)s. The visit is closed when they are done.")
        raise NotNow(Message(said, {"count": str(len(visit.open_actions))}))
    if kind is EntryKind.FOLLOW_UP_DONE and content["action"] not in {one.number for one in visit.open_actions}:
        raise NotNow(Message(N_("This action is not open: there is nothing to be done about it.")))
    if (
        kind is EntryKind.ACTION
        and content["finding"]
        and content["finding"] not in {one.number for one in visit.all_of(EntryKind.FINDING)}
    ):
        raise NotNow(Message(N_("An action belongs to a finding of this visit, or to none.")))
