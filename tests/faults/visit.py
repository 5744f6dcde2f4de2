"""The visit at three months by keyboard alone, through a session that ends and a server that dies: python -m tests.faults.visit [FOLDER].

She goes from one empty field to the next (Alt+J) until there is none left, and types what its kind asks; nothing of the page is touched but
by keys. What is stored in the end is compared with what she typed, item by item. With a folder she takes pictures on the way.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.person import PASSWORD
from tests.browser.program import form_address
from tests.faults.desk import Desk, desk_of_its_own
from tests.faults.nurse import Nurse
from trialcrf.core.definition.model import DataType, FormDef, ItemDef
from trialcrf.core.document import Answer, Document
from trialcrf.store.models.base import moment_text
from trialcrf.store.subjects import Subject

EVENT, FORMS = "M3", ("FVISIT", "VITALS", "PHYSEXAM", "SKIN", "LUNG", "LABS", "HAQ", "EUSTARACT")
"""The visit itself, and the seven forms of it."""
SCREENS: Mapping[str, ViewportSize] = {"ward": {"width": 1366, "height": 768}, "tablet": {"width": 810, "height": 1080}}
TYPED = {
    "WT": "72,5", "HT": "171,5", "PULSE": "72", "TEMPERATURE": "36,9", "SATURATION": "97", "SBP": "128", "DBP": "81", "SKIN_ASSESSOR": "E1",
    "FVC_L": "3,05", "FVC_PCT": "84", "TLC_L": "4,9", "TLC_PCT": "88", "DLCO_VALUE": "12,4", "DLCO_PCT": "61", "NEUTROPHILS": "3,2",
    "PLATELETS": "245", "HAEMOGLOBIN": "13,1", "HAEMATOCRIT": "39,5", "CD4_COUNT": "640", "CREATININE": "71", "CREATININE_ULN": "104",
    "ALAT": "24", "ALAT_ULN": "41", "ASAT": "22", "ASAT_ULN": "40", "BILIRUBIN": "9", "BILIRUBIN_ULN": "17", "C_REACTIVE": "3,1",
    "EUS_MRSS": "17", "EUS_CRP": "3,1", "EUS_DLCO": "61",
}  # fmt: skip
WORDS = "Ulcère de l’index droit, 4 mm, en voie de cicatrisation"

_FOCUS = """() => {
  const one = document.activeElement;
  const ring = getComputedStyle(one), around = one.closest("label") ? getComputedStyle(one.closest("label")) : ring;
  const seen = [ring, around].some((how) => (how.outlineStyle !== "none" && how.outlineWidth !== "0px") || how.boxShadow !== "none");
  const box = one.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const clear = top && (top === one || one.contains(top) || top.contains(one) || top.closest("label")?.contains(one));
  return { name: one.name ?? "", kind: one.tagName === "INPUT" ? one.type : one.tagName.toLowerCase(), value: one.value ?? "",
    score: Boolean(one.closest("[data-score]")), href: one.getAttribute?.("href") ?? "", seen, clear: Boolean(clear) };
}"""


@dataclass
class Entry:
    """How it went: by item what she typed, and how many keys it took."""

    typed: dict[tuple[str, str], Answer | str] = field(default_factory=dict)
    keys: int = 0
    characters: int = 0
    items: int = 0
    seconds: float = 0.0
    ways: int = 0
    """Keys that only lead somewhere: to the visit, from field to field, to the next form."""
    hidden: list[str] = field(default_factory=list)
    """Fields that could not be seen, or did not show that they have the focus, when they had it."""
    wrong: list[str] = field(default_factory=list)

    def line(self, screen: str) -> str:
        per = self.keys / max(1, self.characters)
        return (
            f"{screen}: {self.items} items, {self.characters} characters, {self.keys} keys ({per:.2f} a character), "
            f"{self.seconds:.0f} s, {len(self.wrong)} not as typed"
        )


@dataclass
class AtVisit:
    """The nurse in the visit of one subject."""

    desk: Desk
    nurse: Nurse
    subject: Subject
    pictures: Path | None = None
    entry: Entry = field(default_factory=Entry)
    done: set[str] = field(default_factory=set)

    @property
    def page(self) -> Page:
        return self.nurse.page

    def press(self, key: str, leads: bool = False) -> None:
        self.page.keyboard.press(key)
        self.entry.keys += 1
        self.entry.ways += leads

    def words(self, text: str) -> None:
        for letter in text:
            if letter.isascii():
                self.page.keyboard.press("Space" if letter == " " else letter)
            else:
                self.page.keyboard.insert_text(letter)
            time.sleep(self.nurse.pace)
        self.entry.keys += len(text)
        self.entry.characters += len(text)

    def look(self, name: str) -> None:
        if self.pictures is not None:
            self.page.screenshot(path=self.pictures / f"{name}.png")

    # To the visit.

    def finds_the_visit(self) -> None:
        """By the search box: the subject, and there the visit."""
        self.press("/", leads=True)
        for letter in self.subject.key:
            self.press(letter, leads=True)
        with self.page.expect_navigation():
            self.press("Enter", leads=True)
        self.look("0-found")
        self._follow(f"/subjects/{self.subject.key}")
        self.look("0-subject")
        self._follow(form_address(self.subject.key, EVENT, FORMS[0]))

    def _follow(self, ends: str) -> None:
        if self.page.url.partition("?")[0].partition("#")[0].endswith(ends):
            return
        for _ in range(200):
            if self.page.evaluate(_FOCUS)["href"].partition("?")[0].partition("#")[0].endswith(ends):
                break
            self.press("Tab", leads=True)
        else:
            raise AssertionError(f"Tab never reached a link to {ends} on {self.page.url}")
        with self.page.expect_navigation():
            self.press("Enter", leads=True)

    # A form.

    def fills(self, form: FormDef, until: int | None = None) -> None:
        """Every empty field, from where she is; or the next few of them."""
        patience = 2
        count = 0
        while until is None or count < until:
            now = self.page.evaluate(_FOCUS)
            before = now["name"]
            if not now["score"] or before in self.done:  # A digit in a line of a score leads to the next line by itself.
                self.press("Alt+j", leads=True)
                now = self.page.evaluate(_FOCUS)
            if now["name"] in self.done or (now["name"] == before and before in self.done) or not now["name"]:
                # Questions that an answer brought come a moment later.
                patience -= 1
                if patience < 0:
                    return
                self.page.wait_for_timeout(700)
                continue
            if not (now["seen"] and now["clear"]):
                self.entry.hidden.append(now["name"])
            self._answer(form, now)
            self.done.add(now["name"])
            count += 1

    def _answer(self, form: FormDef, now: Mapping[str, str]) -> None:
        path = now["name"].split(".")
        oid = path[3] if path[0] == "r" else path[1]
        item = form.items[oid][1]
        self.entry.items += 1
        self.entry.typed[form.oid, oid] = self._typed(item, now)

    def _typed(self, item: ItemDef, now: Mapping[str, str]) -> Answer | str:
        if item.type in (DataType.DATE, DataType.DATETIME):
            return self._day(item)
        if now["kind"] == "radio":
            # A digit in a line of a score goes on by itself: what was chosen is what it says.
            if now["score"] and now["value"].isdigit():
                self.press("1")
                self.entry.characters += 1
                return "1"
            self.press("Space")
            self.entry.characters += 1
            return now["value"]
        if now["kind"] == "checkbox":
            self.press("Space")
            self.entry.characters += 1
            return now["value"]
        if now["kind"] == "select":
            self.press("ArrowDown")
            self.entry.characters += 1
            return str(self.page.evaluate(_FOCUS)["value"])
        text = TYPED.get(item.oid) or (WORDS if item.type is DataType.TEXT else _middle(item))
        self.words(text)
        return text if item.type is DataType.TEXT else text.replace(",", ".")

    def _day(self, item: ItemDef) -> str:
        today = self.desk.program.today - timedelta(days=1)
        parts = [f"{today.day:02}", f"{today.month:02}", f"{today.year}", *(["09:05"] if item.type is DataType.DATETIME else [])]
        for number, part in enumerate(parts):
            if number:
                self.press("Tab", leads=True)
                self.done.add(self.page.evaluate(_FOCUS)["name"])
            self.words(part)
        return today.isoformat()

    def saves(self, name: str) -> None:
        """And goes on to the next form."""
        with self.page.expect_navigation():
            self.press("Control+Enter", leads=True)
        self.look(f"{name}-saved")
        assert "done=" in self.page.url, self.page.locator("main").inner_text()[:2000]

    # What was typed and what is stored.

    def compare(self, forms: Sequence[str]) -> None:
        for oid in forms:
            found = self.desk.program.stored(self.subject, EVENT, oid)
            document = found.document if found else Document()
            stored = {place.item: answer for place, answer in document.places()}
            for (form, item), typed in self.entry.typed.items():
                if form == oid and not _same(stored.get(item), str(typed)):
                    self.entry.wrong.append(f"{oid}.{item}: typed {typed}, stored {stored.get(item)}")


def _same(stored: Answer | None, typed: str) -> bool:
    if stored is None:
        return False
    try:
        return Decimal(stored.text) == Decimal(typed)
    except ArithmeticError:
        return stored.text == typed or stored.text.startswith(f"{typed}T") or typed in stored.text.split()


def _middle(item: ItemDef) -> str:
    bounds = item.soft if item.soft.low and item.soft.high else item.hard
    return str((int(Decimal(bounds.low or "0")) + int(Decimal(bounds.high or "10"))) // 2)


def enter(desk: Desk, screen: str, forms: Sequence[str] = FORMS, pictures: Path | None = None) -> Entry:
    """The whole visit. In the middle of the second form the session ends, in the middle of the third (or last) the server dies."""
    subject = desk.program.recipient(consented=130, infused=91)
    study = desk.program.world.published.study
    context = desk.chromium.new_context(viewport=SCREENS[screen], has_touch=screen == "tablet", locale="fr-FR")
    desk.contexts.append(context)
    nurse = Nurse.at(context, desk.program.url)
    nurse.pace = 0.0
    at = AtVisit(desk, nurse, subject, pictures)
    began = time.monotonic()
    at.finds_the_visit()
    for number, oid in enumerate(forms):
        name = f"{number + 1}-{oid}"
        assert f"/{oid}/" in at.page.url, at.page.url
        at.done = set()
        at.look(f"{name}-empty")
        form = study.form[oid]
        at.fills(form, until=2 if number in (1, 2) else None)
        if number == 1:
            _end_session(at)
        if number == 2 or (number == 1 and len(forms) == 2):
            _restart(at)
        at.fills(form)
        at.look(f"{name}-filled")
        at.saves(name)
    at.entry.seconds = time.monotonic() - began
    at.compare(forms)
    return at.entry


def _end_session(at: AtVisit) -> None:
    """It reached its absolute limit; the next key meets that."""
    at.desk.program.do(
        "UPDATE session SET created_at = :then WHERE id = (SELECT max(id) FROM session)",
        then=moment_text(datetime.now(UTC) - timedelta(hours=25)),
    )
    at.fills(at.desk.program.world.published.study.form[FORMS[1]], until=1)
    dialog = at.page.locator("dialog[data-again]")
    expect(dialog).to_be_visible(timeout=30_000)
    at.look("session-ended")
    at.page.keyboard.type(PASSWORD)
    at.page.keyboard.press("Enter")
    expect(dialog).to_be_hidden(timeout=30_000)
    at.nurse.is_kept()


def _restart(at: AtVisit) -> None:
    form = at.desk.program.world.published.study.form[at.page.url.split("/")[-2]]
    at.desk.program.kill()
    at.fills(form, until=1)
    at.nurse.is_told("lost")
    at.look("server-dead")
    at.desk.program.start()
    at.nurse.is_kept()


def whole(desk: Desk, pictures: Path | None = None) -> list[str]:
    """On both screens; returns what was wrong."""
    wrong = []
    for screen in SCREENS:
        folder = pictures / screen if pictures else None
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        try:
            entry = enter(desk, screen, pictures=folder)
        finally:
            desk.leave()
        print(entry.line(screen), flush=True)
        wrong += [f"{screen}: {one}" for one in (*entry.wrong, *(f"{name}: its focus is not to be seen" for name in entry.hidden))]
    return wrong


def main(arguments: Sequence[str]) -> int:
    with desk_of_its_own(cut=0, kills=0) as desk:
        wrong = whole(desk, Path(arguments[0]) if arguments else None)
    print("\n".join(wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
