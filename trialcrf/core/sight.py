"""What of a study somebody may know of: a form by the verb that guards it, an occasion by the forms that are asked there."""

from __future__ import annotations

from collections.abc import Collection

from trialcrf.core.access import Actor, may
from trialcrf.core.definition.model import ACCESS, Study


def eyes_of(actor: Actor, study_oid: str, site: str | None) -> frozenset[str]:
    """The kinds of forms (`FormDef.access`) that the actor may read at a site; `None`: at any site at all."""
    return frozenset(access for access in ACCESS if may(actor, f"{access}.read", study_oid, site))


def known(study: Study, event_oid: str, form_oid: str | None, eyes: Collection[str]) -> bool:
    """Whether something about a form, or (`None`) about a whole occasion, may be known to who reads these kinds of forms."""
    if form_oid is None:
        return seen_at(study, event_oid, eyes)
    form = study.form.get(form_oid)
    return form.access in eyes if form is not None else {one.access for one in study.forms} <= set(eyes)


def seen_at(study: Study, event_oid: str, eyes: Collection[str]) -> bool:
    """Whether an occasion may be known to who reads these kinds of forms: one of them is asked there.

    That there is a visit of two subjects' link tells that they are linked. An occasion that the study has no more is for who reads all.
    """
    event = study.event.get(event_oid)
    if event is None:
        return {form.access for form in study.forms} <= set(eyes)
    return any(study.form[ref.form_oid].access in eyes for ref in event.forms)
