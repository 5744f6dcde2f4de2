"""The lines of long lists, which are kept as they are drawn: always what stands now, and for each reader what this one may know."""

from __future__ import annotations

import re

import pytest
from jinja2 import meta, nodes

from tests.actions.screening import DONOR
from tests.web.site import Browser
from tests.web.test_queries import LIST, seen
from tests.web.test_query_lists import ask, ticked
from tests.web.test_today import treated
from trialcrf.store import tallies

STUDY = "/studies/msc_ssc"
ASKED = "1 demande de correction"
MATRIX, TODAY = STUDY + "/subjects", STUDY + "/today"


def lines(browser: Browser, where: str) -> list[str]:
    """The lines of all tables, as a person reads them."""
    page = browser.get(where)
    assert page.status_code == 200, where
    found = [part.partition("</tbody>")[0] for part in page.text.split("<tbody>")[1:]]
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for body in found for row in body.split("</tr>")[:-1]]


@pytest.fixture
def drawn(monkeypatch) -> list[object]:
    """What the lines are called that were not kept, as they are drawn."""
    found: list[object] = []
    real = tallies.of_lines

    def noted(tx, some, what, now, draw):
        return real(tx, some, what, now, lambda keys: found.extend(keys) or draw(keys))

    monkeypatch.setattr(tallies, "of_lines", noted)
    return found


@pytest.mark.parametrize("where", [MATRIX, TODAY, LIST])
def test_what_is_recorded_at_a_site_is_told_at_once_and_the_lines_of_the_others_stand(house, drawn, where):
    treated(house)
    for site in ("01", "02"):
        ask(house, site)
    dana = house.client("dana")
    before, every = lines(dana, where), {*drawn}
    assert every
    drawn.clear()
    assert lines(dana, where) == before
    assert drawn == [], "nothing was recorded meanwhile"
    ask(house, "02")
    after = lines(dana, where)
    assert after != before
    assert every & {*drawn}
    assert every - {*drawn}, "those of the other site are as they were"


def test_a_line_says_what_changed_in_a_subject_and_in_a_query(house):
    treated(house)
    number = ask(house, assignee="cora")
    cora, mona = (house.client(name) for name in ("cora", "mona"))
    for reader in (cora, mona):
        assert "cora" in lines(reader, LIST)[-1]
        assert sum(ASKED in line for line in lines(reader, MATRIX)) == 1
    judged = mona.post(f"{LIST}/{number}/review", {"verdict": "cancel", "text": "Asked by mistake.", "seen": seen(mona, number)})
    assert judged.status_code == 303
    for reader in (cora, mona):
        assert not any("cora" in line for line in lines(reader, LIST))
        assert not any(ASKED in line for line in lines(reader, MATRIX))


def test_each_reader_has_lines_of_their_own_in_their_language(house):
    """A donor's infection results are for the donor's physician: others do not even count them."""
    house.world.enrol("donor", **DONOR)
    donors = MATRIX + "?kind=donor"
    cora, dora = (house.client(name) for name in ("cora", "dora"))
    for_cora, for_dora = lines(cora, donors), lines(dora, donors)
    assert for_cora != for_dora
    dora.post("/language", {"language": "en", "next": "/"})
    in_english = lines(dora, donors)
    assert "forms complete" in in_english[0]
    assert "forms complete" not in for_dora[0]
    assert (lines(cora, donors), lines(dora, donors)) == (for_cora, in_english)
    # Who may judge a query ticks it; who may not has no box, though the line is that of the same query.
    number = ask(house)
    mona = house.client("mona")
    for _ in range(2):
        assert f'name="query" value="{number}"' in mona.get(LIST).text
        assert 'name="query"' not in cora.get(LIST).text


def test_a_tick_comes_back_where_the_bulk_action_was_refused_and_nowhere_else(house):
    first, second = ask(house), ask(house)
    mona = house.client("mona")
    mona.get(LIST)
    refused = mona.post(f"{LIST}/bulk", ticked(mona, [second], act="", text=""))
    assert re.findall(r'name="query" value="(\d+)" checked', refused.text) == [str(second)]
    assert "checked" not in re.findall(rf'name="query" value="{first}"[^>]*>', refused.text)[0]
    assert "checked" not in "".join(re.findall(r'name="query"[^>]*>', mona.get(LIST).text))


@pytest.mark.parametrize("template", ["subjects/_line.html", "queries/_line.html", "today/_visit.html"])
def test_a_line_is_drawn_from_nothing_that_another_look_would_not_have(house, template):
    """Neither from the address, nor the time, nor the site of the page: what is kept would be of the page before."""
    environment = house.app.jinja_env
    looked_at = set()
    wanted = [template]
    while wanted:
        name = wanted.pop()
        tree = environment.parse(environment.loader.get_source(environment, name)[0])
        looked_at.add(name)
        wanted += {str(one) for one in meta.find_referenced_templates(tree)} - looked_at
        assert meta.find_undeclared_variables(tree) <= {"_", "ngettext", "sprite"}, name
        assert {one.name for one in tree.find_all(nodes.Filter)} <= {"say", "day", "number"}, name
    assert "_icon.html" in looked_at
