"""A periodic report as a PDF, with its annexes and data: processor time and memory against Chromium printing the same whole HTML.

The same value is drawn as a first edition, and as the next one (another checkpoint) when the parts of the first are kept. All of it in one
run, so that the ratios survive a busy machine; and once more for a listing five times as long.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from config import ROOT
from tests.bench.figures import Figure, at_most, plain, skipped
from tests.core.safety_cases import CUT, invented_trial, study
from trialcrf.actions.records import report
from trialcrf.core.packs.report import SafetyReport, tabulate
from trialcrf.external import markup

LONG = 5000
"""Events of the longer report."""
LANGUAGE = "en"
FIRST, NEXT, LARGEST = 3.0, 1.0, 400.0
"""The aims: at most so many times Chromium's processor time for a first edition and for the next one, and so many MiB of memory."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one document took: `seconds` of the processor, and the highest `memory` of any one process, in MiB."""

    seconds: float
    memory: float


def measure(value: SafetyReport, folder: Path, tell: Callable[[str], None]) -> list[Figure]:
    longer = replace(value, listing=(value.listing * (LONG // max(1, len(value.listing)) + 1))[:LONG])
    return [*_measure(value, folder / "as-it-is", tell), *_measure(longer, folder / "longer", tell)]


def invented() -> SafetyReport:
    """A report with a long listing, for where the pilot's data are missing."""
    made = tabulate(study(), invented_trial(), CUT)
    return replace(made, listing=(made.listing * (1000 // len(made.listing) + 1))[:1000])


def _measure(value: SafetyReport, folder: Path, tell: Callable[[str], None]) -> list[Figure]:
    rows = len(value.listing)
    name = f"safety PDF, {rows:,} events"
    tell(f"{name}: first edition")
    first = _drawn("pack", value, folder)
    tell(f"{name}: next edition")
    later = _drawn("pack", replace(value, cut=replace(value.cut, checkpoint="0" * 64)), folder)
    figures = [
        plain(f"{name}: processor time for 1,000 of them", 1000 * first.seconds / rows, "s"),
        at_most(f"{name}: highest memory of a process", max(first.memory, later.memory), "MiB", LARGEST),
    ]
    if not shutil.which("chromium"):
        return [*figures, skipped(f"{name}: of Chromium's time", "not measured: there is no Chromium")]
    tell(f"{name}: Chromium")
    browser = _drawn("chromium", value, folder)
    return [
        *figures,
        plain(f"{name}: processor time of Chromium for 1,000 of them", 1000 * browser.seconds / rows, "s"),
        at_most(f"{name}: first edition, of Chromium's time", first.seconds / browser.seconds, "times", FIRST),
        at_most(f"{name}: next edition, of Chromium's time", later.seconds / browser.seconds, "times", NEXT),
    ]


def _drawn(how: str, value: SafetyReport, folder: Path) -> Drawn:
    # In a process between, because the system adds up what all children of a process took, and this one had others.
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "value").write_bytes(pickle.dumps(value))
    command = [sys.executable, "-m", "tests.bench.drawing", how, str(folder)]
    told = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    return Drawn(told["seconds"], told["memory"])


def _pack(folder: Path) -> None:
    drawn = report.drawing(pickle.loads((folder / "value").read_bytes()), LANGUAGE, report.SAFETY, kept=folder / "parts")
    assert drawn.pdf.startswith(b"%PDF")


def _chromium(folder: Path) -> None:
    """Print what would be drawn, everything inside. Making the HTML, its figures too, counts on both sides."""
    html = markup.without(markup.page(report.SAFETY, pickle.loads((folder / "value").read_bytes()), LANGUAGE), {})
    styled = html.replace('href="../', f'href="{markup.REPORTS.as_uri()}/')
    styled = styled.replace('href="report.css"', f'href="{(markup.REPORTS / report.SAFETY / "report.css").as_uri()}"')
    (folder / "whole.html").write_text(styled, encoding="utf-8")
    quiet = ("gpu", "quic", "background-networking", "component-update", "sync", "dev-shm-usage")
    command = ["chromium", "--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{one}" for one in quiet), "--no-zygote"]
    command += [f"--user-data-dir={folder / 'profile'}", "--no-pdf-header-footer", f"--print-to-pdf={folder / 'whole.pdf'}"]
    subprocess.run([*command, (folder / "whole.html").as_uri()], check=True, stderr=subprocess.DEVNULL)
    assert (folder / "whole.pdf").read_bytes().startswith(b"%PDF")


def _here(how: str, folder: Path) -> None:
    """Do it in this process and tell what it and all of its children took, those too that their own parents did not wait for."""
    import ctypes
    import resource

    assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER: orphans become ours
    before = resource.getrusage(resource.RUSAGE_SELF)
    {"pack": _pack, "chromium": _chromium}[how](folder)
    own = resource.getrusage(resource.RUSAGE_SELF)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = children.ru_utime + children.ru_stime + own.ru_utime + own.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "memory": children.ru_maxrss / 1024}))


if __name__ == "__main__":
    _here(sys.argv[1], Path(sys.argv[2]))
