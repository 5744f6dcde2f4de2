"""The list of queries that a person may see, with its filters, and the same list again where a bulk action could not be understood."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flask import abort, g, render_template, request, url_for

from trialcrf.actions import Impossible
from trialcrf.actions.oversight import review
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.core.workflow import UNSETTLED, QueryState
from trialcrf.store import queries, query_lists, sites
from trialcrf.store.query_lists import Narrower
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard, lines
from trialcrf.web.fixed import BulkForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Chip, Crumb
from trialcrf.web.paging import FILTERS, asked_page, here, pages
from trialcrf.web.queries import blueprint, guarded_forms
from trialcrf.web.queries.lines import Line, line_of, study_of

ON_A_PAGE = 50
LIST = "/studies/<study>/queries"

VIEWS: Mapping[str, tuple[str, tuple[QueryState, ...]]] = {
    "": (N_("Not settled"), tuple(state for state in QueryState if state in UNSETTLED)),
    "open": (N_("Open"), (QueryState.OPEN,)),
    "answered": (N_("Answered"), (QueryState.ANSWERED,)),
    "modified": (N_("Closed, then modified"), (QueryState.MODIFIED,)),
    "closed": (N_("Closed"), (QueryState.CLOSED,)),
    "cancelled": (N_("Cancelled queries"), (QueryState.CANCELLED,)),
    "all": (N_("All"), tuple(QueryState)),
}
"""The views of the list by what `state` is in the address."""

BY = {"": N_("people and checks"), "people": N_("people"), "checks": N_("checks")}
ME, NOBODY = "-me", "-nobody"
"""What `who` may be in the address besides a user name: those begin with a letter."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A bulk action that came back: the queries that were ticked, what was typed, and why nothing was done."""

    chosen: Collection[int]
    form: BulkForm
    problem: Impossible


@page(blueprint, LIST, "query.read")
def listed(study: str) -> str:
    """The queries of the person's sites, oldest first. Filters are in the address: state, site, who, by, late, subject, page."""
    return draw(study)


def draw(study: str, marked: Marked | None = None) -> str:
    state, wanted = request.args.get("state", ""), request.args.get("site", "")
    mine = guard.my_sites("query.read")
    with guard.read() as tx:
        known = {one.code: one for one in sites.all_of(tx, study) if mine is None or one.code in mine}
        if state not in VIEWS or (wanted and wanted not in known):
            abort(404)
        at = [wanted] if wanted else sorted(known)
        only_at, asked = guarded_forms(tx, study, known), narrower({code: known[code] for code in at})
        numbers = query_lists.counts(tx, study, at, only_at=only_at, narrower=asked)
        counts = {name: sum(numbers.get(one, 0) for one in states) for name, (_, states) in VIEWS.items()}
        number = asked_page(counts[state], ON_A_PAGE)
        found = query_lists.listed(tx, study, at, VIEWS[state][1], (number - 1) * ON_A_PAGE, ON_A_PAGE, only_at, asked)
        judges = guard.my_sites("query.review") if guard.may_here("query.review") else frozenset()
        judged = {code for code in found.values() if judges is None or code in judges}
        ticked = marked.chosen if marked else ()
        shown = {Shown(one, code in judged, one in ticked): known[code] for one, code in found.items()}
        rows = lines.drawn(tx, "queries/_line.html", shown, lambda some: _rows(tx, some, known, bool(judged)), bool(judged))
        people = _people(tx, sorted(set(found.values())), known) if judged else {}
        ever = bool(found) or bool(counts["all"]) or bool(query_lists.counts(tx, study, sorted(known), only_at=only_at))
    views = [Chip(Message(label), here(state=name or None), name == state, counts[name]) for name, (label, _) in VIEWS.items()]
    places = [Chip(Message(N_("Every site")), here(site=None), not wanted)]
    places += [Chip(Message(N_("Site %(site)s"), {"site": code}), here(site=code), code == wanted) for code in known]
    form = marked.form if marked else BulkForm()
    form.assignee.choices = {"": "", **people}
    form.act.choices = {name: g.language.gettext(said) for name, said in (("", N_("choose")), *ACTS.items())}
    return render_template(
        "queries/listed.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title)],
        views=views,
        places=places if len(known) > 1 else [],
        rows=[rows[one] for one in shown],
        may_tick=bool(judged),
        bulk=form,
        bulk_url=here_at("queries.bulk"),
        problem=marked.problem if marked else None,
        ever=ever,
        filtered=asked != Narrower(),
        asked={name: request.args.get(name, "") for name in (*FILTERS, "page")},
        who=_who(),
        by=BY,
        list_url=url_for("queries.listed", study=study),
        clear_url=here(who=None, by=None, late=None, subject=None),
        report_url=url_for("queries.ageing", study=study),
        pages=pages(number, counts[state], ON_A_PAGE),
    )


class Shown(NamedTuple):
    """A query by its number, whether it may be ticked, and whether it is."""

    id: int
    may_tick: bool
    ticked: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list. `seen`: what a tick is about (`queries.seen`). `ticks`: whether any line of the page may be ticked."""

    line: Line
    seen: str
    may_tick: bool
    ticked: bool
    ticks: bool


def _rows(tx: Transaction, some: Sequence[Shown], known: Mapping[str, Site], ticks: bool) -> dict[Shown, Row]:
    ids = [one.id for one in some]
    seen = queries.seen(tx, ids)
    return {
        what: Row(line_of(one, study_of(tx, one), known[one.site]), seen[one.id], what.may_tick, what.ticked, ticks)
        for what, one in zip(some, queries.by_ids(tx, ids), strict=True)
    }


ACTS = {
    "accept": N_("Accept"),
    "cancel": N_("Cancel"),
    "assign": N_("Assign"),
    "due": N_("Set the day by which it is to be answered"),
}
"""What may be done with several queries at once."""


def narrower(at: Mapping[str, Site]) -> Narrower:
    """What the address asks for besides states and sites. 404 where it asks for what there is not."""
    who, by, late = request.args.get("who", ""), request.args.get("by", ""), request.args.get("late", "")
    if by not in BY or late not in ("", "1"):
        abort(404)
    days: dict[object, list[str]] = {}
    for code, site in at.items():
        days.setdefault(site.today(g.now), []).append(code)
    assignee = None if not who else g.session.actor.username if who == ME else "" if who == NOBODY else who[:80]
    return Narrower(assignee, days if late else None, by, request.args.get("subject", "").strip()[:40])  # type: ignore[arg-type]


def here_at(endpoint: str, **more: str) -> str:
    """Another endpoint of the list with the filters and the page as they are."""
    kept = {name: request.args[name] for name in (*FILTERS, "page") if request.args.get(name)}
    return url_for(endpoint, study=g.place.published.study.oid, **kept, **more)  # type: ignore[arg-type]


def _who() -> Sequence[tuple[str, Sayable | str]]:
    options: list[tuple[str, Sayable | str]] = [
        ("", Message(N_("anybody"))),
        (ME, Message(N_("me"))),
        (NOBODY, Message(N_("nobody named"))),
    ]
    who = request.args.get("who", "")
    return options if who in ("", ME, NOBODY) else [*options, (who, who)]


def _people(tx: Transaction, codes: Sequence[str], known: Mapping[str, Site]) -> dict[str, str]:
    """Who may be named at any of these sites, by user name."""
    return {one.username: f"{one.name} ({one.username})" for one in review.answerers(tx, *(known[code] for code in codes))}
