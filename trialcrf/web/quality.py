"""Site quality: one row a site that the person may see, and the whole study for who sees every site. Numbers only, and what they count."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from flask import Blueprint, g, render_template, request, url_for

from trialcrf.actions.records import quality, report
from trialcrf.core.access import may
from trialcrf.core.quality import LONG, SiteQuality, together
from trialcrf.core.sight import eyes_of
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import sites, subjects
from trialcrf.store.sites import Site
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Chip, Crumb

blueprint = Blueprint("quality", __name__)


@dataclass(frozen=True, slots=True)
class Row:
    """A site, with links to its overdue and missed visits in the matrix, by kind of subject, for who may see them."""

    numbers: SiteQuality
    overdue: Sequence[tuple[Sayable, str]] = ()
    order_url: str = ""


MOST = 2500
"""Subjects whose sites are counted together while somebody waits for the page, about a second: above it, one site at a time."""


@page(blueprint, "/studies/<study>/quality", "quality.read")
def shown(study: str) -> str:
    """As the data stand now; the report of the same name tells it for a day and a moment."""
    definition, mine = g.place.published.study, guard.my_sites("quality.read")
    listed, may_order = guard.my_sites("subject.list") if guard.may_here("subject.list") else frozenset(), guard.may_here("report.order")
    kinds: Mapping[str, Sayable] = {kind.oid: kind.label for kind in definition.subject_types if not kind.product}
    with guard.read() as tx:
        places = [place for place in sites.all_of(tx, study) if mine is None or place.code in mine]
        wanted = request.args.get("site", "")
        large = len(places) > 1 and subjects.count(tx, study, [place.code for place in places], but=definition.products) > MOST
        shown_of = [place for place in places if wanted == place.code] or (places[:1] if large else places)
        found = quality.of_sites(tx, definition, shown_of, g.now, partial(_eyes, study))
    rows = []
    for one in found:
        links = [
            (kinds[kind], url_for("subjects.matrix", study=study, state="overdue", site=one.site, kind=kind))
            for kind, _ in one.visits.overdue_by_type
            if kind in kinds and (listed is None or one.site in listed)
        ]
        order = url_for("reports.listed", study=study, kind=report.QUALITY, site=one.site) if may_order else ""
        rows.append(Row(one, links, order))
    return render_template(
        "quality/shown.html",
        shell=shell(),
        crumbs=[Crumb(definition.title)],
        rows=rows,
        whole=together(found) if mine is None and len(found) > 1 else None,
        chips=_chips(study, places, shown_of, large),
        large=large,
        days=quality.as_of_each(shown_of, g.now),
        long=LONG,
        order_url=url_for("reports.listed", study=study, kind=report.QUALITY) if may_order else "",
        none=Message(N_("No site is open yet.")) if not found else None,
    )


def _eyes(study: str, site: Site) -> Collection[str]:
    """The kinds of forms whose queries are counted: those that the reader opens. Who reads no query is told numbers of all."""
    actor = g.session.actor
    return eyes_of(actor, study, site.code) if may(actor, "query.read", study, site.code) else quality.EVERY


def _chips(study: str, places: Sequence[Site], shown_of: Sequence[Site], large: bool) -> list[Chip]:
    """The sites as filters, where there are several; a trial too large to be counted at once has no link to all of them."""
    if len(places) < 2:
        return []
    every = [] if large else [Chip(Message(N_("Every site")), url_for("quality.shown", study=study), len(shown_of) > 1)]
    return every + [
        Chip(Message(N_("Site %(site)s"), {"site": one.code}), url_for("quality.shown", study=study, site=one.code), [one] == [*shown_of])
        for one in places
    ]
