"""Enrolment: where, and the form that enrols, before there is a subject."""

from __future__ import annotations

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, drafting, enrol, enter
from trialcrf.core import checks
from trialcrf.core.access import may
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Document, FormKey
from trialcrf.core.entry import Refused
from trialcrf.core.wording import N_, Message, Words
from trialcrf.core.workflow import QueryState
from trialcrf.store import forms, locks, queries, sites, subjects
from trialcrf.store.definitions import Published
from trialcrf.store.subjects import Subject
from trialcrf.web import guard, keeping, once
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.forms import checking, drafts, dropping, pasting
from trialcrf.web.forms.drafts import Desk, Reading, typed_of
from trialcrf.web.forms.entry import Tried, applying
from trialcrf.web.forms.formview import Around, view
from trialcrf.web.forms.references import references_of
from trialcrf.web.forms.webform import Posted, answers
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
    desk = desk_here(kind)
    with guard.read() as tx:
        posted = drafts.taken_up(tx, desk)
    return _enrol_page(kind, Tried(posted) if posted else None)


@page(blueprint, "/studies/<study>/enrol/<kind>/<site>/draft", "subject.enrol", methods=["POST"])
def keep(study: str, kind: str, site: str) -> tuple[str, int]:
    """Keep what the page holds now, as that of a form is kept."""
    return drafts.keep_at(desk_here(kind))


@page(blueprint, "/studies/<study>/enrol/<kind>/<site>/draft/discard", "subject.enrol", methods=["POST"])
def discard(study: str, kind: str, site: str) -> Response:
    """Discard a draft, or take that back."""
    return drafts.discard_at(desk_here(kind), "subject.enrol")


@page(blueprint, "/studies/<study>/enrol/<kind>/<site>/check", "subject.enrol", methods=["POST"])
def check(study: str, kind: str, site: str) -> Response:
    """Judge what the page holds now as its save would: nothing is written, and no number is given."""
    published, definition = g.place.published, here(kind)
    posted = answers(definition, request.form)
    which, key = _to_come(kind)
    with guard.read() as tx:
        if locks.closed(tx, locks.over_site(g.place.site)) is not None:
            abort(409)
        opened = enter.open_form(tx, published, which, key, g.now)
        document, findings = enter.judge(tx, published, which, key, typed_of(posted), g.now)
        around = Around(
            applies=checking.asked_now(definition, document, checks.applicable(definition, document, opened.context)),
            reasons=published.study.reasons,
            confirmations=published.study.confirmations,
            zone=g.place.site.zone,
        )
    return checking.answer_of(published.study, definition, document, findings, posted, around)


@page(blueprint, "/studies/<study>/enrol/<kind>/<site>", "subject.enrol", methods=["POST"], endpoint="save")
def save(study: str, kind: str, site: str) -> Response | tuple[str, int]:
    """Enrol: the next number of the site and its first form, in one step. A page sent twice enrols once."""
    published: Published = g.place.published
    definition, where = here(kind), g.place.site
    posted = answers(definition, dropping.put_back(request.form))
    sent = typed_of(posted)
    filled = pasting.fill(definition, posted, request.form, where.zone)
    if filled is not None:
        return _enrol_page(kind, Tried(filled.posted, filled.findings, closed=filled.refused)), 422 if filled.refused else 200
    if posted.act in ("add", "drop", "update"):
        return _enrol_page(kind, Tried(posted)), 200
    token = request.form.get("once", "")[:64]
    try:
        with guard.write(guard.acting(f"{definition.access}.enter")) as tx:
            which = enrol.already(tx, where, token)
            begun = drafting.begun(tx, g.session.actor.id, desk_here(kind).address, keeping.pages_of_save(), keeping.typed_since())
            if which is None:
                which, saved = enrol.enrol(tx, published, where, kind, sent, g.now, once=token)
                if begun is not None:
                    drafting.note_entry(tx, which, saved.form_id, begun)
            once.answers(subject_url(published.study, which, done="saved"))
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


def desk_here(kind: str) -> Desk:
    """Where somebody of this kind is enrolled at the site of the address."""
    parts = {"study": g.place.published.study.oid, "kind": kind, "site": g.place.site.code}
    return Desk(here(kind), url_for("enrolment.form", **parts), url_for("enrolment.discard", **parts), g.place.site)


def _to_come(kind: str) -> tuple[Subject, FormKey]:
    """Whoever is enrolled by this page, and the form that does it."""
    first, site = g.place.published.study.subject_type[kind], g.place.site
    return subjects.to_come(site, kind, site.today(g.now)), FormKey(first.event_oid, first.form_oid)


def _enrolment(kind: str) -> FormDef:
    study = g.place.published.study
    if kind not in study.subject_type:
        abort(404)
    found: FormDef = study.form[study.subject_type[kind].form_oid]
    return found


def here(kind: str) -> FormDef:
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
    definition, desk = here(kind), desk_here(kind)
    product = study.is_product(kind)
    with guard.read() as tx:
        hold = None if product else stopping.notice(tx)
        references = references_of(tx, study, definition, site, None)
        which, key = _to_come(kind)
        opened = enter.open_form(tx, g.place.published, which, key, g.now)
        document = enter.preview(tx, g.place.published, which, key, typed_of(tried.posted), g.now)[0] if tried else Document()
        applies = applying(definition, document, opened.context)

        def typed(posted: Posted) -> Reading:
            return enter.read_typed(tx, g.place.published, which, key, typed_of(posted), g.now)

        offers = drafts.offers(tx, desk, 0, Document(), typed) if tried is None else ()
        taken_back = keeping.taken_back(tx, desk.address, desk.discard_url) if tried is None else None
    around = Around(
        applies=applies,
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
        offers=offers,
        taken_back=taken_back,
        grew_from=keeping.pages_of_page(),
        draft_url=url_for("enrolment.keep", **(request.view_args or {})),
        check_url=url_for("enrolment.check", **(request.view_args or {})),
        left_out=dropping.left_out(request.form),
        once=request.form.get("once") or g.now.isoformat() + g.session.actor.username,
    )
