"""A report of site quality on its way: ordered as a row, drawn by the worker, archived with its hash."""

from __future__ import annotations

import hashlib
from datetime import date

from trialcrf.actions.records import report
from trialcrf.external import clock
from trialcrf.jobs import WHO
from trialcrf.jobs.work import draw_report
from trialcrf.store import definitions, reports


def test_the_quality_of_a_site_is_drawn_and_archived_as_any_report(world, means):
    folder = means.settings.reports_folder
    with world.write("sam", clock.now()) as tx:
        published = definitions.current(tx, world.study)
        number = report.order(tx, published, "fr", date(2026, 11, 1), None, "sam", kind=report.QUALITY, site="02", why="For a test.")
    assert draw_report(means.engine, folder, WHO, number)
    with world.read() as tx:
        archived = reports.find(tx, number)
    assert (archived.state, archived.kind, archived.site) == (reports.DRAWN, "quality", "02")
    assert archived.file == f"msc_ssc-quality-02-2026-11-01-fr-{number}.pdf"
    assert hashlib.sha256((folder / archived.file).read_bytes()).hexdigest() == archived.sha256
