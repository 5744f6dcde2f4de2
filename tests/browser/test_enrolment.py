"""Step 2: enrolment of a recipient and a donor, and the link between them."""

from __future__ import annotations

import re
from datetime import timedelta

from tests.browser.conftest import AtBrowser
from tests.browser.person import Person
from tests.browser.program import STUDY, Program, form_address

ENROL = f"/studies/{STUDY}/enrol"


def fill_consent(cora: Person, program: Program, prefix: str = "", signed: str = "Y") -> None:
    cora.date(f"{prefix}ICF_DATE", program.today - timedelta(days=3))
    cora.type(f"{prefix}ICF_VERSION", "2.0")
    cora.choose(f"{prefix}ICF_LANG", "fr")
    cora.choose(f"{prefix}ICF_SIGNED", signed)
    cora.type(f"{prefix}BIRTH_MONTH", "5", "m")
    cora.type(f"{prefix}BIRTH_MONTH", "1979", "y")
    cora.choose(f"{prefix}SEX_BIRTH", "F")


def test_the_coordinator_enrols_a_recipient_and_a_donor_and_links_them(at_browser: AtBrowser, program: Program) -> None:
    cora = at_browser("cora")
    cora.open(f"/studies/{STUDY}/subjects")
    cora.press(cora.page.get_by_role("link", name="Enrol: Recipient"))
    fill_consent(cora, program)
    cora.save()
    recipient = cora.path().split("?")[0].rpartition("/")[2]
    assert re.fullmatch(r"R-01-\d{3}", recipient), cora.path()
    assert cora.reads("h1") == recipient

    cora.open(f"{ENROL}/donor")
    fill_consent(cora, program, "D")
    cora.save()
    donor = cora.path().split("?")[0].rpartition("/")[2]
    assert re.fullmatch(r"D-01-\d{3}", donor)

    cora.open(form_address(recipient, "LINK", "DONORLINK"))
    assert cora.box("LINK_DONOR").evaluate("box => box.tagName") == "SELECT"
    offered = cora.box("LINK_DONOR").locator("option").all_inner_texts()
    assert donor in offered
    assert not any("-02-" in one or one.startswith("R-") for one in offered), "only donors of the site"
    cora.pick("LINK_DONOR", donor)
    codes = cora.page.locator('[name="i.LINK_RELATION"]').evaluate_all("boxes => boxes.map(box => box.value)")
    assert codes == ["SIBLING", "PARENT", "COUSIN", "OTHER_FAMILY", "SPOUSE"]
    cora.choose("LINK_RELATION", "SIBLING")
    cora.save()
    assert "done=saved" in cora.path()
    assert cora.value("LINK_DONOR") == donor


def test_numbers_of_a_site_are_given_one_after_the_other(at_browser: AtBrowser, program: Program) -> None:
    before = program.recipient().number
    cora = at_browser("cora")
    cora.open(f"{ENROL}/recipient")
    fill_consent(cora, program)
    cora.save()
    assert cora.reads("h1") == f"R-01-{before + 1:03}"


def test_enrolment_asks_for_month_and_year_of_birth_and_for_no_day(at_browser: AtBrowser) -> None:
    cora = at_browser("cora")
    for kind, item in (("recipient", "BIRTH_MONTH"), ("donor", "DBIRTH_MONTH")):
        cora.open(f"{ENROL}/{kind}")
        assert cora.box(item, "m").count() == 1
        assert cora.box(item, "y").count() == 1
        assert cora.box(item, "d").count() == 0
        assert cora.item(item).locator('input[type="text"]').count() == 2


def test_enrolment_has_no_box_for_a_name(at_browser: AtBrowser) -> None:
    cora = at_browser("cora")
    for kind in ("recipient", "donor"):
        cora.open(f"{ENROL}/{kind}")
        labels = cora.page.locator("form#entry label, form#entry legend").all_inner_texts()
        assert labels
        said = " ".join(labels).lower()
        assert not re.search(r"\b(name|surname|initials?|address|phone|e-?mail|nom|prénom)\b", said), said
        assert "No name, no initials" in cora.reads()


def test_a_day_of_birth_sent_all_the_same_is_not_kept(at_browser: AtBrowser, program: Program) -> None:
    """A page that was tampered with: the day goes nowhere."""
    cora = at_browser("cora")
    cora.open(f"{ENROL}/recipient")
    fill_consent(cora, program)
    cora.page.locator("form#entry").evaluate(
        "form => { const box = document.createElement('input'); box.name = 'i.BIRTH_MONTH.d'; box.value = '17'; form.append(box); }"
    )
    cora.save()
    if "done=saved" in cora.path():
        subject = program.world.subject(cora.reads("h1"))
        assert program.value(subject, "SCR", "RENROL", "BIRTH_MONTH") == "1979-05"
    else:
        assert "1979-05-17" not in cora.page.content()
        assert cora.page.locator("#summary .blocking").count() == 1


def test_a_hard_error_enrols_nobody(at_browser: AtBrowser, program: Program) -> None:
    cora = at_browser("cora")
    before = program.ask("SELECT count(*) FROM subject")
    cora.open(f"{ENROL}/recipient")
    fill_consent(cora, program)
    cora.type("BIRTH_MONTH", "1850", "y")
    answer = cora.save()
    assert answer
    assert answer.status == 422
    assert cora.value("BIRTH_MONTH", "y") == "1850"
    assert cora.value("ICF_VERSION") == "2.0"
    assert "The year has four digits, from 1900 to 2100." in cora.reads("#summary")
    assert program.ask("SELECT count(*) FROM subject") == before


def test_a_blank_page_enrols_nobody(at_browser: AtBrowser, program: Program) -> None:
    cora = at_browser("cora")
    before = program.ask("SELECT count(*) FROM subject")
    cora.open(f"{ENROL}/recipient")
    answer = cora.save()
    assert answer
    assert answer.status == 422
    assert "Nothing was typed yet: nothing was saved." in cora.reads("#summary .blocking")
    assert program.ask("SELECT count(*) FROM subject") == before


def test_an_enrolment_with_a_doubt_is_saved_and_asks_on_the_form(at_browser: AtBrowser, program: Program) -> None:
    cora = at_browser("cora")
    cora.open(f"{ENROL}/recipient")
    fill_consent(cora, program, signed="N")
    cora.save()
    assert "/SCR/1/RENROL/1?done=queries" in cora.path()
    assert "Without both signatures the consent is not valid" in cora.item("ICF_SIGNED").inner_text()


def test_a_recipient_cannot_be_linked_to_a_subject_of_another_site(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "LINK", "DONORLINK"))
    cora.choose("LINK_RELATION", "PARENT")
    cora.box("LINK_DONOR").evaluate(
        "box => { const one = document.createElement('option'); one.value = 'D-02-001'; box.append(one); box.value = 'D-02-001'; }"
    )
    answer = cora.save()
    assert answer
    assert answer.status == 422
    assert program.stored(subject, "LINK", "DONORLINK") is None
