"""sqlmap: what it tried at which door, and what it found to be injectable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from tests.attack.caller import FORM, Caller
from tests.attack.doors import Door
from tests.attack.tools import Finding, Run, program, run

KEPT = ("token", "save_token", "version", "p", "act")
"""Fields that say which page was sent: without them a form is refused before a value of it is looked at."""

_TESTING = re.compile(r"\] \[INFO\] testing URL '([^']+)'")
_SAFE = re.compile(r"(GET|POST) parameter '([^']*)' does not seem to be injectable")
_HOLE = re.compile(r"(GET|POST) parameter '([^']*)' (?:is vulnerable|is '.+' injectable|appears to be '.+' injectable)")
_LOST = re.compile(r"\[CRITICAL\] (unable to connect|connection (?:timed out|dropped|reset|refused)|can't establish)[^\n]*")


@dataclass(frozen=True)
class Tested:
    """One parameter that was tried to its end: the door's method and path, its name."""

    method: str
    path: str
    name: str


@dataclass(frozen=True)
class Injected:
    tested: frozenset[Tested]
    found: tuple[Finding, ...]
    lost: tuple[str, ...]
    run: Run


def sent(door: Door, caller: Caller) -> tuple[tuple[str, str], ...]:
    """The fields with the token of this session; a save is never the same one twice."""
    own = {"token": caller.token, "save_token": ""}
    fields = tuple((name, own.get(name, value or "1")) for name, value in door.fields if name != "save_token")
    return fields


def request(door: Door, caller: Caller) -> str:
    fields = urlencode(sent(door, caller))
    head = f"{door.method} {door.path}{'?' + fields if door.method == 'GET' else ''} HTTP/1.1\nHost: 127.0.0.1:{caller.port}\n"
    head += f"Cookie: {caller.header}\n" if caller.header else ""
    return f"{head}Content-Type: {FORM}\n\n{fields}" if door.method == "POST" else f"{head}\n"


def wanted(door: Door) -> set[Tested]:
    return {Tested(door.method, door.path, name) for name, _ in door.fields if name not in KEPT}


def inject(doors: Sequence[Door], caller: Caller, folder: Path, seconds: float, database: str = "sqlite") -> Injected:
    """One run over these doors."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number, door in enumerate(doors):
        names.append(folder / f"{number}.txt")
        names[-1].write_text(request(door, caller), encoding="utf-8")
    command = [
        program("attack", "sqlmap"), "-r", ",".join(map(str, names)), "--batch", "--disable-coloring", f"--dbms={database}",
        "--technique=BEU", "--level=1", "--risk=1", f"--skip={','.join(KEPT)}", "--ignore-code=*", "--ignore-redirects", "--skip-waf",
        "--drop-set-cookie", "--flush-session", "--timeout=20", "--retries=1", "--output-dir", folder / "out", "--tmp-dir", folder / "tmp",
        "--answers=skip further tests=N,keep testing=Y,exploit=N", "-v", "1",
    ]  # fmt: skip
    (folder / "tmp").mkdir(exist_ok=True)
    done = run(command, folder, seconds)
    return read(done, doors)


def read(done: Run, doors: Sequence[Door]) -> Injected:
    """By its log (which does not tell the URL of a single target): what was tried to its end, what it found, when nobody answered."""
    tested, found = set(), []
    for url, part in [(doors[0].path, done.said)] if len(doors) == 1 else _parts(done.said):
        path = re.sub(r"^http://[^/]+", "", url).partition("?")[0]
        tested |= {Tested(one[1], path, one[2]) for one in _SAFE.finditer(part)}
        for one in _HOLE.finditer(part):
            tested.add(Tested(one[1], path, one[2]))
            found.append(Finding("sqlmap", "injectable", f"{one[1]} {path}", one[2]))
    return Injected(frozenset(tested), tuple(dict.fromkeys(found)), tuple(one[0] for one in _LOST.finditer(done.said)), done)


def _parts(said: str) -> Iterator[tuple[str, str]]:
    starts = list(_TESTING.finditer(said))
    for place, start in enumerate(starts):
        yield start[1], said[start.end() : starts[place + 1].start() if place + 1 < len(starts) else len(said)]
