"""A nurse at the keyboard: the whole 3-month visit of a patient, typed in French in a real browser; every key that is pressed is counted.

She has the answers before her, as a synthetic patient of the same study gave them, and never touches the mouse. She prefers Enter for the
next field, as anybody may (the page of her keys). A chord counts as many keys as it has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, sync_playwright

from config import STUDIES
from tests.bench.busiest import NURSE, STUDY
from tests.bench.figures import Figure, at_most, exactly, plain
from tests.bench.pages import people
from tests.bench.places import place
from tests.bench.registry import PASSWORD, fill
from tests.bench.server import serving
from tests.browser.conftest import CHROMIUM, FLAGS
from trialcrf.actions import administer
from trialcrf.actions.simulate import script_of
from trialcrf.core.boxes import raw_of
from trialcrf.core.definition.load import load
from trialcrf.core.definition.model import Study
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.core.simulation.story import Seat, Telling, tell
from trialcrf.core.values import Raw
from trialcrf.external import clock
from trialcrf.external.files import read_study
from trialcrf.store import accounts, forms, queries, subjects
from trialcrf.store.audit import Who
from trialcrf.store.transaction import open_engine, reading, writing

VISIT = "M3"
SUBJECT, ALIKE = "R-01-005", 0
"""Whose 3-month visit is open and blank in the simulated trial; and the case whose answers are typed, with the days of this visit."""

PER_CHARACTER, PER_ITEM = 1.3, 1.0
"""The aim: so many keys for each character of an answer, and so many for each item. A choice is one character."""

ZONE = ZoneInfo("Europe/Paris")
PATIENCE = 8_000
"""Milliseconds in which a question appears that depends on the answer before."""

Answers = Mapping[str, Raw]
"""What is typed into a form, by the name of each item on its page: `ITEM`, or `GROUP.new1.ITEM`."""


@dataclass
class Tally:
    """What the nurse did: keys pressed, characters of answers, items answered, forms saved, and how long all of it took."""

    keys: int = 0
    characters: int = 0
    items: int = 0
    forms: int = 0
    seconds: float = 0.0
    planned: dict[str, dict[Place, Answer]] = field(default_factory=dict)


def measure(folder: Path, tell_: Callable[[str], None]) -> list[Figure]:
    with place("sqlite", folder) as here:
        url, now = here.migrated(), clock.now()
        tell_("nurse: simulating")
        fill(url, 20, 1, now)
        people(url, now)
        _prefers_enter(url, now)
        (folder / "web").mkdir()
        with serving(url, folder / "web") as port:
            tell_("nurse: entering the visit")
            tally = entered(f"http://localhost:{port}", now)
        lost, raised = _held_against(url, tally)
    aim = PER_CHARACTER * tally.characters + PER_ITEM * tally.items
    return [
        plain("nurse: forms of the 3-month visit", tally.forms, "forms"),
        plain("nurse: items answered", tally.items, "items"),
        plain("nurse: characters of answers", tally.characters, "characters"),
        plain("nurse: keys pressed", tally.keys, "keys"),
        at_most(f"nurse: keys, of {PER_CHARACTER:g} a character and {PER_ITEM:g} an item", tally.keys / aim, "times", 1),
        plain("nurse: seconds of the machine", tally.seconds, "s"),
        plain("nurse: an item, of the machine's time", 1000 * tally.seconds / tally.items, "ms"),
        exactly("nurse: answers that are not stored as typed", lost, "answers", 0),
        plain("nurse: queries raised by her values", raised, "queries"),
    ]


def _prefers_enter(url: str, now: datetime) -> None:
    engine = open_engine(url)
    with writing(engine, now, Who.system("bench")) as tx:
        account = accounts.find(tx, NURSE)
        assert account
        administer.set_preferences(tx, account.id, shortcuts=("single", "next"))
    engine.dispose()


def planned(study: Study, now: datetime) -> dict[str, dict[Place, Answer]]:
    """The answers of each form that the visit demands: those of another patient, moved to the days of this visit."""
    seats = {kind: Seat(kind, f"{kind[0].upper()}-01-001", "01") for kind in ("recipient", "donor")}
    today = now.astimezone(ZONE).date()
    told = tell(Telling(study, script_of(study), 1), ALIKE, seats, today, ZONE)
    recipient = next(one for one in told if one.seat.subject_type == "recipient")
    theirs = {one.key.form_oid: one.answers for one in recipient.entered if one.key.event_oid == VISIT}
    held = next(answer.text for place, answer in theirs["FVISIT"].items() if place.item == "VIS_DATE")
    later = today - timedelta(days=1) - datetime.fromisoformat(held[:10]).date()
    wanted = [ref.form_oid for ref in study.event[VISIT].forms if ref.mandatory]
    return {oid: {place: _moved(answer, later) for place, answer in theirs[oid].items()} for oid in wanted}


def _moved(answer: Answer, later: timedelta) -> Answer:
    """The same answer so many days later, where it is a day."""
    try:
        day = datetime.fromisoformat(answer.text[:10]) if len(answer.text) >= 10 and not answer.missing else None
    except ValueError:
        return answer
    if day is None:
        return answer
    text = f"{(day + later).date().isoformat()}{answer.text[10:]}"
    if "T" in text:  # The clock on the wall stays, whatever its offset is on that day.
        local = datetime.fromisoformat(text).replace(tzinfo=ZONE)
        text = local.isoformat(timespec="minutes")
    return Answer(text, answer.missing, answer.note)


def entered(address: str, now: datetime) -> Tally:
    """Type the visit, form after form."""
    study = load(read_study(STUDIES / STUDY))
    tally = Tally(planned=planned(study, now))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(locale="fr-FR", viewport={"width": 1366, "height": 768})
        page.set_default_timeout(30_000)
        page.goto(f"{address}/sign-in")
        page.fill("#username", NURSE)
        page.fill("#password", PASSWORD)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        page.goto(f"{address}/studies/{STUDY}/subjects/{SUBJECT}/{VISIT}/1/{next(iter(tally.planned))}/1")
        began = time.perf_counter()
        for oid, answers in tally.planned.items():
            if f"/{oid}/" not in page.url:
                raise RuntimeError(f"the keys led to {page.url} and not to {oid}")
            form = study.form[oid]
            typed = {_name(place): raw_of(form.items[place.item][1], answer, "fr", ZONE) for place, answer in answers.items()}
            _Typist(page, tally).fill(typed)
            tally.forms += 1
            if tally.forms < len(tally.planned):
                _Typist(page, tally).lead("Alt+n")
        tally.seconds = time.perf_counter() - began
        browser.close()
    return tally


def _name(place: Place) -> str:
    return f"{place.group}.new{place.row.removeprefix('new')}.{place.item}" if place.row else place.item


class _Typist:
    """Hands on the keyboard, at one form."""

    def __init__(self, page: Page, tally: Tally) -> None:
        self.page, self.tally = page, tally

    def press(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            self.page.keyboard.press(key)
            self.tally.keys += len(key.split("+"))

    def lead(self, key: str) -> None:
        """Press what leads to another page."""
        with self.page.expect_navigation():
            self.press(key)

    def fill(self, answers: Answers) -> None:
        """Answer every question in the order of the page, then save."""
        waiting = dict(answers)
        self.press("Alt+j")
        while waiting:
            key = self._next(waiting)
            self._go_to(key)
            self._answer(key, waiting.pop(key))
            self.tally.items += 1
        self.lead("Control+s")
        if "done=" not in self.page.url:
            raise RuntimeError(f"not saved: {self.page.locator('#summary').inner_text()}")

    def _next(self, waiting: Answers) -> str:
        """The next question on the page that waits. One that depends on the last answer is waited for; a row is asked for."""
        for _ in range(2):
            asked: list[str] = self.page.eval_on_selector_all(
                ".item[data-item]", "all => all.filter(one => one.offsetParent).map(one => one.dataset.item)"
            )
            found = [key for key in asked if key in waiting]
            if found:
                return found[0]
            first = next(iter(waiting))
            group, _, rest = first.partition(".")
            if rest and not self.page.locator(f'[data-item^="{group}.{rest.partition(".")[0]}."]').count():
                self._add_row(group)
                continue
            self.page.wait_for_selector(f'.item[data-item="{first}"]', timeout=PATIENCE)
        raise RuntimeError(f"never asked: {', '.join(waiting)}")

    def _add_row(self, group: str) -> None:
        for _ in range(20):
            if self.page.evaluate("[document.activeElement.name, document.activeElement.value]") == ["add", group]:
                self.lead("Enter")
                self.press("Alt+j")
                return
            self.press("Tab")
        raise RuntimeError(f"no key leads to a new row of {group}")

    def _at(self) -> str:
        said: str = self.page.evaluate("document.activeElement.closest('.item[data-item]')?.dataset.item ?? ''")
        return said

    def _go_to(self, key: str) -> None:
        """Enter leads from box to box; from where it does not (a long text takes it as a new line), Alt+J to what is empty."""
        for _ in range(60):
            at = self._at()
            if at == key:
                return
            self.press("Enter" if at and self.page.evaluate("document.activeElement.type") != "textarea" else "Alt+j")
        raise RuntimeError(f"no key leads to {key}")

    def _answer(self, key: str, raw: Raw) -> None:
        if raw.parts.get("missing"):
            self.press("Alt+m")
            self._pick(raw.parts["missing"])
            if raw.parts.get("note"):
                self.press("Tab")
                self._type(raw.parts["note"])
            return
        if raw.choices:
            self._tick(key, raw.choices)
            return
        kind: str = self.page.evaluate("document.activeElement.type")
        if kind == "radio":
            self._choose(raw.parts[""])
        elif kind == "select-one":
            self._pick(raw.parts[""])
        else:
            for number, part in enumerate(one for one in ("", "d", "m", "y", "t") if one in raw.parts):
                if number:
                    self.press("Enter")
                self._type(raw.parts[part])

    def _type(self, text: str) -> None:
        self.tally.characters += len(text)
        for mark in text:
            self.page.keyboard.type(mark)
            self.tally.keys += 1

    def _choose(self, code: str) -> None:
        """A digit chooses in a score and goes on; elsewhere the space bar takes the first choice, arrows the others."""
        self.tally.characters += 1
        codes: list[str] = self.page.evaluate(
            "[...document.getElementsByName(document.activeElement.name)].filter(one => one.type === 'radio').map(one => one.value)"
        )
        if code.isdigit() and len(code) == 1 and self.page.evaluate("Boolean(document.activeElement.closest('[data-score]'))"):
            self.press(code)
            return
        at = codes.index(code)
        if at == 0:
            self.press("Space")
        elif at <= len(codes) - at:
            self.press("ArrowDown", at)
        else:
            self.press("ArrowUp", len(codes) - at)

    def _tick(self, key: str, codes: tuple[str, ...]) -> None:
        left = set(codes)
        self.tally.characters += len(left)
        for _ in range(60):
            if self.page.evaluate("document.activeElement.value") in left:
                left.discard(self.page.evaluate("document.activeElement.value"))
                self.press("Space")
            if not left:
                return
            self.press("Tab")
        raise RuntimeError(f"{key}: no key leads to {left}")

    def _pick(self, code: str) -> None:
        """In a drop-down box the letters of a label choose it."""
        self.tally.characters += 1
        label: str = self.page.evaluate("code => [...document.activeElement.options].find(one => one.value === code).label", code)
        for mark in label:
            if self.page.evaluate("document.activeElement.value") == code:
                return
            self.press("Space" if mark == " " else mark)
        if self.page.evaluate("document.activeElement.value") != code:
            raise RuntimeError(f"no letters lead to {label}")


def _held_against(url: str, tally: Tally) -> tuple[int, int]:
    """(answers that are not stored as they were typed, queries of the visit)."""
    engine = open_engine(url)
    lost = raised = 0
    with reading(engine) as tx:
        which = subjects.find(tx, STUDY, SUBJECT)
        assert which
        for oid, answers in tally.planned.items():
            stored = forms.read(tx, which.id, FormKey(VISIT, oid))
            if stored is None:
                lost += len(answers)
                continue
            raised += len(queries.of_form(tx, stored.id))
            rows = {place.row for place, _ in stored.document.places() if place.row}
            # Rows have numbers of their own once they are stored, in the order in which they were typed.
            numbered = dict(zip(sorted({place.row for place in answers if place.row}), sorted(rows), strict=False))
            lost += sum(
                stored.document.at(Place(place.item, place.group, numbered.get(place.row, place.row))) != answer
                for place, answer in answers.items()
            )
    engine.dispose()
    return lost, raised
