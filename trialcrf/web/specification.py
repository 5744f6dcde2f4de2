"""What the study is made of, for reading: the register of assumptions, and what a new version changes for those already enrolled."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, abort, g, render_template, url_for

from trialcrf.actions import publish
from trialcrf.actions.publish import Effect
from trialcrf.core.definition.criteria import Assumption
from trialcrf.core.definition.model import Study
from trialcrf.core.eligibility import VERDICTS
from trialcrf.core.wording import N_, Message, Sayable
from trialcrf.store import definitions
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page
from trialcrf.web.page import Crumb

blueprint = Blueprint("specification", __name__)


@dataclass(frozen=True, slots=True)
class RegisterLine:
    """One assumption, and what rests on it."""

    name: str
    assumption: Assumption
    criteria: tuple[str, ...]
    visits: tuple[Sayable, ...]
    parameters: tuple[tuple[Sayable, int, str], ...]


@page(blueprint, "/studies/<study>/assumptions", "study.read")
def assumptions(study: str) -> str:
    published = g.place.published
    with guard.read() as tx:
        versions = definitions.versions_of(tx, study)
    return render_template(
        "specification/assumptions.html",
        shell=shell(),
        crumbs=[Crumb(published.study.title)],
        published=published,
        lines=[_line(published.study, name) for name in published.study.assumptions],
        versions=[
            (new.version, url_for("specification.effect", study=study, version=new.version))
            for new in versions
            if any(old.version < new.version for old in versions)
        ],
    )


@page(blueprint, "/studies/<study>/versions/<int:version>/effect", "study.compare")
def effect(study: str, version: int) -> str:
    """What a version changed against the one before it, for every subject that the person may see."""
    with guard.read() as tx:
        versions = {one.version: one for one in definitions.versions_of(tx, study)}
        new = versions.get(version)
        old = versions.get(max((number for number in versions if number < version), default=0))
        if new is None or old is None:
            abort(404)
        found: Effect = publish.effect(tx, old.study, new.study, guard.my_sites("study.compare"), g.now)
    return render_template(
        "specification/effect.html",
        shell=shell(),
        crumbs=[Crumb(new.study.title), Crumb(Message(N_("Assumptions")), url_for("specification.assumptions", study=study))],
        old=old,
        new=new,
        effect=found,
        words={code: Message(label) for code, label in VERDICTS.items()},
    )


def _line(study: Study, name: str) -> RegisterLine:
    return RegisterLine(
        name,
        study.assumptions[name],
        tuple(criterion.id for one in study.eligibility for criterion in one.criteria if name in criterion.assumptions),
        tuple(event.label for event in study.events if name in event.assumptions),
        tuple((one.label, one.value, one.unit) for one in study.parameters if name in one.assumptions),
    )
