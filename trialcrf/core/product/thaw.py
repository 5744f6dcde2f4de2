"""The clock from thaw to infusion: how long a bag has been thawed, and what is left of the time that the study allows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Thaw:
    """A bag that was thawed at a moment. `until` is the start of its infusion, or now where it has none (`ended` says which).

    `limit` is the longest time in minutes, 0 where the study sets none: nothing is left then and nothing is beyond.
    """

    bag: str
    at: datetime
    until: datetime
    limit: int = 0
    ended: bool = False

    @property
    def minutes(self) -> int:
        """Whole minutes that have passed; below 0 where the infusion is recorded before the thaw."""
        return (self.until - self.at) // timedelta(minutes=1)

    @property
    def left(self) -> int | None:
        """Whole minutes that are left, 0 when none is; None without a limit."""
        if not self.limit:
            return None
        return max(0, (self.at + timedelta(minutes=self.limit) - self.until) // timedelta(minutes=1))

    @property
    def beyond(self) -> bool:
        """The last minute itself is accepted."""
        return bool(self.limit) and self.until - self.at > timedelta(minutes=self.limit)


def thaw(bag: str, at: datetime | None, start: datetime | None, now: datetime, limit: int = 0) -> Thaw | None:
    """The clock of a bag; None where no thaw is recorded. All moments are aware."""
    return None if at is None else Thaw(bag, at, start or now, limit, start is not None)
