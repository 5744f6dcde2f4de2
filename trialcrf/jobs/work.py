"""Work that takes time, taken from the queue: drawing a report in a throw-away child process, and archiving it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from sqlalchemy import Engine

from trialcrf.actions import Impossible, report
from trialcrf.external import clock
from trialcrf.external.pdf import CannotDraw
from trialcrf.store import reports
from trialcrf.store.audit import Who
from trialcrf.store.transaction import reading, writing

log = logging.getLogger(__name__)


def draw_report(engine: Engine, folder: Path, who: Who, report_id: int, stopping: threading.Event | None = None) -> bool:
    """Draw an ordered report and archive it under `folder`; False where there was nothing (left) to draw, or where it failed.

    A failure is put on the order as a sentence, and into the log. A drawing that was cut short because the program stops
    (`stopping`) is no failure: the order stands, and the next start draws it.
    """
    with reading(engine) as tx:
        ordered = reports.find(tx, report_id)
        if ordered is None or ordered.state != reports.ORDERED:
            return False
    try:
        with reading(engine) as tx:
            value = report.value_of(tx, ordered)
        drawing = report.draw(value, ordered.language, ordered.kind)
        sha256 = report.keep_file(ordered, drawing, folder)
        with writing(engine, clock.now(), who) as tx:
            return report.keep(tx, ordered, value, sha256)
    except Exception as error:
        if stopping is not None and stopping.is_set() and isinstance(error, CannotDraw):
            return False
        log.exception("report %s was not drawn", report_id)
        with writing(engine, clock.now(), who) as tx:
            reports.failed(tx, report_id, error.message.msgid if isinstance(error, Impossible) else report.NOT_DRAWN)
        return False
