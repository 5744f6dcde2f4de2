"""Who may enter a study, as frozen values: criteria beside their clauses, the inputs that they judge, parameters and assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from trialcrf.core.expr import Expr
from trialcrf.core.wording import Words


@dataclass(frozen=True, slots=True)
class Assumption:
    """A reading of the protocol that the sponsor must confirm (clinical reference, A.6). `on` is a day as canonical text."""

    question: Words
    reading: Words
    why: Words = Words()
    state: str = "proposed"  # or "confirmed", then with by whom and on which day
    by: str = ""
    on: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number of the protocol that the sponsor may set, in days or in calendar months."""

    oid: str
    label: Words
    value: int
    unit: str  # "day" or "month"
    assumptions: tuple[str, ...] = ()


class InputType(StrEnum):
    """What an input is. `bounds` is a number known only to lie between two; of data files it is read as NAME_min and NAME_max."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    CODE = "code"
    BOUNDS = "bounds"


@dataclass(frozen=True, slots=True)
class InputDef:
    """What criteria judge, and where it comes from: an expression over the subject's forms.

    A value dated longer before the day of inclusion than the parameter `valid` allows counts as unknown; where `until` names another
    day (the infusion), before that one, and nothing expires until that day is known. `undecided` are the codes that say nothing, such
    as an indeterminate serology, `undated` those that need no date. `suffixes` name the two bounds in a data file. `access` hides the
    value from those who may not read forms of this access.
    """

    oid: str
    label: Words
    type: InputType
    value: Expr | None = None
    unit: str = ""
    codes: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    undated: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    dated: Expr | None = None
    valid: str = ""
    until: Expr | None = None
    access: str = "form"


class CriterionKind(StrEnum):
    """An inclusion must be met, an exclusion absent; a route is a part of an inclusion and never required by itself."""

    INCLUSION = "inclusion"
    EXCLUSION = "exclusion"
    ROUTE = "route"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion beside its clause. In rules of others its name is its id with underscores: `R_I3a`."""

    id: str
    kind: CriterionKind
    clause: Words
    rule: Expr
    assumptions: tuple[str, ...] = ()
    note: Words = Words()

    @property
    def name(self) -> str:
        return self.id.replace("-", "_")


@dataclass(frozen=True)
class EligibilityDef:
    """The criteria of one kind of subject. `consent` and `inclusion` give the two days that ages and validity are counted at.

    `partner` is the alias under which a form names the subject whose verdict the input `partner_input` takes (a donor's, for a
    recipient): true where the partner is eligible, false where not, undetermined while the partner's verdict is pending.
    """

    subject_type: str
    consent: Expr
    inputs: tuple[InputDef, ...]
    criteria: tuple[Criterion, ...]
    inclusion: Expr | None = None
    partner_alias: str = ""
    partner_input: str = ""

    @cached_property
    def input(self) -> Mapping[str, InputDef]:
        return {each.oid: each for each in self.inputs}

    @cached_property
    def criterion(self) -> Mapping[str, Criterion]:
        """Every criterion by its name in rules."""
        return {each.name: each for each in self.criteria}
