"""Answers made smaller on their way, but for pages that another site asked for: how small one becomes must tell nobody what is in it."""

from __future__ import annotations

import gzip
from functools import lru_cache

from flask import Response, request

TEXTS = frozenset({"text/html", "text/css", "text/javascript", "application/javascript", "application/json", "image/svg+xml"})
OWN = frozenset({"same-origin", "none"})
"""What a browser says of a request that comes from a page of ours, or from the person; one that says nothing is not believed."""

LEAST = 500
"""Bytes below which an answer goes in one packet whatever is done to it."""

QUICKLY, WELL = 4, 9
"""A page is made smaller by whoever draws it, in about a millisecond; a file of the program once."""


def shrink(response: Response) -> Response:
    """Compress an answer for a browser that reads it so.

    A secret beside what an attacker put into the address could be guessed letter by letter from the size of the answer (BREACH). Who
    guesses makes a browser ask from a page of theirs, and the browser says so: that answer is sent as it is. What is no secret always may.
    """
    file = request.endpoint == "static"
    if response.status_code != 200 or response.mimetype not in TEXTS or "Content-Encoding" in response.headers:
        return response
    response.vary.add("Accept-Encoding")
    ours = file or request.headers.get("Sec-Fetch-Site") in OWN
    if not ours or request.accept_encodings.quality("gzip") <= 0 or (response.is_streamed and not file):
        return response
    response.direct_passthrough = False
    whole = response.get_data()
    if len(whole) < LEAST:
        return response
    response.set_data(_packed(whole) if file else gzip.compress(whole, QUICKLY, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    response.headers.pop("Accept-Ranges", None)
    etag, _ = response.get_etag()
    if etag:
        response.set_etag(etag, weak=True)  # The bytes are others than those of the file that the strong one names.
    return response


@lru_cache(maxsize=256)
def _packed(whole: bytes) -> bytes:
    return gzip.compress(whole, WELL, mtime=0)
