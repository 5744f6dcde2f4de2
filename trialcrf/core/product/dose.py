"""The dose: planned by cohort and the weight of the day, given in viable or total cells, and how far one is from the other (A-37)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal


@dataclass(frozen=True, slots=True)
class Dose:
    """A dose for a body weight. Cells in 10^6, `weight` in kg. None where something that it needs is not known.

    `deviation` is the share by which the given dose differs from the planned one (-0.17: 17 % less); `beyond` whether that is more than
    the study accepts, None where the study sets no tolerance or it cannot be told.
    """

    weight: Decimal | None
    planned_per_kg: Decimal | None
    total: Decimal | None
    viability: Decimal | None
    counted: Decimal | None
    tolerance: Decimal | None

    @property
    def planned(self) -> Decimal | None:
        return self.planned_per_kg * self.weight if self.planned_per_kg is not None and self.weight is not None else None

    @property
    def viable(self) -> Decimal | None:
        return self.total * self.viability / 100 if self.total is not None and self.viability is not None else None

    @property
    def per_kg(self) -> Decimal | None:
        return self.counted / self.weight if self.counted is not None and self.weight else None

    @property
    def deviation(self) -> Decimal | None:
        planned = self.planned
        return self.counted / planned - 1 if self.counted is not None and planned else None

    @property
    def beyond(self) -> bool | None:
        """The limits themselves are accepted."""
        deviation = self.deviation
        return None if deviation is None or self.tolerance is None else abs(deviation) > self.tolerance

    @property
    def accepted(self) -> tuple[Decimal, Decimal] | None:
        """The least and the most cells that the study accepts."""
        planned = self.planned
        if planned is None or self.tolerance is None:
            return None
        return planned * (1 - self.tolerance), planned * (1 + self.tolerance)


def dose(per_kg: str, weight: str, total: str, viability: str, tolerance: str, counts: str = "viable", given: str = "") -> Dose:
    """The dose of these recorded texts (empty: not known). `given` is the recorded dose in counted cells, where it is recorded itself."""

    def number(text: str) -> Decimal | None:
        return Decimal(text) if text else None

    every, alive = number(total), number(viability)
    counted = number(given)
    if counted is None:
        counted = every if counts == "total" else every * alive / 100 if every is not None and alive is not None else None
    return Dose(number(weight), number(per_kg), every, alive, counted, number(tolerance))


def volume_for(planned: Decimal, cells: str, volume: str, viability: str, counts: str = "viable") -> Decimal | None:
    """The mL of a bag that hold the planned cells (10^6), by its recorded cells, volume and viability after thaw; None where it cannot be
    told. It may be more than the bag holds."""
    total, held = (Decimal(text) if text else None for text in (cells, volume))
    alive = Decimal(100) if counts == "total" else Decimal(viability) if viability else None
    if not total or not held or not alive:
        return None
    return planned * held / (total * alive / 100)


def shown(value: Decimal, places: int = 1) -> Decimal:
    """A number for people, with so many decimals."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
