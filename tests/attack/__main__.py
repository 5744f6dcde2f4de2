"""Every tool at the program as it runs: python -m tests.attack [injecting crawling describing code slow]. About half an hour."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TOGETHER = ("injecting", "crawling", "describing", "code")
"""Two at a time, as tools wait more than they work; what measures time comes after them, alone."""


def main(arguments: list[str]) -> int:
    # Another seed each time: what one run does not meet the next one may. It is printed, to be given again.
    seed = os.environ.setdefault("TRIALCRF_ATTACK_SEED", str(int.from_bytes(os.urandom(3))))
    print(f"TRIALCRF_ATTACK_SEED={seed}", flush=True)
    asked = arguments or [*TOGETHER, "slow"]
    unknown = set(asked) - {*TOGETHER, "slow"}
    if unknown:
        print(f"there is no such attack: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    codes = []
    together = [one for one in TOGETHER if one in asked]
    if together:
        codes.append(_run(together, "--numprocesses", "2", "--dist", "loadfile"))
    if "slow" in asked:
        codes.append(_run(["slow"]))
    codes.append(_run([], str(HERE)))  # What `make test` tries too: the probes.
    return max(codes)


def _run(attacks: list[str], *more: str) -> int:
    # Their names are not those of tests, so that no other run collects what needs the tools.
    files = [str(HERE / f"attack_{one}.py") for one in attacks]
    return subprocess.run([sys.executable, "-m", "pytest", "-v", "-rP", "--tb=short", *more, *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
