"""A list in which nothing stands says what will stand there and what brings it, or what to choose instead."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.web.site import House

LIST = "/studies/msc_ssc"
EMPTY = re.compile(r'<p class="empty"[^>]*>(.*?)</p>', re.DOTALL)
LISTS = {
    "cora": (
        "/subjects",
        "/subjects?site=01&state=overdue",
        "/queries",
        "/cases",
        "/casebooks",
        "/calendar?view=agenda",
        "/verification",
        "/requests",
        "/locks",
    ),
    "mona": ("/subjects", "/monitoring", "/monitoring?state=closed"),
    "ivan": ("/signing", "/delegation", "/laboratories"),
    "dana": ("/queries", "/queries?state=closed", "/access/reviews", "/reports", "/access?day=1&month=1&year=2020"),
    "lara": ("/cells", "/inventory"),
    "adam": ("//admin/mails", "//admin/backups", "//admin/jobs", "//people?state=inactive"),
}
"""Who reads which lists of a study that has sites and people, and nothing else; two strokes begin an address outside of the study."""


@pytest.mark.parametrize("name", LISTS)
def test_an_empty_list_teaches(house: House, name: str) -> None:
    reader = house.client(name)
    for address in LISTS[name]:
        answer = reader.get(address[1:] if address.startswith("//") else LIST + address)
        assert answer.status_code == 200, address
        said = [" ".join(unescape(re.sub("<[^>]+>", "", one)).split()) for one in EMPTY.findall(answer.text)]
        assert said, f"{address}: nothing says that the list is empty"
        for one in said:
            assert len(one) >= 45 and len(re.findall(r"[.:](?= |$)", one)) >= 2, f"{address} says no more than: {one}"
