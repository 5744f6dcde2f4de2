"""How the pages look, as far as it can be measured: density, paper, what moves while one reads or types, and what says that it works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route
from pypdf import PdfReader

from tests.browser.conftest import AtBrowser
from tests.browser.pages import LIST
from tests.browser.person import Person
from tests.browser.program import Program, form_address, subject_address

FORM = form_address("R-01-001", "M6", "VITALS")
BUSIEST = (
    f"{LIST}/today",
    f"{LIST}/subjects",
    subject_address("R-01-001"),
    FORM,
    form_address("R-01-001", "M6", "SKIN"),
    form_address("R-01-001", "AE", "ADVERSE"),
    f"{LIST}/queries?state=all",
    f"{LIST}/calendar",
    f"{LIST}/dashboard",
    subject_address("R-01-001") + "/eligibility",
)
"""The ten pages that a site has open most."""

# As the web measures it: what moves within half a second of a key or a click was asked for, except while one types.
_SHIFTS = """() => { window.moved = []; new PerformanceObserver((list) => { for (const one of list.getEntries())
  window.moved.push([one.value, one.hadRecentInput, one.sources.map((from) => from.node?.outerHTML?.slice(0, 120))]);
}).observe({ type: "layout-shift", buffered: true }); }"""


def shift(page: Page, typed: bool = False) -> tuple[float, list[object]]:
    """By how much of the screen things moved by themselves so far, and what; with `typed`, what moved after a key as well."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    moved = [one for one in page.evaluate("window.moved") if typed or not one[1]]
    return sum(one[0] for one in moved), moved


def heights(person: Person, selector: str) -> list[float]:
    """How high everything is that is seen of it."""
    asked = (
        "(all) => [...document.querySelectorAll(all)].filter((one) => one.offsetParent).map((one) => one.getBoundingClientRect().height)"
    )
    found: list[float] = person.page.evaluate(asked, selector)
    return found


def test_compact_pages_show_more_and_keep_what_is_pressed_large_enough(at_browser: AtBrowser, program: Program) -> None:
    ivan = at_browser("ivan")
    address = f"{LIST}/queries?state=all"
    pressed = "#entry :is(.btn, select, input:not([type=hidden], [type=radio], [type=checkbox]), .set label), .side a, .top .btn"
    found = {}
    for density in ("compact", "comfortable"):
        ivan.open("/account")
        ivan.page.locator(f'input[name="density"][value="{density}"]').check()
        ivan.press(ivan.page.get_by_role("button", name="Change the appearance"))
        assert ivan.page.locator("html").get_attribute("data-density") == density
        ivan.open(address)
        rows = sum(heights(ivan, ".queries tbody tr"))
        ivan.open(FORM)
        found[density] = rows, sum(heights(ivan, "#entry"))
        assert min(heights(ivan, pressed)) >= 24
        if density == "compact":
            fingers = at_browser("ivan", own=True, has_touch=True, is_mobile=True)
            fingers.open(FORM)
            assert min(heights(fingers, pressed)) >= 44
    assert found["compact"][0] < found["comfortable"][0] * 0.9
    assert found["compact"][1] < found["comfortable"][1] * 0.85


def printed(person: Person, path: Path) -> tuple[str, int, bool]:
    """What stands on the paper, on how many sheets, and whether they lie across."""
    person.page.pdf(path=path, prefer_css_page_size=True, print_background=True)
    sheets = PdfReader(path).pages
    wide, high = sheets[0].mediabox[2:]
    read = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True).stdout
    return " ".join(read.split()), len(sheets), wide > high


def test_paper_says_what_was_answered_by_whom_it_is_and_when_and_nothing_that_is_pressed(
    at_browser: AtBrowser, program: Program, tmp_path: Path
) -> None:
    cora = at_browser("cora")
    cora.open(FORM)
    cora.page.evaluate("document.documentElement.dataset.bsTheme = 'dark'")
    question = cora.reads("#entry .item .lab >> nth=0").partition(" (")[0]
    value = cora.page.locator("#entry input.num").first.input_value()
    said, sheets, across = printed(cora, tmp_path / "form.pdf")
    assert not across
    assert question in said
    assert value
    assert value in said
    assert said.count("R-01-001") >= sheets, "whose sheet it is stands on each"
    assert said.count("as it stood on") == sheets
    assert len(re.findall(rf"\b\d ?/ ?{sheets}\b(?!/)", said)) >= sheets, "and which of how many it is"
    for pressed in ("Save", "Sign out", "My day", "Keyboard shortcuts", "missing?", "Find"):
        assert pressed not in said, f"{pressed} is for the screen"
    subprocess.run(["pdftoppm", "-r", "20", "-gray", "-singlefile", tmp_path / "form.pdf", tmp_path / "form"], check=True)
    grays = (tmp_path / "form.pgm").read_bytes()[-4000:]
    assert sum(grays) / len(grays) > 230, "paper is white in the dark theme too"

    cora.open(f"{LIST}/subjects")
    said, sheets, across = printed(cora, tmp_path / "matrix.pdf")
    assert across
    heads = [one.inner_text() for one in cora.page.locator(".matrix thead th").all()]
    assert all(head.split()[0] in said for head in heads), "no visit is cut off"
    assert "done" in said
    assert "overdue" in said, "a state is a word on paper"


@pytest.mark.parametrize("address", BUSIEST)
def test_nothing_moves_by_itself_while_a_page_comes_or_somebody_types(at_browser: AtBrowser, program: Program, address: str) -> None:
    """Google calls 0.1 good; here it is half of that, and what moves after a key counts too."""
    cora = at_browser("cora", same_page=True)
    cora.open(address)
    cora.page.evaluate(_SHIFTS)
    if address.endswith("/dashboard"):
        cora.page.locator(".waits").first.wait_for(state="detached", timeout=60_000)
    box = cora.page.locator("#entry input[type=text]:visible:not(.note)").first
    if box.count():
        box.press_sequentially("7")
        box.press("Tab")
        cora.page.wait_for_timeout(1600)  # The server judges, and what was typed is kept.
    moved, what = shift(cora.page, typed=True)
    assert moved < 0.05, what
    if box.count():
        cora.page.evaluate("document.querySelector('form[data-entry]').dataset.kept = 'yes'")
        cora.open("/glossary")  # The page is left, and what was kept of it is nobody's any more.
        program.do("DELETE FROM draft WHERE address = :address", address=address)


def test_what_takes_longer_says_that_it_works(at_browser: AtBrowser, program: Program) -> None:
    cora = at_browser("cora")
    held: list[Route] = []
    cora.open(f"{LIST}/results/01")
    cora.page.route("**/results/01", lambda route: held.append(route))
    cora.page.set_input_files("#file", Path(__file__).parents[1] / "data/laboratory/hopital-latin1.csv")
    # While a page is on its way a browser is not asked: what stood then is remembered for the next one.
    cora.page.evaluate("""() => {
      const busy = () => !!document.querySelector('main button[value="look"][aria-busy="true"]');
      const told = () => [busy(), document.querySelector("#working").textContent];
      for (const after of [300, 1500]) setTimeout(() => sessionStorage.setItem("told" + after, JSON.stringify(told())), after);
      setTimeout(() => document.querySelector('main button[value="look"]').click(), 0);
    }""")
    cora.page.wait_for_timeout(2000)
    held[0].continue_()
    cora.page.locator("#lines").wait_for()
    asked = "[300, 1500].map((after) => JSON.parse(sessionStorage.getItem('told' + after)))"
    assert cora.page.evaluate(asked) == [[False, ""], [True, "Working: one moment."]], "nothing flickers where it is quick"
    assert cora.reads("#working") == ""
