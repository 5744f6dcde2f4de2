"""Threads: a comment and a query where one reads the value, everybody's words in one order, and nobody's who may not read the form."""

from __future__ import annotations

import re

from tests.actions.screening import DONOR
from tests.actions.world import typed
from tests.web.site import Browser, House, text
from tests.web.test_queries import CONSENT, LIST
from trialcrf.actions import enrol
from trialcrf.actions.oversight import lock, review
from trialcrf.core.document import FormKey, Place
from trialcrf.core.lock import Address, Level
from trialcrf.core.workflow import QueryState
from trialcrf.store import audit, comments, forms, query_lists, replay

SUBJECT = "/studies/msc_ssc/subjects/R-01-001"
FORM = f"{SUBJECT}/SCR/1/RENROL/1"
THREAD = f"{FORM}/thread"
FIELD = f"{FORM}?field=BIRTH_MONTH"


def enrolled(house: House, year: int = 1981) -> int:
    """A recipient; returns the number of its consent form."""
    subject = house.world.enrol("recipient", **(CONSENT | {"BIRTH_MONTH": ("", 5, year)}))
    with house.world.read() as tx:
        return forms.read(tx, subject.id, FormKey("SCR", "RENROL")).id


def sent(browser: Browser, page: str, **more: str) -> dict[str, str]:
    found = re.search(r'name="seen" value="([^"]+)"', browser.get(page).text)
    return {"seen": found[1] if found else "", **more}


def asked(house: House) -> list[tuple[int, str, str, str]]:
    with house.world.read() as tx:
        return [
            (one.id, str(one.place), one.state.value, one.assignee) for one in query_lists.all_of(tx, "msc_ssc", None, list(QueryState))
        ]


def test_from_a_field_one_asks_and_comments_and_comes_back_to_it(each_house):
    enrolled(each_house)
    mona, cora = each_house.client("mona"), each_house.client("cora")
    panel = mona.get(FIELD).text
    assert f'action="{THREAD}/query"' in panel
    assert f'action="{THREAD}/comment"' in panel
    done = mona.post(f"{THREAD}/query", sent(mona, FIELD, about="BIRTH_MONTH", text="Which source?", assignee="cora", back="field"))
    assert (done.status_code, done.location) == (303, f"{FIELD}&done=asked#history")
    number, place, state, assignee = asked(each_house)[0]
    assert (place, state, assignee) == ("BIRTH_MONTH", "open", "cora")
    assert (
        cora.post(f"{THREAD}/comment", {"about": "BIRTH_MONTH", "text": "I look it up."}).location
        == f"{THREAD}?at=BIRTH_MONTH&done=commented"
    )
    beside, thread, page = (text(cora.get(url)) for url in (FIELD, f"{THREAD}?at=BIRTH_MONTH", f"{LIST}/{number}"))
    for read in (beside, thread, page):
        assert "Which source?" in read
        assert "I look it up." in read
    assert thread.index("Which source?") < thread.index("I look it up.")
    assert f'href="{LIST}/{number}"' in cora.get(FORM).text  # told on the form, whichever field is chosen
    with each_house.world.read() as tx:
        assert list(replay.differences(tx)) == []


def test_a_query_of_the_form_or_the_visit_is_asked_where_it_is_about(house):
    enrolled(house)
    mona = house.client("mona")
    assert mona.post(f"{THREAD}/query", sent(mona, THREAD, about="", text="Is it the last version?")).status_code == 303
    visit = f"{SUBJECT}/M3/1/thread"
    assert mona.post(f"{visit}/query", {"text": "When does it take place?"}).location == f"{visit}?done=asked"
    assert mona.post(f"{visit}/comment", {"text": "By telephone."}).status_code == 303
    read = text(mona.get(visit))
    assert "When does it take place?" in read
    assert "By telephone." in read
    about = [(one[1], one[2]) for one in asked(house)]
    assert about == [("", "open"), ("", "open")]
    for number, _, _, _ in asked(house):
        assert mona.get(f"{LIST}/{number}").status_code == 200
    listed = mona.get(LIST).text
    assert f'href="{visit}"' in listed
    assert "Is it the last version?" in text(house.client("cora").get(THREAD))
    assert f'{SUBJECT}/M3/1/thread"' in house.client("cora").get(SUBJECT).text
    assert "When does it take place?" in text(house.client("cora").get("/studies/msc_ssc/today"))


def test_a_correction_and_its_query_name_each_other(house):
    enrolled(house)
    mona = house.client("mona")
    mona.post(f"{THREAD}/query", sent(mona, FIELD, about="BIRTH_MONTH", text="Which source?"))
    number = asked(house)[0][0]
    reason = house.world.published.study.reasons.items[0]
    house.world.save(house.world.subject("R-01-001"), "RENROL", "SCR", typed(1, reason.code, BIRTH_MONTH=("", 6, 1982)))
    assert f'href="{LIST}/{number}"' in mona.get(f"{FORM}/history").text
    page = text(mona.get(f"{LIST}/{number}"))
    assert "6/1982" in page or "06/1982" in page
    assert reason.label.in_("fr") in page


def test_nobody_asks_about_a_value_that_changed_since_and_nothing_typed_is_lost(house):
    enrolled(house)
    mona = house.client("mona")
    old = sent(mona, FIELD, about="BIRTH_MONTH", text="Which source?")
    reason = house.world.published.study.reasons.items[0].code
    house.world.save(house.world.subject("R-01-001"), "RENROL", "SCR", typed(1, reason, BIRTH_MONTH=("", 6, 1982)))
    late = mona.post(f"{THREAD}/query", old)
    assert late.status_code == 409
    assert "Which source?" in late.text
    for data in (
        {"text": " "},
        {"text": "x", "assignee": "olga"},
        {"text": "x", "day": "1", "month": "1", "year": "2020"},
        {"text": "x", "day": "1"},
    ):
        assert mona.post(f"{THREAD}/query", sent(mona, THREAD, about="", **data)).status_code == 422, data
    assert mona.post(f"{THREAD}/comment", {"about": "", "text": "a\0b"}).status_code == 422
    assert mona.post(f"{THREAD}/comment", {"about": "NO_SUCH", "text": "x"}).status_code == 404
    assert asked(house) == []


def test_another_site_finds_no_thread_and_who_only_reads_or_enters_does_not_ask(house):
    about = enrolled(house)
    olga, sam, cora = house.client("olga"), house.client("sam"), house.client("cora")
    visit = f"{SUBJECT}/M3/1/thread"
    for url in (THREAD, visit):
        assert olga.get(url).status_code == 404
        assert sam.get(url).status_code == 403
        assert olga.post(f"{url}/comment", {"text": "x", "about": ""}).status_code == 404
        assert sam.post(f"{url}/comment", {"text": "x", "about": ""}).status_code == 403
        assert cora.post(f"{url}/query", {"text": "x", "about": "", "seen": "1"}).status_code == 403
        assert cora.get(f"{url}/comment").status_code == 405
        assert cora.post(f"{url}/comment", {"text": "x", "about": ""}, token=None).status_code == 400
    for gone in (f"{SUBJECT}/M3/2/thread", f"{SUBJECT}/NO/1/thread", f"{SUBJECT}/M3/1/VISIT/1/thread", f"{THREAD}?at=NO_SUCH"):
        assert cora.get(gone).status_code == 404
    with house.world.read() as tx:
        assert comments.of_form(tx, about) == []
    assert asked(house) == []


def test_a_thread_of_donor_tests_is_for_whoever_reads_donor_tests(house):
    donor = house.world.enrol("donor", **DONOR)
    house.world.save(donor, "DSEROLOGY", "DSCR", typed(HIV1="NEGATIVE"), name="dora")
    key = FormKey("DSCR", "DSEROLOGY")
    page = f"/studies/msc_ssc/subjects/{donor.key}/DSCR/1/DSEROLOGY/1/thread"
    with house.world.write("mona") as tx:
        about = forms.read(tx, donor.id, key).id
        number = review.ask(tx, donor, key, about, Place("HIV1"), "Which laboratory?", "dora", access="donor")
    for name, status in (("dora", 200), ("mona", 200), ("cora", 404), ("ivan", 404)):
        assert house.client(name).get(page).status_code == status, name
        assert house.client(name).get(f"{LIST}/{number}").status_code == status, name
        assert ("Which laboratory?" in text(house.client(name).get(LIST))) is (status == 200), name
        assert ("Which laboratory?" in text(house.client(name).get("/studies/msc_ssc/today"))) is (name == "dora"), name


def test_what_is_tried_under_a_lock_is_refused_and_stands_in_the_trail(house):
    about = enrolled(house)
    mona = house.client("mona")
    page = sent(mona, THREAD, about="", text="x")
    mona.post(f"{THREAD}/query", page)
    number = asked(house)[0][0]
    with house.world.write("dana") as tx:
        lock.lock(tx, lock.find(tx, house.world.published, Address(Level.FORM, about).text), "cleaning ended")
    assert mona.post(f"{THREAD}/comment", {"about": "", "text": "late"}).status_code == 409
    assert mona.post(f"{LIST}/{number}/review", sent(mona, f"{LIST}/{number}", verdict="cancel", text="late")).status_code == 409
    subject = house.world.subject("R-01-001")
    with house.world.read() as tx:
        tried = [past for past in audit.history(tx.connection, "refusal", str(subject.id)) if past.prompted_by == "lock"]
        assert comments.of_form(tx, about) == []
    assert [past.actor for past in tried] == ["mona", "mona"]
    assert asked(house)[0][2] == "open"


def test_of_a_subject_in_error_a_thread_is_only_read(house):
    enrolled(house)
    mona = house.client("mona")
    with house.world.write() as tx:
        enrol.mark_subject_error(tx, house.world.subject("R-01-001"), "wrong person")
    page = mona.get(THREAD)
    assert page.status_code == 200
    assert "<textarea" not in page.text
    assert mona.post(f"{THREAD}/comment", {"about": "", "text": "late"}).status_code == 409


def test_a_long_history_of_a_form_comes_in_pages(house):
    about = enrolled(house)
    with house.world.write("ivan") as tx:
        for number in range(105):
            comments.add(tx, house.world.subject("R-01-001"), about, Place(""), f"remark {number}")
    ivan = house.client("ivan")
    first, second = ivan.get(f"{FORM}/history").text, ivan.get(f"{FORM}/history?page=2").text
    assert "remark 104" in first
    assert "remark 0<" not in first
    assert "remark 0<" in second
