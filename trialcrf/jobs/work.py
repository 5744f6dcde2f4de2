"""Work that takes time, taken from the queue: drawing a report in throw-away child processes, step by step, and archiving it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from trialcrf.actions import Impossible
from trialcrf.actions.records import report
from trialcrf.actions.records.report import Workshop
from trialcrf.external import archive, clock, seal
from trialcrf.external.child import Cancelled
from trialcrf.external.drawing import ANNEX, PAGES, TABLES
from trialcrf.store import reports
from trialcrf.store.audit import Who
from trialcrf.store.damage import WritingStopped
from trialcrf.store.reports import Report
from trialcrf.store.transaction import Transaction, reading, writing

log = logging.getLogger(__name__)

GATHERED, LISTED, ARCHIVED = "gathered", "listed", "archived"
PROGRESS = {GATHERED: 5, TABLES: 20, ANNEX: 35, PAGES: 50, ARCHIVED: 95}
"""Per cent of the drawing at the beginning of each step; the pages take about half of the time."""


def draw_report(engine: Engine, folder: Path, who: Who, report_id: int, stopping: threading.Event | None = None) -> bool:
    """Draw an ordered report and archive it under `folder`; False where there was nothing (left) to draw, where another worker is at it, or
    where it failed.

    A failure is put on the order as a sentence, and into the log. A drawing that was cut short because the program stops
    (`stopping`) is no failure: the order stands, and the next start draws it from the beginning. One that was cancelled leaves no file.
    """
    with writing(engine, clock.now(), who) as tx:
        ordered = reports.find(tx, report_id) if reports.take(tx, report_id) else None
    if ordered is None:
        return False
    with _held(engine, who, report_id):
        return _draw(engine, folder, who, ordered, stopping)


@contextmanager
def _held(engine: Engine, who: Who, report_id: int) -> Iterator[None]:
    """Say again and again that somebody is at this report, and at the end that nobody is; whoever dies meanwhile falls silent."""
    ended = threading.Event()

    def say(what: Callable[[Transaction, int], None]) -> None:
        try:
            with writing(engine, clock.now(), who) as tx:
                what(tx, report_id)
        except (DBAPIError, WritingStopped):  # The lease runs out by itself, and nothing of the drawing hangs on it.
            log.warning("of report %s it cannot be said that it is being drawn", report_id, exc_info=True)

    def go_on() -> None:
        while not ended.wait(reports.LEASE.total_seconds() / 4):
            say(reports.hold)

    saying = threading.Thread(target=go_on, daemon=True)
    saying.start()
    try:
        yield
    finally:
        ended.set()
        saying.join()
        say(reports.let_go)


def _draw(engine: Engine, folder: Path, who: Who, ordered: Report, stopping: threading.Event | None) -> bool:
    report_id = ordered.id

    def tell(step: str) -> None:
        with writing(engine, clock.now(), who) as tx:
            reports.progressed(tx, report_id, PROGRESS[step], step)

    one, wanted = report.order_of(ordered), _wanted(engine, report_id, stopping)
    annexes = folder / report.folder_of_annexes(report.file_of(ordered))

    def count(done: int, of: int) -> None:
        with writing(engine, clock.now(), who) as tx:
            reports.progressed(tx, report_id, PROGRESS[GATHERED] + (PROGRESS[ARCHIVED] - PROGRESS[GATHERED]) * done // of, LISTED)

    def put(name: str, content: bytes) -> str:
        return archive.keep(annexes / name, content)

    try:
        tell(GATHERED)
        at = Workshop(lambda: reading(engine), put, folder / KEPT, tell, count, wanted)
        value, drawing = report.made(one, at)
        tell(ARCHIVED)
        sha256 = report.keep_file(ordered, drawing, folder)
        report.sign_files(one, value, report.file_of(ordered), sha256, drawing.annexes, folder, folder.parent / seal.KEY_FILE)
        with writing(engine, clock.now(), who) as tx:
            kept = report.keep(tx, ordered, value, sha256, drawing.annexes)
        if not kept and not wanted():
            _discard(engine, folder, report_id)
        return kept
    except Cancelled:
        _discard(engine, folder, report_id)  # What it lists may be drawn in part.
        log.info(
            "report %s was not drawn: %s", report_id, "the program stops" if stopping is not None and stopping.is_set() else "cancelled"
        )
        return False
    except Exception as error:
        log.exception("report %s was not drawn", report_id)
        with writing(engine, clock.now(), who) as tx:
            reports.failed(tx, report_id, error.message.msgid if isinstance(error, Impossible) else report.NOT_DRAWN)
        report.discard_file(ordered, folder)  # Said first: a folder that cannot be written to may not let go either.
        return False


KEPT = ".parts"
"""The folder, in that of the archive, of the parts that the next report may use again."""


def _wanted(engine: Engine, report_id: int, stopping: threading.Event | None) -> Callable[[], bool]:
    def wanted() -> bool:
        if stopping is not None and stopping.is_set():
            return False
        with reading(engine) as tx:
            ordered = reports.find(tx, report_id)
        return ordered is not None and ordered.state == reports.ORDERED

    return wanted


def _discard(engine: Engine, folder: Path, report_id: int) -> None:
    """Take the files of a cancelled report away again; those of one that another worker archived stay."""
    with reading(engine) as tx:
        ordered = reports.find(tx, report_id)
    if ordered is not None and ordered.state == reports.CANCELLED:
        report.discard_file(ordered, folder)
