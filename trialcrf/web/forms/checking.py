"""Checks as a field is left: what the page holds is judged as its save would be, nothing is written, and the answer says what to draw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, abort, g, jsonify, request

from trialcrf.actions import enter
from trialcrf.core import checks
from trialcrf.core.checks import Finding
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Document, FormKey, Place
from trialcrf.store import queries
from trialcrf.web import guard
from trialcrf.web.forms import labview
from trialcrf.web.forms.drafts import typed_of
from trialcrf.web.forms.drawn import FieldView, FormView
from trialcrf.web.forms.earlier import before_of, copying_of, earlier_of, together
from trialcrf.web.forms.entry import RULE, opened_at
from trialcrf.web.forms.formview import Around, view
from trialcrf.web.forms.standing import confirmed
from trialcrf.web.forms.webform import Posted, answers, is_new
from trialcrf.web.guard import page
from trialcrf.web.oversight import closing
from trialcrf.web.subjects import may_form

blueprint = Blueprint("checking", __name__)


@page(blueprint, f"{RULE}/check", "casebook.open", methods=["POST"])
def check(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> Response:
    """Judge what a page holds now, for whoever may save it. The page asks for no more than a reader of it may know: its own fields."""
    key, which = FormKey(event, form, repeat, n), g.place.subject
    with guard.read() as tx:
        opened = opened_at(tx, key)
        if not may_form(opened.form, "enter"):
            abort(403)
        shut = closing.of_form(tx, which, key, opened.stored)
        if which.error or (opened.stored and opened.stored.error) or shut.whole is not None:
            abort(409)
        posted = answers(opened.form, request.form)
        document, findings = enter.judge(tx, g.place.published, which, key, typed_of(posted), g.now)
        applies = asked_now(opened.form, document, checks.applicable(opened.form, document, opened.context))
        earlier = earlier_of(tx, opened, which, key, document)
        pinned, held = opened.published.study, queries.of_form(tx, opened.stored.id) if opened.stored else []
        around = Around(
            applies=applies,
            answered=confirmed(pinned, held),
            before=together(
                copying_of(tx, opened, earlier, document, posted).beside,
                before_of(opened.form, earlier, document),
                labview.marks(tx, opened, which, key, document),
            ),
            reasons=pinned.reasons,
            confirmations=pinned.confirmations,
            zone=which.site.zone,
            closed=shut.items,
        )
    return answer_of(pinned, opened.form, document, findings, posted, around)


def answer_of(study: Study, form: FormDef, document: Document, findings: tuple[Finding, ...], posted: Posted, around: Around) -> Response:
    """What a script needs to draw what was found where the page itself would have drawn it."""
    language = g.language.code if g.language.code in study.languages else study.languages[0]
    drawn = view(form, document, language, findings, _blank_rows(posted, document), around)
    answer = jsonify(fields=_told(drawn, around.applies), later=_later(form, document, around.applies))
    answer.headers["Cache-Control"] = "no-store"
    return answer


def asked_now(form: FormDef, document: Document, places: frozenset[Place]) -> Any:
    """Whether a place is asked now; a row in which nothing is typed yet asks what a blank one does."""

    def applies(place: Place) -> bool:
        blank = is_new(place.row) and document.row(place.group, place.row) is None
        return (Place(place.item, place.group) if blank else place) in places

    return applies


def _blank_rows(posted: Posted, document: Document) -> Posted:
    """The page without the new rows that the document has already: they are drawn once."""
    rows = {oid: tuple(row for row in new if document.row(oid, row) is None) for oid, new in posted.new_rows.items()}
    return replace(posted, new_rows=rows)


def _told(drawn: FormView, applies: Any) -> dict[str, Any]:
    """By the key of each place what a script needs to draw it as the page itself would."""
    fields = (field for group in drawn.groups for field in (*group.fields, *(field for row in group.rows for field in row.fields)))
    return {field.key: _field(field, applies(field.place)) for field in fields}


def _field(field: FieldView, asked: bool) -> dict[str, Any]:
    say = g.language.say
    said = [
        {"id": one.id, "kind": kind, "check": one.check, "text": say(one.text), "confirmed": say(one.confirmed)}
        for kind, every in (("hard", field.errors), ("soft", field.doubts), ("say", field.notes))
        for one in every
    ]
    told: dict[str, Any] = {"id": field.id, "asked": asked, "said": said, "described": field.described}
    told["before"] = " ".join(say(text) for text in field.before)
    if field.why is not None:
        told["why"] = True
    if field.widget == "derived":
        told["shown"] = ", ".join(say(text) for text in field.shown)
    return told


def _later(form: FormDef, document: Document, applies: Any) -> dict[str, str]:
    """For each group that asks something only with certain answers: how much of it is not asked yet, in words, or nothing."""
    found = {}
    for group in form.groups:
        if not group.repeating:
            held = sum(not applies(Place(item.oid)) and document.at(Place(item.oid)) is None for item in group.items)
            one, many = "%(num)s more question depends on the answers above", "%(num)s more questions depend on the answers above"
            found[group.oid] = g.language.ngettext(one, many, held) % {"num": held} if held else ""
    return found
