"""The mails of this installation for its administrators: what waits, what went, and those that only a person can judge. No subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, administer
from trialcrf.core.access import ROLES
from trialcrf.core.wording import N_, Message
from trialcrf.store import outbox
from trialcrf.store.outbox import Row
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Chip
from trialcrf.web.paging import asked_page, here, pages

blueprint = Blueprint("mails", __name__)

ON_A_PAGE = 50

KINDS: Mapping[str, str] = {
    "remind": N_("Reminder"),
    "overdue": N_("Reminder"),
    "digest": N_("Weekly digest"),
    "serious": N_("Serious adverse event"),
    "clock": N_("Clock of a serious event"),
    "invite": N_("Invitation"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A mail for reading. Its key is left out: it names a subject by number."""

    id: int
    kind: Message
    study: str
    site: str
    name: str
    role: Message | None
    state: str
    word: Message
    said: str
    attempts: int
    created_at: datetime
    not_before: datetime | None
    settled_at: datetime | None
    may_have_arrived: bool
    may_go_again: bool


@page(blueprint, "/admin/mails", "job.administer")
def listed() -> str:
    """Every mail, those to look into first. Filter in the address: state, page."""
    return _page()


@page(blueprint, "/admin/mails/<int(max=2147483647):mail>", "job.administer", methods=["POST"])
def resolve(mail: int) -> Response | tuple[str, int]:
    """What the administrator found out: the mail arrived, or it is to be sent again."""
    found = request.form.get("found", "")
    if found not in ("arrived", "again"):
        abort(400)
    with guard.read() as tx:
        if outbox.by_id(tx, mail) is None:
            abort(404)
    try:
        with guard.write() as tx:
            administer.resolve_mail(tx, mail, found == "arrived", g.session.actor.id)
    except Impossible as problem:
        return _page(problem), 409
    return redirect(url_for("mails.listed", done=found), 303)


def _page(problem: Impossible | None = None) -> str:
    guard.acting()  # The queue is that of every study: who administers only some has no business here.
    state = request.args.get("state", "")
    if state and state not in outbox.STATES:
        abort(404)
    with guard.read() as tx:
        counts = outbox.counts(tx)
        total = counts.get(state, 0) if state else sum(counts.values())
        number = asked_page(total, ON_A_PAGE)
        found = outbox.all_of(tx, [state] if state else None, (number - 1) * ON_A_PAGE, ON_A_PAGE)
    views = [Chip(Message(N_("All")), here(state=None), not state, sum(counts.values()))]
    views += [Chip(Message(word), here(state=code), code == state, counts.get(code, 0)) for code, word in outbox.STATES.items()]
    return render_template(
        "admin/mails.html",
        shell=shell(),
        views=views,
        lines=[_line(row) for row in found],
        to_judge=counts.get(outbox.UNCERTAIN, 0),
        pages=pages(number, total, ON_A_PAGE),
        problem=problem,
    )


def _line(row: Row) -> Line:
    return Line(
        row.id,
        Message(KINDS.get(row.kind, row.kind)),
        row.study,
        row.site,
        row.name,
        Message(ROLES[row.role]) if row.role in ROLES else None,
        row.state,
        Message(outbox.STATES[row.state]),
        # What this program says is translated, what a server said is not.
        g.language.gettext(row.said) if row.said else "",
        row.attempts,
        row.created_at,
        row.not_before if row.state == outbox.QUEUED else None,
        row.settled_at,
        row.state == outbox.UNCERTAIN,
        row.state in (outbox.UNCERTAIN, outbox.FAILED),
    )
