"""Publishing a study definition: from then on it is frozen."""

from __future__ import annotations

from trialcrf.core.definition.model import Study
from trialcrf.store import definitions
from trialcrf.store.definitions import Published
from trialcrf.store.transaction import Transaction


def publish(tx: Transaction, study: Study) -> tuple[Published, bool]:
    """The published version of this definition, and whether it is a new one: the same definition twice is one version."""
    before = definitions.current(tx, study.oid)
    published = definitions.publish(tx, study)
    return published, before is None or before.id != published.id
