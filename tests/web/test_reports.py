"""Reports: who may order and read them, what an order becomes, and that a file is sent only if it is what was archived."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest

from tests.web.site import House, text
from trialcrf.external.queue import Queue
from trialcrf.store import reports

LIST = "/studies/msc_ssc/reports"
ORDER = {"day": "20", "month": "11", "year": "2026", "language": "fr", "why": "For the board."}
PDF = b"%PDF-1.7 not a real one"


def all_reports(house: House) -> list[reports.Report]:
    with house.world.read() as tx:
        return reports.all_of(tx, "msc_ssc")


def archived(house: House, content: bytes = PDF) -> int:
    """A report that was drawn and archived, with its file."""
    assert house.client("dana").post(LIST, ORDER).status_code == 303
    (one,) = all_reports(house)
    folder = Path(house.app.config["DATA"]) / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "safety.pdf").write_bytes(content)
    with house.world.write("trialcrf") as tx:
        reports.drawn(tx, one.id, 1, "c" * 64, hashlib.sha256(PDF).hexdigest(), "safety.pdf")
    return one.id


def waiting(house: House) -> int:
    return len(Queue(Path(house.app.config["DATA"]), house.world.engine.url.render_as_string(hide_password=False)))


# --- The list and the order -------------------------------------------------------------------------------------------


def test_the_archive_tells_what_a_file_is(house):
    archived(house)
    answer = house.client("sam").get(LIST)
    assert answer.status_code == 200
    assert "cccc cccc cccc" in answer.text
    assert hashlib.sha256(PDF).hexdigest() in answer.text
    assert "v1" in text(answer)
    assert 'class="state drawn"' in answer.text


def test_an_empty_archive_says_how_a_report_comes_about(house):
    assert 'class="empty"' in house.client("dana").get(LIST).text


@pytest.mark.parametrize("name", ["cora", "ivan", "mona", "adam", "olga"])
def test_only_sponsors_and_data_managers_see_or_order_reports(house, name):
    someone = house.client(name)
    assert someone.get(LIST).status_code == 403
    assert someone.post(LIST, ORDER).status_code == 403
    assert all_reports(house) == []


def test_another_study_has_no_such_page(house):
    assert house.client("sam").get("/studies/other/reports").status_code == 404


@pytest.mark.parametrize("name", ["dana", "sam"])
def test_an_order_is_a_row_and_a_message(each_house, name):
    answer = each_house.client(name).post(LIST, ORDER)
    assert answer.status_code == 303
    (one,) = all_reports(each_house)
    assert (one.state, one.language, one.as_of.isoformat(), one.ordered_by) == ("ordered", "fr", "2026-11-20", name)
    assert waiting(each_house) == 1
    page = each_house.client(name).get(answer.location).text
    assert 'class="state ordered"' in page
    assert "http-equiv" not in page
    assert f'href="{answer.location}"' in page


def test_an_order_stands_when_the_queue_is_out_of_reach(house, caplog):
    (Path(house.app.config["DATA"]) / "queue.db").mkdir()
    with caplog.at_level(logging.WARNING):
        assert house.client("dana").post(LIST, ORDER).status_code == 303
    assert [one.state for one in all_reports(house)] == ["ordered"]
    assert "queue was not reached" in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [{"day": "31", "month": "02"}, {"day": "", "month": "", "year": ""}, {"day": "x"}, {"year": "2999"}, {"day": "\0"}, {"day": "1" * 999}],
)
def test_a_day_that_cannot_be_is_told_at_its_boxes(house, wrong):
    answer = house.client("dana").post(LIST, ORDER | wrong)
    assert answer.status_code == 422
    assert 'id="error-day"' in answer.text
    assert all_reports(house) == []


def test_a_language_that_the_study_has_not_is_refused(house):
    assert house.client("dana").post(LIST, ORDER | {"language": "de"}).status_code == 422
    assert all_reports(house) == []


def test_a_post_without_the_token_orders_nothing_and_a_get_neither(house):
    dana = house.client("dana")
    assert dana.post(LIST, ORDER, token=None).status_code == 400
    assert dana.get(LIST, query_string=ORDER).status_code == 200
    assert all_reports(house) == []


def test_a_failed_report_says_why(house):
    house.client("dana").post(LIST, ORDER)
    with house.world.write("trialcrf") as tx:
        reports.failed(tx, all_reports(house)[0].id, "100 % broken %(x)s")
    page = house.client("dana").get(LIST)
    assert 'class="state failed"' in page.text
    assert "100 % broken" in text(page)


# --- The file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dana", "sam"])
def test_the_archived_file_is_sent_as_an_attachment(house, name):
    answer = house.client(name).get(f"{LIST}/{archived(house)}.pdf")
    assert answer.status_code == 200
    assert answer.data == PDF
    assert answer.content_type == "application/pdf"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_that_was_altered_is_not_sent(house, caplog):
    number = archived(house, PDF + b"!")
    answer = house.client("dana").get(f"{LIST}/{number}.pdf")
    assert answer.status_code == 500
    assert PDF not in answer.data
    assert "SHA-256 differs" in caplog.text


def test_a_file_that_is_gone_is_told(house, caplog):
    number = archived(house)
    (Path(house.app.config["DATA"]) / "reports" / "safety.pdf").unlink()
    assert house.client("dana").get(f"{LIST}/{number}.pdf").status_code == 500
    page = house.client("dana").get(LIST)
    assert page.status_code == 200
    assert f"{LIST}/{number}.pdf" not in page.text
    assert f"report {number} is not there" in caplog.text


def test_the_file_of_another_study_or_one_that_is_not_drawn_does_not_exist(house):
    number = archived(house)
    with house.world.write("trialcrf") as tx:
        from tests.actions.world import study_of
        from trialcrf.actions import administer, publish

        publish.publish(tx, study_of("salt"))
        account = administer.create_account(tx, "sue", "Sue", "sue@example.org", "Sponsor", "fr")
        administer.give_role(tx, account, "sponsor", "salt", "")
    assert house.client("sue").get(f"/studies/salt/reports/{number}.pdf").status_code == 404
    house.client("dana").post(LIST, ORDER | {"language": "en"})
    waits = next(one.id for one in all_reports(house) if one.state == "ordered")
    for missing in (waits, 999, 99999999999999999999):
        assert house.client("dana").get(f"{LIST}/{missing}.pdf").status_code == 404


@pytest.mark.parametrize("name", ["cora", "mona", "adam"])
def test_the_file_is_not_sent_to_other_roles(house, name):
    assert house.client(name).get(f"{LIST}/{archived(house)}.pdf").status_code == 403


def test_a_file_is_not_posted_to(house):
    assert house.client("dana").post(f"{LIST}/{archived(house)}.pdf").status_code == 405


# --- Why, progress and cancelling -------------------------------------------------------------------------------------


def test_a_person_says_why_and_the_archive_shows_it(house):
    refused = house.client("dana").post(LIST, ORDER | {"why": " "})
    assert refused.status_code == 422
    assert 'id="error-why"' in refused.text
    assert all_reports(house) == []
    house.client("dana").post(LIST, ORDER | {"why": "Board of <3 December>"})
    page = house.client("sam").get(LIST).text
    assert "Board of &lt;3 December&gt;" in page


def test_the_page_tells_how_far_a_drawing_is_and_a_cancelled_one_is_told(house):
    house.client("dana").post(LIST, ORDER)
    (one,) = all_reports(house)
    with house.world.write("trialcrf") as tx:
        reports.progressed(tx, one.id, 35, "annex")
    page = house.client("dana").get(LIST).text
    assert 'role="status"' in page
    assert 'value="35"' in page
    assert house.client("dana").get(f"{LIST}/{one.id}/cancel").status_code in (404, 405)
    assert house.client("dana").post(f"{LIST}/{one.id}/cancel", token=None).status_code == 400
    assert house.client("mona").post(f"{LIST}/{one.id}/cancel").status_code == 403
    assert [row.state for row in all_reports(house)] == ["ordered"]
    answer = house.client("dana").post(f"{LIST}/{one.id}/cancel")
    assert (answer.status_code, "done=cancelled" in answer.location) == (303, True)
    assert [row.state for row in all_reports(house)] == ["cancelled"]
    assert 'class="state cancelled"' in house.client("sam").get(answer.location).text
    assert house.client("dana").post(f"{LIST}/999/cancel").status_code == 404


def test_an_annex_is_offered_beside_its_report_and_sent_only_as_it_was_archived(house):
    number = archived(house)
    sha256 = hashlib.sha256(PDF).hexdigest()
    with house.world.write("trialcrf") as tx:
        from sqlalchemy import update

        from trialcrf.store.models import report as table

        tx.work(update(table).values(annexes=f'[["listing.pdf", 300, "{sha256}"]]', dictionary="CTCAE 5.0"))
    folder = Path(house.app.config["DATA"]) / "reports" / "safety"
    folder.mkdir()
    (folder / "listing.pdf").write_bytes(PDF)
    page = house.client("sam").get(LIST).text
    assert f"{LIST}/{number}/listing.pdf" in page
    assert "CTCAE 5.0" in page
    assert house.client("sam").get(f"{LIST}/{number}/listing.pdf").data == PDF
    assert house.client("cora").get(f"{LIST}/{number}/listing.pdf").status_code == 403
    for name in ("other.pdf", "..%2Fsafety.pdf"):
        assert house.client("sam").get(f"{LIST}/{number}/{name}").status_code == 404
    (folder / "listing.pdf").write_bytes(PDF + b"!")
    assert house.client("sam").get(f"{LIST}/{number}/listing.pdf").status_code == 500
