"""Signing in by the hospital on the pages: the right way, each lie refused in the same words and told in the trail, and the links."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from tests.actions.world import PASSWORD
from tests.lying_provider import ACCESS_TOKEN, CLIENT_ID, SECRET, LyingProvider, lying_provider, signed_with_the_public_key, unsigned
from tests.web.site import Browser, House, text
from tests.web.test_sign_in import App
from trialcrf.actions import administer, hospital
from trialcrf.external import openid
from trialcrf.external.openid import Client, Provider
from trialcrf.store import audit
from trialcrf.store.audit import SYSTEM_CHAIN
from trialcrf.store.models import hospital_try, link_code, metadata
from trialcrf.store.models import session as session_table

MINE = "/account/hospital"
NOWHERE = "opened nothing here"


@pytest.fixture
def provider() -> Iterator[LyingProvider]:
    with lying_provider() as made:
        yield made


def opened(house: House, provider: LyingProvider) -> House:
    """The house with this provider as its hospital."""
    client = Client(provider.issuer, CLIENT_ID, SECRET, "http://127.0.0.1:8000/hospital/back", ("gold",))
    house.app.extensions["trialcrf.hospital"] = Provider(client)
    house.app.config["HOSPITAL"] = "CHU"
    return house


def visitor(house: House) -> FlaskClient:
    """A browser in which nobody signed in, of somebody who reads English."""
    client = house.app.test_client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


def link(house: House, name: str = "cora", subject: str = "nurse-4711") -> None:
    """Cora's account is linked with who she is at the hospital."""
    with house.world.write(name) as tx:
        hospital.hospital.link(tx, house.id_of(tx, name), house.app.extensions["trialcrf.hospital"].client.issuer, subject)


def way_back(provider: LyingProvider, answer, **visit) -> str:
    """What the page that leads to the hospital leads to: its address is in the page for whoever has no script, and in a header."""
    assert answer.status_code == 200, text(answer)
    found = re.search(r'<a class="btn main" href="([^"]+)"', answer.text)
    assert found and answer.headers["Refresh"] == f"0; url={html.unescape(found[1])}"
    return provider.visit(html.unescape(found[1]), **visit)


def sessions(house: House) -> int:
    with house.world.read() as tx:
        return tx.read(select(func.count()).select_from(session_table)).scalar_one()


def told(house: House) -> list[str]:
    """What the trail says of what came back: why it was refused."""
    with house.world.read() as tx:
        return [re.search(r'"why": "([^"]*)"', past.new)[1] for past in audit.history(tx.connection, "misuse", "127.0.0.1", "hospital")]


def test_whoever_is_linked_signs_in_by_the_hospital_and_lands_where_they_wanted(each_house, provider):
    opened(each_house, provider)
    link(each_house)
    client = visitor(each_house)
    assert "CHU" in text(client.get("/sign-in"))
    answer = client.get(way_back(provider, client.post("/hospital", data={"next": "/account"})))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
    assert "cora" in text(client.get("/account"))
    with each_house.world.read() as tx:
        ops = [past.op for past in audit.history(tx.connection, "account", str(each_house.account("cora")))]
    assert ops[-2:] == ["hospital_sign_in", "sign_in"]
    assert told(each_house) == []


def test_no_token_of_the_hospital_leaves_the_server_or_is_kept(house, provider, caplog):
    opened(house, provider)
    link(house)
    made = []
    provider.token = lambda claims: made.append(provider.signed(claims)) or made[-1]
    client = visitor(house)
    with caplog.at_level(logging.DEBUG):
        answers = [client.post("/hospital")]
        answers += [client.get(way_back(provider, answers[0])), client.get("/account")]
    assert answers[-1].status_code == 200 and len(made) == 1
    with house.world.read() as tx:
        kept = str([tx.read(select(table)).all() for table in metadata.sorted_tables])
    seen = [caplog.text, kept, *(answer.text + str(answer.headers) for answer in answers)]
    for token in (made[0], made[0].split(".")[2], ACCESS_TOKEN):
        assert not any(token in one for one in seen)


def test_the_hospitals_word_is_no_fresh_proof(house, provider):
    opened(house, provider)
    link(house)
    client = visitor(house)
    client.get(way_back(provider, client.post("/hospital")))
    token = re.search(r'name="token" value="([^"]+)"', client.get("/account").text)
    sent = {"token": token[1]}
    assert client.post(MINE + "/end", data=sent).status_code == 401
    assert client.post(MINE + "/end", data={**sent, "proof_password": PASSWORD}).status_code == 303


NOW = int(datetime.now(UTC).timestamp())
LIES = {
    "nonce": {"nonce": "of somebody else"},
    "audience": {"aud": "another program"},
    "expired": {"exp": NOW - 3600},
    "issuer": {"iss": "https://login.evil.example"},
    "unknown": {"sub": "somebody else", "email": "cora@example.org"},
}


@pytest.mark.parametrize(("why", "claims"), LIES.items(), ids=LIES)
def test_each_lie_opens_nothing_is_told_in_the_same_words_and_is_in_the_trail(house, provider, why, claims):
    opened(house, provider)
    link(house)
    provider.claims = claims
    client = visitor(house)
    answer = client.get(way_back(provider, client.post("/hospital")))
    assert answer.status_code == 401 and NOWHERE in text(answer)
    assert sessions(house) == 0 and client.get("/account").status_code == 302
    assert told(house) == [why]


@pytest.mark.parametrize(("why", "token"), [("algorithm", unsigned), ("algorithm", signed_with_the_public_key)], ids=["none", "HS256"])
def test_a_token_that_nobody_signed_opens_nothing(house, provider, why, token):
    opened(house, provider)
    link(house)
    provider.token = token
    client = visitor(house)
    answer = client.get(way_back(provider, client.post("/hospital")))
    assert (answer.status_code, sessions(house), told(house)) == (401, 0, [why])


def test_a_way_back_is_good_once_for_ten_minutes_and_in_one_browser(house, provider):
    opened(house, provider)
    link(house)
    client, thief = visitor(house), visitor(house)
    assert client.get("/hospital").status_code == 405, "nothing begins unless somebody presses a button"
    way = way_back(provider, client.post("/hospital"))
    thief.post("/hospital")
    assert thief.get(way).status_code == 401, "another browser"
    assert client.get(way.replace("iss=", "iss=x")).status_code == 401, "another provider"
    assert client.get(way).status_code == 401, "used up by the try before"
    way = way_back(provider, client.post("/hospital"))
    assert client.get(way).status_code == 303
    client.set_cookie("trialcrf-hospital", "kept")
    assert client.get(way).status_code == 401, "replayed"
    way = way_back(provider, client.post("/hospital"))
    with house.world.engine.begin() as connection:
        connection.execute(update(hospital_try).values(created_at=datetime.now(UTC) - timedelta(minutes=11)))
    assert client.get(way).status_code == 401, "too late"
    assert sessions(house) == 1
    assert told(house) == ["state", "issuer", "state", "state", "state"]


def test_a_code_of_the_provider_that_was_used_opens_nothing(house, provider):
    opened(house, provider)
    link(house)
    client = visitor(house)
    first = way_back(provider, client.post("/hospital"))
    assert client.get(first).status_code == 303
    second = way_back(provider, client.post("/hospital"))
    code = re.search(r"code=([^&]+)", first)[1]
    assert client.get(re.sub(r"code=[^&]+", f"code={code}", second)).status_code == 401
    assert told(house) == ["code"]


ANSWERS = {"elsewhere": (302, {"Location": "http://127.0.0.1:9/"}, b""), "huge": (200, {}, b'"' + b"x" * 300_000 + b'"'), "silence": None}


@pytest.mark.parametrize("path", ["/token", "/.well-known/openid-configuration"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_provider_that_does_not_answer_opens_nothing_and_is_no_misuse(house, provider, monkeypatch, path, answer):
    opened(house, provider)
    link(house)
    if answer is None:
        provider.silent = {path}
    else:
        provider.answers = {path: answer}
    client = visitor(house)
    if answer is None and path != "/token":
        monkeypatch.setattr(openid, "PATIENCE", 0.1)
    led = client.post("/hospital")
    if answer is None:
        monkeypatch.setattr(openid, "PATIENCE", 0.1)
    final = client.get(way_back(provider, led)) if path == "/token" else led
    assert final.status_code == 503 and "with your password" in text(final)
    assert sessions(house) == 0 and told(house) == []


def test_whoever_gives_up_at_the_hospital_is_told_and_nothing_is_suspected(house, provider):
    opened(house, provider)
    client = visitor(house)
    way = way_back(provider, client.post("/hospital"))
    answer = client.get(re.sub(r"code=[^&]+", "error=access_denied", way))
    assert answer.status_code == 401 and told(house) == []


def test_what_proves_nothing_again_and_again_shuts_the_way_for_this_address(house, provider):
    opened(house, provider)
    link(house)
    client = visitor(house)
    for _ in range(5):
        assert client.get("/hospital/back?state=guess&code=x").status_code == 401
    assert "Too many attempts" in text(client.post("/hospital"))
    assert told(house) == ["state"] * 5
    other = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.post("/hospital", environ_base=other).status_code == 200, "nobody else is kept out"


# --- Links -------------------------------------------------------------------------------------------------------------


def test_the_owner_links_and_unlinks_with_a_fresh_proof(each_house, provider):
    opened(each_house, provider)
    cora = each_house.client("cora")
    cora.post("/language", {"language": "en"})
    assert "A signature, and what asks whether it is still you, needs a password of this program" in text(cora.get(MINE))
    with each_house.world.engine.begin() as connection:
        connection.execute(update(session_table).values(proved_at=None))
    assert cora.post(MINE + "/link").status_code == 401
    answer = cora.client.get(way_back(provider, cora.post(MINE + "/link", {"proof_password": PASSWORD})))
    assert answer.headers["Location"].startswith(MINE)
    client = visitor(each_house)
    assert client.get(way_back(provider, client.post("/hospital"))).status_code == 303
    assert cora.post(MINE + "/end").status_code == 303
    assert client.get(way_back(provider, client.post("/hospital"))).status_code == 401
    with each_house.world.read() as tx:
        ops = {past.op for past in audit.history(tx.connection, "account", str(each_house.account("cora")))}
    assert {"hospital_link", "hospital_unlink"} <= ops


def test_a_round_that_one_person_began_links_nobody_else(house, provider):
    opened(house, provider)
    cora = house.client("cora")
    way = way_back(provider, cora.post(MINE + "/link"))
    cora.post("/sign-out")
    olga = house.client("olga")
    for cookie in ("trialcrf",):
        cora.client.set_cookie(cookie, olga.client.get_cookie(cookie).value)
    assert cora.client.get(way).status_code == 401
    assert told(house)[-1:] in (["another account"], ["state"])
    client = visitor(house)
    assert client.get(way_back(provider, client.post("/hospital"))).status_code == 401


def test_an_identity_opens_one_account_only(house, provider):
    opened(house, provider)
    link(house, "olga")
    cora = house.client("cora")
    assert cora.client.get(way_back(provider, cora.post(MINE + "/link"))).status_code == 401
    assert told(house) == ["linked elsewhere"]


def made_code(house: House, adam: Browser) -> str:
    page = adam.post(f"/people/{house.account('cora')}/hospital-code")
    found = re.search(r"<code>([^<]+)</code>", page.text)
    assert found, text(page)
    return found[1]


def test_a_code_of_an_administrator_links_once_within_a_day_and_only_its_account(each_house, provider):
    opened(each_house, provider)
    adam = each_house.client("adam")
    void, code = made_code(each_house, adam), made_code(each_house, adam)
    with each_house.world.read() as tx:
        assert code not in str(tx.read(select(link_code)).all())
    client = visitor(each_house)
    for wrong in (void, "guess"):
        assert client.post("/hospital", data={"code": wrong}).status_code == 401
    assert client.get(way_back(provider, client.post("/hospital", data={"code": code}))).status_code == 303
    assert "cora" in text(client.get("/account"))
    assert client.post("/hospital", data={"code": code}).status_code == 401
    late = made_code(each_house, adam)
    with each_house.world.engine.begin() as connection:
        connection.execute(update(link_code).values(created_at=datetime.now(UTC) - timedelta(days=2)))
    assert client.post("/hospital", data={"code": late}).status_code == 401
    assert each_house.client("dana").post(f"/people/{each_house.account('cora')}/hospital-code").status_code == 403


@pytest.mark.parametrize(
    ("claims", "strong"), [({}, False), ({"amr": ["pwd"]}, False), ({"amr": ["pwd", "otp"]}, True), ({"acr": "gold"}, True)]
)
def test_the_hospitals_word_stands_for_the_password_and_for_the_second_factor_only_where_it_names_one(house, provider, claims, strong):
    opened(house, provider)
    link(house, "cora")
    app = App(house, "cora")
    provider.claims = claims
    client = visitor(house)
    answer = client.get(way_back(provider, client.post("/hospital")))
    assert sessions(house) == strong
    if not strong:
        step = re.search(r'name="step" value="([^"]+)"', answer.text)
        assert step, text(answer)
        assert client.post("/sign-in/second", data={"step": step[1], "code": "000000"}).status_code == 401
        assert not sessions(house)
        answer = client.post("/sign-in/second", data={"step": step[1], "code": app.code})
    assert answer.status_code == 303
    assert sessions(house)


def test_a_deactivated_person_is_let_in_by_no_hospital(house, provider):
    opened(house, provider)
    link(house)
    with house.world.write("trialcrf") as tx:
        administer.set_active(tx, house.id_of(tx, "cora"), False, "left")
    client = visitor(house)
    assert client.get(way_back(provider, client.post("/hospital"))).status_code == 401


def test_where_no_provider_is_set_there_is_no_such_way(house):
    cora = house.client("cora")
    assert "/hospital" not in cora.get("/sign-in").text + cora.get("/account").text
    for answer in (cora.post("/hospital"), cora.get("/hospital/back"), cora.get(MINE), cora.post(MINE + "/link"), cora.post(MINE + "/end")):
        assert answer.status_code == 404
    with house.world.read() as tx:
        assert audit.broken(tx.connection) is None
        assert SYSTEM_CHAIN in {chain for chain, _, _ in audit.chains(tx.connection)}


def since_now(claims: dict[str, object]) -> dict[str, object]:
    """Moments that are given in seconds from now: the tests before this one may take long."""
    now = int(datetime.now(UTC).timestamp())
    return {name: now + said if isinstance(said, int) else said for name, said in claims.items()}


@pytest.mark.parametrize(
    ("claims", "subject", "proved"),
    [
        ({"auth_time": 30}, "nurse-4711", True),
        ({"auth_time": -3600}, "nurse-4711", False),
        ({}, "nurse-4711", False),
        ({"auth_time": "now"}, "nurse-4711", False),
        ({"auth_time": 30}, "somebody else", False),
    ],
    ids=["anew", "remembered", "unsaid", "unreadable", "another"],
)
def test_whoever_has_no_password_proves_by_the_hospital_that_they_are_there(house, provider, claims, subject, proved):
    """Their own pages of factors ask for it, nothing typed is lost, and only a sign-in of just now counts."""
    opened(house, provider)
    house.world.invite("nina")
    link(house, "nina")
    nina = visitor(house)
    nina.get(way_back(provider, nina.post("/hospital")))
    page = nina.get("/account/factors").text
    assert 'name="app-password"' not in page
    sent = {"token": re.search(r'name="token" value="([^"]+)"', page)[1], "app-name": "my telephone"}
    asked = nina.post("/account/codes", data=sent)
    assert asked.status_code == 401 and ">my telephone</textarea>" in asked.text and 'action="/account/proof/hospital"' in asked.text
    before, provider.claims = nina.get_cookie("trialcrf").value, since_now(claims)
    led = nina.post("/account/proof/hospital", data={**sent, "next": "/account"})
    assert "prompt=login" in led.headers["Refresh"] and "max_age=0" in led.headers["Refresh"]
    back = nina.get(way_back(provider, led, subject=subject))
    assert back.status_code == (303 if proved else 401)
    assert (nina.get_cookie("trialcrf").value != before) is proved, "a proof gives the session another token"
    through = nina.post("/account/codes", data=sent)
    assert (through.status_code, through.headers.get("Location")) == ((303, "/account/codes") if proved else (401, None))
    assert nina.post(MINE + "/end", data=sent).status_code == (422 if proved else 401), "nobody locks themselves out"


def test_a_round_that_proves_links_nobody_and_one_that_links_proves_nothing(house, provider):
    opened(house, provider)
    cora = house.client("cora")
    provider.claims = since_now({"auth_time": 30})
    refused = cora.get(way_back(provider, cora.post("/account/proof/hospital", {"next": "/account"})))
    assert refused.status_code == 401
    assert "CHU" in text(cora.get(MINE))
    with house.world.read() as tx:
        assert hospital.hospital.link_of(tx, house.id_of(tx, "cora")) is None
