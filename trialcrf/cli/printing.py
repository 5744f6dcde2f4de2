"""The command that prints a definition: the annotated blank case report form and the study specification, as PDFs, without a database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from trialcrf.cli.study import study_of
from trialcrf.cli.terminal import Terminal, _, terminal
from trialcrf.core.blank_crf import blank_crf
from trialcrf.core.definition.model import Study
from trialcrf.core.specification import specification
from trialcrf.external import archive, pdf

DOCUMENTS: Mapping[str, Callable[[Study], object]] = {"crf": blank_crf, "specification": specification}
"""What can be printed: the name of the folder in `reports/`, and how its value is made."""

LANGUAGES = ("fr", "en")
"""Every study is written in these at least."""

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("print", help=_("Print the blank case report form and the specification of a study as PDFs; needs no database."))
@click.argument("key", metavar="KEY_OR_PATH")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help=_("Folder of the files (reports/specification).")
)
@click.option("--language", type=click.Choice(LANGUAGES), help=_("Only in this language (both)."))
@click.option("--what", type=click.Choice(tuple(DOCUMENTS)), help=_("Only this document (both)."))
@terminal
def print_(shell: Terminal, key: str, out: Path | None, language: str | None, what: str | None) -> None:
    found = study_of(key)
    folder = out or shell.settings.reports_folder / "specification"
    for document in [what] if what else DOCUMENTS:
        value = DOCUMENTS[document](found)
        for each in [language] if language else LANGUAGES:
            file = folder / f"{found.oid}-{document}-{each}.pdf"
            archive.keep(file, pdf.draw_in_child(document, value, each))
            click.echo(str(file))
