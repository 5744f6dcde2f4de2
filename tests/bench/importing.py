"""The public pilot trial: its import through the normal entry, whole and in half, and then its safety report as a PDF."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from config import ROOT, STUDIES
from tests.bench import drawing
from tests.bench.figures import Figure, at_most, exactly, plain, skipped
from tests.bench.places import place
from trialcrf.actions import publish
from trialcrf.actions.importing import import_sdtm
from trialcrf.actions.records import report
from trialcrf.core.definition.load import load
from trialcrf.core.packs.report import SafetyReport
from trialcrf.core.sdtm import DOMAINS, file_of
from trialcrf.external.files import read_study
from trialcrf.store import audit
from trialcrf.store.audit import Who
from trialcrf.store.transaction import Transaction, open_engine, reading, writing

STUDY = "cdisc_pilot"
PILOT = ROOT.parent / "shared" / "data" / "cdisc_pilot"
NOW = datetime(2021, 1, 4, 9, 0, tzinfo=UTC)
ZONE = "America/New_York"
PROPORTION = 1.4
"""A record of the whole may cost this many times the processor time of a record of half before the time is no longer in proportion."""


@dataclass(frozen=True, slots=True)
class Run:
    subjects: int
    records: int
    refused: int
    broken: bool
    seconds: float
    processor: float
    report: SafetyReport

    @property
    def rate(self) -> float:
        return self.records / self.seconds


def measure(folder: Path, tell: Callable[[str], None]) -> list[Figure]:
    if not PILOT.is_dir():
        return [skipped("import of the pilot", "not measured: its data are not there"), *drawing.measure(drawing.invented(), folder, tell)]
    tell("import: half of the subjects")
    half = _run(_half(PILOT, folder / "half"), folder / "first")
    tell("import: all of them")
    full = _run(PILOT, folder / "second")
    grows = (full.processor / full.records) / (half.processor / half.records)
    return [
        plain("import: records", full.records, "records"),
        plain("import: records a second", full.rate, "records/s"),
        plain("import: subjects a second", full.subjects / full.seconds, "subjects/s"),
        at_most("import: a record of the whole, of one of half", grows, "times", PROPORTION),
        exactly("import: rows refused", full.refused, "rows", 0),
        exactly("import: broken chains", int(full.broken) + int(half.broken), "chains", 0),
        *drawing.measure(full.report, folder, tell),
    ]


def _run(data: Path, folder: Path) -> Run:
    """One import into a fresh durable SQLite database."""
    folder.mkdir()
    with place("sqlite", folder) as here:
        engine = open_engine(here.migrated())

        @contextmanager
        def begin() -> Iterator[Transaction]:
            with writing(engine, NOW, Who.system("bench")) as tx:
                yield tx

        with begin() as tx:
            publish.publish(tx, load(read_study(STUDIES / STUDY)))
        began, busy = time.perf_counter(), time.process_time()
        outcome = import_sdtm(data, STUDY, ZONE, begin, NOW)
        seconds, processor = time.perf_counter() - began, time.process_time() - busy
        with reading(engine) as tx:
            broken = audit.broken(tx.connection) is not None
            value = report.safety_report(tx, STUDY, NOW.date(), NOW)
        engine.dispose()
    return Run(outcome.subjects, outcome.records, len(outcome.refused), broken, seconds, processor, value)


def _half(data: Path, folder: Path) -> Path:
    """Every second subject with all its rows."""
    folder.mkdir()
    kept: set[str] = set()
    for domain in ("DM", *(domain for domain in DOMAINS if domain != "DM")):
        with (data / file_of(domain)).open(encoding="utf-8", newline="") as source:
            rows = list(csv.DictReader(source))
        if domain == "DM":
            kept = {row["USUBJID"] for row in rows[::2]}
        with (folder / file_of(domain)).open("w", encoding="utf-8", newline="") as target:
            writer = csv.DictWriter(target, list(rows[0]))
            writer.writeheader()
            writer.writerows(row for row in rows if row["USUBJID"] in kept)
    return folder
