"""Who could do what on a day, rebuilt from the trail; and the periodic review in which every role is kept or taken away."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.actions import Impossible, sign
from trialcrf.actions.oversight import review_access
from trialcrf.actions.oversight.review_access import KEEP, Line
from trialcrf.core.access import ROLES, STUDY_WIDE, VERBS, may
from trialcrf.core.wording import N_, Message
from trialcrf.external.tables import harmless
from trialcrf.store import accesses, definitions, sites
from trialcrf.store.accesses import Role, Stood
from trialcrf.web import guard, step_up
from trialcrf.web.fixed import AccessReviewForm, DayForm
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Chip, Crumb

blueprint = Blueprint("access", __name__)

READ, REVIEW = "access.read", "access.review"
RULE = "/studies/<study>/access"


@dataclass(frozen=True, slots=True)
class RoleLine:
    """A role for reading, with what it opened."""

    label: Message
    site: Message | str
    trained_on: date | None
    word: Message
    opens: bool


@dataclass(frozen=True, slots=True)
class PersonLine:
    """An account with its roles on the day."""

    stood: Stood
    roles: Sequence[RoleLine]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for: the end of a day, at a site or (none) in the study, told in whose time."""

    day: date
    moment: datetime
    site: str
    zone: Message | str


@page(blueprint, "/access", READ)
def studies() -> Response | str:
    """The studies whose access the person may read; a single one is opened at once."""
    with guard.read() as tx:
        found = [one.study for one in definitions.all_of(tx) if may(g.session.actor, READ, one.study.oid)]
    if len(found) == 1:
        return redirect(url_for("access.shown", study=found[0].oid))
    return render_template("oversight/access_studies.html", shell=shell(), studies=found)


@page(blueprint, RULE, READ)
def shown(study: str) -> str | tuple[str, int]:
    """Accounts, roles, training and what they opened at the end of a day; today where no day is asked for."""
    form = DayForm(request.args)
    try:
        asked, problem = _asked(form), None
        form = DayForm(data={"day": str(asked.day.day), "month": str(asked.day.month), "year": str(asked.day.year)})
    except Impossible as wrong:
        asked, problem = _on(g.now.date()), wrong
    people = _people(asked)
    held = sorted({role.grant.role for one in people for role in one.roles}, key=list(ROLES).index)
    with guard.read() as tx:
        due = review_access.due(tx, g.place.published, g.now)
        places = sites.all_of(tx, study)
    answer = render_template(
        "oversight/access.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title)],
        asked=asked,
        form=form,
        problem=problem,
        people=[PersonLine(one, [_role(role, one.active) for role in one.roles]) for one in people],
        verbs=[(Message(ROLES[role]), sorted(verb for verb, roles in VERBS.items() if role in roles)) for role in held],
        places=[
            Chip(Message(N_("Every site")), _url(asked, ""), not asked.site),
            *(Chip(f"{one.code} {one.name}", _url(asked, one.code), one.code == asked.site) for one in places),
        ],
        csv_url=_url(asked, asked.site, "access.file"),
        due=due,
        review_url=url_for("access.review_page", study=study) if may(g.session.actor, REVIEW, study) else "",
        reviews_url=url_for("access.reviews", study=study),
    )
    return (answer, 422) if problem else answer


@page(blueprint, RULE + ".csv", READ, endpoint="file")
def file_(study: str) -> Response:
    """The same as a file: a line for each role, what it may do after it."""
    try:
        asked = _asked(DayForm(request.args))
    except Impossible as wrong:
        abort(404, description=wrong.message)
    response = Response("\ufeff" + _csv(_people(asked), asked), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=f"{study}-access-{asked.day.isoformat()}.csv")
    return response


@page(blueprint, RULE + "/reviews", READ)
def reviews(study: str) -> str:
    """The reviews that were signed, newest first, each with what became of every role."""
    with guard.read() as tx:
        made = review_access.all_of(tx, study)
    return render_template("oversight/access_reviews.html", shell=shell(), crumbs=_crumbs(), reviews=made[::-1], roles=_roles())


@page(blueprint, RULE + "/review", REVIEW)
def review_page(study: str) -> str:
    return _review_page(AccessReviewForm(), {}, None)


@page(blueprint, RULE + "/review", REVIEW, methods=["POST"], fresh=True)
def review(study: str) -> Response | tuple[str, int]:
    """Record the review: what is taken away ends at once."""
    form, choices = AccessReviewForm(request.form), _choices()
    actor, published = g.session.actor, g.place.published
    try:
        proof = step_up.signer(form.password.data)
        with guard.write() as tx:
            review_access.review(tx, published, actor, proof, choices, form.seen.data or "", g.now)
    except sign.WrongPassword as problem:
        with guard.write() as tx:
            review_access.note_refusal(tx, published, actor)
        return _review_page(form, choices, problem), 422
    except Impossible as problem:
        return _review_page(form, choices, problem), 422
    return redirect(url_for("access.reviews", study=study, done="access_reviewed"), 303)


def _choices() -> dict[int, tuple[str, str]]:
    named = (name.removeprefix("line-") for name in request.form if name.startswith("line-"))
    ids = [int(id_) for id_ in named if id_.isascii() and id_.isdecimal() and len(id_) < 10]
    return {id_: (request.form.get(f"line-{id_}", ""), request.form.get(f"reason-{id_}", "")) for id_ in ids}


def _review_page(form: AccessReviewForm, choices: Mapping[int, tuple[str, str]], problem: Impossible | None) -> str:
    study = g.place.published.study.oid
    with guard.read() as tx:
        lines = review_access.lines_of(tx, study, g.now)
        due = review_access.due(tx, g.place.published, g.now)
    form.seen.data = review_access.fingerprint(lines)
    return render_template(
        "oversight/access_review.html",
        shell=shell(),
        crumbs=_crumbs(),
        lines=[(line, *choices.get(line.held.id, (_proposed(line), ""))) for line in lines],
        roles=_roles(),
        form=form,
        due=due,
        days=review_access.UNUSED_DAYS,
        meaning=Message(review_access.MEANING),
        problem=problem,
    )


def _proposed(line: Line) -> str:
    """What is chosen at first: nothing where it must be looked at, so that nobody keeps an unused account by leaving a page as it is."""
    return "" if line.unused or not line.opens else KEEP


def _roles() -> dict[str, Message]:
    return {code: Message(label) for code, label in ROLES.items()}


def _crumbs() -> list[Crumb]:
    study = g.place.published.study
    return [Crumb(study.title), Crumb(Message(N_("Access")), url_for("access.shown", study=study.oid))]


# --- The day that is asked for ----------------------------------------------------------------------------------------


def _asked(form: DayForm) -> Asked:
    """What the address asks for; 404 for a site that the study has not. Raises Impossible at the day."""
    site = request.args.get("site", "")
    typed = any((box.data or "").strip() for box in (form.day, form.month, form.year))
    if not typed:
        return _on(None, site)
    day = form.read_day(Message(N_("Give the day.")))
    asked = _on(day, site)
    if asked.moment - timedelta(days=1) > g.now:
        raise Impossible(Message(N_("This day is yet to come.")), "day")
    return asked


def _on(day: date | None, site: str = "") -> Asked:
    zone: tzinfo = UTC
    name: Message | str = Message(N_("universal time (UTC)"))
    if site:
        with guard.read() as tx:
            found = sites.find(tx, g.place.published.study.oid, site)
        if found is None:
            abort(404)
        zone, name = found.zone, found.zone_name
    day = day or g.now.astimezone(zone).date()
    if not date(1900, 1, 1) <= day < date(9999, 1, 1):
        raise Impossible(Message(N_("Give the day.")), "day")
    return Asked(day, datetime.combine(day, time(23, 59, 59, 999999), zone).astimezone(UTC), site, name)


def _url(asked: Asked, site: str, endpoint: str = "access.shown") -> str:
    day = asked.day
    return url_for(endpoint, study=g.place.published.study.oid, site=site or None, day=day.day, month=day.month, year=day.year)


def _people(asked: Asked) -> list[Stood]:
    with guard.read() as tx:
        return accesses.at(tx, g.place.published.study.oid, asked.moment, asked.day, asked.site)


def _role(role: Role, active: bool) -> RoleLine:
    where: Message | str = role.grant.site or Message(N_("every site") if role.grant.study != "*" else N_("every study"))
    word = N_("could act") if role.opens else N_("account deactivated") if not active else N_("not trained: could not act")
    return RoleLine(Message(ROLES.get(role.grant.role, role.grant.role)), where, role.trained_on, Message(word), role.opens)


def verbs_of(role: Role) -> list[str]:
    """What a role opened: nothing without training or on a deactivated account; what spans every site needs a role for every site."""
    if not role.opens:
        return []
    return sorted(verb for verb, roles in VERBS.items() if role.grant.role in roles and not (verb in STUDY_WIDE and role.grant.site))


_COLUMNS = ("day", "username", "name", "organisation", "active", "role", "study", "site", "trained_on", "could_act", "verbs")


def _csv(people: Sequence[Stood], asked: Asked) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    writer.writerows(_rows(people, asked))
    return buffer.getvalue()


def _rows(people: Sequence[Stood], asked: Asked) -> Iterator[list[str]]:
    for one in people:
        for role in one.roles:
            said = (asked.day.isoformat(), one.username, one.name, one.organisation, _yes(one.active), role.grant.role, role.grant.study)
            more = (role.grant.site, str(role.trained_on or ""), _yes(role.opens), " ".join(verbs_of(role)))
            yield [harmless(text) for text in (*said, *more)]


def _yes(claim: bool) -> str:
    return "yes" if claim else "no"
