"""Figures of what was measured: trajectories of a score with its mean and its gaps, and peaks of liver values (eDISH)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from statistics import mean, stdev
from typing import Any

from trialcrf.core.packs.figure import INK, WIDTH, Figure, Inks, axis, data, nothing, tenth
from trialcrf.core.packs.figures_course import tenth_two
from trialcrf.core.safety.laboratory import Peak, Point, Series
from trialcrf.core.wording import N_, Message, Sayable, Words

ALT_LINE, BILIRUBIN_LINE = 3, 2
"""The lines of the eDISH plot, in multiples of the upper limit of normal (FDA guidance on drug-induced liver injury, 2009)."""
LEAST = Decimal("0.1")


def trajectories(oid: str, name: Sayable, series: Sequence[Series], arms: Mapping[str, Sayable], visits: Mapping[str, Sayable]) -> Figure:
    """Every subject's values by day since the first treatment, the mean of each visit, and a cross where a value is missing.

    `name` says what was measured, with its unit; `visits` gives the visits in their order, `arms` the arms in theirs.
    """
    title = Message(N_("%(what)s since the first treatment"), {"what": name})
    with_values = [one for one in series if one.points]
    if not with_values:
        return nothing(oid, title, Message(N_("No value of a treated subject was recorded by the cut-off: there is nothing to draw.")))
    inks = Inks(tuple(arms.values()))  # all of them, so that an arm has the same colour in every figure
    points = [
        {"subject": one.subject, "arm": one.arm_label, "day": at.day, "value": float(at.value)} for one in with_values for at in one.points
    ]
    values = [float(at.value) for one in with_values for at in one.points]
    low, high = min(values), max(values)
    floor = low - max((high - low) * 0.08, 1)
    gaps = [{"subject": one.subject, "day": day, "value": floor, "arm": one.arm_label} for one in series for day in one.missing]
    means, rows = _means(with_values, arms, visits)
    days = sorted({at.day for one in with_values for at in one.points} | {day for one in series for day in one.missing})
    x = {
        "field": "day",
        "type": "quantitative",
        "axis": axis(Message(N_("Days since the first treatment")), format=",d"),
        "scale": {"domain": [min(days[0], 0), max(days[-1], 1)]},
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "axis": axis(name),
        "scale": {"zero": False, "domain": [_down(floor), _up(high)], "nice": False},
    }
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "line", "strokeWidth": 0.8, "opacity": 0.55},
            "encoding": {"x": x, "y": y, "color": inks.colour(), "detail": {"field": "subject"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 18, "opacity": 0.85},
            "encoding": {"x": x, "y": y, "color": inks.colour(), "shape": inks.shape()},
        },
        {
            "data": data(gaps),
            "mark": {"type": "text", "text": "×", "fontSize": 11, "fontWeight": "bold"},
            "encoding": {"x": x, "y": y, "color": inks.colour()},
        },
        {
            "data": data(means),
            "mark": {"type": "line", "strokeWidth": 2.6},
            "encoding": {"x": x, "y": y, "color": inks.colour(), "detail": {"field": "arm"}},
        },
        {
            "data": data(means),
            "mark": {"type": "point", "filled": True, "size": 62, "stroke": "#ffffff", "strokeWidth": 0.8, "opacity": 1},
            "encoding": {"x": x, "y": y, "color": inks.colour(), "shape": inks.shape()},
        },
    ]
    heads = tuple(
        Message(msgid)
        for msgid in (N_("Visit"), N_("Arm"), N_("Median day"), N_("Subjects"), N_("Mean"), N_("SD"), N_("Lowest"), N_("Highest"))
    )
    told = {"subjects": len(with_values), "values": len(points), "missing": len(gaps), "low": _decimal(low), "high": _decimal(high)}
    description = Message(
        N_(
            "Lines of %(subjects)s subjects with %(values)s values from %(low)s to %(high)s; values missing at visits that "
            "took place or are over: %(missing)s."
        ),
        told,
    )
    note = Message(
        N_(
            "Thin lines: subjects. Thick line: mean of each visit with two values or more, at its median day. ×: missing at a "
            "visit that took place or is over (%(missing)s)."
        ),
        told,
    )
    return Figure(oid, title, description, note, {"width": WIDTH - 70, "height": 210, "data": data(points), "layer": layers}, heads, rows)


def _means(
    series: Sequence[Series], arms: Mapping[str, Sayable], visits: Mapping[str, Sayable]
) -> tuple[list[dict[str, object]], tuple[tuple[object, ...], ...]]:
    drawn: list[dict[str, object]] = []
    rows: list[tuple[object, ...]] = []
    for visit, label in visits.items():
        for arm, arm_label in arms.items():
            at: list[Point] = [point for one in series if one.arm == arm for point in one.points if point.visit == visit]
            if not at:
                continue
            days, values = sorted(point.day for point in at), [float(point.value) for point in at]
            middle = days[len(days) // 2]
            if len(at) > 1:
                drawn.append({"arm": arm_label, "day": middle, "value": round(mean(values), 4)})
            spread = tenth(stdev(values)) if len(values) > 1 else None
            rows.append((label, arm_label, middle, len(at), tenth(mean(values)), spread, _decimal(min(values)), _decimal(max(values))))
    return drawn, tuple(rows)


def edish(peaks: Sequence[Peak], arms: Sequence[Sayable]) -> Figure:
    """Peak ALT against peak bilirubin, in multiples of the upper limit, on logarithmic axes, with the count of each quadrant."""
    title = Message(N_("Peak ALT and peak bilirubin after the first treatment (eDISH)"))
    judged = [one for one in peaks if one.alt is not None and one.bilirubin is not None]
    if not judged:
        return nothing("edish", title, Message(N_("No treated subject has both values with their upper limits: there is nothing to draw.")))
    inks = Inks(tuple(arms))
    points = [{"subject": one.subject, "arm": one.arm_label, "alt": _log(one.alt), "bilirubin": _log(one.bilirubin)} for one in judged]
    top_x = max(10.0, *(_log(one.alt) * 1.3 for one in judged))
    top_y = max(10.0, *(_log(one.bilirubin) * 1.3 for one in judged))
    counts = {
        (alt, bilirubin): sum(_quadrant(one) == (alt, bilirubin) for one in judged) for alt in (False, True) for bilirubin in (False, True)
    }
    x = {
        "field": "alt",
        "type": "quantitative",
        "axis": axis(Message(N_("Peak ALT, × upper limit")), format="~g", values=[0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50, 100]),
        "scale": {"type": "log", "domain": [0.1, top_x], "nice": False},
    }
    y = {
        "field": "bilirubin",
        "type": "quantitative",
        "axis": axis(Message(N_("Peak bilirubin, × upper limit")), format="~g", values=[0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50, 100]),
        "scale": {"type": "log", "domain": [0.1, top_y], "nice": False},
    }
    corners = [
        {"alt": top_x if alt else 0.1, "bilirubin": top_y if bilirubin else 0.1, "n": Message(N_("n = %(number)s"), {"number": number})}
        for (alt, bilirubin), number in counts.items()
    ]
    text = {"type": "text", "fontSize": 10, "fontWeight": "bold", "color": INK}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "point", "filled": True, "size": 50, "opacity": 0.8},
            "encoding": {"x": x, "y": y, "color": inks.colour(), "shape": inks.shape()},
        },
        {"data": data([{"alt": ALT_LINE}]), "mark": {"type": "rule", "strokeDash": [5, 3], "color": INK}, "encoding": {"x": x}},
        {"data": data([{"bilirubin": BILIRUBIN_LINE}]), "mark": {"type": "rule", "strokeDash": [5, 3], "color": INK}, "encoding": {"y": y}},
        *(
            {
                "data": data([corner]),
                "mark": {
                    **text,
                    "align": "right" if alt else "left",
                    "baseline": "top" if bilirubin else "bottom",
                    "dx": -6 if alt else 6,
                    "dy": 6 if bilirubin else -6,
                },
                "encoding": {"x": x, "y": y, "text": {"field": "n"}},
            }
            for (alt, bilirubin), corner in zip(counts, corners, strict=True)
        ),
    ]
    heads = tuple(
        Message(msgid)
        for msgid in (N_("Subject"), N_("Arm"), N_("Peak ALT, × upper limit"), N_("Day"), N_("Peak bilirubin, × upper limit"), N_("Day"))
    )
    rows = tuple(
        (Words({"": one.subject}), one.arm_label, _rounded(one.alt), one.alt_day, _rounded(one.bilirubin), one.bilirubin_day)
        for one in peaks
    )
    told = {
        "judged": len(judged),
        "treated": len(peaks),
        "both": counts[True, True],
        "alt": counts[True, False],
        "bilirubin": counts[False, True],
        "neither": counts[False, False],
    }
    description = Message(
        N_(
            "One point for each of %(judged)s subjects of %(treated)s treated. ALT at 3 or more and bilirubin at 2 or more: "
            "%(both)s; ALT alone: %(alt)s; bilirubin alone: %(bilirubin)s; neither: %(neither)s."
        ),
        told,
    )
    note = Message(
        N_(
            "%(judged)s of %(treated)s treated subjects could be judged: both values with the upper limits of their "
            "laboratory. Lines at 3 (ALT) and 2 (bilirubin); a value on a line counts above it."
        ),
        told,
    )
    return Figure(
        "edish",
        title,
        description,
        note,
        {"width": 330, "height": 260, "layer": [{**layers[0], "data": data(points)}, *layers[1:]]},
        heads,
        rows,
    )


def _quadrant(one: Peak) -> tuple[bool, bool]:
    assert one.alt is not None and one.bilirubin is not None
    return one.alt >= ALT_LINE, one.bilirubin >= BILIRUBIN_LINE


def _log(value: Decimal | None) -> float:
    """Never below the first tick: a logarithm has no zero."""
    return round(float(max(value or LEAST, LEAST)), 4)


def _rounded(value: Decimal | None) -> Decimal | None:
    return tenth_two(float(value)) if value is not None else None


def _decimal(value: float) -> Decimal:
    return Decimal(f"{value:.1f}")


def _down(value: float) -> float:
    return float(int(value) - 1)


def _up(value: float) -> float:
    return float(int(value) + 1)
