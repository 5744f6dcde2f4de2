"""The page of the first day: the steps of each role that the person has, each leading to a real page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, current_app, g, render_template, url_for

from trialcrf.core.access import ROLES, may
from trialcrf.core.definition.model import EventType, Study
from trialcrf.core.document import FormKey
from trialcrf.core.sight import eyes_of
from trialcrf.core.wording import N_, Message
from trialcrf.store import subjects
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard
from trialcrf.web.finding import in_study, known_of, stay_in, studies_of_person
from trialcrf.web.first_steps import BATCH, DONOR, PERSON, STEPS, Step
from trialcrf.web.frame import shell
from trialcrf.web.guard import SELF, page
from trialcrf.web.page import Crumb
from trialcrf.web.subjects import form_url

blueprint = Blueprint("first_day", __name__)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A step for reading: the page that it leads to, what to do there, what stands there."""

    label: Message
    url: str
    says: Message
    names: Message


@page(blueprint, "/first-day", SELF)
def shown() -> str:
    """The steps of each role that the person has, in the first study in which they have it."""
    roles: dict[str, Sequence[Drawn]] = {}
    with guard.read() as tx:
        mine = studies_of_person(tx)
        held = [(role, one) for one in mine for role in ROLES if _holds(role, one.study.oid)]
        for role, published in held:
            if role not in roles:
                with in_study(published) as study:
                    roles[role] = _drawn(tx, study, STEPS[role])
        stay_in(mine)
    return render_template(
        "account/first_day.html",
        shell=shell(),
        crumbs=[Crumb(Message(N_("My account")), url_for("account.mine"))],
        roles=[(role, Message(ROLES[role]), steps) for role, steps in roles.items()],
    )


def _holds(role: str, study: str) -> bool:
    return any(grant.role == role and grant.study in (study, "*") for grant in g.session.actor.grants)


def _drawn(tx: Transaction, study: Study, steps: Sequence[Step]) -> list[Drawn]:
    found = []
    for step in steps:
        url = _url(tx, study, step)
        if url:
            names = Message(step.names)
            found.append(Drawn(Message(step.label), url, Message(step.says, {"what": names}), names))
    return found


def _url(tx: Transaction, study: Study, step: Step) -> str:
    """Where a step leads; empty where there is nobody yet whom it is about."""
    if not step.about:
        of_study = current_app.url_map.is_endpoint_expecting(step.endpoint, "study")
        return url_for(step.endpoint, study=study.oid) if of_study else url_for(step.endpoint)
    which = _first(tx, study, step.about)
    if which is None:
        return ""
    if step.endpoint == "entry.form":
        return _form_url(study, which)
    return url_for(step.endpoint, study=study.oid, subject=which.key)


def _first(tx: Transaction, study: Study, about: str) -> Subject | None:
    people, batches = known_of(study, products=False), known_of(study, products=True)
    kinds = {PERSON: list(people)[:1], DONOR: list(people)[-1:], BATCH: list(batches)[:1]}[about]
    for kind in kinds:
        at = (people | batches)[kind]  # type: ignore[operator]
        return next(iter(subjects.all_of(tx, study.oid, at, kind, limit=1)), None)
    return None


def _form_url(study: Study, which: Subject) -> str:
    """The first form of the subject's visits that says something of itself and that the reader may read."""
    eyes = eyes_of(g.session.actor, study.oid, which.site.code)
    for event in study.events_for(which.subject_type):
        for form in (study.form[ref.form_oid] for ref in event.forms):
            readable = form.access in eyes and may(g.session.actor, "casebook.open", study.oid, which.site.code)
            if event.type is EventType.SCHEDULED and form.help.texts and readable:
                return form_url(which, FormKey(event.oid, form.oid))
    return ""
