"""Seats at which people work as they do: a nurse opens a form, saves it and looks at her day; who reads reports takes one along."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.bench.browser import Answer, Browser
from tests.bench.bursts import taken
from tests.bench.form import body
from tests.bench.reported import Document
from tests.bench.trial import STUDY

PAGE, SAVE, DAY, DOWNLOAD = "page", "save", "day", "download"
VISITS_A_TURN = 3
"""Of three requests each: with one download to a turn, one request of ten is a download."""


@dataclass(slots=True)
class Seat:
    """One after the other, two persons with sessions of their own share it. Nobody else saves the forms of `work` (number, address).

    `seconds` is what each kind of request took, `told` how often each form was saved as the server said, `wrong` what failed.
    """

    nurse: Browser
    reader: Browser
    work: Sequence[tuple[int, str]]
    document: Document
    told: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in (PAGE, SAVE, DAY, DOWNLOAD)})
    wrong: list[str] = field(default_factory=list)
    saves: int = 0
    requests: int = 0

    def turn(self, downloading: bool) -> None:
        for _ in range(VISITS_A_TURN):
            number, address = self.work[self.saves % len(self.work)]
            version = self.told[address]
            self._ask(PAGE, self.nurse, address, _shown)
            if self._ask(SAVE, self.nurse, address, taken, body(number, self.nurse.token, version, version or None)):
                self.told[address] += 1
            self.saves += 1
            self._ask(DAY, self.nurse, f"/studies/{STUDY}/today", _shown)
        if downloading:
            self._ask(DOWNLOAD, self.reader, self.document.address, lambda said: _shown(said) and said.body == self.document.content)

    def _ask(self, kind: str, browser: Browser, address: str, right: Callable[[Answer], bool], posted: bytes | None = None) -> bool:
        """Whether the answer is what it must be. One that does not come is wrong too, and nobody stops working for it."""
        began = time.perf_counter()
        try:
            said = browser.get(address) if posted is None else browser.post(address, posted)
            wrong = "" if right(said) else f"{said.status} {said.head[:300]!r}"
        except (OSError, RuntimeError) as error:
            wrong = repr(error)
        self.seconds[kind].append(time.perf_counter() - began)
        self.requests += 1
        if wrong:
            self.wrong.append(f"{kind}: {wrong}")
        return not wrong


def _shown(answer: Answer) -> bool:
    return answer.status == 200


def take(seats: Sequence[Seat], turns: int, downloading: bool) -> dict[str, list[float]]:
    """So many turns at every seat at once. Returns the seconds of these requests by their kind."""
    before = [{kind: len(each) for kind, each in seat.seconds.items()} for seat in seats]

    def work(seat: Seat) -> None:
        for _ in range(turns):
            seat.turn(downloading)

    for one in _begun(seats, work):
        one.join()
    return {
        kind: [second for seat, old in zip(seats, before, strict=True) for second in seat.seconds[kind][old[kind] :]]
        for kind in (PAGE, SAVE, DAY, DOWNLOAD)
    }


def keep(seats: Sequence[Seat], stop: threading.Event) -> list[threading.Thread]:
    """Work with downloads at every seat until `stop` is set."""

    def work(seat: Seat) -> None:
        while not stop.is_set():
            seat.turn(downloading=True)

    return _begun(seats, work)


def _begun(seats: Sequence[Seat], work: Callable[[Seat], None]) -> list[threading.Thread]:
    begun = [threading.Thread(target=work, args=(seat,)) for seat in seats]
    for one in begun:
        one.start()
    return begun
