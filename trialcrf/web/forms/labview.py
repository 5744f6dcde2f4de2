"""Results of a saved form on its page: flag and grade in words beside each, a table with what they come from, and the way to an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import abort, g, request

from trialcrf.actions import enter
from trialcrf.actions.enter import Opened
from trialcrf.actions.safety import grade, take_over
from trialcrf.actions.safety.grade import Line
from trialcrf.core.document import Document, FormKey, Place
from trialcrf.core.safety.grading import Proposal
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web.forms.webform import Posted, key_of
from trialcrf.web.subjects import form_url, may_form

FORM, ITEM = "from", "item"
"""Where an adverse event is begun from, in its address: the number of a form and the place of an item. No value ever stands there."""


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


@dataclass(frozen=True, slots=True)
class Begun:
    """An adverse event that was begun from a result: what is typed for the person already, and the address to stay at."""

    posted: Posted
    document: Document
    told: Message
    kept: Mapping[str, str]

    @property
    def beside(self) -> dict[Place, tuple[Sayable, ...]]:
        return dict.fromkeys(self.posted.raws, (Message(N_("proposed from a recorded result")),))


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


def begun(tx: Transaction, opened: Opened, which: Subject, key: FormKey) -> Begun | None:
    """What a new adverse event is begun with, where its address names a result of this subject. 404 where there is no such result.

    The server computes it anew from what is stored: the address carries no value, and nothing is saved before the person saves.
    """
    form, item = request.args.get(FORM, ""), request.args.get(ITEM, "")
    where = grade.event_form(opened.published.study, which.subject_type)
    if not form or opened.stored is not None or where is None or (key.event_oid, key.form_oid) != (where[0], where[1].oid):
        return None
    if not (form.isascii() and form.isdecimal() and len(form) < 10):
        abort(404)
    group, _, rest = item.partition(".")
    row, _, oid = rest.partition(".")
    place = Place(oid, group, row) if oid else Place(item)
    found = take_over.proposed(tx, g.place.published, which, int(form), place, g.language.code, g.language.say, g.now)
    if found is None or not may_form(found.source.form, "read"):
        abort(404)
    document, _findings = enter.preview(tx, g.place.published, which, key, enter.Typed(found.raws), g.now)
    return Begun(Posted(raws=found.raws), document, found.told, {FORM: form, ITEM: item})


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
