"""A drawn report as a reader finds it: the words that pdftotext sees on each page, put together into lines, rows and cells."""

from __future__ import annotations

import re
import subprocess
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

WORD, PAGE = "{http://www.w3.org/1999/xhtml}word", "{http://www.w3.org/1999/xhtml}page"
SECTIONS = (
    "Summary",
    "Enrolment and exposure",
    "Figures",
    "Adverse events by class and term",
    "Adverse events by severity",
    "Adverse events by time of onset",
    "Serious adverse events",
    "Deaths",
    "Inconsistencies in the records",
    "Line listing of adverse events",
    "Numbers of the figures",
)
HEADINGS = frozenset(f"{number} {title}" for number, title in enumerate(SECTIONS, 1))
FURNITURE = re.compile(r"CDISCPILOT01 · Safety report Clinical cut-off .+|Definition v\d+ · checkpoint .+ \d+ / \d+")


class Word(NamedTuple):
    """One word and where it stands, in points from the left and the top of its page."""

    page: int
    left: float
    right: float
    middle: float
    text: str


class Line(NamedTuple):
    """Words at one height, from left to right."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def page(self) -> int:
        return self.words[0].page

    @property
    def left(self) -> float:
        return self.words[0].left


class Row(NamedTuple):
    """A row of counts: how far its label is indented, the label, the cells as printed."""

    indent: float
    label: str
    cells: tuple[str, ...]


class Grid(NamedTuple):
    """The heads of the columns, as `Placebo n = 86`, those of the cells below them without their blanks, and the rows."""

    heads: tuple[str, ...]
    below: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def lines(self) -> list[tuple[bool, str, tuple[str, ...]]]:
        """Rows as (is indented, label, cells): a term is indented below its class."""
        margin = self.rows[0].indent
        return [(row.indent > margin + 2, row.label, row.cells) for row in self.rows]


class Printed:
    """The report: its lines in order, and by title the lines of every table (a title may come twice).

    Where it is not `whole`, the numbers of the tables that stand in annexes are missing.
    """

    def __init__(self, file: Path, whole: bool = True) -> None:
        numbers: list[int] = []
        self.lines = [line for line in _lines(_words(file)) if not FURNITURE.fullmatch(line.text)]
        self.tables: list[tuple[str, list[Line]]] = []
        self.sections: dict[str, list[Line]] = {}
        into: list[list[Line]] = []
        for line in self.lines:
            caption = re.fullmatch(r"Table (\d+) (.+)", line.text)
            if line.text in HEADINGS:
                into = [self.sections.setdefault(line.text.split(" ", 1)[1], [])]
            elif caption:
                numbers.append(int(caption[1]))
                self.tables.append((caption[2], []))
                into = [*into[:1], self.tables[-1][1]]
            for lines in into:
                lines.append(line)
        for _, lines in self.tables:
            del lines[0]
        assert numbers == (list(range(1, len(numbers) + 1)) if whole else sorted(set(numbers)))

    def text(self, section: str) -> str:
        return " ".join(line.text for line in self.sections[section])

    def titles(self) -> list[str]:
        return [title for title, _ in self.tables]

    def all_titled(self, title: str) -> list[list[Line]]:
        return [lines for named, lines in self.tables if named == title]

    def titled(self, title: str) -> list[Line]:
        (lines,) = self.all_titled(title)
        return lines


def after(note: str, lines: Sequence[Line]) -> Sequence[Line]:
    """What follows the note of a table. Fails where the note reads otherwise."""
    for count in range(1, len(lines)):
        if " ".join(line.text for line in lines[:count]) == note:
            return lines[count:]
    raise AssertionError(f"no note {note!r} in {[line.text for line in lines[:3]]}")


def rows(lines: Sequence[Line], cells: str) -> list[Row]:
    """The lines that end like `cells`, a pattern with a group for each cell. What stands below a label continues it."""
    pattern = re.compile(rf"(.+?) {cells}")
    found: list[Row] = []
    page = 0
    for line in lines:
        row = pattern.fullmatch(line.text)
        if row:
            found.append(Row(line.left, row[1], row.groups()[1:]))
            page = line.page
        elif page == line.page:
            found[-1] = found[-1]._replace(label=joined([found[-1].label, line.text]))
    return found


def grid(lines: Sequence[Line], cells: str, each: int) -> Grid:
    """A table of counts. `cells` matches what one column prints in one row: `each` groups, a word or more apiece."""
    place = next(place for place, line in enumerate(lines) if "n = " in line.text)
    columns = lines[place].text.count("n = ")
    found = rows(lines, " ".join([cells] * columns))
    at = next(at for at, line in enumerate(lines) if line.text.startswith(f"{found[0].label} "))
    # Where the cells end is read off the first row: counts stand flush right.
    count = len(found[0].label.split())
    ends = []
    for cell in found[0].cells:
        count += len(cell.split())
        ends.append(lines[at].words[count - 1].right)
    left = lines[at].words[len(found[0].label.split()) - 1].right
    heads = _below(ends[each - 1 :: each], lines[: place + 1], left)
    below = _below(ends, lines[place + 1 : at], left)
    return Grid(tuple(" ".join(head) for head in heads), tuple("".join(head) for head in below), tuple(found))


def _below(ends: Sequence[float], lines: Sequence[Line], left: float) -> list[list[str]]:
    """The words between each end and the one before. Words that begin left of the first are those of the labels' own head."""
    found: list[list[str]] = [[] for _ in ends]
    for line in lines:
        labels = line.left < left
        for before, word in zip((None, *line.words), line.words, strict=False):
            # A gap parts the head of the labels from the others.
            labels = labels and (before is None or word.left - before.right < 6)
            if not labels:
                found[bisect_right(ends, (word.left + word.right) / 2)].append(word.text)
    return found


def listing(lines: Sequence[Line], heads: Sequence[str]) -> list[tuple[str, ...]]:
    """The rows of a table whose columns all begin where their heads begin. A row begins where its first column is filled."""
    found: list[list[list[str]]] = []
    starts: list[float] = []
    for line in lines:
        if line.text == " ".join(heads):
            starts = list(_starts(line, heads))
        elif starts:
            placed = [(bisect_right(starts, word.left + 0.5) - 1, word.text) for word in line.words]
            if placed[0][0] == 0:
                found.append([[] for _ in heads])
            for column, text in placed:
                found[-1][column].append(text)
    return [tuple(joined(cell) for cell in row) for row in found]


def columns(lines: Sequence[Line]) -> list[str]:
    """What stands below each word of the first line, the word included."""
    starts = [word.left for word in lines[0].words]
    cells: list[list[str]] = [[] for _ in starts]
    for line in lines:
        for word in line.words:
            cells[bisect_right(starts, word.left + 0.5) - 1].append(word.text)
    return [joined(cell) for cell in cells]


def joined(parts: Sequence[str]) -> str:
    """The text of a cell. A word may be continued on the next line after its own hyphen."""
    return re.sub(r"(?<=\w)- (?=\w)", "-", " ".join(parts))


def _starts(line: Line, heads: Sequence[str]) -> Iterator[float]:
    place = 0
    for head in heads:
        yield line.words[place].left
        place += len(head.split())


def _words(file: Path) -> Iterator[Word]:
    done = subprocess.run(["pdftotext", "-bbox", str(file), "-"], capture_output=True, check=True)
    for number, page in enumerate(ElementTree.fromstring(done.stdout).iter(PAGE), 1):
        for word in page.iter(WORD):
            left, top, right, bottom = (float(word.get(side, "")) for side in ("xMin", "yMin", "xMax", "yMax"))
            yield Word(number, left, right, (top + bottom) / 2, word.text or "")


def _lines(words: Iterator[Word]) -> Iterator[Line]:
    line: list[Word] = []
    for word in sorted(words, key=lambda one: (one.page, one.middle)):
        # Lines of the smallest print are 8 points apart, words of one line differ by what their sizes differ.
        if line and (word.page != line[0].page or word.middle > line[0].middle + 2.5):
            yield Line(tuple(sorted(line, key=lambda one: one.left)))
            line = []
        line.append(word)
    if line:
        yield Line(tuple(sorted(line, key=lambda one: one.left)))
