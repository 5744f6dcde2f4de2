"""The documents of a serious event: ordering its CIOMS form and its letter, and taking its E2B(R3) message, or reading what is missing."""

from __future__ import annotations

import logging
from pathlib import Path

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms import Form, HiddenField, SelectField, StringField

from trialcrf.actions import Impossible
from trialcrf.actions.records import report
from trialcrf.actions.safety import case_documents
from trialcrf.actions.safety.case_documents import Told
from trialcrf.core.packs import cioms, letter
from trialcrf.core.packs.e2b import SENDER_TYPES, Exchange, Incomplete
from trialcrf.core.wording import N_, Message
from trialcrf.external import schema
from trialcrf.external.language import Language
from trialcrf.store import cases, sites
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard, reports
from trialcrf.web.fixed import NAMES
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb

log = logging.getLogger(__name__)

blueprint = Blueprint("case_documents", __name__)

ONE = "/studies/<study>/cases/<int:number>/reports"


class PaperForm(Form):
    """A printed document to be ordered."""

    kind = HiddenField()
    language = SelectField(N_("Language"), validate_choice=False)
    why = StringField(N_("Why it is ordered"), render_kw={"maxlength": str(report.LONGEST_WHY)})


class ExchangeForm(Form):
    """What only the sponsor knows of a transmission."""

    sender = StringField(N_("Identifier of the sender (N.1.3)"), render_kw={"maxlength": "60"})
    receiver = StringField(N_("Identifier of the receiver (N.1.4)"), render_kw={"maxlength": "60"})
    sender_type = SelectField(N_("Type of the sender (C.3.1)"), validate_choice=False)
    country = StringField(N_("Country of the reporter, two letters (C.2.r.3)"), render_kw={"maxlength": "2", "size": "2"})
    language = SelectField(N_("Language of the narrative"), validate_choice=False)


@page(blueprint, ONE, "case.assess")
def shown(study: str, number: int) -> str:
    """What can be printed or sent of a case, and what each of them still lacks. The boxes of the exchange are in the address."""
    return _page(number)


@page(blueprint, ONE, "report.order", methods=["POST"], endpoint="order")
def order(study: str, number: int) -> Response | tuple[str, int]:
    """Order a document of the case, over what is known now; it is drawn and archived as any report."""
    form = PaperForm(request.form)
    kind = form.kind.data or ""
    try:
        with guard.read() as tx:
            of = _told(tx, number)
            if kind == report.LETTER and (refusal := letter.why_not(of.record, of.event, of.case, of.study)) is not None:
                raise Impossible(refusal, "kind")
        if kind not in (report.CIOMS, report.LETTER):
            raise Impossible(Message(N_("Choose one of the reports offered.")), "kind")
        with guard.write() as tx:
            ordered = report.order(
                tx, g.place.published, form.language.data or "", g.now.date(), None, tx.who.actor,
                kind=kind, case_number=number, why=form.why.data or "",
            )  # fmt: skip
    except Impossible as problem:
        # Two forms of this page have boxes of one name: the fault is at that of the kind that was ordered.
        problem.field = f"{kind}-{problem.field}" if problem.field in ("language", "why") else ""
        return _page(number, form, problem), 422
    if ordered is not None:
        reports.tell(ordered)
    return redirect(url_for("reports.listed", study=study, done="ordered"), 303)


@page(blueprint, ONE + "/e2b.xml", "case.assess")
def icsr(study: str, number: int) -> Response | tuple[str, int]:
    """The E2B(R3) message of the newest version, where nothing mandatory is missing; else the page that says what is."""
    form = _exchange_form()
    language = form.language.data or ""
    with guard.read() as tx:
        of = _told(tx, number)
        if language not in of.study.languages:
            return _page(number, problem=Impossible(Message(N_("Choose one of the languages offered.")), "e2b-language")), 422
        try:
            content = case_documents.icsr(tx, of, _exchange(form), language, Language(language).say)
        except Incomplete:
            return _page(number), 422
    schema_file = current_app.config["ICSR_SCHEMA"]
    if schema_file is not None and (wrong := _violations(content, schema_file)):
        return _page(number, wrong=wrong), 422
    response = Response(content, mimetype="application/xml")
    version = of.version.number if of.version else 0
    response.headers.set("Content-Disposition", "attachment", filename=f"{cioms.report_number(of.study, of.case)}-{version}.xml")
    return response


def _violations(content: bytes, schema_file: Path) -> tuple[str, ...]:
    try:
        return schema.violations(content, schema_file)
    except schema.BadSchema as error:
        log.critical("the schema of the ICSR cannot be used: %s", error)
        return (str(error),)


def _told(tx: Transaction, number: int) -> Told:
    """The case, and its site as the place of this request; 404 where it is another site's. Raises Impossible where its event is gone."""
    published = g.place.published
    found = cases.find(tx, published.study.oid, number)
    if found is None:
        abort(404)
    g.place.site = sites.find(tx, published.study.oid, found.site)
    if g.place.site is None or not guard.may_here("case.read") or not guard.may_here(g.place.verb):
        abort(404)
    return case_documents.live(tx, published, found, g.now)


def _exchange_form(of: Told | None = None) -> ExchangeForm:
    form = ExchangeForm(request.args)
    if of is not None and "country" not in request.args:
        form.country.data = of.country
    if "language" not in request.args:
        form.language.data = g.language.code
    form.sender_type.choices = {"": ""} | {code: g.language.gettext(label) for code, label in SENDER_TYPES.items()}
    form.language.choices = {code: NAMES.get(code, code) for code in g.place.published.study.languages}
    return form


def _exchange(form: ExchangeForm) -> Exchange:
    sender, receiver, kind = ((box.data or "").strip() for box in (form.sender, form.receiver, form.sender_type))
    return Exchange(sender, receiver, kind, (form.country.data or "").strip().upper())


def _page(number: int, tried: PaperForm | None = None, problem: Impossible | None = None, wrong: tuple[str, ...] = ()) -> str:
    study = g.place.published.study.oid
    of, gone = None, None
    with guard.read() as tx:
        try:
            of = _told(tx, number)
        except Impossible as refused:
            gone = refused.message
        exchange = _exchange_form(of)
        lacking = case_documents.lacking(tx, of, _exchange(exchange)) if of else ()
    papers = {}
    for kind in (report.CIOMS, report.LETTER) if guard.may_here("report.order") else ():
        form = tried if tried is not None and tried.kind.data == kind else PaperForm(data={"kind": kind, "language": g.language.code})
        form.language.choices = exchange.language.choices
        papers[kind] = form
    return render_template(
        "case_documents/shown.html",
        shell=shell(),
        crumbs=[
            Crumb(g.place.published.study.title),
            Crumb(Message(N_("Serious events")), url_for("cases.listed", study=study)),
            Crumb(Message(N_("Case %(number)s"), {"number": str(number)}), url_for("cases.one", study=study, number=number)),
        ],
        study_oid=study,
        number=number,
        gone=gone,
        papers=papers,
        missing=cioms.missing(of.study, of.record, of.event, of.case) if of else (),
        no_letter=letter.why_not(of.record, of.event, of.case, of.study) if of else None,
        version=of.version.number if of and of.version else 0,
        exchange=exchange,
        asked=bool(request.args.get("sender") or request.args.get("receiver")),
        lacking=lacking,
        wrong=wrong,
        schema=current_app.config["ICSR_SCHEMA"] is not None,
        problem=problem,
    )
