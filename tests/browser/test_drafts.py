"""Nothing that was typed is lost: whatever becomes of browser, network and session in the middle of a form."""

from __future__ import annotations

from datetime import UTC, datetime

from playwright.sync_api import expect

from tests.browser.conftest import AtBrowser
from tests.browser.person import PASSWORD, Person
from tests.browser.program import Program, form_address
from trialcrf.core.values import Raw
from trialcrf.store.models.base import moment_text

SAID = "[data-draft-said]"
LIST = "/studies/msc_ssc"
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


def test_what_is_typed_after_a_save_was_sent_is_not_shown_as_if_it_were_taken(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    begin(cora, form_address(subject.key, "SCR", "VITALS"))
    expect(cora.page.locator("form[data-draft]")).to_have_attribute("data-kept", "yes")
    # The save is on its way and its answer does not come.
    cora.page.evaluate("document.addEventListener('submit', (event) => event.preventDefault())")
    cora.page.keyboard.press("Control+s")
    cora.page.keyboard.type("9")
    assert cora.value("HT") == "171"
    cora.page.keyboard.press("Escape")
    cora.page.keyboard.type(",5")
    assert cora.value("HT") == "171,5"
    # Saved all the same, and the page stands: what is typed in it now is another draft.
    cora.page.evaluate(
        "fetch(location.pathname, {method: 'POST', body: new URLSearchParams(new FormData(document.querySelector('#entry')))})"
    )
    while program.value(subject, "SCR", "VITALS", "HT") != "171.5":
        cora.page.wait_for_timeout(50)
    cora.box("PULSE").press_sequentially("72")
    expect(cora.page.locator("form[data-draft]")).to_have_attribute("data-kept", "yes")
    (fields,) = program.ask("SELECT fields FROM draft WHERE subject_id = :id", id=subject.id)
    assert '["i.PULSE", "72"]' in str(fields[0])


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


def test_an_answer_typed_in_a_browser_that_died_is_taken_up_on_another_device_beside_what_else_the_page_asks(
    at_browser: AtBrowser, program: Program
) -> None:
    subject = program.recipient(BIRTH_MONTH=Raw({"m": "5", "y": "1940"}))
    ((number,),) = program.ask("SELECT max(q.id) FROM query q JOIN form f ON f.id = q.form_id WHERE f.subject_id = :id", id=subject.id)
    bedside = at_browser("cora", own=True)
    bedside.open(f"{LIST}/queries/{number}")
    bedside.page.get_by_label("Remark").press_sequentially("Seen in the source", delay=10)
    is_kept(bedside)
    assert not bedside.violations()
    bedside.page.goto("about:blank")
    desk = at_browser("cora")
    desk.open(f"{LIST}/queries/{number}")
    offer = desk.page.locator("section.notice", has_text="Seen in the source")
    assert desk.page.get_by_label("Remark").input_value() == "" and not desk.violations()
    desk.press(offer.get_by_role("button", name="Discard it"))
    desk.press(desk.page.locator("form.undo button"))
    desk.press(offer.get_by_role("link"))
    remark = desk.page.get_by_label("Remark")
    assert remark.input_value() == "Seen in the source"
    remark.fill("Seen in the source, twice")
    desk.page.get_by_label("Why the value is right").select_option(index=1)
    desk.press(desk.page.get_by_role("button", name="The value is right"))
    assert program.ask("SELECT state FROM query WHERE id = :id", id=number) == [("answered",)]
    assert program.ask("SELECT count(*) FROM draft WHERE address LIKE :at", at=f"%/queries/{number}#%") == [(0,)]


def test_enrolling_goes_on_through_the_end_of_a_session_and_says_what_is_wrong_as_a_field_is_left(
    at_browser: AtBrowser, program: Program
) -> None:
    cora = at_browser("cora", fresh=True)
    cora.open(f"{LIST}/enrol/recipient/01")
    cora.date("ICF_DATE", ("31", "2", str(program.today.year)))
    cora.type("ICF_VERSION", "2.0")
    expect(cora.item("ICF_DATE").locator(".msg.hard")).to_be_visible(timeout=15_000)
    is_kept(cora)
    assert not cora.violations()
    program.do("UPDATE session SET ended_at = :now WHERE id = (SELECT max(id) FROM session)", now=moment_text(datetime.now(UTC)))
    cora.date("ICF_DATE", program.today)
    dialog = cora.page.get_by_role("dialog")
    expect(dialog).to_be_visible(timeout=15_000)
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button").first.click()
    expect(dialog).to_be_hidden()
    is_kept(cora)
    cora.choose("ICF_LANG", "fr")
    expect(cora.item("ICF_DATE").locator(".msg.hard")).to_have_count(0, timeout=15_000)
    cora.choose("ICF_SIGNED", "Y")
    cora.type("BIRTH_MONTH", "5", "m")
    cora.type("BIRTH_MONTH", "1980", "y")
    cora.choose("SEX_BIRTH", "F")
    cora.save()
    assert "/subjects/R-01-" in cora.path()
    assert program.ask("SELECT count(*) FROM draft WHERE address LIKE '%/enrol/%'") == [(0,)]
