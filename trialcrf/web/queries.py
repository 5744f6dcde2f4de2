"""Data queries: the list of those that a person may see, and the thread of each with what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, review
from trialcrf.core.access import ROLES
from trialcrf.core.definition.model import ACCESS, FormDef, Study
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.core.workflow import QUERY_STATES, NotPossible, QueryState
from trialcrf.store import audit, definitions, forms, queries, sites, subjects
from trialcrf.store.forms import StoredForm
from trialcrf.store.queries import OnlyAt, Query
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.fixed import AnswerForm, ReviewForm
from trialcrf.web.forms.history import reason_for_reading, value_for_reading
from trialcrf.web.forms.webform import key_of
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Chip, Crumb, Past
from trialcrf.web.paging import asked_page, here, pages

blueprint = Blueprint("queries", __name__)

ON_A_PAGE = 50
LIST, ONE = "/studies/<study>/queries", "/studies/<study>/queries/<int(max=2147483647):query>"

UNSETTLED = (QueryState.OPEN, QueryState.ANSWERED)
_VIEWS: Mapping[str, tuple[str, tuple[QueryState, ...]]] = {
    "": (N_("Not settled"), UNSETTLED),
    "open": (N_("Open"), (QueryState.OPEN,)),
    "answered": (N_("Answered"), (QueryState.ANSWERED,)),
    "closed": (N_("Closed"), (QueryState.CLOSED,)),
    "all": (N_("All"), tuple(QueryState)),
}
"""The views of the list by what `state` is in the address."""

_MOVES = {
    "open": N_("Query opened by check %(check)s"),
    "answer": N_("Query answered"),
    "accept": N_("Answer accepted"),
    "reject": N_("Answer not accepted"),
    "resolve": N_("Query closed: the value is right now"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A query for reading: where it stands, what it doubts. `days` is its age at its site, None once it is closed."""

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
    url: str
    subject_url: str
    field_url: str


@dataclass(frozen=True, slots=True)
class Found:
    """A query with all that its page tells. `seen` is what a move on it must bring back: nobody judges what they did not see."""

    query: Query
    site: Site
    study: Study
    form: FormDef | None
    stored: StoredForm
    thread: Sequence[audit.Past]
    in_error: str

    @property
    def seen(self) -> str:
        return f"{self.stored.version}.{len(self.thread)}"


@page(blueprint, LIST, "query.read")
def listed(study: str) -> str:
    """The queries of the person's sites, oldest first. Filters are in the address: state, site, page."""
    state, wanted = request.args.get("state", ""), request.args.get("site", "")
    mine = guard.my_sites("query.read")
    with guard.read() as tx:
        known = {one.code: one for one in sites.all_of(tx, study) if mine is None or one.code in mine}
        if state not in _VIEWS or (wanted and wanted not in known):
            abort(404)
        at = [wanted] if wanted else sorted(known)
        only_at = guarded_forms(tx, study, known)
        counts = {name: queries.count(tx, study, at, states, only_at) for name, (_, states) in _VIEWS.items()}
        number = asked_page(counts[state], ON_A_PAGE)
        found = queries.all_of(tx, study, at, _VIEWS[state][1], (number - 1) * ON_A_PAGE, ON_A_PAGE, only_at)
        lines = [_line(one, definitions.read(tx, one.definition_id).study, known[one.site]) for one in found]
    views = [Chip(Message(label), here(state=name or None), name == state, counts[name]) for name, (label, _) in _VIEWS.items()]
    places = [Chip(Message(N_("Every site")), here(site=None), not wanted)]
    places += [Chip(Message(N_("Site %(site)s"), {"site": code}), here(site=code), code == wanted) for code in known]
    return render_template(
        "queries/listed.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title)],
        views=views,
        places=places if len(known) > 1 else [],
        lines=lines,
        ever=counts["all"],
        pages=pages(number, counts[state], ON_A_PAGE),
    )


@page(blueprint, ONE, "query.read")
def one(study: str, query: int) -> str:
    """A query: what is doubted, the value now, what was said about it, and what may be done."""
    return _page(query)


@page(blueprint, ONE + "/answer", "query.answer", methods=["POST"])
def answer(study: str, query: int) -> Response | tuple[str, int]:
    """The site says why the value is right as it is."""
    form = AnswerForm(request.form)

    def move(tx: Transaction, found: Found) -> None:
        review.answer(tx, found.study, found.site, found.query, form.code.data or "", form.text.data or "")

    return _move(query, "answered", move, answered=form)


@page(blueprint, ONE + "/review", "query.review", methods=["POST"])
def judge(study: str, query: int) -> Response | tuple[str, int]:
    """A monitor or data manager accepts the answer, or does not."""
    form, verdict = ReviewForm(request.form), request.form.get("verdict", "")
    if verdict not in ("accept", "reject"):
        abort(400)

    def move(tx: Transaction, found: Found) -> None:
        (review.accept if verdict == "accept" else review.reject)(tx, found.site, found.query, form.text.data or "")

    return _move(query, "accepted" if verdict == "accept" else "rejected", move, judged=form)


def _move(query_id: int, done: str, move: Any, **forms_: Any) -> Response | tuple[str, int]:
    """Make a move on a query, unless something happened to it or to its form since the page was drawn."""
    with guard.read() as tx:
        _find(tx, query_id)
    try:
        with guard.write() as tx:
            found = _find(tx, query_id)
            if found.in_error:
                raise NotPossible(Message(N_("Form or subject is marked entered in error: there is nothing left to settle.")))
            if request.form.get("seen") != found.seen:
                raise NotPossible(Message(N_("The query or its value changed since you opened this page. Nothing was done: look again.")))
            move(tx, found)
    except NotPossible as problem:
        return _page(query_id, Impossible(problem.message), **forms_), 409
    except Impossible as problem:
        return _page(query_id, problem, **forms_), 422
    return redirect(url_for("queries.one", study=g.place.published.study.oid, query=query_id, done=done), 303)


def _page(query_id: int, problem: Impossible | None = None, answered: AnswerForm | None = None, judged: ReviewForm | None = None) -> str:
    with guard.read() as tx:
        found = _find(tx, query_id)
    query, study, oid = found.query, found.study, g.place.published.study.oid
    line = _line(query, study, found.site)
    answers = answered or AnswerForm()
    answers.code.choices = {"": "", **{code.code: g.language.say(code.label) for code in study.confirmations.items}}
    recorded = found.stored.document.at(query.place)
    value: tuple[Sayable | str, ...] = (Message(N_("blank")),)
    if recorded is not None and found.form is not None:
        value = value_for_reading(found.form, query.place, recorded.canonical())
    item = found.form.items.get(query.place.item) if found.form else None
    thread = [
        Past(
            Message(_MOVES.get(past.op, N_("Query opened by check %(check)s")), {"check": past.prompted_by}),
            past.actor,
            Message(ROLES[past.role]) if past.role in ROLES else Message(N_("the program")),
            past.at,
            why=reason_for_reading(study, past.reason),
        )
        for past in found.thread
    ]
    return render_template(
        "queries/one.html",
        shell=replace(shell(), here=line.url),
        crumbs=[Crumb(g.place.published.study.title), Crumb(Message(N_("Queries")), url_for("queries.listed", study=oid))],
        line=line,
        site=found.site,
        value=value,
        unit=item[1].unit if item and recorded is not None and not recorded.missing else "",
        thread=thread,
        in_error=found.in_error,
        seen=found.seen,
        problem=problem,
        answers=answers if query.state is QueryState.OPEN and not found.in_error and guard.may_here("query.answer") else None,
        reviews=(judged or ReviewForm()) if query.state in UNSETTLED and not found.in_error and guard.may_here("query.review") else None,
    )


def _find(tx: Transaction, query_id: int) -> Found:
    """The query, and its site as the place of this request. 404 where it is of another study or site, or of a link not to be seen."""
    study = g.place.published.study.oid
    query = queries.find(tx, query_id)
    if query is None or query.study_oid != study:
        abort(404)
    site = sites.find(tx, study, query.site)
    assert site is not None
    g.place.site = site
    guarded = guarded_forms(tx, study, [site.code])
    if not guard.may_here("query.read") or site.code not in guarded.get(query.form_key.form_oid, [site.code]):
        abort(404)
    stored, subject = forms.by_id(tx, query.form_id), subjects.find(tx, study, query.subject)
    assert stored is not None
    assert subject is not None
    pinned = definitions.read(tx, query.definition_id).study
    thread = audit.history(tx.connection, "query", str(query.id), "state")
    return Found(query, site, pinned, pinned.form.get(query.form_key.form_oid), stored, thread, stored.error or subject.error)


def guarded_forms(tx: Transaction, study: str, known: Sequence[str] | Mapping[str, Site]) -> OnlyAt:
    """The forms that have a permission of their own in any version of the study, each with the sites at which the person may see it."""
    mine = {access: guard.my_sites(f"{access}.read") for access in ACCESS if access != "form"}
    found: dict[str, tuple[str, ...]] = {}
    for version in definitions.versions_of(tx, study):
        for form in version.study.forms:
            if form.access in mine:
                at = mine[form.access]
                found[form.oid] = tuple(code for code in found.get(form.oid, known) if at is None or code in at)
    return found


def _line(query: Query, study: Study, site: Site) -> Line:
    key, oid = query.form_key, query.study_oid
    event, form = study.event.get(key.event_oid), study.form.get(key.form_oid)
    item = form.items.get(query.place.item) if form else None
    visit: Sayable | str = event.label if event else key.event_oid
    if event and event.repeating:
        visit = Message(N_("%(label)s, no. %(number)s"), {"label": visit, "number": str(key.event_repeat)})
    label: Sayable | str = form.label if form else key.form_oid
    if form and form.repeating:
        label = Message(N_("%(label)s, no. %(number)s"), {"label": label, "number": str(key.form_repeat)})
    question: Sayable | str = item[1].label if item else query.place.item
    if query.place.row:
        question = Message(N_("%(item)s, row %(row)s"), {"item": question, "row": query.place.row})
    box = ("r-" if query.place.row else "i-") + key_of(query.place).replace(".", "-")
    return Line(
        query.id,
        query.subject,
        visit,
        label,
        question,
        query.message,
        query.state.value,
        Message(QUERY_STATES[query.state]),
        query.opened_at,
        None if query.state is QueryState.CLOSED else (site.today(g.now) - site.today(query.opened_at)).days,
        url_for("queries.one", study=oid, query=query.id),
        url_for("subjects.one", study=oid, subject=query.subject),
        url_for(
            "entry.form",
            study=oid,
            subject=query.subject,
            event=key.event_oid,
            repeat=key.event_repeat,
            form=key.form_oid,
            n=key.form_repeat,
            field=key_of(query.place),
            _anchor=f"{box}-item",
        ),
    )
