"""Checks as a field is left: what the server says is drawn where the page would have it, and nothing is said of what was not reached."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import AtBrowser
from tests.browser.program import Program, form_address


def test_what_is_wrong_is_told_as_the_field_is_left_and_goes_when_it_is_right(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    cora.page.evaluate("window.stays = true")
    weight, keys = cora.box("WT"), cora.page.keyboard
    weight.focus()
    keys.type("7,25")
    expect(cora.item("WT").locator(".msg")).to_have_count(0)
    keys.press("Tab")
    expect(cora.item("WT").locator(".msg.hard").last).to_contain_text("from 25 to 250 kg")
    expect(weight).to_have_attribute("aria-invalid", "true")
    said = weight.get_attribute("aria-describedby") or ""
    assert cora.item("WT").locator(".msg.hard").last.get_attribute("id") in said.split()
    expect(cora.page.locator("[data-check-said]")).to_contain_text("Weight")
    assert cora.item("PULSE").locator(".msg").count() == 0, "a field that was not reached does not complain"
    weight.fill("72,5")
    cora.type("HT", "171")
    cora.box("PULSE").focus()
    keys.type("151")
    keys.press("Tab")
    expect(cora.item("WT").locator(".msg")).to_have_count(0)
    expect(cora.page.locator("#i-BMI_KG_M2")).to_contain_text("24.8")
    expect(cora.item("PULSE").locator(".msg.soft")).to_be_visible()
    assert weight.get_attribute("aria-invalid") is None
    assert not cora.violations()
    # A doubt is confirmed before anything was saved, and the answer stays while more is judged.
    code = program.world.published.study.confirmations.items[0].code
    cora.confirm("PULSE", "soft_range", code)
    cora.type("TEMPERATURE", "36,6")
    with cora.page.expect_response("**/check"):
        cora.box("SATURATION").focus()
    expect(cora.page.locator('[name="ok.PULSE.soft_range"]')).to_have_value(code)
    assert cora.page.evaluate("window.stays") is True
    cora.save()
    assert "done=saved" in cora.path(), "what was confirmed opens no query"
    # Now that it is saved, a change asks why as the field is left.
    cora.type("TEMPERATURE", "36,9")
    cora.box("SATURATION").focus()
    expect(cora.page.locator('select[name="why.TEMPERATURE"]')).to_be_visible()
    cora.say_why("TEMPERATURE", program.world.published.study.reasons.items[0].code)
    cora.save()
    assert program.value(subject, "SCR", "VITALS", "TEMPERATURE") == "36.9"


def test_questions_that_apply_appear_as_they_are_asked_for_and_without_a_network_nothing_is_said(
    at_browser: AtBrowser, program: Program
) -> None:
    subject = program.recipient()
    cora = at_browser("cora", own=True)
    cora.open(form_address(subject.key, "SCR", "ECHO"))
    cora.page.evaluate("window.stays = true")
    fraction, later = cora.box("LVEF_SCINTI"), cora.page.locator('[data-later="SCINTIGRAPHY"]')
    cora.choose("SCINTI_DONE", "Y")
    expect(fraction).to_be_visible()
    expect(later).to_be_hidden()
    order = cora.page.evaluate("[...document.querySelectorAll('[data-item]')].map(one => one.dataset.item)")
    assert order == ["ECHO_DATE", "LVEF_ECHO", "SPAP_ECHO", "SCINTI_DONE", "SCINTI_DATE", "LVEF_SCINTI", "LVEF_LOWEST"]
    cora.choose("SCINTI_DONE", "N")
    expect(fraction).to_be_hidden()
    expect(later).to_contain_text("2")
    cora.choose("SCINTI_DONE", "Y")
    fraction.fill("60")
    cora.type("LVEF_ECHO", "900")
    cora.context.set_offline(True)
    cora.box("SPAP_ECHO").focus()
    cora.page.wait_for_timeout(300)
    assert cora.item("LVEF_ECHO").locator(".msg").count() == 0
    cora.context.set_offline(False)
    expect(cora.item("LVEF_ECHO").locator(".msg.hard")).to_be_visible()
    assert cora.page.evaluate("window.stays") is True and not cora.violations()
    cora.complaints[:] = [one for one in cora.complaints if "ERR_INTERNET_DISCONNECTED" not in one]


def test_keys_lead_to_what_is_empty_and_what_is_wrong_and_are_listed(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    keys = cora.page.keyboard

    def focused() -> str:
        name: str = cora.page.evaluate("document.activeElement.name")
        return name

    cora.type("WT", "7,25")
    cora.box("WT").focus()
    keys.press("Alt+j")
    assert focused() == "i.HT", "what is typed is passed over"
    keys.type("171")
    keys.press("Alt+j")
    assert focused() == "i.PULSE"
    expect(cora.item("WT").locator(".msg.hard").first).to_be_visible()
    keys.press("Alt+k")
    assert focused() == "i.WT", "round again from the first"
    cora.page.locator("#entry h2").first.click()
    keys.press("?")
    listed = cora.page.get_by_role("dialog")
    expect(listed).to_contain_text("Next form of the visit")
    assert not cora.violations()
    keys.press("Escape")
    expect(listed).to_be_hidden()
    before = cora.path()
    with cora.page.expect_navigation():
        keys.press("Alt+n")
    assert cora.path() != before
    with cora.page.expect_navigation():
        keys.press("Alt+p")
    assert cora.path() == before


def test_enter_goes_on_and_single_keys_are_silent_where_the_person_wants_it_so(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    nora = at_browser("nora")

    def choose(single: bool, following: bool) -> None:
        nora.open("/account/keys")
        for value, wanted in (("single", single), ("next", following)):
            nora.page.locator(f'input[value="{value}"]').set_checked(wanted)
        nora.press(nora.page.locator("main form button"))

    choose(False, True)
    nora.open(form_address(subject.key, "SCR", "VITALS"))
    keys = nora.page.keyboard
    nora.page.locator("#entry h2").first.click()
    keys.press("?")
    assert nora.page.get_by_role("dialog").count() == 0
    nora.box("WT").focus()
    for text in ("72,5", "171", "72", "36,6"):
        keys.type(text)
        keys.press("Enter")
    assert nora.page.evaluate("document.activeElement.name") == "i.SATURATION", "nothing was saved, and no missing code stands between"
    assert [nora.value(item) for item in ("WT", "HT", "PULSE", "TEMPERATURE")] == ["72,5", "171", "72", "36,6"]
    choose(True, False)
