"""The calendar of planned visits: a month as a grid, or day by day as an agenda; at any size only what is shown is read."""

from __future__ import annotations

import re
from calendar import Calendar
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, g, render_template, request, url_for

from trialcrf.core.calendar import add_months
from trialcrf.core.definition.model import Study
from trialcrf.core.schedule import STATES, State
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import sites, visits
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.store.visits import Asked, Line
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Chip, Crumb

blueprint = Blueprint("calendar", __name__)

IN_A_DAY, IN_A_GROUP, IN_ONE_DAY = 4, 8, 300
"""Visits that are drawn at most: in a day of the month, in each part of a day of the agenda, and in each part of a day by itself."""

SHOWN = (State.PLANNED, State.DUE_SOON, State.DUE, State.OVERDUE, State.DONE, State.DONE_OUT)
FILTERS = ("view", "month", "day", "site", "kind", "state")

GROUPS = {
    "target": N_("Planned for this day"),
    "opens": N_("First day of the window"),
    "closes": N_("Last day of the window"),
    "held_on": N_("Took place"),
}
"""What can be said of a visit on a day, by the column that names the day."""

Found = Mapping[date, tuple[list[Line], int]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A visit on a day: a link to its subject, with its state as a word and its window as a hint."""

    subject: str
    visit: Sayable
    url: str
    state: str
    word: Message
    why: Sayable


@dataclass(frozen=True, slots=True)
class Part:
    """Visits of one day of which one thing is said (GROUPS); `more` are not drawn."""

    of: str
    heading: Message
    entries: tuple[Entry, ...]
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.entries)


@dataclass(frozen=True, slots=True)
class Day:
    """A day with what is on it. `today` is a word on the day that it is today, somewhere; `ends` are windows that end on it."""

    on: date
    today: Message | None = None
    parts: tuple[Part, ...] = ()
    ends: int = 0
    url: str = ""
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Week:
    """A week of the month by its ISO number, Monday first."""

    number: int
    days: tuple[Day, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Asking:
    """What the address asks for; `day` None is the whole month. `every_place` are the sites that the person may choose from."""

    study: Study
    agenda: bool
    first: date
    last: date
    day: date | None
    every_place: Sequence[Site]
    asked: Asked


@page(blueprint, "/studies/<study>/calendar", "subject.list")
def shown(study: str) -> str:
    """Filters are in the address: view (month, agenda), month (2026-12) or day (2026-12-05, agenda only), site, kind, state."""
    definition = g.place.published.study
    with guard.read() as tx:
        asking = _asking(tx, definition)
        weeks = [] if asking.agenda else _weeks(tx, asking)
        days = _agenda(tx, asking) if asking.agenda else []
    step = g.language.full_day(asking.day) if asking.day else g.language.month(asking.first)
    return render_template(
        "calendar/agenda.html" if asking.agenda else "calendar/month.html",
        shell=shell(),
        crumbs=[Crumb(definition.title)],
        step=step,
        weeks=weeks,
        days=days,
        ways=_ways(asking),
        views=[
            Chip(Message(N_("Month")), _here(view=None, day=None, month=_month(asking.first)), not asking.agenda),
            Chip(Message(N_("Agenda")), _here(view="agenda", day=None, month=_month(asking.first)), asking.agenda),
        ],
        places=_places(asking),
        filters=_filters(asking),
        weekdays=[g.language.weekday(date(2026, 6, number)) for number in range(1, 8)],  # 1 June 2026 is a Monday
    )


def _asking(tx: Transaction, definition: Study) -> Asking:
    mine = guard.my_sites("subject.list")
    every = [place for place in sites.all_of(tx, definition.oid) if mine is None or place.code in mine]
    wanted = request.args.get("site", "")
    places = [place for place in every if wanted in ("", place.code)]
    today = min((place.today(g.now) for place in places), default=g.now.date())
    day = _day(request.args.get("day", "")) if request.args.get("view") == "agenda" else None
    first = (day or _day(request.args.get("month", "") + "-01") or today).replace(day=1)
    last = add_months(first, 1) - timedelta(days=1)
    kind = definition.subject_type.get(request.args.get("kind", ""))
    state = next((one for one in SHOWN if one.value == request.args.get("state")), None)
    asked = Asked(places, g.now, definition.due_soon, state, kind.oid if kind else "")
    return Asking(definition, request.args.get("view") == "agenda", day or first, day or last, day, every, asked)


def _day(text: str) -> date | None:
    """The day of an address, in the centuries of which a calendar has a month before and after."""
    try:
        return date.fromisoformat(text) if re.fullmatch(r"(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None


def _month(on: date) -> str:
    return on.isoformat()[:7]


def _weeks(tx: Transaction, asking: Asking) -> list[Week]:
    """The month in weeks: what is planned for each day and what took place on it; of the windows that end, how many."""
    of = {name: visits.by_day(tx, asking.asked, name, asking.first, asking.last, IN_A_DAY) for name in ("target", "held_on")}
    ends = visits.by_day(tx, asking.asked, "closes", asking.first, asking.last, 1)
    now = _todays(asking)

    def made(on: date) -> Day:
        if on.month != asking.first.month:
            return Day(on, outside=True)
        parts = _both(asking, on, of)
        return Day(on, now.get(on), parts, ends.get(on, ([], 0))[1], _here(view="agenda", month=None, day=on.isoformat()))

    grid = Calendar().monthdatescalendar(asking.first.year, asking.first.month)
    return [Week(week[0].isocalendar().week, tuple(made(on) for on in week)) for week in grid]


def _both(asking: Asking, on: date, of: Mapping[str, Found]) -> tuple[Part, ...]:
    """A day of the month has one list: what is planned and what took place, by subject."""
    found = [of[name].get(on, ([], 0)) for name in ("target", "held_on")]
    lines = sorted((line for some, _ in found for line in some), key=lambda line: (line.subject.key, line.event_oid))[:IN_A_DAY]
    count = sum(number for _, number in found)
    entries = tuple(_entry(asking.study, line) for line in lines)
    return (Part("target", Message(GROUPS["target"]), entries, count),) if count else ()


def _agenda(tx: Transaction, asking: Asking) -> list[Day]:
    """The days that have something, in order."""
    most = IN_ONE_DAY if asking.day else IN_A_GROUP
    of = {name: visits.by_day(tx, asking.asked, name, asking.first, asking.last, most) for name in GROUPS}
    now = _todays(asking)

    def parts(on: date) -> Iterator[Part]:
        for name, heading in GROUPS.items():
            lines, count = of[name].get(on, ([], 0))
            if count:
                yield Part(name, Message(heading), tuple(_entry(asking.study, line) for line in lines), count)

    days = sorted({on for found in of.values() for on in found})
    alone = asking.day is not None
    return [
        Day(on, now.get(on), tuple(parts(on)), url="" if alone else _here(view="agenda", month=None, day=on.isoformat())) for on in days
    ]


def _entry(study: Study, line: Line) -> Entry:
    visit = visits.on_day(study, line, g.now)
    url = url_for("subjects.one", study=study.oid, subject=line.subject.key, _anchor=f"visit-{line.event_oid}")
    return Entry(line.subject.key, visit.event.label, url, visit.state.value, Message(STATES[visit.state]), visit.reason)


def _todays(asking: Asking) -> dict[date, Message]:
    """The day, or the days, that it is today at these sites: around midnight it is two."""
    places: dict[date, list[str]] = {}
    for place in asking.asked.places:
        places.setdefault(place.today(g.now), []).append(place.code)
    if len(places) == 1:
        return {on: Message(N_("today")) for on in places}
    return {
        on: Message(N_("today at %(sites)s"), {"sites": ", ".join(codes[:3]) + (" …" if codes[3:] else "")}) for on, codes in places.items()
    }


def _ways(asking: Asking) -> tuple[Chip, Chip, Chip]:
    """Before, now, after: by months, or by days where the agenda shows one."""
    if asking.day:
        before, after = asking.day - timedelta(days=1), asking.day + timedelta(days=1)
        label = g.language.full_day
        here = [_here(day=on.isoformat()) for on in (before, after)]
    else:
        before, after = add_months(asking.first, -1), add_months(asking.first, 1)
        label = g.language.month
        here = [_here(month=_month(on)) for on in (before, after)]
    return Chip(label(before), here[0]), Chip(Message(N_("This month")), _here(month=None, day=None)), Chip(label(after), here[1])


def _places(asking: Asking) -> list[Chip]:
    if len(asking.every_place) < 2:
        return []
    wanted = request.args.get("site", "")
    every = Chip(Message(N_("Every site")), _here(site=None), not wanted)
    return [
        every,
        *(Chip(Message(N_("Site %(site)s"), {"site": one.code}), _here(site=one.code), one.code == wanted) for one in asking.every_place),
    ]


def _filters(asking: Asking) -> list[Chip]:
    kinds = [one for one in asking.study.subject_types if not one.product]
    some = [Chip(one.label, _here(kind=one.oid), one.oid == asking.asked.subject_type) for one in kinds] if len(kinds) > 1 else []
    some += [Chip(Message(STATES[one]), _here(state=one.value), one is asking.asked.state) for one in SHOWN]
    return [Chip(Message(N_("All")), _here(kind=None, state=None), not any(chip.current for chip in some)), *some]


def _here(**changed: str | None) -> str:
    """The address of this view with other filters; None takes one away."""
    kept: dict[str, Any] = {name: request.args[name] for name in FILTERS if request.args.get(name)} | changed
    left = {name: value for name, value in kept.items() if value}
    return url_for("calendar.shown", study=g.place.published.study.oid, **left)
