"""How a person is reminded: chosen on the account's page, or stopped by the link in a mail, which only the program can make."""

from __future__ import annotations

import pytest

from tests.web.site import House, text
from trialcrf.actions.reminding import choose
from trialcrf.external import links
from trialcrf.store import accounts, audit, choices, replay, secrets


def link(house: House, name: str = "cora", study: str = "msc_ssc") -> str:
    with house.world.write("trialcrf") as tx:
        return choose.stop_path(tx, house.id_of(tx, name), study)


def chosen(house: House, name: str = "cora") -> str:
    with house.world.read() as tx:
        return choices.of(tx, house.id_of(tx, name), "msc_ssc", "nothing")


# --- The link -----------------------------------------------------------------------------------------------------------


def test_the_link_shows_the_study_and_one_button_and_opening_it_stops_nothing(house):
    answer = house.app.test_client().get(link(house))
    assert answer.status_code == 200
    assert house.world.published.study.protocol in text(answer)
    assert answer.text.count("<button") == 3, "the languages, and the one that matters"
    assert "Cora" not in answer.text and "cora" not in answer.text
    assert chosen(house) == "nothing"


def test_the_button_stops_the_reminders_of_that_person_and_study_without_signing_in(each_house):
    url = link(each_house)
    answer = each_house.app.test_client().post(url)
    assert answer.status_code == 200
    assert "/account" in answer.text
    assert chosen(each_house) == choices.NONE
    assert chosen(each_house, "ivan") == "nothing"
    with each_house.world.read() as tx:
        past = accounts.trail(tx, each_house.id_of(tx, "cora"))[-1]
        assert (past.op, past.actor, past.place) == ("reminders", "link", "reminders msc_ssc none")
        assert audit.broken(tx.connection) is None and list(replay.differences(tx)) == []


def test_a_mail_program_stops_them_in_one_click_and_twice_is_once(each_house):
    url, program = link(each_house), each_house.app.test_client()
    for _ in range(2):
        answer = program.post(url, data="List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
        assert answer.status_code == 200, "RFC 8058: no redirect"
    assert chosen(each_house) == choices.NONE
    with each_house.world.read() as tx:
        ops = [past.op for past in accounts.trail(tx, each_house.id_of(tx, "cora"))]
    assert ops.count("reminders") == 1


def test_it_works_for_whoever_is_signed_in_whoever_that_is(house):
    url = link(house)
    assert house.client("ivan").post(url, token=None).status_code == 200
    assert chosen(house) == choices.NONE


def test_another_site_cannot_press_the_button(house):
    url = link(house)
    for client in (house.app.test_client(), house.client("cora").client):
        assert client.post(url, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert chosen(house) == "nothing"


def test_an_altered_link_does_not_exist(house):
    url = link(house)
    with house.world.read() as tx:
        key, cora = secrets.known_link_key(tx), house.id_of(tx, "cora")
    path, word = "/reminders/stop/", url.rpartition("/")[2]
    payload, _, signature = word.rpartition(".")
    forged = [
        payload + "." + ("A" if signature[0] != "A" else "B") + signature[1:],
        payload[:-2] + ("AA" if payload[-2:] != "AA" else "BB") + "." + signature,
        payload,
        "x",
        links.signed("another key", "stop", str(cora), "msc_ssc"),
        links.signed(key, "calendar", str(cora), "msc_ssc"),
        links.signed(key, "stop", str(cora)),
        links.signed(key, "stop", "999", "msc_ssc"),
        links.signed(key, "stop", str(cora), "no_study"),
    ]
    client = house.app.test_client()
    for wrong in forged:
        assert client.get(path + wrong).status_code == client.post(path + wrong).status_code == 404, wrong
    assert chosen(house) == "nothing"
    assert client.get(url).status_code == 200


def test_before_any_link_was_signed_every_link_is_wrong(house):
    assert house.app.test_client().get("/reminders/stop/" + links.signed("", "stop", "1", "msc_ssc")).status_code == 404


def test_the_key_is_made_once_and_kept(each_house):
    assert link(each_house) == link(each_house)
    with each_house.world.read() as tx:
        assert len(secrets.known_link_key(tx)) >= 40


# --- The account's page ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", choices.CHOICES)
def test_everyone_who_is_reminded_chooses_how(each_house, choice):
    cora = each_house.client("cora")
    page = cora.get("/account").text
    assert 'action="/account/reminders/msc_ssc"' in page
    assert cora.post("/account/reminders/msc_ssc", {"choice": choice}).status_code == 303
    assert chosen(each_house) == choice
    assert f'name="choice" value="{choice}" checked' in cora.get("/account").text
    with each_house.world.read() as tx:
        assert choices.all_of(tx, "msc_ssc") == {each_house.id_of(tx, "cora"): choice}
        past = accounts.trail(tx, each_house.id_of(tx, "cora"))[-1]
        assert (past.actor, past.place) == ("cora", f"reminders msc_ssc {choice}")


def test_what_was_stopped_is_turned_on_again(house):
    house.app.test_client().post(link(house))
    house.client("cora").post("/account/reminders/msc_ssc", {"choice": choices.EACH})
    assert chosen(house) == choices.EACH


def test_a_choice_that_is_none_and_a_study_that_does_not_remind_one_change_nothing(house):
    cora, adam = house.client("cora"), house.client("adam")
    assert cora.post("/account/reminders/msc_ssc", {"choice": "never"}).location == "/account"
    assert cora.post("/account/reminders/other", {"choice": "each"}).status_code == 404
    assert adam.post("/account/reminders/msc_ssc", {"choice": "each"}).status_code == 404
    assert 'action="/account/reminders' not in adam.get("/account").text
    assert chosen(house) == chosen(house, "adam") == "nothing"


def test_a_get_and_a_post_without_the_token_choose_nothing(house):
    cora = house.client("cora")
    assert cora.get("/account/reminders/msc_ssc", query_string={"choice": "none"}).status_code == 405
    assert cora.post("/account/reminders/msc_ssc", {"choice": "none"}, token=None).status_code == 400
    assert house.app.test_client().post("/account/reminders/msc_ssc", data={"choice": "none"}).status_code == 401
    assert chosen(house) == "nothing"
