"""Users over time on the pages: training that opens the door, who could do what on a day, its review, and the delegation log."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.actions.world import PASSWORD
from tests.web.site import House, text
from trialcrf.actions import administer
from trialcrf.external import clock
from trialcrf.store import accounts, audit, delegations, replay

ACCESS, REVIEW = "/studies/msc_ssc/access", "/studies/msc_ssc/access/review"
LOG, DELEGATE = "/studies/msc_ssc/delegation", "/studies/msc_ssc/sites/01/delegation"
NOW = clock.now()


def day(on, **more: str) -> dict[str, str]:
    return {"day": str(on.day), "month": str(on.month), "year": str(on.year), **more}


def newcomer(house: House, role="coordinator", site="01") -> tuple[int, int]:
    """Nina, with a role for which no training is recorded: (account, role)."""
    with house.world.write("trialcrf") as tx:
        account = administer.create_account(tx, "nina", "Nina", "nina@example.org", "Hospital", "fr")
        administer.give_role(tx, account, role, "msc_ssc", site)
        return account, accounts.grants_of(tx, account)[0].id


def sound(house: House) -> bool:
    with house.world.read() as tx:
        return audit.broken(tx.connection) is None and list(replay.differences(tx)) == []


# --- Training ---------------------------------------------------------------------------------------------------------


def test_the_door_opens_with_the_training_that_an_administrator_records(each_house):
    account, grant = newcomer(each_house)
    nina, adam = each_house.client("nina"), each_house.client("adam")
    assert nina.get("/studies/msc_ssc/subjects").status_code == 404
    page = adam.get(f"/people/{account}").text
    assert f'action="/people/{account}/roles/{grant}/training"' in page
    url, today = f"/people/{account}/roles/{grant}/training", NOW.date()
    sent = {f"train-{grant}-{box}": value for box, value in day(today).items()}
    assert adam.post(url, sent).status_code == 303
    assert nina.get("/studies/msc_ssc/subjects").status_code == 200
    assert sound(each_house)


def test_what_is_wrong_with_a_training_is_told_at_its_box(house):
    account, grant = newcomer(house)
    adam, url = house.client("adam"), f"/people/{account}/roles/{grant}/training"
    ahead = NOW.date() + timedelta(days=2)
    for sent in ({}, {f"train-{grant}-{box}": value for box, value in day(ahead).items()}):
        answer = adam.post(url, sent)
        assert answer.status_code == 422
        assert f'id="error-train-{grant}-on"' in answer.text
    for name in ("cora", "dana"):
        assert house.client(name).post(url, {}).status_code == 403


# --- Who could do what ------------------------------------------------------------------------------------------------


def test_the_page_and_its_file_tell_the_same_roles_of_a_day(house):
    dana = house.client("dana")
    page = dana.get(ACCESS, query_string=day(NOW.date()))
    assert page.status_code == 200
    assert all(name in text(page) for name in ("cora", "olga", "iris", "adam"))
    rows = list(csv.DictReader(io.StringIO(dana.get(f"{ACCESS}.csv", query_string=day(NOW.date())).text.removeprefix("\ufeff"))))
    held = {row["username"]: row for row in rows}
    assert held["cora"]["role"] == "coordinator"
    assert "form.enter" in held["cora"]["verbs"].split()
    assert "query.review" not in held["cora"]["verbs"].split()
    assert held["adam"]["study"] == "*"
    assert not list(csv.DictReader(io.StringIO(dana.get(f"{ACCESS}.csv", query_string=day(NOW.date(), year="2020")).text[1:])))


def test_a_site_is_shown_with_its_own_people(house):
    at_site = clock.now().astimezone(ZoneInfo("Pacific/Tahiti")).date()
    read = text(house.client("dana").get(ACCESS, query_string={**day(at_site), "site": "02"}))
    assert "olga" in read
    assert "cora" not in read
    assert house.client("dana").get(ACCESS, query_string={"site": "99"}).status_code == 404


@pytest.mark.parametrize("asked", [{"day": "31", "month": "2", "year": "2026"}, {"day": "1"}, {"day": "1", "month": "1", "year": "2999"}])
def test_a_day_that_is_none_or_to_come_is_told(house, asked):
    answer = house.client("dana").get(ACCESS, query_string=asked)
    assert answer.status_code == 422
    assert 'id="error-day"' in answer.text
    assert house.client("dana").get(f"{ACCESS}.csv", query_string=asked).status_code == 404


@pytest.mark.parametrize("name", ["cora", "ivan", "mona", "sam", "lara"])
def test_only_who_administers_manages_or_inspects_sees_who_has_access(house, name):
    someone = house.client(name)
    for url in (ACCESS, f"{ACCESS}.csv", f"{ACCESS}/reviews", REVIEW):
        assert someone.get(url).status_code == 403, url
    assert someone.post(REVIEW, {}).status_code == 403


def test_access_pages_name_no_subject_and_lead_from_the_navigation(house):
    adam = house.client("adam")
    assert 'href="/access"' in adam.get("/people").text
    assert adam.get("/access").location.endswith(ACCESS)
    assert adam.get(ACCESS).status_code == 200


def test_a_review_is_signed_and_what_it_takes_away_ends_at_once(each_house):
    adam, cora = each_house.client("adam"), each_house.client("cora")
    page = adam.get(REVIEW).text
    lines = re.findall(r'<fieldset id="line-(\d+)"', page)
    with each_house.world.read() as tx:
        grant = accounts.grants_of(tx, each_house.id_of(tx, "cora"))[0].id
    seen = re.search(r'name="seen" value="([0-9a-f]+)"', page)
    assert seen
    sent = {f"line-{id_}": "keep" for id_ in lines} | {"seen": seen[1], "password": PASSWORD}
    sent |= {f"line-{grant}": "revoke"}
    without = adam.post(REVIEW, sent)
    assert without.status_code == 422
    assert f'id="error-{grant}"' in without.text
    sent[f"reason-{grant}"] = "left the hospital"
    assert adam.post(REVIEW, {**sent, "password": "wrong"}).status_code == 422
    assert cora.get("/studies/msc_ssc/subjects").status_code == 200
    assert adam.post(REVIEW, sent).status_code == 303
    assert cora.get("/studies/msc_ssc/subjects").status_code == 302
    assert each_house.client("cora").get("/studies/msc_ssc/subjects").status_code == 404
    assert "left the hospital" in text(each_house.client("dana").get(f"{ACCESS}/reviews"))
    assert sound(each_house)


# --- The delegation log -----------------------------------------------------------------------------------------------


def test_an_investigator_delegates_and_ends_it_and_everybody_of_the_site_reads_the_log(each_house):
    ivan, today = each_house.client("ivan"), NOW.astimezone(ZoneInfo("Europe/Paris")).date()
    sent = day(today, username="cora", password=PASSWORD) | {"tasks": ["data_entry", "consent"]}
    assert ivan.post(DELEGATE, sent).status_code == 303
    with each_house.world.read() as tx:
        (line,) = delegations.all_of(tx, "msc_ssc")
    assert "Cora" in text(each_house.client("mona").get(LOG))
    assert each_house.client("olga").get(LOG).text.count('class="state active"') == 0
    ending = f"{DELEGATE}/{line.id}/end"
    assert ivan.get(ending).status_code == 200
    assert ivan.post(ending, day(today, reason="moved", password="wrong")).status_code == 422
    assert ivan.post(ending, day(today, reason="moved", password=PASSWORD)).status_code == 303
    assert sound(each_house)


def test_what_is_wrong_with_a_delegation_is_told_and_what_was_chosen_stays(house):
    ivan = house.client("ivan")
    answer = ivan.post(DELEGATE, day(NOW.astimezone(ZoneInfo("Europe/Paris")).date(), username="cora", password=PASSWORD))
    assert answer.status_code == 422
    assert 'id="error-tasks"' in answer.text
    assert '<option selected value="cora">' in answer.text
    assert ivan.post(DELEGATE, {"username": "cora", "tasks": "consent", "password": PASSWORD}).status_code == 422
    assert ivan.get(f"{DELEGATE}/999/end").status_code == 404


@pytest.mark.parametrize(("name", "read", "write"), [("cora", 200, 403), ("olga", 200, 403), ("mona", 200, 403), ("sam", 403, 403)])
def test_who_reads_the_log_and_who_does_not_write_it(house, name, read, write):
    someone = house.client(name)
    assert someone.get(LOG).status_code == read
    assert someone.get(DELEGATE).status_code == write
    assert someone.post(DELEGATE, {}).status_code == write
    assert house.client("ivan").get("/studies/msc_ssc/sites/02/delegation").status_code == 404
