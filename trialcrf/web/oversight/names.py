"""The names that a site keeps an eye on, and the question asked of a text that contains one: correct it, or say why it may stay."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from trialcrf.actions import Impossible, plain
from trialcrf.actions.oversight import personal
from trialcrf.store import site_names, sites
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.fixed import NamesForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import SAFE, page
from trialcrf.web.page import Crumb

blueprint = Blueprint("names", __name__)

VERB, LIST = "names.keep", "/studies/<study>/sites/<site>/names"
REASON, LONGEST_REASON = "name_reason", 500

BY_FORMS = frozenset({"enrolment", "entry", "vitals", "follow_up", "names"})
"""Areas whose texts are saved by a study form, where a name is a finding at its place, and the list itself."""

_OF_ACCOUNTS = re.compile("password|username|^sign_in_")
NOT_TEXTS = frozenset({"token", "seen", "next", "once", "version", "carried_file", REASON})


@page(blueprint, "/studies/<study>/names", VERB)
def listed(study: str) -> AnyResponse | str:
    """The sites whose list the person keeps; a single one is opened at once."""
    mine = guard.my_sites(VERB)
    with guard.read() as tx:
        places = [(one, site_names.count(tx, one)) for one in sites.all_of(tx, study) if mine is None or one.code in mine]
    if len(places) == 1:
        return redirect(url_for("names.shown", study=study, site=places[0][0].code))
    return render_template("oversight/names_sites.html", shell=shell(), crumbs=_crumbs(), places=places)


@page(blueprint, LIST, VERB)
def shown(study: str, site: str) -> str:
    return _page(NamesForm(), None)


@page(blueprint, LIST, VERB, methods=["POST"])
def keep(study: str, site: str) -> AnyResponse | tuple[str, int]:
    """Replace the list by what was pasted. It cannot be read again, by nobody."""
    form = NamesForm(request.form)
    try:
        with guard.write() as tx:
            personal.keep_names(tx, g.place.site, form.names.data or "")
    except Impossible as problem:
        return _page(form, problem), 422
    return redirect(url_for("names.shown", study=study, site=site, done="names"), 303)


def _page(form: NamesForm, problem: Impossible | None) -> str:
    where: Site = g.place.site
    with guard.read() as tx:
        count = site_names.count(tx, where)
    return render_template("oversight/names.html", shell=shell(), crumbs=_crumbs(), form=form, problem=problem, where=where, count=count)


def _crumbs() -> list[Crumb]:
    return [Crumb(g.place.published.study.title)]


# --- The question -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Carried:
    """A box of the page that was sent, with what was typed in it."""

    name: str
    text: str


def look() -> AnyResponse | None:
    """Before a page writes: a free text that contains a listed name is asked about; with a reason it goes through, and is noted then.

    What was typed is carried along, but for passwords, which are typed again. A page that brings a file is not asked about: the file could
    not be carried.
    """
    if request.method in SAFE or g.session is None or g.place.published is None or (request.blueprint or "") in BY_FORMS:
        return None
    texts = [Carried(name, text) for name, texts in request.form.lists() for text in texts if _is_text(name, text)]
    if not texts or request.files:
        return None
    with guard.read() as tx:
        named = site_names.which_have(tx, [one.text for one in texts], g.place.published.study_id, g.place.site)
    if not named:
        return None
    problem = None
    reason = request.form.get(REASON, "")
    if reason.strip():
        try:
            said = plain(reason, LONGEST_REASON, REASON)
        except Impossible as refused:
            problem = refused
        else:
            guard.alongside(lambda tx: _note(tx, said))
            return None
    return make_response(_question([one for one in texts if one.text in named], reason, problem), 422)


def _is_text(name: str, text: str) -> bool:
    return name not in NOT_TEXTS and not _OF_ACCOUNTS.search(name) and any(mark.isalpha() for mark in text)


def _question(doubted: Sequence[Carried], reason: str, problem: Impossible | None) -> str:
    known = {(one.name, one.text) for one in doubted}
    sent = [Carried(name, text) for name, texts in request.form.lists() for text in texts if name not in ("token", REASON)]
    return render_template(
        "oversight/name_asked.html",
        shell=shell(),
        address=request.full_path.rstrip("?"),
        doubted=doubted,
        passwords=[one.name for one in sent if "password" in one.name],
        fields=[one for one in sent if (one.name, one.text) not in known and "password" not in one.name],
        reason=reason,
        problem=problem,
    )


def _note(tx: Transaction, reason: str) -> None:
    """Beside what is written: that a person saw the name in it and why it stays, without the name."""
    where: Site | None = g.place.site
    chain = where.chain if where else g.place.published.study.oid
    key = g.place.subject.key if g.place.subject else ""
    personal.confirm_names(tx, chain, request.endpoint or "", reason, key)
