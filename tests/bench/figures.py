"""What was measured: figures with their aims, as a table for people and as JSON for comparison."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. `aim` is written as a comparison (`>= 0.1`) and None where nothing was promised; then `met` is None too."""

    name: str
    value: float | None
    unit: str
    aim: str | None = None
    met: bool | None = None


def plain(name: str, value: float, unit: str) -> Figure:
    """A figure without an aim."""
    return Figure(name, _rounded(value), unit)


def at_least(name: str, value: float, unit: str, least: float) -> Figure:
    return Figure(name, _rounded(value), unit, f">= {least:g}", value >= least)


def at_most(name: str, value: float, unit: str, most: float) -> Figure:
    return Figure(name, _rounded(value), unit, f"<= {most:g}", value <= most)


def exactly(name: str, value: float, unit: str, wanted: float) -> Figure:
    return Figure(name, _rounded(value), unit, f"= {wanted:g}", value == wanted)


def skipped(name: str, why: str) -> Figure:
    """What could not be measured here; the unit says why."""
    return Figure(name, None, why)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def table(figures: Sequence[Figure]) -> str:
    rows = [("measure", "value", "unit", "aim", "met")]
    for one in figures:
        value = "–" if one.value is None else f"{one.value:g}"
        met = {None: "", True: "yes", False: "NO"}[one.met]
        rows.append((one.name, value, one.unit, one.aim or "", met))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join((f"{name:<{widths[0]}}", f"{value:>{widths[1]}}", f"{unit:<{widths[2]}}", f"{aim:<{widths[3]}}", met)).rstrip()
        for name, value, unit, aim, met in rows
    )


def write(figures: Sequence[Figure], file: Path) -> None:
    file.write_text(json.dumps([asdict(one) for one in figures], indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _rounded(value: float) -> float:
    """Three significant digits, and every digit before the point: a ratio of two noisy runs knows no more."""
    if not value or not math.isfinite(value):
        return value
    return round(value, max(0, 2 - math.floor(math.log10(abs(value)))))
