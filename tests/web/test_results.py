"""Laboratory results from a file, over HTTP: what a hospital's export becomes, line by line, and what is never done."""

from __future__ import annotations

import hashlib
import io
import re
from html import unescape
from pathlib import Path

from tests.web.site import Browser, House, text
from tests.web.test_entry_pages import STUDY, enrol, records, stored
from trialcrf.actions import take_results
from trialcrf.core.document import Answer, Place
from trialcrf.store import audit, replay

PAGE = f"{STUDY}/results/01"
FILES = Path(__file__).parents[1] / "data/laboratory"
HOSPITAL = (FILES / "hopital-latin1.csv").read_bytes()


def english(house: House, name: str = "cora") -> Browser:
    someone = house.client(name)
    someone.post("/language", {"language": "en", "next": "/"})
    return someone


def look(person: Browser, content: bytes = HOSPITAL, name: str = "bio.csv", url: str = PAGE, **chosen: str):
    return person.post(url, {"act": "look", "file": (io.BytesIO(content), name), **chosen}, content_type="multipart/form-data")


def boxes(page: str) -> dict[str, str]:
    """What a browser would send back of the page that looked at a file."""
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page[page.index('name="carried_file"') - 40 :]))
    for name, inside in re.findall(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.S):
        chosen = re.search(r'<option (?:selected value="([^"]*)"|value="([^"]*)" selected)', inside)
        hidden[name] = (chosen[1] or chosen[2] or "") if chosen else ""
    return {unescape(name): unescape(value) for name, value in hidden.items()}


def two_screened(house: House) -> Browser:
    cora = english(house)
    enrol(cora)
    enrol(cora, once="x2")
    return cora


def lines_of(page: str) -> dict[str, str]:
    """What the preview says of each line, by its number."""
    rows = re.findall(r'<tr><th scope="row" class="n">(\d+)</th><td class="key"[^>]*>(.*?)</tr>', page, re.S)
    return {line: re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", said))).strip() for line, said in rows}


def origins(house: House, form_id: int) -> list[audit.Past]:
    with house.world.read() as tx:
        return audit.history(tx.connection, take_results.ENTITY, str(form_id))


def test_a_hospital_file_is_looked_at_saved_once_and_changes_nothing_the_second_time(each_house: House) -> None:
    cora = two_screened(each_house)
    before = records(each_house)
    looked = look(cora)
    assert looked.status_code == 200 and records(each_house) == before  # a look writes nothing
    said = lines_of(looked.text)
    assert "Neutrophils 3.20 10⁹/L converted from 3 200 /mm3 will be recorded" in said["2"] and "Recipient screening" in said["2"]
    assert "Total bilirubin 12.0 µmol/L converted from 0,7 mg/dL upper limit 20.5 µmol/L" in said["8"]
    assert "<3.0 mg/L" in said["9"] and "11.8 g/dL converted from 118 g/L" in said["11"]
    assert "10" not in said  # sodium is asked by no form
    assert "13 Résultat hémolysé is not a number." in text(looked)
    for found in ("as found: Windows-1252 (ISO-8859-1)", "as found: semicolon", "as found: comma"):
        assert found in text(looked)
    sent = boxes(looked.text)
    saved = cora.post(PAGE, {**sent, "act": "save"})
    assert "2 forms were saved" in text(saved) and "R-01-001, Laboratory : 14 values" in text(saved)
    one = stored(each_house, "LABS")
    assert one.document.at(Place("NEUTROPHILS")) == Answer("3.20") and one.document.at(Place("LAB_DATE")) == Answer("2026-11-10")
    assert one.document.at(Place("CREATININE_UNIT")) == Answer("umol/L") and one.document.at(Place("BILIRUBIN_ULN")) == Answer("20.5")
    (origin,) = origins(each_house, one.id)
    assert origin.actor == "cora" and hashlib.sha256(HOSPITAL).hexdigest() in origin.new and '"NEUTROPHILS": 2' in origin.new
    assert "Taken from a file" in text(cora.get(f"{STUDY}/subjects/R-01-001/SCR/1/LABS/1/history"))
    after = records(each_house)
    again = look(cora)
    assert "stands already" in lines_of(again.text)["2"] and "Save" not in text(again)
    assert cora.post(PAGE, {**boxes(again.text), "act": "save"}).status_code == 200 and records(each_house) == after
    with each_house.world.read() as tx:
        assert list(replay.differences(tx)) == []


def test_what_stands_is_never_overwritten_and_a_save_needs_the_look_it_was_pressed_in(house: House) -> None:
    cora = two_screened(house)
    sent = boxes(look(cora).text)
    labs = f"{STUDY}/subjects/R-01-001/SCR/1/LABS/1"
    assert cora.post(labs, {"p": ["PLATELETS"], "i.PLATELETS": "150", "version": "0"}).status_code == 303
    stale = cora.post(PAGE, {**sent, "act": "save"})
    assert stale.status_code == 409 and "changed since you looked" in text(stale)
    assert stored(house, "LABS").version == 1
    said = lines_of(stale.text)["3"]
    assert "conflict: not taken" in said and "stands: 150" in said
    cora.post(PAGE, {**boxes(stale.text), "act": "save"})
    document = stored(house, "LABS").document
    assert document.at(Place("PLATELETS")) == Answer("150") and document.at(Place("HAEMOGLOBIN")) == Answer("12.4")


def test_every_problem_is_told_at_once_by_line_and_column(house: House) -> None:
    cora = two_screened(house)
    rows = ["sujet;date;code;valeur;unite"]
    rows += [
        "R-01-001;31/02/2026;HB;12,4;g/dL",
        "R-01-001;10/11/2026;HB;1.234;g/dL",
        "R-01-001;10/11/2026;HB;12,4;",
        "=1+1;10/11/2026;HB;12;g/dL",
    ]
    rows += [
        "R-01-001;10/11/2026;HB;12,4;mmol/kg",
        "R-02-001;10/11/2026;HB;12,4;g/dL",
        "R-01-001;10/11/2025;HB;12,4;g/dL",
        "R-01-001;a;b;c;d;e",
    ]
    rows += [
        "R-01-002;10/11/2026;PLAQ;250;G/L",
        "R-01-002;10/11/2026;PLAQ;251;G/L",
        "R-01-001;10/11/2026;HB;90,1;g/dL",
        "R-01-001;10/11/2026;CRP;350;mg/L",
    ]
    page = look(cora, "\n".join(rows).encode())
    told, said = text(page), lines_of(page.text)
    for wrong in (
        "2 date ",
        "3 valeur 1.234 cannot be read",
        "4 unite The unit is missing",
        "5 sujet This is a formula",
        "6 unite The unit “mmol/kg”",
    ):
        assert wrong in told
    assert "9 This row has 6 cells, the heading has 5." in told
    assert "There is no subject R-02-001 at this site." in said["7"] and "No visit of this subject belongs to" in said["8"]
    assert "Another line of the file says otherwise." in said["10"] and "Another line of the file says otherwise." in said["11"]
    assert "not taken" in said["12"] and "A query will be opened:" in said["13"]
    saved = cora.post(PAGE, {**boxes(page.text), "act": "save"})
    assert "1 form was saved" in text(saved) and "1 query opened" in text(saved)
    assert stored(house, "LABS", key="R-01-002") is None


def test_a_file_that_is_no_table_is_refused_and_no_site_reads_anothers(house: House) -> None:
    cora = english(house)
    enrol(cora)
    olga = english(house, "olga")
    for content, why in (
        (b"a;b\n1\x00;2", "control character"), (b"", "Choose the file"), (b"x" * 250_001, "divide it"), (b'a;b\n"1;2', "quotation marks"),
        (b"a;b\n" + b"1;2\n" * 2001, "2000 lines"), (b"word\n", "one column alone"),
    ):  # fmt: skip
        answer = look(cora, content)
        assert answer.status_code == 422 and why in text(answer), why
    assert "telephone number" in text(look(cora, name="06 12 34 56 78.csv"))
    assert look(olga, url=PAGE).status_code == 404
    assert "There is no subject R-01-001 at this site." in text(look(olga, url=f"{STUDY}/results/02"))
    mona = house.client("mona")
    assert mona.get(PAGE).status_code == 403 and look(mona).status_code == 403


def test_columns_and_codes_are_chosen_by_a_person_where_nothing_is_known(house: House) -> None:
    cora = two_screened(house)
    content = b"qui\tquand\tquoi\tcombien\nR-01-001\tRecipient screening\tX1\t12.4\n"
    page = look(cora, content)
    assert "Still to be chosen: Subject" in text(page)
    chosen = {"column.subject": "0", "column.visit": "1", "column.analyte": "2", "column.value": "3", "column.unit": "form"}
    page = cora.post(PAGE, {**boxes(page.text), **chosen, "act": "look"})
    assert "X1 × 1" in text(page) and "No line of the file can be taken" in text(page)
    page = cora.post(PAGE, {**boxes(page.text), "code.X1": "LABS.HAEMOGLOBIN", "act": "look"})
    assert "12.4 g/dL will be recorded" in lines_of(page.text)["2"]
    assert "1 form was saved" in text(cora.post(PAGE, {**boxes(page.text), "act": "save"}))
    assert stored(house, "LABS").document.at(Place("HAEMOGLOBIN")) == Answer("12.4")
