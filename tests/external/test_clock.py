"""The clock tells the time of the world, in UTC, and by how much another clock disagrees."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from trialcrf.external import clock


def test_now_is_aware_in_utc_and_is_now() -> None:
    before, now, after = time.time(), clock.now(), time.time()
    assert now.tzinfo is UTC
    assert before <= now.timestamp() <= after


@contextmanager
def telling(date: str, leads_to: str = "") -> Iterator[str]:
    """A web server on this machine that tells this Date, or leads on to another one."""

    class Told(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(302 if leads_to else 204)
            if leads_to:
                self.send_header("Location", leads_to)
            self.send_header("Date", date)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Told)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("theirs", "least", "most"), [(0, -1, 1), (-90, 85, 95), (90, -95, -85)])
def test_a_clock_is_held_against_the_date_of_another_server(theirs: int, least: float, most: float) -> None:
    with telling(format_datetime(clock.now() + timedelta(seconds=theirs), usegmt=False)) as address:
        assert least <= clock.skew(address) <= most


def test_a_server_that_tells_no_time_is_no_clock() -> None:
    with telling("teatime") as address, pytest.raises(clock.NoOtherClock):
        clock.skew(address)
    with pytest.raises(clock.NoOtherClock):
        clock.skew("http://127.0.0.1:1/")


def test_the_server_that_was_named_is_asked_and_no_other_that_it_leads_to() -> None:
    with telling(format_datetime(clock.now(), usegmt=True)) as other, telling("teatime", other) as address:
        assert abs(clock.skew(other)) < 5
        with pytest.raises(clock.NoOtherClock, match="302"):
            clock.skew(address)
