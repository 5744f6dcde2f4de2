"""Saves of a thirty-item form over HTTP beside raw writes of the same rows, in turns, so that a busy machine slows both alike."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from sqlalchemy import Connection, func, select

from tests.bench import raw
from tests.bench.browser import Answer, Browser
from tests.bench.figures import Figure, at_least, at_most, exactly, percentile, plain
from tests.bench.form import ITEMS, RECORDS, VISITS, body, markers
from tests.bench.places import Place, place
from tests.bench.server import serving
from tests.bench.trial import PASSWORD, SITE, STUDY, coordinators, prepare
from trialcrf.store import audit
from trialcrf.store.models import form
from trialcrf.store.transaction import open_engine, reading

CLIENTS = 8
ROUNDS = 7
SAVES = 120
"""Of each round, over all clients."""
WARM_UP = 80

LEAST = {"sqlite": 0.10, "postgresql": 0.40}
SLOWEST = 4.0

_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_MARKER = re.compile(r'name="p" value="([^"]+)"')


@dataclass(slots=True)
class Burst:
    """What a burst of saves took: saves a second over all clients, and the seconds of each save as its client waited for it."""

    rate: float
    seconds: list[float]


@dataclass(slots=True)
class Rounds:
    """One entry a round."""

    bursts: list[Burst] = field(default_factory=list)
    one: list[float] = field(default_factory=list)
    eight: list[float] = field(default_factory=list)


def measure(kind: str, folder: Path, tell: Callable[[str], None]) -> list[Figure]:
    """Every figure of saves on this kind of database (sqlite or postgresql)."""
    with place(kind, folder) as here:
        return _measure(kind, here, folder, tell)


def _measure(kind: str, here: Place, folder: Path, tell: Callable[[str], None]) -> list[Figure]:
    count = WARM_UP + ROUNDS * SAVES
    tell(f"{kind}: enrolling")
    url = here.migrated()
    addresses = prepare(url, CLIENTS, -(-count // VISITS))
    alone, crowd = here.copy(url), here.copy(url)
    data = folder / "data"
    data.mkdir()
    rounds = Rounds()
    with serving(url, data) as port, _signed_in(port) as browsers:
        _check_page(browsers[0].get(addresses[0]))
        work = list(enumerate(addresses[:count]))
        before, last = _trail(url), _last_form(url)
        tell(f"{kind}: warming up")
        _burst(browsers, work[:WARM_UP])
        last = _replay(url, last, alone, crowd, WARM_UP, None)
        for number in range(ROUNDS):
            tell(f"{kind}: round {number + 1} of {ROUNDS}")
            start = WARM_UP + number * SAVES
            rounds.bursts.append(_burst(browsers, work[start : start + SAVES]))
            last = _replay(url, last, alone, crowd, SAVES, rounds)
        saved = _trail(url)
        tell(f"{kind}: changing every item")
        changing = _burst(browsers, work[WARM_UP : WARM_UP + SAVES], turn=1)
        changed = _trail(url)
    tell(f"{kind}: verifying")
    return [
        *_figures(kind, rounds, changing),
        exactly(f"save, {_NAMES[kind]}: audit records of a new form", (saved - before) / count, "records", RECORDS),
        exactly(f"save, {_NAMES[kind]}: audit records of a change of all items", (changed - saved) / SAVES, "records", ITEMS),
        exactly(f"save, {_NAMES[kind]}: broken chains", _breaks(url) + _breaks(alone), "chains", 0),
    ]


@contextmanager
def _signed_in(port: int) -> Iterator[list[Browser]]:
    """A browser for every client, signed in once; all are closed when it is left."""
    with ExitStack() as stack:
        browsers = [stack.enter_context(closing(Browser(port))) for _ in range(CLIENTS)]
        for name, browser in zip(coordinators(CLIENTS), browsers, strict=True):
            browser.sign_in(name, PASSWORD)
        yield browsers


def _check_page(page: Answer) -> None:
    """The page asks exactly the items that the clients answer: otherwise something else would be measured."""
    asked = set(_MARKER.findall(page.text))
    if page.status != 200 or asked != markers():
        raise RuntimeError(f"the page ({page.status}) does not ask what is measured: {sorted(asked ^ markers())}")


def _burst(browsers: Sequence[Browser], work: Sequence[tuple[int, str]], turn: int = 0) -> Burst:
    """Every client saves its share, one form after the other. Raises when a save is not taken."""
    shares = [
        [(address, body(number, browser.token, turn, version=1 if turn else None)) for number, address in work[start :: len(browsers)]]
        for start, browser in enumerate(browsers)
    ]
    together = threading.Barrier(len(browsers) + 1)
    seconds: list[list[float]] = [[] for _ in browsers]
    wrong: list[Answer] = []

    def save_all(place: int) -> None:
        together.wait()
        for address, posted in shares[place]:
            began = time.perf_counter()
            answer = browsers[place].post(address, posted)
            seconds[place].append(time.perf_counter() - began)
            if answer.status != 303 or b"done=saved" not in answer.head:
                wrong.append(answer)
                return

    clients = [threading.Thread(target=save_all, args=(place,)) for place in range(len(browsers))]
    for client in clients:
        client.start()
    together.wait()
    began = time.perf_counter()
    for client in clients:
        client.join()
    took = time.perf_counter() - began
    if wrong or sum(map(len, seconds)) != len(work):
        raise RuntimeError(f"a save was not taken: {wrong[0].status} {wrong[0].head!r}" if wrong else "a client stopped")
    return Burst(len(work) / took, [each for own in seconds for each in own])


def _replay(url: str, last: int, alone: str, crowd: str, count: int, rounds: Rounds | None) -> int:
    """Write the rows of the newest burst again, by one connection and by eight. Returns the newest form there is."""
    saves = raw.saves_after(url, last)
    if len(saves) != count or any(len(save.records) != RECORDS for save in saves):
        raise RuntimeError(
            f"{count} forms were saved, {len(saves)} are there, with {sorted({len(save.records) for save in saves})} records"
        )
    one, eight = raw.rate(alone, saves, 1), raw.rate(crowd, saves, CLIENTS)
    if rounds is not None:
        rounds.one.append(one)
        rounds.eight.append(eight)
    return max(save.form[0] for save in saves)


def _figures(kind: str, rounds: Rounds, changing: Burst) -> list[Figure]:
    name = _NAMES[kind]
    of_one = median(burst.rate / one for burst, one in zip(rounds.bursts, rounds.one, strict=True))
    of_eight = median(burst.rate / eight for burst, eight in zip(rounds.bursts, rounds.eight, strict=True))
    middle = [percentile(burst.seconds, 0.50) for burst in rounds.bursts]
    slow = [percentile(burst.seconds, 0.95) for burst in rounds.bursts]
    rate = median(burst.rate for burst in rounds.bursts)
    return [
        at_least(f"save, {name}: of raw writes by one connection", of_one, "fraction", LEAST[kind]),
        plain(f"save, {name}: of raw writes by eight connections", of_eight, "fraction"),
        at_most(f"save, {name}: p95 of the median", median(s / m for s, m in zip(slow, middle, strict=True)), "times", SLOWEST),
        plain(f"save, {name}: median", 1000 * median(middle), "ms"),
        plain(f"save, {name}: p95", 1000 * median(slow), "ms"),
        plain(f"save, {name}: over HTTP, {CLIENTS} clients", rate, "saves/s"),
        plain(f"save, {name}: raw, one connection", median(rounds.one), "saves/s"),
        plain(f"save, {name}: raw, eight connections", median(rounds.eight), "saves/s"),
        plain(f"save, {name}: change of all items, of new forms", changing.rate / rate, "fraction"),
    ]


@contextmanager
def _reading(url: str) -> Iterator[Connection]:
    engine = open_engine(url)
    with reading(engine) as tx:
        yield tx.connection
    engine.dispose()


def _last_form(url: str) -> int:
    with _reading(url) as connection:
        return int(connection.execute(select(func.max(form.c.id))).scalar_one())


def _trail(url: str) -> int:
    """How many audit records the site's chain holds, whatever they tell of."""
    with _reading(url) as connection:
        return next(size for chain, size, _ in audit.chains(connection) if chain == f"{STUDY}/{SITE}")


def _breaks(url: str) -> int:
    with _reading(url) as connection:
        return 0 if audit.broken(connection) is None else 1
