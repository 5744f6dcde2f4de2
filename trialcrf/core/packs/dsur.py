"""The tabulations of a development safety update report (ICH E2F): serious reactions of the interval, everything serious so far, exposure.

The interval is after the previous data-lock point, up to and on this one. The previous one is the last anniversary of the first
recorded consent before this cut-off: it follows from the data alone, so the same report can be made again at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from trialcrf.core import facts
from trialcrf.core.calendar import add_months, years_between
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.report import Death, NoSafetySettings, SafetyReport, tabulate
from trialcrf.core.packs.sae import Judged, SeriousEvent, serious_events
from trialcrf.core.safety.course import arms_given
from trialcrf.core.safety.event import said
from trialcrf.core.safety.participant import Participant, read_participant
from trialcrf.core.values import interval
from trialcrf.core.wording import N_, Message, Sayable, Words, alphabetical

CONSENT = "RFICDAT"
AGES = ((0, 17), (18, 64), (65, 74), (75, 84), (85, 150))
"""Completed years at the first treatment; a birth date known to the month or year is taken at its latest, the younger age."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """One line of the interval listing (E2F 7.2): country of the sponsor's register, no date of birth, age and sex only."""

    serious: SeriousEvent
    age: int | None
    sex: Sayable
    dose: Decimal | None
    unit: str
    treated_on: date | None
    onset_day: int | None


@dataclass(frozen=True, slots=True)
class ExposureLine:
    """Treated subjects of one kind (an age, a sex), for each column of arms and all."""

    group: Message
    label: Sayable
    subjects: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A subject whose participation ended because of an adverse event."""

    subject: str
    arm: Sayable
    on: str


@dataclass(frozen=True, slots=True)
class DsurReport:
    """What `reports/dsur` prints. `after` is the previous data-lock point, itself not in the interval; None: it begins with the study."""

    cut: Cut
    title: Words
    protocol: str
    sponsor: str
    after: date | None
    first_consent: date | None
    base: SafetyReport
    reactions: tuple[Reaction, ...]
    undated: int
    arms: tuple[Sayable, ...]
    exposure: tuple[ExposureLine, ...]
    deaths_in_interval: tuple[Death, ...]
    withdrawals: tuple[Withdrawal, ...]
    product: Sayable
    indication: Sayable


def update(study: Study, subjects: Sequence[SubjectRecord], judged: Sequence[Judged], cut: Cut) -> DsurReport:
    """The report at this data-lock point (the cut-off). Raises NoSafetySettings."""
    settings = study.safety
    if settings is None:
        raise NoSafetySettings(study.oid)
    counted = (read_participant(study, settings, one, cut.as_of) for one in facts.people(study, subjects))
    people = sorted(counted, key=lambda one: alphabetical(one.key))
    first = min((interval(text).earliest for one in people for text in one.subject.all_of(CONSENT)), default=None)
    after = previous_lock(first, cut.as_of)
    base = replace(tabulate(study, subjects, cut), drawings=())
    arms = arms_given(settings, people)
    by_key = {one.key: one for one in people}
    reactions = [one for one in serious_events(people, judged) if one.related]
    inside = [one for one in reactions if one.event.earliest is not None and (after is None or one.event.earliest > after)]
    return DsurReport(
        cut=cut,
        title=study.title,
        protocol=study.protocol,
        sponsor=settings.sponsor.name if settings.sponsor else "",
        after=after,
        first_consent=first,
        base=base,
        reactions=tuple(_reaction(study, by_key[one.event.subject], one) for one in inside),
        undated=sum(one.event.earliest is None for one in reactions),
        arms=tuple(arms.values()),
        exposure=tuple(_exposure(study, people, list(arms))),
        deaths_in_interval=tuple(one for one in base.deaths if _within(one.on, after)),
        withdrawals=tuple(_withdrawals(people)),
        product=settings.product.name if settings.product else Words(),
        indication=settings.product.indication if settings.product else Words(),
    )


def previous_lock(first: date | None, lock: date) -> date | None:
    """The last anniversary of this day strictly before the lock; None in the first year, whose interval begins with the study."""
    if first is None:
        return None
    years = lock.year - first.year
    while years > 0 and add_months(first, 12 * years) >= lock:
        years -= 1
    return add_months(first, 12 * years) if years > 0 else None


def _within(day: str, after: date | None) -> bool:
    """Whether a (partial) day may lie in the interval; an unknown one may."""
    return not day or after is None or interval(day).latest > after


def age_at(subject: SubjectRecord, day: date | None) -> int | None:
    """Completed years on that day, None where birth or day is unknown."""
    born = subject.first("BRTHDAT")
    if born is None or day is None:
        return None
    return years_between(interval(born).latest, day)


def sex_of(study: Study, person: Participant) -> Sayable:
    record = next((one for one in person.records if "SEX" in one.values or "SEX" in one.missing), None)
    return said(study, record, "SEX") if record else Message(N_("not recorded"))


def _reaction(study: Study, person: Participant, serious: SeriousEvent) -> Reaction:
    first = person.treated_on
    onset = serious.event.earliest
    started = first.earliest if first else None
    given = [dose for dose in person.given if onset is None or dose.on.earliest <= onset] or list(person.given)
    last = given[-1] if given else None
    age = age_at(person.subject, onset or started)
    return Reaction(
        serious,
        age,
        sex_of(study, person),
        last.dose if last else None,
        last.unit if last else "",
        last.on.earliest if last else None,
        (onset - last.on.earliest).days if last and onset else None,
    )


def _exposure(study: Study, people: Sequence[Participant], arms: Sequence[str]) -> Iterator[ExposureLine]:
    treated = [one for one in people if one.treated]
    ages = {one.key: age_at(one.subject, one.treated_on.earliest if one.treated_on else None) for one in treated}

    def line(group: Message, label: Sayable, members: Sequence[Participant]) -> ExposureLine:
        return ExposureLine(group, label, (*(sum(one.arm == arm for one in members) for arm in arms), len(members)))

    group = Message(N_("Age at first treatment"))
    for low, high in AGES:
        members = [one for one in treated if (age := ages[one.key]) is not None and low <= age <= high]
        if members:
            words = Message(N_("%(low)s to %(high)s years"), {"low": low, "high": high}) if high < AGES[-1][1] else None
            yield line(group, words or Message(N_("%(low)s years or more"), {"low": low}), members)
    unknown = [one for one in treated if ages[one.key] is None]
    if unknown:
        yield line(group, Message(N_("not recorded")), unknown)
    sexes: dict[str, tuple[Sayable, list[Participant]]] = {}
    for one in treated:
        sexes.setdefault(one.subject.first("SEX") or "", (sex_of(study, one), []))[1].append(one)
    for code in sorted(sexes, key=lambda code: (not code, code)):
        yield line(Message(N_("Sex")), *sexes[code])
    yield line(Message(N_("All")), Message(N_("Total")), treated)


def _withdrawals(people: Sequence[Participant]) -> Iterator[Withdrawal]:
    for one in people:
        for record in one.records:
            ended = record.values.get("DSDECOD") == "ADVERSE EVENT"
            if ended and any(code == "ADVERSE EVENT" for code, _ in one.endings):
                yield Withdrawal(one.key, one.arm_label, record.values.get("DSSTDAT", ""))
