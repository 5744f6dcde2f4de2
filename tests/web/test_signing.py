"""The pages of signing recorded data: the queue, the page of a signature, the certificates, and the seal wherever a form is shown."""

from __future__ import annotations

import re

import pytest

from tests.actions.screening import put, screen_donor, screen_recipient
from tests.actions.world import PASSWORD
from tests.web.site import text
from tests.web.test_eligibility import sign as sign_verdict
from trialcrf.core.document import FormKey
from trialcrf.core.lock import visit_address
from trialcrf.store import forms, locks, signatures

STUDY = "/studies/msc_ssc"
QUEUE = STUDY + "/signing"
SOME = ("VISIT", "LABS", "VITALS")
_SEEN = re.compile(r'name="seen"[^>]*value="([^"]*)"')


def subject_of(house):
    return screen_recipient(house.world, only=SOME)


def url_of(subject, what: str = "", act: str = "sign") -> str:
    return f"{STUDY}/subjects/{subject.key}{what and '/' + what}/{act}"


def sent(browser, url: str, **more):
    found = _SEEN.search(browser.get(url).text)
    assert found
    return {"password": PASSWORD, "seen": found[1], **more}


def made(house, subject):
    with house.world.read() as tx:
        return signatures.all_of(tx, subject.id)


def test_an_investigator_reads_every_value_signs_and_the_seal_is_shown_everywhere(each_house):
    house = each_house
    subject = subject_of(house)
    ivan, url = house.client("ivan"), url_of(subject, "SCR/1/LABS/1")
    page = ivan.get(url)
    for said in ("640", "12,5", "80", "Ivan", "Investigateur"):
        assert said in text(page), said
    answer = ivan.post(url, sent(ivan, url))
    assert answer.status_code == 303, text(answer)
    (one,) = made(house, subject)
    certificate = text(ivan.get(answer.headers["Location"]))
    for said in ("Ivan", "Investigateur", "Hospital", "Europe/Paris", one.hash, "valable"):
        assert said in certificate, said
    assert "#sealed" in ivan.get(f"{STUDY}/subjects/{subject.key}/SCR/1/LABS/1").text
    assert "#unsigned" in ivan.get(f"{STUDY}/subjects/{subject.key}/SCR/1/VITALS/1").text
    assert 'class="seal-mark sealed"' in ivan.get(f"{STUDY}/subjects/{subject.key}").text


def test_a_correction_after_signing_breaks_the_seal_and_comes_back_with_the_difference(each_house):
    house = each_house
    subject = subject_of(house)
    ivan, visit = house.client("ivan"), url_of(subject, "SCR/1")
    assert ivan.post(visit, sent(ivan, visit)).status_code == 303
    assert "R-01-001" not in ivan.get(QUEUE + "?state=broken").text
    put(house.world, subject, "LABS", "SCR", CD4_COUNT="150")
    mona = house.client("mona")
    assert "#broken" in mona.get(f"{STUDY}/subjects/{subject.key}/SCR/1/LABS/1").text
    assert 'class="seal-mark broken"' in mona.get(f"{STUDY}/subjects/{subject.key}").text
    assert "R-01-001" in mona.get(QUEUE + "?state=broken").text
    assert "/SCR/1/LABS/1/sign" in ivan.get(QUEUE + "?show=R-01-001").text
    again = ivan.get(visit).text
    row = re.search(r'<table class="plain since">.*?</table>', again, re.S)
    assert row
    for said in ("CD4", "640", "150", "cora", "Coordination", "tard"):
        assert said in text_of(row[0]), said
    certificate = ivan.get(url_of(subject, act="signatures"))
    assert "signature void" in certificate.text and "CD4" in text(certificate)
    assert ivan.post(visit, sent(ivan, visit)).status_code == 303
    assert "R-01-001" not in ivan.get(QUEUE + "?state=broken").text
    newest = ivan.get(url_of(subject, act="signatures")).text
    assert newest.index('id="signature-2"') < newest.index('id="signature-1"')


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_a_wrong_password_signs_nothing_is_told_at_its_box_and_is_in_the_trail(each_house):
    subject = subject_of(each_house)
    ivan, url = each_house.client("ivan"), url_of(subject)
    answer = ivan.post(url, sent(ivan, url, password="wrong"))
    assert answer.status_code == 422
    assert 'id="error-password"' in answer.text and 'value="wrong"' not in answer.text
    assert made(each_house, subject) == []
    with each_house.world.read() as tx:
        told = tx.connection.exec_driver_sql("SELECT actor, entity_id, subject FROM audit_record WHERE op = 'refused'").all()
    assert [tuple(one) for one in told] == [("ivan", str(subject.id), subject.key)]
    for _ in range(10):
        answer = ivan.post(url, sent(ivan, url, password="wrong"))
    right = ivan.post(url, sent(ivan, url))
    assert right.status_code == 422 and made(each_house, subject) == [], "after too many tries the right one waits too"


def test_what_changed_a_second_ago_is_not_signed_and_the_page_shows_it_anew(each_house):
    subject = subject_of(each_house)
    ivan, url = each_house.client("ivan"), url_of(subject, "SCR/1/LABS/1")
    data = sent(ivan, url)
    put(each_house.world, subject, "LABS", "SCR", CD4_COUNT="150")
    answer = ivan.post(url, data)
    assert answer.status_code == 409
    assert "Rien n’a été signé" in text(answer)
    assert "150" in text(answer) and made(each_house, subject) == []
    shown = _SEEN.search(answer.text)
    assert shown and shown[1] != data["seen"]
    assert ivan.post(url, {**data, "seen": shown[1]}).status_code == 303
    assert ivan.post(url, {"password": PASSWORD}).status_code == 409


def test_a_session_that_ended_asks_to_sign_in_and_then_signs(each_house):
    subject = subject_of(each_house)
    ivan, url = each_house.client("ivan"), url_of(subject, "SCR/1/LABS/1")
    data = sent(ivan, url)
    ivan.post("/sign-out")
    answer = ivan.post(url, data)
    assert answer.status_code == 401 and made(each_house, subject) == []
    again = ivan.post(url, {**data, "sign_in_username": "ivan", "sign_in_password": PASSWORD}, token=None)
    assert again.status_code == 303
    assert [one.name for one in made(each_house, subject)] == ["Ivan"]


def test_who_may_not_sign_is_refused_and_another_site_does_not_exist(house):
    subject = subject_of(house)
    for name in ("cora", "mona", "dana"):
        browser = house.client(name)
        for what in ("", "SCR/1", "SCR/1/LABS/1"):
            assert browser.get(url_of(subject, what)).status_code == 403
            assert browser.post(url_of(subject, what), {"password": PASSWORD}).status_code == 403
        page = browser.get(QUEUE)
        assert page.status_code == 200 and "/sign" not in page.text.replace("/signing", "").replace("/sign-out", "")
        assert browser.get(url_of(subject, act="signatures")).status_code == 200
    olga = house.client("olga")
    assert "R-01-001" not in olga.get(QUEUE).text and olga.get(QUEUE + "?site=01").status_code == 404
    assert olga.get(QUEUE + "?show=R-01-001").status_code == 200 and "SCR/1" not in olga.get(QUEUE + "?show=R-01-001").text
    assert olga.get(url_of(subject, act="signatures")).status_code == 404
    assert house.client("sam").get(QUEUE).status_code == 403
    assert made(house, subject) == []


@pytest.mark.parametrize("what", ["SCR/1/NONE/1", "SCR/2", "NONE/1", "SCR/1/KIDNEY/1", "SCR/1/LABS/99", "SCR/99999999999/LABS/1"])
def test_what_is_not_there_is_not_signed(house, what):
    subject = subject_of(house)
    assert house.client("ivan").get(url_of(subject, what)).status_code == 404


def test_a_lock_refuses_with_clear_words_and_the_attempt_is_in_the_trail(each_house):
    subject = subject_of(each_house)
    ivan, url = each_house.client("ivan"), url_of(subject, "SCR/1/LABS/1")
    data = sent(ivan, url)
    with each_house.world.write("dana") as tx:
        at = subject.site
        locks.move(tx, visit_address(subject.id, "SCR", 1), at, subject, at.study_id, at.chain, "lock", "clean")
    answer = ivan.post(url, data)
    assert answer.status_code == 409 and "Rien n’a été changé" in text(answer)
    assert made(each_house, subject) == []
    assert 'name="password"' not in ivan.get(url).text
    with each_house.world.read() as tx:
        told = tx.connection.exec_driver_sql("SELECT actor, reason, place FROM audit_record WHERE op = 'refused'").all()
    assert len(told) == 1 and told[0][0] == "ivan"


def test_what_a_donors_tests_found_is_in_nobodys_queue_who_may_not_read_it(house):
    donor = screen_donor(house.world)
    ivan, dora = house.client("ivan"), house.client("dora")
    assert "DSEROLOGY" not in ivan.get(f"{QUEUE}?show={donor.key}").text
    assert "DSEROLOGY" in dora.get(f"{QUEUE}?show={donor.key}").text
    page = ivan.get(url_of(donor))
    assert "NAT" not in text(page) and "votre rôle ne lit pas" in text(page)
    url = url_of(donor)
    assert dora.post(url, sent(dora, url)).status_code == 303
    certificate = ivan.get(url_of(donor, act="signatures"))
    assert "DSEROLOGY" not in certificate.text and "d’autres que votre rôle ne lit pas" in text(certificate)
    put(house.world, donor, "DSEROLOGY", "DSCR", name="dora", SYPHILIS="POSITIVE")
    assert "yphilis" not in text(ivan.get(url_of(donor, act="signatures")))
    assert "yphilis" in text(dora.get(url_of(donor, act="signatures")))


def test_a_get_writes_nothing_and_pages_say_who_waits(house):
    subject = subject_of(house)
    ivan = house.client("ivan")

    def size() -> int:
        with house.world.read() as tx:
            return tx.connection.exec_driver_sql("SELECT count(*) FROM audit_record").scalar()

    before = size()
    for url in (QUEUE, url_of(subject), url_of(subject, act="signatures")):
        assert ivan.get(url).status_code == 200
    assert size() == before
    with house.world.read() as tx:
        waiting = len(forms.all_of(tx, [subject.id]))
    assert re.search(rf'href="{QUEUE}"[^>]*>[^<]*<span class="count bad">{waiting}<', ivan.get(QUEUE).text)
    assert f'href="{QUEUE}"' in ivan.get(STUDY + "/today").text
    assert ivan.get(QUEUE + "?state=nonsense").status_code == 404


def test_a_verdict_has_its_own_signing_and_only_the_casebook_covers_it(house):
    subject = screen_recipient(house.world, screen_donor(house.world).key)
    ivan = house.client("ivan")
    assert sign_verdict(ivan, subject.key).status_code == 303
    with house.world.read() as tx:
        assert forms.read(tx, subject.id, FormKey("SCR", "INCLUSION")) is not None
    verdict = "/SCR/1/INCLUSION/1"
    assert ivan.get(url_of(subject, verdict[1:])).status_code == 404
    assert verdict not in ivan.get(f"{QUEUE}?show={subject.key}").text
    assert verdict not in ivan.get(url_of(subject, "SCR/1")).text
    assert verdict in ivan.get(url_of(subject)).text
    assert ivan.post(url_of(subject), sent(ivan, url_of(subject))).status_code == 303
    page = ivan.get(url_of(subject, act="signatures"))
    assert "Cahier : j’ai revu" in text(page) and page.text.count('class="seal"') == 2
