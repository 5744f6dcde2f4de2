"""The timed vital signs of an infusion: which are planned when, which were taken, which are late or missed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from trialcrf.core.wording import N_

_CODE = re.compile(r"([MP])([0-9]{1,5})")


class PointState(StrEnum):
    WAITING = "waiting"  # the infusion has not begun: nothing can be timed
    PLANNED = "planned"
    DUE = "due"  # its time has come and the next one's has not
    TAKEN = "taken"
    LATE = "late"  # taken later than the study accepts
    NOT_DONE = "not_done"  # recorded as not done, with a reason
    MISSED = "missed"  # the time of the next one has come, or the end of all


POINT_STATES: Mapping[PointState, str] = {
    PointState.WAITING: N_("waits for the start"),
    PointState.PLANNED: N_("to come"),
    PointState.DUE: N_("to be taken now"),
    PointState.TAKEN: N_("taken"),
    PointState.LATE: N_("taken late"),
    PointState.NOT_DONE: N_("not done"),
    PointState.MISSED: N_("missed, not taken"),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """A recorded reading: its row, and when it was taken. None: recorded as not done, or `untimed`: its time is not typed yet."""

    row: str
    at: datetime | None
    untimed: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A planned reading. `minutes` from the start of the infusion; `off` the minutes by which it was taken after its time."""

    minutes: int
    code: str
    planned_at: datetime | None
    taken: Taken | None
    state: PointState
    off: int | None = None


def code_of(minutes: int) -> str:
    """The code of a planned reading: P30, M15."""
    return f"{'M' if minutes < 0 else 'P'}{abs(minutes)}"


def minutes_of(code: str) -> int | None:
    found = _CODE.fullmatch(code)
    return None if found is None else int(found[2]) * (-1 if found[1] == "M" else 1)


def day_of(clock: time, planned: datetime | None, now: datetime) -> date:
    """The day that is meant by a time of day alone: the one that is nearest to the planned moment, else the latest that is not yet to come.

    `planned` and `now` show the clocks of the site.
    """
    if planned is None:
        return now.date() if clock <= now.time() else now.date() - timedelta(days=1)
    days = [planned.date() + timedelta(days=by) for by in (-1, 0, 1)]
    wanted = planned.replace(tzinfo=None)
    near = sorted(days, key=lambda day: abs(datetime.combine(day, clock) - wanted))
    return next((day for day in near if datetime.combine(day, clock) <= now.replace(tzinfo=None)), near[0])


def points(
    planned: Sequence[int], start: datetime | None, taken: Mapping[str, Taken], now: datetime, tolerance: int = 0
) -> tuple[Point, ...]:
    """Every planned reading with its state at `now`. Only the day's own start times them (clinical reference, C, R-D0).

    A reading is missed once the time of the next has come; the last one once as much time has passed again as lay between it and the one
    before. `tolerance` are minutes that are not yet late. A reading before the start is measured against the real start, too.
    """
    found = []
    for place, minutes in enumerate(planned):
        code = code_of(minutes)
        held = taken.get(code)
        at = start + timedelta(minutes=minutes) if start else None
        gap = planned[place + 1] - minutes if place + 1 < len(planned) else minutes - planned[place - 1] if place else 0
        off = round((held.at - at).total_seconds() / 60) if held and held.at and at else None
        found.append(Point(minutes, code, at, held, _state(held, at, off, gap, now, tolerance, minutes), off))
    return tuple(found)


def _state(held: Taken | None, at: datetime | None, off: int | None, gap: int, now: datetime, tolerance: int, minutes: int) -> PointState:
    if held is not None:
        if held.at is None:
            return PointState.TAKEN if held.untimed else PointState.NOT_DONE
        return PointState.LATE if off is not None and off > tolerance else PointState.TAKEN
    if at is None:
        # Before the start only the readings that precede it can be taken.
        return PointState.DUE if minutes < 0 else PointState.WAITING
    if now < at:
        return PointState.PLANNED
    return PointState.DUE if now < at + timedelta(minutes=gap) else PointState.MISSED
