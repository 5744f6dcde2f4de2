"""A browser of a few lines: a kept-alive connection that costs the machine next to nothing beside the server it measures."""

from __future__ import annotations

import gzip
import re
import select
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlencode

TOKEN = re.compile(r'name="token" value="([^"]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
_LOCATION = re.compile(rb"\r\nlocation: *([^\r]+)", re.I)
_COOKIE = re.compile(rb"\r\nset-cookie: *(trialcrf=[^;\r]+)", re.I)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    @property
    def text(self) -> str:
        whole = gzip.decompress(self.body) if b"\r\ncontent-encoding: gzip" in self.head.lower() else self.body
        return whole.decode(errors="replace")

    @property
    def location(self) -> str:
        """Where the answer leads; empty where it leads nowhere."""
        found = _LOCATION.search(self.head)
        return found[1].decode() if found else ""


class Browser:
    """One signed-in person on one connection. `token` is that of the session, which every save carries.

    `host` is the server's address, `patience` the seconds that it gets to answer. `move` goes on at another one with the same session.
    """

    def __init__(self, port: int, host: str = "127.0.0.1", patience: float = 60.0) -> None:
        self._host, self._port, self._patience = host, port, patience
        self._cookie = b""
        self.token = ""
        self._connect()

    def _connect(self) -> None:
        self._connection = socket.create_connection((self._host, self._port), timeout=self._patience)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def move(self, host: str) -> None:
        self._connection.close()
        self._host = host
        self._connect()

    def close(self) -> None:
        self._connection.close()

    def sign_in(self, username: str, password: str) -> None:
        """By the sign-in page, once; the session's token is read from a page."""
        answer = self.post("/sign-in", urlencode({"username": username, "password": password}).encode())
        cookie = _COOKIE.search(answer.head)
        if answer.status != 303 or cookie is None:
            raise RuntimeError(f"{username} cannot sign in: {answer.status}")
        self._cookie = b"Cookie: " + cookie[1] + b"\r\n"
        found = TOKEN.search(self.get("/account").text)
        if found is None:
            raise RuntimeError("no page shows the token of the session")
        self.token = unescape(found[1])

    @property
    def cookie(self) -> str:
        """That of the session, for another program that looks at the same pages."""
        return self._cookie.decode().partition(": ")[2].strip()

    def get(self, path: str) -> Answer:
        return self._ask(f"GET {path} HTTP/1.1\r\n", {}, b"")

    @staticmethod
    def form(sent: Sequence[tuple[str, str]]) -> bytes:
        """These fields as the body of a post."""
        return urlencode(sent).encode()

    def post(self, path: str, body: bytes) -> Answer:
        return self._ask(f"POST {path} HTTP/1.1\r\n", {"Content-Type": "application/x-www-form-urlencoded"}, body)

    def _ask(self, line: str, more: Mapping[str, str], body: bytes) -> Answer:
        told = {"Host": f"{self._host}:{self._port}", "Accept-Language": "fr", "Sec-Fetch-Site": "same-origin"}
        told |= {"Accept-Encoding": "gzip", **more}
        if body:
            told["Content-Length"] = str(len(body))
        head = line + "".join(f"{name}: {value}\r\n" for name, value in told.items())
        if self._left():
            self._connection.close()
            self._connect()
        self._connection.sendall(head.encode() + self._cookie + b"\r\n" + body)
        return self._answer()

    def _left(self) -> bool:
        """Whether the server has closed the connection, as it does with one on which nobody asks for half a minute."""
        # Asked by select: a socket that has a timeout would wait for it, whatever it is told.
        if not select.select([self._connection], [], [], 0)[0]:
            return False
        try:
            return self._connection.recv(1, socket.MSG_PEEK) == b""
        except ConnectionError:
            return True

    def _answer(self) -> Answer:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None:
            raise RuntimeError(f"an answer without its length: {head[:200]!r}")
        parts, have = [body], len(body)
        while have < int(length[1]):
            parts.append(self._more())
            have += len(parts[-1])
        return Answer(int(head.split(b" ", 2)[1]), head, b"".join(parts))

    def _more(self) -> bytes:
        part = self._connection.recv(65536)
        if not part:
            raise RuntimeError("the server closed the connection")
        return part
