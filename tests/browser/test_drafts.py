"""Nothing that was typed is lost: whatever becomes of browser, network and session in the middle of a form."""

from __future__ import annotations

from datetime import UTC, datetime

from playwright.sync_api import expect

from tests.browser.conftest import AtBrowser
from tests.browser.person import PASSWORD, Person
from tests.browser.program import Program, form_address
from trialcrf.store.models.base import moment_text

SAID = "[data-draft-said]"
REMARK = "Prise de sang difficile, « veines fragiles » : 2 essais"


def is_kept(person: Person) -> None:
    expect(person.page.locator(SAID)).to_have_attribute("data-state", "kept", timeout=15_000)


def begin(person: Person, address: str) -> None:
    person.open(address)
    person.type("WT", "72,5")
    person.page.locator('[name="i.HT"]').press_sequentially("171", delay=20)


def test_what_was_typed_in_a_browser_that_died_is_offered_on_another_device(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    address = form_address(subject.key, "SCR", "VITALS")
    bedside = at_browser("cora", own=True)
    begin(bedside, address)
    is_kept(bedside)
    bedside.page.goto("about:blank")  # The browser is gone: of its page nothing is left but what the server keeps.
    desk = at_browser("cora")
    desk.open(address)
    offer = desk.page.locator("section.notice", has_text="72,5")
    assert "171" in offer.inner_text() and desk.value("WT") == ""
    assert not desk.violations()
    desk.press(offer.get_by_role("link"))
    assert (desk.value("WT"), desk.value("HT")) == ("72,5", "171")
    desk.type("PULSE", "72")
    desk.save()
    assert program.value(subject, "SCR", "VITALS", "WT") == "72.5"
    desk.open(address)
    assert desk.page.locator("section.notice").count() == 0
    assert program.ask("SELECT count(*) FROM draft WHERE subject_id = :id", id=subject.id) == [(0,)]


def test_without_a_network_the_page_says_so_keeps_what_is_typed_and_sends_it_on_return(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora", own=True)
    begin(cora, form_address(subject.key, "SCR", "VITALS"))
    is_kept(cora)
    cora.context.set_offline(True)
    cora.type("PULSE", "88")
    expect(cora.page.locator(SAID)).to_have_attribute("data-state", "lost", timeout=15_000)
    cora.page.locator("[data-save]").click()
    assert cora.path() == form_address(subject.key, "SCR", "VITALS"), "a save without a network leaves no page"
    cora.context.set_offline(False)
    is_kept(cora)
    cora.complaints[:] = [one for one in cora.complaints if "ERR_INTERNET_DISCONNECTED" not in one]
    cora.save()
    assert program.value(subject, "SCR", "VITALS", "PULSE") == "88"


def test_a_session_that_ends_is_begun_again_over_the_page_and_nothing_is_typed_twice(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora", fresh=True)
    begin(cora, form_address(subject.key, "SCR", "VITALS"))
    is_kept(cora)
    cora.page.evaluate("window.stays = true")
    token = next(one["value"] for one in cora.context.cookies() if one["name"] == "trialcrf")
    assert token
    program.do("UPDATE session SET ended_at = :now WHERE id = (SELECT max(id) FROM session)", now=moment_text(datetime.now(UTC)))
    cora.type("PULSE", "72")
    dialog = cora.page.get_by_role("dialog")
    expect(dialog).to_be_visible(timeout=15_000)
    assert not cora.violations()
    dialog.get_by_label("Password").fill("wrong words of somebody")
    dialog.get_by_role("button").first.click()
    expect(dialog.get_by_role("alert").first).to_be_visible()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button").first.click()
    expect(dialog).to_be_hidden()
    is_kept(cora)
    assert cora.page.evaluate("window.stays") is True and cora.value("PULSE") == "72"
    cora.save()
    assert program.value(subject, "SCR", "VITALS", "WT") == "72.5"


def test_two_tabs_of_one_form_keep_two_drafts_and_a_change_of_language_loses_none(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    address = form_address(subject.key, "SCR", "VITALS")
    cora = at_browser("cora", own=True)
    begin(cora, address)
    is_kept(cora)
    second = cora.context.new_page()
    second.goto(cora.url + address)
    second.locator('[name="i.PULSE"]').fill("99")
    second.locator('.tongue[lang="fr"]').click()
    second.wait_for_load_state()
    offers = second.locator("section.notice")
    expect(offers).to_have_count(2)
    said = offers.all_text_contents()
    second.locator('.tongue[lang="en"]').click()  # Before anything is judged: the language stays with the account for every test.
    second.wait_for_load_state()
    assert sorted(("99" in one, "72,5" in one) for one in said) == [(False, True), (True, False)]
