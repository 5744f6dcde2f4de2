"""Freezing, thawing and locking, of an item up to the whole study; what was tried on something closed goes into the trail.

What a lock leaves alone, on purpose: safety cases and their reports (actions/safety/case.py), the decisions of the stopping rule and the
monitor's letters go on after it, because patients must stay safe and authorities informed; so do the mails about an incident of a product
(actions/cells/follow.py). None of them changes a value that a site recorded. A save that would open a case is refused with the save.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from trialcrf.actions import Impossible, plain
from trialcrf.core.access import Actor, may, sites_of
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import WITH_CHECKLIST, Address, Level, Locked, LockState, NotPossibleNow
from trialcrf.core.wording import N_, Message
from trialcrf.store import definitions, forms, locks, sites, subjects
from trialcrf.store.audit import Entry
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that can be closed, as it stands: `site`, `subject`, `stored`, `place` are given down to its level."""

    address: Address
    study_id: int
    study_oid: str
    site: Site | None = None
    subject: Subject | None = None
    stored: StoredForm | None = None
    event: tuple[str, int] | None = None
    place: Place | None = None

    @property
    def chain(self) -> str:
        return self.site.chain if self.site else self.study_oid

    @property
    def above(self) -> tuple[Address, ...]:
        """What it lies under, itself left out."""
        over: tuple[Address, ...] = (Address(Level.STUDY, self.study_id),)
        if self.subject is not None and self.stored is not None:
            over = locks.over_form(self.subject, self.stored.key, self.stored.id)
        elif self.subject is not None and self.event is not None:
            over = locks.over_visit(self.subject, *self.event)
        elif self.subject is not None:
            over = locks.over_subject(self.subject)
        elif self.site is not None:
            over = locks.over_site(self.site)
        return tuple(one for one in over if one != self.address)


def find(tx: Transaction, published: Published, text: str) -> Thing | None:
    """The thing of this study at an address as `core.lock.Address` writes it; None where there is none, or it was marked in error."""
    try:
        address = Address.parse(text)
    except ValueError:
        return None
    study_id, oid = published.study_id, published.study.oid
    if address.level is Level.STUDY:
        return Thing(address, study_id, oid) if address.id == study_id else None
    if address.level is Level.SITE:
        where = next((one for one in sites.all_of(tx, oid) if one.id == address.id), None)
        return Thing(address, study_id, oid, where) if where else None
    stored = forms.by_id(tx, address.id) if address.level in (Level.FORM, Level.ITEM) else None
    if address.level in (Level.FORM, Level.ITEM) and stored is None:
        return None
    which = subjects.by_id(tx, stored.subject_id if stored else address.id)
    if which is None or which.site.study_oid != oid or which.error or (stored and stored.error):
        return None
    if address.level is Level.VISIT:
        return _visit(published, address, which)
    if address.level is Level.ITEM:
        assert stored is not None
        place = Place.parse(address.rest)
        known = definitions.read(tx, stored.definition_id).study.form[stored.key.form_oid].items.get(place.item)
        fits = known is not None and known[0].repeating == bool(place.row) and (not place.row or known[0].oid == place.group)
        if not fits or (place.row and stored.document.row(place.group, place.row) is None):
            return None
        return Thing(address, study_id, oid, which.site, which, stored, place=place)
    return Thing(address, study_id, oid, which.site, which, stored)


def _visit(published: Published, address: Address, which: Subject) -> Thing | None:
    event_oid, _, repeat = address.rest.partition("/")
    event = published.study.event.get(event_oid)
    if event is None or which.subject_type not in event.subject_types or not repeat.isascii() or not repeat.isdigit():
        return None
    number = int(repeat)
    # One way to write it: the program compares addresses as texts, and so does the database.
    if str(number) != repeat or not 1 <= number <= (9999 if event.repeating else 1):
        return None
    return Thing(address, published.study_id, published.study.oid, which.site, which, event=(event_oid, number))


def may_act(actor: Actor, verb: str, study_oid: str, site: str) -> bool:
    """Whether the actor may do this to something at the site (its code); to the whole study (empty) only who may do it at every site."""
    if not site:
        return may(actor, verb, study_oid) and sites_of(actor, verb, study_oid) is None
    return may(actor, verb, study_oid, site)


def freeze(tx: Transaction, thing: Thing, reason: str) -> LockState:
    """No value in it changes any more, while queries, verification and signatures go on. Raises Impossible, Locked."""
    return _move(tx, thing, "freeze", reason)


def thaw(tx: Transaction, thing: Thing, reason: str) -> LockState:
    """Values in it may change again, unless something that it lies under is closed. Raises Impossible, Locked."""
    return _move(tx, thing, "thaw", reason)


def lock(tx: Transaction, thing: Thing, reason: str) -> LockState:
    """Nothing in it changes any more. A site and the study are locked over their checklist (`lock_database`). Raises Impossible, Locked."""
    if thing.address.level in WITH_CHECKLIST:
        raise Impossible(Message(N_("A site or the whole study is locked over its checklist, by a signature.")))
    return _move(tx, thing, "lock", reason)


def reason_of(text: str) -> str:
    """Why something is closed or opened. Raises Impossible at the field `reason`."""
    said = plain(text, LONGEST_REASON, "reason")
    if not said:
        raise Impossible(Message(N_("Say why.")), "reason")
    return said


def _move(tx: Transaction, thing: Thing, move: str, reason: str) -> LockState:
    said = reason_of(reason)
    locks.refuse_work(tx, thing.above)
    try:
        return locks.move(tx, thing.address, thing.site, thing.subject, thing.study_id, thing.chain, move, said)
    except NotPossibleNow as refused:
        raise Impossible(refused.message) from None


def note_refusal(
    tx: Transaction, study_oid: str, where: Site | None, which: Subject | None, tried: str, refused: Locked, key: FormKey | None = None
) -> None:
    """Put an attempt on something closed into the trail, in a transaction of its own: who tried what, and what closed it."""
    said: dict[str, object] = {"tried": tried[:200], "level": str(refused.level), "state": str(refused.state)}
    if key is not None:  # so that it is told in the history of the form, as other refusals are
        said["form"] = [key.event_oid, key.event_repeat, key.form_oid, key.form_repeat]
    about = str(which.id) if which else f"site/{where.id}" if where else f"study/{study_oid}"
    chain, text = where.chain if where else study_oid, json.dumps(said, sort_keys=True)
    tx.entries.append(Entry(chain, "refused", "refusal", about, "", text, which.key if which else "", "", "lock", True))
