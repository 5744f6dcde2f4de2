"""The dashboard: figures of how the trial goes, by the roles of who reads, each with the table of its numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from flask import Blueprint, g, render_template, request, url_for
from markupsafe import Markup

from trialcrf.actions.records import dashboard as gathering
from trialcrf.core import dashboard
from trialcrf.core.dashboard import CLINICAL, Plate
from trialcrf.core.definition.model import Study
from trialcrf.core.packs.figure import Figure
from trialcrf.core.wording import N_, Message
from trialcrf.external import pictures
from trialcrf.external.language import Language
from trialcrf.store import counts, sites
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Chip, Crumb

blueprint = Blueprint("dashboard", __name__)

MOST = 500
"""Patients of whom the clinical figures are counted while somebody waits, about a second: above it, one site at a time."""

TALL = 10
"""Lines of a figure that are more than the height of others."""

ONWARD: Mapping[Plate, tuple[str, str, str]] = {
    Plate.ENROLMENT: ("subjects.matrix", "subject.list", N_("Subjects")),
    Plate.VISITS: ("today.day", "subject.list", N_("My day")),
    Plate.COMPLETENESS: ("subjects.matrix", "subject.list", N_("Subjects")),
    Plate.QUERIES: ("queries.listed", "query.read", N_("Queries")),
    Plate.EVENTS: ("cases.listed", "case.read", N_("Serious events")),
}
"""Where somebody goes on from a figure: page, verb, its name."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure on the page: `drawing` is None while it is not drawn yet, and empty where it could not be: its table tells the numbers."""

    figure: Figure
    drawing: Markup | None
    link: str = ""
    link_label: Message | None = None

    @property
    def is_tall(self) -> bool:
        """Whether a line of it for each of many visits makes it twice as tall as others: the page then gives it two places."""
        return self.figure.oid in (Plate.VISITS, Plate.COMPLETENESS) and len(self.figure.rows) > TALL

    @property
    def rows(self) -> Iterator[list[str]]:
        """The table as it is read, a dash for nothing. Of many sites over years it has thousands of cells."""
        return ([_cell(value) for value in row] for row in self.figure.rows)


@page(blueprint, "/studies/<study>/dashboard", "quality.read")
def shown(study: str) -> str:
    """The numbers at once. Where a drawing is not there yet the page says so, and asks for itself again with `drawn`, which has it made;
    without script by a link. Who only passes by (a program that follows links) costs no drawing."""
    definition: Study = g.place.published.study
    plates = dashboard.plates_of(g.session.actor, study)
    with guard.read() as tx:
        view, choice, large = _view(tx, definition)
        found = gathering.figures(tx, definition, plates, view, _eyes, g.now) if view.conduct else {}
    there = [plate for plate in plates if plate in found]
    looked = pictures.look([found[plate] for plate in there], g.language.code, begin="drawn" in request.args)
    drawn = [None if one is None else Markup(one) for one in looked]
    # Only a site that there is: the page asks there by itself, so whoever led a person here has no word in it.
    site = next((one.code for one in choice if one.code == request.args.get("site")), None)
    again = url_for("dashboard.shown", study=study, site=site, drawn="1")
    return render_template(
        "dashboard/shown.html",
        shell=shell(),
        crumbs=[Crumb(definition.title)],
        figures=[_of(plate, found[plate], drawing) for plate, drawing in zip(there, drawn, strict=True)],
        chips=_chips(study, choice, view.conduct),
        scope=_scope(view),
        days=sorted({one.today(g.now) for one in view.conduct}),
        again_url=again if None in drawn else "",
        large=large and not view.clinical and bool(CLINICAL & set(plates)),
        none=Message(N_("No site is open yet.")) if not view.conduct else None,
    )


def _cell(value: Any) -> str:
    language: Language = g.language
    if value is None:
        return "–"
    if isinstance(value, int | float | Decimal):
        return language.number(value)
    return language.day(value) if isinstance(value, date) else language.say(value)


def _view(tx: Transaction, study: Study) -> tuple[gathering.View, list[Site], bool]:
    """Whose numbers: the sites of the person, or the one that is asked for; of a trial too large to be counted at once, the clinical
    numbers of one site only. Returns the view, the sites that the person may choose among, and whether the trial is so large."""
    actor, every = g.session.actor, sites.all_of(tx, study.oid)
    conduct, clinical = (
        [one for one in every if _at(one, dashboard.scope(actor, study.oid, plate))] for plate in (Plate.VISITS, Plate.EVENTS)
    )
    choice = conduct if dashboard.narrowed(actor, study.oid) else []
    wanted = request.args.get("site", "")
    if any(one.code == wanted for one in choice):
        conduct, clinical = ([one for one in some if one.code == wanted] for some in (conduct, clinical))
    population = study.safety.population if study.safety else None
    kinds = [population] if population else [one.oid for one in study.people]
    large = sum(one.subjects for one in counts.enrolled(tx, clinical, kinds)) > MOST
    whole = len(conduct) == len(every)
    return gathering.View(conduct, [] if large and len(clinical) > 1 else clinical, whole), choice, large


def _at(one: Site, scope: Collection[str] | None) -> bool:
    return scope is None or one.code in scope


def _eyes(site: Site) -> Collection[str]:
    return dashboard.eyes(g.session.actor, site.study_oid, site.code)


def _of(plate: Plate, figure: Figure, drawing: Markup | None) -> Shown:
    endpoint, verb, label = ONWARD.get(plate, ("", "", ""))
    if not endpoint or not guard.may_here(verb):
        return Shown(figure, drawing)
    return Shown(figure, drawing, url_for(endpoint, study=g.place.published.study.oid), Message(label))


def _scope(view: gathering.View) -> Message:
    """Whose numbers these are, for under the heading."""
    if len(view.conduct) == 1:
        return Message(N_("Site %(site)s"), {"site": view.conduct[0].code})
    if view.whole:
        return Message(N_("All sites together"))
    return Message(N_("Sites %(sites)s together"), {"sites": tuple(one.code for one in view.conduct)})


def _chips(study: str, places: Sequence[Site], mine: Sequence[Site]) -> list[Chip]:
    """The sites as filters, where there are several and the person may read them one by one."""
    if len(places) < 2:
        return []
    every = Chip(Message(N_("All sites together")), url_for("dashboard.shown", study=study), len(mine) > 1)
    return [every] + [
        Chip(Message(N_("Site %(site)s"), {"site": one.code}), url_for("dashboard.shown", study=study, site=one.code), [one] == [*mine])
        for one in places
    ]
