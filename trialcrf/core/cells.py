"""The chain of cells as a graph: donor, donation, batch, bag, recipient; from any of them to all others, both ways.

Thirty years after the expiry of a product somebody must be able to say from whom it came and to whom it went (Regulation (EC) 1394/2007,
article 15; clinical reference, F.6). The graph is made of what is recorded, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from trialcrf.core.definition.model import Study
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.product.stock import BAG_STATES, Bag, BagState, MoveKind, Stock, stock
from trialcrf.core.wording import N_, Message


class NodeKind(StrEnum):
    """In the order of the chain."""

    DONOR = "donor"
    DONATION = "donation"
    BATCH = "batch"
    BAG = "bag"
    RECIPIENT = "recipient"


NODE_KINDS: Mapping[NodeKind, str] = {
    NodeKind.DONOR: N_("Donor"),
    NodeKind.DONATION: N_("Donation"),
    NodeKind.BATCH: N_("Batch"),
    NodeKind.BAG: N_("Bag"),
    NodeKind.RECIPIENT: N_("Recipient of cells"),
}


class How(StrEnum):
    """How one thing became the next."""

    HARVESTED = "harvested"
    GROWN = "grown"
    DERIVED = "derived"
    FILLED = "filled"
    CHECKED = "checked"
    INFUSED = "infused"


HOWS: Mapping[How, str] = {
    How.HARVESTED: N_("gave the donation"),
    How.GROWN: N_("was grown into the batch"),
    How.DERIVED: N_("went into the batch"),
    How.FILLED: N_("was filled into the bag"),
    How.CHECKED: N_("was checked at the bedside for"),
    How.INFUSED: N_("was infused into"),
}


@dataclass(frozen=True, slots=True, order=True)
class NodeId:
    kind: NodeKind
    key: str


@dataclass(frozen=True, slots=True)
class Node:
    """A thing of the chain. `key` is its identity: a subject's key, the address of a harvest form, the code of a bag.

    `name` is what people call it (a donation number, a batch number), `at` the canonical moment or day it came to be, `state` what
    became of it, `expires` the expiry date of a bag.
    """

    id: NodeId
    name: str
    site: str
    at: str = ""
    state: Message | None = None
    expires: str = ""

    @property
    def kind(self) -> NodeKind:
        return self.id.kind

    @property
    def key(self) -> str:
        return self.id.key


@dataclass(frozen=True, slots=True)
class Edge:
    source: NodeId
    target: NodeId
    how: How
    at: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is named and not recorded: a chain with a gap is said to have one."""

    at: NodeId
    message: Message


@dataclass(frozen=True, slots=True)
class Chain:
    """The whole graph of a study. Nodes in the order of kind and key."""

    nodes: Mapping[NodeId, Node] = field(default_factory=dict)
    edges: tuple[Edge, ...] = ()
    gaps: tuple[Gap, ...] = ()
    stock: Stock = field(default_factory=Stock)

    def named(self, text: str) -> tuple[Node, ...]:
        """What somebody may mean by a key, a donation number, a batch number, the number of a pool or the code of a bag; none where nothing
        has that name. Only where nothing has it exactly, capitals and small letters count as the same."""
        wanted = text.strip()
        names = {id_: {id_.key, node.name, self._pool(id_)} - {""} for id_, node in self.nodes.items()}
        exact = tuple(self.nodes[id_] for id_, known in names.items() if wanted in known)
        return exact or tuple(self.nodes[id_] for id_, known in names.items() if wanted.casefold() in {one.casefold() for one in known})

    def _pool(self, id_: NodeId) -> str:
        held = self.stock.batches.get(id_.key) if id_.kind is NodeKind.BATCH else None
        return held.pool if held else ""


@dataclass(frozen=True, slots=True)
class Trace:
    """All that leads to some things and all that comes of them. `upstream` and `downstream` do not hold the things themselves."""

    starts: tuple[NodeId, ...]
    upstream: tuple[Node, ...]
    downstream: tuple[Node, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    gaps: tuple[Gap, ...]

    def of_kind(self, kind: NodeKind) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.kind is kind)


def chain(study: Study, subjects: Iterable[SubjectRecord]) -> Chain:
    """The graph that these subjects' forms tell of. Raises ValueError for a study without a chain of cells."""
    settings = study.cells
    if settings is None:
        raise ValueError(f"{study.oid} has no chain of cells")
    people = sorted(subjects, key=lambda one: one.key)
    made = _Making(stock(study, people))
    for one in people:
        if one.subject_type == settings.donor:
            made.donor(one)
    for key in sorted(made.stock.batches):
        made.batch(key)
    types = {one.key: one.subject_type for one in people}
    sites = {one.key: one.site for one in people}
    for bag in made.stock.bags.values():
        made.bag(bag, {key: sites[key] for key, kind in types.items() if kind == settings.recipient})
    for movement in made.stock.unknown:
        if movement.kind in (MoveKind.CHECKED, MoveKind.INFUSED):
            made.lost(movement.bag, movement.subject, sites[movement.subject], movement.kind, movement.at)
    return made.chain()


class _Making:
    """A graph in the making."""

    def __init__(self, held: Stock) -> None:
        self.stock = held
        self.nodes: dict[NodeId, Node] = {}
        self.edges: list[Edge] = []
        self.gaps: list[Gap] = []

    def donor(self, one: SubjectRecord) -> None:
        donor = NodeId(NodeKind.DONOR, one.key)
        for record in one.records:
            if "BEREFID" in record.values or "PRSTDAT" in record.values:
                donation, at = NodeId(NodeKind.DONATION, address(one.key, record)), record.values.get("PRSTDAT", "")
                number = record.values.get("BEREFID", "")
                self.nodes[donor] = Node(donor, one.key, one.site)
                self.nodes[donation] = Node(donation, number, one.site, at)
                self.edges.append(Edge(donor, donation, How.HARVESTED, at))
                if not number:
                    self.gaps.append(Gap(donation, Message(N_("The donation of %(donor)s has no number."), {"donor": one.key})))

    def batch(self, key: str) -> None:
        held = self.stock.batches[key]
        batch = NodeId(NodeKind.BATCH, key)
        decided = held.release
        self.nodes[batch] = Node(
            batch, held.lot, held.site, decided.at if decided else "", batch_state(decided.decision if decided else "")
        )
        for where in held.donations:
            donation = NodeId(NodeKind.DONATION, where)
            self.edges.append(Edge(donation, batch, How.GROWN))
            if donation not in self.nodes:
                self.nodes[donation] = Node(donation, "", held.site)
                self.gaps.append(
                    Gap(batch, Message(N_("Batch %(batch)s names a donation that is not recorded."), {"batch": held.lot or key}))
                )
        for origin in held.origins:
            source = NodeId(NodeKind.BATCH, origin)
            self.edges.append(Edge(source, batch, How.DERIVED))
            if origin not in self.stock.batches:
                self.nodes[source] = Node(source, "", held.site)
                self.gaps.append(Gap(batch, Message(N_("Batch %(batch)s names a batch that is not recorded."), {"batch": held.lot or key})))
        if not held.donations and not held.origins:
            self.gaps.append(Gap(batch, Message(N_("Batch %(batch)s has no recorded origin."), {"batch": held.lot or key})))

    def bag(self, bag: Bag, recipients: Mapping[str, str]) -> None:
        id_ = NodeId(NodeKind.BAG, bag.code)
        state = Message(BAG_STATES[bag.state]) if bag.state else None
        self.nodes[id_] = Node(id_, bag.code, bag.site, _at(bag.movements[0].at), state, bag.expires)
        self.edges.append(Edge(NodeId(NodeKind.BATCH, bag.batch), id_, How.FILLED))
        for movement in bag.movements:
            if movement.kind in (MoveKind.CHECKED, MoveKind.INFUSED) and movement.subject in recipients:
                self._given(id_, movement.subject, recipients[movement.subject], movement.kind, movement.at)

    def lost(self, code: str, subject: str, site: str, kind: MoveKind, at: str) -> None:
        """A bag that was checked or given and that no batch is known to have filled."""
        id_ = NodeId(NodeKind.BAG, code)
        self.nodes.setdefault(id_, Node(id_, code, site))
        gap = Gap(id_, Message(N_("Bag %(bag)s was used, and no batch is recorded to have filled it."), {"bag": code}))
        if gap not in self.gaps:
            self.gaps.append(gap)
        self._given(id_, subject, site, kind, at)

    def _given(self, bag: NodeId, subject: str, site: str, kind: MoveKind, at: str) -> None:
        recipient = NodeId(NodeKind.RECIPIENT, subject)
        self.nodes[recipient] = Node(recipient, subject, site)
        self.edges.append(Edge(bag, recipient, How.INFUSED if kind is MoveKind.INFUSED else How.CHECKED, at))

    def chain(self) -> Chain:
        order = {kind: place for place, kind in enumerate(NodeKind)}
        nodes = {id_: self.nodes[id_] for id_ in sorted(self.nodes, key=lambda one: (order[one.kind], one.key))}
        return Chain(nodes, tuple(self.edges), tuple(self.gaps), self.stock)


def _at(text: str) -> str:
    return "" if text.startswith("0001-") else text


def batch_state(decision: str) -> Message:
    """What the decision on a batch says, in a word."""
    said = {"RELEASED": N_("released"), "CONDITIONAL": N_("released conditionally"), "REJECTED": N_("rejected")}
    return Message(said.get(decision, N_("not released")))


def address(subject: str, record: Recorded) -> str:
    """The address of a form, as a reference records it."""
    parts = (subject, record.event_oid, record.event_repeat, record.form_oid, record.form_repeat)
    return "/".join(str(part) for part in parts)


def trace(whole: Chain, starts: Sequence[NodeId]) -> Trace:
    """What leads to these things and what comes of them, over any number of pooled and split batches. A circle of batches ends the walk."""
    up = _walked(((edge.target, edge.source) for edge in whole.edges), starts)
    down = _walked(((edge.source, edge.target) for edge in whole.edges), starts)
    kept = {*starts, *up, *down}
    nodes = tuple(node for id_, node in whole.nodes.items() if id_ in kept)
    edges = tuple(
        edge
        for edge in whole.edges
        if (edge.source in {*starts, *up} and edge.target in {*starts, *up})
        or (edge.source in {*starts, *down} and edge.target in {*starts, *down})
    )
    return Trace(
        tuple(starts),
        tuple(whole.nodes[id_] for id_ in whole.nodes if id_ in up - set(starts)),
        tuple(whole.nodes[id_] for id_ in whole.nodes if id_ in down - set(starts)),
        nodes,
        edges,
        tuple(gap for gap in whole.gaps if gap.at in kept),
    )


def _walked(steps: Iterable[tuple[NodeId, NodeId]], starts: Sequence[NodeId]) -> set[NodeId]:
    onward: dict[NodeId, list[NodeId]] = {}
    for start, end in steps:
        onward.setdefault(start, []).append(end)
    found: set[NodeId] = set()
    waiting = list(starts)
    while waiting:
        for next_ in onward.get(waiting.pop(), ()):
            if next_ not in found:
                found.add(next_)
                waiting.append(next_)
    return found


@dataclass(frozen=True, slots=True)
class LookBack:
    """What a finding at a donor, or with a batch, reaches: every batch, what of it is on hand, and who got or was about to get the rest.

    `given` are the bags of which an infusion is recorded, whatever else is recorded of them: nobody who got one is left out.
    """

    trace: Trace
    batches: tuple[Node, ...]
    on_hand: tuple[Bag, ...]
    given: tuple[Bag, ...]
    discarded: tuple[Bag, ...]
    recipients: tuple[str, ...]
    sites: tuple[str, ...]


def look_back(whole: Chain, start: NodeId) -> LookBack:
    """What would be recalled and who concerned, if something were found at this donor, donation or batch (clinical reference, F.6).

    Every donation of the donor counts, whatever the day of the finding: how far back it reaches is for people to say, not for a program.
    """
    found = trace(whole, [start])
    batches = tuple(node for node in (*(whole.nodes[id_] for id_ in found.starts), *found.downstream) if node.kind is NodeKind.BATCH)
    bags = [whole.stock.bags[node.key] for node in found.downstream if node.kind is NodeKind.BAG and node.key in whole.stock.bags]
    return LookBack(
        found,
        batches,
        tuple(one for one in bags if one.on_hand),
        tuple(one for one in bags if one.given_to),
        tuple(one for one in bags if one.state is BagState.DISCARDED),
        tuple(node.key for node in found.downstream if node.kind is NodeKind.RECIPIENT),
        tuple(sorted({node.site for node in found.downstream if node.kind is NodeKind.RECIPIENT})),
    )


def donors_of(whole: Chain, batch: str) -> tuple[Node, ...]:
    """The donors of a batch, over all its origins."""
    return tuple(node for node in trace(whole, [NodeId(NodeKind.BATCH, batch)]).upstream if node.kind is NodeKind.DONOR)


def donation_numbers(whole: Chain, batch: str) -> set[str]:
    """The numbers that a bag of the batch may carry: those of its donations, and those given to pools on the way."""
    start = NodeId(NodeKind.BATCH, batch)
    above = [whole.nodes[start], *trace(whole, [start]).upstream] if start in whole.nodes else []
    numbers = {node.name for node in above if node.kind is NodeKind.DONATION}
    pools = {whole.stock.batches[node.key].pool for node in above if node.kind is NodeKind.BATCH and node.key in whole.stock.batches}
    return (numbers | pools) - {""}
