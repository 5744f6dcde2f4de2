"""Steps 4 to 7: the infusion and the visits computed from it, adverse events, entries in error, and the history of a field."""

from __future__ import annotations

import re
import time
from datetime import date, timedelta
from email.message import EmailMessage

import pytest

from tests.browser.conftest import AtBrowser
from tests.browser.person import PASSWORD, Person
from tests.browser.program import STUDY, Program, form_address, subject_address
from trialcrf.core.calendar import add

SOON = 60.0
"""Seconds in which the scheduler, which looks for mails every five, has certainly delivered one."""


def wait_until(found: object, what: str, seconds: float = SOON) -> None:
    """Looked for ever more rarely: looking costs what is waited for its processor."""
    end, pause = time.monotonic() + seconds, 0.1
    while not found():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(pause)
        pause = min(2 * pause, 2.0)


def visit_line(person: Person, visit: str) -> str:
    """What the subject's page says of a visit."""
    row = person.page.locator("section.visits tbody tr").filter(has=person.page.get_by_role("rowheader", name=visit))
    return " ".join(row.first.inner_text().split())


def said(day: date) -> str:
    return f"{day.day} {day:%b} {day.year}"


def fill_infusion(cora: Person, day: date) -> None:
    cora.choose("INF_COHORT", "MSC1")
    cora.type("INF_BATCH", "MSC-2026-17")
    cora.choose("INF_IDENTITY", "Y")
    cora.type("INF_WEIGHT", "62,4")
    cora.type("INF_DOSE", "63,0")
    cora.type("INF_VOLUME", "120")
    cora.date("INF_START", day, "10h30")
    cora.date("INF_END", day, "11:15")
    cora.choose("INF_PREMED", "N")
    cora.choose("INF_BREAK", "N")


def test_the_infusion_gives_the_visits_their_windows(at_browser: AtBrowser, program: Program) -> None:
    subject, infused = program.recipient(consented=60), program.today - timedelta(days=12)
    cora = at_browser("cora")
    cora.open(subject_address(subject.key))
    assert "target" not in visit_line(cora, "Month 3"), "nothing is due before the infusion"
    cora.open(form_address(subject.key, "D0", "INFUSION"))
    fill_infusion(cora, infused)
    cora.save()
    assert "done=saved" in cora.path(), cora.reads()
    assert program.value(subject, "D0", "INFUSION", "INF_DOSE_KG") == "1.01"
    cora.open(subject_address(subject.key))
    for months in (3, 6, 9, 12):
        line = visit_line(cora, f"Month {months}")
        target = add(infused, months, 0)
        assert said(target) in line, line
        assert "planned" in line
        assert cora.page.locator("section.visits svg").count()
    cora.open(f"/studies/{STUDY}/subjects?q={subject.key}")
    assert said(add(infused, 3, 0)) in cora.hears(cora.page.locator("table.matrix tbody tr"))


def test_a_corrected_infusion_moves_the_windows(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient(consented=90, infused=40)
    moved = program.today - timedelta(days=37)
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "D0", "INFUSION"))
    cora.date("INF_START", moved, "10:30")
    cora.date("INF_END", moved, "11:15")
    cora.save()
    cora.page.locator('select[name="why"]').select_option("SOURCE")
    cora.save()
    assert program.value(subject, "D0", "INFUSION", "INF_START")[:10] == moved.isoformat()  # type: ignore[index]
    cora.open(subject_address(subject.key))
    assert said(add(moved, 6, 0)) in visit_line(cora, "Month 6")


def test_a_visit_is_done_once_its_date_is_recorded(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient(consented=140, infused=95)
    cora = at_browser("cora")
    cora.open(subject_address(subject.key))
    assert re.search(r"\bdue\b", visit_line(cora, "Month 3"))
    cora.open(form_address(subject.key, "M3", "FVISIT"))
    assert "due" in cora.reads(".context"), "the window is told where the date is entered"
    cora.choose("VIS_DONE", "Y")
    cora.date("VIS_DATE", program.today - timedelta(days=2))
    cora.save()
    cora.open(subject_address(subject.key))
    assert "done" in visit_line(cora, "Month 3")


def test_a_visit_is_marked_missed_with_a_reason(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient(consented=100, infused=60)
    cora = at_browser("cora")
    cora.open(subject_address(subject.key))
    assert "overdue by" in visit_line(cora, "Month 1")
    cora.open(form_address(subject.key, "M1", "FVISIT"))
    cora.choose("VIS_DONE", "N")
    cora.choose("VIS_WHY", "TRAVEL")
    cora.save()
    cora.open(subject_address(subject.key))
    assert "missed" in visit_line(cora, "Month 1")
    assert "Travel not possible" in visit_line(cora, "Month 1"), "the reason is told with the state"


@pytest.mark.parametrize("why", ["DEATH", "WITHDRAWAL BY SUBJECT", "SCREEN FAILURE"])
def test_the_end_of_participation_ends_what_is_due(at_browser: AtBrowser, program: Program, why: str) -> None:
    infused = None if why == "SCREEN FAILURE" else 60
    subject = program.recipient(consented=100, infused=infused)
    cora = at_browser("cora")
    cora.open(subject_address(subject.key))
    visit = "Recipient screening" if infused is None else "Month 1"
    assert "overdue" in visit_line(cora, visit)
    cora.open(form_address(subject.key, "END", "ENDSTUDY"))
    cora.pick("END_WHY", why)
    ended = program.today - timedelta(days=65 if infused is None else 31)
    cora.date("END_DATE", ended)
    if why == "DEATH":
        cora.date("END_DEATH", ended)
    cora.save()
    cora.open(subject_address(subject.key))
    assert why.lower() in cora.reads(".context")
    for line in cora.page.locator("section.visits tbody tr td:nth-child(2)").all_inner_texts():
        # What had been forgotten before is still to be settled; nothing else waits.
        assert "due" not in line or "nothing recorded, before participation ended" in line, line
    assert ("not applicable" if why == "SCREEN FAILURE" else "cancelled") in visit_line(cora, "Month 24")
    if infused is not None:
        assert "overdue" in visit_line(cora, "Day 7")


def fill_event(cora: Person, day: date, words: str, serious: bool) -> None:
    cora.type("AE_WORDS", words)
    cora.pick("AE_CLASS", "Infections and infestations")
    cora.choose("AE_GRADE", "3")
    cora.date("AE_ONSET", day)
    cora.choose("AE_OUTCOME", "NOT RECOVERED/NOT RESOLVED")
    cora.choose("AE_SERIOUS", "Y" if serious else "N")
    if serious:
        for item in ("AE_DEATH", "AE_LIFE", "AE_DISABILITY", "AE_CONGENITAL", "AE_MEDICAL"):
            cora.choose(item, "N")
        cora.choose("AE_HOSPITAL", "Y")
    cora.choose("AE_RELATED", "NOT RELATED")
    cora.pick("AE_ACTION", "NOT APPLICABLE")


def test_a_serious_adverse_event_mails_investigator_and_sponsor_without_subject_data(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient(consented=60, infused=20)
    day = program.today - timedelta(days=1)
    cora = at_browser("cora")
    before = {name: set(serious(program, name)) for name in ("ivan", "sam", "cora", "olga", "mona")}
    cora.open(subject_address(subject.key))
    cora.press(cora.page.get_by_role("link", name="Record: Adverse event").first)
    fill_event(cora, day, "Zona ophtalmique", serious=True)
    cora.save()
    assert "done=saved" in cora.path(), cora.reads()

    def new(name: str) -> list[EmailMessage]:
        return [mail for key, mail in serious(program, name).items() if key not in before[name]]

    wait_until(lambda: new("ivan") and new("sam"), "no mail came")
    assert [name for name in before if new(name)] == ["ivan", "sam"]
    assert len(new("ivan")) == len(new("sam")) == 1
    links = {}
    for name in ("ivan", "sam"):
        mail = new(name)[0]
        whole = "\n".join(f"{name}: {text}" for name, text in mail.items() if name != "Date") + mail.get_content()
        for secret in (subject.key, "R-01", "Zona", "ophtalmique", "Infection", day.isoformat(), said(day)):
            assert secret not in whole, secret
        assert "site 01" in mail["Subject"]
        found = re.search(r"http://\S+", mail.get_content())
        assert found
        links[name] = found[0].removeprefix(program.url)
    ivan = at_browser("ivan")
    assert ivan.open(links["ivan"]).status == 200
    assert ivan.value("AE_WORDS") == "Zona ophtalmique", "the link leads to the event"
    assert at_browser("sam").open(links["sam"]).status == 200, "a sponsor is led to what a sponsor may read"
    assert at_browser("olga").open(links["ivan"]).status == 404, "a forwarded link opens nothing at another site"


def serious(program: Program, name: str) -> dict[str, EmailMessage]:
    """The mails about serious events to someone, by their Message-ID."""
    return {mail["Message-ID"]: mail for mail in program.mails_to(name) if "serious adverse event" in mail["Subject"]}


def test_an_event_that_is_not_serious_mails_nobody(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient(consented=60, infused=20)
    cora = at_browser("cora")
    before = program.ask("SELECT count(*) FROM outbox")
    cora.open(form_address(subject.key, "AE", "ADVERSE"))
    fill_event(cora, program.today - timedelta(days=1), "Rhinitis", serious=False)
    cora.save()
    assert program.ask("SELECT count(*) FROM outbox") == before


def test_a_form_in_error_leaves_the_lists_and_stays_in_the_trail(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient(consented=60, infused=20)
    stored = program.saved(subject, "AE", "ADVERSE", {"AE_WORDS": "Entered twice", "AE_SERIOUS": "N"})
    cora = at_browser("cora")
    cora.open(subject_address(subject.key))
    assert "Entered twice" in cora.reads()
    cora.open(form_address(subject.key, "AE", "ADVERSE"))
    cora.page.get_by_text("This form was entered in error").click()
    without = cora.press(cora.page.get_by_role("button", name="Mark this form entered in error"))
    assert without
    assert without.status == 422, "no reason, no mark"
    cora.page.locator("#reason").fill("The same event twice")
    cora.press(cora.page.get_by_role("button", name="Mark this form entered in error"))
    assert "done=error" in cora.path()
    assert "Entered twice" not in " ".join(cora.page.locator("ul.forms").all_inner_texts())
    assert "1 form entered in error" in cora.reads()
    found = program.ask("SELECT reason FROM audit_record WHERE entity = 'form' AND entity_id = :id AND op = 'error'", id=str(stored.id))
    assert found == [("The same event twice",)]
    cora.open(form_address(subject.key, "AE", "ADVERSE"))
    assert cora.page.locator("[data-save]").count() == 0, "it is read and no longer changed"
    cora.press(cora.page.get_by_role("link", name="History of the form"))
    assert "The same event twice" in cora.reads("table")
    assert "Entered twice" in cora.reads("table"), "what it said stays in the trail"


def test_a_row_in_error_leaves_the_form_with_its_reason(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "CM", "CONMEDS"))
    cora.type("MEDS.new1.MED_NAME", "amlodipine")
    cora.press(cora.page.locator('button[name="add"][value="MEDS"]'))
    cora.type("MEDS.new2.MED_NAME", "omeprazole")
    cora.save()
    assert cora.value("MEDS.2.MED_NAME") == "omeprazole"
    cora.page.locator("#g-MEDS-2 details summary").click()
    cora.page.locator('select[name="gone.MEDS.2"]').select_option("WRONG_SUBJECT")
    cora.save()
    assert cora.box("MEDS.2.MED_NAME").count() == 0
    assert cora.value("MEDS.1.MED_NAME") == "amlodipine"
    assert "Entered in error" in cora.reads("#g-MEDS-2")
    assert "Value of another subject" in cora.reads("#g-MEDS-2"), "the reason in words"


def test_a_subject_in_error_leaves_every_list(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    cora = at_browser("cora")
    cora.open(subject_address(subject.key))
    cora.page.get_by_text("This subject was entered in error").click()
    cora.page.locator("#reason").fill("Enrolled twice")
    cora.press(cora.page.get_by_role("button", name=f"Ask to mark {subject.key} entered in error"))
    assert "done=requested" in cora.path()
    cora.open(f"/studies/{STUDY}/subjects?q={subject.key}")
    assert subject.key in cora.page.locator("table.matrix").inner_text(), "one person alone takes nobody out of the lists"
    ivan = at_browser("ivan")
    ivan.open(f"/studies/{STUDY}/requests")
    ivan.press(ivan.page.locator("main tr", has_text=subject.key).get_by_role("link").first)
    ivan.page.locator("#password").fill(PASSWORD)
    ivan.press(ivan.page.get_by_role("button", name="Grant"))
    cora.open(f"/studies/{STUDY}/subjects?q={subject.key}")
    assert cora.page.locator("table.matrix").count() == 0
    cora.open(subject_address(subject.key))
    assert "Enrolled twice" in cora.reads(), "whoever has the address reads why"
    cora.open(form_address(subject.key, "SCR", "RENROL"))
    assert cora.page.locator("[data-save]").count() == 0


def test_each_field_shows_who_changed_it_in_which_role_when_from_what_to_what_and_why(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    program.saved(subject, "SCR", "VITALS", {"WT": 72.5, "HT": 171.5})
    cora, ivan = at_browser("cora"), at_browser("ivan")
    ivan.open(form_address(subject.key, "SCR", "VITALS"))
    ivan.type("WT", "74,0")
    ivan.save()
    ivan.say_why("WT", "SOURCE")
    ivan.save()
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    cora.press(cora.item("WT").locator("a.mark"))
    beside = cora.reads("#history")
    assert "Weight" in beside
    for told in ("74.0", "before: 72.5", "The source document was corrected or completed", "ivan, Investigator", "cora, Coordinator"):
        assert told in beside, beside
    assert re.search(r"\d{1,2} \w{3} 20\d\d, \d\d:\d\d", beside), "when"
    assert "171" not in beside, "of this field alone"
    whats = cora.page.locator("#history ol li > p:first-child").all_inner_texts()
    assert [what.split()[0] for what in whats] == ["Changed", "Stopped", "Entered"], "the attempt without a reason is told too"
    cora.press(cora.page.get_by_role("link", name="History of the form"))
    line = cora.page.locator("tbody tr").filter(has_text="Weight: Changed").inner_text()
    for told in ("ivan", "Investigator", "Weight", "72.5", "74.0", "The source document was corrected or completed"):
        assert told in line, line


def test_a_refused_attempt_stands_in_the_history(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    program.saved(subject, "SCR", "VITALS", {"HT": 171.5})
    cora = at_browser("cora")
    cora.open(form_address(subject.key, "SCR", "VITALS"))
    cora.type("WT", "725")
    cora.save()
    cora.open(form_address(subject.key, "SCR", "VITALS") + "/history")
    assert "Stopped by check hard_range" in cora.reads("table")
    assert "725" in cora.reads("table")
