"""Planned review of the audit trail: what in the saves of a period deserves a second look (EMA guideline, 6.2.2; ICH E6(R3), 4.2.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from trialcrf.core.definition.oversight import ReviewPlan
from trialcrf.core.wording import N_

SHOWN = 50
"""Examples of each signal that are kept to be looked at; every one counts."""


class Signal(StrEnum):
    """Something that deserves a second look. None of them is a fault by itself."""

    LATE = "late"
    AFTER_SIGNATURE = "after_signature"
    NEAR_LOCK = "near_lock"
    NIGHT = "night"
    MANY_SITES = "many_sites"
    SAME_REASON = "same_reason"


SIGNALS: Mapping[Signal, str] = {
    Signal.LATE: N_("Entered late after the visit"),
    Signal.AFTER_SIGNATURE: N_("Changed after a signature"),
    Signal.NEAR_LOCK: N_("Changed shortly before a lock"),
    Signal.NIGHT: N_("Saved at night"),
    Signal.MANY_SITES: N_("One hand at many sites"),
    Signal.SAME_REASON: N_("The same reason again and again"),
}


@dataclass(frozen=True, slots=True)
class Save:
    """One save of a form by a person. `at` is in the zone of the site.

    `begun`: the form was new. `changed`: something that was recorded before was replaced, cleared or marked in error, with `reasons`.
    `held_on` is the day of the visit, None where there is none; `signed`: a signature covered the form; `locked_at` is when what it lies
    under was locked the next time, None where it never was.
    """

    at: datetime
    actor: str
    site: str
    subject: str
    form_id: int
    begun: bool = False
    changed: bool = False
    reasons: tuple[str, ...] = ()
    held_on: date | None = None
    signed: bool = False
    locked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a signal was met: in all, by site and by person, with the first of the saves. `total` counts saves; of one hand at many
    sites it counts persons, and of a reason the times that it was given."""

    total: int
    by_site: Mapping[str, int]
    by_person: Mapping[str, int]
    examples: tuple[Save, ...] = ()
    reasons: tuple[tuple[str, str, int], ...] = ()  # (person, reason, how often), of reasons alone


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a period told: how many saves there were, and every signal that the plan looks for, those never met too."""

    saves: int
    found: Mapping[Signal, Tally]

    def plain(self) -> dict[str, object]:
        """As plain values for the ledger: numbers only, by site and person."""
        return {
            "saves": self.saves,
            "signals": {
                signal.value: {"total": tally.total, "by_site": dict(tally.by_site), "by_person": dict(tally.by_person)}
                for signal, tally in self.found.items()
            },
        }


def looked_for(plan: ReviewPlan) -> tuple[Signal, ...]:
    """The signals that this plan looks for; two of them need no number."""
    wanted = {
        Signal.LATE: plan.late_days > 0,
        Signal.NEAR_LOCK: plan.before_lock_days > 0,
        Signal.NIGHT: plan.night[0] != plan.night[1],
        Signal.SAME_REASON: plan.same_reason > 0,
    }
    return tuple(signal for signal in Signal if wanted.get(signal, True))


def signals_of(save: Save, plan: ReviewPlan) -> tuple[Signal, ...]:
    """What one save says by itself, whatever the plan leaves out included as not met."""
    met = []
    if plan.late_days and save.begun and save.held_on is not None and (save.at.date() - save.held_on).days > plan.late_days:
        met.append(Signal.LATE)
    if save.changed and save.signed:
        met.append(Signal.AFTER_SIGNATURE)
    near = timedelta(days=plan.before_lock_days)
    if near and save.changed and save.locked_at is not None and timedelta(0) <= save.locked_at - save.at <= near:
        met.append(Signal.NEAR_LOCK)
    if at_night(save.at.hour, plan.night):
        met.append(Signal.NIGHT)
    return tuple(met)


def at_night(hour: int, night: tuple[int, int]) -> bool:
    """Whether an hour lies from the first to before the second, over midnight where the first is the later; never where they are equal."""
    start, end = night
    return start <= hour < end if start < end else start != end and (hour >= start or hour < end)


@dataclass
class _Counting:
    total: int = 0
    sites: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    examples: list[Save] = field(default_factory=list)

    def add(self, save: Save) -> None:
        self.total += 1
        self.sites[save.site] += 1
        self.people[save.actor] += 1
        if len(self.examples) < SHOWN:
            self.examples.append(save)

    def tally(self) -> Tally:
        return Tally(self.total, _in_order(self.sites), _in_order(self.people), tuple(self.examples))


def review(saves: Iterable[Save], plan: ReviewPlan) -> Outcome:
    """What these saves say, read once: what is kept grows with persons, sites and different reasons, not with saves."""
    counting = {signal: _Counting() for signal in looked_for(plan)}
    at: dict[str, Counter[str]] = {}
    given: dict[str, Counter[str]] = {}
    where: dict[tuple[str, str], Counter[str]] = {}
    total = 0
    for save in saves:
        total += 1
        for signal in signals_of(save, plan):
            counting[signal].add(save)
        at.setdefault(save.actor, Counter())[save.site] += 1
        for reason in save.reasons if plan.same_reason else ():
            given.setdefault(save.actor, Counter())[reason] += 1
            where.setdefault((save.actor, reason), Counter())[save.site] += 1
    found = {signal: one.tally() for signal, one in counting.items()}
    found[Signal.MANY_SITES] = _many_sites(at)
    if plan.same_reason:
        found[Signal.SAME_REASON] = _same_reason(given, where, plan.same_reason)
    return Outcome(total, {signal: found[signal] for signal in looked_for(plan)})


def _many_sites(at: Mapping[str, Counter[str]]) -> Tally:
    """Persons who saved at more than one site: by site their saves there, by person at how many sites."""
    people = {actor: sites for actor, sites in at.items() if len(sites) > 1}
    by_site: Counter[str] = Counter()
    for sites in people.values():
        by_site.update(sites)
    return Tally(len(people), _in_order(by_site), _in_order(Counter({actor: len(sites) for actor, sites in people.items()})))


def _same_reason(given: Mapping[str, Counter[str]], where: Mapping[tuple[str, str], Counter[str]], often: int) -> Tally:
    met = sorted(((-count, actor, reason) for actor, held in given.items() for reason, count in held.items() if count >= often))
    by_site: Counter[str] = Counter()
    people: Counter[str] = Counter()
    for count, actor, reason in met:
        by_site.update(where[actor, reason])
        people[actor] -= count
    lines: Sequence[tuple[str, str, int]] = [(actor, reason, -count) for count, actor, reason in met[:SHOWN]]
    return Tally(-sum(count for count, _, _ in met), _in_order(by_site), _in_order(people), (), tuple(lines))


def _in_order(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts, key=lambda name: (-counts[name], name))}


def next_due(reviewed: Sequence[date], plan: ReviewPlan, since: date) -> date | None:
    """The day by which the next review is due: so long after the last one, else after the study began; None where none is planned."""
    if not plan.every_days:
        return None
    return max(reviewed, default=since) + timedelta(days=plan.every_days)
