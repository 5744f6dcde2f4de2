"""The command line: `trialcrf`. Each command gathers what was typed, calls one action in one transaction, and says what came of it."""

# ruff: noqa: E402
from __future__ import annotations

import gc

# What is imported stays until the process ends: looking for garbage in it while it is made is a sixth of every start.
gc.disable()

import click

from trialcrf.cli.archive import archive
from trialcrf.cli.audit import audit
from trialcrf.cli.backup import backup
from trialcrf.cli.cells import trace_
from trialcrf.cli.criteria import evaluate
from trialcrf.cli.data import export, import_
from trialcrf.cli.database import db
from trialcrf.cli.dictionary import dictionary
from trialcrf.cli.lab_limits import lab_limits
from trialcrf.cli.outbox import outbox
from trialcrf.cli.people import site, user
from trialcrf.cli.printing import print_
from trialcrf.cli.reports import report
from trialcrf.cli.serve import init, run, serve
from trialcrf.cli.simulate import simulate_command
from trialcrf.cli.study import study, subject
from trialcrf.cli.terminal import Group, Terminal, _
from trialcrf.cli.work import jobs

gc.freeze()
gc.enable()


@click.group(cls=Group, help=_("Case report forms for a clinical trial."), context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--trace", is_flag=True, help=_("Show where an unforeseen error came from."))
@click.version_option(package_name="trialcrf")
@click.pass_context
def main(context: click.Context, trace: bool) -> None:
    """The root of all commands; its help is translated, so it is given to the decorator."""
    context.obj = Terminal()


study.add_command(evaluate)
study.add_command(print_)
for command in (
    init,
    run,
    serve,
    study,
    subject,
    user,
    site,
    jobs,
    outbox,
    dictionary,
    report,
    audit,
    archive,
    backup,
    export,
    import_,
    simulate_command,
    lab_limits,
    trace_,
    db,
):
    main.add_command(command)
