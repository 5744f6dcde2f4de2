"""One-time codes of an authenticator app (RFC 6238: SHA-1, six digits, 30 seconds). The only room that imports pyotp."""

from __future__ import annotations

from datetime import datetime
from hmac import compare_digest

from pyotp import HOTP, random_base32
from pyotp.totp import TOTP

SECONDS, DIGITS, WINDOW = 30, 6, 1
"""A code is taken so many steps before and after its own: clocks of telephones go a little wrong."""


def new_secret() -> str:
    """160 random bits in base 32, as RFC 4226 asks."""
    return random_base32(32)


def uri(secret: str, username: str, issuer: str) -> str:
    """What an authenticator app reads from the square symbol."""
    found: str = TOTP(secret).provisioning_uri(name=username, issuer_name=issuer)
    return found


def step_of(at: datetime) -> int:
    """The number of the 30 seconds since 1970 in which this moment lies."""
    return int(at.timestamp()) // SECONDS


def accepted(secret: str, code: str, at: datetime, after: int) -> int | None:
    """The step whose code this is, within the window and later than the step `after`, so that no code opens twice; else None."""
    typed = code.encode("ascii", "replace")
    generator, now = HOTP(secret, digits=DIGITS), step_of(at)
    found = None
    # Every step is computed whatever fits: the time that it takes tells nothing.
    for step in range(now - WINDOW, now + WINDOW + 1):
        fits = compare_digest(generator.at(step).encode(), typed)
        if fits and step > after:
            found = step
    return found
