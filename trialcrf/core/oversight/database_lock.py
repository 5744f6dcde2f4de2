"""The lock of a whole database: the checklist over which it is signed, and what must be explained before it closes all the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from trialcrf.core.wording import N_, Message


class Line(StrEnum):
    """What must be clean, or explained, when a study or a site is locked."""

    QUERIES = "queries"
    VISITS = "visits"
    INCOMPLETE = "incomplete"
    UNSIGNED = "unsigned"
    UNVERIFIED = "unverified"
    CASES = "cases"
    REQUESTS = "requests"


LINES: Mapping[Line, str] = {
    Line.QUERIES: N_("Queries that are not closed"),
    Line.VISITS: N_("Visits that are overdue and not recorded"),
    Line.INCOMPLETE: N_("Forms that are incomplete"),
    Line.UNSIGNED: N_("Forms that no signature stands over as they are"),
    Line.UNVERIFIED: N_("Values of the verification plan that are not verified"),
    Line.CASES: N_("Safety cases that are not closed, or whose event changed since"),
    Line.REQUESTS: N_("Requests that wait for a second person"),
}


@dataclass(frozen=True, slots=True)
class Checklist:
    """How many of each still stand open; `site` is a code, empty for the whole study."""

    site: str
    counts: Mapping[Line, int]

    @property
    def open(self) -> tuple[Line, ...]:
        """The lines that are not clean, in their order."""
        return tuple(line for line in Line if self.counts.get(line, 0))

    def plain(self) -> dict[str, int]:
        return {line.value: self.counts.get(line, 0) for line in Line}


class Unexplained(Exception):
    """A line that is not clean has no explanation: nothing is locked. `line` is the first of them."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.message = Message(
            N_("Explain why the database is locked although this line is not clean: %(line)s."), {"line": Message(LINES[line])}
        )
        super().__init__(self.message.msgid)


def explained(checklist: Checklist, words: Mapping[str, str]) -> dict[str, str]:
    """The explanations that the lock is signed with: one for each line that is not clean, and none else. Raises Unexplained."""
    said = {line: words.get(line.value, "").strip() for line in checklist.open}
    for line, text in said.items():
        if not text:
            raise Unexplained(line)
    return {line.value: text for line, text in said.items()}
