"""Requests that a second person must decide: what waits for whoever looks, what they asked for, and what became of the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms import Form, PasswordField, TextAreaField

from trialcrf.actions import Impossible, sign, who
from trialcrf.actions.oversight import lock, lock_database, redact, second
from trialcrf.actions.records import report
from trialcrf.core.oversight.four_eyes import DECIDE, REQUEST_KINDS, REQUEST_STATES, RequestKind, RequestState
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import accounts, requests, sites, subjects
from trialcrf.store.requests import Request
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard, step_up
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.oversight import knowing, things
from trialcrf.web.oversight.deciding import decides
from trialcrf.web.page import Crumb
from trialcrf.web.paging import asked_page, pages

blueprint = Blueprint("requests", __name__)

RULE = "/studies/<study>/requests"
ONE = RULE + "/<int:number>"
ON_A_PAGE = 50

ICONS = {
    RequestState.WAITING: "due",
    RequestState.GRANTED: "done",
    RequestState.REFUSED: "missed",
    RequestState.WITHDRAWN: "cancelled",
}


class DecideForm(Form):
    reason = TextAreaField(N_("Reason"), render_kw={"rows": "2", "maxlength": str(lock.LONGEST_REASON)})
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A request for reading; names are printed ones."""

    number: int
    url: str
    kind: Message
    about: Sayable | str
    about_url: str
    icon: str
    word: Message
    reason: str
    asked_by: str
    asked_at: datetime
    decided_by: str
    decided_at: datetime | None


@page(blueprint, RULE, "casebook.open")
def listed(study: str) -> str:
    with guard.read() as tx:
        waiting = [one for one in requests.all_of(tx, study, [RequestState.WAITING]) if knowing.of_request(tx, one)]
        settled = [state for state in RequestState if state is not RequestState.WAITING]
        decided = [one for one in reversed(requests.all_of(tx, study, settled)) if knowing.of_request(tx, one)]
        number = asked_page(len(decided), ON_A_PAGE)
        mine = [_line(tx, one) for one in waiting if decides(tx, one)]
        others = [_line(tx, one) for one in waiting if not decides(tx, one)]
        past = [_line(tx, one) for one in decided[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]]
    return render_template(
        "requests/listed.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title)],
        mine=mine,
        others=others,
        past=past,
        pages=pages(number, len(decided), ON_A_PAGE),
    )


@page(blueprint, ONE, "casebook.open")
def one(study: str, number: int) -> str:
    with guard.read() as tx:
        found = _find(tx, number)
    return _page(found)


@page(blueprint, ONE + "/<any(grant, refuse, withdraw):act>", "casebook.open", methods=["POST"], fresh=True)
def decide(study: str, number: int, act: str) -> Response | tuple[str, int]:
    """Grant, refuse or withdraw a request. Whoever grants types the password: the grant carries it out."""
    published, actor, form = g.place.published, g.session.actor, DecideForm(request.form)
    with guard.read() as tx:
        found = _find(tx, number)
    reason, verb = form.reason.data or "", DECIDE[found.kind]
    by = guard.acting() if act == "withdraw" else who(actor, verb, study, found.site or None, guard.address())
    try:
        if act == "grant":
            proof = step_up.signer(form.password.data)
            with guard.write(by) as tx:
                second.grant(tx, published, found, actor, proof, reason)
        else:
            with guard.write(by) as tx:
                if act == "refuse":
                    second.refuse(tx, published, found, actor, reason)
                else:
                    second.withdraw(tx, published, found, reason)
    except sign.WrongPassword as problem:
        with guard.write(by) as tx:
            lock_database.note_wrong_password(tx, published, actor, verb, second.site_of(tx, found), f"request {number}")
        return _page(found, form, problem), 422
    except Impossible as problem:
        return _page(found, form, problem), 422
    done = {"grant": "granted", "refuse": "refused", "withdraw": "withdrawn"}[act]
    return redirect(url_for("requests.listed", study=study, done=done), 303)


def _find(tx: Transaction, number: int) -> Request:
    """The request; 404 where there is none for this person. The page is about its site and subject from here on."""
    study = g.place.published.study.oid
    found = requests.find(tx, number)
    if found is None or found.study_oid != study or not knowing.of_request(tx, found):
        abort(404)
    g.place.site = sites.find(tx, study, found.site) if found.site else None
    g.place.subject = subjects.find(tx, study, found.subject) if found.subject else None
    return found


def _line(tx: Transaction, one: Request) -> RequestLine:
    thing = knowing.thing(tx, one.address, "casebook.open")
    about: Sayable | str = things.label(tx, thing) if thing else one.subject or one.site
    return RequestLine(
        one.id,
        url_for("requests.one", study=one.study_oid, number=one.id),
        Message(REQUEST_KINDS[one.kind]),
        about,
        things.page_url(thing) if thing else "",
        ICONS[one.state],
        Message(REQUEST_STATES[one.state]),
        str(one.content.get("reason", "")),
        _name(tx, one.asked_by),
        one.asked_at,
        _name(tx, one.decided_by) if one.decided_by else "",
        one.decided_at,
    )


def _name(tx: Transaction, username: str) -> str:
    found = accounts.find(tx, username)
    return found.name or username if found else username


def _page(found: Request, form: DecideForm | None = None, problem: Impossible | None = None) -> str:
    study, actor = g.place.published.study, g.session.actor
    with guard.read() as tx:
        current = requests.find(tx, found.id) or found
        line = _line(tx, current)
        shown_in = redact.reports_of(tx, current) if current.kind is RequestKind.REDACTION else None
    waiting = current.state is RequestState.WAITING
    decides_, withdraws = waiting and second.may_decide(actor, current), waiting and current.asked_by == actor.username
    form = form or DecideForm()
    url = url_for("requests.decide", study=study.oid, number=found.id, act="refuse" if decides_ else "withdraw")
    fixed_drafts.beside({url: form if decides_ or withdraws else None})
    return render_template(
        "requests/one.html",
        shell=shell(),
        crumbs=[Crumb(study.title), Crumb(Message(N_("Requests")), url_for("requests.listed", study=study.oid))],
        line=line,
        may_decide=decides_,
        may_withdraw=withdraws,
        waiting=waiting,
        shown_in=shown_in,
        report_labels={kind: Message(one.label) for kind, one in report.KINDS.items()},
        form=form,
        problem=problem,
    )
