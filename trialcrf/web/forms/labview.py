"""Results of a saved form on its page: flag and grade in words beside each, a table with what they come from, and the way to an event."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g

from trialcrf.actions.enter import Opened
from trialcrf.actions.safety import grade, take_over
from trialcrf.actions.safety.grade import Line
from trialcrf.core.document import Document, FormKey, Place
from trialcrf.core.safety.grading import Proposal
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web.forms.beginning import FORM, ITEM
from trialcrf.web.forms.webform import key_of
from trialcrf.web.subjects import form_url, may_form


@dataclass(frozen=True, slots=True)
class LabLine:
    """A result for reading. `begin_url` begins an adverse event from it, `event_url` leads to the one that records it."""

    line: Line
    said: tuple[Message, ...]
    begin_url: str = ""
    event_url: str = ""


@dataclass(frozen=True, slots=True)
class LabView:
    lines: tuple[LabLine, ...]
    version: str

    @property
    def forgotten(self) -> int:
        """How many proposed grades no adverse event records."""
        return sum(one.line.forgotten for one in self.lines)

    @property
    def beside(self) -> dict[Place, tuple[Sayable, ...]]:
        """What stands beside each field."""
        return {one.line.place: one.said for one in self.lines if one.said}


def judged(tx: Transaction, opened: Opened, which: Subject) -> LabView | None:
    """The results of the form as they are stored; None where there are none."""
    found = grade.grade(tx, opened, which)
    if found is None or not found.lines or opened.stored is None:
        return None
    where = grade.event_form(g.place.published.study, which.subject_type)
    events = where is not None and may_form(where[1], "read")
    begin = take_over.begin(tx, g.place.published, which) if where is not None and may_form(where[1], "enter") and not which.error else None
    lines = []
    for line in found.lines:
        begin_url = event_url = ""
        if begin is not None and line.forgotten:
            begin_url = form_url(which, begin, **{FORM: str(opened.stored.id), ITEM: key_of(line.place)})
        if events and line.event is not None:
            event_url = form_url(which, line.event.key)
        lines.append(LabLine(line, _said(line), begin_url, event_url))
    return LabView(tuple(lines), found.version)


def marks(tx: Transaction, opened: Opened, which: Subject, key: FormKey, document: Document) -> dict[Place, tuple[Sayable, ...]]:
    """What stands beside each result with these answers, saved or not."""
    found = grade.grade_typed(tx, opened, which, key, document)
    return {line.place: said for line in found.lines if (said := _said(line))} if found else {}


def _said(line: Line) -> tuple[Message, ...]:
    """Flag, limits and grade in words, each a sentence."""
    said = []
    if line.flag is not None:
        params = {"flag": line.flag, "limits": line.limits, "source": line.source}
        if line.limits is not None:
            said.append(Message(N_("%(flag)s (%(limits)s, %(source)s)."), params))
        else:
            said.append(Message(N_("%(flag)s: %(source)s."), params) if line.source else Message(N_("%(flag)s."), params))
    if line.proposal is not None:
        said.append(Message(N_("%(grade)s."), {"grade": graded(line.proposal)}))
    return tuple(said)


def graded(proposal: Proposal) -> Message:
    """The proposed grade in words, or what it would be as far as is known."""
    params: dict[str, object] = {"term": proposal.term, "grade": str(proposal.grade), "version": proposal.version}
    if proposal.grade:
        return Message(N_("Proposed: %(term)s, grade %(grade)s"), params)
    if proposal.grade == 0:
        return Message(N_("No grade: %(term)s"), params)
    if proposal.at_least:
        return Message(N_("Grade not determined, at least %(grade)s: %(term)s"), {**params, "grade": str(proposal.at_least)})
    if proposal.by_limits:
        return Message(N_("Grade not determined, by the limits alone %(grade)s: %(term)s"), {**params, "grade": str(proposal.by_limits)})
    return Message(N_("Grade not determined: %(term)s"), params)
