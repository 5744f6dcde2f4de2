"""Sessions in a browser: the list of one's own, and the proof that is asked on the way without losing what was typed."""

from __future__ import annotations

from tests.browser.conftest import AtBrowser
from tests.browser.person import PASSWORD
from tests.browser.program import Program
from trialcrf.actions import administer

OLD = "UPDATE session SET proved_at = NULL WHERE account_id = (SELECT id FROM account WHERE username = :name)"


def test_a_role_is_given_in_one_step_with_the_password_between_and_without_script(at_browser: AtBrowser, program: Program) -> None:
    adam = at_browser("adam", fresh=True, script=False)
    with program.world.write("trialcrf") as tx:
        pia = administer.create_account(tx, "pia", "Pia", "pia@example.org", "Hospital", "en")
    adam.open(f"/people/{pia}")
    program.do(OLD, name="adam")
    adam.page.locator("#role").select_option("monitor")
    adam.page.locator("#study").select_option("msc_ssc")
    adam.page.locator("#site").select_option("02")
    give = adam.page.locator(f'form[action="/people/{pia}/roles"] button')
    asked = adam.press(give)
    assert asked and asked.status == 401
    assert adam.reads("h1") == "Is it still you?"
    adam.page.locator("#proof").fill("not this one")
    again = adam.press(adam.page.locator("main button.main"))
    assert again and again.status == 401
    assert "not your password" in adam.reads("#problem")
    adam.page.locator("#proof").fill(PASSWORD)
    adam.press(adam.page.locator("main button.main"))
    assert adam.path() == f"/people/{pia}?done=changed"
    held = program.ask("SELECT role, site FROM role_grant WHERE account_id = :id AND active ORDER BY id", id=pia)
    assert held[-1] == ("monitor", "02")
    adam.open("/people")
    assert adam.path() == "/people"


def test_a_person_ends_the_session_that_they_left_elsewhere(at_browser: AtBrowser, program: Program) -> None:
    here, there = at_browser("olga", fresh=True), at_browser("olga", fresh=True)
    there.open("/account")
    here.open("/account")
    here.press(here.page.get_by_role("link", name="My sessions"))
    rows = here.page.locator("main .held")
    assert "this session" in rows.first.inner_text()
    assert "Chrome" in rows.first.inner_text()
    assert here.violations() == []
    here.press(here.page.get_by_role("button", name="End all the others"))
    assert rows.count() == 1
    assert "Every other session is ended." in here.reads('[role="status"]')
    there.open("/account")
    assert there.path().startswith("/sign-in")
