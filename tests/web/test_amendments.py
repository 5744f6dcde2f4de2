"""The pages of versions: what one changes and touches, its approval at a site, the rehearsal and the account of records brought over."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.actions.amendments import amended
from tests.actions.screening import RECIPIENT
from tests.actions.world import NOW, typed
from tests.web.site import Browser, House, text
from trialcrf.actions import publish
from trialcrf.core.document import FormKey
from trialcrf.store import definitions

STUDY = "/studies/msc_ssc"
PAGE = f"{STUDY}/versions/2"
VITALS = FormKey("SCR", "VITALS")
BOXES = {"WT": "70", "HT": "175", "PULSE": "72", "TEMPERATURE": "37.0"}


def english(house: House, name: str) -> Browser:
    someone = house.client(name)
    someone.post("/language", {"language": "en", "next": "/"})
    return someone


@pytest.fixture
def amended_house(each_house: House) -> House:
    world = each_house.world
    for site, name in (("01", "cora"), ("02", "olga")):
        world.save(world.enrol("recipient", site, **RECIPIENT), "VITALS", "SCR", typed(**BOXES), name=name)
    with world.write("trialcrf", NOW) as tx:
        publish.publish(tx, amended(1))
    return each_house


def approval(site: str = "01", **more: str) -> dict[str, str]:
    now = datetime.now(UTC)
    return {"site": site, "reference": "CPP 2026-77", "day": str(now.day), "month": str(now.month), "year": str(now.year), **more}


def test_a_version_is_approved_at_one_site_and_reaches_no_other(amended_house: House) -> None:
    dana, cora, olga = (english(amended_house, name) for name in ("dana", "cora", "olga"))
    page = text(dana.get(PAGE))
    assert "Amendment 1" in page and "Whoever consented before consents again." in page
    assert "Vital signs: Oxygen flow VITALS.O2_FLOW appears" in page and "20 – 300 (40 – 130) 30 – 300 (40 – 130)" in page
    form = f"{STUDY}/subjects/{{}}/D0/1/VITALS/1"
    assert "Oxygen flow" not in text(cora.get(form.format("R-01-001")))
    tomorrow = dana.post(f"{PAGE}/approve", approval(year="2097"))
    assert tomorrow.status_code == 422 and "lies in the future" in text(tomorrow) and 'value="CPP 2026-77"' in tomorrow.text
    assert "Name the approval" in text(dana.post(f"{PAGE}/approve", approval(reference="")))
    wrong = dana.post(f"{PAGE}/approve", approval(**{"effective-day": "1", "effective-month": "1", "effective-year": "2020"}))
    assert wrong.status_code == 422 and 'href="#effective_on"' in wrong.text
    assert dana.post(f"{PAGE}/approve", approval("99")).status_code == 422
    assert dana.post(f"{PAGE}/approve", approval()).status_code == 303
    assert dana.post(f"{PAGE}/approve", approval()).status_code == 422, "recorded once"
    assert "01 Paris in force" in text(cora.get(PAGE)) and "02 Papeete" not in text(cora.get(PAGE))
    assert "Oxygen flow" in text(cora.get(form.format("R-01-001")))
    assert "Oxygen flow" not in text(olga.get(form.format("R-02-001")))
    assert "R-01-001 2026-11-10" in text(cora.get(PAGE)), "who must consent again"
    assert "R-01-001" not in text(olga.get(PAGE))


def test_records_are_rehearsed_then_brought_over_with_an_account(amended_house: House) -> None:
    dana = english(amended_house, "dana")
    dana.post(f"{PAGE}/approve", approval())
    rehearsed = text(dana.get(f"{PAGE}/rehearsal"))
    assert "Would be brought to the new version: 1. Would stay: 0." in rehearsed and "would follow 1" in rehearsed
    with amended_house.world.read() as tx:
        assert definitions.everywhere(tx, "msc_ssc").version == 2
    done = text(dana.post(f"{PAGE}/migrate"))
    assert "Brought to the new version: 1. Stay as they were: 0." in done and "R-01-001" in done
    assert "No record has to follow" in text(dana.get(f"{PAGE}/rehearsal"))
    cora = english(amended_house, "cora")
    page = cora.get(f"{STUDY}/subjects/R-01-001/SCR/1/VITALS/1")
    assert "Oxygen flow" in text(page) and 'value="NRET"' in page.text


def test_only_a_data_manager_approves_and_brings_over(amended_house: House) -> None:
    for name in ("cora", "ivan", "mona"):
        someone = english(amended_house, name)
        assert someone.get(PAGE).status_code == 200 and "Record an approval" not in text(someone.get(PAGE))
        assert someone.post(f"{PAGE}/approve", approval()).status_code == 403
        assert someone.get(f"{PAGE}/rehearsal").status_code == someone.post(f"{PAGE}/migrate").status_code == 403
    assert english(amended_house, "sam").get(PAGE).status_code == 403
    dana = english(amended_house, "dana")
    assert dana.get(f"{STUDY}/versions/9").status_code == dana.get(f"{STUDY}/versions/0").status_code == 404
    assert dana.get(f"{PAGE}/migrate").status_code == 405
