"""Amendments as data: what a new version asks of those who take part already, and the study as one subject's casebook sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from trialcrf.core.wording import N_, Words

if TYPE_CHECKING:
    from trialcrf.core.definition.model import FormDef, Study, StudyEventDef


class Policy(StrEnum):
    """To whom and what a change applies, from the day on which the version takes effect at a site."""

    ALL = "all"
    NEW_RECORDS = "new_records"
    NEW_SUBJECTS = "new_subjects"


POLICIES: Mapping[Policy, str] = {
    Policy.ALL: N_("every record: those that exist are brought to the new version"),
    Policy.NEW_RECORDS: N_("new records: those that exist stay as they were asked"),
    Policy.NEW_SUBJECTS: N_("new subjects: whoever takes part already is asked as before"),
}


@dataclass(frozen=True, slots=True)
class FormPolicy:
    form: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a version says of itself where it amends the one before it.

    `approval`: it takes effect at a site only once its approval there is recorded (ICH E6(R3) 4.3.5). `reconsent`: whoever consented before
    consents again. `default` is the policy of every changed form that `policies` does not name, `visits` that of the schedule: ALL or
    NEW_SUBJECTS.
    """

    label: Words
    approval: bool = True
    reconsent: bool = False
    default: Policy = Policy.NEW_RECORDS
    visits: Policy = Policy.ALL
    policies: tuple[FormPolicy, ...] = ()

    def of(self, form_oid: str) -> Policy:
        return next((one.policy for one in self.policies if one.form == form_oid), self.default)


@dataclass(frozen=True, slots=True)
class InForce:
    """A version in force at a site. `id` is that of its row; `before`: the subject took part already when it took effect."""

    id: int
    study: Study
    before: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """The study as one casebook sees it. `origins` says which version a form comes from, where it is not the newest in force."""

    study: Study
    origins: Mapping[str, int]


def seen(chain: Sequence[InForce]) -> Seen:
    """What a subject is asked under these versions, oldest first, the last one the newest in force.

    Whatever a version keeps for new subjects stays for the others as they had it: the form's questions, or its absence; the schedule as a
    whole. What a later version does not touch stays so. Raises IndexError for no version.
    """
    first, *later = chain
    study, origins, last = first.study, dict[str, int](), first
    for one in later:
        if one.before:
            study, origins = _amended(study, origins, last, one.study)
        else:
            study, origins = one.study, {}
        last = one
    return Seen(study, origins)


def _amended(had: Study, origins: Mapping[str, int], last: InForce, new: Study) -> tuple[Study, dict[str, int]]:
    """What somebody who `had` this is asked once `new` follows the version `last`."""
    amendment = new.amendment
    forms: list[FormDef] = []
    found: dict[str, int] = {}

    def stays(oid: str) -> bool:
        unchanged = new.form.get(oid) == last.study.form.get(oid)
        return unchanged or (amendment is not None and amendment.of(oid) is Policy.NEW_SUBJECTS)

    for oid in sorted(had.form.keys() | new.form.keys()):
        form = had.form.get(oid) if stays(oid) else new.form.get(oid)
        if form is not None:
            forms.append(form)
            if form != new.form.get(oid):
                found[oid] = origins.get(oid, last.id)
    same = new.events == last.study.events or (amendment is not None and amendment.visits is Policy.NEW_SUBJECTS)
    return replace(new, forms=tuple(forms), events=_asking(had.events if same else new.events, {form.oid for form in forms})), found


def _asking(events: Sequence[StudyEventDef], forms: set[str]) -> tuple[StudyEventDef, ...]:
    """The events with those of their forms that are asked; an event without any is none."""
    kept = (replace(event, forms=tuple(ref for ref in event.forms if ref.form_oid in forms)) for event in events)
    return tuple(event for event in kept if event.forms)


def whole(versions: Sequence[Study]) -> Study:
    """The newest of these versions (oldest first), with the visits and forms that only an older one has: what is still in force at
    some site, or was recorded, has a name in every list."""
    newest = versions[-1]
    forms, events = dict(newest.form), dict(newest.event)
    for study in reversed(versions[:-1]):
        for form in study.forms:
            forms.setdefault(form.oid, form)
        for event in study.events:
            events.setdefault(event.oid, event)
    if len(forms) == len(newest.forms) and len(events) == len(newest.events):
        return newest
    return replace(newest, forms=tuple(sorted(forms.values(), key=lambda form: form.oid)), events=tuple(events.values()))
