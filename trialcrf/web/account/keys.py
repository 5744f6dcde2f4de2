"""The keys that the pages listen to: listed, and chosen by each person for themselves (WCAG 2.2, 2.1.4)."""

from __future__ import annotations

from flask import g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import administer
from trialcrf.core.wording import N_, Message
from trialcrf.web import guard
from trialcrf.web.account import blueprint, frame
from trialcrf.web.guard import SELF, page
from trialcrf.web.page import Crumb


@page(blueprint, "/account/keys", SELF)
def keys() -> str:
    """Every shortcut there is, and which of them one wants."""
    return render_template(
        "account/keys.html", shell=frame("account.keys"), crumbs=[Crumb(Message(N_("My account")), url_for("account.mine"))]
    )


@page(blueprint, "/account/keys", SELF, methods=["POST"])
def choose_keys() -> Response:
    """A box that is not ticked is a key that is not wanted."""
    with guard.write() as tx:
        administer.set_preferences(tx, g.session.actor.id, shortcuts=request.form.getlist("shortcuts"))
    return redirect(url_for("account.keys", done="changed"), 303)
