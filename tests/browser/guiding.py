"""Following a guide in the real program: each step done as it is told, its words looked for, its pictures compared or drawn."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from lxml import html
from playwright.sync_api import Locator, ViewportSize

from tests.browser.conftest import AtBrowser
from tests.browser.person import Person
from tests.browser.program import STUDY, Program
from tests.browser.scriptless import NAMES, Scriptless, plain, texts_of
from trialcrf.actions import administer
from trialcrf.external.language import LANGUAGES, Language
from trialcrf.store import accounts
from trialcrf.web.guides import FOLDER

DRAWS = os.environ.get("GUIDES") == "draw"
"""`make guides`: what the pages show is written down, and pictures are taken of it."""

SHOWN = Path(__file__).parent / "guides_shown.json"
SIZES = FOLDER / "sizes.json"
LIST = f"/studies/{STUDY}"
SCALE, QUALITY, MARGIN = 1.5, 80, 6
WIDE, TABLET = 900, ViewportSize(width=860, height=900)

SETTLED = 800
"""Milliseconds after which the server has judged what was typed last, and the page says so."""

Steps = Iterator[None]
"""What follows a chapter: it does a step, then yields."""

_SPACES = re.compile(r"\s+")
_DAY = re.compile(r"\b(?:\d{1,2}|1er) [^\W\d]{3,9}\.? \d{4}(?:,? (?:à )?\d{1,2}:\d{2}(?: [A-Z]{3,4})?)?")
_KEY = re.compile(r"\b[RDB]-\d\d-\d{3}\b")
_NUMBER = re.compile(r"\d+(?:[.,:/ ]\d+)*")

# Whatever a person could press or read as the name of something: a word that a guide quotes is one of these, and no part of a sentence.
_TEXTS = """(names) => {
  const found = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let one; (one = walker.nextNode()); )
    if (one.data.trim() && one.parentElement.closest(names) && !one.parentElement.closest("template, .visually-hidden"))
      found.add(one.data);
  document.querySelectorAll("[placeholder]").forEach((one) => found.add(one.placeholder));
  return [...found];
}"""

# The place of an element on the whole page. What sticks to the window would lie over it.
_PLACE = """(one) => {
  document.querySelectorAll(".top, .matrix th, .bar").forEach((each) => (each.style.position = "static"));
  document.activeElement?.blur?.();
  const at = one.getBoundingClientRect();
  return { x: at.left + scrollX, y: at.top + scrollY, width: at.width, height: at.height };
}"""


@dataclass(frozen=True)
class Chapter:
    """A chapter as its reader gets it: the words of each step, those beside the steps, the pictures with what is said of them."""

    code: str
    steps: tuple[tuple[str, ...], ...]
    beside: tuple[str, ...]
    pictures: tuple[str, ...]
    quoted: tuple[tuple[str, ...], ...]
    said: tuple[str, ...]


def chapters_of(page: str) -> list[Chapter]:
    found = []
    for section in html.document_fromstring(page).xpath('//section[@class="chapter"]'):
        lines = section.xpath("./ol/li")
        parts = [*lines, *section.xpath("./p")]
        found.append(
            Chapter(
                section.get("id"),
                tuple(tuple(plain(one.text_content()) for one in line.xpath('.//b[@class="word"]')) for line in lines),
                tuple(plain(one.text_content()) for one in section.xpath('./p//b[@class="word"]')),
                tuple(one.get("id").removeprefix("picture-") for one in section.xpath("./figure")),
                tuple(tuple(sorted(one.xpath('.//b[@class="word"]/@data-word'))) for one in parts),
                tuple(
                    plain(one) for one in (*section.xpath(".//img/@alt"), *(each.text_content() for each in section.xpath(".//figcaption")))
                ),
            )
        )
    return found


def pattern(word: str) -> str:
    """A quoted text as a regular expression: what stands for a number or a name is whatever stands there."""
    return "(?:.+)".join(re.escape(_SPACES.sub(" ", part)).replace(r"\ ", r"\s+") for part in word.split("…"))


def shown(page: str, where: str, but: str = "") -> list[str]:
    """The names that a region of a page shows: headings, questions, columns, buttons, links. Days, keys and numbers are any, rows of a
    table are data; a sentence may be put better without a picture of it becoming wrong."""
    regions = html.document_fromstring(page).xpath(where)
    assert regions, f"nothing on the page is at {where}"
    left_out = set(regions[0].getroottree().xpath(but)) if but else set()
    return list(_names_in(regions[0], left_out))


_SILENT = ("script", "style", "svg", "template", "option", "datalist", "tbody")


def _names_in(one: Any, but: set[Any]) -> Iterator[str]:
    if not isinstance(one.tag, str) or one.tag in _SILENT or one in but:
        return
    said = plain(" ".join([one.text or "", *(each.tail or "" for each in one)]))
    if said and one.tag in NAMES:
        yield f"{one.tag} {_NUMBER.sub('0', _KEY.sub('<key>', _DAY.sub('<day>', said)))}"
    for each in one:
        yield from _names_in(each, but)


@dataclass
class Tour:
    """A walk through the chapters of a guide, in one language, by whoever the steps are about."""

    program: Program
    at_browser: AtBrowser
    language: Language
    known: dict[str, dict[str, dict[str, Any]]]
    people: dict[str, Person] = field(default_factory=dict)
    person: Person | None = None
    seen: set[str] = field(default_factory=set)
    chapter: set[str] = field(default_factory=set)
    last: set[str] = field(default_factory=set)
    pictures: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    # Going about.

    def as_(self, name: str) -> Person:
        """This person of the cast is at the browser from now on."""
        if name not in self.people:
            self.people[name] = self.at_browser(name)
        self.person = self.people[name]
        return self.person

    def word(self, msgid: str) -> str:
        return self.language.gettext(msgid)

    def open(self, address: str) -> None:
        assert self.person
        answer = self.person.open(address)
        assert answer.status == 200, (address, answer.status)
        self.look()

    def go(self, msgid: str, within: str = "body", plural: str = "") -> None:
        """Press the button or link of this name, which leads to another page."""
        assert self.person
        self.person.press(self.named(msgid, within, plural))
        self.look()

    def unfold(self, msgid: str) -> None:
        self.named(msgid, "main", kind="summary").click()

    def named(self, msgid: str, within: str = "body", plural: str = "", kind: str = "a, button") -> Locator:
        assert self.person
        said = self.language.ngettext(msgid, plural, 2) if plural else self.word(msgid)
        name = re.compile(r"^\s*" + pattern(re.sub(r"%\(\w+\)s", "…", said)) + r"\s*(?:$|[\d:,])")
        return self.person.page.locator(within).locator(kind).filter(has_text=name, visible=True).first

    def fill(self, **boxes: object) -> None:
        """Boxes of a fixed page, by their ids."""
        assert self.person
        for name, text in boxes.items():
            self.person.page.locator(f"#{name}").fill(str(text))

    def on(self, days: int = 0) -> None:
        """The day at the site, so many days ago, into the three boxes of a fixed page."""
        on: date = self.program.today - timedelta(days=days)
        self.fill(day=on.day, month=on.month, year=on.year)

    def key(self, name: str, at: str = "", leads_to: str = "", instead: str = "") -> None:
        """Press a key, in the box of an item if need be. It leads to another page where a button does the same, else to a box; whoever has
        no script presses the button, and other tests hold what each key does."""
        assert self.person
        if isinstance(self.person, Scriptless):
            if instead:
                self.person.press(self.person.page.locator(instead))
                self.look()
            return
        if at:
            self.person.box(at).focus()
        if instead:
            with self.person.page.expect_navigation():
                self.person.page.keyboard.press(name)
            self.look()
        else:
            self.person.page.keyboard.press(name)
        if leads_to:
            assert self.person.page.evaluate("document.activeElement.name").removeprefix("i.") == leads_to

    def saved(self) -> None:
        assert self.person
        self.person.save()
        self.look()
        assert "done=" in self.person.path(), self.person.reads()

    # What is quoted.

    def begin(self) -> None:
        """A chapter begins: nothing was seen yet."""
        self.seen, self.chapter, self.last = set(), set(), set()

    def step(self) -> None:
        """A step begins on the page on which the one before it ended."""
        self.seen = set(self.last)

    def look(self) -> None:
        assert self.person
        if isinstance(self.person, Scriptless):
            self.last = texts_of(self.person.plain.tree.body)
        else:
            self.last = {plain(text) for text in self.person.page.evaluate(_TEXTS, ", ".join([*NAMES, ".word", ".cell"]))}
        self.seen |= self.last
        self.chapter |= self.last

    def lacks(self, words: tuple[str, ...], beside: bool = False) -> list[str]:
        """The quoted words that stood on no page of this step (of the whole chapter, if beside the steps)."""
        texts = self.chapter if beside else self.seen
        return [word for word in words if not any(re.fullmatch(pattern(word) + r"\s*[:,]?", text) for text in texts)]

    # What is pictured.

    def picture(self, name: str, where: str, but: str = "", most: int = 620, pages: Mapping[str, str] | None = None) -> None:
        """Here a picture of the guide is taken: of the element at an XPath. Each name that it shows still stands there.

        `but` are elements that differ from day to day, `most` the pixels of its height, `pages` what was sent, if it has no address.
        """
        assert self.person
        self.pictures.append(name)
        for code, page in (pages or self.pages()).items():
            now = shown(page, where, but)
            assert now, f"{name}: nothing that it shows has a name by which the picture could be compared"
            before = self.known.get(name, {}).get(code, {}).get("shows", [])
            if DRAWS:
                self.known.setdefault(name, {}).setdefault(code, {})["shows"] = now
            elif gone := [one for one in before if one not in now]:
                self.wrong.append(f"{name} ({code}) shows, and the page no longer: {', '.join(gone)}")
        if DRAWS:
            self._draw(name, self.person.page.locator(f"xpath={where}").first, most)

    def pages(self, sent: Callable[[str], dict[str, Any]] | None = None) -> dict[str, str]:
        """The page that is open as the server sends it in each language; with `sent`, its answer to these boxes.

        While pictures are taken it is this language alone: a page on the screen must not be answered in the other one meanwhile.
        """
        assert self.person
        found = {}
        for code in [self.language.code] if DRAWS else LANGUAGES:
            if isinstance(self.person, Scriptless):
                with reading(self.person.plain.client.application, code):
                    answer = self.person.plain.ask(self.person.path(), list(sent(code).items()) if sent else None)
                found[code], status = answer.text, answer.status_code
            else:
                ask, url, headers = self.person.page.request, self.person.page.url, {"Sec-Fetch-Site": "same-origin"}
                with speaking(self.program, [self.person.name], code, self.language.code):
                    told = ask.post(url, multipart=sent(code), headers=headers) if sent else ask.get(url, headers=headers)
                found[code], status = told.text(), told.status
            assert "</html>" in found[code] and status in (200, 422), (self.person.path(), status)
        return found

    def boxes(self, form: str) -> dict[str, Any]:
        """All that a form would send."""
        assert self.person
        if isinstance(self.person, Scriptless):
            return dict(self.person.plain.boxes(self.person.plain.locator(form).one))
        told: dict[str, Any] = self.person.page.evaluate("form => Object.fromEntries(new FormData(document.querySelector(form)))", form)
        return told

    def answer(self, address: str, boxes: dict[str, str]) -> bytes:
        """What these boxes are answered, which nobody opens: a file."""
        assert self.person
        if isinstance(self.person, Scriptless):
            return self.person.plain.ask(address, list(boxes.items())).data
        return self.person.page.request.post(self.person.url + address, form=boxes).body()

    def _draw(self, name: str, element: Locator, most: int) -> None:
        assert self.person
        self.person.page.wait_for_timeout(SETTLED)
        place, usual = element.evaluate(_PLACE), self.person.page.viewport_size
        if place["width"] > WIDE:  # Read on a sheet of paper, it would be too small: as on a tablet.
            self.person.page.set_viewport_size(TABLET)
            place = element.evaluate(_PLACE)
        width, height = place["width"] + 2 * MARGIN, min(place["height"], most) + 2 * MARGIN
        clip = {"x": place["x"] - MARGIN, "y": place["y"] - MARGIN, "width": width, "height": height, "scale": SCALE}
        asked = {"format": "webp", "quality": QUALITY, "clip": clip, "captureBeyondViewport": True}
        taken = self.person.context.new_cdp_session(self.person.page).send("Page.captureScreenshot", asked)
        self.person.page.set_viewport_size(usual or TABLET)
        path = FOLDER / self.language.code / f"{name}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(taken["data"]))
        told = self.known[name][self.language.code]
        told |= {"size": [round(width), round(height)], "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@contextmanager
def reading(app: Flask, code: str) -> Iterator[None]:
    """Everybody reads this language for a while, whatever they chose."""
    before, app.config["PSEUDO"] = app.config["PSEUDO"], code
    try:
        yield
    finally:
        app.config["PSEUDO"] = before


@contextmanager
def speaking(program: Program, names: Sequence[str], code: str, then: str) -> Iterator[None]:
    """These people read this language for a while, and then the other one again."""
    if code == then:
        yield
        return
    _choose(program, names, code)
    try:
        yield
    finally:
        _choose(program, names, then)


def _choose(program: Program, names: Sequence[str], code: str) -> None:
    with program.world.write("trialcrf", datetime.now(UTC)) as tx:
        for name in names:
            account = accounts.find(tx, name)
            assert account
            administer.set_preferences(tx, account.id, language=code)


def write_down(known: dict[str, dict[str, dict[str, Any]]], told: set[str]) -> None:
    """What `make guides` found: the fingerprints beside the tests, the sizes beside the pictures; a picture that no guide shows goes."""
    kept = {name: known[name] for name in sorted(known) if name in told}
    SHOWN.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    sizes = {name: {code: one["size"] for code, one in sorted(by.items()) if "size" in one} for name, by in kept.items()}
    SIZES.write_text(json.dumps(sizes, indent=1) + "\n", encoding="utf-8")
    for path in FOLDER.glob("*/*.webp"):
        if path.stem not in told:
            path.unlink()
