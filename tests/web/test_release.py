"""The release of a batch on its page: every specification beside the results, none preferred, and a decision that is signed once."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.actions.cells_world import SPECIFICATION, cells_filling
from tests.actions.world import PASSWORD, typed
from tests.web.cells_site import BATCH, RELEASE, STUDY, CellsHouse, cells_house
from tests.web.site import Browser, text
from trialcrf.store import audit, signatures


@pytest.fixture
def filling():
    return cells_filling(released=False)


@pytest.fixture
def each_cells(database_url, tmp_path):
    made = cells_house(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def house(databases, tmp_path):
    url = databases.fresh("sqlite", cells_filling(released=False))
    made = cells_house(url, tmp_path)
    yield made
    made.close()
    databases.drop(url)


def sent(person: Browser, decision: str = "RELEASED", **more: str) -> dict[str, str]:
    seen = re.search(r'name="seen"[^>]* value="([^"]*)"', person.get(RELEASE).text)
    assert seen
    boxes = {"decision": decision, "specification": SPECIFICATION, "why": "", "password": PASSWORD, "seen": unescape(seen[1])}
    return {**boxes, **more}


def signed(house: CellsHouse) -> list[signatures.Signature]:
    with house.world.read() as tx:
        return signatures.all_of(tx, house.cells.batch.id, "release")


def test_every_specification_is_judged_and_none_is_preferred(house):
    page = house.client("quin").get(RELEASE)
    settings = house.world.published.study.cells
    assert settings
    assert re.findall(r'<h2 id="spec-([^"]+)"', page.text) == [one.oid for one in settings.specifications]
    read = text(page)
    for one in settings.specifications:
        assert one.source in read
        assert one.label.in_("fr") in read
    assert "= Conforme" in read
    assert not re.search("= (PASSED|NEGATIVE|NORMAL)", read)
    for box in ("decision", "specification"):
        first = re.search(rf'<select[^>]*name="{box}"[^>]*>\s*<option([^>]*)>', page.text)
        assert first
        assert 'value=""' in first[1], box
    assert all('value=""' in option for option in re.findall(r"<option[^>]*selected[^>]*>", page.text))
    card = re.search(r'<h2 id="spec-UCMSC_BMJ_OPEN">.*?</section>', page.text, re.S)
    assert card
    lines = dict(re.findall(r'<tr><th scope="row">([^<]+).*?#([a-z_]+)"/>.*?</tr>', card[0], re.S))
    assert (lines["CD105"], lines["HLA-DR"], lines["CD34"]) == ("done", "overdue", "planned")


def test_the_sponsor_reads_the_release_and_is_offered_no_signature(house):
    page = house.client("sam").get(RELEASE)
    assert page.status_code == 200
    assert 'name="password"' not in page.text
    assert 'name="password"' in house.client("quin").get(RELEASE).text


def test_a_release_is_signed_and_told_everywhere(each_cells):
    quin = each_cells.client("quin")
    assert quin.post(RELEASE, sent(quin)).headers["Location"].startswith(RELEASE)
    one = signed(each_cells)[0]
    assert (one.actor, one.said["decision"], one.said["specification"]) == ("quin", "RELEASED", SPECIFICATION)
    page = quin.get(RELEASE)
    assert one.hash in page.text
    assert "#done" in page.text.partition('class="standing"')[2][:200]
    assert "#done" in each_cells.client("cora").get(BATCH).text.partition('class="standing"')[2][:200]


def test_a_later_result_is_told_beside_the_signature_that_it_makes_void(house):
    house.cells.release()
    house.world.save(house.cells.batch, "QC", "MAKING", typed(1, "TYPO", QC_FUNGI="NEGATIVE"), name="lara")
    page = house.client("quin").get(RELEASE)
    assert 'class="signature void"' in page.text
    assert re.search(r"(Stérilité, champignons|champignons)[^<]*: [Ll]ara", text(page)), text(page)[-900:]


@pytest.mark.parametrize(("changed", "box"), [
    ({"decision": ""}, "decision"), ({"specification": ""}, "specification"), ({"specification": "INVENTED"}, "specification"),
    ({"specification": "UCMSC_BMJ_OPEN"}, "decision"), ({"decision": "REJECTED"}, "why"), ({"password": "not mine"}, "password"),
    ({"why": "x" * 1001}, "why"),
])  # fmt: skip
def test_a_fault_is_told_at_its_box_and_nothing_typed_is_lost_but_the_password(house, changed, box):
    quin = house.client("quin")
    asked = sent(quin, **{"why": "" if changed.get("decision") == "REJECTED" else "Kept text", **changed})
    answer = quin.post(RELEASE, asked)
    assert answer.status_code == 422
    assert f'id="error-{box}"' in answer.text
    assert asked["why"] in answer.text
    if asked["specification"] == SPECIFICATION:
        assert re.search(rf'<option selected value="{SPECIFICATION}"', answer.text)
    assert PASSWORD not in answer.text
    assert "not mine" not in answer.text
    assert signed(house) == []


def test_a_wrong_password_is_in_the_trail_and_signs_nothing(house):
    quin = house.client("quin")
    assert quin.post(RELEASE, sent(quin, password="not mine")).status_code == 422
    with house.world.read() as tx:
        refused = audit.history(tx.connection, "refusal", str(house.cells.batch.id))
    assert [(one.actor, one.place, one.new) for one in refused] == [("quin", "signature", '{"signature": "release"}')]


def test_a_result_that_came_meanwhile_must_be_read_first(house):
    quin = house.client("quin")
    asked = sent(quin)
    house.world.save(house.cells.batch, "QC", "MAKING", typed(1, "TYPO", QC_VIABILITY="60"), name="lara")
    answer = quin.post(RELEASE, asked)
    assert answer.status_code == 422
    assert signed(house) == []
    assert quin.post(RELEASE, sent(quin)).status_code == 422, "the specification is not fulfilled any more"
    assert quin.post(RELEASE, sent(quin, "CONDITIONAL", why="One dose, agreed")).status_code == 303


def test_who_may_not_sign_is_refused_and_another_site_finds_nothing(house):
    quin = house.client("quin")
    asked = sent(quin)
    for name in ("lara", "ivan", "sam"):
        assert house.client(name).post(RELEASE, asked).status_code == 403, name
    assert house.client("olga").get(RELEASE).status_code == 404
    assert quin.post(f"{STUDY}/cells/R-01-001/release", asked).status_code == 404
    assert signed(house) == []


def test_reading_the_page_writes_nothing(house):
    quin = house.client("quin")
    with house.world.read() as tx:
        before = audit.chains(tx.connection)
    quin.get(RELEASE + "?decision=RELEASED")
    with house.world.read() as tx:
        assert audit.chains(tx.connection) == before
