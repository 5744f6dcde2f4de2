"""Signing in and out, one's own password and language, and what a session is worth."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from tests.actions.world import PASSWORD
from tests.web.site import ADMINISTRATOR, text
from trialcrf.actions import administer
from trialcrf.store import audit, outbox
from trialcrf.store.models import account as account_table
from trialcrf.store.models import session as session_table


def attempt(house, name="cora", password=PASSWORD, address="127.0.0.1", **more):
    return house.app.test_client().post(
        "/sign-in", data={"username": name, "password": password, **more}, environ_base={"REMOTE_ADDR": address}
    )


def test_a_wrong_password_and_an_unknown_name_are_told_apart_by_nothing(house):
    wrong, unknown = attempt(house, password="no"), attempt(house, name="nobody", password="no")
    assert wrong.status_code == unknown.status_code == 401
    assert text(wrong).replace("cora", "") == text(unknown).replace("nobody", "")


def test_an_account_without_a_password_cannot_be_entered(house):
    assert attempt(house, password="").status_code == 401
    assert attempt(house, password="None").status_code == 401


def test_signing_in_is_in_the_trail_and_the_token_only_as_its_hash(each_house):
    cora = each_house.client("cora")
    token = cora.client.get_cookie("trialcrf").value
    with each_house.world.read() as tx:
        told = audit.history(tx.connection, "account", str(each_house.account("cora")), "sign_in password")
        assert [past.op for past in told] == ["sign_in"]
        assert token not in str(tx.read(select(session_table)).all())


def test_a_cookie_kept_from_before_signing_out_opens_nothing(each_house):
    cora = each_house.client("cora")
    token = cora.client.get_cookie("trialcrf").value
    assert cora.post("/sign-out").status_code == 303
    stolen = each_house.app.test_client()
    stolen.set_cookie("trialcrf", token)
    assert stolen.get("/account").status_code == 302


@pytest.mark.parametrize(
    "values", [{"seen_at": timedelta(minutes=31)}, {"created_at": timedelta(hours=12, minutes=1)}], ids=["idle", "too old"]
)
def test_a_session_ends_by_itself(house, values):
    cora = house.client("cora")
    with house.world.engine.begin() as connection:
        connection.execute(update(session_table).values({name: datetime.now(UTC) - age for name, age in values.items()}))
    answer = cora.get("/account")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/sign-in")


def test_a_deactivated_person_is_out_at_the_next_request(each_house):
    cora = each_house.client("cora")
    with each_house.world.write("trialcrf") as tx:
        administer.set_active(tx, each_house.account("cora"), False, "left")
    assert cora.get("/account").status_code == 302
    with each_house.world.engine.begin() as connection:
        connection.execute(update(session_table).values(ended_at=None))
    assert cora.get("/account").status_code == 302, "not even by a session that began in that very moment"
    assert attempt(each_house).status_code == 401


def test_a_role_taken_away_is_gone_at_the_next_request(each_house):
    cora = each_house.client("cora")
    assert cora.get("/studies/msc_ssc/subjects").status_code == 200
    with each_house.world.write("trialcrf") as tx:
        administer.take_role(tx, each_house.account("cora"), _grant(tx, each_house.account("cora")), "moved")
    assert cora.get("/studies/msc_ssc/subjects").status_code == 302
    assert each_house.client("cora").get("/studies/msc_ssc/subjects").status_code == 404


def _grant(tx, account_id):
    from trialcrf.store import accounts

    return accounts.grants_of(tx, account_id)[0].id


def test_guessing_is_throttled_from_where_it_comes_and_the_owner_is_not_locked_out(house):
    for _ in range(5):
        assert attempt(house, password="guess", address="10.0.0.9").status_code == 401
    blocked = attempt(house, password=PASSWORD, address="10.0.0.9")
    assert blocked.status_code == 401
    assert "Attendez une minute" in text(blocked) or "Wait a minute" in text(blocked)
    assert attempt(house).status_code == 303


def test_guessing_is_in_the_trail_and_told_to_administrators_once_a_burst(each_house):
    for _ in range(9):
        attempt(each_house, password="guess", address="10.0.0.9")
    with each_house.world.read() as tx:
        mails = [one for one in outbox.all_of(tx) if one.kind == "misuse"]
        (told,) = audit.history(tx.connection, "misuse", "10.0.0.9")
    assert [one.username for one in mails] == [ADMINISTRATOR]
    assert '"username": "cora"' in told.new and told.op == "refused"


def test_changing_the_password_ends_every_other_session(each_house):
    here, there = each_house.client("cora"), each_house.client("cora")
    assert here.post("/account/password", {"old": "wrong", "new": "another long sentence"}).status_code == 422
    assert here.post("/account/password", {"old": PASSWORD, "new": "short"}).status_code == 422
    assert here.post("/account/password", {"old": PASSWORD, "new": "another long sentence"}).status_code == 303
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 302
    assert attempt(each_house).status_code == 401
    assert attempt(each_house, password="another long sentence").status_code == 303


def test_the_trail_says_that_a_password_changed_and_never_which(each_house):
    each_house.client("cora")
    with each_house.world.read() as tx:
        told = audit.history(tx.connection, "account", str(each_house.account("cora")), "password_hash")
        assert told
        assert all(past.new is None for past in told)


def test_language_theme_and_density_are_ones_own(each_house):
    cora = each_house.client("cora")
    assert 'lang="fr"' in cora.get("/account").text
    cora.post("/language", {"language": "en", "next": "/account"})
    assert 'data-bs-theme="auto" data-density="comfortable"' in cora.get("/account").text
    cora.post("/account/theme", {"theme": "dark", "density": "compact"})
    chosen = '<html lang="en" data-bs-theme="dark" data-density="compact"'
    assert chosen in cora.get("/account").text
    for wrong in ({"theme": "<script>"}, {"density": "<script>"}, {"theme": "light", "density": "tiny"}):
        assert cora.post("/account/theme", wrong).status_code == 303
    assert chosen in cora.get("/account").text
    assert 'data-density="comfortable"' in each_house.client("ivan").get("/account").text, "each person's own"
    with each_house.world.read() as tx:
        told = [past.new for past in audit.history(tx.connection, "account", str(each_house.account("cora"))) if past.place == "density"]
    assert told == ["compact"] or told == ['"compact"']


def test_who_is_asked_in_again_is_asked_in_the_language_that_they_read(house):
    """Cora reads French in a browser that asks for English; whoever changed the language meets the new one."""
    browser = house.client("cora").client
    browser.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    token = re.search(r'name="token" value="([^"]+)"', browser.get("/account").text)[1]
    for spoken, sent in (("fr", {}), ("en", {"language": "en", "token": token})):
        if sent:
            browser.post("/language", data=sent)
        kept = browser.get_cookie("trialcrf").value
        browser.delete_cookie("trialcrf")
        assert f'<html lang="{spoken}"' in browser.get("/sign-in").text
        browser.set_cookie("trialcrf", kept)


@pytest.mark.parametrize("address", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_server(house, address):
    assert attempt(house, next=address).headers["Location"] == "/"


def test_a_demo_account_is_refused_from_anywhere_but_this_machine(each_house):
    with each_house.world.write("trialcrf") as tx:
        from trialcrf.store import accounts

        accounts.set_values(tx, each_house.account("cora"), "demo", demo=True)
    assert attempt(each_house, address="192.0.2.7").status_code == 401
    assert attempt(each_house).status_code == 303
    each_house.app.config["LOOPBACK"] = False
    assert attempt(each_house).status_code == 401


def test_an_invitation_is_good_once_and_for_a_week(each_house):
    with each_house.world.write("trialcrf") as tx:
        account_id = administer.create_account(tx, "nina", "Nina", "nina@example.org", "Hospital", "en")
        token = administer.fresh_invitation(tx, account_id)
    client = each_house.app.test_client()
    url = f"/invitation/{token}"
    assert client.get(url).status_code == 200
    assert client.post(url, data={"new": "short"}).status_code == 422
    assert client.post(url, data={"new": PASSWORD}).status_code == 303
    assert client.post(url, data={"new": PASSWORD}).status_code == 422
    assert attempt(each_house, name="nina").status_code == 303
    with each_house.world.write("trialcrf") as tx:
        token = administer.fresh_invitation(tx, account_id)
    with each_house.world.engine.begin() as connection:
        connection.execute(update(account_table).values(invitation_ends_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert client.post(f"/invitation/{token}", data={"new": PASSWORD}).status_code == 422


def test_health_says_when_the_scheduler_is_silent(house):
    answer = house.app.test_client().get("/healthz")
    assert answer.status_code == 503
    said = answer.get_json()
    assert (said["status"], said["last_tick_age"], said["late"]) == ("scheduler-silent", None, [])
    assert {one["last_success"] for one in said["jobs"].values()} == {None}


def test_a_page_asks_to_sign_in_and_leads_back(house):
    answer = house.app.test_client().get("/studies/msc_ssc/subjects?state=overdue")
    assert answer.status_code == 302
    assert "next=" in answer.headers["Location"]
    assert attempt(house, next="/studies/msc_ssc/subjects?state=overdue").headers["Location"] == "/studies/msc_ssc/subjects?state=overdue"
