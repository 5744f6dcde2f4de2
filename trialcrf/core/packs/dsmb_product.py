"""What a safety board reads of the cell product: planned and given dose, viability, passage, vital signs, incidents.

It is asked for by the clinical reference, E.11. Where arms are together, dose, batch, passage and viability are not in the value at all:
each tells the arm as well as its name does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from trialcrf.core.cells import Chain, chain
from trialcrf.core.cut import Cut
from trialcrf.core.definition.cells import CellSettings
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.packs.dose import DoseLine, dose_line, given_dose
from trialcrf.core.packs.infusion import MeasureHead, heads, moment_of, vital_lines
from trialcrf.core.packs.product import IncidentLine, by_place, incidents_of, until
from trialcrf.core.product.vitals import POINT_STATES, PointState
from trialcrf.core.safety.participant import Participant
from trialcrf.core.values import interval
from trialcrf.core.wording import Message, Sayable

PASSAGE = "CTPASSAG"
"""The passage at release, on the batch record."""


@dataclass(frozen=True, slots=True)
class ProductLine:
    """The product that one infusion gave: its dose, the batches that it came from, and their passages."""

    subject: str
    arm: Sayable
    on: date
    dose: DoseLine
    batches: tuple[str, ...]
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WatchLine:
    """The readings of one infusion in numbers: how many were planned, and what became of them by the cut-off."""

    subject: str
    arm: Sayable
    on: date
    planned: int
    taken: int
    late: int
    not_done: int
    missed: int


@dataclass(frozen=True, slots=True)
class OutsideLine:
    """A value of a reading beyond the soft limits of its form."""

    subject: str
    arm: Sayable
    on: date
    point: Sayable
    measure: MeasureHead
    answer: Sayable


@dataclass(frozen=True, slots=True)
class BoardProduct:
    """The part of the pack about the product. `hidden`: the arms are together, and what would tell them is left out."""

    hidden: bool
    assumption: str
    given: tuple[ProductLine, ...]
    watched: tuple[WatchLine, ...]
    outside: tuple[OutsideLine, ...]
    incidents: tuple[IncidentLine, ...]


def board_product(study: Study, subjects: Sequence[SubjectRecord], people: Sequence[Participant], cut: Cut) -> BoardProduct | None:
    """What the board reads; None for a study without a chain of cells. `study.safety.blinded` says whether arms are together here."""
    settings = study.cells
    if settings is None:
        return None
    hidden = bool(study.safety and study.safety.blinded)
    everyone = until(subjects, cut.as_of)
    whole, held = chain(study, everyone), by_place(everyone)
    batches = {one.key: one for one in everyone if one.key in whole.stock.batches}
    given = [(person, record) for person in people for record in _infusions(study, settings, person, cut.as_of)]
    watched = [_watched(study, settings, person, record, cut) for person, record in given]
    incidents = incidents_of(study, whole, held, batches)
    return BoardProduct(
        hidden,
        settings.assumption,
        () if hidden else tuple(_line(settings, whole, batches, person, record) for person, record in given),
        tuple(line for line, _ in watched),
        tuple(line for _, lines in watched for line in lines),
        tuple(replace(one, batch="", lot="", bag="", text="", told="", conclusion="") if hidden else one for one in incidents),
    )


def batches_given(whole: Chain, records: Sequence[Recorded], infusion: Recorded) -> list[str]:
    """The keys of the batches that an infusion gave: by its bags, or where none is recorded by the batch number as it was written."""
    codes = [one.values["CTINFBAG"] for one in records if one.form_id == infusion.form_id and "CTINFBAG" in one.values]
    keys = [whole.stock.bags[code].batch for code in codes if code in whole.stock.bags]
    lot = infusion.values.get("EXLOT", "")
    return list(dict.fromkeys(keys)) or [key for key, one in whole.stock.batches.items() if lot and one.lot == lot]


def _infusions(study: Study, settings: CellSettings, person: Participant, as_of: date) -> Iterator[Recorded]:
    if person.subject.subject_type != settings.recipient:
        return
    for one in person.records:
        text = one.values.get("EXSTDAT", "")
        if text and interval(text).earliest <= as_of and one.form_oid in study.form:
            yield one


def _line(
    settings: CellSettings, whole: Chain, subjects: Mapping[str, SubjectRecord], person: Participant, record: Recorded
) -> ProductLine:
    keys = batches_given(whole, person.records, record)
    passages = [text for key in keys if (text := subjects[key].first(PASSAGE))]
    return ProductLine(
        person.key,
        person.arm_label,
        interval(record.values["EXSTDAT"]).earliest,
        dose_line(given_dose(settings, record)),
        tuple(whole.stock.batches[key].lot or key for key in keys),
        tuple(dict.fromkeys(passages)),
    )


def _watched(study: Study, settings: CellSettings, person: Participant, record: Recorded, cut: Cut) -> tuple[WatchLine, list[OutsideLine]]:
    start = record.values["EXSTDAT"]
    lines = list(vital_lines(study, settings, person.records, record, moment_of(cut, start)))
    on = interval(start).earliest
    states = [line.state for line in lines]

    def count(state: PointState) -> int:
        return states.count(Message(POINT_STATES[state]))

    numbers = (len(lines), count(PointState.TAKEN), count(PointState.LATE), count(PointState.NOT_DONE), count(PointState.MISSED))
    outside = [
        OutsideLine(person.key, person.arm_label, on, line.point, head, value.answer)
        for line in lines
        for head, value in zip(heads(study), line.measured, strict=True)
        if value.outside
    ]
    return WatchLine(person.key, person.arm_label, on, *numbers), outside
