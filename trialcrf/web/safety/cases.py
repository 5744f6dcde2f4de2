"""Serious events: the list with what is due next, and one case with its clocks, its event, its ledger and what may be written into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms import Form

from trialcrf.actions import Impossible, NotAllowed, take_paper, who
from trialcrf.actions.safety import case
from trialcrf.actions.safety.follow_case import Followed, followed
from trialcrf.core.access import may
from trialcrf.core.safety.case import CASE_STATES, CaseState, Kind
from trialcrf.core.safety.event import FACTORS
from trialcrf.core.wording import N_, Message
from trialcrf.core.workflow import NotPossible
from trialcrf.store import cases, sites
from trialcrf.store.ledgers import Stale
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard
from trialcrf.web.fixed import NAMES
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Chip, Crumb
from trialcrf.web.paging import asked_page, here, pages
from trialcrf.web.safety import case_forms as boxes
from trialcrf.web.safety.case_view import left_in_words, view

blueprint = Blueprint("cases", __name__)

LIST = "/studies/<study>/cases"
ONE = LIST + "/<int:number>"
ON_A_PAGE = 50
_WAITING = (CaseState.OPEN, CaseState.ASSESSED)
_VIEWS: dict[str, tuple[str, tuple[CaseState, ...]]] = {
    "": (N_("Open cases"), _WAITING),
    "overdue": (N_("Report overdue"), _WAITING),
    CaseState.CLOSED.value: (N_("Closed cases"), (CaseState.CLOSED,)),
    CaseState.NULLIFIED.value: (N_("Nullified cases"), (CaseState.NULLIFIED,)),
    "all": (N_("All cases"), tuple(CaseState)),
}

ACTS: dict[str, tuple[type[Form], tuple[str, ...]]] = {
    "inform": (boxes.InformForm, ("case.inform", "case.assess")),
    "submit": (boxes.SubmitForm, ("case.inform", "case.assess")),
    "acknowledge": (boxes.AcknowledgeForm, ("case.inform", "case.assess")),
    "document": (boxes.DocumentForm, ("case.inform", "case.assess")),
    "assess": (boxes.AssessForm, ("case.assess",)),
    "version": (boxes.VersionForm, ("case.assess",)),
    "narrative": (boxes.NarrativeForm, ("case.assess",)),
    "close": (boxes.WhyForm, ("case.assess",)),
    "reopen": (boxes.WhyForm, ("case.assess",)),
}
"""What may be written into a case: the boxes of each act, and the verbs of which its writer needs one."""

POSSIBLE: dict[CaseState, frozenset[str]] = {
    CaseState.OPEN: frozenset(ACTS) - {"close", "reopen"},
    CaseState.ASSESSED: frozenset(ACTS) - {"reopen"},
    CaseState.CLOSED: frozenset({"inform", "document", "acknowledge", "reopen"}),
    CaseState.NULLIFIED: frozenset({"inform", "document", "submit", "acknowledge"}),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A case in the list; `left` says in words how much time the nearest report has, None where nothing waits."""

    number: int
    url: str
    subject: str
    site: Site
    term: str
    state: str
    word: Message
    report: Any
    due: datetime | None
    tone: str
    left: Message | None


@page(blueprint, LIST, "case.read")
def listed(study: str) -> str:
    """The cases of the person's sites, the nearest deadline first. Filters are in the address: state, site, page."""
    state, wanted = request.args.get("state", ""), request.args.get("site", "")
    mine = guard.my_sites("case.read")
    with guard.read() as tx:
        known = {one.code: one for one in sites.all_of(tx, study) if mine is None or one.code in mine}
        if state not in _VIEWS or (wanted and wanted not in known):
            abort(404)
        held = [one for one in cases.of_sites(tx, list(known.values())) if wanted in ("", one.site)]
        told = followed(tx, g.place.published, [one for one in held if one.state in _VIEWS[state][1] or one.state in _WAITING], g.now)
    overdue = {one.case.number for one in told if one.case.state in _WAITING and one.overdue}
    counts = {name: sum(one.state in states for one in held) for name, (_, states) in _VIEWS.items()} | {"overdue": len(overdue)}
    shown = [one for one in told if one.case.state in _VIEWS[state][1] and (state != "overdue" or one.case.number in overdue)]
    far = datetime.max.replace(tzinfo=UTC)
    shown.sort(key=lambda one: ((one.nearest.due if one.nearest else None) or far, -one.case.number))
    number = asked_page(len(shown), ON_A_PAGE)
    lines = [_line(one, known[one.case.site]) for one in shown[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]]
    places = [Chip(Message(N_("Every site")), here(site=None), not wanted)]
    places += [Chip(Message(N_("Site %(site)s"), {"site": code}), here(site=code), code == wanted) for code in known]
    return render_template(
        "cases/listed.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title)],
        views=[Chip(Message(label), here(state=name or None), name == state, counts[name]) for name, (label, _) in _VIEWS.items()],
        places=places if len(known) > 1 else [],
        lines=lines,
        ever=counts["all"],
        pages=pages(number, len(shown), ON_A_PAGE),
    )


def _line(one: Followed, site: Site) -> Line:
    near = one.nearest
    return Line(
        one.case.number,
        url_for("cases.one", study=one.case.study_oid, number=one.case.number),
        one.case.subject,
        site,
        one.facts.term,
        one.case.state.value,
        Message(CASE_STATES[one.case.state]),
        near.obligation.label if near else None,
        near.due if near else None,
        near.state.value if near else "",
        left_in_words(near) if near else None,
    )


@page(blueprint, ONE, "case.read")
def one(study: str, number: int) -> str:
    """A case: its clocks, its event, who knew what when, and what the person may write into it. `draft` fills the narrative's box."""
    return _page(number)


@page(blueprint, ONE + "/<any(inform, submit, acknowledge, assess, version, narrative, close, reopen):act>", "case.read", methods=["POST"])
def write(study: str, number: int, act: str) -> Response | tuple[str, int]:
    """Write a line into the ledger."""
    return _write(number, act)


@page(blueprint, ONE + "/document", "case.read", methods=["POST"])
def attach(study: str, number: int) -> Response | tuple[str, int]:
    """Attach a document. The door lets a larger request in here than elsewhere."""
    return _write(number, "document")


@page(blueprint, ONE + "/documents/<int:paper>", "case.read")
def document(study: str, number: int, paper: int) -> Response:
    """A document as it was attached: to be kept, not to be shown by the browser, whatever it is."""
    with guard.read() as tx:
        found = cases.paper(tx, _find(tx, number).case.id, paper)
    if found is None:
        abort(404)
    kept, content = found
    charset = "; charset=utf-8" if kept.media_type.startswith("text/") else ""
    response = Response(content, content_type=kept.media_type + charset)
    response.headers.set("Content-Disposition", "attachment", filename=kept.name)
    return response


def _write(number: int, act: str) -> Response | tuple[str, int]:
    form_class, verbs = ACTS[act]
    form = form_class(request.form if act != "document" else None, prefix=f"{act}-")
    with guard.read() as tx:
        _find(tx, number)
    verb = next((one for one in verbs if guard.may_here(one)), None)
    if verb is None:
        abort(403)
    try:
        with guard.write(guard.acting(verb)) as tx:
            of = _find(tx, number)
            if request.form.get(f"{act}-seen") != seen(of):
                raise Stale
            _DO[act](tx, of, form)
    except (Stale, NotPossible) as refused:
        said = Message(N_("The case or its event changed since you opened this page. Nothing was written: look again."))
        return _page(number, act, form, Impossible(refused.message if isinstance(refused, NotPossible) else said)), 409
    except Impossible as problem:
        problem.field = f"{act}-{_field(problem.field)}" if problem.field else ""
        return _page(number, act, form, problem), 422
    return redirect(url_for("cases.one", study=g.place.published.study.oid, number=number, done="case"), 303)


def _field(name: str) -> str:
    """The box of the page for what an action calls by another name."""
    return {"aware": "day", "at": "day", "related": "AERELPRD"}.get(name, name)


def _moment(form: Any) -> datetime | None:
    return form.moment(g.place.site.zone)  # type: ignore[no-any-return]


def _assess(tx: Transaction, of: Followed, form: Any) -> None:
    related = {factor: form[factor].data or "" for factor in FACTORS}
    expected = {"Y": True, "N": False}.get(form.expected.data or "")
    case.assess(tx, g.place.published, of, related, expected, form.comment.data or "")


def _acknowledge(tx: Transaction, of: Followed, form: Any) -> None:
    chosen = form.submission.data or ""
    which = int(chosen) if chosen.isdecimal() and len(chosen) < 9 else 0
    case.acknowledge(tx, g.place.published, of, which, _moment(form), form.reference.data or "")


def _attach(tx: Transaction, of: Followed, form: Any) -> None:
    sent = request.files.get("document-file")
    # One byte more than is kept: enough to know that it is too much.
    content = sent.stream.read(take_paper.LARGEST_PAPER + 1) if sent else b""
    case.attach(tx, g.place.published, of, sent.filename or "" if sent else "", content)


def _submit(tx: Transaction, of: Followed, form: Any) -> None:
    chosen = form.obligation.data or ""
    to = form.to.data or ""
    if not to.strip() and any(one.obligation.oid == chosen for one in of.deadlines):
        to = g.language.say(case.obligation_of(g.place.published, of, chosen).recipient)
    case.submit(tx, g.place.published, of, chosen, to, _moment(form), form.reference.data or "")


_DO: dict[str, Callable[[Transaction, Followed, Any], object]] = {
    "inform": lambda tx, of, form: case.inform(tx, g.place.published, of, form.who.data or "", _moment(form), form.what.data or ""),
    "submit": _submit,
    "acknowledge": _acknowledge,
    "document": _attach,
    "assess": _assess,
    "version": lambda tx, of, form: case.freeze(tx, g.place.published, of, form.what.data or ""),
    "narrative": lambda tx, of, form: case.narrate(tx, g.place.published, of, form.language.data or "", form.text.data or ""),
    "close": lambda tx, of, form: case.close(tx, g.place.published, of, form.why.data or ""),
    "reopen": lambda tx, of, form: case.reopen(tx, g.place.published, of, form.why.data or ""),
}


def seen(of: Followed) -> str:
    """What a page must bring back: nobody writes about an event, or answers a ledger, that they did not see."""
    return f"{of.version}.{len(of.case.entries)}"


def _find(tx: Transaction, number: int) -> Followed:
    """The case, and its site as the place of this request. 404 where it is another site's, or of a form that is not for this reader."""
    published = g.place.published
    found = cases.find(tx, published.study.oid, number)
    if found is None:
        abort(404)
    site = sites.find(tx, published.study.oid, found.site)
    g.place.site = site
    if site is None or not guard.may_here("case.read"):
        abort(404)
    of = followed(tx, published, [found], g.now)[0]
    sponsor = may(g.session.actor, "case.assess", published.study.oid, site.code)
    if not sponsor and not guard.may_here(f"{of.form.access}.read"):
        abort(404)
    return of


def _page(number: int, act: str = "", tried: Form | None = None, problem: Impossible | None = None) -> str:
    with guard.read() as tx:
        of = _find(tx, number)
        drawn = view(tx, of)
        draft = case.draft(tx, g.place.published, of, g.language.say, of.subject.site.today(g.now)) if request.args.get("draft") else ""
    forms = {name: tried if name == act and tried else _blank(name, of, draft) for name in _possible(of)}
    for name, form in forms.items():
        if "seen" in form:
            form["seen"].data = seen(of) if name != act else request.form.get(f"{act}-seen", "")
        _choices(name, form, of)
    kept = {name: form for name, form in forms.items() if name != "document"}
    fixed_drafts.beside({url_for("cases.write", study=of.case.study_oid, number=number, act=name): form for name, form in kept.items()})
    return render_template(
        "cases/one.html",
        shell=shell(),
        crumbs=[
            Crumb(g.place.published.study.title),
            Crumb(Message(N_("Serious events")), url_for("cases.listed", study=of.case.study_oid)),
        ],
        of=of,
        it=drawn,
        site=g.place.site,
        forms=forms,
        factors=list(FACTORS),
        tried=act,
        problem=problem,
        drafted=bool(draft),
        documents_url=url_for("case_documents.shown", study=of.case.study_oid, number=number) if guard.may_here("case.assess") else "",
    )


def _possible(of: Followed) -> list[str]:
    """The acts that the person may do now, in the order of the page."""
    return [
        name
        for name, (_, verbs) in ACTS.items()
        if name in POSSIBLE[of.case.state] and any(guard.may_here(verb) for verb in verbs) and (name not in _LISTS or _offered(name, of))
    ]


_LISTS = ("submit", "acknowledge")


def _offered(name: str, of: Followed) -> dict[str, str]:
    """The reports that this person may log, or whose acknowledgement they may."""
    mine = [one.obligation for one in of.deadlines if any(case.may_submit(role, one.obligation) for role in _roles())]
    if name == "submit":
        return {one.oid: f"{g.language.say(one.label)} – {g.language.say(one.recipient)}" for one in mine}
    answered = {one.content["submission"] for one in of.case.all_of(Kind.ACKNOWLEDGED)}
    labels = {one.oid: g.language.say(one.label) for one in mine}
    sent = [one for one in of.case.all_of(Kind.SUBMITTED) if one.number not in answered and one.content["obligation"] in labels]
    return {str(one.number): f"{one.number}. {labels[one.content['obligation']]} – {one.content['to']}" for one in sent}


def _roles() -> list[str]:
    study, site = g.place.published.study.oid, g.place.site.code
    found = []
    for verb in ("case.inform", "case.assess"):
        try:
            found.append(who(g.session.actor, verb, study, site, "").role)
        except NotAllowed:
            continue
    return found


def _choices(name: str, form: Any, of: Followed) -> None:
    """The answers that the lists of a form offer, in the reader's language."""
    if name == "submit":
        form.obligation.choices = {"": ""} | _offered(name, of)
    if name == "acknowledge":
        form.submission.choices = {"": ""} | _offered(name, of)
    if name == "narrative":
        form.language.choices = {code: NAMES.get(code, code) for code in of.study.languages}
    if name == "assess":
        for box in (*(form[factor] for factor in FACTORS), form.expected):
            box.choices = {code: g.language.gettext(label) if label else "" for code, label in box.choices.items()}


def _blank(name: str, of: Followed, draft: str) -> Form:
    """The boxes as they stand before anything is typed: the last assessment and narrative, and the present moment."""
    form: Any = ACTS[name][0](prefix=f"{name}-")
    if isinstance(form, boxes.MomentForm):
        form.show(g.now.astimezone(g.place.site.zone))
    if name == "inform":
        form.who.data = g.session.actor.name
    if name == "assess":
        last = of.case.latest(Kind.ASSESSED)
        for factor in FACTORS:
            form[factor].data = last.content["related"].get(factor, "") if last else ""
        form.expected.data = {True: "Y", False: "N"}.get(last.content["expected"], "") if last else ""
    if name == "narrative":
        form.language.data = g.language.code
        written = [one for one in of.case.all_of(Kind.NARRATIVE) if one.content["language"] == g.language.code]
        form.text.data = draft or (written[-1].content["text"] if written else "")
    return form
