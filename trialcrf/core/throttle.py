"""How long somebody waits after wrong passwords, codes, or very many files: longer each time, and never for good.

OWASP ASVS 5.0.0, 6.1.1 and 6.3.1; files: 2.4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Limit:
    """After `free` failures within `within` one waits a minute, and twice as long after every `step` further ones, at most `longest`."""

    within: timedelta
    free: int
    step: int
    longest: timedelta


HERE = Limit(timedelta(hours=12), 5, 1, timedelta(hours=1))
"""For an account from one address."""

ADDRESS = Limit(timedelta(minutes=15), 30, 10, timedelta(minutes=15))
"""For an address, whatever names are tried from it. Whoever signed in from there before is not held up by it."""

ELSEWHERE = Limit(timedelta(hours=12), 20, 5, timedelta(hours=1))
"""For an account from all the addresses together from which nobody ever signed in to it: those wait, its owner's addresses do not."""

FIRST = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Failures:
    """How many there were within a limit's time, and when the last one was."""

    count: int
    last: datetime | None


def wait_until(limit: Limit, failures: Failures) -> datetime | None:
    """From when on somebody may try again; None where nobody has to wait."""
    if failures.last is None or failures.count < limit.free:
        return None
    # The exponent is bounded too: a flood must not make a number that no calendar holds.
    doubled: timedelta = FIRST * 2 ** min((failures.count - limit.free) // limit.step, 20)
    return failures.last + min(doubled, limit.longest)


HOUR = timedelta(hours=1)
"""The time within which files that somebody takes are counted."""


def opens_at(most: int, taken: Sequence[datetime], now: datetime) -> datetime | None:
    """From when on one more file may be taken where `most` are allowed in any hour; None where it is now. `taken` are moments in order."""
    of_late = [at for at in taken if at > now - HOUR]
    return of_late[-most] + HOUR if len(of_late) >= most else None
