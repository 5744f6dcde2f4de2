"""Queries: each sees those of their sites, the site answers, a reviewer judges, and nobody judges what they did not see."""

from __future__ import annotations

import re

import pytest

from tests.actions.world import typed
from tests.web.site import Browser, House, text
from trialcrf.actions import enrol, enter
from trialcrf.core.document import FormKey
from trialcrf.core.workflow import QueryState
from trialcrf.store import audit, forms, queries, query_lists, replay

CONSENT = {
    "ICF_DATE": (2, 11, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1946), "SEX_BIRTH": "F",
}  # fmt: skip
LIST = "/studies/msc_ssc/queries"


def doubt(house: House, site: str = "01") -> int:
    """A recipient of 80, whose age is doubted; returns the query."""
    house.world.enrol("recipient", site, **CONSENT)
    with house.world.read() as tx:
        return max(one.id for one in query_lists.all_of(tx, "msc_ssc", [site], [QueryState.OPEN]))


def state(house: House, query: int) -> str:
    with house.world.read() as tx:
        return queries.find(tx, query).state.value


def code(house: House) -> str:
    return house.world.published.study.confirmations.items[0].code


def seen(browser: Browser, query: int) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', browser.get(f"{LIST}/{query}").text)
    return found[1] if found else ""


def answered(house: House) -> int:
    query = doubt(house)
    cora = house.client("cora")
    assert cora.post(f"{LIST}/{query}/answer", {"code": code(house), "text": "", "seen": seen(cora, query)}).status_code == 303
    return query


# --- The list ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cora", "ivan", "mona", "dana"])
def test_the_list_tells_where_each_query_stands_and_leads_to_its_field(house, name):
    query = doubt(house)
    answer = house.client(name).get(LIST)
    assert answer.status_code == 200
    assert "R-01-001" in text(answer)
    assert f'href="{LIST}/{query}"' in answer.text
    field = re.search(r'href="(/studies/msc_ssc/subjects/R-01-001/SCR/1/RENROL/1\?field=BIRTH_MONTH)#([^"]+)"', answer.text)
    assert field
    assert f'id="{field[2]}"' in house.client(name).get(field[1]).text


def test_the_list_leaves_out_the_queries_of_another_site(house):
    doubt(house, "02")
    doubt(house)
    read = text(house.client("cora").get(LIST + "?state=all"))
    assert "R-01-001" in read
    assert "R-02-001" not in read
    assert house.client("cora").get(LIST + "?site=02").status_code == 404
    both = text(house.client("mona").get(LIST))
    assert "R-01-001" in both
    assert "R-02-001" in both
    assert "R-02-001" not in text(house.client("mona").get(LIST + "?site=01"))


@pytest.mark.parametrize("name", ["sam", "adam"])
def test_sponsors_and_administrators_see_no_queries(house, name):
    query = doubt(house)
    someone = house.client(name)
    assert someone.get(LIST).status_code == 403
    assert someone.get(f"{LIST}/{query}").status_code == 403


def test_another_study_has_no_such_page(house):
    assert house.client("cora").get("/studies/other/queries").status_code == 404


def test_the_list_is_filtered_by_state_in_the_address(house):
    query = answered(house)
    mona = house.client("mona")
    where = f'href="{LIST}/{query}"'
    assert where in mona.get(LIST).text
    assert where in mona.get(LIST + "?state=answered").text
    assert where not in mona.get(LIST + "?state=open").text
    assert where not in mona.get(LIST + "?state=closed").text
    assert mona.get(LIST + "?state=nonsense").status_code == 404


def test_an_address_with_other_things_in_it_is_no_fault(house):
    doubt(house)
    for more in ("?_scheme=x&_external=1&study=y&_anchor=z", "?page=-1", "?page=999999999999", "?page=²", "?site=%00"):
        assert house.client("mona").get(LIST + more).status_code in (200, 400, 404)


def test_a_long_list_comes_in_pages_of_fifty(house):
    for _ in range(51):
        doubt(house)
    cora = house.client("cora")
    first, second = cora.get(LIST).text, cora.get(LIST + "?page=2").text
    assert first.count('<th scope="row">') == 50
    assert second.count('<th scope="row">') == 1
    assert f'rel="next" href="{LIST}?page=2"' in first
    assert f'rel="prev" href="{LIST}"' in second


def test_an_empty_list_says_how_a_query_comes_about(house):
    assert 'class="empty"' in house.client("cora").get(LIST).text


def test_a_query_of_a_form_or_subject_in_error_leaves_the_list(house):
    query = doubt(house)
    with house.world.write() as tx:
        enrol.mark_subject_error(tx, house.world.subject("R-01-001"), "wrong site")
    mona = house.client("mona")
    assert f'href="{LIST}/{query}"' not in mona.get(LIST + "?state=all").text
    page = mona.get(f"{LIST}/{query}")
    assert page.status_code == 200
    assert 'name="verdict"' not in page.text
    assert mona.post(f"{LIST}/{query}/review", {"verdict": "accept", "seen": "1.1"}).status_code == 409


# --- One query --------------------------------------------------------------------------------------------------------


def test_a_query_shows_the_value_now_and_what_was_said(house):
    query = doubt(house)
    house.client("cora").post(
        f"{LIST}/{query}/answer", {"code": code(house), "text": "seen in the file", "seen": seen(house.client("cora"), query)}
    )
    read = text(house.client("mona").get(f"{LIST}/{query}"))
    assert "5/1946" in read or "05/1946" in read
    assert "seen in the file" in read
    label = house.world.published.study.confirmations.items[0].label
    assert label.in_("fr") in read


def test_a_query_of_another_site_does_not_exist(house):
    query = doubt(house)
    olga = house.client("olga")
    assert olga.get(f"{LIST}/{query}").status_code == 404
    assert olga.post(f"{LIST}/{query}/answer", {"code": code(house), "seen": "1.1"}).status_code == 404
    assert state(house, query) == "open"
    for number in ("9999", "99999999999999999999"):
        assert olga.get(f"{LIST}/{number}").status_code == 404


@pytest.mark.parametrize(
    ("name", "where"), [("mona", "answer"), ("dana", "answer"), ("sam", "answer"), ("cora", "review"), ("ivan", "review")]
)
def test_reviewers_do_not_answer_and_sites_do_not_judge(house, name, where):
    query = doubt(house)
    someone = house.client(name)
    sent = {"code": code(house), "verdict": "accept", "text": "x", "seen": "1.1"}
    assert someone.post(f"{LIST}/{query}/{where}", sent).status_code == 403
    assert state(house, query) == "open"
    if name != "sam":
        assert f"/{where}" not in someone.get(f"{LIST}/{query}").text


@pytest.mark.parametrize("where", ["answer", "review"])
def test_a_get_and_a_post_without_the_token_move_nothing(house, where):
    query = doubt(house)
    for name in ("cora", "mona"):
        someone = house.client(name)
        assert someone.get(f"{LIST}/{query}/{where}").status_code == 405
        assert someone.post(f"{LIST}/{query}/{where}", {"code": code(house), "verdict": "accept"}, token=None).status_code == 400
    assert state(house, query) == "open"


def test_a_query_goes_from_answer_to_rejection_to_answer_to_acceptance(each_house):
    query = answered(each_house)
    mona, cora = each_house.client("mona"), each_house.client("cora")
    assert state(each_house, query) == "answered"
    silent = mona.post(f"{LIST}/{query}/review", {"verdict": "reject", "text": " ", "seen": seen(mona, query)})
    assert silent.status_code == 422
    assert 'id="error-text"' in silent.text
    assert mona.post(f"{LIST}/{query}/review", {"verdict": "reject", "text": "no source", "seen": seen(mona, query)}).status_code == 303
    assert state(each_house, query) == "open"
    again = cora.post(f"{LIST}/{query}/answer", {"code": code(each_house), "text": "", "seen": seen(cora, query)})
    assert again.status_code == 303
    assert mona.post(f"{LIST}/{query}/review", {"verdict": "accept", "text": "", "seen": seen(mona, query)}).status_code == 303
    assert state(each_house, query) == "closed"
    with each_house.world.read() as tx:
        thread = [(past.op, past.actor, past.role) for past in audit.history(tx.connection, "query", str(query), "state")]
        assert list(replay.differences(tx)) == []
    assert thread[1:] == [
        ("answer", "cora", "coordinator"), ("reject", "mona", "monitor"), ("answer", "cora", "coordinator"), ("accept", "mona", "monitor"),
    ]  # fmt: skip


@pytest.mark.parametrize("sent", [{"code": "NONSENSE"}, {"code": ""}, {}])
def test_an_answer_needs_a_reason_of_the_study(house, sent):
    query = doubt(house)
    cora = house.client("cora")
    answer = cora.post(f"{LIST}/{query}/answer", {"text": "kept", "seen": seen(cora, query)} | sent)
    assert answer.status_code == 422
    assert 'id="error-code"' in answer.text
    assert "kept" in answer.text
    assert state(house, query) == "open"


@pytest.mark.parametrize("remark", ["a\0b", "x" * 501])
def test_a_remark_that_cannot_be_recorded_is_told_at_its_box(each_house, remark):
    query = doubt(each_house)
    cora = each_house.client("cora")
    answer = cora.post(f"{LIST}/{query}/answer", {"code": code(each_house), "text": remark, "seen": seen(cora, query)})
    assert answer.status_code == 422
    assert 'id="error-text"' in answer.text


def test_nobody_judges_an_answer_that_they_did_not_see(house):
    query = answered(house)
    mona, dana, cora = house.client("mona"), house.client("dana"), house.client("cora")
    old = seen(mona, query)
    dana.post(f"{LIST}/{query}/review", {"verdict": "reject", "text": "why?", "seen": seen(dana, query)})
    cora.post(f"{LIST}/{query}/answer", {"code": code(house), "text": "because", "seen": seen(cora, query)})
    late = mona.post(f"{LIST}/{query}/review", {"verdict": "accept", "text": "", "seen": old})
    assert late.status_code == 409
    assert state(house, query) == "answered"


def test_nobody_judges_a_value_that_changed_meanwhile(house):
    query = answered(house)
    mona = house.client("mona")
    old = seen(mona, query)
    reason = house.world.published.study.reasons.items[0].code
    house.world.save(house.world.subject("R-01-001"), "RENROL", "SCR", typed(1, reason, BIRTH_MONTH=("", 6, 1945)))
    assert mona.post(f"{LIST}/{query}/review", {"verdict": "accept", "text": "", "seen": old}).status_code == 409
    assert state(house, query) == "answered"


def test_a_verdict_that_is_none_is_not_understood(house):
    query = answered(house)
    mona = house.client("mona")
    assert mona.post(f"{LIST}/{query}/review", {"verdict": "perhaps", "seen": seen(mona, query)}).status_code == 400
    assert state(house, query) == "answered"


def test_a_query_whose_form_was_marked_in_error_can_only_be_read(house):
    query = doubt(house)
    with house.world.write() as tx:
        stored = forms.read(tx, house.world.subject("R-01-001").id, FormKey("SCR", "RENROL"))
        enter.mark_form_error(tx, house.world.subject("R-01-001"), stored, "wrong person")
    cora = house.client("cora")
    page = cora.get(f"{LIST}/{query}")
    assert page.status_code == 200
    assert "wrong person" in text(page)
    assert cora.post(f"{LIST}/{query}/answer", {"code": code(house), "seen": "2.2"}).status_code == 409


def test_queries_of_a_link_form_are_hidden_from_those_who_may_not_read_links(house):
    doubt(house)
    with house.world.read() as tx:
        shown = query_lists.count(tx, "msc_ssc", None, list(QueryState), {"RENROL": ["01"]})
        hidden = query_lists.count(tx, "msc_ssc", None, list(QueryState), {"RENROL": []})
        elsewhere = query_lists.all_of(tx, "msc_ssc", None, list(QueryState), only_at={"RENROL": ["02"]})
    assert (shown, hidden, elsewhere) == (1, 0, [])
