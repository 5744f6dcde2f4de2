"""The pages of documents over HTTP: attached beside the question that they prove, read by whom the form is for, and never as a page."""

from __future__ import annotations

import re

from werkzeug.test import TestResponse

from tests.actions.screening import DAY, DONOR
from tests.actions.world import typed
from tests.web.site import Browser, House, text
from tests.web.test_entry_pages import enrol, stored
from trialcrf.core.document import FormKey
from trialcrf.core.lock import Address, Level
from trialcrf.store import audit, enclosures, locks
from trialcrf.store.enclosures import Enclosure

FORM = "/studies/msc_ssc/subjects/R-01-001/SCR/1/LUNG/1"
DOCUMENTS = FORM + "/documents"
ANOTHER = FORM.replace("LUNG", "RENROL")
PDF = b"%PDF-1.7 what the spirometer printed"


def send(
    person: Browser, content: bytes, name: str = "x.pdf", url: str = DOCUMENTS, at: str = "LUNG_DATE", about: str = ""
) -> TestResponse:
    """A document as a browser sends it. In memory: the client's own way leaves a file open for a large one."""
    said = {"token": person.token, "at": at, "description": about}
    fields = "".join(f'--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in said.items())
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: x/y\r\n\r\n'
    body = fields.encode() + head.encode() + content + b"\r\n--b--\r\n"
    return person.client.post(url, data=body, content_type="multipart/form-data; boundary=b")


def begun(house: House) -> Browser:
    """Cora, with a lung function saved."""
    cora = house.client("cora")
    enrol(cora)
    assert cora.post(FORM, values("3.10", version="0")).status_code == 303
    return cora


def values(volume: str, **more: str) -> dict[str, object]:
    return {"p": ["FVC_L"], "i.FVC_L": volume, "act": "save", **more}


def held(house: House):
    with house.world.read() as tx:
        return enclosures.of_form(tx, stored(house, "LUNG").id)


def hashed(one: Enclosure) -> str:
    """The hash as the trail is read."""
    return " ".join(re.findall(".{8}", one.sha256))


def beside(page: TestResponse) -> str:
    """What stands beside the date of the test."""
    (found,) = re.findall(r'<div class="item[^>]*data-item="LUNG_DATE">.*?<p class="papers-at">(.*?)</p>', page.text, re.S)
    return found


def test_a_document_is_attached_beside_its_question_taken_along_and_withdrawn(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    assert "enregistrement" in beside(cora.get(FORM)), "nothing is recorded yet that it could prove"
    assert cora.get(DOCUMENTS).status_code == 404
    assert cora.post(FORM, values("3.10", version="0")).status_code == 303
    assert 'target="_blank"' in beside(cora.get(FORM)), "what is typed stays where it is"
    page = cora.get(f"{DOCUMENTS}?at=LUNG_DATE")
    assert '<option selected value="LUNG_DATE">' in page.text and "vous y consentez" in text(page)
    answer = send(cora, PDF, "../EFR 2026.exe", about="Spirométrie du 3 mars")
    assert answer.status_code == 303
    assert "Spirométrie du 3 mars" in text(cora.get(answer.location))
    (url,) = re.findall(r'<a href="([^"]+)">EFR 2026.pdf</a>', beside(cora.get(FORM)))
    got = cora.get(url)
    assert (got.data, got.mimetype, got.headers["Content-Disposition"]) == (PDF, "application/pdf", 'attachment; filename="EFR 2026.pdf"')
    assert got.headers["X-Content-Type-Options"] == "nosniff" and "default-src 'none'" in got.headers["Content-Security-Policy"]
    assert cora.post(FORM, values("3.20", version="1", why="SOURCE")).status_code == 303, "a page that was open meanwhile is not stale"
    mona = each_house.client("mona")
    assert "EFR 2026.pdf" in beside(mona.get(FORM)) and 'target="_blank"' not in beside(mona.get(FORM))
    history = text(cora.get(f"{FORM}/history"))
    (one,) = held(each_house)
    assert hashed(one) in history and "Document joint" in history
    assert hashed(one) in text(cora.get(f"{FORM}?field=LUNG_DATE"))
    assert hashed(one) in text(mona.get("/studies/msc_ssc/trail?kind=values&op=attach"))
    wrong = cora.post(f"{DOCUMENTS}/{one.id}/withdraw", {f"w{one.id}-reason": " "})
    assert wrong.status_code == 422 and f'id="error-w{one.id}-reason"' in wrong.text
    assert cora.post(f"{DOCUMENTS}/{one.id}/withdraw", {f"w{one.id}-reason": "d’un autre jour"}).status_code == 303
    assert "1 document retiré" in text_of(beside(cora.get(FORM)))
    assert "d’un autre jour" in text(mona.get(DOCUMENTS)) and cora.get(url).data == PDF, "it stays, and can be read"


def text_of(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup))


def test_nobody_reads_or_attaches_what_the_form_is_not_for(house):
    cora = begun(house)
    assert send(cora, PDF).status_code == 303
    (one,) = held(house)
    for name, status in (("olga", 404), ("sam", 403), ("lara", 404)):
        person = house.client(name)
        assert person.get(DOCUMENTS).status_code == status
        assert person.get(f"{DOCUMENTS}/{one.id}").status_code == status
        assert send(person, PDF + b"2").status_code in (403, 404)
    mona = house.client("mona")
    assert send(mona, PDF + b"2").status_code == mona.post(f"{DOCUMENTS}/{one.id}/withdraw").status_code == 403
    assert 'name="file"' not in mona.get(DOCUMENTS).text
    assert cora.get(f"{DOCUMENTS}/{one.id + 1}").status_code == 404
    assert cora.get(f"{ANOTHER}/documents/{one.id}").status_code == 404, "of another form"
    assert len(held(house)) == 1


def test_what_a_donors_tests_found_is_the_donors(house):
    """The recipient's team reads donors' forms, and not those that are the donor's secret; neither does it read what proves them."""
    world = house.world
    donor = world.enrol("donor", **DONOR)
    world.save(donor, "DSEROLOGY", "DSCR", typed(None, DSEROLOGY_DATE=DAY), name="dora")
    url = f"/studies/msc_ssc/subjects/{donor.key}/DSCR/1/DSEROLOGY/1/documents"
    dora, cora = house.client("dora"), house.client("cora")
    assert send(dora, PDF, "sérologies.pdf", url, "DSEROLOGY_DATE").status_code == 303
    with world.read() as tx:
        (one,) = enclosures.of_form(tx, stored(house, "DSEROLOGY", "DSCR", donor.key).id)
    assert dora.get(f"{url}/{one.id}").data == PDF
    for path in (url, f"{url}/{one.id}"):
        assert cora.get(path).status_code == 404
    trail = f"/studies/msc_ssc/subjects/{donor.key}/trail"
    assert hashed(one) not in text(cora.get(trail)) and hashed(one) in text(dora.get(trail))


def test_a_forged_or_too_large_one_is_refused_and_the_page_says_so(house):
    cora = begun(house)
    for content in (b"", b"MZ\x90\x00", b"<html>%PDF-", b"a plain text", b"%PDF-" + bytes(20 * 1024**2)):
        answer = send(cora, content, "report.pdf", about="my words")
        assert answer.status_code == 422 and 'id="error-file"' in answer.text
        assert 'value="my words"' in answer.text
    answer = send(cora, bytes(22 * 1024**2))
    assert answer.status_code == 413
    assert "20" in text(answer), "not the 4 megabytes of other pages"
    assert send(cora, PDF, at="FVC_L").status_code == 422, "the study says where"
    assert held(house) == []


def test_a_closed_form_says_so_and_takes_none(house):
    cora = begun(house)
    with house.world.write("dana") as tx:
        which, address = house.world.subject("R-01-001"), Address(Level.FORM, stored(house, "LUNG").id)
        locks.move(tx, address, which.site, which, which.site.study_id, which.site.chain, "lock", "Clean.")
    page = cora.get(DOCUMENTS)
    assert 'name="file"' not in page.text and "verrouillé" in text(page)
    assert "papers-at" not in cora.get(FORM).text
    assert send(cora, PDF).status_code == 409
    with house.world.read() as tx:
        assert enclosures.of_form(tx, address.id) == []
        (told,) = audit.history(tx.connection, "refusal", str(which.id))
    assert told.prompted_by == "lock" and FormKey("SCR", "LUNG").form_oid in told.new
