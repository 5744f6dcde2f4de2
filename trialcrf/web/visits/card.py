"""The card of a subject's visits for the patient's file: plain words, large type, one printed page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flask import Blueprint, abort, current_app, g, render_template, request, url_for

from trialcrf.core import schedule
from trialcrf.core.schedule import State, Visit
from trialcrf.core.values import interval
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.external.language import LANGUAGES, Language
from trialcrf.store import subjects
from trialcrf.web import guard
from trialcrf.web.fixed import NAMES
from trialcrf.web.guard import page

blueprint = Blueprint("card", __name__)

_NOT_COMING = frozenset({State.NOT_APPLICABLE, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Row:
    """One visit in plain words. With `best` come the first and last day; else `said` tells how it stands. `also` is said besides."""

    visit: Sayable
    best: date | None = None
    opens: date | None = None
    closes: date | None = None
    said: Message | None = None
    also: Message | None = None


@page(blueprint, "/studies/<study>/subjects/<subject>/card", "subject.list")
def shown(study: str, subject: str) -> str:
    """In the language that the address asks for (`language=fr` or `en`): the patient's, which need not be the reader's."""
    which, definition = g.place.subject, g.place.published.study
    if which.error or definition.is_product(which.subject_type):
        abort(404)
    asked = request.args.get("language", "")
    if asked in LANGUAGES and not current_app.config["PSEUDO"]:
        g.language = Language(asked)
    with guard.read() as tx:
        record = subjects.records(tx, [which])[0]
    today = which.site.today(g.now)
    plan = schedule.plan(definition, record, today)
    return render_template(
        "subjects/card.html",
        language_tag=g.language.tag,
        which=which,
        study=definition,
        today=today,
        rows=[_row(visit) for visit in plan if visit.state not in _NOT_COMING],
        ended=schedule.ending(record) is not None,
        languages=[(code, NAMES[code], url_for("card.shown", study=study, subject=subject, language=code)) for code in LANGUAGES],
        subject_url=url_for("subjects.one", study=study, subject=subject),
    )


def _row(visit: Visit) -> Row:
    label = visit.event.label
    if visit.state in (State.DONE, State.DONE_OUT):
        if not visit.on:
            return Row(label, said=Message(N_("Done")))
        return Row(label, said=Message(N_("Done: %(on)s"), {"on": _when(visit.on)}))
    if visit.state is State.MISSED:
        return Row(label, said=Message(N_("Did not take place")))
    if visit.target is None:
        return Row(label, said=Message(N_("The day will be given to you later")))
    late = Message(N_("Passed: please ask us")) if visit.state is State.OVERDUE else None
    return Row(label, visit.target, visit.opens, visit.closes, also=late)


def _when(recorded: str) -> str:
    """The recorded day in words, or its month, or the text itself where less is known."""
    day = interval(recorded)
    if day.exact:
        return str(g.language.full_day(day.earliest))
    return str(g.language.month(day.earliest)) if len(recorded) == len("2026-12") else recorded
