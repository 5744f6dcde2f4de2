"""State tables: what may become of a query. A transition that is not in the table is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from trialcrf.core.wording import N_, Message


class QueryState(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    MODIFIED = "modified"  # closed, and the value changed afterwards


QUERY_STATES: Mapping[QueryState, str] = {
    QueryState.OPEN: N_("open"),
    QueryState.ANSWERED: N_("answered"),
    QueryState.CLOSED: N_("closed"),
    QueryState.CANCELLED: N_("cancelled"),
    QueryState.MODIFIED: N_("closed, then modified"),
}

UNSETTLED = frozenset({QueryState.OPEN, QueryState.ANSWERED, QueryState.MODIFIED})
"""The states in which somebody still has to do something."""

QUERY_MOVES: Mapping[tuple[QueryState, str], QueryState] = {
    (QueryState.OPEN, "answer"): QueryState.ANSWERED,
    (QueryState.OPEN, "resolve"): QueryState.CLOSED,
    (QueryState.ANSWERED, "resolve"): QueryState.CLOSED,
    (QueryState.ANSWERED, "accept"): QueryState.CLOSED,
    (QueryState.ANSWERED, "reject"): QueryState.OPEN,
    (QueryState.OPEN, "accept"): QueryState.CLOSED,
    (QueryState.OPEN, "cancel"): QueryState.CANCELLED,
    (QueryState.ANSWERED, "cancel"): QueryState.CANCELLED,
    (QueryState.CLOSED, "reopen"): QueryState.OPEN,
    (QueryState.CANCELLED, "reopen"): QueryState.OPEN,
    (QueryState.MODIFIED, "reopen"): QueryState.OPEN,
    (QueryState.CLOSED, "modify"): QueryState.MODIFIED,
    (QueryState.MODIFIED, "accept"): QueryState.CLOSED,
    (QueryState.MODIFIED, "resolve"): QueryState.CLOSED,
}
"""`resolve` is the system's: the value is right now, or its form was marked entered in error; so is `modify`: a value changed that a
person's query was closed over.

`accept`, `reject`, `cancel` and `reopen` are a data manager's or monitor's.
"""


class NotPossible(Exception):
    """A move that the state table does not have, as a sentence for the person who tried."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid)
        self.message = message


def not_now(state: QueryState) -> Message:
    """Why a move is not possible: the query is in this state now."""
    return Message(N_("This query is %(state)s now: that is no longer possible."), {"state": Message(QUERY_STATES[state])})


def moved(state: QueryState, move: str) -> QueryState:
    """The state after the move. Raises NotPossible where the table has none."""
    try:
        return QUERY_MOVES[state, move]
    except KeyError:
        raise NotPossible(not_now(state)) from None


def may_move(state: QueryState, move: str) -> bool:
    """Whether the state table has this move."""
    return (state, move) in QUERY_MOVES
