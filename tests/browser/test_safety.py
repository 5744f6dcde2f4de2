"""A grade 4 event six days after the infusion, from the nurse's form to the board's pack: nothing is retyped, and it is the same again."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.browser.conftest import AtBrowser
from tests.browser.person import Person
from tests.browser.program import STUDY, Program, form_address, subject_address
from tests.browser.test_followup import wait_until
from trialcrf.actions.safety import escalate
from trialcrf.store import outbox

CASES, REPORTS = f"/studies/{STUDY}/cases", f"/studies/{STUDY}/reports"
WORDS = "Choc septique à point de départ cutané"


def record(cora: Person, program: Program, key: str) -> None:
    """The nurse records what happened; she does not judge what caused it."""
    cora.open(subject_address(key))
    cora.press(cora.page.get_by_role("link", name="Record: Adverse event").first)
    cora.type("AE_WORDS", WORDS)
    cora.pick("AE_CLASS", "Infections and infestations")
    cora.choose("AE_GRADE", "4")
    cora.date("AE_ONSET", program.today - timedelta(days=14))
    cora.choose("AE_OUTCOME", "RECOVERING/RESOLVING")
    cora.choose("AE_SERIOUS", "Y")
    for item in ("AE_DEATH", "AE_HOSPITAL", "AE_DISABILITY", "AE_CONGENITAL", "AE_MEDICAL"):
        cora.choose(item, "N")
    cora.choose("AE_LIFE", "Y")
    cora.date("AE_AWARE", program.today - timedelta(days=1), "23:00")
    cora.choose("AE_BIOVIG", "N")
    cora.save()
    assert "done=saved" in cora.path(), cora.reads()


def judge(ivan: Person, key: str, repeat: int) -> None:
    """The investigator judges causality, factor by factor, on the same form."""
    ivan.open(form_address(key, "AE", "ADVERSE", repeat))
    ivan.choose("AE_RELATED", "RELATED")
    ivan.choose("AE_BY_PRODUCT", "RELATED")
    ivan.choose("AE_BY_DISEASE", "NOT RELATED")
    ivan.pick("AE_ACTION", "NOT APPLICABLE")
    ivan.save()
    assert "done=saved" in ivan.path(), ivan.reads()


def act(person: Person, name: str) -> None:
    person.page.locator(f"#{name} summary").click()


def ordered(sam: Person, kind: str, folder: Path) -> Path:
    """The newest report of this kind, once it is archived."""

    def archived() -> bool:
        sam.open(REPORTS)
        return "archived" in sam.page.locator("tbody tr").filter(has_text=kind).first.inner_text()

    wait_until(archived, f"{kind} was not drawn", 180)
    line = sam.page.locator("tbody tr").filter(has_text=kind).first
    with sam.page.expect_download() as download:
        line.get_by_role("link", name=re.compile("^Download")).first.click()
    path = folder / f"{kind}.pdf"
    download.value.save_as(path)
    return path


def text_of(pdf: Path) -> str:
    done = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


def test_a_serious_event_goes_from_the_nurse_to_the_board_without_being_typed_again(
    at_browser: AtBrowser, program: Program, tmp_path: Path
) -> None:
    subject = program.recipient(consented=60, infused=20)
    cora, ivan, sam = (at_browser(name) for name in ("cora", "ivan", "sam"))
    record(cora, program, subject.key)
    repeat = int(cora.path().split("?")[0].rsplit("/", 1)[1])

    cora.open(CASES)
    line = cora.page.locator("tbody tr").filter(has_text=subject.key)
    assert line.count() == 1 and re.search(r"\bh\b", line.inner_text()), "the case is open, with its nearest clock"
    cora.press(line.get_by_role("link").first)
    case = cora.path().split("?")[0]
    assert "Initial report to the sponsor" in cora.reads() and "site time" in cora.reads()
    assert cora.page.locator("#assess").count() == 0, "a site does not write the sponsor's assessment"

    now = datetime.now(UTC)
    with program.world.write("trialcrf", now) as tx:
        escalate.scan_clocks(tx, now)
    with program.world.read() as tx:
        assert any(row.kind == "clock" for row in outbox.all_of(tx)), "reminders of its clock are queued"

    judge(ivan, subject.key, repeat)
    sam.open(f"/studies/{STUDY}/stopping")
    assert subject.key in sam.reads(), "the stopping rule counts it"

    sam.open(case)
    act(sam, "assess")
    sam.page.locator('#assess [name="assess-AERELPRD"]').select_option("RELATED")
    sam.page.locator('#assess [name="assess-expected"]').select_option("N")
    sam.page.locator("#assess textarea").fill("No such reaction is known of the product.")
    sam.press(sam.page.get_by_role("button", name="Record the assessment"))
    act(sam, "version")
    sam.page.locator("#version textarea").fill("First report.")
    sam.press(sam.page.get_by_role("button", name="Freeze"))
    assert "Fatal or life-threatening SUSAR" in sam.reads()

    sam.open(case + "/reports")
    sam.page.locator("#cioms-language").select_option("en")
    sam.page.locator("#cioms-why").fill("To the authority.")
    sam.press(sam.page.locator("form", has=sam.page.locator("#cioms-why")).get_by_role("button"))
    sam.open(REPORTS)
    sam.page.locator("#kind").select_option("dsmb")
    for box, number in zip(("day", "month", "year"), (program.today.day, program.today.month, program.today.year), strict=True):
        sam.page.locator(f"#{box}").fill(f"{number:02}")
    sam.page.locator("#language").select_option("en")
    sam.page.locator("#why").fill("Before the meeting of the board.")
    sam.press(sam.page.get_by_role("button", name="Order the report"))

    form, pack = ordered(sam, "CIOMS", tmp_path), ordered(sam, "Safety board pack", tmp_path)
    assert WORDS in text_of(form) and subject.key in text_of(form)
    said = text_of(pack)
    assert WORDS in said and subject.key in said
    for path in (form, pack):
        assert "Drawn again, it is the same." in program.command("report", "verify", str(path), "--again")
