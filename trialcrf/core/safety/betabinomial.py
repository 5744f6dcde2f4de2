"""The arithmetic of a beta-binomial stopping rule: posterior probability, boundary, and how often the rule stops a trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache

from trialcrf.core.definition.safety import StoppingRule

RATES = tuple(Decimal(rate) for rate in ("0.05", "0.10", "0.20", "0.30", "0.40"))
"""True rates of toxicity for which it is told how often a rule stops (clinical reference, E.12)."""

PLACES = 30
"""Decimal places of a posterior. All of them are right, so a rule never hangs on an error of arithmetic."""

_DIGITS = 50
_ERROR = Decimal("1e-35")
"""The tail of a series is left out only where it is provably below this share of its sum; the other 50 digits carry the roundings."""


@dataclass(frozen=True, slots=True)
class Characteristic:
    """What a rule does where the true rate is `rate`: the probability that it stops, and the mean number of subjects by then."""

    rate: Decimal
    stops: Decimal
    subjects: Decimal


def posterior(x: int, n: int, prior_a: Decimal | str, prior_b: Decimal | str, limit: Decimal | str) -> Decimal:
    """P(rate > limit) after `x` toxicities in `n` subjects, the rate being Beta(a, b) before: 1 - I_limit(a + x, b + n - x).

    Rounded to PLACES. Both sides of the incomplete beta integral are series of positive terms with the same factor
    limit^a (1 - limit)^b in front (DLMF 8.17.8), so their shares need neither that factor nor a gamma function, and nothing cancels.
    Raises ValueError for what is no count, no prior or no limit.
    """
    with localcontext() as exact:
        exact.prec = _DIGITS
        a, b, at = Decimal(prior_a) + x, Decimal(prior_b) + n - x, Decimal(limit)
        if not 0 <= x <= n or not (Decimal(prior_a) > 0 and Decimal(prior_b) > 0 and 0 < at < 1):
            raise ValueError(f"no posterior of {x} in {n} with Beta({prior_a}, {prior_b}) at {limit}")
        below, above = _side(a, b, at), _side(b, a, 1 - at)
        return round(above / (below + above), PLACES)


def _side(a: Decimal, b: Decimal, at: Decimal) -> Decimal:
    """The integral of t^(a-1) (1-t)^(b-1) from 0 to `at`, without the factor at^a (1-at)^b: the sum of (a+b)_k / (a+1)_k at^k, over a."""
    term = total = Decimal(1)
    k = 0
    while True:
        ratio = at * (a + b + k) / (a + 1 + k)
        term *= ratio
        total += term
        k += 1
        # The ratios fall towards `at` or rise towards it: from here on none is above the larger of the two, so a geometric series
        # is above what is left.
        largest = max(ratio, at)
        if largest < 1 and term * largest < _ERROR * total * (1 - largest):
            return total / a


@lru_cache(maxsize=64)
def boundary(rule: StoppingRule) -> tuple[int | None, ...]:
    """For 1, 2, ... subjects the fewest toxicities at which the rule stops; None where not even all of them are enough.

    As if it were looked after every subject; `looked_at` says after which it is. The threshold must be exceeded, not met.
    """
    found: list[int | None] = []
    least = 0
    for n in range(1, rule.subjects + 1):
        # The posterior rises with toxicities and falls with subjects, so the search goes on where the last one ended.
        while least <= n and not exceeded(rule, least, n):
            least += 1
        found.append(least if least <= n else None)
    return tuple(found)


def exceeded(rule: StoppingRule, x: int, n: int) -> bool:
    """Whether `x` toxicities in `n` subjects are too many."""
    return posterior_of(rule, x, n) > Decimal(rule.threshold)


@lru_cache(maxsize=4096)
def posterior_of(rule: StoppingRule, x: int, n: int) -> Decimal:
    """The posterior probability under a rule's prior and limit."""
    return posterior(x, n, rule.prior_a, rule.prior_b, rule.limit)


def looked_at(rule: StoppingRule) -> tuple[int, ...]:
    """The numbers of evaluable subjects at which it is looked, in order: every one where the rule names none."""
    return tuple(sorted(set(rule.looks))) if rule.looks else tuple(range(1, rule.subjects + 1))


def operating_characteristics(rule: StoppingRule, rates: Sequence[Decimal] = RATES) -> tuple[Characteristic, ...]:
    """How often the rule stops, exactly: the number of toxicities is followed from look to look, and what has stopped is taken out."""
    return tuple(_characteristic(rule, rate) for rate in rates)


@lru_cache(maxsize=256)
def _characteristic(rule: StoppingRule, rate: Decimal) -> Characteristic:
    limits, looks = boundary(rule), looked_at(rule)
    with localcontext() as exact:
        exact.prec = _DIGITS
        going, stopped, treated = [Decimal(1)], Decimal(0), Decimal(0)
        for n in range(1, rule.subjects + 1):
            treated += sum(going)
            with_one = [Decimal(0), *(held * rate for held in going)]
            going = [held * (1 - rate) + more for held, more in zip([*going, Decimal(0)], with_one, strict=True)]
            least = limits[n - 1] if n in looks else None
            if least is not None:
                stopped += sum(going[least:])
                going = going[:least]
                going += [Decimal(0)] * (n + 1 - len(going))
        return Characteristic(rate, stopped, treated)
