"""One-line changes of the program under which a test must fail: the proof that the test would notice.

`python -m tests.sabotage [ID ...]` tries them on copies of the checkout, as many at a time as the variable JOBS says,
and ends with 1 where one went unnoticed. An id that ends in a dot or a space asks for all that begin so: `asvs 6.`.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "tests" / "sabotage.csv"
JOBS = int(os.environ.get("JOBS", "1"))
"""How many are tried at a time, each on a copy of its own."""
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


def of(word: str, one: Sabotage) -> bool:
    """Whether this is asked for by its id or by the start of it: `asvs 6.` are all of the chapter."""
    return one.id == word or (word.endswith((".", " ")) and one.id.startswith(word))


def tried(tests: Iterable[str], copy: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *more, *tests]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)


def noticed(one: Sabotage, copy: Path) -> bool:
    """Whether the test fails in this copy of the checkout once the line is changed; the line is put back."""
    file = copy / one.file
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(one.old, one.new), encoding="utf-8")
    try:
        ended = tried([one.test], copy, "-x")
    finally:
        file.write_text(text, encoding="utf-8")
    # 1: tests ran and failed. Anything else is a test that could not run, and proves nothing.
    return ended.returncode == 1


def failing_anyway(tests: Iterable[str], copy: Path) -> list[str]:
    """The tests that fail where nothing is changed: what they seemed to notice proves nothing."""
    ended = tried(sorted(set(tests)), copy, "--tb=no", "-rfE")
    lines = [line for line in ended.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines if lines or ended.returncode == 0 else [ended.stdout + ended.stderr]


def main(wanted: list[str]) -> int:
    asked = [one for one in sabotages() if not wanted or any(of(word, one) for word in wanted)]
    wrong = 0 if asked else 1
    with TemporaryDirectory() as folder, ThreadPoolExecutor(JOBS) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(JOBS):
            copies.put(Path(shutil.copytree(ROOT, Path(folder) / str(number), ignore=LEFT_OUT)))

        def result(one: Sabotage) -> bool:
            copy = copies.get()
            try:
                return noticed(one, copy)
            finally:
                copies.put(copy)

        for one, caught in zip(asked, pool.map(result, asked), strict=True):
            print(f"{one.id:>11}  {'noticed' if caught else 'NOT NOTICED'}  {one.file}: {one.new.strip() or '(line removed)'}", flush=True)
            wrong += not caught
        for line in failing_anyway([one.test for one in asked], copies.get()):
            print(f"Fails where nothing is changed: {line}", flush=True)
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
