"""The two acts on a visit besides recording it: marking it missed with a reason, and asking for a deviation."""

from __future__ import annotations

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, follow_up
from trialcrf.actions.enter import StaleSave
from trialcrf.core.definition.model import FormDef
from trialcrf.core.entry import Refused
from trialcrf.core.schedule import STATES, Visit
from trialcrf.core.wording import N_, Message
from trialcrf.web import fixed_drafts, guard
from trialcrf.web.fixed import MissedForm, RequestForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.subjects import form_url, may_form
from trialcrf.web.visits.matrix import detail_of

blueprint = Blueprint("follow_up", __name__)

VISIT = "/studies/<study>/subjects/<subject>/visits/<event>"


@page(blueprint, VISIT + "/missed", "form.enter")
def missed(study: str, subject: str, event: str) -> str:
    return _missed_page(event, MissedForm())


@page(blueprint, VISIT + "/missed", "form.enter", methods=["POST"], endpoint="mark_missed")
def mark_missed(study: str, subject: str, event: str) -> Response | tuple[str, int]:
    """Record that the visit did not take place, and why."""
    form = MissedForm(request.form)
    _refuse_guarded(follow_up.form_of(g.place.published, _visit(event).event))
    try:
        with guard.write() as tx:
            code, words = form.code.data or "", form.words.data or ""
            follow_up.mark_missed(tx, g.place.published, g.place.subject, event, code, words, g.now)
    except (Impossible, Refused, StaleSave) as stopped:
        return _missed_page(event, form, _problem(stopped)), 422
    return redirect(url_for("subjects.one", study=study, subject=subject, done="missed"), 303)


@page(blueprint, VISIT + "/deviation", "form.enter")
def deviation(study: str, subject: str, event: str) -> str:
    return _deviation_page(event, RequestForm())


@page(blueprint, VISIT + "/deviation", "form.enter", methods=["POST"], endpoint="request_deviation")
def request_deviation(study: str, subject: str, event: str) -> Response | tuple[str, int]:
    """Record the deviation in the study's own form, and lead there."""
    form = RequestForm(request.form)
    try:
        with guard.write() as tx:
            key = follow_up.request_deviation(tx, g.place.published, g.place.subject, event, form.words.data or "", g.now)
    except (Impossible, Refused, StaleSave) as stopped:
        return _deviation_page(event, form, _problem(stopped)), 422
    return redirect(form_url(g.place.subject, key, done="deviation"), 303)


def _problem(stopped: Impossible | Refused | StaleSave) -> Impossible:
    """Why nothing was recorded. What a form's own checks refuse here is what was typed: the rest comes from the program."""
    if isinstance(stopped, Impossible):
        return stopped
    if isinstance(stopped, Refused):
        return Impossible(Message(N_("The form of the visit refuses this: %(why)s"), {"why": stopped.findings[0].message}), "words")
    return Impossible(Message(N_("Someone else saved this visit a moment ago: open it and look.")))


def _refuse_guarded(form: FormDef | None) -> None:
    """A form that has a permission of its own is filled in by those who hold it, on this way too."""
    if form is not None and not may_form(form, "enter"):
        abort(403)


def _missed_page(event: str, form: MissedForm, problem: Impossible | None = None) -> str:
    visit = _visit(event)
    reasons = follow_up.reasons_of(g.place.published, visit.event)
    if reasons is None:
        abort(404)
    _refuse_guarded(follow_up.form_of(g.place.published, visit.event))
    form.code.choices = [("", ""), *((one.code, one.label.in_(g.language.code)) for one in reasons.items)]
    heading = Message(N_("%(key)s, %(visit)s: mark missed"), {"key": g.place.subject.key, "visit": visit.event.label})
    return _act_page("today/missed.html", visit, heading, form, problem)


def _deviation_page(event: str, form: RequestForm, problem: Impossible | None = None) -> str:
    visit = _visit(event)
    heading = Message(N_("%(key)s, %(visit)s: request a deviation"), {"key": g.place.subject.key, "visit": visit.event.label})
    return _act_page("today/deviation.html", visit, heading, form, problem)


def _visit(event: str) -> Visit:
    try:
        with guard.read() as tx:
            return follow_up.find(tx, g.place.published, g.place.subject, event, g.now)
    except Impossible:
        abort(404)


def _url(act: str, visit: Visit) -> str:
    return url_for(f"follow_up.{act}", study=g.place.published.study.oid, subject=g.place.subject.key, event=visit.event.oid)


def _act_page(template: str, visit: Visit, heading: Message, form: MissedForm | RequestForm, problem: Impossible | None) -> str:
    which, study = g.place.subject, g.place.published.study
    act = "mark_missed" if isinstance(form, MissedForm) else "request_deviation"
    fixed_drafts.beside({_url(act, visit): form})
    return render_template(
        template,
        shell=shell(),
        crumbs=[
            Crumb(Message(N_("My day")), url_for("today.day", study=study.oid)),
            Crumb(which.key, url_for("subjects.one", study=study.oid, subject=which.key)),
        ],
        heading=heading,
        visit=visit,
        word=Message(STATES[visit.state]),
        detail=detail_of(visit, which.site),
        which=which,
        form=form,
        problem=problem,
    )
