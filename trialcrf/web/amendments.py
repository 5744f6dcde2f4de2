"""Versions of the study: what each changes and touches, where it is approved and in force, records to bring to it, consents to renew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible
from trialcrf.actions.oversight import amend
from trialcrf.actions.oversight.amend import Migration, Outcome
from trialcrf.core.definition.amendment import POLICIES
from trialcrf.core.definition.compare import WHATS
from trialcrf.core.wording import N_, Message, Sayable, Words
from trialcrf.store import definitions, sites
from trialcrf.store.definitions import Published, Release
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import fixed_drafts, guard
from trialcrf.web.casebooks import subject_url
from trialcrf.web.fixed import ApprovalForm, DayForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb

blueprint = Blueprint("amendments", __name__)

LIST, ONE = "/studies/<study>/versions", "/studies/<study>/versions/<int:version>"
MOST_AT_ONCE = 500
"""Records that a page brings to a version while the browser waits; more are a matter for the command."""


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version in the list, with the sites where it is in force of those that the person may see."""

    published: Published
    label: Words | None
    held: Sequence[str]
    awaited: Sequence[str]


@dataclass(frozen=True, slots=True)
class SiteLine:
    """Where a version stands at a site: its approval (none yet), and since when it is in force (None: not)."""

    site: Site
    release: Release | None
    since: date | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A change in words, with what it touches."""

    where: Sayable | str
    code: str
    what: Message
    old: str
    new: str
    policy: Message
    subjects: int
    records: int
    answered: int


@page(blueprint, LIST, "version.read")
def listed(study: str) -> str:
    """Every published version, the newest first."""
    with guard.read() as tx:
        places = _places(tx)
        versions = definitions.versions_of(tx, study)
        held = {place.code: {one.published.id for one in definitions.in_force(tx, place)} for place in places}
    lines = [
        VersionLine(
            one,
            one.study.amendment.label if one.study.amendment else None,
            [code for code in held if one.id in held[code]],
            [code for code in held if one.id not in held[code]],
        )
        for one in versions
    ]
    return render_template(
        "amendments/listed.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title)],
        lines=lines,
        first=min(one.version for one in versions),
    )


@page(blueprint, ONE, "version.read")
def one(study: str, version: int) -> str:
    """One version against the one before it."""
    return _page(version)


@page(blueprint, ONE + "/approve", "version.release", methods=["POST"])
def approve(study: str, version: int) -> Response | tuple[str, int]:
    """Record the approval of the version at a site."""
    form, effective = ApprovalForm(request.form), DayForm(request.form, prefix="effective-")
    try:
        approved_on = form.read_day(Message(N_("Give the day of the approval.")))
        effective_on = approved_on
        if any(field.data for field in effective):
            try:
                effective_on = effective.read_day(Message(N_("Give the day from which the version holds.")))
            except Impossible as problem:
                problem.field = "effective_on"
                raise
        with guard.write() as tx:
            new, _ = _versions(tx, version)
            where = sites.find(tx, study, form.site.data or "")
            if where is None:
                raise Impossible(Message(N_("Choose the site.")), "site")
            at_once = amend.release(tx, where, new, form.reference.data or "", approved_on, effective_on, g.now)
    except Impossible as problem:
        problem.field = {"approved_on": "day"}.get(problem.field, problem.field)
        return _page(version, problem, form, effective), 422
    return redirect(url_for("amendments.one", study=study, version=version, done="in_force" if at_once else "approved"), 303)


@page(blueprint, ONE + "/rehearsal", "version.release")
def rehearsal(study: str, version: int) -> str:
    """What bringing the records to the versions in force would do; nothing is written."""
    with guard.read() as tx:
        new, _ = _versions(tx, version)
        found = amend.rehearse(tx, study, None, g.now)
    return _account(new, found, done=False)


@page(blueprint, ONE + "/migrate", "version.release", methods=["POST"])
def migrate(study: str, version: int) -> str | tuple[str, int]:
    """Bring the records to the versions in force, and give the account."""
    with guard.read() as tx:
        new, _ = _versions(tx, version)
        planned = amend.rehearse(tx, study, None, g.now)
    if planned.count(Outcome.MOVED) > MOST_AT_ONCE:
        said = N_("There are more than %(most)s records: have them brought over by the command “trialcrf study migrate”.")
        return _account(new, planned, done=False, problem=Impossible(Message(said, {"most": MOST_AT_ONCE}))), 422
    return _account(new, amend.migrate(guard.write, study, None, g.now), done=True)


def _account(new: Published, found: Migration, done: bool, problem: Impossible | None = None) -> str:
    study = new.study
    lines = [
        (
            line,
            study.event[line.key.event_oid].label if line.key.event_oid in study.event else line.key.event_oid,
            study.form[line.key.form_oid].label if line.key.form_oid in study.form else line.key.form_oid,
            url_for("subjects.one", study=study.oid, subject=line.subject),
        )
        for line in found.lines
    ]
    return render_template(
        "amendments/account.html",
        shell=shell(),
        crumbs=[*_crumbs(new), Crumb(_title(new), url_for("amendments.one", study=study.oid, version=new.version))],
        new=new,
        lines=lines,
        moved=found.count(Outcome.MOVED),
        kept=found.count(Outcome.KEPT),
        done=done,
        problem=problem,
    )


def _page(version: int, problem: Impossible | None = None, form: ApprovalForm | None = None, effective: DayForm | None = None) -> str:
    with guard.read() as tx:
        new, old = _versions(tx, version)
        places, mine = _places(tx), guard.my_sites("version.read")
        found = amend.touched(tx, old.study, new, mine) if old else []
        known = definitions.releases(tx, places)
        since = {place.id: one.since for place in places for one in definitions.in_force(tx, place) if one.published.id == new.id}
        again = amend.to_consent_again(tx, new, mine)
    study, may_release = new.study, guard.may_here("version.release")
    needs = study.amendment is not None and study.amendment.approval
    waiting = [place for place in places if (place.id, new.id) not in known]
    approval = form or ApprovalForm()
    approval.site.choices = {place.code: f"{place.code} {place.name}" for place in waiting}
    effective = effective or DayForm(prefix="effective-")
    approves = may_release and needs and bool(waiting)
    fixed_drafts.beside({url_for("amendments.approve", study=study.oid, version=version): (approval, effective) if approves else None})
    return render_template(
        "amendments/one.html",
        shell=shell(),
        crumbs=_crumbs(new),
        new=new,
        old=old,
        amendment=study.amendment,
        differences=[_difference(old, new, one) for one in found] if old else [],
        sites=[SiteLine(place, known.get((place.id, new.id)), since.get(place.id)) for place in places],
        approval=approval if approves else None,
        effective=effective,
        consents=[(one, subject_url(study, one.subject)) for one in again],
        may_migrate=may_release and study.amendment is not None,
        problem=problem,
    )


def _difference(old: Published, new: Published, one: amend.Touched) -> Difference:
    change = one.change
    form = new.study.form.get(change.form) or old.study.form.get(change.form)
    event = new.study.event.get(change.event) or old.study.event.get(change.event)
    above: Sayable | str = event.label if event else form.label if form else ""
    named = change.item or (change.form if change.event and change.form else "")
    where = Message(N_("%(above)s: %(question)s"), {"above": above, "question": change.label}) if named else above
    code = ".".join(part for part in (change.event, change.form, change.item) if part)
    return Difference(
        where, code, Message(WHATS[change.what]), change.old, change.new, Message(POLICIES[change.policy]), one.subjects, one.records,
        one.answered,
    )  # fmt: skip


def _versions(tx: Transaction, version: int) -> tuple[Published, Published | None]:
    """This version, and the one before it; 404 where there is no such version."""
    known = {one.version: one for one in definitions.versions_of(tx, g.place.published.study.oid)}
    if version not in known:
        abort(404)
    return known[version], known.get(max((number for number in known if number < version), default=0))


def _places(tx: Transaction) -> list[Site]:
    mine = guard.my_sites("version.read")
    return [place for place in sites.all_of(tx, g.place.published.study.oid) if mine is None or place.code in mine]


def _title(new: Published) -> Message:
    return Message(N_("Version %(number)s"), {"number": str(new.version)})


def _crumbs(new: Published) -> list[Crumb]:
    return [Crumb(new.study.title), Crumb(Message(N_("Versions")), url_for("amendments.listed", study=new.study.oid))]
