"""One query: what is asked, the value now, everything that was said, and what may be done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible
from trialcrf.actions.oversight import lock, review
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.lock import Locked
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.core.workflow import UNSETTLED, NotPossible, QueryState, may_move
from trialcrf.store import forms, queries, sites, subjects
from trialcrf.store.accounts import Account
from trialcrf.store.forms import StoredForm
from trialcrf.store.queries import Query
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard
from trialcrf.web.fixed import AnswerForm, ArrangeForm, ReviewForm
from trialcrf.web.forms.history import of_query, value_for_reading
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.queries import blueprint, guarded_forms
from trialcrf.web.queries.lines import line_of, study_of, thread_url

ONE = "/studies/<study>/queries/<int(max=2147483647):query>"

VERDICTS = {"accept": review.accept, "reject": review.reject, "cancel": review.cancel, "reopen": review.reopen}
"""What a monitor or data manager may decide, by what the button says."""
_DONE = {"accept": "accepted", "reject": "rejected", "cancel": "query_cancelled", "reopen": "reopened"}


@dataclass(frozen=True, slots=True)
class Found:
    """A query with all that its page tells. `seen` is what a move on it must bring back: nobody judges what they did not see."""

    query: Query
    site: Site
    subject: Subject
    study: Study
    form: FormDef | None
    stored: StoredForm | None
    in_error: str
    seen: str


@page(blueprint, ONE, "query.read")
def one(study: str, query: int) -> str:
    """A query: what is doubted, the value now, what was said about it, and what may be done."""
    return _page(query)


@page(blueprint, ONE + "/answer", "query.answer", methods=["POST"])
def answer(study: str, query: int) -> Response | tuple[str, int]:
    """The site says why the value is right as it is, or answers what a person asks."""
    form = AnswerForm(request.form)

    def move(tx: Transaction, found: Found) -> None:
        review.answer(tx, found.study, found.site, found.query, form.code.data or "", form.text.data or "")

    return _move(query, "answered", move, answered=form)


@page(blueprint, ONE + "/review", "query.review", methods=["POST"])
def judge(study: str, query: int) -> Response | tuple[str, int]:
    """A monitor or data manager accepts the answer or does not, cancels the query or opens it again."""
    form, verdict = ReviewForm(request.form), request.form.get("verdict", "")
    if verdict not in VERDICTS:
        with guard.read() as tx:
            find(tx, query)  # For who may not know of it there is none, whatever was sent.
        abort(400)

    def move(tx: Transaction, found: Found) -> None:
        VERDICTS[verdict](tx, found.site, found.query, form.text.data or "")

    return _move(query, _DONE[verdict], move, judged=form)


@page(blueprint, ONE + "/arrange", "query.review", methods=["POST"])
def arrange(study: str, query: int) -> Response | tuple[str, int]:
    """Who is to answer, and by when: what is different is changed, each with its record."""
    form = ArrangeForm(request.form)

    def move(tx: Transaction, found: Found) -> None:
        day, name, why = form.read_day_if_any(), form.assignee.data or "", form.text.data or ""
        if (name, day) == (found.query.assignee, found.query.due_on):
            raise NotPossible(Message(N_("It stands so already.")))
        if name != found.query.assignee:
            review.assign(tx, found.site, found.query, name, why, access_of(found.query, found.study))
        if day != found.query.due_on:
            review.set_due(tx, found.site, found.query, day, why)

    return _move(query, "changed", move, arranged=form)


def _move(
    query_id: int,
    done: str,
    move: Callable[[Transaction, Found], None],
    answered: AnswerForm | None = None,
    judged: ReviewForm | None = None,
    arranged: ArrangeForm | None = None,
) -> Response | tuple[str, int]:
    """Make a move on a query, unless something happened to it or to its form since the page was drawn."""
    with guard.read() as tx:
        find(tx, query_id)
    try:
        with guard.write() as tx:
            found = find(tx, query_id)
            if request.form.get("seen") != found.seen and not found.in_error:
                raise NotPossible(Message(N_("The query or its value changed since you opened this page. Nothing was done: look again.")))
            move(tx, found)
    except Locked as refused:
        note_attempt(query_id, refused)
        return _page(query_id, Impossible(refused.message), answered, judged, arranged), 409
    except NotPossible as problem:
        return _page(query_id, Impossible(problem.message), answered, judged, arranged), 409
    except Impossible as problem:
        return _page(query_id, problem, answered, judged, arranged), 422
    return redirect(url_for("queries.one", study=g.place.published.study.oid, query=query_id, done=done), 303)


def note_attempt(query_id: int, refused: Locked) -> None:
    """What was tried under a lock stands in the trail, in a transaction of its own."""
    with guard.write() as tx:
        query = queries.find(tx, query_id)
        which = subjects.find(tx, query.study_oid, query.subject) if query else None
        if query is not None and which is not None:
            key = query.form_key if query.form_id is not None else None
            lock.note_refusal(tx, query.study_oid, which.site, which, request.endpoint or "", refused, key)


def _page(
    query_id: int,
    problem: Impossible | None = None,
    answered: AnswerForm | None = None,
    judged: ReviewForm | None = None,
    arranged: ArrangeForm | None = None,
) -> str:
    with guard.read() as tx:
        found = find(tx, query_id)
        query, study, oid = found.query, found.study, g.place.published.study.oid
        line = line_of(query, study, found.site)
        thread = of_query(tx, study, found.form, found.subject, query)
        people = review.answerers(tx, found.site, access=access_of(query, study)) if guard.may_here("query.review") else []
    answers = answered or AnswerForm()
    answers.code.choices = {"": "", **{code.code: g.language.say(code.label) for code in study.confirmations.items}}
    recorded = found.stored.document.at(query.place) if found.stored else None
    value: tuple[Sayable | str, ...] = ()
    if found.form is not None and query.place.item:
        value = value_for_reading(found.form, query.place, recorded.canonical() if recorded else None)
    item = found.form.items.get(query.place.item) if found.form else None
    living, judges = not found.in_error, guard.may_here("query.review")
    asked = answers if query.state is QueryState.OPEN and living and guard.may_here("query.answer") else None
    reviews = (judged or ReviewForm()) if living and judges else None
    arranges = _arranges(arranged, query, people) if living and judges and query.state in UNSETTLED else None
    sent = {"answer": asked, "judge": reviews, "arrange": arranges}
    fixed_drafts.beside({url_for(f"queries.{act}", study=oid, query=query_id): form for act, form in sent.items()})
    return render_template(
        "queries/one.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title), Crumb(Message(N_("Queries")), url_for("queries.listed", study=oid))],
        line=line,
        query=query,
        site=found.site,
        value=value,
        unit=item[1].unit if item and recorded is not None and not recorded.missing else "",
        thread=thread,
        thread_url=thread_url(oid, query.subject, query.form_key, query.form_id, query.place),
        in_error=found.in_error,
        seen=found.seen,
        problem=problem,
        answers=asked,
        reviews=reviews,
        verdicts=[verdict for verdict in VERDICTS if may_move(query.state, verdict)],
        arranges=arranges,
    )


def _arranges(form: ArrangeForm | None, query: Query, people: list[Account]) -> ArrangeForm:
    if form is None:
        form = ArrangeForm(assignee=query.assignee)
        if query.due_on:
            form.day.data, form.month.data, form.year.data = str(query.due_on.day), str(query.due_on.month), str(query.due_on.year)
    form.assignee.choices = named(people, query.assignee)
    return form


def named(people: list[Account], also: str = "") -> dict[str, str]:
    """The choices of who is to answer; who was named before stays among them."""
    said = {"": g.language.gettext(N_("anybody at the site")), **{one.username: f"{one.name} ({one.username})" for one in people}}
    return said if not also or also in said else {**said, also: also}


def access_of(query: Query, study: Study) -> str:
    """The pair of verbs that guard the form of a query; a whole visit is guarded as any form."""
    form = study.form.get(query.form_key.form_oid) if query.form_id is not None else None
    return form.access if form else "form"


def find(tx: Transaction, query_id: int) -> Found:
    """The query, and its site as the place of this request. 404 where it is of another study or site, or of a link not to be seen."""
    study = g.place.published.study.oid
    query = queries.find(tx, query_id)
    if query is None or query.study_oid != study:
        abort(404)
    site = sites.find(tx, study, query.site)
    assert site is not None
    g.place.site = site
    about = query.form_key.form_oid if query.form_id is not None else f"{query.form_key.event_oid}/"
    if not guard.may_here("query.read") or site.code not in guarded_forms(tx, study, [site.code]).get(about, [site.code]):
        abort(404)
    stored, subject = forms.by_id(tx, query.form_id) if query.form_id is not None else None, subjects.find(tx, study, query.subject)
    assert subject is not None
    pinned = study_of(tx, query)
    form = pinned.form.get(query.form_key.form_oid) if query.form_id is not None else None
    error = (stored.error if stored else "") or subject.error
    return Found(query, site, subject, pinned, form, stored, error, queries.seen(tx, [query.id])[query.id])
