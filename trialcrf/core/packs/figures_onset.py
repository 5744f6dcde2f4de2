"""Figures of what happened to patients, for screens: events by month and severity, and figures of the reports in a narrower frame.

All subjects together, in an open-label study too: by arm the reports tell it, to those who may read them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, cast

from trialcrf.core.packs.figure import PALETTE, QUIET, Figure, axis, counting, data, level_scale, nothing
from trialcrf.core.packs.figures_conduct import HEIGHT, LETTERS, PIECE, SCREEN, legend, pieces_of
from trialcrf.core.packs.tables import Level
from trialcrf.core.safety.event import AdverseEvent
from trialcrf.core.wording import N_, Message, Sayable, Words

MOST_PERIODS = 15
MOST_LINES = 60
"""Subjects that have a line of their own."""


def events(found: Sequence[AdverseEvent], levels: Sequence[Level], today: date, people: Sayable) -> Figure:
    """Adverse events by the month (or quarter, or year) of their onset and by severity, as bars with the numbers in them."""
    title = Message(N_("Adverse events by onset and severity: %(people)s"), {"people": people})
    dated = [(one.earliest, one) for one in found if one.earliest is not None]
    if not dated:
        return nothing("events", title, Message(N_("No adverse event with an onset is recorded: there is nothing to draw.")))
    days = [day for day, _ in dated]
    periods = _periods(min(days), max(today, *days))
    counts = [Counter[int]() for _ in periods]
    for day, one in dated:
        at = next(at for at, (start, end) in enumerate(periods) if start <= day <= end)
        counts[at][one.level if one.level is not None else len(levels) - 1] += 1
    most = max(sum(each.values()) for each in counts)
    bars: list[dict[str, Any]] = []
    for (start, end), each in zip(periods, counts, strict=True):
        pieces = [(level.label, each[at]) for at, level in enumerate(levels)]
        bars += [{**bar, "at": _period(start, end)} for bar in pieces_of(Words(), pieces)]
    names, slanted = [_period(*one) for one in periods], len(periods) > 4
    height = HEIGHT
    x = {
        "field": "at",
        "type": "nominal",
        "sort": names,
        "scale": {"domain": names},
        "axis": axis(None, labelAngle=-45 if slanted else 0, labelOverlap=True),
    }
    spec = {
        "width": SCREEN, "height": height, "data": data(bars), "encoding": {"x": x},
        "layer": [
            {
                "mark": {"type": "bar", "stroke": QUIET, "strokeWidth": 0.7},
                "encoding": {
                    "y": {"field": "from", "type": "quantitative", "axis": counting(Message(N_("Events")), most)}, "y2": {"field": "to"},
                    "color": {
                        "field": "level", "type": "nominal", "title": Message(N_("Severity")), "scale": level_scale(levels),
                        "legend": legend(HEIGHT + (74 if slanted else 30), -34, 2),
                    },
                },
            },
            {
                "data": data([bar for bar in bars if bar["n"] * height >= LETTERS * most]),
                "mark": {"type": "text", "color": PIECE, "fontSize": LETTERS - 1},
                "encoding": {
                    "y": {"field": "middle", "type": "quantitative"}, "text": {"field": "n", "type": "quantitative", "format": ",d"},
                },
            },
        ],
    }  # fmt: skip
    undated = len(found) - len(dated)
    heads = (Message(N_("First day")), Message(N_("Last day")), Message(N_("Events")), *(level.label for level in levels))
    rows: list[tuple[object, ...]] = [
        (start, end, sum(each.values()), *(each[at] for at in range(len(levels))))
        for (start, end), each in zip(periods, counts, strict=True)
    ]
    severe = sum(one.severe for _, one in dated)
    description = Message(
        N_("Bars of %(events)s adverse events from %(first)s to %(last)s, by severity; severe: %(severe)s; without an onset: %(undated)s."),
        {"events": len(dated), "first": min(days), "last": max(days), "severe": severe, "undated": undated},
    )
    note = Message(
        N_(
            "All subjects together, whatever they were given. A partial onset counts at its earliest day; without an onset, "
            "and not drawn: %(undated)s."
        ),
        {"undated": undated},
    )
    return Figure("events", title, description, note, spec, heads, tuple(rows))


def on_screen(figure: Figure) -> Figure:
    """The trajectories of a report about all subjects together, as wide as a screen has room for and without the column of their arms.

    More lines than can be told apart are not drawn: instead of them a band shows the spread of the same values.
    """
    if not figure.spec:
        return figure
    spec = {**figure.spec, "width": SCREEN, "height": HEIGHT + 20}
    made = replace(
        figure,
        spec=spec,
        columns=(*figure.columns[:1], *figure.columns[2:]),
        rows=tuple((*row[:1], *row[2:]) for row in figure.rows),
    )
    if len({point["subject"] for point in spec["data"]["values"]}) <= MOST_LINES:
        return made
    means = spec["layer"][-2:]
    spread: list[dict[str, object]] = [
        {"day": day, "low": float(mean - deviation), "high": float(mean + deviation)}
        for _, day, _number, mean, deviation, *_ in sorted(cast(Sequence[tuple[Any, ...]], made.rows), key=lambda row: int(row[1]))
        if deviation is not None
    ]
    x, y = means[0]["encoding"]["x"], means[0]["encoding"]["y"]
    band = {
        "data": data(spread),
        "mark": {"type": "area", "color": PALETTE[0], "opacity": 0.18},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
    }
    note = Message(
        N_(
            "Line: mean of each visit with two values or more, at its median day. Band: one standard deviation to each side, "
            "of %(subjects)s subjects."
        ),
        {"subjects": len({point["subject"] for point in spec["data"]["values"]})},
    )
    return replace(made, spec={**spec, "data": data([]), "layer": [band, *means]}, note=note)


def _periods(first: date, last: date) -> list[tuple[date, date]]:
    """Whole months, quarters or years from that of the first day to that of the last: few enough for the room, if that can be."""
    found: list[tuple[date, date]] = []
    for months in (1, 3, 12):
        start, found = date(first.year, (first.month - 1) // months * months + 1, 1), []
        while start <= last:
            place = start.month - 1 + months
            following = date(start.year + place // 12, place % 12 + 1, 1)
            found.append((start, following - timedelta(days=1)))
            start = following
        if len(found) <= MOST_PERIODS:
            break
    return found


def _period(start: date, end: date) -> Words:
    """What stands under a bar: digits, so that it is short in every language; the table beside has the days."""
    if start.month == end.month:
        return Words({"": f"{start.month:02d}/{start.year}"})
    return Words({"": str(start.year) if start.month == 1 and end.month == 12 else f"{start.month:02d}–{end.month:02d}/{start.year}"})
