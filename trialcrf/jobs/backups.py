"""The nightly backup: made, proved by restoring it, kept; one that cannot be proved is a failed job."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from config import Settings
from trialcrf.actions import NotClean
from trialcrf.actions.records import back_up
from trialcrf.actions.records.back_up import Place
from trialcrf.core.rhythm import RHYTHMS
from trialcrf.core.rotation import Keep
from trialcrf.core.wording import N_, Message, from_plain
from trialcrf.external.backup_folder import Backup
from trialcrf.external.clock import now as read_clock  # Not the module: `trialcrf.jobs.clock` would take its name.


def place_of(settings: Settings, identity: Path | None = None) -> Place:
    """What this installation backs up, and where to; `identity` is the file of another private key than the one of the settings."""
    return Place(
        settings.database_url,
        settings.data,
        settings.backup_folder,
        settings.backup_recipients,
        identity or settings.backup_identity,
        settings.backup_server,
        Keep(*settings.backup_keep),
        version("trialcrf"),
    )


def back_up_tonight(settings: Settings) -> Message:
    """What was backed up and proved, in numbers. Raises NotClean with why it could not be proved, and what `back_up` raises."""
    made = back_up.back_up(place_of(settings), read_clock)
    refuse_unproved(made)
    assert made.proof is not None
    seconds = round((made.proof.moment - made.at).total_seconds(), 1)
    return Message(RHYTHMS["backup"].says, {"bytes": made.size, "records": made.proof.records, "seconds": seconds})


def refuse_unproved(made: Backup) -> None:
    """Raise NotClean, with the first thing that did not hold, where this backup was not proved."""
    if made.proof is None or made.proof.problems:
        what = from_plain(made.proof.problems[0]) if made.proof else Message(N_("nothing is written beside it"))
        said = N_("The backup %(name)s is kept, but it is not proved: %(what)s")
        raise NotClean(Message(said, {"name": made.path.name, "what": what}))
