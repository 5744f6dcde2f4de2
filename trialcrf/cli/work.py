"""Commands about jobs: run one by hand, or serve them all."""

from __future__ import annotations

import signal
import threading
from datetime import datetime
from types import FrameType

import click

from trialcrf.cli.alert import told_if_refused
from trialcrf.cli.terminal import MOMENT, Terminal, _, here, terminal
from trialcrf.core.rhythm import late
from trialcrf.core.wording import N_, Message
from trialcrf.external import backup_folder, logs
from trialcrf.jobs import JOBS, Means
from trialcrf.jobs import run as run_job
from trialcrf.store import damage, runs

FAILED = 70
"""The exit code of a scheduler whose database or disk failed: whoever watches over it starts a new one."""


@click.group(help=_("What the program does by itself."))
def jobs() -> None:
    """The group of commands."""


@jobs.command("list", help=_("List the jobs: when each ended well last, when it is due next, and what it is for."))
@terminal
def listed(shell: Terminal) -> None:
    with shell.read() as tx:
        standings = runs.standings(tx, JOBS)
    rows = [(_("job"), _("last success"), _("next"), _("what it does"))]
    for name, job in JOBS.items():
        standing = standings.get(name)
        moments = (standing.last_success, standing.next_at) if standing else (None, None)
        mark = _("late") + ": " if late(job.rhythm, standing, shell.now) else ""
        rows.append((name, _moment(moments[0]), _moment(moments[1]), mark + here().gettext(job.rhythm.does)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        click.echo("  ".join(f"{text:<{width}}" for text, width in zip(row, [*widths, 0], strict=True)).rstrip())
    proved = backup_folder.newest_proved(backup_folder.all_of(shell.settings.backup_folder))
    if proved is None:
        shell.say(Message(N_("There is no backup of which it is proved that it can be restored.")))
    else:
        told = {"name": proved.path.name, "at": _moment(proved.at), "hours": int((shell.now - proved.at).total_seconds() // 3600)}
        shell.say(Message(N_("Newest proved backup: %(name)s, of %(at)s, %(hours)s hours ago."), told))


def _moment(at: datetime | None) -> str:
    """Universal time to the second, as a log writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else "–"


@jobs.command("run", help=_("Run one job now, whenever the scheduler ran it last."))
@click.argument("name", type=click.Choice(list(JOBS)), metavar="NAME")
@click.option("--now", type=MOMENT, help=_("What the job takes for the present moment; what it records keeps its true time."))
@terminal
def run_(shell: Terminal, name: str, now: datetime | None) -> None:
    said = run_job(Means.of(shell.settings, shell.engine), JOBS[name], now or shell.now, by_hand=True)
    shell.say(said or Message(N_("Another worker is at it.")))


@jobs.command("serve", help=_("Run the scheduler and the worker until they are stopped (Ctrl-C)."))
@terminal
def serve_(shell: Terminal) -> None:
    from trialcrf.jobs.clock import serve

    logs.start(shell.settings.log)
    stopping = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    with told_if_refused(shell):
        damage.tell(shell.engine, stopping.set)
    serve(Means.of(shell.settings, shell.engine), stopping)
    if damage.of(shell.engine) is not None:
        raise click.exceptions.Exit(FAILED)
