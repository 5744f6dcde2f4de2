"""The page of laboratory limits, results on a form's page, and an adverse event begun from one of them."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.web.site import Browser, House, text
from tests.web.test_entry_pages import STUDY, enrol, records, stored
from trialcrf.core.document import Answer, Place
from trialcrf.store import lab_ranges

PAGE = f"{STUDY}/laboratories"
LABS = f"{STUDY}/subjects/R-01-001/SCR/1/LABS/1"
NEW = {
    "site": "01", "laboratory": "Central", "analyte": "NEUT|10⁹/L", "sex": "", "low": "1,8", "high": "7.5",
    "day": "1", "month": "1", "year": "2026",
}  # fmt: skip
VALUES = {
    "i.LAB_DATE.d": "10", "i.LAB_DATE.m": "11", "i.LAB_DATE.y": "2026", "i.NEUTROPHILS": "0.9", "i.ALAT": "30", "i.ALAT_ULN": "40",
    "i.PLATELETS": "", "i.PLATELETS.missing": "ND", "i.PLATELETS.note": "clotted",
    "p": ["LAB_DATE", "NEUTROPHILS", "ALAT", "ALAT_ULN", "PLATELETS"], "version": "0",
}  # fmt: skip


def english(house: House, name: str) -> Browser:
    someone = house.client(name)
    someone.post("/language", {"language": "en", "next": "/"})
    return someone


def held(house: House) -> list[tuple[str, str, str]]:
    with house.world.read() as tx:
        return [(one.low, str(one.valid_to or ""), one.error) for one in lab_ranges.all_of(tx, [1, 2])]


def test_a_data_manager_adds_ends_and_corrects_limits_and_the_site_reads_them(each_house: House) -> None:
    dana, cora = english(each_house, "dana"), english(each_house, "cora")
    assert "No limits are recorded here" in text(cora.get(PAGE))
    refused = dana.post(PAGE, {**NEW, "low": "8"})
    assert refused.status_code == 422 and "The lower limit must be under the upper one." in text(refused)
    assert 'value="Central"' in refused.text and 'href="#low"' in refused.text
    assert dana.post(PAGE, {**NEW, "day": "31", "month": "2"}).status_code == 422
    assert dana.post(PAGE, {**NEW, "site": "99"}).status_code == 422
    assert dana.post(PAGE, NEW).status_code == 303
    assert "overlap" in text(dana.post(PAGE, NEW))
    row = text(cora.get(PAGE))
    assert "Neutrophils Central 1.8 to 7.5 10⁹/L everyone from 1 Jan 2026 in force" in row
    assert 'name="laboratory"' not in cora.get(PAGE).text
    assert dana.post(f"{PAGE}/1/end", {"day": "31", "month": "3", "year": "2026"}).status_code == 303
    assert dana.post(f"{PAGE}/1/end", {"day": "", "month": "", "year": ""}).status_code == 422
    assert "Say why" in text(dana.post(f"{PAGE}/1/error", {"reason": " "}))
    answer = dana.post(f"{PAGE}/1/error", {"reason": "wrong sheet"})
    assert answer.status_code == 303
    copied = dana.get(answer.headers["Location"])
    assert 'value="1.8"' in copied.text and re.search(r'<option selected value="NEUT\|10⁹/L">', copied.text)
    assert held(each_house) == [("1.8", "2026-03-31", "wrong sheet")]
    assert "wrong sheet" not in text(cora.get(PAGE)) and "wrong sheet" in text(cora.get(f"{PAGE}?show=all"))


def test_another_site_does_not_see_them(house: House) -> None:
    house.client("dana").post(PAGE, NEW)
    olga = house.client("olga")
    assert olga.get(f"{PAGE}/1").status_code == 404
    assert "Central" not in olga.get(f"{PAGE}?show=all").text and "Papeete" in olga.get(PAGE).text
    assert house.client("dana").get(f"{PAGE}/77").status_code == 404


@pytest.mark.parametrize("name", ["cora", "ivan", "mona", "sam", "adam"])
def test_only_a_data_manager_changes_them(house: House, name: str) -> None:
    house.client("dana").post(PAGE, NEW)
    someone = house.client(name)
    for url, data in ((PAGE, NEW), (f"{PAGE}/1/end", {"day": "1", "month": "2", "year": "2026"}), (f"{PAGE}/1/error", {"reason": "x"})):
        assert someone.post(url, data).status_code in (403, 404)
    assert someone.get(PAGE).status_code == (403 if name in ("sam", "adam") else 200)
    assert held(house) == [("1.8", "", "")]


def test_a_get_writes_nothing(house: House) -> None:
    dana = house.client("dana")
    dana.post(PAGE, NEW)
    before = records(house)
    for url in (PAGE, f"{PAGE}?copy=1", f"{PAGE}/1"):
        assert dana.get(url).status_code == 200
    for url in (f"{PAGE}/1/end", f"{PAGE}/1/error"):
        assert dana.get(url).status_code == 405
    assert records(house) == before


# --- On the page of a form ---------------------------------------------------------------------------------------------


def panel(browser: Browser, url: str = LABS) -> str:
    found = re.search(r'<section class="sect lung" id="lab-check".*?</section>', browser.get(url).text, re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", found[0]))).replace("\xa0", " ") if found else ""


def begin_url(browser: Browser) -> str:
    found = re.search(r'href="([^"]*from=\d+[^"]*)"', browser.get(LABS).text)
    assert found
    return unescape(found[1])


def test_a_saved_value_has_its_flag_limits_and_grade_in_words_and_what_is_forgotten_is_said(house: House) -> None:
    house.client("dana").post(PAGE, NEW)
    cora = english(house, "cora")
    enrol(cora)
    assert panel(cora) == ""
    assert cora.post(LABS, VALUES).status_code == 303
    shown, page = panel(cora), text(cora.get(LABS))
    assert "Neutrophils 0.9 10⁹/L Low 1.8 to 7.5 Central, since 1 Jan 2026" in shown
    assert "Proposed: Neutrophil count decreased, grade 3 0.9 is under 1.0" in shown.replace("under 1 ", "under 1.0 ")
    assert "1 proposed grade is not recorded as an adverse event." in shown
    assert "not recorded as an adverse event Record as adverse event" in shown
    assert "Low (1.8 to 7.5, Central, since 1 Jan 2026)." in page
    assert "ALT 30 U/L Within the limits upper limit 40 recorded on this form" in shown
    assert "Record as adverse event" not in panel(english(house, "mona"))
    assert "not recorded as an adverse event" in panel(english(house, "mona"))


def test_an_event_is_begun_from_a_value_and_saved_by_the_person_only(each_house: House) -> None:
    cora = english(each_house, "cora")
    enrol(cora)
    cora.post(LABS, VALUES)
    url, before = begin_url(cora), records(each_house)
    assert "0.9" not in url and "NEUTROPHILS" in url
    page = cora.get(url)
    assert 'value="Neutrophils 0.9 10⁹/L"' in page.text and 'value="Neutrophil count decreased"' in page.text
    assert "Proposed from Laboratory: Neutrophils 0.9 10⁹/L (CTCAE v5.0, Neutrophil count decreased). Nothing is saved yet" in text(page)
    assert text(page).count("proposed from a recorded result") == 6
    assert 'name="version" value="0"' in page.text and 'class="mark' not in page.text
    assert records(each_house) == before and stored(each_house, "ADVERSE", "AE") is None
    action = re.search(r'<form class="card" id="entry" method="post" action="([^"]+)"', page.text)
    assert action
    sent = {
        "p": ["AE_WORDS", "AE_CTCAE", "AE_GRADE", "AE_ONSET", "AE_LAB"], "i.AE_WORDS": "", "i.AE_CTCAE": "Neutrophil count decreased",
        "i.AE_GRADE": "3", "i.AE_ONSET.d": "10", "i.AE_ONSET.m": "11", "i.AE_ONSET.y": "2027", "version": "0",
        "i.AE_LAB": "R-01-001/SCR/1/LABS/1/NEUTROPHILS",
    }  # fmt: skip
    refused = cora.post(unescape(action[1]), sent)
    assert refused.status_code == 422 and "Proposed from Laboratory" in text(refused)
    assert 'value="Neutrophils 0.9' not in refused.text  # what the person cleared stays cleared
    assert cora.post(unescape(action[1]), {**sent, "i.AE_WORDS": "low neutrophils", "i.AE_ONSET.y": "2026"}).status_code == 303
    event = stored(each_house, "ADVERSE", "AE").document
    assert event.at(Place("AE_GRADE")) == Answer("3") and event.at(Place("AE_WORDS")) == Answer("low neutrophils")
    assert 'id="begun"' not in cora.get(unescape(action[1])).text  # it is recorded: nothing is proposed over it
    assert "Recorded, event no. 1" in panel(cora) and "not recorded" not in panel(cora)
    assert "from=" not in cora.get(LABS).text


def test_an_event_is_begun_only_from_a_value_of_this_subject_that_proposes_a_grade(house: House) -> None:
    cora = english(house, "cora")
    enrol(cora)
    enrol(cora, once="x2")
    cora.post(LABS, VALUES)
    cora.post(LABS.replace("R-01-001", "R-01-002"), VALUES)
    url = begin_url(cora)
    for wrong in (
        url.replace("R-01-001", "R-01-002"), url.replace("NEUTROPHILS", "ALAT"), url.replace("NEUTROPHILS", "LAB_DATE"),
        url.replace("from=", "from=9"), url.replace("from=", "from=x"), url.replace("NEUTROPHILS", "A.b.C"),
    ):  # fmt: skip
        assert cora.get(wrong).status_code == 404, wrong
    assert house.client("olga").get(url).status_code == 404
    assert house.client("sam").get(url).status_code == 403
