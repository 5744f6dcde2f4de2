"""What is typed is kept before it is saved: for its author alone, on every device, offered with the difference, no record of the trial."""

from __future__ import annotations

import json
import re
from datetime import timedelta

from sqlalchemy import select

from tests.web.site import Browser, House, text
from tests.web.test_entry_pages import VITALS, enrol, stored, weight
from trialcrf.actions import drafting
from trialcrf.core.document import Answer, Place
from trialcrf.store import drafts
from trialcrf.store.audit import Who
from trialcrf.store.models import draft as draft_table
from trialcrf.store.transaction import writing

DRAFT = f"{VITALS}/draft"


def page_of(browser: Browser, url: str = VITALS) -> str:
    found = re.search(r'name="save_token" value="([^"]+)"', browser.get(url).text)
    assert found
    return found[1]


def keep(browser: Browser, kilograms: str, page: str = "one", turn: int = 1, version: int = 0, **more: str):
    boxes = {**weight(kilograms), "version": str(version), "page": page, "turn": str(turn), "typed_for": "90000"}
    return browser.post(DRAFT, {**boxes, **more})


def rows(house: House):
    with house.world.read() as tx:
        return tx.read(select(draft_table)).all()


def told(house: House, entity: str) -> list[tuple[str, dict]]:
    with house.world.read() as tx:
        from trialcrf.store.models import audit_record, audit_value

        joined = audit_record.join(audit_value, (audit_value.c.chain == audit_record.c.chain) & (audit_value.c.seq == audit_record.c.seq))
        asked = select(audit_record.c.op, audit_value.c.value).select_from(joined).where(audit_record.c.entity == entity)
        return [(row.op, json.loads(row.value)) for row in tx.read(asked)]


def test_what_was_typed_is_offered_on_another_device_with_the_difference_and_taken_up_as_it_was(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    assert keep(cora, "62,4").status_code == 204
    elsewhere = each_house.client("cora")
    offered = elsewhere.get(VITALS)
    assert "Vous avez commencé une saisie ici" in text(offered) and "62,4" in text(offered)
    assert 'value="62,4"' not in offered.text, "nothing is filled in that nobody asked for"
    again = elsewhere.get(f"{VITALS}?draft=one")
    assert 'value="62,4"' in again.text and stored(each_house) is None


def test_nobody_else_sees_a_draft_and_nobody_who_only_reads_keeps_one(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    keep(cora, "62,4")
    for name in ("ivan", "mona"):
        reader = each_house.client(name)
        for url in (VITALS, f"{VITALS}?draft=one"):
            assert "62,4" not in reader.get(url).text
    assert keep(each_house.client("mona"), "1").status_code == 403
    assert [row.account_id for row in rows(each_house)] == [each_house.account("cora")]


def test_a_save_settles_its_draft_and_tells_when_the_first_key_was_pressed(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    page = page_of(cora)
    keep(cora, "62", page=page)
    begun = rows(each_house)[0].begun_at
    assert cora.post(VITALS, {**weight("62"), "save_token": page, "version": "0"}).status_code == 303
    assert rows(each_house) == []
    ((op, said),) = told(each_house, "entry_time")
    assert (op, said["begun_at"]) == ("entry_time", begun.isoformat())
    form = stored(each_house)
    assert form.updated_at - begun >= timedelta(seconds=90), "the first keystroke stands beside the time of storage"
    history = text(cora.get(f"{VITALS}/history"))
    assert "Première frappe" in history


def test_a_sending_that_comes_after_the_save_is_no_draft_any_more(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    page = page_of(cora)
    cora.post(VITALS, {**weight("62"), "save_token": page, "version": "0"})
    assert keep(cora, "6", page=page, turn=9).status_code == 409, "what is not kept is not answered as if it were"
    assert rows(each_house) == []


def test_two_pages_of_one_form_keep_two_drafts_and_an_older_sending_never_replaces_a_newer(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    keep(cora, "62", page="one", turn=2)
    keep(cora, "6", page="one", turn=1)
    keep(cora, "70", page="two")
    assert sorted(dict(json.loads(row.fields))["i.WT"] for row in rows(each_house)) == ["62", "70"]
    assert text(cora.get(VITALS)).count("Vous avez commencé une saisie ici") == 2


def test_the_day_of_who_typed_lists_what_is_not_saved_and_nobody_elses_does(each_house):
    cora, ivan = each_house.client("cora"), each_house.client("ivan")
    enrol(cora)
    today = "/studies/msc_ssc/today"
    assert "Tout ce que vous avez saisi est enregistré." in text(cora.get(today))
    keep(cora, "62,4", page="one")
    keep(cora, "70", page="two")
    listed = cora.get(today)
    assert f'href="{VITALS}"' in listed.text and "Saisi et non enregistré 1" in text(listed), "two pages of one form are one line"
    assert "62,4" not in listed.text and f'href="{VITALS}"' not in ivan.get(today).text


def test_a_page_that_took_up_a_draft_replaces_it(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    keep(cora, "62", page="one", typed_for="3600000")
    begun = rows(each_house)[0].begun_at
    page = cora.get(f"{VITALS}?draft=one")
    assert 'name="grew_from" value="one"' in page.text
    keep(cora, "63", page="two", grew_from="one", typed_for="1000")
    (row,) = rows(each_house)
    assert (row.page, row.begun_at) == ("two", begun), "the first keystroke is that of the page that it began on"


def test_a_draft_of_what_was_saved_meanwhile_stands_beside_it(each_house):
    cora, ivan = each_house.client("cora"), each_house.client("ivan")
    enrol(cora)
    keep(cora, "62,4", page="one")
    ivan.post(VITALS, {**weight("70"), "version": "0"})
    offered = text(cora.get(VITALS))
    assert "côte à côte" in offered
    taken_up = cora.get(f"{VITALS}?draft=one")
    shown = text(taken_up)
    assert 'id="stale"' in taken_up.text and "62,4" in shown and "70" in shown
    assert stored(each_house).document.at(Place("WT")) == Answer("70")


def test_discarding_takes_it_away_and_the_trail_tells_that_there_was_one_without_what_it_said(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    keep(cora, "62,4")
    gone = cora.post(f"{DRAFT}/discard", {"page": "one"})
    assert gone.status_code == 303
    assert "62,4" not in cora.get(gone.location).text and "Vous avez commencé" not in text(cora.get(VITALS))
    ((op, said),) = told(each_house, "draft")
    assert op == "discard" and said["form"] == ["SCR", 1, "VITALS", 1] and said["boxes"] == 1
    assert "62" not in json.dumps({**said, "begun_at": "", "kept_at": ""})
    mona = each_house.client("mona")
    assert "Saisie abandonnée" in text(mona.get("/studies/msc_ssc/trail?subject=R-01-001"))


def test_discarding_is_undone_for_a_day_and_no_longer(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    keep(cora, "62,4")
    gone = cora.post(f"{DRAFT}/discard", {"page": "one"}).location
    assert 'name="back"' in cora.get(gone).text and 'name="back"' not in cora.get(VITALS).text
    undone = cora.post(f"{DRAFT}/discard", {"page": "one", "back": "1"}).location
    assert "62,4" in text(cora.get(undone)) and [op for op, _ in told(each_house, "draft")] == ["discard", "restore"]
    cora.post(f"{DRAFT}/discard", {"page": "one"})
    late = rows(each_house)[0].kept_at + drafts.TAKEN_BACK + timedelta(minutes=1)
    with writing(each_house.world.engine, late, Who.system()) as tx:
        assert drafting.expire(tx, late) == 0
    assert rows(each_house) == []
    too_late = cora.post(f"{DRAFT}/discard", {"page": "one", "back": "1"}).location
    assert "done=too_late" in too_late and len(told(each_house, "draft")) == 3


def test_a_row_that_was_left_out_before_it_was_saved_is_put_back_as_it_was_typed(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    boxes = {"version": "0", "p": ["BP.new1.SBP", "BP.new1.DBP"], "r.BP.new1.SBP": "80", "r.BP.new1.DBP": "130"}
    left = cora.post(VITALS, {**boxes, "drop": "BP.new1"})
    assert 'value="130"' not in left.text and '<textarea name="back.r.BP.new1.DBP" hidden aria-hidden="true">130<' in left.text
    carried = {"back.p": boxes["p"], "back.r.BP.new1.SBP": "80", "back.r.BP.new1.DBP": "130", "version": "0", "act": "back"}
    # The page draws a blank row in its place, in which something may have been typed meanwhile.
    for typed, rows_now in (("", ["new1"]), ("71", ["new1", "new2"])):
        back = cora.post(VITALS, {**carried, "p": boxes["p"], "r.BP.new1.SBP": "", "r.BP.new1.DBP": typed})
        drawn = re.findall(r'name="r.BP.(new\d)\.DBP" value="(\d*)"', back.text)
        assert back.status_code == 200 and drawn == list(zip(rows_now, [one for one in (typed, "130") if one], strict=True))
    assert stored(each_house) is None
    # Whatever is sent as a row to be put back is answered: names without a row, and more rows than a page ever has.
    many = [f"BP.new{number}.SBP" for number in range(1, 1100)]
    for sent in ({"back.p": "x", "back.r..x": "1"}, {"back.p": ""}, {}, {**carried, "p": many, "r.BP.new1.SBP": "1"}):
        assert cora.post(VITALS, {"version": "0", "act": "back", **sent}).status_code in (200, 400, 422), list(sent)
    blank = cora.post(VITALS, {"version": "0", "p": boxes["p"], "r.BP.new1.SBP": "", "r.BP.new1.DBP": "", "drop": "BP.new1"})
    assert 'name="back.' not in blank.text, "there is nothing to put back"


def test_what_nobody_comes_back_for_ends_and_the_trail_tells_it(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    keep(cora, "62,4")
    later = rows(each_house)[0].kept_at + drafts.KEPT + timedelta(minutes=1)
    with writing(each_house.world.engine, later, Who.system()) as tx:
        assert drafting.expire(tx, later - timedelta(minutes=2)) == 0
        assert drafting.expire(tx, later) == 1
    assert rows(each_house) == []
    assert [op for op, _ in told(each_house, "draft")] == ["expire"]


def test_one_page_too_many_at_a_form_is_told_that_it_is_not_kept(house):
    cora = house.client("cora")
    enrol(cora)
    for number in range(drafts.MOST_AT_A_FORM):
        assert keep(cora, "62", page=f"page {number}").status_code == 204
    assert keep(cora, "63", page="one more").status_code == 422
    assert keep(cora, "63", page="page 3", turn=2).status_code == 204, "the others go on"
    assert keep(cora, "64", page="one more", grew_from="page 3").status_code == 204
    assert len(rows(house)) == drafts.MOST_AT_A_FORM


def test_a_page_that_does_not_say_what_it_is_keeps_nothing(each_house):
    cora = each_house.client("cora")
    enrol(cora)
    for wrong in ({"page": ""}, {"turn": "x"}, {"version": "-1"}, {"page": "x" * 65}, {"i.REMARK": "x" * 400_001}):
        assert keep(cora, "1", **wrong).status_code in (400, 413)
    assert rows(each_house) == []


def test_signing_in_over_a_page_gives_its_new_token_and_nobody_else_gets_to_go_on(each_house):
    from tests.actions.world import PASSWORD

    cora = each_house.client("cora")
    whose = str(each_house.account("cora"))
    each_house.client("ivan")
    fresh = each_house.app.test_client()
    wrong = fresh.post("/sign-in/over", data={"username": "cora", "password": "no", "whose": whose})
    assert wrong.status_code == 401 and wrong.json["problem"]
    other = fresh.post("/sign-in/over", data={"username": "ivan", "password": PASSWORD, "whose": whose})
    assert other.status_code == 409 and "token" not in other.json and not fresh.get_cookie("trialcrf")
    right = fresh.post("/sign-in/over", data={"username": "cora", "password": PASSWORD, "whose": whose})
    assert right.status_code == 200
    enrol(cora)
    assert keep(Browser(fresh, right.json["token"]), "62").status_code == 204
