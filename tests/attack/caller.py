"""One request at a time, over a connection of its own, as whoever has no browser sends it."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlencode

COOKIE = "trialcrf"
_TOKEN = re.compile(r'name="token" value="([^"]+)"')
_GIVEN = re.compile(rf"{COOKIE}=([^;]+)")
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def kind(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]


@dataclass(frozen=True)
class Caller:
    """Who asks: the cookie of their session and the token that every form of theirs carries; both empty for who is not signed in."""

    port: int
    name: str
    cookie: str = ""
    token: str = ""

    @property
    def header(self) -> str:
        return f"{COOKIE}={self.cookie}" if self.cookie else ""

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Raises OSError or HTTPException where there is no answer that is one."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            # As it stands: http.client would refuse or mend what is tried here.
            connection.putrequest(method, path, skip_host="Host" in (headers or {}), skip_accept_encoding=True)
            sent = {"Cookie": self.header} if self.header else {}
            sent |= {"Content-Type": FORM, "Content-Length": str(len(body))} if method == "POST" else {}
            for name, value in {**sent, **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read().decode("utf-8", "replace"))
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, fields: Mapping[str, str]) -> Answer:
        return self.ask("POST", path, urlencode(fields).encode())

    def is_in(self) -> bool:
        """Whether the session still lives: a tool that signed itself out has tried nothing since."""
        return self.get("/account").status == (200 if self.cookie else 302)


def signed_in(port: int, name: str, password: str) -> Caller:
    """By the sign-in page, once; the session's token is read from a page. Raises RuntimeError where that is refused."""
    answer = Caller(port, name).post("/sign-in", {"username": name, "password": password})
    given = _GIVEN.search(answer.headers.get("set-cookie", ""))
    if answer.status != 303 or given is None:
        raise RuntimeError(f"{name} cannot sign in: {answer.status}")
    found = _TOKEN.search(Caller(port, name, given[1]).get("/account").text)
    if found is None:
        raise RuntimeError("no page shows the token of the session")
    return Caller(port, name, given[1], unescape(found[1]))
