"""What nobody decides alone: one person asks, another one decides; unlocking, removing a subject, erasing what should never be recorded."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from trialcrf.core.wording import N_, Message


class RequestKind(StrEnum):
    UNLOCK = "unlock"
    REMOVAL = "removal"
    REDACTION = "redaction"


REQUEST_KINDS: Mapping[RequestKind, str] = {
    RequestKind.UNLOCK: N_("unlock"),
    RequestKind.REMOVAL: N_("mark a whole subject entered in error"),
    RequestKind.REDACTION: N_("erase personal data"),
}

ASK: Mapping[RequestKind, str] = {
    RequestKind.UNLOCK: "lock.unlock",
    RequestKind.REMOVAL: "removal.ask",
    RequestKind.REDACTION: "redaction.ask",
}
DECIDE: Mapping[RequestKind, str] = {
    RequestKind.UNLOCK: "lock.approve",
    RequestKind.REMOVAL: "removal.approve",
    RequestKind.REDACTION: "redaction.approve",
}
"""The verb that whoever asks, and whoever decides, must hold (`core.access`)."""


class RequestState(StrEnum):
    WAITING = "waiting"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


REQUEST_STATES: Mapping[RequestState, str] = {
    RequestState.WAITING: N_("waits for a second person"),
    RequestState.GRANTED: N_("granted"),
    RequestState.REFUSED: N_("refused"),
    RequestState.WITHDRAWN: N_("withdrawn"),
}


class SamePerson(Exception):
    """The second pair of eyes is the first one, or the request is settled: a sentence for whoever tried."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid)
        self.message = message


def decided(state: RequestState, asked_by: str, actor: str, decision: RequestState) -> RequestState:
    """The state after a decision. Raises SamePerson where the request waits no longer, or the wrong person decides.

    Only whoever asked withdraws, and only somebody else grants or refuses.
    """
    if state is not RequestState.WAITING:
        raise SamePerson(
            Message(N_("This request is %(state)s: nothing more is to be decided."), {"state": Message(REQUEST_STATES[state])})
        )
    if (decision is RequestState.WITHDRAWN) != (actor == asked_by):
        raise SamePerson(Message(N_("Another person than the one who asked must decide.")))
    return decision
