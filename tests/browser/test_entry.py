"""Step 3: the coordinator fills forms."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import AtBrowser
from tests.browser.person import Person
from tests.browser.program import Program, form_address

SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])


def blocked(person: Person) -> list[str]:
    return person.page.locator("#summary .blocking li").all_inner_texts()


def fill_vitals(cora: Person, **other: str) -> None:
    values = {"WT": "72,5", "HT": "171.5", "PULSE": "72", "TEMPERATURE": "36,6", "SATURATION": "97"} | other
    for item, text in values.items():
        cora.type(item, text)


@SCRIPT
def test_decimals_are_taken_with_a_comma_and_with_a_point(at_browser: AtBrowser, program: Program, script: bool) -> None:
    subject = program.recipient()
    cora = at_browser("cora", script=script)
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    fill_vitals(cora)
    cora.save()
    assert program.value(subject, "SCR", "VITALS", "WT") == "72.5"
    assert program.value(subject, "SCR", "VITALS", "HT") == "171.5"
    assert program.value(subject, "SCR", "VITALS", "BMI_KG_M2") == "24.6"
    assert cora.value("WT") == "72.5", "in English a point is shown"
    assert "24.6" in cora.item("BMI_KG_M2").inner_text()
    assert "kg" in cora.item("WT").locator(".unit").inner_text()


@SCRIPT
def test_rows_are_added_one_by_one_and_keep_what_was_typed(at_browser: AtBrowser, program: Program, script: bool) -> None:
    subject = program.recipient()
    day = program.today - timedelta(days=5)
    cora = at_browser("cora", script=script)
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    fill_vitals(cora)
    cora.date("BP.new1.BP_AT", day, "9:05")
    cora.type("BP.new1.SBP", "128")
    cora.type("BP.new1.DBP", "81")
    cora.press(cora.page.locator('button[name="add"][value="BP"]'))
    assert cora.value("WT") == "72,5", "nothing typed is lost by adding a row"
    assert cora.value("BP.new1.SBP") == "128"
    assert program.stored(subject, "SCR", "VITALS") is None, "adding a row saves nothing"
    cora.date("BP.new2.BP_AT", day, "21h15")
    cora.type("BP.new2.SBP", "119")
    cora.type("BP.new2.DBP", "76")
    cora.press(cora.page.locator('button[name="add"][value="BP"]'))
    cora.press(cora.page.locator('button[name="drop"][value="BP.new3"]'))
    cora.save()
    stored = program.stored(subject, "SCR", "VITALS")
    assert stored
    rows = stored.document.rows["BP"]
    assert [row.items["SBP"].text for row in rows] == ["128", "119"]
    assert [row.items["BP_AT"].text[:16] for row in rows] == [f"{day.isoformat()}T09:05", f"{day.isoformat()}T21:15"]
    assert cora.value("BP.2.SBP") == "119"


@SCRIPT
def test_a_date_has_three_boxes_and_unknown_parts_are_written_as_such(at_browser: AtBrowser, program: Program, script: bool) -> None:
    subject = program.recipient(infused=20)
    year = str(program.today.year - 1)
    cora = at_browser("cora", script=script)
    cora.open(form_address(subject.key, "AE", "ADVERSE"))
    assert [cora.box("AE_ONSET", part).get_attribute("type") for part in "dmy"] == ["text"] * 3
    cora.type("AE_WORDS", "Headache")
    cora.date("AE_ONSET", ("UNK", "3", year))
    cora.choose("AE_SERIOUS", "N")
    cora.save()
    assert program.value(subject, "AE", "ADVERSE", "AE_ONSET") == f"{year}-03"
    cora.date("AE_ONSET", ("UNK", "UNK", year))
    cora.save()
    cora.say_why("AE_ONSET", "SOURCE")
    cora.save()
    assert program.value(subject, "AE", "ADVERSE", "AE_ONSET") == year


@SCRIPT
def test_a_missing_answer_is_coded_and_not_done_needs_a_note(at_browser: AtBrowser, program: Program, script: bool) -> None:
    subject = program.recipient()
    cora = at_browser("cora", script=script)
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    fill_vitals(cora, SATURATION="")
    cora.missing("SATURATION", "ND")
    answer = cora.save()
    assert answer
    assert answer.status == 422
    assert len(blocked(cora)) == 1
    assert cora.box("SATURATION", "missing").input_value() == "ND"
    cora.missing("SATURATION", "ND", "Sensor out of order")
    cora.save()
    assert program.value(subject, "SCR", "VITALS", "SATURATION") == {"missing": "ND", "note": "Sensor out of order"}
    assert cora.value("SATURATION", "note") == "Sensor out of order"


def test_a_site_of_the_skin_score_can_be_coded_as_not_assessed_and_stays_so(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "SKIN"))
    cora.date("SKIN_DATE", program.today - timedelta(days=4))
    cora.type("SKIN_ASSESSOR", "E1")
    cora.missing("SKIN_FACE", "ND", "Dressing")
    cora.choose("SKIN_CHEST", "2")
    cora.save()
    missing = {"missing": "ND", "note": "Dressing"}
    assert program.value(subject, "SCR", "SKIN", "SKIN_FACE") == missing
    cora.choose("SKIN_ABDOMEN", "1")
    cora.save()
    assert program.value(subject, "SCR", "SKIN", "SKIN_ABDOMEN") == "1"
    assert program.value(subject, "SCR", "SKIN", "SKIN_FACE") == missing, "a page that shows a missing code brings it back"


@SCRIPT
def test_a_section_is_asked_only_where_its_condition_holds(at_browser: AtBrowser, program: Program, script: bool) -> None:
    subject = program.recipient(infused=20)
    cora = at_browser("cora", script=script)
    cora.open(form_address(subject.key, "AE", "ADVERSE"))
    cora.type("AE_WORDS", "Pneumonia")
    cora.choose("AE_SERIOUS", "N")
    cora.date("AE_ONSET", program.today - timedelta(days=2))
    cora.save()
    assert cora.page.locator('[name="i.AE_HOSPITAL"]').count() == 0, "not serious: its criteria are not asked"
    assert "6 more questions depend on the answers above" in cora.reads("#g-CRITERIA")
    cora.choose("AE_SERIOUS", "Y")
    if not script:
        cora.press(cora.page.locator('#g-CRITERIA button[value="update"]'))
    expect(cora.page.locator('[name="i.AE_HOSPITAL"]'), "a script asks for the questions by itself").to_have_count(2)
    assert program.value(subject, "AE", "ADVERSE", "AE_SERIOUS") == "N", "showing the questions saves nothing"
    cora.choose("AE_HOSPITAL", "Y")
    cora.choose("AE_DEATH", "N")
    cora.save()
    cora.say_why("AE_SERIOUS", "LATE")
    cora.save()
    assert program.value(subject, "AE", "ADVERSE", "AE_HOSPITAL") == "Y"
    assert program.value(subject, "AE", "ADVERSE", "AE_SERIOUS") == "Y"


@SCRIPT
def test_a_hard_error_stops_the_save_and_keeps_everything_typed(at_browser: AtBrowser, program: Program, script: bool) -> None:
    subject = program.recipient()
    cora = at_browser("cora", script=script)
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    fill_vitals(cora, WT="7,25", PULSE="12 beats", SATURATION="")
    cora.missing("SATURATION", "ND", "Sensor")
    cora.date("BP.new1.BP_AT", ("31", "2", "2026"), "9:05")
    cora.type("BP.new1.SBP", "80")
    cora.type("BP.new1.DBP", "120")
    cora.page.locator('[name="r.BP.new1.BP_POSITION"][value="SITTING"]').check()
    records = program.ask("SELECT count(*) FROM audit_record WHERE entity <> 'refusal'")
    answer = cora.save()
    assert answer
    assert answer.status == 422
    typed = {"WT": "7,25", "HT": "171.5", "PULSE": "12 beats", "TEMPERATURE": "36,6", "BP.new1.SBP": "80", "BP.new1.DBP": "120"}
    assert {key: cora.value(key) for key in typed} == typed
    assert [cora.value("BP.new1.BP_AT", part) for part in "dmyt"] == ["31", "2", "2026", "9:05"]
    assert cora.value("SATURATION", "note") == "Sensor"
    assert cora.page.locator('[name="r.BP.new1.BP_POSITION"][value="SITTING"]').is_checked()
    assert program.stored(subject, "SCR", "VITALS") is None
    assert program.ask("SELECT count(*) FROM audit_record WHERE entity <> 'refusal'") == records
    assert cora.page.title().startswith("Error:")
    assert len(blocked(cora)) >= 4


@pytest.mark.parametrize("number", range(3))
def test_the_summary_has_the_focus_and_its_links_land_on_the_field(at_browser: AtBrowser, program: Program, number: int) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    fill_vitals(cora, WT="7")
    cora.date("BP.new1.BP_AT", ("31", "2", "2026"), "9:05")
    cora.type("BP.new1.SBP", "999")
    cora.save()
    assert cora.page.evaluate("document.activeElement.id") == "summary"
    links = cora.page.locator("#summary .blocking a")
    assert links.count() == 3
    cora.page.keyboard.press("Tab")
    assert cora.page.evaluate("document.activeElement.closest('#summary a') !== null"), "the first link is the next stop"
    links.nth(number).focus()
    cora.page.keyboard.press("Enter")
    name = ["i.WT", "r.BP.new1.BP_AT.d", "r.BP.new1.SBP"][number]
    assert cora.page.evaluate("document.activeElement.name") == name
    box = cora.page.locator(f'[name="{name}"]').bounding_box()
    assert box
    assert 0 <= box["y"] < 900, "the field is in view"


def test_a_second_refusal_takes_the_focus_back_to_the_summary_and_never_says_saved(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    fill_vitals(cora)
    cora.save()
    assert "Saved." in cora.reads()
    cora.type("PULSE", "7000")
    cora.save()
    assert "Saved." not in cora.reads(), "the notice of the save before is gone"
    cora.page.locator("#summary .blocking a").first.click()
    cora.type("PULSE", "8000")
    cora.save()
    assert cora.page.evaluate("document.activeElement.id") == "summary"


def test_a_doubtful_value_is_saved_with_its_query_and_confirmed_on_the_same_page(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    fill_vitals(cora, PULSE="151")
    cora.save()
    assert "done=queries" in cora.path()
    assert program.value(subject, "SCR", "VITALS", "PULSE") == "151", "saved as typed"
    stored = program.stored(subject, "SCR", "VITALS")
    assert stored
    query = "SELECT state, answer FROM query WHERE form_id = :form AND place = 'PULSE'"
    assert program.ask(query, form=stored.id) == [("open", "")]
    assert cora.item("PULSE").locator("a.mark.open").count() == 1
    cora.confirm("PULSE", "soft_range", "REPEATED")
    cora.save()
    assert program.ask(query, form=stored.id) == [("answered", "REPEATED")]
    assert "Measured again, same result" in cora.item("PULSE").inner_text()


def test_a_doubtful_value_that_is_corrected_closes_its_query(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    fill_vitals(cora, PULSE="151")
    cora.save()
    cora.type("PULSE", "75")
    answer = cora.save()
    assert answer
    assert answer.status == 422, "a change of a saved value asks for a reason"
    cora.say_why("PULSE", "TYPO")
    cora.save()
    stored = program.stored(subject, "SCR", "VITALS")
    assert stored
    assert program.ask("SELECT state FROM query WHERE form_id = :form", form=stored.id) == [("closed",)]


@SCRIPT
def test_a_changed_value_asks_for_a_reason_and_is_saved_with_it(at_browser: AtBrowser, program: Program, script: bool) -> None:
    subject = program.recipient()
    program.saved(subject, "SCR", "VITALS", {"WT": 72.5, "HT": 171.5})
    cora = at_browser("cora", script=script)
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    cora.type("WT", "74")
    answer = cora.save()
    assert answer
    assert answer.status == 422
    assert program.value(subject, "SCR", "VITALS", "WT") == "72.5"
    assert cora.value("WT") == "74"
    cora.say_why("WT", "SOURCE")
    cora.save()
    assert program.value(subject, "SCR", "VITALS", "WT") == "74"
    stored = program.stored(subject, "SCR", "VITALS")
    assert stored
    reasons = "SELECT reason FROM audit_record WHERE entity = 'form' AND entity_id = :id AND place = 'WT' ORDER BY seq"
    assert program.ask(reasons, id=str(stored.id)) == [("",), ("SOURCE",)]


def test_several_changes_take_one_reason_for_all(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    program.saved(subject, "SCR", "VITALS", {"WT": 72.5, "HT": 171.5})
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    cora.type("WT", "74")
    cora.type("HT", "170")
    cora.save()
    cora.page.locator('select[name="why"]').select_option("LATE")
    cora.save()
    assert program.value(subject, "SCR", "VITALS", "WT") == "74"
    assert program.value(subject, "SCR", "VITALS", "HT") == "170"


def test_a_stale_save_shows_both_versions_and_loses_neither(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    program.saved(subject, "SCR", "VITALS", {"WT": 72.5, "HT": 171.5, "PULSE": 72})
    address = form_address(subject.key, "SCR", "VITALS")
    cora, ivan = at_browser("cora"), at_browser("ivan")
    cora.open(address)
    ivan.open(address)
    ivan.type("WT", "80")
    ivan.type("PULSE", "66")
    ivan.save()
    ivan.page.locator('select[name="why"]').select_option("SOURCE")
    ivan.save()
    assert program.value(subject, "SCR", "VITALS", "WT") == "80"
    cora.type("WT", "75")
    cora.type("TEMPERATURE", "36.9")
    answer = cora.save()
    assert answer
    assert answer.status == 409
    shown = cora.reads("#stale")
    assert "75" in shown
    assert "80" in shown
    assert program.value(subject, "SCR", "VITALS", "WT") == "80"
    assert cora.value("WT") == "75", "what was typed here is still in its box"
    assert cora.value("TEMPERATURE") == "36.9"
    assert cora.value("PULSE") == "66", "what the other changed, and this page did not, is shown as it is now"
    cora.save()
    cora.say_why("WT", "SOURCE")
    cora.save()
    assert "done=saved" in cora.path()
    assert program.value(subject, "SCR", "VITALS", "WT") == "75"
    assert program.value(subject, "SCR", "VITALS", "PULSE") == "66"
    assert program.value(subject, "SCR", "VITALS", "TEMPERATURE") == "36.9"


@pytest.mark.parametrize("how", ["idle", "ended", "no cookie"])
def test_a_save_after_the_session_ended_asks_to_sign_in_and_then_goes_through(at_browser: AtBrowser, program: Program, how: str) -> None:
    """Without script; with it the page itself asks before anything is sent (test_drafts.py)."""
    subject = program.recipient()
    cora = at_browser("cora", fresh=True, script=False)
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    fill_vitals(cora)
    cora.date("BP.new1.BP_AT", program.today - timedelta(days=1), "9:05")
    cora.type("BP.new1.SBP", "131")
    newest = "(SELECT max(s.id) FROM session s JOIN account a ON a.id = s.account_id WHERE a.username = 'cora')"
    if how == "idle":
        program.do(f"UPDATE session SET seen_at = strftime('%Y-%m-%dT%H:%M:%S', seen_at, '-31 minutes') || '.000000Z' WHERE id = {newest}")
    elif how == "ended":
        program.do(f"UPDATE session SET ended_at = seen_at WHERE id = {newest}")
    else:
        cora.context.clear_cookies()
    answer = cora.save()
    assert answer
    assert answer.status == 401
    assert "what was typed is kept" in cora.reads()
    assert program.stored(subject, "SCR", "VITALS") is None
    cora.page.locator("#username").fill("cora")
    cora.page.locator("#password").fill("a wrong password")
    cora.press(cora.page.locator("main button.main"))
    assert program.stored(subject, "SCR", "VITALS") is None
    cora.sign_in()
    assert "/SCR/1/VITALS/1" in cora.path()
    assert program.value(subject, "SCR", "VITALS", "WT") == "72.5"
    stored = program.stored(subject, "SCR", "VITALS")
    assert stored
    assert stored.document.rows["BP"][0].items["SBP"].text == "131"
    assert cora.value("WT") == "72.5"
    cora.open("/account")
    assert "Cora" in cora.reads("header"), "the person is signed in from now on"


def test_a_save_carried_over_a_sign_in_never_goes_through_for_someone_who_may_not(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora", fresh=True, script=False)
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    fill_vitals(cora)
    cora.context.clear_cookies()
    cora.save()
    answer = cora.sign_in(username="olga")
    assert answer
    assert answer.status == 404
    assert program.stored(subject, "SCR", "VITALS") is None


def test_leaving_a_page_with_answers_that_nobody_keeps_asks_first(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora", own=True)
    cora.page.route("**/draft", lambda route: route.abort())
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    cora.page.locator('[name="i.WT"]').press_sequentially("72")
    asked: list[str] = []
    cora.page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    cora.page.goto(cora.url + "/account")
    assert asked == ["beforeunload"]
    cora.complaints.clear()  # Of what could not be sent.


def test_a_saved_form_is_reached_from_the_visit_and_leads_to_the_next_one(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "VISIT"))
    cora.choose("VIS_DONE", "Y")
    cora.date("VIS_DATE", program.today - timedelta(days=10))
    cora.press(cora.page.locator('button[name="act"][value="next"]'))
    assert re.search(r"/SCR/1/RENROL/1\?done=saved", cora.path())
    steps = cora.page.locator("nav.steps a")
    assert steps.count() == 28
    assert "complete" in (steps.first.text_content() or "")
