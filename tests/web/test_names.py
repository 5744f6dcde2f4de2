"""The list of names of a site and the question that a name in a free text raises, on the real pages."""

from __future__ import annotations

import pytest
from sqlalchemy import text as sql

from tests.web.site import Browser, House, text
from tests.web.test_inspector import RENROL
from trialcrf.store import audit, replay, site_names, sites

LIST = "/studies/msc_ssc/sites/01/names"


def count(house: House, site: str = "01") -> int:
    with house.world.read() as tx:
        where = sites.find(tx, "msc_ssc", site)
        assert where
        return site_names.count(tx, where)


def stored(house: House, word: str) -> bool:
    with house.world.read() as tx:
        tables = ("audit_record", "audit_value", "query", "form", "site_name")
        return any(word in str(tuple(row)) for table in tables for row in tx.read(sql(f"SELECT * FROM {table}")))


def test_a_site_replaces_its_list_and_nobody_reads_it_again(each_house):
    cora = each_house.client("cora")
    assert cora.get("/studies/msc_ssc/names").location.endswith(LIST)
    assert cora.post(LIST, {"names": "Dupont\nMartin Hélène"}).location.endswith("done=names")
    assert count(each_house) == 2
    assert "Dupont" not in cora.get(LIST).text
    assert not stored(each_house, "Dupont")
    cora.post(LIST, {"names": ""})
    assert count(each_house) == 0


@pytest.mark.parametrize(("name", "status"), [("olga", 404), ("mona", 403), ("dana", 403), ("iris", 403), ("adam", 403)])
def test_nobody_else_opens_or_replaces_the_list(house, name, status):
    someone = house.client(name)
    expected = {status, 404} if name == "adam" else {status}
    assert someone.get(LIST).status_code in expected
    assert someone.post(LIST, {"names": "x y"}).status_code in expected
    assert count(house) == 0


def test_a_list_needs_the_token_of_the_page_and_a_name_in_it(house):
    cora = house.client("cora")
    assert cora.post(LIST, {"names": "Dupont"}, token=None).status_code == 400
    answer = cora.post(LIST, {"names": "12345"})
    assert answer.status_code == 422
    assert 'id="error-names"' in answer.text
    assert count(house) == 0


def test_a_name_in_a_study_form_is_saved_and_asked_about_at_its_place(each_house):
    subject, cora = each_house.world.enrol("recipient", **RENROL), each_house.client("cora")
    cora.post(LIST, {"names": "Dupont"})
    sent = {"i.DVTERM": "vu avec Mme DUPONT", "p": "DVTERM"}
    answer = cora.post(f"/studies/msc_ssc/subjects/{subject.key}/DV/1/DEVIATION/1", sent)
    assert answer.status_code == 303
    with each_house.world.read() as tx:
        assert tx.read(sql("SELECT place, state FROM query WHERE check_oid = 'name'")).all() == [("DVTERM", "open")]


def test_a_name_on_a_fixed_page_is_asked_about_before_anything_is_written(each_house):
    subject, cora = each_house.world.enrol("recipient", **RENROL), each_house.client("cora")
    cora.post(LIST, {"names": "Dupont"})
    asked = _comment(cora, subject, "demandé à Dupont")
    assert asked.status_code == 422
    assert 'name="name_reason"' in asked.text
    assert "demandé à Dupont" in text(asked)
    assert not stored(each_house, "demandé à")


def test_with_a_reason_it_goes_through_and_the_trail_tells_that_and_not_the_name(each_house):
    subject, cora = each_house.world.enrol("recipient", **RENROL), each_house.client("cora")
    cora.post(LIST, {"names": "Dupont"})
    assert _comment(cora, subject, "canal de Dupont", name_reason="06 12 34 56 78").status_code == 422
    assert _comment(cora, subject, "canal de Dupont", name_reason="an anatomical name").status_code in (302, 303)
    with each_house.world.read() as tx:
        told = tx.read(sql("SELECT actor, chain, reason FROM audit_record WHERE op = 'confirm_name'")).all()
        assert told == [("cora", "msc_ssc/01", "an anatomical name")]
        assert audit.broken(tx.connection) is None
        assert list(replay.differences(tx)) == []


def test_a_text_of_the_sponsor_is_held_against_the_lists_of_every_site(house):
    subject, cora, dana = house.world.enrol("recipient", **RENROL), house.client("cora"), house.client("dana")
    cora.post(LIST, {"names": "Dupont"})
    assert _comment(dana, subject, "appeler Dupont").status_code == 422


def _comment(browser: Browser, subject, words: str, **more: str):
    url = f"/studies/msc_ssc/subjects/{subject.key}/SCR/1/RENROL/1/thread/comment"
    return browser.post(url, {"text": words, "place": "", **more})


def test_a_refused_text_stays_on_the_page_and_its_history_tells_that_it_was_not_kept(house):
    subject, cora = house.world.enrol("recipient", **RENROL), house.client("cora")
    url = f"/studies/msc_ssc/subjects/{subject.key}/DV/1/DEVIATION/1"
    assert cora.post(url, {"i.DVTERM": "vu en retard", "p": "DVTERM"}).status_code == 303
    sent = {"i.DVTERM": "rappeler au 06 12 34 56 78", "p": "DVTERM", "why.DVTERM": "SOURCE", "version": "1"}
    answer = cora.post(url, sent)
    assert answer.status_code == 422
    assert "rappeler au 06 12 34 56 78" in text(answer)
    assert "numéro de téléphone" in text(answer)
    read = text(cora.get(f"{url}/history"))
    assert "06 12 34 56 78" not in read
    assert "données personnelles" in read
