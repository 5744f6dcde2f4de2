"""A query in a line of a list: where it stands, what is asked, who answers by when, and where it leads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from flask import g, url_for

from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import FormKey, Place
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.core.workflow import QUERY_STATES, UNSETTLED, QueryState
from trialcrf.store import definitions
from trialcrf.store.queries import Query
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web.forms.webform import key_of


@dataclass(frozen=True, slots=True)
class Line:
    """A query for reading: where it stands, what it doubts. `days` is its age at its site, None once it is settled.

    `by` is the user name of who asks, empty for a check; `late` says that its day is over and nobody answered.
    """

    id: int
    subject: str
    visit: Sayable | str
    form: Sayable | str
    question: Sayable | str
    message: Sayable
    state: str
    word: Message
    opened_at: datetime
    days: int | None
    by: str
    assignee: str
    due_on: date | None
    late: bool
    url: str
    subject_url: str
    field_url: str


def study_of(tx: Transaction, query: Query) -> Study:
    """The definition under which the form of a query was filled; a whole visit is read by the study as it is now."""
    current: Study = g.place.published.study
    return current if query.definition_id is None else definitions.read(tx, query.definition_id).study


def visit_label(study: Study, key: FormKey) -> Sayable | str:
    event = study.event.get(key.event_oid)
    label: Sayable | str = event.label if event else key.event_oid
    if event and event.repeating:
        return Message(N_("%(label)s, no. %(number)s"), {"label": label, "number": str(key.event_repeat)})
    return label


def form_label(study: Study, key: FormKey) -> Sayable | str:
    form = study.form.get(key.form_oid)
    label: Sayable | str = form.label if form else key.form_oid
    if form and form.repeating:
        return Message(N_("%(label)s, no. %(number)s"), {"label": label, "number": str(key.form_repeat)})
    return label


def place_label(form: FormDef | None, place: Place) -> Sayable | str:
    """What a place of a form is called: its question, its row, or the form as a whole."""
    if not place.item and not place.row:
        return Message(N_("The whole form"))
    if not place.item:
        group = next((one.label for one in form.groups if one.oid == place.group), None) if form else None
        return Message(N_("%(item)s, row %(row)s"), {"item": group or place.group, "row": place.row})
    item = form.items.get(place.item) if form else None
    question: Sayable | str = item[1].label if item else place.item
    return Message(N_("%(item)s, row %(row)s"), {"item": question, "row": place.row}) if place.row else question


def thread_url(study: str, subject: str, key: FormKey, form_id: int | None, place: Place) -> str:
    """Where everything is that was said about a place, or about a whole visit."""
    where = {"study": study, "subject": subject, "event": key.event_oid, "repeat": key.event_repeat}
    if form_id is None:
        return url_for("threads.visit", **where)  # type: ignore[arg-type]
    return url_for("threads.form", **where, form=key.form_oid, n=key.form_repeat, at=str(place) or None)  # type: ignore[arg-type]


def field_url(study: str, subject: str, key: FormKey, form_id: int | None, place: Place) -> str:
    """Where the value is that a query is about: its field, or else the thread of its row, form or visit."""
    if form_id is None or not place.item:
        return thread_url(study, subject, key, form_id, place)
    box = ("r-" if place.row else "i-") + key_of(place).replace(".", "-")
    return url_for(
        "entry.form",
        study=study,
        subject=subject,
        event=key.event_oid,
        repeat=key.event_repeat,
        form=key.form_oid,
        n=key.form_repeat,
        field=key_of(place),
        _anchor=f"{box}-item",
    )


def line_of(query: Query, study: Study, site: Site) -> Line:
    key, oid, whole = query.form_key, query.study_oid, query.form_id is None
    form = study.form.get(key.form_oid)
    today = site.today(g.now)
    return Line(
        query.id,
        query.subject,
        visit_label(study, key),
        "" if whole else form_label(study, key),
        Message(N_("The whole visit")) if whole else place_label(form, query.place),
        query.message,
        query.state.value,
        Message(QUERY_STATES[query.state]),
        query.opened_at,
        (today - site.today(query.opened_at)).days if query.state in UNSETTLED else None,
        query.opened_by,
        query.assignee,
        query.due_on,
        query.state is QueryState.OPEN and query.due_on is not None and query.due_on < today,
        url_for("queries.one", study=oid, query=query.id),
        url_for("subjects.one", study=oid, subject=query.subject),
        field_url(oid, query.subject, key, query.form_id, query.place),
    )
