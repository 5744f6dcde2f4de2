"""Excel workbooks (xlsx): one sheet as rows of texts. Only this room imports openpyxl, and it reads nothing that could fill the memory."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trialcrf.core.definition.source import Problem
from trialcrf.core.wording import N_, Message

LARGEST_FILE = 50_000_000
LARGEST_UNPACKED = 200_000_000
"""In bytes: a workbook is a zip, and a small one can hold gigabytes of nothing."""
MOST_MEMBERS = 1000
"""Files inside; a workbook has a dozen and one for each sheet."""
MOST_ROWS, MOST_COLUMNS = 50_000, 100


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet: its title, the texts of its first row, and the rows below by their number in the sheet, cells by heading."""

    title: str
    heading: Sequence[str]
    rows: Sequence[tuple[int, Mapping[str, str]]]


def read_sheet(path: Path, is_it: Callable[[Sequence[str]], bool], problems: list[Problem]) -> Sheet | None:
    """The first sheet whose first row is the one looked for. What is wrong is added to the problems.

    Formulas count as the values that were last computed; whole numbers are written without a decimal point.
    """

    def say(msgid: str, /, **params: object) -> None:
        problems.append(Problem(path.name, 1, Message(msgid, params)))

    if not path.is_file():
        say(N_("The file is missing."))
        return None
    if path.stat().st_size > LARGEST_FILE:
        say(N_("The file has more than %(most)s bytes."), most=LARGEST_FILE)
        return None
    try:
        with zipfile.ZipFile(path) as packed:
            members = packed.infolist()
        if len(members) > MOST_MEMBERS:
            say(N_("The file is no Excel workbook (xlsx)."))
            return None
        unpacked = sum(member.file_size for member in members)
        if unpacked > LARGEST_UNPACKED:
            say(N_("Unpacked, the file has more than %(most)s bytes."), most=LARGEST_UNPACKED)
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About styles and extensions, which nobody looks at here.
            return _found(path, is_it, say)
    except Exception:  # openpyxl raises whatever its parts raise at a damaged file
        say(N_("The file is no Excel workbook (xlsx)."))
        return None


def _found(path: Path, is_it: Callable[[Sequence[str]], bool], say: Callable[..., None]) -> Sheet | None:
    import openpyxl  # Here: it brings numpy along, which only whoever loads a dictionary pays for.

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        for sheet in book.worksheets:
            lines = sheet.iter_rows(max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS, values_only=True)
            heading = [_text(cell) for cell in next(lines, ())]
            while heading and not heading[-1]:
                heading.pop()
            if not is_it(heading):
                continue
            rows = list(_rows(heading, lines))
            if rows and rows[-1][0] > MOST_ROWS:
                say(N_("The sheet has more than %(most)s rows."), most=MOST_ROWS)
                return None
            return Sheet(sheet.title, heading, rows)
    finally:
        book.close()
    say(N_("No sheet of this workbook has the columns of a dictionary in its first row."))
    return None


def _rows(heading: Sequence[str], lines: Iterator[tuple[Any, ...]]) -> Iterator[tuple[int, Mapping[str, str]]]:
    for number, line in enumerate(lines, 2):
        cells = {name: _text(cell) for name, cell in zip(heading, line, strict=False)}
        if any(cells.values()):
            yield number, cells


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()
