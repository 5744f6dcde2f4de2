"""Any sequence of requests by anybody: the data equal the replay of their trail, and no answer told of what is not the reader's."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.actions.world import PASSWORD, TRAINED, open_world
from tests.conftest import Databases, Filling
from tests.web.site import Browser, House, application
from tests.web.test_entry_pages import CONSENT
from tests.web.walked import GUARDED, SITES, STUDY, Person, Things, cast, leaks, mark, things, walked_filling
from trialcrf.core.access import Grant
from trialcrf.store import accounts, audit, replay

EXAMPLES, STEPS = int(os.environ.get("TRIALCRF_SEQUENCES", "2")), 40
"""How many sequences are tried (`TRIALCRF_SEQUENCES=200` for a long search), and how many requests each has."""

AT = f"/studies/{STUDY}"
WHO = {person.name: person for person in cast()}
ACTORS = [
    "coordinator01", "coordinator02", "investigator01", "investigator02", "donor_physician01", "monitor", "data_manager", "sponsor",
    "inspector", "cell_lab01", "mixed",
]  # fmt: skip
_SEEN = re.compile(r'name="seen"[^>]*value="([^"]*)"')
_SESSIONS: dict[str, tuple[str, str]] = {}
"""The cookie and the token of everybody's session."""


@cache
def signed_in() -> Filling:
    """The world to walk, in which everybody signed in once: every sequence begins in a clone of it."""

    def fill(url: str) -> None:
        walked_filling()(url)
        with TemporaryDirectory() as data:
            house = House(open_world(url), application(url, Path(data)))
            for name in ACTORS:
                browser = house.client(name)
                cookie = browser.client.get_cookie("trialcrf")
                assert cookie
                _SESSIONS[name] = (cookie.value, browser.token)
            house.close()

    return fill


@dataclass
class Round:
    """One sequence under way: who holds what by now, and everything that was told to somebody whom it is not for."""

    house: House
    things: Mapping[str, Things]
    grants: dict[str, tuple[Grant, ...]]
    told: list[tuple[object, ...]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def get(self, name: str, url: str) -> str:
        return self._heard(name, url, self._browser(name).get(AT + url))

    def post(self, name: str, url: str, data: Mapping[str, Any], seen_at: str = "") -> None:
        """Send a form of ours; `seen_at` is the page whose sign of what was seen goes along."""
        sent = dict(data)
        found = _SEEN.search(self.get(name, seen_at)) if seen_at else None
        if found:
            sent["seen"] = unescape(found[1])
        self._heard(name, f"{url} {' '.join(map(str, sent.values()))}", self._browser(name).post(AT + url, sent))

    def _browser(self, name: str) -> Browser:
        client = self.house.app.test_client()
        cookie, token = _SESSIONS[name]
        client.set_cookie("trialcrf", cookie)
        return Browser(client, token)

    def _heard(self, name: str, url: str, answer: Any) -> str:
        self.statuses.append(answer.status_code)
        person = Person(name, self.grants[name])
        words = {word for word in leaks(person, answer.data, answer.mimetype) if word not in url}
        if words or answer.status_code >= 500:
            self.told.append((name, url, answer.status_code, words))
        found: str = "" if answer.mimetype == "application/zip" else answer.text
        answer.close()
        return found


def _form(at: Things, access: str) -> str:
    letter, event, form = GUARDED[access]
    return f"/subjects/{at.subject(letter)}/{event}/1/{form}/1"


def enrol(run: Round, name: str, at: Things, _access: str, number: int) -> None:
    run.post(name, f"/enrol/recipient/{at.site}", {**CONSENT, "once": f"x{number}"})


def save(run: Round, name: str, at: Things, _access: str, number: int) -> None:
    url = f"/subjects/{at.subject('R')}/SCR/1/VITALS/1"
    version = re.search(r'name="version"[^>]*value="(\d+)"', run.get(name, url))
    reason = run.house.world.published.study.reasons.items[0].code
    sent = {"p": ["WT", "HT"], "i.WT": str(50 + number % 40), "i.HT": "172", "version": version[1] if version else "0", "why": reason}
    run.post(name, url, sent)


def ask(run: Round, name: str, at: Things, access: str, _number: int) -> None:
    url = f"{_form(at, access)}/thread"
    run.post(name, f"{url}/query", {"about": "", "text": mark(f"ask_{access}", at.site)}, url)


def say(run: Round, name: str, at: Things, access: str, _number: int) -> None:
    run.post(name, f"{_form(at, access)}/thread/comment", {"about": "", "text": mark(f"say_{access}", at.site)})


def answer(run: Round, name: str, at: Things, access: str, _number: int) -> None:
    code, url = run.house.world.published.study.confirmations.items[0].code, f"/queries/{at.queries[access]}"
    run.post(name, f"{url}/answer", {"code": code, "text": mark(f"ask_{access}", at.site)}, url)


def judge(run: Round, name: str, at: Things, access: str, number: int) -> None:
    url, verdict = f"/queries/{at.queries[access]}", ("accept", "reject", "cancel", "reopen")[number % 4]
    run.post(name, f"{url}/review", {"verdict": verdict, "text": mark(f"ask_{access}", at.site)}, url)


def close(run: Round, name: str, at: Things, access: str, number: int) -> None:
    act = ("freeze", "thaw", "lock", "unlock")[number % 4]
    run.post(name, f"/locks/on/form/{at.forms[access]}/{act}", {"reason": mark(f"lock_{access}", at.site)})


def decide(run: Round, name: str, at: Things, _access: str, number: int) -> None:
    kind, act = ("removal", "unlock")[number % 2], ("grant", "refuse", "withdraw")[number % 3]
    run.post(name, f"/requests/{at.requests[kind]}/{act}", {"reason": mark(kind, at.site), "password": PASSWORD})


def sign(run: Round, name: str, at: Things, access: str, _number: int) -> None:
    url = f"{_form(at, access)}/sign"
    run.post(name, url, {"password": PASSWORD}, url)


def verify(run: Round, name: str, at: Things, _access: str, _number: int) -> None:
    url = f"/subjects/{at.subject('R')}/SCR/1/verification"
    run.post(name, url, {}, url)


def miss(run: Round, name: str, at: Things, _access: str, _number: int) -> None:
    page = run.get(name, url := f"/subjects/{at.subject('R')}/visits/BAS/missed")
    codes = re.findall(r'<option value="([^"]+)"', page)
    run.post(name, url, {"code": codes[0] if codes else "", "words": mark("form", at.site)})


def error(run: Round, name: str, at: Things, access: str, _number: int) -> None:
    run.post(name, f"{_form(at, access)}/error", {"reason": mark(f"lock_{access}", at.site)})


def migrate(run: Round, name: str, _at: Things, _access: str, _number: int) -> None:
    run.post(name, "/versions/1/migrate", {"reason": "All of it", "password": PASSWORD})


def export(run: Round, name: str, _at: Things, _access: str, number: int) -> None:
    run.post(name, ("/data/download.zip", "/trail/view.csv", "/trail/export.zip")[number % 3], {})


def order(run: Round, name: str, at: Things, _access: str, _number: int) -> None:
    run.post(name, "/casebooks", {"subject": at.subject("R"), "language": "en"})


def look(run: Round, name: str, at: Things, access: str, number: int) -> None:
    pages = (
        f"{_form(at, access)}/history", _form(at, access), f"/subjects/{at.subject('R')}", f"/subjects/{at.subject('D')}", "/trail",
        f"/cells/{at.subject('B')}", "/queries?state=all", "/subjects?kind=donor", "/requests", "/locks", "/today", "/casebooks",
        f"/subjects/{at.subject('R')}/trail", "/cases", f"/cases/{at.cases}", "/signing", "/inventory", "/calendar", "/reports",
    )  # fmt: skip
    run.get(name, pages[number % len(pages)])


def turn(run: Round, name: str, at: Things, access: str, number: int) -> None:
    """A role is taken away from somebody, or given back; what they may read from then on goes by what they hold."""
    with run.house.world.write("trialcrf") as tx:
        account = run.house.id_of(tx, name)
        held = accounts.grants_of(tx, account)
        if held:
            accounts.take(tx, held[number % len(held)].id, "Left")
        else:
            for one in WHO[name].grants:
                accounts.give(tx, account, one, TRAINED)
        run.grants[name] = tuple(one.grant for one in accounts.grants_of(tx, account))


Act = Callable[[Round, str, Things, str, int], None]
ACTS: tuple[Act, ...] = (
    enrol, save, save, ask, say, answer, judge, close, decide, sign, verify, miss, error, migrate, export, order, look, look, look, turn,
)  # fmt: skip

step = st.tuples(
    st.sampled_from(ACTS), st.sampled_from(ACTORS), st.sampled_from(SITES), st.sampled_from(sorted(GUARDED)), st.integers(0, 59)
)


def play(databases: Databases, steps: list[tuple[Act, str, str, str, int]]) -> Round:
    url = databases.fresh("sqlite", signed_in())
    with TemporaryDirectory() as data:
        house = House(open_world(url), application(url, Path(data)))
        try:
            run = Round(house, things(house.world), {name: WHO[name].grants for name in ACTORS})
            for act, name, site, access, number in steps:
                act(run, name, run.things[site], access, number)
            with house.world.read() as tx:
                assert list(replay.differences(tx)) == []
                assert audit.broken(tx.connection) is None
            assert not run.told, "\n".join(map(str, run.told))
            return run
        finally:
            house.close()
            databases.drop(url)


@settings(max_examples=EXAMPLES, phases=[Phase.explicit, Phase.generate])
@given(st.lists(step, min_size=STEPS, max_size=STEPS))
def test_any_sequence_of_requests_leaves_what_the_trail_tells_and_tells_nobody_what_is_not_theirs(databases: Databases, steps) -> None:
    play(databases, steps)


@pytest.mark.parametrize("site", SITES)
def test_each_of_these_requests_does_something_in_the_right_hands(databases: Databases, site: str) -> None:
    """Otherwise a sequence of refusals would prove the property above."""
    nurse = f"coordinator{site}"
    run = play(
        databases,
        [
            (enrol, nurse, site, "form", 1), (save, nurse, site, "form", 1), (save, nurse, site, "form", 2),
            (answer, nurse, site, "link", 0), (say, nurse, site, "link", 0), (miss, nurse, site, "form", 0),
            (order, nurse, site, "form", 0),
            (ask, "data_manager", site, "donor", 0), (judge, "data_manager", site, "link", 0), (close, "data_manager", site, "form", 1),
            (decide, "data_manager", site, "form", 3), (export, "data_manager", site, "form", 0),
            (sign, f"investigator{site}", site, "form", 0), (verify, "monitor", site, "form", 0),
        ],
    )  # fmt: skip
    assert not [status for status in run.statuses if status in (403, 404)]
