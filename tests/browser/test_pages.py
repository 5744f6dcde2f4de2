"""Every page, in the states that matter: accessible, well built, quiet under the strict policy, in both themes, on a small screen too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Response

from config import Settings
from tests.browser.conftest import AtBrowser
from tests.browser.judging import Judges
from tests.browser.looks import REFLOWED, SPACED, STRUCTURE
from tests.browser.pages import NO_PAGES, PAGES, Known
from tests.browser.person import Person
from tests.browser.pictures import FOLDER, brightness, kept
from tests.browser.program import Program, form_address
from trialcrf.actions import administer, demo
from trialcrf.store import accounts
from trialcrf.web import create_app

LARGER, USUAL = {"width": 320, "height": 256}, {"width": 1366, "height": 900}
"""A screen of 1280 × 1024 at 400 per cent, and a ward's."""

PAPER = 0.8
"""So much of a page is paper, or its ground, in either theme: what keeps the colours of the other one shows as a bright or a dark patch."""

_SHORTENED = "() => document.querySelectorAll('tbody > tr:nth-child(n+9)').forEach((row) => row.remove())"
"""The rows of a long table are all built alike: the first ones are looked at closely, which takes its time."""


def test_every_page_of_the_program_is_in_the_list(program: Program) -> None:
    """A new page fails here until it is in `pages.py`, and so is looked at by every test of this file."""
    app = create_app(Settings.from_env(program.environment))
    try:
        drawn = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or set())}
    finally:
        app.extensions["trialcrf.engine"].dispose()
    assert drawn == {one.endpoint for one in PAGES if one.endpoint != "error"} | set(NO_PAGES)


@pytest.fixture(scope="module")
def language(request: pytest.FixtureRequest, program: Program) -> Iterator[str]:
    """What everybody reads now; English again afterwards, as in the other tests."""

    def have_all_read(chosen: str) -> None:
        with program.world.write("trialcrf", datetime.now(UTC)) as tx:
            for name in [*(one.username for one in demo.ACCOUNTS), "nora"]:
                account = accounts.find(tx, name)
                assert account
                administer.set_preferences(tx, account.id, language=chosen)

    have_all_read(request.param)
    yield request.param
    have_all_read("en")


def in_turn() -> list[tuple[str, Known]]:
    """Every page in French, whose words are longer; where several of its states are in the list, every second one in English."""
    if FOLDER:
        return [(language, one) for language in ("fr", "en") for one in PAGES]
    before: dict[str, int] = {}
    found = []
    for one in PAGES:
        before[one.endpoint] = before.get(one.endpoint, -1) + 1
        found.append(("en" if before[one.endpoint] % 2 else "fr", one))
    return found


def sent(person: Person, open_: Callable[[], object]) -> str:
    """The page as the server sent it, before the browser mended it."""
    answers: list[Response] = []

    def heard(answer: Response) -> None:
        if answer.request.is_navigation_request():
            answers.append(answer)

    person.page.on("response", heard)
    open_()
    person.page.remove_listener("response", heard)
    return answers[-1].text()


@pytest.mark.parametrize(("language", "known"), in_turn(), ids=str, indirect=["language"])
def test_a_page_is_accessible_well_built_and_quiet(
    at_browser: AtBrowser, program: Program, judges: Judges, language: str, known: Known, request: pytest.FixtureRequest
) -> None:
    # What is only opened leaves nothing on the page. Who has no account is answered in the language of the browser.
    reader = at_browser(known.name, same_page=known.then is None, locale="en-GB" if known.name else language)
    reader.bring_axe()
    html = sent(reader, lambda: known.open(reader, program))
    if not known.then and "language=" not in known.address:
        assert f'<html lang="{language}"' in html
    assert judges.source(html) == []
    assert reader.page.evaluate(STRUCTURE) == []
    reader.page.evaluate(_SHORTENED)
    assert reader.violations() == []
    assert judges.shown(reader.page) == []
    assert reader.page.evaluate(SPACED) == []
    kept(reader.page, f"{request.node.callspec.id}-light")
    assert brightness(reader.page) > PAPER
    reader.page.evaluate("document.documentElement.dataset.bsTheme = 'dark'")
    assert reader.too_pale() == []
    kept(reader.page, f"{request.node.callspec.id}-dark")
    # The card of a participant is a sheet to be printed: paper in either theme.
    assert (brightness(reader.page) < 1 - PAPER) == (known.endpoint != "card.shown")
    reader.page.set_viewport_size(LARGER)
    assert reader.page.evaluate(REFLOWED) == []
    reader.page.set_viewport_size(USUAL)


def test_a_text_that_is_too_pale_is_found_wherever_it_stands(at_browser: AtBrowser) -> None:
    """What is painted as something on an earlier page was is not looked at again: what is not must be."""
    cora = at_browser("cora")
    cora.open("/account")
    assert cora.too_pale() == []
    cora.page.evaluate("document.querySelector('main p').style.color = '#ddd'")
    assert len(cora.too_pale()) == 1
    cora.open("/studies")
    cora.page.evaluate("document.querySelector('main').style.background = '#777'")
    assert cora.too_pale()


@pytest.mark.parametrize("theme", ["dark", "light", "auto"])
def test_everyone_chooses_a_theme_that_the_server_keeps(at_browser: AtBrowser, theme: str) -> None:
    ivan = at_browser("ivan", fresh=True, color_scheme="dark")
    ivan.open("/account")
    ivan.page.locator(f'input[name="theme"][value="{theme}"]').check()
    ivan.press(ivan.page.get_by_role("button", name="Change the appearance"))
    assert ivan.page.locator("html").get_attribute("data-bs-theme") == theme
    ground = ivan.page.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = (int(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(","))
    assert (red + green + blue < 200) == (theme != "light"), ground


def test_the_error_page_of_a_forged_address_is_plain(at_browser: AtBrowser) -> None:
    cora = at_browser("cora")
    for place in (("R-01-001", "NONE", "VITALS"), ("R-01-001", "SCR", "NONE"), ("R-01-999", "SCR", "VITALS"), ("R-01-001", "F7", "FVISIT")):
        assert cora.open(form_address(*place)).status == 404
        assert "Traceback" not in cora.page.content()
        assert cora.reads("h1") == "There is no such page"
