"""The command that prints a definition, any published version too: the annotated blank case report form and the specification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from trialcrf.cli.study import study_of
from trialcrf.cli.terminal import Terminal, _, stop, terminal
from trialcrf.core.blank_crf import blank_crf
from trialcrf.core.definition.model import Study
from trialcrf.core.specification import specification
from trialcrf.core.wording import N_, Message
from trialcrf.external import archive, pdf
from trialcrf.store import definitions

DOCUMENTS: Mapping[str, Callable[[Study], object]] = {"crf": blank_crf, "specification": specification}
"""What can be printed: the name of the folder in `reports/`, and how its value is made."""

LANGUAGES = ("fr", "en")
"""Every study is written in these at least."""

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(
    "print", help=_("Print the blank case report form and the specification of a study as PDFs; only --version needs the database.")
)
@click.argument("key", metavar="KEY_OR_PATH")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help=_("Folder of the files (reports/specification).")
)
@click.option("--language", type=click.Choice(LANGUAGES), help=_("Only in this language (both)."))
@click.option("--version", type=click.IntRange(1), help=_("Print this published version from the database (the files)."))
@click.option("--what", type=click.Choice(tuple(DOCUMENTS)), help=_("Only this document (both)."))
@terminal
def print_(shell: Terminal, key: str, out: Path | None, language: str | None, version: int | None, what: str | None) -> None:
    found = study_of(key) if version is None else _published(shell, key, version)
    folder = out or shell.settings.reports_folder / "specification"
    for document in [what] if what else DOCUMENTS:
        value = DOCUMENTS[document](found)
        for each in [language] if language else LANGUAGES:
            file = folder / "-".join((found.oid, document, *([f"v{version}"] if version else []), f"{each}.pdf"))
            archive.keep(file, pdf.draw_in_child(document, value, each))
            click.echo(str(file))


def _published(shell: Terminal, key: str, version: int) -> Study:
    """A version that was published once: it stays to be had after every amendment."""
    with shell.read() as tx:
        found = next((one for one in definitions.versions_of(tx, key) if one.version == version), None)
    if found is None:
        stop(Message(N_("No version %(version)s of %(study)s was published here."), {"version": str(version), "study": key}))
    return found.study
