"""Rows pasted from a spreadsheet into a repeating group: they fill the boxes of the page, and the ordinary save records them."""

from __future__ import annotations

import re

from tests.web.site import Browser, House, text
from tests.web.test_entry_pages import STUDY, enrol, records, stored
from tests.web.test_results import english
from trialcrf.core.document import Answer

MEDS = f"{STUDY}/subjects/R-01-001/CM/1/CONMEDS/1"
COPIED = (
    "Generic name\tIndication\tDose per intake\tUnit\tRoute\tStart\tMED_ONGOING\r\n"
    "Prednisone\tSSc\t7,5\tmg\tOral\t01/02/2026\toui\r\n"
    "Bosentan\tPAH\tUNK\t\toral\t03/2026\tY\r\n"
)


def boxes(page: str) -> dict[str, list[str]]:
    """What a browser would send of the rows that stand on the page."""
    entry = page[page.index('id="entry"') :]
    sent: dict[str, list[str]] = {"p": re.findall(r'name="p" value="(MEDS[^"]*)"', entry), "version": ["0"], "act": ["save"]}
    for name, value in re.findall(r'<input type="text"[^>]*name="(r\.[^"]+)"[^>]*?value="([^"]*)"', entry):
        sent[name] = [value]
    for tag in re.findall(r'<input type="radio"[^>]*checked[^>]*>', entry):
        sent[re.findall(r'name="([^"]+)"', tag)[0]] = re.findall(r'value="([^"]*)"', tag)
    for name, inside in re.findall(r'<select[^>]*name="(r\.[^"]+)"[^>]*>(.*?)</select>', entry, re.S):
        chosen = re.findall(r'<option value="([^"]+)" selected|<option selected value="([^"]+)"', inside)
        sent[name] = ["".join(chosen[0])] if chosen else [""]
    return sent


def paste(person: Browser, copied: str, **more: object):
    return person.post(MEDS, {"paste.MEDS": copied, "paste": "MEDS", "version": "0", **more})


def test_pasted_rows_fill_the_boxes_and_are_saved_by_the_ordinary_save(each_house: House) -> None:
    cora = english(each_house)
    enrol(cora)
    before = records(each_house)
    page = paste(cora, COPIED)
    assert page.status_code == 200 and records(each_house) == before and stored(each_house, "CONMEDS", "CM") is None
    assert "Error:" not in page.text[: page.text.index("</title>")]
    sent = boxes(page.text)
    assert cora.post(MEDS, sent).status_code == 303
    one, two = stored(each_house, "CONMEDS", "CM").document.rows["MEDS"]
    assert (
        one.items["MED_NAME"] == Answer("Prednisone")
        and one.items["MED_DOSE"] == Answer("7.5")
        and one.items["MED_START"] == Answer("2026-02-01")
    )
    assert one.items["MED_ONGOING"] == Answer("Y") and one.items["MED_UNIT"] == Answer("mg")
    assert two.items["MED_DOSE"] == Answer(missing="UNK") and two.items["MED_START"] == Answer("2026-03")


def test_each_cell_that_cannot_be_read_is_told_at_its_box_and_what_was_typed_before_stays(house: House) -> None:
    cora = english(house)
    enrol(cora)
    typed = {"p": ["MEDS.new1.MED_NAME", "MEDS.new2.MED_NAME"], "r.MEDS.new1.MED_NAME": "Aspirin", "r.MEDS.new2.MED_NAME": ""}
    page = paste(cora, "Iloprost;Raynaud;much;mg;by nose;31/02/2026;maybe", **typed)
    assert 'name="r.MEDS.new1.MED_NAME"' in page.text and 'value="Aspirin"' in page.text  # the blank second row gives way
    assert 'name="r.MEDS.new2.MED_DOSE"' in page.text and 'value="much"' in page.text and 'value="31"' in page.text
    told = text(page)
    for wrong in ("much is not a number.", "“by nose” is none of the answers offered.", "“maybe” is none of the answers offered."):
        assert wrong in told
    assert page.text.count('aria-invalid="true"') >= 3 and 'name="r.MEDS.new3' not in page.text


def test_a_text_that_waits_in_its_box_is_never_passed_over_by_a_save_and_one_that_is_no_rows_stays(house: House) -> None:
    cora = english(house)
    enrol(cora)
    typed = {"p": ["MEDS.new1.MED_NAME"], "r.MEDS.new1.MED_NAME": "Aspirin", "act": "save", "version": "0"}
    assert paste(cora, "", **typed).status_code == 200 and stored(house, "CONMEDS", "CM") is None  # its button saves nothing
    page = cora.post(MEDS, {**typed, "paste.MEDS": "Iloprost"})
    assert page.status_code == 200 and 'value="Iloprost"' in page.text and stored(house, "CONMEDS", "CM") is None
    for wrong, why in (
        ("\t".join("abcdefghijkl"), "a row has"),
        ("x\n" * 101, "At most 100 rows"),
        ('"x', "quotation marks"),
        ("x\x00", "control"),
    ):
        answer = cora.post(MEDS, {**typed, "paste.MEDS": wrong})
        assert answer.status_code == 422 and why in text(answer), why
        assert 'value="Aspirin"' in answer.text and 'class="pasting" open' in answer.text
    assert stored(house, "CONMEDS", "CM") is None
