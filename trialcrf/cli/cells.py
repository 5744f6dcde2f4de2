"""The command that traces cells: from any donor, donation, batch, bag or recipient to all others, both ways, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import click

from trialcrf.actions import Impossible
from trialcrf.actions.cells.gather import chain_now
from trialcrf.actions.safety.decide import checkpoint
from trialcrf.cli.terminal import Terminal, _, here, stop, terminal
from trialcrf.core.cells import HOWS, NODE_KINDS, Chain, Edge, Node, NodeId, NodeKind, Trace, trace
from trialcrf.core.product.identity import NotThisLabel
from trialcrf.core.product.lookup import look_up
from trialcrf.core.wording import N_, Message


@click.command(
    "trace",
    help=_(
        "Trace cells both ways from KEY: a donor, a donation number, a batch key or number, the code of a bag, a recipient, a label of "
        "the study or a Single European Code. Several things of one name are all traced. Exit code 1 where nothing has that name."
    ),
)
@click.argument("key")
@click.option("--study", "study_oid", required=True, metavar="KEY")
@click.option("--json", "as_json", is_flag=True, help=_("Write JSON: nodes, edges, upstream, downstream, gaps, and what it rests on."))
@terminal
def trace_(shell: Terminal, key: str, study_oid: str, as_json: bool) -> None:
    with shell.read() as tx:
        published = shell.published(tx, study_oid)
        if published.study.cells is None:
            raise Impossible(Message(N_("The study %(study)s has no chain of cells."), {"study": study_oid}))
        whole = chain_now(tx, published.study)
        digest = checkpoint(tx, study_oid)
    try:
        found = look_up(whole, published.study.oid, key)
    except NotThisLabel as wrong:
        raise Impossible(wrong.message) from None
    if not found:
        stop(Message(N_("Nothing of the chain of cells has this name: %(key)s"), {"key": key}))
    if as_json:
        about = {
            "study": study_oid,
            "definition_version": published.version,
            "known_at": shell.now.isoformat(),
            "checkpoint": digest,
            "asked": key,
        }
        told = {**about, **_plain(whole, trace(whole, [node.id for node in found]))}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2, sort_keys=True))
        return
    for node in found:
        for line in _lines(whole, trace(whole, [node.id])):
            click.echo(line)
    shell.say(
        Message(
            N_("Known at %(at)s, definition version %(version)s, audit checkpoint %(checkpoint)s"),
            {"at": shell.now.isoformat(timespec="seconds"), "version": str(published.version), "checkpoint": digest[:12]},
        )
    )


def _lines(whole: Chain, found: Trace) -> Iterator[str]:
    """What was found, then what led to it and what came of it, each step further in by two signs; a thing told before is only named."""
    start = found.starts[0]
    yield _said(whole.nodes[start])
    for gap in found.gaps:
        yield here().say(Message(N_("The chain has a gap: %(what)s"), {"what": gap.message}))
    into: dict[NodeId, list[Edge]] = {}
    onward: dict[NodeId, list[Edge]] = {}
    for edge in found.edges:
        into.setdefault(edge.target, []).append(edge)
        onward.setdefault(edge.source, []).append(edge)
    yield here().say(Message(N_("Comes from (%(count)s):"), {"count": len(found.upstream)}))
    yield from _tree(whole, start, into, backwards=True)
    yield here().say(Message(N_("Led to (%(count)s):"), {"count": len(found.downstream)}))
    yield from _tree(whole, start, onward, backwards=False)


def _tree(whole: Chain, start: NodeId, steps: dict[NodeId, list[Edge]], backwards: bool) -> Iterator[str]:
    told = {start}
    waiting = [(edge, 1) for edge in reversed(steps.get(start, ()))]
    while waiting:
        edge, depth = waiting.pop()
        node = whole.nodes[edge.source if backwards else edge.target]
        how = here().gettext(HOWS[edge.how])
        again = node.id in told
        text = _name(node) if again else _said(node)
        at = f" {edge.at}" if edge.at else ""
        # "LOT-A was infused into R-01-001" in both directions: backwards the verb stands after the thing.
        yield f"{'  ' * depth}{text} {how}{at}" if backwards else f"{'  ' * depth}{how} {text}{at}"
        if not again:
            told.add(node.id)
            waiting += [(further, depth + 1) for further in reversed(steps.get(node.id, ()))]


def _said(node: Node) -> str:
    """A thing in one line: its kind, its name, its key where that is another one, its site, its state, its expiry."""
    more = [node.key] if node.name not in ("", node.key) and node.kind is NodeKind.BATCH else []
    more += [here().say(Message(N_("site %(site)s"), {"site": node.site}))] if node.site else []
    more += [here().say(node.state)] if node.state is not None else []
    more += [here().say(Message(N_("expires %(day)s"), {"day": node.expires}))] if node.expires else []
    return f"{here().gettext(NODE_KINDS[node.kind])} {_name(node)} ({', '.join(more)})"


def _name(node: Node) -> str:
    return node.name or node.key


def _plain(whole: Chain, found: Trace) -> dict[str, object]:
    """A trace from one or several things as plain values; the names of their keys do not change."""
    return {
        "starts": [_id(one) for one in found.starts],
        "nodes": [_node(whole, node) for node in found.nodes],
        "edges": [{"source": _id(one.source), "target": _id(one.target), "how": one.how.value, "at": one.at} for one in found.edges],
        "upstream": _ids(found.upstream),
        "downstream": _ids(found.downstream),
        "gaps": [{"at": _id(gap.at), "message": here().say(gap.message)} for gap in found.gaps],
    }


def _node(whole: Chain, node: Node) -> dict[str, object]:
    bag = whole.stock.bags.get(node.key) if node.kind is NodeKind.BAG else None
    batch = whole.stock.batches.get(node.key) if node.kind is NodeKind.BATCH else None
    incidents = bag.incidents if bag else whole.stock.concerning(node.key) if batch else ()
    return {
        **_id(node.id),
        "name": node.name,
        "site": node.site,
        "at": node.at,
        "expires": node.expires,
        "state": bag.state.value if bag and bag.state else batch.release.decision if batch and batch.release else "",
        "recalled": any(one.recall and (bag is not None or not one.bag) for one in incidents),
        "flaws": [here().say(flaw.message) for flaw in bag.flaws] if bag else [],
    }


def _id(id_: NodeId) -> dict[str, str]:
    return {"kind": id_.kind.value, "key": id_.key}


def _ids(nodes: Sequence[Node]) -> list[dict[str, str]]:
    return [_id(node.id) for node in nodes]
