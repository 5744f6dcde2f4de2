"""One process of the web server, in a thread of the test: how many connections an address may hold."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from trialcrf.external import http_server
from trialcrf.external.http_server import Worker

ASKED = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


def page(_environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


@contextmanager
def working(host: str, behind_proxy: bool) -> Iterator[int]:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=500) as listening:
        worker = Worker(page, listening, lambda _method, _path: 0, behind_proxy)
        thread = threading.Thread(target=worker.run, args=(0,))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            worker.stop()
            thread.join()


def answer(host: str, port: int, source: str) -> bytes:
    with closing(socket.create_connection((host, port), timeout=5, source_address=(source, 0))) as asking:
        try:
            asking.sendall(ASKED)
            return asking.recv(12)
        except ConnectionError:
            return b""


@pytest.mark.parametrize(
    ("host", "behind_proxy", "more"),
    [("127.0.0.1", False, b""), ("127.0.0.1", True, b"HTTP/1.1 200"), ("::1", False, b"")],
    ids=["a stranger", "a proxy of the house", "a stranger of IPv6"],
)
def test_an_address_holds_its_share_of_connections_and_a_proxy_what_it_needs(monkeypatch, host, behind_proxy, more):
    monkeypatch.setattr(http_server, "MOST_CONNECTIONS", 100)
    with working(host, behind_proxy) as port, ExitStack() as stack:
        held = [stack.enter_context(closing(socket.create_connection((host, port), timeout=5))) for _ in range(25)]
        assert answer(host, port, host) == more
        assert host == "::1" or answer(host, port, "127.0.0.2") == b"HTTP/1.1 200"
        held[0].sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert held[0].recv(12) == b"HTTP/1.1 200", "whoever is in stays in"
        held[0].close()
        end = time.monotonic() + 5
        while answer(host, port, host) != b"HTTP/1.1 200":
            assert time.monotonic() < end, "a connection that ended makes room"
