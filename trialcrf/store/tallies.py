"""What was counted of a site stands until something is recorded there or in its study: nobody counts a large trial for every page.

Everything that is recorded moves the head of the site's chain, so a count that is kept beside the hash of that head is never an old one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar

from trialcrf.store import audit
from trialcrf.store.models import chain_head
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

T = TypeVar("T")

MOST = 4000
"""Counts that are kept in a process, each of one site: some fifty for each of eighty sites."""

_KEPT: OrderedDict[Hashable, Any] = OrderedDict()
_LOCK = Lock()


def of_sites(
    tx: Transaction, places: Sequence[Site], what: Hashable, count: Callable[[Sequence[Site]], Mapping[int, T]], none: T
) -> list[T]:
    """What `count` says of each of these sites, in their order, `none` where it says nothing; it is asked about those that are not known.

    `what` names the count and all that it follows from besides what is recorded: a day, a state. A write counts each time.
    """
    if tx.said is None:
        found = dict(count(places))
        return [found.get(one.id, none) for one in places]
    heads = _heads(tx)
    keys = {one.id: (what, one.id, heads.get(one.chain), heads.get(one.study_oid)) for one in places}
    with _LOCK:
        held = {id_: _KEPT[key] for id_, key in keys.items() if key in _KEPT}
    lacking = [one for one in places if one.id not in held]
    if lacking:
        counted = count(lacking)
        fresh = {one.id: counted.get(one.id, none) for one in lacking}
        held |= fresh
        # Where nothing was ever recorded there is no head to go by.
        _keep({keys[id_]: told for id_, told in fresh.items() if None not in keys[id_][2:]})
    return [held[one.id] for one in places]


def together(tx: Transaction, places: Sequence[Site], what: Hashable, make: Callable[[], T]) -> T:
    """What is made of all these sites at once, kept as long as nothing is recorded at any of them."""
    heads = _heads(tx) if tx.said is not None else {}
    key = (what, *((one.id, heads.get(one.chain), heads.get(one.study_oid)) for one in places))
    with _LOCK:
        if key in _KEPT:
            kept: T = _KEPT[key]
            return kept
    made = make()
    if all(one.chain in heads and one.study_oid in heads for one in places):
        _keep({key: made})
    return made


def _heads(tx: Transaction) -> dict[str, str]:
    return tx.once(chain_head.name, lambda: {chain: head for chain, _, head in audit.chains(tx.connection)})


def _keep(new: Mapping[Hashable, Any]) -> None:
    with _LOCK:
        _KEPT.update(new)
        while len(_KEPT) > MOST:
            _KEPT.popitem(last=False)
