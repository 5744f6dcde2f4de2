"""Enrolment: where, and the form that enrols, before there is a subject."""

from __future__ import annotations

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, enrol
from trialcrf.core.access import may
from trialcrf.core.checks import Context
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Document, FormKey
from trialcrf.core.entry import Refused
from trialcrf.core.wording import N_, Message, Words
from trialcrf.core.workflow import QueryState
from trialcrf.store import forms, queries, sites
from trialcrf.store.definitions import Published
from trialcrf.web import guard
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.forms import pasting
from trialcrf.web.forms.entry import Tried, applying, typed_of
from trialcrf.web.forms.formview import Around, view
from trialcrf.web.forms.references import references_of
from trialcrf.web.forms.webform import answers
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.safety import stopping
from trialcrf.web.subjects import form_url

blueprint = Blueprint("enrolment", __name__)


@page(blueprint, "/studies/<study>/enrol/<kind>", "subject.enrol")
def where(study: str, kind: str) -> Response | str:
    """Enrolment: at the person's only site directly, else after choosing one."""
    found, access = g.place.published.study.subject_type.get(kind), _enrolment(kind).access
    if not may(g.session.actor, f"{access}.enter", study):
        abort(403)
    with guard.read() as tx:
        places = [one for one in sites.all_of(tx, study) if may_enrol(g.place.published.study, kind, one.code)]
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
    definition, where = _here(kind), g.place.site
    posted = answers(definition, request.form)
    sent = typed_of(posted)
    filled = pasting.fill(definition, posted, request.form, where.zone)
    if filled is not None:
        return _enrol_page(kind, Tried(filled.posted, filled.findings, closed=filled.refused)), 422 if filled.refused else 200
    if posted.act in ("add", "drop", "update"):
        return _enrol_page(kind, Tried(posted)), 200
    token = request.form.get("once", "")[:64]
    try:
        with guard.write(guard.acting(f"{definition.access}.enter")) as tx:
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
    return redirect(subject_url(published.study, which, done="saved"), 303)


def _enrolment(kind: str) -> FormDef:
    study = g.place.published.study
    if kind not in study.subject_type:
        abort(404)
    found: FormDef = study.form[study.subject_type[kind].form_oid]
    return found


def _here(kind: str) -> FormDef:
    """The form that enrols this kind at the site of the address: 403 where the person enrols none of it anywhere, 404 at another site."""
    found, actor, study = _enrolment(kind), g.session.actor, g.place.published.study
    if not may(actor, f"{found.access}.enter", study.oid):
        abort(403)
    if not may_enrol(study, kind, g.place.site.code):
        abort(404)
    return found


def may_enrol(study: Study, kind: str, site: str | None = None) -> bool:
    """Whether the person enrols this kind of subject at the site (None: anywhere): whoever may enter the form that does it."""
    access = study.form[study.subject_type[kind].form_oid].access
    return may(g.session.actor, "subject.enrol", study.oid, site) and may(g.session.actor, f"{access}.enter", study.oid, site)


def _enrol_page(kind: str, tried: Tried | None) -> str:
    study, site = g.place.published.study, g.place.site
    definition = _here(kind)
    product = study.is_product(kind)
    with guard.read() as tx:
        hold = None if product else stopping.notice(tx)
        references = references_of(tx, study, definition, site, None)
    context = Context(site.today(g.now), site.zone, {"type": kind, "site": site.code})
    document = tried.document if tried and tried.document else Document()
    around = Around(
        applies=applying(definition, document, context),
        references=references,
        reasons=study.reasons,
        confirmations=study.confirmations,
        zone=site.zone,
    )
    said = N_("%(kind)s, site %(site)s: the number is given when this is saved. No name, no initials.")
    if product:
        said = N_("%(kind)s, site %(site)s: the key of its casebook is given when this is saved.")
    it = view(definition, document, g.language.code, tried.findings if tried else (), tried.posted if tried else None, around, version=0)
    return render_template(
        "form/enrol.html",
        shell=shell(),
        crumbs=[casebook_crumb(study, kind)],
        it=it,
        product=product,
        hold=hold,
        context=[Message(said, {"kind": study.subject_type[kind].label, "site": site.code})],
        tried=tried is not None and bool(tried.findings),
        once=request.form.get("once") or g.now.isoformat() + g.session.actor.username,
    )
