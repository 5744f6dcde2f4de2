"""The page of the planned review: who may look, what it shows, and the conclusion that is signed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.actions.screening import put, screen_recipient
from tests.actions.world import PASSWORD
from tests.web.site import text
from trialcrf.actions.oversight import review_trail
from trialcrf.core.access import Grant
from trialcrf.store import accounts

URL = "/studies/msc_ssc/audit-review"
_SEEN = re.compile(r'name="seen"[^>]*value="([^"]*)"')


def days(first, last) -> dict[str, str]:
    return {
        f"{end}-{name}": str(part)
        for end, day in (("first", first), ("last", last))
        for name, part in (("day", day.day), ("month", day.month), ("year", day.year))
    }


def period() -> dict[str, str]:
    """Until today: the world of tests lies some days back."""
    today = datetime.now(UTC).date()
    return days(min(datetime(2026, 11, 1, tzinfo=UTC).date(), today - timedelta(days=30)), today)


def look(browser, **more):
    return browser.get(URL, query_string={**period(), "show": "signals", **more})


def corrected(house):
    """A screening whose laboratory was corrected: the worlds's clock stands at ten in the morning in Paris."""
    subject = screen_recipient(house.world, only=("VISIT", "LABS"))
    for count in ("150", "151"):
        put(house.world, subject, "LABS", "SCR", CD4_COUNT=count)
    return subject


def reviews(house):
    with house.world.read() as tx:
        return review_trail.reviews(tx, "msc_ssc")


def test_a_data_manager_looks_concludes_and_signs_and_the_review_is_listed(each_house):
    house = each_house
    corrected(house)
    dana = house.client("dana")
    assert "Aucune revue" in text(dana.get(URL))
    page = look(dana)
    assert page.status_code == 200
    for said in ("Saisi tard", "Modifié après une signature", "Une même main", "A-44", "proposé"):
        assert said in text(page), said
    seen = _SEEN.search(page.text)
    assert seen
    data = {**period(), "seen": seen[1], "password": PASSWORD, "conclusion": "Rien à signaler."}
    assert dana.post(URL, {**data, "password": "wrong"}).status_code == 422
    assert dana.post(URL, {**data, "conclusion": " "}).status_code == 422
    assert dana.post(URL, {**data, "seen": "0" * 64}).status_code == 409
    assert reviews(house) == []
    answer = dana.post(URL, data)
    assert answer.status_code == 303, text(answer)
    (made,) = reviews(house)
    assert made.content["conclusion"] == "Rien à signaler."
    after = dana.get(answer.headers["Location"])
    assert "Rien à signaler." in text(after) and "Dana" in text(after) and made.hash in after.text
    assert "Rien à signaler." not in house.client("sam").get("/studies/msc_ssc/stopping").text


def test_the_signals_lead_to_the_history_of_the_form(house):
    put_late(house)
    page = look(house.client("dana")).text
    assert "/history" in page
    assert re.search(r'id="signal-many_sites"', page)


def put_late(house):
    subject = screen_recipient(house.world, only=("VISIT",), VIS_DATE=(1, 9, 2026), ICF_DATE=(1, 8, 2026))
    assert subject


def test_only_who_may_take_the_whole_trail_reads_it_and_only_who_reviews_looks(house):
    for name in ("cora", "ivan", "mona", "sam"):
        browser = house.client(name)
        assert browser.get(URL).status_code == 403
        assert browser.post(URL, {"password": PASSWORD}).status_code == 403
    with house.world.write("trialcrf") as tx:
        accounts.give(tx, house.id_of(tx, "olga"), Grant("inspector", "msc_ssc"), date(2026, 1, 1))
    olga = house.client("olga")
    page = look(olga)
    assert page.status_code == 200 and "signal-" not in page.text and 'name="password"' not in page.text
    assert olga.post(URL, {"password": PASSWORD}).status_code == 403


@pytest.mark.parametrize(
    ("more", "box"),
    [
        ({"first-month": "13"}, "first"),
        ({"last-year": "2096"}, "last"),
        ({"first-day": "", "first-month": "", "first-year": ""}, "first"),
        ({"last-year": "2001"}, "last"),
        ({"first-year": "9" * 40}, "first"),
    ],
)
def test_a_period_that_is_none_is_told_at_its_box(house, more, box):
    answer = look(house.client("dana"), **more)
    assert answer.status_code == 422
    assert f'id="error-{box}"' in answer.text
    assert house.client("dana").post(URL, {**period(), **more, "password": PASSWORD}).status_code == 422
    assert reviews(house) == []
