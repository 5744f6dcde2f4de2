"""One's own account: signing in and out, password, factors, language and theme, accepting an invitation. Here is what the pages share."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from flask import Blueprint, g, url_for

from trialcrf.actions import sign_in
from trialcrf.actions.signing_in import own_factors
from trialcrf.store.audit import Who
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.page import Shell

blueprint = Blueprint("account", __name__)


def safe_next(address: str) -> str:
    """An address of ours, or the start: never a way to another server."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return url_for("account.home")
    ours = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    # A browser leaves out what is not printed, and may read another address then.
    return address if ours and "\\" not in address and address.isprintable() else url_for("account.home")


def frame(endpoint: str, alone: bool = False) -> Shell:
    """The frame of a page that may be the answer to a form: changing the language leads to the page that can be read again."""
    return replace(shell(alone), here=url_for(endpoint))


def confirm_person(password: str, box: str = "password") -> None:
    """Whoever changes what opens the account types its password again; the session goes on under a new token.

    Raises Impossible; a wrong one counts as a failed sign-in.
    """
    actor = g.session.actor
    try:
        with guard.read() as tx:
            own_factors.confirm_person(tx, actor.id, password, guard.address(), g.now)
    except own_factors.WrongPassword as wrong:
        with guard.write(Who.nobody()) as tx:
            sign_in.note_failure(tx, actor.username, guard.address())
        wrong.field = box
        raise
    guard.renew()
