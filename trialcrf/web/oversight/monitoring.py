"""Monitoring visits: the list with what waits, and one visit with its sample, findings, queries, letter and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms import Form

from trialcrf.actions import Impossible
from trialcrf.actions.oversight import monitor
from trialcrf.actions.records.report_kinds import MONITORING
from trialcrf.core.access import ROLES, may
from trialcrf.core.oversight.monitoring import (
    ENTRY_KINDS,
    MONITORING_STATES,
    OWNERS,
    PURPOSES,
    SEVERITIES,
    EntryKind,
    Monitoring,
    MonitoringEntry,
    MonitoringState,
)
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.core.workflow import QUERY_STATES
from trialcrf.store import monitoring, queries, reports, sites
from trialcrf.store.ledgers import Stale
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard
from trialcrf.web import reports as report_pages
from trialcrf.web.fixed import NAMES
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.oversight import monitoring_forms as boxes
from trialcrf.web.oversight.monitoring_acts import ACTS, boxes_of, letters_of, possible, today_boxes
from trialcrf.web.page import Chip, Crumb
from trialcrf.web.paging import here

blueprint = Blueprint("monitoring", __name__)

LIST = "/studies/<study>/monitoring"
ONE = LIST + "/<site>/<int(max=2147483647):number>"

_WAITING = (MonitoringState.PLANNED, MonitoringState.HELD, MonitoringState.REPORTED)
_VIEWS: Mapping[str, tuple[str, tuple[MonitoringState, ...]]] = {
    "": (N_("Not closed"), _WAITING),
    "closed": (N_("Closed"), (MonitoringState.CLOSED, MonitoringState.CANCELLED)),
    "all": (N_("All"), tuple(MonitoringState)),
}
SHAPES: Mapping[MonitoringState, str] = {
    MonitoringState.PLANNED: "planned",
    MonitoringState.HELD: "due",
    MonitoringState.REPORTED: "started",
    MonitoringState.CLOSED: "complete",
    MonitoringState.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True)
class VisitLine:
    """A monitoring visit in the list. `open` and `late` count its actions that are not done, and those of them whose day is over."""

    url: str
    site: Site
    number: int
    purpose: Message
    planned_on: date
    state: str
    icon: str
    word: Message
    findings: int
    open: int
    late: int


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A line of the ledger in words."""

    number: int
    what: Message
    facts: tuple[tuple[Message, Sayable | str | date], ...]
    by: str
    role: Sayable | str
    at: datetime


@page(blueprint, LIST, "monitoring.read")
def listed(study: str) -> str:
    """The visits of the person's sites, the newest of each site first. Filters are in the address: state, site."""
    return _list(boxes.PlanForm(data=today_boxes()))


@page(blueprint, LIST, "monitoring.write", methods=["POST"], endpoint="plan")
def plan(study: str) -> Response | tuple[str, int]:
    """Plan a visit of a site."""
    form = boxes.PlanForm(request.form)
    try:
        on = form.read_day(Message(N_("Say on which day.")))
        with guard.read() as tx:
            where = sites.find(tx, study, form.where.data or "")
        if where is None or not may(g.session.actor, "monitoring.write", study, where.code):
            raise Impossible(Message(N_("Choose one of the sites offered.")), "where")
        g.place.site = where
        with guard.write() as tx:
            made = monitor.plan(tx, where, form.purpose.data or "", on, form.text.data or "")
    except Impossible as problem:
        return _list(form, problem), 422
    return redirect(url_for("monitoring.one", study=study, site=where.code, number=made.number, done="monitoring"), 303)


@page(blueprint, ONE, "monitoring.read")
def one(study: str, site: str, number: int) -> str:
    """A visit: what was sampled, verified, asked and found, what is to be done, and what the monitor may write."""
    return _page(number)


@page(blueprint, ONE + "/<act>", "monitoring.write", methods=["POST"], endpoint="write")
def write(study: str, site: str, number: int, act: str) -> Response | tuple[str, int]:
    """Write a line into the ledger, unless somebody else wrote one since the page was drawn; or order the letter."""
    if act not in ACTS:
        abort(404)
    form = ACTS[act].form(request.form)
    try:
        with guard.read() as tx:
            _find(tx, number)
        with guard.write() as tx:
            visit = _find(tx, number)
            if request.form.get("seen") != str(len(visit.entries)):
                raise Impossible(Message(N_("Somebody wrote into this visit meanwhile: read it again. Nothing was written.")))
            ordered = ACTS[act].do(tx, g.place.site, visit, form)
    except Stale:
        abort(409)
    except Impossible as problem:
        return _page(number, act, form, problem), 422 if problem.field else 409
    if isinstance(ordered, int):
        report_pages.tell(ordered)
    done = "ordered" if act == "letter" else "monitoring"
    return redirect(url_for("monitoring.one", study=study, site=site, number=number, done=done), 303)


@page(blueprint, ONE + "/letter-<int(max=2147483647):letter>.pdf", "monitoring.read", endpoint="letter")
def letter(study: str, site: str, number: int, letter: int) -> Response:
    """An archived letter of this visit: the site, the monitor and the sponsor have it, whoever ordered it."""
    with guard.read() as tx:
        found = reports.find(tx, letter)
    if found is None or (found.study_oid, found.kind, found.site, found.case_number) != (study, MONITORING, site, number):
        abort(404)
    if found.state != reports.DRAWN or not found.file:
        abort(404)
    return report_pages.sent(found)


def _find(tx: Transaction, number: int) -> Monitoring:
    found = monitoring.find(tx, g.place.site, number)
    if found is None:
        abort(404)
    return found


def _list(form: boxes.PlanForm, problem: Impossible | None = None) -> str:
    study, state, wanted = g.place.published.study.oid, request.args.get("state", ""), request.args.get("site", "")
    mine, writes = guard.my_sites("monitoring.read"), guard.my_sites("monitoring.write")
    with guard.read() as tx:
        every = sites.all_of(tx, study)
        known = {one.code: one for one in every if mine is None or one.code in mine}
        if state not in _VIEWS or (wanted and wanted not in known):
            abort(404)
        found = monitoring.all_of(tx, study, [wanted] if wanted else sorted(known))
    form.where.choices = {one.code: f"{one.code} {one.name}" for one in every if writes is None or one.code in writes}
    form.purpose.choices = {code: g.language.gettext(label) for code, label in PURPOSES.items()}
    if not form.where.data and wanted:
        form.where.data = wanted
    plans = form if form.where.choices and guard.may_here("monitoring.write") else None
    fixed_drafts.beside({url_for("monitoring.plan", study=study): plans})
    places = [Chip(Message(N_("Every site")), here(site=None), not wanted)]
    places += [Chip(Message(N_("Site %(site)s"), {"site": code}), here(site=code), code == wanted) for code in known]
    return render_template(
        "oversight/monitoring_list.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title)],
        views=[
            Chip(Message(label), here(state=name or None), name == state, sum(one.state in states for one in found))
            for name, (label, states) in _VIEWS.items()
        ],
        places=places if len(known) > 1 else [],
        lines=[_visit_line(one, known[one.site]) for one in found if one.state in _VIEWS[state][1]],
        ever=len(found),
        form=plans,
        problem=problem,
    )


def _visit_line(visit: Monitoring, where: Site) -> VisitLine:
    today = where.today(g.now)
    return VisitLine(
        url_for("monitoring.one", study=visit.study_oid, site=visit.site, number=visit.number),
        where,
        visit.number,
        Message(PURPOSES[visit.purpose]),
        visit.planned_on,
        visit.state.value,
        SHAPES[visit.state],
        Message(MONITORING_STATES[visit.state]),
        len(visit.all_of(EntryKind.FINDING)),
        len(visit.open_actions),
        sum(one.due < today for one in visit.open_actions),
    )


def _page(number: int, tried: str = "", tried_form: Form | None = None, problem: Impossible | None = None) -> str:
    where = g.place.site
    study = where.study_oid
    with guard.read() as tx:
        visit = _find(tx, number)
        letters = letters_of(tx, visit)
        asked = [queries.find(tx, int(one.content["query"])) for one in visit.all_of(EntryKind.QUERY)]
    may_write, may_subject = guard.may_here("monitoring.write"), guard.may_here("verification.read")
    forms = {name: boxes_of(name, visit, letters, tried_form if name == tried else None) for name in possible(visit)} if may_write else {}
    at = {"study": study, "site": where.code, "number": number}
    fixed_drafts.beside({url_for("monitoring.write", **at, act=name): form for name, form in forms.items()})
    findings = visit.all_of(EntryKind.FINDING)
    drawn = visit.latest(EntryKind.SAMPLE)
    verified = dict(visit.verified)
    return render_template(
        "oversight/monitoring.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title), Crumb(Message(N_("Monitoring visits")), url_for("monitoring.listed", study=study))],
        visit=visit,
        site=where,
        line=_visit_line(visit, where),
        held=_held_on(visit),
        plan_text=visit.entries[0].content["what"],
        drawn=drawn,
        sample=[(one, verified.pop(one["subject"], 0)) for one in drawn.content["subjects"]] if drawn else [],
        beside=sorted(verified.items()),
        subject_url=(lambda key: url_for("verification.subject", study=study, subject=key)) if may_subject else None,
        asked=[
            (one.id, one.subject, Message(QUERY_STATES[one.state]), one.state.value, url_for("queries.one", study=study, query=one.id))
            for one in asked
            if one is not None
        ],
        may_query=guard.may_here("query.read"),
        findings=[(number, one, Message(SEVERITIES[one.content["severity"]])) for number, one in enumerate(findings, 1)],
        actions=[(one, Message(OWNERS[one.owner]), one.done is None and one.due < where.today(g.now)) for one in visit.actions],
        numbers={one.number: number for number, one in enumerate(findings, 1)},
        letters=letters,
        names=NAMES,
        ledger=[_ledger_line(one) for one in visit.entries],
        acts=ACTS,
        forms=forms,
        seen=len(visit.entries),
        tried=tried,
        problem=problem,
    )


def _held_on(visit: Monitoring) -> tuple[date, date] | None:
    found = visit.latest(EntryKind.HELD)
    return (date.fromisoformat(found.content["from"]), date.fromisoformat(found.content["to"])) if found else None


def _ledger_line(one: MonitoringEntry) -> LedgerLine:
    role = Message(ROLES[one.role]) if one.role in ROLES else one.role
    return LedgerLine(one.number, Message(ENTRY_KINDS[one.kind]), tuple(_facts(one)), one.name, role, one.at)


_LABELS = {
    "on": N_("Day"), "what": N_("What for"), "from": N_("First day"), "to": N_("Sent to"), "present": N_("Who was present"),
    "query": N_("Query"), "subject": N_("Subject"), "severity": N_("Importance"), "text": N_("Text"), "owner": N_("Who"),
    "due": N_("Due by"), "action": N_("Action, line"), "finding": N_("Finding, line"), "why": N_("Why"), "values": N_("Values"),
    "report": N_("Letter"), "seed": N_("Seed"), "purpose": N_("Purpose"),
}  # fmt: skip
_CODES = {"purpose": PURPOSES, "severity": SEVERITIES, "owner": OWNERS}


def _facts(one: MonitoringEntry) -> Iterator[tuple[Message, Sayable | str | date]]:
    """What a line says, in words; the subjects of a sample stand in their own table."""
    for key, label in _LABELS.items():
        value = one.content.get(key)
        if key == "to" and one.kind is EntryKind.HELD:
            label = N_("Last day")
        if value in (None, "", 0):
            continue
        if key in _CODES:
            yield Message(label), Message(_CODES[key][value])
        elif key in ("on", "from", "due") or (key == "to" and one.kind is EntryKind.HELD):
            yield Message(label), date.fromisoformat(str(value))
        else:
            yield Message(label), str(value)
    if one.kind is EntryKind.SAMPLE:
        yield Message(N_("Subjects")), str(len(one.content["subjects"]))
