"""What a page and a definition may know of a score: its name, its source, its licence, and whether its weights were verified."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trialcrf.core.kleene import Result


@dataclass(frozen=True, slots=True)
class Score:
    """A function of the expression language; `takes` says the kind of each argument ("number", "boolean", "text")."""

    of: Callable[..., Result]
    takes: tuple[str, ...]
    kind: str = "number"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A published score. `label` and `note` are messages; `inputs` are the arguments of its first function, in order.

    `verified` is False where weights, cut-offs or rules were written down from memory and wait for the original paper; the note says
    which. An instrument without functions is an assessor's choice: nothing is computed.
    """

    oid: str
    label: str
    source: str
    licence: str
    verified: bool
    inputs: tuple[str, ...] = ()
    note: str = ""
    scores: Mapping[str, Score] = field(default_factory=dict)


def ticks(count: int) -> tuple[str, ...]:
    return ("boolean",) * count


def numbers(count: int) -> tuple[str, ...]:
    return ("number",) * count
