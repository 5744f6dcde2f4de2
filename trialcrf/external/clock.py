"""The clock: the only place where the time is read, and where it is held against another one. Shells read it once and pass it down."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

PATIENCE = 10.0
"""Seconds within which the other clock answers."""


class NoOtherClock(Exception):
    """The server that was to tell the time did not."""


class _Stays(HTTPRedirectHandler):
    """Follows no redirect: the house named one server, and that one alone is asked (OWASP ASVS 5.0.0, 15.3.2)."""

    def redirect_request(self, *_: Any) -> None:
        return None


def now() -> datetime:
    """This moment, as an aware datetime in UTC."""
    return datetime.now(UTC)


def skew(address: str) -> float:
    """By how many seconds this clock is ahead of the Date that a web server tells (negative: behind). Raises NoOtherClock.

    A Date has whole seconds, and an answer takes its time: what is less than a second is no difference.
    """
    before = now()
    try:
        with build_opener(_Stays).open(Request(address, method="HEAD"), timeout=PATIENCE) as answer:
            told = answer.headers.get("Date", "")
    except (URLError, OSError, ValueError) as error:
        raise NoOtherClock(str(error)) from error
    after = now()
    try:
        theirs = parsedate_to_datetime(told)
    except (TypeError, ValueError):
        raise NoOtherClock(f"no Date in the answer of {address}") from None
    ahead, behind = (before - theirs).total_seconds() - 1, (after - theirs).total_seconds()
    return max(ahead, 0.0) if behind > 0 else behind
