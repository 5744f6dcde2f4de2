"""Asking that personal data recorded by mistake be erased: of a value, from its history; of a remark or a refused save, from the trail."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms import Form, TextAreaField

from trialcrf.actions import Impossible
from trialcrf.actions.oversight import redact, second
from trialcrf.actions.oversight.redact import Wanted
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import Locked
from trialcrf.core.oversight.four_eyes import RequestKind
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import definitions, forms, trails
from trialcrf.store.forms import StoredForm
from trialcrf.store.subjects import Subject
from trialcrf.web import guard
from trialcrf.web.casebooks import casebook_crumb, subject_url
from trialcrf.web.frame import shell
from trialcrf.web.guard import page as route
from trialcrf.web.oversight import closing
from trialcrf.web.oversight.trail_lines import Reader
from trialcrf.web.page import Crumb
from trialcrf.web.queries.lines import form_label, place_label, visit_label

blueprint = Blueprint("redaction", __name__)

VALUE = "/studies/<study>/subjects/<subject>/<event>/<int:repeat>/<form>/<int:n>/erase"
RECORD = "/studies/<study>/subjects/<subject>/trail/<int:seq>/erase"


class WhyForm(Form):
    reason = TextAreaField(N_("Reason"), render_kw={"rows": "3", "maxlength": str(redact.LONGEST_REASON)})


@dataclass(frozen=True, slots=True)
class About:
    """What is to be erased: a place of a form, or one record; `said` names it without telling what it holds."""

    said: tuple[Sayable | str, ...]
    stored: StoredForm | None = None
    place: Place | None = None
    seq: int = 0

    def want(self, tx: object, which: Subject, reason: str) -> Wanted:
        if self.stored is not None and self.place is not None:
            return redact.want_value(tx, which, self.stored, self.place, reason)  # type: ignore[arg-type]
        return redact.want_record(tx, which, self.seq, reason)  # type: ignore[arg-type]


@route(blueprint, VALUE, "redaction.ask", methods=["GET", "POST"])
def ask_value(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> Response | str | tuple[str, int]:
    """`at` in the address is the place of the value."""
    return _ask(_of_value(FormKey(event, form, repeat, n), Place.parse(request.args.get("at", "")[:130])))


@route(blueprint, RECORD, "redaction.ask", methods=["GET", "POST"])
def ask_record(study: str, subject: str, seq: int) -> Response | str | tuple[str, int]:
    return _ask(_of_record(seq))


def link(which: Subject, key: FormKey, place: Place) -> str:
    """Where somebody asks to erase what stands or stood at a place of a form; nothing for who may not."""
    if not guard.may_here("redaction.ask"):
        return ""
    address = {"event": key.event_oid, "repeat": key.event_repeat, "form": key.form_oid, "n": key.form_repeat, "at": str(place)}
    return url_for("redaction.ask_value", study=which.site.study_oid, subject=which.key, **address)  # type: ignore[arg-type]


def _ask(about: About) -> Response | str | tuple[str, int]:
    which, published = g.place.subject, g.place.published
    form = WhyForm(request.form)
    if request.method in guard.SAFE:
        return _page(about, form, None)
    try:
        with guard.write() as tx:
            wanted = about.want(tx, which, form.reason.data or "")
            number = second.ask(tx, published, RequestKind.REDACTION, wanted.address, which.site, which, wanted.content)
    except Locked as refused:
        closing.note(refused)
        return _page(about, form, refused), 409
    except Impossible as problem:
        return _page(about, form, problem), 422
    return redirect(url_for("requests.one", study=published.study.oid, number=number, done="requested"), 303)


def _of_value(key: FormKey, place: Place) -> About:
    """404 where the form is not recorded, holds nothing there and never did, or is not for this person."""
    with guard.read() as tx:
        stored = forms.read(tx, g.place.subject.id, key)
        if stored is None:
            abort(404)
        study = definitions.read(tx, stored.definition_id).study
        form = study.form.get(key.form_oid)
        if form is None or place.item not in form.items or not guard.may_here(f"{form.access}.read"):
            abort(404)
    return About((visit_label(study, key), form_label(study, key), place_label(form, place)), stored, place)


def _of_record(seq: int) -> About:
    which, study = g.place.subject, g.place.published.study
    with guard.read() as tx:
        found = [past for past in trails.at(tx, which.site.chain, [seq]) if past.subject == which.key and past.entity in redact.ALONE]
        reader = Reader(tx, study, {which.site.chain: which.site})
        if not reader.readable(found):
            abort(404)
        line = reader.line(found[0])
    return About((line.what, *line.about, Message(N_("recorded by %(person)s"), {"person": line.actor})), seq=seq)


def _page(about: About, form: WhyForm, problem: Impossible | Locked | None) -> str:
    study, which = g.place.published.study, g.place.subject
    return render_template(
        "oversight/erase.html",
        shell=shell(),
        crumbs=[casebook_crumb(study, which.subject_type), Crumb(which.key, subject_url(study, which))],
        about=about.said,
        form=form,
        problem=problem if isinstance(problem, Impossible) else None,
        closed=problem.message if isinstance(problem, Locked) else None,
        back=subject_url(study, which),
    )
