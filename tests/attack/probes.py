"""What scanners of web servers ask for: each line of `probes.csv` is sent as it stands, and its answer judged."""

from __future__ import annotations

import csv
import re
import socket
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tests.attack.caller import Answer, Caller
from trialcrf.web import headers

DEFAULT_ACCOUNTS = (
    ("admin", "admin"), ("admin", "password"), ("administrator", "administrator"), ("root", "root"), ("test", "test"), ("demo", "demo"),
    ("trialcrf", "trialcrf"), ("postgres", "postgres"), ("guest", "guest"),
)  # fmt: skip

TELLS = re.compile(
    r"Traceback \(most recent|File \"[^\"]+\.py\"|root:x:0:0|\[core\]\s|Index of /|Directory listing|[Ww]erkzeug|EVALEX"
    r"|jinja2\.|sqlalchemy\.|sqlite3\.|psycopg|Python/3|told-back|evil\.example|<script>alert"
)
"""What no answer holds, whatever was asked: traces, files of the machine, what the program is made of, what was sent."""

_LENGTH = re.compile(r"\{(\d+)\}")


@dataclass(frozen=True)
class Probe:
    name: str
    method: str
    target: str
    headers: str
    expects: frozenset[int]

    def bytes(self, caller: Caller) -> bytes:
        """The request. A number in braces stands for so many letters."""
        given = _LENGTH.sub(lambda of: "a" * int(of[1]), self.headers)
        target = _LENGTH.sub(lambda of: "a" * int(of[1]), self.target)
        lines = [f"{self.method} {target} HTTP/1.1", *([given] if given else []), "Connection: close"]
        if not given.startswith("Host:"):
            lines.append(f"Host: 127.0.0.1:{caller.port}")
        if caller.cookie:
            lines.append(f"Cookie: {caller.header}")
        if self.method in ("POST", "PUT", "PATCH"):
            lines.append("Content-Length: 0")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def probes() -> list[Probe]:
    with (Path(__file__).parent / "probes.csv").open(encoding="utf-8", newline="") as file:
        return [
            Probe(row["name"], row["method"], row["target"], row["headers"], frozenset(int(one) for one in row["expects"].split()))
            for row in csv.DictReader(file)
        ]


def sent(port: int, request: bytes, method: str) -> Answer | None:
    """The answer; None where there is none."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as connection:
        try:
            connection.sendall(request)
            answer = HTTPResponse(connection, method=method)
            answer.begin()
            told = [(name.lower(), value) for name, value in answer.getheaders()]
            joined = {name: ", ".join(value for other, value in told if other == name) for name, _ in told}
            return Answer(answer.status, joined, answer.read().decode("utf-8", "replace"))
        except (OSError, HTTPException):
            return None


def flaws(answer: Answer | None, expects: frozenset[int] | None = None) -> Iterator[str]:
    """What is wrong with an answer; nothing where it is as every answer of the program must be."""
    if answer is None:
        yield "no answer"
        return
    if (expects is not None and answer.status not in expects) or answer.status >= 500:
        yield f"answered by {answer.status}"
    for found in TELLS.finditer(answer.text + "\n" + "\n".join(f"{name}: {value}" for name, value in answer.headers.items())):
        yield f"tells {found[0]!r}"
    for name in ("server", "x-powered-by", "x-aspnet-version", "via"):
        if name in answer.headers:
            yield f"tells {name}: {answer.headers[name]}"
    if "planted" in answer.headers.get("set-cookie", "") or "x-planted" in answer.headers:
        yield "a header that was sent came back"
    yield from missing(answer)


def missing(answer: Answer) -> Iterator[str]:
    """Headers of decision 0027 that are not there. What the server itself could not read (plain text) is told two of them."""
    if answer.status in (400, 431) and answer.kind == "text/plain":
        wanted = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    else:
        wanted = dict(headers.ALWAYS)
        policy = answer.headers.get("content-security-policy", "")
        if not policy.startswith("default-src 'none'") or "unsafe" in policy or "frame-ancestors 'none'" not in policy:
            yield f"its policy is {policy!r}"
    for name, value in wanted.items():
        if answer.headers.get(name.lower()) != value:
            yield f"{name} is {answer.headers.get(name.lower())!r}"
    for cookie in re.findall(r"(?:^|, )((?:__Host-)?trialcrf=[^,]*)", answer.headers.get("set-cookie", "")):
        if "httponly" not in cookie.lower() or "samesite" not in cookie.lower():
            yield "the cookie of the session is open to scripts or to other sites"


def probed(caller: Caller, only: Collection[str] = ()) -> dict[str, list[str]]:
    """Every probe (or those of these names) that met a flaw, with what is wrong. Raises RuntimeError where next to nothing was asked."""
    all_ = [one for one in probes() if not only or one.name in only]
    if len(all_) < (len(only) or 80):
        raise RuntimeError(f"{len(all_)} probes are too few to say anything")
    found = {one.name: list(flaws(sent(caller.port, one.bytes(caller), one.method), one.expects)) for one in all_}
    for name, password in () if caller.cookie or only else DEFAULT_ACCOUNTS:
        answer = caller.post("/sign-in", {"username": name, "password": password})
        found[f"{name} with the password {password}"] = list(flaws(answer, frozenset({401, 429})))
    return {name: wrong for name, wrong in found.items() if wrong}
