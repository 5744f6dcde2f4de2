"""When a reminder is due and to whom: the days on which a step holds, which step is the gravest, and when nobody is written to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from trialcrf.core.definition.model import Reminders, ReminderStep
from trialcrf.core.schedule import Span, State
from trialcrf.core.wording import N_, Message

WHENS: Mapping[str, str] = {
    "before": N_("from %(days)s d before the window opens"),
    "opens": N_("from the day when the window opens"),
    "last": N_("from %(days)s d before the last day of the window"),
    "overdue": N_("from %(days)s d after the last day of the window"),
}
"""The moments of a step, mildest first, as a person reads them."""

STATES: Mapping[str, State] = {"before": State.DUE_SOON, "opens": State.DUE, "last": State.DUE, "overdue": State.OVERDUE}
"""The state in which the lists show a visit that a step is about."""

_RANK = {when: rank for rank, when in enumerate(WHENS)}


def said(step: ReminderStep) -> Message:
    """When the step is reached, in words."""
    return Message(WHENS[step.when], {"days": step.days} if step.when != "opens" else {})


def span(step: ReminderStep, opens: date, closes: date) -> tuple[date, date | None]:
    """The first and the last day, inclusive, on which the step holds for an open window; None is no end."""
    days = timedelta(days=step.days)
    if step.when == "before":
        return opens - days, opens - timedelta(days=1)
    if step.when == "opens":
        return opens, closes
    if step.when == "last":
        return max(opens, closes - days), closes
    return closes + days, None


def earliest(steps: Iterable[ReminderStep], today: date) -> tuple[Span, ...]:
    """The open windows that any of the steps can be about today: `span` turned round, so that a scan asks for those only."""
    return tuple(dict.fromkeys(_windows(step, today) for step in steps))


def _windows(step: ReminderStep, today: date) -> Span:
    day, days = timedelta(days=1), timedelta(days=step.days)
    if step.when == "before":
        return Span(opens_from=today + day, opens_to=today + days)
    if step.when == "opens":
        return Span(opens_to=today, closes_from=today)
    if step.when == "last":
        return Span(opens_to=today, closes_from=today, closes_to=today + days)
    return Span(closes_to=today - days)


def reached(steps: Iterable[ReminderStep], opens: date, closes: date, today: date) -> tuple[ReminderStep, ...]:
    """The steps that hold today for an open window, the mildest first."""
    held = []
    for step in by_gravity(steps):
        first, last = span(step, opens, closes)
        if first <= today and (last is None or today <= last):
            held.append(step)
    return tuple(held)


def by_gravity(steps: Iterable[ReminderStep]) -> list[ReminderStep]:
    """The mildest first: as a visit comes nearer, opens, comes to its last day and is overdue. Of two alike an escalation is graver."""
    return sorted(steps, key=lambda step: (_RANK[step.when], step.days if step.when == "overdue" else -step.days, step.single))


def gravest(held: Sequence[ReminderStep], roles: Collection[str], singles_only: bool) -> ReminderStep | None:
    """The one step of those reached that a person with these roles is told of, if any; `singles_only`: who has a weekly digest instead."""
    mine = (step for step in reversed(held) if (step.single or not singles_only) and not set(roles).isdisjoint(step.roles))
    return next(mine, None)


def quiet_until(reminders: Reminders, at: datetime) -> datetime | None:
    """When the quiet hours end in which this moment lies, in universal time; None where it lies in none.

    `at` is an aware moment in the zone of the site. Where clocks are put forward over the end, they end when clocks go on; where the hour
    of the end comes twice, the first one ends them, and the second one ends those that began anew in between.
    """
    if not reminders.quiet_from:
        return None
    start, end = time.fromisoformat(reminders.quiet_from), time.fromisoformat(reminders.quiet_to)
    wall = at.time()
    over_midnight = start > end
    if not (wall >= start or wall < end if over_midnight else start <= wall < end):
        return None
    day = at.date() + timedelta(days=1) if over_midnight and wall >= start else at.date()
    ends = datetime.combine(day, end, tzinfo=at.tzinfo)
    first, second = (ends.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    # Compared in universal time: within one zone the two hours that are told alike would count as one.
    return first if first > at.astimezone(UTC) else second


def digest_moment(reminders: Reminders, at: datetime) -> datetime:
    """When the digest of the ISO week goes in which this moment lies; `at` as for `quiet_until`, the answer in universal time."""
    day = at.date() - timedelta(days=at.weekday()) + timedelta(days=reminders.digest_day)
    return datetime.combine(day, time.fromisoformat(reminders.digest_at), tzinfo=at.tzinfo).astimezone(UTC)


def week_of(at: datetime) -> str:
    """The ISO week of a local moment, such as 2026-W48."""
    year, week, _ = at.isocalendar()
    return f"{year}-W{week:02d}"
