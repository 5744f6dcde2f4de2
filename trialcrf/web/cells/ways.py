"""The ways to the pages at the bedside, from a recipient's own page and from the forms of the infusion."""

from __future__ import annotations

from flask import url_for

from trialcrf.actions.cells import vitals
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.wording import N_, Message
from trialcrf.store.subjects import Subject
from trialcrf.web import guard
from trialcrf.web.page import Chip

OF_INFUSION = ("CTCHKBAG", "CTINFBAG", vitals.POINT)
"""Forms that ask one of these belong to the infusion."""


def ways(study: Study, which: Subject, form: FormDef | None = None) -> list[Chip]:
    """Links to the bedside check and to the vital signs of the infusion, as far as they are this person's; with a form, only for one of
    the infusion."""
    if study.cells is None or which.subject_type != study.cells.recipient or which.error:
        return []
    if form is not None and all(form.with_alias(alias) is None for alias in OF_INFUSION):
        return []
    found = []
    if guard.may_here("bedside.check"):
        found.append(Chip(Message(N_("Bedside check")), url_for("bedside.shown", study=study.oid, subject=which.key)))
    if vitals.asked_of(study, which.subject_type) is not None and guard.may_here("form.read"):
        found.append(Chip(Message(N_("Vital signs of the infusion")), url_for("vitals.shown", study=study.oid, subject=which.key)))
    return found


def traces(study: Study, which: Subject) -> list[Chip]:
    """Links to the trace from somebody, and from a donor to the look-back, as far as they are this person's."""
    if study.cells is None or which.error:
        return []
    kinds = {study.cells.donor: "donor", study.cells.recipient: "recipient", study.cells.product: "batch"}
    found = []
    if which.subject_type in kinds and guard.may_here("trace.read"):
        url = url_for("tracing.shown", study=study.oid, key=which.key, kind=kinds[which.subject_type])
        found.append(Chip(Message(N_("Trace of cells")), url))
    if which.subject_type == study.cells.donor and guard.may_here("look_back.run"):
        found.append(Chip(Message(N_("Look-back")), url_for("look_back.shown", study=study.oid, subject=which.key)))
    return found
