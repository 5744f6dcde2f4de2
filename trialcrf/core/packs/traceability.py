"""The traceability dossier of a donor, a batch or a recipient: everything of the chain of cells on both sides, and how long it is kept.

People are pseudonyms here, and what a donor's tests found is nowhere in it (Regulation (EC) 1394/2007, article 15; clinical reference,
F.6).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from trialcrf.core.cells import HOWS, NODE_KINDS, Chain, Edge, How, Node, NodeId, NodeKind, Trace, batch_state, chain, trace
from trialcrf.core.cut import Cut
from trialcrf.core.definition.cells import CellSettings
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.product import (
    KEPT_YEARS,
    BagLine,
    IncidentLine,
    NoCells,
    bag_line,
    by_place,
    cells_of,
    incidents_of,
    kept_until,
    recall_of,
    until,
)
from trialcrf.core.product import graph
from trialcrf.core.product.sec import printed_donation
from trialcrf.core.product.stock import BagState
from trialcrf.core.wording import N_, Message, Words

NOTHING = N_("Nothing of the chain of cells is recorded of %(subject)s.")
DRAWN_ROWS = 12
"""Things in one column up to which the chain is drawn: a page holds no more in letters that can be read."""

FITS = 17
"""Letters that fit into one line of an outline."""


@dataclass(frozen=True, slots=True)
class ThingLine:
    """A thing of the chain. `side` says where it stands from the start; `whose` is the key of the subject or the batch that it is of."""

    side: Message
    kind: Message
    key: str
    name: str
    site: str
    at: str
    state: Message | None
    expires: date | None
    start: bool


@dataclass(frozen=True, slots=True)
class StepLine:
    """How one thing became the next, and when."""

    source: str
    how: Message
    target: str
    at: str


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A batch of the trace. `expires` is the latest expiry of its bags, `kept_until` the day until which its data are to be kept; both are
    None where a bag has no expiry, or none is filled."""

    key: str
    lot: str
    donations: tuple[str, ...]
    state: Message
    decided_at: str
    bags: int
    given: int
    expires: date | None
    kept_until: date | None
    recalled: Message | None


@dataclass(frozen=True, slots=True)
class Spot:
    """A thing in the drawing: its outline as a path, where its words stand, and the lines that they say."""

    outline: str
    x: float
    y: float
    name: tuple[str, ...]
    state: Message | None
    start: bool


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a column of the drawing."""

    label: Message
    x: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """The chain as it is drawn, in units of its own. The same is told by the tables."""

    width: float
    height: float
    headings: tuple[Heading, ...]
    spots: tuple[Spot, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Traceability:
    """What `reports/dossier` prints. `kind` is what was asked for."""

    cut: Cut
    title: Words
    protocol: str
    product: Words
    subject: str
    kind: Message
    site: str
    kept_years: int
    things: tuple[ThingLine, ...]
    steps: tuple[StepLine, ...]
    batches: tuple[BatchLine, ...]
    bags: tuple[BagLine, ...]
    incidents: tuple[IncidentLine, ...]
    gaps: tuple[Message, ...]
    drawing: Drawing | None = field(metadata={"attached": False})


def traceability(study: Study, subjects: Sequence[SubjectRecord], key: str, cut: Cut) -> Traceability:
    """The dossier at the cut-off; `subjects` are all of the study, read with `product.asked`. Raises NoCells for who is in no chain."""
    settings = cells_of(study)
    everyone = until(subjects, cut.as_of)
    whole, held = chain(study, everyone), by_place(everyone)
    own = next((one for one in everyone if one.key == key), None)
    start = _start(settings, own) if own is not None else None
    if own is None or start is None or start not in whole.nodes:
        raise NoCells(Message(NOTHING, {"subject": key}))
    found = trace(whole, [start])
    batches = [node.key for node in found.of_kind(NodeKind.BATCH)]
    reached = {node.key for node in found.of_kind(NodeKind.BAG)}
    product = study.safety.product if study.safety else None
    return Traceability(
        cut=cut,
        title=study.title,
        protocol=study.protocol,
        product=product.name if product else Words(),
        subject=key,
        kind=Message(NODE_KINDS[start.kind]),
        site=own.site,
        kept_years=KEPT_YEARS,
        things=tuple(_things(found)),
        steps=tuple(_step(whole, one) for one in found.edges),
        batches=tuple(_batch(whole, found, one) for one in batches if one in whole.stock.batches),
        bags=tuple(bag_line(study, whole, held, bag, cut.as_of, names=True) for code, bag in whole.stock.bags.items() if code in reached),
        incidents=tuple(incidents_of(study, whole, held, batches)),
        gaps=tuple(gap.message for gap in found.gaps),
        drawing=_drawn(found),
    )


def _start(settings: CellSettings, own: SubjectRecord) -> NodeId | None:
    kinds = {settings.donor: NodeKind.DONOR, settings.product: NodeKind.BATCH, settings.recipient: NodeKind.RECIPIENT}
    kind = kinds.get(own.subject_type)
    return NodeId(kind, own.key) if kind else None


def _things(found: Trace) -> Iterator[ThingLine]:
    up, down = {node.id for node in found.upstream}, {node.id for node in found.downstream}
    for node in found.nodes:
        side = (
            N_("asked for")
            if node.id in found.starts
            else N_("comes before")
            if node.id in up and node.id not in down
            else N_("comes after")
        )
        yield ThingLine(
            Message(side),
            Message(NODE_KINDS[node.kind]),
            node.key.partition("/")[0],
            "" if node.name == node.key else printed_donation(node.name),
            node.site,
            node.at,
            node.state,
            date.fromisoformat(node.expires) if node.expires else None,
            node.id in found.starts,
        )


def _step(whole: Chain, one: Edge) -> StepLine:
    """What was filled came to be when it was filled."""
    at = one.at or (whole.nodes[one.target].at if one.how is How.FILLED else "")
    return StepLine(_called(whole, one.source), Message(HOWS[one.how]), _called(whole, one.target), at)


def _called(whole: Chain, id_: NodeId) -> str:
    """What people call a thing: its number where it has one, else its key."""
    node = whole.nodes[id_]
    if node.kind is NodeKind.BATCH:
        return f"{node.key} ({node.name})" if node.name else node.key
    return printed_donation(node.name) or node.key.partition("/")[0]


def _batch(whole: Chain, found: Trace, key: str) -> BatchLine:
    batch, bags = whole.stock.batches[key], whole.stock.of_batch(key)
    above = trace(whole, [NodeId(NodeKind.BATCH, key)]).upstream
    days = [date.fromisoformat(bag.expires) for bag in bags if bag.expires]
    latest = max(days) if days and len(days) == len(bags) else None
    return BatchLine(
        key,
        batch.lot,
        tuple(printed_donation(node.name) for node in above if node.kind is NodeKind.DONATION and node.name),
        batch_state(batch.release.decision if batch.release else ""),
        batch.release.at if batch.release else "",
        len(bags),
        sum(bag.state is BagState.INFUSED for bag in bags),
        latest,
        kept_until(latest) if latest else None,
        recall_of(batch, bags),
    )


def _drawn(found: Trace) -> Drawing | None:
    """The picture of the trace, none where it would be too large for a page."""
    made = graph.picture(found.nodes, found.edges, found.starts)
    if max((sum(spot.x == other.x for other in made.spots) for spot in made.spots), default=0) > DRAWN_ROWS:
        return None
    spots = tuple(Spot(one.outline, *one.middle, _short(one.node), one.node.state, one.start) for one in made.spots)
    headings = tuple(Heading(Message(NODE_KINDS[one.kind]), one.x) for one in made.columns)
    return Drawing(made.width, made.height, headings, spots, tuple(one.path for one in made.lines))


def _short(node: Node) -> tuple[str, ...]:
    """What stands in an outline, in lines that fit into it: an identification of a donation before its own number, and that number."""
    name = printed_donation(node.name) if node.kind is NodeKind.DONATION else node.name or node.key
    name = name or node.key.partition("/")[0]
    if len(name) <= FITS:
        return (name,)
    first, _, second = name.rpartition(" ")
    return (first, second) if first else (name[:FITS], name[FITS : 2 * FITS])
