"""The list of queries with its filters, several at once, and their ageing, on a page and as a file."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime, timedelta

from tests.actions.world import NOW
from tests.web.site import Browser, House, text
from tests.web.test_queries import CONSENT, LIST
from trialcrf.actions.oversight import review
from trialcrf.core.document import FormKey, Place
from trialcrf.core.workflow import QueryState
from trialcrf.store import forms, queries, replay, sites

KEY = FormKey("SCR", "RENROL")
LONG_AGO = NOW - timedelta(days=400)
"""The pages go by the true clock: what was to be answered then is overdue whenever these tests run."""


def ask(house: House, site: str = "01", now: datetime = NOW, **more) -> int:
    """A query of Mona about a new recipient's consent."""
    subject = house.world.enrol("recipient", site, **(CONSENT | {"BIRTH_MONTH": ("", 5, 1981)}))
    with house.world.write("mona", now) as tx:
        return review.ask(tx, subject, KEY, forms.read(tx, subject.id, KEY).id, Place("BIRTH_MONTH"), "Which source?", **more)


def found(house: House, number: int):
    with house.world.read() as tx:
        return queries.find(tx, number)


def states(house: House, *numbers: int) -> list[str]:
    return [found(house, number).state.value for number in numbers]


def ticked(browser: Browser, numbers: list[int], where: str = LIST, **more: object) -> dict[str, object]:
    """What the list sends when these queries are ticked."""
    page = browser.get(where).text
    seen = dict(re.findall(r'name="(seen\.\d+)" value="([^"]+)"', page))
    return {**seen, "query": [str(number) for number in numbers], **more}


def do(browser: Browser, numbers: list[int], **more: object):
    return browser.post(f"{LIST}/bulk", ticked(browser, numbers, **more))


# --- Filters ------------------------------------------------------------------------------------------------------------


def test_the_list_is_filtered_by_who_asks_who_answers_and_what_is_overdue(house):
    mine, late = ask(house, assignee="cora"), ask(house, now=LONG_AGO, due_on=LONG_AGO.date())
    house.world.enrol("recipient", **(CONSENT | {"BIRTH_MONTH": ("", 5, 1940)}))
    cora = house.client("cora")

    def listed(where: str) -> list[int]:
        answer = cora.get(LIST + where)
        assert answer.status_code == 200, where
        return [int(number) for number in re.findall(rf'href="{LIST}/(\d+)"', answer.text)]

    (by_check,) = listed("?by=checks")
    assert listed("?who=-me") == [mine]
    assert listed("?who=cora") == [mine]
    assert listed("?who=-nobody") == [late, by_check]
    assert listed("?by=people&state=open") == [late, mine]
    assert listed("?subject=r-01-003") == [by_check]
    assert listed("?late=1") == [late]
    assert 'class="empty"' in cora.get(LIST + "?who=-me&state=closed").text
    for wrong in ("?by=nonsense", "?late=2"):
        assert cora.get(LIST + wrong).status_code == 404
    chosen = cora.get(LIST + "?who=-me&by=people&subject=R-01").text
    assert f'href="{LIST}?who=-me&amp;by=people&amp;subject=R-01&amp;state=closed"' in chosen  # a chip keeps the other filters
    assert 'value="-me" selected' in chosen


# --- Several at once ----------------------------------------------------------------------------------------------------


def test_each_of_several_is_done_or_named_with_why_not(each_house):
    house = each_house
    one, two, three, four = (ask(house) for _ in range(4))
    mona = house.client("mona")
    sent = ticked(mona, [one, two, three, four, 9999], act="cancel", text="asked by mistake")
    for number, what in ((two, review.accept), (three, review.assign)):  # Somebody else was faster.
        query = found(house, number)
        with house.world.write("dana") as tx:
            what(tx, house.world.subject(query.subject).site, query, *(("",) if what is review.accept else ("cora", "")))
    answer = mona.post(f"{LIST}/bulk", sent)
    assert answer.status_code == 200
    assert states(house, one, two, three, four) == ["cancelled", "closed", "open", "cancelled"]
    failed, done = answer.text.split('id="done-title"')
    assert [number for number in (one, two, three, four) if f'href="{LIST}/{number}"' in failed] == [two, three]
    assert [number for number in (one, two, three, four) if f'href="{LIST}/{number}"' in done] == [one, four]
    assert f"{LIST}/9999" in failed
    with house.world.read() as tx:
        assert list(replay.differences(tx)) == []


def test_several_are_accepted_assigned_or_given_a_day_each_with_its_reason(house):
    numbers = [ask(house), ask(house)]
    dana = house.client("dana")
    assert do(dana, numbers, act="assign", assignee="ivan", text="is back").status_code == 200
    assert do(dana, numbers, act="due", day="1", month="12", year="2050").status_code == 200
    assert [(found(house, one).assignee, found(house, one).due_on) for one in numbers] == [("ivan", date(2050, 12, 1))] * 2
    assert do(dana, numbers, act="accept").status_code == 200
    assert states(house, *numbers) == ["closed", "closed"]


def test_what_cannot_be_understood_is_asked_again_and_nothing_is_done(house):
    number = ask(house)
    mona = house.client("mona")
    for more in (
        {"act": "nonsense"},
        {"act": "cancel", "text": " "},
        {"act": "due"},
        {"act": "due", "day": "31", "month": "2", "year": "2050"},
    ):
        again = do(mona, [number], **more)
        assert again.status_code == 422, more
        assert f'name="query" value="{number}" checked' in again.text
    assert do(mona, [], act="accept").status_code == 422
    assert mona.post(f"{LIST}/bulk", ticked(mona, [number], act="accept") | {f"seen.{number}": "0.0"}).status_code == 200
    assert states(house, number) == ["open"]


def test_nobody_else_judges_several_and_no_get_does(house):
    number, elsewhere = ask(house), ask(house, "02")
    cora, mona = house.client("cora"), house.client("mona")
    assert 'name="query"' not in cora.get(LIST).text
    assert cora.post(f"{LIST}/bulk", {"query": [str(number)], "act": "accept"}).status_code == 403
    assert mona.get(f"{LIST}/bulk").status_code == 405
    assert mona.post(f"{LIST}/bulk", ticked(mona, [number], act="accept"), token=None).status_code == 400
    assert mona.post("/studies/other/queries/bulk", {"query": [str(number)]}).status_code == 404
    assert states(house, number, elsewhere) == ["open", "open"]


def test_one_is_assigned_cancelled_and_opened_again_on_its_own_page(house):
    number = ask(house)
    mona, cora = house.client("mona"), house.client("cora")

    def seen() -> str:
        return re.search(r'name="seen" value="([^"]+)"', mona.get(f"{LIST}/{number}").text)[1]

    arrange = f"{LIST}/{number}/arrange"
    assert mona.post(arrange, {"seen": seen(), "assignee": "cora", "day": "1", "month": "12", "year": "2050"}).status_code == 303
    assert (found(house, number).assignee, found(house, number).due_on) == ("cora", date(2050, 12, 1))
    assert mona.post(arrange, {"seen": seen(), "assignee": "cora", "day": "1", "month": "12", "year": "2050"}).status_code == 409
    assert mona.post(arrange, {"seen": seen(), "assignee": "olga"}).status_code == 422
    old = seen()
    assert mona.post(arrange, {"seen": old, "assignee": ""}).status_code == 303
    assert (found(house, number).assignee, found(house, number).due_on) == ("", None)
    assert mona.post(arrange, {"seen": old, "assignee": "cora"}).status_code == 409
    assert cora.post(arrange, {"seen": seen(), "assignee": "cora"}).status_code == 403
    for verdict, state in (("cancel", "cancelled"), ("reopen", "open")):
        assert mona.post(f"{LIST}/{number}/review", {"seen": seen(), "verdict": verdict, "text": " "}).status_code == 422
        assert mona.post(f"{LIST}/{number}/review", {"seen": seen(), "verdict": verdict, "text": "why"}).status_code == 303
        assert states(house, number) == [state]
    # A person's question is answered in words, and a settled one not at all.
    assert cora.post(f"{LIST}/{number}/answer", {"seen": seen(), "text": ""}).status_code == 422
    mona.post(f"{LIST}/{number}/review", {"seen": seen(), "verdict": "accept"})
    closed = cora.post(f"{LIST}/{number}/answer", {"seen": mona_seen(house, number), "text": "yes"})
    assert closed.status_code == 409
    assert "fermée" in text(closed) or "close" in text(closed)


def mona_seen(house: House, number: int) -> str:
    with house.world.read() as tx:
        return queries.seen(tx, [number])[number]


# --- Ageing -------------------------------------------------------------------------------------------------------------


def test_ageing_tells_the_numbers_of_each_site_and_the_file_is_harmless(house):
    house.world.enrol("recipient", "02", **(CONSENT | {"BIRTH_MONTH": ("", 5, 1940)}))
    number = ask(house)
    ask(house, now=LONG_AGO, due_on=LONG_AGO.date())
    with house.world.write("cora", NOW + timedelta(days=3)) as tx:
        review.answer(tx, house.world.published.study, house.world.subject("R-01-001").site, found(house, number), "", "yes")
    with house.world.write("trialcrf") as tx:
        sites.create(tx, house.world.published.study_id, "03", "=cmd", "Europe/Paris")
    mona, cora = house.client("mona"), house.client("cora")
    rows = list(csv.reader(io.StringIO(mona.get(f"{LIST}/ageing.csv").text.removeprefix("\ufeff"))))
    assert [row[0] for row in rows[1:]] == ["01", "02", "03", ""]
    assert rows[3][1] == "'=cmd"
    by_state = [row[2 : 2 + len(QueryState)] for row in rows[1:]]
    assert by_state == [["1", "1", "0", "0", "0"], ["1", "0", "0", "0", "0"], ["0"] * 5, ["2", "1", "0", "0", "0"]]
    assert (rows[1][-3], rows[1][-1]) == ("3", "1")
    page = mona.get(f"{LIST}/ageing")
    assert page.status_code == 200
    assert f'{LIST}?state=open&amp;site=01"' in page.text
    own = list(csv.reader(io.StringIO(cora.get(f"{LIST}/ageing.csv").text)))
    assert [row[0] for row in own[1:]] == ["01"]
    for name, status in (("sam", 403), ("adam", 403)):
        assert house.client(name).get(f"{LIST}/ageing").status_code == status
        assert house.client(name).get(f"{LIST}/ageing.csv").status_code == status
