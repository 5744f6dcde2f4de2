"""The jobs of the scheduler for administrators: how each stands, what ran last, and how old the newest backup and checkpoint are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from flask import Blueprint, current_app, g, render_template

from trialcrf.core.rhythm import RHYTHMS, Rhythm, Standing, health, late
from trialcrf.core.wording import N_, Message
from trialcrf.external import backup_folder, checkpoints
from trialcrf.store import runs
from trialcrf.store.runs import Past
from trialcrf.web import guard
from trialcrf.web.frame import shell
from trialcrf.web.guard import page

blueprint = Blueprint("jobs", __name__)

RUNS_SHOWN = 50

OUTCOMES: Mapping[str, str] = {
    "": N_("never ran"),
    "running": N_("running"),
    "done": N_("done"),
    "failed": N_("failed"),
}
SIGNS: Mapping[str, str] = {"": "empty", "running": "started", "done": "done", "failed": "overdue"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a run said: in the reader's language where its numbers tell it all, else as it was recorded, in English."""

    message: Message | None
    recorded: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A job with how it stands."""

    rhythm: Rhythm
    outcome: str
    word: Message
    sign: str
    late: bool
    last: datetime | None
    age: Message | None
    next: datetime | None
    said: Sentence


@dataclass(frozen=True, slots=True)
class Ran:
    """A run of the ledger."""

    job: str
    began: datetime
    seconds: float | None
    attempt: int
    outcome: str
    word: Message
    sign: str
    by_hand: bool
    said: Sentence


@page(blueprint, "/admin/jobs", "job.administer")
def listed() -> str:
    """Every job and the last runs; nothing can be started or changed here. Raises NotAllowed."""
    guard.acting()  # The scheduler works for every study: who administers only some has no business here.
    with guard.read() as tx:
        standings = runs.standings(tx, RHYTHMS)
        past = runs.newest(tx, RUNS_SHOWN)
    data: Path = current_app.config["DATA"]
    kept = backup_folder.all_of(current_app.config["BACKUPS"])
    checkpoint, altered = _newest_checkpoint(data)
    found = health(standings, g.now)
    return render_template(
        "admin/jobs.html",
        shell=shell(),
        health=found,
        tick=None if found.tick_age is None else ago(timedelta(seconds=found.tick_age)),
        jobs=[_line(rhythm, standings.get(rhythm.name)) for rhythm in RHYTHMS.values()],
        past=[_ran(one) for one in past],
        backup=kept[0] if kept else None,
        backup_age=ago(g.now - kept[0].at) if kept else None,
        backups=len(kept),
        checkpoint=checkpoint,
        checkpoint_age=ago(g.now - checkpoint.at) if checkpoint else None,
        altered=altered,
    )


def _newest_checkpoint(data: Path) -> tuple[checkpoints.Kept | None, bool]:
    try:
        return checkpoints.newest(checkpoints.file_in(data)), False
    except checkpoints.Unreadable:
        return None, True


def _line(rhythm: Rhythm, standing: Standing | None) -> Line:
    outcome = standing.outcome if standing else ""
    last = standing.last_success if standing else None
    return Line(
        rhythm,
        outcome,
        Message(OUTCOMES[outcome]),
        SIGNS[outcome],
        late(rhythm, standing, g.now),
        last,
        ago(g.now - last) if last else None,
        standing.next_at if standing else None,
        _sentence(rhythm.name, outcome, standing.counts or {}, standing.said) if standing else Sentence(None),
    )


def _ran(one: Past) -> Ran:
    seconds = round((one.ended - one.began).total_seconds(), 1) if one.ended else None
    said = _sentence(one.job, one.outcome, one.counts, one.said)
    by_hand = one.period.startswith("by hand")
    return Ran(one.job, one.began, seconds, one.attempt, one.outcome, Message(OUTCOMES[one.outcome]), SIGNS[one.outcome], by_hand, said)


def _sentence(job: str, outcome: str, counts: Mapping[str, float], recorded: str) -> Sentence:
    rhythm = RHYTHMS.get(job)  # An older version of the program may have had other jobs, and other numbers.
    if outcome == "done" and rhythm is not None:
        try:
            rhythm.says % counts
        except KeyError:
            return Sentence(None, recorded)
        return Sentence(Message(rhythm.says, counts))
    return Sentence(None, recorded)


def ago(past: timedelta) -> Message:
    """How long ago, in the unit that a person would use. What is ahead by a clock that was set back is now."""
    seconds = max(0, int(past.total_seconds()))
    if seconds < 120:
        return Message(N_("%(count)s s ago"), {"count": seconds})
    if seconds < 2 * 3600:
        return Message(N_("%(count)s min ago"), {"count": seconds // 60})
    if seconds < 48 * 3600:
        return Message(N_("%(count)s h ago"), {"count": seconds // 3600})
    return Message(N_("%(count)s days ago"), {"count": seconds // 86400})
