"""Casebooks as files: a site orders and takes its own without anybody else, everybody with the forms that are theirs, the sponsor never."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from tests.actions.screening import DONOR, RECIPIENT
from tests.actions.world import NOW
from tests.web.site import House, text
from trialcrf.actions.oversight import late_entry
from trialcrf.actions.records import report
from trialcrf.core.document import FormKey
from trialcrf.external import seal
from trialcrf.store import forms, reports

LIST = "/studies/msc_ssc/casebooks"
PDF = b"%PDF-1.7 not a real one"
VITALS = "/studies/msc_ssc/subjects/{}/SCR/1/VITALS/1"


def orders(house: House) -> list[reports.Report]:
    with house.world.read() as tx:
        return reports.all_of(tx, "msc_ssc")


def ordered(house: House, name: str, **asked: str) -> reports.Report:
    answer = house.client(name).post(LIST, {"subject": "", "site": "", "language": "fr", **asked})
    assert answer.status_code == 303, text(answer)
    return orders(house)[0]


def drawn(house: House, one: reports.Report, *listed: str) -> None:
    """As if the scheduler had drawn it: its files and their signatures stand in the archive."""
    folder, name = Path(house.app.config["DATA"]) / "reports", report.file_of(one)
    paths = [folder / name, *(folder / report.folder_of_annexes(name) / each for each in listed)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PDF)
        path.with_name(path.name + seal.ENDING).write_bytes(seal.sign(folder.parent / seal.KEY_FILE, {"file": path.name}))
    sha256 = hashlib.sha256(PDF).hexdigest()
    with house.world.write("trialcrf") as tx:
        assert reports.drawn(tx, one.id, 1, "c" * 64, sha256, name, annexes=[reports.AnnexFile(each, 7, sha256) for each in listed])


@pytest.fixture
def people(house):
    return {
        "recipient": house.world.enrol("recipient", **RECIPIENT).key,
        "donor": house.world.enrol("donor", **DONOR).key,
        "elsewhere": house.world.enrol("recipient", "02", **RECIPIENT).key,
    }


@pytest.mark.parametrize("name", ["ivan", "cora", "dana", "mona"])
def test_whoever_reads_casebooks_orders_one_and_takes_it_with_its_signature(house, people, name):
    one = ordered(house, name, subject=people["recipient"])
    assert (one.kind, one.subject, one.ordered_by, one.state) == ("casebook", people["recipient"], name, "ordered")
    person, at = house.client(name), f"{LIST}/{one.id}"
    assert person.get(f"{at}.pdf").status_code == 404
    drawn(house, one)
    assert person.get(f"{at}.pdf").data == PDF
    assert seal.read(person.get(f"{at}.sig.json").data).holds
    page = person.get(LIST).text
    assert hashlib.sha256(PDF).hexdigest() in page and seal.public_key(Path(house.app.config["DATA"]) / seal.KEY_FILE)[1] in page


@pytest.mark.parametrize("name", ["sam", "adam", "lara"])
def test_neither_sponsor_nor_administrator_nor_laboratory_gets_one(house, people, name):
    drawn(house, ordered(house, "dana", subject=people["recipient"]))
    person, (one,) = house.client(name), orders(house)
    for address in (LIST, f"{LIST}/{one.id}.pdf", f"{LIST}/{one.id}.zip", f"{LIST}/{one.id}.sig.json"):
        assert person.get(address).status_code == 403
    assert person.post(LIST, {"subject": people["recipient"], "language": "fr"}).status_code == 403
    assert len(orders(house)) == 1


@pytest.mark.parametrize("name", ["dana", "sam"])
def test_the_page_of_reports_neither_lists_nor_sends_nor_takes_orders_of_casebooks(house, people, name):
    one = ordered(house, "ivan", subject=people["recipient"])
    drawn(house, one)
    person = house.client(name)
    page = person.get("/studies/msc_ssc/reports").text
    assert people["recipient"] not in page and 'value="casebook' not in page
    assert person.get(f"/studies/msc_ssc/reports/{one.id}.pdf").status_code == 404
    sent = {"kind": "casebook", "subject": people["recipient"], "why": "x", "language": "fr", "day": "20", "month": "11", "year": "2026"}
    assert person.post("/studies/msc_ssc/reports", sent).status_code == 422


def test_another_sites_subject_does_not_exist_and_its_casebook_neither(house, people):
    one = ordered(house, "dana", subject=people["elsewhere"])
    drawn(house, one)
    ivan = house.client("ivan")
    assert ivan.post(LIST, {"subject": people["elsewhere"], "language": "fr"}).status_code == 422
    assert ivan.get(f"{LIST}/{one.id}.pdf").status_code == 404
    assert people["elsewhere"] not in ivan.get(LIST).text and len(orders(house)) == 1


def test_a_casebook_drawn_for_more_eyes_is_not_for_fewer(house, people):
    more, fewer = ordered(house, "dana", subject=people["donor"]), ordered(house, "ivan", subject=people["donor"])
    assert "donor" in more.eyes.split() and "donor" not in fewer.eyes.split()
    drawn(house, more)
    drawn(house, fewer)
    found = {name: [house.client(name).get(f"{LIST}/{one.id}.pdf").status_code for one in (more, fewer)] for name in ("ivan", "dana")}
    assert found == {"ivan": [404, 200], "dana": [200, 200]}
    assert f"{LIST}/{more.id}.pdf" not in house.client("ivan").get(LIST).text


def test_the_investigator_takes_the_whole_site_at_once_and_the_coordinator_does_not(house, people):
    assert house.client("cora").post(LIST, {"site": "01", "language": "fr"}).status_code == 422
    assert house.client("ivan").post(LIST, {"site": "02", "language": "fr"}).status_code == 422
    assert house.client("ivan").post(LIST, {"site": "01", "subject": people["donor"], "language": "fr"}).status_code == 422
    one = ordered(house, "ivan", site="01")
    drawn(house, one, "casebook-R-01-001.pdf")
    ivan, at = house.client("ivan"), f"{LIST}/{one.id}"
    with ivan.get(f"{at}.zip") as answer, zipfile.ZipFile(io.BytesIO(answer.data)) as bundle:
        assert sorted(bundle.namelist()) == sorted(
            name + ending for name in (report.file_of(one), "casebook-R-01-001.pdf") for ending in ("", seal.ENDING)
        )
        assert bundle.read("casebook-R-01-001.pdf") == PDF and bundle.testzip() is None
    assert ivan.get(f"{at}/casebook-R-01-001.pdf").data == PDF
    assert seal.read(ivan.get(f"{at}/casebook-R-01-001.pdf.sig.json").data).said == {"file": "casebook-R-01-001.pdf"}
    assert ivan.get(f"{at}/other.pdf").status_code == 404
    assert house.client("cora").get(f"{at}.zip").status_code == 404


def test_only_whoever_ordered_it_cancels_it(house, people):
    one = ordered(house, "ivan", subject=people["recipient"])
    assert house.client("cora").post(f"{LIST}/{one.id}/cancel").status_code == 404
    assert house.client("ivan").post(f"{LIST}/{one.id}/cancel").status_code == 303
    assert orders(house)[0].state == reports.CANCELLED


def test_a_file_that_was_altered_is_not_sent(house, people, caplog):
    one = ordered(house, "ivan", subject=people["recipient"])
    drawn(house, one)
    (Path(house.app.config["DATA"]) / "reports" / report.file_of(one)).write_bytes(PDF + b" ")
    assert house.client("ivan").get(f"{LIST}/{one.id}.pdf").status_code == 500


def test_the_blank_form_of_a_version_is_ordered_and_taken_by_every_site(house):
    assert house.client("cora").post(f"{LIST}/blank", {"version": "7", "blank_language": "fr"}).status_code == 422
    assert house.client("cora").post(f"{LIST}/blank", {"version": "1", "blank_language": "fr"}).status_code == 303
    (one,) = orders(house)
    assert (one.kind, one.known_at, one.language) == ("crf", NOW, "fr")
    with house.world.read() as tx:
        value = report.value_of(tx, one)
    assert value.cut.definition_version == 1 and len(value.sheets) > 30
    drawn(house, one)
    assert house.client("olga").get(f"{LIST}/{one.id}.pdf").data == PDF
    assert house.client("sam").get(f"{LIST}/{one.id}.pdf").status_code == 403


# --- Late entry -------------------------------------------------------------------------------------------------------


def saves(house: House, key: str, **more: str):
    sent = {"version": "0", "p": ["WT"], "i.WT": "70", **more}
    return house.client("cora").post(VITALS.format(key), sent)


def test_what_was_entered_from_paper_says_so_on_the_form_and_in_its_history(house, people):
    answer = saves(house, people["recipient"], paper_day="19", paper_month="11", paper_year="2026")
    assert answer.status_code == 303, text(answer)
    with house.world.read() as tx:
        stored = forms.read(tx, house.world.subject(people["recipient"]).id, FormKey("SCR", "VITALS"))
        (late,) = late_entry.of_form(tx, stored.id)
    assert (late.paper_on.isoformat(), late.actor) == ("2026-11-19", "cora")
    assert "19 nov. 2026" in text(house.client("ivan").get(VITALS.format(people["recipient"])))
    assert "19 nov. 2026" in text(house.client("ivan").get(VITALS.format(people["recipient"]) + "/history"))


def test_a_form_that_is_not_from_paper_says_nothing_of_it(house, people):
    assert saves(house, people["recipient"], paper_day="", paper_month="", paper_year="").status_code == 303
    with house.world.read() as tx:
        stored = forms.read(tx, house.world.subject(people["recipient"]).id, FormKey("SCR", "VITALS"))
        assert late_entry.of_form(tx, stored.id) == []


@pytest.mark.parametrize("year", ["2099", "20x6"])
def test_a_day_on_the_paper_that_cannot_be_saves_nothing_and_loses_nothing(house, people, year):
    answer = saves(house, people["recipient"], paper_day="19", paper_month="11", paper_year=year)
    assert answer.status_code == 422 and f'value="{year}"' in answer.text
    with house.world.read() as tx:
        assert forms.read(tx, house.world.subject(people["recipient"]).id, FormKey("SCR", "VITALS")) is None
