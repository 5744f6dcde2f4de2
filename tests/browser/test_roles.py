"""Step 8: who reads what, who changes what, and the accounts of people."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import StorageState

from tests.browser.conftest import AtBrowser
from tests.browser.program import STUDY, Program, form_address, subject_address
from tests.browser.test_followup import wait_until
from trialcrf.actions import demo

LIST = f"/studies/{STUDY}"


def doubted(program: Program) -> tuple[str, int]:
    """A subject with a doubted pulse and the query about it, answered by the site."""
    subject = program.recipient()
    stored = program.saved(subject, "SCR", "VITALS", {"WT": 72.5, "PULSE": 151})
    return subject.key, int(str(program.ask("SELECT id FROM query WHERE form_id = :form", form=stored.id)[0][0]))


def test_a_monitor_reads_every_form_of_the_sites_assigned_and_has_nothing_to_save_with(at_browser: AtBrowser, program: Program) -> None:
    mona = at_browser("mona")
    for site in ("01", "02"):
        mona.open(f"{LIST}/subjects?site={site}")
        assert {key[2:4] for key in mona.page.locator("table.matrix tbody th a").all_inner_texts()} == {site}
    assert mona.page.get_by_role("link", name=re.compile("^Enrol")).count() == 0
    for key in ("R-01-001", "R-02-001"):
        mona.open(subject_address(key))
        links = mona.page.locator("ul.forms a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        assert len(links) > 30
        for link in links[:12]:
            answer = mona.open(link)
            assert answer.status == 200, link
            assert mona.page.locator("[data-save]").count() == 0, link
            assert mona.page.locator('main [name^="i."], main [name^="r."]').count() == 0, link


def test_a_monitor_who_sends_a_save_all_the_same_is_refused(at_browser: AtBrowser, program: Program) -> None:
    subject = program.recipient()
    mona = at_browser("mona")
    mona.open("/account")
    token = mona.page.locator('input[name="token"]').first.input_value()
    address = form_address(subject.key, "SCR", "VITALS")
    answer = mona.page.request.post(mona.url + address, form={"token": token, "version": "0", "p": "WT", "i.WT": "70"})
    assert answer.status == 403
    assert program.stored(subject, "SCR", "VITALS") is None


def test_the_site_answers_a_query_and_the_monitor_accepts_the_answer(at_browser: AtBrowser, program: Program) -> None:
    key, query = doubted(program)
    cora, mona = at_browser("cora"), at_browser("mona")
    cora.open(f"{LIST}/queries")
    assert key in cora.reads("table.queries")
    cora.open(f"{LIST}/queries/{query}")
    assert cora.page.get_by_role("button", name="Accept").count() == 0, "who answers does not judge"
    cora.page.locator("#code").select_option("REPEATED")
    cora.press(cora.page.get_by_role("button", name="The value is right"))
    assert "done=answered" in cora.path()
    mona.open(f"{LIST}/queries/{query}")
    assert "Measured again, same result" in mona.reads()
    assert mona.page.get_by_role("button", name="The value is right").count() == 0
    mona.press(mona.page.get_by_role("button", name="Accept the answer"))
    assert program.ask("SELECT state FROM query WHERE id = :id", id=query) == [("closed",)]
    assert "mona, Monitor" in mona.reads()


def test_a_monitor_sends_an_answer_back_and_says_why(at_browser: AtBrowser, program: Program) -> None:
    _, query = doubted(program)
    cora, mona = at_browser("cora"), at_browser("mona")
    cora.open(f"{LIST}/queries/{query}")
    cora.page.locator("#code").select_option("CHECKED")
    cora.press(cora.page.get_by_role("button", name="The value is right"))
    mona.open(f"{LIST}/queries/{query}")
    answer = mona.press(mona.page.get_by_role("button", name="Send it back"))
    assert answer
    assert answer.status == 422, "an answer is not sent back without a word"
    mona.page.locator("#text").fill("Please give the time of the second reading")
    mona.press(mona.page.get_by_role("button", name="Send it back"))
    assert program.ask("SELECT state FROM query WHERE id = :id", id=query) == [("open",)]
    cora.open(f"{LIST}/queries/{query}")
    assert "Please give the time of the second reading" in cora.reads()
    assert cora.page.get_by_role("button", name="The value is right").count() == 1


def test_a_data_manager_downloads_the_data(at_browser: AtBrowser, program: Program) -> None:
    dana = at_browser("dana")
    dana.open(f"{LIST}/data")
    with dana.page.expect_download() as download:
        dana.page.get_by_role("button", name="Download the data").click()
    assert re.fullmatch(rf"{STUDY}-\d{{8}}-\d{{6}}Z\.zip", download.value.suggested_filename)
    archive = zipfile.ZipFile(download.value.path())
    names = {name.rpartition("/")[2] for name in archive.namelist()}
    listed = set(dana.page.locator("tbody th code").all_inner_texts())
    assert names == listed, "the page tells what the archive holds"
    inside = {name.rpartition("/")[2]: archive.read(name).decode("utf-8-sig") for name in archive.namelist()}
    told = json.dumps(json.loads(inside["manifest.json"]))
    rows = list(csv.DictReader(io.StringIO(inside["RENROL.csv"])))
    living = program.ask("SELECT count(*) FROM subject WHERE subject_type = 'recipient' AND error = ''")[0][0]
    assert len(rows) == living
    assert "RENROL.csv" in told
    dana.open("/account")
    adam = at_browser("adam")
    adam.open("/people")
    adam.press(adam.page.get_by_role("link", name="Dana Données", exact=True))
    assert "Data downloaded" in adam.reads("table"), "the trail names who took the data along"


def test_a_data_manager_changes_no_data(at_browser: AtBrowser) -> None:
    dana = at_browser("dana")
    dana.open(form_address("R-01-001", "SCR", "VITALS"))
    assert dana.page.locator("[data-save]").count() == 0


def test_a_sponsor_sees_the_reports_and_no_entry_page(at_browser: AtBrowser) -> None:
    sam = at_browser("sam", fresh=True)
    assert sam.path() == f"{LIST}/today", "a sponsor's start"
    visits = sam.page.locator("section", has_text="Visits that wait, by site").last.inner_text()
    assert "R-0" not in visits, "of visits a sponsor sees numbers by site, and no subject"
    sam.open(f"{LIST}/reports")
    assert sam.page.locator("tbody tr").count() >= 1
    for address in (
        f"{LIST}/subjects",
        subject_address("R-01-001"),
        form_address("R-01-001", "SCR", "VITALS"),
        form_address("R-01-001", "SCR", "VITALS") + "/history",
        f"{LIST}/enrol/recipient",
        f"{LIST}/queries",
        f"{LIST}/data",
        "/people",
    ):
        answer = sam.open(address)
        assert answer.status == 403, address
        assert "Your role does not allow it" in sam.reads(), address


def test_another_site_does_not_exist_for_its_coordinator(at_browser: AtBrowser, program: Program) -> None:
    olga = at_browser("olga")
    unknown = olga.open(subject_address("R-01-999"))
    number = r"(?<=Error 404 · )\w+"  # That of the request: each has its own.
    page_of_nobody = re.sub(number, "", olga.reads())
    assert unknown.status == 404
    for address in (
        subject_address("R-01-001"),
        form_address("R-01-001", "SCR", "VITALS"),
        form_address("R-01-001", "SCR", "VITALS") + "/history",
        f"{LIST}/enrol/recipient/01",
    ):
        answer = olga.open(address)
        assert answer.status == 404, address
        assert re.sub(number, "", olga.reads()) == page_of_nobody, "what is another site's looks like what does not exist"
    query = program.ask("SELECT q.id FROM query q JOIN site s ON s.id = q.site_id WHERE s.code = '01'")[0][0]
    assert olga.open(f"{LIST}/queries/{query}").status == 404


def test_an_administrator_sees_no_clinical_data(at_browser: AtBrowser) -> None:
    adam = at_browser("adam", fresh=True)
    assert adam.path() == "/people"
    for address in (f"{LIST}/subjects", subject_address("R-01-001"), f"{LIST}/queries", f"{LIST}/data", f"{LIST}/reports"):
        assert adam.open(address).status in (403, 404), address
    adam.open("/people")
    assert not re.search(r"[RD]-0\d-\d{3}", adam.page.content())


def test_an_administrator_invites_a_person_who_sets_a_password_works_and_is_deactivated_at_once(
    at_browser: AtBrowser, program: Program
) -> None:
    adam = at_browser("adam")
    adam.open("/people")
    adam.press(adam.page.get_by_role("link", name="Invite a person"))
    for box, text in (("username", "nina"), ("name", "Nina Nouvelle"), ("email", "nina@example.org"), ("organisation", "Centre 01 (démo)")):
        adam.page.locator(f"#{box}").fill(text)
    adam.page.locator("#language").select_option("en")
    adam.press(adam.page.get_by_role("button", name="Create the account and invite"))
    person = adam.path().split("?")[0]
    adam.page.locator("#role").select_option("coordinator")
    adam.page.locator("#study").select_option(STUDY)
    adam.page.locator("#site").select_option("02")
    adam.press(adam.page.get_by_role("button", name="Give the role"))
    assert "Coordinator, MSC-SSc, site 02" in adam.reads()
    assert "opens nothing yet: no training is recorded" in adam.reads()
    adam.page.get_by_text("Record the training").click()
    for part, text in zip(("day", "month", "year"), f"{datetime.now(UTC):%d %m %Y}".split(), strict=True):
        adam.page.locator(f'main details[open] [name$="{part}"]').fill(text)
    adam.press(adam.page.get_by_role("button", name="Record the day"))

    wait_until(lambda: program.mails_to("nina"), "no invitation came")
    link = re.search(r"http://\S+/invitation/\S+", program.mails_to("nina")[-1].get_content())
    assert link
    address = link[0].removeprefix(program.url)
    nina = at_browser()
    nina.name = "nina"
    nina.open(address)
    nina.page.locator("#new").fill("short")
    answer = nina.press(nina.page.get_by_role("button", name="Set the password"))
    assert answer
    assert answer.status == 422
    nina.page.locator("#new").fill("a sentence that nobody guesses")
    nina.press(nina.page.get_by_role("button", name="Set the password"))
    assert nina.path() == "/sign-in?done=welcome"
    nina.sign_in("a sentence that nobody guesses")
    assert nina.path() == f"{LIST}/today"
    assert all("-02-" in key for key in nina.page.locator("table.matrix tbody th a").all_inner_texts())

    again = at_browser()
    again.open(address)
    again.page.locator("#new").fill("another sentence altogether")
    answer = again.press(again.page.get_by_role("button", name="Set the password"))
    assert answer
    assert answer.status == 422, "an invitation works once"

    adam.open(person)
    form = adam.page.locator("#state form")
    form.locator("textarea").fill("Left the hospital")
    adam.press(form.get_by_role("button", name="Deactivate the account"))
    assert "Left the hospital" in adam.reads("table")
    nina.open(f"{LIST}/subjects")
    assert nina.path().startswith("/sign-in"), "the session ended at once"
    answer = nina.sign_in("a sentence that nobody guesses")
    assert answer
    assert answer.status == 401


def test_an_administrator_creates_a_site(at_browser: AtBrowser) -> None:
    adam = at_browser("adam")
    adam.open("/sites")
    adam.page.locator("#code").fill("09")
    adam.page.locator("#name").fill("Nouméa")
    adam.page.locator("#zone").fill("Mars/Olympus")
    answer = adam.press(adam.page.get_by_role("button", name="Create the site"))
    assert answer
    assert answer.status == 422
    assert adam.page.locator("#name").input_value() == "Nouméa"
    adam.page.locator("#zone").fill("Pacific/Noumea")
    adam.press(adam.page.get_by_role("button", name="Create the site"))
    assert "Pacific/Noumea" in adam.reads("table")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_everyone_changes_their_own_language(at_browser: AtBrowser, program: Program, language: str) -> None:
    ivan = at_browser("ivan", fresh=True)
    ivan.open(form_address("R-01-001", "SCR", "VITALS"))
    other = "en" if language == "fr" else "fr"
    for code in (other, language):
        if ivan.page.locator("html").get_attribute("lang") != code:
            ivan.press(ivan.page.locator(f'button.tongue[value="{code}"]'))
    assert "/SCR/1/VITALS/1" in ivan.path(), "the page stays where it was"
    assert ivan.page.locator("html").get_attribute("lang") == language
    assert ivan.reads("h1") == {"fr": "Signes vitaux", "en": "Vital signs"}[language]
    assert re.fullmatch({"fr": r"\d+,\d", "en": r"\d+\.\d"}[language], ivan.value("HT")), "numbers follow the language"
    again = at_browser("ivan", fresh=True)
    assert again.page.locator("html").get_attribute("lang") == language, "it belongs to the person, not to the browser"
    if language == "fr":
        again.press(again.page.locator('button.tongue[value="en"]'))


def test_everyone_changes_their_own_password(at_browser: AtBrowser, signed_in: dict[str, StorageState]) -> None:
    signed_in.pop("olga", None)  # Her session of other tests ends with the password, too.
    old, new = "only-for-the-demo", "nobody else knows this one"
    here, elsewhere = at_browser("olga", fresh=True), at_browser("olga", fresh=True)
    for before, after in ((old, new), (new, old)):
        here.open("/account")
        here.page.locator("#old").fill("not my password")
        here.page.locator("#new").fill(after)
        answer = here.press(here.page.get_by_role("button", name="Change the password"))
        assert answer
        assert answer.status == 422
        here.page.locator("#old").fill(before)
        here.page.locator("#new").fill(after)
        here.press(here.page.get_by_role("button", name="Change the password"))
        assert "done=password" in here.path()
        elsewhere.open("/account")
        assert elsewhere.path().startswith("/sign-in"), "every other session ended"
        elsewhere.open("/sign-in")
        answer = elsewhere.sign_in(after)
        assert answer
        assert answer.ok


def test_a_person_signs_out_and_the_old_cookie_opens_nothing(at_browser: AtBrowser) -> None:
    ivan = at_browser("ivan", fresh=True)
    kept = ivan.context.cookies()
    ivan.press(ivan.page.get_by_role("button", name="Sign out"))
    assert ivan.path() == "/sign-in?done=out"
    ivan.context.add_cookies(kept)  # type: ignore[arg-type]
    ivan.open("/account")
    assert ivan.path().startswith("/sign-in")


def test_signing_in_goes_on_to_the_page_that_was_asked_for_and_never_to_another_server(at_browser: AtBrowser) -> None:
    nobody = at_browser()
    nobody.name = "cora"
    nobody.open(subject_address("R-01-001"))
    assert nobody.path().startswith("/sign-in?next=")
    nobody.sign_in()
    assert nobody.path() == subject_address("R-01-001")
    stranger = at_browser()
    stranger.name = "cora"
    stranger.open("/sign-in?next=https://example.org/")
    stranger.sign_in()
    assert stranger.page.url.startswith(stranger.url)


def test_a_reminder_of_an_overdue_visit_is_mailed_once_however_often_the_scan_runs(program: Program) -> None:
    """Step 9, beside the scheduler that scans as well."""
    subject = program.recipient(consented=100, infused=60)
    first = program.command("jobs", "run", "overdue-scan")
    second = program.command("jobs", "run", "overdue-scan")
    assert "Reminders queued: 0" in second, (first, second)
    found = program.ask("SELECT key FROM outbox WHERE kind = 'remind' AND key LIKE :key", key=f"remind|{STUDY}|{subject.id}|M1|%")
    assert len(found) == len(set(found))
    reached = {str(key).split("|")[5] for (key,) in found}
    # Of those of the demo: other tests bring people in, and Nora may have stopped her reminders on the page that is for it.
    assert reached & {one.username for one in demo.ACCOUNTS} == {"cora", "ivan", "mona", "sam"}, (
        "60 days after the infusion month 1 is overdue for more than three weeks"
    )
    waiting = "SELECT count(*) FROM outbox WHERE kind = 'remind' AND key LIKE :key AND state <> 'sent'"
    wait_until(lambda: program.ask(waiting, key=f"remind|{STUDY}|{subject.id}|M1|%") == [(0,)], "not sent")
    mails = [mail for mail in program.mails() if "overdue" in mail["Subject"] and "visit" in mail["Subject"]]
    ids = [mail["Message-ID"] for mail in mails]
    assert len(ids) == len(set(ids))
    for mail in mails:
        text = str(mail["Subject"]) + mail.get_content()
        assert not re.search(r"[RD]-0\d-\d{3}", text), "no subject data"
        assert re.search(rf"{program.url}/studies/{STUDY}/today\?site=0\d", text)


def test_the_link_of_a_reminder_leads_to_the_day_of_its_site(at_browser: AtBrowser, program: Program) -> None:
    wait_until(
        lambda: [mail for mail in program.mails_to("cora") if re.search("visits? (is|are) overdue", mail["Subject"])], "no reminder came"
    )
    mail = [one for one in program.mails_to("cora") if re.search("visits? (is|are) overdue", one["Subject"])][-1]
    link = re.search(r"http://\S+", mail.get_content())
    assert link
    cora = at_browser("cora")
    assert cora.open(link[0].removeprefix(program.url)).status == 200
    assert cora.page.locator("#list-overdue").count() == 1


def test_a_visit_done_meanwhile_is_not_reminded(program: Program) -> None:
    subject = program.recipient(consented=100, infused=60)
    program.saved(subject, "M1", "FVISIT", {"VIS_DONE": "Y", "VIS_DATE": program.today - timedelta(days=31)})
    program.command("jobs", "run", "overdue-scan")
    assert program.ask("SELECT key FROM outbox WHERE key LIKE :key", key=f"remind|{STUDY}|{subject.id}|M1|%") == []
