"""A serious event with everything around it, for the tests of the documents of a case: invented, and complete unless a test takes away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.core.safety_cases import RELATIONS, Subject, both, codes, form, item, study
from trialcrf.core.cut import Cut
from trialcrf.core.definition.codes import CodeList
from trialcrf.core.definition.model import Anchor, DataType, EventType, FormRef, ItemGroupDef, Study, StudyEventDef
from trialcrf.core.definition.safety import Emergence, SponsorParty, SuspectProduct
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.safety.case import Case, CaseEntry, Kind
from trialcrf.core.safety.event import AdverseEvent
from trialcrf.core.safety.participant import read_participant

KNOWN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SEX = codes("SEX", ("F", "Female", "Féminin"), ("M", "Male", "Masculin"))
ACTION = codes(
    "ACTION", ("DRUG INTERRUPTED", "Infusion interrupted", "Perfusion interrompue"), ("NOT APPLICABLE", "Not applicable", "Sans objet")
)
JUDGED = CodeList("RELATED", (*codes("R", ("RELATED", "Reasonable possibility", "Possibilité raisonnable")).items, *RELATIONS.items))
CUT = Cut(KNOWN.date(), KNOWN + timedelta(hours=2), 3, "0f3a91c2e0d45b18" * 4, "7f3a91c2e0d45b18" * 4, "msc_demo")

EVENT = {
    "AETERM": "Détresse respiratoire <après> & pendant la perfusion",
    "AEDECOD": "Dyspnea",
    "AEBODSYS": "GENERAL",
    "AETOXGR": "4",
    "AESTDAT": "2026-02-08",
    "AESTTIM": "16:30",
    "AESER": "Y",
    "AESLIFE": "Y",
    "AESHOSP": "Y",
    "AESDTH": "N",
    "AEREL": "RELATED",
    "AERELPRD": "RELATED",
    "AERELDIS": "NOT RELATED",
    "AEACN": "NOT APPLICABLE",
    "AEACNOTH": "Oxygen and corticosteroids.",
    "AEOUT": "RECOVERED/RESOLVED",
    "AEENDAT": "2026-02-20",
    "AEAWARE": "2026-02-08T18:00+01:00",
    "AELNKLB": "CRP 182 mg/L, 2026-02-09",
}


def documented_study(**more: Any) -> Study:
    """The study of the safety tests with a product, a sponsor, a harvest for donors, and the forms that a case draws on."""
    base = study()
    assert base.safety is not None
    events = form("EVENT", *(one for _, one in base.form["EVENT"].items.values()))
    extra = [
        item("AESTTIM", DataType.TIME), item("AEACN", DataType.CODELIST, ACTION), item("AEACNOTH"), item("AELNKLB"), item("AEAWARE"),
        item("AEREL", DataType.CODELIST, JUDGED), item("AERELPRD", DataType.CODELIST, JUDGED), item("AERELDIS", DataType.CODELIST, JUDGED),
    ]  # fmt: skip
    kept = [one for _, one in events.items.values() if one.aliases != ("AEREL",)]
    event_form = replace(events, groups=(ItemGroupDef("G", both("G", "G"), (*kept, *extra)),))
    forms = (
        event_form,
        *(one for one in base.forms if one.oid != "EVENT"),
        form("PERSON", item("BRTHDAT", DataType.PARTIAL_DATE), item("SEX", DataType.CODELIST, SEX)),
        form("HISTORY", item("MHTERM"), item("MHSTDAT", DataType.PARTIAL_DATE), item("MHENDAT", DataType.PARTIAL_DATE)),
        form("DRUGS", item("CMTRT"), item("CMDOSE", DataType.DECIMAL), item("CMSTDAT", DataType.PARTIAL_DATE)),
        form("HARVEST", item("PRSTDAT", DataType.DATETIME)),
        form("VISIT", item("SVSTDAT", DataType.DATE), item("SVOCCUR", DataType.BOOLEAN)),
    )
    safety = replace(
        base.safety,
        ctcae="5.0",
        emergence=(Emergence("R", "INFUSION"), Emergence("D", "HARVEST")),
        primary_days=10,
        product=SuspectProduct(
            both("Allogeneic mesenchymal stromal cells", "Cellules stromales mésenchymateuses allogéniques"),
            both("Intravenous", "Intraveineuse"),
            both("Systemic sclerosis", "Sclérodermie systémique"),
        ),
        sponsor=SponsorParty("Invented sponsor", "1 rue Imaginaire, 75000 Paris", "Europe/Paris", "FR"),
        **more,
    )
    visit = StudyEventDef("M1", both("Month 1", "Mois 1"), EventType.SCHEDULED, ("R",), (FormRef("VISIT"),))
    anchors = (
        Anchor("INFUSION", both("Infusion", "Perfusion"), "EXSTDAT"),
        Anchor("HARVEST", both("Marrow harvest", "Prélèvement de moelle"), "PRSTDAT"),
    )
    return replace(base, forms=forms, safety=safety, anchors=anchors, events=(visit,))


def subject(event: Mapping[str, str] | None = None, course: bool = True) -> SubjectRecord:
    """A recipient with a serious event 6 days after the infusion; an event of None has nothing but its words."""
    person = (
        Subject("R-01-004")
        .with_("PERSON", {"BRTHDAT": "1979-06", "SEX": "F"})
        .with_("HISTORY", {"MHTERM": "Arterial hypertension", "MHSTDAT": "2018"})
        .with_("HISTORY", {"MHTERM": "Appendicectomy", "MHSTDAT": "1994-07", "MHENDAT": "1994-07"})
        .with_("DRUGS", {"CMTRT": "Nifedipine", "CMDOSE": "20", "CMDOSU": "mg", "CMSTDAT": "2019-01", "CMONGO": "Y"})
        .with_("DRUGS", {"CMTRT": "Amoxicillin", "CMSTDAT": "2025-01-02", "CMENDAT": "2025-01-09"})
        .with_(
            "PERFUSION",
            {
                "EXSTDAT": "2026-02-02T10:00+01:00",
                "EXENDAT": "2026-02-02T10:40+01:00",
                "EXDOSE": "62.40",
                "ACTARM": "D1",
                "EXLOT": "MSC-0107",
            }
            | {"WEIGHT": "62.4"},
        )
        .with_("VISIT", {"SVSTDAT": "2026-02-28", "SVOCCUR": "Y"})
        .with_("EVENT", EVENT if event is None else event)
    )
    record = person.record()
    steps = [("3", "2026-02-08"), ("4", "2026-02-09"), ("2", "")] if course else []
    last = record.records[-1]
    rows = tuple(
        replace(last, row=f"r{place}", values={"AECGRADE": grade, **({"AECDAT": since} if since else {})}, missing={})
        for place, (grade, since) in enumerate(steps)
    )
    return replace(record, records=(*record.records, *rows))


def donor() -> SubjectRecord:
    told = {"AETERM": "Pain at the puncture", "AETOXGR": "2", "AESTDAT": "2026-01-21", "AESER": "Y", "AESHOSP": "Y"}
    return Subject("D-01-001", "D").with_("HARVEST", {"PRSTDAT": "2026-01-20T09:00+01:00"}).with_("EVENT", told).record()


def event_of(which: Study, record: SubjectRecord) -> AdverseEvent:
    assert which.safety is not None
    return read_participant(which, which.safety, record, date(2026, 12, 31)).events[0]


def entry(number: int, kind: Kind, content: Mapping[str, Any], hours: int = 0, role: str = "sponsor") -> CaseEntry:
    return CaseEntry(number, kind, KNOWN + timedelta(hours=hours), "sam", "Sam Sponsor", role, "Invented sponsor", content)


ASSESSED: Mapping[str, Any] = {
    "related": {"AERELPRD": "RELATED"}, "expected": False, "rsi": "IB 2", "comment": "A causal role cannot be excluded.",
}  # fmt: skip


def a_case(record: SubjectRecord, *more: CaseEntry, assessed: Mapping[str, Any] | None = ASSESSED, frozen: bool = True) -> Case:
    """The case of the record's event: opened by the site, frozen once, assessed by the sponsor, then `more`."""
    held: list[Recorded] = [one for one in record.records if "AETERM" in one.values or one.form_oid == "EVENT"]
    entries = [entry(1, Kind.OPENED, {"aware": "2026-02-08T17:00:00+00:00"}, -500, "investigator")]
    if frozen:
        known = {"kind": "initial", "checkpoint": "ab" * 32, "known_at": KNOWN.isoformat(), "what": "first report"}
        entries.append(entry(2, Kind.VERSION, known))
    if assessed is not None:
        entries.append(entry(3, Kind.ASSESSED, assessed, 1))
    opened = datetime(2026, 2, 8, 17, 20, tzinfo=UTC)
    return Case(1, 7, "msc_demo", "01", record.key, held[0].form_id, "", opened, (*entries, *more))
