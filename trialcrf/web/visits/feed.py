"""Calendar feeds: the page on which one makes and revokes one's addresses, and the address that a calendar program reads."""

from __future__ import annotations

from flask import Blueprint, Response, abort, current_app, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from trialcrf.actions import Impossible, NotAllowed
from trialcrf.actions.reminding import feed
from trialcrf.core.access import may
from trialcrf.external.ical import MEDIA_TYPE
from trialcrf.store import definitions, feeds
from trialcrf.store.audit import Who
from trialcrf.store.transaction import writing
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import PUBLIC, SELF, page

blueprint = Blueprint("feed", __name__)


@page(blueprint, "/calendar/<token>.ics", PUBLIC)
def ics(token: str) -> Response:
    """The calendar file. The address is all that a calendar program knows: it has no session, and a wrong one is told nothing."""
    with guard.read() as tx:
        opened = feed.opened(tx, token, current_app.config["CALENDAR_KEYS"])
        if opened is None:
            abort(404)
        file = feed.written(tx, opened, g.now)
    if opened.feed.read_at is None or opened.feed.read_at < g.now - feeds.TOUCH:
        guard.end_view()
        with writing(guard.engine(), g.now, Who.nobody()) as touching:
            feeds.touch(touching, opened.feed.id)
    headers = {"Content-Disposition": 'inline; filename="visits.ics"', "Cache-Control": "private, no-cache"}
    return Response(file, content_type=MEDIA_TYPE, headers=headers)


@page(blueprint, "/me/calendars", SELF)
def mine() -> str:
    """One's own addresses."""
    return _page()


@page(blueprint, "/me/calendars", SELF, methods=["POST"])
def make() -> tuple[str, int]:
    """A new address, on the page that answers: it is shown this once, so there is nowhere to lead to."""
    study, keys = request.form.get("study", ""), request.form.get("keys") == "yes"
    try:
        with guard.write() as tx:
            token = feed.make(tx, g.session.actor, study, keys and current_app.config["CALENDAR_KEYS"])
    except NotAllowed:
        abort(404)  # Whether there is such a study is not told.
    except Impossible as problem:
        return _page(problem=problem), 422
    return _page(address=current_app.config["BASE_URL"] + url_for("feed.ics", token=token)), 201


@page(blueprint, "/me/calendars/<int:number>/revoke", SELF, methods=["POST"])
def revoke(number: int) -> AnyResponse | tuple[str, int]:
    try:
        with guard.write() as tx:
            feed.revoke(tx, g.session.actor.id, number)
    except Impossible as problem:
        return _page(problem=problem), 422
    return redirect(url_for("feed.mine", done="revoked"), 303)


def _page(address: str = "", problem: Impossible | None = None) -> str:
    with guard.read() as tx:
        known = {published.study.oid: published.study for published in definitions.all_of(tx)}
        given = feeds.all_of(tx, g.session.actor.id)
    return render_template(
        "account/calendars.html",
        shell=shell(),
        address=address,
        problem=problem,
        studies=[study for study in known.values() if may(g.session.actor, feed.VERB, study.oid)],
        given=[(one, known[one.study].protocol if one.study in known else one.study) for one in given],
        keys_allowed=current_app.config["CALENDAR_KEYS"],
    )
