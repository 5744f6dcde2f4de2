"""CIOMS I: one serious event as the form of the Council for International Organizations of Medical Sciences asks it, field by field.

Fields and numbers after the clinical reference, E.8. Name and initials are never recorded, so field 1 says PRIVACY and the trial's own
number; of a birth only the year is told. Fields 20 and 21 do not apply to a treatment that is given once and cannot be stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal

from trialcrf.core.access import ROLES
from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.dossier import Dossier, Treatment, dossier, on, quantity
from trialcrf.core.packs.narrative import Paragraph, condition, draft, expectedness, factors, medication, tests
from trialcrf.core.safety.case import Case, Kind, Version, facts_of, reportable
from trialcrf.core.safety.clock import day_zero
from trialcrf.core.safety.event import AdverseEvent
from trialcrf.core.typed import interval
from trialcrf.core.wording import N_, Message, Sayable, Words

NOT_RECORDED = Message(N_("not recorded"))
NOT_APPLICABLE = Message(N_("NA (single administration)"))

SERIOUSNESS: Mapping[str, str] = {
    "AESDTH": N_("Patient died"),
    "AESHOSP": N_("Involved or prolonged inpatient hospitalisation"),
    "AESDISAB": N_("Involved persistent or significant disability or incapacity"),
    "AESLIFE": N_("Life-threatening"),
    "AESCONG": N_("Congenital anomaly"),
    "AESMIE": N_("Other medically important condition"),
}
"""The boxes 8 to 12 in the order of the form."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the form; `known` is false where nobody answered, so that an empty box is not read as a no."""

    label: Message
    ticked: bool
    known: bool


@dataclass(frozen=True, slots=True)
class Cioms:
    """The form, one attribute a field. What is empty is printed as not recorded; `lacking` says what a valid report still needs.

    `f2` is the year of birth. `f4`, `f5`, `f6` are day, month and year of the onset as far as they are known. `weight` is in kilograms.
    `narratives` are the sponsor's own paragraphs by language; where a language has none the `draft` from the data is printed.
    """

    cut: Cut
    protocol: str
    title: Words
    number: int
    version: int
    data_known_at: datetime
    f1: Message
    f1a: str
    f2: str
    f2a: Sayable
    f3: Sayable
    f3a: Decimal | None
    f4: str
    f5: str
    f6: str
    f7: tuple[Sayable, ...]
    narratives: Mapping[str, tuple[str, ...]]
    draft: tuple[Paragraph, ...]
    f8_12: tuple[Box, ...]
    f13: Sayable
    f14: tuple[Sayable, ...]
    f15: Sayable
    f16: Sayable
    f17: Sayable
    f18: Sayable
    f19: Sayable
    f20: Sayable
    f21: Sayable
    f22: tuple[Message, ...]
    f23: tuple[Message, ...]
    f24a: str
    f24b: str
    f24c: str
    f24d: date
    source: Message
    f25a: date
    f25b: str
    f26: Message
    investigator: Sayable
    investigator_factors: tuple[Message, ...]
    sponsor_factors: tuple[Message, ...]
    expectedness: Message
    comment: str
    lacking: tuple[Message, ...]


def cioms(
    study: Study,
    record: SubjectRecord,
    event: AdverseEvent,
    case: Case,
    version: Version | None,
    cut: Cut,
    zone: tzinfo = UTC,
    country: str = "",
) -> Cioms:
    """The form for a version of a case; None is a draft of what is known now. `zone` is whose calendar the days of the sponsor are.

    `record` and `event` are as the version froze them, read with `dossier.STORY`; the case as it stood when the form was ordered.
    """
    told = dossier(study, record, event)
    treatment = told.before(event.onset)
    assessed = case.latest(Kind.ASSESSED)
    known_at = version.known_at if version else cut.known_at
    settings = study.safety
    sponsor = settings.sponsor if settings else None
    label = report_number(study, case)
    day, month, year = _parts(event.onset)
    return Cioms(
        cut=cut,
        protocol=study.protocol,
        title=study.title,
        number=case.number,
        version=version.number if version else 0,
        data_known_at=known_at,
        f1=Message(N_("PRIVACY – %(subject)s"), {"subject": told.subject}),
        f1a=country,
        f2=told.birth_year,
        f2a=_age(told),
        f3=told.sex_label if told.sex else NOT_RECORDED,
        f3a=told.weight,
        f4=day,
        f5=month,
        f6=year,
        f7=tuple(_described(event, told)),
        narratives=written(case),
        draft=draft(study, record, event, case),
        f8_12=tuple(Box(Message(said), told.told.get(alias) == "Y", alias in told.told) for alias, said in SERIOUSNESS.items()),
        f13=tests(told),
        f14=tuple(_product(treatment, told)),
        f15=_dose(treatment, told),
        f16=settings.product.route if _product_of(treatment) and settings and settings.product else _none(treatment),
        f17=settings.product.indication if _product_of(treatment) and settings and settings.product else _none(treatment),
        f18=_dates(treatment),
        f19=_duration(treatment),
        f20=NOT_APPLICABLE,
        f21=NOT_APPLICABLE,
        f22=tuple(medication(one) for one in told.taken_at(event.onset)),
        f23=tuple(condition(one) for one in told.history),
        f24a=f"{sponsor.name}\n{sponsor.address}" if sponsor else "",
        f24b=label,
        f24c=f"{label}/{version.number}" if version else "",
        f24d=day_zero(case).astimezone(zone).date(),
        source=Message(N_("Study")),
        f25a=known_at.astimezone(zone).date(),
        f25b=str(version.entry.content["kind"]) if version else "",
        f26=_reporter(case),
        investigator=event.relation,
        investigator_factors=factors(study, event.factors),
        sponsor_factors=factors(study, assessed.content.get("related") or {}) if assessed else (),
        expectedness=expectedness(assessed),
        comment=str(assessed.content.get("comment") or "") if assessed else "",
        lacking=missing(study, record, event, case),
    )


def report_number(study: Study, case: Case) -> str:
    """The number under which the sponsor reports the case: the protocol and the number of the case in it."""
    return f"{study.protocol}-{case.number:04d}"


def written(case: Case) -> dict[str, tuple[str, ...]]:
    """The narratives that the sponsor wrote, the last of each language, as paragraphs."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in case.all_of(Kind.NARRATIVE):
        # A browser ends a line with two signs.
        lines = str(entry.content.get("text") or "").replace("\r\n", "\n")
        paragraphs = (part.strip() for part in lines.split("\n\n"))
        found[str(entry.content["language"])] = tuple(part for part in paragraphs if part)
    return {language: found[language] for language in sorted(found)}


def missing(study: Study, record: SubjectRecord, event: AdverseEvent, case: Case) -> tuple[Message, ...]:
    """What a valid report still needs: the four minimum items first (subject, product, reporter, event), then what an authority asks."""
    told = dossier(study, record, event)
    treatment, sponsor = told.before(event.onset), study.safety.sponsor if study.safety else None
    assessed = case.latest(Kind.ASSESSED)
    facts = facts_of(record.subject_type, told.told, study.safety)
    wanted = (
        (bool(told.born or told.sex), N_("Neither year of birth nor sex is recorded: the subject is not identifiable.")),
        (treatment is not None and treatment.start != "", N_("No treatment is recorded: there is no suspect product.")),
        (treatment is None or not treatment.product or bool(treatment.batch) or told.blinded, N_("The batch is not recorded.")),
        (bool(event.verbatim), N_("The event is not recorded in the words of the site.")),
        (bool(event.onset), N_("The date of onset is not recorded.")),
        (bool(event.criteria), N_("No seriousness criterion is recorded.")),
        (bool(told.told.get("AEOUT")), N_("The outcome is not recorded.")),
        (facts.related is not None, N_("The investigator’s assessment of causality is not recorded.")),
        (reportable(facts, assessed) is not None and assessed is not None, N_("The sponsor has not assessed the event yet.")),
        (assessed is not None and assessed.content.get("expected") is not None, N_("The expectedness is not assessed.")),
        (sponsor is not None, N_("The study does not state its sponsor.")),
        (bool(case.versions), N_("No version of the case is frozen: this is a draft.")),
    )
    return tuple(Message(said) for so, said in wanted if not so)


def _parts(onset: str) -> tuple[str, str, str]:
    year, _, rest = onset.partition("T")[0].partition("-")
    month, _, day = rest.partition("-")
    return day, month, year


def _age(told: Dossier) -> Sayable:
    if not told.age:
        return NOT_RECORDED
    if len(told.age) == 1:
        return Message(N_("%(age)s years"), {"age": told.age[0]})
    return Message(N_("%(low)s or %(high)s years"), {"low": told.age[0], "high": told.age[1]})


def _described(event: AdverseEvent, told: Dossier) -> Iterator[Sayable]:
    yield Words({"": event.verbatim}) if event.verbatim else NOT_RECORDED
    if told.told.get("AEDECOD"):
        yield Message(N_("Coded term: %(term)s (%(soc)s)."), {"term": event.term, "soc": event.soc})
    if event.level is not None:
        yield Message(N_("Severity: %(grade)s."), {"grade": event.severity})
    yield Message(N_("Outcome: %(outcome)s."), {"outcome": event.outcome if told.told.get("AEOUT") else NOT_RECORDED})


def _product_of(treatment: Treatment | None) -> bool:
    return treatment is not None and treatment.product


def _none(treatment: Treatment | None) -> Message:
    return Message(N_("not applicable")) if treatment is not None and not treatment.product else NOT_RECORDED


def _product(treatment: Treatment | None, told: Dossier) -> Iterator[Sayable]:
    if treatment is None:
        yield NOT_RECORDED
        return
    if not treatment.product:
        yield Message(N_("No suspect product; procedure: %(what)s."), {"what": treatment.what})
        return
    named = any(treatment.what.texts.values()) if isinstance(treatment.what, Words) else bool(treatment.what.msgid)
    yield treatment.what if named else Message(N_("Study product"))
    if told.blinded:
        yield Message(N_("The study is blinded: arm, dose and batch are not told here."))
        return
    yield Message(N_("Batch: %(batch)s."), {"batch": treatment.batch or NOT_RECORDED})
    yield Message(N_("Passage of the cells: %(passage)s."), {"passage": treatment.passage or NOT_RECORDED})
    # Donor and recipient are of one family: their link stays in the traceability records (clinical reference, F.5).
    yield Message(N_("Donor: traced through the batch."))


def _dose(treatment: Treatment | None, told: Dossier) -> Sayable:
    return dose_said(treatment, told.blinded) if treatment is not None and treatment.product else _none(treatment)


def dose_said(treatment: Treatment, blinded: bool) -> Message:
    """What was given in all, once, and per kilogram where that is known."""
    if blinded:
        return Message(N_("blinded"))
    if treatment.dose is None:
        return NOT_RECORDED
    if treatment.per_kg is None:
        said = N_("%(dose)s, once") if treatment.unit.endswith("/kg") else N_("%(dose)s in all, once")
        return Message(said, {"dose": quantity(treatment.dose, treatment.unit)})
    doses = {"dose": quantity(treatment.dose, treatment.unit), "per_kg": quantity(treatment.per_kg, treatment.unit)}
    return Message(N_("%(dose)s in all (%(per_kg)s per kilogram), once"), doses)


def _dates(treatment: Treatment | None) -> Sayable:
    if treatment is None:
        return NOT_RECORDED
    if not treatment.product:
        return Message(N_("%(start)s (procedure)"), {"start": on(treatment.start)})
    return Message(
        N_("from %(start)s to %(end)s"), {"start": on(treatment.start), "end": on(treatment.end) if treatment.end else NOT_RECORDED}
    )


def _duration(treatment: Treatment | None) -> Sayable:
    if treatment is None or not treatment.product:
        return _none(treatment)
    if not treatment.end:
        return NOT_RECORDED
    if "T" in treatment.start and "T" in treatment.end:
        length = datetime.fromisoformat(treatment.end) - datetime.fromisoformat(treatment.start)
        hours, minutes = divmod(length // timedelta(minutes=1), 60)
        return Message(N_("%(hours)s h %(minutes)s min"), {"hours": hours, "minutes": minutes})
    first, last = interval(treatment.start), interval(treatment.end)
    if not (first.exact and last.exact):
        return NOT_RECORDED
    return Message(N_("%(days)s days"), {"days": (last.latest - first.earliest).days + 1})


def _reporter(case: Case) -> Message:
    """The role and site of who first recorded the event as serious; name and address stay with the sponsor."""
    opened = next((one for one in case.entries if one.kind is Kind.OPENED), None)
    role: object = Message(ROLES[opened.role]) if opened and opened.role in ROLES else Message(N_("Site staff"))
    return Message(N_("%(role)s, site %(site)s (name and address are held by the sponsor)"), {"role": role, "site": case.site})
