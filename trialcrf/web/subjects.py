"""A subject's own page: visits with their forms, everything else that is recorded, and marking a subject in error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, enrol
from trialcrf.core import schedule
from trialcrf.core.access import may
from trialcrf.core.definition.model import EventType, FormDef, Study, StudyEventDef
from trialcrf.core.document import FormKey
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.safety.case import CASE_STATES
from trialcrf.core.schedule import Visit
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.store import cases, forms, subjects, visits
from trialcrf.store.forms import Standing
from trialcrf.store.subjects import Subject
from trialcrf.web import guard
from trialcrf.web.fixed import ReasonForm
from trialcrf.web.forms.history import reason_for_reading
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.safety import stopping
from trialcrf.web.visits import timeline

blueprint = Blueprint("subjects", __name__)


def may_form(form: FormDef, what: str) -> bool:
    """Whether the person may read or enter this form here: a link between two subjects, and what a donor's tests found, have their own."""
    return guard.may_here(f"{form.access}.{what}")


def first_form_url(study: Study, one: Subject, event: StudyEventDef, standing: Sequence[Standing], repeat: int = 1) -> str:
    """Where the cell of a visit leads: its first form, which asks for the date."""
    form_oid = next((ref.form_oid for ref in event.forms if ref.mandatory), event.forms[0].form_oid)
    return form_url(one, FormKey(event.oid, form_oid, repeat, live_repeat(standing, form_oid, repeat)))


def live_repeat(standing: Sequence[Standing], form_oid: str, event_repeat: int) -> int:
    """The repeat of a form that is filled once: the one that stands; the view of a new one looks past those in error."""
    return next((s.key.form_repeat for s in standing if s.key.form_oid == form_oid and s.key.event_repeat == event_repeat), 1)


def form_url(one: Subject, key: FormKey, **more: str) -> str:
    return url_for(
        "entry.form",
        study=one.site.study_oid,
        subject=one.key,
        event=key.event_oid,
        repeat=key.event_repeat,
        form=key.form_oid,
        n=key.form_repeat,
        **more,  # type: ignore[arg-type]
    )


@dataclass(frozen=True, slots=True)
class FormLine:
    """A form in a list: where it leads, how far it is, and what it says in a few words."""

    label: Words | str
    url: str
    state: str
    says: tuple[Sayable | str, ...] = ()
    queries: int = 0


@dataclass(frozen=True, slots=True)
class EventBlock:
    """An occasion on a subject's page. `visit` is given for scheduled ones; `add` are links that record one more."""

    label: Words
    visit: Visit | None
    word: Message | None
    lines: tuple[FormLine, ...]
    add: tuple[tuple[Sayable, str], ...] = ()


@page(blueprint, "/studies/<study>/subjects/<subject>", "subject.list")
def one(study: str, subject: str) -> str:
    return _subject_page(ReasonForm(), None)


def _subject_page(form: ReasonForm, problem: Impossible | None) -> str:
    published, which = g.place.published, g.place.subject
    definition = published.study
    with guard.read() as tx:
        record = subjects.records(tx, [which])[0]
        standing = forms.standings(tx, [which.id])
        gone = forms.standings(tx, [which.id], in_error=True)
        moved = visits.moves(tx, which)
        hold = stopping.notice(tx)
        serious = cases.of_subject(tx, which.id) if guard.may_here("case.read") else []
    planned = schedule.plan(definition, record, which.site.today(g.now))
    scheduled = [_scheduled(definition, which, visit, standing, gone) for visit in planned]
    others = [
        _other(definition, which, event, standing, gone, record)
        for event in definition.events_for(which.subject_type)
        if event.type is not EventType.SCHEDULED
    ]
    kind = definition.subject_type[which.subject_type]
    end = schedule.ending(record)
    return render_template(
        "subjects/one.html",
        shell=shell(),
        crumbs=[Crumb(Message(N_("Subjects")), url_for("subjects.matrix", study=definition.oid, kind=which.subject_type))],
        which=which,
        kind=kind.label,
        hold=hold,
        serious=[
            (one.number, Message(CASE_STATES[one.state]), url_for("cases.one", study=definition.oid, number=one.number)) for one in serious
        ],
        judged=definition.eligibility_of(which.subject_type) is not None and guard.may_here("statement.read"),
        ended=Message(schedule.ENDINGS[end.code]) if end else None,
        scheduled=scheduled,
        moved=[
            (definition.event[one.event_oid].label, one, reason_for_reading(definition, one.reason))
            for one in moved
            if one.event_oid in definition.event
        ],
        others=[block for block in others if block is not None],
        timeline=timeline.drawn(definition, which, record, planned),
        gone=[
            (definition.event[s.key.event_oid].label, definition.form[s.key.form_oid].label, s.error, form_url(which, s.key))
            for s in gone
            if s.key.form_oid in definition.form and may_form(definition.form[s.key.form_oid], "read")
        ],
        may_error=may(g.session.actor, "subject.error", definition.oid, which.site.code) and not which.error,
        reason=form,
        problem=problem,
    )


def _line(study: Study, which: Subject, key: FormKey, standing: Sequence[Standing], says: tuple[Sayable | str, ...] = ()) -> FormLine:
    found = next((s for s in standing if s.key == key), None)
    state = "empty" if found is None else "query" if found.open_queries else "complete" if found.complete else "started"
    form = study.form[key.form_oid]
    signed = form.access == "statement"  # it is written by signing, on a page of its own
    url = url_for("eligibility.criteria", study=study.oid, subject=which.key) if signed else form_url(which, key)
    return FormLine(form.label, url, state, says, found.open_queries if found else 0)


def key_for(event: StudyEventDef, form_oid: str, repeat: int, standing: Sequence[Standing], gone: Sequence[Standing]) -> FormKey:
    """The address of a form that is filled once: the one that stands, else the first that was never used."""
    live = [s.key for s in standing if (s.key.event_oid, s.key.event_repeat, s.key.form_oid) == (event.oid, repeat, form_oid)]
    if live:
        return live[0]
    used = [s.key.form_repeat for s in gone if (s.key.event_oid, s.key.event_repeat, s.key.form_oid) == (event.oid, repeat, form_oid)]
    return FormKey(event.oid, form_oid, repeat, max(used, default=0) + 1)


def _scheduled(study: Study, which: Subject, visit: Visit, standing: Sequence[Standing], gone: Sequence[Standing]) -> EventBlock:
    lines = tuple(
        _line(study, which, key_for(visit.event, ref.form_oid, 1, standing, gone), standing)
        for ref in visit.event.forms
        if may_form(study.form[ref.form_oid], "read")
    )
    return EventBlock(visit.event.label, visit, Message(schedule.STATES[visit.state]), lines)


def _other(
    study: Study, which: Subject, event: StudyEventDef, standing: Sequence[Standing], gone: Sequence[Standing], record: SubjectRecord
) -> EventBlock | None:
    """A log (adverse events), an unscheduled visit, the end of study: what is recorded, and a link that records one more."""
    readable = [study.form[ref.form_oid] for ref in event.forms if may_form(study.form[ref.form_oid], "read")]
    if not readable:
        return None
    recorded = {(one.form_oid, one.event_repeat, one.form_repeat): one for one in record.records if one.event_oid == event.oid}
    repeats = sorted({s.key.event_repeat for s in standing if s.key.event_oid == event.oid})
    every = [*standing, *gone]
    lines: list[FormLine] = []
    add: list[tuple[Sayable, str]] = []
    for repeat in repeats if event.repeating else [1]:
        for form in readable:
            if form.repeating:
                keys = [s.key for s in standing if (s.key.event_oid, s.key.event_repeat, s.key.form_oid) == (event.oid, repeat, form.oid)]
                lines += [
                    _line(study, which, key, standing, _says(study, recorded.get((form.oid, repeat, key.form_repeat)))) for key in keys
                ]
            else:
                lines.append(_line(study, which, key_for(event, form.oid, repeat, standing, gone), standing))
    for form in readable:
        if form.repeating and may_form(form, "enter"):
            used = [s.key.form_repeat for s in every if (s.key.event_oid, s.key.form_oid) == (event.oid, form.oid)]
            key = FormKey(event.oid, form.oid, 1, max(used, default=0) + 1)
            add.append((Message(N_("Record: %(form)s"), {"form": form.label}), form_url(which, key)))
    if event.repeating and may_form(readable[0], "enter"):
        used = [s.key.event_repeat for s in every if s.key.event_oid == event.oid]
        key = FormKey(event.oid, readable[0].oid, max(used, default=0) + 1)
        add.append((Message(N_("Record: %(form)s"), {"form": event.label}), form_url(which, key)))
    return EventBlock(event.label, None, None, tuple(lines), tuple(add))


def _says(study: Study, recorded: Recorded | None) -> tuple[Sayable | str, ...]:
    """An adverse event in a line: its term, its severity, its onset, whether it is serious."""
    if recorded is None:
        return ()
    values = recorded.values
    said: list[Sayable | str] = [values[alias] for alias in ("AETERM",) if alias in values]
    said += [study.meaning(alias, values[alias]) for alias in ("AETOXGR", "AESEV") if alias in values]
    said += [values[alias] for alias in ("AESTDAT", "EXSTDAT") if alias in values]
    if values.get("AESER") == "Y":
        said.append(Message(N_("serious")))
    said += [study.meaning("DSDECOD", values["DSDECOD"])] if "DSDECOD" in values else []
    return tuple(said)


@page(blueprint, "/studies/<study>/subjects/<subject>/error", "subject.error", methods=["POST"])
def mark_error(study: str, subject: str) -> Response | tuple[str, int]:
    form = ReasonForm(request.form)
    try:
        with guard.write() as tx:
            enrol.mark_subject_error(tx, g.place.subject, form.reason.data or "")
    except Impossible as problem:
        problem.field = problem.field or "reason"
        return _subject_page(form, problem), 422
    return redirect(url_for("subjects.matrix", study=study, done="error"), 303)
