"""What is typed is kept on the server within seconds: where a page sends it, what is offered on return, and how it is discarded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, abort, g, redirect, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, enter
from trialcrf.actions.enter import Opened, Typed
from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import Answer, Document, FormKey, Place
from trialcrf.core.values import Unreadable
from trialcrf.store import drafts, save_tokens
from trialcrf.store.drafts import Draft
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.forms.unsaved import unsaved
from trialcrf.web.forms.webform import Posted, answers
from trialcrf.web.guard import page
from trialcrf.web.keeping import Offer, TakenBack, discard_sent, draft_of, is_number, keep_sent, taken_back
from trialcrf.web.subjects import form_url, may_form

blueprint = Blueprint("drafts", __name__)

RULE = "/studies/<study>/subjects/<subject>/<event>/<int:repeat>/<form>/<int:n>/draft"

_KEPT = ("i.", "r.", "why", "ok.", "gone.", "copied.", "paste.", "paper_")

Reading = Mapping[Place, Answer | Unreadable | None]
"""What was typed, as it would be recorded."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a form is typed: the path that its page is saved to, where its drafts are discarded, whose record it is or (none) will be."""

    form: FormDef
    address: str
    discard_url: str
    site: Site
    subject: Subject | None = None


@page(blueprint, RULE, "casebook.open", methods=["POST"])
def keep(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> tuple[str, int]:
    """Keep what the page holds now. Nothing is judged, and nobody else sees it.

    What cannot be kept is never answered as if it were: 409 where the page was saved and led on, 422 where there are too many.
    """
    key = FormKey(event, form, repeat, n)
    return keep_at(desk_of(_writable(key).form, g.place.subject, key))


@page(blueprint, f"{RULE}/discard", "casebook.open", methods=["POST"])
def discard(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> Response:
    """Discard a draft, or take that back. That there was one stays in the trail."""
    key = FormKey(event, form, repeat, n)
    opened = _writable(key)
    return discard_at(desk_of(opened.form, g.place.subject, key), f"{opened.form.access}.enter")


def desk_of(form: FormDef, which: Subject, key: FormKey) -> Desk:
    address = form_url(which, key)
    return Desk(form, address, f"{address}/draft/discard", which.site, which)


def keep_at(desk: Desk) -> tuple[str, int]:
    kept = _sent(desk)
    if kept is None:
        abort(400)
    return keep_sent(kept, lambda tx: save_tokens.led_on(tx, kept.page, kept.account_id))


def discard_at(desk: Desk, verb: str) -> Response:
    with guard.write(guard.acting(verb)) as tx:
        asked = discard_sent(tx, desk.address)
    return redirect(f"{desk.address}?{urlencode(asked)}" if asked else desk.address, 303)


def offers(tx: Transaction, desk: Desk, version: int, stands: Document, typed: Callable[[Posted], Reading]) -> tuple[Offer, ...]:
    """What the person left unsaved at this form, with how it differs; what does not differ is offered to nobody."""
    found = []
    for one in drafts.of_form(tx, g.session.actor.id, desk.address):
        posted = read(desk.form, one)
        compared = unsaved(desk.form, posted, typed(posted), stands)
        if compared or posted.gone:
            url = f"{desk.address}?{urlencode({'draft': one.page})}"
            found.append(Offer(one.page, one.begun_at, one.kept_at, compared, one.version != version, url, desk.discard_url))
    return tuple(found)


def of_opened(tx: Transaction, opened: Opened, which: Subject, key: FormKey) -> tuple[tuple[Offer, ...], TakenBack | None]:
    """What the person typed in a form of a subject and did not save, and what they discarded there a moment ago."""
    stored, desk = opened.stored, desk_of(opened.form, which, key)

    def typed(posted: Posted) -> Reading:
        return enter.read_typed(tx, opened.published, which, key, typed_of(posted), g.now)

    stands = stored.document if stored else Document()
    found = offers(tx, desk, stored.version if stored else 0, stands, typed)
    return found, taken_back(tx, desk.address, desk.discard_url)


def taken_up(tx: Transaction, desk: Desk) -> Posted | None:
    """What was typed in the draft that the address names, if it is one of the person's own at this form."""
    wanted = request.args.get("draft", "")
    held = drafts.of_form(tx, g.session.actor.id, desk.address) if wanted else []
    return next((read(desk.form, one) for one in held if one.page == wanted), None)


def typed_of(posted: Posted) -> Typed:
    return Typed(posted.raws, posted.gone, posted.reasons, posted.confirmations, posted.version or None, posted.copied)


def read(form_def: FormDef, one: Draft) -> Posted:
    """A draft as if its page had been sent."""
    boxes: MultiDict[str, str] = MultiDict(one.fields)
    boxes["version"] = str(one.version)
    return answers(form_def, boxes)


def _writable(key: FormKey) -> Opened:
    """The form at this address, if the person may enter it: 404 where there is none for them, 403 where they only read it."""
    try:
        with guard.read() as tx:
            opened = enter.open_form(tx, g.place.published, g.place.subject, key, g.now)
    except Impossible:
        abort(404)
    if not may_form(opened.form, "read"):
        abort(404)
    if not may_form(opened.form, "enter"):
        abort(403)
    return opened


def _sent(desk: Desk) -> Draft | None:
    """What the page sent; None where it does not say which page it is."""
    version = request.form.get("version", "")
    fields = tuple((name, value) for name, values in request.form.lists() for value in values if name == "p" or name.startswith(_KEPT))
    return draft_of(desk.address, desk.site, desk.subject, int(version), fields) if is_number(version) else None
