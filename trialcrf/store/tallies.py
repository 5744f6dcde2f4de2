"""What was counted of a site stands until something is recorded there or in its study: nobody counts a large trial for every page.

Everything that is recorded moves the head of the site's chain, so a count that is kept beside the hash of that head is never an old one.
A newer one takes its place: what was erased meanwhile is not remembered here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from threading import Lock
from typing import Any, TypeVar

from trialcrf.store import audit
from trialcrf.store.models import chain_head
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class _Kept:
    """So many of the newest, by what each is, with the heads at which it was made."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[Hashable, tuple[Hashable, Any]] = OrderedDict()
        self._lock = Lock()

    def look(self, stands: Mapping[Hashable, Hashable]) -> dict[Hashable, Any]:
        """What is kept of these and was made at the heads given with them."""
        with self._lock:
            found = {what: self._held.get(what) for what in stands}
        return {what: one[1] for what, one in found.items() if one and one[0] == stands[what]}

    def keep(self, what: Hashable, stands: Hashable, made: object) -> None:
        with self._lock:
            self._held[what] = (stands, made)
            self._held.move_to_end(what)
            while len(self._held) > self._most:
                self._held.popitem(last=False)


_COUNTS = _Kept(4000)
"""Each of one site: some fifty for each of eighty sites."""

_LINES = _Kept(2000)
"""Each of a list, some ten kilobytes at the most: of each person who works at once, a page or two."""


def of_sites(
    tx: Transaction, places: Sequence[Site], what: Hashable, count: Callable[[Sequence[Site]], Mapping[int, T]], none: T
) -> list[T]:
    """What `count` says of each of these sites, in their order, `none` where it says nothing; it is asked about those that are not known.

    `what` names the count and all that it follows from besides what is recorded: a day, a state. A write counts each time.
    """
    by_id = {one.id: one for one in places}

    def counted(some: Sequence[int]) -> dict[int, T]:
        found = count([by_id[one] for one in some])
        return {one: found.get(one, none) for one in some}

    found = _each(tx, _COUNTS, by_id, what, counted)
    return [found[one.id] for one in places]


def of_lines(
    tx: Transaction, lines: Mapping[K, Site], what: Hashable, now: datetime, draw: Callable[[Sequence[K]], Mapping[K, T]]
) -> dict[K, T]:
    """What `draw` makes of each of these lines of a list, each with its site; it is asked for those where something was recorded since.

    `what` names the list and all that a line follows from besides what is recorded and the day: who reads it, in which language.
    """
    return _each(tx, _LINES, lines, what, draw, now)


def _each(
    tx: Transaction,
    kept: _Kept,
    things: Mapping[K, Site],
    what: Hashable,
    make: Callable[[Sequence[K]], Mapping[K, T]],
    now: datetime | None = None,
) -> dict[K, T]:
    if tx.said is None:
        return dict(make(list(things)))
    places = {one.id: one for one in things.values()}
    heads = dict(zip(places, _heads(tx, list(places.values())), strict=True))
    at = {id_: (heads[id_], one.today(now) if now else None) for id_, one in places.items()}
    stands: dict[Hashable, Hashable] = {(what, key): at[place.id] for key, place in things.items()}
    held = kept.look(stands)
    found: dict[K, T] = {key: held[what, key] for key in things if (what, key) in held}
    lacking = [key for key in things if key not in found]
    if lacking:
        for key, made in make(lacking).items():
            found[key] = made
            # Where nothing was ever recorded there is no head to go by.
            if None not in heads[things[key].id]:
                kept.keep((what, key), stands[what, key], made)
    return found


def together(tx: Transaction, places: Sequence[Site], what: Hashable, make: Callable[[], T]) -> T:
    """What is made of all these sites at once, kept as long as nothing is recorded at any of them."""
    if tx.said is None:
        return make()
    key, stands = (what, *(one.id for one in places)), tuple(_heads(tx, places))
    held = _COUNTS.look({key: stands})
    if key in held:
        found: T = held[key]
        return found
    made = make()
    if all(None not in at for at in stands):
        _COUNTS.keep(key, stands, made)
    return made


def _heads(tx: Transaction, places: Sequence[Site]) -> list[tuple[str | None, str | None]]:
    """Of each site the head of its chain and that of its study; None where nothing was ever recorded."""
    heads: dict[str, str] = tx.once(chain_head.name, lambda: {chain: head for chain, _, head in audit.chains(tx.connection)})
    return [(heads.get(one.chain), heads.get(one.study_oid)) for one in places]
