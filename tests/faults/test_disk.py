"""One running server and what its disk, its clock and its network do to it: nothing acknowledged is lost, nothing is saved twice."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from config import ROOT
from tests.actions.world import make_world
from tests.bench.browser import Browser
from tests.bench.form import fields
from tests.bench.places import place
from tests.bench.trial import PASSWORD, coordinators, prepare
from tests.conftest import migrate
from tests.faults.clients import Client, clients_of, judge, save_for, wait_until
from tests.faults.killing import Server
from tests.faults.power import kept_in, started_server
from tests.faults.shim import Shim
from trialcrf.external import room
from trialcrf.web import refusing

TURNS = 2 if "TRIALCRF_FAULTS_KILLS" in os.environ else 1
"""Of a server whose database is started anew: the second one sends again what the first never answered."""


@dataclass
class Running:
    url: str
    server: Server
    shim: Shim
    clients: list[Client]

    def browser(self, port: int | None = None) -> Browser:
        made = Browser(port or self.server.port)
        made.sign_in(self.clients[0].name, PASSWORD)
        return made

    def save(self, browser: Browser, client: Client, address: str, token: str = "") -> int:
        """The next save of a form; its status. What is answered by a redirect is acknowledged."""
        turn = client.acknowledged.get(address, 0) + 1
        sent = [*fields(client.number, turn), ("act", "save"), ("token", browser.token), ("save_token", token)]
        sent += [("version", str(turn - 1)), ("why", "SLIP")] if turn > 1 else []
        status = browser.post(address, urlencode(sent).encode()).status
        if status == 303:
            client.acknowledged[address] = turn
        return status


@contextmanager
def mounted(at: Path, size: str) -> Iterator[None]:
    at.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", at], check=False, capture_output=True).returncode:
        pytest.fail("a small file system cannot be mounted: this needs root (`.ci/setup faults`)", pytrace=False)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", at], check=True)


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Running]:
    """The real server on SQLite, on a small disk of its own, with a shim between it and its clock and disk."""
    folder = tmp_path_factory.mktemp("faults")
    data = folder / "data"
    with mounted(data, "96m"):
        shim = Shim(folder)
        with place("sqlite", data) as here:
            url = here.migrated()
            clients = clients_of(coordinators(2), prepare(url, 2, 2))
            server = Server(url, data, TRIALCRF_DISK_RESERVE="1M", **shim.env)
            try:
                server.ready()
                yield Running(url, server, shim, clients)
            finally:
                server.stop()


def test_a_clock_that_jumps_forwards_and_back_loses_and_breaks_nothing(running):
    client = running.clients[0]
    for jump in ("0", "7200", "-7200", "0"):
        running.shim.say(jump)
        browser = running.browser()
        assert running.save(browser, client, client.addresses[0]) == 303
        browser.close()
    assert judge(running.url, running.clients) == ""


def test_a_connection_cut_between_commit_and_reply_and_the_page_sent_again_are_one_save(running):
    client, address = running.clients[0], running.clients[0].addresses[1]
    with cutting(running.server.port) as (port, cut):
        browser = running.browser(port)
        cut.set()
        with pytest.raises((OSError, RuntimeError)):
            running.save(browser, client, address, "the page's own")
        browser.close()
        cut.clear()
        assert address not in client.acknowledged
        again = running.browser(port)
        assert running.save(again, client, address, "the page's own") == 303
        again.close()
    assert judge(running.url, running.clients) == "", "the form must be at its first version, saved once"


def test_without_room_nothing_is_saved_in_words_and_with_room_again_it_is(running):
    client, address = running.clients[0], running.clients[0].addresses[2]
    browser = running.browser()
    assert running.save(browser, client, address) == 303
    ballast = Path(running.url.partition("///")[2]).parent.parent / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(ballast.parent).free - room.FLOOR // 2)
    assert running.save(browser, client, address) == 503
    assert browser.get(address).status == 200
    ballast.unlink()
    assert running.save(browser, client, address) == 303
    browser.close()
    assert judge(running.url, running.clients) == ""


def test_a_failing_fsync_stops_writing_says_so_and_ends_the_server(running):
    """The last one of this server."""
    client, address = running.clients[0], running.clients[0].addresses[3]
    browser = running.browser()
    assert running.save(browser, client, address) == 303
    running.shim.say("fail")
    try:
        assert running.save(browser, client, address) == 503
    finally:
        running.shim.say("0")
    client.pending = (address, 2, b"")  # Whether it is there nobody was told.
    browser.close()
    wait_until(lambda: running.server.process.poll() is not None, refusing.FAREWELL + 30)
    assert running.server.process.returncode != 0
    assert "nothing is saved any more" in running.server.log.read_text(errors="replace")
    assert judge(running.url, running.clients) == ""


def test_a_disk_that_fills_up_in_the_middle_harms_nothing(tmp_path):
    """The program's own floor is not asked here: SQLite itself meets the end of the disk."""
    with mounted(tmp_path / "small", "6m"):
        url = f"sqlite:///{tmp_path / 'small' / 'trialcrf.sqlite3'}"
        migrate(url)
        make_world(url).engine.dispose()
        ballast = tmp_path / "small" / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(ballast.parent).free - 200_000)
        done = subprocess.run([sys.executable, "-m", "tests.faults.writer", url], cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode != 0
        assert "disk is full" in done.stderr or "disk I/O error" in done.stderr
        ballast.unlink()
        acknowledged = int((done.stdout.splitlines() or ["0"])[-1].split()[0])
        assert kept_in(url) in (acknowledged, acknowledged + 1)


def test_a_server_of_the_database_that_is_started_anew_loses_nothing(tmp_path):
    with started_server() as server:
        url = server.url()
        migrate(url)
        clients = clients_of(coordinators(2), prepare(url, 2, 4))
        for turn in range(TURNS):
            program, stop = Server(url, tmp_path), threading.Event()
            try:
                program.ready()
                working = save_for(clients, program.port, stop)
                before = sum(one.saves for one in clients)
                wait_until(lambda least=before + 4: sum(one.saves for one in clients) > least, 60)
                if turn == 0:
                    server.restart()
                    for one in working:
                        one.join(1)
            finally:
                stop.set()
                program.stop()  # Whoever still waits for it is hung up on.
                for one in working:
                    one.join(60)
            assert judge(url, clients) == ""


@contextmanager
def cutting(port: int) -> Iterator[tuple[int, threading.Event]]:
    """A proxy that passes everything on; while `cut` is set it lets requests through, and hangs up where the answer would come."""
    cut, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", port))
            for source, sink, answers in ((near, far, False), (far, near, True)):
                threading.Thread(target=carry, args=(source, sink, answers), daemon=True).start()

    def carry(source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with source:
            while True:
                try:
                    part = source.recv(65536)
                    if answers and part and cut.is_set():
                        sink.shutdown(socket.SHUT_RDWR)
                        return
                    sink.sendall(part)
                except OSError:
                    return
                if not part:
                    return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1]), cut
    finally:
        listener.close()
