"""Commands that tell what is recorded: reports as files, and whether the audit trail holds."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click

from trialcrf.actions import Impossible
from trialcrf.actions import report as reporting
from trialcrf.cli.terminal import DAY, MOMENT, Terminal, _, terminal
from trialcrf.core.wording import N_, Message
from trialcrf.external import archive
from trialcrf.jobs.verify import verify


@click.group(help=_("Reports."))
def report() -> None:
    """The group of commands."""


@report.command(help=_("Draw the safety report as a PDF. The same cut-off and moment give the same bytes, whenever it is drawn."))
@click.option("--study", "study_oid", required=True, metavar="KEY")
@click.option("--as-of", required=True, type=DAY, help=_("The last day that is reported, at each site."))
@click.option("--known-at", type=MOMENT, help=_("Report what was known at this moment (now)."))
@click.option("--lang", help=_("Language of the report (the first one of the study)."))
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@terminal
def safety(shell: Terminal, study_oid: str, as_of: date, known_at: datetime | None, lang: str | None, out: Path) -> None:
    _draw(shell, reporting.SAFETY, study_oid, "", as_of, known_at, lang, out)


@report.command(help=_("Draw the quality of a site, or of all sites, as a PDF. The same cut-off and moment give the same bytes."))
@click.option("--study", "study_oid", required=True, metavar="KEY")
@click.option("--site", default="", metavar="CODE", help=_("The only site that is reported (all of them)."))
@click.option("--as-of", required=True, type=DAY, help=_("The last day that is reported, at each site."))
@click.option("--known-at", type=MOMENT, help=_("Report what was known at this moment (now)."))
@click.option("--lang", help=_("Language of the report (the first one of the study)."))
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@terminal
def quality(shell: Terminal, study_oid: str, site: str, as_of: date, known_at: datetime | None, lang: str | None, out: Path) -> None:
    _draw(shell, reporting.QUALITY, study_oid, site, as_of, known_at, lang, out)


def _draw(
    shell: Terminal, kind: str, study_oid: str, site: str, as_of: date, known_at: datetime | None, lang: str | None, out: Path
) -> None:
    known = known_at or shell.now
    with shell.read() as tx:
        published = shell.published(tx, study_oid)
        language = lang or published.study.languages[0]
        if language not in published.study.languages:
            raise Impossible(Message(N_("Choose one of the languages offered.")))
        reporting.check_cut(tx, study_oid, as_of, known, shell.now)
        value = reporting.KINDS[kind].value(tx, reporting.known(tx, study_oid, as_of, known), site)
    sha256 = archive.keep(out, reporting.draw(value, language, kind))
    told = {"file": str(out), "known": known.isoformat(), "sha256": sha256}
    shell.say(Message(N_("%(file)s: data known at %(known)s, SHA-256 %(sha256)s"), told))


@click.group(help=_("The audit trail."))
def audit() -> None:
    """The group of commands."""


@audit.command("verify", help=_("Verify every chain and that the data are what the trail tells; names the first wrong record."))
@terminal
def verify_(shell: Terminal) -> None:
    with shell.read() as tx:
        said = verify(tx)
    shell.say(said)
