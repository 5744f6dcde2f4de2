"""What an answer is once it is typed: numbers, intervals of days, missing codes, and the two ways of not knowing."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Final


@dataclass(frozen=True, slots=True)
class DateInterval:
    """The days that a date may be, both ends included; an exact date has `earliest == latest`."""

    earliest: date
    latest: date

    @property
    def exact(self) -> bool:
        return self.earliest == self.latest


@dataclass(frozen=True, slots=True)
class Missing:
    """An answer that says why there is no value (ND, NA, UNK, NASK)."""

    code: str


@dataclass(frozen=True, slots=True)
class Span:
    """A number known only to lie between two bounds, both included unless said open: an age counted from a month of birth, `<0.5`."""

    low: Decimal
    high: Decimal
    low_open: bool = False
    high_open: bool = False


Value = Decimal | Span | str | bool | frozenset[str] | DateInterval | datetime | time | Missing | None
"""A typed answer; None is not yet entered."""


class Undetermined(Enum):
    """Kleene's third truth value. It has no truth of its own: a caller that forgets it must fail, not read it as false."""

    UNDETERMINED = "undetermined"

    def __bool__(self) -> bool:
        raise TypeError("undetermined is neither true nor false: compare with `is`")


class Awaited(Enum):
    """Undetermined only because something is not yet entered: what the person will be asked for anyway."""

    AWAITED = "awaited"

    def __bool__(self) -> bool:
        raise TypeError("awaited is neither true nor false: compare with `is`")


UNDETERMINED: Final = Undetermined.UNDETERMINED
AWAITED: Final = Awaited.AWAITED

_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:T[0-9:.+-]+Z?)?)?)?")


@lru_cache(maxsize=8192)
def interval(text: str) -> DateInterval:
    """The days of a canonical date ("2026", "2026-01", "2026-01-05"), or the local day of a datetime text.

    Raises ValueError for any other text.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"not a canonical date: {text!r}")
    year, month, day = (int(part) if part else 0 for part in found.groups())
    if found[3]:
        exact = date(year, month, day)
        return DateInterval(exact, exact)
    if found[2]:
        first = date(year, month, 1)
        return DateInterval(first, date(year, month, monthrange(year, month)[1]))
    return DateInterval(date(year, 1, 1), date(year, 12, 31))


def interval_text(days: DateInterval) -> str | None:
    """The canonical text of an interval that is a day, a calendar month or a calendar year; None for any other interval."""
    first = days.earliest.isoformat()
    return next((text for text in (first, first[:7], first[:4]) if interval(text) == days), None)
