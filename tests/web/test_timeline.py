"""The timeline of a subject: figure and table hold the same rows, nothing unreadable is drawn, and the strict policy holds."""

from __future__ import annotations

import re
from datetime import date
from html import unescape

import pytest

from tests.actions.world import typed
from tests.web.site import House, text
from trialcrf.core import access
from trialcrf.store import audit, sites, subjects

CONSENT = {
    "ICF_DATE": (2, 1, 2024), "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip
SUBJECT = "/studies/msc_ssc/subjects/R-01-001"
PAGE = f"{SUBJECT}/timeline"


def infused(house: House, ill: bool = True) -> None:
    """A recipient with an infusion and, `ill`, an adverse event that began in a month of which nobody knows the day."""
    one = house.world.enrol("recipient", "01", **CONSENT)
    house.world.save(one, "INFUSION", "D0", typed(INF_START=(30, 1, 2024, "10:00")))
    if ill:
        house.world.save(one, "ADVERSE", "AE", typed(AE_WORDS="Fièvre", AE_ONSET=("UNK", 2, 2024)))


def lanes(page: str) -> list[str]:
    return [re.sub(r"\s+", " ", unescape(one)) for one in re.findall(r'<g class="lane[^"]*"><title>([^<]*)</title>', page)]


def table_rows(page: str) -> list[str]:
    body = page.split('id="timeline-caption"')[1].split("<tbody>")[1].split("</tbody>")[0]
    return [re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", row))).strip() for row in body.split("</tr>") if "<th" in row]


@pytest.mark.parametrize("address", [PAGE, SUBJECT])
def test_the_figure_and_its_table_hold_the_same_rows(house, address):
    infused(house)
    page = house.client("cora").get(address)
    assert page.status_code == 200
    drawn, told = lanes(page.text), table_rows(page.text)
    assert len(drawn) == len(told) > 15
    for lane, row in zip(drawn, told, strict=True):
        assert all(part in row for part in lane.split(", ")), (lane, row)
    assert 'role="img"' in page.text and "<desc" in page.text


def test_a_partial_date_is_drawn_dashed_and_said(house):
    infused(house)
    page = house.client("cora").get(PAGE)
    event = next(one for one in re.findall(r'<g class="lane event.*?</g>', page.text, re.S))
    assert "partial" in event.split("<rect")[1]
    assert "1 févr" in text(page) or "1er févr" in text(page)


def test_nothing_known_is_a_sentence_and_no_figure(house):
    with house.world.write() as tx:
        subjects.create(tx, sites.find(tx, "msc_ssc", "01"), "recipient", "R-{site}-{number:03d}", date(2026, 1, 1))
    page = house.client("cora").get(PAGE)
    assert page.status_code == 200
    assert lanes(page.text) == [] and '<svg class="lanes"' not in page.text
    assert 'class="empty"' in page.text


def test_no_style_stands_in_the_page(house):
    infused(house)
    page = house.client("cora").get(PAGE).text
    assert "style=" not in page and "<style" not in page
    assert 'href="/static/timeline.css"' in page


def test_what_a_reader_may_not_read_is_not_drawn(house, monkeypatch):
    infused(house)
    ivan = house.client("ivan")
    assert "Fièvre" in ivan.get(PAGE).text
    # The study has no role that reads a subject and not its adverse events: here the verb that guards the form is given to nobody.
    monkeypatch.setitem(access.VERBS, "form.read", frozenset())  # type: ignore[arg-type]
    hidden = ivan.get(PAGE)
    assert hidden.status_code == 200
    assert "Fièvre" not in hidden.text


@pytest.mark.parametrize(("name", "status"), [("cora", 200), ("mona", 200), ("dana", 200), ("olga", 404), ("sam", 403), ("adam", 403)])
def test_who_sees_the_subject_sees_its_timeline(house, name, status):
    infused(house, ill=False)
    expected = {404, 403} if name == "adam" else {status}
    assert house.client(name).get(PAGE).status_code in expected


def test_reading_it_writes_nothing_and_a_post_is_refused(house):
    infused(house, ill=False)
    cora = house.client("cora")
    with house.world.read() as tx:
        before = audit.chains(tx.connection)
    cora.get(PAGE)
    assert cora.post(PAGE).status_code == 405
    with house.world.read() as tx:
        assert audit.chains(tx.connection) == before
