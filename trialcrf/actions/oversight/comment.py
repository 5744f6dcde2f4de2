"""Comments beside what is recorded: what people tell each other that changes no value and asks for no answer."""

from __future__ import annotations

from trialcrf.actions import Impossible, plain
from trialcrf.actions.oversight.review import workable
from trialcrf.core.document import FormKey, Place
from trialcrf.core.wording import N_, Message
from trialcrf.store import comments
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

LONGEST = 1000


def write(tx: Transaction, which: Subject, key: FormKey, form_id: int | None, place: Place, text: str) -> None:
    """Write a comment at a place of a form, or (`form_id` None) about the whole visit of the key.

    It stands in the trail and can never be taken back. Raises Impossible, NotPossible where form or subject is in error, Locked.
    """
    said = plain(text, LONGEST, "text")
    if not said:
        raise Impossible(Message(N_("Write the comment.")), "text")
    workable(tx, which, key, form_id, place)
    if form_id is None:
        comments.add_on_visit(tx, which, key, said)
    else:
        comments.add(tx, which, form_id, place, said)
