"""A subject's own page: visits with their forms, everything else that is recorded, and marking a subject in error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible
from trialcrf.actions.judge import STATEMENT_ALIAS
from trialcrf.actions.oversight import second
from trialcrf.core import schedule
from trialcrf.core.access import may
from trialcrf.core.definition.model import EventType, FormDef, Study, StudyEventDef
from trialcrf.core.document import FormKey
from trialcrf.core.facts import Recorded, SubjectRecord
from trialcrf.core.lock import Address, Level
from trialcrf.core.safety.case import CASE_STATES
from trialcrf.core.schedule import Visit
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.store import cases, forms, plans, queries, subjects
from trialcrf.store.forms import Standing
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard
from trialcrf.web.casebooks import casebook_crumb
from trialcrf.web.cells.ways import traces, ways
from trialcrf.web.fixed import ReasonForm
from trialcrf.web.forms.history import reason_for_reading
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.oversight import closing
from trialcrf.web.oversight.sealed import seals_of
from trialcrf.web.page import Chip
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
    form_id: int = 0


@dataclass(frozen=True, slots=True)
class EventBlock:
    """An occasion on a subject's page. `visit` is given for scheduled ones; `add` are links that record one more."""

    label: Words
    visit: Visit | None
    word: Message | None
    lines: tuple[FormLine, ...]
    add: tuple[tuple[Sayable, str], ...] = ()


@page(blueprint, "/studies/<study>/subjects/<subject>", "casebook.open")
def one(study: str, subject: str) -> str | Response:
    if g.place.published.study.is_product(g.place.subject.subject_type):
        return redirect(url_for("batches.one", study=study, subject=subject, done=request.args.get("done")), 303)
    return _subject_page(ReasonForm(), None)


def _subject_page(form: ReasonForm, problem: Impossible | None) -> str:
    published, which = g.place.published, g.place.subject
    definition = published.study
    with guard.read() as tx:
        record = subjects.records(tx, [which])[0]
        standing = forms.standings(tx, [which.id])
        gone = forms.standings(tx, [which.id], in_error=True)
        moved = plans.moves(tx, which)
        sealed = seals_of(tx, definition, which, standing)
        talks = _talks(tx, which) if guard.may_here("query.read") else None
        hold = stopping.notice(tx)
        closed, removal_url = closing.of_subject(tx, which), closing.removal_url(tx, which)
        closed_visits = closing.visits_of(tx, which)
        serious = cases.of_subject(tx, which.id) if guard.may_here("case.read") else []
    planned = schedule.plan(definition, record, which.site.today(g.now))
    scheduled = [_scheduled(definition, which, visit, standing, gone, record) for visit in planned]
    others = [
        occasion(definition, which, event, standing, gone, record)
        for event in definition.events_for(which.subject_type)
        if event.type is not EventType.SCHEDULED
    ]
    kind = definition.subject_type[which.subject_type]
    end = schedule.ending(record)
    may_error = may(g.session.actor, "removal.ask", definition.oid, which.site.code) and not which.error
    fixed_drafts.beside({url_for("subjects.mark_error", study=definition.oid, subject=which.key): form if may_error else None})
    return render_template(
        "subjects/one.html",
        shell=shell(),
        crumbs=[casebook_crumb(definition, which.subject_type)],
        which=which,
        kind=kind.label,
        hold=hold,
        sealed=sealed,
        talks=talks,
        serious=[
            (one.number, Message(CASE_STATES[one.state]), url_for("cases.one", study=definition.oid, number=one.number)) for one in serious
        ],
        judged=definition.eligibility_of(which.subject_type) is not None and guard.may_here("statement.read"),
        wristband_url=_wristband_url(definition, which),
        ways=[*ways(definition, which), *traces(definition, which), *_oversight(definition, which)],
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
        may_error=may_error,
        closed=closed,
        closed_visits=closed_visits,
        removal_url=removal_url,
        lock_url=closing.link(Address(Level.SUBJECT, which.id)),
        reason=form,
        problem=problem,
    )


def _talks(tx: Transaction, which: Subject) -> dict[tuple[int, str, int], int]:
    """How many open queries stand about those of the subject's visits that the person may know of."""
    held = queries.open_at_visits(tx, [which.id])
    return {at: number for at, number in held.items() if guard.may_know_visit(at[1], which.site.code)}


def _oversight(study: Study, which: Subject) -> list[Chip]:
    """Where the values of the subject are held against their sources, and where everything recorded of it is had as a file."""
    found = []
    if not which.error and guard.may_here("verification.read"):
        found.append(Chip(Message(N_("Verification")), url_for("verification.subject", study=study.oid, subject=which.key)))
    if guard.may_here("casebook.print"):
        found.append(Chip(Message(N_("Casebook as a file")), url_for("casebook_files.listed", study=study.oid, subject=which.key)))
    return found


def _wristband_url(study: Study, which: Subject) -> str:
    """Where the wristband of a recipient is printed, for who may."""
    wanted = study.cells is not None and which.subject_type == study.cells.recipient and not which.error
    return url_for("labels.wristband", study=study.oid, subject=which.key) if wanted and guard.may_here("label.print") else ""


def form_line(study: Study, which: Subject, key: FormKey, standing: Sequence[Standing], says: tuple[Sayable | str, ...] = ()) -> FormLine:
    found = next((s for s in standing if s.key == key), None)
    state = "empty" if found is None else "query" if found.open_queries else "complete" if found.complete else "started"
    form = study.form[key.form_oid]
    # A verdict is written by signing it, on a page of its own; other statements are read as the forms that they are.
    verdict = form.access == "statement" and form.with_alias(STATEMENT_ALIAS) is not None
    url = url_for("eligibility.criteria", study=study.oid, subject=which.key) if verdict else form_url(which, key)
    return FormLine(form.label, url, state, says, found.open_queries if found else 0, found.id if found else 0)


def key_for(event: StudyEventDef, form_oid: str, repeat: int, standing: Sequence[Standing], gone: Sequence[Standing]) -> FormKey:
    """The address of a form that is filled once: the one that stands, else the first that was never used."""
    live = [s.key for s in standing if (s.key.event_oid, s.key.event_repeat, s.key.form_oid) == (event.oid, repeat, form_oid)]
    if live:
        return live[0]
    used = [s.key.form_repeat for s in gone if (s.key.event_oid, s.key.event_repeat, s.key.form_oid) == (event.oid, repeat, form_oid)]
    return FormKey(event.oid, form_oid, repeat, max(used, default=0) + 1)


def _scheduled(
    study: Study, which: Subject, visit: Visit, standing: Sequence[Standing], gone: Sequence[Standing], record: SubjectRecord
) -> EventBlock:
    lines: list[FormLine] = []
    for form in (study.form[ref.form_oid] for ref in visit.event.forms):
        if may_form(form, "read"):
            held = _repeats(study, which, visit.event, form, 1, standing, record) if form.repeating else []
            lines += held or [form_line(study, which, key_for(visit.event, form.oid, 1, standing, gone), standing)]
    return EventBlock(visit.event.label, visit, Message(schedule.STATES[visit.state]), tuple(lines))


def _repeats(
    study: Study, which: Subject, event: StudyEventDef, form: FormDef, repeat: int, standing: Sequence[Standing], record: SubjectRecord
) -> list[FormLine]:
    """Every living form of one kind at an occasion, each with what it says."""
    at = (event.oid, repeat, form.oid)
    recorded = {one.form_repeat: one for one in record.records if (one.event_oid, one.event_repeat, one.form_oid) == at}
    keys = [s.key for s in standing if (s.key.event_oid, s.key.event_repeat, s.key.form_oid) == at]
    return [form_line(study, which, key, standing, _says(study, which, recorded.get(key.form_repeat))) for key in keys]


def occasion(
    study: Study, which: Subject, event: StudyEventDef, standing: Sequence[Standing], gone: Sequence[Standing], record: SubjectRecord
) -> EventBlock | None:
    """A log (adverse events), an unscheduled visit, the end of study: what is recorded, and a link that records one more."""
    readable = [study.form[ref.form_oid] for ref in event.forms if may_form(study.form[ref.form_oid], "read")]
    if not readable:
        return None
    repeats = sorted({s.key.event_repeat for s in standing if s.key.event_oid == event.oid})
    every = [*standing, *gone]
    lines: list[FormLine] = []
    add: list[tuple[Sayable, str]] = []
    for repeat in repeats if event.repeating else [1]:
        for form in readable:
            if form.repeating:
                lines += _repeats(study, which, event, form, repeat, standing, record)
            else:
                lines.append(form_line(study, which, key_for(event, form.oid, repeat, standing, gone), standing))
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


def _says(study: Study, which: Subject, recorded: Recorded | None) -> tuple[Sayable | str, ...]:
    """A recorded form in a line: of an adverse event its term, its severity, its onset, whether it is serious; of what happened to a bag
    which one, what, and when."""
    if recorded is None:
        return ()
    values = recorded.values
    if which_bag := [alias for alias in OF_BAGS if alias in values]:
        return tuple(_told(study, which, alias, values[alias]) for alias in which_bag)
    said: list[Sayable | str] = [values[alias] for alias in ("AETERM",) if alias in values]
    said += [study.meaning(alias, values[alias]) for alias in ("AETOXGR", "AESEV") if alias in values]
    said += [_day(values[alias]) for alias in ("AESTDAT", "EXSTDAT") if alias in values]
    if values.get("AESER") == "Y":
        said.append(Message(N_("serious")))
    said += [study.meaning("DSDECOD", values["DSDECOD"])] if "DSDECOD" in values else []
    return tuple(said)


OF_BAGS = ("CTMVBAG", "CTCHKBAG", "CTMVKIND", "CTRELDEC", "CTINCKND", "CTINCBAG", "CTMVDTC", "CTCHKDTC", "CTRELDTC", "CTINCDTC")
"""What a form of the chain of cells is told by in a line, in this order."""


def _day(text: str) -> Sayable | str:
    """A recorded day as it is read; of one that is known in part, what is known."""
    return Message("%(day)s", {"day": date.fromisoformat(text)}) if len(text) == len("2026-01-31") else text


def _told(study: Study, which: Subject, alias: str, text: str) -> Sayable | str:
    if alias.endswith("DTC"):
        return Message("%(at)s", {"at": datetime.fromisoformat(text).astimezone(which.site.zone)}) if "T" in text else text
    return study.meaning(alias, text)


@page(blueprint, "/studies/<study>/subjects/<subject>/error", "removal.ask", methods=["POST"])
def mark_error(study: str, subject: str) -> Response | tuple[str, int]:
    """Ask to mark the subject entered in error: another person decides (`actions.second`)."""
    form, which, definition = ReasonForm(request.form), g.place.subject, g.place.published.study
    if definition.is_product(which.subject_type):
        abort(404)  # A batch has a page of its own.
    try:
        with guard.write() as tx:
            second.ask_removal(tx, g.place.published, which, form.reason.data or "")
    except Impossible as problem:
        problem.field = problem.field or "reason"
        return _subject_page(form, problem), 422
    return redirect(url_for("subjects.one", study=study, subject=subject, done="requested"), 303)
