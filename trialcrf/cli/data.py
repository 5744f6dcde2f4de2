"""Commands that carry data out and in: CSV export, SDTM import."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from trialcrf.actions.importing import ImportProblems, import_sdtm
from trialcrf.actions.records.export import export_csv
from trialcrf.cli.terminal import Plain, Terminal, _, here, terminal
from trialcrf.core.definition.model import ACCESS
from trialcrf.core.definition.source import Problem
from trialcrf.core.wording import N_, Message


@click.group(help=_("Carry data out."))
def export() -> None:
    """The group of commands."""


@export.command(help=_("Write the data of a study as CSV files with a codebook, row counts and checksums."))
@click.option("--study", "study_oid", required=True, metavar="KEY")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@terminal
def csv(shell: Terminal, study_oid: str, out: Path) -> None:
    with shell.read() as tx:
        shell.published(tx, study_oid)
        exported = export_csv(tx, study_oid, ACCESS, None, out, shell.now)
    shell.say(exported.message)


@click.group("import", help=_("Carry data in."))
def import_() -> None:
    """The group of commands."""


@import_.command(help=_("Load the SDTM tables DM, EX, SV, AE and DS of a folder, through the checks of entry. Safe to run again."))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option("--study", "study_oid", required=True, metavar="KEY")
@click.option("--zone", default="UTC", show_default=True, help=_("Time zone of sites that the import creates."))
@terminal
def sdtm(shell: Terminal, folder: Path, study_oid: str, zone: str) -> None:
    with shell.read() as tx:
        shell.published(tx, study_oid)
    try:
        with click.progressbar(length=1, label=_("Subjects"), show_pos=True, file=sys.stderr) as bar:

            def progress(done: int, total: int) -> None:
                bar.length = total
                bar.update(done - bar.pos)

            outcome = import_sdtm(folder, study_oid, zone, shell.write, shell.now, progress)
    except ImportProblems as wrong:
        raise Plain("\n".join(map(_line, wrong.problems))) from None
    for refused in outcome.refused:
        click.echo(_line(refused), err=True)
    said = N_(
        "Subjects: %(subjects)s, of which new: %(subjects_new)s. Forms new: %(forms_new)s, changed: %(forms_changed)s, "
        "the same: %(forms_same)s. Audit records: %(records)s. Queries opened: %(queries_opened)s. Refused: %(refused)s."
    )
    names = ("subjects", "subjects_new", "forms_new", "forms_changed", "forms_same", "records", "queries_opened")
    shell.say(Message(said, {**{name: getattr(outcome, name) for name in names}, "refused": len(outcome.refused)}))
    if outcome.refused:
        raise click.exceptions.Exit(1)


def _line(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}: {here().say(problem.message)}"
