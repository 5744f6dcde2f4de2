"""Studies and subjects for the safety tests: invented ones, and the published table of a small MSC trial (clinical reference, B.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

from trialcrf.core.cut import Cut
from trialcrf.core.definition.codes import CodeList, CodeListItem
from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef, Study, SubjectType
from trialcrf.core.definition.safety import SafetySettings
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.wording import Words


def both(en: str, fr: str) -> Words:
    return Words({"fr": fr, "en": en})


def codes(oid: str, *items: tuple[str, str, str]) -> CodeList:
    return CodeList(oid, tuple(CodeListItem(code, both(en, fr)) for code, en, fr in items))


GRADES = codes("GRADE", *((str(grade), f"Grade {grade}", f"Grade {grade}") for grade in range(1, 6)))
LEVELS = codes("SEV", ("MILD", "Mild", "Léger"), ("MODERATE", "Moderate", "Modéré"), ("SEVERE", "Severe", "Sévère"))
DOSES = codes("DOSE", ("D1", "1×10⁶/kg", "1×10⁶/kg"), ("D3", "3×10⁶/kg", "3×10⁶/kg"))
CLASSES = codes(
    "SOC",
    ("GENERAL", "General disorders", "Troubles généraux"),
    ("INFECTIONS", "Infections and infestations", "Infections et infestations"),
    ("GASTRO", "Gastrointestinal disorders", "Affections gastro-intestinales"),
    ("VASCULAR", "Vascular disorders", "Affections vasculaires"),
)
OUTCOMES = codes(
    "OUT",
    ("RECOVERED/RESOLVED", "Recovered", "Guéri"),
    ("NOT RECOVERED/NOT RESOLVED", "Not recovered", "Non guéri"),
    ("FATAL", "Fatal", "Fatal"),
)
RELATIONS = codes("REL", ("NOT RELATED", "Not related", "Non lié"), ("POSSIBLE", "Possible", "Possible"))
ENDS = codes("END", ("COMPLETED", "Completed", "Terminée"), ("DEATH", "Death", "Décès"), ("WITHDRAWAL BY SUBJECT", "Withdrawal", "Retrait"))


def item(alias: str, kind: DataType = DataType.TEXT, codelist: CodeList | None = None, unit: str = "") -> ItemDef:
    """An item whose OID is not its alias: what the program understands it must find by the alias."""
    return ItemDef(f"Q_{alias}", Words({"en": alias}), kind, codelist=codelist, unit=unit, aliases=(alias,))


def form(oid: str, *items: ItemDef) -> FormDef:
    return FormDef(oid, Words({"en": oid}), (ItemGroupDef("G", Words({"en": "G"}), items),))


def study(severity_alias: str = "AETOXGR", severities: CodeList = GRADES, severe_from: str = "3", arms: CodeList | None = DOSES) -> Study:
    yes_no = [item(alias, DataType.BOOLEAN) for alias in ("AESER", "AESDTH", "AESLIFE", "AESHOSP", "AESDISAB", "AESCONG", "AESMIE")]
    return Study(
        oid="msc_demo",
        title=both(
            "Allogeneic mesenchymal stromal cells in systemic sclerosis", "Cellules stromales allogéniques dans la sclérodermie systémique"
        ),
        protocol="MSC-DEMO",
        languages=("fr", "en"),
        subject_types=(
            SubjectType("R", both("Recipients", "Receveurs"), "R-{site}-{number:03d}", "E", "DM"),
            SubjectType("D", both("Donors", "Donneurs"), "D-{site}-{number:03d}", "E", "DM"),
        ),
        anchors=(),
        events=(),
        forms=(
            form(
                "EVENT",
                item("AETERM"),
                item("AEDECOD"),
                item("AEBODSYS", DataType.CODELIST, CLASSES),
                item(severity_alias, DataType.CODELIST, severities),
                *yes_no,
                item("AESTDAT", DataType.PARTIAL_DATE),
                item("AEENDAT", DataType.PARTIAL_DATE),
                item("AEOUT", DataType.CODELIST, OUTCOMES),
                item("AEREL", DataType.CODELIST, RELATIONS),
            ),
            form(
                "PERFUSION",
                item("EXSTDAT", DataType.DATETIME),
                item("EXDOSE", DataType.DECIMAL, unit="10⁶/kg"),
                item("ACTARM", DataType.CODELIST, DOSES),
            ),
            form("FIN", item("DSDECOD", DataType.CODELIST, ENDS), item("DSSTDAT", DataType.DATE), item("DTHDAT", DataType.PARTIAL_DATE)),
        ),
        reasons=CodeList("REASONS", ()),
        confirmations=CodeList("CONFIRMATIONS", ()),
        safety=SafetySettings(
            population="R",
            severity_alias=severity_alias,
            severities=severities,
            severe_from=severe_from,
            arms=arms,
            dictionary=Words({"fr": "CTCAE 5.0", "en": "CTCAE 5.0"}),
        ),
    )


CUT = Cut(
    as_of=date(2026, 10, 31),
    known_at=datetime(2026, 11, 12, 8, 0, tzinfo=UTC),
    definition_version=3,
    definition_hash="0f3a91c2e0d45b18" * 4,
    checkpoint="7f3a91c2e0d45b18" * 4,
    study_oid="msc_demo",
)


class Subject:
    """Writes the records of one subject; every record is a form of its own."""

    def __init__(self, key: str, subject_type: str = "R", site: str = "01", enrolled_on: date = date(2026, 1, 5)) -> None:
        self._about = {"id": 1, "key": key, "site": site, "subject_type": subject_type, "enrolled_on": enrolled_on}
        self.records: list[Recorded] = []

    def with_(self, form_oid: str, values: Mapping[str, str], missing: Mapping[str, str] | None = None) -> Subject:
        self.records.append(Recorded(len(self.records) + 1, "E", 1, form_oid, 1, "", dict(values), dict(missing or {})))
        return self

    def treated(self, on: str = "2026-02-02T10:00+01:00", arm: str = "D1", dose: str = "1.00") -> Subject:
        return self.with_("PERFUSION", {"EXSTDAT": on, "ACTARM": arm, "EXDOSE": dose})

    def event(self, term: str = "Fever", soc: str = "GENERAL", grade: str = "1", onset: str = "2026-02-03", **more: str) -> Subject:
        told = {"AETERM": term, "AEBODSYS": soc, "AETOXGR": grade, "AESTDAT": onset, "AESER": "N", **more}
        return self.with_("EVENT", {alias: text for alias, text in told.items() if text})

    def record(self) -> SubjectRecord:
        return SubjectRecord(records=tuple(self.records), **self._about)  # type: ignore[arg-type]


def published_msc_trial() -> tuple[SubjectRecord, ...]:
    """Six subjects and 21 events: grade 1 and grade 2 per subject 3/5, 0/2, 2/2, 0/3, 1/1, 1/1; four possibly related, one serious.

    The source names four events; the others keep invented names, and the one serious event of S3 (no grade given) is among them.
    """
    grades = {"S1": (3, 5), "S2": (0, 2), "S3": (2, 2), "S4": (0, 3), "S5": (1, 1), "S6": (1, 1)}
    related = {("S1", "2", 0): "Nausea", ("S3", "1", 0): "Paraesthesia", ("S3", "1", 1): "Flushing", ("S4", "2", 0): "Tachycardia"}
    subjects = []
    for key, (mild, moderate) in grades.items():
        subject = Subject(key).treated()
        for grade, number in (("1", mild), ("2", moderate)):
            for place in range(number):
                term = related.get((key, grade, place))
                serious = "Y" if (key, grade, place) == ("S3", "2", 0) else "N"
                subject.event(
                    term or f"Event {grade}.{place}",
                    "GENERAL",
                    grade,
                    AESER=serious,
                    AESHOSP=serious,
                    AEREL="POSSIBLE" if term else "NOT RELATED",
                )
        subjects.append(subject.record())
    return tuple(subjects)


def invented_trial() -> tuple[SubjectRecord, ...]:
    """A little of everything that the document prints, flaws included."""
    return tuple(
        subject.record()
        for subject in (
            Subject("R-01-001")
            .treated()
            .event("Fièvre", grade="2", AEOUT="RECOVERED/RESOLVED", AEREL="POSSIBLE", AEENDAT="2026-02-05")
            .event("fièvre", grade="1", onset="2026-03")
            .event("Lung infection", "INFECTIONS", "3", "2026-04-10", AESER="Y", AESHOSP="Y", AEOUT="RECOVERED/RESOLVED"),
            Subject("R-01-002")
            .treated("2026-03-02T09:30+01:00")
            .event("Abdominal pain", "GASTRO", "2", "2026-03-01", AESHOSP="Y")
            .event("Fatigue", grade="", onset="2026-03-04", AEENDAT="2026-03-01"),
            Subject("R-01-003")
            .treated("2026-05-04T14:05+02:00", "D3", "3.00")
            .event(
                "Sepsis", "INFECTIONS", "5", "2026-06-20", AESER="Y", AESDTH="Y", AEOUT="FATAL", AEENDAT="2026-06-28", AEREL="NOT RELATED"
            )
            .with_("FIN", {"DSDECOD": "DEATH", "DSSTDAT": "2026-06-28", "DTHDAT": "2026-06-28"}),
            Subject("R-02-001", site="02")
            .treated("2026-05-11T10:00+02:00", "D3", "2.90")
            .with_("EVENT", {"AETERM": "Headache <mild> & brief", "AESER": "N"}, {"AESTDAT": "UNK", "AETOXGR": "ND"})
            .with_("FIN", {"DSDECOD": "WITHDRAWAL BY SUBJECT", "DSSTDAT": "2026-09-01"}),
            Subject("R-02-002", site="02")
            .event("Hypertension", "VASCULAR", "2", "2026-06-02")
            .event("Cough", "INFECTIONS", "1", "2026-11-02"),
            Subject("D-01-001", "D").event("Bruising", grade="1", onset="2026-01-20", AEOUT="RECOVERED/RESOLVED"),
        )
    )
