"""A whole form by keyboard alone: what a person does who cannot use a mouse."""

from __future__ import annotations

from datetime import timedelta

from tests.browser.conftest import AtBrowser
from tests.browser.person import Person
from tests.browser.program import Program, form_address


def focused(person: Person) -> str:
    name: str = person.page.evaluate("document.activeElement.name || document.activeElement.id || document.activeElement.className")
    return name


def tab_to(person: Person, name: str) -> None:
    """Press Tab until the control of this name has the focus, which must be seen."""
    for _ in range(120):
        if focused(person) == name:
            break
        person.page.keyboard.press("Tab")
    assert focused(person) == name, f"Tab never reached {name}"
    ring = person.page.evaluate(
        "() => { const seen = getComputedStyle(document.activeElement); return [seen.outlineStyle, seen.outlineWidth, seen.boxShadow]; }"
    )
    assert (ring[0] != "none" and ring[1] != "0px") or ring[2] != "none", f"{name}: the focus is not to be seen"


def enter(person: Person, name: str, text: str) -> None:
    tab_to(person, name)
    person.page.keyboard.press("Control+a")
    person.page.keyboard.type(text)


def test_vital_signs_are_entered_corrected_and_saved_by_keyboard_alone(at_browser: AtBrowser, program: Program) -> None:
    subject, day = program.recipient(), program.today - timedelta(days=5)
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    cora.page.keyboard.press("Tab")
    assert focused(cora) == "skip", "the first stop skips the navigation"
    cora.page.keyboard.press("Enter")
    for item, text in (("WT", "7,25"), ("HT", "171,5"), ("PULSE", "72"), ("TEMPERATURE", "36.6")):
        enter(cora, f"i.{item}", text)
    tab_to(cora, "i.SATURATION")
    cora.page.keyboard.press("Alt+m")
    assert focused(cora) == "i.SATURATION.missing", "Alt+M leads to the missing code of the field"
    cora.page.keyboard.type("Not done")
    enter(cora, "i.SATURATION.note", "Sensor out of order")
    for part, text in (("d", f"{day.day}"), ("m", f"{day.month}"), ("y", f"{day.year}"), ("t", "9h05")):
        enter(cora, f"r.BP.new1.BP_AT.{part}", text)
    tab_to(cora, "r.BP.new1.BP_POSITION")
    cora.page.keyboard.press("Space")
    enter(cora, "r.BP.new1.SBP", "128")
    enter(cora, "r.BP.new1.DBP", "81")
    with cora.page.expect_navigation():
        cora.page.keyboard.press("Control+s")
    assert focused(cora) == "summary", "what is wrong is told first"
    cora.page.keyboard.press("Tab")
    cora.page.keyboard.press("Enter")
    assert focused(cora) == "i.WT"
    cora.page.keyboard.press("Control+a")
    cora.page.keyboard.type("72,5")
    with cora.page.expect_navigation():
        cora.page.keyboard.press("Enter")
    assert "done=saved" in cora.path(), cora.reads()
    stored = program.stored(subject, "SCR", "VITALS")
    assert stored
    assert stored.document.items["WT"].text == "72.5"
    assert stored.document.items["SATURATION"].note == "Sensor out of order"
    row = stored.document.rows["BP"][0].items
    assert (row["SBP"].text, row["BP_POSITION"].text, row["BP_AT"].text[:16]) == ("128", "SITTING", f"{day.isoformat()}T09:05")


def test_a_skin_score_is_entered_by_digits_each_going_on_to_the_next_site(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "SKIN"))
    tab_to(cora, "i.SKIN_FINGERS_R")
    for digit in "33222211111000000":
        cora.page.keyboard.press(digit)
    with cora.page.expect_navigation():
        cora.page.keyboard.press("Control+Enter")
    assert "/SCR/1/LUNG/1" in cora.path(), "saved, and on to the next form"
    assert program.value(subject, "SCR", "SKIN", "SKIN_TOTAL") == "19"
    assert program.value(subject, "SCR", "SKIN", "SKIN_FOOT_L") == "0"


def test_a_note_on_a_site_that_was_not_assessed_may_hold_digits(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "SKIN"))
    cora.pick("SKIN_FACE", "ND", "missing")
    cora.page.locator('[name="i.SKIN_FACE.note"]').focus()
    cora.page.keyboard.type("3 dressings")
    assert cora.value("SKIN_FACE", "note") == "3 dressings"
