"""The data as a download: for data managers, by a post with its token, recorded in the trail, and empty only in words."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from tests.web.site import House, text
from tests.web.test_queries import CONSENT
from trialcrf.store import audit, replay

PAGE = "/studies/msc_ssc/data"
ZIP = PAGE + "/download.zip"


def exports(house: House) -> list[audit.Past]:
    with house.world.read() as tx:
        return [past for past in audit.history(tx.connection, "account", str(house.account("dana"))) if past.op == "export"]


def test_the_page_names_every_file_of_the_download(house):
    house.world.enrol("recipient", **CONSENT)
    dana = house.client("dana")
    page = dana.get(PAGE)
    assert page.status_code == 200
    with zipfile.ZipFile(io.BytesIO(dana.post(ZIP).data)) as archive:
        assert archive.namelist()
        assert [name for name in archive.namelist() if f"<code>{name}</code>" not in page.text] == []


def test_the_download_holds_the_data_and_is_in_the_trail(each_house):
    each_house.world.enrol("recipient", **CONSENT)
    answer = each_house.client("dana").post(ZIP)
    assert answer.status_code == 200
    assert answer.content_type == "application/zip"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=msc_ssc-")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert "R-01-001" in archive.read("RENROL.csv").decode()
        checkpoint = json.loads(archive.read("manifest.json"))["checkpoint"]["sha256"]
    (told,) = exports(each_house)
    assert (told.actor, told.role) == ("dana", "data_manager")
    assert told.place == f"export msc_ssc {checkpoint}"
    with each_house.world.read() as tx:
        assert list(replay.differences(tx)) == []
    assert checkpoint in text(each_house.client("adam").get(f"/people/{each_house.account('dana')}"))


def test_a_download_with_nothing_in_it_says_so_and_sends_no_file(house):
    answer = house.client("dana").post(ZIP)
    assert answer.content_type.startswith("text/html")
    assert 'role="alert"' in answer.text
    assert exports(house) == []


@pytest.mark.parametrize("name", ["cora", "ivan", "mona", "sam", "adam", "olga"])
def test_only_a_data_manager_takes_the_data_along(house, name):
    house.world.enrol("recipient", **CONSENT)
    someone = house.client(name)
    assert someone.get(PAGE).status_code == 403
    assert someone.post(ZIP).status_code == 403


def test_the_data_of_another_study_do_not_exist(house):
    dana = house.client("dana")
    assert dana.get("/studies/other/data").status_code == 404
    assert dana.post("/studies/other/data/download.zip").status_code == 404


def test_a_get_and_a_post_without_the_token_download_nothing(house):
    house.world.enrol("recipient", **CONSENT)
    dana = house.client("dana")
    assert dana.get(ZIP).status_code == 405
    assert dana.post(ZIP, token=None).status_code == 400
    assert exports(house) == []
