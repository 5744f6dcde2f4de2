"""The link in a mail that stops its reminders: one page with one button, for whoever holds the link and for mail programs."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from trialcrf.actions.reminding import choose
from trialcrf.actions.reminding.choose import Linked
from trialcrf.core.wording import Message
from trialcrf.store import choices
from trialcrf.store.audit import Who
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import PUBLIC, page

blueprint = Blueprint("reminders", __name__)

STOP = "/reminders/stop/<signed>"


@page(blueprint, STOP, PUBLIC)
def stop_page(signed: str) -> str:
    """Reading changes nothing: programs that check mails for their safety open every link in them."""
    return _page(_linked(signed), done=False)


@page(blueprint, STOP, PUBLIC, methods=["POST"], endpoint="stop")
def stop(signed: str) -> str:
    """Stop, by the button of the page or by that of a mail program (RFC 8058), which has no session and follows no redirect."""
    link = _linked(signed)
    # The trail cannot name a person: it knows that the link was held, not by whom.
    with guard.write(Who("link", "self", "", guard.address())) as tx:
        choose.stop(tx, link)
    return _page(link, done=True)


def _linked(signed: str) -> Linked:
    with guard.read() as tx:
        found = choose.linked(tx, signed)
    if found is None:
        abort(404)
    return found


def _page(link: Linked, done: bool) -> str:
    # Nothing of the account is shown: a mail is passed on, and its link with it.
    stopped = Message(choices.CHOICES[choices.NONE])
    return render_template("account/stop.html", shell=shell(), study=link.study.protocol, done=done, stopped=stopped)
