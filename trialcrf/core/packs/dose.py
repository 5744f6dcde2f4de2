"""The dose of an infusion as documents tell it: planned by cohort and weight, given, and how far one is from the other."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from trialcrf.core.definition.cells import CellSettings
from trialcrf.core.facts import Recorded
from trialcrf.core.product.dose import Dose, dose, shown


@dataclass(frozen=True, slots=True)
class DoseLine:
    """The dose in 10^6 cells: planned by cohort and weight (kg), given in `counts` cells, and how far one is from the other.

    `low` and `high` are what the study accepts; `beyond` is None where that cannot be told.
    """

    weight: Decimal | None
    planned_per_kg: Decimal | None
    planned: Decimal | None
    total: Decimal | None
    viability: Decimal | None
    viable: Decimal | None
    given: Decimal | None
    per_kg: Decimal | None
    deviation: Decimal | None
    low: Decimal | None
    high: Decimal | None
    beyond: bool | None


def given_dose(settings: CellSettings, record: Recorded) -> Dose:
    """The dose of an infusion as it is recorded, beside the one that its cohort and weight ask for."""
    said = record.values
    return dose(
        settings.per_kg(said.get("ACTARM", "")),
        said.get("WEIGHT", ""),
        said.get("CTINFTOT", ""),
        said.get("CTINFVIA", ""),
        settings.tolerance,
        settings.counts,
        said.get("EXDOSE", ""),
    )


def dose_line(found: Dose) -> DoseLine:
    low, high = found.accepted or (None, None)

    def rounded(value: Decimal | None, places: int = 1) -> Decimal | None:
        return None if value is None else shown(value, places)

    return DoseLine(
        found.weight,
        found.planned_per_kg,
        rounded(found.planned),
        found.total,
        found.viability,
        rounded(found.viable),
        rounded(found.counted),
        rounded(found.per_kg, 2),
        rounded(found.deviation, 4),
        rounded(low),
        rounded(high),
        found.beyond,
    )
