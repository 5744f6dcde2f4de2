"""Fields for codes: drawn for a scanner, on every form that asks one, and what a scanner types is read as the code that it means."""

from __future__ import annotations

import re

import pytest

from tests.actions.cells_world import BAGS, cells_filling
from tests.web.cells_site import STUDY, cells_house
from trialcrf.core.product.identity import Kind, label
from trialcrf.store import forms

MOVEMENT = f"{STUDY}/subjects/B-01-001/STOCK/1/MOVEMENT/1"
HARVEST = f"{STUDY}/subjects/D-01-001/H0/1/HARVEST/1"
VITALS = f"{STUDY}/subjects/R-01-001/SCR/1/VITALS/1"


@pytest.fixture
def house(databases, tmp_path):
    url = databases.fresh("sqlite", cells_filling())
    made = cells_house(url, tmp_path)
    yield made
    made.close()
    databases.drop(url)


def boxes_of(page: str) -> list[str]:
    return re.findall(r'<input type="text"[^>]*data-scan[^>]*>', page)


def test_a_field_for_a_code_says_so_and_leaves_the_code_as_it_is_typed(house):
    page = house.client("lara").get(MOVEMENT).text
    (box,) = boxes_of(page)
    assert 'name="i.MOV_BAG"' in box
    assert 'autocapitalize="off"' in box
    assert 'spellcheck="false"' in box
    assert 'autocomplete="off"' in box
    item = re.search(r'id="i-MOV_BAG-item".*?<input type="hidden" name="p"', page, re.S)
    assert item
    assert "#scan" in item[0]
    hint = re.search(r'aria-describedby="([^"]+)"', box)
    assert hint
    assert re.search(rf'id="{hint[1]}">[^<]*([Ss]can)', page)
    assert "js/scan.js" in page


def test_other_forms_bring_no_script_of_scanners(house):
    cora = house.client("cora")
    assert "data-scan" in cora.get(HARVEST).text
    page = cora.get(VITALS).text
    assert "scan.js" not in page
    assert boxes_of(page) == []
    assert "scan.js" not in house.client("mona").get(HARVEST).text


def test_a_label_is_stored_as_the_key_that_it_names(house):
    at = {"i.MOV_AT.d": "21", "i.MOV_AT.m": "11", "i.MOV_AT.y": "2026", "i.MOV_AT.t": "09:00"}
    scanned = label("msc_ssc", Kind.BAG, BAGS[1])
    sent = {"i.MOV_BAG": scanned, "i.MOV_KIND": "MOVED", **at, "i.MOV_TO": "LAB_INCUBATOR", "act": "save", "version": "0"}
    present = ["MOV_BAG", "MOV_KIND", "MOV_AT", "MOV_TO"]
    damaged = house.client("lara").post(MOVEMENT, {**sent, "i.MOV_BAG": scanned[:-1] + "#", "p": present})
    assert damaged.status_code == 422
    assert scanned[:-1] + "#" in damaged.text
    answer = house.client("lara").post(MOVEMENT, {**sent, "p": present})
    assert answer.status_code == 303, answer.text
    with house.world.read() as tx:
        (stored,) = forms.all_of(tx, [house.cells.batch.id], ["MOVEMENT"])
    assert stored.document.items["MOV_BAG"].text == BAGS[1]
