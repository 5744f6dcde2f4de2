"""Something that can be closed, as pages name it and lead to it."""

from __future__ import annotations

from flask import g, url_for

from trialcrf.actions.oversight.lock import Thing
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import FormKey
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store.transaction import Transaction
from trialcrf.web.casebooks import subject_url
from trialcrf.web.oversight.knowing import form_of
from trialcrf.web.subjects import form_url


def label(tx: Transaction, thing: Thing) -> Sayable | str:
    """What a thing is called, with what it lies in."""
    study: Study = g.place.published.study
    if thing.subject is None:
        site = Message(N_("Site %(site)s"), {"site": f"{thing.site.code} {thing.site.name}"}) if thing.site else None
        return site or Message(N_("The whole study"))
    if thing.stored is None:
        return visit_label(study, thing.subject.key, *thing.event) if thing.event else thing.subject.key
    form = form_of(tx, thing)
    assert form is not None
    whole = form_label(study, form, thing.subject.key, thing.stored.key)
    if thing.place is None:
        return whole
    item = form.items[thing.place.item][1].label
    if not thing.place.row:
        return Message(N_("%(form)s: %(item)s"), {"form": whole, "item": item})
    return Message(N_("%(form)s: %(item)s, row %(row)s"), {"form": whole, "item": item, "row": thing.place.row})


def visit_label(study: Study, subject: str, event_oid: str, repeat: int) -> Sayable:
    event = study.event.get(event_oid)
    said = N_("%(subject)s, %(visit)s, no. %(number)s") if repeat > 1 else N_("%(subject)s, %(visit)s")
    return Message(said, {"subject": subject, "visit": event.label if event else event_oid, "number": repeat})


def form_label(study: Study, form: FormDef, subject: str, key: FormKey) -> Sayable:
    visit = visit_label(study, subject, key.event_oid, key.event_repeat)
    said = N_("%(visit)s, %(form)s, no. %(number)s") if key.form_repeat > 1 else N_("%(visit)s, %(form)s")
    return Message(said, {"visit": visit, "form": form.label, "number": key.form_repeat})


def page_url(thing: Thing) -> str:
    """The page of the thing itself, empty where it has none."""
    study: Study = g.place.published.study
    if thing.subject is None:
        return url_for("subjects.matrix", study=study.oid, site=thing.site.code) if thing.site else ""
    if thing.stored is not None:
        return form_url(thing.subject, thing.stored.key)
    return subject_url(study, thing.subject) + (f"#visit-{thing.event[0]}" if thing.event else "")
