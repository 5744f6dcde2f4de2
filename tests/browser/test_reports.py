"""Step 10: the sponsor orders a safety report on the page, it appears, and it is right."""

from __future__ import annotations

import hashlib
import re
import subprocess
from datetime import timedelta
from pathlib import Path

from tests.browser.conftest import AtBrowser
from tests.browser.program import STUDY, Program

REPORTS = f"/studies/{STUDY}/reports"


def text_of(pdf: Path) -> str:
    done = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_sponsor_orders_a_safety_report_and_it_has_the_right_numbers(at_browser: AtBrowser, program: Program, tmp_path: Path) -> None:
    sam = at_browser("sam")
    sam.open(REPORTS)
    day = program.today
    for box, text in (("day", f"{day.day:02}"), ("month", f"{day.month:02}"), ("year", str(day.year))):
        sam.page.locator(f"#{box}").fill(text)
    sam.page.locator("#language").select_option("en")
    sam.page.locator("#why").fill("For the data safety monitoring board.")
    counted = facts(program)
    sam.press(sam.page.get_by_role("button", name="Order the report"))
    assert "done=ordered" in sam.path()
    assert facts(program) == counted, "nothing else writes meanwhile"

    line = sam.page.locator("tbody tr").first
    line.get_by_text("archived").wait_for(timeout=180_000)  # Nobody opens the page again: its line comes by itself.
    assert "English" in line.inner_text()
    with sam.page.expect_download() as download:
        line.get_by_role("link", name=re.compile("^Download")).click()
    path = tmp_path / "report.pdf"
    download.value.save_as(path)
    assert path.read_bytes().startswith(b"%PDF-")
    said = " ".join(text_of(path).split())
    enrolled, treated, events, with_event, serious, deaths = counted
    for number, what in ((enrolled, "enrolled"), (treated, "treated"), (events, "events"), (serious, "serious"), (deaths, "death")):
        assert re.search(rf"\b{number}\b", said), what
    report = re.search(r"Any event ([\d() .%]+)", said)
    assert report, said[:2000]
    assert re.search(rf"\b{with_event}\b.*\b{events}\b", report[1]), report[1]
    assert "Heart failure" in said
    assert "Entered twice" not in said, "what was entered in error leaves every count"
    sha = sam.page.locator("tbody tr").first.locator("details.hash").last.text_content() or ""
    assert hashlib.sha256(path.read_bytes()).hexdigest() in sha


def facts(program: Program) -> tuple[int, ...]:
    """Counted behind the program's back: recipients enrolled and treated, events, subjects with one, serious events, deaths."""
    living = "subject s JOIN form f ON f.subject_id = s.id WHERE s.error = '' AND f.error = '' AND s.subject_type = 'recipient'"

    def count(what: str, where: str) -> int:
        return int(str(program.ask(f"SELECT count({what}) FROM {living} AND {where}")[0][0]))

    fact = "EXISTS (SELECT 1 FROM fact x WHERE x.form_id = f.id AND x.alias = '{}' AND x.text {})"
    enrolled = int(str(program.ask("SELECT count(*) FROM subject WHERE error = '' AND subject_type = 'recipient'")[0][0]))
    return (
        enrolled,
        count("DISTINCT s.id", fact.format("EXSTDAT", "<> ''")),
        count("*", "f.form_oid = 'ADVERSE'"),
        count("DISTINCT s.id", "f.form_oid = 'ADVERSE'"),
        count("*", "f.form_oid = 'ADVERSE' AND " + fact.format("AESER", "= 'Y'")),
        count("DISTINCT s.id", fact.format("DSDECOD", "= 'DEATH'")),
    )


def test_a_cut_off_that_is_no_day_is_told_at_its_boxes(at_browser: AtBrowser) -> None:
    sam = at_browser("sam")
    sam.open(REPORTS)
    sam.page.locator("#day").fill("31")
    sam.page.locator("#month").fill("2")
    answer = sam.press(sam.page.get_by_role("button", name="Order the report"))
    assert answer
    assert answer.status == 422
    assert sam.page.locator("#day").input_value() == "31"
    assert sam.page.locator("#error-day").count() == 1
    assert "error-day" in (sam.page.locator("fieldset:has(#day)").get_attribute("aria-describedby") or "")


def test_a_future_cut_off_is_refused(at_browser: AtBrowser, program: Program) -> None:
    sam = at_browser("sam")
    sam.open(REPORTS)
    day = program.today + timedelta(days=400)
    sam.page.locator("#year").fill(str(day.year))
    answer = sam.press(sam.page.get_by_role("button", name="Order the report"))
    assert answer
    assert answer.status == 422
