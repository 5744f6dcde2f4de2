"""The guides are true: their steps work in the real program, their words stand on its pages, their pictures show what the pages show."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polib
import pytest
from flask import Flask

from tests.browser.conftest import AtBrowser
from tests.browser.guided_others import GUIDED
from tests.browser.guiding import DRAWS, FOLDER, SHOWN, SIZES, Chapter, Tour, chapters_of, reading, speaking, write_down
from tests.browser.program import Program
from tests.browser.scriptless import Scriptless
from tests.web.site import application
from trialcrf.actions.demo import ACCOUNTS
from trialcrf.core.access import ROLES
from trialcrf.external.language import LANGUAGES, Language, catalogue_path

CAST = [one.username for one in ACCOUNTS]
LARGEST = 2_500_000
ALIKE = {"Sites", "Conclusion", "Actions", "STOP", "Archive", "Versions", "Signatures", "Verdict"}
"""Words that French and English write alike."""
ONE_IN_FRENCH = {"Refuse", "Ageing", "Jobs", "First day", "Access"}
"""Words whose French is that of another message too: their pages say these in English, as `make guides` sees."""

BY_SCRIPT = "typing"
"""The chapter about what becomes of words that were not saved: there is nothing of it where there is no script."""

Guides = dict[str, dict[str, list[Chapter]]]
Arriving = Callable[..., Scriptless]
Known = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def app(program: Program) -> Iterator[Flask]:
    """The application over the database of the demo, without a process and a browser for every page."""
    found: Flask = application(program.engine.url.render_as_string(hide_password=False), program.data)
    found.config |= {"DEMO": True, "LOOPBACK": True}
    yield found
    found.extensions["trialcrf.engine"].dispose()


@pytest.fixture(scope="module")
def guides(app: Flask) -> Guides:
    """The chapters of every guide in each language, as its readers get them; those of everybody apart, as they end the nurse's."""
    found: Guides = {role: {} for role in (*ROLES, "everybody")}
    reader = Scriptless(app.test_client(), "cora")
    for code in LANGUAGES:
        with reading(app, code):
            for role in ROLES:
                chapters = chapters_of(reader.plain.ask(f"/guides/{role}").text)
                own = [one for one in chapters if one.code not in GUIDED["everybody"]]
                shared = [one for one in chapters if one.code in GUIDED["everybody"]]
                assert chapters == [*own, *shared]
                found[role][code] = own
                if role == "coordinator":
                    found["everybody"][code] = shared
    return found


@pytest.fixture(scope="module")
def scriptless(app: Flask) -> Arriving:
    """Somebody without a browser, signed in once for all guides."""
    people: dict[str, Scriptless] = {}

    def arrive(name: str = "") -> Scriptless:
        if name and name in people:
            return people[name]
        people[name] = Scriptless(app.test_client(), name)
        return people[name]

    return arrive


@pytest.fixture(scope="module")
def known() -> Known:
    found: Known = json.loads(SHOWN.read_text(encoding="utf-8")) if SHOWN.exists() else {}
    return found


def test_both_languages_have_the_same_steps_quote_the_same_words_and_show_the_same_pictures(guides: Guides) -> None:
    for role, by in guides.items():
        outlines = [[(one.code, len(one.steps), one.quoted, one.pictures) for one in by[code]] for code in LANGUAGES]
        assert outlines[0] == outlines[1], role
        assert [one.code for one in by["fr"]] == list(GUIDED[role]), "every chapter is followed, and in its order"
        for code in LANGUAGES:
            assert all(one.steps and "" not in one.said and len(one.said) == 2 * len(one.pictures) for one in by[code]), role
        assert [one.said for one in by["fr"] if one.pictures] != [one.said for one in by["en"] if one.pictures] or not by["fr"]


def test_a_word_that_a_guide_quotes_is_a_message_of_the_program(guides: Guides) -> None:
    """One that no catalogue has would be English in the French guide."""
    french, english = Language("fr"), Language("en")
    quoted = {word for by in guides.values() for one in by["fr"] for part in one.quoted for word in part}
    assert len(quoted) > 100
    plural = {word for word in quoted if "%(num)s" in word}
    assert {word for word in quoted - plural if french.gettext(word) == word} <= ALIKE
    said: dict[str, set[str]] = {}
    for entry in polib.pofile(str(catalogue_path("fr"))):
        said.setdefault(entry.msgstr, set()).add(english.gettext(entry.msgid))
    assert {word for word in quoted - plural if said[french.gettext(word)] != {english.gettext(word)}} <= ONE_IN_FRENCH


def test_the_pictures_are_those_that_were_taken_and_none_is_missing_or_left_over(guides: Guides) -> None:
    known, sizes = json.loads(SHOWN.read_text(encoding="utf-8")), json.loads(SIZES.read_text(encoding="utf-8"))
    told = {name for by in guides.values() for one in by["fr"] for name in one.pictures}
    assert set(known) == set(sizes) == told
    files = {f"{path.parent.name}/{path.stem}": path.read_bytes() for path in FOLDER.glob("*/*.webp")}
    assert set(files) == {f"{code}/{name}" for name in told for code in LANGUAGES}
    assert sum(map(len, files.values())) < LARGEST
    for at, content in files.items():
        code, _, name = at.partition("/")
        assert hashlib.sha256(content).hexdigest() == known[name][code]["sha256"], f"{at}: `make guides` draws it"
        assert sizes[name][code] == known[name][code]["size"] and min(sizes[name][code]) > 40


@pytest.mark.parametrize("language", LANGUAGES if DRAWS else ["fr"])
@pytest.mark.parametrize("role", GUIDED)
def test_a_guide_is_followed_step_by_step(
    app: Flask, scriptless: Arriving, at_browser: AtBrowser, program: Program, guides: Guides, known: Known, role: str, language: str
) -> None:
    tour = Tour(program, at_browser if DRAWS else scriptless, Language(language), known)
    with speaking(program, CAST, language, "en") if DRAWS else reading(app, language):
        follow(tour, role, [one for one in guides[role][language] if DRAWS or one.code != BY_SCRIPT])
    if DRAWS:
        write_down(known, {name for by in guides.values() for one in by["fr"] for name in one.pictures})


def test_what_becomes_of_words_that_were_not_saved_is_followed_in_chromium(
    at_browser: AtBrowser, program: Program, guides: Guides, known: Known
) -> None:
    tour = Tour(program, at_browser, Language("fr"), known)
    with speaking(program, ["cora"], "fr", "en"):
        follow(tour, "everybody", [one for one in guides["everybody"]["fr"] if one.code == BY_SCRIPT])
    assert "any-draft" in tour.pictures


def follow(tour: Tour, role: str, chapters: Sequence[Chapter]) -> None:
    tour.pictures.clear()
    for chapter in chapters:
        follow_chapter(tour, chapter, role)
    assert not tour.wrong, "\n".join(["a page shows other than its picture in the guide: `make guides` draws it anew", *tour.wrong])
    assert sorted(tour.pictures) == sorted(name for one in chapters for name in one.pictures)


def follow_chapter(tour: Tour, chapter: Chapter, role: str) -> None:
    tour.begin()
    done = GUIDED[role][chapter.code](tour)
    for number, words in enumerate(chapter.steps, 1):
        tour.step()
        assert next(done, "no such step") is None, f"{role}, {chapter.code}, step {number}"
        tour.look()
        assert tour.lacks(words) == [], f"{role}, {chapter.code}, step {number}: not on the page"
    assert next(done, "the end") == "the end", f"{role}, {chapter.code}: more is done than is told"
    assert tour.lacks(chapter.beside, beside=True) == [], f"{role}, {chapter.code}"


def test_the_guides_are_reached_from_every_page_and_ones_own_comes_first(app: Flask) -> None:
    assert app.test_client().get("/guides").status_code == 302, "for whoever is signed in"
    mona = Scriptless(app.test_client(), "mona").plain
    for address in ("/account", "/glossary", "/studies/msc_ssc/subjects", "/first-day"):
        assert 'href="/guides"' in mona.ask(address).text, address
    assert "/guides/monitor" in mona.ask("/first-day").text
    leads = re.findall(r'href="/guides/(\w+)', mona.ask("/guides").text)
    assert leads[0] == "monitor" and set(leads) == set(ROLES)
    assert mona.ask("/guides/nobody").status_code == 404
