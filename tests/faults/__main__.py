"""All faults at their full counts: python -m tests.faults [KILLS CUTS]. It takes about two hours; `make test` runs a few of each.

The nurse's desk comes last: its table of characters typed and lost, and the visit at three months on two screens.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.faults import desk, visit

KILLS, CUTS = 200, 20


def main(arguments: list[str]) -> int:
    kills, cuts = (int(one) for one in arguments) if len(arguments) == 2 else (KILLS, CUTS)
    # Another seed each time: what one run does not meet the next one may. It is printed, to be given again.
    seed = os.environ.setdefault("TRIALCRF_FAULTS_SEED", str(int.from_bytes(os.urandom(4))))
    os.environ.update(TRIALCRF_FAULTS_KILLS=str(kills), TRIALCRF_FAULTS_CUTS=str(cuts))
    print(f"{kills} kills and {cuts} power cuts on each database; TRIALCRF_FAULTS_SEED={seed}", flush=True)
    return int(pytest.main(["-v", str(Path(__file__).parent)])) or desk.main([]) or visit.main([])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
