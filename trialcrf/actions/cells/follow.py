"""What follows from a save in the chain of cells: an incident that a result opens, and whoever must hear of an incident."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from trialcrf.actions.cells.gather import chain_now
from trialcrf.actions.cells.rules import INCIDENT, prompts
from trialcrf.actions.reminding.notify import queue_incident
from trialcrf.core.boxes import raw_of
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Answer, Document, FormKey, Place
from trialcrf.core.entry import Decision, QueryOpened
from trialcrf.core.lock import LockState
from trialcrf.core.values import Raw
from trialcrf.core.wording import N_, Message
from trialcrf.core.workflow import QueryState
from trialcrf.store import forms, locks, queries, subjects
from trialcrf.store.definitions import Published
from trialcrf.store.forms import StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

Filled = tuple[FormKey, Mapping[Place, Raw]]
"""A form that is to be saved, with its boxes."""

STERILITY = ("CTSTERAE", "CTSTERAN", "CTSTERFU")
POSITIVE = "POSITIVE"
BY_PROGRAM = "Stérilité positive après la libération (ouvert par le programme). / Positive sterility after release (opened by the program)."
"""A text of the incident's form, in both languages: a value that is recorded has no language of its own."""


def after_save(
    tx: Transaction, published: Published, subject: Subject, form: FormDef, before: Document, after: Document, now: datetime
) -> Filled | None:
    """Called at the end of every save. A positive sterility of a released batch opens an incident with a recall (clinical reference, E.7):
    the form to be saved next, in the same transaction. A new incident is told to whoever answers for the product and to the sites whose
    recipients got it, and asks there for an event."""
    study = published.study
    if study.cells is None or not study.is_product(subject.subject_type):
        return None
    if form.with_alias("CTINCKND") is not None and (_new(form, before, after, "CTINCKND") or _new(form, before, after, "CTRECALL")):
        named = form.with_alias("CTINCBAG")
        concerned = after.at(Place(named.oid)) if named is not None else None
        tell(tx, published, subject, concerned.text if concerned else "")
    if any(_turned_positive(form, before, after, alias) for alias in STERILITY):
        release = chain_now(tx, study).stock.batches[subject.key].release
        if release is not None and release.given:
            said = {"CTINCKND": "STERILITY", "CTINCDTC": _local(subject, now), "CTINCTXT": BY_PROGRAM, "CTRECALL": "Y"}
            return incident(tx, study, subject, said)
    return None


def incident(tx: Transaction, study: Study, subject: Subject, said: Mapping[str, str]) -> Filled:
    """A new incident of a batch as a page would send it, its answers by alias. Raises LookupError where the study has no such form."""
    event_oid, form = incident_form(study, subject)
    named = {alias: form.with_alias(alias) for alias in said}
    raws = {Place(item.oid): raw_of(item, Answer(said[alias]), "en", subject.site.zone) for alias, item in named.items() if item}
    return FormKey(event_oid, form.oid, 1, forms.next_repeat(tx, subject.id, event_oid, form.oid, 1)), raws


def incident_form(study: Study, subject: Subject) -> tuple[str, FormDef]:
    """Where an incident of a batch is recorded. Raises LookupError where the study has no such form."""
    for event in study.events_for(subject.subject_type):
        for form in (study.form[ref.form_oid] for ref in event.forms):
            if form.with_alias("CTINCKND") is not None:
                return event.oid, form
    raise LookupError(f"{study.oid} has no form for incidents")


def tell(tx: Transaction, published: Published, subject: Subject, bag_code: str) -> None:
    """Mails to whoever answers for the product, and a query at every infusion of it: did an adverse event follow? Where one bag is
    concerned, only at its infusion, and only its site is told."""
    reached = prompts(published.study, chain_now(tx, published.study), subject.key)
    sites = {subject.site.code}
    for key, bags in reached.items():
        which = subjects.find(tx, published.study.oid, key)
        if which is None:
            continue
        codes = {bag.code for bag in bags if bag_code in ("", bag.code)}
        if not codes:
            continue
        sites.add(which.site.code)
        for stored, place, stood in _infusions(tx, published.study, which, codes):
            closed = locks.closed(tx, locks.over_form(which, stored.key, stored.id))
            if closed is not None and closed[1] is LockState.LOCKED:
                continue  # The mails tell of it: a locked form takes no query, and the incident must be recorded all the same.
            said = N_("An incident is recorded of bag %(bag)s or of its batch: say whether an adverse event follows from it.")
            message = Message(said, {"bag": stood})
            open_ = {(one.place, one.check) for one in queries.standing(tx, stored.id) if one.state is not QueryState.CLOSED}
            if (place, INCIDENT) not in open_:
                opened = (QueryOpened(place, INCIDENT, message),)
                queries.apply(tx, which, stored.key, stored.id, Decision(Document(), (), {}, opened, {}, (), (), True))
    queue_incident(tx, published.study.oid, subject, sorted(sites))


def _infusions(tx: Transaction, study: Study, which: Subject, codes: set[str]) -> Iterator[tuple[StoredForm, Place, str]]:
    """The places of this subject's infusions that name one of these bags."""
    asked = [form.oid for form in study.forms_with("CTINFBAG")]
    for stored in forms.all_of(tx, [which.id], asked):
        item = study.form[stored.key.form_oid].with_alias("CTINFBAG")
        for place, answer in stored.document.places():
            row = stored.document.row(place.group, place.row) if place.row else None
            if item is not None and place.item == item.oid and answer.text in codes and not (row is not None and row.error):
                yield stored, place, answer.text


def _new(form: FormDef, before: Document, after: Document, alias: str) -> bool:
    item = form.with_alias(alias)
    return item is not None and after.at(Place(item.oid)) is not None and before.at(Place(item.oid)) != after.at(Place(item.oid))


def _turned_positive(form: FormDef, before: Document, after: Document, alias: str) -> bool:
    item = form.with_alias(alias)
    answer = after.at(Place(item.oid)) if item is not None else None
    return answer is not None and answer.text == POSITIVE and _new(form, before, after, alias)


def _local(subject: Subject, now: datetime) -> str:
    return now.astimezone(subject.site.zone).isoformat(timespec="minutes")
