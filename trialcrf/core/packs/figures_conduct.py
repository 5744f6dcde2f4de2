"""Figures of how a trial goes: enrolment, visits, complete forms, queries by age. Drawn for screens, small ones too.

Each is about all subjects given together: no figure tells an arm. A number that its piece is too small for stands in the table alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Any

from trialcrf.core.oversight.ageing import BUCKETS, bucket_of
from trialcrf.core.packs.figure import INK, PALETTE, QUIET, SHAPES, Figure, axis, counting, data, nothing, percent
from trialcrf.core.quality import Days
from trialcrf.core.schedule import STATES, State
from trialcrf.core.wording import N_, Message, Sayable, Words

SCREEN = 300
"""The width of a plot in its own pixels, axes apart: on a telephone it is drawn as it is, and no letter is smaller than LETTERS."""
HEIGHT = 170
MARGIN = 36
"""The room for a share beside a bar."""
LETTERS = 11
PIECE = "#000000"
"""The numbers within coloured pieces: the pieces stay as they are in the dark, and so do these."""
MOST_LINES = 6
"""Sites that have a line of their own; more would be a tangle, and stand in the table."""

COUNTED = (State.DONE, State.DONE_OUT, State.MISSED, State.OVERDUE, State.DUE, State.DUE_SOON)
"""The states of visits that are drawn, in the order of their pieces; of what is planned for later nothing is said."""
_COLOURS = {
    State.DONE: "#009E73", State.DONE_OUT: "#56B4E9", State.MISSED: "#BBBBBB", State.OVERDUE: "#D55E00", State.DUE: "#E69F00",
    State.DUE_SOON: "#F0E442",
}  # fmt: skip
ALL_SITES = Message(N_("All sites"))


@dataclass(frozen=True, slots=True)
class Room:
    """How wide the names beside horizontal bars may be, and how high a bar is with the space around it."""

    names: int
    step: int

    @property
    def plot(self) -> int:
        return SCREEN - self.names


VISITS = Room(162, 18)


@dataclass(frozen=True, slots=True)
class Enrolments:
    """How many subjects a site enrolled on a day."""

    site: str
    on: date
    subjects: int


@dataclass(frozen=True, slots=True)
class Completeness:
    """The forms that a visit asks for, over the visits that took place: complete, begun, or not begun."""

    visit: Sayable
    visits: int
    asked: int
    begun: int
    complete: int

    @property
    def parts(self) -> tuple[int, int, int]:
        """Complete, begun and no more, not begun: together all that were asked for."""
        return self.complete, self.begun - self.complete, self.asked - self.begun


@dataclass(frozen=True, slots=True)
class Plan:
    """What the study says of enrolment: whom it counts, and how many it plans at all sites together (None: it does not say)."""

    people: Sayable
    subjects: int | None


def enrolment(found: Sequence[Enrolments], sites: Sequence[str], today: date, plan: Plan, whole: bool) -> Figure:
    """Everybody enrolled so far, month by month, by site where there are several; with the plan where these are all sites (`whole`).

    No study says by when, or how many at each site, it plans to enrol: the plan is a line across.
    """
    title = Message(N_("Enrolment: %(people)s"), {"people": plan.people})
    total = sum(one.subjects for one in found)
    if not total:
        return nothing("enrolment", title, Message(N_("Nobody was enrolled yet: there is nothing to draw.")))
    first = min(one.on for one in found)
    ends = list(_month_ends(first, max(today, *(one.on for one in found))))
    by_site = {site: _so_far([one for one in found if one.site == site], ends) for site in sites}
    so_far = _so_far(found, ends)
    several = len(sites) > 1
    named: dict[str, Sayable] = {site: Message(N_("Site %(site)s"), {"site": site}) for site in sites}
    lines: list[tuple[Sayable, Sequence[int]]] = [(named[site], by_site[site]) for site in sites] if 1 < len(sites) <= MOST_LINES else []
    lines.insert(0, (ALL_SITES if several else named[sites[0]], so_far))
    labels = [label for label, _ in lines]
    drawn = [
        {"line": label, "day": day, "n": number}
        for label, counts in lines
        for day, number in ((first.replace(day=1), 0), *zip(ends, counts, strict=True))
    ]
    target = plan.subjects if whole else None
    colours, shapes = [INK, *PALETTE], ["circle", *SHAPES[1:]]
    key: dict[str, Any] = {"title": None} if len(lines) > 1 else {"legend": None}
    coloured = {"field": "line", "type": "nominal", "scale": {"domain": labels, "range": colours[: len(lines)]}, **key}
    shaped = {"field": "line", "type": "nominal", "scale": {"domain": labels, "range": shapes[: len(lines)]}, **key}
    x = {"field": "day", "type": "temporal", "scale": {"type": "utc"}, "axis": axis(None, format="%m/%Y", tickCount=4, labelOverlap=True)}
    y = {"field": "n", "type": "quantitative", "axis": counting(Message(N_("Subjects")), max(total, target or 0))}
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "line", "interpolate": "linear", "strokeWidth": 1.8}, "encoding": {"x": x, "y": y, "color": coloured}},
        {
            "mark": {"type": "point", "filled": True, "size": 30, "opacity": 1},
            "encoding": {"x": x, "y": y, "color": coloured, "shape": shaped},
        },
    ]
    if target is not None:
        across = [{"n": target, "day": first.replace(day=1), "said": Message(N_("Planned: %(number)s"), {"number": target})}]
        text = {"type": "text", "align": "left", "baseline": "bottom", "dx": 3, "dy": -2, "fontSize": LETTERS, "color": INK}
        layers += [
            {"data": data(across), "mark": {"type": "rule", "strokeDash": [5, 3], "color": INK}, "encoding": {"y": y}},
            {"data": data(across), "mark": text, "encoding": {"x": x, "y": y, "text": {"field": "said"}}},
        ]
    heads = (Message(N_("By the end of")), labels[0], *((named[site] for site in sites) if several else ()))
    rows = tuple((day, so_far[at], *((by_site[site][at] for site in sites) if several else ())) for at, day in enumerate(ends))
    told = {"number": total, "first": first, "planned": plan.subjects or 0}
    description = Message(N_("Line of the subjects enrolled so far: %(number)s, the first on %(first)s."), told)
    if target is not None:
        description = Message(N_("Line of the subjects enrolled so far: %(number)s of %(planned)s planned, the first on %(first)s."), told)
    return Figure(
        "enrolment",
        title,
        description,
        _planned(plan, whole),
        {"width": SCREEN, "height": HEIGHT, "data": data(drawn), "layer": layers},
        heads,
        rows,
    )


def _planned(plan: Plan, whole: bool) -> Message:
    if plan.subjects is None:
        return Message(N_("The study gives no number of subjects that it plans: only what happened is drawn."))
    told = {"number": plan.subjects}
    if whole:
        return Message(N_("The study plans %(number)s; it plans no pace, and no number for each site."), told)
    return Message(N_("The study plans %(number)s at all sites together, and no number for each site: only what happened is drawn."), told)


def visits(labels: Mapping[str, Sayable], counts: Mapping[State, Mapping[str, int]]) -> Figure:
    """What became of each planned visit, and what is due: stacked bars with the numbers in them. `labels` are the visits in their order."""
    title = Message(N_("Planned visits: done, missed, overdue, due"))
    shown = {oid: label for oid, label in labels.items() if any(counts.get(state, {}).get(oid) for state in COUNTED)}
    if not shown:
        return nothing("visits", title, Message(N_("No visit was due yet: there is nothing to draw.")))
    words = {state: Message(STATES[state]) for state in COUNTED}
    lines = [(label, [(words[state], counts.get(state, {}).get(oid, 0)) for state in COUNTED]) for oid, label in shown.items()]
    total = {state: sum(counts.get(state, {}).get(oid, 0) for oid in shown) for state in COUNTED}
    scale = {"domain": [words[state] for state in COUNTED], "range": [_COLOURS[state] for state in COUNTED]}
    spec = _stacked(lines, scale, Message(N_("Visits")))
    heads = (Message(N_("Visit")), *words.values())
    rows = [(label, *(number for _, number in pieces)) for label, pieces in lines]
    rows.append((Message(N_("Total")), *total.values()))
    description = Message(
        N_("Stacked bars of %(visits)s visits. Done: %(done)s, of them out of window: %(out)s; missed: %(missed)s; "
            "overdue: %(overdue)s; due now: %(due)s."),
        {
            "visits": len(shown), "done": total[State.DONE] + total[State.DONE_OUT], "out": total[State.DONE_OUT],
            "missed": total[State.MISSED], "overdue": total[State.OVERDUE], "due": total[State.DUE],
        },
    )  # fmt: skip
    note = Message(
        N_("As the list of subjects tells them today. Visits that are planned for later, cancelled or not applicable are not drawn.")
    )
    return Figure("visits", title, description, note, spec, heads, tuple(rows))


def completeness(found: Sequence[Completeness]) -> Figure:
    """Of the forms that the visits which took place ask for: complete, begun, not begun, in per cent of each visit."""
    title = Message(N_("Forms of the visits that took place"))
    shown = [one for one in found if one.asked]
    if not shown:
        return nothing("completeness", title, Message(N_("No visit took place yet: there is nothing to draw.")))
    words = (Message(N_("complete")), Message(N_("begun")), Message(N_("not begun")))
    bars = [
        {**bar, "from": float(percent(bar["from"], one.asked)), "to": float(percent(bar["to"], one.asked))}
        for one in shown
        for bar in pieces_of(one.visit, list(zip(words, one.parts, strict=True)))
    ]
    scale = {"domain": list(words), "range": ["#009E73", "#F0E442", "#D55E00"]}
    across = {"title": Message(N_("Forms, %% of those asked for")), "values": [0, 50, 100]}
    spec = _drawn(bars, [one.visit for one in shown], scale, {**across, "scale": {"domain": [0, 100]}}, [])
    ends = [{"line": one.visit, "to": 100, "share": percent(one.complete, one.asked)} for one in shown]
    text = {"type": "text", "align": "left", "dx": 5, "fontSize": LETTERS, "color": INK}
    told_at = {"x": {"field": "to", "type": "quantitative"}, "text": {"field": "share", "type": "quantitative", "format": ".1f"}}
    spec = {**spec, "width": spec["width"] - MARGIN, "layer": [*spec["layer"], {"data": data(ends), "mark": text, "encoding": told_at}]}
    heads = tuple(
        Message(text)
        for text in (
            N_("Visit"),
            N_("Visits held"),
            N_("Forms asked for"),
            N_("complete"),
            N_("begun"),
            N_("not begun"),
            N_("complete, %%"),
        )
    )
    counts = (sum(each) for each in zip(*((one.visits, one.asked, one.begun, one.complete) for one in shown), strict=True))
    whole = Completeness(Message(N_("Total")), *counts)
    rows = [(one.visit, one.visits, one.asked, *one.parts, percent(one.complete, one.asked)) for one in (*shown, whole)]
    told = {
        "complete": whole.complete,
        "asked": whole.asked,
        "share": percent(whole.complete, whole.asked),
        "none": whole.asked - whole.begun,
    }
    description = Message(
        N_("Bars of %(visits)s visits. Complete: %(complete)s of %(asked)s forms, %(share)s per cent; not begun: %(none)s."),
        {**told, "visits": len(shown)},
    )
    note = Message(
        N_("Mandatory forms of visits whose date is recorded. Complete: every mandatory item has an answer, or says why there is none.")
    )
    return Figure("completeness", title, description, note, spec, heads, tuple(rows))


def query_ages(opened: Days, answered: Days) -> Figure:
    """The queries that are not settled by their age in whole days, and by who has to act: the site, or who judges its answer."""
    title = Message(N_("Queries that are not settled, by age"))
    if not opened.number + answered.number:
        return nothing("queries", title, Message(N_("No query waits for anybody: there is nothing to draw.")))
    words = (Message(N_("wait for the site")), Message(N_("wait for a review")))
    counts = [[0, 0] for _ in BUCKETS]
    for place, days in enumerate((opened, answered)):
        for age, times in days.found:
            counts[bucket_of(age)][place] += times
    labels = [_bucket(low, high) for low, high in BUCKETS]
    lines = [(label, list(zip(words, pair, strict=True))) for label, pair in zip(labels, counts, strict=True)]
    spec = _stacked(lines, {"domain": list(words), "range": ["#E69F00", "#56B4E9"]}, Message(N_("Queries")), Room(110, 30))
    rows: list[tuple[object, ...]] = [(label, *pair, sum(pair)) for label, pair in zip(labels, counts, strict=True)]
    rows.append((Message(N_("Total")), opened.number, answered.number, opened.number + answered.number))
    told = {"open": opened.number, "answered": answered.number, "old": counts[-1][0] + counts[-1][1], "days": BUCKETS[-1][0] - 1}
    description = Message(
        N_("Stacked bars by age. Waiting for the site: %(open)s; for a review: %(answered)s; older than %(days)s days: %(old)s."), told
    )
    medians = {"open": _median(opened), "answered": _median(answered)}
    note = Message(N_("Median age in days: %(open)s waiting for the site, %(answered)s waiting for a review."), medians)
    return Figure("queries", title, description, note, spec, (Message(N_("Age")), *words, Message(N_("Total"))), tuple(rows))


def _median(days: Days) -> object:
    return days.median if days.median is not None else Words({"": "–"})


def _bucket(first: int, last: int | None) -> Message:
    if last is None:
        return Message(N_("over %(days)s days"), {"days": first - 1})
    return Message(N_("%(first)s to %(last)s days"), {"first": first, "last": last})


def pieces_of(label: Sayable, pieces: Sequence[tuple[Sayable, int]]) -> Iterator[dict[str, Any]]:
    """The pieces of a bar that have any length, one after the other."""
    start = 0
    for word, number in pieces:
        if number:
            yield {"line": label, "level": word, "n": number, "from": start, "to": start + number, "middle": start + number / 2}
            start += number


def _stacked(
    lines: Sequence[tuple[Sayable, Sequence[tuple[Sayable, int]]]], scale: Mapping[str, Any], across: Sayable, room: Room = VISITS
) -> dict[str, Any]:
    bars = [bar for label, pieces in lines for bar in pieces_of(label, pieces)]
    most = max(bar["to"] for bar in bars)
    told = [bar for bar in bars if bar["n"] * room.plot >= LETTERS * len(str(bar["n"])) * most]
    return _drawn(bars, [label for label, _ in lines], scale, counting(across, most), told, room)


def _drawn(
    bars: Sequence[Mapping[str, Any]],
    labels: Sequence[Sayable],
    scale: Mapping[str, Any],
    across: Mapping[str, Any],
    told: Sequence[Mapping[str, Any]],
    room: Room = VISITS,
) -> dict[str, Any]:
    """Horizontal bars in pieces, a line each, with the numbers of those that have room for it. `across` is the axis, with its scale."""
    bounds = {"scale": across["scale"]} if "scale" in across else {}
    return {
        "width": room.plot,
        "height": {"step": room.step},
        "data": data(bars),
        "encoding": {
            "y": {
                "field": "line",
                "type": "nominal",
                "sort": list(labels),
                "scale": {"domain": list(labels)},
                "axis": axis(None, labelLimit=room.names),
            }
        },
        "layer": [
            {
                "mark": {"type": "bar", "stroke": QUIET, "strokeWidth": 0.7, "height": {"band": 0.82}},
                "encoding": {
                    "x": {
                        "field": "from",
                        "type": "quantitative",
                        "axis": {name: value for name, value in across.items() if name != "scale"},
                        **bounds,
                    },
                    "x2": {"field": "to"},
                    "color": {
                        "field": "level",
                        "type": "nominal",
                        "title": None,
                        "scale": scale,
                        "legend": legend(len(labels) * room.step + 46, -room.names, 3),
                    },
                },
            },
            {
                "data": data(told),
                "mark": {"type": "text", "color": PIECE, "fontSize": LETTERS},
                "encoding": {
                    "x": {"field": "middle", "type": "quantitative"},
                    "text": {"field": "n", "type": "quantitative", "format": ",d"},
                },
            },
        ],
    }


def legend(below: int, left: int, columns: int) -> dict[str, Any]:
    """Squares below the axis, from the left edge of everything: beside a plot they would make the whole drawing smaller."""
    place = {"orient": "none", "direction": "horizontal", "legendX": left, "legendY": below}
    return {"symbolType": "square", "columns": columns, **place}


def _so_far(found: Iterable[Enrolments], ends: Sequence[date]) -> list[int]:
    """Everybody enrolled by each of these days, of which the last is after all of them."""
    new = [0] * len(ends)
    for one in found:
        new[bisect_left(ends, one.on)] += one.subjects
    return list(accumulate(new))


def _month_ends(first: date, today: date) -> Iterator[date]:
    """The last day of every month from that of `first` on; of the month that goes on, today."""
    start = first.replace(day=1)
    while start <= today:
        following = (start + timedelta(days=31)).replace(day=1)
        yield min(following - timedelta(days=1), today)
        start = following
