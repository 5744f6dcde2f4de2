"""The backups for administrators: which there are, what was proved of each, and how one is restored. None is taken away through the web."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, current_app, g, render_template

from trialcrf.actions.records.restore import CHECKS
from trialcrf.core.rotation import is_old
from trialcrf.core.wording import N_, Message, Sayable, from_plain
from trialcrf.external import backup_folder
from trialcrf.external.backup_folder import Backup
from trialcrf.web import guard
from trialcrf.web.administration.jobs_page import ago
from trialcrf.web.frame import shell
from trialcrf.web.guard import page

blueprint = Blueprint("backups", __name__)

WORDS: Mapping[str, str] = {"done": N_("proved"), "failed": N_("not proved"), "": N_("nothing proved yet")}
SIGNS: Mapping[str, str] = {"done": "done", "failed": "overdue", "": "empty"}


@dataclass(frozen=True, slots=True)
class Line:
    """A backup as the page shows it. `outcome` is done, failed or empty; `problems` are what did not hold."""

    backup: Backup
    age: Message
    outcome: str
    word: Message
    sign: str
    checks: tuple[Message, ...]
    problems: tuple[Sayable, ...]


@page(blueprint, "/admin/backups", "job.administer")
def listed() -> str:
    """Every backup in the folder, the newest first. Raises NotAllowed."""
    guard.acting()  # A backup holds every study: who administers only some has no business here.
    kept = backup_folder.all_of(current_app.config["BACKUPS"])
    proved = backup_folder.newest_proved(kept)
    return render_template(
        "admin/backups.html",
        shell=shell(),
        lines=[_line(one) for one in kept],
        proved=proved,
        proved_age=ago(g.now - proved.at) if proved else None,
        old=is_old(proved.at if proved else None, g.now),
        encrypting=current_app.config["BACKUPS_ENCRYPTED"],
    )


def _line(one: Backup) -> Line:
    outcome = "" if one.proof is None else "done" if one.proof.held else "failed"
    checks = tuple(Message(CHECKS[name]) for name in one.proof.checks if name in CHECKS) if one.proof else ()
    problems = tuple(from_plain(said) for said in one.proof.problems) if one.proof else ()
    return Line(one, ago(g.now - one.at), outcome, Message(WORDS[outcome]), SIGNS[outcome], checks, problems)
