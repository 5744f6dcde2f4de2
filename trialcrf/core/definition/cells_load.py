"""The `cells` part of a study file: the chain of cells, as data."""

from __future__ import annotations

import re
from decimal import Decimal

from trialcrf.core.definition.cells import (
    COUNTS,
    CellSettings,
    LookBackNotice,
    PlannedDose,
    ReleaseCriterion,
    Specification,
)
from trialcrf.core.definition.criteria_load import CriteriaReading
from trialcrf.core.definition.source import Located
from trialcrf.core.wording import N_

KEYS = (
    "product donor recipient counts tolerance doses assumption specifications specification thaw_minutes vitals vitals_tolerance "
    "establishment product_code notices infusions"
)
CONDITIONS = ("low", "high", "above", "below", "equals")

_ESTABLISHMENT = re.compile(r"[A-Z]{2}[A-Z0-9]{6}")
_PRODUCT_CODE = re.compile(r"[EAB][A-Z0-9]{7}")


def cells(reading: CriteriaReading, node: Located | None) -> CellSettings | None:
    """The settings; None for a study without a cell product."""
    if node is None:
        return None
    raw = reading.fields(node, KEYS, "product donor recipient")
    for key in KEYS.split():
        reading.places["cells", key] = raw.get(key, node)
    specifications = tuple(_specification(reading, each) for each in reading.many(raw.get("specifications")))
    _twice(reading, raw.get("specifications"), [one.oid for one in specifications])
    chosen = reading.text(raw.get("specification"))
    if chosen and chosen not in {one.oid for one in specifications}:
        reading.say(raw["specification"], N_("There is no specification “%(oid)s”."), oid=chosen)
    doses = tuple(_dose(reading, each) for each in reading.many(raw.get("doses")))
    _twice(reading, raw.get("doses"), [one.cohort for one in doses])
    vitals = tuple(reading.integer(each, -1440, 10080) for each in reading.many(raw.get("vitals")))
    if list(vitals) != sorted(set(vitals)):
        reading.say(raw["vitals"], N_("The planned minutes stand in ascending order, each once."))
    return CellSettings(
        product=reading.text(raw.get("product")),
        donor=reading.text(raw.get("donor")),
        recipient=reading.text(raw.get("recipient")),
        counts=reading.one_of(raw.get("counts"), COUNTS, COUNTS[0]),
        tolerance=_share(reading, raw.get("tolerance")),
        doses=doses,
        assumption=reading.assumption(raw.get("assumption")),
        specifications=specifications,
        specification=chosen,
        thaw_minutes=reading.integer(raw.get("thaw_minutes"), 0, 10080),
        vitals=vitals,
        vitals_tolerance=reading.integer(raw.get("vitals_tolerance"), 0, 1440),
        establishment=_matching(
            reading, raw.get("establishment"), _ESTABLISHMENT, N_("An establishment is two letters and six letters or digits, in capitals.")
        ),
        product_code=_matching(
            reading, raw.get("product_code"), _PRODUCT_CODE, N_("A product code is E, A or B and seven letters or digits, in capitals.")
        ),
        infusions=reading.integer(raw.get("infusions"), 0, 1000),
        notices=tuple(_notice(reading, each) for each in reading.many(raw.get("notices"))),
    )


def _twice(reading: CriteriaReading, node: Located | None, oids: list[str]) -> None:
    for oid in sorted({oid for oid in oids if oids.count(oid) > 1}):
        assert node is not None
        reading.say(node, N_("“%(text)s” stands here twice."), text=oid)


def _matching(reading: CriteriaReading, node: Located | None, pattern: re.Pattern[str], said: str) -> str:
    text = reading.text(node)
    if node is not None and text and not pattern.fullmatch(text):
        reading.say(node, said)
    return text


def _share(reading: CriteriaReading, node: Located | None) -> str:
    if node is None:
        return ""
    text = reading.decimal(node) or ""
    if not text or not 0 < Decimal(text) < 1:
        reading.say(node, N_("A number between 0 and 1 is expected here."))
        return ""
    return text


def _dose(reading: CriteriaReading, node: Located) -> PlannedDose:
    raw = reading.fields(node, "cohort per_kg", "cohort per_kg")
    per_kg = (reading.decimal(raw["per_kg"]) or "") if "per_kg" in raw else ""
    if per_kg and Decimal(per_kg) <= 0:
        reading.say(raw["per_kg"], N_("A number greater than 0 is expected here."))
    return PlannedDose(reading.text(raw.get("cohort")), per_kg)


def _specification(reading: CriteriaReading, node: Located) -> Specification:
    raw = reading.fields(node, "oid label source criteria published", "oid label source criteria")
    criteria = tuple(_criterion(reading, each) for each in reading.many(raw.get("criteria")))
    _twice(reading, raw.get("criteria"), [one.oid for one in criteria])
    if "criteria" in raw and all(one.informative for one in criteria):
        reading.say(raw["criteria"], N_("A specification without a criterion that counts would release every batch."))
    return Specification(
        reading.oid(raw.get("oid")),
        reading.words(raw.get("label")),
        reading.text(raw.get("source")),
        criteria,
        reading.boolean(raw.get("published")),
    )


def _criterion(reading: CriteriaReading, node: Located) -> ReleaseCriterion:
    raw = reading.fields(node, f"oid label alias unit informative {' '.join(CONDITIONS)}", "oid label alias")
    given = {key for key in CONDITIONS if key in raw}
    if len(given) != 1 and given != {"low", "high"}:
        reading.say(node, N_("A criterion has one condition: low, high (or both), above, below, or equals."))
    bounds = {key: (reading.decimal(raw[key]) or "") if key in raw else "" for key in CONDITIONS[:-1]}
    return ReleaseCriterion(
        oid=reading.oid(raw.get("oid")),
        label=reading.words(raw.get("label")),
        alias=reading.text(raw.get("alias")),
        equals=reading.text(raw.get("equals")),
        unit=reading.text(raw.get("unit")),
        informative=reading.boolean(raw.get("informative")),
        **bounds,
    )


def _notice(reading: CriteriaReading, node: Located) -> LookBackNotice:
    raw = reading.fields(node, "oid label source", "oid label")
    return LookBackNotice(reading.oid(raw.get("oid")), reading.words(raw.get("label")), reading.text(raw.get("source")))
