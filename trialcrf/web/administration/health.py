"""Is the program well: for a watcher outside, as JSON."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, current_app, g, jsonify

from trialcrf.core.rhythm import RHYTHMS, Standing, health
from trialcrf.core.rotation import is_old
from trialcrf.external import backup_folder
from trialcrf.store import runs
from trialcrf.web import guard, refusing
from trialcrf.web.guard import PUBLIC, page

blueprint = Blueprint("health", __name__)


@page(blueprint, "/healthz", PUBLIC)
def healthz() -> tuple[Response, int]:
    """How the scheduler and its jobs are, for whoever asks: no sentence of a failure and nothing of any study is in it.

    `status` is ok; job-late (200) where the names in `late` failed or did not end well for two periods; backup-old (200) where the
    newest proved backup is older than two nights; scheduler-silent (503); writing-stopped (503) after the disk or the database failed
    this process. `backup` is that backup; `disk_low`: there is less room than the reserve.
    `last_tick_age` and `age` are in seconds, moments ISO 8601 in UTC; null is never.
    """
    with guard.read() as tx:
        standings = runs.standings(tx, RHYTHMS)
    found = health(standings, g.now)
    stopped, little = refusing.stopped() is not None, refusing.little_room() is not None
    status = "writing-stopped" if stopped else "scheduler-silent" if found.silent else "job-late" if found.late else "ok"
    told = {name: _told(standings.get(name)) for name in RHYTHMS}
    proved = backup_folder.newest_proved(backup_folder.all_of(current_app.config["BACKUPS"]))
    if status == "ok" and proved is not None and is_old(proved.at, g.now):
        status = "backup-old"
    backup = {"proved": _moment(proved.at), "age": _age(proved.at)} if proved else {"proved": None, "age": None}
    answer = jsonify(status=status, last_tick_age=found.tick_age, late=list(found.late), disk_low=little, jobs=told, backup=backup)
    return answer, 503 if found.silent or stopped else 200


def _told(standing: Standing | None) -> dict[str, str | float | None]:
    if standing is None:
        return {"last_success": None, "age": None, "outcome": None, "next": None}
    last = standing.last_success
    age = None if last is None else _age(last)
    return {"last_success": _moment(last), "age": age, "outcome": standing.outcome, "next": _moment(standing.next_at)}


def _age(at: datetime) -> float:
    now: datetime = g.now
    return max(0.0, round((now - at).total_seconds(), 1))


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")
