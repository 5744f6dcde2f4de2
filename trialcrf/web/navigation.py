"""The ways onward that stand beside every page: by what a person may do here, in groups, with what waits for that person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flask import g, request, url_for

from trialcrf.core.access import VERBS, may
from trialcrf.core.definition.model import Study
from trialcrf.core.results import RESULT
from trialcrf.core.safety.stopping import rule_of
from trialcrf.core.schedule import State
from trialcrf.core.wording import N_, Message
from trialcrf.store import decisions, outbox, query_lists, sites, visits
from trialcrf.store.transaction import Transaction
from trialcrf.store.visits import Asked
from trialcrf.web import guard
from trialcrf.web.oversight.deciding import to_decide
from trialcrf.web.oversight.waiting import to_sign
from trialcrf.web.page import NavGroup, NavLink
from trialcrf.web.queries import guarded_forms, waiting_for


@dataclass(frozen=True, slots=True)
class Way:
    """A page of the study that is reached from everywhere by who may do `verb`.

    `counts` says how much waits there (None: nothing to say), which `means` explains to those who only hear the number. `where` asks
    whether the study has such a page; `unless` is a verb whose holders have a better way.
    """

    label: str
    endpoint: str
    verb: str
    counts: Callable[[Transaction, Study], int | None] | None = None
    means: str = ""
    where: Callable[[Study], bool] | None = None
    unless: str = ""

    def is_open(self, study: Study) -> bool:
        actor = g.session.actor
        open_ = may(actor, self.verb, study.oid) and not (self.unless and may(actor, self.unless, study.oid))
        return open_ and (self.where is None or self.where(study))


def shown(counted: bool = True) -> tuple[NavGroup, ...]:
    """The groups in which the person of this request has a way; of the study only where the page is one of a study.

    Not `counted`, they are the ways alone, without what waits there.
    """
    study: Study | None = g.place.published.study if g.place.published else None
    with guard.read() as tx:
        groups = [(label, tuple(_ways(tx, study, ways, counted)) if study else ()) for label, ways in OF_STUDY]
        groups.append((N_("Administration"), tuple(_administration(tx, study))))
    first = next((at for at, (_, links) in enumerate(groups) if links), None)
    if g.session.demo and first is not None:  # Everybody of the cast of the demo is new here.
        groups[first] = (groups[first][0], (*groups[first][1], _link(N_("First day"), "first_day.shown")))
    return tuple(NavGroup(Message(label) if label else None, links) for label, links in groups if links)


def _ways(tx: Transaction, study: Study, ways: tuple[Way, ...], counted: bool) -> Iterator[NavLink]:
    for way in ways:
        if way.is_open(study):
            yield _link(way.label, way.endpoint, way.counts(tx, study) if way.counts and counted else None, way.means, study.oid)


def _administration(tx: Transaction, study: Study | None) -> Iterator[NavLink]:
    actor = g.session.actor
    if any(grant.role == "administrator" for grant in actor.grants):
        yield _link(N_("People"), "admin.people")
        yield _link(N_("Sites"), "admin.sites_page")
    if study and may(actor, "access.read", study.oid):
        yield _link(N_("Access"), "access.shown", study=study.oid)
    elif any(grant.role in VERBS["access.read"] and not grant.site for grant in actor.grants):
        yield _link(N_("Access"), "access.studies")
    if may(actor, "job.administer", "*"):
        yield _link(N_("Jobs"), "jobs.listed")
        yield _link(N_("Backups"), "backups.listed")
        yield _link(N_("Mails"), "mails.listed", outbox.counts(tx).get(outbox.UNCERTAIN, 0), N_("to be judged by a person"))


def _link(label: str, endpoint: str, count: int | None = None, means: str = "", study: str = "") -> NavLink:
    area, url = endpoint.partition(".")[0], url_for(endpoint, study=study) if study else url_for(endpoint)
    # People and sites are one area with two links: there the address says which of them is meant.
    current = (request.endpoint or "").partition(".")[0] == area and (area != "admin" or request.path.startswith(url))
    return NavLink(Message(label), url, current, count, Message(means) if means else None, bool(count))


def _has_results(study: Study) -> bool:
    return next(study.forms_with(RESULT), None) is not None


def _overdue(tx: Transaction, study: Study) -> int | None:
    """The overdue visits at the person's sites."""
    if not may(g.session.actor, "subject.list", study.oid):
        return None
    mine = guard.my_sites("subject.list")
    places = [one for one in sites.all_of(tx, study.oid) if mine is None or one.code in mine]
    return visits.count(tx, Asked(places, g.now, study.due_soon, State.OVERDUE))


def _queries(tx: Transaction, study: Study) -> int | None:
    answers, reviews = (may(g.session.actor, verb, study.oid) for verb in ("query.answer", "query.review"))
    if not answers and not reviews:
        return None  # Who only reads has nothing to do about them.
    mine = guard.my_sites("query.read")
    places = [one.code for one in sites.all_of(tx, study.oid) if mine is None or one.code in mine]
    return query_lists.count(tx, study.oid, places, waiting_for(answers), guarded_forms(tx, study.oid, places))


def _unsigned(tx: Transaction, study: Study) -> int | None:
    return to_sign(tx, study) if may(g.session.actor, "signature.sign", study.oid) else None


def _requests(tx: Transaction, study: Study) -> int | None:
    return to_decide(tx, study.oid) or None


def _holds(tx: Transaction, study: Study) -> int | None:
    return decisions.waiting(tx, study.oid) if may(g.session.actor, "decision.sign", study.oid) else None


OF_STUDY: tuple[tuple[str, tuple[Way, ...]], ...] = (
    (
        "",
        (
            Way(N_("My day"), "today.day", "day.read", _overdue, N_("visits are overdue")),
            Way(N_("Subjects"), "subjects.matrix", "subject.list"),
            Way(N_("Calendar"), "calendar.shown", "subject.list"),
            Way(N_("Dashboard"), "dashboard.shown", "quality.read"),
            Way(N_("Batches of cells"), "batches.listed", "cell.read", where=lambda study: study.cells is not None),
        ),
    ),
    (
        N_("Review of data"),
        (
            Way(N_("Queries"), "queries.listed", "query.read", _queries, N_("waiting for you")),
            Way(N_("To sign"), "signing.queue", "signature.read", _unsigned, N_("forms wait for a signature")),
            Way(N_("Requests"), "requests.listed", "casebook.open", _requests, N_("wait for your decision")),
            Way(N_("Verification"), "coverage.shown", "verification.read"),
            Way(N_("Monitoring visits"), "monitoring.listed", "monitoring.read"),
            Way(N_("Locks"), "locks.listed", "lock.read"),
        ),
    ),
    (
        N_("Patients’ safety"),
        (
            Way(N_("Serious events"), "cases.listed", "case.read"),
            Way(
                N_("Stopping rule"), "stopping.shown", "decision.read", _holds, N_("holds to be judged"),
                where=lambda study: rule_of(study) is not None,
            ),
            Way(N_("Laboratories"), "laboratory.listed", "lab.read"),
            Way(N_("Results from a file"), "results.where", "form.enter", where=_has_results),
        ),
    ),
    (
        N_("Documents"),
        (
            Way(N_("Casebooks"), "casebook_files.listed", "casebook.print"),
            Way(N_("Reports"), "reports.listed", "report.read"),
            Way(N_("Data"), "export.page", "data.export"),
        ),
    ),
    (
        N_("The study"),
        (
            Way(N_("Assumptions"), "specification.assumptions", "study.read"),
            Way(N_("Versions"), "amendments.listed", "version.read"),
            Way(N_("Site quality"), "quality.shown", "quality.read"),
            Way(N_("Delegation log"), "delegation.shown", "delegation.read"),
            Way(N_("Names to be avoided"), "names.listed", "names.keep"),
        ),
    ),
    (
        N_("Who did what"),
        (
            Way(N_("The audit trail"), "trail.shown", "audit.read"),
            Way(N_("Review of the audit trail"), "review.shown", "audit.export"),
            Way(N_("Sign-ins and downloads"), "access_log.shown", "access.read", unless="audit.read"),
        ),
    ),
)  # fmt: skip
