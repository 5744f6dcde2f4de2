"""The letter of a monitoring visit: what was looked at and found at a site, and what is to be done; subjects by their keys alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from trialcrf.core.cut import Cut
from trialcrf.core.definition.model import Study
from trialcrf.core.oversight.monitoring import OWNERS, PURPOSES, SEVERITIES, Action, EntryKind, Monitoring, MonitoringEntry
from trialcrf.core.wording import N_, Message, Words

NOT_HELD = N_("This visit was not held by then: there is nothing to write of.")


class NoVisit(Exception):
    """Why there is no letter, as a sentence."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid)
        self.message = message


@dataclass(frozen=True, slots=True)
class SampledSubject:
    """A subject of the sample. `required`, `verified` and `changed` are values when it was drawn; `during` were verified in the visit."""

    subject: str
    required: int
    verified: int
    changed: int
    during: int


@dataclass(frozen=True, slots=True)
class LetterFinding:
    """Something found. `number` counts the findings of the letter from 1; `subject` is empty where it is about the site."""

    number: int
    severity: Message
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class LetterAction:
    """Something to be done. `finding` is the number that the letter gives the finding, 0 for none; `done` the day that it was done on."""

    finding: int
    owner: Message
    due: date
    text: str
    done: date | None
    how: str


@dataclass(frozen=True, slots=True)
class MonitoringLetter:
    """What the letter says. `sample` is None where none was drawn; `queries` are (number, subject) of those that were raised."""

    cut: Cut
    protocol: str
    title: Words
    site: str
    number: int
    purpose: Message
    first: date
    last: date
    present: str
    monitor: str
    organisation: str
    sample: tuple[SampledSubject, ...] | None
    drawn_on: date | None
    verified: int
    queries: tuple[tuple[int, str], ...]
    findings: tuple[LetterFinding, ...]
    actions: tuple[LetterAction, ...]


def monitoring_letter(study: Study, visit: Monitoring, cut: Cut) -> MonitoringLetter:
    """The letter of a visit, as its ledger stood. Raises NoVisit where it was not held by then."""
    held = visit.latest(EntryKind.HELD)
    if held is None:
        raise NoVisit(Message(NOT_HELD))
    found = visit.all_of(EntryKind.FINDING)
    numbers = {one.number: number for number, one in enumerate(found, 1)}
    drawn = visit.latest(EntryKind.SAMPLE)
    return MonitoringLetter(
        cut=cut,
        protocol=study.protocol,
        title=study.title,
        site=visit.site,
        number=visit.number,
        purpose=Message(PURPOSES[visit.purpose]),
        first=date.fromisoformat(held.content["from"]),
        last=date.fromisoformat(held.content["to"]),
        present=str(held.content["present"]),
        monitor=held.name,
        organisation=held.organisation,
        sample=_sample(drawn, visit) if drawn else None,
        drawn_on=drawn.at.date() if drawn else None,
        verified=sum(visit.verified.values()),
        queries=tuple((int(one.content["query"]), str(one.content["subject"])) for one in visit.all_of(EntryKind.QUERY)),
        findings=tuple(_finding(numbers[one.number], one) for one in found),
        actions=tuple(_action(one, numbers) for one in visit.actions),
    )


def _sample(drawn: MonitoringEntry, visit: Monitoring) -> tuple[SampledSubject, ...]:
    """The subjects of the sample, and after them those who were looked at besides."""
    during = dict(visit.verified)
    told = [
        SampledSubject(one["subject"], one["required"], one["verified"], one["changed"], during.pop(one["subject"], 0))
        for one in drawn.content["subjects"]
    ]
    return (*told, *(SampledSubject(key, 0, 0, 0, count) for key, count in during.items()))


def _finding(number: int, one: MonitoringEntry) -> LetterFinding:
    return LetterFinding(number, Message(SEVERITIES[one.content["severity"]]), str(one.content["subject"]), str(one.content["text"]))


def _action(one: Action, numbers: dict[int, int]) -> LetterAction:
    done, how = (one.done.at.date(), str(one.done.content["text"])) if one.done else (None, "")
    return LetterAction(numbers.get(one.finding, 0), Message(OWNERS[one.owner]), one.due, one.text, done, how)
