"""The page of the bedside check: one outcome in large words, whatever is scanned, typed or sent twice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.actions.cells_world import BAGS
from tests.actions.world import PASSWORD, typed
from tests.conftest import Databases, Filling
from tests.web.bedside_site import (
    BEDSIDE,
    CHECK,
    INFUSION,
    LABELS,
    SUBJECT,
    VITALS,
    ago,
    attempts_in_trail,
    bedside_filling,
    english,
    now,
    trail,
)
from tests.web.cells_site import CellsHouse, cells_house
from tests.web.site import text
from trialcrf.actions.cells import bedside
from trialcrf.core.document import FormKey
from trialcrf.core.product.identity import Kind, label
from trialcrf.core.throttle import HERE
from trialcrf.store import attempts, forms, signatures
from trialcrf.store.forms import StoredForm


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


def checks(house: CellsHouse) -> list[StoredForm]:
    with house.world.read() as tx:
        return bedside.checks_of(tx, house.world.published.study, house.cells.recipient)


def recall(house: CellsHouse) -> None:
    boxes = {"INC_KIND": "STERILITY", "INC_AWARE": ago(1), "INC_TEXT": "Seen in the culture.", "INC_RECALL": "Y"}
    house.world.save(house.cells.batch, "INCIDENT", "INCIDENTS", typed(**boxes), name="lara", now=now())


def test_two_persons_check_a_bag_and_the_next_step_is_the_infusion(each_house: CellsHouse) -> None:
    house, cora = each_house, english(each_house, "cora")
    page = cora.get(BEDSIDE)
    assert "First person: Cora" in text(page) and page.text.index('id="bag"') < page.text.index('id="wristband"') < page.text.index(
        'id="donation"'
    )
    answer = cora.post(BEDSIDE, CHECK)
    assert answer.status_code == 303 and answer.headers["Location"] == f"{BEDSIDE}?accepted=1"
    shown = text(cora.get(answer.headers["Location"]))
    assert re.search(
        rf"Accepted Bag {BAGS[0]} Recipient R-01-001 Dose cohort 1 × 10⁶ cells/kg Checked at \d\d:\d\d Confirmed by Cora, Ivan", shown
    )
    assert f'href="{INFUSION}?begin=infusion"' in cora.get(answer.headers["Location"]).text
    (stored,) = checks(house)
    with house.world.read() as tx:
        assert {one.actor for one in signatures.all_of(tx, stored.subject_id, "bedside")} == {"cora", "ivan"}
    assert attempts_in_trail(house) == []


def test_the_same_check_sent_twice_is_recorded_once_and_told_as_accepted(each_house: CellsHouse) -> None:
    house, cora = each_house, english(each_house, "cora")
    cora.post(BEDSIDE, CHECK)
    again = cora.post(BEDSIDE, CHECK)
    assert again.status_code == 303 and "again=1" in again.headers["Location"]
    shown = text(cora.get(again.headers["Location"]))
    assert re.search(r"This check was recorded already at \d\d:\d\d by Cora and Ivan\. It is recorded once\.", shown)
    assert "STOP" not in shown and len(checks(house)) == 1 and attempts_in_trail(house) == []
    # Another cohort, or a recall in between, is no repetition.
    other = cora.post(BEDSIDE, {**CHECK, "cohort": "MSC3"})
    assert other.status_code == 422 and "This bag was checked for an infusion already. The cohort is not open." in text(other)
    recall(house)
    assert "This bag is recalled." in text(cora.post(BEDSIDE, CHECK))
    assert len(checks(house)) == 1 and len(attempts_in_trail(house)) == 2


def test_what_came_up_after_the_check_stops_on_its_page(house: CellsHouse) -> None:
    cora = english(house, "cora")
    cora.post(BEDSIDE, CHECK)
    recall(house)
    shown = text(cora.get(f"{BEDSIDE}?accepted=1"))
    assert "STOP Do not give this bag. Keep it aside and call the investigator." in shown
    assert "Since then: This bag is recalled." in shown and "Record the infusion" not in shown
    assert "since then: This bag is recalled." in text(cora.get(BEDSIDE))


def test_a_stop_tells_every_reason_and_what_to_do_and_keeps_the_scans(house: CellsHouse) -> None:
    cora = english(house, "cora")
    answer = cora.post(BEDSIDE, {**CHECK, "wristband": label("msc_ssc", Kind.WRISTBAND, "R-01-002"), "donation": "OTHER"})
    shown = text(answer)
    assert answer.status_code == 422 and "STOP Do not give this bag. Keep it aside and call the investigator." in shown
    first, second = "The wristband is not that of this recipient.", "The donation that was scanned is not one that this bag comes from."
    assert f"{first} {second}" in shown and "Nobody can lift this stop." in shown
    assert f'value="{LABELS["bag"]}"' in answer.text and PASSWORD not in answer.text and 'name="reason"' not in answer.text
    assert checks(house) == []
    (attempt,) = attempts_in_trail(house)
    assert json.loads(attempt)["stops"] == ["wrong_person", "wrong_donation"] and json.loads(attempt)["by"] == ["cora", "ivan"]
    listed = text(cora.get(BEDSIDE))
    assert f"Refused {LABELS['bag']}" in listed and f"cora, ivan {first} {second}" in listed


@pytest.mark.parametrize(
    ("name", "sent", "said"),
    [
        ("bag", LABELS["bag"].lower(), "The scanner and this computer do not use the same keyboard layout"),
        ("bag", LABELS["bag"][:-1] + "£", "The check character of this label is wrong"),
        ("bag", label("other", Kind.BAG, BAGS[0]), "This label belongs to another study (OTHER)."),
        ("wristband", LABELS["bag"], "Scanned: Bag. Expected: Wristband."),
        ("donation", "x\x00y", "There is a character in it that cannot be recorded"),
        ("bag", "9" * 5000, "At most 200 characters."),
    ],
)
def test_a_wrong_label_is_refused_at_its_box_with_its_own_sentence_and_kept_in_the_trail(
    house: CellsHouse, name: str, sent: str, said: str
) -> None:
    cora = english(house, "cora")
    answer = cora.post(BEDSIDE, {**CHECK, name: sent})
    assert answer.status_code == 422 and said in text(answer)
    assert re.search(rf'<input[^>]*id="{name}"[^>]*>', answer.text) and f'aria-describedby="error-{name}"' in answer.text
    (attempt,) = attempts_in_trail(house)
    assert json.loads(attempt)["stops"] == [f"label_{name}"]
    assert f"The label of the {name} could not be read." in text(cora.get(BEDSIDE))


def test_a_page_that_a_scanner_sends_half_filled_is_told_what_is_missing_and_is_no_attempt(house: CellsHouse) -> None:
    cora = english(house, "cora")
    before = trail(house)
    answer = cora.post(BEDSIDE, {"bag": LABELS["bag"]})
    shown = text(answer)
    assert answer.status_code == 422 and "Not complete yet: nothing was recorded" in shown
    assert "Scan the wristband." in shown and "Choose the dose cohort." in shown and "Scan the bag." not in shown
    assert f'value="{LABELS["bag"]}"' in answer.text and trail(house) == before


def failed(house: CellsHouse) -> dict[str, int]:
    with house.world.read() as tx:
        return {name: attempts.failures(tx, now(), name, "127.0.0.1")[HERE].count for name in ("cora", "ivan")}


def test_a_wrong_password_counts_against_whose_it_was_and_is_kept(house: CellsHouse) -> None:
    cora = english(house, "cora")
    first = cora.post(BEDSIDE, {**CHECK, "password": "not the right one"})
    assert first.status_code == 422 and "This is not your password" in text(first) and 'aria-describedby="error-password"' in first.text
    assert failed(house) == {"cora": 1, "ivan": 0}
    for _ in range(5):
        second = cora.post(BEDSIDE, {**CHECK, "second_password": "not the right one"})
    assert second.status_code == 422 and "This user name and password do not go together." in text(second)
    assert "Too many attempts from here" in text(cora.post(BEDSIDE, CHECK))
    assert [json.loads(one)["stops"] for one in attempts_in_trail(house)] == [["password"], *[["second_password"]] * 6]
    assert failed(house) == {"cora": 0, "ivan": 5}, "her own was right since, and ends the counting of hers"
    assert checks(house) == []
    assert "The user name and password of the second person did not go together." in text(cora.get(BEDSIDE))


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("cora", "The second person must be somebody else."),
        (" CORA ", "The second person must be somebody else."),
        ("mona", "The second person may not make bedside checks at this site."),
        ("olga", "The second person may not make bedside checks at this site."),
        ("nobody", "This user name and password do not go together."),
    ],
)
def test_the_second_person_is_another_one_with_the_right(house: CellsHouse, second: str, said: str) -> None:
    cora = english(house, "cora", second if second in ("mona", "olga") else "ivan")
    answer = cora.post(BEDSIDE, {**CHECK, "second_username": second})
    assert answer.status_code == 422 and said in text(answer) and checks(house) == []
    assert len(attempts_in_trail(house)) == 1


# The emergency


def test_an_investigator_signs_a_deviation_and_the_check_is_made_again(each_house: CellsHouse) -> None:
    house, cora, ivan = each_house, english(each_house, "cora"), english(each_house, "ivan", "cora")
    shut = {**CHECK, "cohort": "MSC3"}
    told = cora.post(BEDSIDE, shut)
    assert "The cohort is not open." in text(told) and "In an emergency an investigator may sign a deviation for this bag." in text(told)
    assert 'name="reason"' not in told.text
    by_ivan = {**shut, "second_username": "cora"}
    stop = ivan.post(BEDSIDE, by_ivan)
    assert 'name="reason"' in stop.text and 'type="checkbox"' not in stop.text
    sent = {**LABELS, "cohort": "MSC3", "reason": "No other product in time.", "password": PASSWORD}
    blank = ivan.post(f"{BEDSIDE}/emergency", {**sent, "reason": " "})
    assert blank.status_code == 422 and "Say why this bag is to be given all the same." in text(blank) and "STOP" in text(blank)
    wrong = ivan.post(f"{BEDSIDE}/emergency", {**sent, "password": "not the right one"})
    assert wrong.status_code == 422 and "This is not your password" in text(wrong) and "No other product in time." in text(wrong)
    answer = ivan.post(f"{BEDSIDE}/emergency", sent)
    assert answer.status_code == 303 and checks(house) == []
    shown = text(ivan.get(answer.headers["Location"]))
    assert "Emergency deviation signed" in shown and "Two persons make the check again" in shown
    ivan.post(f"{BEDSIDE}/emergency", sent)
    with house.world.read() as tx:
        assert len(signatures.all_of(tx, house.cells.recipient.id, "emergency")) == 1
    done = cora.post(BEDSIDE, shut)
    assert done.status_code == 303
    assert "By a signed emergency deviation, which lifted: The cohort is not open." in text(cora.get(done.headers["Location"]))
    assert "again=1" in cora.post(BEDSIDE, shut).headers["Location"]


def test_a_deviation_is_no_way_round_what_nobody_may_override(house: CellsHouse) -> None:
    ivan = english(house, "ivan", "cora")
    sent = {**LABELS, "wristband": "R-01-002", "cohort": "MSC1", "reason": "x", "password": PASSWORD}
    answer = ivan.post(f"{BEDSIDE}/emergency", sent)
    assert answer.status_code == 422 and "Nobody can lift this stop." in text(answer)
    assert ivan.post(f"{BEDSIDE}/emergency", {**sent, "wristband": "R-01-001"}).status_code == 422  # nothing stands against it
    assert ivan.post(f"{BEDSIDE}/emergency", {**sent, "bag": LABELS["wristband"]}).status_code == 422
    with house.world.read() as tx:
        assert signatures.all_of(tx, house.cells.recipient.id, "emergency") == []


@pytest.mark.parametrize(("name", "status"), [("cora", 403), ("dora", 403), ("quin", 404), ("mona", 403), ("olga", 403)])
def test_only_an_investigator_signs_a_deviation(house: CellsHouse, name: str, status: int) -> None:
    sent = {**LABELS, "cohort": "MSC3", "reason": "x", "password": PASSWORD}
    assert house.client(name).post(f"{BEDSIDE}/emergency", sent).status_code in (status, 403)
    with house.world.read() as tx:
        assert signatures.all_of(tx, house.cells.recipient.id, "emergency") == []


# Who, where


def test_another_sites_recipient_does_not_exist_and_neither_does_the_page_of_a_donor_or_a_batch(house: CellsHouse) -> None:
    olga, cora = house.client("olga"), house.client("cora")
    assert olga.get(BEDSIDE).status_code == olga.post(BEDSIDE, CHECK).status_code == 404
    for other in ("D-01-001", "B-01-001", "R-99-001"):
        assert cora.get(BEDSIDE.replace("R-01-001", other)).status_code == 404
    assert attempts_in_trail(house) == []


@pytest.mark.parametrize("name", ["dora", "mona", "dana", "sam", "lara", "quin"])
def test_only_who_treats_makes_a_check(house: CellsHouse, name: str) -> None:
    someone = house.client(name)
    assert someone.get(BEDSIDE).status_code in (403, 404) and someone.post(BEDSIDE, CHECK).status_code in (403, 404)
    assert checks(house) == []


def test_a_get_writes_nothing(house: CellsHouse) -> None:
    cora = english(house, "cora")
    cora.post(BEDSIDE, CHECK)
    before = trail(house)
    for url in (
        BEDSIDE,
        f"{BEDSIDE}?accepted=1",
        f"{BEDSIDE}?accepted=77&again=1",
        f"{BEDSIDE}?signed=1",
        VITALS,
        f"{INFUSION}?begin=infusion",
    ):
        assert cora.get(url).status_code == 200, url
    assert cora.get(f"{BEDSIDE}/emergency").status_code == 405
    assert trail(house) == before


def test_the_ways_to_it_are_on_the_recipients_page_and_on_the_forms_of_the_infusion(house: CellsHouse) -> None:
    cora, mona = house.client("cora"), house.client("mona")
    for url in (SUBJECT, INFUSION, f"{SUBJECT}/D0/1/INFVITALS/1"):
        assert f'href="{BEDSIDE}"' in cora.get(url).text and f'href="{VITALS}"' in cora.get(url).text
        assert f'href="{BEDSIDE}"' not in mona.get(url).text
    assert f'href="{BEDSIDE}"' not in cora.get(f"{SUBJECT}/SCR/1/VITALS/1").text
    assert "/bedside" not in cora.get(SUBJECT.replace("R-", "D-")).text


# The infusion that is begun from it


def test_the_infusion_is_proposed_from_the_check_and_saved_by_the_person_only(house: CellsHouse) -> None:
    cora = english(house, "cora")
    house.cells.move(BAGS[0], "THAWED", ago(12), MOV_VIABILITY="85", now=now())
    house.world.save(house.cells.recipient, "VITALS", "D0", typed(WT="62.4"), now=now())
    assert "Proposed from" not in text(cora.get(f"{INFUSION}?begin=infusion"))
    accepted = cora.post(BEDSIDE, CHECK).headers["Location"]
    bag_page = text(cora.get(accepted))
    assert re.search(rf"{BAGS[0]} thawed [^,]+(?:, [^,]+)?, 1[23] min ago\. The study sets no limit", bag_page)
    assert "Planned for this weight 62.4 × 10⁶ 1 × 10⁶/kg × 62.4 kg Accepted range 49.9 to 74.9 × 10⁶ ± 20 %" in bag_page
    assert "Volume that holds the planned dose 45.9 mL of 50 mL" in bag_page and "A-37" in bag_page
    assert "If the whole bag is given 68.0 × 10⁶ 1.09 × 10⁶/kg Deviation +9.0% within the tolerance" in bag_page
    page = cora.get(f"{INFUSION}?begin=infusion")
    assert f"Proposed from the bedside check of {BAGS[0]}. Nothing is saved yet" in text(page)
    for value in (f'value="{BAGS[0]}"', 'value="LOT-2026-01"', 'value="80"', 'value="85"'):
        assert value in page.text
    assert re.search(r'id="i-INF_WEIGHT"[^>]*value=""', page.text) and "1.09" not in page.text
    with house.world.read() as tx:
        assert forms.read(tx, house.cells.recipient.id, FormKey("D0", "INFUSION")) is None
    sent = {
        "p": ["INF_COHORT", "INF_BATCH", "INF_WEIGHT", "INF_TOTAL", "INF_VIABILITY", "INF_DOSE", "INFUSED.new1.INF_BAG"], "version": "0",
        "i.INF_COHORT": "MSC1", "i.INF_BATCH": "LOT-2026-01", "i.INF_WEIGHT": "624", "i.INF_TOTAL": "80", "i.INF_VIABILITY": "85",
        "i.INF_DOSE": "20", "r.INFUSED.new1.INF_BAG": LABELS["bag"],
    }  # fmt: skip
    refused = cora.post(f"{INFUSION}?begin=infusion", sent)
    assert refused.status_code == 422 and re.search(r'id="i-INF_WEIGHT"[^>]*aria-invalid="true"', refused.text)
    assert cora.post(f"{INFUSION}?begin=infusion", {**sent, "i.INF_WEIGHT": "62.4"}).status_code == 303
    shown = text(cora.get(INFUSION))
    assert "Given 20.0 × 10⁶ 0.32 × 10⁶/kg Deviation -67.9% beyond the tolerance" in shown
    assert "Proposed from" not in text(cora.get(f"{INFUSION}?begin=infusion"))


def test_nobody_begins_an_infusion_elsewhere_or_of_another_kind(house: CellsHouse) -> None:
    english(house, "cora").post(BEDSIDE, CHECK)
    assert house.client("olga").get(f"{INFUSION}?begin=infusion").status_code == 404
    cora = house.client("cora")
    for url in (
        f"{SUBJECT}/D0/1/VITALS/1?begin=infusion",
        f"{INFUSION}?begin=reaction",
        f"{INFUSION}?begin=nothing",
        f"{INFUSION}?begin=result",
    ):
        page = cora.get(url)
        assert page.status_code == 200 and 'id="begun"' not in page.text, url
    assert cora.get(f"{SUBJECT}/AE/1/ADVERSE/1?begin=result&from=x").status_code == 404
