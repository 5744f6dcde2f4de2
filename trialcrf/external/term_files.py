"""Dictionaries on disk: NCI's CTCAE as workbook or CSV, MedDRA's ASCII files in a folder or zip, and the starter list of our own."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from trialcrf.core.definition.source import Problem
from trialcrf.core.dictionary import Term
from trialcrf.core.dictionary_load import (
    HIERARCHY,
    LLT,
    DictionaryProblems,
    Source,
    column_of,
    ctcae_terms,
    meddra_terms,
    starter_terms,
)
from trialcrf.core.wording import N_, Message
from trialcrf.external.tables import read_table
from trialcrf.external.workbook import read_sheet

LARGEST_FILE = 100_000_000
"""In bytes; the largest of MedDRA's files has a twentieth of it."""

STARTER = Path(__file__).resolve().parents[1] / "dictionaries" / "starter.csv"
STARTER_VERSIONS = ("5.0", "6.0")
STARTER_COLUMNS = ("term_en", "term_fr", "class", "grades", "version")

_VERSION = re.compile(r"ctcae[ _-]*v?[ _-]*([3-9])(?:[._-]([0-9]{1,2})(?![0-9]))?", re.I)


def read_ctcae(path: Path) -> Source:
    """The terms of NCI's workbook (xlsx), or of a CSV with the same columns. Raises DictionaryProblems with every problem at once."""
    problems: list[Problem] = []
    told = path.name
    if path.suffix.lower() == ".xlsx":
        sheet = read_sheet(path, lambda heading: {column_of(each) for each in heading} >= {"meddra_code", "term"}, problems)
        heading, rows = (sheet.heading, sheet.rows) if sheet else ((), ())
        told = " ".join((told, sheet.title, *heading)) if sheet else told
    else:
        table = read_table(path.parent, path.name, (), problems)
        rows = [(row.line, row.cells) for row in table]
        heading = tuple(table[0].cells) if table else ()
    if not problems and not rows:
        problems.append(Problem(path.name, 1, Message(N_("There is no term in this file."))))
    if problems:
        # What the columns lack is told beside what else is wrong, as far as there are columns at all.
        try:
            ctcae_terms(path.name, heading, rows) if heading else ()
        except DictionaryProblems as more:
            problems += more.problems
        raise DictionaryProblems(problems)
    terms = ctcae_terms(path.name, heading, rows)
    return Source("ctcae", version_in(told), path.name, hashlib.sha256(path.read_bytes()).hexdigest(), terms)


def version_in(text: str) -> str:
    """The version of CTCAE that a file's name or headings speak of, such as 5.0; empty where they speak of none."""
    found = _VERSION.search(text)
    return f"{found[1]}.{found[2] or 0}" if found else ""


def read_meddra(path: Path) -> Source:
    """The current lowest level terms of MedDRA's ASCII files, in a folder (at any depth) or a zip. Raises DictionaryProblems."""
    problems: list[Problem] = []
    hashed = hashlib.sha256()
    found: list[list[tuple[int, list[str]]]] = []
    for name in (LLT, HIERARCHY):
        raw = _zipped(path, name, problems) if path.is_file() else _in_folder(path, name, problems)
        hashed.update(raw)
        found.append(list(_fields(name, raw, problems)))
    if problems:
        raise DictionaryProblems(problems)
    return Source("meddra", "", path.name, hashed.hexdigest(), meddra_terms(*found))


def _in_folder(folder: Path, name: str, problems: list[Problem]) -> bytes:
    held = sorted(one for one in folder.rglob("*") if one.name.lower() == name and one.is_file()) if folder.is_dir() else []
    return _read(name, [(one.stat().st_size, one.read_bytes) for one in held], problems)


def _zipped(path: Path, name: str, problems: list[Problem]) -> bytes:
    try:
        with zipfile.ZipFile(path) as packed:
            held = [one for one in packed.infolist() if one.filename.rpartition("/")[2].lower() == name]
            return _read(name, [(one.file_size, partial(packed.read, one)) for one in held], problems)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError):  # damaged; with a password; packed in a way that is not known
        problems.append(Problem(name, 1, Message(N_("The zip cannot be unpacked."))))
        return b""


def _read(name: str, held: list[tuple[int, Callable[[], bytes]]], problems: list[Problem]) -> bytes:
    if len(held) != 1:
        said = N_("The file stands here twice.") if held else N_("The file is missing.")
        problems.append(Problem(name, 1, Message(said)))
        return b""
    size, read = held[0]
    if size > LARGEST_FILE:
        problems.append(Problem(name, 1, Message(N_("The file has more than %(most)s bytes."), {"most": LARGEST_FILE})))
        return b""
    return read()


def _fields(name: str, raw: bytes, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(Problem(name, raw.count(b"\n", 0, error.start) + 1, Message(N_("The file is not in UTF-8."))))
        return
    if "\x00" in text:
        at = text.count("\n", 0, text.index("\x00")) + 1
        problems.append(Problem(name, at, Message(N_("The file holds a NUL byte: it is no text."))))
        return
    for line, content in enumerate(text.split("\n"), 1):
        if content.strip():
            yield line, [each.strip() for each in content.rstrip("\r").split("$")]


@cache
def starter(version: str) -> tuple[Term, ...]:
    """The starter list for this version of CTCAE: what serves where no file was loaded. Its terms have grades, and no texts of them.

    Which grades exist was taken from the versions 5.0 and 6.0; for any other the terms are offered and no grade of theirs is judged.
    """
    problems: list[Problem] = []
    rows = read_table(STARTER.parent, STARTER.name, STARTER_COLUMNS, problems)
    if problems:
        raise DictionaryProblems(problems)
    listed = starter_terms(STARTER.name, [(row.line, row.cells) for row in rows])
    if version not in STARTER_VERSIONS:
        return tuple(replace(term, grades={}) for of, term in listed if of == "")
    return tuple(term for of, term in listed if of in ("", version))
