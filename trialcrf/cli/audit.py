"""Commands about the audit trail: whether it holds, and all of it as files that verify offline."""

from __future__ import annotations

from pathlib import Path

import click

from trialcrf.actions.records.export_trail import export_trail
from trialcrf.cli.terminal import Terminal, _, terminal
from trialcrf.jobs.verify import verify


@click.group(help=_("The audit trail."))
def audit() -> None:
    """The group of commands."""


@audit.command("verify", help=_("Verify every chain and that the data are what the trail tells; names the first wrong record."))
@terminal
def verify_(shell: Terminal) -> None:
    with shell.read() as tx:
        said = verify(tx)
    shell.say(said)


@audit.command(
    "export",
    help=_(
        "Write the whole audit trail of a study as CSV and JSON Lines, with a manifest and verify_audit.py, which verifies them anywhere: "
        "python3 DIR/verify_audit.py DIR [CHECKPOINT]."
    ),
)
@click.option("--study", "study_oid", required=True, metavar="KEY")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--system", is_flag=True, help=_("The chain of the installation too: accounts, sign-ins and exports, of every study."))
@terminal
def export_(shell: Terminal, study_oid: str, out: Path, system: bool) -> None:
    with shell.read() as tx:
        shell.published(tx, study_oid)
        exported = export_trail(tx, study_oid, out, shell.now, system)
    shell.say(exported.message)
