"""The page that enrols loses nothing and judges as it is typed, though there is nobody yet whose record it is."""

from __future__ import annotations

import json
import re

from tests.web.site import Browser, House, text
from tests.web.test_checking import drawn
from tests.web.test_checking import told as said_of
from tests.web.test_drafts import page_of, rows, told
from tests.web.test_entry_pages import CONSENT, STUDY, records
from trialcrf.store import subjects

AT = f"{STUDY}/enrol/recipient/01"
DOUBTED = {**CONSENT, "i.BIRTH_MONTH.y": "1946"}
WRONG = {**CONSENT, "i.ICF_DATE.d": "31", "i.ICF_DATE.m": "2", "i.ICF_VERSION": ""}


def keep(browser: Browser, page: str = "one", at: str = AT, **more: object):
    return browser.post(f"{at}/draft", {**CONSENT, "version": "0", "page": page, "turn": "1", "typed_for": "90000", **more})


def count(house: House) -> int:
    with house.world.read() as tx:
        return subjects.count(tx, "msc_ssc")


def test_what_was_typed_is_offered_on_another_device_and_the_enrolment_takes_it_away_with_its_first_key(each_house):
    cora = each_house.client("cora")
    assert keep(cora).status_code == 204
    begun = rows(each_house)[0].begun_at
    elsewhere = each_house.client("cora")
    offered = elsewhere.get(AT)
    assert "Vous avez commencé une saisie ici" in text(offered) and "1980" in text(offered) and 'value="1980"' not in offered.text
    today = elsewhere.get(f"{STUDY}/today")
    assert f'href="{AT}"' in today.text and "1980" not in text(today)
    again = elsewhere.get(f"{AT}?draft=one")
    assert 'value="1980"' in again.text and 'name="grew_from" value="one"' in again.text
    token = re.search(r'name="save_token" value="([^"]+)"', again.text)[1]
    boxes = {**CONSENT, "version": "0", "once": "x", "save_token": token, "grew_from": "one"}
    done = elsewhere.post(AT, boxes)
    assert done.status_code == 303 and rows(each_house) == [] and count(each_house) == 1
    ((_, said),) = told(each_house, "entry_time")
    assert said["begun_at"] == begun.isoformat()
    assert keep(elsewhere, token).status_code == 409 and rows(each_house) == [], "what comes after the save is no draft"
    assert elsewhere.post(AT, boxes).location == done.location and count(each_house) == 1


def test_it_is_its_authors_alone_and_only_where_they_may_enrol(house):
    keep(house.client("cora"))
    ivan = house.client("ivan")
    assert "1980" not in ivan.get(AT).text and "1980" not in ivan.get(f"{AT}?draft=one").text
    for name, status in (("olga", 404), ("mona", 403), ("lara", 403)):
        browser = house.client(name)
        for what in ("draft", "draft/discard", "check"):
            assert browser.post(f"{AT}/{what}", {"page": "one", "turn": "1", "version": "0"}).status_code == status, (name, what)
    assert len(rows(house)) == 1


def test_discarding_it_is_undone_and_told_without_what_it_said(house):
    cora = house.client("cora")
    keep(cora)
    gone = cora.get(cora.post(f"{AT}/draft/discard", {"page": "one"}).location)
    assert "1980" not in gone.text and 'name="back"' in gone.text
    assert "1980" in text(cora.get(cora.post(f"{AT}/draft/discard", {"page": "one", "back": "1"}).location))
    assert [(op, said["form"]) for op, said in told(house, "draft")] == [("discard", []), ("restore", [])]
    assert "1980" not in json.dumps(told(house, "draft"))


def test_what_is_said_as_a_field_is_left_is_what_the_enrolment_says_and_nothing_is_written(house):
    cora = house.client("cora")
    page_of(cora, AT)
    before = records(house)
    wrong = said_of(cora.post(f"{AT}/check", {**WRONG, "version": "0"}).json)
    refused = cora.post(AT, {**WRONG, "version": "0", "once": "x"})
    stopped = {one for one in wrong if one[1] == "hard"}
    assert refused.status_code == 422 and stopped == {one for one in drawn(refused.text) if one[1] == "hard"} != set()
    doubted = said_of(cora.post(f"{AT}/check", {**DOUBTED, "version": "0"}).json)
    assert (records(house), count(house), rows(house)) == (before, 0, [])
    saved = cora.post(AT, {**DOUBTED, "version": "0", "once": "x"})
    shown = drawn(cora.get(saved.headers["Location"]).text)
    assert doubted == shown and any(kind == "soft" for _, kind, _ in doubted)
