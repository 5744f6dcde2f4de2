"""Figures of time: each treated subject's course as a lane, and the mean number of events up to each day, by arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from trialcrf.core.packs.difference import Z
from trialcrf.core.packs.figure import INK, PALETTE, QUIET, WIDTH, Figure, Inks, axis, data, level_scale, nothing, tenth
from trialcrf.core.packs.tables import Level
from trialcrf.core.safety.course import Course
from trialcrf.core.wording import N_, Message, Sayable, Words

MOST_LANES = 40
EARLIEST = -30
"""An event that began more days before the first treatment is not drawn: one of years ago would make a line of everything since."""
NOBODY = N_("Nobody was treated by the cut-off: there is nothing to draw.")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])
UNKNOWN = Message(N_("Not stated"))


def swimmer(courses: Sequence[Course], levels: Sequence[Level], arms: Mapping[str, Sayable], most: int = MOST_LANES) -> Figure:
    """A lane a treated subject: follow-up, treatments, events at their severity, serious ones ringed, death, and who goes on.

    Where there are more subjects than lanes, those with a death, a serious event or the worst events come first, and the note says so.
    """
    title = Message(N_("Course of each treated subject: treatment, events, end of follow-up"))
    if not courses:
        return nothing("swimmer", title, Message(NOBODY))
    shown = list(courses)
    if len(shown) > most:
        shown = sorted(shown, key=lambda one: (not one.died, -_serious(one), -_worst(one), -len(one.marks), one.subject))[:most]
    order = list(arms)
    shown.sort(key=lambda one: (order.index(one.arm), -one.end, one.subject))
    lanes = [one.subject for one in shown]
    inks = Inks(tuple(arms.values()))
    bars = [{"lane": one.subject, "from": 0, "to": one.end, "arm": one.arm_label} for one in shown]
    marks = [
        {"lane": one.subject, "day": mark.day, "level": levels[mark.event.level].label if mark.event.level is not None else UNKNOWN}
        for one in shown
        for mark in one.marks
        if mark.day >= EARLIEST
    ]
    y = {"field": "lane", "type": "nominal", "sort": lanes, "scale": {"domain": lanes}, "axis": axis(None, labelLimit=110)}
    days = {"field": "day", "type": "quantitative"}
    spec: dict[str, Any] = {
        "width": WIDTH - 130,
        "height": {"step": 15},
        "encoding": {"y": y},
        "resolve": {"scale": {"color": "independent", "shape": "independent"}},
        "layer": [
            {
                "data": data(bars),
                "mark": {"type": "bar", "height": {"band": 0.5}, "opacity": 0.32},
                "encoding": {
                    "x": {"field": "from", "type": "quantitative", "axis": axis(Message(N_("Days since the first treatment")))},
                    "x2": {"field": "to"},
                    "color": inks.colour(),
                },
            },
            _points([{"lane": one.subject, "day": day} for one in shown for day in one.treatments], "triangle-up", INK, days),
            {
                "data": data(marks),
                "mark": {"type": "point", "filled": True, "size": 34, "stroke": INK, "strokeWidth": 0.4, "opacity": 1},
                "encoding": {
                    "x": days,
                    "color": {
                        "field": "level",
                        "type": "nominal",
                        "title": Message(N_("Severity")),
                        "scale": level_scale(_scale(levels, shown)),
                        "legend": {"symbolType": "circle"},
                    },
                },
            },
            _points(
                [
                    {"lane": one.subject, "day": mark.day}
                    for one in shown
                    for mark in one.marks
                    if mark.event.serious and mark.day >= EARLIEST
                ],
                "circle",
                "#a32116",
                days,
                ring=True,
            ),
            _points([{"lane": one.subject, "day": one.end} for one in shown if one.died], "cross", INK, days, size=60),
            _points([{"lane": one.subject, "day": one.end} for one in shown if not one.ended], "triangle-right", QUIET, days, size=40),
        ],
    }
    rows = tuple(_lane_row(one) for one in shown)
    heads = tuple(
        Message(msgid)
        for msgid in (
            N_("Subject"),
            N_("Arm"),
            N_("Days of treatment"),
            N_("Followed to day"),
            N_("End of follow-up"),
            N_("Events"),
            N_("Days of severe events"),
            N_("Days of serious events"),
            N_("Without a day"),
        )
    )
    told = {
        "shown": len(shown),
        "subjects": len(courses),
        "deaths": sum(one.died for one in courses),
        "serious": sum(_serious(one) > 0 for one in courses),
        "ongoing": sum(not one.ended for one in courses),
        "before": sum(mark.day < EARLIEST for one in shown for mark in one.marks),
        "days": -EARLIEST,
    }
    description = Message(
        N_(
            "Lanes of %(shown)s of %(subjects)s treated subjects. Deaths: %(deaths)s; subjects with a serious event: "
            "%(serious)s; still followed: %(ongoing)s."
        ),
        told,
    )
    note = Message(
        N_(
            "Triangle: treatment. Dot: onset of an event, ringed in red where serious. Cross: death. Arrow: follow-up goes on "
            "at the cut-off. A partial onset stands at its earliest day."
        )
    )
    if told["before"]:
        early = N_("%(note)s Events that began more than %(days)s days before the treatment are not drawn: %(before)s.")
        note = Message(early, {**told, "note": note})
    if len(shown) < len(courses):
        note = Message(
            N_("%(shown)s of %(subjects)s treated subjects: those with a death, a serious event or the worst and most events. %(note)s"),
            {**told, "note": note},
        )
    return Figure("swimmer", title, description, note, spec, heads, rows)


@dataclass(frozen=True, slots=True)
class Step:
    """The mean number of events up to and on a day, with its 95 % interval and how many subjects were still followed then."""

    day: int
    mean: float
    low: float
    high: float
    at_risk: int
    events: int


def mean_cumulative(courses: Sequence[Course]) -> tuple[Step, ...]:
    """The mean cumulative function of these subjects at each day with an event (Nelson 2003), with robust variance (Lawless and Nadeau
    1995, Technometrics 37:158). Only events on a day of follow-up, from day 0, count; the last step may count subjects at risk of none.
    """
    happened: dict[int, dict[str, int]] = {}
    for one in courses:
        for mark in one.marks:
            if 0 <= mark.day <= one.end:
                on = happened.setdefault(mark.day, {})
                on[one.subject] = on.get(one.subject, 0) + 1
    residual = {one.subject: 0.0 for one in courses}
    mean, steps = 0.0, []
    for day in sorted(happened):
        followed = [one.subject for one in courses if one.end >= day]
        step = sum(happened[day].values()) / len(followed)
        mean += step
        for subject in followed:
            residual[subject] += (happened[day].get(subject, 0) - step) / len(followed)
        half = Z * sqrt(sum(each * each for each in residual.values()))
        steps.append(Step(day, mean, max(0.0, mean - half), mean + half, len(followed), sum(happened[day].values())))
    return tuple(steps)


def mean_events(courses: Sequence[Course], arms: Mapping[str, Sayable]) -> Figure:
    """Mean cumulative events per treated subject since the first treatment, by arm, with the numbers still followed under the axis."""
    title = Message(N_("Mean cumulative number of events per treated subject"))
    groups = {code: [one for one in courses if one.arm == code] for code in arms}
    groups = {code: members for code, members in groups.items() if members}
    if not groups:
        return nothing("mean", title, Message(NOBODY))
    last = max(one.end for one in courses)
    ticks = _ticks(last)
    inks = Inks(tuple(arms[code] for code in groups))
    curves: list[dict[str, object]] = []
    risk: list[dict[str, object]] = []
    rows: list[tuple[object, ...]] = []
    ends = []
    for place, (code, members) in enumerate(groups.items()):
        steps = mean_cumulative(members)
        end = max(one.end for one in members)
        curve = [Step(0, 0.0, 0.0, 0.0, len(members), 0), *steps]
        if curve[-1].day < end:
            curve.append(Step(end, curve[-1].mean, curve[-1].low, curve[-1].high, 0, 0))
        curves += [
            {"arm": arms[code], "day": step.day, "mean": _short(step.mean), "low": _short(step.low), "high": _short(step.high)}
            for step in curve
        ]
        for tick in ticks:
            followed = sum(one.end >= tick for one in members)
            now = [step for step in steps if step.day <= tick]
            risk.append({"day": tick, "n": followed, "arm": arms[code], "row": place})
            reached = now[-1] if now else curve[0]
            rows.append(
                (
                    arms[code],
                    tick,
                    followed,
                    sum(step.events for step in now),
                    *(tenth_two(value) for value in (reached.mean, reached.low, reached.high)),
                )
            )
        final = steps[-1] if steps else curve[0]
        ends.append(
            Message(
                N_("%(arm)s %(mean)s by day %(day)s (subjects: %(number)s)"),
                {"arm": arms[code], "mean": tenth_two(final.mean), "day": end, "number": len(members)},
            )
        )
    height = 190
    x = {"field": "day", "type": "quantitative", "scale": {"domain": [0, max(last, 1)], "nice": False}}
    dash: dict[str, Any] = {
        "field": "arm",
        "type": "nominal",
        "scale": {"domain": list(inks.labels), "range": [DASHES[at % len(DASHES)] for at in range(len(inks.labels))]},
        "title": inks.title,
    }
    if not inks.shown:
        dash["legend"] = None
    spec = {
        "width": WIDTH - 150,
        "height": height,
        "data": data(curves),
        "layer": [
            {
                "mark": {"type": "area", "interpolate": "step-after", "opacity": 0.14},
                "encoding": {
                    "x": {
                        **x,
                        "axis": axis(
                            Message(N_("Days since the first treatment")), values=ticks, format=",d", titlePadding=8 + 13 * len(groups)
                        ),
                    },
                    "y": {"field": "low", "type": "quantitative", "axis": axis(Message(N_("Events per subject")))},
                    "y2": {"field": "high"},
                    "color": inks.colour(),
                },
            },
            {
                "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.6},
                "encoding": {"x": x, "y": {"field": "mean", "type": "quantitative"}, "color": inks.colour(), "strokeDash": dash},
            },
            *(
                {
                    "data": data([one for one in risk if one["row"] == place]),
                    "mark": {"type": "text", "color": PALETTE[place % len(PALETTE)], "fontSize": 8.5},
                    "encoding": {
                        "x": x,
                        "y": {"value": height + 25 + 13 * place},
                        "text": {"field": "n", "type": "quantitative", "format": ",d"},
                    },
                }
                for place in range(len(groups))
            ),
            {
                "data": data([{"label": Message(N_("Followed:"))}]),
                "mark": {"type": "text", "align": "right", "fontSize": 8.5},
                "encoding": {"x": {"value": -18}, "y": {"value": height + 25}, "text": {"field": "label"}},
            },
        ],
    }
    heads = tuple(
        Message(msgid)
        for msgid in (
            N_("Arm"),
            N_("Day"),
            N_("Followed"),
            N_("Events so far"),
            N_("Mean per subject"),
            N_("95%% CI from"),
            N_("95%% CI to"),
        )
    )
    outside = sum(not 0 <= mark.day <= one.end for one in courses for mark in one.marks)
    undated = sum(one.undated for one in courses)
    note = Message(
        N_(
            "Events from the day of the first treatment to the end of follow-up; not counted here: %(outside)s outside of it, "
            "%(undated)s without a day. Bands: 95%% confidence."
        ),
        {"outside": outside, "undated": undated},
    )
    description = Message(N_("Step curves of the mean number of events per subject. %(ends)s."), {"ends": tuple(ends)})
    return Figure("mean", title, description, note, spec, heads, tuple(rows))


def tenth_two(value: float) -> Any:
    """Two decimals, as tables print means."""
    return tenth(value * 10).scaleb(-1)


def _scale(levels: Sequence[Level], shown: Sequence[Course]) -> list[Level]:
    """The severities of the legend; that of events without one only where there is such an event."""
    known = [level for level in levels if level.label != UNKNOWN]
    unknown = any(mark.event.level is None for one in shown for mark in one.marks)
    return [*known, Level(UNKNOWN, severe=False)] if unknown else known


def _points(
    rows: list[dict[str, Any]], shape: str, colour: str, x: Mapping[str, Any], size: int = 44, ring: bool = False
) -> dict[str, Any]:
    mark = {
        "type": "point",
        "shape": shape,
        "size": size + 40 if ring else size,
        "opacity": 1,
        "filled": not ring,
        "color": colour,
        "strokeWidth": 1.2 if ring else 0.5,
    }
    return {"data": data(rows), "mark": mark, "encoding": {"x": x}}


def _lane_row(one: Course) -> tuple[object, ...]:
    severe = [mark.day for mark in one.marks if mark.event.severe]
    serious = [mark.day for mark in one.marks if mark.event.serious]
    ended: Sayable = Message(N_("goes on")) if not one.ended else Message(N_("death")) if one.died else Message(N_("ended"))
    label = Words({"": one.subject})
    return (
        label,
        one.arm_label,
        _days(one.treatments),
        one.end,
        ended,
        len(one.marks) + one.undated,
        _days(severe),
        _days(serious),
        one.undated,
    )


def _days(days: Sequence[int]) -> Sayable | None:
    return Words({"": ", ".join(str(day) for day in days)}) if days else None


def _serious(one: Course) -> int:
    return sum(mark.event.serious for mark in one.marks)


def _worst(one: Course) -> int:
    return max((mark.event.level for mark in one.marks if mark.event.level is not None), default=-1)


def _short(value: float) -> float:
    return round(value, 4)


def _ticks(last: int) -> list[int]:
    """Days of the axis: whole months of 30 days, or years, or weeks, so that there are five to ten of them."""
    step = next((each for each in (1, 2, 7, 14, 30, 60, 90, 180, 365, 730) if last / each <= 9), 1825)
    return list(range(0, last + 1, step))
