"""How much memory a program holds with all of its processes, and whether that is a flat line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression, median

from tests.bench.figures import Figure, at_most, plain

MOST = 1.05
"""How many times what was held at the first the last may be."""
SAMPLES = 60
_PSS = re.compile(r"^Pss: +(\d+) kB", re.M)


@dataclass(frozen=True, slots=True)
class Sample:
    """`held` MiB after so many requests."""

    requests: int
    held: float


def tree(process: int) -> list[int]:
    """A process and all that it started, and they in turn."""
    children = Path("/proc", str(process), "task", str(process), "children").read_text(encoding="ascii").split()
    return [process, *(one for child in children for one in tree(int(child)))]


def held(process: int) -> float:
    """MiB of a process and all that it started; what several of them share counts once (proportional set size)."""
    told = 0
    for one in tree(process):
        # One that has ended meanwhile holds nothing.
        with suppress(FileNotFoundError, ProcessLookupError):
            found = _PSS.search(Path("/proc", str(one), "smaps_rollup").read_text(encoding="ascii"))
            told += int(found[1]) if found else 0
    return told / 1024


def watched(process: int, seconds: float, requests: Callable[[], int]) -> list[Sample]:
    """Samples of so many seconds, at equal distances."""
    end = time.monotonic() + seconds
    samples = []
    while time.monotonic() < end:
        samples.append(Sample(requests(), held(process)))
        time.sleep(min(seconds / SAMPLES, max(0.0, end - time.monotonic())))
    return [*samples, Sample(requests(), held(process))]


def ratio(samples: Sequence[Sample]) -> float:
    """The last tenth of what was held, of the first."""
    part = max(1, len(samples) // 10)
    return median(one.held for one in samples[-part:]) / median(one.held for one in samples[:part])


def slope(samples: Sequence[Sample]) -> float:
    """MiB more for every thousand requests: the line through the last two thirds of the samples."""
    last = samples[len(samples) // 3 :]
    return 1000 * linear_regression([one.requests for one in last], [one.held for one in last]).slope


def figures(name: str, samples: Sequence[Sample]) -> list[Figure]:
    last = samples[len(samples) // 3 :]
    risen = slope(samples) * (last[-1].requests - last[0].requests) / 1000
    return [
        at_most(f"{name}: memory at the end, of that after warming up", ratio(samples), "times", MOST),
        at_most(f"{name}: memory by the line through the last two thirds", 1 + risen / last[0].held, "times", MOST),
        plain(f"{name}: memory more for 1,000 requests, by the same line", slope(samples), "MiB"),
        plain(f"{name}: memory of the server after warming up", samples[0].held, "MiB"),
        plain(f"{name}: requests meanwhile", samples[-1].requests - samples[0].requests, "requests"),
    ]
