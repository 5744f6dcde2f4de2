"""What somebody tries who means harm: words of a study that are programs, fields that a form does not have, forged addresses and hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from html import unescape
from typing import Any

import pytest
from sqlalchemy import text as sql

from tests.actions.world import PASSWORD
from tests.web.site import House, text
from tests.web.test_bad_input import STUDY, address, counts, recipient, vitals
from trialcrf.actions import publish
from trialcrf.core.blank_crf import blank_crf
from trialcrf.core.definition.model import Study
from trialcrf.core.wording import Words
from trialcrf.external import mail, markup
from trialcrf.store import accounts
from trialcrf.web import stand_behind
from trialcrf.web.account import safe_next

PROGRAM = "{{ 7*7 }}{% if 1 %}<script>alert(1)</script>\"'><img src=x onerror=alert(1)>%(x)s%s &amp; ${7*7} #{7*7}"
"""What a template, a browser, a format or a macro would run."""


def hostile(value: Any) -> Any:
    """The same value with the program behind every text that a study's author words."""
    if isinstance(value, Words):
        return Words({language: said + PROGRAM for language, said in value.texts.items()})
    if isinstance(value, tuple):
        return tuple(hostile(one) for one in value) if not hasattr(value, "_fields") else value
    if isinstance(value, Mapping):
        return {name: hostile(one) for name, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: hostile(getattr(value, one.name)) for one in fields(value) if one.init})
    return value


def shows_it_as_text(page: str) -> None:
    assert "{{ 7*7 }}{% if 1 %}" in unescape(page), "the words are there, as they were written"
    assert "%(x)s%s" in unescape(page)
    assert "&amp;amp;" in page
    assert "<script>alert" not in page and "<img src=x" not in page
    assert not re.search(r"(?:\$|#)?\{?49\}?<img|49\{% if", page)


def test_words_of_a_study_are_never_run_on_a_page_on_paper_or_in_a_mail(house: House) -> None:
    subject = recipient(house)
    study: Study = hostile(house.world.published.study)
    with house.world.write("trialcrf") as tx:
        publish.publish(tx, study)
    cora = house.client("cora")
    for url in (address(subject.key), f"/studies/{STUDY}/subjects/{subject.key}", f"/studies/{STUDY}/today"):
        answer = cora.get(url)
        assert answer.status_code == 200, url
        shows_it_as_text(answer.text)
    shows_it_as_text(markup.page("crf", blank_crf(study), "en"))
    values = {"study": PROGRAM, "site": "01", "number": 3, "obligation": PROGRAM, "over": False, "at_once": False, "hours": 4}
    letter = mail.write("clock", "en", "a@example.org", "<a@b>", {**values, "name": "Ivan\r\nBcc: eve@example.org", "link": "http://x"})
    assert PROGRAM in letter.subject + letter.body, "a mail is plain text: the words stand in it unescaped, and unrun"
    assert "\n" not in letter.subject and "\r" not in letter.subject


def test_an_account_gets_what_its_form_asks_and_nothing_that_was_sent_besides(house: House) -> None:
    more = {"active": "0", "demo": "1", "role": "administrator", "grants": "administrator", "password_hash": "x", "id": "1"}
    asked = {"username": "zoe", "name": "Zoé", "email": "zoe@example.org", "organisation": "Hospital", "language": "fr"}
    assert house.client("adam").post("/people/new", {**asked, **more}).status_code == 303
    with house.world.read() as tx:
        found = accounts.find(tx, "zoe")
        assert found
        assert (found.active, found.demo, list(accounts.actor(tx, found).grants)) == (True, False, [])
        assert found.password_hash is None


def test_nobody_gives_themselves_a_role_by_a_field_of_their_own_account(house: House) -> None:
    cora = house.client("cora")
    for url in ("/language", "/account/theme"):
        sent = {
            "language": "en",
            "theme": "dark",
            "next": "/account",
            "role": "administrator",
            "username": "adam",
            "account": "1",
            "study": "*",
        }
        assert cora.post(url, sent).status_code == 303
    assert cora.get("/people").status_code == 403
    with house.world.read() as tx:
        assert accounts.find(tx, "adam").language == "fr"  # type: ignore[union-attr]


def test_answers_of_items_that_the_form_does_not_have_are_not_recorded(house: House) -> None:
    subject, cora = recipient(house), house.client("cora")
    sent = vitals(WT="72")
    sent["p"] = [*sent["p"], "SIGNED", "site_id"]
    cora.post(address(subject.key), {**sent, "i.SIGNED": "Y", "i.site_id": "2", "state": "locked", "at": "1999-01-01"})
    with house.world.read() as tx:
        (document,) = tx.read(sql("SELECT document FROM form WHERE form_oid = 'VITALS'")).scalars()
    assert "72" in document and "SIGNED" not in document and "site_id" not in document and "1999" not in document


def test_what_is_said_twice_is_one_answer_and_an_address_never_speaks_for_a_form(house: House) -> None:
    subject, cora = recipient(house), house.client("cora")
    before = counts(house)
    in_the_address = f"{address(subject.key)}?token={cora.token}&i.WT=72"
    assert cora.client.post(in_the_address, data={"version": "0", "act": "save"}).status_code == 400
    assert counts(house) == before
    answer = cora.post(address(subject.key) + "?i.WT=99", {**vitals(), "i.WT": ["72", "88"]})
    assert answer.status_code in (303, 422)
    with house.world.read() as tx:
        told = " ".join(tx.read(sql("SELECT document FROM form WHERE form_oid = 'VITALS'")).scalars())
    assert "99" not in told and not ("72" in told and "88" in told)


FORGED = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}
FORGED |= {"X-Original-URL": "/people", "X-Rewrite-URL": "/people", "X-HTTP-Method-Override": "DELETE", "X-Forwarded-For": "6.6.6.6"}


def test_a_forged_host_reaches_no_page_no_way_onward_and_no_mail(house: House) -> None:
    adam = house.client("adam")
    cookie = adam.client.get_cookie("trialcrf")
    assert cookie
    forged = {**FORGED, "Cookie": f"trialcrf={cookie.value}"}
    client = house.app.test_client(use_cookies=False)
    for url in ("/", "/people", "/sign-in", "/nowhere", f"/studies/{STUDY}/subjects"):
        answer = client.get(url, headers=forged)
        assert "evil.example" not in answer.text + str(answer.headers), url
    asked = {"username": "zoe", "name": "Zoé", "email": "zoe@example.org", "organisation": "Hospital", "language": "fr"}
    assert client.post("/people/new", data={**asked, "token": adam.token}, headers=forged).status_code == 303
    with house.world.read() as tx:
        queued = tx.read(sql("SELECT * FROM outbox")).all()
    assert queued and "evil.example" not in str(queued), "the address in a mail is the one of the settings"


def test_where_somebody_sits_is_not_what_they_say(house: House) -> None:
    house.app.test_client().post("/sign-in", data={"username": "cora", "password": "no"}, headers=FORGED)
    with house.world.read() as tx:
        told = str(tx.read(sql("SELECT * FROM audit_record")).all())
        assert tx.read(sql("SELECT address FROM sign_in_attempt")).scalars().all() == ["127.0.0.1"]
    assert "6.6.6.6" not in told


def test_behind_a_proxy_of_the_house_it_is_what_the_proxy_says_and_not_what_was_sent_to_it(house: House) -> None:
    stand_behind(house.app, 1)
    client = house.app.test_client()
    for number in range(5):
        said = {"X-Forwarded-For": f"6.6.6.{number}, 192.0.2.7"}
        assert client.post("/sign-in", data={"username": "cora", "password": "no"}, headers=said).status_code == 401
    said = {"X-Forwarded-For": "7.7.7.7, 192.0.2.7"}
    assert client.post("/sign-in", data={"username": "cora", "password": PASSWORD}, headers=said).status_code == 401, "one address guessed"
    with house.world.read() as tx:
        assert set(tx.read(sql("SELECT address FROM sign_in_attempt")).scalars()) == {"192.0.2.7"}
        assert "6.6.6." not in str(tx.read(sql("SELECT * FROM audit_record")).all())
    said = {"X-Forwarded-For": "192.0.2.7, 192.0.2.8"}
    assert client.post("/sign-in", data={"username": "cora", "password": PASSWORD}, headers=said).status_code == 303, "nobody is that one"


def test_a_token_that_was_there_before_signing_in_is_not_the_one_after(house: House) -> None:
    client = house.app.test_client()
    client.set_cookie("trialcrf", "chosen-by-somebody-else")
    assert client.post("/sign-in", data={"username": "cora", "password": PASSWORD}).status_code == 303
    held = client.get_cookie("trialcrf")
    assert held and held.value != "chosen-by-somebody-else"
    thief = house.app.test_client()
    thief.set_cookie("trialcrf", "chosen-by-somebody-else")
    assert thief.get("/account").status_code == 302


@pytest.mark.parametrize(
    "led",
    [
        "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "HTTPS:evil.example",
        "http:/evil.example", "javascript:alert(1)", "data:text/html,x", "/\t/evil.example", "/\n/evil.example", "\t//evil.example",
        " //evil.example", "/%5c/evil\\.example", "evil.example", "", "//[", "/ok\r\nSet-Cookie: a=b",
    ],
)  # fmt: skip
def test_no_way_leads_to_another_server(house: House, led: str) -> None:
    with house.app.test_request_context("/"):
        assert safe_next(led) == "/"


def test_a_name_that_is_a_statement_opens_no_account(house: House) -> None:
    for name in ("x' OR username = 'cora", "cora' --", "cora'; DROP TABLE account; --", "%", "cora\\", '" OR 1=1 --'):
        assert house.app.test_client().post("/sign-in", data={"username": name, "password": PASSWORD}).status_code == 401, name
    assert house.client("cora").get(f"/studies/{STUDY}/subjects?q=' OR 1=1 --").status_code == 200


@pytest.mark.parametrize("led", ["/", "/account?done=changed", "/studies/msc_ssc/subjects/R-01-001/SCR/1/VITALS/1#i-WT"])
def test_every_way_of_ours_is_kept(house: House, led: str) -> None:
    with house.app.test_request_context("/"):
        assert safe_next(led) == led


def test_a_name_cannot_turn_the_line_it_stands_in(house: House) -> None:
    asked = {"username": "zoe", "name": "Zoé \u202enimda", "email": "zoe@example.org", "organisation": "Hospital", "language": "fr"}
    answer = house.client("adam").post("/people/new", asked)
    assert answer.status_code == 422 and 'id="error-name"' in answer.text
    assert "Zoé" in text(house.client("adam").post("/people/new", {**asked, "name": "Zoé"}, follow_redirects=True))
