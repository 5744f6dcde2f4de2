"""The picture of a trace: where each thing stands and how the lines run, as coordinates and paths only.

Columns follow the chain from left to right; batches that are made of batches get one column a level. In a column things stand near to
what they came from, so that lines cross little. The same trace always gives the same picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from trialcrf.core.cells import Edge, How, Node, NodeId, NodeKind

WIDTH, HEIGHT = 150.0, 58.0
"""Of one thing, in units of the drawing: one is a pixel where the drawing is not scaled."""

ACROSS, DOWN = 82.0, 20.0
"""Between two columns, and between two things of a column."""

EDGE, HEAD = 6.0, 46.0
"""Around the whole, and above the columns for their headings."""

_SWEEPS = 4

Passing = tuple[NodeId, NodeId, int]
"""Where a line passes a column that it does not end in: from, to, and the column."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A thing at its place: `x` and `y` are its upper left corner, `outline` its shape. `start` marks what was asked for."""

    node: Node
    x: float
    y: float
    outline: str
    start: bool

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + WIDTH / 2, self.y + HEIGHT / 2


@dataclass(frozen=True, slots=True)
class Line:
    """An edge as a path; `x` and `y` are near its end, where the arrow points."""

    edge: Edge
    path: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Column:
    """A column of things of one kind; `x` is its middle."""

    kind: NodeKind
    x: float


@dataclass(frozen=True, slots=True)
class Between:
    """What the lines between two columns mean: the ways in which one thing became the next, told once above them. `x` is the middle."""

    hows: tuple[How, ...]
    x: float


@dataclass(frozen=True, slots=True)
class Picture:
    width: float
    height: float
    columns: tuple[Column, ...] = ()
    between: tuple[Between, ...] = ()
    spots: tuple[Spot, ...] = ()
    lines: tuple[Line, ...] = ()


def picture(nodes: Sequence[Node], edges: Sequence[Edge], starts: Sequence[NodeId] = ()) -> Picture:
    """The picture of these things. Edges to things that are not among them are left out; two of one kind between the same two are one."""
    known = {node.id: node for node in nodes}
    joined = list({(one.source, one.target, one.how): one for one in edges if one.source in known and one.target in known}.values())
    levels = _levels(known, joined)
    columns = sorted(set(levels.values()), key=lambda one: (list(NodeKind).index(one[0]), one[1]))
    column_of = {id_: columns.index(level) for id_, level in levels.items()}
    passing = [(one.source, one.target, place) for one in joined for place in range(column_of[one.source] + 1, column_of[one.target])]
    filled: list[list[NodeId | Passing]] = [[id_ for id_ in known if column_of[id_] == place] for place in range(len(columns))]
    for way in dict.fromkeys(passing):
        filled[way[2]].append(way)
    order = _ordered(filled, _near(joined, column_of))
    heights = [sum(_height(one) for one in column) + DOWN * max(0, len(column) - 1) for column in order]
    tallest = max(heights, default=0.0)
    at: dict[NodeId | Passing, tuple[float, float]] = {}
    for place, column in enumerate(order):
        y = HEAD + (tallest - heights[place]) / 2
        for one in column:
            at[one] = (EDGE + place * (WIDTH + ACROSS), y)
            y += _height(one) + DOWN
    lefts = [EDGE + place * (WIDTH + ACROSS) for place in range(len(order))]
    spots = [one for column in order for one in column if isinstance(one, NodeId)]
    return Picture(
        (lefts[-1] + WIDTH if lefts else 0) + EDGE,
        HEAD + tallest + EDGE,
        tuple(Column(kind, left + WIDTH / 2) for (kind, _), left in zip(columns, lefts, strict=True)),
        _between(lefts, at, joined),
        tuple(Spot(known[id_], *at[id_], _outline(id_.kind, *at[id_]), id_ in starts) for id_ in spots),
        tuple(_line(one, at, column_of) for one in joined),
    )


def _height(one: NodeId | Passing) -> float:
    return HEIGHT if isinstance(one, NodeId) else 0.0


def _near(edges: Sequence[Edge], column_of: Mapping[NodeId, int]) -> Mapping[NodeId | Passing, Sequence[NodeId | Passing]]:
    """What each thing and each passing line is joined to in the columns beside it."""
    near: dict[NodeId | Passing, list[NodeId | Passing]] = {}
    for one in edges:
        way = _way(one, column_of)
        for first, second in pairwise(way):
            near.setdefault(first, []).append(second)
            near.setdefault(second, []).append(first)
    return near


def _way(edge: Edge, column_of: Mapping[NodeId, int]) -> Sequence[NodeId | Passing]:
    """From the source of an edge to its target, with every column that it passes."""
    passed = range(column_of[edge.source] + 1, column_of[edge.target])
    return [edge.source, *((edge.source, edge.target, place) for place in passed), edge.target]


def _levels(known: Mapping[NodeId, Node], edges: Sequence[Edge]) -> dict[NodeId, tuple[NodeKind, int]]:
    """The column of each thing: its kind, and for a batch how many batches lie before it on the longest way. A circle ends the count."""
    before: dict[NodeId, list[NodeId]] = {}
    for one in edges:
        if one.source.kind is one.target.kind:
            before.setdefault(one.target, []).append(one.source)

    def depth(id_: NodeId, on_the_way: frozenset[NodeId]) -> int:
        earlier = [one for one in before.get(id_, ()) if one not in on_the_way]
        return max((depth(one, on_the_way | {one}) + 1 for one in earlier), default=0)

    return {id_: (id_.kind, depth(id_, frozenset({id_}))) for id_ in known}


def _ordered(
    columns: Sequence[list[NodeId | Passing]], near: Mapping[NodeId | Passing, Sequence[NodeId | Passing]]
) -> list[list[NodeId | Passing]]:
    """Each column by the mean place of its neighbours, forwards and backwards in turn; ties stay in the order of the chain."""
    order = [list(column) for column in columns]
    for sweep in range(_SWEEPS):
        forwards = sweep % 2 == 0
        for place in range(1, len(order)) if forwards else range(len(order) - 2, -1, -1):
            beside = order[place - 1 if forwards else place + 1]
            share = {one: (row + 0.5) / len(beside) for row, one in enumerate(beside)}
            own = {one: (row + 0.5) / len(order[place]) for row, one in enumerate(order[place])}
            means = {}
            for one in order[place]:
                found = [share[other] for other in near.get(one, ()) if other in share]
                means[one] = sum(found) / len(found) if found else own[one]
            order[place].sort(key=means.__getitem__)
    return order


def _between(lefts: Sequence[float], at: Mapping[NodeId | Passing, tuple[float, float]], edges: Sequence[Edge]) -> tuple[Between, ...]:
    """The meanings of the lines that end at each column."""
    found: dict[float, list[How]] = {}
    for one in edges:
        hows = found.setdefault(at[one.target][0], [])
        if one.how not in hows:
            hows.append(one.how)
    return tuple(Between(tuple(how for how in How if how in found[left]), left - ACROSS / 2) for left in lefts if left in found)


def _line(edge: Edge, at: Mapping[NodeId | Passing, tuple[float, float]], column_of: Mapping[NodeId, int]) -> Line:
    """The path from the right side of one thing to the left side of another; a column on the way is passed level, between its things."""
    (x, y), end = at[edge.source], at[edge.target]
    x, y = x + WIDTH, y + HEIGHT / 2
    path = f"M{_n(x)} {_n(y)}"
    if x >= end[0]:  # back to the same or an earlier column, as in a circle: around, from below
        low, to = max(y, end[1] + HEIGHT / 2) + HEIGHT / 2 + DOWN / 2, end[1] + HEIGHT / 2
        path += f"C{_n(x + 30)} {_n(low)} {_n(end[0] - 30)} {_n(low)} {_n(end[0])} {_n(to)}"
        return Line(edge, path, end[0], to)
    for one in _way(edge, column_of)[1:]:
        left, to = at[one][0], at[one][1] + _height(one) / 2
        path += f"C{_n((x + left) / 2)} {_n(y)} {_n((x + left) / 2)} {_n(to)} {_n(left)} {_n(to)}"
        x, y = left, to
        if not isinstance(one, NodeId):
            x += WIDTH
            path += f"H{_n(x)}"
    return Line(edge, path, x, y)


def _outline(kind: NodeKind, x: float, y: float) -> str:
    """A shape for each kind: people are round at their ends, a donation is a hexagon, a batch a rectangle, a bag has its corners cut."""
    right, low, half = x + WIDTH, y + HEIGHT, HEIGHT / 2
    if kind in (NodeKind.DONOR, NodeKind.RECIPIENT):
        arc = f"A{_n(half)} {_n(half)} 0 0 1"
        return f"M{_n(x + half)} {_n(y)}H{_n(right - half)}{arc} {_n(right - half)} {_n(low)}H{_n(x + half)}{arc} {_n(x + half)} {_n(y)}Z"
    if kind is NodeKind.DONATION:
        inner, outer, middle = _n(x + 14), _n(right - 14), _n(y + half)
        return f"M{inner} {_n(y)}H{outer}L{_n(right)} {middle}L{outer} {_n(low)}H{inner}L{_n(x)} {middle}Z"
    if kind is NodeKind.BAG:
        return f"M{_n(x + 12)} {_n(y)}H{_n(right - 12)}L{_n(right)} {_n(y + 12)}V{_n(low)}H{_n(x)}V{_n(y + 12)}Z"
    return f"M{_n(x)} {_n(y)}H{_n(right)}V{_n(low)}H{_n(x)}Z"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
