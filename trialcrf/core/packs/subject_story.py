"""The safety narrative of one subject: who it is, what was given, which visits took place, and every event with its narrative."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.cioms import report_number, written
from trialcrf.core.packs.dossier import Treatment, dossier
from trialcrf.core.packs.narrative import Paragraph, condition, draft, medication
from trialcrf.core.packs.report import NoSafetySettings
from trialcrf.core.safety.case import Case
from trialcrf.core.safety.event import AdverseEvent, said
from trialcrf.core.safety.participant import read_participant
from trialcrf.core.typed import interval
from trialcrf.core.wording import Message, Sayable, Words


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit that has a date or was said to have been missed; `on` is a canonical (partial) day."""

    label: Sayable
    on: str
    missed: bool
    reason: Sayable


@dataclass(frozen=True, slots=True)
class Story:
    """One event: the sponsor's own narrative by language where the case has one, else the draft from the data."""

    event: AdverseEvent
    reference: str
    narratives: Mapping[str, tuple[str, ...]]
    draft: tuple[Paragraph, ...]


@dataclass(frozen=True, slots=True)
class SubjectStory:
    """What `reports/narrative` prints. Events are in order of onset; those known to begin after the cut-off are only counted."""

    cut: Cut
    protocol: str
    title: Words
    subject: str
    site: str
    subject_type: Sayable
    birth_year: str
    sex: Sayable
    arm: Sayable
    blinded: bool
    treatments: tuple[Treatment, ...]
    visits: tuple[Visit, ...]
    history: tuple[Message, ...]
    medications: tuple[Message, ...]
    stories: tuple[Story, ...]
    later: int
    endings: tuple[Sayable, ...]


def subject_story(study: Study, record: SubjectRecord, cases: Sequence[Case], cut: Cut) -> SubjectStory:
    """The story of a subject at the cut-off; `record` is read with `dossier.STORY`. Raises NoSafetySettings."""
    settings = study.safety
    if settings is None:
        raise NoSafetySettings(study.oid)
    person = read_participant(study, settings, record, cut.as_of)
    told = dossier(study, record, None)
    by_event = {(one.form_id, one.row): one for one in cases}
    return SubjectStory(
        cut=cut,
        protocol=study.protocol,
        title=study.title,
        subject=told.subject,
        site=told.site,
        subject_type=told.subject_type,
        birth_year=told.birth_year,
        sex=told.sex_label,
        arm=Words() if told.blinded else person.arm_label,
        blinded=told.blinded,
        treatments=tuple(one for one in told.treatments if interval(one.start).earliest <= cut.as_of),
        visits=tuple(sorted(_visits(study, record, cut), key=lambda one: (one.on == "", one.on))),
        history=tuple(condition(one) for one in told.history),
        medications=tuple(medication(one) for one in told.medications),
        stories=tuple(_story(study, record, event, by_event.get((event.form_id, event.row))) for event in person.events),
        later=person.later_events,
        endings=tuple(label for _, label in person.endings),
    )


def _story(study: Study, record: SubjectRecord, event: AdverseEvent, case: Case | None) -> Story:
    reference = report_number(study, case) if case else ""
    return Story(event, reference, written(case) if case else {}, draft(study, record, event, case))


def _visits(study: Study, record: SubjectRecord, cut: Cut) -> Iterator[Visit]:
    for one in record.records:
        day, occurred = one.values.get("SVSTDAT", ""), one.values.get("SVOCCUR", "")
        if (day and interval(day).earliest <= cut.as_of) or (occurred == "N" and not day):
            event = study.event.get(one.event_oid)
            label = event.label if event else Words({"": one.event_oid})
            yield Visit(label, day, occurred == "N", said(study, one, "SVREASOC"))
