"""Labels from the pages: a PDF of a bag or a wristband, noted in the trail, for those who may print and nobody else."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.actions.cells_world import BAGS, DONATION, EXPIRY, FILLED, cells_filling, make_batch
from tests.actions.world import NOW, typed
from tests.web.cells_site import BATCH, DONOR, RECIPIENT, STUDY, CellsHouse, cells_house
from tests.web.site import text
from trialcrf.actions.cells import print_labels
from trialcrf.core.product.identity import Kind, label
from trialcrf.core.product.sec import printed_donation
from trialcrf.store import audit, forms, replay

WRISTBAND = f"{STUDY}/subjects/{RECIPIENT}/wristband.pdf"


@pytest.fixture
def filling():
    return cells_filling()


@pytest.fixture
def each_cells(database_url, tmp_path):
    made = cells_house(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def house(databases, tmp_path):
    url = databases.fresh("sqlite", cells_filling())
    made = cells_house(url, tmp_path)
    yield made
    made.close()
    databases.drop(url)


def buttons(house: CellsHouse, name: str) -> list[str]:
    return re.findall(r'action="([^"]+\.pdf)"', house.client(name).get(BATCH).text)


def printed(house: CellsHouse, key: str) -> list[tuple[str, str, str]]:
    """What the trail says was printed of a subject: (by whom, what, of which key)."""
    with house.world.read() as tx:
        past = audit.history(tx.connection, "label", str(house.world.subject(key).id))
    return [(one.actor, one.place, json.loads(one.new or "{}")["key"]) for one in past]


def words(pdf: bytes) -> str:
    return subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True).stdout.decode()


def test_the_label_of_a_bag_is_drawn_and_noted(each_cells):
    lara = each_cells.client("lara")
    answer = lara.post(buttons(each_cells, "lara")[1])
    assert answer.status_code == 200, text(answer)
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert answer.headers["Cache-Control"] == "no-store"
    read = words(answer.data)
    assert label("msc_ssc", Kind.BAG, BAGS[1]) in re.sub(r"\s", "", read)
    assert DONATION in re.sub(r"\s", "", read)
    assert RECIPIENT not in read
    assert DONOR not in read
    assert printed(each_cells, "B-01-001") == [("lara", "bag", BAGS[1])]
    with each_cells.world.read() as tx:
        assert audit.broken(tx.connection) is None
        assert list(replay.differences(tx)) == []


def test_the_wristband_of_a_recipient_is_drawn_and_noted(house):
    cora = house.client("cora")
    assert WRISTBAND in cora.get(f"{STUDY}/subjects/{RECIPIENT}").text
    assert WRISTBAND not in cora.get(f"{STUDY}/subjects/{DONOR}").text
    answer = cora.post(WRISTBAND)
    assert label("msc_ssc", Kind.WRISTBAND, RECIPIENT) in re.sub(r"\s", "", words(answer.data))
    assert printed(house, RECIPIENT) == [("cora", "wristband", RECIPIENT)]


def test_a_code_that_no_label_carries_is_not_printed_and_the_page_says_why(house):
    made = make_batch(house.world, house.cells.donor, "LOT-2", ("POCHE É",))
    lara, page = house.client("lara"), f"{STUDY}/cells/{made.key}"
    at = re.findall(r'action="([^"]+\.pdf)"', lara.get(page).text)
    answer = lara.post(at[0])
    assert answer.status_code == 422
    assert re.search(r'<div class="notice bad" role="alert"><p>[^<]*POCHE É', answer.text)
    assert printed(house, made.key) == []


def test_the_bag_of_a_batch_made_of_others_carries_their_donation(house):
    made = house.world.enrol("batch", BAT_LOT="LOT-2", BAT_CULTURE_START=(20, 11, 2026), ANCESTRY__new1__BAT_FROM="B-01-001")
    row = {"CODE": "LOT-2-A", "CELLS": "80", "VOLUME": "50", "EXPIRY": EXPIRY, "FILLED": FILLED, "PLACE": "LAB_TANK"}
    house.world.save(made, "BAGS", "MAKING", typed(**{f"BAG__new0__BAG_{name}": said for name, said in row.items()}), name="lara")
    with house.world.read() as tx:
        (stored,) = forms.all_of(tx, [made.id], ["BAGS"])
        sheet = print_labels.bag_of(tx, house.world.published, made, stored.id, stored.document.rows["BAG"][0].id, NOW)
    assert (sheet.bags[0].bag, sheet.bags[0].batch, sheet.bags[0].donation) == ("LOT-2-A", "LOT-2", printed_donation(DONATION))


@pytest.mark.parametrize(("name", "status"), [("mona", 403), ("sam", 403), ("olga", 404), ("quin", 404), ("lara", 404)])
def test_who_may_not_print_a_wristband_prints_none(house, name, status):
    assert house.client(name).post(WRISTBAND).status_code == status
    assert printed(house, RECIPIENT) == []


@pytest.mark.parametrize(("name", "status"), [("mona", 403), ("sam", 403), ("olga", 404)])
def test_who_may_not_print_a_label_prints_none(house, name, status):
    at = buttons(house, "lara")[0]
    assert house.client(name).post(at).status_code == status
    assert buttons(house, "sam") == []
    assert printed(house, "B-01-001") == []


def test_reading_the_address_of_a_label_prints_nothing(house):
    lara, at = house.client("lara"), buttons(house, "lara")[0]
    for address in (at, f"{STUDY}/subjects/B-01-001/wristband.pdf"):
        assert lara.get(address).status_code == 405
    assert lara.post(f"{STUDY}/subjects/B-01-001/wristband.pdf").status_code == 404
    assert lara.post(at.replace("/labels/", "/labels/9")).status_code == 404
    assert lara.post(re.sub(r"[^/]+\.pdf$", "r9.pdf", at)).status_code == 404
    assert house.client("cora").post(f"{STUDY}/subjects/{DONOR}/wristband.pdf").status_code == 404
    assert printed(house, "B-01-001") == []
