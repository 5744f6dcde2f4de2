"""Measurements: for this machine and the networks that are named, in numbers alone."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.actions.screening import screen_recipient
from trialcrf.external.metrics import Board, page

STUDY = "/studies/msc_ssc"


def asked(house, address="127.0.0.1"):
    return house.app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": address})


def figures(answer) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_requests_refusals_saves_and_what_waits_are_counted(each_house):
    before = figures(asked(each_house))
    cora, sam = each_house.client("cora"), each_house.client("sam")
    assert cora.get(f"{STUDY}/subjects").status_code == 200
    assert sam.get("/people").status_code == 403
    assert cora.post("/account/theme", {"theme": "dark"}).status_code == 303
    after = figures(asked(each_house))

    def grew(name: str, **labels: str) -> float:
        key = name, tuple(sorted(labels.items()))
        return after[key] - before.get(key, 0.0)

    assert grew("trialcrf_requests_total", route="/studies/<study>/subjects", status="200") == 1
    assert grew("trialcrf_refused_total", verb="user.administer") == 1
    assert grew("trialcrf_saves_total") == 3  # two who signed in, and one who chose
    assert grew("trialcrf_request_seconds_count") == grew("trialcrf_request_seconds_bucket", le="+Inf") >= 6
    assert after["trialcrf_mails", (("state", "queued"),)] == 0
    assert after["trialcrf_disk_free_bytes", ()] > 0
    assert {"trialcrf_queue_length", "trialcrf_database_connections", "trialcrf_build_info"} <= {name for name, _ in after}


def test_nothing_of_a_subject_a_site_or_a_person_is_in_it(house):
    subject = screen_recipient(house.world)
    cora = house.client("cora")
    for path in (f"{STUDY}/subjects/{subject.key}", f"{STUDY}/subjects?find=Dupont", f"/{subject.key}", "/studies/Dupont/subjects"):
        cora.get(path)
    house.app.test_client().open(f"/{subject.key}", method="DUPONT")
    said = asked(house).text
    for marker in (subject.key, "Dupont", "DUPONT", "cora", "msc_ssc", 'site="'):
        assert marker not in said


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("10.9.8.7", 200), ("10.9.9.7", 404), ("", 404)])
def test_only_this_machine_and_the_networks_that_are_named_may_read(house, address, status):
    house.app.config["METRICS_FROM"] = (ip_network("10.9.8.0/24"),)
    assert asked(house, address).status_code == status


def test_behind_a_proxy_that_nobody_spoke_of_no_one_is_taken_for_this_machine(house):
    house.app.config["SECURE_COOKIES"] = True
    assert asked(house).status_code == 404
    house.app.config["PROXIES"] = 1
    assert asked(house).status_code == 200


def test_processes_count_together_and_a_new_one_goes_on():
    board = Board(["/a"], ["v"], 2)
    for row in (0, 1, 0):
        board.take(row)
        board.request("/a", 299, 0.3)
        board.request("/typed/by/somebody", 404, 99.0)
    said = page(board, {}).decode()
    assert 'trialcrf_requests_total{route="/a",status="2xx"} 3.0' in said
    assert 'trialcrf_requests_total{route="",status="404"} 3.0' in said
    assert 'trialcrf_request_seconds_bucket{le="10.0"} 3.0' in said
    assert "somebody" not in said
