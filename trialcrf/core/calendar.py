"""Days and months: calendar arithmetic with the end-of-month clamp (assumption A-29)."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta


def add_months(day: date, months: int) -> date:
    """The same day of the month so many calendar months later; the month's last day where there is no such day.

    31 January + 1 month is 28 or 29 February. Raises OverflowError outside the years 1 to 9999.
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    if not 1 <= year <= 9999:
        raise OverflowError(f"year {year} is out of range")
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def add(day: date, months: int, days: int) -> date:
    """Months first, then days."""
    return add_months(day, months) + timedelta(days=days)


def months_between(start: date, end: date) -> int:
    """Whole calendar months from start to end: the most that `add_months(start, n) <= end` allows; negative when end comes first.

    From 31 January to 28 February 2026 it is one month, as a visit one month after 31 January is due on the 28th.
    """
    if end < start:
        return -months_between(end, start)
    months = (end.year - start.year) * 12 + end.month - start.month
    last_day = monthrange(end.year, end.month)[1]
    return months if end.day >= min(start.day, last_day) else months - 1


def years_between(start: date, end: date) -> int:
    """Whole years from start to end, towards zero; who was born on 29 February is a year older on 28 February of a common year."""
    months = months_between(start, end)
    return months // 12 if months >= 0 else -(-months // 12)
