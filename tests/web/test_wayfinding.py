"""Where one is and what things mean: help beside a form, crumbs, words, and the first day of each role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest

from tests.actions.screening import RECIPIENT
from tests.conftest import Databases
from tests.web.site import Browser, House, filling_of, open_house
from trialcrf.actions import administer

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
