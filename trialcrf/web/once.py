"""A page that is sent twice is saved once: a double click, or a browser that sends again because the answer never came."""

from __future__ import annotations

import hashlib
from functools import partial

from flask import Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from trialcrf.store import save_tokens
from trialcrf.store.audit import Who
from trialcrf.store.save_tokens import Sent
from trialcrf.store.transaction import Transaction, writing
from trialcrf.web import guard
from trialcrf.web.account.going_on import CARRIED_NAMES
from trialcrf.web.step_up import BOX

FIELD = "save_token"
LONGEST = 64

_OF_THE_SESSION = frozenset({"token", FIELD, BOX, *CARRIED_NAMES})
"""Fields that say who sends, not what is sent: they are others when the same page is sent after signing in again."""


class SavedAlready(Exception):
    """This page, as it is, was saved before: `location` is where that save led."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


def look() -> AnyResponse | None:
    """Before a write that comes from a page of ours: what was saved already is answered as it was then, and nothing is written."""
    sent = _sent()
    if sent is None:
        return None
    with guard.read() as tx:
        location = save_tokens.saved(tx, sent)
    if location is not None:
        return lead(SavedAlready(location))
    # The first transaction of this request is the one that saves: refusals are recorded in later ones.
    g.before_writing = [partial(_take, sent)]
    return None


def _take(sent: Sent, tx: Transaction) -> None:
    if not save_tokens.take(tx, sent, route()):
        raise SavedAlready(save_tokens.saved(tx, sent) or "")
    g.saving = sent


def route() -> str:
    """The route of this request, with the act where one route has several."""
    return " ".join(part for part in (request.endpoint, (request.view_args or {}).get("act")) if part)


def answers(location: str) -> None:
    """Said within the transaction that saves: the same page sent again leads there too."""
    sent = g.get("saving")
    if sent is not None:
        guard.alongside(lambda tx: save_tokens.lead(tx, sent, location))


def settle(response: Response) -> Response:
    """After the request: what did not lead onward was refused, or gave a file. Sent again, it is judged again."""
    sent = g.pop("saving", None)
    if sent is not None and not 300 <= response.status_code < 400:
        with writing(guard.engine(), g.now, Who.nobody()) as tx:
            save_tokens.forget(tx, sent)
    return response


def lead(again: SavedAlready) -> AnyResponse:
    """As the first time; where nobody said where to, back to the page that was sent."""
    return redirect(again.location or f"{_from()}?done=once", 303)


def _from() -> str:
    """The path of the page that sent this, if it is one of ours."""
    before, _, after = (request.referrer or "").partition(request.host_url)
    path = after.partition("?")[0].partition("#")[0]
    return f"/{path}" if not before and after and not path.startswith(("/", "\\")) else url_for("account.home")


def _sent() -> Sent | None:
    token = request.form.get(FIELD, "") if request.method not in guard.SAFE and g.get("session") is not None else ""
    if not token or len(token) > LONGEST:
        return None
    digest = hashlib.sha256()
    for name, values in sorted(request.form.lists()):
        if name not in _OF_THE_SESSION:
            for value in values:
                digest.update(f"{len(name)} {len(value)} {name}{value}".encode("utf-8", "replace"))
    for name, file in request.files.items(multi=True):
        digest.update(f"{name} {file.filename}".encode("utf-8", "replace") + hashlib.file_digest(file.stream, "sha256").digest())  # type: ignore[arg-type]
        file.stream.seek(0)
    digest.update(f"{request.method} {request.full_path}".encode("utf-8", "replace"))
    return Sent(hashlib.sha256(token.encode("utf-8", "replace")).hexdigest(), g.session.actor.id, digest.hexdigest())
