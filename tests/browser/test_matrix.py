"""Step 1: the coordinator of a site sees the visit matrix of the site."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import AtBrowser
from tests.browser.program import STUDY

MATRIX = f"/studies/{STUDY}/subjects"
WORDS = {
    "done": "done",
    "done_out": "done out of window",
    "due": "due",
    "overdue": "overdue by",
    "due_soon": "due soon",
    "planned": "planned",
    "not_plannable": "not plannable",
    "missed": "missed",
    "not_applicable": "not applicable",
    "cancelled": "cancelled",
}
WINDOWED = {"due": r"days? left|last day today", "overdue": r"by \d+ days?"}


def test_signing_in_leads_the_coordinator_to_the_list_of_the_day_and_from_there_to_the_matrix_of_the_site(at_browser: AtBrowser) -> None:
    cora = at_browser("cora", fresh=True)
    assert cora.path() == f"/studies/{STUDY}/today"
    cora.press(cora.page.get_by_role("link", name="Subjects", exact=True))
    assert cora.path() == MATRIX
    subjects = cora.page.locator("table.matrix tbody th a").all_inner_texts()
    assert len(subjects) >= 6
    assert all(re.fullmatch(r"R-01-\d{3}", key) for key in subjects), "only recipients of site 01"


@pytest.mark.parametrize("kind", ["recipient", "donor"])
def test_every_cell_of_the_matrix_is_a_link_that_says_its_state_in_words_and_by_a_shape(at_browser: AtBrowser, kind: str) -> None:
    cora = at_browser("cora")
    cora.open(f"{MATRIX}?kind={kind}")
    cells = cora.page.locator("table.matrix td a.cell").evaluate_all(
        """cells => cells.map((cell) => {
          const copy = cell.cloneNode(true);
          copy.querySelectorAll("[aria-hidden=true]").forEach((one) => one.remove());
          const shape = cell.querySelector("svg use").getAttribute("href");
          return [cell.className.split(" ")[1], copy.textContent.replace(/\\s+/g, " ").trim(), shape, cell.getAttribute("href")];
        })"""
    )
    for state, said, shape, address in cells:
        assert WORDS[state] in said, said
        assert re.match(r"[RD]-01-\d{3}, .+, ", said), "who listens hears subject and visit too"
        assert re.search(r"\d+ of \d+ forms complete", said), "and, apart from the state, whether the forms are complete"
        assert shape.endswith(f"states.svg#{state}")
        assert "/subjects/" in address
        if state in WINDOWED:
            assert re.search(WINDOWED[state], said), said
    seen = {state for state, _, _, _ in cells}
    rows, columns = cora.page.locator("table.matrix tbody tr").count(), cora.page.locator("table.matrix thead th").count()
    assert len(cells) == rows * (columns - 2), "no cell but subject and sum is without a link"
    if kind == "recipient":
        assert seen | {"cancelled"} == set(WORDS), "the synthetic trial shows every state"
        mona = at_browser("mona")
        mona.open(f"{MATRIX}?kind={kind}&state=cancelled")
        assert mona.page.locator("a.cell.cancelled").count()


def test_the_heading_and_the_subjects_stay_in_sight_when_the_matrix_is_scrolled(at_browser: AtBrowser) -> None:
    mona = at_browser("mona")
    mona.page.set_viewport_size({"width": 900, "height": 500})
    mona.open(MATRIX)
    moved = mona.page.locator(".scroll.tall").evaluate(
        """async (part) => {
          part.scrollTo(400, part.scrollHeight);
          await new Promise((done) => requestAnimationFrame(done));
          const box = part.getBoundingClientRect();
          const head = part.querySelector("thead th:nth-child(3)").getBoundingClientRect();
          const name = [...part.querySelectorAll("tbody th")].at(-1).getBoundingClientRect();
          return [part.scrollTop, part.scrollLeft, head.top - box.top, name.left - box.left];
        }"""
    )
    down, right, from_top, from_left = moved
    assert down > 50 and right > 50, "there is something to scroll"
    assert abs(from_top) < 3 and abs(from_left) < 3


def test_a_shape_of_the_matrix_is_drawn_and_not_only_named(at_browser: AtBrowser) -> None:
    cora = at_browser("cora")
    cora.open(MATRIX)
    shape = cora.page.locator("a.cell.overdue svg").first.bounding_box()
    assert shape
    assert shape["width"] >= 10
    assert shape["height"] >= 10
    sprite = cora.page.request.get(cora.url + "/static/states.svg").text()
    assert all(f'id="{state}"' in sprite for state in WORDS)


def test_the_matrix_filtered_by_its_address_keeps_only_subjects_with_an_overdue_visit(at_browser: AtBrowser) -> None:
    cora = at_browser("cora")
    demo = f"{MATRIX}?q=R-01-00"  # The subjects of the synthetic trial: other tests enrol more.
    cora.open(demo)
    every = cora.page.locator("table.matrix tbody th a").all_inner_texts()
    late = cora.page.locator("table.matrix tbody tr:has(a.cell.overdue) th a").all_inner_texts()
    assert 0 < len(late) < len(every)
    cora.open(f"{demo}&state=overdue")
    assert cora.page.locator("table.matrix tbody th a").all_inner_texts() == late


def test_the_search_box_finds_a_subject_by_a_part_of_its_number(at_browser: AtBrowser) -> None:
    cora = at_browser("cora")
    cora.open(MATRIX)
    cora.page.keyboard.press("/")
    cora.page.keyboard.type("01-002")
    with cora.page.expect_navigation():
        cora.page.keyboard.press("Enter")
    assert "q=01-002" in cora.path()
    assert "R-01-002" in cora.page.locator("ul.hits[data-found=subjects] a").all_inner_texts()
    cora.page.keyboard.press("/")
    cora.page.keyboard.press("Control+A")
    cora.page.keyboard.type("r01002")
    with cora.page.expect_navigation():
        cora.page.keyboard.press("Enter")
    assert cora.path().split("?")[0].endswith("/subjects/R-01-002")


def test_another_site_is_absent_from_the_matrix_whatever_the_address_asks(at_browser: AtBrowser) -> None:
    cora = at_browser("cora")
    for address in (MATRIX, f"{MATRIX}?site=02", f"{MATRIX}?q=R-02", f"{MATRIX}?kind=donor", f"{MATRIX}?state=overdue&site=02"):
        cora.open(address)
        assert "-02-" not in cora.reads("body"), address


def test_a_matrix_without_any_match_says_so(at_browser: AtBrowser) -> None:
    cora = at_browser("cora")
    cora.open(f"{MATRIX}?q=nobody")
    assert "No subject matches this view." in cora.reads()
