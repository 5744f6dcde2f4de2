"""The command that fills a trial with synthetic subjects."""

from __future__ import annotations

import sys

import click

from trialcrf.actions.simulate import BULK_ABOVE, simulate
from trialcrf.cli.terminal import Terminal, _, stop, terminal
from trialcrf.core.simulation.script import NoScript
from trialcrf.core.wording import N_, Message


@click.command(
    "simulate", help=_("Fill a study with synthetic subjects, to try it out or to measure it. The same seed gives the same ones.")
)
@click.option("--study", "study_oid", required=True, metavar="KEY")
@click.option(
    "--subjects", "wanted", required=True, type=click.IntRange(1, 1_000_000), help=_("How many, partners such as donors included.")
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help=_("Another seed gives other subjects."))
@click.option("--sites", type=click.IntRange(1, 999), help=_("Over how many sites; those that are missing are created."))
@click.option("--errors", default=0.02, show_default=True, type=click.FloatRange(0, 1), help=_("Share of forms that hold one mistake."))
@click.option(
    "--bulk/--no-bulk", "in_bulk", default=None, help=_("Write many at once (the default for more than 200), or enter one by one.")
)
@click.option("--processes", default=2, show_default=True, type=click.IntRange(1, 64), help=_("Processes that make up subjects in bulk."))
@terminal
def simulate_command(
    shell: Terminal, study_oid: str, wanted: int, seed: int, sites: int | None, errors: float, in_bulk: bool | None, processes: int
) -> None:
    with shell.read() as tx:
        published = shell.published(tx, study_oid)
    try:
        with click.progressbar(length=wanted, label=_("Subjects"), show_pos=True, file=sys.stderr) as bar:

            def progress(done: int, total: int) -> None:
                bar.length = total
                bar.update(done - bar.pos)

            many = wanted > BULK_ABOVE if in_bulk is None else in_bulk
            made = simulate(shell.write, published, wanted, seed, shell.now, sites, errors, many, processes, progress)
    except NoScript as problem:
        stop(Message(N_("The script of this study's synthetic subjects cannot be used: %(what)s"), {"what": str(problem)}))
    said = N_("Synthetic subjects: %(subjects)s. Forms: %(forms)s. Audit records: %(records)s. Queries opened: %(queries)s.")
    shell.say(Message(said, {name: getattr(made, name) for name in ("subjects", "forms", "records", "queries")}))
