"""The tree of an expression and its evaluation: three-valued (Kleene), dates and ages as intervals, total on every value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from trialcrf.core import measure
from trialcrf.core.calendar import add_months, months_between, years_between
from trialcrf.core.instruments import SCORES
from trialcrf.core.kleene import (
    Result,
    Truth,
    arithmetic,
    compare,
    days_of,
    either,
    ends_of,
    flag,
    number_of,
    rounded,
    spanning,
    truth,
    whole,
)
from trialcrf.core.typed import AWAITED, UNDETERMINED, Awaited, DateInterval, Missing, Span, Undetermined, Value


@dataclass(frozen=True, slots=True)
class Ref:
    """The name of an answer: `SYSBP`, `DM.SEX` (form.item), `SCR.DM.SEX` (event.form.item), `subject.type` (form is "subject")."""

    item: str
    form: str = ""
    event: str = ""
    group: str = ""


class Scope:
    """What one evaluation reads: the answers and the day at the site."""

    __slots__ = ("answers", "today")

    def __init__(self, answers: Callable[[Ref], Value | tuple[Value, ...]], today: date) -> None:
        self.answers = answers
        self.today = today


class Node:
    """A node of the tree. `kind` is "number", "text", "boolean", "date" or "" when it depends on an answer."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        return ""

    def of(self, scope: Scope) -> Result:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Literal(Node):
    value: Decimal | str | bool | DateInterval
    kinds: ClassVar[Mapping[type, str]] = {Decimal: "number", str: "text", bool: "boolean", DateInterval: "date"}

    @property
    def kind(self) -> str:
        return self.kinds[type(self.value)]

    def of(self, scope: Scope) -> Result:
        return self.value


@dataclass(frozen=True, slots=True)
class Reference(Node):
    ref: Ref

    def of(self, scope: Scope) -> Result:
        return scope.answers(self.ref)


@dataclass(frozen=True, slots=True)
class Negative(Node):
    operand: Node

    @property
    def kind(self) -> str:
        return "number"

    def of(self, scope: Scope) -> Result:
        return arithmetic("-", Decimal(0), self.operand.of(scope))


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    operator: str
    left: Node
    right: Node

    @property
    def kind(self) -> str:
        return "number"

    def of(self, scope: Scope) -> Result:
        return arithmetic(self.operator, self.left.of(scope), self.right.of(scope))


class Condition(Node):
    """A node that is true, false or not determined."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        return "boolean"


@dataclass(frozen=True, slots=True)
class Compare(Condition):
    operator: str
    left: Node
    right: Node

    def of(self, scope: Scope) -> Truth:
        return compare(self.operator, self.left.of(scope), self.right.of(scope))


@dataclass(frozen=True, slots=True)
class Member(Condition):
    """`x in ('A', 'B')`: the same as `x = 'A' or x = 'B'`."""

    operand: Node
    choices: tuple[Literal, ...]

    def of(self, scope: Scope) -> Truth:
        value = self.operand.of(scope)
        return either(compare("=", value, choice.value) for choice in self.choices)


@dataclass(frozen=True, slots=True)
class And(Condition):
    terms: tuple[Node, ...]

    def of(self, scope: Scope) -> Truth:
        result: Truth = True
        for term in self.terms:
            value = truth(term.of(scope))
            if value is False:
                return False
            # What is unsure stays unsure whatever is still entered, so it outweighs what is only awaited.
            if value is not True and result is not UNDETERMINED:
                result = value
        return result


@dataclass(frozen=True, slots=True)
class Or(Condition):
    terms: tuple[Node, ...]

    def of(self, scope: Scope) -> Truth:
        return either(truth(term.of(scope)) for term in self.terms)


@dataclass(frozen=True, slots=True)
class Not(Condition):
    term: Node

    def of(self, scope: Scope) -> Truth:
        value = truth(self.term.of(scope))
        return not value if isinstance(value, bool) else value


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function of the table `FUNCTIONS`; the parser has counted its arguments."""

    name: str
    args: tuple[Node, ...]

    @property
    def kind(self) -> str:
        fixed = FUNCTIONS[self.name].kind
        if fixed:
            return fixed
        return next((arg.kind for arg in self.args[1 if self.name in ("if", "given") else 0 :] if arg.kind), "")

    def of(self, scope: Scope) -> Result:
        return FUNCTIONS[self.name].of(self.args, scope)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language: how many arguments it takes, what it gives, and whether it runs over many values.

    `takes` names the kind of each argument in order, where `load` is to hold a definition to it.
    """

    of: Callable[[Sequence[Node], Scope], Result]
    fewest: int
    most: int
    kind: str = ""
    aggregate: bool = False
    takes: tuple[str, ...] = ()


def _all(args: Sequence[Node], scope: Scope) -> list[Result]:
    values: list[Result] = []
    for arg in args:
        value = arg.of(scope)
        values.extend(value) if isinstance(value, tuple) else values.append(value)
    return values


def _total(values: Sequence[Result]) -> Decimal | Span | Undetermined | Awaited:
    total: Decimal | Span | Undetermined | Awaited = Decimal(0)
    for value in values:
        term = arithmetic("+", Decimal(0), value)
        if term is AWAITED:
            return AWAITED
        total = UNDETERMINED if total is UNDETERMINED else arithmetic("+", total, term)
    return total


def _sum(args: Sequence[Node], scope: Scope) -> Result:
    return _total(_all(args, scope))


def _mean(args: Sequence[Node], scope: Scope) -> Result:
    values = _all(args, scope)
    return arithmetic("/", _total(values), Decimal(len(values))) if values else AWAITED


def _any(args: Sequence[Node], scope: Scope) -> Result:
    """Whether any of the values is true; of no values at all nothing is known yet."""
    values = _all(args, scope)
    return either(truth(value) for value in values) if values else AWAITED


def _count(args: Sequence[Node], scope: Scope) -> Result:
    values = _all(args, scope)
    if any(value is UNDETERMINED for value in values):
        return UNDETERMINED
    return Decimal(sum(value is not None and value is not AWAITED and not isinstance(value, Missing) for value in values))


def _extreme(pick: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Node], Scope], Result]:
    def extreme(args: Sequence[Node], scope: Scope) -> Result:
        values = _all(args, scope)
        if not values or any(value is None or value is AWAITED for value in values):
            return AWAITED
        numbers = [number_of(value) for value in values]
        ends = [ends_of(number) for number in numbers if isinstance(number, Decimal | Span)]
        if len(ends) == len(values):
            return spanning([pick([low for low, _ in ends]), pick([high for _, high in ends])])
        for one_kind in (datetime, time):
            if all(isinstance(value, one_kind) for value in values):
                try:
                    return pick(values)  # type: ignore[no-any-return]
                except TypeError:
                    return UNDETERMINED
        days = [found for found in map(days_of, values) if isinstance(found, DateInterval)]
        if len(days) < len(values):
            return UNDETERMINED
        return DateInterval(pick([found.earliest for found in days]), pick([found.latest for found in days]))

    return extreme


def _round(args: Sequence[Node], scope: Scope) -> Result:
    number, decimals = number_of(args[0].of(scope)), whole(args[1].of(scope), 12) if len(args) > 1 else 0
    if number is AWAITED or decimals is AWAITED:
        return AWAITED
    if not isinstance(number, Decimal | Span) or not isinstance(decimals, int) or decimals < 0:
        return UNDETERMINED
    return spanning([rounded(end, decimals) for end in ends_of(number)])


def _abs(args: Sequence[Node], scope: Scope) -> Result:
    number = number_of(args[0].of(scope))
    if not isinstance(number, Decimal | Span):
        return number
    low, high = ends_of(number)
    return spanning([abs(low), abs(high)]) if low >= 0 or high <= 0 else Span(Decimal(0), max(-low, high))


def _between(distance: Callable[[date, date], int]) -> Callable[[Sequence[Node], Scope], Result]:
    """A distance that grows with the end and shrinks with the start, so that the ends of the intervals bound it."""

    def between(args: Sequence[Node], scope: Scope) -> Result:
        start, end = days_of(args[0].of(scope)), days_of(args[1].of(scope))
        if start is AWAITED or end is AWAITED:
            return AWAITED
        if not isinstance(start, DateInterval) or not isinstance(end, DateInterval):
            return UNDETERMINED
        return spanning([Decimal(distance(start.latest, end.earliest)), Decimal(distance(start.earliest, end.latest))])

    return between


def _moved(move: Callable[[date, int], date]) -> Callable[[Sequence[Node], Scope], Result]:
    def moved(args: Sequence[Node], scope: Scope) -> Result:
        days, by = days_of(args[0].of(scope)), whole(args[1].of(scope), 100_000)
        if days is AWAITED or by is AWAITED:
            return AWAITED
        if not isinstance(days, DateInterval) or not isinstance(by, int):
            return UNDETERMINED
        try:
            return DateInterval(move(days.earliest, by), move(days.latest, by))
        except (ValueError, OverflowError):
            return UNDETERMINED

    return moved


def _if(args: Sequence[Node], scope: Scope) -> Result:
    decided = truth(args[0].of(scope))
    return (args[1] if decided else args[2]).of(scope) if isinstance(decided, bool) else decided


def _given(args: Sequence[Node], scope: Scope) -> Result:
    """What is asked under a condition says nothing where the condition is not met: the measurement was made in another way."""
    under = flag(args[0].of(scope))
    return args[1].of(scope) if under is True else AWAITED if under is AWAITED else UNDETERMINED


def _values(of: Callable[..., Result], takes: tuple[str, ...], kind: str, aggregate: bool = False) -> Function:
    """A function of exactly these values."""
    return Function(lambda args, scope: of(*(arg.of(scope) for arg in args)), len(takes), len(takes), kind, aggregate, takes)


def _presence(claim: Callable[[Sequence[Result]], bool]) -> Callable[[Sequence[Node], Scope], Result]:
    """Whether something was entered is always known; of a repeating group all live rows are asked."""
    return lambda args, scope: claim(_all(args, scope))


def _has(args: Sequence[Node], scope: Scope) -> Result:
    chosen, code = args[0].of(scope), args[1].of(scope)
    if chosen is None or code is None or chosen is AWAITED or code is AWAITED:
        return AWAITED
    return code in chosen if isinstance(chosen, frozenset) and isinstance(code, str) else UNDETERMINED


def _blank(result: Result) -> bool:
    return result is None or result is AWAITED


MANY = 200
FUNCTIONS: Mapping[str, Function] = {
    "missing": Function(_presence(lambda found: any(isinstance(one, Missing) for one in found)), 1, 1, "boolean"),
    "answered": Function(_presence(lambda found: any(not _blank(one) for one in found)), 1, 1, "boolean"),
    "blank": Function(_presence(lambda found: all(_blank(one) for one in found)), 1, 1, "boolean"),
    "sum": Function(_sum, 1, MANY, "number", aggregate=True),
    "count": Function(_count, 1, MANY, "number", aggregate=True),
    "mean": Function(_mean, 1, MANY, "number", aggregate=True),
    "any": Function(_any, 1, MANY, "boolean", aggregate=True),
    "min": Function(_extreme(min), 1, MANY, aggregate=True),
    "max": Function(_extreme(max), 1, MANY, aggregate=True),
    "round": Function(_round, 1, 2, "number"),
    "abs": Function(_abs, 1, 1, "number"),
    "number": Function(lambda args, scope: number_of(args[0].of(scope)), 1, 1, "number"),
    "days_between": Function(_between(lambda start, end: (end - start).days), 2, 2, "number"),
    "months_between": Function(_between(months_between), 2, 2, "number"),
    "years_between": Function(_between(years_between), 2, 2, "number"),
    "add_months": Function(_moved(add_months), 2, 2, "date"),
    "add_days": Function(_moved(lambda day, days: day + timedelta(days=days)), 2, 2, "date"),
    "if": Function(_if, 3, 3),
    "has": Function(_has, 2, 2, "boolean"),
    "today": Function(lambda args, scope: DateInterval(scope.today, scope.today), 0, 0, "date"),
    "given": Function(_given, 2, 2),
    "low": _values(measure.low, ("number",), "number"),
    "high": _values(measure.high, ("number",), "number"),
    "age": _values(measure.age, ("date", "date"), "number"),
    "drop": _values(measure.drop, ("number", "number"), "number"),
    "lowest": Function(lambda args, scope: measure.lowest(*_all(args, scope)), 1, MANY, "number", aggregate=True),
    "pair_hours": _values(measure.pair_hours, ("boolean", "date", "time", "number"), "boolean", aggregate=True),
    "pair_days": _values(measure.pair_days, ("boolean", "date", "number"), "boolean", aggregate=True),
    **{name: _values(score.of, score.takes, score.kind) for name, score in SCORES.items()},
}
