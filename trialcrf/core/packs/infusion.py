"""The record of an infusion: who checked what at the bedside, what was given and how much of it, and how the recipient bore it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from trialcrf.core.cells import Chain, chain, donation_numbers
from trialcrf.core.cut import Cut
from trialcrf.core.definition.cells import CellSettings
from trialcrf.core.definition.model import FormDef, ItemDef, Study
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.packs.answers import Block, blocks, meant, told
from trialcrf.core.packs.dose import DoseLine, dose_line, given_dose
from trialcrf.core.packs.figure import Figure
from trialcrf.core.packs.figures_vitals import Reading, course
from trialcrf.core.packs.product import NoCells, Signed, cells_of, until
from trialcrf.core.product.bedside import STOPS, Stop
from trialcrf.core.product.sec import printed_donation
from trialcrf.core.product.stock import Bag
from trialcrf.core.product.vitals import POINT_STATES, Point, PointState, Taken, points
from trialcrf.core.safety.measurement import number
from trialcrf.core.safety.participant import read_participant
from trialcrf.core.wording import N_, Message, Sayable, Words

NO_RECIPIENT = N_("%(subject)s is no recipient of the cell product.")
_TOLD_APART = frozenset(
    {"EXLOT", "ACTARM", "EXSTDAT", "EXENDAT", "WEIGHT", "EXDOSE", "EXDOSKG", "CTPLNDOS", "CTINFTOT", "CTINFVIA", "CTINFVBL"}
)
_TOLD_APART |= {"CTINFBAG"}
"""What the tables of product and dose tell: it is not told again among the other answers of the form."""

GRAVE = frozenset({PointState.LATE, PointState.MISSED, PointState.NOT_DONE})
"""Readings that a reader must look at."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A bedside check that was stopped, as the trail tells it: what was scanned as the bag, and every reason."""

    at: datetime
    bag: str
    reasons: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class CheckLine:
    """A bedside check that was accepted. `lifted` are the reasons that a signed emergency deviation lifted, `why` what it says.

    `first` and `second` are the persons as they were printed then; `signed` their signatures.
    """

    bag: str
    at: str
    wristband: str
    donation: str
    cohort: Sayable
    first: str
    second: str
    lifted: tuple[Message, ...]
    why: str
    signed: tuple[Signed, ...]


@dataclass(frozen=True, slots=True)
class GivenBag:
    """A bag that was given. `minutes` are those from its thaw to the start of the infusion, None where one of them is not recorded.

    Without a batch the bag was filled by none that is known. Cells in 10^6, volume in mL, viability after thaw in %.
    """

    code: str
    lot: str
    batch: str
    donations: tuple[str, ...]
    cells: Decimal | None
    volume: Decimal | None
    expires: date | None
    expired: bool
    recalled: bool
    thawed: str
    viability: Sayable
    minutes: int | None
    beyond: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """One value of a reading; `outside`: beyond the soft limits of the form."""

    answer: Sayable
    outside: bool


@dataclass(frozen=True, slots=True)
class VitalLine:
    """A planned reading and what became of it. `off` are minutes after its time, negative before it; `grave`: late, missed, not done."""

    point: Sayable
    planned_at: str
    taken_at: str
    off: int | None
    state: Message
    grave: bool
    measured: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class MeasureHead:
    """A column of the readings, with the soft limits of its item, empty for none."""

    label: Words
    unit: str
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class EventLine:
    """An adverse event that began, or may have begun, within the primary window. The event itself is told by the safety report."""

    term: Sayable
    onset: str
    severity: Sayable
    serious: bool
    certain: bool


@dataclass(frozen=True, slots=True)
class Infusion:
    """One infusion: the product, the dose, the other answers of its form, and the readings of its vital signs."""

    start: str
    end: str
    cohort: Sayable
    lot: str
    bags: tuple[GivenBag, ...]
    dose: DoseLine
    others: tuple[Block, ...]
    measures: tuple[MeasureHead, ...]
    vitals: tuple[VitalLine, ...]


@dataclass(frozen=True, slots=True)
class InfusionRecord:
    """What `reports/infusion` prints. `assumption` is the one that the dose rests on, `tolerance` a share, `thaw_minutes` 0 for none."""

    cut: Cut
    title: Words
    protocol: str
    product: Words
    subject: str
    site: str
    counts: str
    tolerance: Decimal | None
    assumption: str
    thaw_minutes: int
    vitals_tolerance: int
    primary_days: int
    checks: tuple[CheckLine, ...]
    attempts: tuple[Attempt, ...]
    infusions: tuple[Infusion, ...]
    events: tuple[EventLine, ...]
    drawings: tuple[Figure, ...]


def infusion_record(
    study: Study, subjects: Sequence[SubjectRecord], signed: Sequence[Signed], attempts: Sequence[Attempt], key: str, cut: Cut
) -> InfusionRecord:
    """The record at the cut-off; `subjects` are all of the study, read with `product.asked`. Raises NoCells for who is no recipient."""
    settings = cells_of(study)
    everyone = until(subjects, cut.as_of)
    own = next((one for one in everyone if one.key == key and one.subject_type == settings.recipient), None)
    if own is None:
        raise NoCells(Message(NO_RECIPIENT, {"subject": key}))
    whole = chain(study, everyone)
    safety = study.safety
    records = sorted(own.records, key=lambda one: (one.form_id, one.row))
    infusions = [
        _infusion(study, settings, whole, records, one, cut) for one in records if "EXSTDAT" in one.values and one.form_oid in _of(study)
    ]
    return InfusionRecord(
        cut=cut,
        title=study.title,
        protocol=study.protocol,
        product=safety.product.name if safety and safety.product else Words(),
        subject=own.key,
        site=own.site,
        counts=settings.counts,
        tolerance=Decimal(settings.tolerance) if settings.tolerance else None,
        assumption=settings.assumption,
        thaw_minutes=settings.thaw_minutes,
        vitals_tolerance=settings.vitals_tolerance,
        primary_days=safety.primary_days if safety else 0,
        checks=tuple(_checks(study, records, signed)),
        attempts=tuple(one for one in attempts if one.at.date() <= cut.as_of),
        infusions=tuple(infusions),
        events=tuple(_events(study, own, cut.as_of)),
        drawings=tuple(figure for one in infusions if (figure := _drawn(one, len(infusions) > 1)) is not None),
    )


def _of(study: Study) -> set[str]:
    return {form.oid for form in study.forms_with("EXSTDAT")}


def _checks(study: Study, records: Sequence[Recorded], signed: Sequence[Signed]) -> Iterator[CheckLine]:
    for one in records:
        said = one.values
        if "CTCHKBAG" not in said:
            continue
        mine = tuple(each for each in signed if one.form_id in each.forms)
        lifted = [text.strip() for text in said.get("CTCHKDV", "").split(",") if text.strip()]
        emergency = next((each for each in signed if each.meaning == "emergency" and each.said.get("bag") == said["CTCHKBAG"]), None)
        yield CheckLine(
            said["CTCHKBAG"],
            said.get("CTCHKDTC", ""),
            said.get("CTCHKSUB", ""),
            printed_donation(said.get("CTCHKDON", "")),
            meant(study, "CTCHKARM", said.get("CTCHKARM", "")),
            said.get("CTCHKBY1", ""),
            said.get("CTCHKBY2", ""),
            tuple(reason(text) for text in lifted),
            str(emergency.said.get("reason", "")) if emergency and lifted else "",
            (*mine, emergency) if emergency and lifted and emergency not in mine else mine,
        )


def reason(code: str) -> Message:
    """Why a check was stopped, in words."""
    return Message(STOPS[Stop(code)]) if code in list(Stop) else Message("%(code)s", {"code": code})


def _infusion(study: Study, settings: CellSettings, whole: Chain, records: Sequence[Recorded], record: Recorded, cut: Cut) -> Infusion:
    said, form = record.values, study.form[record.form_oid]
    rows = [one for one in records if one.form_id == record.form_id]
    start = _moment(said["EXSTDAT"])
    return Infusion(
        start=said["EXSTDAT"],
        end=said.get("EXENDAT", ""),
        cohort=told(study, record, "ACTARM"),
        lot=said.get("EXLOT", ""),
        bags=tuple(_bag(settings, whole, one.values["CTINFBAG"], start, cut.as_of) for one in rows if "CTINFBAG" in one.values),
        dose=dose_line(given_dose(settings, record)),
        others=tuple(one for one in blocks(study, [form], rows, _TOLD_APART) if one.lines or one.rows),
        measures=heads(study),
        vitals=tuple(vital_lines(study, settings, records, record, moment_of(cut, said["EXSTDAT"]))),
    )


def _bag(settings: CellSettings, whole: Chain, code: str, start: datetime | None, as_of: date) -> GivenBag:
    bag: Bag | None = whole.stock.bags.get(code)
    if bag is None:
        return GivenBag(code, "", "", (), None, None, None, False, False, "", Words(), None, False)
    thawed = bag.thawed
    at = thawed.moment if thawed else None
    minutes = (start - at) // timedelta(minutes=1) if start and at else None
    expires = date.fromisoformat(bag.expires) if bag.expires else None
    batch = whole.stock.batches.get(bag.batch)
    return GivenBag(
        code,
        batch.lot if batch else "",
        bag.batch,
        tuple(printed_donation(one) for one in sorted(donation_numbers(whole, bag.batch))),
        Decimal(bag.cells) if bag.cells else None,
        Decimal(bag.volume) if bag.volume else None,
        expires,
        bool(expires and start and start.date() > expires),
        bag.recalled is not None,
        thawed.at if thawed else "",
        Message("%(value)s", {"value": Decimal(thawed.viability)}) if thawed and thawed.viability else Words(),
        minutes,
        bool(settings.thaw_minutes and minutes is not None and minutes > settings.thaw_minutes),
    )


def moment_of(cut: Cut, start: str) -> datetime:
    """The moment at which readings are judged: when the data were known, and not after the day of the cut-off is over at the site."""
    near = _moment(start)
    over = datetime.combine(cut.as_of + timedelta(days=1), time(), near.tzinfo if near else cut.known_at.tzinfo)
    return min(cut.known_at, over)


def _watching(study: Study) -> FormDef | None:
    return next(study.forms_with("VSTPT"), None)


def _measures(study: Study) -> Iterator[tuple[str, ItemDef]]:
    """What a reading measures: every number that its form asks, by alias."""
    form = _watching(study)
    for _, item in form.items.values() if form else ():
        if item.aliases and not {"VSTPT", "CTVSDTC"} & set(item.aliases):
            yield item.aliases[-1], item


def heads(study: Study) -> tuple[MeasureHead, ...]:
    """What a reading measures, in the order of its values."""
    return tuple(MeasureHead(item.label, item.unit, item.soft.low or "", item.soft.high or "") for _, item in _measures(study))


def vital_lines(
    study: Study, settings: CellSettings, records: Sequence[Recorded], infusion: Recorded, now: datetime
) -> Iterator[VitalLine]:
    """Every planned reading of an infusion at this moment; readings that nobody planned are told after them."""
    where = (infusion.event_oid, infusion.event_repeat)
    rows = {one.values["VSTPT"]: one for one in records if "VSTPT" in one.values and (one.event_oid, one.event_repeat) == where}
    taken = {code: Taken(one.row, _moment(one.values.get("CTVSDTC", ""))) for code, one in rows.items()}
    for point in points(settings.vitals, _moment(infusion.values["EXSTDAT"]), taken, now, settings.vitals_tolerance):
        row = rows.get(point.code)
        yield VitalLine(
            meant(study, "VSTPT", point.code),
            point.planned_at.isoformat(timespec="minutes") if point.planned_at else "",
            row.values.get("CTVSDTC", "") if row else "",
            point.off,
            Message(POINT_STATES[point.state]),
            _grave(point),
            tuple(_measured(study, row, alias, item) for alias, item in _measures(study)),
        )


def _grave(point: Point) -> bool:
    return point.state in GRAVE


def _measured(study: Study, row: Recorded | None, alias: str, item: ItemDef) -> Measured:
    if row is None:
        return Measured(Words(), False)
    found = number(row.values.get(alias, ""))
    low, high = item.soft.low, item.soft.high
    outside = found is not None and ((low is not None and found[1] < Decimal(low)) or (high is not None and found[1] > Decimal(high)))
    return Measured(told(study, row, alias), outside)


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if "T" in text else None


def _events(study: Study, own: SubjectRecord, as_of: date) -> Iterator[EventLine]:
    if study.safety is None or not study.safety.primary_days:
        return
    for event in read_participant(study, study.safety, own, as_of).events:
        if event.primary is not False:
            yield EventLine(event.term, event.onset, event.severity, event.serious, event.primary is True)


def _drawn(one: Infusion, several: bool) -> Figure | None:
    """The course of what was measured, by real minutes from the start."""
    start = _moment(one.start)
    readings = [
        Reading((at - start) // timedelta(minutes=1), line.point, tuple(each.answer for each in line.measured))
        for line in one.vitals
        if start is not None and (at := _moment(line.taken_at)) is not None
    ]
    heads: Mapping[str, tuple[Words, str]] = {f"m{place}": (head.label, head.unit) for place, head in enumerate(one.measures)}
    limits = {f"m{place}": (head.low, head.high) for place, head in enumerate(one.measures)}
    if not heads:
        return None
    return course(f"vitals{one.start[:10].replace('-', '')}" if several else "vitals", readings, heads, limits)
