"""Checkpoints: the heads of all chains at one moment, kept outside the database, and held against the trail the next time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from trialcrf.actions import NotClean
from trialcrf.core.chain import Checkpoint
from trialcrf.core.wording import N_, Message
from trialcrf.external import checkpoints
from trialcrf.external.checkpoints import Kept, Unreadable
from trialcrf.store import audit
from trialcrf.store.transaction import Transaction


def take(tx: Transaction, at: datetime, file: Path) -> Kept:
    """The heads that the chains have now, to be appended to the file, if the trail still holds everything that its newest line tells of.

    Every record at which a chain ended then must still be there with its hash: so a database that was cut, replaced or set back is
    noticed, even where its chains hold in themselves. Raises NotClean with the first chain that does not go on from there.
    """
    try:
        earlier = checkpoints.newest(file)
    except Unreadable:
        raise NotClean(Message(N_("The file of checkpoints holds no checkpoint any more: somebody wrote over it."))) from None
    if earlier is not None:
        _hold(tx, earlier)
    checkpoint = Checkpoint(tuple(sorted(head for head in audit.chains(tx.connection) if head[1])))
    return Kept(at, checkpoint.digest(), checkpoint.heads)


def _hold(tx: Transaction, earlier: Kept) -> None:
    if Checkpoint(earlier.chains).digest() != earlier.digest:
        said = N_("The checkpoint of %(at)s was altered: its digest is not that of its chains.")
        raise NotClean(Message(said, {"at": earlier.at}))
    for chain, size, head in earlier.chains:
        if audit.hash_at(tx.connection, chain, size) != head:
            said = N_("Chain %(chain)s does not go on from the checkpoint of %(at)s, record %(seq)s: the database was cut or replaced.")
            # Positions are texts: a grouped number is not what one looks for in a table.
            raise NotClean(Message(said, {"chain": chain, "at": earlier.at, "seq": str(size)}))
