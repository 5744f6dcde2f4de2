"""Limits of laboratories as a CSV file: its lines as plain texts, or why it cannot be read. What they mean is judged elsewhere."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from trialcrf.core.definition.source import Problem
from trialcrf.core.wording import N_, Message

COLUMNS = ("site", "laboratory", "analyte", "unit", "sex", "low", "high", "from", "to")
"""The columns that the first line of the file names, in any order; days are written 2026-01-31, numbers with a point or a comma."""

LARGEST = 2_000_000


class LimitProblems(Exception):
    """Everything that is wrong with a file of limits, each with its line; nothing of the file was taken."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


def read_limits(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    """The lines of the file by their numbers, blank ones left out. Separated by comma or semicolon, UTF-8. Raises LimitProblems."""
    try:
        if path.stat().st_size > LARGEST:
            raise LimitProblems([Problem(path.name, 1, Message(N_("The file is too large to be a list of limits.")))])
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise LimitProblems([Problem(path.name, 1, Message(N_("The file is not text in UTF-8.")))]) from None
    first = text.partition("\n")[0]
    try:
        reader = csv.DictReader(text.splitlines(), delimiter=";" if first.count(";") > first.count(",") else ",", strict=True)
        named = [name.strip().casefold() for name in reader.fieldnames or ()]
        if missing := [name for name in COLUMNS if name not in named]:
            said = Message(N_("The first line must name these columns too: %(columns)s."), {"columns": ", ".join(missing)})
            raise LimitProblems([Problem(path.name, 1, said)])
        reader.fieldnames = named
        lines = [(reader.line_num, {name: (row.get(name) or "").strip() for name in COLUMNS}) for row in reader]
    except csv.Error:
        raise LimitProblems([Problem(path.name, 1, Message(N_("The file is no CSV.")))]) from None
    return [(number, line) for number, line in lines if any(line.values())]
