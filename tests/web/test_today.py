"""My day: what waits at the person's sites, why, and the two acts on a visit besides recording it; the matrix filtered, ordered, as CSV."""

from __future__ import annotations

import csv
import io
import re
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.actions.screening import put, screen_donor, screen_recipient
from tests.actions.world import typed
from tests.web.site import text
from tests.web.test_eligibility import sign
from trialcrf.actions import publish
from trialcrf.core.calendar import add
from trialcrf.core.document import FormKey, Place
from trialcrf.core.wording import Message
from trialcrf.external.language import Language
from trialcrf.store import audit, forms, outbox, subjects

STUDY = "/studies/msc_ssc"
DAY = STUDY + "/today"
PARIS = ZoneInfo("Europe/Paris")
ENROLLED = datetime.now(UTC).replace(hour=12) - timedelta(days=112)
"""The pages read the real clock: whatever day it is, these subjects were treated 111 days ago."""

CONSENTED = ENROLLED.astimezone(PARIS).date()
INFUSED = CONSENTED + timedelta(days=1)
CONSENT = {
    "ICF_DATE": (CONSENTED.day, CONSENTED.month, CONSENTED.year),
    "ICF_VERSION": "1.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "BIRTH_MONTH": ("", 5, 1980), "SEX_BIRTH": "F",
}  # fmt: skip


@pytest.fixture
def waiting(house):
    """A recipient at each site, both treated 111 days ago: by now much is overdue."""
    return treated(house)


@pytest.fixture
def each_waiting(each_house):
    """The same on each database."""
    return treated(each_house)


def treated(house):
    for site in ("01", "02"):
        one = house.world.enrol("recipient", site, now=ENROLLED, **CONSENT)
        boxes = {"INF_COHORT": "MSC1", "INF_BATCH": "B1", "INF_START": (INFUSED.day, INFUSED.month, INFUSED.year, "03:00")}
        house.world.save(one, "INFUSION", "D0", typed(None, **boxes), now=ENROLLED + timedelta(days=2))
    return house


def today() -> date:
    return datetime.now(UTC).astimezone(PARIS).date()


def said(day: date) -> str:
    return Language("fr").say(Message("%(day)s", {"day": day}))


def rows(page: str) -> list[str]:
    """The rows of the tables of visits, as a person reads them."""
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", page, re.S)]


def test_an_overdue_visit_says_since_when_why_and_offers_three_acts(waiting):
    page = waiting.client("cora").get(DAY)
    first = next(row for row in rows(page.text) if "Jour 3" in row)
    assert "R-01-001" in first
    ended = INFUSED + timedelta(days=4)  # Day 3, a day before or after
    assert f"Fenêtre terminée le {said(ended)}, rien n’est renseigné" in first
    assert f"Début de la perfusion (J0), {said(INFUSED)}" in first
    for act in ("/D3/1/FVISIT/1", "/visits/D3/missed", "/visits/D3/deviation"):
        assert f'href="{STUDY}/subjects/R-01-001{act}"' in page.text
    assert f"de {(today() - ended).days} j" in first


def test_the_whole_list_has_as_many_lines_as_the_count_says_and_the_navigation_too(waiting):
    cora = waiting.client("cora")
    page = cora.get(DAY + "?show=overdue").text
    count = int(re.search(r'id="list-overdue">.*?<b class="count bad">(\d+)', page, re.S)[1])
    assert count == len(rows(page)) > 5
    assert re.search(rf'href="{DAY}"[^>]*>[^<]*<span class="count bad">{count}<', page)


def test_nobody_sees_the_visits_of_another_site(waiting):
    assert "R-02-001" not in waiting.client("cora").get(DAY + "?site=02").text
    assert "R-02-001" in waiting.client("olga").get(DAY).text
    both = waiting.client("mona").get(DAY).text
    assert "R-01-001" in both and "R-02-001" in both
    assert "R-01-001" not in waiting.client("mona").get(DAY + "?site=02").text


def test_a_sponsor_reads_numbers_and_no_subject_and_a_monitor_gets_no_acts(waiting):
    page = waiting.client("sam").get(DAY)
    assert page.status_code == 200
    assert "R-0" not in page.text and "01 Paris" in text(page)
    assert "/missed" not in waiting.client("mona").get(DAY).text
    assert waiting.client("adam").get(DAY).status_code == 403


def test_a_visit_marked_missed_is_recorded_with_its_reason_and_leaves_every_list(each_waiting):
    cora = each_waiting.client("cora")
    url = f"{STUDY}/subjects/R-01-001/visits/D3/missed"
    before = len(rows(cora.get(DAY + "?show=overdue").text))
    assert "Le sujet ne s’est pas présenté" in cora.get(url).text
    assert cora.post(url, {"code": "SUBJECT", "words": ""}).status_code == 303
    after = cora.get(DAY + "?show=overdue").text
    assert len(rows(after)) == before - 1
    assert "Jour 3" not in "".join(rows(after))
    page = text(cora.get(f"{STUDY}/subjects/R-01-001"))
    assert "manquée" in page and "Le sujet ne s’est pas présenté" in page
    with each_waiting.world.read() as tx:
        stored = forms.read(tx, each_waiting.world.subject("R-01-001").id, FormKey("D3", "FVISIT"))
        trail = audit.history(tx.connection, "form", str(stored.id))
    assert stored.document.at(Place("VIS_DONE")).text == "N"
    assert {past.actor for past in trail if past.place in ("VIS_DONE", "VIS_WHY")} == {"cora"}
    again = cora.post(url, {"code": "SUBJECT", "words": ""})
    assert again.status_code == 422  # it is not due any more: nothing is written twice


@pytest.mark.parametrize(
    ("sent", "field"),
    [({"code": "", "words": ""}, "code"), ({"code": "x", "words": ""}, "code"), ({"code": "OTHER", "words": " "}, "words")],
)
def test_a_visit_is_not_missed_without_a_reason(waiting, sent, field):
    cora = waiting.client("cora")
    answer = cora.post(f"{STUDY}/subjects/R-01-001/visits/D3/missed", sent)
    assert answer.status_code == 422
    assert f'id="error-{field}"' in answer.text
    with waiting.world.read() as tx:
        assert forms.read(tx, waiting.world.subject("R-01-001").id, FormKey("D3", "FVISIT")) is None


def test_another_reason_is_put_into_words(waiting):
    cora = waiting.client("cora")
    assert cora.post(f"{STUDY}/subjects/R-01-001/visits/D3/missed", {"code": "OTHER", "words": "snow"}).status_code == 303
    with waiting.world.read() as tx:
        stored = forms.read(tx, waiting.world.subject("R-01-001").id, FormKey("D3", "FVISIT"))
    assert stored.document.at(Place("VIS_WHY_TEXT")).text == "snow"


def test_a_visit_that_is_not_due_yet_cannot_be_missed(waiting):
    answer = waiting.client("cora").post(f"{STUDY}/subjects/R-01-001/visits/M24/missed", {"code": "SUBJECT"})
    assert answer.status_code == 422
    assert "prévue" in text(answer)


def test_a_deviation_is_asked_for_with_words_and_stands_beside_the_visit(waiting):
    cora = waiting.client("cora")
    url = f"{STUDY}/subjects/R-01-001/visits/M1/deviation"
    assert cora.get(url).status_code == 200
    assert 'id="error-words"' in cora.post(url, {"words": ""}).text
    answer = cora.post(url, {"words": "she can come on 2 December"})
    assert answer.status_code == 303
    with waiting.world.read() as tx:
        stored = forms.read(tx, waiting.world.subject("R-01-001").id, FormKey("DV", "DEVIATION"))
    told = {place.item: answer.text for place, answer in stored.document.places()}
    assert told["DVTERM"] == "she can come on 2 December"
    assert (told["DVCAT"], told["DV_VISIT"], told["DV_DATE"]) == ("WINDOW", "M1", (add(INFUSED, 1, 0) + timedelta(days=8)).isoformat())
    assert "1 " in next(row for row in rows(cora.get(DAY + "?show=overdue").text) if "Mois 1" in row)
    assert "écart" in next(row for row in rows(cora.get(DAY + "?show=overdue").text) if "Mois 1" in row)


@pytest.mark.parametrize("act", ["missed", "deviation"])
def test_the_acts_are_refused_at_another_site_to_another_role_and_without_a_token(waiting, act):
    url = f"{STUDY}/subjects/R-01-001/visits/D3/{act}"
    sent = {"code": "SUBJECT", "words": "words"}
    assert waiting.client("olga").post(url, sent).status_code == 404
    assert waiting.client("mona").post(url, sent).status_code == 403
    assert waiting.client("cora").post(url, sent, token=None).status_code == 400
    assert waiting.client("cora").get(f"{STUDY}/subjects/R-01-001/visits/NONE/{act}").status_code == 404
    with waiting.world.read() as tx:
        assert forms.read(tx, waiting.world.subject("R-01-001").id, FormKey("D3", "FVISIT")) is None


def test_begun_forms_queries_and_verdicts_stand_on_the_list_of_who_can_do_something_about_them(each_waiting):
    one = each_waiting.world.subject("R-01-001")
    each_waiting.world.save(one, "VITALS", "M1", typed(None, WT="70"))
    each_waiting.world.save(one, "VITALS", "D1", typed(None, WT="200"))
    cora, ivan, mona = (text(each_waiting.client(name).get(DAY)) for name in ("cora", "ivan", "mona"))
    assert "R-01-001 · Mois 1" in cora
    assert "Demandes de correction à traiter" in cora or "Queries to answer" in cora
    assert "verdict" not in cora.lower() and "verdict" in ivan.lower()
    assert "R-01-001 · Mois 1" not in mona


def test_a_serious_event_counts_down_from_its_first_entry(each_waiting):
    one = each_waiting.world.subject("R-01-001")
    now = datetime.now(UTC)
    form = next(f for f in each_waiting.world.published.study.forms_with("AESER"))
    by_alias = {
        form.with_alias(alias).oid: value for alias, value in (("AETERM", "fever"), ("AESER", "Y"), ("AESHOSP", "Y"), ("AETOXGR", "3"))
    }
    each_waiting.world.save(one, form.oid, "AE", typed(None, **by_alias), now=now - timedelta(hours=3, minutes=30))
    page = text(each_waiting.client("ivan").get(DAY))
    assert "20 h" in page
    with each_waiting.world.read() as tx:
        assert {row.role for row in outbox.all_of(tx)} == {"investigator", "sponsor"}


# --- The matrix ------------------------------------------------------------------------------------------------------------------------


def keys(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="[^"]*/subjects/([^"]+)">', page)


def test_the_matrix_is_filtered_by_site_state_days_and_cohort_and_ordered(each_waiting):
    late = each_waiting.world.enrol("recipient", "01", now=ENROLLED, **CONSENT)
    mona = each_waiting.client("mona")
    matrix = f"{STUDY}/subjects?kind=recipient"
    assert keys(mona.get(matrix).text) == ["R-01-001", "R-01-002", "R-02-001"]
    assert keys(mona.get(matrix + "&site=02").text) == ["R-02-001"]
    assert keys(mona.get(matrix + "&cohort=MSC1").text) == ["R-01-001", "R-02-001"]
    days = (today() - CONSENTED).days - 28  # the screening of all three
    assert late.key in keys(mona.get(f"{matrix}&late={days - 2}").text)
    assert late.key not in keys(mona.get(f"{matrix}&late={days}").text)
    assert "R-01-001" in keys(mona.get(f"{matrix}&late={days}").text)
    assert keys(mona.get(matrix + "&state=overdue&sort=overdue").text)[-1] == late.key
    assert keys(mona.get(matrix + "&late=x&sort=x&cohort=x").text) == ["R-01-001", "R-01-002", "R-02-001"]


def test_the_csv_of_the_view_holds_every_visit_of_it_and_no_formula(each_waiting):
    mona = each_waiting.client("mona")
    answer = mona.get(f"{STUDY}/subjects.csv?kind=recipient&state=overdue")
    assert answer.mimetype == "text/csv"
    lines = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"))))
    listed = [row for row in rows(mona.get(DAY + "?show=overdue").text) if "R-" in row]
    assert len(lines) == len(listed)
    one = next(line for line in lines if (line["Participant"], line["Visite"]) == ("R-01-001", "Jour 3"))
    assert (one["Centre"], one["État"]) == ("01", "en retard")
    assert one["Dernier jour"] == (INFUSED + timedelta(days=4)).isoformat()
    assert all(value[:1] not in "=+@" for line in lines for value in line.values() if value)


def test_the_csv_of_another_site_is_empty_and_of_another_role_refused(waiting):
    cora = waiting.client("cora")
    assert "R-02" not in cora.get(f"{STUDY}/subjects.csv?kind=recipient").text
    assert "R-01-001" not in cora.get(f"{STUDY}/subjects.csv?kind=recipient&site=02").text
    assert waiting.client("sam").get(f"{STUDY}/subjects.csv").status_code == 403


def test_the_row_of_a_subject_in_error_leaves_the_list(waiting):
    cora = waiting.client("cora")
    assert cora.post(f"{STUDY}/subjects/R-01-001/error", {"reason": "enrolled twice"}).status_code == 303
    assert waiting.grant("dana").status_code == 303
    assert "R-01-001" not in cora.get(DAY).text
    with waiting.world.read() as tx:
        assert subjects.find(tx, "msc_ssc", "R-01-001").error


def test_the_subjects_page_tells_which_visits_moved_and_why(waiting):
    one = waiting.world.subject("R-01-001")
    later = INFUSED + timedelta(days=1)
    sent = typed(1, "SOURCE: read again", INF_START=(later.day, later.month, later.year, "03:00"))
    waiting.world.save(one, "INFUSION", "D0", sent, now=datetime.now(UTC))
    page = text(waiting.client("cora").get(f"{STUDY}/subjects/R-01-001"))
    assert f"{said(add(INFUSED, 3, 0))} → devient {said(add(later, 3, 0))}" in page
    assert "read again" in page
    assert "→" not in text(waiting.client("olga").get(f"{STUDY}/subjects/R-02-001"))


def signatures_due(house) -> str:
    page = house.client("ivan").get(DAY).text
    return text_of(re.search(r'<section class="card" aria-labelledby="list-signatures">.*?</section>', page, re.S)[0])


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_verdict_waits_until_it_is_signed_and_again_when_its_seal_breaks(house):
    recipient = screen_recipient(house.world, screen_donor(house.world).key)
    assert re.search(rf"{recipient.key}\W+verdict d’éligibilité pas encore signé", signatures_due(house))
    assert sign(house.client("ivan"), recipient.key).status_code == 303
    assert recipient.key not in signatures_due(house)
    put(house.world, recipient, "LABS", "SCR", CD4_COUNT="650")
    assert re.search(rf"{recipient.key}\W+le verdict signé est caduc", signatures_due(house))


def test_an_absurd_number_of_days_is_no_filter(waiting):
    cora = waiting.client("cora")
    for days in ("999999", "10000", "-1", "1e3", "٣"):
        for address in ("subjects", "subjects.csv"):
            answer = cora.get(f"{STUDY}/{address}?kind=recipient&late={days}")
            assert answer.status_code == 200 and "R-01-001" in answer.text, (address, days)
    assert 'value="9999"' in cora.get(f"{STUDY}/subjects?late=9999").text


@pytest.mark.parametrize("act", ["missed", "deviation"])
@pytest.mark.parametrize("words", ["x" * 5000, "a\x00b"], ids=["too long", "NUL"])
def test_words_that_the_form_refuses_are_told_at_their_box_and_kept(waiting, act, words):
    answer = waiting.client("cora").post(f"{STUDY}/subjects/R-01-001/visits/D3/{act}", {"code": "OTHER", "words": words})
    assert answer.status_code == 422
    assert 'id="error-words"' in answer.text
    assert words[:1] in re.search(r"<textarea[^>]*>(.*?)</textarea>", answer.text, re.S)[1]


def test_a_request_sent_twice_is_one_deviation_and_another_one_is_another(waiting):
    cora, url = waiting.client("cora"), f"{STUDY}/subjects/R-01-001/visits/M1/deviation"
    first, again = (cora.post(url, {"words": "she can come on Monday"}) for _ in range(2))
    assert first.headers["Location"] == again.headers["Location"]
    other = cora.post(url, {"words": "she can come on Tuesday"})
    assert other.headers["Location"] != first.headers["Location"]


@pytest.mark.parametrize("theirs", ["ILLNESS", "SUBJECT"], ids=["another reason", "the same reason"])
def test_two_who_mark_one_visit_missed_at_once_record_it_once_and_see_no_fault(each_waiting, theirs):
    browsers = {"SUBJECT": each_waiting.client("cora")}, {theirs: each_waiting.client("ivan")}
    answers: list[tuple[int, str]] = []
    gate = threading.Barrier(2)

    def mark(code, browser) -> None:
        gate.wait()
        answers.append((browser.post(f"{STUDY}/subjects/R-01-001/visits/D3/missed", {"code": code}).status_code, code))

    threads = [threading.Thread(target=mark, args=one) for browser in browsers for one in browser.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with each_waiting.world.read() as tx:
        stored = forms.read(tx, each_waiting.world.subject("R-01-001").id, FormKey("D3", "FVISIT"))
    assert stored.version == 1
    recorded = stored.document.at(Place("VIS_WHY")).text
    # Who comes second with the same reason either says what stands already, or is told that it does: nothing more is recorded.
    refused = {303, 422} if theirs == "SUBJECT" else {422}
    assert (303, recorded) in answers
    answers.remove((303, recorded))
    assert answers[0][0] in refused


def test_a_visit_form_with_a_permission_of_its_own_is_not_filled_in_by_this_way_round(waiting):
    study = waiting.world.published.study
    guarded = tuple(replace(form, access="donor") if form.oid == "FVISIT" else form for form in study.forms)
    with waiting.world.write("trialcrf") as tx:
        publish.publish(tx, replace(study, forms=guarded))
    cora, url = waiting.client("cora"), f"{STUDY}/subjects/R-01-001/visits/D3/missed"
    assert cora.get(url).status_code == 403
    assert cora.post(url, {"code": "SUBJECT"}).status_code == 403
