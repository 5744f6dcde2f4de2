"""A page sent twice is saved once: the same token, person and content are answered as the first time, and nothing more is recorded."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

from sqlalchemy import func, select

from tests.web.site import Browser, House, text
from tests.web.test_entry_pages import CONSENT, STUDY, VITALS, enrol, stored, weight
from trialcrf.core.document import Answer, Place
from trialcrf.store import save_tokens
from trialcrf.store.models import audit_record, save_token

THREAD = f"{STUDY}/subjects/R-01-001/SCR/1/RENROL/1/thread"
ADVERSE = f"{STUDY}/subjects/R-01-001/AE/1/ADVERSE/1"
FEVER = {"p": ["AE_WORDS"], "i.AE_WORDS": "Fever", "version": "0"}


def token_of(browser: Browser, url: str) -> str:
    found = re.search(r'name="save_token" value="([^"]+)"', browser.get(url).text)
    assert found
    return found[1]


def count(house: House, table) -> int:
    with house.world.read() as tx:
        return tx.read(select(func.count()).select_from(table)).scalar_one()


def test_a_page_sent_again_is_answered_as_the_first_time_and_nothing_is_written(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    sent = {**weight("62"), "save_token": token_of(cora, VITALS), "act": "next"}
    first = cora.post(VITALS, sent)
    records = count(each_house, audit_record)
    again = cora.post(VITALS, sent)
    assert (first.status_code, again.status_code) == (303, 303)
    assert again.location == first.location
    assert count(each_house, audit_record) == records
    assert stored(each_house).version == 1


def test_a_double_click_is_one_comment(each_house):
    """Nothing but the token tells the second of two clicks from a second remark with the same words."""
    cora = each_house.client("cora")
    enrol(cora)
    sent = {"about": "", "text": "Looked up.", "token": cora.token, "save_token": token_of(cora, THREAD)}
    before, cookie = count(each_house, audit_record), cora.client.get_cookie("trialcrf").value
    answers, start = [], threading.Barrier(2)

    def click() -> None:
        mine = each_house.app.test_client()
        mine.set_cookie("trialcrf", cookie)
        start.wait()
        answers.append(mine.post(f"{THREAD}/comment", data=sent))

    clicks = [threading.Thread(target=click) for _ in range(2)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    assert [one.status_code for one in answers] == [303, 303]
    assert count(each_house, audit_record) == before + 1
    cora.post(f"{THREAD}/comment", {**sent, "save_token": token_of(cora, THREAD)})
    assert count(each_house, audit_record) == before + 2


def test_another_content_under_the_same_token_is_a_save_as_any_other(house):
    cora = house.client("cora")
    enrol(cora)
    token = token_of(cora, VITALS)
    cora.post(VITALS, {**weight("62"), "save_token": token})
    stale = cora.post(VITALS, {**weight("63"), "save_token": token})
    assert stale.status_code == 409
    assert stored(house).document.at(Place("WT")) == Answer("62")


def test_the_token_of_somebody_else_answers_nothing(house):
    cora, ivan = house.client("cora"), house.client("ivan")
    enrol(cora)
    sent = {"about": "", "text": "Looked up.", "save_token": token_of(cora, THREAD)}
    cora.post(f"{THREAD}/comment", sent)
    before = count(house, audit_record)
    assert ivan.post(f"{THREAD}/comment", sent).status_code == 303
    assert count(house, audit_record) == before + 1


def test_what_was_refused_is_judged_again_when_it_is_sent_again(house):
    cora = house.client("cora")
    url = f"{STUDY}/enrol/recipient/01"
    sent = {**CONSENT, "i.ICF_DATE.d": "31", "i.ICF_DATE.m": "2", "once": "x", "save_token": token_of(cora, url)}
    assert [cora.post(url, sent).status_code for _ in range(2)] == [422, 422]
    enrol(cora)
    refused = {**weight("9000"), "save_token": token_of(cora, VITALS)}
    assert [cora.post(VITALS, refused).status_code for _ in range(2)] == [422, 422]
    assert count(house, save_token) == 0


def test_where_no_page_said_where_to_it_leads_back_and_says_so(house):
    cora = house.client("cora")
    page, url = "/account", "/account/theme"
    sent = {"theme": "dark", "save_token": token_of(cora, page)}
    assert cora.post(url, sent, headers={"Referer": f"http://localhost{page}"}).status_code == 303
    again = cora.post(url, sent, headers={"Referer": f"http://localhost{page}?done=changed"})
    assert again.location == f"{page}?done=once"
    assert any(words in text(cora.get(again.location)) for words in ("it is saved once", "une seule fois"))
    assert cora.post(url, sent, headers={"Referer": "https://elsewhere.example/account"}).location == "/?done=once"


def test_old_tokens_are_cleared(house):
    cora = house.client("cora")
    enrol(cora)
    cora.post(ADVERSE, {**FEVER, "save_token": token_of(cora, ADVERSE)})
    with house.world.read() as tx:
        at = tx.read(select(save_token.c.at)).scalar_one()
    for now, left in ((at + save_tokens.KEPT, 1), (at + save_tokens.KEPT + timedelta(seconds=1), 0)):
        with house.world.write("trialcrf", now) as tx:
            save_tokens.clear(tx, now - save_tokens.KEPT)
        assert count(house, save_token) == left
