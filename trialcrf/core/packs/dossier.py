"""What the documents of a case tell of one subject and one of its events, read once from what was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from trialcrf.core.definition.model import Study
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.safety.event import AdverseEvent, said
from trialcrf.core.typed import interval
from trialcrf.core.wording import N_, Message, Sayable, Words

STORY = frozenset(
    {
        "MHTERM", "MHSTDAT", "MHENDAT", "MHONGO",
        "CMTRT", "CMINDC", "CMDOSE", "CMDOSU", "CMROUTE", "CMSTDAT", "CMENDAT", "CMONGO",
        "EXDOSKG", "EXADJ", "WEIGHT", "PASSAGE", "PRLOC", "AEACNOTH", "AESPEC", "AELNKLB", "AELNKCM",
    }
)  # fmt: skip
"""Aliases that only these documents read. They are projected when a document is made, not kept as rows of every subject."""

MONTHS = (
    N_("January"), N_("February"), N_("March"), N_("April"), N_("May"), N_("June"),
    N_("July"), N_("August"), N_("September"), N_("October"), N_("November"), N_("December"),
)  # fmt: skip

HOURS_TOLD = timedelta(days=2)
"""Up to here a distance is told in hours and minutes; later the time of day adds nothing."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """One administration of the product, or (`product` false) the procedure after which events of this kind of subject emerge.

    `start` and `end` are canonical days or moments. `dose` is in `unit`; `per_kg` in the same unit per kilogram of body weight.
    """

    what: Sayable
    product: bool
    start: str
    end: str = ""
    dose: Decimal | None = None
    unit: str = ""
    per_kg: Decimal | None = None
    batch: str = ""
    passage: str = ""
    arm: Sayable = Words()
    adjusted: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """A line of the medical history. `ongoing` is None where nobody said."""

    term: str
    start: str
    end: str
    ongoing: bool | None


@dataclass(frozen=True, slots=True)
class Medication:
    """A line of the concomitant treatment, as it was recorded."""

    name: str
    dose: Decimal | None
    unit: Sayable
    route: Sayable
    indication: str
    start: str
    end: str
    ongoing: bool | None


@dataclass(frozen=True, slots=True)
class Step:
    """A grade and the (partial) day from which it held, empty where that is unknown."""

    severity: Sayable
    since: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """One subject and one event. `age` is the completed years at onset, or the two that a month of birth leaves possible."""

    subject: str
    site: str
    subject_type: Sayable
    born: str
    age: tuple[int, ...]
    sex: str
    sex_label: Sayable
    weight: Decimal | None
    died: str
    treatments: tuple[Treatment, ...]
    history: tuple[Condition, ...]
    medications: tuple[Medication, ...]
    course: tuple[Step, ...]
    told: Mapping[str, str] = field(default_factory=dict)
    action: Sayable = Words()
    other_action: str = ""
    tests: str = ""
    blinded: bool = False

    @property
    def birth_year(self) -> str:
        """The year of birth; month and day never reach a document (clinical reference, F.5)."""
        return self.born[:4]

    def taken_at(self, onset: str) -> tuple[Medication, ...]:
        """The medication that may have been taken when the event began; all of it where the onset is unknown."""
        if not onset:
            return self.medications
        when = interval(onset)
        return tuple(
            one
            for one in self.medications
            if (not one.start or interval(one.start).earliest <= when.latest) and (not one.end or interval(one.end).latest >= when.earliest)
        )

    def before(self, onset: str) -> Treatment | None:
        """The last treatment that may have begun by the onset; the first one where the onset is unknown or before all of them."""
        if not onset:
            return self.treatments[0] if self.treatments else None
        latest = interval(onset).latest
        begun = [one for one in self.treatments if one.start and interval(one.start).earliest <= latest]
        return begun[-1] if begun else (self.treatments[0] if self.treatments else None)


def dossier(study: Study, subject: SubjectRecord, event: AdverseEvent | None) -> Dossier:
    """Read a subject, and one of its events where the document is about one. Nothing is guessed: what is not recorded stays empty."""
    records = tuple(sorted(subject.records, key=lambda one: (one.form_id, one.row)))
    own = next((one for one in records if event and (one.form_id, one.row) == (event.form_id, event.row)), None)
    told = own.values if own else {}
    sexed = next((one for one in records if "SEX" in one.values), None)
    kind = study.subject_type.get(subject.subject_type)
    return Dossier(
        subject=subject.key,
        site=subject.site,
        subject_type=kind.label if kind else Words({"": subject.subject_type}),
        born=subject.first("BRTHDAT") or "",
        age=_age(subject.first("BRTHDAT") or "", event.onset if event else ""),
        sex=sexed.values["SEX"] if sexed else "",
        sex_label=said(study, sexed, "SEX") if sexed else Words(),
        weight=next((number for one in records if (number := _number(one.values.get("WEIGHT", ""))) is not None), None),
        died=subject.first("DTHDAT") or "",
        treatments=tuple(sorted(_treatments(study, subject, records), key=lambda one: (interval(one.start).earliest, one.start))),
        history=tuple(
            Condition(one.values["MHTERM"], one.values.get("MHSTDAT", ""), one.values.get("MHENDAT", ""), _ongoing(one, "MHONGO"))
            for one in records
            if "MHTERM" in one.values
        ),
        medications=tuple(_medications(study, records)),
        course=tuple(_course(study, event)) if event else (),
        told=told,
        action=said(study, own, "AEACN") if own else Words(),
        other_action=told.get("AEACNOTH", ""),
        tests=told.get("AELNKLB", ""),
        blinded=bool(study.safety and study.safety.blinded),
    )


def on(text: str) -> object:
    """A canonical (partial) day or moment as a parameter of a message; what is unknown of it is left out."""
    day, _, clock = text.partition("T")
    if clock:
        return Message(N_("%(day)s at %(time)s"), {"day": date.fromisoformat(day), "time": clock[:5]})
    if len(day) == len("2026-01-05"):
        return date.fromisoformat(day)
    year, _, month = day.partition("-")
    return Message(N_("%(month)s %(year)s"), {"month": Message(MONTHS[int(month) - 1]), "year": year}) if month else year


def quantity(dose: Decimal, unit: str) -> Message:
    """A dose as it is written: a count of millions of cells has its power of ten as a factor."""
    said_as = N_("%(dose)s × %(unit)s") if unit.startswith("10") else N_("%(dose)s %(unit)s")
    return Message(said_as, {"dose": dose, "unit": unit})


def distance(event: AdverseEvent, treatment: Treatment | None) -> tuple[int | None, timedelta | None]:
    """From the start of a treatment to the onset: whole days (negative before it), and clock time where both moments are recorded.

    None where one of them is not known exactly. Both clocks are the site's; a change of clocks in between is not corrected for.
    """
    if treatment is None or not event.onset:
        return None, None
    onset, start = interval(event.onset), interval(treatment.start)
    if not (onset.exact and start.exact):
        return None, None
    days = (onset.earliest - start.earliest).days
    clock = event.onset_time or event.onset.partition("T")[2][:5]
    if not clock or "T" not in treatment.start:
        return days, None
    began = datetime.fromisoformat(treatment.start).replace(tzinfo=None)
    return days, datetime.fromisoformat(f"{onset.earliest.isoformat()}T{clock}") - began


def _age(born: str, onset: str) -> tuple[int, ...]:
    if not born or not onset:
        return ()
    birth, when = interval(born), interval(onset)
    low, high = _years(birth.latest, when.earliest), _years(birth.earliest, when.latest)
    return (low,) if low == high else (low, high)


def _years(birth: date, day: date) -> int:
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None  # a value kept as text is told nowhere as a number


def _ongoing(record: Recorded, alias: str) -> bool | None:
    return {"Y": True, "N": False}.get(record.values.get(alias, ""))


def _treatments(study: Study, subject: SubjectRecord, records: tuple[Recorded, ...]) -> Iterator[Treatment]:
    settings = study.safety
    anchor = settings.anchor_of(subject.subject_type) if settings else ""
    procedure = next((one for one in study.anchors if one.oid == anchor and one.alias != "EXSTDAT"), None)
    for one in records:
        if "EXSTDAT" in one.values:
            yield _administration(study, one)
        elif procedure is not None and procedure.alias in one.values:
            yield Treatment(procedure.label, False, one.values[procedure.alias])


def _administration(study: Study, record: Recorded) -> Treatment:
    told, settings = record.values, study.safety
    form = study.form.get(record.form_oid)
    item = form.with_alias("EXDOSE") if form else None
    unit, dose, weight = item.unit if item else "", _number(told.get("EXDOSE", "")), _number(told.get("WEIGHT", ""))
    per_kg = _number(told.get("EXDOSKG", ""))
    if per_kg is None and dose is not None and weight and not unit.endswith("/kg"):
        per_kg = (dose / weight).quantize(Decimal("0.01"), ROUND_HALF_UP)
    if settings and settings.blinded:
        # What is not in the value cannot be printed by mistake: dose and batch tell the arm as well as its name does.
        name = settings.product.name if settings.product else Words()
        return Treatment(name, True, told["EXSTDAT"], told.get("EXENDAT", ""))
    arm = settings.arm_alias if settings else "ACTARM"
    label = settings.arms.label_of(told.get(arm, "")) if settings and settings.arms else None
    return Treatment(
        what=settings.product.name if settings and settings.product else Words(),
        product=True,
        start=told["EXSTDAT"],
        end=told.get("EXENDAT", ""),
        dose=dose,
        unit=unit,
        per_kg=per_kg,
        batch=told.get("EXLOT", ""),
        passage=told.get("PASSAGE", ""),
        arm=label or said(study, record, arm),
        adjusted=told.get("EXADJ", ""),
    )


def _medications(study: Study, records: tuple[Recorded, ...]) -> Iterator[Medication]:
    for one in records:
        if "CMTRT" in one.values:
            told = one.values
            yield Medication(
                told["CMTRT"],
                _number(told.get("CMDOSE", "")),
                said(study, one, "CMDOSU"),
                said(study, one, "CMROUTE"),
                told.get("CMINDC", ""),
                told.get("CMSTDAT", ""),
                told.get("CMENDAT", ""),
                _ongoing(one, "CMONGO"),
            )


def _course(study: Study, event: AdverseEvent) -> Iterator[Step]:
    levels = study.safety.severities if study.safety else None
    for code, since in sorted(event.course, key=lambda step: (not step[1], step[1])):
        label = levels.label_of(code) if levels and code else None
        yield Step(label or (Words({"": code}) if code else Message(N_("grade not recorded"))), since)
