"""Where casebooks are listed and opened: people by their visits, batches of a product in a list of their own."""

from __future__ import annotations

from flask import url_for

from trialcrf.core.definition.model import Study
from trialcrf.core.wording import N_, Message
from trialcrf.store.subjects import Subject
from trialcrf.web.page import Crumb


def casebook_crumb(study: Study, subject_type: str) -> Crumb:
    """The list that a subject of this kind stands in."""
    if study.is_product(subject_type):
        return Crumb(Message(N_("Batches of cells")), url_for("batches.listed", study=study.oid))
    return Crumb(Message(N_("Subjects")), url_for("subjects.matrix", study=study.oid, kind=subject_type))


def subject_url(study: Study, which: Subject, **more: str) -> str:
    """The page of a subject: there is one for every kind."""
    endpoint = "batches.one" if study.is_product(which.subject_type) else "subjects.one"
    return url_for(endpoint, study=study.oid, subject=which.key, **more)  # type: ignore[arg-type]
