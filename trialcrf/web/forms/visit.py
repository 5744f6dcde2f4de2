"""The visit around a form: where it stands, its forms as steps, and which of them comes next."""

from __future__ import annotations

from collections.abc import Sequence

from flask import g

from trialcrf.actions.enter import Opened
from trialcrf.core import schedule
from trialcrf.core.definition.model import EventType, Study
from trialcrf.core.document import FormKey
from trialcrf.core.wording import N_, Message
from trialcrf.store import forms, subjects
from trialcrf.store.forms import Standing
from trialcrf.store.subjects import Subject
from trialcrf.web import guard
from trialcrf.web.page import Step
from trialcrf.web.subjects import form_url, key_for, may_form


def following(key: FormKey, opened: Opened) -> FormKey | None:
    """The next form of the visit."""
    refs = [ref.form_oid for ref in opened.event.forms if may_form(_around(opened).form[ref.form_oid], "enter")]
    after = refs[refs.index(key.form_oid) + 1 :] if key.form_oid in refs else []
    if not after or opened.form.repeating:
        return None
    with guard.read() as tx:
        standing = forms.standings(tx, [g.place.subject.id])
        gone = forms.standings(tx, [g.place.subject.id], in_error=True)
    return key_for(opened.event, after[0], key.event_repeat, standing, gone)


def _around(opened: Opened) -> Study:
    """The version that the visit itself is of: the one in force for the subject, or the form's own where it is asked there no longer."""
    study: Study = g.place.published.study
    return study if study.event.get(opened.event.oid) is opened.event else opened.published.study


def context(opened: Opened, which: Subject) -> list[Message]:
    """Where the visit stands against its window, as a sentence; nothing for an occasion without a planned day."""
    event = opened.event
    if event.target is None or event.type is not EventType.SCHEDULED:
        return []
    with guard.read() as tx:
        record = subjects.records(tx, [which])[0]
    today = which.site.today(g.now)
    visit = next((one for one in schedule.plan(_around(opened), record, today) if one.event.oid == event.oid), None)
    if visit is None:
        return []
    state = Message(schedule.STATES[visit.state])
    if visit.overdue_by:
        by = Message(N_("overdue by %(days)s days"), {"days": visit.overdue_by})
        state = Message(N_("overdue by 1 day")) if visit.overdue_by == 1 else by
    return [Message(N_("Visit %(state)s. %(why)s."), {"state": state, "why": visit.reason})]


def steps(opened: Opened, which: Subject, key: FormKey, standing: Sequence[Standing], gone: Sequence[Standing]) -> list[Step]:
    """The forms of the visit that the person may read, in their order, each with how far it is."""
    event, study = opened.event, _around(opened)
    refs = [ref.form_oid for ref in event.forms if may_form(study.form[ref.form_oid], "read")]
    if len(refs) < 2:
        return []
    steps = []
    for oid in refs:
        where = key_for(event, oid, key.event_repeat, standing, gone)
        found = next((s for s in standing if s.key == where), None)
        if found is None:
            state, said = "empty", Message(N_("empty"))
        elif found.open_queries:
            state, said = "query", Message(N_("query open"))
        elif found.complete:
            state, said = "complete", Message(N_("complete"))
        else:
            state, said = "started", Message(N_("begun"))
        steps.append(Step(study.form[oid].label.in_(g.language.code), form_url(which, where), state, said, oid == key.form_oid))
    return steps


def has_next(key: FormKey, opened: Opened) -> bool:
    """Whether another form of the visit that the person enters comes after this one."""
    refs = [ref.form_oid for ref in opened.event.forms if may_form(_around(opened).form[ref.form_oid], "enter")]
    return key.form_oid in refs[:-1] and not opened.form.repeating
