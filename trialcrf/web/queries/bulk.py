"""Several queries at once, ticked in the list: each is moved in a transaction of its own, or named with why it was not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flask import g, render_template, request, url_for

from trialcrf.actions import Impossible, NotAllowed, plain
from trialcrf.actions.oversight import review
from trialcrf.core.lock import Locked
from trialcrf.core.wording import N_, Message
from trialcrf.core.workflow import NotPossible
from trialcrf.store import queries, sites
from trialcrf.store.queries import Query
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.fixed import BulkForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.queries import blueprint, guarded_forms
from trialcrf.web.queries.lines import study_of
from trialcrf.web.queries.listed import ACTS, LIST, Marked, draw, here_at
from trialcrf.web.queries.one import access_of, note_attempt

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one query: `why` it was not done, nothing where it was."""

    id: int
    subject: str
    why: Message | None
    url: str


@page(blueprint, LIST + "/bulk", "query.review", methods=["POST"])
def bulk(study: str) -> tuple[str, int]:
    """One act, one reason, many queries. What cannot be understood is asked again, and nothing is done."""
    form = BulkForm(request.form)
    chosen = list(dict.fromkeys(int(one) for one in request.form.getlist("query") if one.isascii() and one.isdecimal() and len(one) < 10))
    try:
        day = _check(form, chosen)
    except Impossible as problem:
        return draw(study, Marked(chosen, form, problem)), 422
    told = [_one(study, number, form, day) for number in chosen]
    return render_template(
        "queries/bulk.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title), Crumb(Message(N_("Queries")), here_at("queries.listed"))],
        act=Message(ACTS[form.act.data or ""]),
        reason=form.text.data or "",
        done=[one for one in told if one.why is None],
        failed=[one for one in told if one.why is not None],
        back_url=here_at("queries.listed"),
    ), 200


def _check(form: BulkForm, chosen: list[int]) -> date | None:
    """What is the same for all of them. Returns the day, where one is to be set. Raises Impossible."""
    if form.act.data not in ACTS:
        raise Impossible(Message(N_("Choose what is to be done.")), "act")
    if not chosen:
        raise Impossible(Message(N_("Tick the queries that are meant.")), "ticks")
    if len(chosen) > AT_ONCE:
        raise Impossible(Message(N_("At most %(count)s queries at once."), {"count": AT_ONCE}), "ticks")
    reason = plain(form.text.data or "", review.LONGEST_REMARK, "text")
    if form.act.data == "cancel" and not reason:
        raise Impossible(Message(N_("Say why the queries are cancelled.")), "text")
    return form.read_day(Message(N_("Name the day."))) if form.act.data == "due" else None


def _one(study: str, number: int, form: BulkForm, day: date | None) -> Told:
    """Do it with one query. What another one's failure was does not matter to it."""
    key, why = "", None
    try:
        with guard.read() as tx:
            query, site = _find(tx, study, number)
        key, g.place.site = query.subject, site
        with guard.write() as tx:
            query, site = _find(tx, study, number)
            if request.form.get(f"seen.{number}") != queries.seen(tx, [number])[number]:
                raise NotPossible(Message(N_("It changed since you opened the list: look again.")))
            _act(tx, site, query, form, day)
    except (NotPossible, Impossible) as refused:
        why = refused.message
    except Locked as refused:
        why = refused.message
        note_attempt(number, refused)
    except NotAllowed:
        why = Message(N_("You do not judge queries at this site."))
    finally:
        g.place.site = None
    return Told(number, key, why, url_for("queries.one", study=study, query=number))


def _find(tx: Transaction, study: str, number: int) -> tuple[Query, Site]:
    """The query and its site. Of another site or study, and of a form not to be seen, there is nothing to tell."""
    query = queries.find(tx, number)
    site = sites.find(tx, study, query.site) if query and query.study_oid == study else None
    mine = guard.my_sites("query.read")
    if query is None or site is None or (mine is not None and site.code not in mine):
        raise Impossible(Message(N_("There is no such query.")))
    about = query.form_key.form_oid if query.form_id is not None else f"{query.form_key.event_oid}/"
    if site.code not in guarded_forms(tx, study, [site.code]).get(about, [site.code]):
        raise Impossible(Message(N_("There is no such query.")))
    return query, site


def _act(tx: Transaction, site: Site, query: Query, form: BulkForm, day: date | None) -> None:
    text, act = form.text.data or "", form.act.data
    if act == "accept":
        review.accept(tx, site, query, text)
    elif act == "cancel":
        review.cancel(tx, site, query, text)
    elif act == "assign":
        review.assign(tx, site, query, form.assignee.data or "", text, access_of(query, study_of(tx, query)))
    else:
        review.set_due(tx, site, query, day, text)
