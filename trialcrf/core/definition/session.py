"""What a study says of the sessions of whoever works in it: how long one lasts unused, and how long at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MOST_IDLE, MOST_HOURS = 240, 24
"""A day is the longest that anybody works under one password; a device that nobody used for four hours is somebody else's (ASVS 7.3)."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """`idle_minutes` from the last use to the end, `absolute_hours` from the signing in to the end whatever was done."""

    idle_minutes: int = 30
    absolute_hours: int = 12


def strictest(limits: Iterable[SessionLimits]) -> SessionLimits:
    """Whoever has a role in several studies is held to the shortest of each; whoever has none, to the defaults."""
    each = list(limits) or [SessionLimits()]
    return SessionLimits(min(one.idle_minutes for one in each), min(one.absolute_hours for one in each))
