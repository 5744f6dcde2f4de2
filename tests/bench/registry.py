"""A trial of the size of a registry: loading it, and what its lists, its nightly scan and its verification cost beside a small one."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from sqlalchemy import func, select, text

from config import ROOT, STUDIES
from tests.bench.browser import Browser
from tests.bench.figures import Figure, at_most, exactly, plain
from tests.bench.places import place
from tests.bench.server import serving
from trialcrf.actions import administer, judge, publish, sign_in, simulate
from trialcrf.actions.reminding import remind
from trialcrf.core.definition.load import load
from trialcrf.core.definition.signing_in import SigningIn
from trialcrf.external.files import read_study
from trialcrf.store import audit, definitions, subjects
from trialcrf.store.audit import Who
from trialcrf.store.models import visit
from trialcrf.store.transaction import Transaction, open_engine, reading, writing

STUDY = "msc_ssc"
FEW, SOME, MANY = 200, 1_000, 12_000
SITES = 10
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
NAME, PASSWORD = "dana", "a long sentence for measuring"
REMINDED = ("coordinator", "investigator", "monitor", "sponsor")
PAGES = 15
EVALUATED = 60
MOST_MEMORY = 300.0
SLOWEST_PAGE = 1.5
PROPORTION = 1.3
"""A visit of the large trial may cost this many times what one of the smaller does before the time is no longer in proportion."""

VIEWS = {
    "visit matrix": "subjects",
    "visit matrix, overdue, longest first": "subjects?state=overdue&sort=overdue",
    "my day": "today",
    "my day, all that is overdue": "today?show=overdue",
    "calendar": "calendar",
}
AIMED_AT = ("visit matrix", "my day")
"""The views with an aim. The others draw as many lines as there are: a large trial has more of them on a page, and so takes longer."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan for reminders in a process of its own: seconds of its processor, and the most memory that it held, in MiB."""

    found: int
    seconds: float
    memory: float


def measure(folder: Path, tell: Callable[[str], None], many: int = MANY) -> list[Figure]:
    with place("sqlite", folder) as here:
        small, middle, large = here.migrated(), here.migrated(), here.migrated()
        tell(f"registry: simulating {FEW} subjects")
        fill(small, FEW)
        tell(f"registry: simulating {SOME} subjects")
        fill(middle, SOME)
        tell(f"registry: simulating {many} subjects")
        made, seconds = fill(large, many)
        tell("registry: pages")
        views = _pages(folder, small, large)
        tell("registry: scanning for reminders")
        scans = [_scan(url) for url in (middle, large)]
        visits_of = [_visits(url) for url in (middle, large)]
        tell("registry: judging")
        judged = _judged(small)
        tell("registry: verifying")
        with _reading(large) as tx:
            began = time.perf_counter()
            broken = audit.broken(tx.connection) is not None
            verified = time.perf_counter() - began
    each = [scan.seconds / count for scan, count in zip(scans, visits_of, strict=True)]
    return [
        plain("simulation: subjects in bulk", made.subjects / seconds, "subjects/s"),
        plain("simulation: records in bulk", made.records / seconds, "records/s"),
        plain("eligibility: full evaluation", 1000 * judged, "ms"),
        *(
            at_most(f"registry: {name}, {many} subjects, of {FEW}", large_one / small_one, "times", SLOWEST_PAGE)
            for name, (small_one, large_one) in views.items()
            if name in AIMED_AT
        ),
        *(plain(f"registry: {name}, {many} subjects", 1000 * seconds[1], "ms") for name, seconds in views.items()),
        at_most(f"registry: reminder scan, a visit of {many} subjects, of {SOME}", each[1] / each[0], "times", PROPORTION),
        at_most(f"registry: reminder scan of {many} subjects, memory", scans[1].memory, "MiB", MOST_MEMORY),
        plain(f"registry: reminder scan of {visits_of[1]} visits", scans[1].seconds, "s"),
        plain("registry: reminders queued by it", scans[1].found, "mails"),
        plain("registry: records verified", made.records / verified, "records/s"),
        exactly("registry: broken chains", int(broken), "chains", 0),
    ]


def fill(url: str, wanted: int, at_sites: int = SITES, now: datetime = NOW) -> tuple[simulate.Simulated, float]:
    """Simulate so many subjects, and make the accounts that look at them. Returns what was made, and the seconds it took."""
    engine = open_engine(url)

    @contextmanager
    def begin() -> Iterator[Transaction]:
        with writing(engine, now, Who.system("bench")) as tx:
            yield tx

    with begin() as tx:
        published, _ = publish.publish(tx, replace(load(read_study(STUDIES / STUDY)), sign_in=SigningIn()))
    began = time.perf_counter()
    made = simulate.simulate(begin, published, wanted, 1, now, at_sites, in_bulk=True)
    seconds = time.perf_counter() - began
    with begin() as tx:
        # The trial is written within minutes, its serious events happened over years: the list of the day shows those of a week.
        tx.work(text("UPDATE outbox SET created_at = replace(created_at, substr(created_at, 1, 4), '2025') WHERE id % 250 > 0"))
        account = administer.create_account(tx, NAME, NAME.title(), f"{NAME}@example.org", "Sponsor", "fr")
        sign_in.set_password(tx, account, NAME, PASSWORD)
        administer.give_role(tx, account, "data_manager", STUDY, "", now.date())
        for role in REMINDED:
            reminded = administer.create_account(tx, role, role, f"{role}@example.org", "Hospital", "fr")
            administer.give_role(tx, reminded, role, STUDY, "", now.date())
    engine.dispose()
    return made, seconds


def _pages(folder: Path, *urls: str) -> dict[str, list[float]]:
    """The median seconds of each view, by name, each trial in turns with the other."""
    taken: dict[str, list[list[float]]] = {name: [[] for _ in urls] for name in VIEWS}
    with ExitStack() as stack:
        browsers = []
        for number, url in enumerate(urls):
            data = folder / f"web{number}"
            data.mkdir()
            browsers.append(stack.enter_context(closing(Browser(stack.enter_context(serving(url, data))))))
            browsers[-1].sign_in(NAME, PASSWORD)
        for name, address in VIEWS.items():
            for turn in range(PAGES + 3):
                for browser, seconds in zip(browsers, taken[name], strict=True):
                    began = time.perf_counter()
                    answer = browser.get(f"/studies/{STUDY}/{address}")
                    if answer.status != 200 or "R-" not in answer.text:
                        raise RuntimeError(f"{address} is not shown: {answer.status}")
                    if turn > 2:
                        seconds.append(time.perf_counter() - began)
    return {name: [median(each) for each in seconds] for name, seconds in taken.items()}


def _visits(url: str) -> int:
    with _reading(url) as tx:
        return int(tx.read(select(func.count()).select_from(visit)).scalar_one())


def _judged(url: str) -> float:
    """The median seconds of judging every criterion of a recipient, its donor's included, from the database."""
    taken = []
    with _reading(url) as tx:
        published = definitions.current(tx, STUDY)
        assert published
        for one in subjects.all_of(tx, STUDY, None, "recipient", limit=EVALUATED):
            began = time.perf_counter()
            judge.screen(tx, published, one, NOW)
            taken.append(time.perf_counter() - began)
    return median(taken)


@contextmanager
def _reading(url: str) -> Iterator[Transaction]:
    engine = open_engine(url)
    with reading(engine) as tx:
        yield tx
    engine.dispose()


def _scan(url: str) -> Scan:
    done = subprocess.run([sys.executable, "-m", "tests.bench.registry", url], cwd=ROOT, capture_output=True, text=True, check=True)
    return Scan(**json.loads(done.stdout))


def scan(url: str) -> Scan:
    """Queue every reminder that is due, as the scheduler does. The small scan and the large one both begin with an empty outbox."""
    engine = open_engine(url)
    with writing(engine, NOW, Who.system("bench")) as tx:
        began = time.process_time()
        found = remind.scan_reminders(tx, NOW)
        seconds = time.process_time() - began
    engine.dispose()
    return Scan(found, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    told = scan(sys.argv[1])
    print(json.dumps({"found": told.found, "seconds": told.seconds, "memory": told.memory}))
