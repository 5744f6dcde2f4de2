"""An inspector reads what everybody reads and writes nothing: every route that writes is knocked at."""

from __future__ import annotations

import pytest
from sqlalchemy import text as sql

from tests.web.site import House, text
from trialcrf.core.access import VERBS
from trialcrf.web.guard import PUBLIC, SAFE, SELF, needed_by

RENROL = {
    "ICF_DATE": (2, 11, 2026), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1946), "SEX_BIRTH": "F",
}  # fmt: skip
VALUES = {"study": "msc_ssc", "site": "01", "event": "SCR", "form": "RENROL", "kind": "recipient", "repeat": 1, "n": 1}

OUT = {"trail.download", "trail.export", "casebook_files.order"}
"""What takes data along, which is reading: it is noted in the trail of the account."""


@pytest.fixture
def walked(house):
    return house.client("iris"), house.world.enrol("recipient", **RENROL)


def records(house: House) -> int:
    with house.world.read() as tx:
        return tx.read(sql("SELECT count(*) FROM audit_record")).scalar_one()


def writing_routes(house: House, subject: str):
    """(endpoint, verb, address) of every route that is no reading one, filled in with what exists."""
    with house.app.test_request_context():
        adapter = house.app.create_url_adapter(None) or house.app.url_map.bind("localhost")
        for rule in house.app.url_map.iter_rules():
            if not (rule.methods or set()) - SAFE:
                continue
            choices = {name: next(iter(getattr(converter, "items", ()) or (1,))) for name, converter in rule._converters.items()}
            values = {name: VALUES.get(name, subject if name == "subject" else choices[name]) for name in rule.arguments}
            method = sorted((rule.methods or set()) - SAFE)[0]
            assert method == "POST", rule
            yield rule.endpoint, needed_by(rule.endpoint), adapter.build(rule.endpoint, values, method=method)


def test_every_route_that_writes_refuses_an_inspector(house, walked):
    iris, subject = walked
    routes, before = list(writing_routes(house, subject.key)), records(house)
    assert len(routes) > 60
    seen = {}
    for endpoint, needed, url in routes:
        if needed in (PUBLIC, SELF):
            continue
        answer = iris.post(url)
        answer.close()
        if "inspector" not in VERBS[needed]:
            assert answer.status_code == 403, (endpoint, needed, answer.status_code)
        else:
            seen[endpoint] = answer.status_code
    # A page that may be read answers a POST itself; what it says must not be a success.
    assert {endpoint for endpoint, status in seen.items() if status < 400} <= OUT, seen
    with house.world.read() as tx:
        told = {row.op for row in tx.read(sql("SELECT op FROM audit_record"), {}).all()[before:]}
    assert told <= {"export"}


def test_an_inspector_reads_subjects_forms_their_history_and_the_logs(house, walked):
    iris, subject = walked
    for url in ("subjects", f"subjects/{subject.key}", "queries", "delegation", "access", "cells"):
        assert iris.get(f"/studies/msc_ssc/{url}").status_code in (200, 308) or url == "cells", url
    page = iris.get(f"/studies/msc_ssc/subjects/{subject.key}/SCR/1/RENROL/1")
    assert page.status_code == 200, page.status_code


def test_the_first_page_of_an_inspector_is_the_list_of_subjects(house, walked):
    iris, subject = walked
    answer = iris.get("/", follow_redirects=True)
    assert answer.status_code == 200
    assert subject.key in text(answer)


def test_an_inspector_of_one_site_reads_no_other(each_house):
    from tests.actions.world import TRAINED
    from trialcrf.actions import administer

    house = each_house
    with house.world.write("trialcrf") as tx:
        nina = administer.create_account(tx, "nina", "Nina", "nina@example.org", "Agency", "fr")
        administer.give_role(tx, nina, "inspector", "msc_ssc", "01", TRAINED)
    here = house.world.enrol("recipient", **RENROL)
    there = house.world.enrol("recipient", "02", **RENROL)
    browser = house.client("nina")
    assert browser.get(f"/studies/msc_ssc/subjects/{here.key}").status_code == 200
    assert browser.get(f"/studies/msc_ssc/subjects/{there.key}").status_code == 404
    assert browser.get("/studies/msc_ssc/access").status_code == 403
