"""Serious events on pages: who sees which, what may be written, and that nothing is written otherwise."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.test import TestResponse

from tests.actions.world import typed
from tests.web.site import Browser, House, text
from trialcrf.core.safety.case import Kind
from trialcrf.store import cases

LIST = "/studies/msc_ssc/cases"
ONE = f"{LIST}/1"
NOW = datetime.now(UTC)
EVENT = {"AE_WORDS": "Sepsis", "AE_GRADE": "4", "AE_SERIOUS": "Y", "AE_HOSPITAL": "Y", "AE_RELATED": "RELATED"}
ASSESSED = {"assess-AERELPRD": "RELATED", "assess-expected": "N"}


def with_case(house: House, site: str = "01") -> House:
    subject = house.world.enrol("recipient", site, now=NOW - timedelta(days=5), ICF_DATE=(2, 11, 2024))
    house.world.save(subject, "ADVERSE", "AE", typed(**EVENT), now=NOW - timedelta(hours=3, minutes=30))
    return house


@pytest.fixture
def each(each_house: House) -> House:
    return with_case(each_house)


@pytest.fixture
def one(house: House) -> House:
    return with_case(house)


def kinds(house: House, number: int = 1) -> list[Kind]:
    with house.world.read() as tx:
        found = cases.find(tx, "msc_ssc", number)
        assert found
        return [line.kind for line in found.entries]


def seen(person: Browser, act: str) -> dict[str, str]:
    found = re.search(rf'name="{act}-seen" type="hidden" value="([^"]+)"', person.get(ONE).text)
    assert found, f"{act} is not offered"
    return {f"{act}-seen": found[1]}


def at(act: str, moment: datetime) -> dict[str, str]:
    return {
        f"{act}-day": f"{moment.day}",
        f"{act}-month": f"{moment.month}",
        f"{act}-year": f"{moment.year}",
        f"{act}-time": f"{moment:%H:%M}",
    }


def test_the_case_shows_what_is_due_next_and_both_judgements(one):
    page = text(one.client("sam").get(ONE))
    for said in ("R-01-001", "Sepsis", "20 h", "art. 41", "A-33", "CE"):
        assert said in page
    listed = text(one.client("mona").get(LIST))
    assert "R-01-001" in listed and "20 h" in listed
    assert one.client("mona").get(LIST + "?state=overdue").status_code == 200
    assert one.client("mona").get(LIST + "?state=nonsense").status_code == 404


def test_the_nearest_deadline_comes_first(one):
    later = one.world.enrol("recipient", "01", now=NOW - timedelta(days=5), ICF_DATE=(2, 11, 2024))
    one.world.save(later, "ADVERSE", "AE", typed(**EVENT), now=NOW - timedelta(hours=30))
    numbers = re.findall(r'/cases/(\d+)">', one.client("mona").get(LIST).text)
    assert numbers == ["2", "1"]
    overdue = re.findall(r'/cases/(\d+)">', one.client("mona").get(LIST + "?state=overdue").text)
    assert overdue == ["2"]


def test_a_case_of_another_site_does_not_exist(one):
    olga = one.client("olga")
    assert "R-01-001" not in olga.get(LIST).text
    assert olga.get(LIST + "?site=01").status_code == 404
    assert olga.get(ONE).status_code == 404
    assert olga.post(f"{ONE}/inform", {}).status_code == 404
    assert olga.get(f"{LIST}/99").status_code == 404


def test_whoever_has_no_role_in_the_study_sees_no_case(one):
    assert one.client("adam").get(LIST).status_code in (403, 404)


def test_a_role_writes_only_what_is_its_own(one):
    mona, cora, sam = (one.client(name) for name in ("mona", "cora", "sam"))
    for act in ("assess", "inform", "submit", "document", "version", "close"):
        assert mona.post(f"{ONE}/{act}", {}).status_code == 403
    for act in ("assess", "version", "narrative", "close", "reopen"):
        assert cora.post(f"{ONE}/{act}", {}).status_code == 403
    assert 'id="assess"' not in cora.get(ONE).text and 'id="inform"' in cora.get(ONE).text
    form = "/studies/msc_ssc/subjects/R-01-001/AE/1/ADVERSE/1"
    assert sam.get(form).status_code == 403
    assert sam.post(form, {"act": "save"}).status_code == 403
    assert kinds(one) == [Kind.OPENED]


def test_reading_writes_nothing_and_writing_needs_its_own_way(one):
    sam = one.client("sam")
    for url in (LIST, ONE, f"{ONE}?draft=1"):
        assert sam.get(url).status_code == 200
    assert sam.get(f"{ONE}/assess").status_code == 405
    assert sam.post(f"{ONE}/assess", ASSESSED, token="forged").status_code == 400
    assert kinds(one) == [Kind.OPENED]


def test_the_sponsor_assesses_and_the_site_informs(each):
    sam, cora = each.client("sam"), each.client("cora")
    told = {"inform-who": "Nurse", "inform-what": "by phone", **at("inform", NOW - timedelta(days=1))}
    assert cora.post(f"{ONE}/inform", {**seen(cora, "inform"), **told}).status_code == 303
    assert sam.post(f"{ONE}/assess", {**seen(sam, "assess"), **ASSESSED}).status_code == 303
    assert kinds(each) == [Kind.OPENED, Kind.INFORMED, Kind.ASSESSED]
    assert "Nurse" in text(sam.get(ONE))


def test_two_sponsors_at_once_and_a_changed_event_are_told_and_nothing_typed_is_lost(one):
    sam = one.client("sam")
    stale = seen(sam, "assess")
    assert sam.post(f"{ONE}/assess", {**stale, **ASSESSED}).status_code == 303
    answer = sam.post(f"{ONE}/assess", {**stale, **ASSESSED, "assess-comment": "my long comment"})
    assert answer.status_code == 409
    assert "my long comment" in answer.text
    assert kinds(one) == [Kind.OPENED, Kind.ASSESSED]


def test_a_report_before_awareness_is_refused_at_its_box(one):
    ivan = one.client("ivan")
    sent = {**seen(ivan, "submit"), "submit-obligation": "SITE_24H", **at("submit", NOW - timedelta(days=4))}
    answer = ivan.post(f"{ONE}/submit", sent)
    assert answer.status_code == 422
    assert 'id="error-submit-day"' in answer.text
    half = {**sent, **at("submit", NOW), "submit-time": "25:99"}
    assert ivan.post(f"{ONE}/submit", half).status_code == 422
    assert kinds(one) == [Kind.OPENED]
    local = datetime.now(UTC).astimezone(one.world.subject("R-01-001").site.zone) - timedelta(minutes=1)
    assert ivan.post(f"{ONE}/submit", {**sent, **at("submit", local)}).status_code == 303
    page = text(ivan.get(ONE))
    assert "Promoteur" in page
    assert kinds(one) == [Kind.OPENED, Kind.SUBMITTED]


def send(person: Browser, content: bytes, name: str = "x.pdf") -> TestResponse:
    """A document as a browser sends it. In memory: the client's own way leaves a file open for a large one."""
    fields = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in {"token": person.token, **seen(person, "document")}.items()
    )
    head = f'--b\r\nContent-Disposition: form-data; name="document-file"; filename="{name}"\r\nContent-Type: x/y\r\n\r\n'
    body = fields.encode() + head.encode() + content + b"\r\n--b--\r\n"
    return person.client.post(f"{ONE}/document", data=body, content_type="multipart/form-data; boundary=b")


def upload(person: Browser, content: bytes, name: str = "x.pdf") -> int:
    return send(person, content, name).status_code


def test_whoever_attaches_a_document_is_told_that_nothing_is_taken_out_of_it(one):
    """What a file says of its maker is kept with the evidence, with the consent of whoever sends it (ASVS 14.2.8)."""
    assert "en le joignant, vous y consentez" in " ".join(text(one.client("cora").get(ONE)).split())


def test_a_document_is_kept_and_downloaded_as_what_it_is(one):
    cora = one.client("cora")
    assert upload(cora, b"%PDF-1.7 note", "../Compte rendu.exe") == 303
    (url,) = set(re.findall(r"/studies/msc_ssc/cases/1/documents/\d+", cora.get(ONE).text))
    got = cora.get(url)
    assert (got.data, got.mimetype) == (b"%PDF-1.7 note", "application/pdf")
    assert got.headers["Content-Disposition"] == 'attachment; filename="Compte rendu.pdf"'
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert one.client("olga").get(url).status_code == 404
    assert cora.get(url + "9").status_code == 404
    assert upload(cora, "écrit".encode(), "x.html") == 303
    got = cora.get(url.rpartition("/")[0] + f"/{int(url.rpartition('/')[2]) + 1}")
    assert got.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "sandbox" in got.headers["Content-Security-Policy"], "whatever it is, nothing of it runs"


def test_a_document_of_a_forbidden_type_or_size_is_refused_and_the_page_says_so(one):
    cora = one.client("cora")
    assert upload(cora, b"MZ\x90\x00") == 422
    assert upload(cora, b"") == 422
    # More than the application takes anywhere else, and less than what a document may have.
    assert upload(cora, b"%PDF-" + bytes(5 * 1024**2)) == 303
    assert upload(cora, b"%PDF-" + bytes(20 * 1024**2)) == 422
    answer = send(cora, bytes(22 * 1024**2))
    assert answer.status_code == 413
    assert "20" in text(answer), "not the 4 megabytes of other pages"
    assert kinds(one) == [Kind.OPENED, Kind.DOCUMENT]


def test_my_day_tells_site_and_sponsor_of_the_case(one):
    for name in ("ivan", "sam"):
        page = one.client(name).get("/studies/msc_ssc/today")
        assert "/cases/1" in page.text
        assert "20 h" in text(page)
    assert "/cases/1" not in one.client("olga").get("/studies/msc_ssc/today").text


def test_form_and_subject_lead_to_the_case(one):
    mona = one.client("mona")
    for url in ("/studies/msc_ssc/subjects/R-01-001", "/studies/msc_ssc/subjects/R-01-001/AE/1/ADVERSE/1"):
        assert f'href="{ONE}"' in mona.get(url).text


def test_a_word_of_the_site_is_text_and_never_markup(one):
    subject = one.world.subject("R-01-001")
    one.world.save(subject, "ADVERSE", "AE", typed(**{**EVENT, "AE_WORDS": "<b>bold</b>"}), repeat=2)
    for url in (LIST, f"{LIST}/2"):
        page = one.client("sam").get(url).text
        assert "<b>bold" not in page and "&lt;b&gt;bold" in page
