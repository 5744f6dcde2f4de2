"""Step 5: the coordinator codes an event by keyboard alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tests.browser.conftest import AtBrowser
from tests.browser.program import Program, form_address
from trialcrf.external.term_files import starter
from trialcrf.store import dictionaries


def test_a_term_is_found_chosen_and_graded_by_keyboard(at_browser: AtBrowser, program: Program) -> None:
    terms = [
        replace(one, code=str(90000000 + number), grades={grade: f"made up {grade}" for grade in one.grades})
        for number, one in enumerate(starter("5.0"))
    ]
    with program.world.write("trialcrf", datetime.now(UTC)) as tx:
        dictionaries.load(tx, "ctcae", "5.0", "made_up.csv", dictionaries.digest(terms), terms)
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "AE", "ADVERSE"))
    page, box, listed = cora.page, cora.box("AE_CTCAE"), cora.page.locator("[role=listbox] [role=option]")
    assert box.get_attribute("role") == "combobox" and box.get_attribute("aria-expanded") == "false"
    assert box.get_attribute("aria-autocomplete") == "list"
    cora.type("AE_WORDS", "swelling of the face")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "i.AE_CTCAE"
    page.keyboard.type("reaction")
    listed.first.wait_for()
    assert box.get_attribute("aria-expanded") == "true"
    shown = [text.split("\n")[0] for text in listed.all_inner_texts()]
    assert shown == ["Allergic reaction", "Infusion related reaction", "Injection site reaction"]
    assert "Terms found: 3" in cora.item("AE_CTCAE").locator("[role=status]").inner_text()
    assert cora.violations() == []
    page.keyboard.press("Escape")
    assert box.get_attribute("aria-expanded") == "false" and cora.value("AE_CTCAE") == "reaction", "what was typed stays"
    box.fill("")
    page.keyboard.type("anaph")
    listed.first.wait_for()
    page.keyboard.press("ArrowDown")
    assert box.get_attribute("aria-activedescendant") == listed.first.get_attribute("id")
    assert listed.first.get_attribute("aria-selected") == "true"
    page.keyboard.press("Enter")
    assert cora.value("AE_CTCAE") == "Anaphylaxis" and cora.value("AE_CLASS") == "Immune system disorders"
    assert "/AE/1/ADVERSE/1" in cora.path() and program.stored(subject, "AE", "ADVERSE") is None, "choosing saves nothing"
    grades = {code: page.locator(f'input[name="i.AE_GRADE"][value="{code}"]') for code in "12345"}
    assert {code: one.is_disabled() for code, one in grades.items()} == {"1": True, "2": True, "3": False, "4": False, "5": False}
    told = cora.reads("#i-AE_GRADE-item")
    assert told.count("does not exist for this term") >= 2 and "made up 3" in told and "made up 2" not in told
    assert cora.violations() == []
    grades["3"].focus()
    page.keyboard.press("Space")
    cora.save()
    assert program.value(subject, "AE", "ADVERSE", "AE_CTCAE") == "Anaphylaxis"
    assert program.value(subject, "AE", "ADVERSE", "AE_GRADE") == "3"
    assert grades["1"].is_disabled() and not grades["3"].is_disabled(), "as the page opens again"
    box.focus()
    box.fill("Fever")
    listed.first.wait_for()
    page.keyboard.press("Tab")
    assert not grades["1"].is_disabled(), "a term that was typed out counts as chosen"
    assert cora.value("AE_CLASS") == "Immune system disorders", "a class that stands is left to the person"
