"""What a study says of its cell product: from whom to whom, how it is dosed, what it must fulfil, and what is watched at the bedside."""

from __future__ import annotations

from dataclasses import dataclass

from trialcrf.core.wording import Words

COUNTS = ("viable", "total")
"""Which cells a dose is counted in (A-37)."""


@dataclass(frozen=True, slots=True)
class PlannedDose:
    """The dose that a cohort is to receive, in 10^6 cells per kilogram of body weight, as a decimal text."""

    cohort: str
    per_kg: str


@dataclass(frozen=True, slots=True)
class ReleaseCriterion:
    """One line of a specification: the result of the item with this alias, in `unit`. Exactly one of the conditions is given.

    `low` and `high` are inclusive bounds, `above` and `below` exclusive ones (decimals as texts); `equals` is the code of the result.
    An `informative` criterion is judged and printed, and does not count.
    """

    oid: str
    label: Words
    alias: str
    low: str = ""
    high: str = ""
    above: str = ""
    below: str = ""
    equals: str = ""
    unit: str = ""
    informative: bool = False


@dataclass(frozen=True, slots=True)
class Specification:
    """What a batch must fulfil to be released. `published` ones are examples from the literature that nobody of the study chose."""

    oid: str
    label: Words
    source: str
    criteria: tuple[ReleaseCriterion, ...]
    published: bool = False


@dataclass(frozen=True, slots=True)
class LookBackNotice:
    """Who must be told when something is found at a donor after the cells were given, and where that stands."""

    oid: str
    label: Words
    source: str = ""


@dataclass(frozen=True, slots=True)
class CellSettings:
    """The chain of cells of a study. `product`, `donor` and `recipient` are subject types.

    `specification` is the one that the study chose, empty while the sponsor has not: whoever releases then chooses one each time.
    `tolerance` is the accepted deviation from the planned dose as a share (0.20). `thaw_minutes` is the longest time from thaw to the
    start of infusion, 0 where the study sets none. `vitals` are the planned minutes of the vital signs from the start of infusion (before
    it: negative); `vitals_tolerance` are minutes by which one may be late without being marked, 0 marks every minute.
    `infusions` is how many a recipient is planned to get, 0 where the study does not say.
    `establishment` and `product_code` are the parts of the Single European Code that are the same for every bag, empty where the study
    uses none (A-36).
    """

    product: str
    donor: str
    recipient: str
    counts: str = "viable"
    tolerance: str = ""
    doses: tuple[PlannedDose, ...] = ()
    assumption: str = ""
    specifications: tuple[Specification, ...] = ()
    specification: str = ""
    thaw_minutes: int = 0
    vitals: tuple[int, ...] = ()
    vitals_tolerance: int = 0
    establishment: str = ""
    product_code: str = ""
    notices: tuple[LookBackNotice, ...] = ()
    infusions: int = 0

    def per_kg(self, cohort: str) -> str:
        """The planned dose of a cohort, empty where none is stated."""
        return next((one.per_kg for one in self.doses if one.cohort == cohort), "")

    def specification_of(self, oid: str) -> Specification | None:
        return next((one for one in self.specifications if one.oid == oid), None)
