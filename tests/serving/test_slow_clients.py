"""The web server under people who are slow, rude or many: everybody else goes on working. One real server, two processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.bench.browser import Browser
from tests.bench.form import body
from tests.bench.server import serving_process
from tests.bench.trial import PASSWORD, coordinators, prepare
from tests.conftest import Databases

SOON = 5.0
"""Seconds in which an ordinary person has their page or their save, whoever else is there, on a busy machine."""

HEAD = b"POST /sign-in HTTP/1.1\r\nHost: here\r\nContent-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@dataclass
class Serving:
    """The running server, somebody who is signed in, and the forms that they have not filled in yet."""

    port: int
    process: int
    person: Browser
    addresses: list[str]
    undecided: socket.socket = field(init=False)
    since: float = field(init=False)

    def connect(self, first: bytes = b"") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=SOON)
        made.sendall(first)
        return made

    def workers(self) -> list[int]:
        said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process)], capture_output=True, text=True, check=False).stdout
        return [int(one) for one in said.split()]

    def work(self) -> None:
        """What an ordinary person does meanwhile: read a page, save a form."""
        began = time.monotonic()
        with closing(Browser(self.port)) as stranger:
            assert stranger.get("/sign-in").status == 200
        with closing(Browser(self.port)) as anew:  # Connections that were there before must not be their luck.
            anew.sign_in(coordinators(1)[0], PASSWORD)
            answer = anew.post(self.addresses[0], body(len(self.addresses), anew.token, 0))
        assert (answer.status, b"done=saved" in answer.head) == (303, True)
        self.addresses.pop(0)
        assert time.monotonic() - began < SOON


@pytest.fixture(scope="module")
def serving(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    url, data = databases.fresh("sqlite"), tmp_path_factory.mktemp("data")
    addresses = prepare(url, 1, 2)
    with serving_process(url, data) as (port, process), closing(Browser(port)) as person:
        person.sign_in(coordinators(1)[0], PASSWORD)
        made = Serving(port, process, person, addresses)
        made.undecided, made.since = made.connect(b"GET / HTTP/1.1\r\n"), time.monotonic()
        with closing(made.undecided):
            yield made
    databases.drop(url)


@contextmanager
def crowd(serving: Serving, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(serving.connect(first))) for _ in range(count)]


def answer_to(serving: Serving, sent: bytes) -> bytes:
    """The status line and headers of the first answer."""
    with closing(serving.connect(sent)) as asked:
        got = b""
        while b"\r\n\r\n" not in got:
            more = asked.recv(65536)
            if not more:
                break
            got += more
    return got


@pytest.mark.parametrize(
    "first", [b"GET /sign-in HTTP/1.1\r\nHost: here\r\nX-Slow: ", HEAD + b"Content-Length: 400\r\n\r\n", HEAD + CHUNKED + b"\r\n190\r\n"]
)
def test_two_hundred_who_send_a_byte_a_second_stop_nobody(serving, first):
    with crowd(serving, 200, first) as slow:
        for _ in range(2):
            for one in slow:
                one.sendall(b"a")
            serving.work()


def test_a_hundred_idle_connections_stop_nobody(serving):
    with crowd(serving, 100, b"GET /static/css/trialcrf.css HTTP/1.1\r\nHost: here\r\n\r\n"):
        serving.work()


def test_two_hundred_who_ask_much_and_read_nothing_stop_nobody(serving):
    asked = b"GET /sign-in HTTP/1.1\r\nHost: here\r\n\r\n"
    with crowd(serving, 200, asked * 2):
        time.sleep(0.2)
        with closing(Browser(serving.port)) as stranger:
            assert stranger.get("/sign-in").status == 200


def test_a_flood_is_answered_and_the_person_in_it_too(serving):
    answers: list[int] = []

    def ask() -> None:
        with closing(Browser(serving.port)) as one:
            answers.append(one.get("/sign-in").status)

    flood = [threading.Thread(target=ask) for _ in range(500)]
    for one in flood:
        one.start()
    serving.work()
    for one in flood:
        one.join()
    assert answers == [200] * 500


@pytest.mark.parametrize(
    ("path", "limit"), [("/sign-in", 4 * 1024 * 1024), ("/studies/bench/cases/1/document", 21 * 1024 * 1024)], ids=["page", "document"]
)
def test_too_large_a_body_is_refused_before_it_is_read(serving, path, limit):
    """The answer comes though not a byte of the body was sent; one of just the limit is waited for."""
    head = f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/x-www-form-urlencoded\r\n".encode()
    said = answer_to(serving, head + f"Content-Length: {limit + 1}\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in said
    with closing(serving.connect(head + f"Content-Length: {limit}\r\n\r\n".encode())) as fits:
        fits.settimeout(0.3)
        with pytest.raises(TimeoutError):
            fits.recv(100)


def test_a_body_that_does_not_say_its_length_is_refused_when_it_is_too_large(serving):
    with closing(serving.connect(HEAD + CHUNKED + b"\r\n")) as asked:
        sent, said = 0, b""
        asked.settimeout(SOON)
        piece = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
        while sent < 8 * 1024 * 1024:
            try:
                asked.sendall(piece)
            except OSError:
                break
            sent += 0x10000
        said = asked.recv(100)
    assert b" 413 " in said


def test_a_body_in_pieces_is_read_as_any_other(serving):
    assert answer_to(serving, HEAD + CHUNKED + b"\r\n3\r\na=b\r\n0\r\n\r\n").startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"Content-Length: 3\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\na=bcd",
        HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\na=b",
        HEAD + b"Content-Length: +3\r\n\r\na=b",
        HEAD + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
        HEAD.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n",
        b"GET /sign-in HTTP/1.1\nHost: here\n\n",
        b"GET /sign-in HTTP/1.1\r\nHost: here\nX-Other: a\r\n\r\n",
        b"GET /sign-in HTTP/1.1\r\nHost: here\r\nX-Folded: a\r\n b\r\n\r\n",
        b"GET /sign-in HTTP/1.1\r\nHost : here\r\n\r\n",
        b"GET /sign-in HTTP/1.1\r\nHost: here\r\nHost: there\r\n\r\n",
        b"GET /sign-in HTTP/1.1\r\n\r\n",
        b"GET /sign-in HTTP/3.1\r\nHost: here\r\n\r\n",
    ],
    ids=lambda sent: sent.split(b"\r\n\r\n")[0][-40:].decode().encode("unicode_escape").decode(),
)
def test_a_request_that_a_proxy_might_read_otherwise_is_refused(serving, sent):
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"
    with closing(serving.connect(sent + smuggled)) as asked:
        said = b""
        while more := asked.recv(65536):
            said += more
    assert said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert said.count(b"HTTP/1.") == 1, "the connection ends with the refusal: nothing behind it is obeyed"
    assert b"here" not in said, "nothing of the request is told back"


def test_requests_in_one_breath_are_answered_in_their_order(serving):
    asked = [b"GET /sign-in HTTP/1.1\r\nHost: here\r\n\r\n", b"GET /nowhere HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"]
    with closing(serving.connect(b"".join(asked))) as connection:
        said = b""
        while more := connection.recv(65536):
            said += more
    assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404"]


def test_the_server_does_not_tell_what_it_is(serving):
    assert b"\r\nServer:" not in answer_to(serving, b"GET /sign-in HTTP/1.1\r\nHost: here\r\n\r\n")


def test_a_client_cannot_pretend_to_be_a_proxy(serving):
    """Without TRIALCRF_PROXIES, what claims to be of a proxy is not looked at."""
    forged = b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n"
    said = answer_to(serving, b"GET /studies HTTP/1.1\r\nHost: here\r\n" + forged + b"\r\n")
    assert b"evil.example" not in said


def test_whoever_takes_too_long_to_say_what_they_want_is_given_up(serving):
    """They were connected before all of the above."""
    serving.undecided.settimeout(30)
    assert serving.undecided.recv(100) == b""
    assert time.monotonic() - serving.since > 10


def not_taken(port: int) -> int:
    """How many connections to this port the system holds that no process has accepted: nobody began what they ask for."""
    listening = (line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    return sum(int(one[4].partition(":")[2], 16) for one in listening if one[1].endswith(f":{port:04X}") and one[3] == "0A")


def test_a_process_that_dies_is_started_again_and_a_stop_finishes_what_was_begun(serving):
    """The last test of this server: it ends it."""
    first = serving.workers()
    assert len(first) == 2
    os.kill(first[0], signal.SIGKILL)
    end = time.monotonic() + 15
    while len(serving.workers()) < 2 or first[0] in serving.workers():
        assert time.monotonic() < end
        time.sleep(0.1)
    serving.work()
    with ExitStack() as stack:
        body_ = b"username=nobody&password=wrong-one"
        whole = HEAD + f"Content-Length: {len(body_)}\r\n\r\n".encode() + body_
        begun = [stack.enter_context(closing(serving.connect(whole))) for _ in range(6)]
        end = time.monotonic() + 15
        # Accepted, and most of them not read yet: two processes, one request at a time.
        while not_taken(serving.port):
            assert time.monotonic() < end
            time.sleep(0.01)
        os.kill(serving.process, signal.SIGTERM)
        for one in begun:
            assert one.recv(20).startswith(b"HTTP/1.1 4")
    end = time.monotonic() + 20
    while any(Path("/proc", str(one)).exists() for one in serving.workers()) and time.monotonic() < end:
        time.sleep(0.1)
    with pytest.raises(OSError):
        serving.connect()


def test_one_address_cannot_hold_all_the_connections(databases, tmp_path):
    """Of 200 connections a process, one address gets 50: the one that opens thousands is kept out, another has its page at once."""
    url = databases.fresh("sqlite")
    with serving_process(url, tmp_path, under=("prlimit", "--nofile=400:400")) as (port, _process), ExitStack() as stack:
        with closing(Browser(port)) as first:
            assert first.get("/sign-in").status == 200  # From now on it is ready.
        for _ in range(600):
            flooding = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=SOON)))
            with suppress(OSError):  # What is over the share is closed at once.
                flooding.sendall(b"GET / HTTP/1.1\r\n")
        with closing(socket.create_connection(("127.0.0.1", port), timeout=SOON, source_address=("127.0.0.2", 0))) as other:
            other.sendall(b"GET /sign-in HTTP/1.1\r\nHost: here\r\n\r\n")
            assert other.recv(20).startswith(b"HTTP/1.1 200 ")
    databases.drop(url)
