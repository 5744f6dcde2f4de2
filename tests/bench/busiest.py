"""The ten busiest pages: what a coordinator opens all day long at one site; and what is counted of a page, in the process that draws it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from posixpath import dirname, normpath

from sqlalchemy import Engine, event

STUDY = "msc_ssc"
SUBJECT = "R-01-001"
"""The first recipient of a simulated trial: the same person, with the same two years of visits, in a trial of any size."""

NURSE, EVERYWHERE = "nora", "dana"
"""A coordinator of one site, and a data manager of all of them."""


@dataclass(frozen=True, slots=True)
class Busy:
    """One page. `lists`: it tells of many subjects, so the reader of all sites asks for it too. `saves`: its form is sent as well."""

    name: str
    address: str
    lists: bool = False
    saves: bool = False


PAGES = (
    # The start page of a coordinator: every sign-in and every way back leads here.
    Busy("my day", f"/studies/{STUDY}/today", lists=True),
    # Where the next subject is looked for, and what a monitor or sponsor begins with.
    Busy("subjects and visits", f"/studies/{STUDY}/subjects", lists=True),
    # Whatever is done about a person goes through it.
    Busy("a subject", f"/studies/{STUDY}/subjects/{SUBJECT}"),
    # The three forms of nearly every visit: a few numbers, a long list, a score on a body.
    Busy("vital signs", f"/studies/{STUDY}/subjects/{SUBJECT}/M3/1/VITALS/1"),
    Busy("laboratory", f"/studies/{STUDY}/subjects/{SUBJECT}/M3/1/LABS/1"),
    Busy("skin score", f"/studies/{STUDY}/subjects/{SUBJECT}/M3/1/SKIN/1"),
    # What all the others are for.
    Busy("a save, and the page that follows", f"/studies/{STUDY}/subjects/{SUBJECT}/M6/1/VITALS/1", saves=True),
    Busy("queries", f"/studies/{STUDY}/queries", lists=True),
    # "/" is on every page.
    Busy("search", f"/find?study={STUDY}&q=R-01-0", lists=True),
    Busy("dashboard", f"/studies/{STUDY}/dashboard", lists=True),
)

WEIGHT_FIRST, WEIGHT_AFTER = 150.0, 30.0
"""Kilobytes, compressed: of a page with all its files, and of a page whose files the browser has."""

Get = Callable[[str], tuple[int, str]]
"""Asks for an address as a browser does: the bytes that came, and what they say."""

_FILE = re.compile(r'(?:href|src)="(/static/[^"#]+)')
_SEVERAL = re.compile(r"\(\?(?:, \?)+\)")
_IMPORTED = re.compile(r'^import .*?"(\.{1,2}/[^"]+)";', re.M)


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """What is asked of the database meanwhile, in its order; however many things it is asked about, it is the same statement."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(_SEVERAL.sub("(?)", statement))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


def files_of(page: str, get: Get) -> dict[str, int]:
    """The bytes of each file that a page needs: styles, pictures, scripts, and what those import."""
    found: dict[str, int] = {}
    wanted = _FILE.findall(page)
    while wanted:
        address = wanted.pop()
        if address in found:
            continue
        size, said = get(address)
        found[address] = size
        if address.endswith(".js"):
            wanted += [normpath(f"{dirname(address)}/{name}") for name in _IMPORTED.findall(said)]
    return found


class _Boxes(HTMLParser):
    """The boxes of the form of entry, as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self._in_form, self._select, self._area = False, "", ""
        self._first = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._in_form = "data-entry" in told
        if not self._in_form:
            return
        kind, name = told.get("type", "text"), told.get("name", "")
        if tag == "input" and name and (kind not in ("radio", "checkbox") or "checked" in told):
            self.sent.append((name, told.get("value", "on" if kind == "checkbox" else "")))
        elif tag == "select":
            self._select, self._first = name, True
        elif tag == "option" and self._select and (self._first or "selected" in told):
            if not self._first:
                self.sent.pop()
            self.sent.append((self._select, told.get("value", "")))
            self._first = False
        elif tag == "textarea":
            self._area = name
            self.sent.append((name, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._in_form = False
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._in_form and self._area:
            self.sent[-1] = (self._area, self.sent[-1][1] + data.removeprefix("\n"))


def changed(page: str, item: str, text: str) -> list[tuple[str, str]]:
    """What a browser sends of the form on this page where one answer was typed anew, with the reason of a slip."""
    boxes = _Boxes()
    boxes.feed(page)
    boxes.close()
    sent = [(name, text if name == f"i.{item}" else value) for name, value in boxes.sent if name != f"why.{item}"]
    return [*sent, (f"why.{item}", "SOURCE"), ("act", "save")]
