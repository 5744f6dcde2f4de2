"""Answers made smaller: which, for whom, and that what another site asks for is as long as it is."""

from __future__ import annotations

import gzip
from typing import Any

from werkzeug.test import TestResponse

from tests.web.site import Browser
from tests.web.test_quality import CONSENT

FIND = "/find"
STYLE = "/static/pages.css"
OURS = {"Accept-Encoding": "gzip, deflate, br", "Sec-Fetch-Site": "same-origin"}


def ask(browser: Browser, url: str, **more: Any) -> TestResponse:
    return browser.get(url, headers={**OURS, **more}, buffered=True)


def is_small(answer: TestResponse) -> bool:
    assert answer.status_code == 200
    packed = answer.headers.get("Content-Encoding") == "gzip"
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    return packed and len(answer.data) < len(gzip.decompress(answer.data)) / 2


def test_pages_and_files_are_sent_compressed_to_who_reads_that_and_say_the_same(house):
    cora = house.client("cora")
    plain = cora.get(STYLE, buffered=True)
    packed = ask(cora, STYLE)
    assert is_small(ask(cora, "/account")) and is_small(packed) and not is_small(plain)
    assert gzip.decompress(packed.data) == plain.data
    assert "<h1>" in gzip.decompress(ask(cora, FIND).data).decode()
    assert not is_small(ask(cora, "/account", **{"Accept-Encoding": "gzip;q=0, br"}))
    # What is kept on the way is kept for who reads it, and a browser that has it asks for nothing again.
    assert {"Accept-Encoding"} <= set(plain.vary) and {"Accept-Encoding"} <= set(packed.vary)
    assert packed.get_etag() == (plain.get_etag()[0], True) != plain.get_etag()
    assert ask(cora, STYLE, **{"If-None-Match": packed.headers["ETag"]}).status_code == 304


def test_a_page_that_another_site_asks_for_is_as_long_as_it_is_whatever_is_guessed(house):
    """Its size would tell how much of a guess in the address stands in the page as well (BREACH)."""
    cora = house.client("cora")
    led = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for site in ("cross-site", "same-site"):
        pages = {guess: ask(cora, f"{FIND}?q={guess}", **{"Sec-Fetch-Site": site}, **led) for guess in ("zzqqzzqqzz", cora.token[:10])}
        assert not any(is_small(page) for page in pages.values())
        assert len({len(page.data) for page in pages.values()}) == 1
    assert is_small(ask(cora, f"{FIND}?q=zzqqzzqqzz", **led))
    # A browser that does not say who asks is not believed. Files of the program hold no secret.
    silent = cora.get(FIND, headers={"Accept-Encoding": "gzip"})
    assert not is_small(silent)
    assert is_small(ask(cora, STYLE, **{"Sec-Fetch-Site": "cross-site", **led}))


def test_the_page_that_a_dashboard_asks_for_by_itself_repeats_nothing_of_the_address(house):
    """That request comes from a page of ours, so its answer is compressed, whoever led the person to that page."""
    house.world.enrol("recipient", "01", **CONSENT)
    answer = house.client("mona").get("/studies/msc_ssc/dashboard?site=guess&drawn=1")
    assert "guess" not in answer.text.split('data-again="')[1].split('"')[0]
