"""The packs on paper, judged by real PDF readers: one drawing of each, read many times."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

import page  # page-validation
import pikepdf
import pytest

from tests.core.pack_cases import pack_study, sampled
from tests.core.safety_cases import CUT
from tests.plain_values import as_sample
from trialcrf.core.attached import attachments
from trialcrf.core.packs.dsmb import board_pack
from trialcrf.core.packs.dsur import update
from trialcrf.core.packs.sae import list_serious
from trialcrf.external.markup import REPORTS
from trialcrf.external.pdf import render

LANGUAGE = {"sae": "fr", "dsur": "en", "dsmb": "fr"}
"""Each pack is drawn once, in one of the two languages."""
SAMPLES = ("safety", *LANGUAGE, "dsmb_closed")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("packs")

    @cache
    def draw(name: str) -> Path:
        (folder / f"{name}.pdf").write_bytes(render(name, sampled(name), LANGUAGE[name]))
        return folder / f"{name}.pdf"

    return draw


def text_of(file: Path) -> str:
    done = subprocess.run(["pdftotext", "-layout", str(file), "-"], capture_output=True, text=True, check=True)
    return re.sub(r"\s+", " ", done.stdout)


@pytest.mark.parametrize("name", LANGUAGE)
def test_a_pack_conforms_to_both_profiles(name, drawn):
    content = drawn(name).read_bytes()
    for profile in ("ua1", "3a"):
        found = page.validate_pdf_bytes(content, profile=profile)
        assert found.is_compliant, [(failure.rule_id, failure.message) for failure in found.failures]


def test_every_figure_has_its_alternative_text_and_its_table(drawn):
    value = sampled("dsmb")
    with pikepdf.open(BytesIO(drawn("dsmb").read_bytes())) as document:
        tags = [one for one in document.objects if isinstance(one, pikepdf.Dictionary) and "/S" in one]
        alternatives = [str(one["/Alt"]) for one in tags if one["/S"] == "/Figure"]
        captions = sum(one["/S"] == "/Caption" for one in tags)
    assert len(alternatives) == sum(bool(one.spec) for one in value.safety.drawings) == 5
    assert all(re.search(r"\d", one) for one in alternatives)
    numbered = {int(number) for number in re.findall(r"Tableau (\d+)", text_of(drawn("dsmb")))}
    assert numbered == set(range(1, captions + 1)) and captions >= 10 + sum(bool(one.rows) for one in value.safety.drawings)


def test_the_listing_prints_both_judgements_and_the_clock(drawn):
    text = text_of(drawn("sae"))
    assert "R-01-001" in text and "Lung infection" in text and "Site to sponsor" not in text and "Centre au promoteur" in text
    assert "14 avr. 2026" in text


def test_the_annual_update_prints_its_interval_and_its_rule(drawn):
    text = text_of(drawn("dsur"))
    assert "from the beginning, up to and on 31 Oct 2026" in text and "to be confirmed by the sponsor" in text
    assert "Interval line listing of serious adverse reactions" in text and "Cumulative summary tabulation" in text


def test_the_pack_prints_exact_intervals_and_the_rule(drawn):
    text = text_of(drawn("dsmb"))
    assert re.search(r"1,3\s%\s–\s98,7\s%", text) and "A-34" in text
    assert "Headache <mild> & brief" in text


def test_a_sample_is_what_its_value_says():
    for name in SAMPLES:
        assert (REPORTS / name / "sample.json").read_text(encoding="utf-8") == as_sample(sampled(name)), name


def test_packs_without_any_data_say_so(tmp_path):
    study = pack_study()
    for name, value, said in (
        ("sae", list_serious(study, [], (), CUT), "No serious event was recorded by the cut-off."),
        ("dsur", update(study, [], (), CUT), "No serious adverse reaction began in the interval."),
        ("dsmb", board_pack(study, [], (), (), CUT, closed=False), "Nobody was treated by the cut-off: there is nothing to draw."),
    ):
        (tmp_path / "empty.pdf").write_bytes(render(name, value, "en"))
        assert said in text_of(tmp_path / "empty.pdf")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_pack_can_be_attached_without_its_drawings(name):
    data, *tables = attachments(name, sampled(name), "en", str)
    assert "encoding" not in json.dumps(json.loads(data.content)) and tables
