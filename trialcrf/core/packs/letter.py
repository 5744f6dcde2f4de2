"""The letter by which a sponsor tells every investigator of a suspected unexpected serious adverse reaction (CTR article 42)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, tzinfo

from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.cioms import report_number
from trialcrf.core.packs.dossier import Treatment, dossier
from trialcrf.core.packs.narrative import expectedness, onset
from trialcrf.core.safety.case import Case, CaseState, Kind, Version, facts_of, reportable
from trialcrf.core.safety.event import AdverseEvent
from trialcrf.core.wording import N_, Message, Sayable, Words


@dataclass(frozen=True, slots=True)
class Letter:
    """What every investigator may know of it: the subject by its key only, and no word that a site wrote freely.

    `treatment` holds neither arm, dose nor batch where the study blinds. `dated` is the sponsor's day of the version.
    """

    cut: Cut
    protocol: str
    title: Words
    sponsor: str
    address: str
    reference: str
    version: int
    dated: date
    subject: str
    site: str
    term: Sayable
    soc: Sayable
    severity: Sayable
    criteria: tuple[Message, ...]
    onset: Message
    outcome: Sayable
    treatment: Treatment | None
    blinded: bool
    investigator: Sayable
    expectedness: Message


def why_not(record: SubjectRecord, event: AdverseEvent, case: Case, study: Study) -> Message | None:
    """Why there is nothing to write of: only a serious event that is related and assessed as unexpected is told to all investigators."""
    if case.state is CaseState.NULLIFIED:
        return Message(N_("The case is nullified: there is nothing to inform investigators of."))
    facts = facts_of(record.subject_type, dossier(study, record, event).told, study.safety)
    assessed = case.latest(Kind.ASSESSED)
    if not event.serious:
        return Message(N_("The event is not recorded as serious."))
    if assessed is None:
        return Message(N_("The sponsor has not assessed the event yet."))
    if not reportable(facts, assessed):
        return Message(N_("Neither the investigator nor the sponsor judges it related."))
    if assessed.content.get("expected") is None:
        return Message(N_("The expectedness is not assessed."))
    if assessed.content["expected"]:
        return Message(N_("The sponsor assessed it as expected: it is no suspected unexpected reaction."))
    return None


def letter(
    study: Study, record: SubjectRecord, event: AdverseEvent, case: Case, version: Version | None, cut: Cut, zone: tzinfo = UTC
) -> Letter:
    """The letter of a case; ask `why_not` first. The words of the site are left out: they may tell more than a letter may."""
    told = dossier(study, record, event)
    settings = study.safety
    sponsor = settings.sponsor if settings else None
    return Letter(
        cut=cut,
        protocol=study.protocol,
        title=study.title,
        sponsor=sponsor.name if sponsor else "",
        address=sponsor.address if sponsor else "",
        reference=report_number(study, case),
        version=version.number if version else 0,
        dated=(version.known_at if version else cut.known_at).astimezone(zone).date(),
        subject=told.subject,
        site=told.site,
        term=event.term if told.told.get("AEDECOD") else Message(N_("Term not coded")),
        soc=event.soc,
        severity=event.severity,
        criteria=event.criteria,
        onset=onset(told, event),
        outcome=event.outcome,
        treatment=told.before(event.onset),
        blinded=told.blinded,
        investigator=event.relation,
        expectedness=expectedness(case.latest(Kind.ASSESSED)),
    )
