"""A subject's timeline: figure and table of visits, reference days and adverse events, on a page of its own and on the subject's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask import Blueprint, abort, g, render_template, url_for

from trialcrf.core import schedule
from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.schedule import Visit
from trialcrf.core.timeline import Timeline, timeline
from trialcrf.core.wording import N_, Message
from trialcrf.store import subjects
from trialcrf.store.subjects import Subject
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb

blueprint = Blueprint("timeline", __name__)


@page(blueprint, "/studies/<study>/subjects/<subject>/timeline", "subject.list")
def one(study: str, subject: str) -> str:
    """The figure alone, as wide as the window is."""
    definition, which = g.place.published.study, g.place.subject
    if definition.is_product(which.subject_type):
        abort(404)
    with guard.read() as tx:
        record = subjects.records(tx, [which])[0]
    visits = schedule.plan(definition, record, which.site.today(g.now))
    return render_template(
        "subjects/timeline.html",
        shell=shell(),
        crumbs=[
            Crumb(Message(N_("Subjects")), url_for("subjects.matrix", study=definition.oid, kind=which.subject_type)),
            Crumb(which.key, url_for("subjects.one", study=definition.oid, subject=which.key)),
        ],
        which=which,
        timeline=drawn(definition, which, record, visits),
    )


def drawn(study: Study, which: Subject, record: SubjectRecord, visits: Sequence[Visit]) -> Timeline:
    """The figure as this person may see it: what stands in a form that they may not read is not drawn."""
    readable = {form.oid for form in study.forms if guard.may_here(f"{form.access}.read")}
    seen = replace(record, records=tuple(one for one in record.records if one.form_oid in readable))
    return timeline(study, seen, visits, which.site.today(g.now))
