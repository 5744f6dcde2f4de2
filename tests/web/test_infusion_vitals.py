"""The page of the vital signs of an infusion: readings by one press, told late or missed, and nothing lost between two persons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from tests.actions.cells_world import BAGS
from tests.actions.world import typed
from tests.conftest import Databases, Filling
from tests.web.bedside_site import BEDSIDE, CHECK, INFUSION, SUBJECT, VITALS, ago, bedside_filling, english, now, trail
from tests.web.cells_site import CellsHouse, cells_house
from tests.web.site import text
from trialcrf.core.document import FormKey
from trialcrf.store import audit, forms, queries
from trialcrf.store.forms import StoredForm

TAKEN = {"point": "M15", "seen": "", "IV_SBP": "120", "IV_DBP": "70", "IV_PULSE": "80", "IV_SPO2": "97", "IV_TEMP": "37,1", "act": "take"}


@pytest.fixture
def filling() -> Filling:
    return bedside_filling()


@pytest.fixture
def each_house(database_url: str, tmp_path: Path) -> Iterator[CellsHouse]:
    made = cells_house(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> Iterator[CellsHouse]:
    url = databases.fresh("sqlite", bedside_filling())
    made = cells_house(url, tmp_path)
    yield made
    made.close()
    databases.drop(url)


def readings(house: CellsHouse) -> StoredForm | None:
    with house.world.read() as tx:
        return forms.read(tx, house.cells.recipient.id, FormKey("D0", "INFVITALS"))


def rows(house: CellsHouse) -> list[dict[str, str]]:
    stored = readings(house)
    held = stored.document.rows["POINTS"] if stored else ()
    return [{oid: answer.text or f"{answer.missing}: {answer.note}" for oid, answer in row.items.items()} for row in held]


def card(page: str, code: str) -> str:
    found = re.search(rf'<li class="card point (\w+)" id="point-{code}".*?</li>\s*(?=<li class="card point|</ol>)', page, re.S)
    assert found, code
    return found[0]


def said(page: str, code: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", card(page, code)))).strip()


def begin_infusion(house: CellsHouse, minutes: int) -> None:
    """The infusion began so many minutes ago, of a bag that was checked then."""
    house.world.save(house.cells.recipient, "INFUSION", "D0", typed(INF_START=ago(minutes), INF_COHORT="MSC1"), now=now())


def test_before_the_start_only_the_reading_before_it_is_taken_by_one_press(each_house: CellsHouse) -> None:
    house, cora = each_house, english(each_house, "cora")
    page = cora.get(VITALS).text
    assert "Start of the infusion: not recorded yet" in text(cora.get(VITALS))
    assert "<details open>" in card(page, "M15") and "to be taken now" in said(page, "M15")
    assert "<form" not in card(page, "P0") and "waits for the start" in said(page, "P360")
    assert re.search(r'<input id="v-M15-IV_SBP" name="IV_SBP" value="" inputmode="numeric"', page)
    assert re.search(r'name="IV_TEMP" value="" inputmode="decimal"', page)
    answer = cora.post(VITALS, TAKEN)
    assert answer.status_code == 303 and answer.headers["Location"] == f"{VITALS}?done=saved#point-M15"
    (row,) = rows(house)
    assert (row["IV_POINT"], row["IV_SBP"], row["IV_TEMP"]) == ("M15", "120", "37.1") and row["IV_AT"].startswith(f"{ago(0)[2]}-")
    shown = said(cora.get(VITALS).text, "M15")
    assert re.search(r"taken Taken at \d\d:\d\d Systolic pressure 120 mmHg", shown) and "Correct or complete" in shown
    assert "<form" not in card(cora.get(VITALS).text, "M15")
    refused = cora.post(VITALS, {**TAKEN, "point": "P0"})
    assert refused.status_code == 422 and len(rows(house)) == 1


def test_late_missed_and_due_readings_are_told_apart_and_each_can_be_recorded_late(house: CellsHouse) -> None:
    cora = english(house, "cora")
    begin_infusion(house, 40)
    page = cora.get(VITALS).text
    assert [re.search(r'card point (\w+)"', card(page, code))[1] for code in ("M15", "P0", "P15", "P30", "P60")] == [
        "missed", "missed", "missed", "due", "planned",
    ]  # fmt: skip
    assert page.count("<details open>") == 1 and "<details open>" in card(page, "P30")
    cora.post(VITALS, {**TAKEN, "point": "P30"})
    assert re.search(r"taken 1[01] min late", said(cora.get(VITALS).text, "P30"))
    at = ago(25)
    cora.post(VITALS, {**TAKEN, "point": "P15", "at": str(at[3])})
    assert rows(house)[1]["IV_AT"].startswith(f"{at[2]}-{at[1]:02d}-{at[0]:02d}T{at[3]}")
    assert "taken Taken at" in said(cora.get(VITALS).text, "P15")
    wrong = cora.post(VITALS, {**TAKEN, "point": "P0", "at": "25:00"})
    assert wrong.status_code == 422 and "is not a time of day" in said(wrong.text, "P0") and 'value="25:00"' in card(wrong.text, "P0")


def test_two_nurses_at_once_lose_nothing(each_house: CellsHouse) -> None:
    house, cora, ivan = each_house, english(each_house, "cora"), english(each_house, "ivan")
    cora.post(VITALS, TAKEN)
    assert cora.post(VITALS, TAKEN).headers["Location"].startswith(f"{VITALS}?done=same")
    stale = ivan.post(VITALS, {**TAKEN, "IV_SBP": "145", "why": "second cuff"})
    assert stale.status_code == 409 and "Someone else recorded this reading meanwhile" in text(stale)
    kept = card(stale.text, "M15")
    assert 'name="IV_SBP" value="145"' in kept and 'value="second cuff"' in kept and 'name="seen" value="1"' in kept
    assert "Systolic pressure 120 mmHg" in said(stale.text, "M15") and "Save as a second reading" in said(stale.text, "M15")
    assert len(rows(house)) == 1
    assert ivan.post(VITALS, {**TAKEN, "IV_SBP": "145", "seen": "1"}).status_code == 303
    assert [row["IV_SBP"] for row in rows(house)] == ["120", "145"]
    # A reading of another point was no conflict: the page was drawn before the first save.
    begin_infusion(house, 1)
    assert ivan.post(VITALS, {**TAKEN, "point": "P0"}).status_code == 303 and len(rows(house)) == 3


def test_what_cannot_be_is_refused_at_its_box_and_what_is_doubtful_is_saved_with_its_query(house: CellsHouse) -> None:
    cora = english(house, "cora")
    refused = cora.post(VITALS, {**TAKEN, "IV_DBP": "130", "IV_TEMP": "372"})
    assert refused.status_code == 422 and rows(house) == []
    assert re.search(r'id="v-M15-IV_DBP"[^>]*value="130"[^>]*aria-invalid="true" aria-describedby="v-M15-IV_DBP-error"', refused.text)
    assert "The diastolic pressure is below the systolic." in said(refused.text, "M15")
    with house.world.read() as tx:
        kept = audit.history(tx.connection, "refusal", str(house.cells.recipient.id))
    assert any('"372"' in (past.new or "") for past in kept)
    answer = cora.post(VITALS, {**TAKEN, "IV_PULSE": "150"})
    assert answer.status_code == 303 and "done=reading_queries" in answer.headers["Location"]
    page = cora.get(VITALS).text
    assert re.search(r'<a class="say" href="[^"]*field=POINTS.1.IV_PULSE[^"]*">', card(page, "M15"))
    stored = readings(house)
    assert stored
    with house.world.read() as tx:
        assert [one.place.item for one in queries.of_form(tx, stored.id)] == ["IV_PULSE"]


def test_what_is_not_done_needs_a_reason(house: CellsHouse) -> None:
    cora = english(house, "cora")
    nothing = {name: "" for name in TAKEN if name.startswith("IV_")}
    blank = cora.post(VITALS, {**TAKEN, **nothing, "act": "not_done"})
    assert blank.status_code == 422 and "Say why it was not done." in said(blank.text, "M15")
    assert cora.post(VITALS, {**TAKEN, **nothing}).status_code == 422
    assert cora.post(VITALS, {**TAKEN, "act": "not_done", "why": "x"}).status_code == 422 and rows(house) == []
    assert cora.post(VITALS, {**TAKEN, **nothing, "act": "not_done", "why": "in imaging"}).status_code == 303
    assert set(rows(house)[0].values()) == {"M15", "ND: in imaging"}
    assert "not done" in said(cora.get(VITALS).text, "M15")


@pytest.mark.parametrize("name", ["point", "seen", "at", "why", "IV_SBP"])
@pytest.mark.parametrize("value", ["\x00", "x" * 5000, "\ud800", "<b>", "9" * 400])
def test_no_input_breaks_the_page(house: CellsHouse, name: str, value: str) -> None:
    sent = {**TAKEN, name: value.encode("utf-8", "surrogatepass")}
    answer = house.client("cora").post(VITALS, sent)
    assert answer.status_code in (303, 409, 422)
    assert len(rows(house)) <= 1


# The thaw, and a reaction


def test_the_clock_since_the_thaw_runs_until_the_start(house: CellsHouse) -> None:
    cora = english(house, "cora")
    house.cells.move(BAGS[0], "THAWED", ago(37), MOV_VIABILITY="85", now=now())
    assert "thawed" not in text(cora.get(VITALS))
    cora.post(BEDSIDE, CHECK)
    page = cora.get(VITALS)
    assert re.search(rf"{BAGS[0]} thawed [^,]+(?:, [^,]+)?, 3[78] min ago\. The study sets no limit\.", text(page))
    assert re.search(r'data-thawed="20[^"]+" data-limit="0"', page.text)


def test_a_reaction_begins_an_adverse_event_with_what_is_known_and_nothing_judged(house: CellsHouse) -> None:
    cora = english(house, "cora")
    found = re.search(r'href="([^"]*begin=reaction)"', cora.get(VITALS).text)
    assert found
    begin_infusion(house, 5)
    before = trail(house)
    page = cora.get(unescape(found[1]))
    day, _, year, clock = ago(0)
    assert "Proposed at the bedside: the reaction begins now" in text(page) and "Nothing is saved yet" in text(page)
    for name, value in (("i-AE_ONSET-d", f"{day:02d}"), ("i-AE_ONSET-y", year)):
        assert re.search(rf'id="{name}"[^>]*value="{value}"', page.text), name
    assert re.search(rf'id="i-AE_ONSET_TIME"[^>]*value="{str(clock)[:2]}', page.text)
    assert re.search(r'<option[^>]*value="R-01-001/D0/1/INFUSION/1"[^>]* selected|selected[^>]*value="R-01-001/D0/1/INFUSION/1"', page.text)
    assert not re.search(r'name="i\.AE_(GRADE|SERIOUS|RELATED)"[^>]* checked', page.text) and trail(house) == before
    assert f"{SUBJECT}/AE/1/ADVERSE/1" in found[1] and house.client("mona").get(VITALS).text.count("begin=reaction") == 0


# Who, where


def test_another_sites_recipient_does_not_exist_and_neither_do_readings_of_a_donor(house: CellsHouse) -> None:
    olga, cora = house.client("olga"), house.client("cora")
    assert olga.get(VITALS).status_code == olga.post(VITALS, TAKEN).status_code == 404
    assert cora.get(VITALS.replace("R-", "D-")).status_code == cora.post(VITALS.replace("R-", "B-"), TAKEN).status_code == 404


def test_who_only_reads_sees_no_boxes_and_saves_nothing(house: CellsHouse) -> None:
    mona, sam = house.client("mona"), house.client("sam")
    page = mona.get(VITALS)
    assert page.status_code == 200 and "data-reading" not in page.text and "begin=" not in page.text
    assert mona.post(VITALS, TAKEN).status_code == 403 and sam.get(VITALS).status_code == sam.post(VITALS, TAKEN).status_code == 403
    assert rows(house) == []


def test_a_get_writes_nothing(house: CellsHouse) -> None:
    cora = english(house, "cora")
    cora.post(VITALS, TAKEN)
    before = trail(house)
    for url in (VITALS, f"{VITALS}?done=saved", f"{INFUSION}?begin=infusion", f"{SUBJECT}/AE/1/ADVERSE/1?begin=reaction"):
        assert cora.get(url).status_code == 200
    assert trail(house) == before
