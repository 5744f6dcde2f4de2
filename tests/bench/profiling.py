"""Where the time of a save goes: one worker, called as the web server calls it, in this very process.

`python -m tests.bench.profiling [sqlite|postgresql] [LINES]` prints CPU milliseconds a save, then the dearest functions.
"""

from __future__ import annotations

import cProfile
import io
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask

from config import Settings
from tests.bench.browser import TOKEN
from tests.bench.form import VISITS, body
from tests.bench.places import place
from tests.bench.trial import PASSWORD, coordinators, prepare
from trialcrf.web import create_app

WARM_UP, PLAIN, PROFILED = 60, 300, 200
BATCH = 10


def main(kind: str, lines: int) -> None:
    count = WARM_UP + PLAIN + PROFILED
    with tempfile.TemporaryDirectory(prefix="trialcrf-bench-") as folder, place(kind, Path(folder)) as here:
        url = here.migrated()
        addresses = prepare(url, 1, -(-count // VISITS))
        settings = replace(Settings.from_env({"TRIALCRF_DATA": folder}), database_url=url, database_unguarded=True)
        app = create_app(settings)
        cookie, token = _signed_in(app)
        work = [(_environ(address, cookie, posted), posted) for address, posted in _posts(addresses[:count], token)]
        _save_all(app, work[:WARM_UP])
        print(f"new form: {_milliseconds(app, work[WARM_UP : WARM_UP + PLAIN]):.2f} ms CPU a save")
        profile = cProfile.Profile()
        profile.runcall(_save_all, app, work[WARM_UP + PLAIN :])
        changes = [(address, body(number, token, 1, 1)) for number, address in enumerate(addresses[: WARM_UP + PLAIN])]
        again = [(_environ(address, cookie, posted), posted) for address, posted in changes]
        print(f"change of every item: {_milliseconds(app, again):.2f} ms CPU a save")
        app.extensions["trialcrf.engine"].dispose()
    for order in ("cumulative", "tottime"):
        pstats.Stats(profile).sort_stats(order).print_stats(lines)


def _posts(addresses: Iterable[str], token: str) -> Iterable[tuple[str, bytes]]:
    return ((address, body(number, token)) for number, address in enumerate(addresses))


def _signed_in(app: Flask) -> tuple[str, str]:
    client = app.test_client()
    client.post("/sign-in", data={"username": coordinators(1)[0], "password": PASSWORD})
    cookie = client.get_cookie("trialcrf")
    found = TOKEN.search(client.get("/account").text)
    assert cookie and found
    return f"trialcrf={cookie.value}", found[1]


def _environ(path: str, cookie: str, posted: bytes) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1", "HTTP_COOKIE": cookie,
        "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(posted)), "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr, "wsgi.multithread": False, "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip


def _save_all(app: Callable[..., Iterable[bytes]], work: list[tuple[dict[str, Any], bytes]]) -> None:
    def start(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        assert status.startswith("303") and "done=saved" in dict(headers)["Location"], (status, headers)

    for environ, posted in work:
        for _ in app({**environ, "wsgi.input": io.BytesIO(posted)}, start):
            pass


def _milliseconds(app: Flask, work: list[tuple[dict[str, Any], bytes]]) -> float:
    """The processor's time, of the fastest of many batches: the one that the rest of the machine disturbed least."""
    times = []
    for start in range(0, len(work), BATCH):
        began = time.process_time()
        _save_all(app, work[start : start + BATCH])
        times.append((time.process_time() - began) / len(work[start : start + BATCH]))
    return 1000 * min(times)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sqlite", int(sys.argv[2]) if len(sys.argv) > 2 else 40)
