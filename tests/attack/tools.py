"""Starting a tool of `.venv/attack`, bounded in time, and the accepted findings of all of them."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from config import ROOT

ENVIRONMENTS = ROOT / ".venv"
ACCEPTED = Path(__file__).parent / "accepted.csv"


def program(environment: str, name: str) -> Path:
    """Fails the run where a tool is missing: nothing is skipped."""
    found = Path(os.environ.get("TRIALCRF_ATTACK_TOOLS", ENVIRONMENTS)) / environment / "bin" / name
    if not found.exists():
        pytest.fail(f"{name} is missing: run make attack, which installs it", pytrace=False)
    return found


@dataclass(frozen=True)
class Run:
    """What a tool said, and whether it ended by itself."""

    said: str
    code: int | None
    seconds: float


def run(command: Sequence[object], folder: Path, seconds: float) -> Run:
    """Everything that it prints, up to so many seconds; then it and what it started are killed."""
    folder.mkdir(parents=True, exist_ok=True)
    began, output = time.monotonic(), folder / "output.txt"
    # Tools write where they live, and read settings of whoever starts them: they get a home of their own.
    given = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
    given |= {"HOME": str(folder), "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *map(str, command)], cwd=folder, env=given, stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    code: int | None = None
    try:
        code = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return Run(output.read_text(encoding="utf-8", errors="replace"), code, time.monotonic() - began)


@dataclass(frozen=True)
class Finding:
    """What a tool found: its own name for the kind of thing, where, and in what words."""

    tool: str
    kind: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.tool} {self.kind}: {self.where}: {self.text}"


@dataclass(frozen=True)
class Accepted:
    """A finding that is none here, and why. `where` is a pattern of the whole place, `text` one that stands in the words."""

    tool: str
    kind: str
    where: str
    text: str
    reason: str

    def covers(self, found: Finding) -> bool:
        return (
            (self.tool, self.kind) == (found.tool, found.kind)
            and re.fullmatch(self.where, found.where) is not None
            and re.search(self.text, found.text) is not None
        )


def accepted(tool: str) -> list[Accepted]:
    with ACCEPTED.open(encoding="utf-8", newline="") as file:
        every = [Accepted(**row) for row in csv.DictReader(file)]
    assert all(len(one.reason) > 20 for one in every), "each accepted finding has its reason"
    return [one for one in every if one.tool == tool]


def judged(found: Iterable[Finding], known: Sequence[Accepted]) -> list[Finding]:
    """The findings that nobody accepted."""
    return sorted({one for one in found if not any(each.covers(one) for each in known)}, key=str)


def told(counts: Mapping[str, object]) -> None:
    """A line of what was looked at: `make attack` prints it."""
    print("attack:", *(f"{name}={value}" for name, value in counts.items()), flush=True)
