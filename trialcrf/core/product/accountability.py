"""The bags of the product counted: by place and state, each batch reconciled with what became of its bags, and every doubt about one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.product.stock import Bag, BagState, Batch, MoveKind, stock
from trialcrf.core.wording import N_, Message


class Account(StrEnum):
    """What a bag is accounted for as. Every bag with a state is exactly one of these."""

    ON_HAND = "on_hand"
    IN_TRANSIT = "in_transit"
    GIVEN = "given"
    DISCARDED = "discarded"


ACCOUNTS: Mapping[Account, str] = {
    Account.ON_HAND: N_("on hand"),
    Account.IN_TRANSIT: N_("in transit"),
    Account.GIVEN: N_("given"),
    Account.DISCARDED: N_("discarded"),
}

_OF_STATE: Mapping[BagState, Account] = {
    BagState.STORED: Account.ON_HAND,
    BagState.THAWED: Account.ON_HAND,
    BagState.CHECKED: Account.ON_HAND,
    BagState.IN_TRANSIT: Account.IN_TRANSIT,
    BagState.INFUSED: Account.GIVEN,
    BagState.DISCARDED: Account.DISCARDED,
}


@dataclass(frozen=True, slots=True)
class Counted:
    """The bags at one place in one state. `place` is a code of the study's list of places, empty where none is recorded; `state` is None
    for bags whose filling contradicts something."""

    place: str
    state: BagState | None
    bags: tuple[Bag, ...]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A batch and what became of its bags. `filled` is the number of rows in which a bag was filled."""

    batch: Batch
    filled: int
    on_hand: tuple[Bag, ...]
    in_transit: tuple[Bag, ...]
    given: tuple[Bag, ...]
    discarded: tuple[Bag, ...]

    @property
    def difference(self) -> int:
        """Bags that were filled and of which nobody can say where they are: 0 where the batch is accounted for."""
        return self.filled - len(self.on_hand) - len(self.in_transit) - len(self.given) - len(self.discarded)

    def of(self, account: Account) -> tuple[Bag, ...]:
        return {
            Account.ON_HAND: self.on_hand,
            Account.IN_TRANSIT: self.in_transit,
            Account.GIVEN: self.given,
            Account.DISCARDED: self.discarded,
        }[account]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something about a bag that contradicts what is recorded of it. `batch` is empty where no batch filled it. No subject is named."""

    bag: str
    batch: str
    message: Message


@dataclass(frozen=True, slots=True)
class Accountability:
    """All bags of the sites asked for. `expired` and `recalled` are neither given nor destroyed. Counts in the order of place and state."""

    bags: tuple[Bag, ...] = ()
    counts: tuple[Counted, ...] = ()
    batches: tuple[Reconciled, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    expired: tuple[Bag, ...] = ()
    recalled: tuple[Bag, ...] = ()

    @property
    def difference(self) -> int:
        """The sum over all batches of what cannot be accounted for, each batch by its size."""
        return sum(abs(one.difference) for one in self.batches)

    @property
    def places(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.place for one in self.counts))

    def at(self, place: str, state: BagState | None) -> tuple[Bag, ...]:
        return next((one.bags for one in self.counts if (one.place, one.state) == (place, state)), ())


def account_of(bag: Bag) -> Account | None:
    """What the bag is accounted for as; None where its filling contradicts something."""
    return _OF_STATE[bag.state] if bag.state is not None else None


def accountability(
    study: Study, subjects: Iterable[SubjectRecord], today: Mapping[str, date], sites: Collection[str] | None = None
) -> Accountability:
    """What these subjects' forms tell of the stock. `subjects` are all who stand in the chain, whatever their site.

    `today` is the day at each site, by its code: a bag expires on a day of the site that made it. With `sites` only the bags that
    were made at one of them, or checked or given there; a batch is reconciled where it was made.
    """
    people = list(subjects)
    held = stock(study, people)
    of_subject = {one.key: one.site for one in people}
    filled = {one.key: sum(1 for _ in one.all_of("CTBAG")) for one in people if study.is_product(one.subject_type)}

    def mine(*places: str) -> bool:
        return sites is None or any(place in sites for place in places)

    bags = tuple(one for one in held.bags.values() if mine(one.site, *(of_subject.get(move.subject, "") for move in one.movements)))
    own = tuple(one for key, one in sorted(held.batches.items()) if mine(one.site))
    doubts = [Doubt(flaw.movement.bag, one.batch, flaw.message) for one in bags for flaw in one.flaws]
    doubts += [
        Doubt(code, held.bags[code].batch, Message(N_("Bag %(bag)s is recorded as filled more than once."), {"bag": code}))
        for code in held.twice
        if any(one.code == code for one in bags)
    ]
    doubts += [
        Doubt(one.code, one.batch, Message(N_("Bag %(bag)s is recorded for more than one recipient."), {"bag": one.code}))
        for one in bags
        if len({move.subject for move in one.movements if move.kind in (MoveKind.CHECKED, MoveKind.INFUSED)}) > 1
    ]
    unfilled = N_("Bag %(bag)s has movements, and no batch is recorded to have filled it.")
    lost = sorted({one.bag for one in held.unknown if mine(of_subject.get(one.subject, ""))})
    doubts += [Doubt(code, "", Message(unfilled, {"bag": code})) for code in lost]
    left = [one for one in bags if one.on_hand]
    return Accountability(
        bags,
        _counts(bags),
        tuple(_reconciled(one, filled.get(one.key, 0), held.of_batch(one.key)) for one in own if filled.get(one.key)),
        tuple(doubts),
        tuple(one for one in left if one.expired(today[one.site])),
        tuple(one for one in left if one.recalled is not None),
    )


def _counts(bags: Iterable[Bag]) -> tuple[Counted, ...]:
    found: dict[tuple[str, BagState | None], list[Bag]] = {}
    for bag in bags:
        found.setdefault((bag.place, bag.state), []).append(bag)
    order = {state: place for place, state in enumerate((*BagState, None))}
    return tuple(Counted(*key, tuple(found[key])) for key in sorted(found, key=lambda one: (one[0], order[one[1]])))


def _reconciled(batch: Batch, filled: int, bags: Iterable[Bag]) -> Reconciled:
    told: dict[Account | None, list[Bag]] = {}
    for bag in bags:
        told.setdefault(account_of(bag), []).append(bag)
    return Reconciled(batch, filled, *(tuple(told.get(one, ())) for one in Account))
