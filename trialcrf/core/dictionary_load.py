"""Reading dictionaries from rows that are split into cells already: NCI's CTCAE, MedDRA's ASCII files, our starter list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trialcrf.core.definition.source import Problem, in_english
from trialcrf.core.dictionary import GRADES, Term, folded
from trialcrf.core.wording import N_, Message

LONGEST_TERM = 250
"""In characters; the longest of CTCAE has 84, the longest name of MedDRA 100."""

_CODE = re.compile(r"[0-9]{8}")
_ABSENT = frozenset({"", "-", "–", "—"})
"""How the files write that a grade does not exist, or that a cell has nothing to say."""

_COLUMNS: Sequence[tuple[str, re.Pattern[str]]] = (
    ("meddra_code", re.compile(r"(meddra )?(llt )?code")),
    ("soc", re.compile(r"(meddra )?(soc|system organ class)")),
    ("term", re.compile(r"(ctcae )?(v ?[0-9]( ?[0-9])? )?term")),
    *((f"grade{grade}", re.compile(rf"grade ?{grade}")) for grade in GRADES),
    ("definition", re.compile(r"(ctcae )?(term )?definition")),
    ("navigational_note", re.compile(r"navigational note")),
)
NEEDED = ("meddra_code", "soc", "term", *(f"grade{grade}" for grade in GRADES))

LLT, HIERARCHY = "llt.asc", "mdhier.asc"
"""The two of MedDRA's ASCII files that are read: lowest level terms, and the hierarchy with its primary classes."""

Row = tuple[int, Mapping[str, str]]
"""The line at which a record begins, and its cells by column."""


class DictionaryProblems(Exception):
    """A dictionary cannot be loaded: everything that is wrong with its files, by file and line. Nothing was written."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda one: (one.file, one.line)))
        super().__init__("; ".join(f"{one.file}:{one.line}: {in_english(one.message)}" for one in self.problems))


@dataclass(frozen=True, slots=True)
class Source:
    """A dictionary as it was read. `version` is what its files say of it, empty where they do not; `sha256` in hexadecimal."""

    kind: str
    version: str
    name: str
    sha256: str
    terms: tuple[Term, ...]


def column_of(heading: str) -> str:
    """Our name of a column of NCI's workbook or of a CSV of it; empty for one that is not read."""
    plain = " ".join(re.findall("[a-z0-9]+", heading.casefold()))
    return next((name for name, pattern in _COLUMNS if pattern.fullmatch(plain)), "")


def ctcae_terms(file: str, heading: Sequence[str], rows: Iterable[Row]) -> tuple[Term, ...]:
    """The terms of NCI's workbook or of a CSV of it; cells by `column_of`. Raises DictionaryProblems with every problem at once.

    Rows with a single cell are titles and footnotes of the workbook and are passed over. Codes and terms are unique.
    """
    reading = _Reading(file)
    columns = [column_of(each) for each in heading]
    for column in NEEDED:
        if column not in columns:
            reading.say(1, N_("The column %(column)s is missing."), column=column)
        elif columns.count(column) > 1:
            reading.say(1, N_("The column %(column)s stands here twice."), column=column)
    reading.stop()
    terms: list[Term] = []
    for line, raw in rows:
        cells = {column: raw[name].strip() for name, column in zip(heading, columns, strict=True) if column and name in raw}
        if sum(1 for cell in cells.values() if cell) < 2:
            continue
        grades = {grade: cells.get(f"grade{grade}", "") for grade in GRADES}
        code, term, soc = (cells.get(name, "") for name in ("meddra_code", "term", "soc"))
        reading.code(line, code)
        reading.term(line, term, unique=True)
        reading.named(line, soc, "soc")
        if all(text in _ABSENT for text in grades.values()):
            reading.say(line, N_("The term “%(term)s” has no grade at all."), term=term)
        definition, note = (_said(cells.get(name, "")) for name in ("definition", "navigational_note"))
        there = {grade: text for grade, text in grades.items() if text not in _ABSENT}
        terms.append(Term(code, term, soc, there, definition, note))
    return reading.end(terms)


def meddra_terms(llt: Sequence[tuple[int, Sequence[str]]], hierarchy: Sequence[tuple[int, Sequence[str]]]) -> tuple[Term, ...]:
    """The current lowest level terms of MedDRA, each with its preferred term and the primary class of that.

    The fields are those of MedDRA's distribution format: of llt.asc code, name and preferred term (1 to 3) and whether it is current
    (10), of mdhier.asc the code of the preferred term (1), its name (5), the name of the class (8), and whether that is the primary
    one (12). Raises DictionaryProblems with every problem of both files at once.
    """
    above, below = _Reading(HIERARCHY), _Reading(LLT)
    primary: dict[str, tuple[str, str]] = {}
    for line, fields in hierarchy:
        if len(fields) < 12:
            above.say(line, N_("This row has %(cells)s fields; %(needed)s are needed."), cells=len(fields), needed=12)
        elif fields[11] == "Y":
            above.code(line, fields[0])
            above.named(line, fields[4], "pt_name")
            above.named(line, fields[7], "soc_name")
            primary[fields[0]] = (fields[4], fields[7])
    terms: list[Term] = []
    for line, fields in llt:
        if len(fields) < 10:
            below.say(line, N_("This row has %(cells)s fields; %(needed)s are needed."), cells=len(fields), needed=10)
            continue
        below.code(line, fields[0])
        below.term(line, fields[1], unique=False)
        if fields[2] not in primary:
            below.say(line, N_("The preferred term %(code)s has no primary class in %(file)s."), code=fields[2], file=HIERARCHY)
        elif fields[9] == "Y":
            term, soc = primary[fields[2]]
            terms.append(Term(fields[0], fields[1], soc, parent_code=fields[2], parent_term=term))
    if above.problems:
        raise DictionaryProblems([*above.problems, *below.problems])
    return below.end(terms)


def starter_terms(file: str, rows: Iterable[Row]) -> tuple[tuple[str, Term], ...]:
    """Our own starter list, as (version that the term is of, empty for every one; term). It has no code, and no text of any grade."""
    reading = _Reading(file)
    found: list[tuple[str, Term]] = []
    for line, cells in rows:
        grades = cells["grades"].split()
        reading.named(line, cells["term_fr"], "term_fr")
        reading.term(line, cells["term_en"], unique=True, of=cells["version"])
        if not grades or any(grade not in GRADES for grade in grades):
            reading.say(line, N_("The term “%(term)s” has no grade at all."), term=cells["term_en"])
        reading.named(line, cells["class"], "class")
        found.append((cells["version"], Term("", cells["term_en"], cells["class"], dict.fromkeys(grades, ""), also=cells["term_fr"])))
    reading.end([term for _, term in found])
    return tuple(found)


def _said(cell: str) -> str:
    return "" if cell in _ABSENT else cell


class _Reading:
    """Notes what is wrong with the rows of one file and goes on, so that every problem is told in one run."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._codes: dict[str, int] = {}
        self._terms: dict[str, int] = {}

    def say(self, line: int, msgid: str, /, **params: object) -> None:
        self.problems.append(Problem(self.file, line, Message(msgid, params)))

    def stop(self) -> None:
        if self.problems:
            raise DictionaryProblems(self.problems)

    def end(self, terms: Sequence[Term]) -> tuple[Term, ...]:
        if not terms and not self.problems:
            self.say(1, N_("There is no term in this file."))
        self.stop()
        return tuple(terms)

    def code(self, line: int, code: str) -> None:
        if not _CODE.fullmatch(code):
            self.say(line, N_("“%(code)s” is no MedDRA code: eight digits."), code=code)
        elif self._codes.setdefault(code, line) != line:
            self.say(line, N_("The code %(code)s stands in line %(line)s already."), code=code, line=self._codes[code])

    def term(self, line: int, term: str, unique: bool, of: str = "") -> None:
        key = f"{of} {folded(term)}"
        if not folded(term):
            self.say(line, N_("The cell %(column)s is empty."), column="term")
        elif max(len(term), len(folded(term))) > LONGEST_TERM:
            self.say(line, N_("This term has more than %(most)s characters."), most=LONGEST_TERM)
        elif unique and self._terms.setdefault(key, line) != line:
            self.say(line, N_("The term “%(term)s” stands in line %(line)s already."), term=term, line=self._terms[key])

    def named(self, line: int, text: str, column: str) -> None:
        if not text.strip():
            self.say(line, N_("The cell %(column)s is empty."), column=column)
        elif len(text) > LONGEST_TERM:
            self.say(line, N_("This term has more than %(most)s characters."), most=LONGEST_TERM)
