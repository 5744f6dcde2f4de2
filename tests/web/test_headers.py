"""What every answer tells a browser to keep to, on every page of the program and on its files, in and without TLS."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from copy import copy
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import inspect
from sqlalchemy import text as sql
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.web.site import House, filling_of, open_house
from trialcrf.core.access import Grant
from trialcrf.external import clock
from trialcrf.store import accounts, downloads
from trialcrf.web import violations

PLACES = {"study": "msc_ssc", "site": "01", "subject": "R-01-001", "event": "SCR", "form": "VITALS", "name": "nora"}
"""What stands in an address; any other text is `1`, and a number 1: a page that is not found keeps to the same."""


@pytest.fixture(scope="module")
def walked(databases, tmp_path_factory) -> Iterator[House]:
    """A house with one person in it, for everything here: nothing of it is changed."""
    url = databases.fresh("sqlite", filling_of())
    house = open_house(url, tmp_path_factory.mktemp("walked"))
    consent = {"ICF_DATE": ("2", "9", "2026"), "BIRTH_MONTH": {"m": "5", "y": "1979"}, "SEX_BIRTH": "F", "ICF_SIGNED": "Y"}
    house.world.enrol("recipient", "01", clock.now(), **consent)
    with house.world.write("trialcrf") as tx:
        for role in ("administrator", "investigator"):
            accounts.give(tx, house.id_of(tx, "dana"), Grant(role, "*"))
    yield house
    house.close()
    databases.drop(url)


def addresses(app: Flask) -> Iterator[tuple[str, str]]:
    """Every address that is asked for by GET, with the name of its page."""
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()):
            yield rule.endpoint, address_of(app, rule)


def address_of(app: Flask, rule: Rule) -> str:
    def one(name: str) -> object:
        offered = getattr(rule._converters[name], "regex", "")
        choices = re.fullmatch(r"\(\?:([\w.-]+)\|.*\)", offered)
        return choices[1] if choices else PLACES.get(name, "js/page.js" if name == "filename" else 1)

    found = rule.build({name: one(name) for name in rule.arguments}, append_unknown=False)
    assert found, rule
    return found[1]


def test_every_answer_keeps_to_the_same_and_reading_changes_nothing(walked):
    """Asked by somebody who may open nearly everything; what is refused or not there keeps to it too."""
    client, nobody = walked.client("dana").client, walked.app.test_client()
    client.get("/account")
    before, seen, words = rows(walked), set(), []
    for endpoint, address in addresses(walked.app):
        for asked in (client, nobody) if endpoint in ASKED_TWICE else (client,):
            with asked.get(address) as answer:
                answer.get_data()
            assert answer.status_code < 500 or endpoint == "health.healthz", address
            seen.add(answer.status_code)
            headers_hold(answer, endpoint)
            words += policy_holds(answer)
    assert {200, 302, 403, 404} <= seen
    assert len(words) == len(set(words)) > 100, "a word is of one answer"
    assert rows(walked) == before


ASKED_TWICE = {"account.sign_in_page", "account.mine", "static", "subjects.one", "health.healthz", "feed.ics"}


def rows(house: House) -> dict[str, int]:
    """How much of everything there is, the trail included; that a file with data was taken is counted, and is no effect of it."""
    with house.world.read() as tx:
        names = inspect(tx.connection).get_table_names()
        counted = {"save_token": f" WHERE endpoint <> '{downloads.WHAT}'"}
        return {name: int(tx.read(sql(f'SELECT count(*) FROM "{name}"{counted.get(name, "")}')).scalar_one()) for name in names}


def headers_hold(answer: TestResponse, endpoint: str) -> None:
    told = answer.headers
    assert told["X-Content-Type-Options"] == "nosniff"
    assert told["Referrer-Policy"] == "same-origin"
    assert told["Cross-Origin-Opener-Policy"] == told["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in told["Permissions-Policy"]
    assert "Access-Control-Allow-Origin" not in told
    if endpoint != "static" and (endpoint != "feed.ics" or answer.status_code != 200):
        assert told["Cache-Control"] == "no-store"
        assert {"Cookie", "Accept-Language"} <= set(answer.vary)
    if answer.mimetype.startswith("text/"):
        assert "charset=utf-8" in told["Content-Type"].lower()


def policy_holds(answer: TestResponse) -> list[str]:
    """The word of the answer, where it is a page: its scripts, and nothing else of it, may run."""
    policy, page = answer.headers["Content-Security-Policy"], answer.get_data().decode("utf-8", "replace")
    told = dict(one.strip().partition(" ")[::2] for one in policy.split(";"))
    assert (told["default-src"], told["object-src"], told["base-uri"], told["frame-ancestors"]) == ("'none'",) * 4
    assert not {"unsafe-inline", "unsafe-eval"} & set(re.findall(r"[\w-]+", policy))
    if answer.mimetype != "text/html":
        assert "script-src" not in told and (answer.mimetype == "application/pdf" or "sandbox" in told)
        return []
    (word,) = re.findall(r"^'nonce-([\w-]{20,})'$", told["script-src"])
    assert (told["style-src"], told["form-action"], told["require-trusted-types-for"]) == ("'self'", "'self'", "'script'")
    assert told["connect-src"] == told["font-src"] == "'self'", "nothing of a page goes to another server"
    assert told["report-uri"] == "/violations"
    ours = rf'<script type="module" nonce="{word}" src="/static/js/\w+\.js">'
    assert all(re.fullmatch(ours, one) for one in re.findall(r"<script[^>]*>", page))
    assert not re.findall(r"<style|\sstyle=|\son\w+=\"|javascript:", page)
    return [word]


def behind_tls(app: Flask) -> Flask:
    found = copy(app)
    found.config = copy(app.config)
    found.config["SECURE_COOKIES"] = True
    return found


def test_behind_tls_the_cookie_is_bound_to_the_host_and_no_other_way_leads_back(walked):
    client = behind_tls(walked.app).test_client()
    sent = {"username": "dana", "password": "a long sentence for the tests"}
    answer = client.post("/sign-in", data=sent, base_url="https://localhost")
    (cookie,) = (one for one in answer.headers.getlist("Set-Cookie") if "trialcrf=" in one)
    assert cookie.startswith("__Host-trialcrf=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; ")) and "SameSite=" in cookie
    assert "Domain=" not in cookie
    chosen = behind_tls(walked.app).test_client().post("/language", data={"language": "en"}, base_url="https://localhost")
    kept = client.get("/account", base_url="https://localhost")
    for said, language in ((chosen, "en"), (kept, "fr")):
        cookie = said.headers["Set-Cookie"]
        assert cookie.startswith(f"language={language}") and {"Secure", "HttpOnly"} <= set(cookie.split("; "))
    for address in ("/account", "/static/base.css", "/nowhere"):
        with client.get(address, base_url="https://localhost") as got:
            strict = got.headers["Strict-Transport-Security"]
        assert strict == "max-age=63072000; includeSubDomains"
    assert "Strict-Transport-Security" not in walked.app.test_client().get("/sign-in").headers


def test_signing_out_clears_what_the_browser_kept(walked):
    person = walked.client("ivan")
    answer = person.post("/sign-out")
    assert answer.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'


@pytest.mark.parametrize("method", ["TRACE", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "PROPFIND", "BREW"])
def test_a_method_that_nobody_needs_is_refused_everywhere(walked, method):
    for address in ("/sign-in", "/healthz", "/static/base.css", "/violations", "/nowhere"):
        answer = walked.app.test_client().open(address, method=method)
        assert answer.status_code == 405, (method, address)
        assert "Cookie" not in answer.text
        assert set(answer.headers["Allow"].split(", ")) <= {"GET", "HEAD", "POST"}


OLD = {"csp-report": {"document-uri": "http://h/studies/msc_ssc/subjects/R-01-001", "effective-directive": "script-src-elem"}}
NEW = [{"body": {"documentURL": "http://h/account?x=R-01-001", "effectiveDirective": "img-src", "blockedURL": "data"}}]


def report(house: House, content: object) -> int:
    return house.app.test_client().post("/violations", json=content, headers={"Sec-Fetch-Site": "cross-site"}).status_code


def test_what_the_policy_stopped_is_written_down_without_subject_or_address(walked, caplog):
    violations._lately.clear()
    old = {"csp-report": {**OLD["csp-report"], "blocked-uri": "https://evil.example/steal?who=R-01-001"}}
    with caplog.at_level(logging.WARNING):
        assert (report(walked, old), report(walked, NEW)) == (204, 204)
    assert [one.getMessage() for one in caplog.records] == [
        "the policy stopped script-src-elem of evil.example on subjects.one",
        "the policy stopped img-src of data on account.mine",
    ]


@pytest.mark.parametrize(
    "sent",
    [b"", b"{", b"[" * 100_000, b"null", b"[1]", b'{"csp-report": 1}', b'{"csp-report": {"effective-directive": "x\\nroot signed in"}}'],
    ids=["nothing", "half", "deep", "null", "a list of none", "no report", "a forged line"],
)
def test_what_is_no_report_is_dropped(walked, caplog, sent):
    violations._lately.clear()
    answer = walked.app.test_client().post("/violations", data=sent)
    assert (answer.status_code, answer.data) in ((204, b""), (413, answer.data))
    assert not caplog.records


def test_reports_fill_no_disk_and_are_small(walked, caplog):
    violations._lately.clear()
    for _ in range(2 * violations.MOST):
        report(walked, NEW)
    assert len(caplog.records) == violations.MOST
    violations._lately.clear()
    violations._lately.extend([clock.now() - violations.WITHIN - timedelta(seconds=1)] * violations.MOST)
    report(walked, NEW)
    assert len(caplog.records) == violations.MOST + 1, "and later there is room again"
    assert report(walked, {"csp-report": {"effective-directive": "img-src", "sample": "x" * violations.LARGEST}}) == 413


def test_a_blocked_server_is_a_name_and_nothing_else(walked, caplog):
    violations._lately.clear()
    for blocked in ("http://[::1", "x" * 5000, "javascript:alert(1)"):
        report(walked, {"csp-report": {"effective-directive": "img-src", "blocked-uri": blocked, "document-uri": "//["}})
    assert {one.getMessage() for one in caplog.records} == {"the policy stopped img-src of something else on no page of ours"}


def test_a_stranger_is_told_nothing_of_the_program_by_a_page_that_does_not_exist(walked):
    answer = walked.app.test_client().get("/nowhere")
    assert answer.status_code == 404
    for word in ("Traceback", "werkzeug", "flask", "python"):
        assert word not in answer.text.lower() + str(answer.headers).lower(), word


@pytest.mark.parametrize("folder", ["/static/", "/static/js/", "/static/js", "/static/../", "/.git/config", "/static/%2e%2e/guard.py"])
def test_no_folder_is_listed(walked, folder):
    assert walked.app.test_client().get(folder).status_code == 404


@pytest.mark.parametrize("address", ["/account", "/studies/msc_ssc/subjects/R-01-001/SCR/1/VITALS/1", "/people"])
def test_every_page_lets_whoever_is_signed_in_sign_out(walked, address):
    page = walked.client("dana").get(address).text
    assert re.search(r'<form method="post" action="/sign-out">.*?<button', page)
