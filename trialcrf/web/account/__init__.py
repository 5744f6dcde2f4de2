"""One's own account: signing in and out, password, factors, language and theme, accepting an invitation. Here is what the pages share."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from flask import Blueprint, current_app, g, url_for

from trialcrf.actions import sign_in
from trialcrf.actions.signing_in import own_factors
from trialcrf.store import accounts
from trialcrf.store import hospital as links
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


def by_hospital_alone() -> bool:
    """Whether the person has no password, and the sign-in of the hospital in its place."""
    if not current_app.config["HOSPITAL"]:
        return False
    with guard.read() as tx:
        found = accounts.by_id(tx, g.session.actor.id)
        return found is not None and not found.password_hash and links.link_of(tx, found.id) is not None


def confirm_person(password: str, box: str = "password") -> None:
    """Whoever changes what opens the account types its password again; the session goes on under a new token.

    Of whoever has none the hospital was asked before (`web/step_up.py`), and a session that is fresh by that is the proof.
    Raises Impossible; a wrong one counts as a failed sign-in.
    """
    actor = g.session.actor
    if box == "password" and g.session.fresh(g.now) and by_hospital_alone():
        return
    try:
        with guard.read() as tx:
            own_factors.confirm_person(tx, actor.id, password, guard.address(), g.now)
    except own_factors.WrongPassword as wrong:
        with guard.write(Who.nobody()) as tx:
            sign_in.note_failure(tx, actor.username, guard.address())
        wrong.field = box
        raise
    guard.renew()
