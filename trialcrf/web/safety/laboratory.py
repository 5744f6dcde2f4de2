"""Limits of normal of the sites' laboratories: what holds since when, and for a data manager adding, ending and taking back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible
from trialcrf.actions.safety import keep_limits
from trialcrf.actions.safety.grade import written
from trialcrf.actions.safety.keep_limits import Analyte, TypedLimits
from trialcrf.core.results import unit_text
from trialcrf.core.safety.grading import unit_key
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import lab_ranges, sites
from trialcrf.store.lab_ranges import LabRange
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard
from trialcrf.web.fixed import DayForm, LimitsForm, ReasonForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Chip, Crumb
from trialcrf.web.paging import here

blueprint = Blueprint("laboratory", __name__)

LIST, ONE = "/studies/<study>/laboratories", "/studies/<study>/laboratories/<int(max=2147483647):limits>"
SEXES: Mapping[str, str] = {"": N_("everyone"), "F": N_("women"), "M": N_("men")}
_STATES: Mapping[str, str] = {
    "now": N_("in force"),
    "later": N_("not yet in force"),
    "ended": N_("no longer in force"),
    "error": N_("entered in error"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of limits for reading."""

    limits: LabRange
    analyte: Sayable | str
    sex: Message
    state: str
    word: Message
    within: Message
    unit: str
    period: Message


@dataclass(frozen=True, slots=True)
class Place:
    """A site with the limits of its laboratories."""

    site: Site
    rows: Sequence[Row]


@page(blueprint, LIST, "lab.read")
def listed(study: str) -> str:
    """The limits at the person's sites. Those that no longer hold are shown on demand."""
    return _listed(LimitsForm(), None)


@page(blueprint, LIST, "lab.administer", methods=["POST"])
def add(study: str) -> Response | tuple[str, int]:
    """Record new limits."""
    form = LimitsForm(request.form)
    try:
        code, _, unit = (form.analyte.data or "").partition("|")
        first = form.read_day(Message(N_("Give the day from which the limits hold.")))
        typed = TypedLimits(form.laboratory.data or "", code, unit, form.sex.data or "", form.low.data or "", form.high.data or "", first)
        with guard.write() as tx:
            site = sites.find(tx, study, form.site.data or "")
            if site is None:
                raise Impossible(Message(N_("Choose the site.")), "site")
            keep_limits.add(tx, g.place.published.study, site, typed)
    except Impossible as problem:
        return _listed(form, problem), 422
    return redirect(url_for("laboratory.listed", study=study, done="limits"), 303)


@page(blueprint, ONE, "lab.read")
def one(study: str, limits: int) -> str:
    """One line, and what may be done about it."""
    return _page(limits)


@page(blueprint, ONE + "/end", "lab.administer", methods=["POST"])
def end(study: str, limits: int) -> Response | tuple[str, int]:
    """Say until when the limits held."""
    form = DayForm(request.form)
    try:
        last = form.read_day(Message(N_("Give the last day on which the limits held.")))
        with guard.write() as tx:
            held, site = _find(tx, limits)
            keep_limits.end(tx, site, held, last)
    except Impossible as problem:
        return _page(limits, problem, ending=form), 422
    return redirect(url_for("laboratory.listed", study=study, done="ended"), 303)


@page(blueprint, ONE + "/error", "lab.administer", methods=["POST"])
def mark_error(study: str, limits: int) -> Response | tuple[str, int]:
    """Take limits out of use that were wrong; the next page offers to record them as they should have been."""
    form = ReasonForm(request.form)
    try:
        with guard.write() as tx:
            held, site = _find(tx, limits)
            keep_limits.mark_error(tx, site, held, form.reason.data or "")
    except Impossible as problem:
        return _page(limits, problem, reason=form), 422
    return redirect(url_for("laboratory.listed", study=study, copy=limits, done="error", _anchor="add"), 303)


def _listed(form: LimitsForm, problem: Impossible | None) -> str:
    study, mine, every = g.place.published.study, guard.my_sites("lab.read"), request.args.get("show") == "all"
    analytes = keep_limits.analytes_of(study)
    with guard.read() as tx:
        places = [site for site in sites.all_of(tx, study.oid) if mine is None or site.code in mine]
        held = lab_ranges.all_of(tx, [site.id for site in places])
    rows = [_row(one, next(site for site in places if site.id == one.site_id), analytes) for one in held]
    shown = [row for row in rows if every or row.state in ("now", "later")]
    may_add = guard.may_here("lab.administer")
    if may_add:
        _offer(form, places, analytes, held)
    fixed_drafts.beside({url_for("laboratory.add", study=study.oid): form if may_add else None})
    return render_template(
        "laboratory/listed.html",
        shell=shell(),
        crumbs=[Crumb(study.title)],
        views=[
            Chip(Message(N_("In force or to come")), here(show=None), not every, sum(row.state in ("now", "later") for row in rows)),
            Chip(Message(N_("All")), here(show="all"), every, len(rows)),
        ],
        places=[Place(site, [row for row in shown if row.limits.site_id == site.id]) for site in places],
        form=form if may_add else None,
        laboratories=sorted({one.laboratory for one in held}),
        problem=problem,
    )


def _offer(form: LimitsForm, places: Sequence[Site], analytes: Sequence[Analyte], held: Sequence[LabRange]) -> None:
    """The choices of the boxes; with `copy` in the address, what they hold is that line's, to be corrected."""
    say = g.language.say
    form.site.choices = {site.code: f"{site.code} {site.name}" for site in places}
    form.analyte.choices = {f"{one.code}|{one.unit}": f"{say(one.label)} ({unit_text(one.unit)})" for one in analytes}
    form.sex.choices = {code: say(Message(label)) for code, label in SEXES.items()}
    copied = next((one for one in held if str(one.id) == request.args.get("copy", "")), None) if request.method in guard.SAFE else None
    if copied is None:
        return
    form.site.data = next(site.code for site in places if site.id == copied.site_id)
    form.laboratory.data, form.sex.data, form.low.data, form.high.data = copied.laboratory, copied.sex, copied.low, copied.high
    form.analyte.data = next(
        (f"{one.code}|{one.unit}" for one in analytes if (one.code, unit_key(one.unit)) == (copied.analyte, unit_key(copied.unit))), ""
    )
    day = copied.valid_from
    form.day.data, form.month.data, form.year.data = str(day.day), str(day.month), str(day.year)


def _page(range_id: int, problem: Impossible | None = None, ending: DayForm | None = None, reason: ReasonForm | None = None) -> str:
    with guard.read() as tx:
        held, site = _find(tx, range_id)
    study = g.place.published.study
    may_change = guard.may_here("lab.administer") and not held.error
    ends, wrong = (ending or DayForm()) if may_change else None, (reason or ReasonForm()) if may_change else None
    at = {"study": study.oid, "limits": range_id}
    fixed_drafts.beside({url_for("laboratory.end", **at): ends, url_for("laboratory.mark_error", **at): wrong})
    return render_template(
        "laboratory/one.html",
        shell=shell(),
        crumbs=[Crumb(study.title), Crumb(Message(N_("Laboratories")), url_for("laboratory.listed", study=study.oid))],
        site=site,
        row=_row(held, site, keep_limits.analytes_of(study)),
        ending=ends,
        reason=wrong,
        end_problem=problem if ending else None,
        error_problem=problem if reason else None,
        problem=problem,
    )


def _find(tx: Transaction, range_id: int) -> tuple[LabRange, Site]:
    """The line and its site, which becomes the place of this request. 404 where it is of another study or site."""
    found, study = lab_ranges.find(tx, range_id), g.place.published.study.oid
    site = next((site for site in sites.all_of(tx, study) if found and site.id == found.site_id), None)
    if found is None or site is None:
        abort(404)
    g.place.site = site
    if not guard.may_here("lab.read"):
        abort(404)
    return found, site


def _row(one: LabRange, site: Site, analytes: Sequence[Analyte]) -> Row:
    label: Sayable | str = next((each.label for each in analytes if each.code == one.analyte), one.analyte)
    today = site.today(g.now)
    if one.error:
        state = "error"
    elif one.on(today):
        state = "now"
    else:
        state = "later" if one.valid_from > today else "ended"
    period = Message(N_("from %(from)s"), {"from": one.valid_from})
    if one.valid_to is not None:
        period = Message(N_("from %(from)s to %(to)s"), {"from": one.valid_from, "to": one.valid_to})
    within, sex = written(one.low, one.high), Message(SEXES.get(one.sex, SEXES[""]))
    return Row(one, label, sex, state, Message(_STATES[state]), within, unit_text(one.unit), period)
