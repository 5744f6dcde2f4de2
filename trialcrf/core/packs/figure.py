"""What a figure of a report is: a drawing whose words are still to be said, its alternative text, and the table of the same numbers.

A drawing is a Vega-Lite mapping whose texts are Message or Words; `external/svg.py` says them in a language and draws. Colours are those
of Okabe and Ito, and every colour is told twice: by a shape, or by the number printed in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from trialcrf.core.packs.tables import Level
from trialcrf.core.wording import N_, Message, Sayable

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-left", "triangle-right")
SEVERITY_PALETTE = ("#CFE8F7", "#56B4E9", "#F0E442", "#E69F00", "#D55E00", "#CC79A7", "#009E73", "#999999")
UNKNOWN_COLOUR = "#BBBBBB"
INK, QUIET = "#14222e", "#8b99a5"
WIDTH = 620
"""The width of a drawing in its own pixels: its letters are then as large as those of the tables on a page in portrait."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing and its twin table. `spec` is empty where there is nothing to draw; `empty` then says so.

    A cell of the table is a Sayable, a number, a day, or None where there is nothing to say.
    """

    oid: str
    title: Sayable
    description: Sayable  # the alternative text: what is drawn, with its main numbers
    note: Sayable
    spec: Mapping[str, Any] = field(metadata={"attached": False})
    columns: tuple[Sayable, ...]
    rows: tuple[tuple[object, ...], ...]
    empty: Sayable | None = None


@dataclass(frozen=True, slots=True)
class Inks:
    """How the arms of a figure are told apart: domain, colours and shapes of its scales."""

    labels: tuple[Sayable, ...]
    title: Sayable = field(default_factory=lambda: Message(N_("Arm")))

    @property
    def shown(self) -> bool:
        return len(self.labels) > 1

    def colour(self, legend: bool = True) -> dict[str, Any]:
        return self._scale(PALETTE, legend)

    def shape(self) -> dict[str, Any]:
        return self._scale(SHAPES, True)

    def _scale(self, ranged: Sequence[str], legend: bool) -> dict[str, Any]:
        size = len(self.labels)
        made: dict[str, Any] = {"field": "arm", "type": "nominal"}
        made["scale"] = {"domain": list(self.labels), "range": [ranged[place % len(ranged)] for place in range(size)]}
        made["title"] = self.title
        if not (legend and self.shown):
            made["legend"] = None
        return made


def nothing(oid: str, title: Sayable, why: Sayable) -> Figure:
    """A figure that says why it is not there."""
    return Figure(oid, title, why, why, {}, (), (), why)


def data(rows: Sequence[Mapping[str, object]]) -> dict[str, Any]:
    return {"values": list(rows)}


def axis(title: Sayable | None, **more: object) -> dict[str, Any]:
    return {"title": title, **more}


def counting(title: Sayable, most: int) -> dict[str, Any]:
    """An axis of whole numbers."""
    ticks = {"values": list(range(most + 1))} if most <= 10 else {"tickMinStep": 1}
    return axis(title, format=",d", **ticks)


def level_scale(levels: Sequence[Level]) -> dict[str, Any]:
    """The colours of the severities, mild first: the last ones of the palette for three levels as for five."""
    known = [level for level in levels if level.label != Message(N_("Not stated"))]
    shift = 2 if len(known) <= 3 else 0
    colours = [SEVERITY_PALETTE[min(place + (shift if place else 0), len(SEVERITY_PALETTE) - 1)] for place in range(len(known))]
    return {"domain": [level.label for level in levels], "range": [*colours, *[UNKNOWN_COLOUR] * (len(levels) - len(known))]}


def percent(part: int, whole: int) -> Decimal:
    """The share in per cent with one decimal, halves rounded up; 0 of nothing is 0."""
    return Decimal((2000 * part + whole) // (2 * whole)).scaleb(-1) if whole else Decimal("0.0")


def tenth(value: float) -> Decimal:
    """A number as it is printed: one decimal, never a negative zero."""
    return Decimal(f"{value:.1f}") + 0
