"""What somebody means who scans a label or types a key, a number or a code: the things of the chain that have that name."""

from __future__ import annotations

from collections.abc import Mapping

from trialcrf.core.cells import Chain, Node, NodeKind
from trialcrf.core.product.identity import Kind, NotThisLabel, scanned

_KINDS: Mapping[Kind, frozenset[NodeKind]] = {
    Kind.BAG: frozenset({NodeKind.BAG}),
    Kind.DONATION: frozenset({NodeKind.DONATION, NodeKind.BATCH}),  # a pool of donations has a number of its own
    Kind.BATCH: frozenset({NodeKind.BATCH}),
    Kind.WRISTBAND: frozenset({NodeKind.RECIPIENT, NodeKind.DONOR}),
}
"""What each kind of label may stand on."""


def look_up(whole: Chain, study_oid: str, text: str) -> tuple[Node, ...]:
    """The things that a scan or a typed name may mean, in the order of the chain; none where nothing has that name.

    A label of ours means one kind of thing. A Single European Code means its bag, and where no bag has it the donation of its first
    characters. Raises NotThisLabel for what looks like a label or such a code and is none.
    """
    refusals: list[NotThisLabel] = []
    read: dict[Kind, str] = {}
    for kind in Kind:
        try:
            read[kind] = scanned(text, study_oid, kind)
        except NotThisLabel as refused:
            refusals.append(refused)
    if not read:
        # A damaged label is damaged for every kind; a Single European Code that is wrong is told as what a bag would carry.
        raise refusals[0]
    if len(set(read.values())) == 1 and not refusals:
        return whole.named(read[Kind.BAG])
    for kind, key in read.items():
        found = tuple(node for node in whole.named(key) if node.kind in _KINDS[kind])
        if found:
            return found
    return ()
