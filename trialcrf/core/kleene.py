"""What may be known of values that are not exact: Kleene's three values, and numbers and days as intervals. Nothing here raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from trialcrf.core.typed import AWAITED, UNDETERMINED, Awaited, DateInterval, Span, Undetermined, Value

Result = Value | tuple[Value, ...] | Undetermined | Awaited
Truth = bool | Undetermined | Awaited


def truth(result: Result) -> Truth:
    """A result as a truth value; a value that is not boolean is undetermined."""
    if isinstance(result, bool | Undetermined | Awaited):
        return result
    return AWAITED if result is None else UNDETERMINED


def flag(result: Result) -> Truth:
    """An answer to a yes-or-no question; the texts that a boolean is stored as, Y and N, count as one."""
    return result == "Y" if isinstance(result, str) and result in ("Y", "N") else truth(result)


def either(values: Iterable[Truth]) -> Truth:
    """Kleene's or. An awaited answer may still make it true, so awaited outweighs unsure."""
    result: Truth = False
    for value in values:
        if value is True:
            return True
        if value is not False and result is not AWAITED:
            result = value
    return result


def compare(operator: str, left: Result, right: Result) -> Truth:
    """`left operator right`, decided only where it is certain for every number and day that the two may be."""
    if left is None or right is None or left is AWAITED or right is AWAITED:
        return AWAITED
    if isinstance(left, bool | str | frozenset) or isinstance(right, bool | str | frozenset):
        return _same(operator, left, right)
    bounds = _bounds(left, right)
    if bounds is None:
        return UNDETERMINED
    low, high, other_low, other_high = bounds
    try:
        if operator in ("=", "!="):
            equal = True if low == high == other_low == other_high else False if high < other_low or other_high < low else None
            return UNDETERMINED if equal is None else equal == (operator == "=")
        if operator in (">", ">="):
            low, high, other_low, other_high = other_low, other_high, low, high
        if operator in ("<", ">"):
            return True if high < other_low else False if low >= other_high else UNDETERMINED
        return True if high <= other_low else False if low > other_high else UNDETERMINED
    except TypeError:  # A datetime without an offset has no place in time beside one with an offset.
        return UNDETERMINED


def _same(operator: str, left: Result, right: Result) -> Truth:
    """Equality of texts, truths and choices, which have no order: codes such as '10' and '9' must not be compared as words."""
    if operator not in ("=", "!="):
        return UNDETERMINED
    if isinstance(left, bool) and isinstance(right, str):
        left, right = right, left
    if isinstance(left, str) and isinstance(right, bool):
        if left not in ("Y", "N"):
            return UNDETERMINED
        left = left == "Y"  # The canonical texts of a boolean, so that `AESER = 'Y'` means what its author meant.
    if type(left) is not type(right):
        return UNDETERMINED
    return (left == right) == (operator == "=")


def _bounds(left: Result, right: Result) -> tuple[Any, Any, Any, Any] | None:
    """Lowest and highest of both, when they are of one kind; a datetime beside a date counts by its local day."""
    if isinstance(left, Decimal | Span) and isinstance(right, Decimal | Span):
        return *_ordered_ends(left), *_ordered_ends(right)
    if isinstance(left, datetime) and isinstance(right, datetime):
        return left, left, right, right
    if isinstance(left, time) and isinstance(right, time):
        return left, left, right, right
    days, others = days_of(left), days_of(right)
    if isinstance(days, DateInterval) and isinstance(others, DateInterval):
        return days.earliest, days.latest, others.earliest, others.latest
    return None


def _ordered_ends(number: Decimal | Span) -> tuple[tuple[Decimal, int], tuple[Decimal, int]]:
    """Both ends as they are ordered: an open end lies just inside its number, so that `<0.5` is below 0.5 itself."""
    low, high = ends_of(number)
    return (low, int(isinstance(number, Span) and number.low_open)), (high, -int(isinstance(number, Span) and number.high_open))


def days_of(result: Result) -> DateInterval | Undetermined | Awaited:
    if isinstance(result, DateInterval):
        return result
    if isinstance(result, datetime):
        return DateInterval(result.date(), result.date())
    return AWAITED if result is None or result is AWAITED else UNDETERMINED


# Numbers. Forty digits hold every sum of what the readers let in; no trap is set, so that nothing raises.
_EXACT = Context(prec=40, Emax=999, Emin=-999, traps=[])
_NUMBER = re.compile(r"-?[0-9]{1,28}(?:\.[0-9]{1,28})?")
_OPERATIONS: Mapping[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": _EXACT.add,
    "-": _EXACT.subtract,
    "*": _EXACT.multiply,
    "/": _EXACT.divide,
}


def ends_of(number: Decimal | Span) -> tuple[Decimal, Decimal]:
    return (number.low, number.high) if isinstance(number, Span) else (number, number)


def number_of(result: Result) -> Decimal | Span | Undetermined | Awaited:
    """A result as a number. A code that is a plain number counts as one, so that a score can be summed over its code lists."""
    if isinstance(result, Decimal | Span):
        return result
    if isinstance(result, str) and _NUMBER.fullmatch(result):
        return Decimal(result)
    return AWAITED if result is None or result is AWAITED else UNDETERMINED


def spanning(ends: Sequence[Decimal]) -> Decimal | Span | Undetermined:
    if not all(end.is_finite() for end in ends):
        return UNDETERMINED
    low, high = min(ends), max(ends)
    return low if low == high else Span(low, high)


def arithmetic(operator: str, left: Result, right: Result) -> Decimal | Span | Undetermined | Awaited:
    """`left operator right`; a division by what may be zero is undetermined."""
    one, other = number_of(left), number_of(right)
    if one is AWAITED or other is AWAITED:
        return AWAITED
    if not isinstance(one, Decimal | Span) or not isinstance(other, Decimal | Span):
        return UNDETERMINED
    low, high = ends_of(other)
    if operator == "/" and low <= 0 <= high:
        return UNDETERMINED
    operation = _OPERATIONS[operator]
    return spanning([operation(a, b) for a in ends_of(one) for b in (low, high)])


def whole(result: Result, most: int) -> int | Undetermined | Awaited:
    number = number_of(result)
    if isinstance(number, Decimal):
        return int(number) if abs(number) <= most and number == number.to_integral_value() else UNDETERMINED
    return AWAITED if number is AWAITED else UNDETERMINED


def rounded(number: Decimal, decimals: int) -> Decimal:
    """Rounded half away from zero, as a person rounds; NaN where the number is too long."""
    return number.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP, context=_EXACT)
