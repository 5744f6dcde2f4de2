"""A save that cannot go through yet: what was typed waits on a page of its own, and goes on from there as it was sent."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flask import current_app, g, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.core.wording import N_, Message
from trialcrf.web.account.going_on import CARRIED_NAMES
from trialcrf.web.frame import shell

OTHER_SESSION = N_(
    "This page was opened in another session. You are signed in as %(person)s now: what was typed is kept here. Go on only if it is yours."
)


@dataclass(frozen=True, slots=True)
class Way:
    """Where the person does what is asked of them meanwhile; it opens beside this page, so that what waits here stays."""

    address: str
    label: Message


def fields() -> list[tuple[str, str]]:
    """Everything that was sent but who sent it, and but passwords: no page ever tells one back."""
    kept = [(name, text) for name, texts in request.form.lists() for text in texts]
    return [(name, text) for name, text in kept if name != "token" and name not in CARRIED_NAMES and "password" not in name]


def answer(why: Message, status: int, way: Way | None = None) -> Response:
    """The page, in place of what was to be done."""
    passwords = [name for name in request.form if "password" in name and name not in CARRIED_NAMES]
    page = render_template(
        "held_back.html",
        # The language is chosen on a page that can be read again: this one cannot.
        shell=replace(shell(alone=True), here=url_for("account.home")),
        address=request.full_path.rstrip("?"),
        why=why,
        way=way,
        fields=fields(),
        passwords=passwords,
        files=bool(request.files),
    )
    return make_response(page, status)


def other_session() -> Response | None:
    """A page of another session, sent by the browser from one of our own pages: its person looks at it and sends it anew.

    Whether it was ours the browser alone can say; where it says nothing there is no such page.
    """
    if request.headers.get("Sec-Fetch-Site") != "same-origin" or current_app.config["ARCHIVE"]:
        return None
    return answer(Message(OTHER_SESSION, {"person": g.session.actor.username}), 400)
