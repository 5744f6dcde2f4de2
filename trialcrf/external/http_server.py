"""The room of waitress: one worker of the web server, which reads requests whole and strictly before a thread takes them."""

from __future__ import annotations

import copy
import logging
import re
import resource
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask
from waitress.utilities import BadRequest

LARGEST_HEADER = 32 * 1024
HEADER_WITHIN, BODY_WITHIN, SLOWEST = 15.0, 30.0, 4096
"""Seconds that a request gets to say what it wants, and to bring its body; beyond them each second must have brought so many bytes."""
IDLE = 60
"""Seconds that a connection may stay open without a request."""
LINGER = 5.0
"""Seconds in which the rest of a refused body is thrown away: closed at once, the browser would show no answer."""
MOST_CONNECTIONS = 4000
SHARE = 4
"""One address may hold a quarter of the connections of a process: a whole hospital behind one address, and nobody alone all."""

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
LimitOf = Callable[[str, str], int]
"""How many bytes of body a request may bring, by its method and path."""

_BARE_LF = re.compile(rb"(?<!\r)\n")
_FOLDED = re.compile(rb"\r\n[ \t]")


class _Parser(HTTPRequestParser):
    """Refuses whatever a proxy before us might read differently, instead of guessing (RFC 9112, 2.2, 5.2 and 6.3; ASVS 4.2.1)."""

    adj: Any
    body_rcv: Any
    completed: bool
    content_length: int

    def received(self, data: bytes) -> int:
        if self.body_rcv is None and not self.completed:
            head = (self.header_plus + data).partition(b"\r\n\r\n")[0]
            if _BARE_LF.search(head):
                self.error, self.completed = BadRequest("a line that does not end as it must"), True
                return len(data)
        return int(super().received(data))

    def parse_header(self, header_plus: bytes) -> None:
        if _FOLDED.search(header_plus):
            raise ParsingError("a folded header")
        names = [line.partition(b":")[0].lower() for line in header_plus.rstrip(b"\r\n").split(b"\r\n")[1:]]
        if any(names.count(name) > 1 for name in (b"host", b"content-length", b"transfer-encoding")):
            raise ParsingError("a header that may stand once")
        if b"content-length" in names and b"transfer-encoding" in names:
            raise ParsingError("two lengths")
        super().parse_header(header_plus)
        if self.version not in ("1.0", "1.1"):
            raise ParsingError("another protocol")
        if self.version == "1.1" and b"host" not in names:
            raise ParsingError("no host")
        if self.version == "1.0" and b"transfer-encoding" in names:
            raise ParsingError("a body that this protocol does not have")
        self._keep_small()

    def _keep_small(self) -> None:
        limit = self.adj.limit_of(self.command, self.path) if self.content_length or self.chunked else 0
        if self.content_length > limit:
            # The application refuses it in its own words, by the length that was announced; nothing of the body is read.
            self.body_rcv, self.content_length, self.expect_continue = None, 0, False
            self.headers["CONNECTION"] = "close"
        if self.chunked:
            self.adj = copy.copy(self.adj)
            self.adj.max_request_body_size = limit + 1


class _Refusal(ErrorTask):
    """A request that was not understood is told so without a word of it."""

    def execute(self) -> None:
        error = self.request.error
        self.status = f"{error.code} {error.reason}"
        body = f"{self.status}\n".encode()
        self.response_headers.extend(
            [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]
        )
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    """A connection. A request that comes too slowly is given up; it never held more than this."""

    parser_class = _Parser
    error_task_class = _Refusal
    _timed: HTTPRequestParser | None = None
    _began = 0.0
    _lingers: float | None = None
    _parting = False

    def del_channel(self, map: Any = None) -> None:
        if self.server.active_channels.get(self._fileno) is self:
            self.server.left(self.addr)
        super().del_channel(map)

    def received(self, data: bytes) -> bool:
        self.server.heard = True
        went = bool(super().received(data))
        if self.request is not self._timed:
            self._timed, self._began = self.request, time.monotonic()
        return went

    def too_slow(self, now: float) -> bool:
        if self._lingers is not None:
            return now > self._lingers
        coming = self.request
        if coming is None or self.requests:
            return False
        allowed = BODY_WITHIN + coming.body_bytes_received / SLOWEST if coming.headers_finished else HEADER_WITHIN
        return now - self._began > allowed

    def readable(self) -> bool:
        return self._lingers is not None or bool(super().readable())

    def writable(self) -> bool:
        # A connection that lingers has nothing to say any more; only its deadline ends it, or the other side.
        if self._lingers is not None:
            return bool(self.will_close)
        return bool(super().writable())

    def handle_read(self) -> None:
        if self._lingers is None:
            super().handle_read()
        else:
            with suppress(OSError):
                if self.recv(65536):
                    return
            self.will_close = True

    def handle_write(self) -> None:
        self._parting = self.close_when_flushed
        super().handle_write()

    def handle_close(self) -> None:
        if self._parting and self._lingers is None and self.connected:
            self._lingers = time.monotonic() + LINGER
            self.will_close = False
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
                return
        super().handle_close()


class _Turns:
    """Requests that are read whole, in their order. The loop itself answers them, one after the other.

    No thread stands beside the loop, so nothing fights over the interpreter. Whoever is at work takes no new connections either: the other
    workers, which share the listening socket, do.
    """

    def __init__(self) -> None:
        self.waiting: deque[_Channel] = deque()

    def add_task(self, channel: _Channel) -> None:
        self.waiting.append(channel)

    def take(self) -> None:
        for _ in range(len(self.waiting)):
            self.waiting.popleft().service()


class _Server(TcpWSGIServer):
    channel_class = _Channel
    heard = False
    """Whether anybody has said anything in this turn of the loop."""

    def __init__(self, *args: Any, most_from_one: int | None, **kw: Any) -> None:
        self._most, self._open = most_from_one, Counter[str]()
        super().__init__(*args, **kw)

    def set_socket_options(self, conn: socket.socket) -> None:
        """The first that is done with a connection; one that is refused here (OSError) is forgotten without a word. Raises OSError."""
        super().set_socket_options(conn)
        household = _household(conn.getpeername()[0])
        if self._most is not None and self._open[household] >= self._most:
            conn.close()
            raise ConnectionAbortedError("this address holds its share of connections")
        self._open[household] += 1

    def left(self, peer: tuple[str, int]) -> None:
        """A connection of this peer has ended."""
        household = _household(peer[0])
        self._open[household] -= 1
        if self._open[household] <= 0:
            del self._open[household]

    def pull_trigger(self) -> None:
        """There is no other thread that would have to wake the loop."""

    def maintenance(self, now: float) -> None:
        super().maintenance(now)
        moment = time.monotonic()
        for channel in list(self.active_channels.values()):
            if channel.too_slow(moment):
                channel.will_close = True

    def busy(self) -> bool:
        """Whether a request that was read whole has not been answered whole."""
        return any(channel.requests or channel.total_outbufs_len for channel in self.active_channels.values())


class Worker:
    """One process of the server, over a listening socket that it may share. `stop` may be called by a signal."""

    def __init__(self, application: Application, listening: socket.socket, limit_of: LimitOf, behind_proxy: bool) -> None:
        adjustments = Adjustments(
            sockets=[listening],
            ident=None,
            connection_limit=_room_for_connections(),
            channel_timeout=IDLE,
            cleanup_interval=2,
            asyncore_use_poll=True,
            log_socket_errors=False,
            max_request_header_size=LARGEST_HEADER,
            # A slow reader must not hold anybody up: what was answered waits for them in a file.
            outbuf_high_watermark=2**31,
            clear_untrusted_proxy_headers=not behind_proxy,
        )
        adjustments.limit_of = limit_of
        self._turns = _Turns()
        self._map: dict[int, Any] = {}
        where = (listening.family, listening.type, listening.proto, listening.getsockname())
        # Behind a proxy of the house everybody comes from its address: there the proxy is who counts.
        most = None if behind_proxy else adjustments.connection_limit // SHARE
        self._server = _Server(
            application, self._map, True, listening, self._turns, adjustments, where, bind_socket=False, most_from_one=most
        )
        self._stopping = False
        for quiet in ("waitress", "waitress.queue"):
            logging.getLogger(quiet).setLevel(logging.ERROR)

    def stop(self) -> None:
        self._stopping = True
        self._server.trigger.pull_trigger()

    def run(self, grace: float) -> None:
        """Serve until `stop`; then take no new connection, and answer for so many seconds whatever was sent over those that are open."""
        while not self._stopping:
            self._turn(1)
        self._server.accepting = False
        self._server.del_channel()
        end = time.monotonic() + grace
        # What was sent before may wait at the system, unread: nobody is heard any more once a turn of the loop brought nothing.
        self._server.heard = True
        while (self._server.heard or self._server.busy()) and time.monotonic() < end:
            self._server.heard = False
            self._turn(0.1)
        wasyncore.close_all(self._map)

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout=0 if self._turns.waiting else timeout, map=self._map, use_poll=True, count=1)
        self._turns.take()


def _household(address: str) -> str:
    """What is counted as one address: of IPv6 the network of 64 bits, for whoever has one address of it has them all."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
    return str(found)


def _room_for_connections() -> int:
    """As many connections as the system gives file descriptors for, less some for everything else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + 500 if hard == resource.RLIM_INFINITY else min(hard, MOST_CONNECTIONS + 500)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(100, min(MOST_CONNECTIONS, soft - 200))
