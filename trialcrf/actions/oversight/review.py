"""Data queries of people and of checks: asking, answering, judging, and saying who answers by when."""

from __future__ import annotations

from datetime import date

from trialcrf.actions import Impossible, plain
from trialcrf.core.access import VERBS
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Document, FormKey, Place
from trialcrf.core.lock import Address
from trialcrf.core.wording import N_, Message
from trialcrf.core.workflow import UNSETTLED, NotPossible, not_now
from trialcrf.store import accounts, forms, locks, queries, subjects
from trialcrf.store.accounts import Account
from trialcrf.store.queries import Asked, Query
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

LONGEST_REMARK = 500
LONGEST_QUESTION = 1000


def ask(
    tx: Transaction,
    which: Subject,
    key: FormKey,
    form_id: int | None,
    place: Place,
    text: str,
    assignee: str = "",
    due_on: date | None = None,
    access: str = "form",
) -> int:
    """A monitor or data manager asks about an item, a row, a form, or (`form_id` None) a whole visit. Returns the query's number.

    `access` is that of the form: who is named must be able to read it. Raises Impossible, Locked, and NotPossible where form or subject
    is marked entered in error.
    """
    question = plain(text, LONGEST_QUESTION, "text")
    if not question:
        raise Impossible(Message(N_("Say what is asked.")), "text")
    _name(tx, which.site, assignee, access)
    _not_over(tx, which.site, due_on)
    workable(tx, which, key, form_id, place)
    return queries.ask(tx, which, Asked(key, form_id, place, question, assignee, due_on))


def answer(tx: Transaction, study: Study, site: Site, query: Query, code: str, text: str) -> None:
    """The site answers: a check's doubt by a coded reason why the value is right, a person's question in words.

    Raises Impossible, NotPossible, Locked.
    """
    _workable(tx, query)
    if query.by_person:
        said = plain(text, LONGEST_REMARK, "text")
        if not said:
            raise Impossible(Message(N_("Write the answer.")), "text")
        queries.move(tx, query, site.chain, "answer", said)
        return
    if study.confirmations.label_of(code) is None:
        raise Impossible(Message(N_("Choose the reason why the value is right.")), "code")
    remark = plain(text, LONGEST_REMARK, "text")
    said = f"{code}: {remark}" if remark else code
    queries.move(tx, query, site.chain, "answer", said, answer=code)


def accept(tx: Transaction, site: Site, query: Query, text: str) -> None:
    """A monitor or data manager accepts: the query is closed. Raises Impossible, NotPossible, Locked."""
    _workable(tx, query)
    queries.move(tx, query, site.chain, "accept", plain(text, LONGEST_REMARK, "text"))


def reject(tx: Transaction, site: Site, query: Query, text: str) -> None:
    """A monitor or data manager does not accept the answer, and says why: the query is open again. Raises as `accept` does."""
    _workable(tx, query)
    queries.move(tx, query, site.chain, "reject", _reason(text, Message(N_("Say why the answer is not accepted."))))


def cancel(tx: Transaction, site: Site, query: Query, text: str) -> None:
    """A monitor or data manager takes the query back, and says why. Raises as `accept` does."""
    _workable(tx, query)
    queries.move(tx, query, site.chain, "cancel", _reason(text, Message(N_("Say why the query is cancelled."))))


def reopen(tx: Transaction, site: Site, query: Query, text: str) -> None:
    """A monitor or data manager asks again what was settled, and says why. Raises as `accept` does."""
    _workable(tx, query)
    queries.move(tx, query, site.chain, "reopen", _reason(text, Message(N_("Say why the query is opened again."))))


def assign(tx: Transaction, site: Site, query: Query, username: str, text: str, access: str = "form") -> None:
    """Say who is to answer; empty: whoever answers at the site. Raises as `accept` does, and where it stands so already."""
    _workable(tx, query)
    if query.state not in UNSETTLED:
        raise NotPossible(not_now(query.state))
    _name(tx, site, username, access)
    if username == query.assignee:
        raise NotPossible(Message(N_("It stands so already.")))
    queries.assign(tx, query, site.chain, username, plain(text, LONGEST_REMARK, "text"))


def set_due(tx: Transaction, site: Site, query: Query, day: date | None, text: str) -> None:
    """Say by which day it is to be answered; None: by no day. Raises as `assign` does."""
    _workable(tx, query)
    if query.state not in UNSETTLED:
        raise NotPossible(not_now(query.state))
    _not_over(tx, site, day)
    if day == query.due_on:
        raise NotPossible(Message(N_("It stands so already.")))
    queries.set_due(tx, query, site.chain, day, plain(text, LONGEST_REMARK, "text"))


def answerers(tx: Transaction, *places: Site, access: str = "form") -> list[Account]:
    """Who may be named to answer at one of these sites of a study: whoever answers queries there and may read such a form."""
    if not places:
        return []
    return accounts.holders(tx, VERBS["query.answer"] & VERBS[f"{access}.read"], places[0].study_oid, *(one.code for one in places))


def place_at(form: FormDef, document: Document, text: str) -> Place:
    """The place of a form that is meant: an item, `GROUP/ROW/` for a row, nothing for the whole form. Raises Impossible."""
    place = Place.parse(text)
    item = form.items.get(place.item)
    if place.row:
        exists = document.row(place.group, place.row) is not None and (not place.item or (item is not None and item[0].oid == place.group))
    else:
        exists = not place.item or (item is not None and not item[0].repeating)
    if not exists or str(place) != text:
        raise Impossible(Message(N_("This form has no such place.")), "place")
    return place


def workable(tx: Transaction, which: Subject, key: FormKey, form_id: int | None, place: Place) -> None:
    """Before anybody works on something recorded. Raises NotPossible where it is marked entered in error, Locked where it is locked."""
    stored = forms.by_id(tx, form_id) if form_id is not None else None
    if which.error or (stored is not None and stored.error):
        raise NotPossible(Message(N_("Form or subject is marked entered in error: there is nothing left to settle.")))
    items: tuple[Address, ...] = locks.items_of(form_id, [place]) if form_id is not None and place.item else ()
    locks.refuse_work(tx, (*locks.over_form(which, key, form_id), *items))


def _workable(tx: Transaction, query: Query) -> None:
    which = subjects.find(tx, query.study_oid, query.subject)
    assert which is not None
    workable(tx, which, query.form_key, query.form_id, query.place)


def _reason(text: str, missing: Message) -> str:
    reason = plain(text, LONGEST_REMARK, "text")
    if not reason:
        raise Impossible(missing, "text")
    return reason


def _name(tx: Transaction, site: Site, username: str, access: str) -> None:
    if username and all(one.username != username for one in answerers(tx, site, access=access)):
        raise Impossible(Message(N_("This person does not answer queries at this site.")), "assignee")


def _not_over(tx: Transaction, site: Site, day: date | None) -> None:
    if day is not None and day < site.today(tx.at):
        raise Impossible(Message(N_("This day is over: name a day to come.")), "day")
