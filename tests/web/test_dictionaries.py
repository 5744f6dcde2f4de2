"""Searching a dictionary: what the page and the script are answered, who is refused, and how a coded item is drawn."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.web.site import Browser, House, text
from tests.web.test_entry_pages import STUDY, enrol
from trialcrf.actions import publish
from trialcrf.core.dictionary import Term
from trialcrf.store import dictionaries

SEARCH = f"{STUDY}/dictionaries/ctcae"
EVENT = f"{STUDY}/subjects/R-01-001/AE/1/ADVERSE/1"
GENERAL = "General disorders and administration site conditions"
FEVER = Term("90000001", "Fever", GENERAL, {"1": "warm <b>", "10": "x", "4": "hot"}, "Heat & more.", "note")


def load(house: House, version: str = "5.0", *terms: Term) -> None:
    held = terms or (FEVER,)
    with house.world.write("trialcrf") as tx:
        dictionaries.load(tx, "ctcae", version, "made_up.csv", dictionaries.digest(held), held)


def english(house: House, name: str) -> Browser:
    someone = house.client(name)
    someone.post("/language", {"language": "en", "next": "/"})
    return someone


@pytest.mark.parametrize("name", ["cora", "ivan", "dora", "mona", "dana", "sam"])
def test_whoever_may_read_finds_terms_with_their_grades(house, name):
    load(house)
    answer = house.client(name).get(SEARCH, query_string={"q": "fév"})
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    [found] = answer.json
    assert found["term"] == "Fever" and found["soc"] == GENERAL and found["grades"] == {"1": "warm <b>", "10": "x", "4": "hot"}
    assert found["class"] == "Troubles généraux et anomalies au site d’administration"
    assert (found["definition"], found["note"]) == ("Heat & more.", "note")


def test_no_more_than_twenty_are_given_and_nothing_for_nothing(house):
    load(house, "5.0", *(Term(str(90000000 + n), f"Ache {n}", GENERAL, {"1": "x"}) for n in range(30)))
    cora = house.client("cora")
    assert len(cora.get(SEARCH + "?q=ache").json) == 20
    assert cora.get(SEARCH).json == [] and cora.get(SEARCH + "?q=%20-").json == []
    assert cora.get(SEARCH + "?q=" + "é" * 5000).json == []


def test_without_a_loaded_file_the_starter_list_answers_in_both_languages(house):
    cora = house.client("cora")
    [first, *_] = cora.get(SEARCH + "?q=fievre").json
    assert (first["term"], first["also"], first["grades"]) == ("Fever", "Fièvre", dict.fromkeys("12345", ""))
    assert "liste de départ" in text(cora.get(SEARCH + "/search?q=fievre")) or "starter list" in text(cora.get(SEARCH + "/search?q=fievre"))


def test_a_form_asks_in_the_version_that_it_was_begun_under(house):
    load(house)
    load(house, "6.0", Term("90000009", "Fever of six", GENERAL, {"1": "x"}))
    cora = house.client("cora")
    assert [one["term"] for one in cora.get(SEARCH + "?q=fever").json] == ["Fever"]
    assert [one["term"] for one in cora.get(SEARCH + "?q=fever&edition=6.0").json] == ["Fever of six"]


@pytest.mark.parametrize("page", ["", "/search"])
def test_who_may_not_is_refused(house, page):
    url = f"{SEARCH}{page}?q=fever"
    assert house.app.test_client().get(url).headers["Location"].startswith("/sign-in")
    assert house.client("adam").get(url).status_code == 403
    cora = house.client("cora")
    assert cora.get(url.replace("msc_ssc", "salt")).status_code == 404
    assert cora.get(url.replace("ctcae", "meddra")).status_code == 404, "no MedDRA is loaded"
    assert cora.get(url.replace("ctcae", "who")).status_code == 404
    assert cora.post(url).status_code == 405


def test_the_page_lists_terms_and_escapes_what_a_file_says(house):
    load(house)
    answer = english(house, "cora").get(SEARCH + "/search?q=fever&edition=5.0")
    assert answer.status_code == 200
    assert "Look up a term of CTCAE 5.0" in text(answer) and "Heat & more." in text(answer)
    assert "warm &lt;b&gt;" in answer.text and "<b>" not in answer.text.split('id="t1"')[1].split("</section>")[0]
    assert "No term found." in text(english(house, "cora").get(SEARCH + "/search?q=zzzz"))


def test_the_item_is_drawn_with_its_search_and_the_grades_of_the_term_that_stands(house):
    load(house, "5.0", Term("90000001", "Old ague", "Cardiac disorders", {"1": "short", "4": "long"}))
    cora = english(house, "cora")
    enrol(cora)
    blank = cora.get(EVENT).text
    assert 'data-lookup="/studies/msc_ssc/dictionaries/ctcae?edition=5.0"' in blank
    assert 'data-grade="i.AE_GRADE" data-class="i.AE_CLASS" data-graded="i-AE_GRADE-grades"' in blank
    assert re.search(r'<div class="graded" id="i-AE_GRADE-grades" hidden>', blank)
    assert 'target="_blank"' in blank and "Look up the term" in blank and "js/dictionary.js" in blank
    sent = {
        "p": ["AE_WORDS", "AE_CTCAE", "AE_CLASS", "AE_GRADE"],
        "i.AE_WORDS": "x",
        "i.AE_CTCAE": "old ague",
        "i.AE_CLASS": "",
        "version": "0",
    }
    refused = cora.post(EVENT, {**sent, "i.AE_GRADE": "3"})
    assert refused.status_code == 422 and "has no grade 3 in CTCAE 5.0. Its grades: 1, 4." in text(refused)
    assert cora.post(EVENT, {**sent, "i.AE_GRADE": "4"}).status_code == 303
    shown = cora.get(EVENT)
    told = re.search(r'<div class="graded" id="i-AE_GRADE-grades">.*?</div>\s*</div>', shown.text, re.S)
    assert told and "Grade 2" in shown.text.split("graded", 1)[1]
    assert "Grade 1 short" in text(shown) and "Grade 2 does not exist for this term" in text(shown)
    assert '<option value="Cardiac disorders" selected>' in shown.text
    assert "Grade 1 short" in text(house.client("mona").get(EVENT)), "who only reads sees what the grade means"
    assert "js/dictionary.js" not in cora.get(f"{STUDY}/subjects/R-01-001/SCR/1/VITALS/1").text


def test_a_doubt_of_the_dictionary_stands_beside_its_field_until_it_is_confirmed(house):
    load(house)
    cora = english(house, "cora")
    enrol(cora)
    sent = {"p": ["AE_WORDS", "AE_CTCAE"], "i.AE_WORDS": "x", "i.AE_CTCAE": "Feverish", "version": "0"}
    assert cora.post(EVENT, sent).status_code == 303
    shown = cora.get(EVENT)
    assert "“Feverish” is not a term of CTCAE 5.0." in text(shown) and 'name="ok.AE_CTCAE.dictionary_term"' in shown.text
    code = re.search(r'name="ok.AE_CTCAE.dictionary_term">.*?<option value="([A-Z_]+)"', shown.text, re.S)
    assert code
    assert cora.post(EVENT, {**sent, "version": "1", "ok.AE_CTCAE.dictionary_term": code[1]}).status_code == 303
    assert 'name="ok.AE_CTCAE.dictionary_term"' not in cora.get(EVENT).text


def test_the_effect_of_another_version_lists_the_events_that_it_has_no_term_or_grade_for(house):
    load(house, "5.0", replace(FEVER, grades={"1": "x", "2": "x"}))
    cora = english(house, "cora")
    enrol(cora)
    sent = {"p": ["AE_WORDS", "AE_CTCAE", "AE_GRADE"], "i.AE_WORDS": "x", "i.AE_CTCAE": "Fever", "i.AE_GRADE": "2", "version": "0"}
    assert cora.post(EVENT, sent).status_code == 303
    study = house.world.published.study
    assert study.safety
    with house.world.write("trialcrf") as tx:
        publish.publish(tx, replace(study, safety=replace(study.safety, ctcae="6.0")))
    effect = f"{STUDY}/versions/2/effect"
    assert "CTCAE 6.0 is not loaded: which recorded events" in text(cora.get(effect))
    load(house, "6.0", replace(FEVER, grades={"3": "x"}))
    told = text(cora.get(effect))
    assert "Events and CTCAE 6.0" in told and "R-01-001 Fever 2 grades 3 only" in told
