"""Two at the same moment about one bag or one batch, on both databases: one outcome or one after the other, and nothing is used twice.

Real threads, real commits. What came first is read from the trail: whoever commits first stands first in the chain of the site.
`python -m tests.actions.test_cells_races` runs a thousand races on each database and tells how they ended.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial

import pytest

from tests.actions.cells_world import SPECIFICATION, Cells, declare_eligible, make_batch, make_cells, open_cells
from tests.actions.screening import screen_recipient
from tests.actions.world import NOW, make_world, typed
from tests.conftest import KINDS as database_kinds
from tests.conftest import LOSSY, Databases, Filling, running_postgresql, scratch, scratch_folder
from trialcrf.actions import Impossible
from trialcrf.actions.cells import gather, release
from trialcrf.actions.cells.bedside import Stopped
from trialcrf.actions.cells.release import Decided
from trialcrf.core.document import FormKey
from trialcrf.core.entry import Refused
from trialcrf.core.product.bedside import Stop
from trialcrf.core.product.stock import BagState, Stock
from trialcrf.store import audit, forms, replay
from trialcrf.store.subjects import Subject

IN_A_BATCH = 16
RACES = {"checks": 16, "recalls": 8, "discards": 6, "releases": 3, "results": 6, "shipments": 6, "fillings": 6}
"""How many of each kind the tests run."""

THOUSAND = {"checks": 700, "recalls": 50, "discards": 50, "releases": 50, "results": 50, "shipments": 50, "fillings": 50}
"""How many the program at the end of this file runs, at most AT_ONCE of them on one database."""
AT_ONCE = 48

REASON = "LATE"
JUST_BEFORE = (21, 11, 2026, "09:59")
"""A minute before the checks: NOW is ten o'clock in Paris."""


def code(number: int) -> str:
    return f"RACE-{number:04d}"


@cache
def many_bags(batches: int) -> Filling:
    """The chain of `make_cells` with a second recipient of the same donor, and this many released batches of fresh bags."""

    def fill(url: str) -> None:
        world = make_world(url)
        made = make_cells(world)
        declare_eligible(world, screen_recipient(world, made.donor.key), "ivan")
        for number in range(batches):
            codes = tuple(code(number * IN_A_BATCH + one) for one in range(IN_A_BATCH))
            batch = make_batch(world, made.donor, f"RACES-{number:02d}", codes)
            Cells(world, made.donor, made.recipient, batch).release()
        world.engine.dispose()

    return fill


@dataclass
class Track:
    """Where races are run: two threads that start each race together, and fresh bags."""

    cells: Cells
    second: Subject
    pool: ThreadPoolExecutor
    numbers: Iterator[int] = field(default_factory=itertools.count)
    repeats: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fresh(self) -> tuple[str, Subject]:
        """A bag that nothing happened to yet, and its batch."""
        number = next(self.numbers)
        return code(number), self.cells.world.subject(f"B-01-{number // IN_A_BATCH + 2:03d}")

    def race(self, *both: Callable[[], object]) -> tuple[object, object]:
        """What came of the two: a value, or the refusal."""
        gate = threading.Barrier(2, timeout=30)

        def run(one: Callable[[], object]) -> object:
            gate.wait()
            try:
                return one() or True
            except (Stopped, Refused, Impossible) as refusal:
                return refusal

        first, second = [self.pool.submit(run, one) for one in both]
        return first.result(timeout=60), second.result(timeout=60)

    def check(self, bag: str, recipient: Subject | None = None) -> Callable[[], object]:
        return lambda: self.cells.check(bag, recipient)

    def move(self, batch: Subject, bag: str, kind: str, **more: object) -> Callable[[], object]:
        repeat = next(self.repeats)
        sent = typed(MOV_BAG=bag, MOV_KIND=kind, MOV_AT=JUST_BEFORE, **more)
        return lambda: self.cells.world.save(batch, "MOVEMENT", "STOCK", sent, repeat, name="lara")

    def recall(self, batch: Subject, bag: str) -> Callable[[], object]:
        repeat = next(self.repeats)
        told = {"INC_KIND": "COLD_CHAIN", "INC_AWARE": JUST_BEFORE, "INC_BAG": bag, "INC_TEXT": "Race.", "INC_RECALL": "Y"}
        return lambda: self.cells.world.save(batch, "INCIDENT", "INCIDENTS", typed(**told), repeat, name="lara")

    def decide(self, batch: Subject, decision: str) -> Callable[[], object]:
        """A decision on what the page shows at this moment."""
        cells = Cells(self.cells.world, self.cells.donor, self.cells.recipient, batch)
        with cells.world.read() as tx:
            seen = release.review(tx, cells.world.published, batch).seen
        quin = cells.person("quin")

        def decided() -> object:
            with cells.world.write("quin") as tx:
                sent = Decided(decision, SPECIFICATION, "Race.", seen)
                return release.decide(tx, cells.world.published, batch, quin.actor, quin.proof, sent, NOW)

        return decided

    def stock(self) -> Stock:
        with self.cells.world.read() as tx:
            return gather.chain_now(tx, self.cells.world.published.study).stock

    def at(self, *forms_: int) -> list[int]:
        """Where the first record of each form stands in the chain of the site."""
        with self.cells.world.read() as tx:
            return [audit.history(tx.connection, "form", str(one))[0].seq for one in forms_]


@pytest.fixture(scope="module")
def filling() -> Filling:
    return many_bags(1)


@pytest.fixture
def track(database_url):
    with ready(database_url) as made:
        yield made


class ready:
    """A track on a database that `many_bags` filled. Left whole: the trail holds, and the data are what it tells."""

    def __init__(self, url: str) -> None:
        self.cells = open_cells(url)

    def __enter__(self) -> Track:
        self.pool = ThreadPoolExecutor(2)
        return Track(self.cells, self.cells.world.subject("R-01-002"), self.pool)

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()
        with self.cells.world.read() as tx:
            assert list(replay.differences(tx)) == []
            assert audit.broken(tx.connection) is None
            held = gather.chain_now(tx, self.cells.world.published.study).stock
        self.cells.world.engine.dispose()
        assert [flaw.message for bag in held.bags.values() for flaw in bag.flaws] == []
        assert (held.unknown, held.twice) == ((), ())


def won(outcomes: tuple[object, object]) -> list[object]:
    return [one for one in outcomes if not isinstance(one, Exception)]


def lost(outcomes: tuple[object, object]) -> list[Exception]:
    return [one for one in outcomes if isinstance(one, Exception)]


# --- Each kind of race, so many times, with what is asserted of every one --------------------------------------------


def checks(track: Track, times: int) -> Counter[str]:
    """Two nurses check one bag, every second time for two recipients."""
    told: Counter[str] = Counter()
    for number in range(times):
        bag, _ = track.fresh()
        other = track.second if number % 2 else None
        outcomes = track.race(track.check(bag), track.check(bag, other))
        assert len(won(outcomes)) == 1, (bag, outcomes)
        (refused,) = lost(outcomes)
        assert isinstance(refused, Stopped) and refused.stops == (Stop.RESERVED,), (bag, refused)
        told[f"won by the {'first' if outcomes[1] is refused else 'second'}"] += 1
    held = track.stock()
    used = [bag for bag in held.bags.values() if bag.state is BagState.CHECKED]
    assert len(used) == times and all(len(bag.movements) == 2 for bag in used)
    return told


def recalls(track: Track, times: int) -> Counter[str]:
    """A check while the bag is recalled: it is refused, or it was there first."""
    told: Counter[str] = Counter()
    for _ in range(times):
        bag, batch = track.fresh()
        checked, recalled = track.race(track.check(bag), track.recall(batch, bag))
        assert not isinstance(recalled, Exception), recalled
        if isinstance(checked, Exception):
            assert isinstance(checked, Stopped) and checked.stops == (Stop.RECALLED,), checked
            told["recalled first"] += 1
        else:
            first, second = track.at(checked.id, recalled.form_id)
            assert first < second, f"{bag} was checked although its recall was recorded before"
            told["checked first"] += 1
    return told


def discards(track: Track, times: int) -> Counter[str]:
    """A check while somebody records that the bag was thrown away a minute ago: one of the two."""
    told: Counter[str] = Counter()
    for _ in range(times):
        bag, batch = track.fresh()
        outcomes = track.race(track.check(bag), track.move(batch, bag, "DISCARDED", MOV_WHY="Broken."))
        assert len(won(outcomes)) == 1, (bag, outcomes)
        told["discarded first" if isinstance(outcomes[0], Exception) else "checked first"] += 1
    return told


def releases(track: Track, times: int) -> Counter[str]:
    """A batch is released while a bag of it is recalled: both stand, and the bag may be given to nobody."""
    told: Counter[str] = Counter()
    for _ in range(times):
        bag, batch = track.fresh()
        outcomes = track.race(track.decide(batch, "RELEASED"), track.recall(batch, bag))
        assert len(won(outcomes)) == 2, outcomes
        with pytest.raises(Stopped) as refused:
            track.cells.check(bag)
        assert refused.value.stops == (Stop.RECALLED,)
        told["both"] += 1
    return told


def results(track: Track, times: int) -> Counter[str]:
    """A batch is released while a test of it turns positive: the release is refused, or the result opens its incident."""
    told: Counter[str] = Counter()
    _, batch = track.fresh()
    for _ in range(times):
        save_result(track, batch, "NEGATIVE")()
        track.decide(batch, "REJECTED")()
        before = len(track.stock().batches[batch.key].incidents)
        released, positive = track.race(track.decide(batch, "CONDITIONAL"), save_result(track, batch, "POSITIVE"))
        assert not isinstance(positive, Exception), positive
        after = len(track.stock().batches[batch.key].incidents)
        if isinstance(released, Exception):
            assert isinstance(released, Impossible) and after == before, released
            told["positive first"] += 1
        else:
            assert after == before + 1, "released and positive, and nobody was told"
            told["released first"] += 1
    return told


def save_result(track: Track, batch: Subject, result: str) -> Callable[[], object]:
    with track.cells.world.read() as tx:
        stored = forms.read(tx, batch.id, FormKey("MAKING", "QC"))
    sent = typed(stored.version, REASON, QC_AEROBIC=result)
    return lambda: track.cells.world.save(batch, "QC", "MAKING", sent, name="lara")


def shipments(track: Track, times: int) -> Counter[str]:
    """One bag is sent to two places: to one of them."""
    told: Counter[str] = Counter()
    cold = {"MOV_TEMP_LOW": "-150", "MOV_TEMP_HIGH": "-140"}
    for _ in range(times):
        bag, batch = track.fresh()
        both = [track.move(batch, bag, "SHIPPED", MOV_TO=place, **cold) for place in ("WARD", "LAB_TANK")]
        outcomes = track.race(*both)
        assert len(won(outcomes)) == 1, (bag, outcomes)
        told[f"won by the {'first' if outcomes[1] in lost(outcomes) else 'second'}"] += 1
    return told


def fillings(track: Track, times: int) -> Counter[str]:
    """Two batches give one code to a bag, and hold nothing in common: the key of the database is what refuses one of them."""
    told: Counter[str] = Counter()
    world = track.cells.world
    batches = [
        world.enrol("batch", BAT_LOT=f"TWIN-{one}", BAT_CULTURE_START=(17, 11, 2026), ANCESTRY__new1__BAT_DONATION=origin(track))
        for one in "AB"
    ]
    repeats: dict[str, int | None] = {one.key: None for one in batches}
    for number in range(times):
        filled = {
            "CODE": f"TWIN-{number:04d}", "CELLS": "80", "VOLUME": "50", "EXPIRY": (31, 12, 2026), "FILLED": (20, 11, 2026, "16:00"),
            "PLACE": "LAB_TANK",
        }  # fmt: skip
        row = {f"BAG__new1__BAG_{name}": text for name, text in filled.items()}
        sent = [typed(repeats[one.key], REASON, **row) for one in batches]
        both = [partial(world.save, one, "BAGS", "MAKING", boxes, name="lara") for one, boxes in zip(batches, sent, strict=True)]
        outcomes = track.race(*both)
        assert len(won(outcomes)) == 1, outcomes
        for one, outcome in zip(batches, outcomes, strict=True):
            if not isinstance(outcome, Exception):
                repeats[one.key] = outcome.version
        told[f"won by the {'first' if isinstance(outcomes[1], Exception) else 'second'}"] += 1
    return told


def origin(track: Track) -> str:
    return f"{track.cells.donor.key}/H0/1/HARVEST/1"


KINDS = (checks, recalls, discards, releases, results, shipments, fillings)


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.__name__)
def test_of_two_at_once_one_follows_the_other(track, kind):
    kind(track, RACES[kind.__name__])


def main() -> None:
    """A thousand races on each kind of database."""
    with running_postgresql(LOSSY, scratch()) as cluster:
        databases = Databases(scratch_folder(scratch()), lambda: cluster)
        for kind in database_kinds:
            for race in KINDS:
                begun, told, left = time.monotonic(), Counter[str](), THOUSAND[race.__name__]
                while left:
                    url = databases.fresh(kind, many_bags(AT_ONCE // IN_A_BATCH))
                    with ready(url) as track:
                        told += race(track, min(left, AT_ONCE))
                    left -= min(left, AT_ONCE)
                    databases.drop(url)
                print(f"{kind}, {race.__name__}: {told.total()} races, {dict(told)}, {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
