"""The ten busiest pages in a trial of 20 subjects and in one of 12,000: the server's time, statements to the database, bytes.

The small trial is one site; the large one has 24, and so 500 subjects at the coordinator's own. Lists are asked for as a data manager
of all sites too: 12,000 subjects on one page is the hardest case. Both trials are open at once, each page is asked of both in turns.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from config import Settings
from tests.bench.browser import Answer, Browser
from tests.bench.busiest import EVERYWHERE, NURSE, PAGES, WEIGHT_AFTER, WEIGHT_FIRST, Busy, changed, files_of, statements
from tests.bench.figures import Figure, at_most, percentile, plain
from tests.bench.multiplied import multiply
from tests.bench.places import place
from tests.bench.registry import PASSWORD, STUDY, fill
from tests.bench.server import serving
from trialcrf.actions import administer, sign_in
from trialcrf.external import clock
from trialcrf.store.audit import Who
from trialcrf.store.transaction import open_engine, writing
from trialcrf.web import create_app

FEW, MANY = 20, int(os.environ.get("BENCH_PAGES_SUBJECTS", "12000"))
FEW_SITES, MANY_SITES = 1, 24
SIMULATED = 240
"""Subjects of the large trial that are simulated whole; the others are copies of them (`tests/bench/multiplied.py`)."""

TURNS, WARMING, AFTER_SAVES = 40, 4, 7
SLOWEST = 1.5
WAITED_FOR = 60
"""Looks at the figures of a dashboard, a second apart, before they count as not drawn."""


@dataclass
class Asked:
    """What one page took in one trial: seconds of every time, its statements, its bytes as they came, and those of its files."""

    seconds: list[float] = field(default_factory=list)
    statements: int = 0
    size: int = 0
    files: int = 0

    @property
    def first(self) -> float:
        return (self.size + self.files) / 1000


def measure(folder: Path, tell: Callable[[str], None], many: int = MANY) -> list[Figure]:
    with place("sqlite", folder) as here, ExitStack() as stack:
        urls = [here.migrated(), here.migrated()]
        now = clock.now()
        for url, subjects, at_sites in zip(urls, (FEW, many), (FEW_SITES, MANY_SITES), strict=True):
            tell(f"pages: simulating, then {subjects} subjects")
            times = max(1, subjects // SIMULATED)
            fill(url, subjects // times, at_sites, now)
            people(url, now)
            multiply(url, times)
        seats = [stack.enter_context(_seats(url, folder / f"web{number}")) for number, url in enumerate(urls)]
        counted = [stack.enter_context(_counting(url, folder / f"counted{number}")) for number, url in enumerate(urls)]
        figures = []
        for page, reader in looks():
            tell(f"pages: {page.name}, {reader}")
            taken = [Asked(), Asked()]
            for turn in range(WARMING + (TURNS // 2 if page.saves else TURNS)):
                for seat, asked in zip(seats, taken, strict=True):
                    seconds = ask(seat[reader], page, turn)
                    if turn >= WARMING:
                        asked.seconds.append(seconds)
            for seat, count, asked in zip(seats, counted, taken, strict=True):
                weigh(seat[reader], page, asked)
                asked.statements = count(page, reader)
            figures += _told(page, reader, *taken, many)
            if page.lists:
                figures.append(
                    plain(
                        f"{_name(page, reader)}: p50 at {many} subjects, after a save at a site", _after_saves(seats[1], page, reader), "ms"
                    )
                )
    return figures


def looks() -> Iterator[tuple[Busy, str]]:
    """Each page by the coordinator, and the lists by who sees every site."""
    for reader in (NURSE, EVERYWHERE):
        for page in PAGES:
            if reader == NURSE or page.lists:
                yield page, reader


def _after_saves(seat: dict[str, Browser], page: Busy, reader: str) -> float:
    """Milliseconds of the first look once something was recorded at the coordinator's site, of which nothing is known any more."""
    (save,) = [one for one in PAGES if one.saves]
    took = []
    for turn in range(AFTER_SAVES):
        ask(seat[NURSE], save, turn)
        took.append(ask(seat[reader], page, turn))
    return 1000 * percentile(took, 0.5)


def _name(page: Busy, reader: str) -> str:
    return f"pages: {page.name}, {'one site' if reader == NURSE else 'all sites'}"


def _told(page: Busy, reader: str, few: Asked, lot: Asked, many: int) -> Iterator[Figure]:
    name = _name(page, reader)
    for share, said in ((0.5, "p50"), (0.95, "p95")):
        slow = [percentile(one.seconds, share) for one in (few, lot)]
        yield at_most(f"{name}: {said} at {many} subjects, of {FEW}", slow[1] / slow[0], "times", SLOWEST)
        yield plain(f"{name}: {said} at {many} subjects", 1000 * slow[1], "ms")
    # A trial in which nothing is of some kind (no serious event, say) asks less; never more.
    yield at_most(f"{name}: database queries at {many} subjects, not more than at {FEW}", lot.statements, "queries", few.statements)
    yield at_most(f"{name}: first load, with its files", max(few.first, lot.first), "kB", WEIGHT_FIRST)
    yield at_most(f"{name}: the page alone", max(few.size, lot.size) / 1000, "kB", WEIGHT_AFTER)


def people(url: str, now: datetime) -> None:
    """The coordinator of the first site; the data manager is there."""
    engine = open_engine(url)
    with writing(engine, now, Who.system("bench")) as tx:
        account = administer.create_account(tx, NURSE, NURSE.title(), f"{NURSE}@example.org", "Hospital", "fr")
        sign_in.set_password(tx, account, NURSE, PASSWORD)
        administer.give_role(tx, account, "coordinator", STUDY, "01", now.date())
    engine.dispose()


@contextmanager
def _seats(url: str, data: Path) -> Iterator[dict[str, Browser]]:
    data.mkdir()
    with serving(url, data) as port, ExitStack() as stack:
        found = {name: stack.enter_context(closing(Browser(port))) for name in (NURSE, EVERYWHERE)}
        for name, browser in found.items():
            browser.sign_in(name, PASSWORD)
        yield found


def ask(browser: Browser, page: Busy, turn: int) -> float:
    """The seconds until the page is there; of one that saves, those of its save and of the page that it leads to."""
    if not page.saves:
        began = time.perf_counter()
        answer = browser.get(page.address)
        seconds = time.perf_counter() - began
        _check(answer, page)
        return seconds
    posted = Browser.form(_sent(browser.get(page.address).text, turn))
    began = time.perf_counter()
    saved = browser.post(page.address, posted)
    answer = browser.get(saved.location)
    seconds = time.perf_counter() - began
    if saved.status != 303 or "done=" not in saved.location:
        raise RuntimeError(f"{page.name}: not saved: {saved.status} {saved.location}")
    _check(answer, page)
    return seconds


def _check(answer: Answer, page: Busy) -> None:
    if answer.status != 200:
        raise RuntimeError(f"{page.name} is not shown: {answer.status}")


def _sent(page: str, turn: int) -> list[tuple[str, str]]:
    """A weight that is another one each time, and plausible beside the others."""
    now = dict(changed(page, "", ""))["i.WT"]
    kept = float(now.replace(",", "."))
    return changed(page, "WT", f"{kept + (0.1 if turn % 2 else -0.1):.1f}".replace(".", ","))


def settled(browser: Browser, page: Busy) -> Answer:
    """The page as it is once everything on it is there: figures that are drawn beside it are waited for."""
    answer = browser.get(page.address)
    for _ in range(WAITED_FOR):
        if 'data-again="' not in answer.text:
            break
        browser.get(answer.text.split('data-again="')[1].split('"')[0].replace("&amp;", "&"))
        time.sleep(1)
        answer = browser.get(page.address)
    return answer


def weigh(browser: Browser, page: Busy, asked: Asked) -> None:
    answer = settled(browser, page)

    def get(address: str) -> tuple[int, str]:
        found = browser.get(address)
        return len(found.body), found.text

    asked.size = len(answer.body)
    asked.files = sum(files_of(answer.text, get).values())


Counting = Callable[[Busy, str], int]


@contextmanager
def _counting(url: str, data: Path) -> Iterator[Counting]:
    """How many statements a page asks, by the same application in this process. What a process learns once, it has learned."""
    data.mkdir()
    settings = replace(Settings.from_env({"TRIALCRF_DATA": str(data)}), database_url=url, database_unguarded=True)
    app = create_app(settings)
    engine: Engine = app.extensions["trialcrf.engine"]
    clients = {name: app.test_client() for name in (NURSE, EVERYWHERE)}
    for name, client in clients.items():
        client.post("/sign-in", data={"username": name, "password": PASSWORD})

    def count(page: Busy, reader: str) -> int:
        client = clients[reader]
        client.get(page.address)
        sent = _sent(client.get(page.address).text, 0) if page.saves else []
        with statements(engine) as asked:
            if page.saves:
                saved = client.post(page.address, data=Browser.form(sent), content_type="application/x-www-form-urlencoded")
                client.get(saved.headers["Location"])
            else:
                client.get(page.address)
        return len(asked)

    yield count
    engine.dispose()
