"""Ageing of queries: what waits how long at each site, on a page and as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from flask import Response, g, render_template, url_for

from trialcrf.core.oversight.ageing import BUCKETS, Aged, Ages, add_up
from trialcrf.core.wording import N_, Message
from trialcrf.core.workflow import QUERY_STATES, QueryState
from trialcrf.external.tables import harmless
from trialcrf.store import query_courses, sites
from trialcrf.store.query_courses import Course
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb
from trialcrf.web.queries import blueprint, guarded_forms
from trialcrf.web.queries.listed import LIST


@page(blueprint, LIST + "/ageing", "query.read")
def ageing(study: str) -> str:
    """A line a site that the person may see, and all of them together where there are several."""
    with guard.read() as tx:
        lines = _lines(tx, study)
    return render_template(
        "queries/ageing.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title), Crumb(Message(N_("Queries")), url_for("queries.listed", study=study))],
        lines=lines,
        states=[(state.value, Message(QUERY_STATES[state])) for state in QueryState],
        buckets=[_bucket(first, last) for first, last in BUCKETS],
        csv_url=url_for("queries.ageing_csv", study=study),
    )


@page(blueprint, LIST + "/ageing.csv", "query.read", endpoint="ageing_csv")
def file_(study: str) -> Response:
    """The same numbers as a file."""
    with guard.read() as tx:
        lines = _lines(tx, study)
    say = g.language.say
    heading = [
        *(g.language.gettext(one) for one in (N_("Site"), N_("Name"))),
        *(say(Message(QUERY_STATES[state])) for state in QueryState),
        *(say(_bucket(first, last)) for first, last in BUCKETS),
        *(
            g.language.gettext(one)
            for one in (N_("Median age"), N_("Median days to the answer"), N_("Median days to closing"), N_("Overdue"))
        ),
    ]
    buffer = io.StringIO()
    written = csv.writer(buffer, lineterminator="\r\n")
    written.writerow([harmless(text) for text in heading])
    for one in lines:
        numbers = [*(number for _, number in one.states), *one.waiting, one.age, one.to_answer, one.to_close, one.overdue]
        texts = [one.site, one.name, *("" if number is None else str(number).removesuffix(".0") for number in numbers)]
        written.writerow([harmless(text) for text in texts])
    response = Response("\ufeff" + buffer.getvalue(), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=f"{study}-queries-{g.now.date().isoformat()}.csv")
    return response


def _lines(tx: Transaction, study: str) -> list[Ages]:
    mine = guard.my_sites("query.read")
    places = {one.code: one for one in sites.all_of(tx, study) if mine is None or one.code in mine}
    held: dict[str, list[Aged]] = {code: [] for code in places}
    for course in query_courses.courses(tx, study, sorted(places), guarded_forms(tx, study, places)):
        held[course.site].append(_aged(course, places))
    lines = [add_up(code, places[code].name, found) for code, found in held.items()]
    return lines if len(lines) < 2 else [*lines, add_up("", "", [one for found in held.values() for one in found])]


def _aged(course: Course, places: Mapping[str, Site]) -> Aged:
    """A query in whole days at its site."""
    today = places[course.site].today
    opened, now = today(course.opened_at), today(g.now)
    return Aged(
        course.state,
        max(0, (now - opened).days),
        (today(course.answered_at) - opened).days if course.answered_at else None,
        (today(course.settled_at) - opened).days if course.settled_at else None,
        course.state is QueryState.OPEN and course.due_on is not None and course.due_on < now,
    )


def _bucket(first: int, last: int | None) -> Message:
    if last is None:
        return Message(N_("over %(days)s days"), {"days": first - 1})
    return Message(N_("%(first)s to %(last)s days"), {"first": first, "last": last})
