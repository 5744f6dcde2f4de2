"""Slow and greedy clients by the hundred, and how long somebody waits for a page meanwhile, against the same server left alone."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse

TURNS = 5
HEAD = b"POST /sign-in HTTP/1.1\r\nHost: here\r\nContent-Type: application/x-www-form-urlencoded\r\n"
PAGE = b"GET /sign-in HTTP/1.1\r\nHost: here\r\n"
WAYS = {
    "headers that never end": PAGE + b"X-Slow: ",
    "bodies that never come": HEAD + b"Content-Length: 4000\r\n\r\na=",
    "bodies in pieces that never end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1000\r\na=",
    # Files, which cost nothing to make: whoever asks for a thousand pages at once is a flood, which tests/serving has.
    "answers that nobody reads": b"GET /static/base.css HTTP/1.1\r\nHost: here\r\n\r\n" * 3,
    "connections that say nothing": b"",
    "bodies that are too large": HEAD + b"Content-Length: 900000000\r\n\r\n" + b"a" * 4096,
}
"""What a crowd sends, all of it at once; then a byte more each turn."""

ANSWERED = frozenset({"answers that nobody reads", "bodies that are too large"})
"""Ways whose every client is answered, in its turn: a quarter of the crowd, for all of it would be a flood, which takes its time (0029)."""


@dataclass(frozen=True)
class Bounds:
    """How long a page may take among a crowd: so many times what it takes alone, and so many seconds at any rate."""

    times: float = 20.0
    least: float = 5.0
    most: float = 10.0


def held_up(port: int, crowd: int, bounds: Bounds, ways: Sequence[str] = tuple(WAYS)) -> list[str]:
    """The ways by which a crowd holds up somebody who asks for a page; nothing where none does. Raises where it cannot be measured."""
    alone = statistics.median(_seconds(port, bounds.most) for _ in range(TURNS))
    if alone >= bounds.most:
        raise RuntimeError("nobody gets a page, though nobody is there")
    allowed = min(bounds.most, max(bounds.least, bounds.times * alone))
    found = []
    for way in ways:
        first = WAYS[way]
        count = max(2, crowd // 4) if way in ANSWERED else crowd
        with _crowd(port, count, first) as others:
            worst = 0.0
            for _ in range(TURNS):
                for one in others:
                    _say(one, b"a" if first else b"")
                worst = max(worst, _seconds(port, bounds.most))
                if worst >= bounds.most:
                    break
        if len(others) < count:
            found.append(f"{way}: only {len(others)} of {count} were let in")
        if worst > allowed:
            found.append(f"{way}: a page takes {worst:.1f} s, alone {alone:.2f} s")
    return found


def _seconds(port: int, most: float) -> float:
    """Until a page is there; `most` where it is not by then."""
    began = time.monotonic()
    try:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=most)) as asking:
            asking.sendall(PAGE + b"Connection: close\r\n\r\n")
            answer = HTTPResponse(asking)
            answer.begin()
            whole = answer.read()
        ended = time.monotonic() - began
        return ended if answer.status == 200 and whole else most
    except (OSError, HTTPException):
        return most


@contextmanager
def _crowd(port: int, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            try:
                one = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=2)))
            except OSError:
                break
            _say(one, first)
            made.append(one)
        yield made


def _say(one: socket.socket, sent: bytes) -> None:
    try:
        one.sendall(sent)
    except OSError:
        return  # It was hung up on, which is an answer too.
