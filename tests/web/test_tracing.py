"""The trace on a page: what is found by which name, both ways as picture and table, and what people of one site see of another's."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from tests.actions.cells_world import BAGS, DONATION, EXPIRY, LOT, make_batch
from tests.actions.screening import put, screen_donor
from tests.actions.world import typed
from tests.web.cells_site import cells_house
from tests.web.site import Browser, text
from tests.web.trace_site import FAR, STUDY, english, two_sites
from trialcrf.core.product.identity import Kind, label
from trialcrf.store import audit

PAGE = f"{STUDY}/trace"


@pytest.fixture(scope="module")
def kept(databases, tmp_path_factory):
    """One house for the tests that only read."""
    url = databases.fresh("sqlite", two_sites())
    made = cells_house(url, tmp_path_factory.mktemp("data"))
    yield made
    made.close()
    databases.drop(url)


@pytest.fixture
def house(databases, tmp_path):
    url = databases.fresh("sqlite", two_sites())
    made = cells_house(url, tmp_path)
    yield made
    made.close()
    databases.drop(url)


@pytest.fixture(scope="module")
def quin(kept) -> Browser:
    return english(kept, "quin")


def trace(someone: Browser, key: str, kind: str = ""):
    return someone.get(f"{PAGE}?key={quote(key)}" + (f"&kind={kind}" if kind else ""))


def rows(page: str) -> list[list[str]]:
    """The table, cell by cell as a person reads it."""
    body = page.rsplit("<tbody>", 1)[1].partition("</tbody>")[0]
    return [
        [re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", cell))).strip() for cell in re.split(r"</t[hd]>", row)[:-1]]
        for row in body.split("</tr>")[:-1]
    ]


def test_a_batch_is_traced_both_ways_in_words_and_numbers(quin):
    page = trace(quin, LOT)
    said = text(page)
    assert page.status_code == 200
    assert f"Batch {LOT} (B-01-001)" in said
    assert "Comes from: 1 donor, 1 donation." in said
    assert "Led to: 2 bags, 2 recipients." in said
    assert "gap" not in said


def test_the_table_says_of_each_thing_its_state_where_it_came_from_what_it_led_to_and_when(quin):
    told = {row[0]: row[1:] for row in rows(trace(quin, BAGS[0]).text)}
    assert [key.split()[0] for key in told] == ["Donor", "Donation", "Batch", "Bag", "Recipient"]
    bag = next(cells for key, cells in told.items() if key.startswith(f"Bag {BAGS[0]}"))
    assert bag[0] == f"infused expires 31 Dec {EXPIRY[2]}"
    assert bag[1] == f"{LOT} (B-01-001) was filled into the bag"
    assert "was checked at the bedside for R-01-001" in bag[2] and "was infused into R-01-001 21 Nov 2026, 09:30" in bag[2]
    assert bag[3].startswith("20 Nov 2026, 16:00")
    donor = next(cells for key, cells in told.items() if key.startswith("Donor"))
    assert f"gave the donation {DONATION}" in donor[2]
    assert not any(key.startswith(f"Bag {BAGS[1]}") for key in told), "the other bag is no part of the chain of this one"


def test_the_picture_is_whole_named_and_leads_on(quin):
    page = trace(quin, LOT).text
    drawn = page.partition('<svg class="trace"')[2].partition("</svg>")[0]
    svg = ElementTree.fromstring(unescape(f'<svg class="trace"{drawn}</svg>').replace("&", "&amp;"))
    assert svg.attrib["role"] == "group"
    names = svg.attrib["aria-labelledby"].split()
    assert [one.tag for one in svg if one.attrib.get("id") in names] == ["title", "desc"]
    links = svg.findall(".//a")
    assert len(links) == 7
    titles = [link.findtext("title").strip() for link in links]
    assert f"Bag {BAGS[0]}, infused" in titles and f"Batch {LOT} (B-01-001), released" in titles
    assert all(link.find("path") is not None and link.find("text") is not None for link in links)
    lines = [line.attrib["class"] for line in svg.findall(".//g[@class='lines']/path")]
    assert sorted(lines) == ["checked", "filled", "filled", "grown", "harvested", "infused", "infused"]
    assert [link for link in links if link.attrib.get("aria-current")] == [links[2]]


def test_every_link_of_the_picture_opens_a_trace(quin):
    page = trace(quin, LOT).text
    urls = {unescape(url) for url in re.findall(r'<a href="([^"]+trace[^"]+)"', page)}
    assert len(urls) == 7
    for url in urls:
        assert "Both ways, as a picture" in text(quin.get(url)), url


@pytest.mark.parametrize(
    ("key", "heading"),
    [
        ("D-01-001", "Donor D-01-001"),
        (DONATION, f"Donation {DONATION}"),
        ("B-01-001", f"Batch {LOT}"),
        (f" {LOT.lower()} ", f"Batch {LOT}"),
        (BAGS[1], f"Bag {BAGS[1]}"),
        ("R-01-001", "Recipient of cells R-01-001"),
        (label("msc_ssc", Kind.BAG, BAGS[0]), f"Bag {BAGS[0]}"),
        (label("msc_ssc", Kind.WRISTBAND, "R-01-001"), "Recipient of cells R-01-001"),
        (label("msc_ssc", Kind.DONATION, DONATION), f"Donation {DONATION}"),
        (f"{DONATION}E000004300120260930", f"Donation {DONATION}"),
    ],
)
def test_every_name_and_label_is_found(quin, key, heading):
    page = trace(quin, key)
    assert heading in text(page) and "The same as a table" in text(page)


def test_nothing_found_says_what_was_searched(quin):
    page = trace(quin, "LOT-<1>")
    assert page.status_code == 200
    assert "Nothing found Searched: LOT-<1>" in text(page)
    assert "<1>" not in page.text
    assert "no cells are recorded" not in text(page)


def test_somebody_of_whom_no_cells_are_recorded_is_told_apart(house):
    house.world.enrol("recipient", "01", ICF_DATE=(2, 11, 2026))
    assert "Somebody has this key, and no cells are recorded of them" in text(trace(english(house, "quin"), "R-01-002"))


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (label("msc_ssc", Kind.BAG, BAGS[0])[:-1] + "?", "The check character of this label is wrong"),
        (label("other", Kind.BAG, BAGS[0]), "This label belongs to another study (OTHER)."),
        (f"{DONATION}E000004300120260230", "the expiry date is no day of the calendar"),
    ],
)
def test_a_wrong_label_is_told_at_the_box(quin, key, why):
    page = trace(quin, key)
    assert why in text(page) and 'aria-invalid="true"' in page.text
    assert "Nothing found" not in text(page)


def test_several_things_of_one_name_are_listed_to_choose(house):
    twin = make_batch(house.world, house.cells.donor, BAGS[0], ("X-1",))
    quin = english(house, "quin")
    page = trace(quin, BAGS[0])
    assert "which one is meant?" in text(page) and '<svg class="trace"' not in page.text
    choices = [unescape(url) for url in re.findall(r'<li><a class="go" href="([^"]+)"', page.text)]
    headings = [text(quin.get(url)) for url in choices]
    assert f"Batch {BAGS[0]} ({twin.key})" in headings[0] and f"Bag {BAGS[0]}" in headings[1]


def test_gaps_and_recalls_are_told_plainly(house):
    donor = screen_donor(house.world)
    put(house.world, donor, "HARVEST", "H0", HAR_START=(17, 11, 2026, "09:00"), HAR_SITE="POSTERIOR", HAR_VOLUME="90")
    made = make_batch(house.world, donor, "NUMBERLESS", ("N-1",))
    said = {"INC_KIND": "LABEL", "INC_AWARE": (20, 11, 2026, "09:00"), "INC_TEXT": "x", "INC_RECALL": "Y"}
    house.world.save(made, "INCIDENT", "INCIDENTS", typed(**said), name="lara")
    page = trace(english(house, "quin"), "N-1")
    assert f"The chain has a gap: The donation of {donor.key} has no number." in text(page)
    assert "Donation without a number" in text(page)
    assert {row[0].split()[1]: row[1] for row in rows(page.text)}["NUMBERLESS"] == "not released whole batch recalled"


# --- Who sees what ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cora", "dora", "mona", "sam", "lara", "adam"])
def test_who_may_not_trace_is_refused(kept, name):
    assert trace(kept.client(name), LOT).status_code == 403


def test_another_study_is_not_there(kept):
    assert kept.client("quin").get("/studies/other/trace").status_code == 404


def test_the_page_says_who_may_see_it(quin):
    assert "Seen by: Investigator, Data manager, Qualified Person" in text(quin.get(PAGE))


def test_people_of_one_site_see_the_products_and_not_the_people_of_another(kept):
    ines = english(kept, "ines")
    page = trace(ines, LOT)
    said = text(page)
    assert "Led to: 2 bags, 2 recipients." in said and FAR in said and "of site 01" in said
    assert all(secret not in page.text for secret in ("D-01-001", "R-01-001", DONATION, "H0/1/HARVEST"))
    assert "You see participants and donations of site 02" in said
    # Not even the moments of the others: they would name the day of a visit.
    assert "21 Nov 2026, 09:30" not in said and "17 Nov 2026" not in said


@pytest.mark.parametrize("key", ["D-01-001", "R-01-001", DONATION, "D-01-001/H0/1/HARVEST/1"])
def test_the_people_of_another_site_cannot_be_looked_up(kept, key):
    assert "Nothing found" in text(trace(english(kept, "ines"), key))


def test_a_batch_of_which_nothing_came_to_the_site_is_not_found(house):
    make_batch(house.world, house.cells.donor, "OTHER", ("OTHER-A",))
    ines, ivan = english(house, "ines"), english(house, "ivan")
    for key in ("OTHER", "OTHER-A", BAGS[0]):
        assert "Nothing found" in text(trace(ines, key)), key
        assert "Both ways" in text(trace(ivan, key)), key


def test_reading_a_trace_writes_nothing(house):
    quin = english(house, "quin")
    with house.world.read() as tx:
        before = [one for one in audit.chains(tx.connection) if one[0] != "system"]
    trace(quin, LOT)
    assert quin.post(PAGE, {"key": LOT}).status_code == 405
    with house.world.read() as tx:
        assert [one for one in audit.chains(tx.connection) if one[0] != "system"] == before


@pytest.mark.parametrize(
    ("name", "subject", "linked"), [("ivan", "R-01-001", True), ("ivan", "D-01-001", True), ("cora", "R-01-001", False)]
)
def test_the_page_of_somebody_leads_to_the_trace_for_who_may(kept, name, subject, linked):
    page = kept.client(name).get(f"{STUDY}/subjects/{subject}")
    assert (f"{PAGE}?key={subject}" in page.text) == linked


def test_the_pages_of_batches_lead_to_the_trace(quin, kept):
    assert f"{PAGE}?key=B-01-001" in quin.get(f"{STUDY}/cells/B-01-001").text
    assert PAGE in quin.get(f"{STUDY}/cells").text
    assert PAGE not in kept.client("cora").get(f"{STUDY}/cells").text
