"""Exact confidence intervals of a proportion, as a safety board reads them: of few subjects, often with no event at all."""

from __future__ import annotations

from decimal import Decimal, localcontext

PLACES = 10
"""Decimal places of a limit; the search is run further than that, so the last one is right."""

_DIGITS, _STEPS = 40, 60  # 2 ** -60 is far below half a unit of the last place


def clopper_pearson(x: int, n: int, level: Decimal | str = Decimal("0.95")) -> tuple[Decimal, Decimal]:
    """The exact two-sided interval for `x` subjects of `n`, as proportions rounded to PLACES (Clopper and Pearson, Biometrika 1934).

    Each limit is the rate under which what was seen, or more (for the lower one; or less, for the upper one) has the probability
    (1 - level) / 2. Nobody observed: everything is possible, 0 to 1. Raises ValueError for numbers that are no count of a group, or a
    level that is not between 0 and 1.
    """
    share = Decimal(level)
    if not 0 <= x <= n or not 0 < share < 1:
        raise ValueError(f"no interval for {x} of {n} at {level}")
    if n == 0:
        return Decimal(0), Decimal(1)
    with localcontext() as exact:
        exact.prec = _DIGITS
        tail = (1 - share) / 2
        low = Decimal(0) if x == 0 else _rate(n, n - x, tail, mirrored=True)
        high = Decimal(1) if x == n else _rate(n, x, tail, mirrored=False)
        return round(low, PLACES), round(high, PLACES)


def _rate(n: int, most: int, tail: Decimal, mirrored: bool) -> Decimal:
    """The rate under which at most `most` of `n` have the probability `tail`; `mirrored` tells it of the complement.

    The probability falls as the rate rises, so halving the range finds it: after k steps to within 2 ** -k.
    """
    low, high = Decimal(0), Decimal(1)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _at_most(n, most, middle) > tail:
            low = middle
        else:
            high = middle
    return 1 - (low + high) / 2 if mirrored else (low + high) / 2


def _at_most(n: int, most: int, rate: Decimal) -> Decimal:
    """P(X <= most) of the binomial distribution, for a rate strictly between 0 and 1; every term comes from the one before it."""
    odds = rate / (1 - rate)
    term = (1 - rate) ** n
    total = term
    for k in range(most):
        term = term * odds * (n - k) / (k + 1)
        total += term
    return total
