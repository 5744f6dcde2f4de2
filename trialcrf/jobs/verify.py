"""Verifying the trail: every chain, and that what is stored is exactly what the trail tells. The first wrong record is named."""

from __future__ import annotations

from collections.abc import Mapping

from trialcrf.actions import NotClean
from trialcrf.core.rhythm import RHYTHMS
from trialcrf.core.wording import N_, Message
from trialcrf.store import audit, replay
from trialcrf.store.transaction import Transaction

BREAKS: Mapping[str, str] = {
    "altered": N_("Chain %(chain)s, record %(seq)s: the record was altered."),
    "missing": N_("Chain %(chain)s, record %(seq)s: the record is missing."),
    "unlinked": N_("Chain %(chain)s, record %(seq)s: the record does not follow the one before it."),
    "value": N_("Chain %(chain)s, record %(seq)s: the value is not the one that was recorded."),
    "cut": N_("Chain %(chain)s, record %(seq)s: the end of the chain was cut off or replaced."),
}


def verify(tx: Transaction) -> Message:
    """What was verified, in numbers. Raises NotClean with the first record that does not hold."""
    broken = audit.broken(tx.connection)
    if broken is not None:
        # Positions are texts: a grouped number is not what one looks for in a table.
        raise NotClean(Message(BREAKS[broken.kind], {"chain": broken.chain, "seq": str(broken.seq)}))
    different = next(replay.differences(tx), None)
    if different is not None:
        said = N_("%(entity)s %(id)s, at “%(place)s”: what is stored is not what the trail tells.")
        raise NotClean(Message(said, {"entity": different.entity, "id": different.entity_id, "place": different.place or "–"}))
    sizes = [size for _, size, _ in audit.chains(tx.connection)]
    return Message(RHYTHMS["audit-verify"].says, {"chains": len(sizes), "records": sum(sizes)})
