"""A score on a body map: what is drawn has structure, the figure and the stylesheet agree, the occasion before is shown."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from flask import Flask
from lxml import html
from werkzeug.datastructures import MultiDict

from tests.web.test_webform import app, draw, successful, words  # noqa: F401 — `app` is the fixture
from trialcrf.core.bodymap import SITES, site_of
from trialcrf.core.definition.load import load
from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import Answer, Document, Place
from trialcrf.core.values import Raw
from trialcrf.external.files import read_study
from trialcrf.web.forms.earlier import Earlier, before_of
from trialcrf.web.forms.formview import Around, view
from trialcrf.web.forms.webform import answers

ROOT = Path(__file__).resolve().parents[2]
SKIN = load(read_study(ROOT / "trialcrf" / "studies" / "msc_ssc")).form["SKIN"]
SITED = {site_of(item): oid for oid, (group, item) in SKIN.items.items() if group.oid == "SITES"}
CSS = (ROOT / "trialcrf" / "web" / "static" / "body_map.css").read_text(encoding="utf-8")


def skin(assessor: str = "E1", **grades: str) -> Document:
    """All sites 1, but for those that are named; `ND` is not done, empty not answered."""
    said = dict.fromkeys(SITED, "1") | grades
    items = {SITED[site]: Answer(missing="ND", note="wound") if text == "ND" else Answer(text) for site, text in said.items() if text}
    return Document(items | {"SKIN_ASSESSOR": Answer(assessor)})


def drawn(app: Flask, document: Document, earlier: Document | None = None, form: FormDef = SKIN, editable: bool = True) -> html.HtmlElement:  # noqa: F811
    then = Earlier(earlier, words("Month 3"), date(2026, 1, 15)) if earlier else None
    return draw(app, view(form, document, "en", around=Around(before=before_of(form, then, document), earlier=then), editable=editable))


def find(node: html.HtmlElement, selector: str) -> list[html.HtmlElement]:
    """The elements of a selector of tags, classes and attributes, one below the other."""
    path = ""
    for part in selector.split():
        tests = [f"[contains(concat(' ', normalize-space(@class), ' '), ' {name} ')]" for name in re.findall(r"\.([\w-]+)", part)]
        tests += [f"[@{test}]" for test in re.findall(r"\[([^]]+)\]", part)]
        path += "//" + (re.match(r"\w+", part) or ["*"])[0] + "".join(tests)
    return list(node.xpath("." + path))


def seen(node: html.HtmlElement) -> str:
    return " ".join(" ".join(node.itertext()).split())


def test_every_site_is_a_fieldset_with_its_question_as_legend_and_labelled_radios(app: Flask) -> None:  # noqa: F811
    page = drawn(app, Document())
    sets = find(page, ".body-map fieldset[data-site]")
    assert {f"MRSS_{one.get('data-site')}" for one in sets} == SITES
    for one in sets:
        item = SKIN.items[SITED[one.get("data-site")]][1]
        assert seen(find(one, "legend")[0]).startswith(item.label.in_("en"))
        radios = [radio for radio in find(one, "input") if radio.get("type") == "radio"]
        assert [radio.get("value") for radio in radios] == ["0", "1", "2", "3"]
        assert {radio.get("name") for radio in radios} == {f"i.{item.oid}"}
        heard = [find(label, ".visually-hidden")[0].text for label in find(one, ".grades label")]
        assert heard == ["0 normal", "1 mild", "2 moderate", "3 severe"]
        assert [option.get("value") for option in find(one, "select option")] == ["", "ND", "NA"]


def test_every_site_is_drawn_once_and_leads_to_its_line(app: Flask) -> None:  # noqa: F811
    page = drawn(app, Document())
    regions = find(page, "svg.figure a[data-region]")
    assert {f"MRSS_{one.get('data-region')}" for one in regions} == SITES
    assert len(regions) == 17
    for one in regions:
        line = page.get_element_by_id(one.get("href").removeprefix("#"))
        assert line.get("name") == f"i.{SITED[one.get('data-region')]}"
        assert line.get("value") == "0", "a link to the line, which chooses nothing: a label would record a 0"
        assert one.get("tabindex") == "-1", "the lines are the way for the keyboard"


def test_the_participants_right_is_drawn_on_the_viewers_left_and_said_so(app: Flask) -> None:  # noqa: F811
    page = drawn(app, Document())
    for part in ("FINGERS", "HAND", "FOREARM", "UPPERARM", "THIGH", "LEG", "FOOT"):
        right, left = (find(page, f'[data-region="{part}_{side}"] .badge circle')[0] for side in "RL")
        assert int(right.get("cx")) < 170 < int(left.get("cx"))
    assert [span.text for span in find(page, ".sides-named span")] == ["Participant’s right", "Participant’s left"]


@pytest.mark.parametrize("site", sorted(SITES))
def test_the_stylesheet_carries_every_grade_of_every_site_to_the_figure(site: str) -> None:
    name = site.removeprefix("MRSS_")
    for grade in "0123":
        assert f'.body-map:has([data-site="{name}"] [value="{grade}"]:checked) [data-region="{name}"]' in CSS
    assert re.search(rf'\[data-site="{name}"\] \.miss option:checked:not\(\[value=""\]\)\) \[data-region="{name}"\]', CSS)
    assert f'.body-map:has([data-site="{name}"]:focus-within) [data-region="{name}"] .shape' in CSS


def test_a_page_sent_back_untouched_reads_to_the_answers_it_was_drawn_from(app: Flask) -> None:  # noqa: F811
    document = skin(FACE="3", LEG_L="ND", FOOT_R="")
    page = drawn(app, document)
    sent = answers(SKIN, MultiDict(list(successful(page))))
    assert sent.raws[Place(SITED["FACE"])] == Raw({"": "3"})
    assert sent.raws[Place(SITED["LEG_L"])].parts["missing"] == "ND"
    assert sent.raws[Place(SITED["FOOT_R"])] == Raw()
    assert {place.item for place in sent.present} >= set(SITED.values())


@pytest.mark.parametrize(
    ("document", "state", "said"),
    [
        (skin(), "whole", "17 17 / 17 sites scored"),
        (skin(FACE="3", CHEST="0"), "whole", "18 17 / 17 sites scored"),
        (skin(FACE="3", LEG_L="ND"), "part", "18 16 / 17 sites scored"),
        (Document(), "part", "0 0 / 17 sites scored"),
    ],
)
def test_the_total_is_an_output_and_a_missing_site_leaves_none(app: Flask, document: Document, state: str, said: str) -> None:  # noqa: F811
    (output,) = find(drawn(app, document), "output")
    assert output.get("data-state") == state
    assert seen(output).endswith(said)


def test_the_occasion_before_is_a_ghost_on_the_figure_and_words_beside_the_radios(app: Flask) -> None:  # noqa: F811
    page = drawn(app, skin(FACE="3"), skin(FACE="2", LEG_L="ND", FOOT_R=""))
    ghosts = {one.get("data-region"): [text.text for text in find(one, ".ghost text")] for one in find(page, "[data-region]")}
    assert ghosts["FACE"] == ["2"]
    assert ghosts["LEG_L"] == ["–"]
    assert ghosts["FOOT_R"] == []
    legends = {one.get("data-site"): seen(find(one, "legend")[0]) for one in find(page, "[data-site]")}
    assert "previous: 2" in legends["FACE"]
    assert "previous: Not done" in legends["LEG_L"]
    assert "previous" not in legends["FOOT_R"]


def test_previous_total_and_change_are_told_and_no_change_without_two_totals(app: Flask) -> None:  # noqa: F811
    def told(now: Document, then: Document | None) -> str:
        return seen(find(drawn(app, now, then), ".sums")[0])

    fallen = told(skin(FACE="0"), skin(FACE="3", CHEST="3"))
    assert "Previous total 21" in fallen
    assert "Change −5" in fallen
    assert "Month 3" in fallen
    assert "Change +2" in told(skin(FACE="3"), skin())
    assert "Change 0" in told(skin(), skin())
    assert "Change –" in told(skin(FACE="ND"), skin())
    part = told(skin(), skin(FACE="ND"))
    assert "Previous total none 16 / 17" in part
    assert "Change" not in part
    assert "No earlier score" in told(skin(), None)


def test_a_change_of_assessor_is_noticed(app: Flask) -> None:  # noqa: F811
    (notice,) = find(drawn(app, skin("E2"), skin("E1")), ".notice.assessor")
    assert "E2, before E1" in seen(notice)
    for now, then in (("e1", "E1"), ("", "E1"), ("E2", "")):
        assert find(drawn(app, skin(now), skin(then)), ".notice.assessor") == []
    before = before_of(SKIN, Earlier(skin("E1"), words("Month 3"), None), Document())
    assert Place("SKIN_ASSESSOR") in before
    assert Place("SKIN_DATE") not in before


def test_who_only_reads_sees_the_recorded_grades_on_the_figure_and_no_control(app: Flask) -> None:  # noqa: F811
    page = drawn(app, skin(FACE="3", LEG_L="ND"), editable=False)
    assert find(page, '[data-region="FACE"]')[0].get("data-grade") == "3"
    assert find(page, '[data-region="LEG_L"]')[0].get("data-grade") == "x"
    assert [find(page, f".body-map {control}") for control in ("input", "select", "button")] == [[], [], []]
    assert [seen(one) for one in find(page, ".body-key li")] == ["0 normal", "1 mild", "2 moderate", "3 severe", "– not assessed"]
    target = find(page, '[data-region="FACE"]')[0].get("href").removeprefix("#")
    assert "3 severe" in seen(page.get_element_by_id(target))
