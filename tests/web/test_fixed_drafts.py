"""What is typed on a fixed page is kept as on a form: its author’s alone, offered with the difference, gone with its save, no secret."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import quote, urlencode

from wtforms import Form

from tests.actions.world import PASSWORD
from tests.fixed_boxes import boxes
from tests.web.site import Browser, House, text
from tests.web.test_drafts import page_of, rows, told
from tests.web.test_monitoring import LIST as VISITS
from tests.web.test_monitoring import PLAN, does, hold
from tests.web.test_queries import LIST, code, doubt, seen, state
from tests.web.test_threads import FIELD, THREAD
from tests.web.test_trail_review import URL as REVIEWS
from tests.web.test_trail_review import period
from trialcrf.actions import drafting
from trialcrf.store import drafts
from trialcrf.store.audit import Who
from trialcrf.store.transaction import writing
from trialcrf.web import fixed_drafts

ERROR = "/studies/msc_ssc/subjects/R-01-001"
SECRET = {"password", "file", "of the page"}
NEVER = {("CodeForm", "code"), ("LookBackForm", "confirm")}
"""Texts that are typed to prove something, here and now."""


def keep(browser: Browser, address: str, page: str = "one", turn: int = 1, query: str = "", **more: str):
    return browser.post(f"/typed{query}", {"address": address, "page": page, "turn": str(turn), "typed_for": "90000", **more})


def kept(house: House) -> list[dict[str, str]]:
    return [dict(json.loads(row.fields)) for row in rows(house) if not row.page.startswith(drafts.DISCARDED)]


def every_form(below: type[Form] = Form):
    for one in below.__subclasses__():
        yield one
        yield from every_form(one)


def test_no_kind_of_box_that_holds_a_secret_is_ever_kept_of_any_fixed_form():
    kinds = {(form, box): kind for form, box, kind, _ in boxes()}
    forms = {one.__name__: one for one in every_form() if one.__module__.startswith("trialcrf.")}
    taken = {(name, box.short_name) for name, form in forms.items() for box in fixed_drafts.boxes_of(form())}
    assert len(taken) > 100
    assert not taken & (NEVER | {key for key, kind in kinds.items() if kind in SECRET})
    assert {("AnswerForm", "text"), ("NarrativeForm", "text"), ("VerdictForm", "day"), ("AssessForm", "AERELPRD")} <= taken


def test_every_page_of_which_drafts_are_kept_is_one_that_is_only_read_and_that_its_own_address_leads_to(house):
    rules = {}
    for rule in house.app.url_map.iter_rules():
        rules.setdefault(rule.endpoint, []).append(rule)
    for endpoint, one in fixed_drafts.KEPT.items():
        assert all("POST" in rule.methods for rule in rules[endpoint]), endpoint
        assert all("POST" not in rule.methods for rule in rules[one.page]), one.page
        assert rules[one.page][0].arguments <= rules[endpoint][0].arguments, endpoint


def test_an_answer_is_offered_on_another_device_with_the_difference_and_its_save_takes_it_away(each_house):
    query = doubt(each_house)
    cora, at = each_house.client("cora"), f"{LIST}/{query}"
    page = page_of(cora, at)
    typed = {"text": "Née en 1946, vu", "code": code(each_house), "seen": "x", "password": PASSWORD, "token2": "t"}
    assert keep(cora, f"{at}#answer", page, **typed).status_code == 204
    assert kept(each_house) == [{"code": code(each_house), "text": "Née en 1946, vu"}]
    elsewhere = each_house.client("cora")
    offered = elsewhere.get(at)
    assert "Née en 1946, vu" in text(offered)
    assert "Née en 1946, vu</textarea>" not in offered.text, "nothing is filled in that nobody asked for"
    today = elsewhere.get("/studies/msc_ssc/today")
    assert f'href="{at}"' in today.text and "1946" not in text(today)
    again = elsewhere.get(f"{at}?typed={quote(page)}")
    assert "Née en 1946, vu</textarea>" in again.text and f'name="grew_from" value="{page}"' in again.text
    sent = {"code": code(each_house), "text": "Née en 1946, vu", "seen": seen(elsewhere, query), "grew_from": page}
    assert elsewhere.post(f"{at}/answer", sent).status_code == 303
    assert (state(each_house, query), rows(each_house)) == ("answered", [])


def test_nobody_keeps_anything_where_the_page_asks_them_nothing_and_a_page_of_another_site_is_none(house):
    query = doubt(house)
    at = f"{LIST}/{query}#answer"
    for name, status in (("olga", 404), ("mona", 409), ("sam", 403)):
        assert keep(house.client(name), at, text="x").status_code == status, name
    assert keep(house.client("mona"), f"{LIST}/{query}#review", text="Lu au dossier").status_code == 204
    cora = house.client("cora")
    for address in ("/account#x", f"{LIST}/{query}", f"{LIST}/{query}#none", f"{THREAD}/comment", "", "//example.org/x", "%00"):
        assert keep(cora, address, text="x").status_code == 404, address
    assert "Lu au dossier" not in cora.get(f"{LIST}/{query}").text
    assert [row.account_id for row in rows(house)] == [house.account("mona")]
    for wrong in ({"page": ""}, {"page": "~one"}, {"turn": "x"}, {"text": "x" * 400_001}):
        assert keep(cora, at, **wrong).status_code == 400, wrong


def test_what_comes_after_its_save_is_no_draft_and_what_stands_in_another_box_of_the_page_stays_one(house):
    query = doubt(house)
    dana, at = house.client("dana"), f"{LIST}/{query}"
    page = page_of(dana, at)
    dana.post(f"{at}/arrange", {"assignee": "cora", "text": "Elle l’a vue", "seen": seen(dana, query), "save_token": page})
    assert keep(dana, f"{at}#arrange", page, 8, text="Elle").status_code == 409
    assert keep(dana, f"{at}#review", page, 9, text="À revoir").status_code == 204
    assert [one["text"] for one in kept(house)] == ["À revoir"]


def test_a_decision_that_is_refused_for_its_password_keeps_its_words(house):
    doubt(house)
    assert house.client("cora").post(f"{ERROR}/error", {"reason": "Deux fois"}).status_code == 303
    dana, at = house.client("dana"), "/studies/msc_ssc/requests/1"
    page = page_of(dana, at)
    assert keep(dana, at, page, reason="C’est la même personne", password="wrong").status_code == 204
    refused = dana.post(f"{at}/grant", {"reason": "C’est la même personne", "password": "wrong", "save_token": page})
    assert refused.status_code == 422 and f'name="grew_from" value="{page}"' in refused.text
    assert kept(house) == [{"reason": "C’est la même personne"}]
    granted = dana.post(f"{at}/grant", {"reason": "C’est la même personne", "password": PASSWORD, "grew_from": page})
    assert granted.status_code == 303 and rows(house) == []


def test_a_discarded_draft_can_be_taken_back_for_a_day_and_the_trail_tells_both(each_house):
    query = doubt(each_house)
    cora, at = each_house.client("cora"), f"{LIST}/{query}"
    keep(cora, f"{at}#answer", text="Mot à mot")
    gone = cora.post("/typed/discard", {"address": f"{at}#answer", "page": "one"})
    after = cora.get(gone.location)
    assert "Mot à mot" not in after.text and 'name="back"' in after.text and kept(each_house) == []
    assert 'name="back"' not in cora.get(at).text
    undone = cora.post("/typed/discard", {"address": f"{at}#answer", "page": "one", "back": "1"})
    assert "Mot à mot" in text(cora.get(undone.location))
    assert [op for op, _ in told(each_house, "draft")] == ["discard", "restore"]
    assert "Mot" not in json.dumps(told(each_house, "draft"), ensure_ascii=False)
    cora.post("/typed/discard", {"address": f"{at}#answer", "page": "one"})
    late = rows(each_house)[0].kept_at + drafts.TAKEN_BACK + timedelta(minutes=1)
    with writing(each_house.world.engine, late, Who.system()) as tx:
        assert not drafting.restore(tx, each_house.account("cora"), f"{at}#answer", "one")
        assert drafting.expire(tx, late) == 0
    assert rows(each_house) == [] and len(told(each_house, "draft")) == 3


def test_a_comment_beside_a_field_comes_back_at_its_thread_with_what_it_is_about(house):
    doubt(house)
    cora = house.client("cora")
    assert 'data-drafts="{&#34;' in cora.get(FIELD).text
    assert keep(cora, f"{THREAD}#comment", query="?field=BIRTH_MONTH", about="BIRTH_MONTH", text="Je vérifie").status_code == 204
    today = cora.get("/studies/msc_ssc/today")
    assert f'href="{THREAD}?at=BIRTH_MONTH"' in today.text
    assert "Je vérifie</textarea>" in cora.get(f"{THREAD}?at=BIRTH_MONTH&typed=one").text


def test_a_page_of_the_study_as_a_whole_keeps_its_draft_and_its_end_is_told_of_the_study(house):
    mona = house.client("mona")
    assert keep(mona, VISITS, **PLAN).status_code == 204
    assert kept(house)[0]["text"] == "Premiers sujets"
    assert "Premiers sujets" in text(mona.get(VISITS)) and f'href="{VISITS}"' in mona.get("/studies/msc_ssc/today").text
    later = rows(house)[0].kept_at + drafts.KEPT + timedelta(minutes=1)
    with writing(house.world.engine, later, Who.system()) as tx:
        assert drafting.expire(tx, later) == 1
    ((op, said),) = told(house, "draft")
    assert (op, said["form"], said["boxes"]) == ("expire", [], len(PLAN))
    assert "Saisie jamais enregistrée" in text(house.client("dana").get("/studies/msc_ssc/trail?kind=values"))


def test_a_conclusion_over_a_period_comes_back_with_its_period(house):
    dana, asked = house.client("dana"), urlencode({**period(), "show": "signals"})
    assert keep(dana, REVIEWS, conclusion="Sans période").status_code == 409, "without a period nothing is concluded"
    assert keep(dana, REVIEWS, query=f"?{asked}", conclusion="Rien à signaler", password=PASSWORD).status_code == 204
    leads = re.search(r'href="([^"]+typed=one)"', dana.get(REVIEWS).text)
    again = dana.get(unescape(leads[1]))
    assert "Rien à signaler</textarea>" in again.text and PASSWORD not in again.text


def test_each_act_of_a_page_has_a_draft_of_its_own(house):
    mona, at = hold(house).client("mona"), f"{VISITS}/01/1"
    assert keep(mona, f"{at}#finding", severity="major", subject="R-01-001", text="Version ancienne").status_code == 204
    assert keep(mona, f"{at}#close", text="Tout est fait").status_code in (204, 409)
    assert keep(mona, f"{at}#done", action="1", text="Rien n’est à faire").status_code == 409, "there is no action that could be done"
    again = mona.get(f"{at}?typed=one")
    assert "Version ancienne</textarea>" in again.text and 'data-open="/studies/msc_ssc/monitoring/01/1/finding"' in again.text
    assert does(mona, house, "finding", severity="major", subject="", text="Version ancienne", grew_from="one") == 303
    assert not [one for one in kept(house) if "severity" in one]
