"""The steps of what everybody does, with which every guide ends. One function a chapter, one yield a step."""

from __future__ import annotations

from datetime import UTC, datetime

from playwright.sync_api import expect

from tests.browser.guided_site import Chapters
from tests.browser.guiding import LIST, Steps, Tour
from tests.browser.person import PASSWORD
from tests.browser.program import form_address
from trialcrf.store.models.base import moment_text


def typing(tour: Tour) -> Steps:
    cora, subject = tour.as_("cora"), tour.program.recipient()
    address = form_address(subject.key, "SCR", "VITALS")
    said = cora.page.locator("[data-draft-said]")
    tour.open(address)
    cora.type("WT", "72,5")
    expect(said).to_have_attribute("data-state", "kept", timeout=15_000)
    token = next(one["value"] for one in cora.context.cookies() if one["name"] == "trialcrf")
    assert token
    ended = "UPDATE session SET ended_at = :now WHERE account_id = (SELECT id FROM account WHERE username = 'cora') AND ended_at IS NULL"
    pages = tour.pages()
    tour.program.do(ended, now=moment_text(datetime.now(UTC)))
    cora.type("HT", "171")
    dialog = cora.page.locator("dialog[data-again]")
    expect(dialog).to_be_visible(timeout=15_000)
    tour.look()
    tour.picture("any-again", "//dialog[@data-again]", pages=pages)
    dialog.locator("#again-password").fill(PASSWORD)
    dialog.locator("button.main").first.click()
    expect(dialog).to_be_hidden()
    expect(said).to_have_attribute("data-state", "kept", timeout=15_000)
    assert cora.value("HT") == "171"
    yield
    cora.context.set_offline(True)
    cora.type("PULSE", "88")
    expect(said).to_have_attribute("data-state", "lost", timeout=15_000)
    cora.context.set_offline(False)
    expect(said).to_have_attribute("data-state", "kept", timeout=15_000)
    cora.complaints[:] = [one for one in cora.complaints if "ERR_INTERNET_DISCONNECTED" not in one]
    yield
    cora.page.goto("about:blank")
    tour.open(address)
    tour.picture("any-draft", '//section[@aria-labelledby="offer-1"]')
    tour.go("Go on with it", "main")
    assert cora.value("PULSE") == "88"
    yield


def find(tour: Tour) -> Steps:
    cora = tour.as_("cora")
    tour.open(f"{LIST}/today")
    tour.key("/", leads_to="q")
    cora.page.locator("header input[name=q]").fill("01-003")
    tour.key("Enter", instead="header form[role=search]")
    assert "R-01-003" in cora.reads()
    tour.picture("any-find", '//form[@class="find"]')
    yield
    tour.open(f"{LIST}/today")
    cora.page.locator("details.words summary").click()
    yield
    tour.open("/account")
    tour.go("First day", "main")
    yield


def sign_in(tour: Tour) -> Steps:
    nobody = tour.at_browser()
    nobody.name, tour.person = "cora", nobody
    tour.open("/sign-in")
    nobody.press(nobody.page.locator(f'button.tongue[value="{tour.language.code}"]'))
    tour.look()
    forgotten = tour.named("Password forgotten?").get_attribute("href")
    nobody.sign_in()
    assert nobody.path() == f"{LIST}/today"
    yield
    tour.as_("cora")
    tour.seen |= tour.chapter
    tour.open(str(forgotten))
    yield


def account(tour: Tour) -> Steps:
    cora = tour.as_("cora")
    tour.open(f"{LIST}/today")
    cora.press(cora.page.locator("header a.person"))
    yield
    tour.go("My second factors", "main")
    yield
    tour.open("/account")
    tour.go("My sessions", "main")
    yield


OF_EVERYBODY: Chapters = {"typing": typing, "find": find, "sign-in": sign_in, "account": account}
