"""Everything of the program that takes a value from outside: the forms of its pages, the words of its addresses, what its views ask for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from tests.attack.caller import Caller
from tests.web.test_every_route import ASKED, values_of
from tests.web.walked import Things

ENDS = frozenset({"account.sign_out", "account.change_password", "own_sessions.end", "own_sessions.end_others"})
"""What ends the session that attacks, or the password by which it came: tried by who is not signed in."""

_ASKED = re.compile(r'request\.(?:args|values)(?:\.get\(|\.getlist\(|\[)\s*"([a-z_]+)"')


@dataclass(frozen=True)
class Door:
    """One way in: a method, an address without its query, and the fields with values that a page gave them."""

    method: str
    path: str
    endpoint: str
    fields: tuple[tuple[str, str], ...]

    @property
    def key(self) -> tuple[str, str, tuple[str, ...]]:
        return self.method, self.endpoint, tuple(sorted({re.sub(r"\d+", "0", name) for name, _ in self.fields}))

    @property
    def query(self) -> str:
        return urlencode(self.fields)


@dataclass(frozen=True)
class Routes:
    """The routes of the application, with what stands in their addresses for things that there are."""

    app: Flask
    held: Things

    def rules(self, method: str) -> list[Rule]:
        found = [rule for rule in self.app.url_map.iter_rules() if method in (rule.methods or set())]
        return sorted(found, key=lambda rule: (rule.endpoint, rule.rule))

    def address(self, rule: Rule) -> str:
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        return self.app.url_map.bind("localhost").build(rule.endpoint, values_of(rule, self.held), method=method)

    def endpoint(self, method: str, path: str) -> str:
        """The view behind an address; empty where there is none."""
        try:
            return str(self.app.url_map.bind("localhost").match(path, method)[0])
        except HTTPException:
            return ""

    def asked_by(self, rule: Rule) -> list[str]:
        """The words of an address that the view's module reads: what no page of ours says may still be sent."""
        view = inspect.unwrap(self.app.view_functions[rule.endpoint])
        module = inspect.getmodule(view)
        return sorted(set(_ASKED.findall(inspect.getsource(module)))) if module and module.__name__.startswith("trialcrf") else []


@dataclass(frozen=True)
class Seen:
    """What one person can open: the views, the pages with their media type, and every kind of door behind them."""

    opened: frozenset[str]
    pages: tuple[tuple[str, str], ...]
    doors: tuple[Door, ...]


def doors_of(caller: Caller, routes: Routes) -> Seen:
    found: dict[object, Door] = {}
    opened, pages = set(), []
    for rule in routes.rules("GET"):
        path = routes.address(rule)
        if rule.endpoint in ENDS or rule.endpoint == "static":
            continue
        answer = caller.get(path + ASKED.get(rule.endpoint, ""))
        if answer.status != 200:
            continue
        opened.add(rule.endpoint)
        pages.append((path, answer.kind))
        names = routes.asked_by(rule)
        if names:
            door = Door("GET", path, rule.endpoint, tuple((name, "1") for name in names))
            found.setdefault(door.key, door)
        if answer.kind == "text/html":
            for door in doors_in(answer.text, path, routes):
                if door.endpoint and door.endpoint not in ENDS:
                    found.setdefault(door.key, door)
    return Seen(frozenset(opened), tuple(pages), tuple(found.values()))


def doors_in(page: str, path: str, routes: Routes) -> Iterator[Door]:
    """Every form of a page, and every link with words behind it."""
    reader = _Reader()
    reader.feed(page)
    for method, action, fields in reader.forms:
        split = urlsplit(urljoin(f"http://here{path}", action or path))
        sent = (*parse_qsl(split.query, keep_blank_values=True), *fields) if method == "POST" else tuple(fields)
        yield Door(method, split.path, routes.endpoint(method, split.path), tuple(sent))
    for link in reader.links:
        split = urlsplit(urljoin(f"http://here{path}", link))
        if split.netloc == "here" and split.query:
            yield Door("GET", split.path, routes.endpoint("GET", split.path), tuple(parse_qsl(split.query, keep_blank_values=True)))


class _Reader(HTMLParser):
    """What a browser would send from a page: forms with the values that stand in them, and links."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, str, list[tuple[str, str]]]] = []
        self.links: list[str] = []
        self._form: list[tuple[str, str]] | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(told.get("href", ""))
        elif tag == "form":
            self._form = []
            self.forms.append((told.get("method", "get").upper(), told.get("action", ""), self._form))
        elif self._form is None:
            return
        elif tag == "select":
            self._select = told.get("name", "")
            self._add(self._select, "")
        elif tag == "option" and self._select:
            if "selected" in told or not dict(self._form)[self._select]:
                self._form[:] = [(name, told.get("value", "") if name == self._select else value) for name, value in self._form]
        elif tag in ("input", "textarea", "button") and told.get("name"):
            self._add(told["name"], told.get("value", ""))

    def _add(self, name: str, value: str) -> None:
        # Of boxes to choose among, and of buttons, one is sent.
        if self._form is not None and name and name not in dict(self._form):
            self._form.append((name, value))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
