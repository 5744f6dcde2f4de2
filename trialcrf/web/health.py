"""Is the program well: for a watcher outside, as JSON."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from trialcrf.store import runs
from trialcrf.web import guard
from trialcrf.web.guard import PUBLIC, page

blueprint = Blueprint("health", __name__)

SILENT_AFTER = 120
"""Seconds without a tick of the scheduler after which it is said to be unwell: it ticks every 15."""


@page(blueprint, "/healthz", PUBLIC)
def healthz() -> tuple[Response, int]:
    """`status` is ok, or scheduler-silent with status code 503; `last_tick_age` is in seconds, null before the first tick."""
    with guard.read() as tx:
        last = runs.last_end(tx, "tick")
    age = None if last is None else max(0.0, round((g.now - last).total_seconds(), 1))
    well = age is not None and age < SILENT_AFTER
    return jsonify(status="ok" if well else "scheduler-silent", last_tick_age=age), 200 if well else 503
