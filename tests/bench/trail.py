"""The trail of a large trial beside a small one: what its pages cost, and how fast it is exported and verified beside reading its file."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

from config import ROOT
from tests.bench.browser import Browser
from tests.bench.figures import Figure, at_most, plain
from tests.bench.places import Place, place
from tests.bench.registry import NAME, NOW, PASSWORD, STUDY, fill
from tests.bench.server import serving
from trialcrf.actions.records.export_trail import JSONL, SCRIPT, export_trail
from trialcrf.core.document import FormKey
from trialcrf.store import audit, forms, subjects
from trialcrf.store.audit import Entry, Who
from trialcrf.store.models import form
from trialcrf.store.transaction import Transaction, open_engine, reading, writing

FEW, MANY = 200, int(os.environ.get("BENCH_TRAIL_SUBJECTS", "12000"))
"""Subjects of the small trial and of the large one: 12,000 make about five million records. `BENCH_TRAIL_SUBJECTS` makes it smaller."""

CHANGES = 1_000
PAGES = 15
SLOWEST = 1.5
MOST_MEMORY = 300.0
"""MiB that exporting and verifying may hold, however long the trail is."""

FORM = FormKey("SCR", "VITALS")
VIEWS = {
    "history of a field": "subjects/{key}/SCR/1/VITALS/1?field={item}",
    "history of a form with 1,000 changes": "subjects/{key}/SCR/1/VITALS/1/history",
    "trail of the study": "trail",
    "trail of the study, words of a reason": "trail?why=nothing+has+this+reason",
    "trail of a site": "sites/01/trail",
    "trail of a subject": "subjects/{key}/trail",
    "trail of a person": "people/simulation/trail",
}
BOUNDED = frozenset({"trail of the study, words of a reason"})
"""What is read for: as many records as a page may read, so a small trial that has fewer is done sooner. It has no aim."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a process of its own took: seconds, the most memory that it held in MiB, and how many records it told of."""

    seconds: float
    memory: float
    records: int


def measure(folder: Path, tell: Callable[[str], None], many: int = MANY) -> list[Figure]:
    with place("sqlite", folder) as here:
        small, large = _made(here, FEW, tell), _made(here, many, tell)
        with _reading(large) as tx:
            records = sum(size for _, size, _ in audit.chains(tx.connection))
        tell(f"trail: pages over {records} records")
        views = _pages(folder, small, large)
        tell("trail: exporting and verifying")
        out = folder / "export"
        exported, verified = _run("export", large, out), _run("verify", str(out / SCRIPT), out)
        read = _read_file(out / JSONL)
    rate, alone = exported.records / exported.seconds, exported.records / read
    return [
        plain("trail: records", records, "records"),
        *(
            at_most(f"trail: {name}, of a small trial", each[1] / each[0], "times", SLOWEST)
            if name not in BOUNDED
            else plain(f"trail: {name}, of a small trial", each[1] / each[0], "times")
            for name, each in views.items()
        ),
        *(plain(f"trail: {name}", 1000 * each[1], "ms") for name, each in views.items()),
        plain("trail: exported", rate, "records/s"),
        plain("trail: verified offline", exported.records / verified.seconds, "records/s"),
        plain("trail: its file read alone", alone, "records/s"),
        plain("trail: verifying, of reading the file and its JSON alone", verified.seconds / read, "times"),
        at_most("trail: exporting, memory", exported.memory, "MiB", MOST_MEMORY),
        at_most("trail: verifying offline, memory", verified.memory, "MiB", MOST_MEMORY),
    ]


def _made(here: Place, people: int, tell: Callable[[str], None]) -> str:
    """A trial of so many subjects, in which one form was changed a thousand times."""
    url = here.migrated()
    tell(f"trail: simulating {people} subjects")
    fill(url, people)
    engine = open_engine(url)
    with reading(engine) as tx:
        one = subjects.all_of(tx, STUDY, None, "recipient", limit=1)[0]
        stored = forms.read(tx, one.id, FORM)
        assert stored
        item = next(iter(stored.document.items))
        value = stored.document.items[item].canonical()
    # Written as a save writes them: what is measured is the reading of them.
    for number in range(CHANGES):
        with writing(engine, NOW + timedelta(minutes=number), Who("simulation", "coordinator", "Hospital", "::1")) as tx:
            entry = Entry(one.site.chain, "set", "form", str(stored.id), item, value, one.key, "TYPO")
            tx.change(form, form.update().where(form.c.id == stored.id).values(version=form.c.version + 1), [entry])
    engine.dispose()
    return url


def _pages(folder: Path, *urls: str) -> dict[str, list[float]]:
    """The median seconds of each view, by name, each trial in turns with the other."""
    taken: dict[str, list[list[float]]] = {name: [[] for _ in urls] for name in VIEWS}
    with ExitStack() as stack:
        browsers, about = [], []
        for number, url in enumerate(urls):
            data = folder / f"trail{number}"
            data.mkdir()
            browsers.append(stack.enter_context(closing(Browser(stack.enter_context(serving(url, data))))))
            browsers[-1].sign_in(NAME, PASSWORD)
            with _reading(url) as tx:
                one = subjects.all_of(tx, STUDY, None, "recipient", limit=1)[0]
                stored = forms.read(tx, one.id, FORM)
                assert stored
                about.append({"key": one.key, "item": next(iter(stored.document.items))})
        for name, address in VIEWS.items():
            for turn in range(PAGES + 3):
                for browser, where, seconds in zip(browsers, about, taken[name], strict=True):
                    began = time.perf_counter()
                    answer = browser.get(f"/studies/{STUDY}/{address.format(**where)}")
                    if answer.status != 200:
                        raise RuntimeError(f"{address} is not shown: {answer.status}")
                    if turn > 2:
                        seconds.append(time.perf_counter() - began)
    return {name: [median(each) for each in seconds] for name, seconds in taken.items()}


def _read_file(path: Path) -> float:
    """Seconds of reading the file, its JSON and its hash: what any verification must do at least."""
    began = time.perf_counter()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for line in file:
            digest.update(line)
            json.loads(line)
    return time.perf_counter() - began


@contextmanager
def _reading(url: str) -> Iterator[Transaction]:
    engine = open_engine(url)
    with reading(engine) as tx:
        yield tx
    engine.dispose()


def _run(what: str, source: str, folder: Path) -> Run:
    command = [sys.executable, "-m", "tests.bench.trail", what, source, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def alone(what: str, source: str, folder: Path) -> Run:
    """Export, or verify with the script, in this process: it does nothing else, so its memory is that of the work."""
    began, count = time.perf_counter(), 0
    if what == "export":
        with _reading(source) as tx:
            count = export_trail(tx, STUDY, folder, NOW).records
    else:
        subprocess.run([sys.executable, "-I", source, str(folder)], check=True, stdout=sys.stderr)
    who = resource.RUSAGE_SELF if what == "export" else resource.RUSAGE_CHILDREN
    return Run(time.perf_counter() - began, resource.getrusage(who).ru_maxrss / 1024, count)


if __name__ == "__main__":
    ran = alone(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    print(json.dumps({"seconds": ran.seconds, "memory": ran.memory, "records": ran.records}))
