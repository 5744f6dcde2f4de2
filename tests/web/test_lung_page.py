"""The check against GLI on the page of a lung function: beside what was reported, which stays what it was."""

from __future__ import annotations

import re

import pytest

from tests.web.site import Browser, House, text
from tests.web.test_entry_pages import STUDY, VITALS, enrol, records, stored
from trialcrf.core.document import Answer, Place

LUNG = f"{STUDY}/subjects/R-01-001/SCR/1/LUNG/1"
TEST = {
    "i.LUNG_DATE.d": "16", "i.LUNG_DATE.m": "11", "i.LUNG_DATE.y": "2026", "i.FVC_L": "2.50", "i.FVC_PCT": "69.5",
    "p": ["LUNG_DATE", "FVC_L", "FVC_PCT", "VOLUME_SET"],
}  # fmt: skip


def fill(browser: Browser, reported_set: str = "GLI_2012", height: str = "165", **birth: str) -> None:
    enrol(browser, **{"i.BIRTH_MONTH.m": "11", "i.BIRTH_MONTH.y": "1981", **birth})
    if height:
        assert browser.post(VITALS, {"p": ["HT"], "i.HT": height, "version": "0"}).status_code == 303
    answer = browser.post(LUNG, {**TEST, "i.VOLUME_SET": reported_set, "version": "0"})
    assert answer.status_code == 303, text(answer)


def panel(browser: Browser, language: str = "en", url: str = LUNG) -> str:
    browser.post("/language", {"language": language, "next": url})
    answer = browser.get(url)
    assert answer.status_code == 200
    found = re.search(r'<section class="sect lung".*?</section>', answer.text, re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0])).replace("&nbsp;", " ") if found else ""


@pytest.mark.parametrize(
    ("reported_set", "recomputed", "difference", "predicted"),
    [
        ("GLI_2012", "67.6%", "1.9 points lower", "3.70 L lower limit of normal 2.93"),
        ("GLI_GLOBAL", "71.9%", "2.4 points higher", "3.48 L lower limit of normal 2.62"),
        ("ECSC_ERS_1993", "71.9%", "2.4 points higher", "3.48 L lower limit of normal 2.62"),
    ],
)
def test_the_page_shows_what_was_reported_and_what_is_recomputed(house: House, reported_set, recomputed, difference, predicted) -> None:
    cora = house.client("cora")
    fill(cora, reported_set)
    shown = panel(cora)
    for said in (
        "69.5%",
        recomputed,
        difference,
        predicted,
        "2.50 L",
        "45.0 ± 0.04 years",
        "Height 165 cm",
        "The reported value is never changed.",
    ):
        assert said in shown
    assert ("points higher another reference set" in shown) is (reported_set == "ECSC_ERS_1993")
    assert "research use" in shown


def test_opening_and_saving_leave_the_reported_value_as_it_was(each_house: House) -> None:
    cora = each_house.client("cora")
    fill(cora, "GLI_GLOBAL")
    before = stored(each_house, "LUNG").document
    counted = records(each_house)
    cora.get(LUNG)
    assert cora.post(LUNG, {**TEST, "i.VOLUME_SET": "GLI_GLOBAL", "version": "1"}).status_code == 303
    after = stored(each_house, "LUNG")
    assert after.document == before
    assert (after.version, records(each_house)) == (1, counted)
    assert before.at(Place("FVC_PCT")) == Answer("69.5")


def test_what_is_typed_can_be_checked_without_saving_it(house: House) -> None:
    cora = house.client("cora")
    fill(cora)
    assert "64.9%" not in panel(cora)
    answer = cora.post(LUNG, {**TEST, "i.VOLUME_SET": "GLI_2012", "i.FVC_L": "2.40", "version": "1", "act": "update"})
    assert answer.status_code == 200
    assert "64.9%" in text(answer)
    assert stored(house, "LUNG").document.at(Place("FVC_L")) == Answer("2.50")


def test_a_missing_height_and_an_age_out_of_range_say_so(house: House) -> None:
    cora = house.client("cora")
    fill(cora, height="", **{"i.BIRTH_MONTH.y": "1925"})
    assert "Not recomputed: height not entered yet" in panel(cora)
    assert cora.post(VITALS, {"p": ["HT"], "i.HT": "165", "version": "0"}).status_code == 303
    assert "age 101.0 is outside the 3 to 95 years of GLI-2012" in panel(cora)


def test_a_reader_sees_the_check_without_a_button_and_other_forms_have_none(house: House) -> None:
    cora, mona = house.client("cora"), house.client("mona")
    fill(cora)
    shown = panel(mona)
    assert "67.6%" in shown
    assert "Check what is typed now" in panel(cora)
    assert "Check what is typed now" not in shown
    assert panel(cora, url=VITALS) == ""
