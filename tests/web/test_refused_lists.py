"""A list that comes back from a refused act is that list: its pages, its filters and its language lead where the list stands."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.web.site import House, text
from tests.web.test_mails import settled
from tests.web.test_queries import CONSENT
from tests.web.test_queries import LIST as QUERIES
from trialcrf.store import outbox
from trialcrf.web.administration import mails
from trialcrf.web.queries import listed

MAILS = "/admin/mails"


@pytest.fixture
def short_pages(monkeypatch):
    """Lists of two lines a page."""
    for where in (mails, listed):
        monkeypatch.setattr(where, "ON_A_PAGE", 2)


def led(page: str, words: str) -> str:
    """The address of the link with these words."""
    found = re.search(rf'<a [^>]*href="([^"]+)"[^>]*>(?:(?!</a>).)*{words}', page, re.DOTALL)
    assert found, words
    return unescape(found[1])


def test_the_pages_of_mails_are_turned_after_a_judgement_that_was_refused(house, short_pages):
    first, *_ = [settled(house, outbox.SENT, key=f"overdue|msc_ssc|{number}|WEIGH1|1|cora") for number in range(3)]
    adam = house.client("adam")
    refused = adam.post(f"{MAILS}/{first}", {"found": "arrived"})
    assert refused.status_code == 409, text(refused)
    turned = adam.get(led(refused.text, "Suivant"))
    assert turned.status_code == 200 and turned.text.count("<tr") != refused.text.count("<tr")
    assert adam.get(led(refused.text, "Envoy")).status_code == 200


def test_the_list_of_queries_keeps_its_pages_and_filters_after_a_bulk_action_that_was_refused(house: House, short_pages):
    for _ in range(3):
        house.world.enrol("recipient", "01", **CONSENT)
    dana = house.client("dana")
    refused = dana.post(f"{QUERIES}/bulk?by=checks", {"act": "due"})
    assert refused.status_code == 422, text(refused)
    turned = led(refused.text, "Suivant")
    assert turned == f"{QUERIES}?by=checks&page=2"
    assert dana.get(turned).status_code == 200


def test_the_language_is_changed_on_the_page_that_a_refused_act_brought(house):
    dana = house.client("dana")
    house.world.enrol("recipient", "01", **CONSENT)
    refused = dana.post(f"{QUERIES}/bulk", {"act": "due"})
    there = re.search(r'name="next" value="([^"]+)"', refused.text)
    answer = dana.post("/language", {"language": "en", "next": there[1]})
    assert answer.status_code == 303 and answer.headers["Location"] == QUERIES
    assert "Queries" in text(dana.get(answer.headers["Location"]))
