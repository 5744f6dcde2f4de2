"""Kill -9 of the whole server at random moments under eight writing clients; then everything acknowledged must be there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from config import ROOT
from tests.bench.places import place
from tests.bench.trial import coordinators, prepare
from tests.browser.program import free_port
from tests.faults.clients import Client, clients_of, judge, save_for, wait_until

CLIENTS = 8


SERVE = ("trialcrf.cli", "serve")


class Server:
    """`trialcrf serve` (or another module) over a database, in a process group of its own."""

    def __init__(self, url: str, data: Path, module: Sequence[str] = SERVE, **env: str) -> None:
        self.port, self.log = free_port(), data / "server.log"
        settings = {
            "TRIALCRF_DATA": str(data), "DATABASE_URL": url, "HOST": "127.0.0.1", "PORT": str(self.port), "TRIALCRF_DEMO": "no",
            "TRIALCRF_DATABASE_UNGUARDED": "yes",
        }  # fmt: skip
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", *module],
                cwd=ROOT, env={**os.environ, **settings, **env}, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def ready(self) -> None:
        from http.client import HTTPConnection

        def answers() -> bool:
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            try:
                with closing(HTTPConnection("127.0.0.1", self.port, timeout=5)) as asking:
                    asking.request("GET", "/healthz")
                    asking.getresponse().read()
            except OSError:
                return False
            return True

        try:
            wait_until(answers, 150)
        except AssertionError:
            raise AssertionError(self.log.read_text(errors="replace")[-3000:]) from None

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=60)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return code


def kills(kind: str, folder: Path, times: int, chance: random.Random) -> tuple[list[Client], str]:
    """Kill so many times; returns the clients, and what was wrong after one of them (empty: nothing)."""
    with place(kind, folder) as here:
        url = here.migrated()
        names = coordinators(CLIENTS)
        clients = clients_of(names, prepare(url, CLIENTS, CLIENTS))
        for turn in range(times):
            server = Server(url, folder)
            stop = threading.Event()
            try:
                server.ready()
                working = save_for(clients, server.port, stop)
                before = sum(one.saves for one in clients)
                wait_until(lambda least=before + 8: sum(one.saves for one in clients) > least, 60)
                time.sleep(chance.uniform(0, 0.5))
            finally:
                server.kill()
                stop.set()
            for one in working:
                one.join(60)
            said = judge(url, clients)
            if said:
                return clients, f"kill {turn + 1}: {said}"
    return clients, ""
