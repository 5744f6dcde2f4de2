"""Commands about dictionaries: load CTCAE or MedDRA from files, list what is loaded."""

from __future__ import annotations

from pathlib import Path

import click

from trialcrf.actions.safety.load_dictionary import load as load_source
from trialcrf.cli.terminal import Plain, Terminal, _, here, terminal
from trialcrf.core.dictionary import KINDS
from trialcrf.core.dictionary_load import DictionaryProblems, Source
from trialcrf.core.wording import N_, Message
from trialcrf.external.term_files import read_ctcae, read_meddra
from trialcrf.store import dictionaries


@click.group(help=_("Dictionaries that events are coded by."))
def dictionary() -> None:
    """The group of commands."""


@dictionary.group(help=_("Load a dictionary from files. Several versions stand side by side; safe to run again."))
def load() -> None:
    """The group of commands, one for each kind of dictionary."""


@load.command(help=_("CTCAE, from the workbook of the NCI (xlsx) or a CSV of it."))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--version", default="", metavar="5.0", help=_("Needed where the name of the file does not tell it."))
@terminal
def ctcae(shell: Terminal, file: Path, version: str) -> None:
    try:
        source = read_ctcae(file)
    except DictionaryProblems as wrong:
        raise _told(wrong) from None
    _load(shell, source, version)


@load.command(help=_("MedDRA, from the ASCII files that the sponsor has a licence for, in a folder or a zip."))
@click.argument("folder", type=click.Path(exists=True, path_type=Path), metavar="FOLDER")
@click.option("--version", required=True, metavar="28.0")
@terminal
def meddra(shell: Terminal, folder: Path, version: str) -> None:
    try:
        source = read_meddra(folder)
    except DictionaryProblems as wrong:
        raise _told(wrong) from None
    _load(shell, source, version)


@dictionary.command("list", help=_("List the dictionaries that are loaded."))
@terminal
def listed(shell: Terminal) -> None:
    with shell.read() as tx:
        found = dictionaries.versions(tx)
    if not found:
        shell.say(Message(N_("No dictionary is loaded: the starter list serves.")))
    for one in found:
        said = N_("%(kind)s %(version)s. Terms: %(terms)s. File: %(file)s, SHA-256 %(sha256)s")
        shell.say(Message(said, _of(one)))


def _load(shell: Terminal, source: Source, version: str) -> None:
    with shell.write() as tx:
        loaded, new = load_source(tx, source, version)
    said = N_("%(kind)s %(version)s is loaded. Terms: %(terms)s.")
    if not new:
        said = N_("%(kind)s %(version)s was loaded before: nothing is changed.")
    shell.say(Message(said, _of(loaded)))


def _of(one: dictionaries.Dictionary) -> dict[str, object]:
    return {"kind": KINDS[one.kind], "version": one.version, "terms": one.terms, "file": one.source, "sha256": one.sha256}


def _told(wrong: DictionaryProblems) -> Plain:
    return Plain("\n".join(f"{one.file}:{one.line}: {here().say(one.message)}" for one in wrong.problems))
