"""One-line changes of the program under which a test must fail: the proof that the test would notice.

`python -m tests.sabotage [ID ...]` tries them one by one on copies of the checkout and ends with 1 where one went unnoticed.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "tests" / "sabotage.csv"
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "node_modules")


@dataclass(frozen=True, slots=True)
class Sabotage:
    """A change of one line: `old` stands once in `file` and becomes `new`; `test` (`path::name`) must fail then.

    `id` is what the test stands for: a row of docs/requirements.csv by its number, or `asvs 1.2.3`, a row of docs/asvs.csv.
    """

    id: str
    file: str
    old: str
    new: str
    test: str


@cache
def sabotages() -> tuple[Sabotage, ...]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(Sabotage(**row) for row in csv.DictReader(file))


def exists(test: str) -> bool:
    """Whether `path::name` names a test that is written down."""
    path, _, name = test.partition("::")
    return (ROOT / path).is_file() and f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")


def noticed(one: Sabotage, copy: Path) -> bool:
    """Whether the test fails in this copy of the checkout once the line is changed; the line is put back."""
    file = copy / one.file
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(one.old, one.new), encoding="utf-8")
    try:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", one.test]
        ended = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    finally:
        file.write_text(text, encoding="utf-8")
    # 1: tests ran and failed. Anything else is a test that could not run, and proves nothing.
    return ended.returncode == 1


def main(wanted: list[str]) -> int:
    unnoticed = []
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
        for one in sabotages():
            if wanted and one.id not in wanted:
                continue
            caught = noticed(one, copy)
            print(f"{one.id:>11}  {'noticed' if caught else 'NOT NOTICED'}  {one.file}: {one.new.strip() or '(line removed)'}", flush=True)
            if not caught:
                unnoticed.append(one)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
