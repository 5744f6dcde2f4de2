"""A paper at the answer that it proves, attached by keyboard, in French, while the form is half filled in."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import AtBrowser
from tests.browser.person import Person
from tests.browser.program import Program, form_address
from tests.browser.test_keyboard import enter, focused, tab_to
from trialcrf.store import enclosures

PICTURE = b"\x89PNG\r\n\x1a\nulcers of the right hand"


def test_a_picture_is_attached_by_keyboard_alone_and_what_is_typed_beside_it_stays(
    at_browser: AtBrowser, program: Program, tmp_path: Path
) -> None:
    photo = tmp_path / "IMG_0042.PNG"
    photo.write_bytes(PICTURE)
    subject = program.recipient()
    stored = program.saved(subject, "SCR", "PHYSEXAM", {"DIGITAL_ULCERS": "Y"})
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "PHYSEXAM"))
    cora.press(cora.page.locator('.tongue[lang="fr"]'))
    enter(cora, "i.DIGITAL_ULCER_COUNT", "3")
    tab_backwards_to(cora, "DIGITAL_ULCERS")
    form = cora.page
    with cora.context.expect_page() as opened:
        form.keyboard.press("Enter")
    cora.page = opened.value
    cora.page.wait_for_load_state()
    assert "Joindre un document" in cora.page.locator("#attach-title").inner_text()
    assert cora.page.locator("#at").evaluate("(box) => box.value") == "DIGITAL_ULCERS"
    tab_to(cora, "file")
    # Once the browser listens for the dialog it is told to: a key that comes before opens one that nobody sees.
    cora.page.on("filechooser", lambda chooser: chooser.set_files(photo))
    cora.page.evaluate("1")
    cora.page.keyboard.press("Enter")
    expect(cora.page.locator('[name="file"]')).to_have_value(re.compile("IMG_0042"))
    enter(cora, "description", "Main droite")
    cora.page.keyboard.press("Tab")
    with cora.page.expect_navigation():
        cora.page.keyboard.press("Enter")
    assert "IMG_0042.png" in cora.reads() and "Main droite" in cora.reads()
    cora.page.close()
    cora.page = form
    assert cora.value("DIGITAL_ULCER_COUNT") == "3", "it stands as it was left"
    cora.save()
    assert "IMG_0042.png" in cora.item("DIGITAL_ULCERS").inner_text()
    assert program.value(subject, "SCR", "PHYSEXAM", "DIGITAL_ULCER_COUNT") == "3"
    with program.world.read() as tx:
        (one,) = enclosures.of_form(tx, stored.id)
        assert (one.name, one.place.item, one.by) == ("IMG_0042.png", "DIGITAL_ULCERS", "Cora Coordinatrice")
        assert enclosures.content(tx, one) == PICTURE
    cora.press(cora.page.locator('.tongue[lang="en"]'))


def tab_backwards_to(person: Person, item: str) -> None:
    """Press Shift+Tab until the way to the documents of this question has the focus."""
    for _ in range(40):
        if person.page.evaluate("document.activeElement.closest('.papers-at')?.closest('[data-item]').dataset.item") == item:
            return
        person.page.keyboard.press("Shift+Tab")
    raise AssertionError(f"Shift+Tab never reached the documents of {item}: {focused(person)}")
