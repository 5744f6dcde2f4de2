"""An opened archive: the pages say what they said where it was made, to anyone at this machine, and nobody changes anything."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from flask import Flask, request

from tests.actions.world import typed
from tests.web.site import Browser, House, filling_of, open_house, settings_for, text
from trialcrf.actions import administer
from trialcrf.actions.records import archive_study
from trialcrf.external import archive as files
from trialcrf.external import clock
from trialcrf.store import audit, reports
from trialcrf.store.transaction import Archived
from trialcrf.web import create_app

STUDY = "/studies/msc_ssc"
CONSENT = {
    "ICF_DATE": (2, 9, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip
IN_ENGLISH = {"Accept-Language": "en"}


@pytest.fixture(scope="module")
def opened(databases, tmp_path_factory) -> Iterator[tuple[Browser, Flask]]:
    """An inspector's browser where something happened, and the archive of that house as another machine opens it."""
    url, folder = databases.fresh("sqlite", filling_of()), tmp_path_factory.mktemp("archived")
    house = open_house(url, folder / "data")
    recorded(house, folder / "data")
    live = house.client("iris")  # Her signing in is in the trail: it comes before the archive.
    for name in ("gathered", "proved", "elsewhere"):
        (folder / name).mkdir()
    with house.world.read() as tx:
        gathered = archive_study.gather(tx, clock.now(), "0.1.0", folder / "data", folder / "gathered")
    archive_study.write(gathered, folder / "archive.zip", folder / "proved")
    app = application(folder)
    yield live, app
    app.extensions["trialcrf.engine"].dispose()
    house.close()
    databases.drop(url)


def application(folder: Path) -> Flask:
    proof = archive_study.prove(folder / "archive.zip", folder / "elsewhere")
    settings = settings_for(f"sqlite:///{folder / 'elsewhere' / archive_study.DATABASE}", folder / "elsewhere")
    return create_app(replace(settings, archive=proof.made_at))


def recorded(house: House, data: Path) -> None:
    """A recipient with a visit, a corrected value, a query of a check, and a report."""
    world, now = house.world, clock.now()
    patient = world.enrol("recipient", now=now, **CONSENT)
    world.enrol("recipient", "02", now=now, **CONSENT)
    world.save(patient, "VITALS", "SCR", typed(None, HT="170", WT="60", PULSE="151"), now=now)
    world.save(patient, "VITALS", "SCR", typed(1, "SOURCE", WT="61"), now=now)
    with world.write("trialcrf", now) as tx:
        administer.set_preferences(tx, house.id_of(tx, "iris"), language="en")
        kept = reports.order(tx, "k", 1, "quality", "en", now.date(), now, "dana")
        assert kept
        sha256 = files.keep(data / "reports" / "msc_ssc-quality-1.pdf", b"%PDF report")
        reports.drawn(tx, kept, 1, "c" * 64, sha256, "msc_ssc-quality-1.pdf", "", [])


LINK = re.compile(r'(?:href|action)="(/[^"#]*)"')


def links(page: str) -> Iterator[str]:
    """Where a page leads within the study, without what only chooses a language."""
    for found in LINK.findall(page):
        parts = urlsplit(unescape(found))
        asked = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "lang"]
        if parts.path.startswith(STUDY):
            yield parts.path + ("?" + urlencode(asked) if asked else "")


def main_of(page: str) -> str:
    """What stands in the main part of a page, but for what only sends something, the way to the guides, which an archive has none of, and
    for where and at which moment one reads it."""
    inner = re.sub(r'<form[^>]*method="post".*?</form>', "", page[page.index("<main") : page.index("</main>")], flags=re.S)
    inner = re.sub(r'<p class="guide-way">.*?</p>', "", inner, flags=re.S)
    said = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", inner))).strip()
    said = re.sub(r"^Archive of .*? nothing can be changed\. ?", "", said)
    return re.sub(r"data known at \d+ \w+ \d+, \d\d:\d\d UTC|now \d\d:\d\d", "now", said)


def test_every_page_that_can_be_reached_says_what_it_said_to_an_inspector_where_it_was_made(opened):
    """From a form with something in it along every link, one address of each kind of page."""
    live, app = opened
    client = app.test_client()
    waiting, seen, compared = deque([f"{STUDY}/subjects/R-01-001/SCR/1/VITALS/1"]), set(), {}
    while waiting:
        address = waiting.popleft()
        with app.test_request_context(address):
            kind = request.endpoint
        if kind in seen or kind is None:
            continue
        seen.add(kind)
        there, here = live.get(address, headers=IN_ENGLISH), client.get(address, headers=IN_ENGLISH)
        assert here.status_code == there.status_code, (address, here.status_code, there.status_code)
        if there.status_code != 200 or there.mimetype != "text/html":
            assert here.data == there.data or there.status_code != 200, address
            continue
        compared[kind] = address
        assert main_of(here.text) == main_of(there.text), address
        assert "Archive of" not in there.text
        assert ("Archive of" in here.text) is ('<header class="top">' in here.text), address  # But a sheet to be printed, as the card.
        assert '<form method="post"' not in here.text, address
        waiting.extend(links(here.text))
    assert compared.keys() >= {
        "subjects.matrix", "subjects.one", "entry.form", "history.form", "queries.listed", "queries.one", "reports.listed", "cases.listed",
        "calendar.shown", "timeline.one", "quality.shown", "specification.assumptions", "laboratory.listed", "stopping.shown",
    }  # fmt: skip


def test_a_form_shows_its_findings_and_its_history(opened):
    _, app = opened
    client = app.test_client()
    form = client.get(f"{STUDY}/subjects/R-01-001/SCR/1/VITALS/1", headers=IN_ENGLISH)
    assert "151" in form.text
    assert "Query:" in text(form)
    history = text(client.get(f"{STUDY}/subjects/R-01-001/SCR/1/VITALS/1/history", headers=IN_ENGLISH))
    assert "60" in history and "61" in history and "cora" in history.lower()


def test_a_report_is_sent_as_it_was_archived(opened):
    _, app = opened
    answer = app.test_client().get(f"{STUDY}/reports/1.pdf")
    assert (answer.status_code, answer.data) == (200, b"%PDF report")


def test_nothing_can_be_sent_whatever_the_address(opened):
    _, app = opened
    client, engine = app.test_client(), app.extensions["trialcrf.engine"]
    with engine.connect() as connection:
        before = audit.chains(connection)
    methods = {"POST", "PUT", "PATCH", "DELETE"}
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    for rule in sorted(rules):
        address = re.sub(r"<(?:[^:>]+:)?([^>]+)>", lambda named: {"study": "msc_ssc", "subject": "R-01-001"}.get(named[1], "1"), rule)
        for method in methods if rule in ("/", "/sign-in") else {"POST"}:
            answer = client.open(address, method=method, data={"token": ""}, headers=IN_ENGLISH)
            assert answer.status_code == 403, (method, address)
            assert "nothing can be changed" in answer.text, address
    with engine.connect() as connection:
        assert audit.chains(connection) == before


@pytest.mark.parametrize(
    "address", ["/sign-in", "/account", "/me/calendars", "/invitation/x", "/reminders/stop/x", "/calendar/x.ics", "/healthz"]
)
def test_there_is_no_account_to_sign_in_to(opened, address):
    _, app = opened
    assert app.test_client().get(address).status_code == 404


def test_the_start_leads_to_the_study(opened):
    _, app = opened
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.location) == (302, f"{STUDY}/subjects")


def test_only_this_machine_reads_it(opened):
    """A page elsewhere may have its own name lead to this machine: the name that the browser asks for gives it away."""
    _, app = opened
    client = app.test_client()
    for host, status in (
        ("127.0.0.1:8000", 200),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("evil.example:8000", 403),
        ("10.0.0.1", 403),
    ):
        assert client.get(f"{STUDY}/subjects", base_url=f"http://{host}").status_code == status, host


def test_the_language_is_chosen_by_the_address_and_stays(opened):
    _, app = opened
    client = app.test_client()
    assert '<html lang="en"' in client.get(f"{STUDY}/subjects?lang=en").text
    page = client.get(f"{STUDY}/queries?state=all").text
    assert '<html lang="en"' in page
    assert re.search(rf'href="{STUDY}/queries\?state=all&amp;lang=fr"', page)


def test_the_moment_of_its_pages_is_that_of_the_archive(opened):
    """What was due then is due whenever it is opened."""
    _, app = opened
    before = app.config["ARCHIVE"]
    app.config["ARCHIVE"] = datetime(2040, 1, 1, tzinfo=UTC)
    try:
        late = text(app.test_client().get(f"{STUDY}/calendar", headers=IN_ENGLISH))
    finally:
        app.config["ARCHIVE"] = before
    assert "Archive of 1 Jan 2040" in late
    assert "January 2040" in late


def test_a_database_of_a_trial_is_never_opened_as_an_archive_nor_an_archive_as_a_trial(opened, databases, tmp_path):
    _, app = opened
    url = databases.fresh("sqlite", filling_of())
    with pytest.raises(Archived):
        create_app(replace(settings_for(url, tmp_path), archive=clock.now()))
    databases.drop(url)
    archived = settings_for(app.extensions["trialcrf.engine"].url.render_as_string(hide_password=False), tmp_path)
    with pytest.raises(Archived):
        create_app(archived)
