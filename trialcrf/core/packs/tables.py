"""Events counted by system organ class, term and severity: how often, and in how many subjects at their worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trialcrf.core.safety.event import AdverseEvent
from trialcrf.core.safety.participant import ColumnKind
from trialcrf.core.wording import Sayable, Words, alphabetical


@dataclass(frozen=True, slots=True)
class Column:
    """A column of every table, with its number of subjects: the denominator of its percentages."""

    kind: ColumnKind
    label: Sayable
    subjects: int


@dataclass(frozen=True, slots=True)
class Level:
    """A severity, mild first; the last one may stand for severities that were not recorded."""

    label: Sayable
    severe: bool


@dataclass(frozen=True, slots=True)
class Count:
    """Events, and the subjects who had one; within a severity, the subjects for whom it is the worst of the line."""

    events: int
    subjects: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One line of one column. The events of the levels add up to `events`, and their subjects to `subjects`."""

    events: int
    subjects: int
    levels: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class TermLine:
    """A term; `recorded` is false for the line of events without one, which is printed last."""

    label: Sayable
    recorded: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class SocLine:
    """A system organ class with its terms."""

    label: Sayable
    recorded: bool
    cells: tuple[Cell, ...]
    terms: tuple[TermLine, ...]


@dataclass(frozen=True, slots=True)
class EventTable:
    """All events, then by class and term; a cell for each column of the report."""

    cells: tuple[Cell, ...]
    classes: tuple[SocLine, ...]


def event_table(events: Sequence[AdverseEvent], places: Mapping[str, tuple[int, ...]], columns: int, levels: int) -> EventTable:
    """Tabulate events. `places` gives the columns that each subject counts in, by subject key; `levels` includes "not recorded"."""

    def cells(some: Sequence[AdverseEvent]) -> tuple[Cell, ...]:
        return tuple(_cell([event for event in some if place in places[event.subject]], levels) for place in range(columns))

    classes = [
        SocLine(
            label,
            bool(key),
            cells(of_class),
            tuple(TermLine(name, bool(term), cells(of_term)) for term, name, of_term in _by_term(of_class)),
        )
        for key, label, of_class in _by_class(events)
    ]
    return EventTable(cells(events), tuple(classes))


def _cell(events: Sequence[AdverseEvent], levels: int) -> Cell:
    worst: dict[str, int] = {}
    happened = [0] * levels
    for event in events:
        # An unrecorded severity is the last level in print and the least of all in comparison: it never hides a recorded one.
        happened[-1 if event.level is None else event.level] += 1
        worst[event.subject] = max(worst.get(event.subject, -1), -1 if event.level is None else event.level)
    at_worst = [0] * levels
    for level in worst.values():
        at_worst[level] += 1
    return Cell(len(events), len(worst), tuple(Count(*pair) for pair in zip(happened, at_worst, strict=True)))


def _by_class(events: Sequence[AdverseEvent]) -> list[tuple[str, Sayable, list[AdverseEvent]]]:
    return _grouped([(event.soc_key, event.soc, event) for event in events])


def _by_term(events: Sequence[AdverseEvent]) -> list[tuple[str, Sayable, list[AdverseEvent]]]:
    return _grouped([(event.term_key, event.term, event) for event in events])


def _grouped(keyed: Sequence[tuple[str, Sayable, AdverseEvent]]) -> list[tuple[str, Sayable, list[AdverseEvent]]]:
    groups: dict[str, tuple[list[Sayable], list[AdverseEvent]]] = {}
    for key, label, event in keyed:
        labels, members = groups.setdefault(key, ([], []))
        labels.append(label)
        members.append(event)
    # Of several spellings the first in the alphabet is printed, whichever was recorded first.
    lines = [(key, min(labels, key=_spelling), members) for key, (labels, members) in groups.items()]
    return sorted(lines, key=lambda line: (not line[0], alphabetical(line[0])))


def _spelling(label: Sayable) -> tuple[str, ...]:
    return tuple(label.texts.values()) if isinstance(label, Words) else (label.msgid,)
