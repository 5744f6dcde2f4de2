"""`python -m tests.bench [PART...]`: measure everything, or only the parts named, print a table and write bench.json."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from config import ROOT
from tests.bench import amending, importing, lighthouse, load, nurse, pages, registry, saving, trail
from tests.bench.figures import Figure, plain, table, write

Part = Callable[[Path, Callable[[str], None]], list[Figure]]

PARTS: dict[str, Part] = {
    "sqlite": partial(saving.measure, "sqlite"),
    "postgresql": partial(saving.measure, "postgresql"),
    "load-sqlite": partial(load.measure, "sqlite"),
    "load-postgresql": partial(load.measure, "postgresql"),
    "pilot": importing.measure,
    "registry": registry.measure,
    "trail": trail.measure,
    "amendment": amending.measure,
    "pages": pages.measure,
    "nurse": nurse.measure,
    "lighthouse": lighthouse.measure,
}


def main(wanted: list[str]) -> int:
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {what}", file=sys.stderr, flush=True)

    # Ratios survive a busy machine better than numbers do, but not unhurt: who reads them should know.
    figures: list[Figure] = [plain("machine: load average when begun", os.getloadavg()[0], f"on {os.cpu_count()} processors")]
    for name in wanted or PARTS:
        with tempfile.TemporaryDirectory(prefix="trialcrf-bench-") as folder:
            figures += PARTS[name](Path(folder), tell)
        write(figures, ROOT / "bench.json")  # After each part: what was measured is there, whatever becomes of the next one.
    print(table(figures))
    # What missed its aim is told, not failed: another machine under another load must not stop a build.
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
