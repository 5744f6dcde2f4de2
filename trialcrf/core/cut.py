"""The cut of a document: which data it is about, by the day at the sites and by what was known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Cut:
    """Which data a report is about: events and visits by `as_of` at the site, as known at `known_at` (an aware UTC time)."""

    as_of: date
    known_at: datetime
    definition_version: int
    definition_hash: str
    checkpoint: str
    study_oid: str

    def __post_init__(self) -> None:
        if self.known_at.utcoffset() is None:
            raise ValueError("known_at needs a time zone")
