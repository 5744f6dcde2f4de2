"""The pages of signing in: both steps, the door for who lacks a factor, own factors, forgotten passwords; nothing typed is lost."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from html import unescape

import pyotp
import pytest
from sqlalchemy import select, update

from tests.actions.world import PASSWORD
from tests.web.site import ADMINISTRATOR, Browser, text
from tests.web.test_entry_pages import VITALS, enrol, stored, weight
from trialcrf.actions import publish
from trialcrf.actions.signing_in import own_factors, resets
from trialcrf.core.definition.signing_in import SigningIn
from trialcrf.core.document import Answer, Place
from trialcrf.external.strongbox import KEY_FILE
from trialcrf.store import accounts, factors, outbox
from trialcrf.store.models import account as account_table
from trialcrf.store.models import factor, session

LIST = "/studies/msc_ssc/subjects"


def hidden(answer, name):
    """A hidden box of the page's own form: the frame above it has one of the name `next` too."""
    found = re.findall(rf'name="{name}" value="([^"]*)"', answer.text)
    assert found, (name, text(answer))
    return unescape(found[-1])


def sign_in(house, name="cora", password=PASSWORD, **more):
    client = house.app.test_client()
    return client, client.post("/sign-in", data={"username": name, "password": password, **more})


class App:
    """An authenticator app whose person may use the codes of the next steps too: no test waits for half a minute."""

    def __init__(self, house, name):
        key_file, account, now = house.app.config["DATA"] / KEY_FILE, house.account(name), datetime.now(UTC)
        with house.world.write(name, now) as tx:
            own_factors.begin_codes(tx, account, "telephone", key_file)
        with house.world.read() as tx:
            self.codes = pyotp.TOTP(own_factors.waiting_codes(tx, account, name, key_file, now).key.replace(" ", ""))
        with house.world.write(name, now) as tx:
            self.recovery = list(own_factors.confirm_codes(tx, account, self.codes.at(now), key_file, now))
        with house.world.write(name, now) as tx:
            tx.work(update(factor).where(factor.c.account_id == account).values(counter=0))

    @property
    def code(self):
        return self.codes.at(datetime.now(UTC))


def demand(house, **said):
    with house.world.write("trialcrf", datetime.now(UTC)) as tx:
        publish.publish(tx, replace(house.world.published.study, sign_in=SigningIn(**said)))


def test_a_password_alone_opens_nothing_where_there_is_a_second_factor(each_house):
    app = App(each_house, "cora")
    client, asked = sign_in(each_house, next=LIST)
    assert asked.status_code == 200 and "Set-Cookie" not in asked.headers
    assert client.get(LIST).status_code == 302
    assert 'autocomplete="one-time-code"' in asked.text
    step = hidden(asked, "step")
    wrong = client.post("/sign-in/second", data={"step": step, "code": "000000", "next": LIST})
    assert wrong.status_code == 401 and hidden(wrong, "next") == LIST
    assert 'name="next" value="/sign-in"' in wrong.text, "another language begins anew, and is no dead end"
    code = app.code
    right = client.post("/sign-in/second", data={"step": step, "code": code, "next": LIST})
    assert (right.status_code, right.headers["Location"]) == (303, LIST)
    assert client.get(LIST).status_code == 200
    client, asked = sign_in(each_house)
    again = client.post("/sign-in/second", data={"step": hidden(asked, "step"), "code": code})
    assert again.status_code == 401, "the code was used"
    assert client.post("/sign-in/second", data={"step": "guess", "code": app.code}).status_code == 401


def test_whose_clock_counts_is_not_said_by_who_asks(house):
    app = App(house, "cora")
    client, asked = sign_in(house)
    later = datetime.now(UTC) + timedelta(hours=1)
    said = {"Date": format_datetime(later, usegmt=True), "X-Date": later.isoformat()}
    sent = {"step": hidden(asked, "step"), "code": app.codes.at(later), "now": later.isoformat(), "at": str(later.timestamp())}
    assert client.post("/sign-in/second", data=sent, headers=said).status_code == 401
    assert client.post("/sign-in/second", data={**sent, "code": app.code}, headers=said).status_code == 303


def test_by_what_somebody_signed_in_is_told_where_the_trail_is_read(house):
    app = App(house, "cora")
    client, asked = sign_in(house)
    client.post("/sign-in/second", data={"step": hidden(asked, "step"), "code": app.code})
    adam = house.client(ADMINISTRATOR)
    adam.post("/language", {"language": "en"})
    assert "Signed in by password and by one-time code" in text(adam.get(f"/people/{house.account('cora')}"))
    dana = house.client("dana")
    dana.post("/language", {"language": "en"})
    assert "by password and by one-time code" in text(dana.get("/studies/msc_ssc/access-log"))


def test_a_save_whose_session_ended_goes_through_both_steps_and_loses_nothing(house):
    app = App(house, "cora")
    client, asked = sign_in(house)
    (room,) = re.findall(r'id="code"[^>]*maxlength="(\d+)"', asked.text)
    assert int(room) >= len(app.recovery[0]), "a recovery code can be typed"
    client.post("/sign-in/second", data={"step": hidden(asked, "step"), "code": app.recovery[0]})
    enrol(Browser(client, hidden(client.get("/account"), "token")))
    with house.world.engine.begin() as connection:
        connection.execute(update(session).values(ended_at=datetime.now(UTC)))
    said = weight("62", remark="two\nlines & <more>")
    assert client.post(VITALS, data=said).status_code == 401
    second = client.post(VITALS, data={**said, "sign_in_username": "cora", "sign_in_password": PASSWORD})
    assert second.status_code == 401 and PASSWORD not in second.text
    assert re.search(r'name="i\.WT"[^>]*>62<', second.text) and "two\nlines &amp; &lt;more&gt;" in second.text
    step = hidden(second, "sign_in_step")
    wrong = client.post(VITALS, data={**said, "sign_in_step": step, "sign_in_code": "000000"})
    assert wrong.status_code == 401 and hidden(wrong, "sign_in_step") == step and re.search(r'name="i\.WT"[^>]*>62<', wrong.text)
    assert stored(house) is None
    through = client.post(VITALS, data={**said, "sign_in_step": step, "sign_in_code": app.code})
    assert through.status_code == 303, text(through)
    assert stored(house).document.at(Place("WT")) == Answer("62")
    assert client.get("/account").status_code == 200, "and the new session goes on"


def test_who_needs_a_factor_and_has_none_sees_only_where_one_is_set_up(each_house):
    demand(each_house, second_factor=("coordinator",))
    cora = each_house.app.test_client()
    assert cora.post("/sign-in", data={"username": "cora", "password": PASSWORD}).status_code == 303
    for url in ("/", "/studies", LIST, "/account", f"{LIST}/R-01-001"):
        answer = cora.get(url)
        assert (answer.status_code, answer.headers.get("Location")) == (303, "/account/factors"), url
    page = cora.get("/account/factors")
    token = hidden(page, "token")
    sent = {"token": token, "app-name": "my telephone", "app-password": PASSWORD}
    assert cora.post("/account/theme", data={"token": token, "theme": "dark"}).status_code == 403
    assert cora.post("/account/codes", data={**sent, "app-password": "wrong"}).status_code == 422
    assert cora.post("/account/codes", data=sent).headers["Location"] == "/account/codes"
    shown = cora.get("/account/codes")
    assert "<svg" in shown.text and "otpauth://totp/trialcrf:cora" in shown.text
    key = re.search(r'class="key"[^>]*>([A-Z2-7 ]+)<', shown.text)[1]
    assert all(len(part) == 4 for part in key.split(" "))
    assert cora.post("/account/codes/confirm", data={"token": token, "code": "000000"}).status_code == 422
    done = cora.post("/account/codes/confirm", data={"token": token, "code": pyotp.TOTP(key.replace(" ", "")).at(datetime.now(UTC))})
    codes = re.findall(r"<li><code>((?:[a-z0-9]{4}-){5}[a-z0-9]{4})</code>", done.text)
    assert len(codes) == 10
    assert cora.get(LIST).status_code == 200
    assert cora.get("/account/codes").status_code == 303, "the key is never shown again"
    assert not any(code in cora.get("/account/factors").text for code in codes)
    assert each_house.client("dana").get(LIST).status_code == 200, "of other roles nothing is asked"


def test_an_administrator_needs_one_unless_the_installation_says_otherwise(house):
    adam = house.client(ADMINISTRATOR)
    assert adam.get("/people").status_code == 200
    house.app.config["ADMIN_SECOND_FACTOR"] = True
    assert adam.get("/people").headers["Location"] == "/account/factors"
    with house.world.write("trialcrf") as tx:
        accounts.set_values(tx, house.account(ADMINISTRATOR), "demo", demo=True)
    assert adam.get("/people").status_code == 200, "demo accounts work on this machine alone, and are exempt"


def test_own_factors_are_named_and_revoked_but_not_the_last_one_that_is_needed(house):
    demand(house, second_factor=("coordinator",))
    app = App(house, "cora")
    client, asked = sign_in(house)
    client.post("/sign-in/second", data={"step": hidden(asked, "step"), "code": app.code})
    token = hidden(client.get("/account/factors"), "token")
    with house.world.read() as tx:
        (one,) = factors.all_of(tx, house.account("cora"))
    url = f"/account/factors/{one.id}"
    assert client.post(f"{url}/name", data={"token": token, f"name-{one.id}-name": "the blue one"}).status_code == 303
    assert "the blue one" in client.get("/account/factors").text
    sent = {"token": token, f"revoke-{one.id}-password": PASSWORD}
    assert client.post(f"{url}/revoke", data=sent).status_code == 422
    demand(house)
    assert client.post(f"{url}/revoke", data={**sent, f"revoke-{one.id}-password": "wrong"}).status_code == 422
    assert client.post(f"{url}/revoke", data=sent).status_code == 303
    other = house.client("olga")
    assert other.post(f"{url}/name", {f"name-{one.id}-name": "mine"}).status_code == 422
    with house.world.read() as tx:
        told = {one.key.split("|")[2] for one in outbox.all_of(tx) if one.kind == "account" and one.username == "cora"}
    assert told == {"factor_add", "recovery_codes", "factor_revoke"}


def test_new_recovery_codes_void_the_old_ones_and_ask_for_the_password(house):
    app = App(house, "cora")
    client, asked = sign_in(house)
    client.post("/sign-in/second", data={"step": hidden(asked, "step"), "code": app.code})
    token = hidden(client.get("/account/factors"), "token")
    assert client.post("/account/recovery", data={"token": token, "codes-password": "wrong"}).status_code == 422
    made = client.post("/account/recovery", data={"token": token, "codes-password": PASSWORD})
    assert len(re.findall(r"<li><code>", made.text)) == 10
    client, asked = sign_in(house)
    assert client.post("/sign-in/second", data={"step": hidden(asked, "step"), "code": app.recovery[0]}).status_code == 401


def test_a_forgotten_password_is_answered_the_same_to_everybody(each_house):
    client = each_house.app.test_client()
    answers = [client.post("/forgotten", data={"who": who}) for who in ("cora", "nobody", "cora@example.org", "", "x" * 5000)]
    # Each answer has a word of its own that its scripts run by.
    assert len({(answer.status_code, re.sub(r'nonce="[^"]*"', "", answer.text)) for answer in answers}) == 1
    with each_house.world.read() as tx:
        assert [one.username for one in outbox.all_of(tx) if one.kind == "reset"] == ["cora"]


def test_the_link_of_the_mail_sets_a_password_and_signs_nobody_in(house):
    app, client = App(house, "cora"), house.app.test_client()
    with house.world.write("trialcrf", datetime.now(UTC)) as tx:
        link = resets.fresh_reset(tx, house.account("cora"))
    assert client.get(f"/reset/{link}").status_code == 200
    assert client.post(f"/reset/{link}", data={"new": "Password123456"}).status_code == 422
    done = client.post(f"/reset/{link}", data={"new": "quite another long sentence"})
    assert done.status_code == 303 and "Set-Cookie" not in done.headers
    assert client.post(f"/reset/{link}", data={"new": "quite another long sentence"}).status_code == 422
    asked = client.post("/sign-in", data={"username": "cora", "password": "quite another long sentence"})
    assert asked.status_code == 200 and client.get("/account").status_code == 302
    assert client.post("/sign-in/second", data={"step": hidden(asked, "step"), "code": app.code}).status_code == 303


def test_an_administrator_starts_a_reset_and_removes_factors_and_sees_no_secret(each_house):
    App(each_house, "cora")
    adam, url = each_house.client(ADMINISTRATOR), f"/people/{each_house.account('cora')}"
    secrets = select(account_table.c.password_hash, account_table.c.reset_hash).where(account_table.c.username == "cora")
    with each_house.world.read() as tx:
        before = tx.read(secrets).one()
    chosen = {"password": "what an administrator would choose", "new": "what an administrator would choose"}
    assert adam.post(f"{url}/reset", chosen).status_code == 303
    with each_house.world.read() as tx:
        assert tx.read(secrets).one() == before, "the link is made when its mail is written, and the password by whoever reads that"
    assert adam.post(f"{url}/factors", {"factors-reason": ""}).status_code == 422
    assert adam.post(f"{url}/factors", {"factors-reason": "telephone lost"}).status_code == 303
    page = adam.get(url)
    assert "telephone lost" in page.text
    with each_house.world.read() as tx:
        assert not factors.any_of(tx, each_house.account("cora"))
        mails = [one for one in outbox.all_of(tx) if one.username == "cora"]
        assert {one.kind for one in mails} == {"reset", "account"}
        hashes = tx.read(select(account_table.c.password_hash, account_table.c.reset_hash)).all()
    assert not any(value and value in page.text for row in hashes for value in row)
    dana = each_house.client("dana")
    assert dana.post(f"{url}/reset").status_code == dana.post(f"{url}/factors", {"factors-reason": "x"}).status_code == 403


def test_another_address_asks_for_the_password(house):
    cora = house.client("cora")
    assert cora.post("/account/email", {"email": "cora@elsewhere.example", "password": "wrong"}).status_code == 422
    assert cora.post("/account/email", {"email": "cora", "password": PASSWORD}).status_code == 422
    assert cora.post("/account/email", {"email": "cora@elsewhere.example", "password": PASSWORD}).status_code == 303
    assert "cora@elsewhere.example" in cora.get("/account").text


def test_typing_wrong_passwords_into_ones_own_pages_is_throttled_as_signing_in_is(house):
    cora = house.client("cora")
    for _ in range(5):
        assert cora.post("/account/email", {"email": "x@elsewhere.example", "password": "wrong"}).status_code == 422
    assert cora.post("/account/email", {"email": "x@elsewhere.example", "password": PASSWORD}).status_code == 422


def test_a_password_that_is_too_old_for_a_study_is_changed_before_its_pages_open(house):
    cora = house.client("cora")
    demand(house, password_days=90)
    assert cora.get(LIST).status_code == 200
    with house.world.engine.begin() as connection:
        connection.execute(update(account_table).values(password_set_at=datetime(2020, 1, 1, tzinfo=UTC)))
    assert cora.get(LIST).headers["Location"].startswith("/account?done=old_password")
    assert cora.post("/account/password", {"old": PASSWORD, "new": PASSWORD}).status_code == 422
    assert cora.post("/account/password", {"old": PASSWORD, "new": "quite another long sentence"}).status_code == 303
    assert cora.get(LIST).status_code == 200


@pytest.mark.parametrize(
    "answer", ["", "{}", "[1]", "null", '{"id": "x", "rawId": "x", "response": {}, "type": "public-key"}', "x" * 20_000]
)
def test_what_is_no_passkey_opens_nothing_and_breaks_nothing(house, answer):
    client = house.app.test_client()
    asked = client.post("/sign-in/passkey", data={"next": LIST})
    sent = {"step": hidden(asked, "step"), "passkey": answer, "next": LIST}
    refused = client.post("/sign-in/passkey/proof", data=sent)
    assert refused.status_code == 401 and "Set-Cookie" not in refused.headers
    App(house, "cora")
    client, second = sign_in(house)
    assert client.post("/sign-in/second", data={"step": hidden(second, "step"), "passkey": answer}).status_code == 401


def test_asking_for_a_passkey_names_no_account(house):
    client = house.app.test_client()
    asked = client.post("/sign-in/passkey").text
    assert "allowCredentials&#34;: []" in asked and "&#34;userVerification&#34;: &#34;required&#34;" in asked
    assert "cora" not in asked
