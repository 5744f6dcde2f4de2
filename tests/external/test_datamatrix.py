"""Labels on paper: a reader that knows nothing of our writer reads the symbol from a picture of the real page."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path

import page  # page-validation
import pytest
import zxingcpp
from PIL import Image

from tests.core.safety_cases import CUT, study
from tests.plain_values import as_sample
from trialcrf.core.packs.label import (
    BAG_SIZE,
    WRISTBAND_SIZE,
    BagLabel,
    LabelSheet,
    WristbandLabel,
    bag_label,
    bag_sheet,
    wristband_label,
    wristband_sheet,
)
from trialcrf.core.product.identity import Kind, NoLabel, label, read_label
from trialcrf.core.wording import Words
from trialcrf.external import datamatrix
from trialcrf.external.markup import REPORTS, CannotDraw
from trialcrf.external.pdf import draw_in_child, render

STUDY = study()
PRODUCT = Words({
    "en": "Allogeneic mesenchymal stromal cells of the bone marrow, suspension for infusion",
    "fr": "Cellules stromales mésenchymateuses allogéniques de moelle osseuse, suspension pour perfusion",
})  # fmt: skip
BAGS = (
    bag_label(STUDY, "B-01-001-1", "MSC-0107", "FR0001230000000123456", Decimal("62.4"), Decimal("50"), "2026-09-30"),
    bag_label(
        STUDY, "W" * 40, "L" * 40, "D" * 40, Decimal("1187.25"), Decimal("100.5"), "2026-09-30T14:30+02:00",
        "Below −150 °C, in the vapour phase of liquid nitrogen",
    ),
)  # fmt: skip
BANDS = (wristband_label(STUDY, "R-01-004", "01"), wristband_label(STUDY, "W" * 40, "01"))


def sheet_of_bags() -> LabelSheet:
    return bag_sheet(CUT, STUDY, PRODUCT, BAGS)


def kept(folder: Path, content: bytes) -> Path:
    file = folder / "labels.pdf"
    file.write_bytes(content)
    return file


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("bags"), draw_in_child("label", sheet_of_bags(), "fr"))


@pytest.fixture(scope="module")
def bands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("bands"), render("label", wristband_sheet(CUT, STUDY, BANDS), "en"))


def tool(*command: str | Path) -> str:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=True).stdout


def pages_of(file: Path) -> list[str]:
    return [re.sub(r"\s+", " ", text).strip() for text in tool("pdftotext", "-layout", file, "-").split("\f")[:-1]]


def codes_of(file: Path, dots: int) -> list[list[str]]:
    """What the reader finds on a picture of each page, so many dots per inch."""
    tool("pdftoppm", "-r", str(dots), "-png", file, file.with_suffix(""))
    found = []
    for picture in sorted(file.parent.glob("*.png")):
        with Image.open(picture) as image:
            found.append([one.text for one in zxingcpp.read_barcodes(image.convert("L"), formats=zxingcpp.BarcodeFormat.DataMatrix)])
    return found


def test_every_bag_is_read_from_a_picture_of_its_label(bags: Path) -> None:
    # 203 dots per inch are those of a common label printer.
    assert codes_of(bags, 203) == [[one.code] for one in BAGS]
    assert [read_label(one.code, STUDY.oid, Kind.BAG) for one in BAGS] == [one.bag for one in BAGS]


def test_every_wristband_is_read_from_a_picture_of_its_label(bands: Path) -> None:
    assert codes_of(bands, 203) == [[one.code] for one in BANDS]
    assert [read_label(one.code, STUDY.oid, Kind.WRISTBAND) for one in BANDS] == [one.subject for one in BANDS]


def test_a_bag_can_be_read_by_a_person(bags: Path) -> None:
    first, second = pages_of(bags)
    for told in ("B-01-001-1", "MSC-0107", "FR 000123 0000000123456", "62,4 × 10⁶", "50 mL", "30 sept. 2026", STUDY.protocol, BAGS[0].code):
        assert told in first, told
    assert PRODUCT.in_("fr") in first and "150" not in first
    assert "1\u202f187,25 × 10⁶" in second or "1 187,25 × 10⁶" in second
    assert "14:30" in second and "liquid nitrogen" in second


def test_a_wristband_has_its_subject_its_study_and_its_site_and_nothing_else(bands: Path) -> None:
    assert sorted(pages_of(bands)[0].split()) == sorted(f"{BANDS[0].code} R-01-004 {STUDY.protocol} · Site 01".split())


def test_no_label_has_a_field_for_who_a_person_is() -> None:
    assert {field.name for field in fields(BagLabel)} == {"code", "bag", "batch", "donation", "cells", "volume", "expiry", "storage"}
    assert {field.name for field in fields(WristbandLabel)} == {"code", "subject", "site"}


def test_a_label_is_as_large_as_its_paper(bags: Path, bands: Path) -> None:
    for file, size in ((bags, BAG_SIZE), (bands, WRISTBAND_SIZE)):
        told = re.search(r"Page size: +([\d.]+) x ([\d.]+) pts", tool("pdfinfo", file))
        assert told and tuple(round(float(points) * 25.4 / 72) for points in told.groups()) == size


def test_version_and_moment_are_in_the_file_and_not_on_the_label(bags: Path) -> None:
    told = tool("pdfinfo", "-rawdates", bags)
    assert f"{STUDY.oid} v3" in told and "12 nov. 2026, 08:00 UTC" in told and "CreationDate:    D:20261112080000Z" in told
    assert not any("12 nov." in text or "v3" in text for text in pages_of(bags))


def test_a_label_conforms_to_both_profiles(bags: Path, bands: Path) -> None:
    for file, profile in ((bags, "ua1"), (bands, "3a")):
        found = page.validate_pdf_bytes(file.read_bytes(), profile=profile)
        assert found.is_compliant, [(failure.rule_id, failure.message) for failure in found.failures]


def test_the_sample_is_what_its_value_says() -> None:
    assert (REPORTS / "label" / "sample.json").read_text(encoding="utf-8") == as_sample(sheet_of_bags())


def test_what_a_symbol_cannot_say_is_not_drawn() -> None:
    bad = replace(sheet_of_bags(), bags=(replace(BAGS[0], code="é"),))
    with pytest.raises(CannotDraw):
        render("label", bad, "en")
    with pytest.raises(NoLabel):
        bag_label(STUDY, "poche n° 1", "", "")


@pytest.mark.parametrize("text", ["", "é", "A\n", "A" * 3000])
def test_only_short_texts_of_plain_characters_are_encoded(text: str) -> None:
    with pytest.raises(datamatrix.CannotEncode):
        datamatrix.svg(text, "label")


@pytest.mark.parametrize("length", range(1, 41))
def test_a_symbol_of_any_length_is_read_by_another_program(length: int) -> None:
    text = label("msc_ssc", Kind.BAG, ("B-01/a_Z.9" * 4)[:length])
    assert drawn_as_read(datamatrix.svg(text, "a bag")) == text


def test_the_symbol_is_named_and_has_its_quiet_zone() -> None:
    drawn = datamatrix.svg("A", 'bag <1> & "2"')
    tree = ET.fromstring(drawn)
    assert tree.get("role") == "img" and next(iter(tree)).text == 'bag <1> & "2"'
    side = int((tree.get("viewBox") or "").split()[2])
    black = painted(drawn)
    assert {x for x, _ in black} | {y for _, y in black} == set(range(2, side - 2))
    assert datamatrix.svg("A", "x") == datamatrix.svg("A", "x") != datamatrix.svg("B", "x")


def painted(drawn: str) -> set[tuple[int, int]]:
    """The black modules of a drawing, by its path alone."""
    bars = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", drawn)
    assert bars and all(there == back for _, _, there, back in bars)
    return {(int(x) + step, int(y)) for x, y, width, _ in bars for step in range(int(width))}


def drawn_as_read(drawn: str) -> str:
    side = int(re.search(r'viewBox="0 0 (\d+)', drawn)[1])  # type: ignore[index]
    image = Image.new("L", (side, side), 255)
    for place in painted(drawn):
        image.putpixel(place, 0)
    (found,) = zxingcpp.read_barcodes(image.resize((side * 4, side * 4), Image.Resampling.NEAREST))
    assert found.format == zxingcpp.BarcodeFormat.DataMatrix
    return found.text
