"""Long lists in pages, and filters in the address: links that keep the rest of the address as it is."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from flask import current_app, request

from trialcrf.web import guard
from trialcrf.web.page import Pages

FILTERS = ("state", "site", "show", "who", "by", "late", "subject")
"""What is kept of an address when another filter or page is chosen; whatever else someone put into it is not."""


def view() -> str:
    """The path of the page that this request draws, as it can be opened: a page that came back from a refused act is that above the act."""
    path = request.path
    if request.method not in guard.SAFE:
        routes = current_app.create_url_adapter(request)
        assert routes is not None
        while len(path) > 1 and not routes.test(path, "GET"):
            path = path.rpartition("/")[0] or "/"
    return quote(request.root_path + path)


def here(**changed: str | int | None) -> str:
    """The address of this view with other filters; None takes one away."""
    given = request.args
    asked = {name: given[name] for name in FILTERS if name in given and name not in changed and given[name]}
    asked |= {name: str(value) for name, value in changed.items() if value is not None}
    # A list has a link for each of its sites: the address of the view itself is known, and only its question is another one.
    return view() + (f"?{urlencode(asked)}" if asked else "")


def asked_page(total: int, size: int) -> int:
    """The number of the page that the address asks for, at most the last one; 1 where it asks for no number."""
    text = request.args.get("page", "")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 1
    return max(1, min(number, last_page(total, size)))


def last_page(total: int, size: int) -> int:
    return max(1, -(-total // size))


def pages(number: int, total: int, size: int) -> Pages:
    """Where a list of `total` lines stands, with links to the pages before and after."""
    last = last_page(total, size)
    return Pages(
        number,
        last,
        min(total, (number - 1) * size + 1),
        min(total, number * size),
        total,
        here(page=number - 1 if number > 2 else None) if number > 1 else "",
        here(page=number + 1) if number < last else "",
    )
