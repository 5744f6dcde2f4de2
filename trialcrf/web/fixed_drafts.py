"""Drafts of the fixed pages: what is typed in a question, an answer, a narrative or a decision is kept as on the pages of forms.

A page says which of its forms it draws (`beside`), and that is all: what is kept of them, offered on return and taken away by the save is
the same for all. To keep something, the page itself is opened for whoever types, up to where it draws its forms: who may not open it any
more, or is not asked this any more, keeps nothing there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode

from flask import Blueprint, abort, current_app, g, redirect, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse
from wtforms import Field, Form, RadioField, SelectField, SelectMultipleField, StringField, TextAreaField

from trialcrf.core.wording import N_, Message
from trialcrf.store import drafts, save_tokens, sites
from trialcrf.store.audit import Who
from trialcrf.store.drafts import OF_STUDY, SHOWN_BY, Draft
from trialcrf.store.transaction import Transaction, writing
from trialcrf.web import guard, keeping
from trialcrf.web.guard import SAFE, SELF, page
from trialcrf.web.keeping import Beside, Offer, TakenBack

blueprint = Blueprint("fixed_drafts", __name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """Boxes of which drafts are kept. `page` is the route of the page that they stand on, `part` tells them from others of that page,
    `what` names them where the person's drafts are listed; both may name parts of the address."""

    page: str
    what: str
    part: str = ""


_LOCK = Kept("locks.one", N_("Reason of a freeze or lock"))
KEPT: Mapping[str, Kept] = {
    "amendments.approve": Kept("amendments.one", N_("Approval of version %(version)s")),
    "batches.mark_error": Kept("batches.one", N_("%(subject)s: entered in error"), "error"),
    "cases.write": Kept("cases.one", N_("Serious event, case %(number)s"), "%(act)s"),
    "delegation.end": Kept("delegation.end_page", N_("End of a delegation")),
    "eligibility.sign": Kept("eligibility.criteria", N_("%(subject)s: eligibility")),
    "entry.mark_error": Kept("entry.form", N_("%(subject)s: form entered in error"), "error"),
    "follow_up.mark_missed": Kept("follow_up.missed", N_("%(subject)s: missed visit")),
    "follow_up.request_deviation": Kept("follow_up.deviation", N_("%(subject)s: deviation")),
    "laboratory.add": Kept("laboratory.listed", N_("Limits of a laboratory")),
    "laboratory.end": Kept("laboratory.one", N_("Limits of a laboratory"), "end"),
    "laboratory.mark_error": Kept("laboratory.one", N_("Limits of a laboratory"), "error"),
    "locks.freeze": _LOCK,
    "locks.thaw": _LOCK,
    "locks.lock": _LOCK,
    "locks.unlock": _LOCK,
    "locks.lock_study": Kept("locks.checklist", N_("Checklist of the lock")),
    "locks.lock_site": Kept("locks.site_checklist", N_("Checklist of the lock")),
    "look_back.run": Kept("look_back.shown", N_("%(subject)s: look-back")),
    "monitoring.plan": Kept("monitoring.listed", N_("Plan of a monitoring visit")),
    "monitoring.write": Kept("monitoring.one", N_("Monitoring visit no. %(number)s, site %(site)s"), "%(act)s"),
    "queries.answer": Kept("queries.one", N_("Query %(query)s"), "answer"),
    "queries.arrange": Kept("queries.one", N_("Query %(query)s"), "arrange"),
    "queries.judge": Kept("queries.one", N_("Query %(query)s"), "review"),
    "release.sign": Kept("release.shown", N_("%(subject)s: release")),
    "reports.order": Kept("reports.listed", N_("Order of a report")),
    "requests.decide": Kept("requests.one", N_("Request %(number)s")),
    "review.sign": Kept("review.shown", N_("Review of the audit trail")),
    "stopping.judge": Kept("stopping.shown", N_("Decision on the stopping rule"), "hold%(number)s"),
    "stopping.open": Kept("stopping.shown", N_("Decision on the stopping rule"), "cohort"),
    "subjects.mark_error": Kept("subjects.one", N_("%(subject)s: entered in error"), "error"),
    "threads.ask_form": Kept("threads.form", N_("%(subject)s: query"), "query"),
    "threads.ask_visit": Kept("threads.visit", N_("%(subject)s: query"), "query"),
    "threads.comment_form": Kept("threads.form", N_("%(subject)s: comment"), "comment"),
    "threads.comment_visit": Kept("threads.visit", N_("%(subject)s: comment"), "comment"),
}
"""What is sent from a fixed page and kept before, by the route that it is sent to. What is in no line is never kept."""

KINDS = (StringField, TextAreaField, SelectField, SelectMultipleField, RadioField)
"""The kinds of boxes that are kept; passwords, files and what a page says of itself are of others."""

_SECRET = ("password", "one-time-code", "webauthn")
_ASKED = "typed"
"""What names, in the address of a page, the draft that is taken up there."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """What a page that is drawn says of drafts: where each of its forms is kept (nothing where it asks its reader nothing), what is
    offered, and what it has taken up."""

    keep: str
    offers: Sequence[Offer] = ()
    taken_back: TakenBack | None = None
    grew_from: Sequence[str] = ()
    open: str = ""


class _Reached(Exception):
    """A page was opened up to its forms, and is not drawn."""

    def __init__(self, forms: Mapping[str, tuple[Form, ...]]) -> None:
        super().__init__("its forms are reached")
        self.forms = forms


def beside(forms: Mapping[str, Form | tuple[Form, ...] | None]) -> None:
    """Said by a page before it is drawn: its forms, by where they are sent to. Those of a draft that is taken up are filled in here."""
    if current_app.config["ARCHIVE"] or g.session is None:
        return
    urls = {url: one if isinstance(one, tuple) else (one,) for url, one in forms.items() if url and one is not None}
    drawn = {address_of(url): boxes for url, boxes in urls.items()}
    if g.get("reaching"):
        raise _Reached(drawn)
    keep_at = json.dumps({url: address_of(url) for url in urls}) if urls else ""
    if request.method not in SAFE:
        g.drafted = Drafted(keep_at, grew_from=[one for one in keeping.pages_of_save() if one])
        return
    here, wanted = url_for(request.endpoint or "", **(request.view_args or {})), request.args.get(_ASKED, "")
    with guard.read() as tx:
        every = drafts.of_person(tx, g.session.actor.id)
        held = [one for one in every if one.address.partition("#")[0] == here and kept_of(one.address)]
        found = [offer for one in held if one.page != wanted for offer in _offers(one, drawn.get(one.address))]
        back = _taken_back(tx, here)
    up = next((one for one in held if one.page == wanted and one.address in drawn), None)
    if up is not None:
        for form in drawn[up.address]:
            _fill(form, up)
    opened = next((url for url in urls if up and address_of(url) == up.address), "")
    g.drafted = Drafted(keep_at, found, back, [up.page] if up else (), opened)


def drafted() -> Drafted | None:
    """For the frame of every page: what it says of drafts, if it has anything to say."""
    found: Drafted | None = g.get("drafted")
    return found


@page(blueprint, "/typed", SELF, methods=["POST"])
def keep() -> tuple[str, int]:
    """Keep what a form of a fixed page holds now. Nothing is judged, and nobody else sees it."""
    address = request.form.get("address", "")
    forms = _opened(address)
    site, version = g.place.site, 0
    if site is None:
        with guard.read() as tx:
            site, version = next(iter(sites.all_of(tx, g.place.published.study.oid)), None), OF_STUDY
    if site is None:
        abort(409)
    kept = keeping.draft_of(address, site, g.place.subject, version, _sent(forms))
    if kept is None:
        abort(400)
    return keeping.keep_sent(kept, lambda tx: save_tokens.saved_by(tx, kept.page, kept.account_id, _routes_of(address)))


@page(blueprint, "/typed/discard", SELF, methods=["POST"])
def discard() -> AnyResponse:
    """Discard a draft of a fixed page, or take that back: it is the person's own, whatever became of the page."""
    address = request.form.get("address", "")
    path, _, part = address.partition("#")
    if kept_of(address) is None:
        abort(404)
    with guard.write() as tx:
        asked = keeping.discard_sent(tx, address)
    if "back" in asked:
        asked["of"] = part
    return redirect(f"{path}?{urlencode(asked)}" if asked else path, 303)


def look() -> None:
    """Before a save of such boxes: its drafts are taken away in the transaction that saves."""
    if request.method in SAFE or request.endpoint not in KEPT or g.get("session") is None:
        return
    account_id, address, pages = g.session.actor.id, address_of(request.path), [one for one in keeping.pages_of_save() if one]

    def take(tx: Transaction) -> None:
        g.taken_drafts = drafts.take(tx, account_id, address, pages)

    g.before_writing = [*g.get("before_writing", ()), take]


def settle(response: AnyResponse) -> AnyResponse:
    """After the request: what did not lead onward was refused, though something was recorded of it. What was typed is still a draft."""
    taken = g.pop("taken_drafts", [])
    if taken and not 300 <= response.status_code < 400:
        with writing(guard.engine(), g.now, Who.nobody()) as tx:
            for one in taken:
                drafts.put_back(tx, one)
    return response


def address_of(url: str) -> str:
    """Under which address is kept what is sent to this path: that of its page, and which part of the page it is."""
    endpoint, values = _routed(url, "POST")
    kept = KEPT[endpoint]
    names = next(current_app.url_map.iter_rules(kept.page)).arguments
    shown = url_for(kept.page, **{name: value for name, value in values.items() if name in names})
    return f"{shown}#{kept.part % values}" if kept.part else shown


def kept_of(address: str) -> Kept | None:
    """What is kept under this address; None where it is that of no fixed page."""
    path, _, part = address.partition("#")
    try:
        endpoint, values = _routed(path, "GET")
    except HTTPException:
        return None
    return next((one for one in KEPT.values() if one.page == endpoint and _is_part(one, values, part)), None)


def line_of(one: Draft) -> tuple[str, Message] | None:
    """Where a draft of a fixed page is offered, and what it is; None for one of a form."""
    kept, path = kept_of(one.address), one.address.partition("#")[0]
    if kept is None:
        return None
    query = dict(one.fields).get(SHOWN_BY, "")
    return f"{path}?{query}" if query else path, Message(kept.what, _routed(path, "GET")[1])


def boxes_of(form: Form) -> list[Field]:
    """The boxes of a form that are kept: by their kind, whatever a page sends."""
    return [box for box in form if type(box) in KINDS and box.short_name not in getattr(form, "never_kept", ()) and not _is_secret(box)]


def _is_secret(box: Field) -> bool:
    told = str((box.render_kw or {}).get("autocomplete", ""))
    return any(word in told for word in _SECRET)


def _routed(path: str, method: str) -> tuple[str, Mapping[str, Any]]:
    """Raises HTTPException where no route has this path."""
    endpoint, values = current_app.url_map.bind("").match(unquote(path), method)
    return endpoint, values


def _is_part(one: Kept, values: Mapping[str, Any], part: str) -> bool:
    return bool(part) == bool(one.part) and ("%(" in one.part or one.part == part)


def _routes_of(address: str) -> list[str]:
    """The routes that take what is kept under this address, as the saved pages name them."""
    part, endpoint = address.partition("#")[2], _routed(address.partition("#")[0], "GET")[0]
    names = [(name, one) for name, one in KEPT.items() if one.page == endpoint and _is_part(one, {}, part)]
    return [f"{name} {part}" if one.part == "%(act)s" else name for name, one in names]


def _opened(address: str) -> tuple[Form, ...]:
    """The forms that are kept under this address, as the page draws them for whoever asks; 404, 403 or 409 where it does not."""
    if kept_of(address) is None:
        abort(404)
    endpoint, values = _routed(address.partition("#")[0], "GET")
    if any("POST" in (rule.methods or ()) for rule in current_app.url_map.iter_rules(endpoint)):
        abort(404)  # The page is opened by its own view, which must do nothing else.
    with guard.read() as tx:
        guard.find_place(tx, guard.needed_by(endpoint), values)
    g.reaching = True
    try:
        current_app.view_functions[endpoint](**values)
    except _Reached as reached:
        if address in reached.forms:
            return reached.forms[address]
    finally:
        g.reaching = False
    abort(409)


def _sent(forms: Sequence[Form]) -> tuple[tuple[str, str], ...]:
    """What the page sent of the boxes that are kept, and what its own address asks for."""
    names = {box.name for form in forms for box in boxes_of(form)}
    sent = [(name, value) for name, value in request.form.items(multi=True) if name in names]
    shown = _shown_by()
    about = request.form.get("about", "")
    if about:  # A thread shows one place of a form: the one that is written about, whatever place it was opened at.
        shown = urlencode({"at": about})
    return (*sent, *([(SHOWN_BY, shown)] if shown else []))


def _shown_by() -> str:
    """What the address of the page asks for besides drafts."""
    return urlencode([(name, value) for name, value in request.args.items(multi=True) if name not in (_ASKED, "done", "back", "of")])


def _fill(form: Form, one: Draft) -> None:
    for box in boxes_of(form):
        values = [value for name, value in one.fields if name == box.name]
        if values:
            box.data = values if isinstance(box, SelectMultipleField) else values[0]


def _offers(one: Draft, forms: Sequence[Form] | None) -> list[Offer]:
    """The draft with how it differs from what the page shows. Where its boxes are asked no more it can only be read and discarded."""
    kept, line = kept_of(one.address), line_of(one)
    assert kept is not None and line is not None
    boxes = [box for form in forms or () for box in boxes_of(form)]
    compared: list[Beside] = []
    for name in dict.fromkeys(name for name, _ in one.fields if name != SHOWN_BY):
        box = next((each for each in boxes if each.name == name), None)
        text = ", ".join(_shown(box, value) for each, value in one.fields if each == name)
        stands = "" if box is None else _shown(box, _stands(box))
        if _plain(text) != _plain(stands):
            label = g.language.gettext(box.label.text if box else N_("Text"))
            compared.append((label, (text or Message(N_("blank")),), (stands,) if stands else ()))
    if not compared:
        return []
    # A page that asks for a period, or shows one place of many, draws these boxes only where its address says so.
    asked = forms or dict(one.fields).get(SHOWN_BY, "") not in ("", _shown_by())
    url = f"{line[0]}{'&' if '?' in line[0] else '?'}{urlencode({_ASKED: one.page})}" if asked else ""
    return [Offer(one.page, one.begun_at, one.kept_at, tuple(compared), False, url, url_for("fixed_drafts.discard"), one.address, line[1])]


def _shown(box: Field | None, value: str) -> str:
    """A value as its box shows it: a choice by its words."""
    return _choices(box).get(value, value)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _stands(box: Field) -> str:
    """What the box shows before anybody typed; a drop-down box shows its first choice where it has nothing."""
    value, choices = str(box.data or ""), _choices(box)
    return next(iter(choices), value) if type(box) is SelectField and value not in choices else value


def _choices(box: Field | None) -> dict[str, str]:
    choices = getattr(box, "choices", None) or ()
    pairs = choices.items() if isinstance(choices, dict) else choices
    return {str(code): str(label) for code, label in pairs}


def _taken_back(tx: Transaction, here: str) -> TakenBack | None:
    part = request.args.get("of", "")
    address = f"{here}#{part}" if part else here
    return keeping.taken_back(tx, address, url_for("fixed_drafts.discard"), address)
