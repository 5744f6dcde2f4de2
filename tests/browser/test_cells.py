"""From a donor's screening to the second use that is refused: the whole chain of cells in the browser, by those who work in it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from tests.actions import screening
from tests.browser.conftest import AtBrowser
from tests.browser.person import PASSWORD, Person
from tests.browser.program import STUDY, Program, form_address, subject_address
from tests.browser.test_safety import text_of
from tests.browser.test_screening import eligibility, fill
from trialcrf.core.product.identity import Kind, label
from trialcrf.store.subjects import Subject

LOT = "E2E-LOT"
BAGS = (f"{LOT}-1", f"{LOT}-2")
DONATION = "FR0001230000000654321"


def declare_eligible(person: Person, subject: Subject) -> None:
    """The verdict that the data give, signed by who may."""
    person.open(eligibility(subject))
    assert "Eligible" in person.reads(".overall"), person.reads()
    person.page.locator("#verdict").select_option("ELIGIBLE")
    day = person.program.today
    for part, text in zip(("day", "month", "year"), (day.day, day.month, day.year), strict=True):
        person.page.locator(f"#{part}").fill(str(text))
    person.page.locator("#password").fill(PASSWORD)
    person.press(person.page.get_by_role("button", name="Sign", exact=True))
    assert "The verdict is signed." in person.reads(), person.reads()


def saved(person: Person) -> None:
    person.save()
    assert "done=" in person.path(), person.reads()


def screen(program: Program, dora: Person) -> Subject:
    """The donor: all that was asked stands already but the serology, which is typed here."""
    donor = program.donor(DSOCIAL_SECURITY="Y", DSEX_BIRTH="M")
    fill(program, donor, "DSCR", screening.DONOR_SCREENING, frozenset({"DSEROLOGY"}))
    dora.open(form_address(donor.key, "DSCR", "DSEROLOGY"))
    day = program.today - timedelta(days=4)
    dora.date("DSEROLOGY_DATE", day)
    dora.date("DNAT_DATE", day)
    for item in ("HIV1", "HIV2", "HTLV1", "HTLV2", "HBSAG", "HCV_AB", "SYPHILIS", "HIV_NAT", "HCV_NAT", "HBV_NAT"):
        dora.choose(item, "NEGATIVE")
    saved(dora)
    declare_eligible(dora, donor)
    return donor


def waiting(program: Program, cora: Person, ivan: Person, donor: Subject) -> Subject:
    """The recipient: screened, linked to the donor and declared eligible."""
    recipient = program.recipient(SOCIAL_SECURITY="Y", SEX_BIRTH="M")
    skin = {f"SKIN_{site}_{side}": "1" for site in screening.SITES for side in "RL"}
    fill(program, recipient, "SCR", screening.SCREENING)
    fill(program, recipient, "SCR", {"SKIN": {**skin, "SKIN_FACE": "1", "SKIN_CHEST": "1", "SKIN_ABDOMEN": "1"}})
    cora.open(form_address(recipient.key, "LINK", "DONORLINK"))
    cora.pick("LINK_DONOR", donor.key)
    cora.choose("LINK_RELATION", "SIBLING")
    saved(cora)
    declare_eligible(ivan, recipient)
    return recipient


def harvest(cora: Person, donor: Subject) -> None:
    cora.open(form_address(donor.key, "H0", "HARVEST"))
    cora.date("HAR_START", cora.program.today - timedelta(days=3), "09:00")
    cora.choose("HAR_SITE", "POSTERIOR")
    cora.type("HAR_DONATION", DONATION)
    cora.type("HAR_VOLUME", "120")
    saved(cora)


def grow(lara: Person, donor: Subject) -> str:
    """The laboratory opens the batch, records its tests and fills two bags; returns the batch's key."""
    lara.open(f"/studies/{STUDY}/enrol/batch/01")
    lara.type("BAT_LOT", LOT)
    lara.pick("ANCESTRY.new1.BAT_DONATION", f"{donor.key}/H0/1/HARVEST/1")
    saved(lara)
    found = re.search(r"B-01-[0-9]{3}", lara.path())
    assert found, lara.path()
    key = found[0]
    lara.open(form_address(key, "MAKING", "QC"))
    lara.date("QC_DATE", lara.program.today - timedelta(days=1))
    good = {"VIABILITY": "92", "CD105": "98", "CD73": "97", "CD90": "99", "CD45": "1", "CD31": "2", "HLADR": "3", "ENDOTOXIN": "<0.25"}
    for name, text in good.items():
        lara.type(f"QC_{name}", text)
    for name, code in (
        ("KARYOTYPE", "NORMAL"),
        ("TRILINEAGE", "PASSED"),
        ("AEROBIC", "NEGATIVE"),
        ("ANAEROBIC", "NEGATIVE"),
        ("FUNGI", "NEGATIVE"),
        ("MYCOPLASMA", "NEGATIVE"),
    ):
        lara.choose(f"QC_{name}", code)
    saved(lara)
    lara.open(form_address(key, "MAKING", "BAGS"))
    for number, code in enumerate(BAGS, 1):
        row = f"BAG.new{number}"
        if number > 1:
            lara.press(lara.page.locator('button[name="add"][value="BAG"]'))
        lara.type(f"{row}.BAG_CODE", code)
        lara.type(f"{row}.BAG_SPLIT", f"{number:03d}")
        lara.type(f"{row}.BAG_CELLS", "80")
        lara.type(f"{row}.BAG_VOLUME", "50")
        lara.date(f"{row}.BAG_EXPIRY", lara.program.today + timedelta(days=60))
        lara.date(f"{row}.BAG_FILLED", lara.program.today - timedelta(days=1), "16:00")
        lara.choose(f"{row}.BAG_PLACE", "LAB_TANK")
    saved(lara)
    return key


def release(quin: Person, batch: str) -> None:
    quin.open(f"/studies/{STUDY}/cells/{batch}/release")
    assert "published example" in quin.reads()
    assert quin.page.locator("#specification").input_value() == "", "none is preferred"
    quin.page.locator("#decision").select_option("RELEASED")
    quin.page.locator("#specification").select_option("BMMSC_2010_024041_78")
    quin.page.locator("#password").fill(PASSWORD)
    quin.press(quin.page.locator("form", has=quin.page.locator("#specification")).get_by_role("button"))
    assert quin.page.locator(".signature").count() == 1 and "Quin" in quin.reads(".signature"), quin.reads()


def check(cora: Person, recipient: Subject, bag: str, wristband: str = "", donation: str = DONATION) -> None:
    """Two persons at the bedside: three scans, each ended by the scanner's Enter, and two passwords."""
    cora.open(subject_address(recipient.key) + "/bedside")
    scans = (label(STUDY, Kind.BAG, bag), wristband or label(STUDY, Kind.WRISTBAND, recipient.key), label(STUDY, Kind.DONATION, donation))
    cora.page.locator("#bag").focus()
    for scan in scans:
        cora.page.keyboard.type(scan)
        cora.page.keyboard.press("Enter")
    assert cora.page.locator("#donation").input_value() == scans[2], "a scanner's Enter goes to the next box"
    cora.page.locator('input[name="cohort"][value="MSC1"]').check()
    cora.page.locator("#password").fill(PASSWORD)
    cora.page.locator("#second_username").fill("ivan")
    cora.page.locator("#second_password").fill(PASSWORD)
    cora.press(cora.page.get_by_role("button", name="Confirm the check"))


def test_cells_go_from_donor_to_recipient_and_are_traced_back(at_browser: AtBrowser, program: Program, tmp_path: Path) -> None:
    cora, ivan, dora, lara, quin = (at_browser(name) for name in ("cora", "ivan", "dora", "lara", "quin"))
    donor = screen(program, dora)
    recipient = waiting(program, cora, ivan, donor)
    harvest(cora, donor)
    batch = grow(lara, donor)

    check(cora, recipient, BAGS[0])
    assert "STOP" in cora.reads() and "The batch is not released." in cora.reads()
    release(quin, batch)

    lara.open(f"/studies/{STUDY}/cells/{batch}")
    form = lara.page.locator('form[action*="/labels/"]').first
    sent = {"token": form.locator('[name="token"]').input_value()}
    printed = lara.page.request.post(program.url + str(form.get_attribute("action")), form=sent)
    (tmp_path / "label.pdf").write_bytes(printed.body())
    assert printed.status == 200 and BAGS[0] in text_of(tmp_path / "label.pdf")

    check(cora, recipient, BAGS[0], wristband=label(STUDY, Kind.WRISTBAND, "R-01-999"))
    assert "The wristband is not that of this recipient." in cora.reads() and "Nobody can lift this stop." in cora.reads()
    check(cora, recipient, BAGS[0])
    assert "Accepted" in cora.reads() and "Cora" in cora.reads() and "Ivan" in cora.reads(), cora.reads()

    cora.press(cora.page.get_by_role("link", name="Record the infusion"))
    assert "/INFUSION/" in cora.path()
    assert cora.value("INFUSED.new1.INF_BAG") == BAGS[0], "what is known is filled in"
    cora.type("INF_WEIGHT", "62.4")
    cora.type("INF_DOSE", "62.4")
    cora.date("INF_START", program.today, "00:01")
    saved(cora)
    cora.open(subject_address(recipient.key) + "/infusion-vitals")
    assert "15 minutes" in cora.reads()
    cora.press(cora.page.get_by_role("link", name="Record a reaction"))
    assert "/ADVERSE/" in cora.path() and cora.value("AE_ONSET", "y") == str(program.today.year), "onset is filled in, nothing is judged"
    cora.type("AE_WORDS", "Frissons")
    saved(cora)

    ivan.open(f"/studies/{STUDY}/trace?key={recipient.key}")
    told = ivan.reads()
    assert all(one in told for one in (donor.key, DONATION, LOT, BAGS[0], recipient.key)) and BAGS[1] not in told
    ivan.open(f"/studies/{STUDY}/trace?key={donor.key}")
    told = ivan.reads()
    assert all(one in told for one in (DONATION, LOT, *BAGS, recipient.key))
    assert recipient.key in program.command("trace", DONATION, "--study", STUDY)

    check(cora, recipient, BAGS[0])
    assert "This bag was infused already." in cora.reads() and "STOP" in cora.reads()

    dora.open(subject_address(donor.key) + "/look-back")
    assert LOT in dora.reads() and BAGS[1] in dora.reads() and recipient.key not in dora.reads()
    for part, number in zip(("day", "month", "year"), (program.today.day, program.today.month, program.today.year), strict=True):
        dora.page.locator(f"#{part}").fill(str(number))
    dora.page.locator("#note").fill("Sponsor called.")
    dora.page.locator("#confirm").fill(donor.key)
    dora.press(dora.page.get_by_role("button", name="Recall these batches"))
    assert "recalled: every bag is blocked" in dora.reads(), dora.reads()
    check(cora, recipient, BAGS[1])
    assert "This bag is recalled." in cora.reads() and "Nobody can lift this stop." in cora.reads()
    for person in (cora, ivan, dora, lara, quin):
        assert person.complaints == [], person.name
