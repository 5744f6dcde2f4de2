"""Product accountability on paper: each batch reconciled with what became of its bags, the stock by place, and every doubt about a bag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from trialcrf.core.cells import batch_state
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.answers import meant
from trialcrf.core.packs.product import cells_of, state_of, until
from trialcrf.core.product.accountability import Accountability, accountability
from trialcrf.core.product.stock import Bag
from trialcrf.core.wording import Message, Sayable, Words


@dataclass(frozen=True, slots=True)
class BatchCount:
    """A batch in numbers of bags; `difference` are those filled of which nobody can say where they are."""

    key: str
    lot: str
    site: str
    state: Message
    filled: int
    on_hand: int
    in_transit: int
    given: int
    discarded: int
    difference: int


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """The bags at one place in one state; the place is empty where none is recorded."""

    place: Sayable
    state: Sayable
    bags: int
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BagRow:
    """One bag of a list: where it is, until when it may be given, and when it last moved (a canonical moment)."""

    code: str
    batch: str
    lot: str
    state: Sayable
    place: Sayable
    expires: date | None
    moved_at: str
    expired: bool
    recalled: bool


@dataclass(frozen=True, slots=True)
class DoubtLine:
    """What contradicts what is recorded of a bag; the batch is empty where none filled it."""

    bag: str
    batch: str
    message: Message


@dataclass(frozen=True, slots=True)
class AccountabilityReport:
    """What `reports/accountability` prints. `about` is a site, or empty for all of them."""

    cut: Cut
    title: Words
    protocol: str
    product: Words
    about: str
    filled: int
    on_hand: int
    in_transit: int
    given: int
    discarded: int
    difference: int
    expired: int
    recalled: int
    batches: tuple[BatchCount, ...]
    places: tuple[PlaceCount, ...]
    bags: tuple[BagRow, ...]
    doubts: tuple[DoubtLine, ...]


def accountability_report(study: Study, subjects: Sequence[SubjectRecord], cut: Cut, site: str = "") -> AccountabilityReport:
    """The account at the end of the cut-off's day; `subjects` are all of the study, whatever the site. Raises NoCells."""
    cells_of(study)
    everyone = until(subjects, cut.as_of)
    days = {one.site: cut.as_of for one in everyone}
    found = accountability(study, everyone, days, [site] if site else None)
    product = study.safety.product if study.safety else None
    batches = tuple(_batches(found))
    return AccountabilityReport(
        cut=cut,
        title=study.title,
        protocol=study.protocol,
        product=product.name if product else Words(),
        about=site,
        filled=sum(one.filled for one in batches),
        on_hand=sum(one.on_hand for one in batches),
        in_transit=sum(one.in_transit for one in batches),
        given=sum(one.given for one in batches),
        discarded=sum(one.discarded for one in batches),
        difference=found.difference,
        expired=len(found.expired),
        recalled=len(found.recalled),
        batches=batches,
        places=tuple(
            PlaceCount(meant(study, "CTPLACE", one.place), state_of(one.bags[0]), len(one.bags), tuple(bag.code for bag in one.bags))
            for one in found.counts
        ),
        bags=tuple(_bag(study, found, one) for one in found.bags),
        doubts=tuple(DoubtLine(one.bag, one.batch, one.message) for one in found.doubts),
    )


def _batches(found: Accountability) -> Iterator[BatchCount]:
    for one in found.batches:
        held = one.batch
        yield BatchCount(
            held.key,
            held.lot,
            held.site,
            batch_state(held.release.decision if held.release else ""),
            one.filled,
            len(one.on_hand),
            len(one.in_transit),
            len(one.given),
            len(one.discarded),
            one.difference,
        )


def _bag(study: Study, found: Accountability, bag: Bag) -> BagRow:
    lots = {one.batch.key: one.batch.lot for one in found.batches}
    moments = [one.at for one in bag.movements if one.moment is not None and not one.at.startswith("0001-")]
    return BagRow(
        bag.code,
        bag.batch,
        lots.get(bag.batch, ""),
        state_of(bag),
        meant(study, "CTPLACE", bag.place),
        date.fromisoformat(bag.expires) if bag.expires else None,
        moments[-1] if moments else "",
        bag in found.expired,
        bag in found.recalled,
    )
