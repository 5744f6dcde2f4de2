"""What a browser is told to keep to: the headers of every answer, and the word (nonce) of an answer without which no script runs."""

from __future__ import annotations

import secrets

from flask import Response, current_app, g, request

METHODS = frozenset({"GET", "HEAD", "POST"})
"""What a page is asked by. Every other method is answered by 405, whatever the address."""

REPORTED_TO = "/violations"
"""Where browsers tell what the policy stopped (web/violations.py)."""

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), geolocation=(), gyroscope=(), hid=(), "
        "magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=(), xr-spatial-tracking=()"
    ),
    "X-Frame-Options": "DENY",
    "X-Permitted-Cross-Domain-Policies": "none",
}

TWO_YEARS = 2 * 365 * 24 * 3600

_PAGE = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "object-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types trialcrf; report-uri {to}; report-to violations"
)
_FILE = "default-src 'none'; object-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
_SANDBOX = f"{_FILE}; sandbox"

_MARKUP = frozenset({"text/html", "application/xhtml+xml"})
_SHOWN = frozenset({"application/pdf"})
"""What a browser draws by a program of its own, which does not start in a sandbox."""


def nonce() -> str:
    """The word of this answer: templates give it to our scripts, and modules that those load inherit it. Nobody can know it beforehand."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(18)
    word: str = g.nonce
    return word


def policy(media_type: str, word: str) -> str:
    """The content security policy of an answer: pages run our scripts alone, and what is no page runs nothing wherever it is opened."""
    if media_type in _MARKUP:
        return _PAGE.format(nonce=word, to=REPORTED_TO)
    return _FILE if media_type in _SHOWN else _SANDBOX


def add(response: Response) -> None:
    """The headers of every answer, those of errors included. A page that says something of its own keeps it."""
    for name, value in ALWAYS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", policy(response.mimetype or "", nonce()))
    if response.mimetype in _MARKUP:
        response.headers.setdefault("Reporting-Endpoints", f'violations="{REPORTED_TO}"')
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
        # Whoever keeps an answer all the same keeps it for this person and this language only.
        response.vary.update(("Cookie", "Accept-Language"))
    if current_app.config["SECURE_COOKIES"]:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={TWO_YEARS}; includeSubDomains")
