"""Bursts of saves by several clients at once, what they left in the database, and how they stand beside raw writes of the same rows."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from statistics import median

from sqlalchemy import Connection, func, select

from tests.bench import raw
from tests.bench.browser import Answer, Browser
from tests.bench.figures import percentile
from tests.bench.form import RECORDS, body, markers
from tests.bench.trial import PASSWORD, SITE, STUDY
from trialcrf.store import audit
from trialcrf.store.models import form
from trialcrf.store.transaction import open_engine, reading

LEAST = {"sqlite": 0.10, "postgresql": 0.40}
"""What part of the raw writes of one connection saves over HTTP must reach."""
SLOWEST = 4.0
"""How many times the median save the slow ones (p95) may take."""
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}

_MARKER = re.compile(r'name="p" value="([^"]+)"')


@dataclass(slots=True)
class Burst:
    """What a burst of saves took: saves a second over all clients, and the seconds of each save as its client waited for it."""

    rate: float
    seconds: list[float]


@dataclass(slots=True)
class Rounds:
    """Bursts, and the saves a second at which their very rows were written by one connection and by as many as clients. One entry a
    round; what is told of them is the median, of ratios that were taken within a round each."""

    bursts: list[Burst] = field(default_factory=list)
    one: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return median(burst.rate for burst in self.bursts)

    @property
    def of_one(self) -> float:
        return median(burst.rate / one for burst, one in zip(self.bursts, self.one, strict=True))

    @property
    def of_many(self) -> float:
        return median(burst.rate / many for burst, many in zip(self.bursts, self.many, strict=True))

    @property
    def middle(self) -> float:
        return median(percentile(burst.seconds, 0.50) for burst in self.bursts)

    @property
    def slow(self) -> float:
        return median(percentile(burst.seconds, 0.95) for burst in self.bursts)

    @property
    def unevenness(self) -> float:
        """How many times the median save a slow one takes."""
        return median(percentile(burst.seconds, 0.95) / percentile(burst.seconds, 0.50) for burst in self.bursts)


@contextmanager
def signed_in(port: int, names: Sequence[str]) -> Iterator[list[Browser]]:
    """A browser for every name, signed in once; all are closed when it is left."""
    with ExitStack() as stack:
        browsers = [stack.enter_context(closing(Browser(port))) for _ in names]
        for name, browser in zip(names, browsers, strict=True):
            browser.sign_in(name, PASSWORD)
        yield browsers


def check_page(page: Answer) -> None:
    """The page asks exactly the items that the clients answer: otherwise something else would be measured."""
    asked = set(_MARKER.findall(page.text))
    if page.status != 200 or asked != markers():
        raise RuntimeError(f"the page ({page.status}) does not ask what is measured: {sorted(asked ^ markers())}")


def taken(answer: Answer) -> bool:
    """Whether the server says that it has saved."""
    return answer.status == 303 and b"done=saved" in answer.head


def burst(browsers: Sequence[Browser], work: Sequence[tuple[int, str]], turn: int = 0) -> Burst:
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
            if not taken(answer):
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


@dataclass(slots=True)
class Yardstick:
    """Two copies of the database, in which the rows of each burst are written again: by one connection, and by as many as clients."""

    url: str
    alone: str
    crowd: str
    last: int

    def measure(self, count: int, clients: int, rounds: Rounds | None = None) -> None:
        """Write the rows of the newest burst again, so many saves."""
        saves = raw.saves_after(self.url, self.last)
        if len(saves) != count or any(len(save.records) != RECORDS for save in saves):
            raise RuntimeError(
                f"{count} forms were saved, {len(saves)} are there, with {sorted({len(save.records) for save in saves})} records"
            )
        one, many = raw.rate(self.alone, saves, 1), raw.rate(self.crowd, saves, clients)
        if rounds is not None:
            rounds.one.append(one)
            rounds.many.append(many)
        self.last = max(save.form[0] for save in saves)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = open_engine(url)
    with reading(engine) as tx:
        yield tx.connection
    engine.dispose()


def last_form(url: str) -> int:
    with connected(url) as connection:
        return int(connection.execute(select(func.max(form.c.id))).scalar_one())


def records(url: str) -> int:
    """How many audit records the site's chain holds, whatever they tell of."""
    with connected(url) as connection:
        return next(size for chain, size, _ in audit.chains(connection) if chain == f"{STUDY}/{SITE}")


def breaks(url: str) -> int:
    with connected(url) as connection:
        return 0 if audit.broken(connection) is None else 1
