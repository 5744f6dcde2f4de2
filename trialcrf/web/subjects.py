"""Subjects: the visit matrix of the sites, a subject's own page, enrolment, and marking a subject in error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, enrol
from trialcrf.core import schedule
from trialcrf.core.access import may
from trialcrf.core.definition.model import EventType, FormDef, Study, StudyEventDef
from trialcrf.core.document import FormKey
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.schedule import State, Visit
from trialcrf.core.values import interval
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.store import forms, sites, subjects
from trialcrf.store.forms import Standing
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.fixed import ReasonForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Cell, Chip, Crumb, MatrixRow, Pages

blueprint = Blueprint("subjects", __name__)

ON_A_PAGE = 25
AT_ONCE = 200

_WORDS = {
    State.DONE: N_("done"),
    State.DONE_OUT: N_("done"),
    State.DUE: N_("due"),
    State.OVERDUE: N_("overdue"),
    State.PLANNED: N_("planned"),
    State.MISSED: N_("missed"),
    State.NOT_APPLICABLE: N_("not applicable"),
}


@page(blueprint, "/studies/<study>/subjects", "subject.list")
def matrix(study: str) -> str:
    """Subjects by visits. Filters are in the address: kind, state, site, q (part of the key), page."""
    published = g.place.published
    definition = published.study
    mine = guard.my_sites("subject.list")
    wanted = request.args.get("site", "")
    at = frozenset({wanted}) & (mine if mine is not None else {wanted}) if wanted else mine
    kind = definition.subject_type.get(request.args.get("kind", ""), definition.subject_types[0])
    state = next((one for one in State if one.value == request.args.get("state", "")), None)
    part = request.args.get("q", "").strip()[:40]
    number = _whole(request.args.get("page", "1"))
    with guard.read() as tx:
        places = [one for one in sites.all_of(tx, study) if mine is None or one.code in mine]
        if state is None:
            total = subjects.count(tx, study, at, kind.oid, part)
            number = min(number, max(1, -(-total // ON_A_PAGE)))
            shown = subjects.all_of(tx, study, at, kind.oid, part, (number - 1) * ON_A_PAGE, ON_A_PAGE)
            plans = _plans(tx, definition, shown)
        else:
            # A state is computed from data and day, never stored, so this filter looks at every subject of the view.
            matching = _in_state(tx, definition, subjects.all_of(tx, study, at, kind.oid, part), state)
            total = len(matching)
            number = min(number, max(1, -(-total // ON_A_PAGE)))
            shown = matching[(number - 1) * ON_A_PAGE :][:ON_A_PAGE]
            plans = _plans(tx, definition, shown)
        standing = _by_event(forms.standings(tx, [one.id for one in shown]))
    chips = [
        *(Chip(one.label, _here(kind=one.oid, page=None), one.oid == kind.oid) for one in definition.subject_types),
        *(Chip(Message(_WORDS[one]), _here(state=one.value, page=None), state is one) for one in (State.OVERDUE, State.DUE, State.MISSED)),
    ]
    if state or part:
        chips.append(Chip(Message(N_("All")), _here(state=None, q=None, page=None)))
    if len(places) > 1:
        chips.append(Chip(Message(N_("Every site")), _here(site=None, page=None), not wanted))
        chips += [
            Chip(Message(N_("Site %(site)s"), {"site": one.code}), _here(site=one.code, page=None), one.code == wanted) for one in places
        ]
    events = [event for event in definition.events_for(kind.oid) if event.type is EventType.SCHEDULED]
    acts = [
        Chip(Message(N_("Enrol: %(kind)s"), {"kind": one.label}), url_for("enrolment.where", study=study, kind=one.oid), True)
        for one in definition.subject_types
        if may(g.session.actor, "subject.enrol", study)
    ]
    note = Message(N_("No subject is enrolled yet: enrol the first one above.")) if not (state or part or wanted) and acts else None
    return render_template(
        "subjects/matrix.html",
        shell=shell(),
        crumbs=[Crumb(definition.title)],
        heading=Message(N_("Subjects and visits")),
        chips=chips,
        events=[event.label for event in events],
        rows=[_row(definition, study, plan, standing) for plan in plans],
        pages=_pages(number, total),
        acts=acts,
        note=note or "",
    )


def _in_state(tx: Transaction, study: Study, everyone: Sequence[Subject], state: State) -> list[Subject]:
    """Those with a visit in this state. What is known of them is held for a few hundred at a time: there may be thousands."""
    parts = (everyone[start : start + AT_ONCE] for start in range(0, len(everyone), AT_ONCE))
    plans = (plan for part in parts for plan in _plans(tx, study, part))
    return [one for one, _, visits in plans if any(visit.state is state for visit in visits)]


def _plans(tx: Transaction, study: Study, shown: Sequence[Subject]) -> list[tuple[Subject, SubjectRecord, tuple[Visit, ...]]]:
    return [
        (one, record, schedule.plan(study, record, one.site.today(g.now)))
        for one, record in zip(shown, subjects.records(tx, shown), strict=True)
    ]


def _by_event(standings: Sequence[Standing]) -> dict[tuple[int, str], list[Standing]]:
    found: dict[tuple[int, str], list[Standing]] = {}
    for one in standings:
        found.setdefault((one.subject_id, one.key.event_oid), []).append(one)
    return found


def _row(
    study: Study,
    oid: str,
    plan: tuple[Subject, SubjectRecord, tuple[Visit, ...]],
    standing: dict[tuple[int, str], list[Standing]],
) -> MatrixRow:
    one, record, visits = plan
    cells = tuple(_cell(study, one, visit, standing.get((one.id, visit.event.oid), [])) for visit in visits)
    end = schedule.ending(record)
    ended = Message(schedule.ENDINGS[end.code]) if end else None
    started = [cell for cell in cells if cell.state in ("done", "done_out", "due", "overdue")]
    return MatrixRow(
        one.key,
        url_for("subjects.one", study=oid, subject=one.key),
        cells,
        (),
        sum(cell.complete for cell in started),
        sum(cell.forms for cell in started),
        ended,
    )


def _cell(study: Study, one: Subject, visit: Visit, standing: Sequence[Standing]) -> Cell:
    needed = {ref.form_oid for ref in visit.event.forms if ref.mandatory and may_form(study.form[ref.form_oid], "read")}
    complete = {form.key.form_oid for form in standing if form.complete} & needed
    return Cell(
        state=visit.state.value,
        word=Message(_WORDS[visit.state]),
        url=first_form_url(study, one, visit.event, standing),
        visit=visit.event.label.in_(g.language.code),
        subject=one.key,
        detail=_detail(visit, one),
        why=visit.reason,
        complete=len(complete),
        forms=len(needed),
        queries=sum(form.open_queries for form in standing),
    )


def _detail(visit: Visit, one: Subject) -> Message | None:
    if visit.state is State.DONE and visit.on:
        day = interval(visit.on)
        return Message("%(on)s", {"on": day.earliest}) if day.exact else Message("%(on)s", {"on": visit.on})
    if visit.state is State.DONE_OUT:
        return Message(N_("out of window"))
    if visit.state is State.DUE and visit.closes:
        left = (visit.closes - one.site.today(g.now)).days
        if left < 2:
            return Message(N_("1 day left")) if left else Message(N_("last day today"))
        return Message(N_("%(days)s days left"), {"days": left})
    if visit.state is State.OVERDUE:
        return Message(N_("by 1 day")) if visit.overdue_by == 1 else Message(N_("by %(days)s days"), {"days": visit.overdue_by})
    if visit.state is State.PLANNED and visit.target:
        return Message("%(on)s", {"on": visit.target})
    return None


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


def _whole(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 7 else 1


def _here(**changed: str | None) -> str:
    kept = {name: value for name, value in request.args.items() if name != "done"} | changed
    left = {name: value for name, value in kept.items() if value}
    return request.path + ("?" + urlencode(left) if left else "")


def _pages(number: int, total: int) -> Pages:
    last = max(1, -(-total // ON_A_PAGE))
    return Pages(
        number,
        last,
        (number - 1) * ON_A_PAGE + 1 if total else 0,
        min(number * ON_A_PAGE, total),
        total,
        _here(page=str(number - 1)) if number > 1 else "",
        _here(page=str(number + 1)) if number < last else "",
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
    visits = {visit.event.oid: visit for visit in schedule.plan(definition, record, which.site.today(g.now))}
    scheduled = [_scheduled(definition, which, visit, standing, gone) for visit in visits.values()]
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
        judged=definition.eligibility_of(which.subject_type) is not None and guard.may_here("statement.read"),
        ended=Message(schedule.ENDINGS[end.code]) if end else None,
        scheduled=scheduled,
        others=[block for block in others if block is not None],
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
