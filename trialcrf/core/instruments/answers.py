"""How the answers to a score's items are read: grades, ticks, bounds of what is still unknown, and functions over spans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Context, Decimal
from itertools import product

from trialcrf.core.kleene import Result, Truth, ends_of, number_of, rounded, spanning, whole
from trialcrf.core.typed import AWAITED, UNDETERMINED, Awaited, Missing, Span, Undetermined

DECIMALS = 10
"""Of results with roots, powers and exponentials: far finer than any laboratory measures, and as many as a derived item keeps."""

REAL = Context(prec=40, Emax=999, Emin=-999, traps=[])
"""For roots, powers and exponentials; no trap is set, so that nothing raises."""

Bounds = tuple[Decimal, Decimal]
Number = Decimal | Span | Undetermined | Awaited


def grade(result: Result, most: int) -> int | Undetermined | None:
    """A whole number from 0 to `most`; None where there is none yet or a missing code; UNDETERMINED for anything else."""
    if result is None or result is AWAITED or result is UNDETERMINED or isinstance(result, Missing):
        return None
    number = whole(result, most)
    return number if isinstance(number, int) and number >= 0 else UNDETERMINED


def untouched(results: Iterable[Result]) -> bool:
    """Whether nothing at all was answered."""
    return all(result is None or result is AWAITED for result in results)


def gap(results: Iterable[Result]) -> Undetermined | Awaited:
    """What a score without bounds is while it cannot be known: awaited as long as an answer is still to come."""
    return AWAITED if any(result is None or result is AWAITED for result in results) else UNDETERMINED


def heaviest(claims: Iterable[tuple[Truth, Decimal]]) -> Bounds:
    """The least and the most that the heaviest true claim may weigh; a claim that is not known may be true."""
    low = high = Decimal(0)
    for claim, weight in claims:
        if claim is not False:
            high = max(high, weight)
        if claim is True:
            low = max(low, weight)
    return low, high


def total(results: Sequence[Result], parts: Iterable[Bounds]) -> Number:
    """The sum of parts known by bounds; awaited while nothing at all was answered."""
    if untouched(results):
        return AWAITED
    listed = list(parts)
    return spanning([sum((low for low, _ in listed), Decimal(0)), sum((high for _, high in listed), Decimal(0))])


def across(formula: Callable[..., Decimal], *results: Result) -> Number:
    """A formula that rises or falls with each of its numbers, over numbers that may be spans; rounded to `DECIMALS`.

    Undetermined where the formula gives no number (NaN, infinity) for what a number may be.
    """
    read = [number_of(result) for result in results]
    if any(number is AWAITED for number in read):
        return AWAITED
    ends = [ends_of(number) for number in read if isinstance(number, Decimal | Span)]
    if len(ends) < len(read):
        return UNDETERMINED
    return spanning([rounded(formula(*corner), DECIMALS) for corner in product(*ends)])
