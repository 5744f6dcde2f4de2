"""Which backups are kept: the newest of each of the last nights, weeks and months that have one, and always the last proved one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

OLD_AFTER = timedelta(days=2)
"""Two nights: a newest proved backup that is older than this is told to every administrator."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How many nights, weeks and months back a backup is kept."""

    nights: int = 14
    weeks: int = 8
    months: int = 12


def kept(backups: Iterable[tuple[datetime, bool]], keep: Keep) -> set[datetime]:
    """The moments of those that stay. Each is told as its moment and whether it was proved; of a night, the proved one stays.

    The newest stays whatever became of it, and the newest proved one however old it is: neither is ever the price of a newer failure.
    """
    newest_first = sorted(backups, reverse=True)
    proved_ones = [at for at, proved in newest_first if proved]
    stays = {at for at, _ in newest_first[:1]} | set(proved_ones[:1])
    for stretch, count in ((_night, keep.nights), (_week, keep.weeks), (_month, keep.months)):
        stays |= _of_each(newest_first, stretch, count)
    return stays


def is_old(proved: datetime | None, now: datetime) -> bool:
    """Whether the newest proved backup is too old to rely on; with none there is none to rely on."""
    return proved is None or now - proved > OLD_AFTER


def _of_each(newest_first: list[tuple[datetime, bool]], stretch: Callable[[datetime], Hashable], count: int) -> set[datetime]:
    best: dict[Hashable, tuple[datetime, bool]] = {}
    for at, proved in newest_first:
        key = stretch(at.astimezone(UTC))
        if key not in best or (proved and not best[key][1]):
            best[key] = (at, proved)
    return {at for at, _ in list(best.values())[:count]}


def _night(at: datetime) -> Hashable:
    return at.date()


def _week(at: datetime) -> Hashable:
    return at.isocalendar()[:2]


def _month(at: datetime) -> Hashable:
    return (at.year, at.month)
