"""The main tasks by keyboard alone, in French: what each leads to has the focus, and at every stop one sees where it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyotp

from tests.actions.world import TRAINED
from tests.browser.conftest import AtBrowser
from tests.browser.hands import Hands
from tests.browser.person import PASSWORD
from tests.browser.program import STUDY, Program, form_address, subject_address
from trialcrf.actions import administer, sign_in
from trialcrf.actions.signing_in import own_factors
from trialcrf.external.strongbox import KEY_FILE

LIST = f"/studies/{STUDY}"
DONE = '[role="status"] .notice'


def a_nurse_with_an_app(program: Program) -> pyotp.TOTP:
    """Kim, coordinator of site 01, who reads French and signs in with a code; the app that shows it."""
    then = datetime.now(UTC) - timedelta(minutes=5)  # A code is good once: hers of now was not used to set the app up.
    with program.world.write("trialcrf", then) as tx:
        kim = administer.create_account(tx, "kim", "Kim", "kim@example.org", "Centre 01 (démo)", "en")
        sign_in.set_password(tx, kim, "kim", PASSWORD)
        administer.give_role(tx, kim, "coordinator", STUDY, "01", TRAINED)
        own_factors.begin_codes(tx, kim, "telephone", program.data / KEY_FILE)
        made = own_factors.waiting_codes(tx, kim, "kim", program.data / KEY_FILE, then)
        assert made
        app = pyotp.TOTP(made.key.replace(" ", ""))
        own_factors.confirm_codes(tx, kim, app.at(then), program.data / KEY_FILE, then)
    return app


def test_a_nurse_signs_in_by_code_changes_the_language_and_records_an_event(at_browser: AtBrowser, program: Program) -> None:
    app, subject, day = a_nurse_with_an_app(program), program.recipient(), program.today - timedelta(days=3)
    kim = at_browser()
    kim.open("/sign-in")
    hands, keys = Hands(kim), kim.page.keyboard
    hands.on("#username")
    keys.type("kim")
    hands.to("#password", 2).type(PASSWORD).press()
    hands.on("#code")
    hands.type(app.now()).press()

    hands.to('.tongue[value="fr"]').press()
    assert kim.page.locator("html").get_attribute("lang") == "fr"

    keys.press("/")
    hands.on("#search")
    hands.type(f"{subject.key} indésirable").press()
    hands.skip().to(f'main a[href*="{subject.key}/AE/"]').press()
    assert kim.reads("h1") == "Événement indésirable"

    hands.skip().to("[data-keys-open]")
    keys.press("Enter")
    hands.on("dialog[open] button")
    keys.press("Escape")
    hands.on("[data-keys-open]")

    kim.page.reload()
    hands.to('[name="i.AE_WORDS"]').type("Zona")
    hands.to('[name="i.AE_CLASS"]')
    keys.type("Infections")
    hands.to('[name="i.AE_GRADE"]')
    for _ in range(6):
        keys.press("ArrowDown")
        if hands.at('[name="i.AE_GRADE"][value="2"]'):
            break
    hands.day("i.AE_ONSET", (day.day, day.month, day.year))
    hands.to('[name="i.AE_SERIOUS"]')
    for _ in range(3):
        keys.press("ArrowDown")
        if hands.at('[name="i.AE_SERIOUS"][value="N"]'):
            break
    hands.press("Control+s")
    assert "done=saved" in kim.path(), kim.reads()
    hands.on(DONE)
    assert kim.reads(DONE) == "Enregistré."
    stored = program.stored(subject, "AE", "ADVERSE")
    assert stored
    said = {oid: stored.document.items[oid].text for oid in ("AE_WORDS", "AE_GRADE", "AE_ONSET", "AE_SERIOUS")}
    assert said == {"AE_WORDS": "Zona", "AE_GRADE": "2", "AE_ONSET": day.isoformat(), "AE_SERIOUS": "N"}


def test_a_query_is_raised_answered_and_accepted_and_a_visit_is_verified(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    program.saved(subject, "SCR", "VITALS", {"WT": "72.5", "PULSE": "72"})
    mona, cora = at_browser("mona"), at_browser("cora")
    monitor, nurse = Hands(mona), Hands(cora)

    mona.open(form_address(subject.key, "SCR", "VITALS") + "/thread?at=WT")
    monitor.skip().to("#ask-text").type("Which scales?").to("form:has(#ask-text) button").press()
    monitor.on(DONE)
    query = program.ask("SELECT max(id) FROM query WHERE subject_id = :id AND check_oid = ''", id=subject.id)[0][0]

    cora.open(f"{LIST}/queries/{query}")
    nurse.skip().to("form[action$='/answer'] button").press()
    nurse.on(".notice.bad")
    nurse.to(".notice.bad a", 2)
    cora.page.keyboard.press("Enter")
    nurse.on("#text")
    nurse.type("Those of the ward").to("form[action$='/answer'] button", 5).press()
    nurse.on(DONE)

    mona.open(f"{LIST}/queries/{query}")
    monitor.skip().to('button[value="accept"]').press()
    monitor.on(DONE)
    assert program.ask("SELECT state FROM query WHERE id = :id", id=query) == [("closed",)]

    mona.open(subject_address(subject.key) + "/SCR/1/verification?show=all")
    monitor.skip().to('[name^="x."][name$=":PULSE"]')
    mona.page.keyboard.press("Space")
    monitor.to(".verify-bar button").press()
    monitor.on(DONE)
    assert mona.page.locator('input[name^="x."]').count() == 1, "all but the exception"


def test_an_investigator_signs_and_a_sponsor_orders_and_takes_a_report(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    stored = program.saved(subject, "SCR", "VITALS", {"WT": "72.5", "PULSE": "72"})
    ivan = at_browser("ivan")
    ivan.open(form_address(subject.key, "SCR", "VITALS"))
    hands = Hands(ivan).skip().to('a[href$="/sign"]')
    hands.press()
    hands.skip().to("#password").type("not mine").press()
    hands.on(".notice.bad")
    hands.to("#password").type(PASSWORD).press()
    hands.on(DONE)
    assert program.ask("SELECT sealed_by FROM form WHERE id = :id", id=stored.id)[0][0] is not None

    sam = at_browser("sam")
    sam.open(f"{LIST}/reports")
    hands = Hands(sam).skip().to("#day").type("31").to("#month", 2).type("2")
    hands.to("form[action$='/reports'] button.main").press()
    hands.on(".notice.bad")
    hands.to('.notice.bad a[href="#day"]', 2)
    sam.page.keyboard.press("Enter")
    hands.on("#day")
    hands.type("1").to("#why").type("For the board").to("form[action$='/reports'] button.main", 5).press()
    hands.on(DONE)
    hands.to('main td a.btn[href*="/reports/"]')
    with sam.page.expect_download() as download:
        sam.page.keyboard.press("Enter")
    assert download.value.suggested_filename.endswith(".pdf")
