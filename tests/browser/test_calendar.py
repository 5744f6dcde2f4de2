"""The calendar on screens of every width, a feed made and revoked, and the patient's card as it comes out of the printer."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path
from urllib.request import urlopen

import pytest
from icalendar import Calendar
from pypdf import PdfReader

from tests.browser.conftest import AtBrowser
from tests.browser.program import STUDY, Program, subject_address
from trialcrf.external.language import Language

CALENDAR = f"/studies/{STUDY}/calendar"


def test_a_month_is_a_grid_on_a_desk_and_a_list_of_days_on_a_phone(at_browser: AtBrowser, program: Program) -> None:
    one = program.recipient(30, infused=3)
    day = date.fromisoformat(str(program.ask("SELECT target FROM visit WHERE subject_id = :id AND event_oid = 'M6'", id=one.id)[0][0]))
    cora = at_browser("cora")
    cora.open(f"{CALENDAR}?month={day:%Y-%m}")
    link = cora.page.locator(f'.month a.cell[href*="{one.key}#visit-M6"]')
    assert "Month 6 · planned" in cora.hears(link)
    assert cora.page.locator(".month thead th").first.is_visible()
    cora.page.set_viewport_size({"width": 400, "height": 800})
    assert link.is_visible()
    assert not cora.page.locator(".month thead").is_visible()
    assert not cora.page.locator(".month td.empty:visible").count()
    assert Language("en").full_day(day) in cora.reads(f'td:has(a[href*="{one.key}#visit-M6"])')
    cora.press(link)
    assert cora.path() == f"{subject_address(one.key)}#visit-M6"
    assert cora.page.locator("#visit-M6").count() == 1


def test_a_person_makes_an_address_reads_it_elsewhere_and_revokes_it(at_browser: AtBrowser, program: Program) -> None:
    program.recipient(10)
    cora = at_browser("cora", script=False)
    cora.open(CALENDAR)
    cora.press(cora.page.get_by_role("link", name="In my own calendar"))
    cora.page.get_by_label("Visit and key of the subject").check()
    cora.press(cora.page.get_by_role("button", name="Make an address"))
    address = cora.page.locator("#address").input_value()
    with urlopen(address) as answer:
        found = Calendar.from_ical(answer.read()).walk("VEVENT")
    assert found
    assert {str(event["summary"])[:5] for event in found} <= {"R-01-", "D-01-"}
    cora.open("/me/calendars")
    assert address not in cora.page.content()
    cora.press(cora.page.get_by_role("button", name="Revoke").first)
    assert "is revoked" in cora.reads("main")
    assert cora.open(address.removeprefix(program.url)).status == 404


@pytest.mark.parametrize(("language", "words"), [("en", ("Your visits", "At the latest")), ("fr", ("Mois 24", "Jour 10"))])
def test_the_card_is_printed_on_one_page_with_every_visit(
    at_browser: AtBrowser, program: Program, tmp_path: Path, language: str, words: tuple[str, str]
) -> None:
    one = program.recipient(120, infused=100)  # with overdue visits, which take the most room
    cora = at_browser("cora")
    cora.open(f"{subject_address(one.key)}/card?language={language}")
    path = tmp_path / "card.pdf"
    cora.page.pdf(path=path, prefer_css_page_size=True)
    assert len(PdfReader(path).pages) == 1
    wide, high = PdfReader(path).pages[0].mediabox[2:]
    assert (round(float(wide) / 72 * 25.4), round(float(high) / 72 * 25.4)) == (210, 297)
    printed = " ".join(subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True).stdout.split())
    study = program.world.published.study
    recipients = [event for event in study.events_for("recipient") if event.type.value == "Scheduled"]
    assert all(word in printed for word in (one.key, *words))
    assert all(event.label.in_(language).split()[0] in printed for event in recipients)
    (row,) = program.ask("SELECT opens, target, closes FROM visit WHERE subject_id = :id AND event_oid = 'M6'", id=one.id)
    assert all(Language(language).day(date.fromisoformat(str(day))) in printed for day in row)
    assert "English" not in printed, "what steers the screen is not printed"
