"""Dashboards: gathering the numbers of each figure from the tables as they stand, with the functions that reports and pages count by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from trialcrf.core import dashboard, schedule
from trialcrf.core.dashboard import CLINICAL, Plate
from trialcrf.core.definition.model import EventType, Study
from trialcrf.core.definition.safety import SafetySettings
from trialcrf.core.facts import UNDERSTOOD, Recorded, SubjectRecord, project, recorded
from trialcrf.core.packs import figures_conduct, figures_onset
from trialcrf.core.packs.figure import Figure
from trialcrf.core.packs.figures_conduct import COUNTED, Completeness, Enrolments, Plan
from trialcrf.core.packs.figures_measured import trajectories
from trialcrf.core.packs.tables import Level
from trialcrf.core.quality import FOR_REVIEW, FOR_SITE, SeenQuery, ages
from trialcrf.core.safety.event import severe_level
from trialcrf.core.safety.laboratory import series, visit_label
from trialcrf.core.safety.measurement import FVC_PERCENT, SAMPLED, SKIN_SCORE
from trialcrf.core.safety.participant import read_participant, type_label
from trialcrf.core.schedule import State
from trialcrf.core.sight import known, seen_at
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import counts, definitions, forms, subjects, tallies, visits
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.store.visits import Asked

Eyes = Callable[[Site], Collection[str]]
"""The kinds of forms that may be counted at a site."""

TOGETHER = Message(N_("All subjects"))
_EVENTS = frozenset(alias for alias in UNDERSTOOD if alias.startswith(("AE", "EX"))) | {"RFICDAT", "RECONDAT", "PRSTDAT"}


@dataclass(frozen=True, slots=True)
class View:
    """Whose numbers: the sites of the conduct of the trial, those of what was recorded of patients (none: not asked for), and whether the
    former are all sites of the study, with whose plan they may be compared."""

    conduct: Sequence[Site]
    clinical: Sequence[Site]
    whole: bool


def figures(tx: Transaction, study: Study, plates: Collection[Plate], view: View, eyes: Eyes, now: datetime) -> dict[Plate, Figure]:
    """The figures that are wanted. Clinical ones only of sites of `view.clinical`, and none in a study without settings of safety."""
    made = {plate: draw(tx, study, view, eyes, now) for plate, draw in _CONDUCT.items() if plate in plates}
    if CLINICAL & set(plates) and study.safety is not None and view.clinical:
        settings, places = study.safety, view.clinical
        # Every form of every patient is read for them: done once, until something is recorded at one of the sites.
        what = ("clinical", *((one.today(now), frozenset(eyes(one))) for one in places))
        found = tallies.together(tx, places, what, lambda: _clinical(tx, study, settings, places, eyes, now))
        made |= {plate: one for plate, one in found.items() if plate in plates}
    return made


def _enrolment(tx: Transaction, study: Study, view: View, _eyes: Eyes, now: datetime) -> Figure:
    kinds = _counted(study)
    found = [Enrolments(one.site, one.on, one.subjects) for one in counts.enrolled(tx, view.conduct, kinds)]
    people = type_label(study, kinds[0]) if len(kinds) == 1 else Message(N_("subjects"))
    plan = Plan(people, dashboard.planned_subjects(study))
    today = max(one.today(now) for one in view.conduct)
    return figures_conduct.enrolment(found, [one.code for one in view.conduct], today, plan, view.whole)


def _visits(tx: Transaction, study: Study, view: View, eyes: Eyes, now: datetime) -> Figure:
    found: dict[State, dict[str, int]] = {state: {} for state in COUNTED}
    for seen, places in _alike(view.conduct, eyes).items():
        of_these = _events(study, seen)
        for state in COUNTED:
            for event, number in visits.by_event(tx, Asked(places, now, study.due_soon, state)).items():
                if event in of_these:
                    found[state][event] = found[state].get(event, 0) + number
    return figures_conduct.visits({event.oid: event.label for event in study.events}, found)


def _completeness(tx: Transaction, study: Study, view: View, eyes: Eyes, now: datetime) -> Figure:
    lines: dict[str, Completeness] = {}
    for seen, places in _alike(view.conduct, eyes).items():
        held = [visits.by_event(tx, Asked(places, now, study.due_soon, state)) for state in (State.DONE, State.DONE_OUT)]
        filled = {(one.event_oid, one.form_oid): one for one in counts.filled(tx, places)}
        for oid in _events(study, seen):
            event, took_place = study.event[oid], sum(one.get(oid, 0) for one in held)
            asked = [ref.form_oid for ref in event.forms if ref.mandatory and study.form[ref.form_oid].access in seen]
            there = [filled[oid, form] for form in asked if (oid, form) in filled]
            before = lines.get(oid, Completeness(event.label, 0, 0, 0, 0))
            lines[oid] = replace(
                before,
                visits=before.visits + took_place,
                asked=before.asked + took_place * len(asked),
                begun=before.begun + sum(one.begun for one in there),
                complete=before.complete + sum(one.complete for one in there),
            )
    return figures_conduct.completeness([lines[event.oid] for event in study.events if event.oid in lines])


def _queries(tx: Transaction, study: Study, view: View, eyes: Eyes, now: datetime) -> Figure:
    open_to = {one.code: eyes(one) for one in view.conduct}
    today = {one.code: one.today(now) for one in view.conduct}
    held = [
        (SeenQuery(one.state, one.opened_on), today[one.site], one.number)
        for one in counts.waiting(tx, view.conduct, study.products)
        if known(study, one.event_oid, one.form_oid, open_to[one.site])
    ]
    return figures_conduct.query_ages(ages(held, FOR_SITE), ages(held, FOR_REVIEW))


_CONDUCT: Mapping[Plate, Callable[[Transaction, Study, View, Eyes, datetime], Figure]] = {
    Plate.ENROLMENT: _enrolment,
    Plate.VISITS: _visits,
    Plate.COMPLETENESS: _completeness,
    Plate.QUERIES: _queries,
}


def _counted(study: Study) -> tuple[str, ...]:
    """Whom enrolment counts: those that the study treats, or everybody where it does not say whom."""
    return (study.safety.population,) if study.safety is not None else tuple(kind.oid for kind in study.people)


def _alike(places: Sequence[Site], eyes: Eyes) -> dict[frozenset[str], list[Site]]:
    """The sites by what may be seen there: mostly the same at all of them, so that each is counted in as few statements as one."""
    found: dict[frozenset[str], list[Site]] = {}
    for one in places:
        found.setdefault(frozenset(eyes(one)), []).append(one)
    return found


def _events(study: Study, seen: Collection[str]) -> list[str]:
    """The planned visits of people that may be known to who reads these kinds of forms."""
    return [
        event.oid
        for event in study.events
        if event.type is EventType.SCHEDULED
        and not all(study.is_product(kind) for kind in event.subject_types)
        and seen_at(study, event.oid, seen)
    ]


def _clinical(
    tx: Transaction, study: Study, settings: SafetySettings, places: Sequence[Site], eyes: Eyes, now: datetime
) -> dict[Plate, Figure]:
    """What happened to the people whom the study treats. Blinded by construction, also where the study is not: no arm is read at all."""
    blind = replace(settings, blinded=True)
    seen = replace(study, safety=blind)
    open_to = {one.code: frozenset(eyes(one)) for one in places}
    today = {one.code: one.today(now) for one in places}
    people = [
        read_participant(seen, blind, one, today[one.site])
        for one in _records(tx, study, blind, places)
        for one in [_readable(study, one, open_to[one.site])]
    ]
    as_of = max(today.values())
    events = [event for person in people for event in person.events]
    levels = [Level(item.label, severe=at >= severe_level(blind)) for at, item in enumerate(blind.severities.items)]
    if any(event.level is None for event in events):
        levels.append(Level(Message(N_("Not stated")), severe=False))

    def course(oid: str, name: Sayable, alias: str) -> Figure:
        arms = {"": TOGETHER}
        visits_ = {event.oid: visit_label(study, event.oid) for event in study.events}
        found = [replace(one, arm="", arm_label=TOGETHER) for one in series(seen, people, alias, as_of)]
        return figures_onset.on_screen(trajectories(oid, name, found, arms, visits_))

    return {
        Plate.EVENTS: figures_onset.events(events, levels, as_of, type_label(study, blind.population)),
        Plate.SKIN: course("skin", Message(N_("Modified Rodnan skin score (0 to 51)")), SKIN_SCORE),
        Plate.LUNG: course("lung", Message(N_("Forced vital capacity, %% of predicted")), FVC_PERCENT),
    }


def _records(tx: Transaction, study: Study, settings: SafetySettings, places: Sequence[Site]) -> list[SubjectRecord]:
    """Those whom the study treats, with their visits, treatments, events and measurements. Measurements are projected nowhere: they are
    read from their forms, under the version that each was filled under."""
    people = subjects.all_of(tx, study.oid, [one.code for one in places], settings.population)
    aliases = (_EVENTS | schedule.bearing(study) | {settings.severity_alias}) - {settings.arm_alias}
    measured = frozenset({SKIN_SCORE, FVC_PERCENT, *SAMPLED})
    versions = {one.id: one.study for one in definitions.versions_of(tx, study.oid)}
    asking = {form.oid for one in versions.values() for alias in (SKIN_SCORE, FVC_PERCENT) for form in one.forms_with(alias)}
    found: dict[int, list[Recorded]] = {}
    read: set[int] = set()
    for stored in forms.all_of(tx, [one.id for one in people], asking):
        form = versions[stored.definition_id].form[stored.key.form_oid]
        told = [one for one in project(study, form, stored.document, measured) if one.alias in aliases | measured]
        found.setdefault(stored.subject_id, []).extend(recorded(stored.id, stored.key, told))
        read.add(stored.id)
    return [
        replace(one, records=(*(each for each in one.records if each.form_id not in read), *found.get(one.id, ())))
        for one in subjects.records(tx, people, aliases)
    ]


def _readable(study: Study, one: SubjectRecord, seen: Collection[str]) -> SubjectRecord:
    """The same without what stands in forms that are not to be counted."""
    return replace(one, records=tuple(each for each in one.records if known(study, each.event_oid, each.form_oid, seen)))
