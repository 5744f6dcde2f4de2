"""The visit matrix: subjects by visits at any size, with filters in the address, an order, and the view as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from flask import Response, g, redirect, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response as AnyResponse

from trialcrf.core import schedule
from trialcrf.core.access import may
from trialcrf.core.definition.codes import CodeListItem
from trialcrf.core.definition.model import EventType, Study, SubjectType
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.schedule import STATES, State, Visit
from trialcrf.core.sight import eyes_of, seen_at
from trialcrf.core.values import interval
from trialcrf.core.wording import N_, Message
from trialcrf.external.tables import harmless
from trialcrf.store import definitions, forms, queries, sites, subjects, visits
from trialcrf.store.forms import Standing
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.store.visits import Asked
from trialcrf.web import guard, lines
from trialcrf.web.enrolment import may_enrol
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Cell, Chip, Crumb, MatrixRow, Pages
from trialcrf.web.subjects import blueprint, first_form_url

ON_A_PAGE = 25
AT_ONCE = 200
LATEST = 9999
"""The most days overdue that can be asked for: four digits, as many as the box takes."""

ORDERS = {"key": N_("subject"), "overdue": N_("longest overdue first"), "next": N_("next window first"), "enrolled": N_("newest first")}
NO_SUBJECT = N_("No subject is enrolled yet: enrol the first one above.")
NO_SUBJECT_TO_READ = N_("No subject is enrolled yet. The sites enrol them; each is a line here, with every visit.")
CHIPS = (State.OVERDUE, State.DUE, State.DUE_SOON, State.MISSED)

Planned = tuple[Subject, SubjectRecord, tuple[Visit, ...]]


@dataclass(frozen=True, slots=True)
class View:
    """What the address asks for, what was not understood left out; `places` are the sites that it is about."""

    kind: SubjectType
    asked: Asked
    order: str
    site: str
    every_place: Sequence[Site]
    cohorts: tuple[CodeListItem, ...]


@page(blueprint, "/studies/<study>/subjects", "subject.list", endpoint="matrix")
def matrix(study: str) -> str | AnyResponse:
    """Subjects by visits. Filters are in the address: kind, site, state, late (days), cohort, q (part of the key), sort, page."""
    definition = g.place.published.study
    if definition.is_product(request.args.get("kind", "")):
        return redirect(url_for("batches.listed", study=study), 303)
    with guard.read() as tx:
        view = _view(tx, definition)
        total = visits.count_subjects(tx, view.asked)
        number = min(_whole(request.args.get("page", "")) or 1, max(1, -(-total // ON_A_PAGE)))
        shown = visits.subjects_matching(tx, view.asked, view.order, (number - 1) * ON_A_PAGE, ON_A_PAGE)
        by_id = {one.id: one for one in shown}
        places = {one.id: one.site for one in shown}
        rows = lines.drawn(tx, "subjects/_line.html", places, lambda some: _rows(tx, definition, [by_id[one] for one in some]))
        counts = {one: visits.count(tx, _only(view, one)) for one in CHIPS}
    asked = view.asked
    filtered = bool(asked.state or asked.containing or view.site or asked.cohort)
    chips = [
        *(Chip(one.label, _here(kind=one.oid, page=None), one.oid == view.kind.oid) for one in definition.people),
        *(Chip(Message(STATES[one]), _here(state=one.value, page=None), asked.state is one, counts[one]) for one in CHIPS),
    ]
    if filtered:
        chips.append(Chip(Message(N_("All")), _here(state=None, q=None, late=None, cohort=None, site=None, page=None)))
    acts = [
        Chip(Message(N_("Enrol: %(kind)s"), {"kind": one.label}), url_for("enrolment.where", study=study, kind=one.oid), True)
        for one in definition.people
        if may_enrol(definition, one.oid)
    ]
    acts.append(Chip(Message(N_("This view as CSV")), url_for("subjects.matrix_csv", study=study) + _query(_asked_for())))
    return render_template(
        "subjects/matrix.html",
        shell=shell(),
        crumbs=[Crumb(definition.title)],
        heading=Message(N_("Subjects and visits")),
        chips=chips,
        view=view,
        states=[(one.value, Message(STATES[one])) for one in State],
        orders=[(code, Message(said)) for code, said in ORDERS.items()],
        late=view.asked.late_by,
        events=[event.label for event in definition.events_for(view.kind.oid) if event.type is EventType.SCHEDULED],
        rows=[rows[one] for one in by_id],
        pages=_pages(number, total),
        acts=acts,
        note="" if filtered else Message(NO_SUBJECT if len(acts) > 1 else NO_SUBJECT_TO_READ),
    )


@page(blueprint, "/studies/<study>/subjects.csv", "subject.list", endpoint="matrix_csv")
def matrix_csv(study: str) -> Response:
    """Everything that the view holds on all its pages, a line for each visit. Subjects are read a few hundred at a time."""
    definition = g.place.published.study
    with guard.read() as tx:
        view = _view(tx, definition)
    response = Response(stream_with_context(_csv(definition, view)), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=f"{study}-visits-{g.now.date().isoformat()}.csv")
    return response


def _csv(definition: Study, view: View) -> Iterator[str]:
    say, language = g.language.say, g.language
    heading = (
        *(N_("Site"), N_("Subject"), N_("Visit"), N_("State"), N_("Days overdue"), N_("Target")),
        *(N_("Window opens"), N_("Last day"), N_("Date"), N_("Reason"), N_("Counted from")),
    )
    yield "\ufeff" + _lines([[language.gettext(one) for one in heading]])
    start = 0
    with guard.read() as tx:
        while some := visits.subjects_matching(tx, view.asked, view.order, start, AT_ONCE):
            yield _lines(
                [
                    one.site.code, one.key, say(visit.event.label), language.gettext(STATES[visit.state]),
                    str(visit.overdue_by or ""), _iso(visit.target), _iso(visit.opens), _iso(visit.closes), visit.on,
                    say(visit.reason), say(visit.basis) if visit.basis else "",
                ]
                for one, _, plan in _plans(tx, definition, some)
                for visit in plan
                if view.asked.state is None or _asked_state(view, visit)
            )  # fmt: skip
            start += len(some)


def _asked_state(view: View, visit: Visit) -> bool:
    return visit.state is view.asked.state and visit.overdue_by >= (view.asked.late_by and view.asked.late_by + 1)


def _lines(rows: Iterator[list[str]] | list[list[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows([harmless(text) for text in row] for row in rows)
    return buffer.getvalue()


def _iso(day: object) -> str:
    return str(day) if day else ""


def _view(tx: Transaction, definition: Study) -> View:
    """What the address asks for, within the sites of the person."""
    mine = guard.my_sites("subject.list")
    every_place = [one for one in sites.all_of(tx, definition.oid) if mine is None or one.code in mine]
    wanted = request.args.get("site", "")
    places = [one for one in every_place if wanted in ("", one.code)]
    late = _whole(request.args.get("late", ""), LATEST)
    state = next((one for one in State if one.value == request.args.get("state", "")), None)
    state = State.OVERDUE if late else state
    wanted_kind = request.args.get("kind", "")
    kind = next((one for one in definition.people if one.oid == wanted_kind), definition.people[0])
    cohorts = _cohorts(definition, kind)
    cohort = next((one.code for one in cohorts if one.code == request.args.get("cohort", "")), "")
    order = request.args.get("sort", "")
    part = request.args.get("q", "").strip()[:40]
    asked = Asked(places, g.now, definition.due_soon, state, kind.oid, late, cohort, part)
    return View(kind, asked, order if order in ORDERS else "key", wanted, every_place, cohorts)


def _only(view: View, state: State) -> Asked:
    """The same subjects, with visits in this state."""
    return replace(view.asked, state=state, late_by=0)


def _cohorts(definition: Study, kind: SubjectType) -> tuple[CodeListItem, ...]:
    """The cohorts (ACTARM) that subjects of this kind can be in."""
    asked = {ref.form_oid for event in definition.events_for(kind.oid) for ref in event.forms}
    items = (form.with_alias("ACTARM") for form in definition.forms_with("ACTARM") if form.oid in asked)
    return next((item.codelist.items for item in items if item and item.codelist), ())


def _plans(tx: Transaction, study: Study, shown: Sequence[Subject]) -> list[Planned]:
    records = subjects.records(tx, shown, schedule.bearing(study))
    return [
        (one, record, schedule.plan(at.study, record, one.site.today(g.now)))
        for one, record, at in zip(shown, records, definitions.for_each(tx, shown), strict=True)
    ]


def _by_event(standings: Sequence[Standing]) -> dict[tuple[int, str], list[Standing]]:
    found: dict[tuple[int, str], list[Standing]] = {}
    for one in standings:
        found.setdefault((one.subject_id, one.key.event_oid), []).append(one)
    return found


def _rows(tx: Transaction, study: Study, shown: Sequence[Subject]) -> dict[int, MatrixRow]:
    """The lines of these subjects, by the number of each."""
    ids = [one.id for one in shown]
    standing = _by_event(forms.standings(tx, ids))
    of_visits = queries.open_at_visits(tx, ids) if may(g.session.actor, "query.read", study.oid) else {}
    return {plan[0].id: _row(study, plan, standing, of_visits) for plan in _plans(tx, study, shown)}


def _row(
    study: Study,
    plan: Planned,
    standing: dict[tuple[int, str], list[Standing]],
    of_visits: Mapping[tuple[int, str, int], int],
) -> MatrixRow:
    one, record, planned = plan
    eyes = eyes_of(g.session.actor, study.oid, one.site.code)
    readable = {form_oid for form_oid, form in study.form.items() if form.access in eyes}
    of_event = {
        visit.event.oid: _cell(
            study, one, visit, standing.get((one.id, visit.event.oid), []), of_visits.get((one.id, visit.event.oid, 1), 0), eyes, readable
        )
        for visit in planned
    }
    # A site that a version has not reached, or a subject who is asked as before, has no visit in some of the columns.
    columns = (event.oid for event in study.events_for(one.subject_type) if event.type is EventType.SCHEDULED)
    cells = tuple(of_event.get(event_oid) for event_oid in columns)
    end = schedule.ending(record)
    ended = Message(schedule.ENDINGS[end.code]) if end else None
    started = [cell for cell in cells if cell is not None and cell.state in ("done", "done_out", "due", "overdue")]
    return MatrixRow(
        one.key,
        url_for("subjects.one", study=study.oid, subject=one.key),
        cells,
        sum(cell.complete for cell in started),
        sum(cell.forms for cell in started),
        ended,
    )


_WORDS = {**STATES, State.DONE_OUT: N_("done"), State.NOT_PLANNABLE: N_("not plannable")}
"""The words of a narrow cell: what is left out stands in its second line."""


def _cell(
    study: Study,
    one: Subject,
    visit: Visit,
    standing: Sequence[Standing],
    of_visit: int,
    eyes: Collection[str],
    readable: Collection[str],
) -> Cell:
    """A cell counts what the reader may open: `eyes` are the kinds of forms that they read at the site, `readable` those forms."""
    needed = {ref.form_oid for ref in visit.event.forms if ref.mandatory and ref.form_oid in readable}
    complete = {form.key.form_oid for form in standing if form.complete} & needed
    return Cell(
        state=visit.state.value,
        word=Message(_WORDS[visit.state]),
        url=first_form_url(study, one, visit.event, standing),
        visit=visit.event.label.in_(g.language.code),
        subject=one.key,
        detail=detail_of(visit, one.site),
        why=visit.reason,
        complete=len(complete),
        forms=len(needed),
        queries=(of_visit if seen_at(study, visit.event.oid, eyes) else 0)
        + sum(form.open_queries for form in standing if form.key.form_oid in readable),
    )


def detail_of(visit: Visit, site: Site) -> Message | None:
    """A visit's state in a few more words: its date, what is left, by how much it is late."""
    if visit.state is State.DONE and visit.on:
        day = interval(visit.on)
        return Message("%(on)s", {"on": day.earliest}) if day.exact else Message("%(on)s", {"on": visit.on})
    if visit.state is State.DONE_OUT:
        return Message(N_("out of window"))
    if visit.state is State.DUE and visit.closes:
        left = (visit.closes - site.today(g.now)).days
        if left < 2:
            return Message(N_("1 day left")) if left else Message(N_("last day today"))
        return Message(N_("%(days)s days left"), {"days": left})
    if visit.state is State.OVERDUE:
        return Message(N_("by 1 day")) if visit.overdue_by == 1 else Message(N_("by %(days)s days"), {"days": visit.overdue_by})
    if visit.state is State.DUE_SOON and visit.opens:
        return Message("%(on)s", {"on": visit.opens})
    if visit.state is State.PLANNED and visit.target:
        return Message("%(on)s", {"on": visit.target})
    return None


def _whole(text: str, most: int = 999_999) -> int:
    """The number that the address gives; 0 where it gives none, or one beyond `most`."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0
    return number if number <= most else 0


def _asked_for(**changed: str | None) -> dict[str, str]:
    kept = {name: value for name, value in request.args.items() if name != "done"} | changed
    return {name: value for name, value in kept.items() if value}


def _here(**changed: str | None) -> str:
    return request.path + _query(_asked_for(**changed))


def _query(asked: dict[str, str]) -> str:
    return "?" + urlencode(asked) if asked else ""


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
