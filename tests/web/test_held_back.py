"""A save that something stops on its way waits on a page, and goes on from there as it was typed: no keystroke is lost."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from sqlalchemy import update

from tests.actions.world import PASSWORD
from tests.web.site import Browser, House, text
from tests.web.test_entry_pages import STUDY, VITALS, enrol, stored, weight
from tests.web.test_queries import LIST, code, doubt, seen
from tests.web.test_sign_in import App, demand
from trialcrf.core.document import Answer, Place
from trialcrf.store.models import account as account_table

ADVERSE = f"{STUDY}/subjects/R-01-001/AE/1/ADVERSE/1"
TYPED = '\r\n  two lines & <more>,\r\nand é\u202f; "quoted"\t'
FROM_OURS = {"Sec-Fetch-Site": "same-origin"}
ANEW = "quite another long sentence"


class _Waiting(HTMLParser):
    """The form of the page that waits, as a browser without script reads it: what it would send."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sent: dict[str, list[str]] = defaultdict(list)
        self._inside, self._open, self.boxes = False, "", []
        self.feed(page.partition("<main")[2].partition("</main>")[0])

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "textarea":
            self._open, self._text = given["name"], ""
        elif tag == "input" and given.get("type") in ("hidden", "password"):
            self.sent[given["name"]].append(given.get("value") or "")

    def handle_data(self, data):
        if self._open:
            self._text += data

    def handle_endtag(self, tag):
        if tag == "textarea":
            # The first newline of a textarea is not part of it; every other one is sent as two signs.
            kept = self._text.removeprefix("\r\n") if self._text.startswith("\r\n") else self._text.removeprefix("\n")
            self.sent[self._open].append(kept.replace("\r\n", "\n").replace("\n", "\r\n"))
            self._open = ""


def needs_a_factor(house: House, _cora: Browser) -> None:
    demand(house, second_factor=("coordinator",))


def sets_one_up(house: House, _cora: Browser) -> None:
    App(house, "cora")


def has_an_old_password(house: House, _cora: Browser) -> None:
    demand(house, password_days=90)
    with house.world.engine.begin() as connection:
        connection.execute(update(account_table).values(password_set_at=datetime(2020, 1, 1, tzinfo=UTC)))


def chooses_another(_house: House, cora: Browser) -> None:
    assert cora.post("/account/password", {"old": PASSWORD, "new": ANEW}).status_code == 303


def signed_in_anew_beside_it(house: House, cora: Browser) -> None:
    """The session ended, and its person signed in again in another window: what is open here still has the token from before."""
    cora.post("/sign-out")
    assert cora.client.post("/sign-in", data={"username": "cora", "password": PASSWORD}).status_code == 303


def nothing_more(_house: House, _cora: Browser) -> None:
    """Looking at it is enough."""


def form(house: House, cora: Browser):
    sent = weight("62", **{"p": ["WT", "PULSE"], "i.PULSE": "", "i.PULSE.missing": "ND", "i.PULSE.note": TYPED.strip()})
    return VITALS, sent, lambda: stored(house).document.at(Place("PULSE")) == Answer(missing="ND", note=_plain(TYPED.strip()))


def event(house: House, cora: Browser):
    sent = {"p": ["AE_WORDS"], "i.AE_WORDS": "Fever & <chills>", "version": "0"}
    return ADVERSE, sent, lambda: stored(house, "ADVERSE", "AE").document.at(Place("AE_WORDS")) == Answer("Fever & <chills>")


def correction(house: House, cora: Browser):
    assert cora.post(VITALS, weight("62")).status_code == 303
    why = house.world.published.study.reasons.items[0].code
    return VITALS, weight("63", version="1", **{"why.WT": why}), lambda: stored(house).document.at(Place("WT")) == Answer("63")


def query(house: House, cora: Browser):
    number = doubt(house)
    sent = {"code": code(house), "text": TYPED, "seen": seen(cora, number)}
    return f"{LIST}/{number}/answer", sent, lambda: "two lines & <more>" in text(cora.get(f"{LIST}/{number}"))


def _plain(typed: str) -> str:
    return typed.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("kind", "cause", "remedy"),
    [
        (form, needs_a_factor, sets_one_up),
        (event, needs_a_factor, sets_one_up),
        (query, needs_a_factor, sets_one_up),
        (correction, has_an_old_password, chooses_another),
        (query, signed_in_anew_beside_it, nothing_more),
    ],
    ids=lambda one: one.__name__,
)
def test_what_was_typed_waits_and_is_saved_once_the_person_did_what_is_asked(house, kind, cause, remedy):
    cora = house.client("cora")
    enrol(cora)
    url, sent, recorded = kind(house, cora)
    cause(house, cora)
    held = cora.post(url, sent, headers=FROM_OURS)
    assert held.status_code in (400, 403), text(held)
    waiting = _Waiting(held.text)
    for name, typed in sent.items():
        assert waiting.sent[name] == (typed if isinstance(typed, list) else [typed]), name
    remedy(house, cora)
    through = cora.client.post(url, data=waiting.sent, headers=FROM_OURS)
    assert through.status_code == 303, text(through)
    assert recorded()


def test_no_password_comes_back_and_is_typed_again(house):
    cora = house.client("cora")
    needs_a_factor(house, cora)
    held = cora.post("/account/email", {"email": "cora@elsewhere.example", "password": PASSWORD})
    assert held.status_code == 403 and PASSWORD not in held.text
    waiting = _Waiting(held.text)
    assert waiting.sent["email"] == ["cora@elsewhere.example"] and waiting.sent["password"] == [""]
    assert 'href="/account/factors" target="_blank"' in held.text


def test_a_page_of_another_session_is_kept_only_where_the_browser_says_that_it_was_ours(house):
    cora = house.client("cora")
    enrol(cora)
    for said in ({}, {"Sec-Fetch-Site": "none"}):
        refused = cora.post(VITALS, weight("62"), token="of another session", headers=said)
        assert refused.status_code == 400 and 'name="i.WT"' not in refused.text
    assert cora.post(VITALS, weight("62"), token="forged", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert stored(house) is None


def test_a_save_without_a_session_tells_whoever_has_no_password_how_to_go_on(house):
    cora = house.client("cora")
    enrol(cora)
    old = cora.token
    cora.post("/sign-out")
    asked = cora.client.post(VITALS, data={**weight("62", **{"i.WT.note": "\r\nbegins on the second line"}), "token": old})
    assert asked.status_code == 401 and 'href="/sign-in" target="_blank"' in asked.text
    waiting = _Waiting(asked.text)
    assert waiting.sent["i.WT.note"] == ["\r\nbegins on the second line"]
    assert cora.client.post("/sign-in", data={"username": "cora", "password": PASSWORD}).status_code == 303
    del waiting.sent["i.WT.note"]
    looked_at = _Waiting(cora.client.post(VITALS, data=waiting.sent, headers=FROM_OURS).text)
    assert cora.client.post(VITALS, data=looked_at.sent, headers=FROM_OURS).status_code == 303
    assert stored(house).document.at(Place("WT")) == Answer("62")
