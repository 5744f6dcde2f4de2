"""The made-up values of the synthetic trial: what is typed in each form, by subject and visit. No value is any person's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from trialcrf.core.values import Raw

Value = str | int | float | date | tuple[str, ...] | Raw
Values = Mapping[str, Value]
Filled = tuple[Values, Mapping[str, list[Values]]]


def typed_as(value: Value) -> Raw:
    """As it is typed: numbers with a decimal comma, days in three boxes, ticks as choices."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, date):
        return Raw({"d": f"{value.day:02d}", "m": f"{value.month:02d}", "y": f"{value.year:04d}"})
    if isinstance(value, tuple):
        return Raw({}, value)
    return Raw({"": str(round(value, 2)).replace(".", ",") if isinstance(value, float) else str(value)})


def moment(on: date, clock: str) -> Raw:
    return Raw({**typed_as(on).parts, "t": clock})


def not_done(why: str) -> Raw:
    return Raw({"missing": "ND", "note": why})


def _birth(number: int, consent: date) -> Raw:
    return Raw({"m": f"{1 + number * 5 % 12:02d}", "y": str(consent.year - 36 - number * 3 % 27)})


def recipient_consent(number: int, consent: date) -> Values:
    return {
        "ICF_DATE": consent, "ICF_TIME": "10h15", "ICF_VERSION": "2.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y",
        "BIRTH_MONTH": _birth(number, consent), "SEX_BIRTH": "M" if number % 4 == 1 else "F", "SOCIAL_SECURITY": "Y",
    }  # fmt: skip


def donor_consent(number: int, consent: date) -> Values:
    return {
        "DICF_DATE": consent, "DICF_VERSION": "2.0", "DICF_LANG": "fr", "DICF_SIGNED": "Y",
        "DBIRTH_MONTH": _birth(number + 4, consent), "DSEX_BIRTH": "F" if number % 3 == 1 else "M",
    }  # fmt: skip


def _weight(number: int) -> float:
    return 52.5 + number * 7 % 31


def vitals(number: int, step: int, on: date) -> Filled:
    """One recipient has lost much weight by the first month, two had a high pressure: values that raise a question."""
    weight: Value = 33.8 if (number, step) == (8, 1) else _weight(number) + step / 2
    systolic = 206 if (number, step) in ((0, 4), (1, 3)) else 118 + number * 3 + step
    readings: list[Values] = [
        {"BP_AT": moment(on, "9h05"), "BP_POSITION": "SITTING", "BP_SIDE": "LEFT", "SBP": systolic, "DBP": 74 + number},
        {"BP_AT": moment(on, "9h20"), "BP_POSITION": "SITTING", "BP_SIDE": "RIGHT", "SBP": 116 + number * 3, "DBP": 72 + number},
    ]
    saturation: Value = not_done("Capteur indisponible") if number == 3 else 97 - number % 3
    body: Values = {"WT": weight, "HT": 158.0 + number * 3, "PULSE": 72 + number, "TEMPERATURE": 36.6, "SATURATION": saturation}
    return body, {"BP": readings}


_SKIN_SITES = (
    "FINGERS_R", "FINGERS_L", "HAND_R", "HAND_L", "FOREARM_R", "FOREARM_L", "FACE", "CHEST", "UPPERARM_R", "UPPERARM_L", "ABDOMEN",
    "THIGH_R", "THIGH_L", "LEG_R", "LEG_L", "FOOT_R", "FOOT_L",
)  # fmt: skip


def skin(number: int, step: int, on: date) -> Filled:
    """A thickness that wears off from the fingers inwards and from visit to visit; of one recipient a site was under a dressing."""
    values: dict[str, Value] = {"SKIN_DATE": on, "SKIN_ASSESSOR": "E1"}
    for place, site in enumerate(_SKIN_SITES):
        values[f"SKIN_{site}"] = max(0, min(3, 3 - place // 5 + number % 2 - (place + step) // 7))
    if (number, step) == (2, 0):
        values["SKIN_FOREARM_L"] = not_done("Pansement sur une plaie")
    return values, {}


def lung(number: int, step: int, on: date) -> Filled:
    volume = round(2.15 + number / 8 + step / 20, 2)
    values: dict[str, Value] = {
        "LUNG_DATE": on, "LUNG_BD": "PRE", "FVC_L": volume, "FVC_PCT": float(61 + number + step), "TLC_L": round(volume * 1.4, 2),
        "TLC_PCT": float(66 + number), "VOLUME_SET": "GLI_2012", "DLCO_VALUE": round(11.2 + number / 4, 2),
        "DLCO_UNIT_USED": "CONVENTIONAL", "DLCO_PCT": float(48 + number), "DLCO_HB": "Y", "DLCO_SET": "GLI_2017",
    }  # fmt: skip
    if (number, step) == (1, 3):
        values["TLC_L"] = values["TLC_PCT"] = not_done("Pléthysmographe en panne")
    return values, {}


def labs(number: int, step: int, on: date) -> Filled:
    values: dict[str, Value] = {
        "LAB_DATE": on, "NEUTROPHILS": 4.2 + number / 10, "PLATELETS": 240 + number * 4, "HAEMOGLOBIN": 12.4 + number / 10,
        "CD4_COUNT": 640 + number * 10, "CREATININE": 68.0 + number, "CREATININE_UNIT": "umol/L", "CREATININE_ULN": 90.0,
        "ALAT": 24.0 + number, "ALAT_ULN": 40.0,
        "ASAT": 22.0 + number, "ASAT_ULN": 40.0, "BILIRUBIN": 9.0, "BILIRUBIN_ULN": 21.0, "C_REACTIVE": round(6.5 - step / 2, 1),
    }  # fmt: skip
    if number == 6:
        values["CD4_COUNT"] = not_done("Tube hémolysé")
    return values, {}


def _tolerance(number: int, step: int, on: date) -> Filled:
    return {"TOL_ANY": "N"}, {}


def _malignancy(number: int, step: int, on: date) -> Filled:
    return {"MAL_ANY": "N"}, {}


def _recovery(number: int, step: int, on: date) -> Filled:
    return {"DFU_PAIN": max(0, 4 - step), "DFU_ANALGESIC": "Y" if step == 1 else "N", "DFU_ACTIVITY": "Y" if step > 1 else "N",
            "DFU_EVENT": "N"}, {}  # fmt: skip


ASSESSMENTS: Mapping[str, Callable[[int, int, date], Filled]] = {
    "VITALS": vitals, "SKIN": skin, "LUNG": lung, "LABS": labs, "TOLERANCE": _tolerance, "MALIGNANCY": _malignancy, "DONORFUP": _recovery,
}  # fmt: skip
"""What fills the forms that visits ask, by form."""


def left_undone(number: int, event_oid: str, form_oid: str) -> bool:
    """A few forms are not entered yet: a visit that is done need not be complete."""
    return (number, event_oid, form_oid) in {(1, "M3", "LABS"), (6, "M3", "LUNG"), (3, "D10", "TOLERANCE")}


def infusion(number: int, cohort: str, on: date) -> Values:
    weight = _weight(number)
    return {
        "INF_COHORT": cohort, "INF_BATCH": f"DEMO-{on:%y%m}-{number + 1:02d}", "INF_IDENTITY": "Y", "INF_WEIGHT": weight,
        "INF_DOSE": round(weight * (1.02 if cohort == "MSC1" else 2.95), 1), "INF_VOLUME": 120 + number, "INF_START": moment(on, "10h30"),
        "INF_END": moment(on, "11h15"), "INF_PREMED": "N", "INF_BREAK": "N",
    }  # fmt: skip


def harvest(number: int, on: date) -> Values:
    return {
        "HAR_START": moment(on, "8h45"), "HAR_SITE": "POSTERIOR", "HAR_LIDOCAINE": "Y", "HAR_ANTICOAGULANT": "HEPARIN",
        "HAR_DONATION": f"DEMO{number + 1:04d}", "HAR_VOLUME": 60 + number * 2, "HAR_NUCLEATED": 8.5 + number / 10,
    }  # fmt: skip


def link(donor: str, relation: str) -> Values:
    values: dict[str, Value] = {"LINK_DONOR": donor, "LINK_RELATION": relation}
    if relation in ("COUSIN", "OTHER_FAMILY", "SPOUSE"):
        values["LINK_WHY_NOT_NEARER"] = "Aucun frère, aucune sœur ; parents trop âgés"
    return values


def ending(why: str, on: date) -> Values:
    told: dict[str, Value] = {"END_WHY": why, "END_DATE": on}
    if why == "DEATH":
        told["END_DEATH"] = on
    if why == "SCREEN FAILURE":
        told["END_TEXT"] = "Score de Rodnan inférieur à 15"
    return told


def medication(start: date) -> list[Values]:
    """The second line belongs to another subject and is marked entered in error."""
    return [
        {"MED_NAME": "mycophénolate mofétil", "MED_WHY": "sclérodermie", "MED_DOSE": 1, "MED_UNIT": "g", "MED_ROUTE": "ORAL",
         "MED_START": Raw({"m": f"{start.month:02d}", "y": str(start.year)}), "MED_ONGOING": "Y"},
        {"MED_NAME": "amlodipine", "MED_WHY": "hypertension", "MED_DOSE": 5, "MED_UNIT": "mg", "MED_ROUTE": "ORAL",
         "MED_START": Raw({"y": str(start.year)}), "MED_ONGOING": "Y"},
        {"MED_NAME": "oméprazole", "MED_WHY": "reflux", "MED_DOSE": 20, "MED_UNIT": "mg", "MED_ROUTE": "ORAL", "MED_START": start,
         "MED_ONGOING": "N", "MED_END": start + timedelta(days=60)},
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """An adverse event of the nth recipient of a site: begun so many days ago, over after `lasted` days or not over.

    Of some only the month is remembered; one was recorded `twice`, by mistake.
    """

    recipient: int
    begun: int
    values: Values
    lasted: int | None = None
    month_only: bool = False
    twice: bool = False

    def typed(self, today: date) -> Values:
        begun = today - timedelta(days=self.begun)
        days: dict[str, Value] = {"AE_ONSET": Raw({**typed_as(begun).parts, "d": "UNK"}) if self.month_only else begun}
        if self.lasted is not None:
            days["AE_STOP"] = begun + timedelta(days=self.lasted)
        return {**self.values, **days}


def _event(words: str, term: str, soc: str, grade: str, **more: Value) -> Values:
    usual: dict[str, Value] = {
        "AE_WORDS": words, "AE_CTCAE": term, "AE_CLASS": soc, "AE_GRADE": grade, "AE_OUTCOME": "RECOVERED/RESOLVED", "AE_SERIOUS": "N",
        "AE_RELATED": "NOT RELATED", "AE_ACTION": "NOT APPLICABLE",
    }  # fmt: skip
    return {**usual, **more}


_CRITERIA = ("AE_DEATH", "AE_LIFE", "AE_HOSPITAL", "AE_DISABILITY", "AE_CONGENITAL", "AE_MEDICAL")


def _serious(*criteria: str) -> dict[str, Value]:
    return {"AE_SERIOUS": "Y", **{one: "Y" if one in criteria else "N" for one in _CRITERIA}}


_INFECTION = _event("Infection urinaire basse", "Urinary tract infection", "Infections and infestations", "2")
_OPEN: dict[str, Value] = {"AE_OUTCOME": "NOT RECOVERED/NOT RESOLVED"}
_FATAL = {**_serious("AE_DEATH", "AE_LIFE", "AE_HOSPITAL"), "AE_OUTCOME": "FATAL"}

_SKIN_CLASS = "Skin and subcutaneous tissue disorders"

EVENTS: Mapping[str, tuple[Event, ...]] = {
    "01": (
        Event(0, 399, _event("Fièvre le lendemain de la perfusion", "Fever", "General disorders and administration site conditions", "1",
                             AE_RELATED="RELATED", AE_CAUSES=("PRODUCT", "INFUSION")), lasted=1),
        Event(0, 250, _INFECTION, lasted=6),
        Event(0, 250, _INFECTION, lasted=6, twice=True),
        Event(1, 120, _event("Céphalées", "Headache", "Nervous system disorders", "1", **_OPEN), month_only=True),
        Event(1, 60, _event("Élévation des ALAT", "Alanine aminotransferase increased", "Investigations", "3",
                            AE_CAUSES=("CONCOMITANT",)), lasted=30),
        Event(2, 95, _event("Nausées", "Nausea", "Gastrointestinal disorders", "1"), lasted=2),
        Event(3, 18, _event("Frissons et hypotension pendant la perfusion", "Infusion related reaction",
                            "Injury, poisoning and procedural complications", "2", AE_ONSET_TIME="11h00", AE_RELATED="RELATED",
                            AE_CAUSES=("INFUSION",), AE_ACTION="DOSE RATE REDUCED"), lasted=0),
    ),
    "02": (
        Event(0, 110, _event("Pneumopathie infectieuse", "Lung infection", "Infections and infestations", "3", AE_CAUSES=("DISEASE",),
                             **_serious("AE_HOSPITAL")), lasted=12),
        Event(0, 24, _event("Insuffisance cardiaque décompensée", "Heart failure", "Cardiac disorders", "5", AE_CAUSES=("DISEASE",),
                            **_FATAL), lasted=4),
        Event(1, 200, _event("Toux sèche", "Cough", "Respiratory, thoracic and mediastinal disorders", "2", **_OPEN)),
        Event(2, 12, _event("Ulcère digital", "Skin ulceration", _SKIN_CLASS, "2", AE_CAUSES=("DISEASE",), **_OPEN)),
    ),
}  # fmt: skip
"""The adverse events of each site."""
