"""My day: what waits for the person at their sites, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, g, render_template, request, url_for
from markupsafe import Markup

from trialcrf.actions import drafting, follow_up, judge
from trialcrf.actions.safety.escalate import ENDED
from trialcrf.actions.safety.follow_case import followed
from trialcrf.core import schedule
from trialcrf.core.access import may
from trialcrf.core.definition.model import Study
from trialcrf.core.safety.clock import ClockState
from trialcrf.core.schedule import State, Visit
from trialcrf.core.signature import Standing
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import cases, definitions, drafts, forms, query_lists, seals, signatures, sites, subjects, visits, worklists
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.store.visits import Asked, Line
from trialcrf.web import fixed_drafts, guard, lines
from trialcrf.web.finding.recent import recent
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.oversight.waiting import asked_for
from trialcrf.web.page import Chip, Crumb
from trialcrf.web.paging import asked_page, here, pages
from trialcrf.web.queries import guarded_forms, waiting_for
from trialcrf.web.queries.lines import line_of, study_of
from trialcrf.web.safety import stopping
from trialcrf.web.safety.case_view import left_in_words
from trialcrf.web.subjects import first_form_url, form_url
from trialcrf.web.visits.matrix import detail_of

blueprint = Blueprint("today", __name__)

SHOWN, ON_A_PAGE = 7, 50
LOOKED_AT = 100
"""Signed subjects before treatment whose seals are looked at for the list of the day; open cases, the newest, whose clocks are."""

LISTS = {
    "overdue": (State.OVERDUE, N_("Overdue visits")),
    "due": (State.DUE, N_("Due now: the window is open")),
    "due_soon": (State.DUE_SOON, N_("To be planned: the window opens soon")),
}


@dataclass(frozen=True, slots=True)
class VisitLine:
    """A visit that waits: its reason, and where its acts lead. `deviations`: how many are recorded of it."""

    subject: Subject
    subject_url: str
    visit: Visit
    detail: Message | None
    record_url: str
    missed_url: str
    deviation_url: str
    deviations: int


@dataclass(frozen=True, slots=True)
class VisitList:
    """One list of visits, each as it is drawn. `all_url` leads to the whole of it where only its top is shown."""

    name: str
    state: str
    label: Message
    total: int
    lines: Sequence[Markup]
    all_url: str


@dataclass(frozen=True, slots=True)
class Task:
    """Something else that waits: where it leads, what it is, and since when or until when."""

    url: str
    label: Sayable | str
    detail: Sayable | str = ""
    at: datetime | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class TaskList:
    """`name` is the anchor, `empty` what stands there when nothing waits, `all_url` the page with the whole list."""

    name: str
    label: Message
    total: int
    tasks: Sequence[Task]
    empty: Message
    all_url: str = ""
    note: Message | None = None


@page(blueprint, "/studies/<study>/today", "day.read")
def day(study: str) -> str:
    """What waits today. `site` narrows it to one site; `show` names one list of visits, then that list alone, in pages."""
    definition = g.place.published.study
    mine = guard.my_sites("day.read")
    wanted, show = request.args.get("site", ""), request.args.get("show", "")
    if show not in LISTS or not may(g.session.actor, "subject.list", study):
        show = ""  # Who sees no subject has no list of visits, only their numbers.
    with guard.read() as tx:
        every = [one for one in sites.all_of(tx, study) if mine is None or one.code in mine]
        places = [one for one in every if wanted in ("", one.code)]
        lists, others, paged = [], [], None
        if may(g.session.actor, "subject.list", study):
            names = [show] if show else list(LISTS)
            lists = _visits(tx, definition, places, names, bool(show))
            if show:
                number = asked_page(lists[0].total, ON_A_PAGE)
                paged = pages(number, lists[0].total, ON_A_PAGE)
            else:
                others = _tasks(tx, definition, places)
        elif may(g.session.actor, "case.read", study):
            others = [_serious(tx, definition, places)]
        typed, enters = _unsaved(tx, definition, places), may(g.session.actor, "form.enter", study)
        # Whoever enters nothing is told of it only where there is something.
        if not show and (typed.total or enters):
            others.insert(len(others) - int(bool(lists) and enters), typed)
        numbers = [] if lists else _numbers(tx, definition, every)
        hold = stopping.notice(tx)
        worked_on = [] if show else recent(tx, definition)
    chips = [Chip(Message(N_("Every site")), here(show=show or None, site=None), not wanted)] if len(every) > 1 else []
    for one in every if len(every) > 1 else ():
        label = Message(N_("Site %(site)s"), {"site": one.code})
        chips.append(Chip(label, here(show=show or None, site=one.code), one.code == wanted))
    return render_template(
        "today/day.html",
        shell=shell(),
        crumbs=[Crumb(definition.title)] + ([Crumb(Message(N_("My day")), url_for("today.day", study=study))] if show else []),
        hold=hold,
        worked_on=worked_on,
        heading=lists[0].label if show else Message(N_("My day")),
        chips=chips,
        lists=lists,
        others=others,
        pages=paged,
        numbers=numbers,
        words=[Message(said) for _, said in LISTS.values()],
        days=sorted({one.today(g.now) for one in places}),
    )


def _numbers(tx: Transaction, study: Study, places: Sequence[Site]) -> list[tuple[Site, list[int]]]:
    """How many visits of each site are on each list, for who may see no subject."""
    found = [visits.by_site(tx, Asked(places, g.now, study.due_soon, state)) for state, _ in LISTS.values()]
    return [(one, [numbers.get(one.id, 0) for numbers in found]) for one in places]


def _visits(tx: Transaction, study: Study, places: Sequence[Site], names: Sequence[str], whole: bool) -> list[VisitList]:
    """These lists: the top of each, or (`whole`) the page that is asked for."""
    found: list[tuple[str, int, list[Line]]] = []
    for name in names:
        asked = Asked(places, g.now, study.due_soon, LISTS[name][0])
        total = visits.count(tx, asked)
        start = (asked_page(total, ON_A_PAGE) - 1) * ON_A_PAGE if whole else 0
        found.append((name, total, visits.all_of(tx, asked, start, ON_A_PAGE if whole else SHOWN)))
    waiting = {(one.subject.id, one.event_oid): one for _, _, some in found for one in some}
    at = {key: one.subject.site for key, one in waiting.items()}
    drawn = lines.drawn(tx, "today/_visit.html", at, lambda keys: _visit_lines(tx, study, [waiting[one] for one in keys]))
    made = []
    for name, total, some in found:
        state, said = LISTS[name]
        more = "" if whole or total <= SHOWN else url_for("today.day", study=study.oid, show=name, site=request.args.get("site") or None)
        made.append(VisitList(name, state.value, Message(said), total, [drawn[one.subject.id, one.event_oid] for one in some], more))
    return made


def _visit_lines(tx: Transaction, study: Study, found: Sequence[Line]) -> dict[tuple[int, str], VisitLine]:
    """The visits with their reasons, by subject and event: the rule is asked for those that are shown, the rows only found them."""
    people = list({one.subject.id: one.subject for one in found}.values())
    planned = {
        (one.id, visit.event.oid): visit
        for one, record, at in zip(
            people, subjects.records(tx, people, schedule.bearing(study)), definitions.for_each(tx, people), strict=True
        )
        for visit in schedule.plan(at.study, record, one.site.today(g.now))
    }
    standing = forms.standings(tx, [one.id for one in people], event_oids={one.event_oid for one in found})
    deviations = worklists.deviations(tx, [one.id for one in people])
    told = {}
    for one in found:
        which, visit = one.subject, planned[one.subject.id, one.event_oid]
        mine = [held for held in standing if held.subject_id == which.id and held.key.event_oid == one.event_oid]
        enters = may(g.session.actor, "form.enter", study.oid, which.site.code)
        told[which.id, one.event_oid] = VisitLine(
            which,
            url_for("subjects.one", study=study.oid, subject=which.key),
            visit,
            detail_of(visit, which.site),
            first_form_url(study, which, visit.event, mine),
            _act_url("missed", which, visit) if enters and follow_up.reasons_of(g.place.published, visit.event) else "",
            _act_url("deviation", which, visit) if enters else "",
            deviations.get((which.id, one.event_oid), 0),
        )
    return told


def _act_url(endpoint: str, which: Subject, visit: Visit) -> str:
    return url_for(f"follow_up.{endpoint}", study=which.site.study_oid, subject=which.key, event=visit.event.oid)


def _tasks(tx: Transaction, study: Study, places: Sequence[Site]) -> list[TaskList]:
    actor = g.session.actor
    found = []
    if may(actor, "form.read", study.oid):
        found.append(_serious(tx, study, places))
    if may(actor, "signature.sign", study.oid):
        found.append(_signatures(tx, study, places))
        found.append(_to_sign(tx, study, places))
    if may(actor, "query.read", study.oid):
        found.append(_queries(tx, study, places))
    if may(actor, "form.enter", study.oid):
        found.append(_unfinished(tx, study, places))
    return found


def _serious(tx: Transaction, study: Study, places: Sequence[Site]) -> TaskList:
    """The cases of which a report waits, the nearest first."""
    held = [one for one in cases.of_sites(tx, places) if one.state not in ENDED]
    told = followed(tx, g.place.published, held[-LOOKED_AT:], g.now)
    older = len(held) - len(told)
    nearest = ((near.due, one.case.number, near, one) for one in told if (near := one.nearest) and near.due)
    waiting = sorted(nearest, key=lambda each: each[:2])
    tasks = []
    for due, number, near, one in waiting[:SHOWN]:
        said = Message(
            N_("%(report)s: %(left)s; due %(at)s"),
            {"report": near.obligation.label, "left": left_in_words(near), "at": g.language.moment(due, one.subject.site.zone)},
        )
        label = Message(N_("Case %(number)s, %(subject)s"), {"number": number, "subject": one.case.subject})
        tasks.append(Task(url_for("cases.one", study=study.oid, number=number), label, said, None, near.state is not ClockState.RUNNING))
    return TaskList(
        "serious",
        Message(N_("Serious events to report")),
        len(waiting),
        tasks,
        Message(N_("No report of a serious event waits.")),
        url_for("cases.listed", study=study.oid),
        Message(N_("%(count)s older open cases are not looked at here: see the list of cases."), {"count": older}) if older else None,
    )


def _signatures(tx: Transaction, study: Study, places: Sequence[Site]) -> TaskList:
    """Verdicts of eligibility that nobody signed, and those before treatment whose seal is broken."""
    kinds = [one.subject_type for one in study.eligibility]
    aliases = [anchor.alias for anchor in study.anchors if anchor.alias in ("EXSTDAT", "PRSTDAT")]
    total, waiting = worklists.unsigned(tx, places, kinds, judge.MEANING, SHOWN)
    tasks = [Task(_verdict_url(study, one), one.key, Message(N_("verdict of eligibility not signed yet"))) for one in waiting]
    signed = worklists.signed_before(tx, places, kinds, judge.MEANING, aliases, LOOKED_AT)
    newest = {id_: held[-1] for id_, held in signatures.of_subjects(tx, [one.id for one in signed], judge.MEANING).items() if held}
    stood = signatures.standings(tx, list(newest.values()))
    broken = [one for one in signed if one.id in newest and stood[newest[one.id].id].standing is not Standing.VALID]
    said = Message(N_("the signed verdict is void: a value changed since"))
    tasks = [*(Task(_verdict_url(study, one), one.key, said, None, True) for one in broken), *tasks]
    return TaskList(
        "signatures", Message(N_("Signatures due")), total + len(broken), tasks[:SHOWN], Message(N_("Nothing waits for a signature."))
    )


def _to_sign(tx: Transaction, study: Study, places: Sequence[Site]) -> TaskList:
    """Forms that bear no seal, by subject: what changed since it was signed comes first."""
    signed_at = guard.my_sites("signature.sign")
    asked = asked_for(tx, study, [one for one in places if signed_at is None or one.code in signed_at])
    tasks = []
    for one in seals.by_subject(tx, asked, 0, SHOWN):
        said = Message(N_("%(broken)s changed since they were signed, %(never)s never signed"), {"broken": one.broken, "never": one.never})
        url = url_for("signing.queue", study=study.oid, show=one.subject.key)
        tasks.append(Task(url, one.subject.key, said, None, bool(one.broken)))
    total = sum(people for people, _, _ in seals.by_site(tx, asked).values())
    empty = Message(N_("Nothing waits for a signature."))
    label = Message(N_("Subjects with forms to sign"))
    return TaskList("to_sign", label, total, tasks, empty, url_for("signing.queue", study=study.oid))


def _verdict_url(study: Study, one: Subject) -> str:
    return url_for("eligibility.criteria", study=study.oid, subject=one.key)


def _queries(tx: Transaction, study: Study, places: Sequence[Site]) -> TaskList:
    """What waits for the person: open queries for who answers them, answers and values changed since for who judges them."""
    answers = may(g.session.actor, "query.answer", study.oid)
    states = waiting_for(answers)
    at = {one.code: one for one in places}
    only_at = guarded_forms(tx, study.oid, at)
    total = query_lists.count(tx, study.oid, at.keys(), states, only_at)
    tasks = []
    for one in query_lists.all_of(tx, study.oid, at.keys(), states, 0, SHOWN, only_at):
        line = line_of(one, study_of(tx, one), at[one.site])
        where = line.form or line.visit
        said = Message("%(subject)s · %(form)s", {"subject": one.subject, "form": where})
        tasks.append(Task(line.url, said, one.message, one.opened_at, line.late))
    label = Message(N_("Queries to answer")) if answers else Message(N_("Answers to review"))
    return TaskList("queries", label, total, tasks, Message(N_("No query waits for you.")), url_for("queries.listed", study=study.oid))


def _unsaved(tx: Transaction, study: Study, places: Sequence[Site]) -> TaskList:
    """What the person typed and did not save, wherever it was typed: it opens where it is offered."""
    at, within = {one.id: one for one in places}, f"/studies/{study.oid}/"
    mine = [one for one in drafts.of_person(tx, g.session.actor.id) if one.address.startswith(within)]
    held = {one.address: one for one in reversed(mine) if one.site_id in at or one.version == drafts.OF_STUDY}
    newest = sorted(held.values(), key=lambda each: each.kept_at, reverse=True)[:SHOWN]
    people = subjects.by_ids(tx, {one.subject_id for one in newest if one.subject_id})
    tasks = []
    for one in newest:
        key, which = drafting.form_of(one), people.get(one.subject_id or 0)
        fixed, kind = fixed_drafts.line_of(one), drafting.enrols(one)
        if fixed:
            where = Message(N_("Site %(site)s"), {"site": at[one.site_id].code}) if one.version != drafts.OF_STUDY else study.title
            tasks.append(Task(fixed[0], fixed[1], where, one.kept_at))
        elif key and which and key.event_oid in study.event and key.form_oid in study.form:
            label = Message("%(subject)s · %(visit)s", {"subject": which.key, "visit": study.event[key.event_oid].label})
            tasks.append(Task(form_url(which, key), label, study.form[key.form_oid].label, one.kept_at))
        elif kind in study.subject_type and one.site_id in at:
            what = Message(N_("Enrolment, site %(site)s"), {"site": at[one.site_id].code})
            tasks.append(Task(one.address, study.subject_type[kind].label, what, one.kept_at))
    label = Message(N_("Typed and not saved"))
    return TaskList("unsaved", label, len(held), tasks, Message(N_("All that you typed is saved.")))


def _unfinished(tx: Transaction, study: Study, places: Sequence[Site]) -> TaskList:
    enters_at = guard.my_sites("form.enter")
    at = [one for one in places if enters_at is None or one.code in enters_at]
    only_at = guarded_forms(tx, study.oid, [one.code for one in at], "enter")
    total, found = worklists.unfinished(tx, at, SHOWN, study.products, only_at)
    tasks = [
        Task(
            form_url(one.subject, one.key),
            Message("%(subject)s · %(visit)s", {"subject": one.subject.key, "visit": study.event[one.key.event_oid].label}),
            study.form[one.key.form_oid].label,
            one.updated_at,
        )
        for one in found
        if one.key.event_oid in study.event and one.key.form_oid in study.form
    ]
    label = Message(N_("Forms begun and not finished"))
    return TaskList("unfinished", label, total, tasks, Message(N_("Every form that was begun is complete.")))
