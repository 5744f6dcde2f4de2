"""What may happen at a nurse's desk in the middle of a form, with the count of characters lost: python -m tests.faults.desk [FAULT...]."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, StorageState, ViewportSize, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.program import Program, family_of, form_address
from tests.faults.nurse import HALF, HEADS, NOTE, REMARK, Nurse, Tally, hire
from tests.faults.relay import Relay
from trialcrf.store import replay
from trialcrf.store.models.base import moment_text
from trialcrf.store.subjects import Subject

SCREEN = ViewportSize(width=1366, height=768)


@dataclass
class Desk:
    """The program, a browser for all but those that are killed, and who is signed in there."""

    program: Program
    chromium: Browser
    cut: float = 6.0
    """Seconds that the network is away."""
    kills: int = 1
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    signed_in: dict[str, StorageState] = field(default_factory=dict)
    contexts: list[BrowserContext] = field(default_factory=list)

    def nurse(self, name: str = "flore", url: str = "", own: bool = False) -> Nurse:
        """Signed in, in a browser without a past; `own` is a session of hers that she has for herself."""
        state = None if own else self.signed_in.get(name)
        context = self.chromium.new_context(viewport=SCREEN, locale="fr-FR", storage_state=state)
        self.contexts.append(context)
        made = Nurse.at(context, url or self.program.url, name, signs_in=state is None)
        if not own:
            self.signed_in[name] = context.storage_state()
        return made

    def subject(self) -> tuple[Subject, str]:
        made = self.program.recipient()
        return made, form_address(made.key, "SCR", "VITALS")

    def leave(self) -> None:
        while self.contexts:
            self.contexts.pop().close()


class Chrome:
    """A Chromium of its own, which can be killed: nothing of it is asked first, and no page gets to say goodbye."""

    def __init__(self, chromium: Browser) -> None:
        self._folder = tempfile.mkdtemp(prefix="chrome-")
        line = [str(CHROMIUM), *FLAGS, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={self._folder}", "about:blank"]
        self._process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        told, end = Path(self._folder) / "DevToolsActivePort", time.monotonic() + 60
        while not (told.exists() and told.read_text()):
            assert self._process.poll() is None and time.monotonic() < end, "Chromium did not start"
            time.sleep(0.05)
        self.browser = chromium.browser_type.connect_over_cdp(f"http://127.0.0.1:{told.read_text().splitlines()[0]}")

    def kill(self) -> float:
        """Answers when."""
        family = family_of(self._process.pid)
        at = time.monotonic()
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        return at


def browser_killed(desk: Desk, drafts: bool = True) -> Tally:
    """She types and does not stop; at some moment between two keys, or in one, the browser is no more."""
    subject, address = desk.subject()
    chrome = Chrome(desk.chromium)
    try:
        context = chrome.browser.new_context(viewport=SCREEN, locale="fr-FR", storage_state=desk.signed_in.get("flore"))
        if not drafts:
            context.route("**/js/draft.js", lambda route: route.fulfill(content_type="text/javascript", body=""))
        nurse = Nurse.at(context, desk.program.url, signs_in="flore" not in desk.signed_in)
        nurse.open(address)
        nurse.begin(HALF + desk.chance.randrange(20))
        time.sleep(desk.chance.uniform(0, nurse.pace))
    finally:
        at = chrome.kill()
    other = nurse.goes_on_at(desk.nurse())
    other.open(address)
    other.take_up()
    gone = other.look_through()
    oldest = at - nurse.keys[-gone].at if gone and drafts else 0.0
    other.box(REMARK).focus()
    other.page.keyboard.press("End")
    other.rest()
    other.save()
    told = f"typed in the last {oldest * 1000:.0f} ms before" if gone and drafts else ""
    return other.tally("browser killed" if drafts else "the same, nothing kept (planted)", desk.program, subject, told, oldest)


def nothing_kept(desk: Desk) -> Tally:
    """The same with a program that keeps no drafts: what counts losses must find some."""
    return browser_killed(desk, drafts=False)


def server_restarted(desk: Desk) -> Tally:
    """Killed between two letters; she types on, and it starts again."""
    subject, address = desk.subject()
    nurse = desk.nurse()
    nurse.open(address)
    nurse.begin()
    desk.program.kill()
    nurse.rest(12)
    desk.program.start()
    nurse.rest()
    nurse.is_kept()
    nurse.look_through()
    nurse.save()
    return nurse.tally("server restarted", desk.program, subject)


def network_cut(desk: Desk) -> Tally:
    """Nothing gets through and nobody is told; she types on and presses save; then it is back."""
    subject, address = desk.subject()
    relay = Relay(desk.program.port)
    try:
        nurse = desk.nurse(url=f"http://localhost:{relay.port}")
        nurse.open(address)
        nurse.begin()
        relay.cut()
        gone = time.monotonic()
        nurse.rest()
        nurse.is_told("lost")
        nurse.page.keyboard.press("Control+s")
        expect(nurse.page.locator("[data-draft-said]")).to_be_focused(timeout=30_000)
        time.sleep(max(0.0, desk.cut - (time.monotonic() - gone)))
        assert nurse.page.url.endswith(address), "a save without a network leaves no page"
        away = time.monotonic() - gone
        relay.mend()
        nurse.is_kept()
        nurse.look_through()
        nurse.save()
        return nurse.tally("network cut", desk.program, subject, f"for {away:.0f} s")
    finally:
        relay.close()


def save_cut(desk: Desk) -> Tally:
    """The network goes as she presses save: the page is on its way, and comes there once."""
    subject, address = desk.subject()
    relay = Relay(desk.program.port)
    try:
        nurse = desk.nurse(url=f"http://localhost:{relay.port}")
        nurse.open(address)
        nurse.begin()
        nurse.rest()
        nurse.is_kept()
        relay.cut()
        nurse.page.keyboard.press("Control+s")
        nurse.page.keyboard.type("zzz")
        nurse.page.keyboard.press("Control+s")
        time.sleep(1)
        relay.mend()
        nurse.page.wait_for_url("**done=**")
        found = desk.program.stored(subject, "SCR", "VITALS")
        assert found
        assert found.version == 1
        return nurse.tally("network cut in the middle of a save", desk.program, subject)
    finally:
        relay.close()


def two_tabs(desk: Desk) -> Tally:
    """Half of the answers in one tab, half in another; the second save meets the first."""
    subject, address = desk.subject()
    first = desk.nurse()
    first.open(address)
    second = Nurse.at(first.page.context, first.url, signs_in=False)
    second.open(address)
    first.fill("i.WT", "72,5")
    second.choose("i.SATURATION.missing", "ND")
    second.fill(REMARK, NOTE)
    first.fill("i.HT", "171,5")
    first.save()
    second.save()
    assert second.page.locator("#stale").count() == 1, "the second tab is told that something was saved meanwhile"
    second.look_through()
    second.save()
    second.wrote |= first.wrote
    second.twice += first.twice
    return second.tally("two tabs of one form", desk.program, subject)


def two_users(desk: Desk) -> Tally:
    """Both type the weight; what the one saved first is in the trail, what the other typed is what stands."""
    subject, address = desk.subject()
    one, other = desk.nurse(), desk.nurse("fanny")
    one.open(address)
    other.open(address)
    one.begin()
    other.fill("i.TEMPERATURE", "36,9")
    other.fill("i.WT", "74")
    other.save()
    one.rest()
    one.save()
    assert one.page.locator("#stale").count() == 1
    one.look_through()
    one.save()
    one.page.locator('select[name="why.WT"]').select_option("SOURCE")
    one.save()
    mine = one.tally("two users on one form", desk.program, subject)
    found = desk.program.stored(subject, "SCR", "VITALS")
    assert found
    with desk.program.world.read() as tx:
        before = replay.form_at_version(tx, found.id, 1)
    texts = [before.items["WT"].text, found.document.items["TEMPERATURE"].text]
    theirs = sum(len(text) for text, typed in zip(texts, ("74", "36.9"), strict=True) if text == typed)
    typed = mine.typed + len("74") + len("36,9")
    return Tally(mine.fault, typed, mine.stored + theirs, mine.twice, typed - mine.stored - theirs + mine.twice)


def back_button(desk: Desk) -> Tally:
    """Back in the middle of a word, and forward again."""
    subject, address = desk.subject()
    nurse = desk.nurse()
    nurse.open("/account")
    nurse.open(address)
    nurse.begin()
    nurse.page.go_back()
    nurse.page.go_forward()
    if nurse.box(REMARK).input_value() != nurse.wrote[REMARK]:
        nurse.take_up()
    return _goes_on(desk, nurse, subject, "back button")


def language_switched(desk: Desk) -> Tally:
    """The other language in the middle of a word, with the keyboard, and back."""
    subject, address = desk.subject()
    nurse = desk.nurse()
    nurse.open(address)
    nurse.begin()
    for language in ("en", "fr"):
        nurse.page.locator(f'.tongue[lang="{language}"]').focus()
        with nurse.page.expect_navigation():
            nurse.page.keyboard.press("Enter")
    nurse.take_up()
    return _goes_on(desk, nurse, subject, "language switched")


def double_click(desk: Desk) -> Tally:
    """The button is pressed twice as soon as the last letter is typed."""
    subject, address = desk.subject()
    nurse = desk.nurse()
    nurse.open(address)
    nurse.begin()
    nurse.rest()
    with nurse.page.expect_navigation():
        nurse.page.locator("[data-save]").dblclick(delay=30, no_wait_after=True)
    found = desk.program.stored(subject, "SCR", "VITALS")
    assert found
    assert found.version == 1, "saved once"
    return nurse.tally("double click", desk.program, subject)


def session_expired(desk: Desk) -> Tally:
    """In the middle of a word; she types on, is asked to sign in over the page when her hands rest, and goes on where she was."""
    subject, address = desk.subject()
    nurse = desk.nurse(own=True)
    nurse.open(address)
    nurse.begin()
    desk.program.do("UPDATE session SET ended_at = :now WHERE id = (SELECT max(id) FROM session)", now=moment_text(datetime.now(UTC)))
    nurse.rest(20)
    nurse.signs_in_again()
    nurse.rest()
    nurse.is_kept()
    nurse.look_through()
    nurse.save()
    return nurse.tally("session expired", desk.program, subject)


def _goes_on(desk: Desk, nurse: Nurse, subject: Subject, fault: str) -> Tally:
    nurse.look_through()
    nurse.box(REMARK).focus()
    nurse.page.keyboard.press("End")
    nurse.rest()
    nurse.save()
    return nurse.tally(fault, desk.program, subject)


FAULTS: dict[str, Callable[[Desk], Tally]] = {
    one.__name__: one
    for one in (
        browser_killed, nothing_kept, server_restarted, network_cut, save_cut, two_tabs, two_users, back_button, double_click,
        session_expired, language_switched,
    )
}  # fmt: skip
PLANTED = nothing_kept.__name__


def try_fault(desk: Desk, name: str) -> Iterator[Tally]:
    """As often as it is worth: a kill falls where it falls, the others are the same each time."""
    for _ in range(desk.kills if name == browser_killed.__name__ else 1):
        try:
            yield FAULTS[name](desk)
        finally:
            desk.leave()


@contextmanager
def desk_of_its_own(cut: float, kills: int) -> Iterator[Desk]:
    folder = Path(tempfile.mkdtemp(prefix="desk-"))
    program = Program(folder)
    program.start()
    try:
        hire(program)
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            chance = random.Random(os.environ.get("TRIALCRF_FAULTS_SEED", "1"))
            yield Desk(program, chromium, cut, kills, chance)
            chromium.close()
    finally:
        program.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main(names: Sequence[str]) -> int:
    """Prints the table; 1 where a character was lost that was not just on its way, or where the planted fault lost none."""
    wrong = False
    with desk_of_its_own(cut=300, kills=20) as desk:
        print(HEADS, flush=True)
        for name in names or FAULTS:
            for tally in try_fault(desk, name):
                print(tally.line(), flush=True)
                wrong |= tally.lost == 0 if name == PLANTED else not tally.held
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
