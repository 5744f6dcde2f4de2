"""The pack of a data and safety monitoring board: an open part without arms, and the safety part, by dose or with all arms together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from trialcrf.core import facts
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.definition.safety import SafetySettings
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.packs.dsmb_product import BoardProduct, board_product
from trialcrf.core.packs.figure import Figure
from trialcrf.core.packs.figures import severity_by_class
from trialcrf.core.packs.figures_course import mean_events, swimmer
from trialcrf.core.packs.figures_measured import edish, trajectories
from trialcrf.core.packs.report import ListedEvent, NoSafetySettings, SafetyReport, tabulate
from trialcrf.core.packs.sae import Judged, SeriousEvent, serious_events
from trialcrf.core.safety.case import raised
from trialcrf.core.safety.course import arms_given, courses
from trialcrf.core.safety.decision import CAUSES, DECISIONS, HOLD_STATES, DecisionEntry, DecisionKind, holds
from trialcrf.core.safety.event import AdverseEvent
from trialcrf.core.safety.interval import clopper_pearson
from trialcrf.core.safety.laboratory import Shift, peaks, series, shifts, visit_label
from trialcrf.core.safety.measurement import BODY_WEIGHT, FVC_PERCENT, MALIGNANCY, PREGNANCY_TEST, SKIN_SCORE, number
from trialcrf.core.safety.participant import Participant, read_participant
from trialcrf.core.safety.stopping import Cause, Status
from trialcrf.core.safety.stopping import judged as judge
from trialcrf.core.schedule import STATES, State, Visit, plan
from trialcrf.core.values import interval
from trialcrf.core.wording import N_, Message, Sayable, Words, alphabetical

NEOPLASMS, PREGNANCIES = "neoplasms benign, malignant and unspecified", "pregnancy, puerperium and perinatal conditions"
"""The beginnings of the classes (MedDRA and CTCAE, folded) whose events a board reads one by one."""


@dataclass(frozen=True, slots=True)
class Infusion:
    """One administration: its planned dose is that of the cohort. `per_kg` is the dose divided by the weight on its form."""

    subject: str
    arm: Sayable
    on: date
    dose: Decimal | None
    unit: str
    weight: Decimal | None
    per_kg: Decimal | None
    batch: str
    adjusted: Sayable


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Subjects of one dose with an event of the primary endpoint, of those treated, with the exact 95 % interval of the share.

    `unsure` have no such event for certain, and one whose onset may or may not lie in the window, or whose severity is not recorded.
    """

    label: Sayable
    treated: int
    subjects: int
    unsure: int
    low: Decimal
    high: Decimal
    events: int


@dataclass(frozen=True, slots=True)
class MissingVisit:
    """A planned visit that was missed, or whose window is over without a record."""

    subject: str
    visit: Sayable
    state: Message
    target: date | None
    closes: date | None


@dataclass(frozen=True, slots=True)
class VisitCount:
    """One planned visit: for how many it was due, and what became of it."""

    visit: Sayable
    due: int
    done: int
    missed: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Found:
    """A malignancy or a pregnancy that a record tells of. `on` is a canonical (partial) day, empty where unknown."""

    subject: str
    arm: Sayable
    what: Sayable
    on: str
    source: Message


@dataclass(frozen=True, slots=True)
class Decided:
    """A line of the ledger of decisions, for reading."""

    number: int
    kind: Message
    about: Sayable
    on: date
    name: str


@dataclass(frozen=True, slots=True)
class Safety:
    """The safety part. In a blinded study without permission it was made of subjects without arms, so it cannot tell any."""

    report: SafetyReport
    infusions: tuple[Infusion, ...]
    endpoint: tuple[Endpoint, ...]
    in_window: tuple[ListedEvent, ...]
    serious: tuple[SeriousEvent, ...]
    shifts: tuple[Shift, ...]
    malignancies: tuple[Found, ...]
    pregnancies: tuple[Found, ...]
    drawings: tuple[Figure, ...]
    product: BoardProduct | None


@dataclass(frozen=True, slots=True)
class DsmbReport:
    """What `reports/dsmb` prints. `pooled` is counted without arms, whoever reads; `by_arm` says whether `safety` has them."""

    cut: Cut
    title: Words
    protocol: str
    blinded: bool
    by_arm: bool
    severe_from: Sayable
    primary_days: int
    pooled: SafetyReport
    visits: tuple[VisitCount, ...]
    missing: tuple[MissingVisit, ...]
    safety: Safety
    stopping: Status | None
    holds: tuple[tuple[int, Message, Message], ...]
    decisions: tuple[Decided, ...]


def board_pack(
    study: Study, subjects: Sequence[SubjectRecord], judged: Sequence[Judged], decisions: Sequence[DecisionEntry], cut: Cut, closed: bool
) -> DsmbReport:
    """The pack; `closed`: whoever ordered it may see arms. Raises NoSafetySettings."""
    settings = study.safety
    if settings is None:
        raise NoSafetySettings(study.oid)
    by_arm = closed or not settings.blinded
    pooled, seen = (replace(study, safety=replace(settings, blinded=blinded)) for blinded in (True, not by_arm))
    assert seen.safety is not None
    counted = (read_participant(seen, seen.safety, one, cut.as_of) for one in facts.people(study, subjects))
    people = sorted(counted, key=lambda one: alphabetical(one.key))
    visits = [(person, visit) for person in people for visit in plan(study, person.subject, cut.as_of)]
    return DsmbReport(
        cut=cut,
        title=study.title,
        protocol=study.protocol,
        blinded=settings.blinded,
        by_arm=by_arm,
        severe_from=settings.severities.label_of(settings.severe_from) or Words({"": settings.severe_from}),
        primary_days=settings.primary_days,
        pooled=replace(tabulate(pooled, subjects, cut), drawings=()),
        visits=tuple(_visit_counts(study, [visit for _, visit in visits])),
        missing=tuple(
            MissingVisit(person.key, visit.event.label, Message(STATES[visit.state]), visit.target, visit.closes)
            for person, visit in visits
            if visit.state in (State.MISSED, State.OVERDUE)
        ),
        safety=_safety(
            seen,
            seen.safety,
            replace(tabulate(seen, subjects, cut), drawings=()),
            people,
            judged,
            board_product(seen, subjects, people, cut),
        ),
        stopping=_rule(seen.safety, people, cut.as_of, judged) if settings.stopping else None,
        holds=tuple(
            (one.number, Message(CAUSES[Cause(one.raised.content["cause"])]), Message(HOLD_STATES[one.state])) for one in holds(decisions)
        ),
        decisions=tuple(_decided(seen.safety, one) for one in decisions),
    )


_PAST = (State.DONE, State.DONE_OUT, State.MISSED, State.OVERDUE)


def _rule(settings: SafetySettings, people: Sequence[Participant], as_of: date, judged: Sequence[Judged]) -> Status:
    """The rule at the cut-off, with what the sponsor relates to the trial; its cohorts only where arms are shown."""
    found = judge(settings, people, as_of, raised(one.case for one in judged))
    return replace(found, cohorts=()) if settings.blinded else found


def _visit_counts(study: Study, visits: Sequence[Visit]) -> Iterator[VisitCount]:
    """The visits that were due for somebody, in the order of the definition."""
    for event in study.events:
        states = [visit.state for visit in visits if visit.event.oid == event.oid and visit.state in _PAST]
        if states:
            done = sum(state in (State.DONE, State.DONE_OUT) for state in states)
            yield VisitCount(event.label, len(states), done, states.count(State.MISSED), states.count(State.OVERDUE))


def _safety(
    study: Study,
    settings: SafetySettings,
    report: SafetyReport,
    people: Sequence[Participant],
    judged: Sequence[Judged],
    product: BoardProduct | None,
) -> Safety:
    cut = report.cut
    arms = arms_given(settings, people)
    days = courses(people, cut.as_of)
    visits: Mapping[str, Sayable] = {event.oid: visit_label(study, event.oid) for event in study.events}
    skin = Message(N_("Modified Rodnan skin score (0 to 51)"))
    lung = Message(N_("Forced vital capacity, %% of predicted"))
    in_window = tuple(
        ListedEvent(person.arm_label, event) for person in people if person.treated for event in person.events if _counts(event) is True
    )
    return Safety(
        report=report,
        infusions=tuple(_infusions(study, settings, people, cut.as_of)),
        endpoint=tuple(_endpoint(arms, people)) if settings.primary_days else (),
        in_window=in_window,
        serious=tuple(serious_events(people, judged)),
        shifts=shifts(study, people, cut.as_of),
        malignancies=tuple(_found(people, MALIGNANCY, "Y", NEOPLASMS, Message(N_("Malignancy form")), cut.as_of)),
        pregnancies=tuple(_found(people, PREGNANCY_TEST, "POSITIVE", PREGNANCIES, Message(N_("Positive pregnancy test")), cut.as_of)),
        drawings=(
            severity_by_class(report.events, report.columns, report.levels),
            swimmer(days, report.levels, arms),
            mean_events(days, arms),
            trajectories("skin", skin, series(study, people, SKIN_SCORE, cut.as_of), arms, visits),
            trajectories("lung", lung, series(study, people, FVC_PERCENT, cut.as_of), arms, visits),
            edish(peaks(study, people, cut.as_of), tuple(arms.values())),
        ),
        product=product,
    )


def _counts(event: AdverseEvent) -> bool | None:
    """Whether it is an event of the primary endpoint: severe, with onset in the primary window. None where that cannot be told."""
    if event.primary is False or (event.level is not None and not event.severe):
        return False
    return True if event.primary and event.severe else None


def _endpoint(arms: Mapping[str, Sayable], people: Sequence[Participant]) -> Iterator[Endpoint]:
    treated = [one for one in people if one.treated]
    groups: list[tuple[Sayable, list[Participant]]] = [(label, [one for one in treated if one.arm == arm]) for arm, label in arms.items()]
    if len(groups) != 1:
        groups.append((Message(N_("All treated")), treated))
    for label, members in groups:
        with_one = [one for one in members if any(_counts(event) for event in one.events)]
        unsure = [one for one in members if one not in with_one and any(_counts(event) is None for event in one.events)]
        low, high = clopper_pearson(len(with_one), len(members))
        events = sum(_counts(event) is True for one in members for event in one.events)
        yield Endpoint(label, len(members), len(with_one), len(unsure), low, high, events)


def _infusions(study: Study, settings: SafetySettings, people: Sequence[Participant], as_of: date) -> Iterator[Infusion]:
    for person in people:
        for record in person.records if person.counted else ():
            if "EXSTDAT" not in record.values or interval(record.values["EXSTDAT"]).earliest > as_of:
                continue
            on = interval(record.values["EXSTDAT"]).earliest
            # Dose and batch may tell the arm: where arms are together, they are not in the value at all.
            dose, weight, unit = (None, None, "") if settings.blinded else _dose(study, record)
            per_kg = round(dose / weight, 2) if dose is not None and weight else None
            told = record.values.get("EXADJYN", "")
            adjusted = {"Y": Message(N_("Yes")), "N": Message(N_("No"))}.get(told, Words())
            yield Infusion(
                person.key,
                person.arm_label,
                on,
                dose,
                unit,
                weight,
                per_kg,
                "" if settings.blinded else record.values.get("EXLOT", ""),
                adjusted,
            )


def _dose(study: Study, record: Recorded) -> tuple[Decimal | None, Decimal | None, str]:
    form = study.form.get(record.form_oid)
    item = form.with_alias("EXDOSE") if form else None
    body = form.with_alias(BODY_WEIGHT) if form else None
    dose = number(record.values.get("EXDOSE", ""))
    weight = number(record.values.get(BODY_WEIGHT, "")) if body and body.unit == "kg" else None
    return dose[1] if dose else None, weight[1] if weight else None, item.unit if item else ""


def _found(people: Sequence[Participant], alias: str, code: str, of_class: str, source: Message, as_of: date) -> Iterator[Found]:
    for person in people:
        for record in person.records:
            if record.values.get(alias) == code:
                on = record.values.get("LBDAT", record.values.get("SVSTDAT", ""))
                if not on or interval(on).earliest <= as_of:
                    yield Found(person.key, person.arm_label, source, on, source)
        for event in person.events:
            if event.soc_key.startswith(of_class):
                yield Found(person.key, person.arm_label, event.term, event.onset, Message(N_("Adverse event")))


def _decided(settings: SafetySettings, one: DecisionEntry) -> Decided:
    about: Sayable = Words()
    if one.kind is DecisionKind.COHORT_OPENED and not settings.blinded:
        code = str(one.content.get("cohort", ""))
        about = (settings.arms.label_of(code) if settings.arms else None) or Words({"": code})
    elif "hold" in one.content:
        about = Message(N_("hold %(number)s"), {"number": str(one.content["hold"])})
    return Decided(one.number, Message(DECISIONS[one.kind]), about, one.at.date(), one.name)
