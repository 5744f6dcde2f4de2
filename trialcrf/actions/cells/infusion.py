"""The infusion of checked bags: what its form is begun with, the dose of the day, and the clock since the thaw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trialcrf.actions.begin import Prefill, boxes, rows
from trialcrf.actions.cells.gather import chain_now
from trialcrf.actions.enter import Opened
from trialcrf.core.cells import Chain
from trialcrf.core.definition.cells import CellSettings
from trialcrf.core.definition.model import FormDef, Study, StudyEventDef
from trialcrf.core.document import Document, Place
from trialcrf.core.product.dose import Dose, dose, volume_for
from trialcrf.core.product.stock import Bag, BagState
from trialcrf.core.product.thaw import Thaw, thaw
from trialcrf.core.values import CANONICAL_NUMBER
from trialcrf.core.wording import N_, Message, Words
from trialcrf.store import forms, subjects
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

BAG, START, WEIGHT = "CTINFBAG", "EXSTDAT", "WEIGHT"


@dataclass(frozen=True, slots=True)
class Given:
    """A dose for reading. `volume` (mL) is what holds the planned cells, of the `held` mL of `bags`; None where it cannot be told."""

    cohort: Words | None
    dose: Dose
    counts: str
    bags: tuple[str, ...]
    held: Decimal | None
    volume: Decimal | None
    assumption: str

    @property
    def short(self) -> bool:
        """Whether the bags hold less than the planned dose."""
        return self.volume is not None and self.held is not None and self.volume > self.held


def form_of(study: Study, subject_type: str) -> tuple[StudyEventDef, FormDef] | None:
    """Where the infusion of this kind of subject is recorded with its bags, None where the study does not."""
    for event in study.events_for(subject_type):
        for form in (study.form[ref.form_oid] for ref in event.forms):
            if form.with_alias(BAG) is not None and form.with_alias(START) is not None:
                return event, form
    return None


def checked(whole: Chain, subject: Subject) -> tuple[Bag, ...]:
    """The bags that were checked for this recipient and are not given yet."""
    return tuple(bag for bag in whole.stock.bags.values() if bag.state is BagState.CHECKED and bag.recipient == subject.key)


def start_of(tx: Transaction, study: Study, subject: Subject) -> datetime | None:
    """When the infusion began, at the event in which it is recorded; None where that is not recorded."""
    found = form_of(study, subject.subject_type)
    told = subjects.answers(tx, subject, START, found[0].oid) if found else []
    return min((datetime.fromisoformat(text) for text in told if "T" in text), default=None)


def clocks(tx: Transaction, study: Study, subject: Subject, now: datetime) -> tuple[Thaw, ...]:
    """Since when each bag that was checked for or given to this recipient has been thawed. Raises ValueError for a study without cells."""
    settings = study.cells
    if settings is None:
        raise ValueError(f"{study.oid} has no chain of cells")
    start, made = start_of(tx, study, subject), []
    for bag in chain_now(tx, study).stock.bags.values():
        if bag.state in (BagState.CHECKED, BagState.INFUSED) and bag.recipient == subject.key and bag.thawed is not None:
            given = start if bag.state is BagState.INFUSED else None
            made.append(thaw(bag.code, bag.thawed.moment, given, now, settings.thaw_minutes))
    return tuple(one for one in made if one is not None)


def proposed(tx: Transaction, subject: Subject, opened: Opened, language: str) -> Prefill | None:
    """What the infusion would say by the bags that were checked for this recipient: cohort, batch, bags, their cells, viability after
    thaw. The weight is that of the day and stays blank. What is recorded already is left as it is; None where nothing is new.
    """
    study, form = opened.published.study, opened.form
    if study.cells is None or subject.subject_type != study.cells.recipient or form.with_alias(BAG) is None:
        return None
    document = opened.stored.document if opened.stored else Document()
    whole = chain_now(tx, study)
    bags = checked(whole, subject)  # one that a row of this form names is given, and so no longer among them
    if not bags:
        return None
    lots = dict.fromkeys(whole.stock.batches[bag.batch].lot for bag in bags)
    texts = {
        "ACTARM": cohort_of(tx, study, subject, [bag.code for bag in bags]),
        "EXLOT": ", ".join(lot for lot in lots if lot),
        "CTINFTOT": _sum(bag.cells for bag in bags),
        "CTINFVIA": _same(bag.thawed.viability if bag.thawed else "" for bag in bags),
    }
    found = {place: raw for place, raw in boxes(form, texts, language, subject).items() if document.at(place) is None}
    found |= rows(form, BAG, [bag.code for bag in bags], language, subject)
    told = Message(N_("Proposed from the bedside check of %(bags)s."), {"bags": [bag.code for bag in bags]})
    return Prefill(found, told, Message(N_("proposed from the bag that was checked")))


def cohort_of(tx: Transaction, study: Study, subject: Subject, bags: Sequence[str]) -> str:
    """The cohort for which these bags were checked last; empty where none was."""
    asked = [form for form in study.forms_with("CTCHKBAG") if form.with_alias("CTCHKARM") is not None]
    for stored in reversed(forms.all_of(tx, [subject.id], [form.oid for form in asked])):
        form = study.form[stored.key.form_oid]
        if _text(form, stored.document, "CTCHKBAG") in bags:
            return _text(form, stored.document, "CTCHKARM")
    return ""


def weight_of(tx: Transaction, study: Study, subject: Subject) -> str:
    """The weight of the day in kg, as text: that of the infusion's own form, else one of the same visit; empty where none is recorded."""
    found = form_of(study, subject.subject_type)
    if found is None:
        return ""
    event, own = found
    stored = [one for one in forms.all_of(tx, [subject.id]) if one.key.event_oid == event.oid and one.key.form_oid in study.form]
    stored.sort(key=lambda one: one.key.form_oid != own.oid)
    weights = (_number(_text(study.form[one.key.form_oid], one.document, WEIGHT)) for one in stored)
    return next((text for text in weights if text), "")


def dose_of_form(tx: Transaction, study: Study, form: FormDef, document: Document) -> Given | None:
    """The dose that an infusion's form records, as far as it is there. None for another form, or a study without cells."""
    if study.cells is None or form.with_alias(BAG) is None:
        return None
    named = _named(form, document)
    held = chain_now(tx, study).stock.bags if named else {}
    bags = [held[code] for code in named if code in held]
    return _given(
        study,
        study.cells,
        _text(form, document, "ACTARM"),
        _number(_text(form, document, WEIGHT)),
        bags,
        _number(_text(form, document, "CTINFTOT")),
        _number(_text(form, document, "CTINFVIA")),
        _number(_text(form, document, "EXDOSE")),
    )


def dose_of_bags(tx: Transaction, study: Study, subject: Subject, bags: Sequence[Bag], cohort: str) -> Given | None:
    """The dose that these bags hold for this recipient, before anything of it is given."""
    if study.cells is None:
        return None
    return _given(study, study.cells, cohort, weight_of(tx, study, subject), bags, "", "", "")


def _given(
    study: Study, settings: CellSettings, cohort: str, weight: str, bags: Sequence[Bag], total: str, viability: str, given: str
) -> Given:
    viability = viability or _same(bag.thawed.viability if bag.thawed else "" for bag in bags)
    cells, held = _sum(bag.cells for bag in bags), _sum(bag.volume for bag in bags)
    found = dose(settings.per_kg(cohort), weight, total or cells, viability, settings.tolerance, settings.counts, given)
    volume = volume_for(found.planned, cells, held, viability, settings.counts) if found.planned is not None else None
    item = next((one for form in study.forms_with("ACTARM") if (one := form.with_alias("ACTARM")) is not None), None)
    label = item.codelist.label_of(cohort) if item is not None and item.codelist is not None else None
    codes = tuple(bag.code for bag in bags)
    return Given(label, found, settings.counts, codes, Decimal(held) if held else None, volume, settings.assumption)


def _named(form: FormDef, document: Document) -> list[str]:
    """The bags that the living rows of an infusion name."""
    item = form.with_alias(BAG)
    return [
        answer.text
        for place, answer in document.places()
        if item is not None and place.item == item.oid and answer.text and not _dead(document, place)
    ]


def _dead(document: Document, place: Place) -> bool:
    row = document.row(place.group, place.row) if place.row else None
    return row is not None and bool(row.error)


def _text(form: FormDef, document: Document, alias: str) -> str:
    item = form.with_alias(alias)
    answer = document.at(Place(item.oid)) if item is not None else None
    return answer.text if answer is not None else ""


def _number(text: str) -> str:
    """A recorded number; one that says only "less than" is none to reckon with."""
    return text if CANONICAL_NUMBER.fullmatch(text) else ""


def _sum(texts: Iterable[str]) -> str:
    """The sum, empty where one of them is not known."""
    numbers = [_number(text) for text in texts]
    return str(sum((Decimal(text) for text in numbers), Decimal(0))) if numbers and all(numbers) else ""


def _same(texts: Iterable[str]) -> str:
    """What all of them say, empty where they differ: bags of unequal viability have none together."""
    said = {_number(text) for text in texts}
    return said.pop() if len(said) == 1 else ""
