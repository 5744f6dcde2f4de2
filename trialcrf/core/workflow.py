"""State tables: what may become of a query. A transition that is not in the table is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from trialcrf.core.wording import N_, Message


class QueryState(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"


QUERY_STATES: Mapping[QueryState, str] = {
    QueryState.OPEN: N_("open"),
    QueryState.ANSWERED: N_("answered"),
    QueryState.CLOSED: N_("closed"),
}

QUERY_MOVES: Mapping[tuple[QueryState, str], QueryState] = {
    (QueryState.OPEN, "answer"): QueryState.ANSWERED,
    (QueryState.OPEN, "resolve"): QueryState.CLOSED,
    (QueryState.ANSWERED, "resolve"): QueryState.CLOSED,
    (QueryState.ANSWERED, "accept"): QueryState.CLOSED,
    (QueryState.ANSWERED, "reject"): QueryState.OPEN,
    (QueryState.OPEN, "accept"): QueryState.CLOSED,
}
"""`resolve` is the system's: the value is right now. `accept` and `reject` are a data manager's or monitor's."""


class NotPossible(Exception):
    """A move that the state table does not have, as a sentence for the person who tried."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid)
        self.message = message


def moved(state: QueryState, move: str) -> QueryState:
    """The state after the move. Raises NotPossible where the table has none."""
    try:
        return QUERY_MOVES[state, move]
    except KeyError:
        raise NotPossible(
            Message(N_("This query is %(state)s now: that is no longer possible."), {"state": Message(QUERY_STATES[state])})
        ) from None
