"""Checks as a field is left: the answer says what a save of the same page would say, in its words, and nothing is written."""

from __future__ import annotations

import re

from lxml import html

from tests.web.site import Browser, House, text
from tests.web.test_drafts import rows as drafts_of
from tests.web.test_entry_pages import VITALS, enrol, records, stored, weight
from trialcrf.store import audit

SUBJECT = "/studies/msc_ssc/subjects/R-01-001/SCR/1"
PAGES: dict[str, list[dict[str, object]]] = {
    "VITALS": [
        {"p": ["WT", "HT", "PULSE", "TEMPERATURE"], "i.WT": "7,25", "i.HT": "171", "i.PULSE": "151", "i.TEMPERATURE": "warm"},
        {"p": ["PULSE", "WT", "HT", "BP.new1.SBP", "BP.new1.DBP"], "i.PULSE": "151", "i.WT": "900", "i.HT": "171", "r.BP.new1.SBP": "80",
         "r.BP.new1.DBP": "130"},
        {"p": ["WT", "HT", "PULSE"], "i.WT": "180", "i.HT": "150", "i.PULSE": "", "i.PULSE.missing": "ND"},
    ],
    "ECHO": [
        {"p": ["LVEF_ECHO", "SPAP_ECHO", "SCINTI_DONE", "LVEF_SCINTI"], "i.LVEF_ECHO": "30", "i.SCINTI_DONE": "Y", "i.LVEF_SCINTI": "60",
         "i.SPAP_ECHO": "900"},
        {"p": ["ECHO_DATE", "LVEF_ECHO", "SCINTI_DONE", "LVEF_SCINTI"], "i.ECHO_DATE.d": "1", "i.ECHO_DATE.m": "1", "i.ECHO_DATE.y": "2031",
         "i.LVEF_ECHO": "85", "i.SCINTI_DONE": "N", "i.LVEF_SCINTI": "60"},
    ],
    "LUNG": [
        {"p": ["FVC_L", "TLC_L", "DLCO_VALUE", "DLCO_UNIT_USED"], "i.FVC_L": "6", "i.TLC_L": "4", "i.DLCO_VALUE": "90",
         "i.DLCO_UNIT_USED": "SI"},
        {"p": ["FVC_L", "TLC_L", "DLCO_PCT"], "i.FVC_L": "6", "i.TLC_L": "4", "i.DLCO_PCT": "20"},
    ],
    "PHYSEXAM": [{"p": ["PE_TEXT"], "i.PE_TEXT": "Vue par marie.dupont@example.org, 06 12 34 56 78"}],
}  # fmt: skip


def judged(browser: Browser, form: str, boxes: dict[str, object]) -> dict:
    answer = browser.post(f"{SUBJECT}/{form}/1/check", {"version": "0", **boxes})
    assert answer.status_code == 200, text(answer)
    return answer.json


def told(answer: dict) -> set[tuple[str, str, str]]:
    """What is said: of which place, how gravely, in which words."""
    return {(key, said["kind"], said["text"]) for key, field in answer["fields"].items() for said in field["said"]}


def drawn(page: str) -> set[tuple[str, str, str]]:
    """The same of a page that a save gave."""
    found = set()
    for item in html.fromstring(page).xpath("//*[@data-item]"):
        for line in item.xpath(".//p[@data-check]"):
            words = line.xpath("./span")[0]
            unseen = words.xpath("./span[@class='visually-hidden']")
            said = words.text_content()[len(unseen[0].text_content()) if unseen else 0 :]
            found.add((item.get("data-item"), line.get("class").split()[-1], said))
    return found


def test_what_is_said_of_a_page_is_what_its_save_says(house: House):
    cora = house.client("cora")
    for number, (form, boxes) in enumerate(((form, boxes) for form, pages in PAGES.items() for boxes in pages), 1):
        enrol(cora, once=f"x{number}")
        at = f"/studies/msc_ssc/subjects/R-01-{number:03}/SCR/1/{form}/1"
        before = told(cora.post(f"{at}/check", {"version": "0", **boxes}).json)
        saved = cora.post(at, {"version": "0", **boxes})
        after = drawn(saved.text if saved.status_code == 422 else cora.get(saved.headers["Location"]).text)
        # Of a row that is only typed so far a refused page draws the boxes, and its rows have other names once they are stored.
        assert {one for one in before if "." not in one[0]} == {one for one in after if "." not in one[0]}, (form, boxes)
        assert any(kind != "say" for _, kind, _ in before), (form, boxes)


def test_nothing_is_written_and_no_draft_is_kept(house: House):
    cora = house.client("cora")
    enrol(cora)
    before = records(house)
    judged(cora, "VITALS", PAGES["VITALS"][0])
    assert (records(house), stored(house), drafts_of(house)) == (before, None, [])


def test_derived_values_ranges_and_conditional_questions_are_told_as_they_are_typed(house: House):
    cora = house.client("cora")
    enrol(cora)
    fields = judged(cora, "VITALS", {"p": ["WT", "HT"], "i.WT": "72,5", "i.HT": "171,5"})["fields"]
    assert fields["BMI_KG_M2"]["shown"] == "24,6"
    assert judged(cora, "VITALS", weight("72,5"))["fields"]["BMI_KG_M2"]["shown"] == ""
    asked = judged(cora, "ECHO", {"p": ["SCINTI_DONE"], "i.SCINTI_DONE": "Y"})
    assert asked["fields"]["LVEF_SCINTI"]["asked"] is True and asked["later"]["SCINTIGRAPHY"] == ""
    quiet = judged(cora, "ECHO", {"p": ["SCINTI_DONE", "LVEF_SCINTI"], "i.SCINTI_DONE": "N", "i.LVEF_SCINTI": ""})
    assert quiet["fields"]["LVEF_SCINTI"]["asked"] is False and quiet["later"]["SCINTIGRAPHY"].startswith("2 ")
    pressure = {"p": ["BP.new1.SBP", "BP.new1.DBP"], "r.BP.new1.SBP": "190", "r.BP.new1.DBP": "121"}
    row = judged(cora, "VITALS", pressure)["fields"]
    assert "CTCAE" in row["BP.new1.SBP"]["before"] or "grade" in row["BP.new1.SBP"]["before"]
    assert row["BP.new1.DBP"]["said"][0]["check"] == "soft_range"


def test_a_change_of_what_was_saved_asks_why_and_a_reason_is_enough(house: House):
    cora = house.client("cora")
    enrol(cora)
    cora.post(VITALS, weight("62"))
    changed = judged(cora, "VITALS", weight("63", version="1"))["fields"]["WT"]
    assert changed["why"] is True and changed["said"][0]["check"] == "reason"
    reason = house.world.published.study.reasons.items[0].code
    assert "why" not in judged(cora, "VITALS", weight("63", version="1", **{"why.WT": reason}))["fields"]["WT"]


def test_whoever_may_not_enter_the_form_is_told_nothing(house: House):
    cora, mona = house.client("cora"), house.client("mona")
    enrol(cora)
    assert mona.post(f"{VITALS}/check", weight("900")).status_code == 403
    assert house.client("olga").post(f"{VITALS}/check", weight("900")).status_code == 404
    assert cora.post(f"{VITALS}/check", weight("900"), token=None).status_code == 400
    assert cora.post(f"{SUBJECT}/NOSUCH/1/check", weight("900")).status_code == 404


def baseline(house: House, cora: Browser) -> str:
    """The address of the vital signs of the baseline visit, after those of the screening visit were saved."""
    enrol(cora)
    sent = {
        "p": ["WT", "HT", "PULSE"],
        "i.WT": "62,4",
        "i.HT": "171",
        "i.PULSE": "",
        "i.PULSE.missing": "ND",
        "i.PULSE.note": "sans montre",
        "version": "0",
    }
    assert cora.post(VITALS, sent).status_code == 303
    return VITALS.replace("/SCR/", "/BAS/")


def test_the_value_of_the_visit_before_and_its_change_stand_beside_each_field(each_house: House):
    cora = each_house.client("cora")
    at = baseline(each_house, cora)
    page = text(cora.get(at))
    assert "précédent : 62,4" in page.replace("\u202f", " ") or "62,4" in page
    fields = cora.post(f"{at}/check", {"p": ["WT", "HT"], "i.WT": "61", "i.HT": "171", "version": "0"}).json["fields"]
    assert "62,4" in fields["WT"]["before"] and "1,4" in fields["WT"]["before"] and "171" in fields["HT"]["before"]
    assert fields["PULSE"]["before"], "that it was not done is told as well"
    assert cora.get(VITALS).text.count('class="before"') == 0, "nothing comes before the first visit"


def test_what_the_study_allows_is_copied_by_a_button_and_the_trail_says_so(each_house: House):
    cora = each_house.client("cora")
    at = baseline(each_house, cora)
    offered = cora.get(at)
    assert 'value="copy"' in offered.text and 'value="171"' not in offered.text, "nothing is filled in that nobody asked for"
    typed = {"p": ["WT", "HT"], "i.WT": "61", "i.HT": "", "version": "0"}
    copied = cora.post(at, {**typed, "act": "copy"})
    source = re.search(r'name="copied.HT" value="(\d+)"', copied.text)
    assert source and 'value="171"' in copied.text and 'value="61"' in copied.text
    assert 'name="copied.WT"' not in copied.text and stored(each_house, event="BAS") is None
    full = {**typed, "i.HT": "171", "copied.HT": source[1], "copied.WT": source[1]}
    assert cora.post(at, full).status_code == 303
    form = stored(each_house, event="BAS")
    with each_house.world.read() as tx:
        told = {place: audit.history(tx.connection, "form", str(form.id), place)[-1].prompted_by for place in ("HT", "WT")}
    assert told == {"HT": f"copy/{source[1]}", "WT": ""}, "a weight is never copied, whatever a page claims"
    assert 'class="before"' in cora.get(at).text
    history = text(cora.get(f"{at}/history"))
    assert re.search(rf"(n°|numéro|no\.) {source[1]}\b", history)


def test_what_was_changed_after_it_was_copied_or_is_of_somebody_else_is_typed(house: House):
    cora = house.client("cora")
    at = baseline(house, cora)
    enrol(cora, once="x2")
    other = VITALS.replace("R-01-001", "R-01-002")
    cora.post(other, {"p": ["HT"], "i.HT": "150", "version": "0"})
    mine, theirs = stored(house).id, stored(house, key="R-01-002").id
    for number, (height, source) in enumerate((("172", mine), ("150", theirs), ("171", 99_999_999))):
        reason = house.world.published.study.reasons.items[0].code
        sent = {"p": ["HT"], "i.HT": height, "copied.HT": str(source), "version": str(number), "why": reason}
        assert cora.post(at, sent).status_code == 303
        form = stored(house, event="BAS")
        with house.world.read() as tx:
            assert audit.history(tx.connection, "form", str(form.id), "HT")[-1].prompted_by == ""


def test_single_keys_are_switched_off_and_enter_goes_on_where_the_person_wants_it(each_house: House):
    cora = each_house.client("cora")
    enrol(cora)
    assert (
        "data-keys=" in cora.get(VITALS).text
        and "data-digits" in cora.get(VITALS).text
        and 'data-enter="next"' not in cora.get(VITALS).text
    )
    listed = text(cora.get("/account/keys"))
    assert "Ctrl S" in listed and "Alt J" in listed and "Alt N" in listed, "the list is read without script"
    assert cora.post("/account/keys", {"shortcuts": ["next", "nonsense"]}).status_code == 303
    page = cora.get(VITALS).text
    assert "data-keys=" not in page and "data-digits" not in page and 'data-enter="next"' in page
    with each_house.world.read() as tx:
        (told,) = [past for past in audit.history(tx.connection, "account", str(each_house.account("cora"))) if past.place == "shortcuts"]
    assert told.new == '"next"' or told.new == "next"
