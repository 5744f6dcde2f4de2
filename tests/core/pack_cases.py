"""A study and subjects for the packs: the invented trial with consents, laboratory, skin scores, visits, a case and a stopping rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tests.core.safety_cases import CUT, DOSES, Subject, both, codes, form, invented_trial, item, study
from trialcrf.core.definition.model import (
    Anchor,
    DataType,
    EventType,
    FormDef,
    FormRef,
    ItemDef,
    ItemGroupDef,
    Offset,
    Study,
    StudyEventDef,
    Window,
)
from trialcrf.core.definition.safety import Cohort, Emergence, Obligation, SponsorParty, StoppingRule, SuspectProduct
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.packs.dsmb import board_pack
from trialcrf.core.packs.dsur import update
from trialcrf.core.packs.report import tabulate
from trialcrf.core.packs.sae import Judged, list_serious
from trialcrf.core.safety.case import Case, CaseEntry, Facts, Kind
from trialcrf.core.safety.clock import deadlines
from trialcrf.core.safety.decision import DecisionEntry, DecisionKind
from trialcrf.core.wording import Words

SEXES = codes("SEXES", ("F", "Female", "Femme"), ("M", "Male", "Homme"))


def number(oid: str, label: str, unit: str, *aliases: str) -> ItemDef:
    return ItemDef(oid, Words({"en": label, "fr": label}), DataType.DECIMAL, unit=unit, qualifier=True, aliases=aliases)


LABS = FormDef(
    "LABS",
    both("Laboratory", "Biologie"),
    (
        ItemGroupDef(
            "G",
            Words({"en": "G"}),
            (
                item("LBDAT", DataType.DATE),
                number("ALAT", "ALT", "U/L", "LBORRES", "ALT"),
                number("ALAT_ULN", "ALT, upper limit", "U/L", "LBORNRHI"),
                number("BILIRUBIN", "Bilirubin", "µmol/L", "LBORRES", "BILI"),
                number("BILIRUBIN_ULN", "Bilirubin, upper limit", "µmol/L", "LBORNRHI"),
            ),
        ),
    ),
)


def pack_study(blinded: bool = False) -> Study:
    made = study()
    assert made.safety is not None
    scheduled = StudyEventDef(
        "M3",
        both("Month 3", "Mois 3"),
        EventType.SCHEDULED,
        ("R",),
        (FormRef("VISIT"), FormRef("SKIN")),
        anchor="INFUSION",
        target=Offset(months=3),
        window=Window(14, 14),
    )
    return replace(
        made,
        anchors=(
            Anchor("CONSENT", both("Consent", "Consentement"), "RFICDAT"),
            Anchor("INFUSION", both("Infusion", "Perfusion"), "EXSTDAT"),
            Anchor("HARVEST", both("Harvest", "Prélèvement"), "PRSTDAT"),
        ),
        events=(scheduled,),
        forms=(
            *(one for one in made.forms if one.oid != "PERFUSION"),
            form(
                "PERFUSION",
                item("EXSTDAT", DataType.DATETIME),
                item("EXDOSE", DataType.DECIMAL, unit="10⁶"),
                number("WEIGHT", "Weight", "kg", "VSORRES"),
                item("EXLOT"),
                item("ACTARM", DataType.CODELIST, DOSES),
            ),
            LABS,
            form("VISIT", item("SVSTDAT", DataType.DATE), item("SVOCCUR", DataType.BOOLEAN)),
            form("SKIN", item("QSDAT", DataType.DATE), item("MRSSTOT", DataType.DERIVED)),
            form("ENROL", item("RFICDAT", DataType.DATE), item("BRTHDAT", DataType.PARTIAL_DATE), item("SEX", DataType.CODELIST, SEXES)),
            form("HARVEST", item("PRSTDAT", DataType.DATETIME)),
            form("CANCER", item("MALIG", DataType.BOOLEAN), item("SVSTDAT", DataType.DATE)),
        ),
        safety=replace(
            made.safety,
            consent="CONSENT",
            emergence=(Emergence("R", "INFUSION"), Emergence("D", "HARVEST")),
            primary_days=10,
            regime="test",
            obligations=(
                Obligation(
                    "SITE24",
                    both("Site to sponsor", "Centre au promoteur"),
                    "serious",
                    "site_awareness",
                    "investigator",
                    both("sponsor", "promoteur"),
                    hours=24,
                ),
            ),
            stopping=StoppingRule("0.2", "0.8", "0.20", "0.90", 20, "3", assumption="A-34"),
            cohorts=(Cohort("D1", 10), Cohort("D3", 10, gated=True)),
            product=SuspectProduct(
                both("Stromal cells", "Cellules stromales"), both("IV", "IV"), both("Systemic sclerosis", "Sclérodermie systémique")
            ),
            sponsor=SponsorParty("Sponsor", "Paris", "Europe/Paris", "FR"),
            blinded=blinded,
        ),
    )


BIRTHS = {"R-01-001": ("1970-06-15", "F"), "R-01-002": ("1958", "M"), "R-01-003": ("1990-02-28", "F"), "R-02-001": ("", "F")}
LABORATORY = {
    # subject: (day, ALT, limit, bilirubin, limit)
    "R-01-001": (("2026-01-20", "20", "40", "10", "20"), ("2026-02-05", "120", "40", "40", "20"), ("2026-03-05", "30", "40", "15", "20")),
    "R-01-002": (("2026-02-25", "45", "40", "8", "20"), ("2026-03-05", "40", "40", "<5", "20")),
    "R-01-003": (("2026-05-20", "200", "50", "12", "20"),),
    "R-02-001": (("2026-05-12", "30", "", "9", "20"),),
}
SKIN = {"R-01-001": (("2026-01-20", "30"), ("2026-05-02", "24")), "R-01-002": (("2026-06-02", "18"),), "R-01-003": (("2026-04-30", "22"),)}


def pack_trial() -> tuple[SubjectRecord, ...]:
    """The invented trial, with what the packs read beyond it. R-02-001 missed month 3; R-01-001 has a severe event in the window."""
    made = []
    for one in invented_trial():
        extra = Subject(one.key)
        extra.records = [
            replace(
                record,
                values={**record.values, "EXDOSE": "70.0", "VSORRES": "70", "EXLOT": "B-1"} if "EXDOSE" in record.values else record.values,
            )
            for record in one.records
        ]
        born, sex = BIRTHS.get(one.key, ("", ""))
        extra.with_("ENROL", {alias: text for alias, text in {"RFICDAT": "2026-01-02", "BRTHDAT": born, "SEX": sex}.items() if text})
        for day, alt, alt_high, bilirubin, high in LABORATORY.get(one.key, ()):
            told = {"LBDAT": day, "ALT": alt, "LBORNRHI.ALT": alt_high, "BILI": bilirubin, "LBORNRHI.BILI": high}
            extra.with_("LABS", {alias: text for alias, text in told.items() if text})
        for place, (day, total) in enumerate(SKIN.get(one.key, ())):
            at_visit = place == len(SKIN[one.key]) - 1 and one.key != "R-01-003"
            extra.records += [
                Recorded(50 + place, "M3" if at_visit else "E", 1, "SKIN", 1, "", {"QSDAT": day, "MRSSTOT": total}),
                *([Recorded(60 + place, "M3", 1, "VISIT", 1, "", {"SVSTDAT": day})] if at_visit else []),
            ]
        if one.key == "R-02-001":
            extra.records.append(Recorded(70, "M3", 1, "VISIT", 1, "", {"SVOCCUR": "N"}))
            extra.with_("CANCER", {"MALIG": "Y", "SVSTDAT": "2026-08-20"})
        if one.key == "R-01-001":
            extra.event("Infusion reaction", "GENERAL", "3", "2026-02-04", AESER="Y", AEREL="POSSIBLE", AEHOSP="Y")
        if one.key == "D-01-001":
            extra.with_("HARVEST", {"PRSTDAT": "2026-01-15T09:00+01:00"})
        made.append(replace(one, records=tuple(extra.records)))
    return tuple(made)


AWARE = datetime(2026, 4, 11, 8, 0, tzinfo=UTC)


def pack_cases(settings_of: Study) -> tuple[Judged, ...]:
    """The case of the lung infection of R-01-001: the sponsor sees a reasonable possibility, unexpected; told two days late."""
    assert settings_of.safety is not None
    told = {"related": {"AERELPRD": "RELATED"}, "expected": False, "rsi": "", "comment": ""}
    entries = (
        CaseEntry(1, Kind.OPENED, AWARE, "ivan", "Ivan", "investigator", "Hospital", {"aware": AWARE.isoformat()}),
        CaseEntry(2, Kind.ASSESSED, AWARE.replace(day=14), "sam", "Sam", "sponsor", "Sponsor", told),
    )
    case = Case(1, 1, "msc_demo", "01", "R-01-001", 4, "", AWARE, entries)
    facts = Facts("R", "Lung infection", "3", "2026-04-10", True, related=False, aware=AWARE)
    return (Judged(case, facts, deadlines(settings_of.safety, case, [(AWARE, facts)], UTC, CUT.known_at)),)


DECISIONS = (
    DecisionEntry(1, DecisionKind.COHORT_OPENED, datetime(2026, 4, 30, tzinfo=UTC), "sam", "Sam", "sponsor", "Sponsor", {"cohort": "D3"}),
)


def sampled(name: str) -> object:
    """The value that `reports/<name>/sample.json` was made from."""
    opened, blinded, trial = pack_study(), pack_study(blinded=True), pack_trial()
    cases = pack_cases(opened)
    return {
        "safety": lambda: tabulate(study(), invented_trial(), CUT),
        "sae": lambda: list_serious(opened, trial, cases, CUT),
        "dsur": lambda: update(opened, trial, cases, CUT),
        "dsmb": lambda: board_pack(opened, trial, cases, DECISIONS, CUT, closed=False),
        "dsmb_closed": lambda: board_pack(blinded, trial[:2], (), (), CUT, closed=True),
    }[name]()
