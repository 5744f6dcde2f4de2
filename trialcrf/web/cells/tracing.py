"""The trace: from one box to any donor, donation, batch, bag or recipient, and from there to all that lead to it or came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask import Blueprint, abort, current_app, g, render_template, request, url_for

from trialcrf.actions.cells.gather import chain_now
from trialcrf.core.access import ROLES, VERBS, may
from trialcrf.core.cells import HOWS, NODE_KINDS, Chain, Edge, Gap, How, Node, NodeId, NodeKind, trace
from trialcrf.core.product.graph import HEIGHT, WIDTH, Picture, picture
from trialcrf.core.product.identity import NotThisLabel
from trialcrf.core.product.lookup import look_up
from trialcrf.core.product.sec import printed_donation
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import sites, subjects
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb

blueprint = Blueprint("tracing", __name__)

VERB = "trace.read"
LONGEST_KEY = 200
MOST = 17
"""How many letters of a name fit into a shape of the picture."""

SHORT: Mapping[How, str] = {
    How.HARVESTED: N_("gave"),
    How.GROWN: N_("grown into"),
    How.DERIVED: N_("went into"),
    How.FILLED: N_("filled into"),
    How.CHECKED: N_("checked for"),
    How.INFUSED: N_("infused into"),
}
"""The ways in two words, as they stand above the lines of the picture."""


@dataclass(frozen=True, slots=True)
class Step:
    """One edge from the side of one of its ends: how, the other thing, when."""

    how: Message
    name: Sayable | str
    url: str
    at: str


@dataclass(frozen=True, slots=True)
class Line:
    """A thing in the table; `label` is its name in one or two lines, where there is little room. `marks` outweigh its state. `url` traces
    from it, `open_url` shows it where the person may see it; both are empty for another site's."""

    id: NodeId
    kind: Message
    name: Sayable | str
    label: Sequence[Sayable | str]
    url: str
    open_url: str
    site: str
    state: Message | None
    marks: Sequence[Message]
    at: str
    expires: str
    came: Sequence[Step]
    became: Sequence[Step]
    start: bool


@dataclass(frozen=True, slots=True)
class Traced:
    """A trace for reading. `upstream` and `downstream` are how many of each kind, in the order of the chain, none left out that is 0."""

    heading: Sayable | str
    kind: Message
    lines: Sequence[Line]
    upstream: Sequence[tuple[NodeKind, int]]
    downstream: Sequence[tuple[NodeKind, int]]
    gaps: Sequence[Message]
    picture: Picture


@page(blueprint, "/studies/<study>/trace", VERB)
def shown(study: str) -> str:
    """`key` in the address is what was scanned or typed; `kind` says which of several things of that name is meant."""
    published = g.place.published
    if published.study.cells is None:
        abort(404)
    asked = request.args.get("key", "").strip()[:LONGEST_KEY]
    problem: Message | None = None
    found: list[Node] = []
    enrolled, drawn = False, None
    with guard.read() as tx:
        if asked:
            whole = chain_now(tx, published.study)
            view = _View(tx, whole)
            try:
                found = [node for node in look_up(whole, study, asked) if view.may_begin_at(node)]
            except NotThisLabel as wrong:
                problem = wrong.message
            meant = [node for node in found if node.kind == request.args.get("kind")] or found
            drawn = view.traced(meant[0]) if len(meant) == 1 else None
            enrolled = not found and _is_enrolled(tx, asked)
    return render_template(
        "cells/trace.html",
        shell=shell(),
        crumbs=_crumbs(),
        asked=asked,
        problem=problem,
        choices=[(Message(NODE_KINDS[one.kind]), one.name or one.key, one.site, _url(one)) for one in found] if drawn is None else [],
        enrolled=enrolled,
        traced=drawn,
        readers=[Message(ROLES[role]) for role in ROLES if role in VERBS[VERB]],
        own_sites=sorted(guard.my_sites(VERB) or ()),
        inventory_url=url_for("inventory.shown", study=study) if may(g.session.actor, "stock.read", study) else "",
        kinds={kind: Message(said) for kind, said in NODE_KINDS.items()},
        short={how: Message(said) for how, said in SHORT.items()},
        size=(WIDTH, HEIGHT),
    )


class _View:
    """The chain as this person may read it: people and donations of a site that is not theirs are told by their site alone."""

    def __init__(self, tx: Transaction, whole: Chain) -> None:
        self.study = g.place.published.study
        self.whole = whole
        self.mine = guard.my_sites(VERB)
        self.sites: Mapping[str, Site] = {one.code: one for one in sites.all_of(tx, self.study.oid)}

    def open(self, node: Node) -> bool:
        of_people = node.kind in (NodeKind.DONOR, NodeKind.DONATION, NodeKind.RECIPIENT)
        return self.mine is None or node.site in self.mine or not of_people

    def may_begin_at(self, node: Node) -> bool:
        """Whether the thing, or something of its chain, belongs to a site of theirs."""
        if self.mine is None or node.site in self.mine:
            return True
        return self.open(node) and any(one.site in self.mine for one in trace(self.whole, [node.id]).nodes)

    def traced(self, start: Node) -> Traced:
        found = trace(self.whole, [start.id])
        into: dict[NodeId, list[Edge]] = {}
        onward: dict[NodeId, list[Edge]] = {}
        for edge in found.edges:
            into.setdefault(edge.target, []).append(edge)
            onward.setdefault(edge.source, []).append(edge)
        return Traced(
            self.name(start),
            Message(NODE_KINDS[start.kind]),
            [self._line(node, into.get(node.id, ()), onward.get(node.id, ()), node.id in found.starts) for node in found.nodes],
            _counted(found.upstream),
            _counted(found.downstream),
            [self._gap(gap) for gap in found.gaps],
            picture(found.nodes, found.edges, found.starts),
        )

    def name(self, node: Node) -> Sayable | str:
        if not self.open(node):
            return Message(N_("of site %(site)s"), {"site": node.site})
        if node.kind is NodeKind.BATCH:
            return f"{node.name} ({node.key})" if node.name else node.key
        return node.name or Message(N_("without a number"))

    def _marks(self, node: Node) -> list[Message]:
        """What outweighs the state of a thing."""
        held = self.whole.stock
        if node.kind is NodeKind.BATCH and node.key in held.batches:
            recalled = any(one.recall and not one.bag for one in held.concerning(node.key))
            return [Message(N_("whole batch recalled"))] if recalled else []
        bag = held.bags.get(node.key) if node.kind is NodeKind.BAG else None
        if bag is None:
            return []
        stands = (
            (N_("recalled"), bag.recalled is not None),
            (N_("expired"), bag.on_hand and bag.expired(self.sites[bag.site].today(g.now))),
            (N_("contradictory"), bool(bag.flaws) or bag.state is None),
        )
        return [Message(word) for word, holds in stands if holds]

    def _line(self, node: Node, into: Sequence[Edge], onward: Sequence[Edge], start: bool) -> Line:
        nodes = self.whole.nodes
        name = self.name(node)
        return Line(
            node.id,
            Message(NODE_KINDS[node.kind]),
            name,
            _in_lines(node.name or name if node.kind is NodeKind.BATCH else name),
            _url(node) if self.open(node) else "",
            self._open_url(node),
            node.site,
            node.state,
            self._marks(node),
            self.at(node.at, node.site) if self.open(node) else "",
            self.at(node.expires, node.site),
            [self._step(one, nodes[one.source]) for one in into],
            [self._step(one, nodes[one.target]) for one in onward],
            start,
        )

    def _step(self, edge: Edge, other: Node) -> Step:
        url = _url(other) if self.open(other) else ""
        return Step(Message(HOWS[edge.how]), self.name(other), url, self.at(edge.at, other.site) if self.open(other) else "")

    def at(self, text: str, site: str) -> str:
        """A day, or a moment in the time of the site, for reading."""
        if "T" in text:
            moment: str = g.language.moment(datetime.fromisoformat(text), self.sites[site].zone)
            return moment
        day: str = g.language.day(date.fromisoformat(text)) if text else ""
        return day

    def _gap(self, gap: Gap) -> Message:
        node = self.whole.nodes.get(gap.at)
        if node is not None and not self.open(node):
            return Message(N_("Something of site %(site)s is not recorded whole."), {"site": node.site})
        return gap.message

    def _open_url(self, node: Node) -> str:
        """Where the thing itself is shown, for who may see it there."""
        study, actor = self.study.oid, g.session.actor
        if node.kind in (NodeKind.DONOR, NodeKind.RECIPIENT):
            return url_for("subjects.one", study=study, subject=node.key) if may(actor, "subject.list", study, node.site) else ""
        if node.kind is NodeKind.DONATION:
            subject, event, repeat, form, number = node.key.split("/") if node.key.count("/") == 4 else ("", "", "", "", "")
            if not subject or NodeId(NodeKind.DONOR, subject) not in self.whole.nodes or not may(actor, "form.read", study, node.site):
                return ""
            return url_for("entry.form", study=study, subject=subject, event=event, repeat=repeat, form=form, n=number)
        batch = self.whole.stock.bags[node.key].batch if node.kind is NodeKind.BAG and node.key in self.whole.stock.bags else node.key
        known = batch in self.whole.stock.batches and "batches.one" in current_app.view_functions
        if not known or not may(actor, "cell.read", study, self.whole.stock.batches[batch].site):
            return ""
        return url_for("batches.one", study=study, subject=batch)


def _in_lines(name: Sayable | str) -> list[Sayable | str]:
    """A name as it fits into a shape: a long donation number by its parts, another long code without its middle."""
    if not isinstance(name, str) or len(name) <= MOST:
        return [name]
    printed = printed_donation(name)
    return [*printed.rsplit(" ", 1)] if printed != name else [f"{name[: MOST // 2]}…{name[-MOST // 2 + 1 :]}"]


def _counted(nodes: Sequence[Node]) -> list[tuple[NodeKind, int]]:
    return [(kind, count) for kind in NodeKind if (count := sum(one.kind is kind for one in nodes))]


def _url(node: Node) -> str:
    return url_for("tracing.shown", study=g.place.published.study.oid, key=node.key, kind=node.kind.value)


def _is_enrolled(tx: Transaction, key: str) -> bool:
    """Whether somebody of a site of theirs has this key, of whose cells nothing is recorded."""
    one = subjects.find(tx, g.place.published.study.oid, key)
    return one is not None and not one.error and may(g.session.actor, VERB, g.place.published.study.oid, one.site.code)


def _crumbs() -> list[Crumb]:
    study = g.place.published.study
    return [Crumb(study.title), Crumb(Message(N_("Batches of cells")), url_for("batches.listed", study=study.oid))]
