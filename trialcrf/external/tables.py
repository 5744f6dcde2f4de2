"""Tables as CSV files (RFC 4180, UTF-8): read with every problem at its file and line, written so that no spreadsheet runs a cell."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trialcrf.core.definition.source import Problem
from trialcrf.core.wording import N_, Message

LARGEST_FILE = 200_000_000
"""In bytes. A table is held in memory while it is judged as a whole."""

_FORMULA = re.compile("'*[=+\\-@\t\r\x00＝＋－＠]")


class _Say(Protocol):
    def __call__(self, line: int, msgid: str, /, **params: object) -> None: ...


@dataclass(frozen=True, slots=True)
class TableRow:
    """One record and the line of the file that it begins at; cells by column, as they are written."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written. `rows` do not count the line of headings; `sha256` is in hexadecimal."""

    name: str
    rows: int
    sha256: str


def read_table(folder: Path, name: str, columns: Collection[str], problems: list[Problem]) -> list[TableRow]:
    """The rows of a CSV file that has at least these columns. What is wrong is added to the problems; bad rows are left out."""

    def say(line: int, msgid: str, /, **params: object) -> None:
        problems.append(Problem(name, line, Message(msgid, params)))

    text = _text(folder / name, say)
    if text is None:
        return []
    # Strict, so that a quote that never closes is a problem and does not swallow the rest of the file.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    heading: list[str] = []
    found: list[TableRow] = []
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            say(line, N_("This is no CSV: %(what)s"), what=str(error))
            return found
        begins, line = line, reader.line_num + 1
        if cells is None:
            break
        if not heading:
            heading = [cell.strip() for cell in cells]
            if not _heading_holds(heading, columns, say):
                return []
        elif not cells:
            continue
        elif len(cells) != len(heading):
            say(begins, N_("This row has %(cells)s cells, the heading has %(columns)s."), cells=len(cells), columns=len(heading))
        else:
            found.append(TableRow(begins, dict(zip(heading, cells, strict=True))))
    if not heading:
        say(1, N_("The file is empty."))
    return found


def _text(path: Path, say: _Say) -> str | None:
    if not path.is_file():
        say(1, N_("The file is missing."))
        return None
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        say(1, N_("The file cannot be opened: %(what)s"), what=error.strerror or "")
        return None
    if len(raw) > LARGEST_FILE:
        say(1, N_("The file has more than %(most)s bytes."), most=LARGEST_FILE)
        return None
    if b"\x00" in raw:
        say(raw.count(b"\n", 0, raw.index(b"\x00")) + 1, N_("The file holds a NUL byte: it is no text."))
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        say(raw.count(b"\n", 0, error.start) + 1, N_("The file is not in UTF-8."))
        return None


def _heading_holds(heading: Sequence[str], columns: Collection[str], say: _Say) -> bool:
    absent = [column for column in columns if column not in heading]
    for column in absent:
        say(1, N_("The column %(column)s is missing."), column=column)
    twice = sorted({column for column in heading if heading.count(column) > 1})
    for column in twice:
        say(1, N_("The column %(column)s stands here twice."), column=column)
    return not absent and not twice


def harmless(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would take it for a formula (OWASP ASVS 5.0.0, 1.2.10).

    Texts that begin with apostrophes before such a character get one more, so taking one away gives back every text as it was.
    """
    return f"'{text}" if _FORMULA.match(text) else text


@contextmanager
def writing_table(folder: Path, name: str, heading: Sequence[str]) -> Iterator[TableFile]:
    """A new CSV file, open for rows; what became of it is known when it is closed."""
    with (folder / name).open("xb") as file:
        table = TableFile(name, file)
        table.add([heading])
        table.rows = 0
        yield table


class TableFile:
    """Writes rows and hashes what it writes. Cells are written as they are given: `harmless` is the caller's choice."""

    def __init__(self, name: str, file: io.BufferedWriter) -> None:
        self.name, self.rows = name, 0
        self._file, self._hash = file, hashlib.sha256()

    def add(self, rows: Iterable[Sequence[str]]) -> None:
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, lineterminator="\n")
        for row in rows:
            writer.writerow(row)
            self.rows += 1
        chunk = buffer.getvalue().encode()
        self._hash.update(chunk)
        self._file.write(chunk)

    def written(self) -> Written:
        return Written(self.name, self.rows, self._hash.hexdigest())
