"""bandit: what it finds in files of Python, by the test it names and the line that it means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.attack.tools import Finding, Run, program, run


@dataclass(frozen=True)
class Read:
    files: frozenset[str]
    unread: tuple[str, ...]
    found: tuple[Finding, ...]
    run: Run


def read(root: Path, names: Sequence[str], folder: Path, seconds: float = 300) -> Read:
    """The files below these, by their paths from the root."""
    report = folder / "report.json"
    command = [
        program("attack", "bandit"),
        "--recursive",
        *(root / name for name in names),
        "--format",
        "json",
        "--quiet",
        "--output",
        report,
    ]
    done = run(command, folder, seconds)
    told = json.loads(report.read_text(encoding="utf-8"))

    def place(name: str) -> str:
        return Path(name).relative_to(root).as_posix()

    def line(one: dict[str, object]) -> str:
        return Path(str(one["filename"])).read_text(encoding="utf-8").splitlines()[int(str(one["line_number"])) - 1].strip()

    found = tuple(Finding("bandit", one["test_id"], place(one["filename"]), line(one)) for one in told["results"])
    files = frozenset(place(name) for name in told["metrics"] if name != "_totals")
    return Read(files, tuple(str(one) for one in told["errors"]), found, done)
