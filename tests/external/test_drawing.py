"""Whole documents: what is attached, what goes into an annex, the same bytes by whatever way, and texts that stay texts."""

from __future__ import annotations

import csv
import hashlib
import re
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import page  # page-validation
import pikepdf
import pytest

from tests.core.safety_cases import CUT, invented_trial, study
from trialcrf.core.attached import Attachment
from trialcrf.core.packs.report import ListedEvent, SafetyReport, tabulate
from trialcrf.core.wording import Words
from trialcrf.external import annex, child, pdf
from trialcrf.external.drawing import ANNEX, PAGES, TABLES, Drawing, draw
from trialcrf.external.markup import CannotDraw

HOSTILE = r'#panic("x") $x^2$ *b* _i_ @ref <label> \ `raw` [c] =cmd() "q" é <script>'


@pytest.fixture(scope="module")
def report() -> SafetyReport:
    made = tabulate(study(), invented_trial(), CUT)
    lines = tuple(_numbered(made.listing[number % len(made.listing)], number) for number in range(700))
    return replace(made, listing=lines, drawings=())


def _numbered(line: ListedEvent, number: int) -> ListedEvent:
    told = {"verbatim": HOSTILE, "term": Words({"": "Other"})} if number == 500 else {}
    return replace(line, event=replace(line.event, subject=f"S{number // 5:04}", **told))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def drawing(report: SafetyReport, kept: Path) -> Drawing:
    steps: list[str] = []
    made = draw("safety", report, "fr", "who I am <&>", kept, steps.append)
    assert steps == [TABLES, ANNEX, PAGES]
    return made


def text_of(content: bytes, folder: Path) -> str:
    (folder / "file.pdf").write_bytes(content)
    done = subprocess.run(["pdftotext", "-raw", str(folder / "file.pdf"), "-"], capture_output=True, text=True, check=True)
    return re.sub(r"\s+", " ", done.stdout)


def test_a_long_listing_stands_in_annexes_that_are_as_accessible_as_the_document(drawing: Drawing) -> None:
    assert [one.name for one in drawing.annexes] == [f"listing-{number}.pdf" for number in range(1, len(drawing.annexes) + 1)]
    assert len(drawing.annexes) > 1 and sum(one.rows for one in drawing.annexes) == 700
    for content in (drawing.pdf, drawing.annexes[0].content):
        for profile in ("ua1", "3a"):
            found = page.validate_pdf_bytes(content, profile=profile)
            assert found.is_compliant, [(failure.rule_id, failure.message) for failure in found.failures]


def test_every_line_is_in_exactly_one_annex_and_no_subject_is_split(drawing: Drawing, tmp_path: Path) -> None:
    texts = [text_of(one.content, tmp_path) for one in drawing.annexes]
    for number in range(140):
        assert sorted(len(re.findall(f"S{number:04}", text)) for text in texts)[-2:] == [0, 5]


def test_the_document_says_where_the_listing_is_and_by_which_hash(drawing: Drawing, tmp_path: Path) -> None:
    text = text_of(drawing.pdf, tmp_path)
    assert "S0007" not in text
    for one in drawing.annexes:
        assert one.sha256 == hashlib.sha256(one.content).hexdigest()
        assert one.name in text and one.sha256 in text.replace(" ", "")


def test_whatever_a_text_says_it_stays_a_text(drawing: Drawing, tmp_path: Path) -> None:
    texts = "".join(text_of(one.content, tmp_path) for one in drawing.annexes).replace(" ", "")
    assert HOSTILE.replace(" ", "") in texts


def test_the_data_are_attached_and_can_be_taken_out(drawing: Drawing, tmp_path: Path) -> None:
    (tmp_path / "whole.pdf").write_bytes(drawing.pdf)
    subprocess.run(["qpdf", "--check", "whole.pdf"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["pdfdetach", "-saveall", "whole.pdf"], cwd=tmp_path, check=True, capture_output=True)
    with (tmp_path / "listing.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 700 and lines[500]["event.verbatim"] == HOSTILE
    assert (tmp_path / "listing-1.pdf").read_bytes() == drawing.annexes[0].content
    with pikepdf.open(tmp_path / "whole.pdf") as document:
        kinds = {name: document.attachments[name].get_file() for name in document.attachments}
    assert (kinds["data.json"].mime_type, kinds["listing.csv"].mime_type) == ("application/json", "text/csv")
    moments = {moment for file in kinds.values() for moment in (file.creation_date, file.mod_date)}
    assert moments == {CUT.known_at}


def test_a_file_says_what_it_is(drawing: Drawing) -> None:
    assert pdf.identity_of(drawing.pdf) == "who I am <&>"
    assert pdf.identity_of(b"%PDF-1.7") == ""


def test_a_kept_part_is_used_again_and_a_damaged_one_is_not(report: SafetyReport, drawing: Drawing, kept: Path) -> None:
    parts = sorted(kept.glob("*.pdf"))
    assert len(parts) == len(drawing.annexes)
    parts[0].write_bytes(b"damaged")
    stood = {path.name: path.stat().st_ino for path in parts[1:]}
    assert draw("safety", report, "fr", "who I am <&>", kept) == drawing
    assert {path.name: path.stat().st_ino for path in parts[1:]} == stood
    assert parts[0].read_bytes() != b"damaged"


def test_more_lines_in_one_part_leave_the_others_as_they_are(report: SafetyReport) -> None:
    def keys(value: SafetyReport) -> list[str]:
        return [part.key for part in annex.prepare("safety", value, "en").long["listing"]]

    more = replace(report, listing=(replace(report.listing[0], event=replace(report.listing[0].event, verbatim="New")), *report.listing))
    before, after = keys(report), keys(more)
    assert before[0] != after[0] and before[-1] == after[-1]
    later = replace(report, cut=replace(CUT, checkpoint="0" * 64))
    assert keys(later) == before, "an annex does not tell the cut-off, so the next report may use it again"


def test_what_is_not_wanted_any_more_is_ended(report: SafetyReport) -> None:
    with pytest.raises(child.Cancelled):
        draw("safety", report, "en", wanted=lambda: False)


def test_a_stream_that_would_end_in_a_carriage_return_is_not_compressed(tmp_path: Path) -> None:
    endings = [content for content in (b"a" * number for number in range(300)) if zlib.compress(content, 9).endswith(b"\r")]
    attached = [Attachment("data.csv", "text/csv", "", endings[0])]
    drawn = pdf.draw("quality", '<html lang="en"><title>x</title><p>y</p></html>', attached, CUT.known_at)
    found = page.validate_pdf_bytes(drawn, profile="3a")
    assert found.is_compliant, [(failure.rule_id, failure.message) for failure in found.failures]


def test_a_process_that_ends_before_its_work_is_a_failure() -> None:
    with pytest.raises(CannotDraw, match="out of memory"):
        child.run(__import__("os")._exit, 9)
