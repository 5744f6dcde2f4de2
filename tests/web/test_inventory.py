"""The stock on a page: every number leads to exactly its bags, and each person sees the bags and the recipients that are theirs."""

from __future__ import annotations

import csv
import io
import re
from html import unescape

import pytest

from tests.actions.cells_world import BAGS, LOT, Cells, make_batch
from tests.actions.world import typed
from tests.web.cells_site import cells_house
from tests.web.site import Browser, filling_of, open_house, text
from tests.web.trace_site import FAR, STUDY, english, two_sites

PAGE, FILE = f"{STUDY}/inventory", f"{STUDY}/inventory.csv"
COLD = {"MOV_TEMP_LOW": "-150", "MOV_TEMP_HIGH": "-140"}


@pytest.fixture
def house(databases, tmp_path):
    url = databases.fresh("sqlite", two_sites())
    made = cells_house(url, tmp_path)
    yield made
    made.close()
    databases.drop(url)


@pytest.fixture
def busy(house):
    """A second batch: two bags on hand of which one is expired and one recalled, one sent, one discarded."""
    codes = ("NEW-A", "NEW-B", "NEW-C", "NEW-D")
    batch = make_batch(house.world, house.cells.donor, "=NEW", codes, (20, 11, 2026))
    world, at = house.world, (21, 11, 2026, "08:00")
    world.save(batch, "MOVEMENT", "STOCK", typed(MOV_BAG="NEW-C", MOV_KIND="SHIPPED", MOV_AT=at, MOV_TO="WARD", **COLD), 1, name="lara")
    world.save(batch, "MOVEMENT", "STOCK", typed(MOV_BAG="NEW-D", MOV_KIND="DISCARDED", MOV_AT=at, MOV_WHY="Broken."), 2, name="lara")
    said = {"INC_KIND": "LABEL", "INC_AWARE": at, "INC_BAG": "NEW-A", "INC_TEXT": "x", "INC_RECALL": "Y"}
    world.save(batch, "INCIDENT", "INCIDENTS", typed(**said), name="lara")
    return house


def listed(page: str) -> list[str]:
    """The codes of the bags in the list."""
    part = page.partition('id="bags"')[2].partition("<tbody>")[2].partition("</tbody>")[0]
    return [unescape(re.sub(r"<[^>]+>", "", one)) for one in re.findall(r'<th scope="row">(.*?)</th>', part)]


def figures(page: str) -> list[tuple[str, int]]:
    """Every number that is a link, with its address."""
    found = re.findall(r'<a href="(/studies/msc_ssc/inventory\?[^"#]+)#bags">(\d+)<', page)
    return [(unescape(url), int(number)) for url, number in found]


def test_every_number_leads_to_its_bags(busy):
    quin = english(busy, "quin")
    numbers = figures(quin.get(PAGE).text)
    assert len(numbers) >= 15
    for url, number in numbers:
        assert len(listed(quin.get(url).text)) == number, url


def test_the_batches_are_reconciled_and_the_doubts_stand_on_top(busy):
    said = text(english(busy, "quin").get(PAGE))
    assert re.search(rf"{LOT} B-01-001 2 {LOT} 0 0 2 {LOT} 0 0", said)
    assert re.search(r"=NEW B-01-002 4 =NEW 2 =NEW 1 =NEW 0 1 =NEW 0", said)
    assert "Every bag is accounted for." in said
    assert said.index("To be looked at") < said.index("Bags by place and state")
    assert "Expired, neither given nor discarded: 3 bags" in said
    assert "Recalled, neither given nor discarded: 1 bags" in said


def test_a_bag_for_more_than_one_recipient_is_a_doubt_that_leads_to_it(house):
    other = make_batch(house.world, house.cells.donor, "TWO", ("TWO-A",))
    Cells(house.world, house.cells.donor, house.cells.recipient, other).release()
    house.cells.check("TWO-A")
    far = house.world.enrol("recipient", "02", ICF_DATE=(2, 11, 2026))
    house.cells.infuse("TWO-A", recipient=far, at=(20, 11, 2026, "22:00"))
    page = english(house, "quin").get(PAGE)
    assert "Bag TWO-A is recorded for more than one recipient." in text(page)
    assert f"{PAGE}?bag=TWO-A#bags" in page.text


@pytest.mark.parametrize(
    ("query", "bags"),
    [
        ("", [*BAGS, "NEW-A", "NEW-B", "NEW-C", "NEW-D"]),
        ("place=WARD", ["NEW-C"]),
        ("state=infused", list(BAGS)),
        ("batch=B-01-002&state=stored", ["NEW-A", "NEW-B"]),
        ("account=on_hand", ["NEW-A", "NEW-B"]),
        ("account=in_transit", ["NEW-C"]),
        ("mark=expired", ["NEW-A", "NEW-B", "NEW-C"]),
        ("mark=recalled", ["NEW-A"]),
        ("bag=NEW-D", ["NEW-D"]),
        ("mark=doubt", []),
        ("state=%3Cx%3E&place=nowhere&page=9999", [*BAGS, "NEW-A", "NEW-B", "NEW-C", "NEW-D"]),
    ],
)
def test_filters_choose_and_what_they_do_not_know_is_left_out(busy, query, bags):
    quin = english(busy, "quin")
    assert listed(quin.get(f"{PAGE}?{query}").text) == bags
    file = quin.get(f"{FILE}?{query}")
    assert [row["Bag"] for row in csv.DictReader(io.StringIO(file.text.removeprefix("\ufeff")))] == bags


def test_the_file_runs_no_cell_and_tells_what_the_page_tells(busy):
    answer = english(busy, "quin").get(FILE)
    assert answer.mimetype == "text/csv" and "attachment" in answer.headers["Content-Disposition"]
    rows = {row["Bag"]: row for row in csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))}
    assert rows["NEW-A"]["Batch number"] == "'=NEW"
    assert rows["NEW-A"]["Remarks"] == "recalled, expired"
    assert (rows[BAGS[0]]["State"], rows[BAGS[0]]["Recipient of cells"], rows[BAGS[0]]["Expires"]) == ("infused", "R-01-001", "2099-12-31")


def test_recipients_are_named_to_who_may_trace_at_their_site(house):
    told = {
        name: english(house, name).get(PAGE).text + english(house, name).get(FILE).text for name in ("quin", "ivan", "cora", "mona", "lara")
    }
    assert "R-01-001" in told["quin"] and FAR in told["quin"]
    assert "R-01-001" in told["ivan"] and FAR not in told["ivan"]
    for name in ("cora", "mona", "lara"):
        assert "R-01-001" not in told[name] and FAR not in told[name], name
    assert all("D-01-001" not in page for page in told.values())


def test_a_person_of_another_site_sees_what_was_given_there_and_reconciles_nothing(house):
    ines = english(house, "ines")
    page = ines.get(PAGE)
    assert listed(page.text) == [BAGS[1]] and FAR in page.text and "R-01-001" not in page.text
    assert BAGS[0] not in page.text + ines.get(FILE).text
    assert "Site 02" in text(page)
    assert listed(ines.get(f"{PAGE}?bag={BAGS[0]}").text) == [BAGS[1]], "a bag that is not theirs is no filter"


def test_who_has_no_part_in_it_is_refused_and_another_study_is_not_there(house):
    assert house.client("adam").get(PAGE).status_code == 403
    assert house.client("adam").get(FILE).status_code == 403
    assert house.client("quin").get("/studies/other/inventory").status_code == 404
    assert house.client("quin").post(PAGE).status_code == 405


def test_a_long_list_is_told_in_pages_and_whole_in_the_file(house):
    make_batch(house.world, house.cells.donor, "MANY", tuple(f"MANY-{number:03d}" for number in range(110)))
    quin: Browser = english(house, "quin")
    first, second = quin.get(f"{PAGE}?batch=B-01-002"), quin.get(f"{PAGE}?batch=B-01-002&page=2")
    assert (len(listed(first.text)), len(listed(second.text))) == (100, 10)
    assert "page=2" in first.text and "1 to 100 of 110" in text(first)
    assert quin.get(f"{FILE}?batch=B-01-002").text.count("MANY-") == 110


def test_a_study_without_bags_says_so(databases, tmp_path):
    url = databases.fresh("sqlite", filling_of())
    made = open_house(url, tmp_path)
    assert "No bag is recorded yet." in text(english(made, "quin").get(PAGE))
    made.close()
    databases.drop(url)
