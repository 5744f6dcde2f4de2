"""The program under load: saves by one, eight and thirty-two clients beside raw writes, saves beside downloads, memory over minutes.

`BENCH_LOAD_MINUTES` says how long memory is watched (3; 60 is the full hour).
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from sqlalchemy import select

from tests.bench import memory
from tests.bench.bursts import LEAST, NAMES, SLOWEST, Rounds, Yardstick, breaks, burst, check_page, connected, last_form, signed_in
from tests.bench.figures import Figure, at_least, at_most, exactly, percentile, plain
from tests.bench.form import VISITS
from tests.bench.places import IN_MEMORY, file_system, lapses, place
from tests.bench.raw import connect
from tests.bench.reported import READERS, Document, reported
from tests.bench.seats import DAY, DOWNLOAD, PAGE, SAVE, Seat, keep, take
from tests.bench.server import serving_process
from tests.bench.trial import STUDY, coordinators, prepare
from trialcrf.store.models import form, subject
from trialcrf.store.transaction import open_engine

COLLAPSE = 0.8
"""What the most clients must get of the saves a second that eight get."""
HELD_UP = 1.5
"""How many times longer a slow save (p95) may take where one request of ten is a download."""
OWN_FORMS = 40
"""Of each seat; they are saved again and again."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. `saves` are those of one burst, over all of its clients; `turns` those of each seat in half a round."""

    clients: tuple[int, ...] = (1, 8, 32)
    rounds: int = 7
    saves: int = 128
    warm_up: int = 96
    seats: int = 8
    mixed: int = 5
    turns: int = 6
    warming: float = 60.0
    watching: float = 60 * float(os.environ.get("BENCH_LOAD_MINUTES", "3"))
    reported: int = 20

    @property
    def forms(self) -> int:
        """Forms that the bursts save."""
        return self.warm_up + self.rounds * self.saves * len(self.clients)


def measure(kind: str, folder: Path, tell: Tell, plan: Plan | None = None) -> list[Figure]:
    """Every figure of load on this kind of database (sqlite or postgresql)."""
    plan = plan or Plan()
    data = folder / "data"
    data.mkdir()
    with place(kind, folder) as here:
        tell(f"load, {kind}: enrolling")
        url = here.migrated()
        addresses = prepare(url, max(*plan.clients, plan.seats), -(-(plan.forms + OWN_FORMS * plan.seats) // VISITS))
        tell(f"load, {kind}: drawing the report")
        document = reported(url, data / "reports", plan.reported)
        figures = _durable(kind, url)
        beside = Yardstick(url, here.copy(url), here.copy(url), last_form(url))
        with serving_process(url, data, TRIALCRF_DOWNLOADS="100000") as (port, process):  # One seat downloads for many people.
            figures += _clients(kind, port, addresses[: plan.forms], beside, plan, tell)
            own = list(enumerate(addresses))[plan.forms :]
            with _seats(port, own, document, plan) as seats:
                figures += _mixed(kind, seats, document, plan, tell)
                figures += _memory(kind, seats, process, plan, tell)
        tell(f"load, {kind}: verifying")
        told = sum((seat.told for seat in seats), Counter(addresses[: plan.forms]))
        wrong = [each for seat in seats for each in seat.wrong]
        for each in wrong[:5]:
            tell(f"load, {kind}: {each}")
        stored = _stored(url)
        return [
            *figures,
            exactly(f"load, {NAMES[kind]}: requests that failed", len(wrong), "requests", 0),
            plain(f"load, {NAMES[kind]}: saves acknowledged", sum(told.values()), "saves"),
            exactly(f"load, {NAMES[kind]}: acknowledged and not stored", _lost(told, stored), "saves", 0),
            exactly(f"load, {NAMES[kind]}: broken chains", breaks(url), "chains", 0),
        ]


def _durable(kind: str, url: str) -> list[Figure]:
    """Whether the disk is one, and both the program and the yardstick write on it what they acknowledge."""
    engine = open_engine(url)
    with engine.connect() as connection, closing(connect(url)) as plainly:
        missing = [*lapses(connection.connection.dbapi_connection), *lapses(plainly)]
    engine.dispose()
    lies = file_system(url)
    return [
        exactly(f"load, {NAMES[kind]}: {', '.join(['settings that lose what is acknowledged', *missing])}", len(missing), "settings", 0),
        exactly(f"load, {NAMES[kind]}: databases in memory, not on a disk", int(lies in IN_MEMORY), f"on {lies}", 0),
    ]


def _clients(kind: str, port: int, addresses: Sequence[str], beside: Yardstick, plan: Plan, tell: Tell) -> list[Figure]:
    """Every number of clients in each round, so that a disturbance is all of theirs."""
    work = list(enumerate(addresses))
    rounds = {count: Rounds() for count in plan.clients}
    with signed_in(port, coordinators(max(plan.clients))) as browsers:
        check_page(browsers[0].get(addresses[0]))
        tell(f"load, {kind}: warming up")
        burst(browsers, work[: plan.warm_up])
        beside.measure(plan.warm_up, max(plan.clients))
        del work[: plan.warm_up]
        for number in range(plan.rounds):
            tell(f"load, {kind}: round {number + 1} of {plan.rounds}")
            for count, each in rounds.items():
                each.bursts.append(burst(browsers[:count], work[: plan.saves]))
                beside.measure(plan.saves, count, each)
                del work[: plan.saves]
    most, fewest, name = max(plan.clients), min(plan.clients), f"load, {NAMES[kind]}"
    figures = []
    for count, each in rounds.items():
        of_one = f"{name}: {_so_many(count)}: of raw writes by one connection"
        # One client keeps one process at work; the aim is that of a site where several enter.
        figures.append(plain(of_one, each.of_one, "fraction") if count == 1 else at_least(of_one, each.of_one, "fraction", LEAST[kind]))
        if count > 1:
            figures.append(plain(f"{name}: {_so_many(count)}: of raw writes by as many connections", each.of_many, "fraction"))
            figures.append(plain(f"{name}: {_so_many(count)}: raw, as many connections", median(each.many), "saves/s"))
        figures += [
            plain(f"{name}: {_so_many(count)}: over HTTP", each.rate, "saves/s"),
            plain(f"{name}: {_so_many(count)}: median", 1000 * each.middle, "ms"),
            plain(f"{name}: {_so_many(count)}: p95", 1000 * each.slow, "ms"),
            at_most(f"{name}: {_so_many(count)}: p95 of the median", each.unevenness, "times", SLOWEST),
        ]
    kept = median(many.rate / few.rate for many, few in zip(rounds[most].bursts, rounds[_usual(plan)].bursts, strict=True))
    return [
        *figures,
        plain(f"{name}: raw, one connection", median(rounds[fewest].one), "saves/s"),
        at_least(f"{name}: saves by {most} clients, of those by {_usual(plan)}", kept, "fraction", COLLAPSE),
    ]


def _so_many(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"


def _usual(plan: Plan) -> int:
    """The middle one of the numbers of clients."""
    return sorted(plan.clients)[len(plan.clients) // 2]


@contextmanager
def _seats(port: int, own: Sequence[tuple[int, str]], document: Document, plan: Plan) -> Iterator[list[Seat]]:
    readers = [READERS[place % len(READERS)] for place in range(plan.seats)]
    with signed_in(port, coordinators(plan.seats)) as nurses, signed_in(port, readers) as others:
        yield [Seat(*both, own[place :: plan.seats], document) for place, both in enumerate(zip(nurses, others, strict=True))]


def _mixed(kind: str, seats: Sequence[Seat], document: Document, plan: Plan, tell: Tell) -> list[Figure]:
    """Rounds with downloads and without, in turns; which of them comes first changes."""
    without: list[dict[str, list[float]]] = []
    beside: list[dict[str, list[float]]] = []
    take(seats, 2, downloading=True)
    for number in range(plan.mixed):
        tell(f"load, {kind}: with downloads and without, round {number + 1} of {plan.mixed}")
        for downloading in (number % 2 == 0, number % 2 == 1):
            (beside if downloading else without).append(take(seats, plan.turns, downloading))
    name = f"load, {NAMES[kind]}: {len(seats)} people at work"
    asked = sum(len(each) for one in beside for each in one.values())
    held_up = median(_slow(one, SAVE) / _slow(other, SAVE) for one, other in zip(beside, without, strict=True))
    return [
        plain(f"{name}: downloads of all requests", sum(len(one[DOWNLOAD]) for one in beside) / asked, "fraction"),
        plain(f"{name}: the report that is downloaded", len(document.content) / 1000, "kB"),
        at_most(f"{name}: p95 of a save beside downloads, of one without", held_up, "times", HELD_UP),
        *(
            plain(f"{name}: p95 of a {kind_} beside downloads", 1000 * median(_slow(one, kind_) for one in beside), "ms")
            for kind_ in (SAVE, PAGE, DAY, DOWNLOAD)
        ),
        plain(f"{name}: p95 of a save without downloads", 1000 * median(_slow(one, SAVE) for one in without), "ms"),
    ]


def _slow(seconds: Mapping[str, Sequence[float]], kind: str) -> float:
    return percentile(seconds[kind], 0.95)


def _memory(kind: str, seats: Sequence[Seat], process: int, plan: Plan, tell: Tell) -> list[Figure]:
    stop = threading.Event()
    working = keep(seats, stop)
    try:
        tell(f"load, {kind}: working for {plan.warming:.0f} s, then watching memory for {plan.watching:.0f} s")
        stop.wait(plan.warming)
        samples = memory.watched(process, plan.watching, lambda: sum(seat.requests for seat in seats))
    finally:
        stop.set()
        for one in working:
            one.join()
    return memory.figures(f"load, {NAMES[kind]}", samples)


def _stored(url: str) -> Counter[str]:
    """How often each form was saved, as the database has it, by the address of its page."""
    columns = (subject.c.key, form.c.event_oid, form.c.form_oid, form.c.version)
    with connected(url) as connection:
        rows = connection.execute(select(*columns).join(subject, subject.c.id == form.c.subject_id)).all()
    return Counter({f"/studies/{STUDY}/subjects/{row.key}/{row.event_oid}/1/{row.form_oid}/1": row.version for row in rows})


def _lost(told: Mapping[str, int], stored: Mapping[str, int]) -> int:
    """Saves that were acknowledged and are not there, or are there and were not acknowledged. The forms of admission are others."""
    return sum(abs(count - stored.get(address, 0)) for address, count in told.items())
