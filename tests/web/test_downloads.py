"""Files with data are counted per person: so many within an hour, told in words when the next one opens, and nothing else is held up."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import text as sql

from tests.web.site import text
from tests.web.test_queries import CONSENT
from trialcrf.store.downloads import WHAT
from trialcrf.store.models import save_token
from trialcrf.web import downloads

ROOT = Path(__file__).resolve().parents[2]
ZIP, CSV = "/studies/msc_ssc/data/download.zip", "/studies/msc_ssc/subjects.csv"
NOT_COUNTED = {
    "forms/enclosures.py": "a document proves one answer of one participant, and is read beside it",
    "cells/labels.py": "labels of bags are drawn beside the freezer",
    "safety/case_documents.py": "a report of a serious event has its clock",
    "safety/cases.py": "so has what belongs to it",
    "visits/feed.py": "a program reads it, and it is one person's calendar",
}
"""Pages that send files which nobody may be kept from."""


def test_after_so_many_files_one_waits_and_is_told_how_long_and_nobody_else_does(each_house):
    each_house.world.enrol("recipient", **CONSENT)
    each_house.app.config["DOWNLOADS"] = 2
    dana, mona = each_house.client("dana"), each_house.client("mona")
    assert dana.post(ZIP).status_code == 200
    assert asked(dana) == 200
    for refused in (dana.post(ZIP), dana.get(CSV)):
        assert refused.status_code == 429
        said = text(refused)
        assert "2" in said
        assert re.search(r"\b60\b", said), "in how many minutes the next one opens"
        assert "Content-Disposition" not in refused.headers
    assert dana.get("/studies/msc_ssc/data").status_code == 200, "everything else goes on"
    assert asked(mona) == 200
    an_hour_ago(each_house)
    assert asked(dana) == 200


def test_what_sent_no_file_is_not_counted(house):
    house.app.config["DOWNLOADS"] = 1
    dana = house.client("dana")
    for _ in range(2):
        assert "attachment" not in dana.post(ZIP).headers.get("Content-Disposition", ""), "there is nothing to take along yet"
        assert dana.get("/studies/msc_ssc/reports/999.pdf").status_code == 404
    assert asked(dana) == 200
    assert asked(dana) == 429


def test_every_page_that_sends_a_file_is_counted_or_says_why_not(house):
    routes = set(house.app.view_functions)
    assert routes >= downloads.COUNTED
    modules = {house.app.view_functions[one].__wrapped__.__code__.co_filename for one in downloads.COUNTED}
    counted = {Path(one).relative_to(ROOT / "trialcrf" / "web").as_posix() for one in modules}
    sends = {
        path.relative_to(ROOT / "trialcrf" / "web").as_posix()
        for path in (ROOT / "trialcrf" / "web").rglob("*.py")
        if re.search(r"\"Content-Disposition\"|send_file\(", path.read_text(encoding="utf-8")) and path.name != "downloads.py"
    }
    assert sends == counted | set(NOT_COUNTED)


def asked(person):
    """How the list is answered; it is read to its end, as a browser does."""
    with person.get(CSV) as answer:
        answer.get_data()
    return answer.status_code


def an_hour_ago(house):
    """The clock of what was taken is put back; the time itself nobody stops."""
    with house.world.engine.begin() as connection:
        connection.execute(sql("UPDATE save_token SET at = '2020-01-01T00:00:00.000000Z' WHERE endpoint = :what"), {"what": WHAT})
        assert connection.execute(save_token.select()).first() is not None
