"""An amendment over a large trial: records brought to the new version, and what one costs beside one of a trial half as large."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tests.actions.amendments import amended
from tests.bench.figures import Figure, at_most, plain
from tests.bench.places import place
from tests.bench.registry import NOW, PROPORTION, STUDY, fill
from trialcrf.actions import publish
from trialcrf.actions.oversight import amend
from trialcrf.store import audit, sites
from trialcrf.store.audit import Who
from trialcrf.store.transaction import Transaction, open_engine, reading, writing

MANY = 12_000
LATER = NOW + timedelta(days=30)
DANA = Who("dana", "data_manager", "Sponsor", "127.0.0.1")


def measure(folder: Path, tell: Callable[[str], None], many: int = MANY) -> list[Figure]:
    costs = []
    with place("sqlite", folder) as here:
        for wanted in (many // 2, many):
            url = here.migrated()
            tell(f"amendment: simulating {wanted} subjects")
            fill(url, wanted)
            tell(f"amendment: bringing the records of {wanted} subjects over")
            costs.append(_migrated(url))
    (half, half_seconds), (whole, seconds) = costs
    return [
        plain(f"amendment: records brought over, {many} subjects", whole, "records"),
        plain("amendment: records brought over in a second", whole / seconds, "records/s"),
        at_most("amendment: a record against one of half the trial", (seconds / whole) / (half_seconds / half), "times", PROPORTION),
    ]


def _migrated(url: str) -> tuple[int, float]:
    """How many records followed, and the seconds that it took. Nothing is half done: the trail holds them all."""
    engine = open_engine(url)

    @contextmanager
    def begin() -> Iterator[Transaction]:
        with writing(engine, LATER, DANA) as tx:
            yield tx

    with begin() as tx:
        version, _ = publish.publish(tx, amended(1))
        for where in sites.all_of(tx, STUDY):
            amend.release(tx, where, version, "CPP", where.today(LATER), where.today(LATER), LATER)
    began = time.perf_counter()
    found = amend.migrate(begin, STUDY, None, LATER)
    seconds = time.perf_counter() - began
    with reading(engine) as tx:
        assert audit.broken(tx.connection) is None
    engine.dispose()
    return found.count(amend.Outcome.MOVED), seconds
