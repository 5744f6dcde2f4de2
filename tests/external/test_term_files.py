"""Dictionaries on disk: NCI's workbook and a CSV of it, MedDRA in a folder and in a zip, files that are neither, and the starter list."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import openpyxl
import pytest

from trialcrf.core.dictionary_load import DictionaryProblems
from trialcrf.external import workbook
from trialcrf.external.files import SHIPPED
from trialcrf.external.term_files import STARTER, STARTER_VERSIONS, read_ctcae, read_meddra, starter, version_in

SHARED = Path(__file__).resolve().parents[3] / "shared/dictionaries"
HEADING = ["MedDRA Code", "MedDRA SOC", "CTCAE Term", *(f"Grade {n} " for n in "12345"), "Definition", "Navigational Note", "Changes"]
ROWS = [
    [90000001, "Cardiac disorders", "Asystole", "short", "-", "-", "long", "Death", "The heart stands still.", "-", "new"],
    [90000002.0, "Vascular disorders", "Hematoma", "a", "b\nor more", "c", None, None, "-", None, None],
]


def book(path: Path, *sheets: tuple[str, list[list[object]]]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, lines in sheets:
        sheet = made.create_sheet(title)
        for line in lines:
            sheet.append(line)
    made.save(path)
    made.close()
    return path


def table(path: Path, lines: list[list[object]], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerows(lines)
    return path


def refused(read, path: Path) -> list[tuple[str, int, str]]:
    with pytest.raises(DictionaryProblems) as raised:
        read(path)
    return [(one.file, one.line, one.message.msgid % one.message.params) for one in raised.value.problems]


def test_the_workbook_is_read_past_its_other_sheets_and_a_csv_of_it_says_the_same(tmp_path):
    xlsx = book(tmp_path / "CTCAE_v6.0.xlsx", ("Errata", [["Row", "Was"], [1, "x"]]), ("CTCAE v6.0", [HEADING, *ROWS]))
    text = table(
        tmp_path / "ctcae_v6.csv", [HEADING, *([int(row[0]), *("" if cell is None else cell for cell in row[1:])] for row in ROWS)]
    )
    one, other = read_ctcae(xlsx), read_ctcae(text)
    assert one.terms == other.terms and len(one.terms) == 2
    assert (one.version, other.version, one.name) == ("6.0", "6.0", "CTCAE_v6.0.xlsx")
    assert one.terms[0].code == "90000001" and list(one.terms[0].grades) == ["1", "4", "5"]
    assert one.terms[1].code == "90000002", "a number of the workbook is a code without a decimal point"
    assert one.terms[1].grades["2"] == "b\nor more"
    assert one.sha256 != other.sha256


def test_a_workbook_tells_its_version_in_a_sheet_where_its_name_does_not(tmp_path):
    assert read_ctcae(book(tmp_path / "terms.xlsx", ("CTCAE v5.0 clean copy", [HEADING, *ROWS]))).version == "5.0"
    assert read_ctcae(table(tmp_path / "terms.csv", [HEADING, *ROWS[:1]])).version == ""
    assert [version_in(name) for name in ("ctcae_v5.csv", "CTCAE 4.03.xlsx", "ctcae_2017.csv", "ctcae_v5_2017.csv")] == [
        "5.0",
        "4.03",
        "",
        "5.0",
    ]


def test_what_is_no_workbook_or_too_large_is_refused_and_not_unpacked(tmp_path, monkeypatch):
    (tmp_path / "text.xlsx").write_text("no zip")
    assert refused(read_ctcae, tmp_path / "text.xlsx") == [("text.xlsx", 1, "The file is no Excel workbook (xlsx).")]
    with zipfile.ZipFile(tmp_path / "other.xlsx", "w") as packed:
        packed.writestr("letter.txt", "x")
    assert refused(read_ctcae, tmp_path / "other.xlsx") == [("other.xlsx", 1, "The file is no Excel workbook (xlsx).")]
    good = book(tmp_path / "good.xlsx", ("CTCAE", [HEADING, *ROWS]))
    monkeypatch.setattr(workbook, "LARGEST_UNPACKED", 5_000)
    assert refused(read_ctcae, good) == [("good.xlsx", 1, "Unpacked, the file has more than 5000 bytes.")]
    monkeypatch.setattr(workbook, "LARGEST_UNPACKED", 5_000_000)
    monkeypatch.setattr(workbook, "MOST_MEMBERS", 3)
    assert refused(read_ctcae, good) == [("good.xlsx", 1, "The file is no Excel workbook (xlsx).")]
    monkeypatch.setattr(workbook, "MOST_MEMBERS", 1000)
    monkeypatch.setattr(workbook, "MOST_ROWS", 2)
    assert refused(read_ctcae, good) == [("good.xlsx", 1, "The sheet has more than 2 rows.")]
    wrong = book(tmp_path / "wrong.xlsx", ("Sheet", [["a", "b"], [1, 2]]))
    assert refused(read_ctcae, wrong) == [("wrong.xlsx", 1, "No sheet of this workbook has the columns of a dictionary in its first row.")]


def test_a_csv_in_another_encoding_or_without_rows_is_told_by_line(tmp_path):
    latin = table(tmp_path / "latin.csv", [HEADING, [*ROWS[0][:2], "Fièvre", *ROWS[0][3:]]], "latin-1")
    assert refused(read_ctcae, latin) == [("latin.csv", 2, "The file is not in UTF-8.")]
    assert refused(read_ctcae, table(tmp_path / "none.csv", [HEADING])) == [("none.csv", 1, "There is no term in this file.")]
    short = refused(read_ctcae, table(tmp_path / "short.csv", [["meddra_code", "soc"], ["1", "x"], ["1", "x", "y"]]))
    assert ("short.csv", 1, "The column term is missing.") in short, "missing columns are told beside what is wrong with rows"
    assert ("short.csv", 3, "This row has 3 cells, the heading has 2.") in short
    bad = refused(read_ctcae, book(tmp_path / "bad.xlsx", ("S", [HEADING, ROWS[0], ["x", "", "", "a"]])))
    assert {line for _, line, _ in bad} == {3} and len(bad) == 3


LLT = "80000001$Ague$70000001$$$$$$$Y$$\r\n80000002$Old ague$70000001$$$$$$$N$$\r\n"
HIERARCHY = "70000001$1$2$60000001$Chill$h$g$General$Genrl$$60000001$Y$\r\n"


def test_meddra_is_read_from_a_folder_and_from_a_zip(tmp_path):
    inner = tmp_path / "MedDRA" / "MedAscii"
    inner.mkdir(parents=True)
    (inner / "llt.asc").write_text(LLT, newline="")
    (inner / "MDHIER.ASC").write_text(HIERARCHY, newline="")
    with zipfile.ZipFile(tmp_path / "meddra.zip", "w") as packed:
        packed.writestr("MedAscii/llt.asc", LLT)
        packed.writestr("MedAscii/mdhier.asc", HIERARCHY)
    folder, zipped = read_meddra(tmp_path / "MedDRA"), read_meddra(tmp_path / "meddra.zip")
    assert [(one.code, one.term, one.parent_term, one.soc) for one in folder.terms] == [("80000001", "Ague", "Chill", "General")]
    assert (folder.terms, folder.sha256) == (zipped.terms, zipped.sha256)


def test_what_lacks_of_meddra_is_told_by_file(tmp_path):
    missing = [("llt.asc", 1, "The file is missing."), ("mdhier.asc", 1, "The file is missing.")]
    assert refused(read_meddra, tmp_path) == missing
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04")
    assert refused(read_meddra, tmp_path / "broken.zip")[0][2] == "The zip cannot be unpacked."
    (tmp_path / "llt.asc").write_bytes(LLT.encode() + "8$é".encode("latin-1"))
    (tmp_path / "mdhier.asc").write_text(HIERARCHY)
    assert refused(read_meddra, tmp_path) == [("llt.asc", 3, "The file is not in UTF-8.")]


def test_the_starter_list_has_the_grades_of_both_versions_and_no_text_and_no_code_of_them():
    five, six = starter("5.0"), starter("6.0")
    assert len(five) > 40 and all(not one.code and not one.definition and not any(one.grades.values()) for one in (*five, *six))
    known = {one.term: list(one.grades) for one in five}
    assert known["Anaphylaxis"] == ["3", "4", "5"] and known["Bruising"] == ["1", "2"] and known["Back pain"] == ["1", "2", "3"]
    assert "Thromboembolic event" in known and "Venous thromboembolism" not in known
    assert "Venous thromboembolism" in {one.term for one in six}
    assert {one.also for one in five} >= {"Fièvre", "Réaction liée à la perfusion"}
    assert all(not one.grades for one in starter("3.0")), "nobody looked which grades version 3 has"
    study = (SHIPPED / "msc_ssc/study.yaml").read_text(encoding="utf-8")
    assert all(f'"{one.soc}":' in study for one in five), "the classes are the codes of the study"


@pytest.mark.parametrize("version", STARTER_VERSIONS)
def test_the_starter_list_agrees_with_ncis_tables(version):
    path = SHARED / f"ctcae_v{version[0]}.csv"
    if not path.is_file():
        pytest.skip("NCI's tables do not stand beside this checkout (../shared/dictionaries): the starter list is not compared")
    real = {one.term: one for one in read_ctcae(path).terms}
    for one in starter(version):
        assert (list(one.grades), one.soc) == (list(real[one.term].grades), real[one.term].soc), one.term
    assert STARTER.read_text(encoding="utf-8").count("\n") < 80
