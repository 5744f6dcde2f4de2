"""Copying answers of the occasion before, where the study allows it: what may be copied, and that the trail says so."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import tzinfo

from trialcrf.core.boxes import raw_of
from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import REDACTED, Answer, Document, Place
from trialcrf.core.values import Raw, Unreadable
from trialcrf.store import audit, forms
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

ORIGIN = "copy/"
"""How the trail says of a value that it was copied: with the id of the form that it stood in."""


def copyable(form: FormDef, earlier: Document, open_places: Collection[Place]) -> dict[Place, Answer]:
    """What the study lets be copied from an earlier form, of what is asked and not answered yet."""
    allowed = (Place(item.oid) for _, item in form.items.values() if item.copy)
    found = {place: earlier.at(place) for place in allowed if place in open_places}
    return {place: answer for place, answer in found.items() if answer is not None and answer != REDACTED}


def boxes(form: FormDef, answers: Mapping[Place, Answer], language: str, zone: tzinfo) -> dict[Place, Raw]:
    """The boxes that show these answers, as if they had been typed."""
    return {place: raw_of(form.items[place.item][1], answer, language, zone) for place, answer in answers.items()}


def stored(tx: Transaction, form: FormDef, form_id: int) -> dict[Place, int]:
    """Where the answers of a saved form come from that were copied and not changed since: by place the id of a form."""
    found: dict[Place, int] = {}
    for _, item in form.items.values():
        last = audit.history(tx.connection, "form", str(form_id), item.oid)[-1:] if item.copy else []
        found |= {Place(item.oid): int(past.prompted_by.removeprefix(ORIGIN)) for past in last if past.prompted_by.startswith(ORIGIN)}
    return found


def origins(
    tx: Transaction, form: FormDef, subject: Subject, answers: Mapping[Place, Answer | Unreadable | None], copied: Mapping[Place, int]
) -> dict[Place, str]:
    """Where answers come from, of those that the page says were copied and that do stand so in a form of the subject.

    What was changed after it was copied is typed, and what a page merely claims is nobody's word.
    """
    found: dict[Place, str] = {}
    for place, form_id in copied.items():
        source = forms.by_id(tx, form_id)
        ours = source is not None and source.subject_id == subject.id and source.key.form_oid == form.oid and not source.error
        known = form.items.get(place.item)
        if source is None or not ours or known is None or not known[1].copy:
            continue
        answer = answers.get(place)
        if answer is not None and answer == source.document.at(place):
            found[place] = f"{ORIGIN}{form_id}"
    return found
