"""Measurements for Prometheus: how much is asked, how fast it is answered, what waits. No subject, site or person is in it."""

from __future__ import annotations

import shutil
from functools import cache
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, g

from trialcrf.core.rhythm import RHYTHMS
from trialcrf.external.metrics import CONTENT_TYPE, Board, Readings, page
from trialcrf.store import migrations, outbox, runs
from trialcrf.web import guard
from trialcrf.web.guard import PUBLIC
from trialcrf.web.guard import page as route

blueprint = Blueprint("metrics", __name__)


@route(blueprint, "/metrics", PUBLIC)
def shown() -> Response:
    """To this machine and to the networks of TRIALCRF_METRICS_FROM; to all others there is no such page."""
    if not _may_read():
        abort(404)
    board: Board = current_app.extensions["trialcrf.board"]
    return Response(page(board, _readings()), content_type=CONTENT_TYPE)


def _may_read() -> bool:
    try:
        asks = ip_address(guard.address())
    except ValueError:
        return False
    if any(asks in network for network in current_app.config["METRICS_FROM"]):
        return True
    # We speak no TLS ourselves: under https a proxy stands before us, and where nobody says so, everybody comes from this machine.
    hidden = current_app.config["SECURE_COOKIES"] and not current_app.config["PROXIES"]
    return asks.is_loopback and not hidden


@cache
def _build() -> tuple[tuple[str, str], ...]:
    return (("version", version("trialcrf")), ("schema", migrations.newest()))


def _readings() -> Readings:
    with guard.read() as tx:
        standings = runs.standings(tx, RHYTHMS)
        mails = outbox.counts(tx)
    ages: dict[tuple[tuple[str, str], ...], float] = {
        (("job", name),): max(0.0, (g.now - one.last_success).total_seconds()) for name, one in standings.items() if one.last_success
    }
    folder = Path(current_app.config["DATA"])
    room = shutil.disk_usage(folder if folder.exists() else folder.anchor)
    pool = guard.engine().pool
    return {
        "trialcrf_job_age_seconds": ("Seconds since a job last ended well", ages),
        "trialcrf_mails": ("Mails by state", {(("state", state),): float(mails.get(state, 0)) for state in outbox.STATES}),
        "trialcrf_queue_length": ("Documents that wait to be drawn", {(): float(len(guard.queue()))}),
        "trialcrf_database_connections": ("Connections in use by the process that answers", {(): float(pool.checkedout())}),  # type: ignore[attr-defined]
        "trialcrf_disk_free_bytes": ("Room left where the data are", {(): float(room.free)}),
        "trialcrf_disk_total_bytes": ("Size of the disk where the data are", {(): float(room.total)}),
        "trialcrf_build_info": ("The version that runs", {_build(): 1.0}),
    }
