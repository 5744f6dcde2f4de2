"""Sessions: how long they last, who sees and ends them, what ends them besides, and that nothing typed is lost by it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from tests.actions.world import PASSWORD
from tests.web.served import served
from tests.web.site import Browser, House, text
from tests.web.test_entry_pages import VITALS, enrol, stored, weight
from trialcrf.actions import administer, publish
from trialcrf.core.definition.session import SessionLimits
from trialcrf.core.document import Place
from trialcrf.store import accounts, audit
from trialcrf.store.models import session as session_table

SESSIONS = "/account/sessions"
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


def alter(house: House, **values: object) -> None:
    """Every session as if that had been so."""
    with house.world.engine.begin() as connection:
        connection.execute(update(session_table).values(**values))


def rows(house: House) -> list:
    with house.world.read() as tx:
        return list(tx.read(select(session_table).order_by(session_table.c.id)))


def republish(house: House, **limits: int) -> None:
    study = house.world.published.study
    with house.world.write("trialcrf") as tx:
        publish.publish(tx, replace(study, sessions=SessionLimits(**limits)))


def ago(**how_long: int) -> datetime:
    return datetime.now(UTC) - timedelta(**how_long)


def others(browser: Browser) -> list[int]:
    return [int(found) for found in re.findall(r'action="/account/sessions/(\d+)/end"', browser.get(SESSIONS).text)]


# --- How long they last ------------------------------------------------------------------------------------------------


def test_a_session_begins_under_the_limits_of_its_persons_studies(house):
    republish(house, idle_minutes=5, absolute_hours=2)
    cora, adam = house.client("cora"), house.client("adam")  # Adam administers every study.
    alter(house, seen_at=ago(minutes=4), created_at=ago(minutes=119))
    assert cora.get("/account").status_code == adam.get("/account").status_code == 200
    alter(house, seen_at=ago(minutes=6))
    assert cora.get("/account").status_code == adam.get("/account").status_code == 302
    alter(house, seen_at=ago(minutes=1), created_at=ago(minutes=121))
    assert cora.get("/account").status_code == 302


def test_a_shorter_limit_holds_for_open_sessions_from_its_publication_and_a_longer_one_does_not(each_house):
    cora = each_house.client("cora")
    republish(each_house, idle_minutes=10)
    republish(each_house, idle_minutes=200, absolute_hours=24)
    alter(each_house, seen_at=ago(minutes=11))
    assert cora.get("/account").status_code == 302


def test_use_keeps_a_session_and_a_page_that_asks_by_itself_does_not(house):
    cora = house.client("cora")
    cora.get("/account")
    alter(house, seen_at=ago(minutes=20))
    before = rows(house)[0].seen_at
    assert cora.get("/account", headers={"Trialcrf-Unattended": "1"}).status_code == 200
    assert rows(house)[0].seen_at == before
    cora.get("/account")
    assert rows(house)[0].seen_at > ago(minutes=1)


# --- Seen and ended by their owner -------------------------------------------------------------------------------------


def test_a_person_sees_their_sessions_with_browser_and_address_and_ends_one(each_house):
    here, there = each_house.client("cora"), each_house.client("cora")
    each_house.client("olga")
    there.get("/account", headers=FIREFOX, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    alter(each_house, browser="")  # As those are that were not used yet.
    there.get("/account", headers=FIREFOX, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    page = here.get(SESSIONS)
    assert "Firefox" in text(page) and "192.0.2.7" in text(page) and page.text.count('class="held"') == 2
    (number,) = others(here)
    assert here.post(f"{SESSIONS}/{number}/end").status_code == 303
    assert there.get("/account").status_code == 302
    assert here.get("/account").status_code == 200
    with each_house.world.read() as tx:
        told = audit.history(tx.connection, "account", str(each_house.account("cora")), f"end_session {number}")
    assert [past.actor for past in told] == ["cora"]


def test_nobody_ends_the_session_of_somebody_else_by_its_number(house):
    cora, olga = house.client("cora"), house.client("olga")
    (hers,) = [one.id for one in rows(house) if one.account_id == house.account("olga")]
    assert cora.post(f"{SESSIONS}/{hers}/end").status_code == 422
    assert olga.get("/account").status_code == 200


def test_all_the_others_are_ended_at_once(each_house):
    here, there, too = (each_house.client("cora") for _ in range(3))
    assert here.post(f"{SESSIONS}/end-others").status_code == 303
    assert [one.get("/account").status_code for one in (here, there, too)] == [200, 302, 302]


def test_an_administrator_ends_every_session_of_a_person_with_a_reason(each_house):
    adam, cora, olga = (each_house.client(name) for name in ("adam", "cora", "olga"))
    url = f"/people/{each_house.account('cora')}/sessions/end"
    assert adam.post(url, {"sessions-reason": " "}).status_code == 422
    assert olga.post(url, {"sessions-reason": "why not"}).status_code == 403
    assert cora.get("/account").status_code == 200
    assert adam.post(url, {"sessions-reason": "lost telephone"}).status_code == 303
    assert cora.get("/account").status_code == 302
    assert olga.get("/account").status_code == 200
    assert "lost telephone" in text(adam.get(f"/people/{each_house.account('cora')}"))


# --- What else ends them, with nothing lost ----------------------------------------------------------------------------


def sign_out_elsewhere(house: House) -> None:
    with house.world.engine.begin() as connection:
        connection.execute(update(session_table).values(ended_at=datetime.now(UTC)))


def ended_by_administrator(house: House) -> None:
    house.client("adam").post(f"/people/{house.account('cora')}/sessions/end", {"sessions-reason": "a doubt"})


def role_given(house: House) -> None:
    with house.world.write("adam") as tx:
        administer.give_role(tx, house.id_of(tx, "cora"), "coordinator", "msc_ssc", "02", datetime(2020, 1, 1, tzinfo=UTC).date())


def role_taken(house: House) -> None:
    role_given(house)
    with house.world.write("adam") as tx:
        account = house.id_of(tx, "cora")
        administer.take_role(tx, account, accounts.grants_of(tx, account)[-1].id, "one site is enough")


def password_changed(house: House) -> None:
    house.client("cora").post("/account/password", {"old": PASSWORD, "new": "another long sentence"})


def idle(house: House) -> None:
    alter(house, seen_at=ago(minutes=31))


def too_old(house: House) -> None:
    alter(house, created_at=ago(hours=13))


@pytest.mark.parametrize(
    "cause",
    [sign_out_elsewhere, ended_by_administrator, role_given, role_taken, password_changed, idle, too_old],
    ids=lambda one: one.__name__,
)
def test_whatever_ends_a_session_the_open_form_is_saved_once_its_person_signed_in_again(house, cause):
    cora = house.client("cora")
    enrol(cora)
    old = cora.client.get_cookie("trialcrf").value
    cause(house)
    asked = cora.post(VITALS, weight("62"))
    assert asked.status_code == 401 and stored(house) is None
    assert re.search(r'name="i\.WT"[^>]*>62<', asked.text)
    password = "another long sentence" if cause is password_changed else PASSWORD
    assert cora.post(VITALS, weight("62", sign_in_username="cora", sign_in_password=password)).status_code == 303
    assert stored(house).document.at(Place("WT")).text == "62"
    assert cora.client.get_cookie("trialcrf").value != old


def test_an_administrator_who_gives_themselves_a_role_goes_on_working(house):
    adam = house.client("adam")
    url = f"/people/{house.account('adam')}/roles"
    assert adam.post(url, {"role": "administrator", "study": "msc_ssc", "site": ""}).status_code == 303
    assert adam.get("/people").status_code == 200


# --- A stolen cookie ---------------------------------------------------------------------------------------------------


def test_a_stolen_cookie_is_dead_after_signing_out_over_real_http(house):
    with served(house.app) as ask:
        _, headers, _ = ask("POST", "/sign-in", {"username": "cora", "password": PASSWORD})
        cookie = headers["Set-Cookie"].partition(";")[0]
        status, _, page = ask("GET", "/account", cookie=cookie)
        assert status == 200
        token = re.search(r'name="token" value="([^"]+)"', page)
        assert token
        status, headers, _ = ask("POST", "/sign-out", {"token": token[1]}, cookie=cookie)
        assert status == 303
        assert headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'
        status, headers, page = ask("GET", "/account", cookie=cookie)
        assert (status, headers["Location"][:8]) == (302, "/sign-in")


# --- Other sites of the web --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "dest", "status"),
    [("navigate", "document", 200), ("navigate", "iframe", 403), ("no-cors", "image", 403), ("cors", "empty", 403)],
)
def test_another_site_leads_here_and_draws_nothing_of_ours_into_itself(house, mode, dest, status):
    sent = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    assert house.client("cora").get("/account", headers=sent).status_code == status
    assert house.app.test_client().get("/sign-in", headers=sent).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("url", ["/sign-in", "/forgotten", "/invitation/none", "/reset/none", "/language", "/sign-in/passkey"])
def test_another_site_sends_nothing_in_the_name_of_nobody_either(house, url, site):
    """There is no session and so no token yet: where the browser says that it comes from is all there is to tell by."""
    sent = {"username": "cora", "password": PASSWORD, "email": "cora@example.org", "language": "en"}
    answer = house.app.test_client().post(url, data=sent, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403 and "Set-Cookie" not in answer.headers
