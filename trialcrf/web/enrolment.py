"""Enrolment: where, and the form that enrols, before there is a subject."""

from __future__ import annotations

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, enrol
from trialcrf.core.checks import Context
from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import Document, FormKey
from trialcrf.core.entry import Refused
from trialcrf.core.wording import N_, Message, Words
from trialcrf.core.workflow import QueryState
from trialcrf.store import forms, queries, sites
from trialcrf.store.definitions import Published
from trialcrf.web import guard
from trialcrf.web.forms.entry import Tried, applying, typed_of
from trialcrf.web.forms.formview import Around, view
from trialcrf.web.forms.webform import answers
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.safety import stopping
from trialcrf.web.subjects import form_url

blueprint = Blueprint("enrolment", __name__)


@page(blueprint, "/studies/<study>/enrol/<kind>", "subject.enrol")
def where(study: str, kind: str) -> Response | str:
    """Enrolment: at the person's only site directly, else after choosing one."""
    found = g.place.published.study.subject_type.get(kind)
    if found is None:
        abort(404)
    mine = guard.my_sites("subject.enrol")
    with guard.read() as tx:
        places = [one for one in sites.all_of(tx, study) if mine is None or one.code in mine]
    if len(places) == 1:
        return redirect(url_for("enrolment.form", study=study, kind=kind, site=places[0].code))
    links = [
        (Words({"fr": one.name, "en": one.name}), one.code, url_for("enrolment.form", study=study, kind=kind, site=one.code))
        for one in places
    ]
    return render_template("subjects/where.html", shell=shell(), kind=found.label, links=links)


@page(blueprint, "/studies/<study>/enrol/<kind>/<site>", "subject.enrol")
def form(study: str, kind: str, site: str) -> str:
    return _enrol_page(kind, None)


@page(blueprint, "/studies/<study>/enrol/<kind>/<site>", "subject.enrol", methods=["POST"], endpoint="save")
def save(study: str, kind: str, site: str) -> Response | tuple[str, int]:
    """Enrol: the next number of the site and its first form, in one step. A page sent twice enrols once."""
    published: Published = g.place.published
    definition, where = _enrolment(kind), g.place.site
    posted = answers(definition, request.form)
    sent = typed_of(posted)
    if posted.act in ("add", "drop", "update"):
        return _enrol_page(kind, Tried(posted)), 200
    token = request.form.get("once", "")[:64]
    try:
        with guard.write() as tx:
            before = enrol.already(tx, where, token)
            which = before or enrol.enrol(tx, published, where, kind, sent, g.now, once=token)[0]
    except Refused as refused:
        return _enrol_page(kind, Tried(posted, tuple(refused.findings))), 422
    except Impossible as problem:
        abort(409, description=problem.message)
    first = published.study.subject_type[kind]
    with guard.read() as tx:
        stored = forms.read(tx, which.id, FormKey(first.event_oid, first.form_oid))
        doubted = stored is not None and any(one.state is QueryState.OPEN for one in queries.of_form(tx, stored.id))
    if doubted:
        return redirect(form_url(which, FormKey(first.event_oid, first.form_oid), done="queries"), 303)
    return redirect(url_for("subjects.one", study=study, subject=which.key, done="saved"), 303)


def _enrolment(kind: str) -> FormDef:
    study = g.place.published.study
    if kind not in study.subject_type:
        abort(404)
    found: FormDef = study.form[study.subject_type[kind].form_oid]
    return found


def _enrol_page(kind: str, tried: Tried | None) -> str:
    study, site = g.place.published.study, g.place.site
    definition = _enrolment(kind)
    with guard.read() as tx:
        hold = stopping.notice(tx)
    context = Context(site.today(g.now), site.zone, {"type": kind, "site": site.code})
    document = tried.document if tried and tried.document else Document()
    around = Around(
        applies=applying(definition, document, context), reasons=study.reasons, confirmations=study.confirmations, zone=site.zone
    )
    it = view(definition, document, g.language.code, tried.findings if tried else (), tried.posted if tried else None, around, version=0)
    return render_template(
        "form/enrol.html",
        shell=shell(),
        crumbs=[Crumb(Message(N_("Subjects")), url_for("subjects.matrix", study=study.oid, kind=kind))],
        it=it,
        hold=hold,
        context=[
            Message(
                N_("%(kind)s, site %(site)s: the number is given when this is saved. No name, no initials."),
                {"kind": study.subject_type[kind].label, "site": site.code},
            )
        ],
        tried=tried is not None and bool(tried.findings),
        once=request.form.get("once") or g.now.isoformat() + g.session.actor.username,
    )
