"""Signing in with what a person has: an app and a passkey are set up, sign in, and stand by a save whose session ended."""

from __future__ import annotations

from datetime import UTC, datetime

import pyotp
import pytest

from tests.actions.world import TRAINED
from tests.browser.person import PASSWORD
from tests.browser.program import STUDY, form_address
from trialcrf.actions import administer, sign_in
from trialcrf.store import accounts, audit

DEVICE = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
    "automaticPresenceSimulation": True,
}  # fmt: skip
"""What Chromium takes for a fingerprint reader of this computer."""


@pytest.fixture
def petra(program, at_browser):
    """A coordinator of this test alone, at a browser with a passkey device; a passkey is bound to a name, so not to 127.0.0.1."""
    with program.world.write("trialcrf", datetime.now(UTC)) as tx:
        account = administer.create_account(tx, "petra", "Petra of the passkeys", "petra@example.org", "Centre 01 (démo)", "en")
        sign_in.set_password(tx, account, "petra", PASSWORD)
        administer.give_role(tx, account, "coordinator", STUDY, "01", TRAINED)
    person = at_browser(url=f"http://localhost:{program.port}")
    devices = person.context.new_cdp_session(person.page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    return person


def by_password(person) -> None:
    person.open("/sign-in")
    person.page.fill("#username", "petra")
    person.page.fill("#password", PASSWORD)
    person.press(person.page.locator("button.main"))


def by_pasted_password(person) -> None:
    """As from a password manager: cut out of one box, pasted into the other; and pressed twice, as some do."""
    person.open("/sign-in")
    person.page.fill("#username", PASSWORD)
    person.page.locator("#username").press("Control+A")
    person.page.locator("#username").press("Control+X")
    person.page.locator("#password").press("Control+V")
    assert person.page.input_value("#password") == PASSWORD
    person.page.fill("#username", "petra")
    with person.page.expect_navigation():
        person.page.locator("button.main").dblclick()


def sign_out(person) -> None:
    person.press(person.page.locator('form[action="/sign-out"] button'))


def test_an_app_and_a_passkey_are_set_up_and_sign_in_and_a_save_goes_through_both_steps(program, petra):
    subject = program.recipient()
    by_password(petra)
    petra.open("/account/factors")
    assert petra.violations() == []
    petra.page.fill('[name="app-name"]', "my telephone")
    petra.page.fill('[name="app-password"]', PASSWORD)
    petra.press(petra.page.locator('form[action$="/codes"] button'))
    assert petra.violations() == []
    app = pyotp.TOTP(petra.page.inner_text(".key").replace(" ", ""))
    petra.page.fill("#code", app.now())
    petra.press(petra.page.locator("button.main"))
    recovery = petra.page.locator(".recovery code").all_inner_texts()
    assert len(recovery) == 10 and petra.violations() == []

    petra.open("/account/factors")
    petra.page.fill('[name="key-name"]', "this laptop")
    petra.page.fill('[name="key-password"]', PASSWORD)
    petra.page.locator('form[action$="/passkeys"] button').click()
    petra.page.wait_for_url("**/account/factors?done=factor")
    assert "this laptop" in petra.reads() and "10 codes are left" in petra.reads() and petra.violations() == []
    sign_out(petra)

    by_pasted_password(petra)
    assert petra.reads("h1") == "Second step" and petra.violations() == []
    assert petra.page.locator("[data-failed]").is_hidden() and petra.page.locator("[data-without]").is_hidden()
    petra.page.locator("[data-start]").click()
    petra.page.wait_for_url("**/studies/**")
    sign_out(petra)
    petra.page.locator("button", has_text="Sign in with a passkey").click()
    petra.page.wait_for_url("**/studies/**")

    petra.open(form_address(subject.key, "SCR", "VITALS"))
    program.do("UPDATE session SET ended_at = created_at WHERE account_id = (SELECT id FROM account WHERE username = 'petra')")
    petra.type("PULSE", "77")
    dialog = petra.page.get_by_role("dialog")
    dialog.get_by_label("Password").fill(PASSWORD)
    petra.page.keyboard.press("Enter")
    dialog.get_by_label("Code of the app").fill(recovery[0])
    petra.page.keyboard.press("Enter")
    dialog.wait_for(state="hidden")
    program.do("UPDATE session SET ended_at = created_at WHERE account_id = (SELECT id FROM account WHERE username = 'petra')")
    petra.type("PULSE", "78")
    dialog.get_by_label("Password").fill(PASSWORD)
    petra.page.keyboard.press("Enter")
    dialog.locator("[data-start]").click()
    dialog.wait_for(state="hidden")
    petra.save()
    assert program.value(subject, "SCR", "VITALS", "PULSE") == "78"
    with program.world.read() as tx:
        ways = {past.place for past in audit.history(tx.connection, "account", str(accounts.find(tx, "petra").id)) if past.op == "sign_in"}
    assert ways == {f"sign_in {means}" for means in ("password", "password+passkey", "passkey", "password+recovery")}
    petra.complaints.clear()  # The answers 401 were as they should be.


def test_without_script_the_page_says_what_else_works(program, at_browser):
    person = at_browser(script=False)
    person.open("/sign-in")
    person.press(person.page.locator("button", has_text="Sign in with a passkey"))
    assert "needs a browser with JavaScript" in person.reads()
    assert person.page.locator("[data-start]").is_hidden() and person.page.locator("[data-failed]").is_hidden()
    person.press(person.page.locator("main a", has_text="user name and password"))
    assert person.reads("h1") == "Sign in"


def test_at_another_address_of_the_program_the_page_says_where_a_passkey_works(program, at_browser):
    """Whoever types the number of this machine gets no silent refusal of the browser."""
    person = at_browser(url=f"http://127.0.0.1:{program.port}")
    person.open("/sign-in")
    person.press(person.page.locator('form[action="/sign-in/passkey"] button'))
    assert person.page.locator(f'[data-elsewhere] a[href="http://localhost:{program.port}"]').is_visible()
    assert not person.page.locator("[data-start]").is_visible() and not person.page.locator("[data-failed]").is_visible()
