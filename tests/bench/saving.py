"""Saves of a thirty-item form over HTTP beside raw writes of the same rows, in turns, so that a busy machine slows both alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.bench.bursts import LEAST, NAMES, SLOWEST, Burst, Rounds, Yardstick, breaks, burst, check_page, last_form, records, signed_in
from tests.bench.figures import Figure, at_least, at_most, exactly, plain
from tests.bench.form import ITEMS, RECORDS, VISITS
from tests.bench.places import Place, place
from tests.bench.server import serving
from tests.bench.trial import coordinators, prepare

CLIENTS = 8
ROUNDS = 7
SAVES = 120
"""Of each round, over all clients."""
WARM_UP = 80


def measure(kind: str, folder: Path, tell: Callable[[str], None]) -> list[Figure]:
    """Every figure of saves on this kind of database (sqlite or postgresql)."""
    with place(kind, folder) as here:
        return _measure(kind, here, folder, tell)


def _measure(kind: str, here: Place, folder: Path, tell: Callable[[str], None]) -> list[Figure]:
    count = WARM_UP + ROUNDS * SAVES
    tell(f"{kind}: enrolling")
    url = here.migrated()
    addresses = prepare(url, CLIENTS, -(-count // VISITS))
    beside = Yardstick(url, here.copy(url), here.copy(url), last_form(url))
    data = folder / "data"
    data.mkdir()
    rounds = Rounds()
    with serving(url, data) as port, signed_in(port, coordinators(CLIENTS)) as browsers:
        check_page(browsers[0].get(addresses[0]))
        work = list(enumerate(addresses[:count]))
        before = records(url)
        tell(f"{kind}: warming up")
        burst(browsers, work[:WARM_UP])
        beside.measure(WARM_UP, CLIENTS)
        for number in range(ROUNDS):
            tell(f"{kind}: round {number + 1} of {ROUNDS}")
            start = WARM_UP + number * SAVES
            rounds.bursts.append(burst(browsers, work[start : start + SAVES]))
            beside.measure(SAVES, CLIENTS, rounds)
        saved = records(url)
        tell(f"{kind}: changing every item")
        changing = burst(browsers, work[WARM_UP : WARM_UP + SAVES], turn=1)
        changed = records(url)
    tell(f"{kind}: verifying")
    return [
        *_figures(kind, rounds, changing),
        exactly(f"save, {NAMES[kind]}: audit records of a new form", (saved - before) / count, "records", RECORDS),
        exactly(f"save, {NAMES[kind]}: audit records of a change of all items", (changed - saved) / SAVES, "records", ITEMS),
        exactly(f"save, {NAMES[kind]}: broken chains", breaks(url) + breaks(beside.alone), "chains", 0),
    ]


def _figures(kind: str, rounds: Rounds, changing: Burst) -> list[Figure]:
    name = NAMES[kind]
    return [
        at_least(f"save, {name}: of raw writes by one connection", rounds.of_one, "fraction", LEAST[kind]),
        plain(f"save, {name}: of raw writes by eight connections", rounds.of_many, "fraction"),
        at_most(f"save, {name}: p95 of the median", rounds.unevenness, "times", SLOWEST),
        plain(f"save, {name}: median", 1000 * rounds.middle, "ms"),
        plain(f"save, {name}: p95", 1000 * rounds.slow, "ms"),
        plain(f"save, {name}: over HTTP, {CLIENTS} clients", rounds.rate, "saves/s"),
        plain(f"save, {name}: raw, one connection", median(rounds.one), "saves/s"),
        plain(f"save, {name}: raw, eight connections", median(rounds.many), "saves/s"),
        plain(f"save, {name}: change of all items, of new forms", changing.rate / rounds.rate, "fraction"),
    ]
