"""Comments: what people wrote beside values. They live in the trail alone, about a place of a form or about a visit."""

from __future__ import annotations

from trialcrf.core.document import FormKey, Place
from trialcrf.store import audit
from trialcrf.store.audit import Entry, Past
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

ENTITY, OF_VISIT = "comment", "visit_comment"


def add(tx: Transaction, which: Subject, form_id: int, place: Place, text: str) -> None:
    """Write a comment at a place of a form; a place of nothing is the whole form."""
    tx.entries.append(Entry(which.site.chain, "comment", ENTITY, str(form_id), str(place), text, which.key, first=True))


def add_on_visit(tx: Transaction, which: Subject, key: FormKey, text: str) -> None:
    """Write a comment about the whole visit that `key` names."""
    tx.entries.append(Entry(which.site.chain, "comment", OF_VISIT, str(which.id), _visit(key), text, which.key, first=True))


def of_form(tx: Transaction, form_id: int) -> list[Past]:
    """The comments on a form at all its places, oldest first. `new` is the text, None where it was redacted."""
    return audit.history(tx.connection, ENTITY, str(form_id))


def of_visit(tx: Transaction, subject_id: int, key: FormKey) -> list[Past]:
    return audit.history(tx.connection, OF_VISIT, str(subject_id), _visit(key))


def _visit(key: FormKey) -> str:
    return f"{key.event_oid}/{key.event_repeat}"
