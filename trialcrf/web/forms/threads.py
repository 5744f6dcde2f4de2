"""Threads: what was said at a value, a row, a form or a visit, values and queries among it; from here one comments and asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms import Form

from trialcrf.actions import Impossible, enter
from trialcrf.actions.enter import Opened
from trialcrf.actions.oversight import comment, review
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Document, FormKey, Place
from trialcrf.core.lock import Locked
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.core.workflow import QUERY_STATES, UNSETTLED, NotPossible
from trialcrf.store import forms
from trialcrf.store.forms import StoredForm
from trialcrf.store.queries import Query
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.fixed import AskForm, CommentForm
from trialcrf.web.forms.history import thread_of, thread_of_visit
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.oversight import closing
from trialcrf.web.page import Crumb, Past
from trialcrf.web.queries.lines import field_url, form_label, place_label, thread_url, visit_label
from trialcrf.web.queries.one import named
from trialcrf.web.subjects import may_form

blueprint = Blueprint("threads", __name__)

VISIT = "/studies/<study>/subjects/<subject>/<event>/<int:repeat>"
FORM = VISIT + "/<form>/<int:n>"
SHOWN = 10
"""Queries of people that are told beside a form."""
DONE = {"comment": "commented", "ask": "asked"}


@dataclass(frozen=True, slots=True)
class About:
    """What a thread is about. `form` and `stored` are none where it is a whole visit."""

    key: FormKey
    study: Study
    form: FormDef | None
    stored: StoredForm | None
    place: Place

    @property
    def form_id(self) -> int | None:
        return self.stored.id if self.stored else None

    @property
    def access(self) -> str:
        return self.form.access if self.form else "form"

    @property
    def seen(self) -> str:
        return str(self.stored.version) if self.stored else ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A query of a person that is not settled, as it is told beside its form."""

    id: int
    place: Sayable | str
    message: Sayable
    state: str
    word: Message
    url: str


@dataclass(frozen=True, slots=True)
class Panel:
    """What stands beside the history of a field on its form: where one writes and what about, and what people still ask.

    Urls are empty where the person may not. `about` are the places (as text, with labels) that may be meant, `at` is the one chosen.
    """

    url: str
    comment_url: str
    ask_url: str
    visit_url: str
    about: tuple[tuple[str, Sayable | str], ...]
    at: str
    seen: str
    comment: CommentForm
    ask: AskForm
    waiting: tuple[Waiting, ...]
    more: int  # of them that are told in the thread alone

    @property
    def boxes(self) -> dict[str, Form]:
        """What is written here, by where it is sent to."""
        return {url: form for url, form in ((self.comment_url, self.comment), (self.ask_url, self.ask)) if url}


@page(blueprint, FORM + "/thread", "query.read")
def form(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> str:
    """Everything that was said and done at one place of a form (`at` in the address), or said at any place of it."""
    return _page(_of_form(FormKey(event, form, repeat, n), request.args.get("at", "")))


@page(blueprint, VISIT + "/thread", "query.read")
def visit(study: str, subject: str, event: str, repeat: int) -> str:
    """Everything that was said about a visit as a whole."""
    return _page(_of_visit(event, repeat))


@page(blueprint, FORM + "/thread/comment", "query.write", methods=["POST"])
def comment_form(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> Response | tuple[str, int]:
    return _write(_of_form(FormKey(event, form, repeat, n), request.form.get("about", "")), "comment")


@page(blueprint, FORM + "/thread/query", "query.review", methods=["POST"])
def ask_form(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> Response | tuple[str, int]:
    return _write(_of_form(FormKey(event, form, repeat, n), request.form.get("about", "")), "ask")


@page(blueprint, VISIT + "/thread/comment", "query.write", methods=["POST"])
def comment_visit(study: str, subject: str, event: str, repeat: int) -> Response | tuple[str, int]:
    return _write(_of_visit(event, repeat), "comment")


@page(blueprint, VISIT + "/thread/query", "query.review", methods=["POST"])
def ask_visit(study: str, subject: str, event: str, repeat: int) -> Response | tuple[str, int]:
    return _write(_of_visit(event, repeat), "ask")


def _of_form(key: FormKey, place: str) -> About:
    """404 where the form is not recorded, has no such place, or is not for this person."""
    with guard.read() as tx:
        try:
            opened = enter.open_form(tx, g.place.published, g.place.subject, key, g.now)
            if opened.stored is None or not may_form(opened.form, "read"):
                abort(404)
            at = review.place_at(opened.form, opened.stored.document, place)
        except Impossible:
            abort(404)
    return About(key, opened.published.study, opened.form, opened.stored, at)


def _of_visit(event: str, repeat: int) -> About:
    """404 where the subject has no such visit, or where no form of it is for this person."""
    study: Study = g.place.published.study
    one = study.event.get(event)
    if one is None or g.place.subject.subject_type not in one.subject_types or repeat < 1 or (repeat > 1 and not one.repeating):
        abort(404)
    if not any(may_form(study.form[ref.form_oid], "read") for ref in one.forms):
        abort(404)
    return About(FormKey(event, "", repeat), study, None, None, Place(""))


def _write(about: About, what: str) -> Response | tuple[str, int]:
    """Write a comment or ask. What cannot be done is told on the thread's own page, with what was typed."""
    typed: Any = AskForm(request.form) if what == "ask" else CommentForm(request.form)
    which: Subject = g.place.subject
    try:
        with guard.write() as tx:
            (_ask if what == "ask" else _comment)(tx, which, about, typed)
    except Locked as refused:
        closing.note(refused, about.key if about.form else None)
        return _page(about, what, typed, Impossible(refused.message)), 409
    except NotPossible as refused:
        return _page(about, what, typed, Impossible(refused.message)), 409
    except Impossible as problem:
        return _page(about, what, typed, problem), 422
    return redirect(_back(about, DONE[what]), 303)


def _ask(tx: Transaction, which: Subject, about: About, typed: AskForm) -> None:
    # Read again where it is written: whoever asks has seen the value that the question is about.
    stored = forms.by_id(tx, about.form_id) if about.form_id is not None else None
    if stored is not None and request.form.get("seen") != str(stored.version):
        raise NotPossible(Message(N_("The form changed since you opened this page. Nothing was done: look again.")))
    day = typed.read_day_if_any()
    text, name = typed.text.data or "", typed.assignee.data or ""
    review.ask(tx, which, about.key, about.form_id, about.place, text, name, day, about.access)


def _comment(tx: Transaction, which: Subject, about: About, typed: CommentForm) -> None:
    comment.write(tx, which, about.key, about.form_id, about.place, typed.text.data or "")


def _back(about: About, done: str) -> str:
    """To the field, where one came from there; else to the thread."""
    which: Subject = g.place.subject
    if request.form.get("back") == "field" and about.place.item:
        url, _, fragment = field_url(which.site.study_oid, which.key, about.key, about.form_id, about.place).partition("#")
        return f"{url}&done={done}#history" if fragment else url
    url = thread_url(which.site.study_oid, which.key, about.key, about.form_id, about.place)
    return f"{url}{'&' if '?' in url else '?'}done={done}"


def _page(about: About, what: str = "", typed: Any = None, problem: Impossible | None = None) -> str:
    which: Subject = g.place.subject
    oid, key = which.site.study_oid, about.key
    with guard.read() as tx:
        entries: tuple[Past, ...]
        if about.form is not None and about.stored is not None:
            entries = thread_of(tx, about.study, about.form, which, about.stored.id, about.place)
        else:
            entries = thread_of_visit(tx, about.study, which, key)
        people = review.answerers(tx, which.site, access=about.access) if guard.may_here("query.review") else []
    asks = typed if what == "ask" else AskForm()
    asks.assignee.choices = named(people)
    address = url_for("threads.visit", study=oid, subject=which.key, event=key.event_oid, repeat=key.event_repeat)
    crumbs = [
        casebook_crumb(g.place.published.study, which.subject_type),
        Crumb(which.key, subject_url(g.place.published.study, which)),
        Crumb(visit_label(about.study, key), address if about.form and _may_see_visit(about) else ""),
    ]
    if about.form is not None:
        crumbs.append(
            Crumb(
                form_label(about.study, key),
                field_url(oid, which.key, key, about.form_id, Place("")) if about.place.row or about.place.item else "",
            )
        )
    error = (about.stored.error if about.stored else "") or which.error
    comments = (typed if what == "comment" else CommentForm()) if guard.may_here("query.write") and not error else None
    asked = asks if guard.may_here("query.review") and not error else None
    fixed_drafts.beside({_to("comment", which, about): comments, _to("ask", which, about): asked})
    return render_template(
        "form/thread.html",
        shell=shell(),
        crumbs=crumbs,
        label=place_label(about.form, about.place) if about.form else Message(N_("The whole visit")),
        where=form_label(about.study, key) if about.form else visit_label(about.study, key),
        thread=entries,
        field_url=_form_address(which, about) if about.form else "",
        places=places_of(about.form, about.stored.document if about.stored else Document(), about.place) if about.form else (),
        at=str(about.place),
        seen=about.seen,
        in_error=error,
        comments=comments,
        asks=asked,
        comment_url=_to("comment", which, about),
        ask_url=_to("ask", which, about),
        problem=problem,
        wrong=what,
    )


def _may_see_visit(about: About) -> bool:
    event = g.place.published.study.event.get(about.key.event_oid)
    return event is not None and any(may_form(g.place.published.study.form[ref.form_oid], "read") for ref in event.forms)


def _form_address(which: Subject, about: About) -> str:
    if about.place.item:
        return field_url(which.site.study_oid, which.key, about.key, about.form_id, about.place)
    return url_for("entry.form", **_address(which, about.key), form=about.key.form_oid, n=about.key.form_repeat)


def _address(which: Subject, key: FormKey) -> dict[str, Any]:
    return {"study": which.site.study_oid, "subject": which.key, "event": key.event_oid, "repeat": key.event_repeat}


def _to(what: str, which: Subject, about: About) -> str:
    if about.form is None:
        return url_for(f"threads.{what}_visit", **_address(which, about.key))
    return url_for(f"threads.{what}_form", **_address(which, about.key), form=about.key.form_oid, n=about.key.form_repeat)


def places_of(form_def: FormDef, document: Document, at: Place) -> tuple[tuple[str, Sayable | str], ...]:
    """What may be written about: the place itself, what it lies in; from the whole form, every row and every question outside rows."""
    found = [at] if at.item else []
    if at.row:
        found.append(Place("", at.group, at.row))
    found.append(Place(""))
    if at == Place(""):
        found += [Place(oid) for oid, (group_def, _) in form_def.items.items() if not group_def.repeating]
        found += [Place("", group, row.id) for group, rows in document.rows.items() for row in rows]
    return tuple((str(place), place_label(form_def, place)) for place in found)


def panel(tx: Transaction, opened: Opened, which: Subject, key: FormKey, chosen: Place | None, held: Sequence[Query]) -> Panel | None:
    """The thread's part of what stands beside a form that is recorded, for whoever may read queries."""
    if opened.stored is None or not guard.may_here("query.read"):
        return None
    form_def, stored, oid = opened.form, opened.stored, which.site.study_oid
    about = About(key, opened.published.study, form_def, stored, chosen or Place(""))
    asks = AskForm()
    asks.assignee.choices = named(review.answerers(tx, which.site, access=form_def.access) if guard.may_here("query.review") else [])
    writes = not stored.error and not which.error
    waiting = [one for one in held if one.by_person and one.state in UNSETTLED and chosen in (None, one.place)]
    return Panel(
        thread_url(oid, which.key, key, stored.id, about.place),
        _to("comment", which, about) if guard.may_here("query.write") and writes else "",
        _to("ask", which, about) if guard.may_here("query.review") and writes else "",
        url_for("threads.visit", **_address(which, key)) if _may_see_visit(about) else "",
        places_of(form_def, stored.document, about.place),
        str(about.place),
        about.seen,
        CommentForm(),
        asks,
        tuple(
            Waiting(
                one.id,
                place_label(form_def, one.place),
                one.message,
                one.state.value,
                Message(QUERY_STATES[one.state]),
                url_for("queries.one", study=oid, query=one.id),
            )
            for one in waiting[:SHOWN]
        ),
        max(0, len(waiting) - SHOWN),
    )
