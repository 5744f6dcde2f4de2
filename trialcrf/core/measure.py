"""Functions of the expression language over whole values: ends of a span, exact ages, falls, and pairs of readings. Nothing here raises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from itertools import combinations
from typing import NamedTuple

from trialcrf.core.calendar import add_months, years_between
from trialcrf.core.kleene import Result, Truth, arithmetic, days_of, ends_of, flag, number_of, spanning
from trialcrf.core.typed import AWAITED, UNDETERMINED, Awaited, DateInterval, Missing, Span, Undetermined

_DAY = 86_400
_HOUR = 3_600


def low(x: Result) -> Result:
    """The lower end of a span; a number itself. Undetermined where there is no such end, as of `<0.5`."""
    return _end(number_of(x), 0)


def high(x: Result) -> Result:
    """The upper end of a span; a number itself. Undetermined where there is no such end, as of `>200`."""
    return _end(number_of(x), 1)


def _end(number: Decimal | Span | Undetermined | Awaited, which: int) -> Result:
    if not isinstance(number, Decimal | Span):
        return number
    end = ends_of(number)[which]
    return end if end.is_finite() else UNDETERMINED


def age(birth: Result, on: Result) -> Result:
    """The exact age in years, a whole number on the birthday and on no other day; a span where a date is partial.

    Completed years, plus the days since the last birthday over the days between the two birthdays: dates are compared, never days
    divided by 365.25 (R-I1). Who was born on 29 February has the birthday of 28 February in a common year. Negative before birth.
    """
    born, day = days_of(birth), days_of(on)
    if born is AWAITED or day is AWAITED:
        return AWAITED
    if not isinstance(born, DateInterval) or not isinstance(day, DateInterval):
        return UNDETERMINED
    try:
        return spanning([_exact_age(born.latest, day.earliest), _exact_age(born.earliest, day.latest)])
    except OverflowError:  # A birthday after the year 9999.
        return UNDETERMINED


def _exact_age(birth: date, on: date) -> Decimal:
    if on < birth:
        return -_exact_age(on, birth)
    years = years_between(birth, on)
    last, following = add_months(birth, 12 * years), add_months(birth, 12 * years + 12)
    part = arithmetic("/", Decimal((on - last).days), Decimal((following - last).days))
    return years + part if isinstance(part, Decimal) else Decimal(years)


def drop(old: Result, new: Result) -> Result:
    """The fall from old to new in per cent of old, negative for a rise; from zero it is undetermined."""
    # One use of each number, so that the bounds of two spans are as narrow as they can be.
    return arithmetic("*", Decimal(100), arithmetic("-", Decimal(1), arithmetic("/", new, old)))


def lowest(*values: Result) -> Result:
    """The smallest of the numbers that were answered (A-08b: of two ejection fractions the lower); blanks and missing codes are skipped."""
    spans: list[Span] = []
    blank = False
    for value in values:
        if value is None or value is AWAITED:
            blank = True
        elif not isinstance(value, Missing):
            number = number_of(value)
            if not isinstance(number, Decimal | Span):
                return UNDETERMINED
            spans.append(number if isinstance(number, Span) else Span(number, number))
    if not spans:
        return AWAITED if blank or not values else UNDETERMINED
    # An open end lies just inside its number: of `<35` and 35 the first is the lower.
    least = min(spans, key=lambda span: (span.low, span.low_open))
    most = min(spans, key=lambda span: (span.high, not span.high_open))
    return least.low if least.low == most.high else Span(least.low, most.high, least.low_open, most.high_open)


class _Reading(NamedTuple):
    """One row: whether it counts, and the seconds between which it was made; None without any date. `exact`: its instant is known."""

    flagged: Truth
    when: tuple[int, int] | None
    exact: bool


def pair_hours(flags: Result, dates: Result, times: Result, hours: Result) -> Truth:
    """Whether two flagged rows of a group are at least so many hours apart, by the site's clock (R-I3c).

    True needs date and time of both; false where no pair could be, with everything unknown counted in its favour.
    """
    return _paired((flags, dates, times), hours, _HOUR, _at_a_time)


def pair_days(flags: Result, dates: Result, days: Result) -> Truth:
    """Whether two flagged rows of a group are at least so many days apart; a partial date is any of its days."""
    return _paired((flags, dates), days, _DAY, _on_a_day)


def _paired(columns: tuple[Result, ...], least: Result, unit: int, reading: Callable[..., _Reading]) -> Truth:
    rows = [column if isinstance(column, tuple) else (column,) for column in columns]
    apart = number_of(least)
    if apart is AWAITED:
        return AWAITED
    if not isinstance(apart, Decimal) or len({len(column) for column in rows}) > 1:
        return UNDETERMINED
    readings = [reading(*row) for row in zip(*rows, strict=True)]
    if sum(each.when is not None for each in readings) < 2:
        return AWAITED
    found: Truth = False
    for one, other in combinations([each for each in readings if each.flagged is not False], 2):
        if one.when is None or other.when is None:
            found = UNDETERMINED
            continue
        most = max(one.when[1] - other.when[0], other.when[1] - one.when[0])
        fewest = max(one.when[0] - other.when[1], other.when[0] - one.when[1], 0)
        if one.flagged is True and other.flagged is True and one.exact and other.exact and fewest >= apart * unit:
            return True
        if most >= apart * unit:
            found = UNDETERMINED
    return found


def _at_a_time(flagged: Result, day: Result, clock: Result) -> _Reading:
    days = days_of(day)
    if not isinstance(days, DateInterval):
        return _Reading(flag(flagged), None, False)
    if not isinstance(clock, time) and isinstance(day, datetime):
        clock = day.time()
    known = isinstance(clock, time)
    first = last = clock.hour * _HOUR + clock.minute * 60 + clock.second if isinstance(clock, time) else 0
    if not known:
        last = _DAY - 1
    when = (days.earliest.toordinal() * _DAY + first, days.latest.toordinal() * _DAY + last)
    return _Reading(flag(flagged), when, known and days.exact)


def _on_a_day(flagged: Result, day: Result) -> _Reading:
    days = days_of(day)
    if not isinstance(days, DateInterval):
        return _Reading(flag(flagged), None, False)
    return _Reading(flag(flagged), (days.earliest.toordinal() * _DAY, days.latest.toordinal() * _DAY), True)
