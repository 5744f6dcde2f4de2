"""The clock: the only place where the time is read. Shells read it once and pass it down."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """This moment, as an aware datetime in UTC."""
    return datetime.now(UTC)
