"""Pages under what a person sets at the system or browser: no motion, colours of their own, much larger, spaced wider, no mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import ViewportSize

from tests.browser.conftest import AtBrowser
from tests.browser.looks import MOVING, OBSCURED, READABLE, REFLOWED, SPACED
from tests.browser.pages import a_batch
from tests.browser.person import Person
from tests.browser.program import STUDY, Program, form_address, subject_address

LIST = f"/studies/{STUDY}"
USUAL, LARGER = ViewportSize(width=1366, height=768), ViewportSize(width=320, height=256)


def plant(person: Person, script: str) -> None:
    """Something wrong that a look must find."""
    person.page.evaluate(script)


def test_what_is_looked_for_is_found(at_browser: AtBrowser) -> None:
    """A look that finds nothing anywhere would pass every page."""
    cora = at_browser("cora")
    for size, look, script, said in (
        (LARGER, REFLOWED, "document.querySelector('main p').style.width = '500px'", "the page scrolls sideways"),
        (LARGER, REFLOWED, "document.querySelector('.top').style.cssText = 'position: sticky; top: 0; height: 140px'", "stays in sight"),
        (
            LARGER,
            REFLOWED,
            "document.querySelector('main p').style.cssText = 'overflow-x: auto; white-space: nowrap; width: 2rem'",
            "text that scrolls",
        ),
        (USUAL, SPACED, "document.querySelector('main h2').style.cssText = 'overflow: hidden; height: 1.2em'", "cut off"),
        (USUAL, OBSCURED, "document.querySelector('.top').style.cssText = 'position: fixed; inset: 0'", "out of sight"),
        (USUAL, MOVING, "document.querySelector('main h2').style.transition = 'color 1s'", "<h2"),
    ):
        cora.page.set_viewport_size(size)
        cora.open("/account")
        if look is not MOVING:
            assert cora.page.evaluate(look) == []
        plant(cora, script)
        assert said in " ".join(cora.page.evaluate(look)), script
    cora.page.set_viewport_size(USUAL)


@pytest.mark.parametrize("size", [USUAL, LARGER], ids=["usual", "at 400 per cent"])
def test_whatever_has_the_focus_is_in_sight(at_browser: AtBrowser, program: Program, size: ViewportSize) -> None:
    """On pages where something stays in sight while the others scroll under it."""
    cora = at_browser("cora")
    cora.page.set_viewport_size(size)
    for address in (
        f"{LIST}/subjects",
        subject_address("R-01-001"),
        form_address("R-01-001", "M6", "VITALS"),
        form_address("R-01-001", "M6", "SKIN"),
        form_address("R-01-001", "M6", "HAQ"),
    ):
        cora.open(address)
        assert cora.page.evaluate(OBSCURED) == [], address
    cora.page.set_viewport_size(USUAL)


def test_nothing_moves_for_whoever_asked_for_that(at_browser: AtBrowser) -> None:
    cora = at_browser("cora")
    cora.page.emulate_media(reduced_motion="reduce")
    for address in ("/account", f"{LIST}/dashboard", form_address("R-01-001", "M6", "SKIN"), subject_address("R-01-001") + "/card"):
        cora.open(address)
        assert cora.page.evaluate(MOVING) == [], address


@pytest.mark.parametrize("palette", ["dark", "light"])
def test_drawings_are_read_in_colours_of_ones_own(at_browser: AtBrowser, program: Program, palette: str) -> None:
    """Whatever theme was chosen in the program: a palette of one's own stands above it."""
    cora, quin = at_browser("cora"), at_browser("quin")
    batch = a_batch(program)
    for person, addresses in (
        (
            cora,
            (form_address("R-01-001", "M6", "SKIN"), subject_address("R-01-001") + "/timeline", f"{LIST}/dashboard", f"{LIST}/stopping"),
        ),
        (quin, (f"{LIST}/trace?key={batch}",)),
    ):
        person.page.emulate_media(forced_colors="active", color_scheme=palette)  # type: ignore[arg-type]
        for address in addresses:
            person.open(address)
            person.page.locator("svg text:visible").first.wait_for()
            for theme in ("dark", "light"):
                person.page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme; }", theme)
                assert person.page.evaluate(READABLE) == [], (address, theme)


LOST = "one => one.removeAttribute('{}')"
STATES = (
    (f"{LIST}/subjects", "nav.side a[aria-current]", LOST.format("aria-current")),
    (form_address("R-01-001", "M12", "VITALS"), ".steps a[aria-current]", LOST.format("aria-current")),
    (form_address("R-01-001", "M12", "VITALS"), ".tongue[aria-pressed=true]", LOST.format("aria-pressed")),
    (form_address("R-01-001", "M12", "VITALS"), ".btn.main", "one => one.classList.remove('main')"),
    (form_address("R-01-001", "M12", "VITALS"), ".item", "one => one.classList.add('err')"),
    (form_address("R-01-001", "M12", "VITALS"), ".item ~ .item", "one => one.classList.add('ask')"),
    (form_address("R-01-001", "M12", "VITALS"), "[name='i.WT']", "one => one.setAttribute('aria-invalid', 'true')"),
    (form_address("R-01-001", "SCR", "SKIN"), "[data-site=FACE] label:has([value='3'])", "one => one.firstElementChild.click()"),
    (
        form_address("R-01-001", "SCR", "SKIN"),
        ".region[data-region=CHEST]",
        "() => document.querySelector('[data-site=CHEST] [value=\"2\"]').click()",
    ),
    (f"{LIST}/subjects", ".chips a[aria-current]", LOST.format("aria-current")),
    (f"{LIST}/subjects", "a.cell.overdue", "one => one.classList.remove('overdue')"),
    (f"{LIST}/calendar", ".month td.today", "one => one.classList.remove('today')"),
    (f"{LIST}/stopping", ".boundary tr[aria-current]", LOST.format("aria-current")),
)
"""What tells a state by its looks alone, and how the state begins or ends: without colours it must look different still."""


def test_without_colours_every_state_still_shows(at_browser: AtBrowser) -> None:
    cora = at_browser("cora")
    cora.page.emulate_media(forced_colors="active")
    for address, selector, change in STATES:
        if cora.path() != address:
            cora.open(address)
        one = cora.page.locator(selector).first.element_handle()
        before = one.screenshot()
        one.evaluate(change)
        cora.page.mouse.move(0, 0)
        assert one.screenshot() != before, selector
    cora.open(form_address("R-01-001", "M12", "VITALS"))
    for selector in (".skip", ".tongue", "main a:visible", "main button:visible"):
        one = cora.page.locator(selector).first
        one.focus()
        assert one.evaluate(
            "one => getComputedStyle(one).outlineStyle !== 'none' && getComputedStyle(one).outlineColor !== 'rgba(0, 0, 0, 0)'"
        )
