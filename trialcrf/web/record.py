"""What each request leaves behind: its id, a line of the log with what was decided of it, the counts, a mail after a burst of refusals."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections import deque

from flask import Response, current_app, g, request

from trialcrf.actions.reminding import notify
from trialcrf.external import clock
from trialcrf.external.logs import told
from trialcrf.external.metrics import Board
from trialcrf.store.audit import Who
from trialcrf.store.transaction import writing
from trialcrf.web import guard

MANY, WITHIN = 15, 600.0
"""So many refusals of one account in so many seconds are told to the administrators; each process of the server counts its own."""

ALLOWED, REFUSED = "allowed", "refused"
UNTOLD = frozenset({"static", "health.healthz", "metrics.shown"})
"""Asked all day long by browsers and watchers: they are counted and make no line."""

_FROM_OUTSIDE = re.compile(r"[A-Za-z0-9._-]{8,64}")
log = logging.getLogger("trialcrf.request")


def begin() -> None:
    """Before everything else. Only a proxy of ours may have named the request already."""
    given = request.headers.get("X-Request-Id", "") if current_app.config["PROXIES"] else ""
    g.request_id = given if _FROM_OUTSIDE.fullmatch(given) else secrets.token_hex(8)
    g.began = time.perf_counter()
    g.entered = False


def enter() -> None:
    """After the door: whoever comes so far may do what they ask, unless the view itself finds that they may not."""
    g.entered = True


def end(response: Response) -> Response:
    """After everything else."""
    response.headers["X-Request-Id"] = g.request_id
    seconds = time.perf_counter() - g.began
    rule = request.url_rule.rule if request.url_rule else ""
    verb, outcome = _decision(response.status_code)
    board: Board = current_app.extensions["trialcrf.board"]
    board.request(rule, response.status_code, seconds)
    if outcome == REFUSED and verb:
        board.refused(verb)
    if outcome != REFUSED and g.entered and request.method not in guard.SAFE and response.status_code < 400:
        board.saved()
    if request.endpoint not in UNTOLD:
        log.info("", extra=told("request", **_fields(rule, response.status_code, seconds, verb, outcome)))
    session = g.get("session")
    if outcome == REFUSED and session is not None and session.actor.id:
        _count(session.actor.id)
    return response


def _decision(status: int) -> tuple[str | None, str | None]:
    """The verb that the route needs, and whether it was allowed (ASVS 16.3.2). Nothing is decided about what is open to all."""
    if request.endpoint is None:
        return None, None
    verb = guard.needed_by(request.endpoint)
    if verb == guard.PUBLIC or (status >= 500 and not g.entered):
        return None, None
    return verb, ALLOWED if g.entered and status != 403 else REFUSED


def _fields(rule: str, status: int, seconds: float, verb: str | None, outcome: str | None) -> dict[str, object]:
    session, place = g.get("session"), g.get("place")
    return {
        "request": g.request_id,
        "route": rule or None,
        "method": request.method if request.method in _METHODS else "other",
        "status": status,
        "ms": round(seconds * 1000, 1),
        "account": session.actor.id if session is not None else None,
        "study": place.published.study.oid if place is not None and place.published else None,
        "site": place.site.code if place is not None and place.site else None,
        "verb": verb,
        "authorisation": outcome,
    }


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def failed(error: Exception) -> None:
    """A failure that nobody foresaw: the line has the number that the person is shown."""
    rule = request.url_rule.rule if request.url_rule else None
    log.error("a request failed", exc_info=error, extra=told("error", request=g.request_id, route=rule, method=request.method))


def _count(account_id: int) -> None:
    """Many refusals in a short time are no mistake of a hand: somebody looks for what is not theirs (21 CFR 11.300(d))."""
    bursts: dict[int, deque[float]] = current_app.extensions["trialcrf.bursts"]
    at = time.monotonic()
    of_late = bursts.setdefault(account_id, deque(maxlen=MANY))
    of_late.append(at)
    if len(of_late) < MANY or at - of_late[0] > WITHIN:
        return
    of_late.clear()
    try:
        guard.end_view()
        with writing(guard.engine(), clock.now(), Who.system(guard.address())) as tx:
            notify.queue_refusals(tx, account_id)
    except Exception as error:
        log.error("a burst of refusals could not be told", exc_info=error, extra=told("error", request=g.request_id))
