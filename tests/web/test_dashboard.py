"""The dashboard over the cast: whose numbers each person is shown, tables before pictures, and pictures that say what they show."""

from __future__ import annotations

import re
import time

import pytest

from tests.actions.test_case import SERIOUS
from tests.actions.world import typed
from tests.web.site import House, text
from tests.web.test_quality import CONSENT, english, overdue
from trialcrf.core.dashboard import OF_ROLE
from trialcrf.external import pictures

PAGE = "/studies/msc_ssc/dashboard"
SHOWN = re.compile(r'<section class="card plate[^"]*" aria-labelledby="(\w+)-title"')
ROLES = {
    "cora": "coordinator",
    "ivan": "investigator",
    "dora": "donor_physician",
    "mona": "monitor",
    "dana": "data_manager",
    "sam": "sponsor",
}


def happenings(house: House) -> None:
    """One recipient at the first site, two at the second with an adverse event each; an overdue visit of all three."""
    overdue(house, "01")
    for _ in range(2):
        one = house.world.subject(overdue(house, "02"))
        house.world.save(one, "ADVERSE", "AE", typed(**SERIOUS), name="olga")


def table(answer, plate: str) -> list[list[str]]:
    """The rows of the table beside a figure; none where there is nothing to draw."""
    part = answer.text.split(f'aria-labelledby="{plate}-title"')[1].split("</section>")[0]
    found = re.findall(r"<tr>(.*?)</tr>", part.partition("<tbody>")[2], re.S)
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)] for row in found]


def enrolled(answer) -> list[str]:
    return table(answer, "enrolment")[-1][1:]


def test_everybody_is_told_of_their_sites_alone_and_a_sponsor_of_all_of_them_pooled(house):
    happenings(house)
    pages = {name: english(house, name).get(PAGE) for name in ("cora", "olga", "mona", "sam", "dana")}
    assert {name: enrolled(answer) for name, answer in pages.items()} == {
        "cora": ["1"], "olga": ["2"], "mona": ["3", "1", "2"], "sam": ["3", "1", "2"], "dana": ["3", "1", "2"],
    }  # fmt: skip
    late = {name: table(answer, "visits")[-1][4] for name, answer in pages.items()}
    assert late == {"cora": "1", "olga": "2", "mona": "3", "sam": "3", "dana": "3"}
    # At the first site there is no adverse event: its coordinator is told of none.
    assert {name: sum(int(row[2]) for row in table(answer, "events")) for name, answer in pages.items()} == {
        "cora": 0, "olga": 2, "mona": 2, "sam": 2, "dana": 2,
    }  # fmt: skip
    assert "Site 01 ·" in text(pages["cora"]) and "All sites together ·" in text(pages["sam"])
    # Who reads forms may narrow it down, to their own sites; a sponsor may not.
    assert f'href="{PAGE}?site=02"' in pages["dana"].text and "?site=" not in pages["sam"].text and "?site=" not in pages["cora"].text
    asked = {name: enrolled(english(house, name).get(f"{PAGE}?site=02")) for name in ("cora", "dana", "sam")}
    assert asked == {"cora": ["1"], "dana": ["2"], "sam": ["3", "1", "2"]}


def test_no_figure_names_a_subject_or_an_arm_to_anybody(house):
    happenings(house)
    study = house.world.published.study
    doses = {text for item in study.safety.arms.items for text in item.label.texts.values()}
    for name, role in ROLES.items():
        answer = house.client(name).get(PAGE)
        assert tuple(SHOWN.findall(answer.text)) == OF_ROLE[role], name
        main = answer.text.partition('<main id="main"')[2]
        assert not re.search(r"\b[RD]-\d\d-\d{3}\b", main), name
        assert not [dose for dose in doses if dose in text(answer)], name


@pytest.mark.parametrize("name", ["lara", "quin", "adam"])
def test_who_makes_cells_or_administers_has_no_dashboard(house, name):
    someone = house.client(name)
    assert someone.get(PAGE).status_code == 403
    assert PAGE not in someone.get("/account").text


def when_drawn(someone):
    """The page once nothing of it is being drawn any more."""
    for _ in range(600):
        answer = someone.get(f"{PAGE}?drawn=1")
        if 'id="drawing"' not in answer.text:
            return answer
        time.sleep(0.1)
    raise AssertionError("nothing was drawn")


def test_numbers_come_at_once_and_pictures_when_they_are_drawn_without_script_too(house):
    house.world.enrol("recipient", "01", ICF_DATE=(2, 1, 2024), **CONSENT)
    pictures.forget()
    cora = house.client("cora")
    first = cora.get(PAGE)
    assert "<svg role=" not in first.text and first.text.count("data-soon") == 2 and enrolled(first) == ["1"]
    assert re.search(r'id="drawing" class="notice" role="status" data-again="([^"]+)"><p>[^<]+<a href="\1">', first.text)
    assert when_drawn(cora).text.count("<svg role=") == 2
    drawn = cora.get(PAGE)
    assert table(drawn, "enrolment") == table(first, "enrolment") and "js/dashboard.js" not in drawn.text
    found = re.findall(r'<svg role="img".*?</svg>', drawn.text, re.S)
    assert len(found) == 2  # enrolment and visits: nothing else happened
    for one in found:
        title, desc = re.findall(r"<(?:title|desc)>([^<]+)<", one)
        assert title.endswith(desc) and len(desc) > 20
        # Nothing that the policy of the page would stop, no English of the library, no data but what is seen.
        assert not re.search(r"\sstyle=|<style|<script|\son\w+=|aria-roledescription|aria-label|https?://(?!www\.w3\.org)", one)
    names = re.findall(r'\bid="([^"]+)"', drawn.text)
    assert len(names) == len(set(names))
    # Another language is another picture, and so is another number.
    assert "en retard" in drawn.text.partition('data-figure="visits"')[2].partition("</svg>")[0]
    assert "<svg role=" not in english(house, "ivan").get(PAGE).text
    house.world.enrol("recipient", "01", ICF_DATE=(2, 1, 2024), **CONSENT)
    assert "data-soon" in cora.get(PAGE).text


def test_a_picture_that_cannot_be_drawn_leaves_its_table(house, monkeypatch):
    house.world.enrol("recipient", "01", ICF_DATE=(2, 1, 2024), **CONSENT)
    pictures.forget()
    monkeypatch.setattr("sys.executable", "/bin/false")  # The child ends at once, as one does for want of memory.
    answer = when_drawn(english(house, "cora"))
    assert answer.status_code == 200 and enrolled(answer) == ["1"]
    assert "could not be drawn" in text(answer)
