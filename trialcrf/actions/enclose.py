"""Documents at the items that they prove: attached by whoever enters the form, withdrawn with a reason, never deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from trialcrf.actions import Impossible, plain, take_paper
from trialcrf.actions.oversight.review import place_at
from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import Place
from trialcrf.core.enclosure import MOST
from trialcrf.core.wording import N_, Message
from trialcrf.store import enclosures
from trialcrf.store.enclosures import Enclosure, Paper
from trialcrf.store.forms import StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

LONGEST_DESCRIPTION, LONGEST_REASON = 200, 500


def places_of(form: FormDef, stored: StoredForm) -> Iterator[Place]:
    """Where documents may be attached now: the items of which the study says so, in every row that stands."""
    for group in form.groups:
        for item in (one for one in group.items if one.documents):
            if not group.repeating:
                yield Place(item.oid)
                continue
            yield from (Place(item.oid, group.oid, row.id) for row in stored.document.rows.get(group.oid, ()) if not row.error)


def attach(
    tx: Transaction, which: Subject, form: FormDef, stored: StoredForm, at: str, name: str, content: bytes, description: str
) -> Enclosure:
    """Attach a document to an item of a recorded form, as what its content is. Raises Impossible, Locked; nothing is kept then."""
    place = place_at(form, stored.document, at)
    if place not in set(places_of(form, stored)):
        raise Impossible(Message(N_("No document can be attached here.")), "file")
    _writable(which, stored)
    kept, media_type = take_paper.taken(name, content, take_paper.PICTURES)
    # A name of a file is a free text like any other: it may tell who somebody is.
    plain(kept, len(kept), "file")
    paper = Paper(kept, media_type, content, plain(description, LONGEST_DESCRIPTION, "description"))
    held = [one for one in enclosures.of_form(tx, stored.id) if one.place == place and not one.withdrawn]
    if any(one.sha256 == hashlib.sha256(content).hexdigest() for one in held):
        raise Impossible(Message(N_("This very document is attached here already.")), "file")
    if len(held) >= MOST:
        raise Impossible(Message(N_("At most %(count)s documents stand at one question."), {"count": MOST}), "file")
    number = enclosures.attach(tx, which, stored, place, paper)
    made = enclosures.find(tx, stored.id, number)
    assert made is not None
    return made


def withdraw(tx: Transaction, which: Subject, stored: StoredForm, number: int, reason: str) -> Enclosure:
    """Withdraw a document: it stays with its reason, and whoever may read the form can still open it. Raises Impossible, Locked."""
    found = enclosures.find(tx, stored.id, number)
    if found is None:
        raise Impossible(Message(N_("There is no such document.")))
    _writable(which, stored)
    said = plain(reason, LONGEST_REASON, "reason")
    if not said:
        raise Impossible(Message(N_("Say why it is withdrawn.")), "reason")
    if not enclosures.withdraw(tx, which, stored, found, said):
        raise Impossible(Message(N_("It was withdrawn before.")))
    return found


def _writable(which: Subject, stored: StoredForm) -> None:
    if which.error or stored.error:
        raise Impossible(Message(N_("This was marked entered in error: it can be read and no longer changed.")))
