"""The eligibility page, the register of assumptions and the effect of a version, as each role reads them."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.actions.screening import put, screen_donor, screen_recipient
from tests.actions.test_judge import amended
from tests.actions.world import NOW, PASSWORD
from tests.web.site import text
from trialcrf.actions import publish
from trialcrf.core.document import FormKey
from trialcrf.store import forms, signatures

URL = "/studies/msc_ssc/subjects/{}/eligibility"
_SEEN = re.compile(r'name="seen"[^>]*value="([^"]*)"')


def row(page: str, criterion: str) -> str:
    """What the page says of one criterion."""
    found = re.search(rf'<tr id="{criterion}".*?</tr>', page, re.S)
    assert found
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", found[0])))


def sign(browser, subject, **sent):
    page = browser.get(URL.format(subject)).text
    found = _SEEN.search(page)
    assert found
    data = {"verdict": "ELIGIBLE", "day": "20", "month": "11", "year": "2026", "password": PASSWORD, "seen": found[1], **sent}
    return browser.post(URL.format(subject), data)


def test_a_newcomer_watches_criteria_turn_as_forms_are_filled(house):
    recipient = screen_recipient(house.world, only=("VISIT",))
    cora = house.client("cora")
    before = cora.get(URL.format(recipient.key)).text
    assert "Indéterminé" in row(before, "R-E5")
    assert "/SCR/1/LABS/1" in before
    put(
        house.world, recipient, "LABS", "SCR", LAB_DATE=(16, 11, 2026), NEUTROPHILS="4,1", PLATELETS="210", HAEMOGLOBIN="12,5",
        CD4_COUNT="640",
    )  # fmt: skip
    after = row(cora.get(URL.format(recipient.key)).text, "R-E5")
    assert "Absent" in after
    assert "640" in after
    assert "16 nov. 2026" in after


def test_the_lung_route_is_explained_with_its_clause_its_assumptions_and_its_values(house):
    recipient = screen_recipient(house.world, screen_donor(house.world).key)
    found = row(house.client("cora").get(URL.format(recipient.key)).text, "R-I3a")
    for said in ("Atteinte respiratoire", "DLCO < 60 %", "A-06a", "A-06b", "A-06c", "Rempli", "70", "60", "Explorations fonctionnelles"):
        assert said in found, said


def test_an_investigator_signs_and_the_seal_breaks_visibly(each_house):
    house = each_house
    recipient = screen_recipient(house.world, screen_donor(house.world).key)
    ivan = house.client("ivan")
    answer = sign(ivan, recipient.key)
    assert answer.status_code == 303, text(answer)
    page = ivan.get(answer.headers["Location"])
    assert "Ivan" in text(page)
    assert "Éligible" in text(page)
    assert 'class="signature void"' not in page.text
    put(house.world, recipient, "LABS", "SCR", CD4_COUNT="150")
    broken = house.client("mona").get(URL.format(recipient.key))
    assert 'class="signature void"' in broken.text
    assert "CD4" in text(broken)
    assert "Cora" in text(broken)


@pytest.mark.parametrize(
    ("sent", "box"),
    [
        ({"password": "wrong"}, "password"),
        ({"verdict": ""}, "verdict"),
        ({"month": "13"}, "day"),
        ({"year": "2096"}, "day"),
        ({"year": "9" * 40}, "day"),
        ({"day": "", "month": "", "year": ""}, "day"),
        ({"day": "1", "month": "11"}, "day"),  # before the consent
        ({"verdict": "NOT_ELIGIBLE", "comment": " "}, "comment"),
        ({"verdict": "NOT_ELIGIBLE", "comment": "x" * 501}, "comment"),
        ({"verdict": "NOT_ELIGIBLE", "comment": "a\x00b"}, "comment"),
    ],
)
def test_what_is_missing_is_told_at_its_box_and_nothing_is_written(house, sent, box):
    recipient = screen_recipient(house.world, screen_donor(house.world).key)
    answer = sign(house.client("ivan"), recipient.key, **sent)
    assert answer.status_code == 422
    assert f'id="error-{box}"' in answer.text
    if "day" not in sent:
        assert 'value="20"' in answer.text, "what was typed stays"
    with house.world.read() as tx:
        assert signatures.all_of(tx, recipient.id) == []
        assert forms.read(tx, recipient.id, FormKey("SCR", "INCLUSION")) is None


def test_a_wrong_password_is_in_the_trail(each_house):
    recipient = screen_recipient(each_house.world, screen_donor(each_house.world).key)
    sign(each_house.client("ivan"), recipient.key, password="wrong")
    with each_house.world.read() as tx:
        ops = tx.connection.exec_driver_sql("SELECT op, actor, entity_id FROM audit_record WHERE op = 'refused'").all()
    assert [tuple(one) for one in ops] == [("refused", "ivan", str(recipient.id))]


def test_who_may_not_sign_is_not_asked_and_is_refused(house):
    recipient = screen_recipient(house.world, screen_donor(house.world).key)
    for name in ("cora", "mona", "dana"):
        browser = house.client(name)
        page = browser.get(URL.format(recipient.key))
        assert page.status_code == 200
        assert 'name="password"' not in page.text
        assert browser.post(URL.format(recipient.key), {"verdict": "ELIGIBLE", "password": PASSWORD}).status_code == 403


def test_another_site_does_not_exist_and_a_sponsor_reads_no_subject(house):
    recipient = screen_recipient(house.world, only=("VISIT",))
    assert house.client("olga").get(URL.format(recipient.key)).status_code == 404
    assert house.client("sam").get(URL.format(recipient.key)).status_code == 403


def test_a_get_writes_nothing(house):
    recipient = screen_recipient(house.world, screen_donor(house.world).key)
    ivan = house.client("ivan")
    with house.world.read() as tx:
        before = tx.connection.exec_driver_sql("SELECT count(*) FROM audit_record").scalar()
    ivan.get(URL.format(recipient.key))
    with house.world.read() as tx:
        assert tx.connection.exec_driver_sql("SELECT count(*) FROM audit_record").scalar() == before


def test_the_verdict_form_is_written_by_signing_only(house):
    recipient = screen_recipient(house.world, screen_donor(house.world).key)
    ivan = house.client("ivan")
    page = ivan.get(f"/studies/msc_ssc/subjects/{recipient.key}")
    assert f'href="{URL.format(recipient.key)}"' in page.text
    answer = ivan.post(f"/studies/msc_ssc/subjects/{recipient.key}/SCR/1/INCLUSION/1", {"i-IEYN": "ELIGIBLE"})
    assert answer.status_code == 403


# What a donor's tests found is the donor's secret.


def test_donor_results_are_read_by_the_donors_team_only(house):
    donor = screen_donor(house.world, HCV_AB="POSITIVE")
    recipient = screen_recipient(house.world, donor.key)
    form = f"/studies/msc_ssc/subjects/{donor.key}/DSCR/1/DSEROLOGY/1"
    for name in ("cora", "ivan"):
        browser = house.client(name)
        assert browser.get(form).status_code in (403, 404)
        page = browser.get(URL.format(donor.key)).text
        assert "Présent" in row(page, "D-E2a")
        assert "Positif" not in page
        assert "votre rôle ne lit pas cette valeur" in row(page, "D-E2a")
        assert "DSEROLOGY" not in browser.get(f"/studies/msc_ssc/subjects/{donor.key}").text
    for name in ("dora", "mona"):
        browser = house.client(name)
        assert browser.get(form).status_code == 200
        assert "Positif" in browser.get(URL.format(donor.key)).text
    told = house.client("ivan").get(URL.format(recipient.key)).text
    assert "Non rempli" in row(told, "R-I4")
    assert "DSEROLOGY" not in told
    assert "Positif" not in told


def test_the_donors_team_does_not_read_whom_the_donor_gives_to(house):
    donor = screen_donor(house.world)
    recipient = screen_recipient(house.world, donor.key)
    dora = house.client("dora")
    assert dora.get(f"/studies/msc_ssc/subjects/{recipient.key}/LINK/1/DONORLINK/1").status_code in (403, 404)
    assert donor.key not in dora.get(f"/studies/msc_ssc/subjects/{recipient.key}").text


def test_the_donors_team_signs_the_donor(house):
    donor = screen_donor(house.world)
    assert sign(house.client("ivan"), donor.key).status_code == 403, "nobody signs what they may not read"
    assert sign(house.client("dora"), donor.key).status_code == 303


# The register.


def test_every_assumption_stands_in_the_register_with_what_rests_on_it(house):
    for name in ("cora", "sam"):
        page = house.client(name).get("/studies/msc_ssc/assumptions")
        assert page.status_code == 200
        for oid in house.world.published.study.assumptions:
            assert f'<tr id="{oid}"' in page.text
    found = row(page.text, "A-06a")
    assert "R-I3a" in found
    assert "proposée" in found
    assert "28 jours" in row(page.text, "A-24")


def test_a_new_version_shows_its_effect_on_those_enrolled_of_ones_own_sites(house):
    recipient = screen_recipient(house.world, screen_donor(house.world).key)
    with house.world.write("trialcrf", NOW) as tx:
        publish.publish(tx, amended("< 70"))
    page = house.client("cora").get("/studies/msc_ssc/versions/2/effect")
    assert page.status_code == 200
    assert recipient.key in page.text
    assert "R-I3a" in page.text
    olga = house.client("olga").get("/studies/msc_ssc/versions/2/effect")
    assert recipient.key not in olga.text
    assert house.client("sam").get("/studies/msc_ssc/versions/2/effect").status_code == 403
    assert house.client("cora").get("/studies/msc_ssc/versions/1/effect").status_code == 404
