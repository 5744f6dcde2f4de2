"""Step-up: which routes ask for a fresh proof, and that nothing typed is lost by the question."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.actions.screening import screen_recipient
from tests.actions.world import PASSWORD
from tests.web.site import Browser, House, text
from tests.web.test_locks import ON, filled, state
from trialcrf.core.lock import LockState
from trialcrf.core.oversight.four_eyes import RequestState
from trialcrf.store import accounts, audit, requests
from trialcrf.store.models import session as session_table

WEB = Path(__file__).resolve().parents[2] / "trialcrf" / "web"
FRESH = {
    "access.review",
    "admin.create",
    "admin.end_sessions",
    "admin.give",
    "admin.invite",
    "admin.remove_factors",
    "admin.set_state",
    "admin.start_reset",
    "admin.take",
    "admin.train",
    "casebook_files.part",
    "casebook_files.whole",
    "export.download",
    "hospital.code",
    "hospital.link",
    "hospital.unlink",
    "locks.thaw",
    "locks.unlock",
    "own_sessions.end",
    "own_sessions.end_others",
    "requests.decide",
    "step_up.prove_",
    "trail.download",
    "trail.export",
}
"""Unlocking and its approval, thawing, data and trails that leave, casebooks of a site, accounts and roles, sessions."""


def stale(house: House, minutes: int = 11) -> None:
    """Everybody's last proof is that old."""
    with house.world.engine.begin() as connection:
        connection.execute(update(session_table).values(proved_at=datetime.now(UTC) - timedelta(minutes=minutes)))


def cookie(browser: Browser) -> str:
    return browser.client.get_cookie("trialcrf").value


def test_these_routes_ask_for_a_fresh_proof_and_no_other(house):
    asking = {name for name, view in house.app.view_functions.items() if getattr(view, "fresh", False)}
    assert asking == FRESH


def test_each_of_them_asks_whatever_is_sent(house):
    adam = house.client("adam")
    stale(house)
    account = house.account("cora")
    posts = [f"/people/{account}/{what}" for what in ("invitation", "state", "roles", "roles/1/end", "roles/1/training", "sessions/end")]
    for url in ("/people/new", *posts, f"{'/account/sessions'}/1/end", "/account/sessions/end-others", "/account/proof"):
        answer = adam.post(url, {"reason": "kept as typed"})
        assert answer.status_code == 401, url
        assert ">kept as typed</textarea>" in answer.text
    with house.world.read() as tx:
        assert accounts.by_id(tx, account).active


def test_a_role_is_given_in_one_step_once_the_password_was_typed(each_house):
    adam, account = each_house.client("adam"), each_house.account("cora")
    url, sent = f"/people/{account}/roles", {"role": "coordinator", "study": "msc_ssc", "site": "02"}
    stale(each_house)
    before = cookie(adam)
    asked = adam.post(url, sent)
    assert asked.status_code == 401 and f'action="{url}"' in asked.text
    assert adam.post(url, {**sent, "proof_password": "not this one"}).status_code == 401
    assert adam.post(url, {**sent, "proof_password": PASSWORD}).status_code == 303
    with each_house.world.read() as tx:
        assert [one.grant.site for one in accounts.grants_of(tx, account)] == ["01", "02"]
    assert cookie(adam) != before
    stolen = each_house.app.test_client()
    stolen.set_cookie("trialcrf", before)
    assert stolen.get("/account").status_code == 302, "the token from before the proof opens nothing"
    assert adam.post(f"/people/{account}/invitation").status_code == 303, "pages that were open stay good, and the proof too"


def test_whoever_signs_goes_on_under_a_new_token_and_pages_that_are_open_lose_nothing(each_house):
    house = each_house
    subject = screen_recipient(house.world, only=("VISIT", "LABS", "VITALS"))
    ivan, form = house.client("ivan"), f"/studies/msc_ssc/subjects/{subject.key}/SCR/1/VITALS/1"
    open_elsewhere = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', ivan.get(f"{form}/sign").text))
    page = ivan.get(f"{form}/sign").text
    before = cookie(ivan)
    seen = re.search(r'name="seen"[^>]*value="([^"]*)"', page)[1]
    assert ivan.post(f"{form}/sign", {"password": "not this one", "seen": seen}).status_code == 422
    assert cookie(ivan) == before, "nothing was proved"
    assert ivan.post(f"{form}/sign", {"password": PASSWORD, "seen": "of another page"}).status_code == 409
    assert cookie(ivan) != before, "proved, though nothing was signed"
    between = cookie(ivan)
    done = ivan.post(f"{form}/sign", {"password": PASSWORD, "seen": seen})
    assert done.status_code == 303 and ivan.get(done.headers["Location"]).status_code == 200
    assert cookie(ivan) not in (before, between)
    for stolen in (before, between):
        thief = house.app.test_client()
        thief.set_cookie("trialcrf", stolen)
        assert thief.get("/account").status_code == 302, "the token from before the signature opens nothing"
    again = ivan.post(f"{form}/sign", {**open_elsewhere, "password": PASSWORD}, token=open_elsewhere["token"])
    assert again.status_code in (303, 409), "what was open in another window is judged by what it says, not by the token"
    assert ivan.post(f"/studies/msc_ssc/subjects/{subject.key}/SCR/1/LABS/1", {"nothing": "typed"}).status_code != 401


PAGES = (
    ("/account/password", {"old": PASSWORD, "new": "quite another long sentence"}),
    ("/account/email", {"email": "cora@elsewhere.example", "password": PASSWORD}),
    ("/account/codes", {"app-name": "telephone", "app-password": PASSWORD}),
    ("/account/passkeys", {"key-name": "laptop", "key-password": PASSWORD}),
)


@pytest.mark.parametrize(("url", "sent"), PAGES, ids=[url for url, _ in PAGES])
def test_whoever_types_the_password_on_their_own_pages_goes_on_under_a_new_token(house, url, sent):
    cora = house.client("cora")
    before = cookie(cora)
    assert cora.post(url, sent).status_code in (200, 303)
    thief = house.app.test_client()
    thief.set_cookie("trialcrf", before)
    assert thief.get("/account").status_code == 302 and cora.get("/account").status_code == 200


def test_no_page_checks_a_password_beside_these_two_ways():
    """Both renew the token: `step_up.signer` of a signature, `account.confirm_person` of one's own pages."""
    checks = {"sign.reauthenticate(", "prove.by_password(", "own_factors.confirm_person(", "passwords.matches("}
    files = {path.relative_to(WEB).as_posix(): path.read_text(encoding="utf-8") for path in WEB.rglob("*.py")}
    found = {(name, check) for name, text in files.items() for check in checks if check in text}
    assert found == {
        ("step_up.py", "sign.reauthenticate("),
        ("step_up.py", "prove.by_password("),
        ("account/__init__.py", "own_factors.confirm_person("),
    }


def test_a_proof_is_good_for_ten_minutes(house):
    adam, url = house.client("adam"), f"/people/{house.account('cora')}/invitation"
    stale(house, 9)
    assert adam.post(url).status_code == 303
    stale(house, 10)
    assert adam.post(url).status_code == 401


def test_a_forged_page_is_refused_before_any_question(house):
    adam = house.client("adam")
    stale(house)
    assert adam.post(f"/people/{house.account('cora')}/invitation", {"proof_password": PASSWORD}, token="forged").status_code == 400
    assert house.client("cora").post(f"/people/{house.account('cora')}/invitation").status_code == 403


def test_wrong_proofs_shut_the_throttle_and_are_in_the_trail(each_house):
    adam, url = each_house.client("adam"), f"/people/{each_house.account('cora')}/invitation"
    stale(each_house)
    for _ in range(6):
        assert adam.post(url, {"proof_password": "guess"}).status_code == 401
    assert adam.post(url, {"proof_password": PASSWORD}).status_code == 401
    with each_house.world.read() as tx:
        (told,) = audit.history(tx.connection, "misuse", "127.0.0.1")
    assert '"username": "adam"' in told.new


def test_the_password_that_a_grant_asks_for_is_the_proof_and_is_never_sent_back(each_house):
    number = filled(each_house)
    dana, ivan = each_house.client("dana"), each_house.client("ivan")
    assert dana.post(f"{ON}/form/{number}/lock", {"reason": "clean"}).status_code == 303
    stale(each_house)
    asked = dana.post(f"{ON}/form/{number}/unlock", {"reason": "a late letter"})
    assert asked.status_code == 401 and state(each_house, f"form/{number}") is LockState.LOCKED
    assert dana.post(f"{ON}/form/{number}/unlock", {"reason": "a late letter", "proof_password": PASSWORD}).status_code == 303
    with each_house.world.read() as tx:
        (waiting,) = requests.all_of(tx, "msc_ssc", [RequestState.WAITING])
    assert waiting.content["reason"] == "a late letter"
    stale(each_house)
    url = f"/studies/msc_ssc/requests/{waiting.id}/grant"
    wrong = ivan.post(url, {"password": "no such sentence", "reason": "as asked"})
    assert wrong.status_code == 401 and "no such sentence" not in wrong.text and 'name="password"' in wrong.text
    assert ivan.post(url, {"password": PASSWORD, "reason": "as asked"}).status_code == 303
    assert state(each_house, f"form/{number}") is LockState.OPEN


def test_a_file_is_fetched_after_a_detour_that_proves(house):
    dana, url = house.client("dana"), "/studies/msc_ssc/casebooks/1.zip"
    stale(house)
    asked = dana.get(url)
    assert asked.status_code == 401
    assert 'action="/account/proof"' in asked.text
    back = re.search(r'<textarea name="next"[^>]*>([^<]*)<', asked.text)
    assert back and back[1] == url
    assert dana.post("/account/proof", {"next": back[1], "proof_password": "guess"}).status_code == 401
    answer = dana.post("/account/proof", {"next": back[1], "proof_password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (303, url)
    assert dana.get(url).status_code == 404, "the door is open; there is no such order"


@pytest.mark.parametrize("address", ["//evil.example", "https://evil.example/"])
def test_the_detour_never_leads_to_another_server(house, address):
    assert house.client("dana").post("/account/proof", {"next": address}).headers["Location"] == "/"


def test_a_session_that_began_before_proofs_were_kept_is_asked_once(house):
    dana = house.client("dana")
    with house.world.engine.begin() as connection:
        connection.execute(update(session_table).values(proved_at=None))
    url = "/studies/msc_ssc/data/download.zip"
    assert "Mot de passe" in text(dana.post(url))
    answer = dana.post(url, {"proof_password": PASSWORD})
    assert answer.status_code == 200
    assert dana.post(url).status_code == 200
