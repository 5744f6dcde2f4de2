"""A table as a file or as pasted text: its cells with their lines, how it was read, and everything that is wrong with its shape."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trialcrf.core.wording import N_, Message

LARGEST_FILE = 250_000
"""In bytes: two thousand lines of a laboratory. More is divided, so that no request takes long."""
MOST_ROWS, MOST_COLUMNS, LONGEST_CELL = 2_000, 60, 500

ENCODINGS: Mapping[str, str] = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252 (ISO-8859-1)", "iso8859-15": "ISO-8859-15"}
"""The encodings that a file may have, and what they are called."""
SEPARATORS: Mapping[str, str] = {";": N_("semicolon"), ",": N_("comma"), "\t": N_("tab"), "|": N_("vertical bar")}
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


class NoSheet(Exception):
    """This is no table at all: `message` says why, at its line where one can be named."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.msgid)
        self.message = message


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong at a line of the table, in a column by its heading (empty: the line as a whole)."""

    line: int
    column: str
    message: Message


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One record: the line of the file that it begins at, and as many cells as there are headings, without surrounding space."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """`encoding` is a key of ENCODINGS, `separator` one of SEPARATORS: as they were found or as a person said."""

    encoding: str
    separator: str
    heading: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    wrong: tuple[Wrong, ...] = ()


def read_sheet(content: bytes, encoding: str = "", separator: str = "") -> Sheet:
    """The table of a file; encoding and separator are found out where they are not said. Raises NoSheet. Linear in the size."""
    if len(content) > LARGEST_FILE:
        raise NoSheet(Message(N_("The file has more than %(most)s kilobytes: divide it."), {"most": str(LARGEST_FILE // 1000)}))
    found = encoding if encoding in ENCODINGS else _encoding(content)
    text = _text(content, found)
    rows: list[SheetRow] = []
    wrong: list[Wrong] = []
    heading: tuple[str, ...] = ()
    sign = separator if separator in SEPARATORS else _separator(text)
    for line, cells in _records(text, sign):
        if not any(cells):
            continue
        if not heading:
            heading = _heading(cells)
            continue
        if len(rows) == MOST_ROWS:
            raise NoSheet(Message(N_("The file has more than %(most)s lines: divide it."), {"most": str(MOST_ROWS)}))
        shape = _shape(heading, line, cells)
        if shape is not None:
            wrong.append(shape)
        else:
            rows.append(SheetRow(line, tuple((*cells, *[""] * len(heading))[: len(heading)])))
    if not heading:
        raise NoSheet(Message(N_("The file is empty.")))
    return Sheet(found, sign, heading, tuple(rows), tuple(wrong))


def pasted(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines of a text copied from a spreadsheet, with their numbers, blank ones left out. Raises NoSheet."""
    if len(text) > LARGEST_FILE:
        raise NoSheet(Message(N_("The text is too long: paste fewer lines.")))
    _plain(text)
    return ((line, cells) for line, cells in _records(text, "\t" if "\t" in text else ";") if any(cells))


def folded(text: str) -> str:
    """A heading or a code as it is compared: without case, accents, spaces and signs."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(mark for mark in letters if mark.isalnum())


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would compute this cell instead of showing it; a number with its sign is none."""
    return text[:1] in ("=", "@") or (text[:1] in ("+", "-") and not text[1:2].isdigit())


def _encoding(content: bytes) -> str:
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    if marked:
        return marked
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _text(content: bytes, encoding: str) -> str:
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        params = {"line": str(content.count(b"\n", 0, error.start) + 1), "encoding": ENCODINGS[encoding]}
        raise NoSheet(Message(N_("Line %(line)s is not in %(encoding)s."), params)) from None
    _plain(text)
    return text


def _plain(text: str) -> None:
    """Refuse what no text holds: it would be cut, hidden or run by whoever reads it later."""
    for number, mark in enumerate(text):
        if mark < " " and mark not in "\t\r\n":
            params = {"line": str(text.count("\n", 0, number) + 1)}
            raise NoSheet(Message(N_("Line %(line)s holds a control character: this is no text."), params))


def _separator(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=first.count)


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    # Strict, so that a quote that never closes is a problem and does not swallow the rest of the file.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, strict=True)
    begins = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            raise NoSheet(Message(N_("Line %(line)s is no line of a table: look at its quotation marks."), {"line": str(begins)})) from None
        if cells is None:
            return
        yield begins, [cell.strip() for cell in cells]
        begins = reader.line_num + 1


def _heading(cells: Sequence[str]) -> tuple[str, ...]:
    heading = list(cells)
    while heading and not heading[-1]:  # Spreadsheets end every line with separators of columns that are empty.
        heading.pop()
    if len(heading) < 2:
        raise NoSheet(Message(N_("The first line has one column alone: say how the columns are separated.")))
    if len(heading) > MOST_COLUMNS:
        raise NoSheet(Message(N_("The file has more than %(most)s columns."), {"most": str(MOST_COLUMNS)}))
    return tuple(cell[:LONGEST_CELL] for cell in heading)


def _shape(heading: Sequence[str], line: int, cells: Sequence[str]) -> Wrong | None:
    if any(cells[len(heading) :]):
        params = {"cells": str(len(cells)), "columns": str(len(heading))}
        return Wrong(line, "", Message(N_("This row has %(cells)s cells, the heading has %(columns)s."), params))
    long = next((number for number, cell in enumerate(cells) if len(cell) > LONGEST_CELL), None)
    if long is not None:
        return Wrong(line, heading[long], Message(N_("The text is longer than %(most)s characters."), {"most": LONGEST_CELL}))
    return None
