"""Dates and times of day as people type them: into canonical text, or refused with the reason."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo

from trialcrf.core.wording import N_, Message

UNKNOWN_PARTS = frozenset({"UNK", "UN", "NK", "?", "??", "INC"})
FIRST_YEAR, LAST_YEAR = 1900, 2100

DAY = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?|([0-9]{1,2})[hH]([0-9]{2})?|([0-9]{2})([0-9]{2})")
OFFSET = re.compile(r"(.*?)\s*(Z|[+\-\u2212][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)", re.DOTALL)


class NotRead(Exception):
    """What was typed cannot be recorded, and why."""

    def __init__(self, msgid: str, **params: object) -> None:
        super().__init__(msgid)
        self.message = Message(msgid, params)


def calendar_day(year: str, month: str, day: str, partial: bool) -> str:
    """The canonical text of three boxes in capitals; a partial date may say UNK for its day, or for day and month."""
    if not year or year in UNKNOWN_PARTS:
        raise NotRead(N_("The year is needed; if it is not known, choose a missing code."))
    if not (len(year) == 4 and _is_number(year) and FIRST_YEAR <= int(year) <= LAST_YEAR):
        raise NotRead(N_("The year has four digits, from %(first)s to %(last)s."), first=str(FIRST_YEAR), last=str(LAST_YEAR))
    for text, needed in (
        (month, N_("The month is needed, or UNK if it is not known.")),
        (day, N_("The day is needed, or UNK if unknown.")),
    ):
        if not text:
            raise NotRead(needed if partial else N_("The day, the month and the year are needed."))
        if text in UNKNOWN_PARTS and not partial:
            raise NotRead(N_("The whole date is needed here; if it is not known, choose a missing code."))
        if text not in UNKNOWN_PARTS and not (len(text) <= 2 and _is_number(text)):
            raise NotRead(N_("%(text)s is neither a number of one or two digits nor UNK."), text=text)
    if month in UNKNOWN_PARTS:
        if day not in UNKNOWN_PARTS:
            raise NotRead(N_("A day without its month cannot be recorded: give the month, or UNK for the day."))
        return year
    if not 1 <= int(month) <= 12:
        raise NotRead(N_("There is no month %(month)s."), month=month)
    if day in UNKNOWN_PARTS:
        return f"{year}-{int(month):02d}"
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        raise NotRead(N_("There is no day %(day)s/%(month)s/%(year)s in the calendar."), day=day, month=month, year=year) from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def clock_time(text: str) -> str:
    """A time of day on 24 hours: 14:05, 14h05, 1405 or 14:05:30; seconds are kept when they were given."""
    found = _TIME.fullmatch(text)
    if found is not None:
        hour, minute = found[1] or found[4] or found[6], found[2] or found[5] or found[7] or "00"
        if int(hour) < 24 and int(minute) < 60 and int(found[3] or 0) < 60:
            return f"{int(hour):02d}:{minute}" + (f":{found[3]}" if found[3] else "")
    raise NotRead(N_("%(text)s is not a time of day: write 14:05."), text=text)


def offset_of(local: str, given: str, zone: tzinfo) -> str:
    """The offset of a local time at the site; a time that the clocks skip is refused, one that they show twice must be told apart."""
    naive = datetime.fromisoformat(local)
    possible = []
    for fold in (0, 1):
        aware = naive.replace(tzinfo=zone, fold=fold)
        back = aware.astimezone(UTC).astimezone(zone)
        offset = aware.isoformat()[len(naive.isoformat()) :]
        if back.replace(tzinfo=None) == naive and offset not in possible:
            possible.append(offset)
    if not possible:
        raise NotRead(N_("The clocks at the site skip %(time)s on that day: it does not exist."), time=local[11:])
    if given:
        wanted = "+00:00" if given == "Z" else given.replace("\u2212", "-").replace("-00:00", "+00:00")
        if wanted not in possible:
            raise NotRead(
                N_("At the site the time is then %(offset)s from universal time, not %(given)s."), offset=possible[0], given=given
            )
        return wanted
    if len(possible) > 1:
        raise NotRead(
            N_("The clocks at the site show %(time)s twice on that day: write %(time)s%(first)s or %(time)s%(second)s."),
            time=local[11:],
            first=possible[0],
            second=possible[1],
        )
    return possible[0]
