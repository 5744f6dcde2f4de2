"""What is typed is kept on the server within seconds: where a page sends it, what is offered on return, and how it is discarded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import Blueprint, abort, g, redirect, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, drafting, enter
from trialcrf.actions.enter import Opened, Typed
from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import Document, FormKey
from trialcrf.store import drafts, save_tokens
from trialcrf.store.audit import Who
from trialcrf.store.drafts import Draft
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.forms.unsaved import Beside, unsaved
from trialcrf.web.forms.webform import Posted, answers
from trialcrf.web.guard import page
from trialcrf.web.once import FIELD
from trialcrf.web.subjects import form_url, may_form

blueprint = Blueprint("drafts", __name__)

RULE = "/studies/<study>/subjects/<subject>/<event>/<int:repeat>/<form>/<int:n>/draft"

PAGE, GREW_FROM, TURN, TYPED_FOR = "page", "grew_from", "turn", "typed_for"
"""What a page says of itself beside its boxes: its token, those of the drafts that it took up, a number that grows with each sending, and
the milliseconds since the first key was pressed (two clocks need not agree on more than how fast time goes)."""

_KEPT = ("i.", "r.", "why", "ok.", "gone.", "copied.", "paste.", "paper_")
LONGEST, LARGEST = 64, 400_000
"""Letters of a token; bytes that all boxes of one page may hold."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A draft as a page offers it: since when, and what is different in it from what stands."""

    page: str
    begun_at: datetime
    kept_at: datetime
    compared: tuple[Beside, ...]
    stale: bool


@page(blueprint, RULE, "casebook.open", methods=["POST"])
def keep(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> tuple[str, int]:
    """Keep what the page holds now. Nothing is judged, and nobody else sees it.

    What cannot be kept is never answered as if it were: 409 where the page was saved and led on, 422 where there are too many.
    """
    key = FormKey(event, form, repeat, n)
    _writable(key)
    which: Subject = g.place.subject
    kept = _sent(form_url(which, key), which)
    if kept is None:
        abort(400)
    with guard.write(Who.nobody()) as tx:
        before = drafts.take(tx, kept.account_id, kept.address, grew_from())
        begun = min([kept.begun_at, *(one.begun_at for one in before)])
        # What was sent before the save and comes after it is no draft any more; a page that stands all the same says that it is another.
        if save_tokens.led_on(tx, kept.page, kept.account_id):
            return "", 409
        if drafts.full(tx, kept):
            abort(422)
        drafts.keep(tx, replace(kept, begun_at=begun))
    return "", 204


@page(blueprint, f"{RULE}/discard", "casebook.open", methods=["POST"])
def discard(study: str, subject: str, event: str, repeat: int, form: str, n: int) -> Response:
    """Discard a draft. That there was one stays in the trail."""
    key = FormKey(event, form, repeat, n)
    opened = _writable(key)
    which: Subject = g.place.subject
    with guard.write(guard.acting(f"{opened.form.access}.enter")) as tx:
        told = [event, repeat, form, n]
        gone = drafting.discard(tx, g.session.actor.id, form_url(which, key), [request.form.get(PAGE, "")], told)
    return redirect(form_url(which, key, **({"done": "discarded"} if gone else {})), 303)


def offers(tx: Transaction, opened: Opened, which: Subject, key: FormKey) -> tuple[Offer, ...]:
    """What the person left unsaved at this form, with how it differs; what does not differ is offered to nobody."""
    found = []
    for one in drafts.of_form(tx, g.session.actor.id, form_url(which, key)):
        posted = read(opened.form, one)
        sent = Typed(posted.raws, posted.gone, posted.reasons, posted.confirmations, posted.version or None)
        typed = enter.read_typed(tx, opened.published, which, key, sent, g.now)
        compared = unsaved(opened.form, posted, typed, opened.stored.document if opened.stored else Document())
        if compared or posted.gone:
            stale = one.version != (opened.stored.version if opened.stored else 0)
            found.append(Offer(one.page, one.begun_at, one.kept_at, compared, stale))
    return tuple(found)


def taken_up(tx: Transaction, form_def: FormDef, which: Subject, key: FormKey) -> Posted | None:
    """What was typed in the draft that the address names, if it is one of the person's own at this form."""
    wanted = request.args.get("draft", "")
    held = drafts.of_form(tx, g.session.actor.id, form_url(which, key)) if wanted else []
    return next((read(form_def, one) for one in held if one.page == wanted), None)


def read(form_def: FormDef, one: Draft) -> Posted:
    """A draft as if its page had been sent."""
    boxes: MultiDict[str, str] = MultiDict(one.fields)
    boxes["version"] = str(one.version)
    return answers(form_def, boxes)


def pages_of_save() -> Sequence[str]:
    """The tokens of the pages that this save settles: its own, and those that it grew from."""
    return [request.form.get(FIELD, "")[:LONGEST], *grew_from()]


def pages_of_page() -> Sequence[str]:
    """The tokens of the pages whose words this page shows again."""
    return [token for token in [request.args.get("draft", "")[:LONGEST], *(pages_of_save() if request.method == "POST" else ())] if token]


def grew_from() -> Sequence[str]:
    return [token for token in request.form.getlist(GREW_FROM)[: drafts.MOST_AT_A_FORM] if 0 < len(token) <= LONGEST]


def typed_since() -> datetime | None:
    """The moment of the first keystroke, as the page tells how long ago it was."""
    told = request.form.get(TYPED_FOR, "")
    if not (told.isascii() and told.isdecimal() and len(told) < 12):
        return None
    ago = timedelta(milliseconds=int(told))
    moment: datetime = g.now - ago
    return moment if ago <= drafts.KEPT else None


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


def _sent(address: str, which: Subject) -> Draft | None:
    """What the page sent; None where it does not say which page it is."""
    token, turn, version = (request.form.get(name, "") for name in (PAGE, TURN, "version"))
    if not (0 < len(token) <= LONGEST and _number(turn) and _number(version)):
        return None
    fields = tuple((name, value) for name, values in request.form.lists() for value in values if name == "p" or name.startswith(_KEPT))
    if sum(len(name) + len(value) for name, value in fields) > LARGEST:
        return None
    begun = typed_since() or g.now
    return Draft(g.session.actor.id, which.site.id, which.id, address, token, int(version), fields, int(turn), begun, g.now)


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 15
