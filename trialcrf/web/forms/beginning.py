"""A form that is begun from something recorded: what its address names, and what the server proposes for it anew each time it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import abort, g, request

from trialcrf.actions import enter
from trialcrf.actions.begin import Prefill
from trialcrf.actions.cells import infusion
from trialcrf.actions.enter import Opened
from trialcrf.actions.safety import take_over
from trialcrf.actions.safety.grade import event_form
from trialcrf.core.definition.model import Study
from trialcrf.core.document import Document, FormKey, Place
from trialcrf.core.wording import Message, Sayable
from trialcrf.store import forms
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web.forms.webform import Posted
from trialcrf.web.subjects import form_url, key_for, may_form

KIND, FORM, ITEM = "begin", "from", "item"
"""What a form is begun from, in its address: the kind, and for a result the number of a form and the place of an item. No value ever
stands there: the server computes it, and nothing is saved before the person saves."""

RESULT, INFUSION, REACTION = "result", "infusion", "reaction"


@dataclass(frozen=True, slots=True)
class Begun:
    """A form that was begun: what is typed for the person already, what it comes from in words, and the address to stay at."""

    posted: Posted
    document: Document
    told: Message
    said: Message
    kept: Mapping[str, str]

    @property
    def beside(self) -> dict[Place, tuple[Sayable, ...]]:
        return dict.fromkeys(self.posted.raws, (self.said,))


def begun(tx: Transaction, opened: Opened, which: Subject, key: FormKey) -> Begun | None:
    """What a form is begun with, where its address says so. 404 where that names nothing, or something that the person may not read."""
    kind = request.args.get(KIND) or (RESULT if request.args.get(FORM) else "")
    propose = PROPOSE.get(kind)
    found = propose(tx, opened, which, key) if propose is not None and not which.error else None
    if found is None or not found.raws:
        return None
    if not all(may_form(form, "read") for form in found.reads):
        abort(404)
    document, _findings = enter.preview(tx, g.place.published, which, key, enter.Typed(found.raws), g.now)
    kept = {name: request.args[name] for name in (KIND, FORM, ITEM) if name in request.args}
    return Begun(Posted(raws=found.raws, new_rows=found.new_rows), document, found.told, found.beside, kept)


def infusion_url(tx: Transaction, study: Study, which: Subject) -> str:
    """Where the infusion is recorded with what its checks tell: the form that stands, else a new one; empty where it may not be entered."""
    found = infusion.form_of(study, which.subject_type)
    if found is None or which.error or not may_form(found[1], "enter"):
        return ""
    event, form = found
    standing, gone = forms.standings(tx, [which.id]), forms.standings(tx, [which.id], in_error=True)
    return form_url(which, key_for(event, form.oid, 1, standing, gone), **{KIND: INFUSION})


def reaction_url(tx: Transaction, which: Subject) -> str:
    """Where an adverse event is recorded that is noticed now, at the bedside; empty where the person may not."""
    key = take_over.begin(tx, g.place.published, which)
    if key is None or which.error or not may_form(g.place.published.study.form[key.form_oid], "enter"):
        return ""
    return form_url(which, key, **{KIND: REACTION})


def _of_result(tx: Transaction, opened: Opened, which: Subject, key: FormKey) -> Prefill | None:
    """A new adverse event from a result. 404 where there is no such result of this subject."""
    form, item = request.args.get(FORM, ""), request.args.get(ITEM, "")
    where = event_form(opened.published.study, which.subject_type)
    if opened.stored is not None or where is None or (key.event_oid, key.form_oid) != (where[0], where[1].oid):
        return None
    if not (form.isascii() and form.isdecimal() and len(form) < 10):
        abort(404)
    group, _, rest = item.partition(".")
    row, _, oid = rest.partition(".")
    place = Place(oid, group, row) if oid else Place(item)
    found = take_over.proposed(tx, g.place.published, which, int(form), place, g.language.code, g.language.say, g.now)
    return found or abort(404)


def _of_checks(tx: Transaction, opened: Opened, which: Subject, key: FormKey) -> Prefill | None:
    """An infusion from the bags that were checked, one that was begun already too: what it says is left as it is."""
    return infusion.proposed(tx, which, opened, g.language.code)


def _of_bedside(tx: Transaction, opened: Opened, which: Subject, key: FormKey) -> Prefill | None:
    """A new adverse event from the bedside."""
    return None if opened.stored is not None else take_over.reaction(tx, g.place.published, which, opened, g.language.code, g.now)


PROPOSE: Mapping[str, Callable[[Transaction, Opened, Subject, FormKey], Prefill | None]] = {
    RESULT: _of_result,
    INFUSION: _of_checks,
    REACTION: _of_bedside,
}
