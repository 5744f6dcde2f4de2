"""The gate before a treatment, with the ledger of decisions as it stands: `core.safety.gate` says what it asks."""

from __future__ import annotations

from datetime import datetime, tzinfo

from trialcrf.core.checks import Finding
from trialcrf.core.definition.model import FormDef, Study
from trialcrf.core.document import Document
from trialcrf.core.entry import Submitted, typed_in
from trialcrf.core.safety import gate
from trialcrf.store import decisions
from trialcrf.store.transaction import Transaction


def findings(
    tx: Transaction, study: Study, form: FormDef, before: Document, submitted: Submitted, zone: tzinfo, now: datetime
) -> list[Finding]:
    """What is doubtful of a treatment as it is about to be saved; the ledger is read for forms that record one."""
    settings = study.safety
    if settings is None or (form.with_alias(settings.arm_alias) is None and form.with_alias(gate.TREATED) is None):
        return []
    return gate.findings(study, form, typed_in(before, submitted), decisions.all_of(tx, study.oid), zone, now)
