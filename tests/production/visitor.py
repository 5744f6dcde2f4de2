"""A person with a browser at the clean machine: over TLS through its proxy, with cookies, forms and an authenticator app."""

from __future__ import annotations

import base64
import ctypes
import hmac
import http.client
import os
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urlencode, urlsplit

from tests.production.machine import Failed, Machine

_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def find(self, pattern: str) -> str:
        """What the group of the pattern holds. Raises Failed."""
        found = re.search(pattern, self.text, re.S)
        if found is None:
            raise Failed(f"the page has no {pattern!r}", re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", self.text)))
        return unescape(found[1])


@dataclass
class Visitor:
    """One browser. `authority` is the certificate that it trusts, as text."""

    machine: Machine
    host: str
    authority: str
    cookies: dict[str, str] = field(default_factory=dict)
    used: int = 0

    def get(self, path: str, status: int = 200) -> Answer:
        return self._ask("GET", path, None, status)

    def post(self, path: str, given: dict[str, str], status: int = 303, of: Answer | None = None) -> Answer:
        """Send a form; `of` is the page that it stands on, whose hidden boxes go along."""
        hidden = re.findall(r'<input type="hidden" name="(token|save_token)" value="([^"]*)"', of.text) if of else []
        return self._ask("POST", path, {**{name: unescape(value) for name, value in hidden}, **given}, status)

    def code(self, key: str) -> str:
        """What an authenticator app shows for this key (RFC 6238). A code is good once, so the next one is waited for."""
        while (step := int(time.time() // 30)) <= self.used:
            time.sleep(1)
        self.used = step
        secret = key.replace(" ", "").upper()
        digest = hmac.digest(base64.b32decode(secret + "=" * (-len(secret) % 8)), step.to_bytes(8), "sha1")
        at = digest[-1] & 15
        return f"{(int.from_bytes(digest[at : at + 4]) & 0x7FFFFFFF) % 1_000_000:06}"

    def _ask(self, method: str, path: str, given: dict[str, str] | None, status: int) -> Answer:
        context = ssl.create_default_context(cadata=self.authority)
        connection = http.client.HTTPConnection(self.host, 443, timeout=60)
        connection.sock = context.wrap_socket(_inside(self.machine.leader, 443), server_hostname=self.host)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), "Accept-Language": "en"}
        if given is not None:
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"https://{self.host}",
                "Sec-Fetch-Site": "same-origin",
            }
        connection.request(method, path, None if given is None else urlencode(given), headers)
        answer = connection.getresponse()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                cookie, _, content = value.partition(";")[0].partition("=")
                self.cookies[cookie] = content
        read = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        connection.close()
        if read.status != status:
            raise Failed(f"{method} {path} answered {read.status}", re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", read.text)))
        return read


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _inside(leader: int, port: int) -> socket.socket:
    """A connection to a port of the machine's own loopback. Only the thread that makes it enters that network, and it ends with it."""
    made: list[socket.socket] = []

    def connect() -> None:
        with open(f"/proc/{leader}/ns/net", "rb") as network:
            if _LIBC.setns(network.fileno(), _NEWNET) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        made.append(socket.create_connection(("127.0.0.1", port), timeout=60))

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    if not made:
        raise Failed(f"nothing answers on port {port}")
    return made[0]
