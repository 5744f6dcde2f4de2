"""What other pages say of freezes and locks: why a form is read-only, which questions are; and the trail of what was tried all the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flask import g, request, url_for
from sqlalchemy.exc import DBAPIError

from trialcrf.actions.oversight.lock import note_refusal
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import LOCK_STATES, Address, Level, Locked, LockState, strongest, visit_of
from trialcrf.core.oversight.four_eyes import RequestKind, RequestState
from trialcrf.core.wording import N_, Message
from trialcrf.store import locks, requests
from trialcrf.store.forms import StoredForm
from trialcrf.store.locks import Told
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.store.triggers import LOCKED
from trialcrf.web import guard

CLOSINGS: Mapping[tuple[Level, LockState], str] = {
    (Level.ITEM, LockState.FROZEN): N_("This question is frozen"),
    (Level.FORM, LockState.FROZEN): N_("This form is frozen"),
    (Level.VISIT, LockState.FROZEN): N_("This visit is frozen"),
    (Level.SUBJECT, LockState.FROZEN): N_("This subject is frozen"),
    (Level.SITE, LockState.FROZEN): N_("This site is frozen"),
    (Level.STUDY, LockState.FROZEN): N_("The whole study is frozen"),
    (Level.ITEM, LockState.LOCKED): N_("This question is locked"),
    (Level.FORM, LockState.LOCKED): N_("This form is locked"),
    (Level.VISIT, LockState.LOCKED): N_("This visit is locked"),
    (Level.SUBJECT, LockState.LOCKED): N_("This subject is locked"),
    (Level.SITE, LockState.LOCKED): N_("This site is locked"),
    (Level.STUDY, LockState.LOCKED): N_("The whole study is locked"),
}


@dataclass(frozen=True, slots=True)
class Closing:
    """A freeze or lock as a page says it: `icon` its shape, `said` its word, who made it when and why."""

    icon: str
    said: Message
    name: str
    at: datetime
    reason: str
    url: str
    refused: Locked


@dataclass(frozen=True, slots=True)
class Shut:
    """What is closed of a form: all of it, or these questions alone. `shut` says whether no value of it changes."""

    whole: Closing | None = None
    items: Mapping[Place, Message] = field(default_factory=dict)


def of_form(tx: Transaction, which: Subject, key: FormKey, stored: StoredForm | None) -> Shut:
    """What is frozen or locked of the form at this address."""
    held = locks.of_subject(tx, which)
    if not held:
        return Shut()
    over = locks.over_form(which, key, stored.id if stored else None)
    closed = [(one, held[one]) for one in over if one in held]
    items = {
        Place.parse(one.rest): Message(CLOSINGS[Level.ITEM, state])
        for one, state in held.items()
        if one.level is Level.ITEM and stored is not None and one.id == stored.id
    }
    return Shut(_closing(tx, which.site.study_oid, closed), items)


def of_subject(tx: Transaction, which: Subject) -> Closing | None:
    """What closes the subject as a whole."""
    held = locks.of_subject(tx, which)
    return _closing(tx, which.site.study_oid, [(one, held[one]) for one in locks.over_subject(which) if one in held])


def visits_of(tx: Transaction, which: Subject) -> dict[str, tuple[str, Message, str]]:
    """The scheduled visits of a subject that are closed by themselves: shape, word and page, by the visit's OID."""
    study = which.site.study_oid
    url = "locks.one" if guard.may_here("lock.read") else ""
    return {
        one.rest.partition("/")[0]: (str(state), Message(LOCK_STATES[state]), url_for(url, study=study, address=one.text) if url else "")
        for one, state in locks.of_subject(tx, which).items()
        if one.level is Level.VISIT and one.rest.endswith("/1") and guard.may_know_visit(visit_of(one.text), which.site.code)
    }


def _closing(tx: Transaction, study: str, held: list[tuple[Address, LockState]]) -> Closing | None:
    found = strongest(held)
    if found is None:
        return None
    level, state = found
    address = next(one for one, its in held if (one.level, its) == found)
    number = locks.id_of(tx, address)
    assert number is not None
    return _said(study, level, state, address, locks.told(tx, [number])[number])


def _said(study: str, level: Level, state: LockState, address: Address, told: Told) -> Closing:
    url = url_for("locks.one", study=study, address=address.text) if guard.may_here("lock.read") else ""
    return Closing(str(state), Message(CLOSINGS[level, state]), told.name, told.at, told.reason, url, Locked(level, state))


def link(address: Address) -> str:
    """Where something is frozen, locked, or asked to be unlocked; empty for who may do none of it here."""
    may = any(guard.may_here(verb) for verb in ("lock.freeze", "lock.lock", "lock.unlock"))
    return url_for("locks.one", study=g.place.published.study.oid, address=address.text) if may else ""


def removal_url(tx: Transaction, which: Subject) -> str:
    """The request to mark this subject entered in error, where one waits."""
    waiting = requests.all_of(tx, which.site.study_oid, [RequestState.WAITING], frozenset({which.site.code}))
    found = next((one for one in waiting if (one.kind, one.subject) == (RequestKind.REMOVAL, which.key)), None)
    return url_for("requests.one", study=which.site.study_oid, number=found.id) if found else ""


def note(refused: Locked, key: FormKey | None = None) -> None:
    """Put the attempt into the trail, in a transaction of its own, in the name of whoever asks."""
    place = g.place
    with guard.write() as tx:
        study = place.published.study.oid if place.published else ""
        note_refusal(tx, study or "system", place.site, place.subject, request.endpoint or "", refused, key)


def by_database(error: Exception) -> Locked | None:
    """What the database's own triggers refused, as the program says it; None for any other failure.

    They are the last line: a write that reaches them went past every question of the program.
    """
    if not isinstance(error, DBAPIError) or LOCKED not in str(error.orig):
        return None
    place = g.place
    if place.subject is None and place.site is None:
        return Locked(Level.STUDY, LockState.LOCKED)
    with guard.read() as tx:
        over = locks.over_subject(place.subject) if place.subject else locks.over_site(place.site)
        found = locks.closed(tx, over)
    return Locked(*(found or (Level.FORM, LockState.LOCKED)))
