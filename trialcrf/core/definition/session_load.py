"""The `sessions` part of a study file: how long a session lasts, as data."""

from __future__ import annotations

from trialcrf.core.definition.criteria_load import CriteriaReading
from trialcrf.core.definition.session import MOST_HOURS, MOST_IDLE, SessionLimits
from trialcrf.core.definition.source import Located

KEYS = "idle_minutes absolute_hours"


def session_limits(reading: CriteriaReading, node: Located | None) -> SessionLimits:
    """The limits; without any, those that every study has."""
    given = SessionLimits()
    if node is None:
        return given
    raw = reading.fields(node, KEYS)
    return SessionLimits(
        reading.integer(raw.get("idle_minutes"), 1, MOST_IDLE, given.idle_minutes),
        reading.integer(raw.get("absolute_hours"), 1, MOST_HOURS, given.absolute_hours),
    )
