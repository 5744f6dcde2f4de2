"""Who tries what: every door and address once, by one of those who can open it, and each role its share."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from tests.attack.instance import Instance

Thing = TypeVar("Thing")

SEED = int(os.environ.get("TRIALCRF_ATTACK_SEED", "29"))
"""`make attack` prints it, and takes another one each time."""


def shares(
    seen: Mapping[str, Sequence[Thing]], key: Callable[[Thing], Hashable], weight: Callable[[Thing], int], most: int
) -> dict[str, list[Thing]]:
    """To each name some of the things that it sees: each kind once, to whoever has least so far, in an order of chance, up to `most`."""
    chance, taken = random.Random(SEED), dict.fromkeys(seen, 0)
    who: dict[Hashable, list[str]] = {}
    for name, things in seen.items():
        for thing in things:
            who.setdefault(key(thing), []).append(name)
    kinds = sorted(who, key=str)
    chance.shuffle(kinds)
    kinds.sort(key=lambda kind: len(who[kind]))  # What few can open is theirs.
    given: dict[str, list[Thing]] = {name: [] for name in seen}
    for kind in kinds:
        name = min(who[kind], key=lambda one: taken[one])
        thing = next(one for one in seen[name] if key(one) == kind)
        if taken[name] + weight(thing) <= most:
            given[name].append(thing)
            taken[name] += weight(thing)
    return given


def failures(instance: Instance) -> list[str]:
    """What the program's own log says of faults: no tool may bring one about, whether it saw it or not."""
    lines = instance.said()
    if not any("route" in one for one in lines):
        return ["the log tells of no request"]
    return [str(one)[:600] for one in lines if one.get("level") == "error" or int(str(one.get("status") or 0)) >= 500]
