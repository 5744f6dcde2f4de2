"""The safety report as one frozen value: enrolment, exposure, events by system organ class, term and severity, deaths, listing.

Everything the document prints is in it and nothing of its making: equal inputs are an equal value, in whatever order they come.
Recorded values are counted as they stand; contradictions are listed beside the counts (clinical reference, sections B.2 and E).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from trialcrf.core import facts
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.definition.safety import SafetySettings
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.figure import Figure
from trialcrf.core.packs.figures import class_by_level, dot_plot, severity_by_class
from trialcrf.core.packs.figures_course import swimmer
from trialcrf.core.packs.tables import Column, Count, EventTable, Level, event_table
from trialcrf.core.safety.course import arms_given, courses
from trialcrf.core.safety.event import FLAWS, PHASES, AdverseEvent, Phase, severe_level, study_day
from trialcrf.core.safety.participant import ColumnKind, Participant, read_participant, type_label
from trialcrf.core.schedule import ENDINGS
from trialcrf.core.values import interval
from trialcrf.core.wording import N_, Message, Sayable, Words, alphabetical


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """The numbers of the first page.

    `in_population` are the enrolled of the type that is treated; `events` is the length of the listing; `after_cut_off` events
    are known and not reported.
    """

    enrolled: int
    in_population: int
    treated: int
    events: int
    subjects: int
    severe_events: int
    severe_subjects: int
    serious_events: int
    serious_subjects: int
    deaths: int
    undated_events: int
    after_cut_off: int


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Subjects of one type at one site, with the first and last day of enrolment."""

    site: str
    subject_type: Words
    enrolled: int
    treated: int
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Exposure:
    """Treatment of one arm. Doses are the lowest and highest recorded one in `unit`; `doses` says how many were recorded."""

    label: Sayable
    enrolled: int
    treated: int
    administrations: int
    first: date | None
    last: date | None
    doses: int
    dose_low: Decimal | None
    dose_high: Decimal | None
    unit: str


@dataclass(frozen=True, slots=True)
class Disposition:
    """How many subjects of each column ended the study in this way, by the cut-off; a subject counts once a line."""

    label: Sayable
    subjects: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Death:
    """One subject, with every record that tells of the death. `on` is a canonical (partial) day, empty where unknown."""

    subject: str
    site: str
    arm: Sayable
    on: str
    study_day: int | None
    sources: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """One line of the listing, with the arm of its subject."""

    arm: Sayable
    event: AdverseEvent


@dataclass(frozen=True, slots=True)
class Inconsistencies:
    """All events with one flaw, or all subjects where `subjects` names them."""

    message: Message
    lines: tuple[ListedEvent, ...]
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PhaseLine:
    """Events that began in one part of the study, and the subjects concerned, for each column."""

    label: Message
    counts: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class SafetyReport:
    """What `reports/safety` prints. `columns` are the columns of every table, `levels` the severities of every cell.

    `phases` and `emergent` are only there where the study says what its events emerge from.
    """

    cut: Cut
    title: Words
    protocol: str
    population: Words
    severity_alias: str
    severe_from: Sayable
    dictionary: Words
    notes: tuple[Words, ...]
    figures: KeyFigures
    columns: tuple[Column, ...]
    levels: tuple[Level, ...]
    enrolment: tuple[Enrolment, ...]
    exposure: tuple[Exposure, ...]
    dispositions: tuple[Disposition, ...]
    events: EventTable
    serious: EventTable
    serious_listing: tuple[ListedEvent, ...]
    deaths: tuple[Death, ...]
    inconsistencies: tuple[Inconsistencies, ...]
    listing: tuple[ListedEvent, ...]
    phases: tuple[PhaseLine, ...] = ()
    emergent: EventTable | None = None
    drawings: tuple[Figure, ...] = ()


class NoSafetySettings(ValueError):
    """The definition does not say how this study counts its events, so nothing can be tabulated."""


def tabulate(study: Study, subjects: Sequence[SubjectRecord], cut: Cut) -> SafetyReport:
    """Count everything that happened by the cut-off, among the subjects given (entered in error: not given).

    A subject is in the report when it was enrolled by the cut-off, or was treated or had an event by then. Raises NoSafetySettings.
    """
    settings = study.safety
    if settings is None:
        raise NoSafetySettings(study.oid)
    everyone = sorted(
        (read_participant(study, settings, subject, cut.as_of) for subject in facts.people(study, subjects)),
        key=lambda person: alphabetical(person.key),
    )
    people = [person for person in everyone if person.subject.enrolled_on <= cut.as_of or person.treated or person.events]
    arms = _arms(settings, people)
    columns, places = _columns(study, people, arms)
    listing = [ListedEvent(person.arm_label, event) for person in people for event in person.events]
    events = [line.event for line in listing]
    levels = [Level(item.label, severe=place >= severe_level(settings)) for place, item in enumerate(settings.severities.items)]
    if any(event.level is None for event in events):
        levels.append(Level(Message(N_("Not stated")), severe=False))
    deaths = tuple(death for person in people if (death := _death(person, cut.as_of)) is not None)
    severe, serious = [event for event in events if event.severe], [event for event in events if event.serious]
    emergent = [event for event in events if event.phase is Phase.TREATMENT_EMERGENT]
    table = event_table(events, places, len(columns), len(levels))
    return SafetyReport(
        cut=cut,
        title=study.title,
        protocol=study.protocol,
        population=type_label(study, settings.population),
        severity_alias=settings.severity_alias,
        severe_from=settings.severities.label_of(settings.severe_from) or Words({"": settings.severe_from}),
        dictionary=settings.dictionary,
        notes=settings.notes,
        figures=KeyFigures(
            enrolled=len(people),
            in_population=sum(person.counted for person in people),
            treated=sum(person.treated for person in people),
            events=len(events),
            subjects=len({event.subject for event in events}),
            severe_events=len(severe),
            severe_subjects=len({event.subject for event in severe}),
            serious_events=len(serious),
            serious_subjects=len({event.subject for event in serious}),
            deaths=len(deaths),
            undated_events=sum(event.earliest is None for event in events),
            after_cut_off=sum(person.later_events for person in everyone),
        ),
        columns=columns,
        levels=tuple(levels),
        enrolment=tuple(_enrolment(study, people)),
        exposure=tuple(_exposure(people, arms)),
        dispositions=tuple(_dispositions(people, columns, places)),
        events=table,
        serious=event_table(serious, places, len(columns), len(levels)),
        serious_listing=tuple(line for line in listing if line.event.serious),
        deaths=deaths,
        inconsistencies=tuple(_inconsistencies(people, listing, settings.blinded)),
        listing=tuple(listing),
        phases=tuple(_phases(settings, events, places, len(columns))),
        emergent=event_table(emergent, places, len(columns), len(levels)) if settings.emergence else None,
        drawings=(
            dot_plot(table, columns),
            severity_by_class(table, columns, levels),
            class_by_level(table, columns, levels),
            swimmer(courses(people, cut.as_of), levels, arms_given(settings, people)),
        ),
    )


def _phases(
    settings: SafetySettings, events: Sequence[AdverseEvent], places: Mapping[str, tuple[int, ...]], columns: int
) -> Iterator[PhaseLine]:
    def line(label: Message, some: Sequence[AdverseEvent]) -> PhaseLine:
        mine = ([event for event in some if place in places[event.subject]] for place in range(columns))
        return PhaseLine(label, tuple(Count(len(each), len({event.subject for event in each})) for each in mine))

    if not settings.emergence:
        return
    for phase, msgid in PHASES.items():
        yield line(Message(msgid), [event for event in events if event.phase is phase])
    if settings.primary_days:
        days = {"days": settings.primary_days}
        yield line(Message(N_("in the primary window (day 0 to day %(days)s)"), days), [event for event in events if event.primary])
        unsure = [event for event in events if event.primary is None]
        yield line(Message(N_("possibly in the primary window (onset or treatment not exact)")), unsure)


def _arms(settings: SafetySettings, people: Sequence[Participant]) -> tuple[tuple[str, Sayable], ...]:
    """Every arm: those of the study's list in its order, then those only found in the data, then the lack of one."""
    shown = settings.arms if settings.arms and not settings.blinded else None
    listed: dict[str, Sayable] = {item.code: item.label for item in shown.items} if shown else {}
    found = {person.arm: person.arm_label for person in people if person.counted and person.arm not in listed}
    return (*listed.items(), *sorted(found.items(), key=lambda arm: (not arm[0], alphabetical(arm[0]))))


def _columns(
    study: Study, people: Sequence[Participant], arms: Sequence[tuple[str, Sayable]]
) -> tuple[tuple[Column, ...], dict[str, tuple[int, ...]]]:
    """The columns and, by subject key, the places of those the subject counts in.

    Every subject counts in exactly one of: an arm, not treated, another type of subject. The two totals are sums of these.
    """
    inside = {(person.kind, person.group) for person in people}
    others = sorted((oid for kind, oid in inside if kind is ColumnKind.OTHER), key=alphabetical)
    wanted: list[tuple[ColumnKind, str, Sayable]] = [(ColumnKind.ARM, arm, label) for arm, label in arms if (ColumnKind.ARM, arm) in inside]
    wanted.append((ColumnKind.TREATED, "", Message(N_("All treated"))))
    if (ColumnKind.UNTREATED, "") in inside:
        wanted.append((ColumnKind.UNTREATED, "", Message(N_("Not treated"))))
    wanted.extend((ColumnKind.OTHER, oid, type_label(study, oid)) for oid in others)
    if wanted[-1][0] is not ColumnKind.TREATED:
        wanted.append((ColumnKind.ALL, "", Message(N_("All subjects"))))

    def member(person: Participant, kind: ColumnKind, group: str) -> bool:
        total = kind is ColumnKind.ALL or (kind is ColumnKind.TREATED and person.kind is ColumnKind.ARM)
        return total or (person.kind, person.group) == (kind, group)

    columns = tuple(Column(kind, label, sum(member(person, kind, group) for person in people)) for kind, group, label in wanted)
    places = {person.key: tuple(place for place, (kind, group, _) in enumerate(wanted) if member(person, kind, group)) for person in people}
    return columns, places


def _enrolment(study: Study, people: Sequence[Participant]) -> Iterator[Enrolment]:
    order = {kind.oid: place for place, kind in enumerate(study.subject_types)}
    groups: dict[tuple[str, str], list[Participant]] = {}
    for person in people:
        groups.setdefault((person.subject.site, person.subject.subject_type), []).append(person)
    for (site, kind), members in sorted(
        groups.items(), key=lambda group: (alphabetical(group[0][0]), order.get(group[0][1], 99), group[0])
    ):
        days = [person.subject.enrolled_on for person in members]
        treated = sum(person.treated for person in members)
        yield Enrolment(site, type_label(study, kind), len(members), treated, min(days), max(days))


def _exposure(people: Sequence[Participant], arms: Sequence[tuple[str, Sayable]]) -> Iterator[Exposure]:
    """A line an arm, arms that nobody entered yet included, and a line for all."""
    counted = [person for person in people if person.counted]
    for code, label in arms:
        yield _exposure_of(label, [person for person in counted if person.arm == code])
    yield _exposure_of(Message(N_("Total")), counted)


def _exposure_of(label: Sayable, members: Sequence[Participant]) -> Exposure:
    given = [dose for person in members for dose in person.given]
    doses = [dose.dose for dose in given if dose.dose is not None]
    units = {dose.unit for dose in given if dose.dose is not None}
    return Exposure(
        label=label,
        enrolled=len(members),
        treated=sum(person.treated for person in members),
        administrations=len(given),
        first=min((dose.on.earliest for dose in given), default=None),
        last=max((dose.last for dose in given), default=None),
        doses=len(doses),
        dose_low=min(doses, default=None),
        dose_high=max(doses, default=None),
        unit=units.pop() if len(units) == 1 else "",
    )


def _dispositions(people: Sequence[Participant], columns: Sequence[Column], places: Mapping[str, tuple[int, ...]]) -> Iterator[Disposition]:
    def line(label: Sayable, members: Sequence[Participant]) -> Disposition:
        return Disposition(label, tuple(sum(place in places[person.key] for person in members) for place in range(len(columns))))

    labels = {code: label for person in people for code, label in person.endings}
    for code in ENDINGS:
        if code in labels:
            yield line(labels[code], [person for person in people if any(code == ending[0] for ending in person.endings)])
    yield line(Message(N_("No end of study recorded")), [person for person in people if not person.endings])


def _death(person: Participant, as_of: date) -> Death | None:
    """The death of a subject, unless every record that gives its day puts it after the cut-off."""
    told: list[tuple[Message, str]] = []  # in the order of trust for the day
    for record in person.records:
        if "DTHDAT" in record.values:
            told.append((Message(N_("Date of death")), record.values["DTHDAT"]))
        elif record.values.get("DTHFL") == "Y":
            told.append((Message(N_("Death recorded")), ""))
    for record in person.records:
        if record.values.get("DSDECOD") == "DEATH":
            told.append((Message(N_("End of study by death")), record.values.get("DSSTDAT", "")))
    for event in person.events:
        told.extend((message, event.end) for message in event.deadly)
    dated = [day for _, day in told if day]
    if not told or (dated and all(interval(day).earliest > as_of for day in dated)):
        return None
    known = [(message, day) for message, day in told if not day or interval(day).earliest <= as_of]
    on = next((day for _, day in known if day), "")
    day = study_day(interval(on) if on else None, person.treated_on)
    sources = tuple({message.msgid: message for message, _ in known}.values())
    return Death(person.key, person.subject.site, person.arm_label, on, day, sources)


def _inconsistencies(people: Sequence[Participant], listing: Sequence[ListedEvent], blinded: bool) -> Iterator[Inconsistencies]:
    for flaw, msgid in FLAWS.items():
        lines = tuple(line for line in listing if flaw in line.event.flaws)
        if lines:
            yield Inconsistencies(Message(msgid), lines)
    several = tuple(person.key for person in people if person.counted and len(person.arms) > 1)
    if several:
        yield Inconsistencies(Message(N_("More than one arm recorded; the subject counts in the first one")), (), several)
    none = tuple(person.key for person in people if person.treated and not person.arms and not blinded)
    if none:
        yield Inconsistencies(Message(N_("Treated, without a recorded arm")), (), none)
