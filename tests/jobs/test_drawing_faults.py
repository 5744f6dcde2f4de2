"""Faults that a drawing must survive: nobody wants it any more, the program stops, the worker is killed. Nothing half-written stays."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.actions.world import ROOT, World
from trialcrf.actions.records import report
from trialcrf.external import clock
from trialcrf.jobs import WHO, Means
from trialcrf.jobs.work import draw_report
from trialcrf.store import definitions, reports
from trialcrf.store.models import report as report_table
from trialcrf.store.reports import Report


@pytest.fixture
def database_kind() -> str:
    """Nothing here hangs on the kind of database."""
    return "sqlite"


@pytest.fixture
def ordered(world: World) -> int:
    with world.write("dana", clock.now()) as tx:
        made = report.order(
            tx, definitions.current(tx, world.study), "en", date(2026, 11, 1), None, "dana", kind=report.QUALITY, why="A test."
        )
    assert made
    return made


def found(world: World, report_id: int) -> Report:
    with world.read() as tx:
        one = reports.find(tx, report_id)
    assert one
    return one


def begun(world: World, report_id: int) -> None:
    """Wait until the drawing is under way."""
    end = time.monotonic() + 60
    while not found(world, report_id).progress:
        assert time.monotonic() < end
        time.sleep(0.02)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and ".parts" not in path.parts]


def drawn_meanwhile(
    world: World, means: Means, ordered: int, then: Callable[[], None], stopping: threading.Event | None = None
) -> list[bool]:
    """What the drawing said; `then` happens while it is under way."""
    said: list[bool] = []
    worker = threading.Thread(target=lambda: said.append(draw_report(means.engine, means.settings.reports_folder, WHO, ordered, stopping)))
    worker.start()
    begun(world, ordered)
    then()
    worker.join(60)
    return said


def test_a_cancelled_drawing_ends_at_once_and_archives_nothing(world, means, ordered):
    def cancel() -> None:
        with world.write("sam", clock.now()) as tx:
            assert reports.cancelled(tx, ordered)

    assert drawn_meanwhile(world, means, ordered, cancel) == [False]
    assert (found(world, ordered).state, found(world, ordered).sha256) == (reports.CANCELLED, None)
    assert files(means.settings.reports_folder) == []


def test_one_cancelled_in_the_last_moment_leaves_no_file(world, means, ordered, monkeypatch):
    keep_file = report.keep_file

    def cancel_then_keep(one, drawing, folder):
        kept = keep_file(one, drawing, folder)
        with world.write("sam", clock.now()) as tx:
            assert reports.cancelled(tx, one.id)
        return kept

    monkeypatch.setattr(report, "keep_file", cancel_then_keep)
    assert not draw_report(means.engine, means.settings.reports_folder, WHO, ordered)
    assert (found(world, ordered).state, files(means.settings.reports_folder)) == (reports.CANCELLED, [])


WORKER = """
import sys
from pathlib import Path
from trialcrf.jobs import WHO
from trialcrf.jobs.work import draw_report
from trialcrf.store.transaction import open_engine
draw_report(open_engine(sys.argv[1]), Path(sys.argv[2]), WHO, int(sys.argv[3]))
"""


def test_while_one_worker_draws_no_other_one_does_and_it_says_so_until_its_end(world, means, ordered, monkeypatch):
    monkeypatch.setattr(reports, "LEASE", timedelta(seconds=0.2))  # Shorter than the drawing: it has to be told again and again.
    seen = []

    def look() -> None:
        end = time.monotonic() + 0.5
        while time.monotonic() < end and found(world, ordered).state == reports.ORDERED:
            with world.read() as tx:
                seen.append(reports.waiting(tx, clock.now()))
        seen.append(draw_report(means.engine, means.settings.reports_folder, WHO, ordered))

    assert drawn_meanwhile(world, means, ordered, look) == [True]
    assert seen[-1] is False
    assert sum(1 for one in seen[:-1] if one) < 0.2 * len(seen), "it was free to be taken by others"


def test_what_a_killed_or_stopped_worker_had_begun_is_drawn_by_the_next(world, means, ordered):
    folder = means.settings.reports_folder
    command = [sys.executable, "-c", WORKER, means.settings.database_url, str(folder), str(ordered)]
    with subprocess.Popen(command, cwd=ROOT) as worker:
        begun(world, ordered)
        worker.kill()
    assert worker.returncode == -9
    assert (found(world, ordered).state, files(folder)) == (reports.ORDERED, [])
    assert not draw_report(means.engine, folder, WHO, ordered), "for a while it may well be alive"
    with world.read() as tx:
        assert (reports.waiting(tx, clock.now()), reports.waiting(tx, clock.now() + reports.LEASE)) == ([], [ordered])
    with world.write("trialcrf") as tx:
        tx.work(update(report_table).values(taken_until=clock.now()))

    stopping = threading.Event()
    assert drawn_meanwhile(world, means, ordered, stopping.set, stopping) == [False]
    assert (found(world, ordered).state, found(world, ordered).said) == (reports.ORDERED, "")

    assert draw_report(means.engine, folder, WHO, ordered)
    one = found(world, ordered)
    assert (one.state, one.progress, [path.name for path in files(folder)]) == (reports.DRAWN, 100, [one.file])
