"""The nurse's way to what is overdue: two clicks, a reason beside each visit, one marked missed, and every list says the same after it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from tests.browser.conftest import AtBrowser
from tests.browser.program import STUDY, Program, subject_address
from trialcrf.actions.reminding import remind
from trialcrf.store import outbox

MATRIX = f"/studies/{STUDY}/subjects"


def overdue_cells(person, kind: str, key: str) -> list[str]:
    person.open(f"{MATRIX}?kind={kind}&q={key}")
    return person.page.locator("a.cell.overdue").all_inner_texts()


def test_two_clicks_to_the_overdue_visits_each_with_its_reason_and_one_marked_missed(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient(consented=90, infused=60)
    cora = at_browser("cora")
    cora.open(MATRIX)
    counted = int(re.findall(r"\d+", cora.page.get_by_role("link", name="My day").locator(".count").inner_text())[0])
    cora.press(cora.page.get_by_role("link", name="My day"))
    everything = cora.page.locator("#list-overdue").locator("xpath=ancestor::section").get_by_role("link", name=re.compile("^All "))
    if everything.count():
        cora.press(everything)
    lines = cora.page.locator("section.today").first.locator("tbody tr")
    assert lines.count() == min(counted, 50)
    for said in lines.all_inner_texts():
        assert re.search(r"by \d+ days?", said), said
        assert re.search(r"Window ended on \d+ \w+ \d{4}, nothing recorded", said), said
        assert "counted from:" in said
    before = len(overdue_cells(cora, "recipient", subject.key))
    assert before > 3
    cora.open(f"/studies/{STUDY}/today?show=overdue")
    mine = cora.page.locator("section.today").first.locator("tbody tr").filter(has_text=subject.key).filter(has_text="Day 7")
    while not mine.count():
        cora.press(cora.page.get_by_role("link", name="Next"))
    cora.press(mine.get_by_role("link", name=re.compile("Mark missed")))
    assert "The last day that avoids a deviation" in cora.reads()
    cora.page.get_by_label("Why did the visit not take place?").select_option("TRAVEL")
    cora.press(cora.page.get_by_role("button", name="Mark missed"))
    assert cora.path().startswith(subject_address(subject.key))
    assert "The visit is marked missed." in cora.reads()
    assert len(overdue_cells(cora, "recipient", subject.key)) == before - 1
    cora.open(f"/studies/{STUDY}/today?show=overdue")
    assert int(cora.page.locator("#list-overdue .count").inner_text()) == counted - 1
    now = datetime.now(UTC)
    with program.world.write("trialcrf", now) as tx:
        remind.scan_reminders(tx, now)
    with program.world.read() as tx:
        told = {row.key.split("|")[3]: row.state for row in outbox.all_of(tx) if row.key.startswith(f"remind|{STUDY}|{subject.id}|")}
    assert "D3" in told, "the visits that are still overdue are in the queue"
    # The scheduler runs beside: a mail of the missed visit went before it was marked, or goes no more.
    assert told.get("D7", "sent") in ("sent", "cancelled")


def test_the_whole_way_is_walked_without_script_and_by_keyboard(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient(consented=90, infused=50)
    cora = at_browser("cora", script=False)
    cora.open(subject_address(subject.key) + "/visits/D3/deviation")
    box = cora.page.get_by_label("Request")
    box.focus()
    cora.page.keyboard.type("The visit can take place next Monday.")
    cora.page.keyboard.press("Tab")
    with cora.page.expect_navigation():
        cora.page.keyboard.press("Enter")
    assert "The deviation is recorded" in cora.reads()
    assert "The visit can take place next Monday." in cora.page.content()
