"""The ICH E2B(R3) message itself: the elements of MCCI_IN200100UV01 in the order of the HL7 v3 model, each with the number of its element.

Order and identifiers follow from the case alone: no clock, no chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs import narrative
from trialcrf.core.packs.cioms import dose_said, report_number, written
from trialcrf.core.packs.dossier import Dossier, Medication, Treatment, distance, dossier
from trialcrf.core.packs.e2b import OUTCOMES, Coding, Exchange, Incomplete, missing
from trialcrf.core.safety.case import Case, Kind, Version, facts_of, reportable
from trialcrf.core.safety.clock import day_zero
from trialcrf.core.safety.event import NOT_RELATED, RELATED, AdverseEvent
from trialcrf.core.wording import N_, Message, Sayable, Words

Say = Callable[[Sayable], str]

ICH = "2.16.840.1.113883.3.989.2.1"
OBSERVATION, ORGANISER = f"{ICH}.1.19", f"{ICH}.1.20"
MEDDRA, SEX_CODES, COUNTRIES = "2.16.840.1.113883.6.163", "1.0.5218", "1.0.3166.1.2.2"

_SERIOUS = {"AESDTH": "34", "AESLIFE": "21", "AESHOSP": "33", "AESDISAB": "35", "AESCONG": "12", "AESMIE": "26"}
_ACTIONS = {
    "DRUG WITHDRAWN": "1", "DOSE REDUCED": "2", "DOSE INCREASED": "3", "DOSE NOT CHANGED": "4", "UNKNOWN": "0", "NOT APPLICABLE": "9",
}  # fmt: skip
_LANGUAGES = {"fr": "fra", "en": "eng"}  # ISO 639-2
_SHORTEST_INTERVAL = timedelta(days=2)  # up to here the interval is told in minutes, where both moments are recorded


def e2b(
    study: Study,
    record: SubjectRecord,
    event: AdverseEvent,
    case: Case,
    version: Version | None,
    coding: Coding | None,
    exchange: Exchange,
    language: str,
    say: Say,
) -> bytes:
    """The message in UTF-8; free text is said by `say` in `language`. Raises Incomplete with everything that is missing."""
    lacking = missing(study, record, event, case, version, coding, exchange)
    if lacking or version is None or coding is None:
        raise Incomplete(lacking)
    return _Writer(study, record, event, case, version, coding, exchange, language, say).message()


def moment(text: str) -> str:
    """A canonical (partial) day or moment as an HL7 time stamp, with the precision that it has."""
    day, _, clock = text.partition("T")
    if not clock:
        return day.replace("-", "")
    return datetime.fromisoformat(text).strftime("%Y%m%d%H%M%S%z")


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def _add(parent: Element, path: str, text: str = "", **attributes: str) -> Element:
    """The last element of a path of new elements (`a/b.CLASS`: class OBS and mood EVN where they stand behind a dot)."""
    for step in path.split("/"):
        tag, _, kind = step.partition(".")
        parent = SubElement(parent, tag, _KINDS.get(kind, {"typeCode": kind} if kind else {}))
    for name, value in attributes.items():
        parent.set("xsi:type" if name == "type" else name, value)
    parent.text = text or None
    return parent


_KINDS: Mapping[str, dict[str, str]] = {
    name: {"classCode": name, "moodCode": "EVN"} for name in ("OBS", "CATEGORY", "SBADM", "INVSTG", "CACT", "CLNTRL", "DOC", "ACT")
} | {
    "PSN": {"classCode": "PSN", "determinerCode": "INSTANCE"},
    "ORG": {"classCode": "ORG", "determinerCode": "INSTANCE"},
    "DEV": {"classCode": "DEV", "determinerCode": "INSTANCE"},
    "KIND": {"classCode": "MMAT", "determinerCode": "KIND"},
    "LOT": {"classCode": "MMAT", "determinerCode": "INSTANCE"},
    "COUNTRY": {"classCode": "COUNTRY", "determinerCode": "INSTANCE"},
    "INVSBJ": {"classCode": "INVSBJ"},
    "ASSIGNED": {"classCode": "ASSIGNED"},
    "IDENT": {"classCode": "IDENT"},
    "INST": {"classCode": "INST"},
    "QUAL": {"classCode": "QUAL"},
    "LOCE": {"classCode": "LOCE"},
}


@dataclass(frozen=True, slots=True)
class _Writer:
    study: Study
    record: SubjectRecord
    event: AdverseEvent
    case: Case
    version: Version
    coding: Coding
    exchange: Exchange
    language: str
    say: Say

    @property
    def told(self) -> Dossier:
        return dossier(self.study, self.record, self.event)

    @property
    def number(self) -> str:
        """C.1.1: country, organisation and report, joined by hyphens."""
        sponsor = self.study.safety.sponsor if self.study.safety else None
        return "-".join([sponsor.country if sponsor else "", self.exchange.sender.replace("-", ""), report_number(self.study, self.case)])

    def id(self, what: str) -> str:
        """An identifier within the message: the same for the same thing of the same case, whatever the version (RFC 9562, version 8)."""
        told = bytearray(sha256(f"{self.study.oid}/{self.case.number}/{what}".encode()).digest()[:16])
        told[6], told[8] = told[6] & 0x0F | 0x80, told[8] & 0x3F | 0x80
        return "-".join(told[start:end].hex() for start, end in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 16)))

    def message(self) -> bytes:
        root = Element("MCCI_IN200100UV01", {"ITSVersion": "XML_1.0", "xmlns": "urn:hl7-org:v3"})
        root.set("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
        made, batch = _utc(self.version.known_at), f"{self.number}-{self.version.number}"
        _add(root, "id", extension=batch, root=f"{ICH}.3.22")  # N.1.2
        _add(root, "creationTime", value=made)  # N.1.5
        _add(root, "responseModeCode", code="D")
        _add(root, "interactionId", extension="MCCI_IN200100UV01", root="2.16.840.1.113883.1.6")
        _add(root, "name", code="1", codeSystem=f"{ICH}.1.1")  # N.1.1
        report = SubElement(root, "PORR_IN049016UV")
        _add(report, "id", extension=self.number, root=f"{ICH}.3.1")  # N.2.r.1
        _add(report, "creationTime", value=made)  # N.2.r.4
        _add(report, "interactionId", extension="PORR_IN049016UV", root="2.16.840.1.113883.1.6")
        _add(report, "processingCode", code="P")
        _add(report, "processingModeCode", code="T")
        _add(report, "acceptAckCode", code="AL")
        self.party(report, "receiver.RCV", self.exchange.receiver, "12")  # N.2.r.3
        self.party(report, "sender.SND", self.exchange.sender, "11")  # N.2.r.2
        act = _add(report, "controlActProcess.CACT")
        _add(act, "code", code="PORR_TE049016UV", codeSystem="2.16.840.1.113883.1.18")
        _add(act, "effectiveTime", value=made)  # C.1.2
        self.investigation(_add(act, "subject.SUBJ/investigationEvent.INVSTG"))
        self.party(root, "receiver.RCV", self.exchange.receiver, "14")  # N.1.4
        self.party(root, "sender.SND", self.exchange.sender, "13")  # N.1.3
        ElementTree.indent(root, " ")
        text = ElementTree.tostring(root, "unicode")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()

    def party(self, parent: Element, who: str, identifier: str, root: str) -> None:
        _add(parent, f"{who}/device.DEV/id", extension=identifier, root=f"{ICH}.3.{root}")

    def investigation(self, event: Element) -> None:
        _add(event, "id", extension=self.number, root=f"{ICH}.3.1")  # C.1.1
        _add(event, "id", extension=self.number, root=f"{ICH}.3.2")  # C.1.8.1
        _add(event, "code", code="PAT_ADV_EVNT", codeSystem="2.16.840.1.113883.5.4")
        _add(event, "text", self.narrative(), mediaType="text/plain")  # H.1
        _add(event, "statusCode", code="active")
        _add(event, "effectiveTime/low", value=_utc(day_zero(self.case)))  # C.1.4
        _add(event, "availabilityTime", value=_utc(self.version.known_at))  # C.1.5
        papers = self.case.all_of(Kind.DOCUMENT)
        for place, _ in enumerate(papers, 1):
            document = _add(event, "reference.REFR/document.DOC")
            _add(document, "code", code="1", codeSystem=f"{ICH}.1.27")
            # The names of files are a person's words: they may hold what a report must not.
            _add(document, "title", self.say(Message(N_("Document %(number)s of the case"), {"number": place})))  # C.1.6.1.r.1
        assessment = _add(event, "component.COMP/adverseEventAssessment.INVSTG")
        self.patient(_add(assessment, "subject1.SBJ/primaryRole.INVSBJ"))
        self.roles(assessment)
        self.causality(assessment)
        self.comment(assessment)
        self.fact(event, "1", "BL", value="true" if papers else "false")  # C.1.6.1
        self.fact(event, "23", "BL", value="true" if self.expedited() else "false")  # C.1.7
        first = _add(event, "outboundRelationship.SPRT/relatedInvestigation.INVSTG")
        _add(first, "code", code="1", codeSystem=f"{ICH}.1.22")
        _add(
            first, "subjectOf2.SUBJ/controlActEvent.CACT/author.AUT/assignedEntity.ASSIGNED/code", code="2", codeSystem=f"{ICH}.1.3"
        )  # C.1.8.2
        self.source(event)
        self.sender(event)
        kind = _add(event, "subjectOf2.SUBJ/investigationCharacteristic.OBS")
        _add(kind, "code", code="1", codeSystem=f"{ICH}.1.23")
        _add(kind, "value", type="CE", code="2", codeSystem=f"{ICH}.1.2")  # C.1.3: report from study
        other = _add(event, "subjectOf2.SUBJ/investigationCharacteristic.OBS")
        _add(other, "code", code="2", codeSystem=f"{ICH}.1.23")
        _add(other, "value", type="BL", nullFlavor="NI")  # C.1.9.1

    def narrative(self) -> str:
        own = written(self.case).get(self.language)
        return "\n\n".join(own) if own else narrative.text(narrative.draft(self.study, self.record, self.event, self.case), self.say)

    def expedited(self) -> bool:
        assessed = self.case.latest(Kind.ASSESSED)
        related = reportable(facts_of(self.record.subject_type, self.told.told, self.study.safety), assessed)
        return bool(self.event.serious and related and assessed and assessed.content.get("expected") is False)

    def fact(self, parent: Element, what: str, kind: str, **value: str) -> None:
        observed = _add(parent, "component.COMP/observationEvent.OBS")
        _add(observed, "code", code=what, codeSystem=OBSERVATION)
        _add(observed, "value", type=kind, **value)

    def source(self, event: Element) -> None:
        """C.2.r: a physician of the site, whose name stays with the sponsor."""
        link = _add(event, "outboundRelationship.SPRT")
        _add(link, "priorityNumber", value="1")  # C.2.r.5
        report = _add(link, "relatedInvestigation.INVSTG")
        _add(report, "code", code="2", codeSystem=f"{ICH}.1.22")
        who = _add(report, "subjectOf2.SUBJ/controlActEvent.CACT/author.AUT/assignedEntity.ASSIGNED")
        person = _add(who, "assignedPerson.PSN")
        _add(person, "name/family", nullFlavor="MSK")  # C.2.r.1.4
        _add(person, "asQualifiedEntity.QUAL/code", code="1", codeSystem=f"{ICH}.1.6")  # C.2.r.4
        _add(person, "asLocatedEntity.LOCE/location.COUNTRY/code", code=self.exchange.country, codeSystem=COUNTRIES)  # C.2.r.3

    def sender(self, event: Element) -> None:
        sponsor = self.study.safety.sponsor if self.study.safety else None
        who = _add(event, "subjectOf1.SUBJ/controlActEvent.CACT/author.AUT/assignedEntity.ASSIGNED")
        _add(who, "code", code=self.exchange.sender_type, codeSystem=f"{ICH}.1.7")  # C.3.1
        if sponsor:
            _add(who, "representedOrganization.ORG/assignedEntity.ASSIGNED/representedOrganization.ORG/name", sponsor.name)  # C.3.2

    def patient(self, role: Element) -> None:
        told = self.told
        person = _add(role, "player1.PSN")
        _add(person, "name", nullFlavor="MSK")  # D.1
        if told.sex in ("M", "F"):
            _add(person, "administrativeGenderCode", code="1" if told.sex == "M" else "2", codeSystem=SEX_CODES)  # D.5
        _add(person, "birthTime", nullFlavor="MSK")  # D.2.1
        if told.died:
            _add(person, "deceasedTime", value=moment(told.died))  # D.9.1
        known_as = _add(person, "asIdentifiedEntity.IDENT")
        _add(known_as, "id", extension=told.subject, root=f"{ICH}.3.10")  # D.1.1.4
        _add(known_as, "code", code="4", codeSystem=f"{ICH}.1.4")
        study = _add(role, "subjectOf1.SBJ/researchStudy.CLNTRL")
        _add(study, "id", extension=self.study.protocol, root=f"{ICH}.3.5")  # C.5.3
        _add(study, "code", code="1", codeSystem=f"{ICH}.1.8")  # C.5.4: clinical trial
        _add(study, "title", self.say(self.study.title))  # C.5.2
        if len(told.age) == 1:
            self.observed(role, "3", type="PQ", value=str(told.age[0]), unit="a")  # D.2.2
        if told.weight is not None:
            self.observed(role, "7", type="PQ", value=str(told.weight), unit="kg")  # D.3
        history = _add(role, "subjectOf2.SBJ/organizer.CATEGORY")
        _add(history, "code", code="1", codeSystem=ORGANISER)
        past = _add(history, "component.COMP/observation.OBS")
        _add(past, "code", code="18", codeSystem=OBSERVATION)
        terms = "; ".join(self.say(narrative.condition(one)) for one in told.history)
        _add(past, "value", terms, type="ED", **({} if terms else {"nullFlavor": "UNK"}))  # D.7.2
        if told.died:
            self.observed(role, "5", type="BL", nullFlavor="UNK")  # D.9.3: whether there was an autopsy is not asked
        self.reaction(_add(role, "subjectOf2.SBJ/observation.OBS"))
        drugs = _add(role, "subjectOf2.SBJ/organizer.CATEGORY")
        _add(drugs, "code", code="4", codeSystem=ORGANISER)
        for place, treatment in enumerate(self.given()):
            self.drug(_add(drugs, "component.COMP/substanceAdministration.SBADM"), treatment, f"drug/{place}")
        for place, taken in enumerate(told.taken_at(self.event.onset)):
            self.concomitant(_add(drugs, "component.COMP/substanceAdministration.SBADM"), taken, f"concomitant/{place}")

    def given(self) -> tuple[Treatment, ...]:
        return tuple(one for one in self.told.treatments if one.product)

    def observed(self, parent: Element, what: str, **value: str) -> None:
        made = _add(parent, "subjectOf2.SBJ/observation.OBS")
        _add(made, "code", code=what, codeSystem=OBSERVATION)
        _add(made, "value", **value)

    def reaction(self, made: Element) -> None:
        told = self.told.told
        _add(made, "id", root=self.id("reaction"))
        _add(made, "code", code="29", codeSystem=OBSERVATION)
        if self.event.onset or self.event.end:
            when = _add(made, "effectiveTime", type="IVL_TS")
            if self.event.onset:
                _add(when, "low", value=moment(self.event.onset))  # E.i.4
            if self.event.end:
                _add(when, "high", value=moment(self.event.end))  # E.i.5
        coded = {"code": self.coding.llt, "codeSystem": MEDDRA, "codeSystemVersion": self.coding.version}
        term = _add(made, "value", type="CE", **coded)  # E.i.2.1
        native = _LANGUAGES.get(self.study.languages[0])
        _add(term, "originalText", self.event.verbatim, **({"language": native} if native else {}))  # E.i.1.1
        for alias, code in _SERIOUS.items():  # E.i.3.2a to f: what is not true has no information, never "false"
            self.about(made, code, "BL", **({"value": "true"} if told.get(alias) == "Y" else {"nullFlavor": "NI"}))
        self.about(made, "27", "CE", code=OUTCOMES.get(told.get("AEOUT", ""), "0"), codeSystem=f"{ICH}.1.11")  # E.i.7

    def about(self, parent: Element, what: str, kind: str, **value: str) -> Element:
        made = _add(parent, "outboundRelationship2.PERT/observation.OBS")
        _add(made, "code", code=what, codeSystem=OBSERVATION)
        _add(made, "value", type=kind, **value)
        return made

    def drug(self, made: Element, treatment: Treatment, key: str) -> None:
        product = self.study.safety.product if self.study.safety else None
        assert product is not None
        _add(made, "id", root=self.id(key))
        _add(made, "consumable.CSM/instanceOfKind.INST/kindOfProduct.KIND/name", self.say(product.name))  # G.k.2.2
        self.interval(made, treatment)
        dosage = _add(made, "outboundRelationship2.COMP/substanceAdministration.SBADM")
        if treatment.dose is not None:
            _add(dosage, "text", self.say(dose_said(treatment, blinded=False)))  # G.k.4.r.8
        self.dates(dosage, treatment.start, treatment.end)
        _add(dosage, "routeCode/originalText", self.say(product.route))  # G.k.4.r.10.1
        if treatment.batch:
            _add(dosage, "consumable.CSM/instanceOfKind.INST/productInstanceInstance.LOT/lotNumberText", treatment.batch)  # G.k.4.r.7
        if self.told.blinded:
            self.about(made, "6", "BL", value="true")  # G.k.2.5
        again = self.about(made, "31", "CE", code="4", codeSystem=f"{ICH}.1.16")  # G.k.9.i.4: no rechallenge was done
        _add(again, "outboundRelationship1.REFR/actReference.OBS/id", root=self.id("reaction"))
        why = _add(made, "inboundRelationship.RSON/observation.OBS")
        _add(why, "code", code="19", codeSystem=OBSERVATION)
        _add(why, "value", type="CE").append(_text("originalText", self.say(product.indication)))  # G.k.7.r.1
        _add(why, "performer.PRF/assignedEntity.ASSIGNED/code", code="3", codeSystem=f"{ICH}.1.21")
        action = _ACTIONS.get(self.told.told.get("AEACN", ""))
        if action:
            _add(made, "inboundRelationship.CAUS/act.ACT/code", code=action, codeSystem=f"{ICH}.1.15")  # G.k.8

    def interval(self, made: Element, treatment: Treatment) -> None:
        days, exact = distance(self.event, treatment)
        if exact is not None and timedelta(0) <= exact <= _SHORTEST_INTERVAL:
            value, unit = exact // timedelta(minutes=1), "min"
        elif days is not None and (days > 0 or (days == 0 and exact is None)):
            value, unit = days, "d"
        else:
            return
        link = _add(made, "outboundRelationship1.SAS")
        _add(link, "pauseQuantity", value=str(value), unit=unit)  # G.k.9.i.3.1
        _add(link, "actReference.OBS/id", root=self.id("reaction"))

    def dates(self, dosage: Element, start: str, end: str) -> None:
        if not (start or end):
            return
        when = _add(_add(dosage, "effectiveTime", type="SXPR_TS"), "comp", type="IVL_TS", operator="A")
        if start:
            _add(when, "low", value=moment(start))  # G.k.4.r.4
        if end:
            _add(when, "high", value=moment(end))  # G.k.4.r.5

    def concomitant(self, made: Element, taken: Medication, key: str) -> None:
        _add(made, "id", root=self.id(key))
        _add(made, "consumable.CSM/instanceOfKind.INST/kindOfProduct.KIND/name", taken.name)
        dosage = _add(made, "outboundRelationship2.COMP/substanceAdministration.SBADM")
        if taken.dose is not None:
            _add(dosage, "text", f"{taken.dose} {self.say(taken.unit)}")
        self.dates(dosage, taken.start, taken.end)

    def roles(self, assessment: Element) -> None:
        """G.k.1: the product is suspect, every other drug concomitant."""
        drugs = [(f"drug/{place}", "1") for place, _ in enumerate(self.given())]
        drugs += [(f"concomitant/{place}", "2") for place, _ in enumerate(self.told.taken_at(self.event.onset))]
        for key, role in drugs:
            made = _add(assessment, "component.COMP/causalityAssessment.OBS")
            _add(made, "code", code="20", codeSystem=OBSERVATION)
            _add(made, "value", type="CE", code=role, codeSystem=f"{ICH}.1.13")
            _add(made, "subject2.SUBJ/productUseReference.SBADM/id", root=self.id(key))

    def causality(self, assessment: Element) -> None:
        """G.k.9.i.2: the investigator and the sponsor on the product, each in the study's words."""
        assessed = self.case.latest(Kind.ASSESSED)
        theirs = (assessed.content.get("related") or {}) if assessed else {}
        judged = (
            (Message(N_("Investigator")), self.event.factors.get("AERELPRD") or self.told.told.get("AEREL", "")),
            (Message(N_("Sponsor")), theirs.get("AERELPRD", "")),
        )
        for place, _ in enumerate(self.given()):
            for source, result in judged:
                if result in (RELATED, NOT_RELATED):
                    meant = self.study.meaning("AEREL", result)
                    made = _add(assessment, "component.COMP/causalityAssessment.OBS")
                    _add(made, "code", code="39", codeSystem=OBSERVATION)
                    _add(made, "value", self.say(meant) if isinstance(meant, Words) else meant, type="ST")
                    _add(made, "methodCode/originalText", self.say(Message(N_("Reasonable possibility, yes or no"))))
                    _add(made, "author.AUT/assignedEntity.ASSIGNED/code/originalText", self.say(source))
                    _add(made, "subject1.SUBJ/adverseEffectReference.OBS/id", root=self.id("reaction"))
                    _add(made, "subject2.SUBJ/productUseReference.SBADM/id", root=self.id(f"drug/{place}"))

    def comment(self, assessment: Element) -> None:
        assessed = self.case.latest(Kind.ASSESSED)
        words = str(assessed.content.get("comment") or "") if assessed else ""
        if words:
            made = _add(assessment, "component1.COMP/observationEvent.OBS")
            _add(made, "code", code="10", codeSystem=OBSERVATION)
            _add(made, "value", words, type="ED")  # H.4
            _add(made, "author.AUT/assignedEntity.ASSIGNED/code", code="1", codeSystem=f"{ICH}.1.21")


def _text(tag: str, words: str) -> Element:
    made = Element(tag)
    made.text = words
    return made
