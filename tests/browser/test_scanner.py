"""A scanner at the browser: it types a label and ends with Enter, which leads on to the next question and never loses what was typed."""

from __future__ import annotations

from tests.browser.conftest import AtBrowser
from tests.browser.pages import LIST, a_batch
from tests.browser.person import Person
from tests.browser.program import Program, form_address
from trialcrf.core.product.identity import Kind, label


def scan(person: Person, key: str, text: str) -> None:
    """As a scanner does that works like a keyboard."""
    person.box(key).focus()
    person.page.keyboard.type(text)
    person.page.keyboard.press("Enter")


def focused(person: Person) -> str:
    name: str = person.page.evaluate("document.activeElement.name || document.activeElement.id || document.activeElement.className")
    return name


def test_a_scanned_label_leads_on_and_is_saved_as_the_code_of_the_bag(at_browser: AtBrowser, program: Program) -> None:
    batch = a_batch(program)
    bag = f"{batch}-1"
    lara = at_browser("lara")
    address = form_address(batch, "STOCK", "MOVEMENT")
    lara.open(address)
    scan(lara, "MOV_BAG", label("msc_ssc", Kind.BAG, bag))
    assert lara.path() == address, "the page is still there"
    assert focused(lara) == "i.MOV_KIND"
    lara.choose("MOV_KIND", "DISCARDED")
    lara.date("MOV_AT", program.today, "00:00")
    lara.save()
    assert lara.value("MOV_BAG") == bag, lara.reads()
    stored = program.ask("SELECT text FROM fact WHERE alias = 'CTMVBAG' AND text = :bag", bag=bag)
    assert stored == [(bag,)]


def test_enter_in_the_last_field_goes_to_the_button(at_browser: AtBrowser) -> None:
    lara = at_browser("lara")
    lara.open(f"{LIST}/enrol/batch/01")
    scan(lara, "BAT_LOT", "LOT-SCANNED")
    assert focused(lara) == "i.BAT_CULTURE_START.d"
    scan(lara, "BAT_POOL_DI", "FR0001230000000654321")
    assert lara.page.evaluate("'save' in document.activeElement.dataset"), "nothing is saved before the person says so"
    assert lara.path() == f"{LIST}/enrol/batch/01"


def test_without_script_enter_loses_nothing(at_browser: AtBrowser, program: Program) -> None:
    before = program.ask("SELECT count(*) FROM subject")
    lara = at_browser("lara", script=False)
    lara.open(f"{LIST}/enrol/batch/01")
    with lara.page.expect_navigation():
        scan(lara, "BAT_LOT", "LOT-SCANNED")
    assert lara.value("BAT_LOT") == "LOT-SCANNED"
    assert lara.page.locator("#summary").count() == 1, "what is missing is told"
    assert program.ask("SELECT count(*) FROM subject") == before
