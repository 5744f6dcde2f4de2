"""Printed documents, judged by real PDF readers: tags, text, bytes, and what a document may reach."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import page  # page-validation
import pikepdf
import pypdf
import pytest

from tests.core.safety_cases import CUT, invented_trial, study
from trialcrf.core.packs.report import SafetyReport, tabulate
from trialcrf.external import markup
from trialcrf.external.markup import CannotDraw, documents
from trialcrf.external.pdf import draw_in_child, render

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = json.loads((markup.REPORTS / "safety" / "sample.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def report() -> SafetyReport:
    return tabulate(study(), invented_trial(), CUT)


@pytest.fixture(scope="module")
def english(report: SafetyReport) -> bytes:
    return render("safety", report, "en")


@pytest.fixture(scope="module")
def french(report: SafetyReport) -> bytes:
    return render("safety", report, "fr")


def tool(document: bytes, folder: Path, *command: str) -> str:
    """What a command of the system says of a document; `FILE` stands for it. A missing command fails the test."""
    file = folder / "document.pdf"
    file.write_bytes(document)
    done = subprocess.run([str(file) if part == "FILE" else part for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def text_of(document: bytes, folder: Path) -> str:
    return re.sub(r"\s+", " ", tool(document, folder, "pdftotext", "-layout", "FILE", "-"))


@pytest.fixture
def own_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of documents with one small document, to be written by the test."""
    (tmp_path / "reports" / "small").mkdir(parents=True)
    monkeypatch.setattr(markup, "REPORTS", tmp_path / "reports")
    return tmp_path / "reports" / "small" / "report.html"


@pytest.mark.parametrize("language", ["en", "fr"])
def test_one_file_is_pdf_ua_and_pdf_a(language: str, english: bytes, french: bytes) -> None:
    for profile in ("ua1", "3a"):
        found = page.validate_pdf_bytes(english if language == "en" else french, profile=profile)
        assert found.is_compliant, [(failure.rule_id, failure.message) for failure in found.failures]


def test_the_file_is_sound(english: bytes, tmp_path: Path) -> None:
    assert "No syntax or stream encoding errors" in tool(english, tmp_path, "qpdf", "--check", "FILE")


def test_tables_are_tagged_with_captions_and_header_cells(english: bytes) -> None:
    with pikepdf.open(BytesIO(english)) as document:
        tags = Counter(str(one["/S"]) for one in document.objects if isinstance(one, pikepdf.Dictionary) and "/S" in one)
    assert {"/Table", "/Caption", "/TH", "/TD", "/H1", "/H2", "/Figure"} <= set(tags)
    assert tags["/Caption"] == tags["/Table"] == 19 and tags["/Figure"] == 4


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_language_of_the_document_is_told(language: str, english: bytes, french: bytes, tmp_path: Path) -> None:
    (tmp_path / "document.pdf").write_bytes(english if language == "en" else french)
    with pikepdf.open(tmp_path / "document.pdf") as document:
        assert str(document.Root.Lang) == language


def test_every_event_stands_in_the_listing_and_its_text_is_escaped(english: bytes, report: SafetyReport, tmp_path: Path) -> None:
    text = text_of(english, tmp_path)
    listing = text[text.rindex("All adverse events") : text.rindex("Numbers of the figures")]
    for subject in {line.event.subject for line in report.listing}:
        assert len(re.findall(subject, listing)) == sum(line.event.subject == subject for line in report.listing)
    assert "Headache <mild> & brief" in listing


def test_pages_are_identified_and_numbered(english: bytes, tmp_path: Path) -> None:
    pages = tool(english, tmp_path, "pdftotext", "-layout", "FILE", "-").split("\f")[:-1]
    for number, text in enumerate(pages, start=1):
        if number > 1:  # the cover carries the same in full
            assert re.search(rf"\b{number} ?/ ?{len(pages)}$", text.rstrip())
            assert (
                "MSC-DEMO" in text and "Clinical cut-off 31 Oct 2026" in text and "Definition v3" in text and "7f3a 91c2 e0d4 5b18" in text
            )
    cover = re.sub(r"\s+", " ", pages[0])
    assert CUT.definition_hash in cover.replace(" ", "") and "12 Nov 2026, 08:00 UTC" in cover


def test_headers_of_a_long_table_are_repeated(report: SafetyReport, tmp_path: Path) -> None:
    long = render("safety", replace(report, listing=report.listing * 6), "en")
    pages = tool(long, tmp_path, "pdftotext", "-layout", "FILE", "-").split("\f")
    first = next(place for place, text in enumerate(pages) if "All adverse events" in text)
    last = max(place for place, text in enumerate(pages) if "Numbers of the figures" in text)
    continued = pages[first + 1 : last]
    assert continued and all("Onset (day)" in text and "Outcome" in text for text in continued)


def test_french_numbers_and_dates_are_french(report: SafetyReport, tmp_path: Path) -> None:
    drawn = render("safety", replace(report, figures=replace(report.figures, events=1191)), "fr")
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(BytesIO(drawn)).pages)
    assert "1\u202f191" in text and "2,90–3,00" in text and re.search(r"16,7[\u202f\xa0]%", text)
    assert "31 oct. 2026" in text and "mars 2026" in text


def test_the_words_of_the_study_follow_the_language(english: bytes, french: bytes, tmp_path: Path) -> None:
    assert "Donors" in text_of(english, tmp_path) and "Gastrointestinal disorders" in text_of(english, tmp_path)
    assert "Donneurs" in text_of(french, tmp_path) and "Affections gastro-intestinales" in text_of(french, tmp_path)


def test_the_sample_draws_the_same_bytes_as_the_value_it_was_made_from(english: bytes) -> None:
    assert render("safety", SAMPLE, "en") == english


def test_a_report_without_any_data_says_so(tmp_path: Path) -> None:
    drawn = render("safety", tabulate(study(), [], CUT), "en")
    text = text_of(drawn, tmp_path)
    assert "No event was recorded by the cut-off." in text and "No death was recorded by the cut-off." in text
    assert page.is_pdf_compliant_bytes(drawn, profile="ua1")


def test_the_numbers_printed_follow_the_value(report: SafetyReport, english: bytes, tmp_path: Path) -> None:
    # Every numbered cell of the first table of events, read back from the page by the names of its lines.
    text = text_of(english, tmp_path)
    table = text[text.rindex("Table 4") : text.rindex("Table 5")]
    totals = " ".join(
        f"{cell.subjects} ({100 * cell.subjects / column.subjects:.1f}%) {cell.events}"
        for cell, column in zip(report.events.cells, report.columns, strict=True)
    )
    assert f"Any event {totals}" in table


# The same bytes

OTHER_PROCESS = """
import sys
from tests.core.safety_cases import CUT, invented_trial, study
from trialcrf.core.packs.report import tabulate
from trialcrf.external.pdf import render
sys.stdout.buffer.write(render("safety", tabulate(study(), tuple(reversed(invented_trial())), CUT), "fr"))
"""


def test_another_process_locale_zone_and_hash_seed_draw_the_same_bytes(french: bytes, tmp_path: Path) -> None:
    strange = {
        "LC_ALL": "C",
        "LANG": "tr_TR.UTF-8",
        "TZ": "Pacific/Auckland",
        "PYTHONHASHSEED": "7",
        "SOURCE_DATE_EPOCH": "1",
        "HOME": str(tmp_path),
    }
    python_path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS],
        cwd=tmp_path,
        env={**os.environ, **strange, "PYTHONPATH": python_path},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == french


def test_the_child_draws_the_same_bytes(english: bytes, report: SafetyReport) -> None:
    assert draw_in_child("safety", report, "en") == english


def test_the_only_date_of_the_file_is_the_moment_of_its_data(english: bytes, tmp_path: Path) -> None:
    told = tool(english, tmp_path, "pdfinfo", "-rawdates", "FILE")
    assert re.findall(r"(CreationDate|ModDate): +(\S+)", told) == [("CreationDate", "D:20261112080000Z"), ("ModDate", "D:20261112080000Z")]
    metadata = tool(english, tmp_path, "pdfinfo", "-meta", "FILE")
    assert set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+", metadata)) <= {"2026-11-12T08:00:00"}


# What a document may reach


@pytest.mark.parametrize(
    "reference",
    [
        '<link rel="stylesheet" href="../outside.css">',
        '<img alt="" src="../outside.css">',
        '<img alt="" src="..%2Foutside.css">',
        '<img alt="" src="missing.png">',
        '<img alt="" src="link.png">',
        '<img alt="" src="https://example.org/x.png">',
        '<img alt="" src="file://example.org/x.png">',
        '<img alt="" src="data:image/png;base64,AAAA">',
        '<style>@import url("../outside.css");</style>',
        '<link rel="attachment" href="../outside.css">',
    ],
)
def test_a_reference_out_of_the_folder_fails_loudly(reference: str, own_document: Path) -> None:
    (own_document.parents[1] / "outside.css").write_text("body { color: red }", encoding="utf-8")
    (own_document.parent / "link.png").symlink_to(own_document.parents[1] / "outside.css")
    own_document.write_text(f'<!doctype html><html lang="en"><title>Small</title>{reference}<p>Text</p></html>', encoding="utf-8")
    with pytest.raises(CannotDraw, match="small"):
        render("small", {}, "en")


def test_a_name_that_the_value_lacks_stops_the_drawing(own_document: Path) -> None:
    own_document.write_text("<title>Small</title><p>{{ report.nothing }}</p>", encoding="utf-8")
    with pytest.raises(CannotDraw, match="nothing"):
        render("small", {}, "en")


@pytest.mark.parametrize("name", ["url_for", "session", "request", "config"])
def test_documents_know_nothing_of_the_web(name: str, own_document: Path) -> None:
    own_document.write_text(f"<title>Small</title><p>{{{{ {name} }}}}</p>", encoding="utf-8")
    with pytest.raises(CannotDraw, match=name):
        render("small", {}, "en")


@pytest.mark.parametrize("name", ["", "nothing", "../safety", "safety/../safety", "/etc"])
def test_an_unknown_document_is_refused(name: str) -> None:
    with pytest.raises(CannotDraw, match="no document"):
        render(name, {}, "en")


def test_an_error_in_the_child_comes_back_as_a_plain_exception() -> None:
    with pytest.raises(CannotDraw, match="UndefinedError"):
        draw_in_child("safety", {}, "en")
    with pytest.raises(CannotDraw, match="ValueError"):
        draw_in_child("safety", SAMPLE, "xx")


def test_every_document_has_its_sample() -> None:
    names = list(documents())
    assert "safety" in names
    assert all((markup.REPORTS / name / "sample.json").is_file() for name in names)
