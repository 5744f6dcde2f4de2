"""What a person does about a visit that is overdue, besides recording it: marking it missed, or asking for a deviation."""

from __future__ import annotations

from datetime import datetime, timedelta

from trialcrf.actions import Impossible, deviate, enter
from trialcrf.actions.enter import Saved, Typed
from trialcrf.core import schedule
from trialcrf.core.boxes import raw_of
from trialcrf.core.definition.codes import CodeList
from trialcrf.core.definition.model import FormDef, ItemDef, StudyEventDef
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.core.schedule import State, Visit
from trialcrf.core.wording import N_, Message
from trialcrf.store import forms, subjects
from trialcrf.store.definitions import Published
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

OTHER = "OTHER"
"""The code of a reason that must be put into words (item with the alias COVAL, if the form has one)."""

MISSABLE = frozenset({State.DUE, State.OVERDUE})


def find(tx: Transaction, published: Published, subject: Subject, event_oid: str, now: datetime) -> Visit:
    """The planned visit as it stands today. Raises Impossible where there is none of this name."""
    record = subjects.records(tx, [subject])[0]
    for visit in schedule.plan(published.study, record, subject.site.today(now)):
        if visit.event.oid == event_oid:
            return visit
    raise Impossible(Message(N_("This study has no such form at this visit.")))


def reasons_of(published: Published, event: StudyEventDef) -> CodeList | None:
    """The reasons that this visit's form offers for not having taken place; None where it cannot say so."""
    form = form_of(published, event)
    why = form.with_alias("SVREASOC") if form else None
    return why.codelist if why else None


def form_of(published: Published, event: StudyEventDef) -> FormDef | None:
    """The form of the visit that says whether it took place."""
    asked = (published.study.form[ref.form_oid] for ref in event.forms)
    return next((form for form in asked if form.with_alias("SVOCCUR") and form.with_alias("SVREASOC")), None)


def mark_missed(tx: Transaction, published: Published, subject: Subject, event_oid: str, code: str, words: str, now: datetime) -> Saved:
    """Record that a visit did not take place, and why, in the visit's own form; `words` go with the reason OTHER.

    Raises Impossible at the field `code` or `words`, or where the visit's form says something else already; and as any save does.
    """
    visit = find(tx, published, subject, event_oid, now)
    form = form_of(published, visit.event)
    if form is None:
        raise Impossible(Message(N_("The form of this visit does not ask whether it took place.")))
    if visit.state not in MISSABLE:
        said = N_("This visit is %(state)s: only one that is due or overdue is marked missed.")
        raise Impossible(Message(said, {"state": Message(schedule.STATES[visit.state])}))
    codes = reasons_of(published, visit.event)
    if codes is None or codes.label_of(code) is None:
        raise Impossible(Message(N_("Say why the visit did not take place.")), "code")
    key, stored = _standing(tx, subject, visit.event, form)
    occurred = form.with_alias("SVOCCUR")
    assert occurred is not None  # `form_of` asked for it.
    if stored is not None and stored.document.at(Place(occurred.oid)) is not None:
        raise Impossible(Message(N_("The form of this visit says already whether it took place: correct it there, with a reason.")))
    told = [(occurred, "N"), (_asked(form, "SVREASOC"), code)]
    remark = form.with_alias("COVAL")
    if code == OTHER and remark is not None:
        if not words.strip():
            raise Impossible(Message(N_("Describe the reason.")), "words")
        told.append((remark, words.strip()))
    raws = {Place(item.oid): raw_of(item, Answer(text), "en", None) for item, text in told}
    return enter.save_form(tx, published, subject, key, Typed(raws, version=stored.version if stored else None), now)


def request_deviation(tx: Transaction, published: Published, subject: Subject, event_oid: str, words: str, now: datetime) -> FormKey:
    """Record a deviation from a visit's window, before or after the visit takes place; returns the form's address.

    The day of the deviation is the first day after the window, or today while it is still open. Raises Impossible at the field `words`.
    """
    visit = find(tx, published, subject, event_oid, now)
    if visit.closes is None or visit.opens is None:
        raise Impossible(Message(N_("This visit has no window that could be missed.")))
    if not words.strip():
        raise Impossible(Message(N_("Say what is asked for, and why.")), "words")
    today = subject.site.today(now)
    day = min(today, visit.closes + timedelta(days=1))
    said = {"DVSTDAT": day.isoformat(), deviate.TERM: words.strip(), "DVCAT": "WINDOW", "DVREFID": event_oid}
    return deviate.record(tx, published, subject, said, now)


def _asked(form: FormDef, alias: str) -> ItemDef:
    found = form.with_alias(alias)
    assert found is not None
    return found


def _standing(tx: Transaction, subject: Subject, event: StudyEventDef, form: FormDef) -> tuple[FormKey, forms.StoredForm | None]:
    """The address of the visit's form and what stands there; after one that was marked in error, the next."""
    number = 1
    while (stored := forms.read(tx, subject.id, FormKey(event.oid, form.oid, 1, number))) is not None and stored.error:
        number += 1
    return FormKey(event.oid, form.oid, 1, number), stored
