"""The difference of two shares with its 95 % confidence interval: Newcombe's hybrid score method, good for small groups too."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)


def wilson(x: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927). Raises ValueError unless 0 <= x <= n and n > 0."""
    if n <= 0 or not 0 <= x <= n:
        raise ValueError(f"{x} of {n} is no share")
    share, square = x / n, Z * Z
    middle = (2 * n * share + square) / (2 * (n + square))
    half = Z * sqrt(square + 4 * n * share * (1 - share)) / (2 * (n + square))
    # What rounding leaves of an exact 0 or 1 is taken away.
    return (0.0 if x == 0 else middle - half), (1.0 if x == n else middle + half)


def newcombe(x: int, n: int, y: int, m: int) -> tuple[float, float, float]:
    """x/n - y/m with its 95 % interval (Newcombe 1998, Statistics in Medicine 17:873, method 10): difference, lower, upper."""
    first, second = x / n, y / m
    low, high = wilson(x, n)
    low_of, high_of = wilson(y, m)
    difference = first - second
    lower = difference - sqrt((first - low) ** 2 + (high_of - second) ** 2)
    upper = difference + sqrt((high - first) ** 2 + (second - low_of) ** 2)
    return difference, lower, upper
