"""Figures of what happened: shares by arm, worst severity by class, classes by severity.

They follow the harm-plot consensus (Phillips 2022, BMJ 377:e068983): counts always stand beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from trialcrf.core.packs.difference import newcombe
from trialcrf.core.packs.figure import INK, WIDTH, Figure, Inks, axis, counting, data, level_scale, nothing, percent, tenth
from trialcrf.core.packs.tables import Cell, Column, EventTable, Level, SocLine
from trialcrf.core.safety.participant import ColumnKind
from trialcrf.core.wording import N_, Message, Sayable

MOST_TERMS = 20
NO_EVENT = N_("No event was recorded by the cut-off: there is nothing to draw.")


def dot_plot(table: EventTable, columns: Sequence[Column], most: int = MOST_TERMS) -> Figure:
    """How often the most frequent terms happened, in per cent of the subjects of each arm, and how much each arm differs from the first.

    With one arm, or where arms are pooled, only the shares.
    """
    title = Message(N_("Subjects with each term, by arm, and difference with its 95%% confidence interval"))
    arms = [place for place, column in enumerate(columns) if column.kind is ColumnKind.ARM and column.subjects]
    places = arms if len(arms) > 1 else [place for place, column in enumerate(columns) if column.kind is ColumnKind.TREATED]
    if len(places) == 1:
        title = Message(N_("Subjects with each term, all treated subjects together"))
    found = [(term, line) for term, line in _terms(table) if any(line[place].subjects for place in places)]
    if not found or not all(columns[place].subjects for place in places):
        return nothing("dots", title, Message(NO_EVENT))
    found.sort(
        key=lambda one: (-max(_share(one[1][place], columns[place]) for place in places), -sum(one[1][place].subjects for place in places))
    )
    shown = found[:most]
    differences = {
        (place, at): newcombe(cells[at].subjects, columns[at].subjects, cells[places[0]].subjects, columns[places[0]].subjects)
        for place, (_, cells) in enumerate(shown)
        for at in places[1:]
    }
    order = list(range(len(shown)))
    if len(places) == 2:
        order.sort(key=lambda place: -differences[place, places[1]][0])
    terms = [shown[place][0] for place in order]
    inks = Inks(tuple(columns[place].label for place in places))
    shares = [
        {"term": shown[place][0], "arm": columns[at].label, "x": _percent(shown[place][1][at].subjects, columns[at].subjects)}
        for place in order
        for at in places
    ]
    compared = [
        {"term": shown[place][0], "arm": columns[at].label, "x": _hundredth(low), "low": _hundredth(lower), "high": _hundredth(upper)}
        for place in order
        for at in places[1:]
        for low, lower, upper in [differences[place, at]]
    ]
    y: dict[str, Any] = {"field": "term", "type": "nominal", "sort": terms, "scale": {"domain": terms}}
    left_width, height = 210 if compared else 360, (17 if len(places) < 3 else 22) * len(terms)
    left = {
        "width": left_width,
        "height": height,
        "data": data(shares),
        "mark": {"type": "point", "filled": True, "size": 46, "opacity": 0.95},
        "encoding": {
            "y": {**y, "axis": axis(None, grid=True, labelLimit=190)},
            "x": {"field": "x", "type": "quantitative", "axis": axis(Message(N_("Subjects, %%"))), "scale": {"zero": True, "nice": True}},
            "color": inks.colour(),
            "shape": inks.shape(),
        },
    }
    spec: dict[str, Any] = left
    if compared:
        bars = {"mark": {"type": "rule"}, "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}}}
        offset = {"yOffset": {"field": "arm", "type": "nominal", "sort": list(inks.labels)}} if len(places) > 2 else {}
        # Padded so that the bands of several arms lie around the points of the other panel.
        band = {**y, "scale": {**y["scale"], "paddingInner": 0.3, "paddingOuter": 0.15}} if offset else y
        right = {
            "width": 200,
            "height": height,
            "data": data(compared),
            "encoding": {"y": {**band, "axis": axis(None, labels=False, ticks=False, grid=True)}, "color": inks.colour(False), **offset},
            "layer": [
                {
                    "data": data([{"zero": 0}]),
                    "mark": {"type": "rule", "color": INK},
                    "encoding": {"x": {"field": "zero", "type": "quantitative"}, "y": None, "color": None, "yOffset": None},
                },
                bars,
                {
                    "mark": {"type": "point", "filled": True, "size": 40},
                    "encoding": {
                        "x": {"field": "x", "type": "quantitative", "axis": axis(Message(N_("Difference, percentage points")))},
                        "shape": {**inks.shape(), "legend": None},
                    },
                },
            ],
        }
        spec = {"hconcat": [left, right], "spacing": 14, "resolve": {"scale": {"color": "independent", "shape": "independent"}}}
    first = columns[places[0]].label
    heads: list[Sayable] = [Message(N_("Term"))]
    for at in places:
        heads.append(Message(N_("%(arm)s: subjects"), {"arm": columns[at].label}))
        heads.append(Message(N_("%(arm)s: %% of %(number)s"), {"arm": columns[at].label, "number": columns[at].subjects}))
    heads += [Message(N_("%(arm)s minus %(first)s (95%% CI)"), {"arm": columns[at].label, "first": first}) for at in places[1:]]
    rows = tuple(_dot_row(shown[place], places, columns, {at: differences[place, at] for at in places[1:]}) for place in order)
    told = {"shown": len(shown), "terms": len(found)}
    top = shown[0]
    main = tuple(
        Message(
            N_("%(arm)s %(percent)s%% of %(number)s"),
            {"arm": columns[at].label, "percent": _share(top[1][at], columns[at]), "number": columns[at].subjects},
        )
        for at in places
    )
    description = Message(
        N_("Dot plot of the %(shown)s most frequent of %(terms)s terms, in per cent of subjects. Most frequent: %(term)s, %(main)s."),
        {**told, "term": top[0], "main": main},
    )
    note = Message(N_("The %(shown)s most frequent of %(terms)s terms; a subject counts once a term."), told)
    if compared:
        note = Message(
            N_(
                "The %(shown)s most frequent of %(terms)s terms; a subject counts once a term. Differences from %(first)s "
                "with 95%% intervals after Newcombe; no adjustment for many comparisons."
            ),
            {**told, "first": first},
        )
    return Figure("dots", title, description, note, spec, tuple(heads), rows)


def severity_by_class(table: EventTable, columns: Sequence[Column], levels: Sequence[Level]) -> Figure:
    """For each class, the treated subjects at their worst severity: stacked bars with the numbers in them."""
    title = Message(N_("Treated subjects at their worst severity, by system organ class"))
    place = next(place for place, column in enumerate(columns) if column.kind is ColumnKind.TREATED)
    classes = sorted((line for line in table.classes if line.cells[place].subjects), key=lambda line: -line.cells[place].subjects)
    if not classes:
        return nothing("severity", title, Message(NO_EVENT))
    bars: list[dict[str, object]] = []
    for line in classes:
        start = 0
        for at, level in enumerate(line.cells[place].levels):
            if level.subjects:
                told: dict[str, object] = {"class": line.label, "level": levels[at].label, "n": level.subjects}
                bars.append({**told, "from": start, "to": start + level.subjects, "middle": start + level.subjects / 2})
                start += level.subjects
    labels = [line.label for line in classes]
    y = {"field": "class", "type": "nominal", "sort": labels, "axis": axis(None, labelLimit=250)}
    spec = {
        "width": WIDTH - 270,
        "height": {"step": 19},
        "data": data(bars),
        "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "bar", "stroke": "#ffffff", "strokeWidth": 0.7, "height": {"band": 0.82}},
                "encoding": {
                    "x": {
                        "field": "from",
                        "type": "quantitative",
                        "axis": counting(Message(N_("Subjects")), classes[0].cells[place].subjects),
                    },
                    "x2": {"field": "to"},
                    "color": {
                        "field": "level",
                        "type": "nominal",
                        "title": Message(N_("Severity")),
                        "scale": level_scale(levels),
                        "legend": {"symbolType": "square"},
                    },
                },
            },
            {
                # A number that its piece is too small for stands in the table alone.
                "data": data([bar for bar in bars if 40 * int(str(bar["n"])) >= classes[0].cells[place].subjects]),
                "mark": {"type": "text", "color": INK, "fontSize": 9},
                "encoding": {
                    "x": {"field": "middle", "type": "quantitative"},
                    "text": {"field": "n", "type": "quantitative", "format": ",d"},
                },
            },
        ],
    }
    whole = columns[place].subjects
    heads = (
        Message(N_("System organ class")),
        Message(N_("Subjects")),
        Message(N_("%% of %(number)s"), {"number": whole}),
        *(level.label for level in levels),
    )
    rows = tuple(
        (
            line.label,
            line.cells[place].subjects,
            _share(line.cells[place], columns[place]),
            *(level.subjects for level in line.cells[place].levels),
        )
        for line in classes
    )
    severe = sum(level.subjects for at, level in enumerate(table.cells[place].levels) if levels[at].severe)
    description = Message(
        N_(
            "Stacked bars of %(classes)s classes. Most subjects: %(class)s, %(number)s of %(all)s. Subjects with a severe "
            "event in any class: %(severe)s."
        ),
        {"classes": len(classes), "class": labels[0], "number": classes[0].cells[place].subjects, "all": whole, "severe": severe},
    )
    note = Message(N_("A subject counts once a class, at the worst severity of the class."))
    return Figure("severity", title, description, note, spec, heads, rows)


def class_by_level(table: EventTable, columns: Sequence[Column], levels: Sequence[Level]) -> Figure:
    """How many events of each class had each severity, the number printed in each cell."""
    title = Message(N_("Events of treated subjects by system organ class and severity"))
    place = next(place for place, column in enumerate(columns) if column.kind is ColumnKind.TREATED)
    classes = sorted((line for line in table.classes if line.cells[place].events), key=lambda line: -line.cells[place].events)
    if not classes:
        return nothing("classes", title, Message(NO_EVENT))
    labels, names = [line.label for line in classes], [level.label for level in levels]
    cells = [
        {"class": line.label, "level": levels[at].label, "n": level.events}
        for line in classes
        for at, level in enumerate(line.cells[place].levels)
    ]
    most = max(int(str(cell["n"])) for cell in cells)
    spec = {
        "width": WIDTH - 270,
        "height": {"step": 19},
        "data": data(cells),
        "encoding": {
            "y": {"field": "class", "type": "nominal", "sort": labels, "axis": axis(None, labelLimit=250)},
            "x": {"field": "level", "type": "nominal", "sort": names, "axis": axis(None, orient="top", labelAngle=0, labelLimit=80)},
        },
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "#ffffff"},
                "encoding": {
                    "color": {
                        "field": "n",
                        "type": "quantitative",
                        "legend": None,
                        "scale": {"domain": [0, most], "range": ["#ffffff", "#56B4E9"], "interpolate": "rgb"},
                    }
                },
            },
            {
                "mark": {"type": "text", "fontSize": 9, "color": INK},
                "encoding": {"text": {"field": "n", "type": "quantitative", "format": ",d"}},
            },
        ],
    }
    heads = (Message(N_("System organ class")), Message(N_("Events")), *names)
    rows = tuple((line.label, line.cells[place].events, *(level.events for level in line.cells[place].levels)) for line in classes)
    total = table.cells[place]
    by_level = tuple(
        Message(N_("%(level)s %(number)s"), {"level": levels[at].label, "number": level.events}) for at, level in enumerate(total.levels)
    )
    description = Message(
        N_("Table of %(classes)s classes by severity, coloured by the number of events. Of %(events)s events: %(levels)s."),
        {"classes": len(classes), "events": total.events, "levels": by_level},
    )
    return Figure("classes", title, description, Message(N_("An event counts at its own severity.")), spec, heads, rows)


def _terms(table: EventTable) -> list[tuple[Sayable, tuple[Cell, ...]]]:
    """Every term with its cells; one that stands in several classes is named with its class."""
    lines = [(line, term) for line in table.classes for term in line.terms]
    times = Counter(_name(term.label) for _, term in lines)
    return [(_in_class(term.label, line) if times[_name(term.label)] > 1 else term.label, term.cells) for line, term in lines]


def _name(label: Sayable) -> str:
    return label.msgid if isinstance(label, Message) else "|".join(sorted(text.casefold() for text in label.texts.values()))


def _in_class(label: Sayable, line: SocLine) -> Message:
    return Message(N_("%(term)s (%(class)s)"), {"term": label, "class": line.label})


def _share(cell: Cell, column: Column) -> Decimal:
    """Per cent with one decimal, halves rounded up."""
    return percent(cell.subjects, column.subjects)


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0


def _hundredth(share: float) -> float:
    return round(100 * share, 3) + 0.0


def _dot_row(
    line: tuple[Sayable, tuple[Cell, ...]],
    places: Sequence[int],
    columns: Sequence[Column],
    differences: Mapping[int, tuple[float, float, float]],
) -> tuple[object, ...]:
    cells: list[object] = [line[0]]
    for place in places:
        cells += [line[1][place].subjects, _share(line[1][place], columns[place])]
    for difference, lower, upper in differences.values():
        told = {"difference": tenth(100 * difference), "lower": tenth(100 * lower), "upper": tenth(100 * upper)}
        cells.append(Message(N_("%(difference)s (%(lower)s to %(upper)s)"), told))
    return tuple(cells)
