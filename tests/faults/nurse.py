"""A nurse at a keyboard: she presses one key after the other, writes down each, and compares what is stored with what she typed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from playwright.sync_api import BrowserContext, Dialog, Locator, Page, expect

from tests.actions.world import TRAINED
from tests.browser.person import PASSWORD
from tests.browser.program import STUDY, Program
from trialcrf.actions import administer, sign_in
from trialcrf.store import accounts
from trialcrf.store.subjects import Subject

NURSES = {"flore": "Flore, infirmière de recherche", "fanny": "Fanny, infirmière de recherche"}
PACE = 0.1
"""Seconds between two keys: a hundred and twenty words a minute."""
BOXES = {"i.WT": "72,5", "i.HT": "171,5", "i.PULSE": "88"}
MISSING, REMARK = "i.SATURATION.missing", "i.SATURATION.note"
NOTE = "Capteur défaillant, doigts froids « violacés » : 2 essais, 1 heure d’écart"
ON_ITS_WAY = 0.5
"""Seconds that a key may be on its way through the browser that is killed: no machine that is not overloaded takes as long."""
HALF = 24
"""After so many letters of the note the fault comes."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A key, the box that had the focus, and when it was down (seconds of a clock that only goes on)."""

    box: str
    key: str
    at: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Characters: typed (each once, however often), stored in the end, typed a second time because they were gone, and lost."""

    fault: str
    typed: int
    stored: int
    twice: int
    lost: int
    told: str = ""
    oldest: float = 0.0
    """Seconds before the fault at which the oldest key was pressed that is gone."""

    @property
    def held(self) -> bool:
        """Nothing is gone but what a killed browser had not handed over yet."""
        return self.lost == 0 or 0 < self.oldest < ON_ITS_WAY

    def line(self) -> str:
        return f"{self.fault:38}{self.typed:8}{self.stored:8}{self.twice:8}{self.lost:8}  {self.told}".rstrip()


HEADS = f"{'fault':38}{'typed':>8}{'stored':>8}{'twice':>8}{'lost':>8}"


def hire(program: Program) -> None:
    """Two coordinators of site 01 who read French; a password is all that their role needs."""
    with program.world.write("trialcrf", datetime.now(UTC)) as tx:
        for username, name in NURSES.items():
            if accounts.find(tx, username) is None:
                number = administer.create_account(tx, username, name, f"{username}@example.org", "Centre 01 (démo)", "fr")
                sign_in.set_password(tx, number, username, PASSWORD)
                administer.give_role(tx, number, "coordinator", STUDY, "01", TRAINED)


@dataclass
class Nurse:
    """At one page of one browser. `wrote` is what she typed in each box, as she sees it on her paper."""

    page: Page
    url: str
    name: str = "flore"
    wrote: dict[str, str] = field(default_factory=dict)
    keys: list[Stroke] = field(default_factory=list)
    twice: int = 0
    pace: float = PACE

    @classmethod
    def at(cls, context: BrowserContext, url: str, name: str = "flore", signs_in: bool = True) -> Nurse:
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("dialog", _leave)
        nurse = cls(page, url, name)
        if signs_in:
            page.goto(f"{url}/sign-in")
            page.locator("#username").focus()
            nurse._keys(name, "Tab", PASSWORD, "Enter")
            page.wait_for_url(lambda address: "/sign-in" not in address)
        return nurse

    def goes_on_at(self, other: Nurse) -> Nurse:
        """The same person, with the same paper, at another browser."""
        other.wrote, other.keys, other.twice = self.wrote, self.keys, self.twice
        return other

    def _keys(self, *words: str) -> None:
        for word in words:
            if word in ("Tab", "Enter"):
                self.page.keyboard.press(word)
            else:
                self.page.keyboard.type(word)

    # Typing.

    def letter(self, box: str, letter: str) -> None:
        """One key, into whatever has the focus: nobody who types looks where it is."""
        if letter.isascii():
            self.page.keyboard.press("Space" if letter == " " else letter)
        else:
            self.page.keyboard.insert_text(letter)
        self.keys.append(Stroke(box, letter, time.monotonic()))
        self.wrote[box] = self.wrote.get(box, "") + letter
        time.sleep(self.pace)

    def write(self, box: str, text: str) -> None:
        for letter in text:
            self.letter(box, letter)

    def fill(self, box: str, text: str) -> None:
        self.box(box).focus()
        self.write(box, text)

    def choose(self, box: str, code: str) -> None:
        self.box(box).select_option(code)
        self.wrote[box] = code
        self.keys.append(Stroke(box, code, time.monotonic()))

    def begin(self, letters: int = HALF) -> None:
        """Everything of the form but the rest of the note."""
        for box, text in BOXES.items():
            self.fill(box, text)
        self.choose(MISSING, "ND")
        self.fill(REMARK, NOTE[:letters])

    def rest(self, letters: int | None = None) -> None:
        """The rest of the note, or so many letters of it, into whatever has the focus."""
        done = len(self.wrote.get(REMARK, ""))
        self.write(REMARK, NOTE[done : None if letters is None else done + letters])

    def look_through(self) -> int:
        """Compare the page with the paper, and type again what is not there any more. Answers how many characters that was."""
        again = 0
        for box, text in self.wrote.items():
            seen = self.box(box).input_value()
            if seen == text:
                continue
            gone = text[alike(seen, text) :]
            again += 1 if box.endswith(".missing") else len(gone)
            if box.endswith(".missing"):
                self.box(box).select_option(text)
            else:
                self.box(box).fill(text)
        self.twice += again
        return again

    # What the page is asked.

    def box(self, name: str) -> Locator:
        return self.page.locator(f'[name="{name}"]')

    def open(self, address: str) -> None:
        self.page.goto(self.url + address)

    def take_up(self) -> bool:
        """Go on with what is offered; False where nothing is."""
        offers = self.page.locator("section.notice a.main")
        if not offers.count():
            return False
        offers.first.focus()
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        return True

    def is_kept(self, timeout: float = 30) -> None:
        expect(self.page.locator("form[data-draft]")).to_have_attribute("data-kept", "yes", timeout=timeout * 1000)

    def is_told(self, what: str, timeout: float = 30) -> None:
        expect(self.page.locator("[data-draft-said]")).to_have_attribute("data-state", what, timeout=timeout * 1000)

    def save(self) -> None:
        with self.page.expect_navigation():
            self.page.keyboard.press("Control+s")

    def signs_in_again(self) -> None:
        """Over the page, when it asks."""
        dialog = self.page.locator("dialog[data-again]")
        expect(dialog).to_be_visible(timeout=30_000)
        assert dialog.locator("#again-password").input_value() == "", "what she typed for the form stands in the box for the password"
        self._keys(PASSWORD, "Enter")
        expect(dialog).to_be_hidden(timeout=30_000)

    # Counting.

    def tally(self, fault: str, program: Program, subject: Subject, told: str = "", oldest: float = 0.0) -> Tally:
        """What is stored of this subject's vital signs, letter by letter, beside what she typed."""
        found = program.stored(subject, "SCR", "VITALS")
        answers = found.document.items if found else {}
        typed = stored = 0
        for box, text in self.wrote.items():
            item, _, part = box.removeprefix("i.").partition(".")
            answer = answers.get(item)
            here = {"missing": answer.missing, "note": answer.note}.get(part, answer.text) if answer else ""
            if part == "missing":
                typed, stored = typed + 1, stored + (here == text)
            else:
                typed += len(text)
                stored += alike(here, text if part else text.replace(",", "."))
        return Tally(fault, typed, stored, self.twice, typed - stored + self.twice, told, oldest)


def alike(one: str, other: str) -> int:
    """How many letters at the beginning of both are the same."""
    return next((number for number, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _leave(dialog: Dialog) -> None:
    """Asked whether to leave a page, she leaves it."""
    dialog.accept()
