"""One's own sessions: where one is signed in, since when, and the ways to end it from here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, g, redirect, render_template, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, prove
from trialcrf.core.definition.session import SessionLimits
from trialcrf.core.wording import N_, Message
from trialcrf.store import sessions
from trialcrf.store.sessions import Living
from trialcrf.web import guard
from trialcrf.web.browsers import OTHER
from trialcrf.web.frame import shell
from trialcrf.web.guard import SELF, page
from trialcrf.web.page import Crumb

blueprint = Blueprint("own_sessions", __name__)

RULE = "/account/sessions"


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session for reading; `this` is the one that reads."""

    id: int
    this: bool
    browser: Message | str
    address: str
    began_at: datetime
    seen_at: datetime


@page(blueprint, RULE, SELF)
def listed() -> str:
    return _page()


@page(blueprint, RULE + "/<int(max=2147483647):number>/end", SELF, methods=["POST"], fresh=True)
def end(number: int) -> Response | tuple[str, int]:
    """End one that is not this one: signing out ends this one."""
    try:
        with guard.write() as tx:
            prove.end_own(tx, g.session, number)
    except Impossible as problem:
        return _page(problem), 422
    return redirect(url_for("own_sessions.listed", done="session_ended"), 303)


@page(blueprint, RULE + "/end-others", SELF, methods=["POST"], fresh=True)
def end_others() -> Response:
    with guard.write() as tx:
        prove.end_others(tx, g.session)
    return redirect(url_for("own_sessions.listed", done="sessions_ended"), 303)


def _page(problem: Impossible | None = None) -> str:
    with guard.read() as tx:
        held = sessions.of_account(tx, g.session.actor.id, g.now)
        limits: SessionLimits = sessions.limits_of(tx, g.session.actor.id)
    lines = sorted((_line(one) for one in held), key=lambda line: not line.this)
    return render_template(
        "own/sessions.html",
        shell=shell(),
        crumbs=[Crumb(Message(N_("My account")), url_for("account.mine"))],
        lines=lines,
        limits=limits,
        problem=problem,
    )


def _line(one: Living) -> SessionLine:
    known: Message | str = Message(N_("another browser")) if one.browser in ("", OTHER) else one.browser
    return SessionLine(one.id, one.id == g.session.id, known, one.address, one.began_at, one.seen_at)
