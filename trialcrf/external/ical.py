"""Calendar files as calendar programs read them (RFC 5545), by the library icalendar: the only room that knows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from icalendar import Calendar, Event, vText

MEDIA_TYPE = "text/calendar; charset=utf-8"

REFRESH = timedelta(hours=6)
"""How often a program is asked to read anew (RFC 7986); most of them decide by themselves."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something of one whole day. `uid` is the same each time the calendar is read, so that what moved is not shown twice."""

    uid: str
    on: date
    summary: str
    description: str


def calendar(name: str, about: str, entries: Iterable[Entry], made_at: datetime) -> bytes:
    """The calendar as a file. Its days are days, without hour or zone: no change to summer time can move them.

    Raises ValueError for a `made_at` without zone.
    """
    if made_at.tzinfo is None:
        raise ValueError("a moment needs a zone")
    made = Calendar()
    made.add("prodid", "-//trialcrf//visits//EN")
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    # Not of the standard, but every program shows the first; the library escapes only what it knows, or is told to be text.
    made.add("x-wr-calname", vText(name))
    made.add("x-wr-caldesc", vText(about))
    made.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    for entry in entries:
        made.add_component(_event(entry, made_at))
    file: bytes = made.to_ical()
    return file


def _event(entry: Entry, made_at: datetime) -> Event:
    event = Event()
    event.add("uid", entry.uid)
    event.add("dtstamp", made_at)
    event.add("dtstart", entry.on)
    event.add("dtend", entry.on + timedelta(days=1))  # exclusive, as the standard says: the whole of one day
    event.add("summary", entry.summary)
    event.add("description", entry.description)
    event.add("transp", "TRANSPARENT")  # a visit of a subject does not make its reader busy
    return event
