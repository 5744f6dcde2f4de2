"""What the documents of the cell product share: what they read, up to which day, and how bags, movements and incidents are told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from trialcrf.core.cells import Chain, donation_numbers
from trialcrf.core.definition.cells import CellSettings
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.packs.answers import meant, told
from trialcrf.core.product import sec
from trialcrf.core.product.stock import BAG_STATES, MOVE_KINDS, Bag, Batch, MoveKind, Movement
from trialcrf.core.wording import N_, Message, Sayable, Words

NO_CHAIN = N_("This study has no cell product.")

KEPT_YEARS = 30
"""Data by which cells are traced are kept for so many years after the expiry of the product (Regulation (EC) 1394/2007, article 15;
clinical reference, F.6, to be verified)."""

_DATED = ("CTMVDTC", "CTCHKDTC", "CTRELDTC", "CTINCDTC", "CTFILDTC", "CTVSDTC", "EXSTDAT", "PRSTDAT")
"""What tells on which day something happened, by alias: what happened after the cut-off is not told."""

_FORMS = ("CTCHKBAG", "VSTPT", "EXSTDAT")
"""The forms of a recipient that these documents read whole, by an alias of each."""


class NoCells(ValueError):
    """The study has no chain of cells, or what is asked for is not of the kind that the document is about. `message` says why."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid)
        self.message = message


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature as it was known: whom it names, when it was made, and which forms it covers. `changed_at` is when something that it
    covers changed afterwards, None where nothing had by then. `said` is what the person saw."""

    forms: tuple[int, ...]
    meaning: str
    name: str
    role: Sayable
    organisation: str
    at: datetime
    hash: str
    changed_at: datetime | None
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MoveLine:
    """One movement of a bag. `subject` is for whom it was checked or who got it, empty where a document names nobody.

    Temperatures are in °C, the viability after thaw in %. `flaw` says what the movement contradicts.
    """

    kind: Message
    at: str
    to: Sayable
    low: Sayable
    high: Sayable
    logger: str
    viability: Sayable
    why: str
    subject: str
    flaw: Message | None


@dataclass(frozen=True, slots=True)
class BagLine:
    """A bag with all that became of it. Cells in 10^6, volume in mL; `european` is its Single European Code where one can be composed."""

    code: str
    batch: str
    lot: str
    site: str
    split: str
    european: str
    cells: Decimal | None
    volume: Decimal | None
    expires: date | None
    kept_until: date | None
    state: Sayable
    place: Sayable
    expired: bool
    recalled: bool
    moves: tuple[MoveLine, ...]


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """A product incident as it was recorded. `bag` is empty where the whole batch is concerned."""

    batch: str
    lot: str
    kind: Sayable
    at: str
    bag: str
    recall: bool
    text: str
    told: str
    conclusion: str


def cells_of(study: Study) -> CellSettings:
    """Raises NoCells."""
    if study.cells is None:
        raise NoCells(Message(NO_CHAIN))
    return study.cells


def asked(study: Study) -> frozenset[str]:
    """The aliases that these documents read: whatever the forms of a batch, of the infusion and of its watching ask."""
    product = {ref.form_oid for kind in study.products for event in study.events_for(kind) for ref in event.forms}
    forms = {one.oid: one for alias in _FORMS for one in study.forms_with(alias)} | {oid: study.form[oid] for oid in product}
    return frozenset(alias for form in forms.values() for _, item in form.items.values() for alias in item.aliases)


def until(subjects: Iterable[SubjectRecord], as_of: date) -> list[SubjectRecord]:
    """The same subjects without what is known to have happened after this day at the site. What has no day stays."""
    return [replace(one, records=tuple(_until(one.records, as_of.isoformat()))) for one in subjects]


def _until(records: Sequence[Recorded], day: str) -> Iterator[Recorded]:
    # A row belongs to its form: where the form is of a later day, so are its rows.
    late = {one.form_id for one in records if not one.row and _later(one, day)}
    return (one for one in records if one.form_id not in late and not _later(one, day))


def _later(record: Recorded, day: str) -> bool:
    """Canonical days compare as texts; a partial one is later only where all of it is."""
    return any(text[:10] > day[: len(text[:10])] for alias in _DATED if (text := record.values.get(alias, "")))


def kept_until(expires: date) -> date:
    """Until when the data of a product with this expiry are kept. Of a 29 February it is the day after where the year has none."""
    try:
        return expires.replace(year=expires.year + KEPT_YEARS)
    except ValueError:
        return date(expires.year + KEPT_YEARS, 3, 1)


def european_code(settings: CellSettings, donations: Collection[str], bag: Bag) -> str:
    """The Single European Code of a bag as it is printed, empty where the study uses none or a part of it is not recorded (A-36)."""
    (donation,) = donations if len(donations) == 1 else ("",)
    if not (settings.establishment and settings.product_code and bag.split and donation):
        return ""
    try:
        number = sec.check_donation(donation)
        product = settings.product_code
        expires = date.fromisoformat(bag.expires) if bag.expires else None
        return sec.compose(number[:2], number[2:8], number[8:], product[0], product[1:], bag.split, expires).printed()
    except sec.BadCode:
        return ""


def by_place(subjects: Iterable[SubjectRecord]) -> dict[tuple[int, str], Recorded]:
    """Everything recorded, by form and row."""
    return {(record.form_id, record.row): record for one in subjects for record in one.records}


def bag_line(study: Study, whole: Chain, held: Mapping[tuple[int, str], Recorded], bag: Bag, as_of: date, names: bool) -> BagLine:
    """A bag for reading; `names`: with whom it was checked for and who got it."""
    settings, batch = cells_of(study), whole.stock.batches.get(bag.batch)
    flaws = {id(flaw.movement): flaw.message for flaw in bag.flaws}
    expires = date.fromisoformat(bag.expires) if bag.expires else None
    return BagLine(
        code=bag.code,
        batch=bag.batch,
        lot=batch.lot if batch else "",
        site=bag.site,
        split=bag.split,
        european=european_code(settings, _donations(whole, bag), bag),
        cells=Decimal(bag.cells) if bag.cells else None,
        volume=Decimal(bag.volume) if bag.volume else None,
        expires=expires,
        kept_until=kept_until(expires) if expires else None,
        state=state_of(bag),
        place=meant(study, "CTPLACE", bag.place),
        expired=bag.on_hand and bag.expired(as_of),
        recalled=bag.recalled is not None,
        moves=tuple(_move(study, held, one, flaws.get(id(one)), names) for one in bag.movements),
    )


def state_of(bag: Bag) -> Sayable:
    return Message(BAG_STATES[bag.state]) if bag.state is not None else Message(N_("not told by its movements"))


def _donations(whole: Chain, bag: Bag) -> list[str]:
    """The number that the bag carries: that of its pool where it has one, else that of its donation."""
    batch = whole.stock.batches.get(bag.batch)
    return [batch.pool] if batch and batch.pool else sorted(donation_numbers(whole, bag.batch))


_OF_PEOPLE = (MoveKind.CHECKED, MoveKind.INFUSED)


def _move(study: Study, held: Mapping[tuple[int, str], Recorded], one: Movement, flaw: Message | None, names: bool) -> MoveLine:
    record = held.get((one.form_id, one.row)) if one.kind not in _OF_PEOPLE else None

    def answer(alias: str) -> Sayable:
        return told(study, record, alias) if record is not None else Words()

    return MoveLine(
        kind=Message(MOVE_KINDS[one.kind]),
        at="" if one.at.startswith("0001-") else one.at,
        to=meant(study, "CTPLACE", one.to),
        low=answer("CTTMPLO"),
        high=answer("CTTMPHI"),
        logger=record.values.get("CTLOGGER", "") if record else "",
        viability=answer("CTMVVIA"),
        why=record.values.get("CTMVWHY", "") if record else "",
        subject=one.subject if names and one.kind in _OF_PEOPLE else "",
        flaw=flaw,
    )


def recall_of(batch: Batch, bags: Sequence[Bag]) -> Message | None:
    """How much of a batch is recalled; None where nothing is."""
    if any(one.recall and not one.bag for one in batch.incidents):
        return Message(N_("the whole batch"))
    some = sum(bag.recalled is not None for bag in bags)
    return Message(N_("bags: %(number)s"), {"number": some}) if some else None


def incidents_of(study: Study, whole: Chain, held: Mapping[tuple[int, str], Recorded], batches: Collection[str]) -> Iterator[IncidentLine]:
    """The incidents of these batches, the earliest first."""
    found = [(batch, one) for key, batch in whole.stock.batches.items() if key in batches for one in batch.incidents]
    for batch, one in sorted(found, key=lambda each: (each[1].at, each[1].form_id)):
        record = held[one.form_id, ""]
        yield IncidentLine(
            batch.key,
            batch.lot,
            meant(study, "CTINCKND", one.kind),
            one.at,
            one.bag,
            one.recall,
            record.values.get("CTINCTXT", ""),
            record.values.get("CTINCTLD", ""),
            record.values.get("CTINCCON", ""),
        )
