"""The narrative of one event, drafted from the data for the sponsor to edit: what is recorded, what is missing, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.dossier import (
    HOURS_TOLD,
    Condition,
    Dossier,
    Medication,
    Treatment,
    distance,
    dossier,
    on,
    quantity,
)
from trialcrf.core.safety.case import Case, CaseEntry, Kind
from trialcrf.core.safety.event import FACTORS, AdverseEvent
from trialcrf.core.wording import N_, Message, Sayable


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences that belong together, under a heading."""

    title: Message
    sentences: tuple[Sayable, ...]


def draft(study: Study, record: SubjectRecord, event: AdverseEvent, case: Case | None = None) -> tuple[Paragraph, ...]:
    """The narrative as far as the data tell it; `record` is read with the aliases of `dossier.STORY`.

    Every sentence is a message or the study's own words, so that it can be said in each language; the words of a site stay as they are.
    """
    told = dossier(study, record, event)
    return (
        Paragraph(Message(N_("Participant")), tuple(_person(study, record, told))),
        Paragraph(Message(N_("Treatment")), tuple(_treatment(told, event))),
        Paragraph(Message(N_("Event")), tuple(_event(study, told, event))),
        Paragraph(Message(N_("Course and outcome")), tuple(_course(told, event))),
        Paragraph(Message(N_("Assessment")), tuple(_assessment(study, event, case))),
    )


def text(paragraphs: Sequence[Paragraph], say: Callable[[Sayable], str]) -> str:
    """The narrative as plain text in one language, a paragraph a line with an empty one between: what an edit begins with."""
    return "\n\n".join(" ".join([say(one.title) + ".", *(say(each) for each in one.sentences)]) for one in paragraphs)


def _person(study: Study, record: SubjectRecord, told: Dossier) -> Iterator[Sayable]:
    yield Message(N_("%(kind)s %(subject)s of site %(site)s."), {"kind": told.subject_type, "subject": told.subject, "site": told.site})
    yield Message(N_("Sex: %(sex)s."), {"sex": told.sex_label}) if told.sex else Message(N_("The sex is not recorded."))
    if not told.born:
        yield Message(N_("The year of birth is not recorded."))
    elif not told.age:
        yield Message(N_("Born in %(year)s; the age at onset cannot be told."), {"year": told.birth_year})
    elif len(told.age) == 1:
        yield Message(N_("Born in %(year)s, aged %(age)s at onset."), {"year": told.birth_year, "age": told.age[0]})
    else:
        said = N_("Born in %(year)s, aged %(low)s or %(high)s at onset.")
        yield Message(said, {"year": told.birth_year, "low": told.age[0], "high": told.age[1]})
    settings = study.safety
    if settings and record.subject_type == settings.population:
        if settings.product:
            yield Message(N_("Indication: %(indication)s."), {"indication": settings.product.indication})
        else:
            yield Message(N_("The indication is not stated by the study."))
    if told.history:
        yield Message(N_("Medical history: %(terms)s."), {"terms": tuple(condition(one) for one in told.history)})
    else:
        yield Message(N_("No medical history is recorded."))


def condition(one: Condition) -> Message:
    """A line of the medical history with the days that are known of it."""
    if one.start and one.end:
        return Message(N_("%(term)s (from %(start)s to %(end)s)"), {"term": one.term, "start": on(one.start), "end": on(one.end)})
    if one.start:
        return Message(N_("%(term)s (since %(start)s)"), {"term": one.term, "start": on(one.start)})
    if one.end:
        return Message(N_("%(term)s (until %(end)s)"), {"term": one.term, "end": on(one.end)})
    return Message(N_("%(term)s (dates not recorded)"), {"term": one.term})


def medication(one: Medication) -> Message:
    """A concomitant treatment with its dose and dates, as far as they are recorded."""
    named: object = one.name
    if one.dose is not None:
        named = Message(N_("%(name)s %(dose)s %(unit)s"), {"name": one.name, "dose": one.dose, "unit": one.unit})
    if one.start and one.end:
        return Message(N_("%(name)s (from %(start)s to %(end)s)"), {"name": named, "start": on(one.start), "end": on(one.end)})
    if one.start and one.ongoing:
        return Message(N_("%(name)s (since %(start)s, ongoing)"), {"name": named, "start": on(one.start)})
    if one.start:
        return Message(N_("%(name)s (since %(start)s, end not recorded)"), {"name": named, "start": on(one.start)})
    if one.end:
        return Message(N_("%(name)s (until %(end)s, start not recorded)"), {"name": named, "end": on(one.end)})
    return Message(N_("%(name)s (dates not recorded)"), {"name": named})


def _treatment(told: Dossier, event: AdverseEvent) -> Iterator[Sayable]:
    if not told.treatments:
        yield Message(N_("No treatment is recorded."))
    for one in told.treatments:
        yield from _given(one, told.blinded)
    taken = told.taken_at(event.onset)
    if taken:
        yield Message(N_("Concomitant treatment at onset: %(names)s."), {"names": tuple(medication(one) for one in taken)})
    else:
        yield Message(N_("No concomitant treatment at onset is recorded."))


def _given(one: Treatment, blinded: bool) -> Iterator[Sayable]:
    what: object = one.what if not one.product or _says(one.what) else Message(N_("Study product"))
    if not one.product:
        yield Message(N_("%(what)s: %(start)s."), {"what": what, "start": on(one.start)})
        return
    if one.end:
        yield Message(N_("%(what)s: from %(start)s to %(end)s."), {"what": what, "start": on(one.start), "end": on(one.end)})
    else:
        yield Message(N_("%(what)s: from %(start)s; the end is not recorded."), {"what": what, "start": on(one.start)})
    if blinded:
        yield Message(N_("The study is blinded: arm, dose and batch are not told here."))
        return
    if one.dose is None:
        yield Message(N_("The dose is not recorded."))
    elif one.per_kg is None:
        yield Message(N_("Dose: %(dose)s."), {"dose": quantity(one.dose, one.unit)})
    else:
        yield Message(N_("Dose: %(dose)s, that is %(per_kg)s per kilogram."), _doses(one))
    yield Message(N_("Arm: %(arm)s."), {"arm": one.arm}) if _says(one.arm) else Message(N_("The arm is not recorded."))
    yield Message(N_("Batch: %(batch)s."), {"batch": one.batch}) if one.batch else Message(N_("The batch is not recorded."))
    if one.adjusted:
        yield Message(N_("Interrupted or slowed: %(text)s."), {"text": closed(one.adjusted)})


def _doses(one: Treatment) -> dict[str, object]:
    assert one.dose is not None and one.per_kg is not None
    return {"dose": quantity(one.dose, one.unit), "per_kg": quantity(one.per_kg, one.unit)}


def _says(said: Sayable) -> bool:
    return bool(said.msgid) if isinstance(said, Message) else any(said.texts.values())


def closed(words: str) -> str:
    """A site's words without their last full stop, for the end of a sentence of ours."""
    return words.strip().removesuffix(".")


def _event(study: Study, told: Dossier, event: AdverseEvent) -> Iterator[Sayable]:
    if event.verbatim:
        said = N_("In the words of the site: “%(verbatim)s”.")
        yield Message(said, {"verbatim": event.verbatim})
    else:
        yield Message(N_("The site’s own words are not recorded."))
    if told.told.get("AEDECOD"):
        yield Message(N_("Coded term: %(term)s (%(soc)s)."), {"term": event.term, "soc": event.soc})
    else:
        yield Message(N_("The term is not coded; class: %(soc)s."), {"soc": event.soc})
    if told.told.get("AESPEC"):
        yield Message(N_("Specified as: %(text)s."), {"text": closed(told.told["AESPEC"])})
    yield (
        Message(N_("Severity: %(grade)s."), {"grade": event.severity})
        if event.level is not None
        else Message(N_("The severity is not recorded."))
    )
    if event.onset:
        yield Message(N_("Onset: %(onset)s."), {"onset": onset(told, event)})
    else:
        yield Message(N_("The date of onset is not recorded."))
    if event.primary and study.safety:
        yield Message(N_("The onset lies in the primary window of %(days)s days."), {"days": study.safety.primary_days})
    if event.criteria:
        yield Message(N_("Serious by: %(criteria)s."), {"criteria": event.criteria})
    elif event.serious:
        yield Message(N_("Recorded as serious; the criterion is not recorded."))
    elif told.told.get("AESER") == "N":
        yield Message(N_("Recorded as not serious."))
    else:
        yield Message(N_("The seriousness is not recorded."))


def onset(told: Dossier, event: AdverseEvent) -> Message:
    """When the event began, and how long after the start of the treatment before it."""
    if not event.onset:
        return Message(N_("not recorded"))
    began = on(event.onset)
    if event.onset_time and len(event.onset) == len("2026-01-05"):
        began = on(f"{event.onset}T{event.onset_time}")
    treatment = told.before(event.onset)
    days, exact = distance(event, treatment)
    if days is None:
        said = N_("%(onset)s") if treatment else N_("%(onset)s, without a recorded treatment")
        return Message(said, {"onset": began})
    if exact is not None and timedelta(0) <= exact <= HOURS_TOLD:
        hours, minutes = divmod(exact // timedelta(minutes=1), 60)
        said = N_("%(onset)s, %(hours)s h %(minutes)s min after the start of treatment")
        return Message(said, {"onset": began, "hours": hours, "minutes": minutes})
    if exact is not None and days == 0:
        return Message(N_("%(onset)s, on the day of treatment, before its start"), {"onset": began})
    if days == 0:
        return Message(N_("%(onset)s, on the day of treatment"), {"onset": began})
    if days < 0:
        return Message(N_("%(onset)s, before the treatment (days: %(days)s)"), {"onset": began, "days": -days})
    return Message(N_("%(onset)s, after the start of treatment (days: %(days)s)"), {"onset": began, "days": days})


def _course(told: Dossier, event: AdverseEvent) -> Iterator[Sayable]:
    if told.course:
        steps = tuple(
            Message(N_("%(grade)s from %(since)s"), {"grade": one.severity, "since": on(one.since)})
            if one.since
            else Message(N_("%(grade)s (date not recorded)"), {"grade": one.severity})
            for one in told.course
        )
        yield Message(N_("Course of the severity: %(steps)s."), {"steps": steps})
    else:
        yield Message(N_("The course of the severity is not recorded."))
    yield tests(told)
    if told.told.get("AEACN"):
        yield Message(N_("Action taken with the treatment: %(action)s."), {"action": told.action})
    else:
        yield Message(N_("The action taken with the treatment is not recorded."))
    if told.other_action:
        yield Message(N_("Other measures: %(text)s."), {"text": closed(told.other_action)})
    else:
        yield Message(N_("No other measure is recorded."))
    yield (
        Message(N_("Outcome: %(outcome)s."), {"outcome": event.outcome})
        if told.told.get("AEOUT")
        else Message(N_("The outcome is not recorded."))
    )
    yield Message(N_("Date of end: %(end)s."), {"end": on(event.end)}) if event.end else Message(N_("The date of end is not recorded."))
    if told.died:
        yield Message(N_("Date of death: %(day)s."), {"day": on(told.died)})
    elif event.fatal:
        yield Message(N_("The date of death is not recorded."))


def tests(told: Dossier) -> Message:
    """The laboratory result that the site linked to the event."""
    if told.tests:
        return Message(N_("Linked laboratory result: %(text)s."), {"text": closed(told.tests)})
    return Message(N_("No laboratory result is linked to the event."))


def _assessment(study: Study, event: AdverseEvent, case: Case | None) -> Iterator[Sayable]:
    if _says(event.relation):
        yield Message(N_("Causality by the investigator: %(relation)s."), {"relation": event.relation})
    else:
        yield Message(N_("The investigator’s assessment of causality is not recorded."))
    if event.factors:
        yield Message(N_("Factor by factor, by the investigator: %(factors)s."), {"factors": factors(study, event.factors)})
    if case is None:
        return
    assessed = case.latest(Kind.ASSESSED)
    if assessed is None:
        yield Message(N_("The sponsor has not assessed the event yet."))
        return
    judged = assessed.content.get("related") or {}
    if judged:
        yield Message(N_("Factor by factor, by the sponsor: %(factors)s."), {"factors": factors(study, judged)})
    else:
        yield Message(N_("The sponsor has not judged causality."))
    yield expectedness(assessed)
    if assessed.content.get("comment"):
        yield Message(N_("Comment of the sponsor: %(text)s."), {"text": closed(str(assessed.content["comment"]))})


def expectedness(assessed: CaseEntry | None) -> Message:
    """What the sponsor decided, with the version of the reference safety information that it was read against."""
    content = assessed.content if assessed else {}
    if content.get("expected") is None:
        return Message(N_("The expectedness is not assessed."))
    version = str(content.get("rsi") or "")
    if not version:
        said = N_("Expected, by the sponsor.") if content["expected"] else N_("Unexpected, by the sponsor.")
        return Message(said)
    said = (
        N_("Expected by the reference safety information %(version)s.")
        if content["expected"]
        else N_("Unexpected by the reference safety information %(version)s.")
    )
    return Message(said, {"version": version})


def factors(study: Study, judged: Mapping[str, str]) -> tuple[Message, ...]:
    """Each factor that was judged, with the judgement in the study's words, in the order of the form."""
    return tuple(
        Message(N_("%(factor)s: %(judgement)s"), {"factor": Message(label), "judgement": study.meaning("AEREL", judged[alias])})
        for alias, label in FACTORS.items()
        if judged.get(alias)
    )
