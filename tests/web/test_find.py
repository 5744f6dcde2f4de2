"""The search: what is found, in which order, by whom; and the subjects on which somebody worked last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.actions.screening import DONOR, RECIPIENT
from tests.actions.world import NOW, TRAINED, typed
from tests.conftest import Databases
from tests.web.site import Browser, House, filling_of, open_house, text
from trialcrf.actions import administer
from trialcrf.actions.oversight import review
from trialcrf.core.document import FormKey, Place
from trialcrf.store import accounts, forms, queries, query_lists, subjects

STUDY, EXAMINED = "/studies/msc_ssc", FormKey("SCR", "PHYSEXAM")


def hits(browser: Browser, q: str, kind: str) -> list[str]:
    """What the answers of a kind are called, in their order."""
    page = browser.get("/find", query_string={"q": q})
    assert page.status_code == 200, page.status_code
    found = re.search(rf'<ul class="hits" data-found="{kind}">(.*?)</ul>', page.text, re.S)
    return [re.sub(r"<[^>]+>", "", one).strip() for one in re.findall(r"<a [^>]*>(.*?)</a>", found[1], re.S)] if found else []


class Sought:
    """The application, and everybody of the cast signed in once, reading English."""

    def __init__(self, house: House) -> None:
        self.house, self.world, self._clients = house, house.world, {}

    def client(self, name: str) -> Browser:
        if name not in self._clients:
            with self.world.write("trialcrf") as tx:
                administer.set_preferences(tx, self.house.id_of(tx, name), language="en")
            self._clients[name] = self.house.client(name)
        return self._clients[name]


@pytest.fixture(scope="module")
def sought(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sought]:
    """Three recipients at one site, one at another, a donor; a form and a query of the first."""
    url = databases.fresh("sqlite", filling_of())
    house = open_house(url, tmp_path_factory.mktemp("data"))
    world = house.world
    people = [world.enrol("recipient", **RECIPIENT) for _ in range(3)]
    world.enrol("recipient", "02", **RECIPIENT)
    world.enrol("donor", **DONOR)
    world.save(people[0], "PHYSEXAM", "SCR", typed(PE_TEXT="Nothing"), name="ivan")
    with world.write("dana") as tx:
        stored = forms.read(tx, people[0].id, EXAMINED)
        assert stored
        review.ask(tx, people[0], EXAMINED, stored.id, Place(""), "Was an érythème seen, and where?")
    yield Sought(house)
    house.close()
    databases.drop(url)


def test_a_subject_is_found_by_a_part_of_its_key_the_nearest_first(sought):
    cora = sought.client("cora")
    assert hits(cora, "r-01", "subjects") == ["R-01-001", "R-01-002", "R-01-003"]
    assert hits(cora, "1", "subjects")[:2] == ["D-01-001", "R-01-001"]  # Its number comes before whatever holds the digit.
    assert hits(cora, "003", "subjects") == ["R-01-003"]
    assert hits(cora, "%", "subjects") == hits(cora, "_", "subjects") == []


@pytest.mark.parametrize("q", ["R-01-002", "r01002", "r 01 002", " R-01-002 "])
def test_a_whole_key_leads_to_its_subject_at_once(sought, q):
    answer = sought.client("cora").get("/find", query_string={"q": q})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{STUDY}/subjects/R-01-002")


def test_visits_and_forms_of_a_subject_are_found_by_their_names_in_both_languages(sought):
    cora = sought.client("cora")
    assert hits(cora, "R-01-003 M6 vitals", "forms") == ["Month 6, Vital signs"]
    assert hits(cora, "signes vitaux m6 r-01-003", "forms") == ["Month 6, Vital signs"]
    page = cora.get("/find?q=R-01-003+M6+vitals")
    url = re.search(r'data-found="forms">\s*<li><a href="([^"]+)"', page.text)[1]
    assert url == f"{STUDY}/subjects/R-01-003/M6/1/VITALS/1"
    assert cora.get(url).status_code == 200
    assert hits(cora, "R-01-001 selection examen", "forms") == ["Recipient screening, Physical examination"]
    assert hits(cora, "R-01-003 no such form", "forms") == []


def test_a_query_is_found_by_its_number_and_by_its_words_without_their_accents(sought):
    with sought.world.read() as tx:
        number = query_lists.all_of(tx, "msc_ssc", None, list(queries.QueryState))[-1].id
    cora, olga = sought.client("cora"), sought.client("olga")
    for q in (f"#{number}", f"demande {number}", "erytheme seen", "ÉRYTHÈME", "R-01-001 erytheme"):
        assert hits(cora, q, "queries") == [f"Query {number}, R-01-001"], q
        assert hits(olga, q, "queries") == [], q
    assert hits(cora, "R-01-002 erytheme", "queries") == []
    # Part of a key asks for subjects, whatever else is on the page.
    assert hits(cora, "R-01-0", "queries") == [] and len(hits(cora, "R-01-0", "subjects")) > 1
    assert hits(cora, "erytheme unseen", "queries") == []


def test_who_has_no_right_to_see_a_subject_is_told_nothing_of_it_and_not_even_how_many_there_are(sought):
    """Another site, another kind of subject, a role that sees none: the page is the one of a key that nobody has."""
    for name, q in (("olga", "R-01-00"), ("sam", "R-01-00"), ("lara", "R-01-00"), ("olga", "R-01-001 visit"), ("adam", "R-01-001")):
        client, of_nobody = sought.client(name), "R-99-00" + q[7:]
        pages = [(text(client.get("/find", query_string={"q": one})), one) for one in (q, of_nobody)]
        said = [told.rpartition("from every page.")[2].replace(one, "") for told, one in pages]
        assert said[0] == said[1], (name, q)
        assert "Nothing that you may read answers" in said[0]


def test_whoever_administers_finds_people_and_nobody_else_does(sought):
    assert hits(sought.client("adam"), "dora", "accounts") == ["Dora"]
    assert hits(sought.client("dana"), "dora", "accounts") == []


def test_a_page_is_found_by_its_name(sought):
    assert hits(sought.client("dana"), "delegation", "pages") == ["Delegation log"]
    assert hits(sought.client("sam"), "delegation", "pages") == []


def test_where_somebody_recorded_something_last_stands_on_their_day_and_nobody_elses(sought):
    world, ivan = sought.world, sought.client("ivan")
    world.save(world.subject("R-01-002"), "PHYSEXAM", "SCR", typed(PE_TEXT="Nothing"), name="ivan", now=NOW + timedelta(hours=1))
    assert hits(ivan, "", "recent") == ["R-01-002", "R-01-001"]
    assert hits(sought.client("dana"), "", "recent") == ["R-01-001"]
    assert hits(sought.client("mona"), "", "recent") == []
    day = ivan.get(f"{STUDY}/today")
    assert re.findall(r'<nav class="recent".*?</nav>', day.text, re.S)[0].count("R-01-002") == 2  # the address and the name


def test_what_is_in_error_is_found_no_more_and_neither_is_what_was_of_a_site_before(sought):
    world = sought.world
    with world.write("ivan") as tx:
        subjects.mark_error(tx, world.subject("R-01-003"), "Enrolled twice")
    assert hits(sought.client("cora"), "R-01", "subjects") == ["R-01-001", "R-01-002"]
    with world.write("trialcrf") as tx:
        account = sought.house.id_of(tx, "ivan")
        administer.take_role(tx, account, accounts.grants_of(tx, account)[0].id, "He works elsewhere")
        administer.give_role(tx, account, "investigator", "msc_ssc", "02", TRAINED)
    elsewhere = sought.house.client("ivan")
    assert hits(elsewhere, "", "recent") == []
    assert hits(elsewhere, "R-0", "subjects") == ["R-02-001"]


def test_both_databases_find_the_same(each_house):
    world, client = each_house.world, each_house.client("dana")
    recipient = world.enrol("recipient", **RECIPIENT)
    with world.write("dana") as tx:
        review.ask(tx, recipient, FormKey("SCR", ""), None, Place(""), "Was 100 % of the érythème seen?")
    assert hits(client, "01001 visit", "subjects") == hits(client, "", "recent") == ["R-01-001"]
    assert len(hits(client, "r-01-001 scr vitals", "forms")) == 1
    assert len(hits(client, "ERYTHEME 100", "queries")) == 1
    assert hits(client, "erytheme 1%0", "queries") == []
