"""Figures as SVG: both languages, alternative texts, the same bytes, and nothing from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.core.pack_cases import sampled
from tests.plain_values import plain
from trialcrf.core.packs.figure import PALETTE, SHAPES, Figure
from trialcrf.core.wording import Message, Words
from trialcrf.external.svg import CannotPlot, draw

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"
DRAWINGS: dict[str, Figure] = {one.oid: one for one in (*sampled("safety").drawings, *sampled("dsmb").safety.drawings) if one.spec}
SMALL = Figure(
    "small",
    Message("Fever & <chills>", {}),
    Words({"en": "Main number: 3", "fr": "Nombre principal : 3"}),
    Words(),
    {
        "data": {"values": [{"x": 1234.5, "term": Words({"en": "Fever <b>", "fr": "Fièvre <b>"})}]},
        "mark": "point",
        "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "term", "type": "nominal"}},
    },
    (),
    (),
)


@pytest.mark.parametrize("oid", DRAWINGS)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_figure_is_a_drawing_with_its_title_and_description(oid, language):
    root = ElementTree.fromstring(draw(DRAWINGS[oid], language))
    title, description, *_ = root
    assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
    assert description.text and title.text.endswith(description.text) and re.search(r"\d", description.text)
    assert "width" not in root.attrib and "viewBox" in root.attrib


def test_texts_numbers_and_markup_are_of_the_language_and_text():
    english, french = draw(SMALL, "en"), draw(SMALL, "fr")
    words = [" ".join(ElementTree.fromstring(one).itertext()) for one in (english, french)]
    assert "Fever <b>" in words[0] and "Fièvre <b>" in words[1] and "<b>" not in english + french
    assert "Main number: 3" in words[0] and "Nombre principal\u202f: 3" in words[1] and "Fever & <chills>" in words[1]
    assert "1,200" in words[0] and "1\u202f200" in words[1]


def test_the_twin_of_plain_json_draws_the_same():
    for oid in ("dots", "mean", "edish"):  # exact numbers in sentences are texts in JSON, so English alone is the same
        assert draw(json.loads(json.dumps(plain(DRAWINGS[oid]))), "en") == draw(DRAWINGS[oid], "en")


def test_two_figures_of_one_page_share_no_name():
    names = [set(re.findall(r'\bid="([^"]+)"', draw(DRAWINGS[oid], "en"))) for oid in ("mean", "skin", "swimmer")]
    assert sum(map(len, names)) == len(set().union(*names))


def test_arms_are_told_by_colour_and_by_shape():
    left = DRAWINGS["dots"].spec["hconcat"][0]["encoding"]
    assert left["color"]["scale"]["range"] == list(PALETTE[:2]) and left["shape"]["scale"]["range"] == list(SHAPES[:2])
    assert len(set(PALETTE)) == len(PALETTE) and len(set(SHAPES)) == len(SHAPES)


def test_another_process_and_locale_draw_the_same_bytes(tmp_path):
    code = (
        "import sys; from tests.external.test_svg import DRAWINGS, draw; sys.stdout.buffer.write(draw(DRAWINGS['swimmer'], 'fr').encode())"
    )
    strange = {"LC_ALL": "C", "TZ": "Pacific/Auckland", "PYTHONHASHSEED": "7", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, **strange}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    draw(DRAWINGS["edish"], "en")  # what was drawn before must leave no trace
    assert done.stdout.decode() == draw(DRAWINGS["swimmer"], "fr")


@pytest.mark.parametrize("data", [{"url": "https://example.org/x.csv"}, {"url": "file:" + "///etc/passwd"}])
def test_a_figure_fetches_nothing(data):
    with pytest.raises(CannotPlot, match="address"):
        draw(replace(SMALL, spec={**SMALL.spec, "data": data}), "en")


def test_what_is_no_drawing_is_refused_by_name():
    with pytest.raises(CannotPlot, match="small"):
        draw(replace(SMALL, spec={"mark": "nonsense"}), "en")


def test_an_empty_figure_is_no_drawing():
    assert draw(replace(SMALL, spec={}), "en") == ""


def test_exact_numbers_are_drawn_as_numbers():
    exact = {**SMALL.spec, "data": {"values": [{"x": Decimal("1234.5"), "term": SMALL.spec["data"]["values"][0]["term"]}]}}
    assert draw(replace(SMALL, spec=exact), "en") == draw(SMALL, "en")
