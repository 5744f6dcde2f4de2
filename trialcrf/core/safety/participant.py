"""One subject as the safety report sees it at its cut-off: arm, treatment, events, how the study ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from trialcrf.core.definition.model import Study
from trialcrf.core.definition.safety import SafetySettings
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.safety.event import AdverseEvent, read_event, said
from trialcrf.core.schedule import ENDINGS
from trialcrf.core.values import DateInterval, interval
from trialcrf.core.wording import N_, Message, Sayable, Words, alphabetical


class ColumnKind(StrEnum):
    """Whom a column counts: an arm, all treated, the never treated, subjects of another type (donors), or everybody."""

    ARM = "arm"
    TREATED = "treated"
    UNTREATED = "untreated"
    OTHER = "other"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Administration:
    """A treatment begun by the cut-off: its first day, its last day as far as it lies before the cut-off too, its dose in `unit`."""

    on: DateInterval
    last: date
    dose: Decimal | None
    unit: str


@dataclass(frozen=True, slots=True)
class Participant:
    """A subject at the cut-off. `arm` is the first one recorded, `arm_label` what the listing says of the subject.

    Events are in order of onset; `later_events` began after the cut-off. Endings are (code, label), in the order of the records.
    """

    subject: SubjectRecord
    records: tuple[Recorded, ...]
    counted: bool
    given: tuple[Administration, ...]
    arm: str
    arm_label: Sayable
    arms: tuple[str, ...]
    events: tuple[AdverseEvent, ...]
    later_events: int
    endings: tuple[tuple[str, Sayable], ...]

    @property
    def key(self) -> str:
        return self.subject.key

    @property
    def treated(self) -> bool:
        return self.counted and bool(self.given)

    @property
    def kind(self) -> ColumnKind:
        """The one column that the subject counts in, totals apart; `group` tells the columns of a kind apart."""
        if not self.counted:
            return ColumnKind.OTHER
        return ColumnKind.ARM if self.given else ColumnKind.UNTREATED

    @property
    def group(self) -> str:
        return {ColumnKind.OTHER: self.subject.subject_type, ColumnKind.ARM: self.arm}.get(self.kind, "")

    @property
    def treated_on(self) -> DateInterval | None:
        return _first_day(self.given)


def read_participant(study: Study, settings: SafetySettings, subject: SubjectRecord, as_of: date) -> Participant:
    """Everything the report counts of one subject, in an order that does not depend on the order of its records."""
    # Records come in the order of a database; the address of each makes one order of them.
    records = tuple(sorted(subject.records, key=lambda record: (record.form_id, record.row)))
    counted = subject.subject_type == settings.population
    given = tuple(_given(study, record, as_of) for record in records if _began(record, "EXSTDAT", as_of))
    events = [event for record in records if (event := read_event(study, settings, subject, record, as_of, _first_day(given))) is not None]
    kept = sorted((event for event in events if event.counts_by(as_of)), key=_chronological)
    # Blinding by construction: where a study blinds, no arm and no dose (which tells the arm) leaves this room.
    arms = [(record.values[settings.arm_alias], record) for record in records if record.values.get(settings.arm_alias)]
    arms = [] if settings.blinded else arms
    if settings.blinded:
        given = tuple(replace(one, dose=None, unit="") for one in given)
    if not counted:
        label: Sayable = type_label(study, subject.subject_type)
    elif settings.blinded:
        label = Message(N_("All arms together (blinded)"))
    elif arms:
        label = _arm_label(study, settings, *arms[0])
    else:
        label = Message(N_("Arm not recorded"))
    endings = [
        (code, said(study, record, "DSDECOD"))
        for record in records
        if (code := record.values.get("DSDECOD", "")) in ENDINGS and _began(record, "DSSTDAT", as_of, unknown=True)
    ]
    return Participant(
        subject=subject,
        records=records,
        counted=counted,
        given=given,
        arm=arms[0][0] if arms else "",
        arm_label=label,
        arms=tuple(sorted({arm for arm, _ in arms})),
        events=tuple(kept),
        later_events=len(events) - len(kept),
        endings=tuple(endings),
    )


def _chronological(event: AdverseEvent) -> tuple[bool, date, tuple[str, str], int, str]:
    return event.earliest is None, event.earliest or date.min, alphabetical(event.term_key), event.form_id, event.row


def _began(record: Recorded, alias: str, as_of: date, *, unknown: bool = False) -> bool:
    """Whether the day with this alias may lie on or before the cut-off; `unknown` is the answer where no day is recorded."""
    return interval(record.values[alias]).earliest <= as_of if alias in record.values else unknown


def _given(study: Study, record: Recorded, as_of: date) -> Administration:
    on = interval(record.values["EXSTDAT"])
    ended = interval(record.values["EXENDAT"]).latest if "EXENDAT" in record.values else on.earliest
    form = study.form.get(record.form_oid)
    item = form.with_alias("EXDOSE") if form else None
    try:
        dose = Decimal(record.values["EXDOSE"]) if "EXDOSE" in record.values else None
    except InvalidOperation:
        dose = None  # a dose kept as text is exported, and has no lowest or highest
    return Administration(on, ended if on.earliest <= ended <= as_of else on.earliest, dose, item.unit if item else "")


def _arm_label(study: Study, settings: SafetySettings, code: str, record: Recorded) -> Sayable:
    return (settings.arms.label_of(code) if settings.arms else None) or said(study, record, settings.arm_alias)


def _first_day(given: tuple[Administration, ...]) -> DateInterval | None:
    return min((dose.on for dose in given), key=lambda on: (on.earliest, on.latest), default=None)


def type_label(study: Study, oid: str) -> Words:
    """What the study calls its subjects of this type."""
    kind = study.subject_type.get(oid)
    return kind.label if kind else Words({"": oid})
