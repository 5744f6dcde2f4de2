"""A person whose browser has neither script nor style: pages are asked of the application, links followed and forms sent as HTML says.

It has those parts of `tests/browser/person.py` that a guide is followed with, under the same names, and costs a fifth of a Chromium.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode, urljoin

from flask.testing import FlaskClient
from lxml import html
from werkzeug.test import TestResponse

from tests.browser.person import Person

NAMES = ("a", "button", "summary", "label", "legend", "h1", "h2", "h3", "h4", "th", "dt", "option", "caption", "small")
"""The elements whose text is the name of something. Beside them: what a form marks as a word, and the cells of a matrix."""

Boxes = list[tuple[str, Any]]

_SIMPLE = re.compile(
    r"(?P<tag>[a-z]\w*)|#(?P<id>[\w-]+)|\.(?P<cls>[\w-]+)"
    r'|\[(?P<name>[\w-]+)(?:(?P<how>[\^$*]?)=(?:"(?P<said>[^"]*)"|(?P<bare>[\w-]+)))?\]'
)
_PARTS = re.compile(r"""(?:[^\s,"]|"[^"]*")+|,""")


def plain(text: str) -> str:
    return " ".join(text.split())


def xpath_of(selector: str) -> str:
    """A selector of CSS as XPath, so far as the guides use them: tags, classes, ids, attributes, one within another, one or another."""
    paths = [""]
    for part in _PARTS.findall(selector):
        if part == ",":
            paths.append("")
        else:
            paths[-1] += "//" + _step(part)
    return " | ".join("." + path for path in paths)


def _step(part: str) -> str:
    found = list(_SIMPLE.finditer(part))
    assert "".join(one[0] for one in found) == part, f"a selector that is not known here: {part}"
    return next((one["tag"] for one in found if one["tag"]), "*") + "".join(f"[{_condition(one)}]" for one in found if not one["tag"])


def _condition(one: re.Match[str]) -> str:
    if one["id"] or one["cls"]:
        return f"@id='{one['id']}'" if one["id"] else f"contains(concat(' ', normalize-space(@class), ' '), ' {one['cls']} ')"
    name, said = f"@{one['name']}", one["said"] if one["said"] is not None else one["bare"]
    if said is None:
        return name
    ends = f"substring({name}, string-length({name}) - {len(said or '') - 1})='{said}'"
    return {"": f"{name}='{said}'", "^": f"starts-with({name}, '{said}')", "*": f"contains({name}, '{said}')", "$": ends}[one["how"]]


def texts_of(tree: Any) -> set[str]:
    """Whatever a person could press or read as the name of something, and what stands in a blank box."""
    found = {one.get("placeholder") for one in tree.iterfind(".//*[@placeholder]")}

    def walk(one: Any, named: bool) -> None:
        if not isinstance(one.tag, str) or one.tag in ("template", "script", "style"):
            return
        kinds = (one.get("class") or "").split()
        if "visually-hidden" in kinds:
            return
        named = named or one.tag in NAMES or "word" in kinds or "cell" in kinds
        if named:
            found.update([one.text, *(each.tail for each in one)])
        for each in one:
            walk(each, named)

    walk(tree, False)
    return {plain(text) for text in found if text and text.strip()}


@dataclass(frozen=True)
class Part:
    """Elements of the page that is open, looked for when they are needed."""

    page: Page
    found: Callable[[], list[Any]]

    @property
    def first(self) -> Part:
        return Part(self.page, lambda: self.found()[:1])

    @property
    def last(self) -> Part:
        return Part(self.page, lambda: self.found()[-1:])

    def locator(self, selector: str) -> Part:
        path = xpath_of(selector)
        return Part(self.page, lambda: list(dict.fromkeys(each for one in self.found() for each in one.xpath(path))))

    def get_by_role(self, role: str) -> Part:
        return self.locator({"link": "a[href]"}[role])

    def filter(self, has_text: str | re.Pattern[str] = "", visible: bool = False) -> Part:
        def says(one: Any) -> bool:
            text = plain(one.text_content())
            return has_text.lower() in text.lower() if isinstance(has_text, str) else bool(has_text.search(text))

        return Part(self.page, lambda: [one for one in self.found() if says(one) and not (visible and _hidden(one))])

    def count(self) -> int:
        return len(self.found())

    @property
    def one(self) -> Any:
        found = self.found()
        assert len(found) == 1, f"{len(found)} elements, not one, on {self.page.url}"
        return found[0]

    def get_attribute(self, name: str) -> str | None:
        value: str | None = self.one.get(name)
        return value

    def is_enabled(self) -> bool:
        return not _disabled(self.one)

    def input_value(self) -> str:
        one = self.one
        return (one.text or "").removeprefix("\n") if one.tag == "textarea" else next((text for _, text in _sent(one)), "")

    def fill(self, text: str) -> None:
        one = self.one
        assert one.tag in ("input", "textarea") and not _disabled(one) and one.get("readonly") is None and not _hidden(one), one.get("name")
        if one.tag == "textarea":
            one.text = text
        else:
            one.set("value", text)

    def check(self) -> None:
        one = self.one
        assert one.get("type") in ("checkbox", "radio") and not _disabled(one)
        if one.get("type") == "radio":
            for other in one.getroottree().getroot().iter("input"):
                if other.get("name") == one.get("name"):
                    other.attrib.pop("checked", None)
        one.set("checked", "")

    def select_option(self, value: str = "", index: int = -1) -> None:
        options = list(self.one.iter("option"))
        wanted = [options[index]] if index >= 0 else [each for each in options if value in (_value(each), plain(each.text_content()))]
        assert wanted, f"no option {value} in {self.one.get('name')}"
        for each in options:
            each.attrib.pop("selected", None)
        wanted[0].set("selected", "")

    def click(self) -> None:
        one = self.one
        if one.tag == "summary":
            details = one.getparent()
            details.attrib.pop("open") if "open" in details.attrib else details.set("open", "")
        else:
            self.page.press(one)


def _value(option: Any) -> str:
    return str(option.get("value", plain(option.text_content())))


def _disabled(one: Any) -> bool:
    return one.get("disabled") is not None or any(each.get("disabled") is not None for each in one.iterancestors("fieldset"))


def _hidden(one: Any) -> bool:
    """Whether nobody sees it: it is hidden, or in what is folded, or in a window that is not open."""
    inner = one
    for each in [one, *one.iterancestors()]:
        if each.get("hidden") is not None or each.tag == "template" or (each.tag == "dialog" and each.get("open") is None):
            return True
        if each.tag == "details" and each.get("open") is None and inner is not each and inner.tag != "summary":
            return True
        inner = each
    return False


def _sent(one: Any) -> Iterator[tuple[str, str]]:
    """What a control sends with its form."""
    name, kind = one.get("name"), one.get("type", "text")
    if one.tag == "select":
        options = [each for each in one.iter("option") if each.get("disabled") is None]
        chosen = [each for each in options if each.get("selected") is not None][-1:]
        chosen = chosen or ([] if one.get("multiple") is not None else options[:1])
        yield from ((name, _value(each)) for each in chosen)
    elif one.tag == "textarea":
        yield name, (one.text or "").removeprefix("\n")
    elif one.tag == "input" and kind in ("checkbox", "radio"):
        if one.get("checked") is not None:
            yield name, one.get("value", "on")
    elif one.tag == "input" and kind not in ("submit", "button", "image", "reset", "file"):
        yield name, one.get("value", "")


@dataclass
class Page:
    """What is open now."""

    client: FlaskClient
    url: str = ""
    tree: Any = None
    answer: TestResponse | None = None
    files: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def ask(self, address: str, boxes: Boxes | None = None) -> TestResponse:
        """What the application answers, which nobody opens."""
        data: dict[str, list[Any]] = {}
        for name, said in boxes or []:
            told = (BytesIO(said["buffer"]), said["name"], said["mimeType"]) if isinstance(said, Mapping) else said
            data.setdefault(name, []).append(told)
        if boxes is None:
            return self.client.get(address, follow_redirects=True)
        return self.client.post(address, data=data, follow_redirects=True, headers={"Sec-Fetch-Site": "same-origin"})

    def go(self, address: str, boxes: Boxes | None = None) -> TestResponse:
        self.answer = self.ask(address, boxes)
        if self.answer.mimetype == "text/html":
            query = self.answer.request.query_string.decode()
            self.url = self.answer.request.path + (f"?{query}" if query else "")
            self.tree, self.files = html.document_fromstring(self.answer.text), {}
        return self.answer

    def press(self, one: Any) -> TestResponse:
        if one.tag == "a":
            return self.go(urljoin(self.url, one.get("href")).partition("#")[0])
        if one.tag == "form":  # By the key Enter.
            form, boxes = one, self.boxes(one)
        else:
            assert one.tag == "button" and one.get("type", "submit") == "submit" and not _disabled(one), plain(one.text_content())
            form = self.tree.get_element_by_id(one.get("form")) if one.get("form") else next(one.iterancestors("form"))
            boxes = [*self.boxes(form), *([(one.get("name"), one.get("value", ""))] if one.get("name") else [])]
        address = urljoin(self.url, one.get("formaction") or form.get("action") or self.url)
        if (one.get("formmethod") or form.get("method", "get")) == "get":
            return self.go(f"{address.partition('?')[0]}?{urlencode(boxes)}")
        return self.go(address, boxes)

    def boxes(self, form: Any) -> Boxes:
        """All that the form would send."""
        found: Boxes = []
        for one in self.tree.iter("input", "select", "textarea"):
            owner = self.tree.get_element_by_id(one.get("form"), None) if one.get("form") else next(one.iterancestors("form"), None)
            if owner is not form or not one.get("name") or _disabled(one) or next(one.iterancestors("template"), None) is not None:
                continue
            if one.get("type") == "file":
                found.extend([(one.get("name"), self.files[one.get("id")])] if one.get("id") in self.files else [])
            else:
                found.extend(_sent(one))
        return found

    def locator(self, selector: str) -> Part:
        path = xpath_of(selector)
        return Part(self, lambda: list(self.tree.xpath(path)))

    def set_input_files(self, selector: str, files: Sequence[Any]) -> None:
        self.files[selector.removeprefix("#")] = files[0]

    @contextmanager
    def expect_download(self) -> Iterator[None]:
        yield
        assert self.answer and "attachment" in self.answer.headers.get("Content-Disposition", "")


class Scriptless(Person):
    """A person at such a page."""

    def __init__(self, client: FlaskClient, name: str = "") -> None:
        self.name, self.url, self.script, self.complaints = name, "", False, []
        self.plain = Page(client)
        self.page = self.plain  # type: ignore[assignment]
        if name:
            self.open("/sign-in")
            self.sign_in()

    def path(self) -> str:
        return self.plain.url

    def open(self, address: str) -> Any:
        return SimpleNamespace(status=self.plain.go(address).status_code)

    def press(self, button: Any) -> Any:
        return self.plain.press(button.one)

    def reads(self, selector: str = "main") -> str:
        return plain(self.plain.locator(selector).first.one.text_content())
