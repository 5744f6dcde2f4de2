"""The pages of study forms and subjects over HTTP: what a nurse's browser sends, and what it gets back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text as sql
from sqlalchemy import update

from tests.actions.world import PASSWORD
from tests.web.site import Browser, House, text
from trialcrf.core.document import Answer, FormKey, Place
from trialcrf.store import audit, forms, queries, replay, subjects
from trialcrf.store.models import session as session_table

STUDY = "/studies/msc_ssc"
CONSENT = {
    "i.ICF_DATE.d": "2", "i.ICF_DATE.m": "11", "i.ICF_DATE.y": "2026", "i.ICF_VERSION": "1.0", "i.ICF_LANG": "fr", "i.ICF_SIGNED": "Y",
    "i.BIRTH_MONTH.m": "5", "i.BIRTH_MONTH.y": "1980", "i.SEX_BIRTH": "F",
    "p": ["ICF_DATE", "ICF_VERSION", "ICF_LANG", "ICF_SIGNED", "BIRTH_MONTH", "SEX_BIRTH"],
}  # fmt: skip
VITALS = f"{STUDY}/subjects/R-01-001/SCR/1/VITALS/1"
ENROLMENT = f"{STUDY}/subjects/R-01-001/SCR/1/RENROL/1"


def enrol(browser: Browser, once: str = "x1", site: str = "01", **changed: str) -> None:
    answer = browser.post(f"{STUDY}/enrol/recipient/{site}", {**CONSENT, **changed, "once": once})
    assert answer.status_code == 303, text(answer)


def weight(value: str, **more: object) -> dict[str, object]:
    return {"p": ["WT"], "i.WT": value, "version": "0", **more}


def stored(house: House, form: str = "VITALS", event: str = "SCR", key: str = "R-01-001", n: int = 1):
    with house.world.read() as tx:
        subject = subjects.find(tx, "msc_ssc", key)
        return forms.read(tx, subject.id, FormKey(event, form, 1, n)) if subject else None


def records(house: House) -> int:
    with house.world.read() as tx:
        return sum(size for _, size, _ in audit.chains(tx.connection))


def test_it_enrols_gives_the_number_and_shows_the_subject(each_house):
    cora = each_house.client("cora")
    page = cora.get(f"{STUDY}/enrol/recipient/01")
    assert 'name="i.BIRTH_MONTH.d"' not in page.text
    assert not re.search(r'name="[^"]*(?:surname|first_?name|initials|NAME)"', page.text)
    enrol(cora)
    assert "R-01-001" in text(cora.get(f"{STUDY}/subjects"))
    assert "R-01-001" in text(cora.get(f"{STUDY}/subjects/R-01-001"))


def test_an_enrolment_sent_twice_enrols_once(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    enrol(cora)
    enrol(cora, once="x2")
    with each_house.world.read() as tx:
        assert [one.key for one in subjects.all_of(tx, "msc_ssc")] == ["R-01-001", "R-01-002"]


def test_a_refused_enrolment_keeps_everything_typed(each_house):
    cora = each_house.client("cora")
    answer = cora.post(f"{STUDY}/enrol/recipient/01", {**CONSENT, "i.ICF_DATE.d": "31", "i.ICF_DATE.m": "2", "once": "x"})
    assert answer.status_code == 422
    assert 'value="31"' in answer.text
    assert 'value="1.0"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    with each_house.world.read() as tx:
        assert subjects.count(tx, "msc_ssc") == 0


def test_it_saves_a_comma_a_point_and_a_missing_code(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    sent = {
        "p": ["WT", "HT", "PULSE"],
        "i.WT": "62,5",
        "i.HT": "171.0",
        "i.PULSE": "",
        "i.PULSE.missing": "ND",
        "i.PULSE.note": "broken",
        "version": "0",
    }
    assert cora.post(VITALS, sent).status_code == 303
    document = stored(each_house).document
    assert document.at(Place("WT")) == Answer("62.5")
    assert document.at(Place("HT")) == Answer("171.0")
    assert document.at(Place("PULSE")) == Answer(missing="ND", note="broken")
    assert 'value="62,5"' in cora.get(VITALS).text  # Echoed as the page's language writes it.


def test_a_hard_error_stops_the_save_says_so_at_the_field_and_is_in_the_trail(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    before = records(each_house)
    answer = cora.post(VITALS, {"p": ["WT", "HT"], "i.WT": "900", "i.HT": "171", "version": "0"})
    assert answer.status_code == 422
    assert 'value="900"' in answer.text
    assert 'value="171"' in answer.text
    assert 'href="#i-WT"' in answer.text
    assert stored(each_house) is None
    with each_house.world.read() as tx:
        subject = subjects.find(tx, "msc_ssc", "R-01-001")
        (told,) = audit.history(tx.connection, "refusal", str(subject.id))
    assert (told.actor, told.place, told.prompted_by) == ("cora", "WT", "hard_range")
    assert records(each_house) == before + 1


def test_a_doubted_value_is_saved_with_its_query_and_confirmed_on_the_same_page(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    answer = cora.post(VITALS, weight("180"))
    assert answer.headers["Location"].endswith("done=queries")
    page = cora.get(answer.headers["Location"])
    assert 'name="ok.WT.soft_range"' in page.text
    code = each_house.world.published.study.confirmations.items[0].code
    again = cora.post(VITALS, weight("180", version="1", **{"ok.WT.soft_range": code}))
    assert again.status_code == 303
    with each_house.world.read() as tx:
        (query,) = queries.of_form(tx, stored(each_house).id)
    assert (query.state, query.answer) == ("answered", code)


def test_a_changed_value_asks_why_at_the_field_and_takes_the_reason(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    cora.post(VITALS, weight("62"))
    asked = cora.post(VITALS, weight("63", version="1"))
    assert asked.status_code == 422
    assert 'name="why.WT"' in asked.text
    reason = each_house.world.published.study.reasons.items[0].code
    assert cora.post(VITALS, weight("63", version="1", **{"why.WT": reason})).status_code == 303
    history = text(cora.get(f"{VITALS}?field=WT"))
    assert "63" in history
    assert "62" in history
    label = each_house.world.published.study.reasons.items[0].label.in_("fr")
    assert label in history
    assert "cora" in history


def test_a_stale_save_shows_both_versions_and_loses_neither(each_house):
    cora, ivan = each_house.client("cora"), each_house.client("ivan")
    enrol(cora)
    cora.post(VITALS, {"p": ["WT", "HT"], "i.WT": "62", "i.HT": "171", "version": "0"})
    reason = each_house.world.published.study.reasons.items[0].code
    ivan.post(VITALS, {"p": ["WT", "HT"], "i.WT": "64", "i.HT": "172", "version": "1", "why": reason})
    answer = cora.post(VITALS, {"p": ["WT", "HT"], "i.WT": "63", "i.HT": "171", "version": "1", "why": reason})
    assert answer.status_code == 409
    both = text(answer)
    assert "63" in both
    assert "64" in both
    assert 'value="63"' in answer.text  # What Cora changed is kept as typed …
    assert 'value="172"' in answer.text  # … and what she did not touch is Ivan's now.
    assert 'name="version" value="2"' in answer.text
    assert stored(each_house).document.at(Place("WT")) == Answer("64")
    final = cora.post(VITALS, {"p": ["WT", "HT"], "i.WT": "63", "i.HT": "172", "version": "2", "why": reason})
    assert final.status_code == 303
    assert stored(each_house).document.at(Place("WT")) == Answer("63")


def test_the_same_page_sent_twice_adds_nothing(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    cora.post(VITALS, weight("62"))
    before = records(each_house)
    assert cora.post(VITALS, weight("62")).status_code == 303
    assert records(each_house) == before


def test_two_new_adverse_events_are_no_conflict(each_house):
    cora, ivan = each_house.client("cora"), each_house.client("ivan")
    enrol(cora)
    url = f"{STUDY}/subjects/R-01-001/AE/1/ADVERSE/1"
    for browser, words in ((cora, "Fever"), (ivan, "Headache"), (cora, "Fever")):
        answer = browser.post(url, {"p": ["AE_WORDS"], "i.AE_WORDS": words, "version": "0"})
        assert answer.status_code == 303, text(answer)
    assert stored(each_house, "ADVERSE", "AE").document.at(Place("AE_WORDS")) == Answer("Fever")
    assert stored(each_house, "ADVERSE", "AE", n=2).document.at(Place("AE_WORDS")) == Answer("Headache")
    assert stored(each_house, "ADVERSE", "AE", n=3) is None


def test_a_save_after_the_session_ended_asks_to_sign_in_and_goes_through(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    with each_house.world.engine.begin() as connection:
        connection.execute(update(session_table).values(seen_at=datetime.now(UTC) - timedelta(hours=2)))
    asked = cora.post(VITALS, weight("62"))
    assert asked.status_code == 401
    assert re.search(r'name="i\.WT"[^>]*>62<', asked.text)
    assert stored(each_house) is None
    wrong = cora.post(VITALS, weight("62", sign_in_username="cora", sign_in_password="not this one"))
    assert wrong.status_code == 401
    assert re.search(r'name="i\.WT"[^>]*>62<', wrong.text)
    through = cora.post(VITALS, weight("62", sign_in_username="cora", sign_in_password=PASSWORD))
    assert through.status_code == 303
    assert stored(each_house).document.at(Place("WT")) == Answer("62")
    assert cora.get(VITALS).status_code == 200


def test_rows_are_added_without_script_and_nothing_is_saved_by_that(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    url = f"{STUDY}/subjects/R-01-001/CM/1/CONMEDS/1"
    page = cora.post(url, {"p": ["MEDS.new1.MED_NAME"], "r.MEDS.new1.MED_NAME": "Paracetamol", "add": "MEDS", "version": "0"})
    assert page.status_code == 200
    assert 'value="Paracetamol"' in page.text
    assert "r.MEDS.new2.MED_NAME" in page.text
    assert stored(each_house, "CONMEDS", "CM") is None


def test_a_form_and_a_subject_in_error_leave_the_lists_and_stay_readable(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    cora.post(VITALS, weight("62"))
    assert cora.post(VITALS + "/error", {"reason": " "}).status_code == 422
    assert cora.post(VITALS + "/error", {"reason": "wrong patient"}).status_code == 303
    page = cora.get(VITALS)
    assert "wrong patient" in text(page)
    assert 'name="act"' not in page.text
    fresh = f"{STUDY}/subjects/R-01-001/SCR/1/VITALS/2"
    assert fresh in cora.get(f"{STUDY}/subjects/R-01-001").text
    assert cora.post(fresh, weight("63")).status_code == 303
    assert cora.post(f"{STUDY}/subjects/R-01-001/error", {"reason": "twice"}).status_code == 303
    assert "R-01-001" in text(cora.get(f"{STUDY}/subjects"))
    assert each_house.grant("dana").status_code == 303
    assert "R-01-001" not in text(cora.get(f"{STUDY}/subjects"))
    assert cora.get(f"{STUDY}/subjects/R-01-001").status_code == 200
    with each_house.world.read() as tx:
        assert list(replay.differences(tx)) == []
        assert audit.broken(tx.connection) is None


def test_a_link_names_a_donor_of_the_site_that_exists(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    donor = {
        "i.DICF_DATE.d": "2", "i.DICF_DATE.m": "11", "i.DICF_DATE.y": "2026", "i.DICF_VERSION": "1", "i.DICF_LANG": "fr",
        "i.DICF_SIGNED": "Y", "i.DBIRTH_MONTH.m": "1", "i.DBIRTH_MONTH.y": "1985", "i.DSEX_BIRTH": "M",
        "p": ["DICF_DATE", "DICF_VERSION", "DICF_LANG", "DICF_SIGNED", "DBIRTH_MONTH", "DSEX_BIRTH"],
    }  # fmt: skip
    assert cora.post(f"{STUDY}/enrol/donor/01", {**donor, "once": "d"}).status_code == 303
    url = f"{STUDY}/subjects/R-01-001/LINK/1/DONORLINK/1"
    sent = {"p": ["LINK_DONOR", "LINK_RELATION"], "i.LINK_RELATION": "SIBLING", "version": "0"}
    assert "D-01-001" in cora.get(url).text
    assert cora.post(url, {**sent, "i.LINK_DONOR": "D-02-009"}).status_code == 422
    assert cora.post(url, {**sent, "i.LINK_DONOR": "D-01-001"}).status_code == 303
    assert each_house.client("mona").get(url).status_code == 200


@pytest.mark.parametrize(
    "path", ["", "/SCR/1/VITALS/1", "/SCR/1/RENROL/1", "/SCR/1/RENROL/1/history", "/LINK/1/DONORLINK/1", "/AE/1/ADVERSE/1"]
)
def test_it_refuses_another_site_with_404(house, path):
    enrol(house.client("cora"))
    assert house.client("olga").get(f"{STUDY}/subjects/R-01-001{path}").status_code == 404


def test_it_refuses_a_save_of_another_site_with_404_and_writes_nothing(house):
    enrol(house.client("cora"))
    before = records(house)
    olga = house.client("olga")
    before = records(house)
    for path in ("/SCR/1/VITALS/1", "/SCR/1/VITALS/1/error", "/error"):
        assert olga.post(f"{STUDY}/subjects/R-01-001{path}", weight("62")).status_code == 404
    assert olga.post(f"{STUDY}/enrol/recipient/01", {**CONSENT, "once": "o"}).status_code == 404
    assert records(house) == before


@pytest.mark.parametrize(("name", "read"), [("mona", 200), ("dana", 200), ("sam", 403), ("adam", 403)])
def test_it_refuses_the_wrong_role(house, name, read):
    enrol(house.client("cora"))
    browser = house.client(name)
    assert browser.get(VITALS).status_code == read
    assert browser.get(f"{STUDY}/subjects").status_code == read
    for path in (VITALS, VITALS + "/error", f"{STUDY}/subjects/R-01-001/error", f"{STUDY}/enrol/recipient/01"):
        assert browser.post(path, {**weight("62"), "reason": "x"}).status_code == 403
    if read == 200:
        assert 'name="act"' not in browser.get(ENROLMENT).text
    assert stored(house) is None


@pytest.mark.parametrize("token", [None, "forged"])
def test_it_refuses_a_save_without_the_sessions_token(house, token):
    cora = house.client("cora")
    enrol(cora)
    assert cora.post(VITALS, weight("62"), token=token).status_code == 400
    assert stored(house) is None


def test_it_refuses_a_save_sent_by_another_site_of_the_web(house):
    cora = house.client("cora")
    enrol(cora)
    assert cora.post(VITALS, weight("62"), headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert stored(house) is None


def test_reading_pages_writes_nothing_to_the_trail(house):
    cora = house.client("cora")
    enrol(cora)
    before = records(house)
    for path in (
        f"{STUDY}/subjects",
        f"{STUDY}/subjects?state=overdue",
        f"{STUDY}/subjects/R-01-001",
        VITALS,
        ENROLMENT,
        ENROLMENT + "/history",
    ):
        assert cora.get(path).status_code == 200
    assert records(house) == before


def test_a_visit_without_a_date_is_not_done_and_its_window_follows_the_infusion(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    url = f"{STUDY}/subjects/R-01-001/D0/1/INFUSION/1"
    boxes = {"i.INF_COHORT": "MSC1", "i.INF_BATCH": "B1", "p": ["INF_COHORT", "INF_BATCH", "INF_START"], "version": "0"}
    start = {"i.INF_START.d": "12", "i.INF_START.m": "11", "i.INF_START.y": "2026", "i.INF_START.t": "10:30"}
    assert cora.post(url, {**boxes, **start}).status_code == 303
    page = text(cora.get(f"{STUDY}/subjects/R-01-001"))
    assert "12 févr. 2027" in page  # Month 3 of an infusion on 12 November 2026.
    early = cora.post(
        f"{STUDY}/subjects/R-01-001/M3/1/FVISIT/1",
        {
            "p": ["VIS_DONE", "VIS_DATE"], "i.VIS_DONE": "Y", "i.VIS_DATE.d": "1", "i.VIS_DATE.m": "11", "i.VIS_DATE.y": "2026",
            "version": "0",
        },
    )  # fmt: skip
    assert early.status_code == 422
    assert stored(each_house, "FVISIT", "M3") is None


def test_the_matrix_is_paged_and_filtered_by_its_address(house):
    cora = house.client("cora")
    for number in range(27):
        enrol(cora, once=f"n{number}")
    first, second = cora.get(f"{STUDY}/subjects"), cora.get(f"{STUDY}/subjects?page=2")
    assert first.text.count('<th scope="row">') == 25
    assert second.text.count('<th scope="row">') == 2
    found = cora.get(f"{STUDY}/subjects?q=01-00")
    assert found.text.count('<th scope="row">') == 9
    assert cora.get(f"{STUDY}/subjects?state=overdue").text.count('<th scope="row">') == 0
    assert cora.get(f"{STUDY}/subjects?page=999&q=%25&kind=nothing&state=x").status_code == 200


def test_headers_keep_pages_out_of_caches_and_frames(house):
    answer = house.client("cora").get(f"{STUDY}/subjects")
    assert "script-src 'nonce-" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_error_page_shows_no_trace(house):
    cora = house.client("cora")
    with house.world.engine.begin() as connection:
        connection.execute(sql("ALTER TABLE subject RENAME TO hidden"))
    answer = cora.get(f"{STUDY}/subjects")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert "sqlite" not in answer.text.lower()
