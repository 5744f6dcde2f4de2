"""The safety report as a PDF: processor time and memory of the child process that draws it, for a listing and for a quarter of it."""

from __future__ import annotations

import json
import pickle
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from config import ROOT
from tests.bench.figures import Figure, plain
from tests.core.safety_cases import CUT, invented_trial, study
from trialcrf.actions import report
from trialcrf.core.safety import SafetyReport, tabulate

INVENTED_ROWS = 1000
LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one document took: `seconds` of the processor, the highest `memory` in MiB."""

    rows: int
    seconds: float
    memory: float


def measure(value: SafetyReport, folder: Path, tell: Callable[[str], None]) -> list[Figure]:
    tell("safety PDF: a quarter of the listing")
    quarter = _draw(replace(value, listing=value.listing[::4]), folder / "quarter")
    tell("safety PDF: all of it")
    full = _draw(value, folder / "full")
    each = (full.seconds - quarter.seconds) / (full.rows - quarter.rows)
    return [
        plain("safety PDF: listing", full.rows, "rows"),
        plain("safety PDF: processor time for 1,000 rows, the whole document", 1000 * full.seconds / full.rows, "s"),
        plain("safety PDF: processor time for 1,000 rows more", 1000 * each, "s"),
        plain("safety PDF: highest memory", full.memory, "MiB"),
    ]


def invented() -> SafetyReport:
    """A report with a long listing, for where the pilot's data are missing."""
    made = tabulate(study(), invented_trial(), CUT)
    return replace(made, listing=(made.listing * (INVENTED_ROWS // len(made.listing) + 1))[:INVENTED_ROWS])


def _draw(value: SafetyReport, file: Path) -> Drawn:
    # In a process between, because the system adds up what all children of a process took, and this one had others.
    file.write_bytes(pickle.dumps(value))
    command = [sys.executable, "-m", "tests.bench.drawing", str(file)]
    told = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    return Drawn(len(value.listing), told["seconds"], told["memory"])


def _draw_here(file: Path) -> None:
    drawn = report.draw(pickle.loads(file.read_bytes()), LANGUAGE)
    assert drawn.startswith(b"%PDF")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"seconds": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss / 1024}))


if __name__ == "__main__":
    _draw_here(Path(sys.argv[1]))
