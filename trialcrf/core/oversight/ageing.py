"""Ageing of data queries: how long they wait and waited, and what those of a site add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from trialcrf.core.workflow import UNSETTLED, QueryState

BUCKETS: tuple[tuple[int, int | None], ...] = ((0, 7), (8, 14), (15, 30), (31, None))
"""Ages in whole days, both ends included; no source gives them (to be verified with the sponsor)."""


@dataclass(frozen=True, slots=True)
class Aged:
    """A query by its days, whole ones at its site: since it was opened, from opening to its first answer and to its closing.

    None where there was no answer, or where it is not closed. `overdue`: its site has not answered, and its due day is over.
    """

    state: QueryState
    age: int
    to_answer: int | None = None
    to_close: int | None = None
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class Ages:
    """The queries of a site, or of all of them together (`site` empty).

    `waiting` are those that are not settled by their age, as in BUCKETS; `age` is their median. Medians are None of nothing.
    """

    site: str
    name: str
    states: tuple[tuple[QueryState, int], ...]
    waiting: tuple[int, ...]
    age: float | None
    to_answer: float | None
    to_close: float | None
    overdue: int

    @property
    def total(self) -> int:
        return sum(number for _, number in self.states)

    def number(self, state: str) -> int:
        return dict(self.states)[QueryState(state)]


def bucket_of(age: int) -> int:
    """The place in BUCKETS of an age in days; a query opened at a day to come is as young as can be."""
    return next(number for number, (_, last) in enumerate(BUCKETS) if last is None or age <= last)


def add_up(site: str, name: str, found: Iterable[Aged]) -> Ages:
    """The numbers of these queries. Days to close are of those that are closed now: a reopened one is counted when it is closed again."""
    every = list(found)
    waiting = [one.age for one in every if one.state in UNSETTLED]
    counted = [0] * len(BUCKETS)
    for age in waiting:
        counted[bucket_of(age)] += 1
    return Ages(
        site,
        name,
        tuple((state, sum(one.state is state for one in every)) for state in QueryState),
        tuple(counted),
        _median(waiting),
        _median([one.to_answer for one in every if one.to_answer is not None]),
        _median([one.to_close for one in every if one.state is QueryState.CLOSED and one.to_close is not None]),
        sum(one.overdue for one in every),
    )


def _median(days: list[int]) -> float | None:
    return float(median(days)) if days else None
