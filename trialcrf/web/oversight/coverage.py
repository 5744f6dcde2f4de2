"""How far source data verification is, by site and by subject: on a page, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, abort, g, render_template, request, stream_with_context, url_for

from trialcrf.actions.oversight import verify
from trialcrf.actions.oversight.verify import Readable
from trialcrf.core.access import may
from trialcrf.core.definition.model import FormDef
from trialcrf.core.oversight.sampling import Coverage, drawn
from trialcrf.core.wording import N_, Message
from trialcrf.external.tables import harmless
from trialcrf.store import sites, subjects
from trialcrf.store.sites import Site
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Chip, Crumb
from trialcrf.web.paging import asked_page, here, pages

blueprint = Blueprint("coverage", __name__)

LIST = "/studies/<study>/verification"
ON_A_PAGE, AT_ONCE = 50, 50
MOST = 200
"""Subjects that are counted together while somebody waits for the page; of more, the sums stand in the CSV alone."""


@dataclass(frozen=True, slots=True)
class SubjectLine:
    key: str
    url: str
    site: str
    drawn: bool
    counted: Coverage


@dataclass(frozen=True, slots=True)
class SiteLine:
    site: Site
    url: str
    subjects: int
    counted: Coverage


@page(blueprint, LIST, "verification.read")
def shown(study: str) -> str:
    """The sites of the person with their sums, and the subjects, 50 a page. Filters are in the address: site, page."""
    plan, wanted = g.place.published.study.oversight, request.args.get("site", "")
    with guard.read() as tx:
        known = _sites(tx)
        if wanted and wanted not in known:
            abort(404)
        at = [wanted] if wanted else sorted(known)
        total = subjects.count(tx, study, at)
        number = asked_page(total, ON_A_PAGE)
        small = total <= MOST
        everybody = _people(tx, [*at], 0, None) if small else _people(tx, [*at], (number - 1) * ON_A_PAGE, ON_A_PAGE)
        counted = {one.key: covered for one, covered in _counted(tx, everybody)}
    part = everybody[(number - 1) * ON_A_PAGE : number * ON_A_PAGE] if small else everybody
    seed, shares = plan.seed, [rule.percent for rule in plan.sampling if rule.percent < 100]
    lines = [
        SubjectLine(
            one.key,
            url_for("verification.subject", study=study, subject=one.key),
            one.site.code,
            any(drawn(seed, one.key, percent) for percent in shares),
            counted[one.key],
        )
        for one in part
    ]
    sums = [_site_line(study, known[code], [one for one in everybody if one.site.code == code], counted) for code in at] if small else []
    places = [Chip(Message(N_("Every site")), here(site=None), not wanted)]
    places += [Chip(Message(N_("Site %(site)s"), {"site": code}), here(site=code), code == wanted) for code in known]
    return render_template(
        "oversight/coverage.html",
        shell=shell(),
        crumbs=[Crumb(g.place.published.study.title)],
        places=places if len(known) > 1 else [],
        plan=plan,
        rules=[_rule(rule.forms, rule.items, rule.percent) for rule in plan.sampling],
        lines=lines,
        sums=sums,
        total=sum((one.counted for one in sums), Coverage()) if small else None,
        most=MOST,
        csv_url=url_for("coverage.file", study=study, site=wanted or None),
        pages=pages(number, total, ON_A_PAGE),
    )


@page(blueprint, LIST + ".csv", "verification.read", endpoint="file")
def file_(study: str) -> Response:
    """A line for each subject of the view, all pages."""
    wanted = request.args.get("site", "")
    with guard.read() as tx:
        known = _sites(tx)
    if wanted and wanted not in known:
        abort(404)
    response = Response(stream_with_context(_csv([wanted] if wanted else sorted(known))), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=f"{study}-verification-{g.now.date().isoformat()}.csv")
    return response


def _csv(at: Sequence[str]) -> Iterator[str]:
    heading = (
        *(N_("Site"), N_("Subject"), N_("Asked by the plan"), N_("Verified"), N_("No longer verified"), N_("Left"), N_("Beyond the plan")),
        N_("Coverage in per cent"),
    )
    yield "\ufeff" + _line([g.language.gettext(one) for one in heading])
    start = 0
    with guard.read() as tx:
        while some := _people(tx, at, start, AT_ONCE):
            for one, counted in _counted(tx, some):
                numbers = (counted.required, counted.verified, counted.changed, counted.left, counted.beyond)
                percent = "" if counted.percent is None else str(counted.percent)
                yield _line([one.site.code, one.key, *(str(number) for number in numbers), percent])
            start += len(some)


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([harmless(text) for text in cells])
    return buffer.getvalue()


def _sites(tx: Transaction) -> dict[str, Site]:
    mine = guard.my_sites("verification.read")
    return {one.code: one for one in sites.all_of(tx, g.place.published.study.oid) if mine is None or one.code in mine}


def _people(tx: Transaction, at: Sequence[str], offset: int, limit: int | None) -> list[Subject]:
    return subjects.all_of(tx, g.place.published.study.oid, at, offset=offset, limit=limit)


def _counted(tx: Transaction, people: Sequence[Subject]) -> Iterator[tuple[Subject, Coverage]]:
    """How far each of them is, by what the person may read at their site."""
    for code in sorted({one.site.code for one in people}):
        here_ = [one for one in people if one.site.code == code]
        found = verify.of_subjects(tx, g.place.published, here_, _readable(code))
        yield from ((one, found[one.key]) for one in here_)


def _readable(site: str) -> Readable:
    def readable(form: FormDef) -> bool:
        return may(g.session.actor, f"{form.access}.read", g.place.published.study.oid, site)

    return readable


def _site_line(study: str, site: Site, people: Sequence[Subject], counted: dict[str, Coverage]) -> SiteLine:
    total = sum((counted[one.key] for one in people), Coverage())
    return SiteLine(site, url_for("coverage.shown", study=study, site=site.code), len(people), total)


def _rule(forms: Sequence[str], items: Sequence[str], percent: int) -> Message:
    """One rule of the plan as a sentence."""
    study, language = g.place.published.study, g.language.code
    whole = [study.form[oid].label.in_(language) for oid in forms if oid in study.form]
    single = [_item(name) for name in items]
    what = ", ".join((*whole, *single))
    if percent >= 100:
        return Message(N_("In every subject: %(what)s."), {"what": what}) if what else Message(N_("In every subject: every value."))
    if what:
        return Message(N_("In %(percent)s %% of the subjects: %(what)s."), {"percent": percent, "what": what})
    return Message(N_("In %(percent)s %% of the subjects: every value."), {"percent": percent})


def _item(name: str) -> str:
    form_oid, _, item_oid = name.partition(".")
    form = g.place.published.study.form.get(form_oid)
    item = form.items.get(item_oid) if form else None
    if form is None or item is None:
        return name
    return f"{form.label.in_(g.language.code)} – {item[1].label.in_(g.language.code)}"
