"""The web server as an installation runs it, on a free port of this machine, stopped by its own process id."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from config import ROOT

PATIENCE = 60.0
SERVE = ("trialcrf.cli", "serve")


@contextmanager
def serving(url: str, data: Path) -> Iterator[int]:
    """`trialcrf serve` (two processes) over this database; gives its port."""
    with serving_process(url, data) as (port, _process):
        yield port


@contextmanager
def serving_process(
    url: str, data: Path, module: Sequence[str] = SERVE, under: Sequence[str] = (), **more: str
) -> Iterator[tuple[int, int]]:
    """The same, with its process id, and with `more` settings; or another `module` with its arguments, which serves as it is told by them.

    `under` is the command that starts it with less than the machine has, such as `prlimit`.
    """
    port = _free_port()
    settings = {
        "TRIALCRF_DATA": str(data),
        "DATABASE_URL": url,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "TRIALCRF_DEMO": "no",
        "TRIALCRF_DATABASE_UNGUARDED": "yes",
        **more,
    }
    log = data / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *under, sys.executable, "-m", *module],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(server, port, log)
        yield port, server.pid
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server does not start:\n{log.read_text(errors='replace')}") from None
            time.sleep(0.05)
