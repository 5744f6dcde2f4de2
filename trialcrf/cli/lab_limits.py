"""Commands about limits of laboratories: load them from a CSV file."""

from __future__ import annotations

from pathlib import Path

import click

from trialcrf.actions.safety.load_limits import load as load_lines
from trialcrf.cli.terminal import Plain, Terminal, _, here, terminal
from trialcrf.core.wording import N_, Message
from trialcrf.external.limit_files import LimitProblems, read_limits


@click.group("lab-limits", help=_("Limits of normal of the sites’ laboratories."))
def lab_limits() -> None:
    """The group of commands."""


@lab_limits.command(
    help=_("Load a CSV with site, laboratory, analyte, unit, sex, low, high, from, to. All of it or nothing; safe to run again.")
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--study", "study_oid", required=True, metavar="KEY")
@terminal
def load(shell: Terminal, file: Path, study_oid: str) -> None:
    with shell.read() as tx:
        study = shell.published(tx, study_oid).study
    try:
        lines = read_limits(file)
        with shell.write() as tx:
            new, stood = load_lines(tx, study, file.name, lines)
    except LimitProblems as wrong:
        raise Plain("\n".join(f"{one.file}:{one.line}: {here().say(one.message)}" for one in wrong.problems)) from None
    shell.say(Message(N_("Limits: %(new)s new, %(stood)s stood already."), {"new": new, "stood": stood}))
