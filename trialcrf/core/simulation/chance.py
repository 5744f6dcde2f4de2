"""Numbers that look drawn and follow from a seed alone, so that a synthetic subject is the same on every machine and in every order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TypeVar

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15

T = TypeVar("T")


class Chance:
    """A stream of numbers named by a path (seed, subject, visit, form ...): what is drawn elsewhere never shifts it.

    The generator is SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
    """

    __slots__ = ("_state",)

    def __init__(self, *path: object) -> None:
        name = "|".join(map(str, path)).encode()
        self._state = int.from_bytes(blake2b(name, digest_size=8).digest(), "big")

    def share(self) -> float:
        """From 0 up to, and without, 1."""
        self._state = mixed = (self._state + _STEP) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)

    def happens(self, probability: float) -> bool:
        return self.share() < probability

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.share()

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int(self.share() * (high - low + 1))

    def normal(self, mean: float, sd: float) -> float:
        """Normally distributed (Box and Muller 1958)."""
        radius = math.sqrt(-2 * math.log(1 - self.share()))
        return mean + sd * radius * math.cos(2 * math.pi * self.share())

    def count(self, mean: float) -> int:
        """A count of rare things (Poisson; Knuth's product)."""
        limit, product, found = math.exp(-mean), self.share(), 0
        while product > limit:
            product *= self.share()
            found += 1
        return found

    def one(self, options: Sequence[T]) -> T:
        return options[int(self.share() * len(options))]

    def weighted(self, weights: Mapping[str, float]) -> str:
        left = self.share() * sum(weights.values())
        for name, weight in weights.items():
            left -= weight
            if left < 0:
                return name
        return list(weights)[-1]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        return [one for _, one in sorted(((self.share(), number), one) for number, one in enumerate(options))]
