"""The figure of an infusion's vital signs: what was measured against the real time from the start, a small panel each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trialcrf.core.packs.figure import INK, PALETTE, QUIET, WIDTH, Figure, axis, data, nothing
from trialcrf.core.wording import N_, Message, Sayable, Words

HEIGHT = 58
"""The height of a panel in the drawing's own pixels."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading that was taken, so many whole minutes after the start of the infusion (negative: before it), its values in their order."""

    minutes: int
    point: Sayable
    values: tuple[Sayable, ...]


def course(oid: str, readings: Sequence[Reading], heads: Mapping[str, tuple[Words, str]], limits: Mapping[str, tuple[str, str]]) -> Figure:
    """The values over time. `heads` are label and unit of each panel, `limits` its soft limits (empty: none), drawn as dashed lines."""
    title = Message(N_("Vital signs from the start of the infusion"))
    drawn = {
        name: [(one.minutes, value) for one in readings if (value := _number(one.values[place])) is not None]
        for place, name in enumerate(heads)
    }
    values = sum(len(points) for points in drawn.values())
    if not values:
        return nothing(oid, title, Message(N_("No reading with its time was recorded by the cut-off: there is nothing to draw.")))
    minutes = [at for points in drawn.values() for at, _ in points]
    span = [min(*minutes, 0), max(*minutes, 1)]
    last = [name for name, points in drawn.items() if points][-1]
    panels = [_panel(heads[name], limits[name], points, span, name == last) for name, points in drawn.items() if points]
    told = {"readings": len(readings), "values": values, "first": min(minutes), "last": max(minutes)}
    description = Message(
        N_("Lines of %(values)s values from %(readings)s readings, from %(first)s to %(last)s minutes after the start of the infusion."),
        told,
    )
    note = Message(N_("Each reading at its real time. Dashed lines: the limits beyond which the form asks whether a value is right."))
    columns: tuple[Sayable, ...] = (
        Message(N_("Planned time")),
        Message(N_("Minutes from the start")),
        *(Message("%(label)s (%(unit)s)", {"label": label, "unit": unit}) if unit else label for label, unit in heads.values()),
    )
    rows = tuple((one.point, one.minutes, *(_number(value) for value in one.values)) for one in readings)
    return Figure(oid, title, description, note, {"vconcat": panels, "spacing": 8}, columns, rows)


def _panel(
    head: tuple[Words, str], limits: tuple[str, str], points: Sequence[tuple[int, Decimal]], span: Sequence[int], last: bool
) -> dict[str, Any]:
    label, unit = head
    values = [value for _, value in points]
    margin = max((max(values) - min(values)) / 10, Decimal(1))
    x: dict[str, Any] = {
        "field": "minutes",
        "type": "quantitative",
        "scale": {"domain": list(span), "nice": False},
        "axis": axis(Message(N_("Minutes from the start of the infusion")) if last else None, format=",d", labels=last),
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "scale": {"domain": [float(min(values) - margin), float(max(values) + margin)], "nice": False, "zero": False},
        "axis": axis(
            Message("%(label)s (%(unit)s)", {"label": label, "unit": unit}) if unit else label,
            titleAngle=0, titleAlign="left", titleAnchor="start", titleX=-178, titleY=18, titleLimit=150, tickCount=3,
        ),
    }  # fmt: skip
    seen = [limit for limit in map(_limit, limits) if limit is not None and min(values) - margin <= limit <= max(values) + margin]
    layers: list[dict[str, Any]] = [
        {
            "data": data([{"value": float(limit)} for limit in seen]),
            "mark": {"type": "rule", "strokeDash": [4, 3], "color": QUIET},
            "encoding": {"y": y},
        }
    ]
    layers += [
        {"data": data([{"minutes": 0}]), "mark": {"type": "rule", "color": INK, "strokeWidth": 0.6}, "encoding": {"x": x}},
        {"mark": {"type": "line", "color": PALETTE[0], "strokeWidth": 1.4}, "encoding": {"x": x, "y": y}},
        {"mark": {"type": "point", "filled": True, "color": PALETTE[0], "size": 26, "opacity": 1}, "encoding": {"x": x, "y": y}},
    ]
    rows = [{"minutes": at, "value": float(value)} for at, value in points]
    return {"width": WIDTH - 215, "height": HEIGHT, "data": data(rows), "layer": layers if seen else layers[1:]}


def _limit(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _number(said: Sayable) -> Decimal | None:
    """The number of an answer, None for a missing one."""
    value = said.params.get("value") if isinstance(said, Message) else None
    return value if isinstance(value, Decimal) else None
