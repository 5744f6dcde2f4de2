"""Where one is and what things mean: help beside a form, crumbs, words, and the first day of each role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from tests.actions.screening import RECIPIENT
from tests.conftest import Databases
from tests.web.site import Browser, House, filling_of, open_house
from trialcrf.actions import administer
from trialcrf.core.glossary import ON, TERMS

STUDY = "/studies/msc_ssc"


class Ways:
    """The application with one recipient, and everybody of the cast signed in once, reading English."""

    def __init__(self, house: House) -> None:
        self.house, self._clients = house, {}
        house.world.enrol("recipient", **RECIPIENT)

    def client(self, name: str, language: str = "en") -> Browser:
        if name not in self._clients:
            self._clients[name] = self.house.client(name)
        with self.house.world.write("trialcrf") as tx:
            administer.set_preferences(tx, self.house.id_of(tx, name), language=language)
        return self._clients[name]


@pytest.fixture(scope="module")
def ways(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    url = databases.fresh("sqlite", filling_of())
    house = open_house(url, tmp_path_factory.mktemp("data"))
    yield Ways(house)
    house.close()
    databases.drop(url)


def part(page: str, opening: str, closing: str) -> str:
    found = re.search(rf"{opening}.*?{closing}", page, re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", found[0]))) if found else ""


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_help_of_a_form_says_what_its_definition_says(ways, language):
    """What it says of itself, what is computed, and every check in its own words: to who enters and to who reads."""
    form = ways.house.world.published.study.form["BLOODGAS"]
    for name in ("cora", "mona"):
        page = ways.client(name, language).get(f"{STUDY}/subjects/R-01-001/SCR/1/BLOODGAS/1")
        panel = part(page.text, '<section class="card aside help"', "</section>")
        assert form.help.in_(language) in panel
        assert all(check.message.in_(language) in panel for check in form.checks)
        assert all(item.label.in_(language) in panel for _, item in form.items.values() if item.derive is not None)
        assert form.items["ABG_DATE"][1].label.in_(language) not in panel


def test_the_words_of_a_page_are_told_at_its_foot_and_on_the_page_of_all_words(ways):
    """By keys and by touch: a disclosure and a link, nothing that needs a mouse to hover."""
    cora = ways.client("cora")
    page = cora.get(f"{STUDY}/queries").text
    foot = part(page, '<details class="words">', "</details>")
    assert "Query" in foot
    assert TERMS["query"].means.msgid in foot
    assert 'href="/glossary"' in page
    every = cora.get("/glossary").text
    assert all(f'<dt id="{code}"><dfn>' in every for code in TERMS)
    found = cora.get("/find", query_string={"q": "deviation"}).text
    assert 'href="/glossary#deviation"' in found


def test_every_word_stands_in_the_glossary_and_on_an_area_that_there_is(ways):
    glossary = (Path(__file__).resolve().parents[2] / "docs/glossary.md").read_text(encoding="utf-8")
    first = "\n".join(line.split("|")[1] for line in glossary.splitlines() if line.startswith("|"))
    assert [term.name.msgid for term in TERMS.values() if term.name.msgid.casefold() not in first.casefold()] == []
    areas = {rule.endpoint.partition(".")[0] for rule in ways.house.app.url_map.iter_rules()}
    assert set(ON) <= areas
    assert {code for codes in ON.values() for code in codes} <= set(TERMS)
