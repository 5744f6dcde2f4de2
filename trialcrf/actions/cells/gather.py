"""What is recorded of the chain of cells, gathered for its rules: as it stands now, or as it was known at a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from trialcrf.core.cells import Chain, chain
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Document, FormKey
from trialcrf.core.facts import UNDERSTOOD, SubjectRecord, project, recorded
from trialcrf.store import subjects
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

OF_CELLS = frozenset(alias for alias in UNDERSTOOD if alias.startswith("CT")) | {"BEREFID", "PRSTDAT"}
"""Whoever has one of these recorded stands in the chain: a harvest whose number is not typed yet too."""

READ = OF_CELLS | {"EXSTDAT", "RSUBJID"}


def records(tx: Transaction, study: Study) -> list[SubjectRecord]:
    """All who stand in the chain, as far as the chain reads them."""
    return subjects.records(tx, subjects.answering(tx, study.oid, OF_CELLS), READ)


def chain_now(tx: Transaction, study: Study) -> Chain:
    """The chain as it stands, with what this transaction wrote. Raises ValueError for a study without one."""
    return chain(study, records(tx, study))


def with_document(
    study: Study, people: Iterable[SubjectRecord], subject: Subject, form_id: int, key: FormKey, form: FormDef, document: Document | None
) -> list[SubjectRecord]:
    """The same people with one form of the subject as it would be; None: without it. `form_id` of a form that is new is 0."""
    made = list(recorded(form_id, key, project(study, form, document))) if document is not None else []
    held = {one.key: one for one in people}
    own = held.get(subject.key) or SubjectRecord(subject.id, subject.key, subject.site.code, subject.subject_type, subject.enrolled_on)
    kept = [one for one in own.records if (one.event_oid, one.event_repeat, one.form_oid, one.form_repeat) != _address(key)]
    held[subject.key] = replace(own, records=(*kept, *made))
    return list(held.values())


def _address(key: FormKey) -> tuple[str, int, str, int]:
    return key.event_oid, key.event_repeat, key.form_oid, key.form_repeat
