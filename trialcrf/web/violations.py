"""Where browsers tell what the policy of a page stopped. Anyone can send here, so little is read, less is believed, and nothing is kept."""

from __future__ import annotations

import json
import logging
import re
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, current_app, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from trialcrf.web.guard import PUBLIC, page
from trialcrf.web.headers import REPORTED_TO

blueprint = Blueprint("violations", __name__)

LARGEST = 16 * 1024
"""Bytes of what a browser sends; the reports of a page fit many times over."""

MOST, WITHIN = 20, timedelta(minutes=10)
"""How many are written down within how long by one process: somebody who sends thousands fills no disk."""

_DIRECTIVES = frozenset(
    {
        "default-src", "script-src", "script-src-elem", "script-src-attr", "style-src", "style-src-elem", "style-src-attr", "img-src",
        "font-src", "connect-src", "object-src", "form-action", "frame-ancestors", "frame-src", "base-uri", "media-src", "worker-src",
        "manifest-src", "child-src", "require-trusted-types-for", "trusted-types",
    }
)  # fmt: skip
_BLOCKED = frozenset({"inline", "eval", "wasm-eval", "self", "data", "blob", "trusted-types-sink", "trusted-types-policy"})
_HOST = re.compile(r"[a-z0-9.-]{1,100}")

_lately: deque[datetime] = deque(maxlen=MOST)
log = logging.getLogger(__name__)


@page(blueprint, REPORTED_TO, PUBLIC, methods=["POST"])
def take() -> tuple[str, int]:
    """A report in either of the two forms that browsers send. The answer is always the same, and what is no report is dropped.

    Written down are the directive, the server that was to be reached, and which page of the program it was: no address of ours
    (which names a subject), no text of the page.
    """
    request.max_content_length = LARGEST
    try:
        sent = json.loads(request.get_data(cache=False))
    except (ValueError, RecursionError):
        return "", 204
    for told in _reports(sent):
        directive = _said(told, "effectiveDirective", "effective-directive", "violated-directive").partition(" ")[0]
        if directive not in _DIRECTIVES or not _may_write(g.now):
            continue
        blocked = _blocked(_said(told, "blockedURL", "blocked-uri"))
        log.warning("the policy stopped %s of %s on %s", directive, blocked, _page_of(_said(told, "documentURL", "document-uri")))
    return "", 204


def _reports(sent: Any) -> list[Mapping[str, Any]]:
    """The reports in what was sent: one under `csp-report`, or a list of them with their `body`."""
    found = [one.get("body") for one in sent if isinstance(one, Mapping)] if isinstance(sent, list) else []
    if isinstance(sent, Mapping):
        found = [sent.get("csp-report")]
    return [one for one in found[:MOST] if isinstance(one, Mapping)]


def _said(told: Mapping[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := told.get(name), str)), "")


def _may_write(now: datetime) -> bool:
    """Whether fewer than the most were written within the time: if so, this one counts too."""
    if len(_lately) == MOST and _lately[0] > now - WITHIN:
        return False
    _lately.append(now)
    return True


def _blocked(said: str) -> str:
    """What was stopped: one of the words that the standard has, or the name of a server without its path."""
    if said in _BLOCKED:
        return said
    try:
        host = urlsplit(said).hostname or ""
    except ValueError:
        host = ""
    return host if _HOST.fullmatch(host) else "something else"


def _page_of(address: str) -> str:
    """The name of the page in the program. The address itself names subjects."""
    try:
        found, _ = current_app.url_map.bind("").match(urlsplit(address).path)
    except (HTTPException, RequestRedirect, ValueError):
        return "no page of ours"
    return str(found)
