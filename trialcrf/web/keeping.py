"""Drafts of any page: what it says of itself, what is kept of it, what is offered on return, and how that is discarded and taken back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import abort, g, request

from trialcrf.actions import drafting
from trialcrf.core.wording import Sayable
from trialcrf.store import drafts
from trialcrf.store.audit import Who
from trialcrf.store.drafts import Draft
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.once import FIELD

PAGE, GREW_FROM, TURN, TYPED_FOR = "page", "grew_from", "turn", "typed_for"
"""What a page says of itself beside its boxes: its token, those of the drafts that it took up, a number that grows with each sending, and
the milliseconds since the first key was pressed (two clocks need not agree on more than how fast time goes)."""

LONGEST, LARGEST = 60, 400_000
"""Letters of a token; bytes that all boxes of one page may hold."""

Beside = tuple[str, tuple[Sayable | str, ...], tuple[Sayable | str, ...]]
"""A field by its label, what was typed, what stands."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A draft as a page offers it: since when, what is different in it from what stands, where going on with it leads (nowhere where its
    boxes are asked no more), and where it is discarded. `what` names it where a page has several kinds of boxes."""

    page: str
    begun_at: datetime
    kept_at: datetime
    compared: tuple[Beside, ...]
    stale: bool
    url: str
    discard_url: str
    address: str = ""
    what: Sayable | str = ""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What was discarded a moment ago, as a page offers to take that back."""

    page: str
    url: str
    address: str = ""


def keep_sent(kept: Draft, saved: Callable[[Transaction], bool]) -> tuple[str, int]:
    """Keep it in place of those that its page grew from.

    What cannot be kept is never answered as if it were: 409 where the page was saved and led on, 422 where there are too many.
    """
    with guard.write(Who.nobody()) as tx:
        before = drafts.take(tx, kept.account_id, kept.address, grew_from())
        begun = min([kept.begun_at, *(one.begun_at for one in before)])
        # What was sent before the save and comes after it is no draft any more; a page that stands all the same says that it is another.
        if saved(tx):
            return "", 409
        if drafts.full(tx, kept):
            abort(422)
        drafts.keep(tx, replace(kept, begun_at=begun))
    return "", 204


def discard_sent(tx: Transaction, address: str) -> dict[str, str]:
    """Discard what the page names, or (`back`) take that back. Returns what the address of the next page asks for."""
    mine, one = g.session.actor.id, request.form.get(PAGE, "")[:LONGEST]
    if "back" in request.form:
        return {"done": "taken_back" if drafting.restore(tx, mine, address, one) else "too_late"}
    return {"done": "discarded", "back": one} if drafting.discard(tx, mine, address, [one]) else {}


def taken_back(tx: Transaction, address: str, url: str, named: str = "") -> TakenBack | None:
    """What was discarded a moment ago, if that can be taken back: the address of the page names it."""
    one = request.args.get("back", "")[:LONGEST]
    held = one and request.method == "GET" and drafts.discarded(tx, g.session.actor.id, address, one, g.now)
    return TakenBack(one, url, named) if held else None


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


def draft_of(address: str, site: Site, subject: Subject | None, version: int, fields: tuple[tuple[str, str], ...]) -> Draft | None:
    """What a page sent as the draft that it is; None where the page does not say which it is, or holds too much."""
    token, turn = request.form.get(PAGE, ""), request.form.get(TURN, "")
    if not (0 < len(token) <= LONGEST and not token.startswith(drafts.DISCARDED) and is_number(turn)):
        return None
    if sum(len(name) + len(value) for name, value in fields) > LARGEST:
        return None
    begun = typed_since() or g.now
    return Draft(g.session.actor.id, site.id, subject.id if subject else None, address, token, version, fields, int(turn), begun, g.now)


def is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 15
