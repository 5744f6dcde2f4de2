"""Values that the browser tests type where the synthetic trial has none of its own. No value is any person's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from trialcrf.core.values import Raw

Value = str | int | float | date | tuple[str, ...] | Raw
Values = Mapping[str, Value]


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


def infusion(number: int, cohort: str, on: date) -> Values:
    weight = _weight(number)
    return {
        "INF_COHORT": cohort, "INF_BATCH": f"DEMO-{on:%y%m}-{number + 1:02d}", "INF_IDENTITY": "Y", "INF_WEIGHT": weight,
        "INF_DOSE": round(weight * (1.02 if cohort == "MSC1" else 2.95), 1), "INF_VOLUME": 120 + number, "INF_START": moment(on, "10h30"),
        "INF_END": moment(on, "11h15"), "INF_PREMED": "N", "INF_BREAK": "N",
    }  # fmt: skip
