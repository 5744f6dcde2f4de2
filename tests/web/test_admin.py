"""People and sites: only administrators come in, every write has its reason and its token, and no clinical data is in sight."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from lxml import html
from sqlalchemy import event
from sqlalchemy import text as sql

from tests.actions.world import CAST
from tests.web.site import House, text
from trialcrf.actions import administer
from trialcrf.core.access import Grant
from trialcrf.store import accounts, audit, replay, sites

ZOE = {"username": "zoe", "name": "Zoé Martin", "email": "zoe@example.org", "organisation": "Hôpital", "language": "fr"}
NEVER = ("cora", "ivan", "mona", "dana", "sam")


def grants(house: House, name: str) -> list[Grant]:
    with house.world.read() as tx:
        return [held.grant for held in accounts.grants_of(tx, house.id_of(tx, name))]


def mails(house: House) -> list[str]:
    with house.world.read() as tx:
        return list(tx.read(sql("SELECT account.username FROM outbox JOIN account ON account.id = account_id")).scalars())


def sound(house: House) -> bool:
    with house.world.read() as tx:
        return audit.broken(tx.connection) is None and list(replay.differences(tx)) == []


# --- People -----------------------------------------------------------------------------------------------------------


def test_the_list_shows_every_account_with_its_roles_and_its_state(house):
    house.world.invite("nina")
    answer = house.client("adam").get("/people")
    read = text(answer)
    assert answer.status_code == 200
    assert all(name.title() in read for name in CAST)
    assert "Coordination, MSC-SSc, centre 01" in read
    assert answer.text.count('class="state invited"') == 1
    assert answer.text.count('class="state active"') == len(CAST) + 1


def test_the_list_can_be_filtered_by_state_in_the_address(house):
    house.world.invite("nina")
    adam = house.client("adam")
    assert "Nina" not in text(adam.get("/people?state=active")) and "Cora" in text(adam.get("/people?state=active"))
    assert "Nina" in text(adam.get("/people?state=invited")) and "Cora" not in text(adam.get("/people?state=invited"))
    assert adam.get("/people?state=nonsense").status_code == 404


@pytest.mark.parametrize("name", NEVER)
def test_nobody_but_an_administrator_sees_people_and_sites(house, name):
    someone = house.client(name)
    for url in ("/people", "/people/new", "/people/1", "/sites"):
        assert someone.get(url).status_code == 403


def test_an_administrator_sees_no_clinical_data(house):
    adam = house.client("adam")
    for area in ("subjects", "queries", "reports", "data"):
        assert adam.get(f"/studies/msc_ssc/{area}").status_code == 403


def test_the_navigation_marks_people_or_sites_and_never_both(house):
    adam = house.client("adam")
    for url, area in (("/people", "/people"), ("/people/1", "/people"), ("/sites", "/sites")):
        page = adam.get(url).text
        assert f'href="{area}" aria-current="page"' in page
        assert page.count('aria-current="page"') == 1


def test_the_navigation_stands_in_named_groups_of_what_the_person_may_open(house):
    def groups(name: str, url: str) -> dict[str, list[str]]:
        tree = html.document_fromstring(house.client(name).get(url).text)
        named = {one.get("id"): one.text_content() for one in tree.xpath("//nav[@class='side']//p")}
        lists = tree.xpath("//nav[@class='side']//ul")
        return {named.get(one.get("aria-labelledby"), ""): [link.get("href") for link in one.xpath(".//a")] for one in lists}

    study = "/studies/msc_ssc"
    cora = groups("cora", f"{study}/subjects")
    assert cora[""][:3] == [f"{study}/today", f"{study}/subjects", f"{study}/calendar"]
    assert f"{study}/queries" in cora["Revue des données"] and cora["Sécurité des patients"][0] == f"{study}/cases"
    assert "Administration" not in cora, "a group without a way is not named"
    assert list(groups("adam", "/people")) == ["Administration"]


def test_the_pages_of_administrators_name_no_subject(house):
    subject = house.world.enrol(
        "recipient", ICF_DATE=(2, 11, 2026), ICF_VERSION="1.0", ICF_LANG="fr", ICF_SIGNED="Y", BIRTH_MONTH=("", 5, 1946), SEX_BIRTH="F"
    )
    adam = house.client("adam")
    for url in ("/people", f"/people/{house.account('cora')}", "/sites"):
        assert subject.key not in adam.get(url).text


def test_an_account_is_created_and_invited_in_one_step(each_house):
    adam = each_house.client("adam")
    answer = adam.post("/people/new", ZOE)
    assert answer.status_code == 303
    assert answer.location.endswith("done=invited")
    assert mails(each_house) == ["zoe"]
    assert "Zoé Martin" in text(adam.get(answer.location))
    assert sound(each_house)


def test_an_account_that_cannot_be_created_is_neither_there_nor_invited(house):
    answer = house.client("adam").post("/people/new", ZOE | {"email": "nowhere"})
    assert answer.status_code == 422
    assert 'value="Zoé Martin"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert 'id="error-email"' in answer.text
    assert mails(house) == []
    with house.world.read() as tx:
        assert accounts.find(tx, "zoe") is None


@pytest.mark.parametrize(
    ("box", "typed"),
    [("name", "Zo\0e"), ("name", "Z" * 201), ("organisation", "\x1b"), ("email", "z@" + "e" * 250 + ".org"), ("username", "cora")],
)
def test_what_cannot_be_recorded_is_told_at_its_box(each_house, box, typed):
    answer = each_house.client("adam").post("/people/new", ZOE | {box: typed})
    assert answer.status_code == 422
    assert f'id="error-{box}"' in answer.text


POSTED = ("/people/{}/invitation", "/people/{}/state", "/people/{}/roles", "/people/{}/roles/1/end")


def test_a_post_without_the_token_changes_nothing(house):
    adam, cora = house.client("adam"), house.account("cora")
    sent = ZOE | {"role": "monitor", "study": "msc_ssc", "code": "03", "active": "no", "state-reason": "x", "take-1-reason": "x"}
    for url in (*POSTED, "/people/new", "/sites"):
        assert adam.post(url.format(cora), sent, token=None).status_code == 400
    assert grants(house, "cora") == [Grant("coordinator", "msc_ssc", "01")]
    assert mails(house) == []


def test_a_get_does_not_write(house):
    adam, cora = house.client("adam"), house.account("cora")
    for url in POSTED:
        assert adam.get(url.format(cora), query_string={"active": "no", "state-reason": "x", "take-1-reason": "x"}).status_code == 405
    assert adam.get("/people/new", query_string=ZOE).status_code == 200
    assert adam.get("/sites", query_string={"study": "msc_ssc", "code": "03", "name": "Lyon", "zone": "Europe/Paris"}).status_code == 200
    with house.world.read() as tx:
        assert accounts.find(tx, "zoe") is None
        assert [one.code for one in sites.all_of(tx, "msc_ssc")] == ["01", "02"]
    assert mails(house) == []


@pytest.mark.parametrize("name", NEVER)
def test_nobody_but_an_administrator_changes_people(house, name):
    someone, cora = house.client(name), house.account("cora")
    for url in (
        "/people/new",
        f"/people/{cora}/invitation",
        f"/people/{cora}/state",
        f"/people/{cora}/roles",
        f"/people/{cora}/roles/1/end",
    ):
        assert someone.post(url, ZOE | {"active": "no", "role": "administrator", "study": "*"}).status_code == 403


def test_an_account_that_does_not_exist_is_not_found(house):
    adam = house.client("adam")
    for number in ("999", "99999999999999999999"):
        assert adam.get(f"/people/{number}").status_code == 404
        assert adam.post(f"/people/{number}/invitation").status_code == 404


def test_a_role_is_given_and_taken_with_a_reason_and_both_are_in_the_trail(each_house):
    adam, cora = each_house.client("adam"), each_house.account("cora")
    assert adam.post(f"/people/{cora}/roles", {"role": "coordinator", "study": "msc_ssc", "site": "02"}).status_code == 303
    assert Grant("coordinator", "msc_ssc", "02") in grants(each_house, "cora")
    with each_house.world.read() as tx:
        held = next(one.id for one in accounts.grants_of(tx, cora) if one.grant.site == "02")
    refused = adam.post(f"/people/{cora}/roles/{held}/end", {f"take-{held}-reason": " "})
    assert refused.status_code == 422
    assert f'id="error-take-{held}-reason"' in refused.text
    assert adam.post(f"/people/{cora}/roles/{held}/end", {f"take-{held}-reason": "left the site"}).status_code == 303
    assert grants(each_house, "cora") == [Grant("coordinator", "msc_ssc", "01")]
    assert "left the site" in text(adam.get(f"/people/{cora}"))
    assert sound(each_house)


def test_a_role_of_someone_else_is_not_taken_through_another_account(house):
    adam = house.client("adam")
    with house.world.read() as tx:
        (held,) = accounts.grants_of(tx, house.id_of(tx, "mona"))
    answer = adam.post(f"/people/{house.account('cora')}/roles/{held.id}/end", {f"take-{held.id}-reason": "x"})
    assert answer.status_code == 422
    assert grants(house, "mona")


def test_a_role_that_cannot_be_given_is_told_at_its_box(house):
    adam, sam = house.client("adam"), house.account("sam")
    answer = adam.post(f"/people/{sam}/roles", {"role": "monitor", "study": "msc_ssc", "site": ""})
    assert answer.status_code == 422
    assert 'id="error-role"' in answer.text
    assert grants(house, "sam") == [Grant("sponsor", "msc_ssc", "")]


def test_a_deactivated_person_is_out_at_once_and_comes_back_when_activated(each_house):
    adam, cora = each_house.client("adam"), each_house.client("cora")
    url = f"/people/{each_house.account('cora')}/state"
    assert adam.post(url, {"active": "no"}).status_code == 422
    assert adam.post(url, {"active": "no", "state-reason": "left"}).status_code == 303
    assert cora.get("/account").status_code == 302
    assert adam.post(url, {"active": "no", "state-reason": "left"}).status_code == 422
    assert adam.post(url, {"active": "yes", "state-reason": "is back"}).status_code == 303
    each_house.client("cora")
    assert sound(each_house)


def test_nobody_deactivates_their_own_account_or_takes_their_own_administration(house):
    adam, me = house.client("adam"), house.account("adam")
    with house.world.read() as tx:
        (held,) = accounts.grants_of(tx, me)
    assert adam.post(f"/people/{me}/state", {"active": "no", "state-reason": "holidays"}).status_code == 422
    assert adam.post(f"/people/{me}/roles/{held.id}/end", {f"take-{held.id}-reason": "holidays"}).status_code == 422
    assert adam.get("/people").status_code == 200


def test_an_invitation_can_be_sent_again(house):
    adam, cora = house.client("adam"), house.account("cora")
    assert adam.post(f"/people/{cora}/invitation").status_code == 303
    assert mails(house) == ["cora"]


def test_choosing_the_language_one_has_leaves_no_record(house):
    adam, me = house.client("adam"), house.account("adam")
    adam.post("/language", {"language": "fr"})
    adam.post("/language", {"language": "en"})
    with house.world.read() as tx:
        assert [past.new for past in accounts.trail(tx, me) if past.op == "preference"] == ["en"]


def test_the_trail_tells_that_a_password_was_set_and_never_which(house):
    adam = house.client("adam")
    read = adam.get(f"/people/{house.account('adam')}").text
    with house.world.read() as tx:
        hashed = accounts.find(tx, "adam").password_hash
    assert "argon2" not in read
    assert hashed not in read
    assert adam.token in read  # The page's own forms carry it: so the two assertions above looked at a whole page.


# --- An administrator of one study ------------------------------------------------------------------------------------


def eve(house: House):
    """An administrator of another study than the cast's."""
    with house.world.write("trialcrf") as tx:
        account = accounts.create(tx, "eve", "Eve", "eve@example.org", "Hospital", "fr")
        accounts.give(tx, account, Grant("administrator", "other"))
    return house.client("eve")


def test_an_administrator_of_another_study_gives_and_takes_no_role_and_creates_no_site_here(house):
    other, cora = eve(house), house.account("cora")
    with house.world.read() as tx:
        (held,) = accounts.grants_of(tx, cora)
    assert other.post(f"/people/{cora}/roles", {"role": "coordinator", "study": "msc_ssc", "site": "02"}).status_code == 403
    assert other.post(f"/people/{cora}/roles", {"role": "administrator", "study": "*"}).status_code == 403
    assert other.post(f"/people/{cora}/roles/{held.id}/end", {f"take-{held.id}-reason": "x"}).status_code == 403
    assert other.post("/sites", {"study": "msc_ssc", "code": "03", "name": "Lyon", "zone": "Europe/Paris"}).status_code == 403
    assert grants(house, "cora") == [Grant("coordinator", "msc_ssc", "01")]


def test_an_administrator_of_one_study_does_nothing_to_accounts_and_is_not_offered_it(house):
    other, cora = eve(house), house.account("cora")
    for url in ("/people/new", f"/people/{cora}/invitation", f"/people/{cora}/state"):
        assert other.post(url, ZOE | {"active": "no", "state-reason": "x"}).status_code == 403
    read = other.get(f"/people/{cora}").text
    assert f"/people/{cora}/state" not in read
    assert f"/people/{cora}/invitation" not in read
    assert "/end" not in read


# --- Sites ------------------------------------------------------------------------------------------------------------


def test_the_sites_are_listed_by_study_with_their_time(house):
    read = text(house.client("adam").get("/sites"))
    assert "Papeete" in read
    assert "Pacific/Tahiti" in read


def test_a_site_is_created(each_house):
    adam = each_house.client("adam")
    assert adam.post("/sites", {"study": "msc_ssc", "code": "03", "name": "Lyon", "zone": "Europe/Paris"}).status_code == 303
    with each_house.world.read() as tx:
        assert [one.code for one in sites.all_of(tx, "msc_ssc")] == ["01", "02", "03"]
    assert sound(each_house)


@pytest.mark.parametrize(
    ("box", "typed"), [("code", "01"), ("code", "lower"), ("name", " "), ("name", "L\0yon"), ("zone", "Europe/Nowhere"), ("zone", "../etc")]
)
def test_a_site_that_cannot_be_is_told_at_its_box(each_house, box, typed):
    sent = {"study": "msc_ssc", "code": "03", "name": "Lyon", "zone": "Europe/Paris"} | {box: typed}
    answer = each_house.client("adam").post("/sites", sent)
    assert answer.status_code == 422
    assert f'id="error-{box}"' in answer.text


def test_only_an_administrator_creates_a_site(house):
    for name in NEVER:
        sent = {"study": "msc_ssc", "code": "03", "name": "Lyon", "zone": "Europe/Paris"}
        assert house.client(name).post("/sites", sent).status_code == 403


def test_two_administrators_who_take_each_others_role_in_one_instant_wait_and_one_is_refused(each_house):
    """Each has come as far as its first lock when the other has: taken in no order, they would wait for each other for ever."""
    house, meeting = each_house, threading.Barrier(2)
    with house.world.write("trialcrf") as tx:
        other = administer.create_account(tx, "eva", "Eva", "eva@example.org", "Hospital", "fr")
        accounts.give(tx, other, Grant("administrator", "*"))
    with house.world.read() as tx:
        held = {name: (house.id_of(tx, name), accounts.grants_of(tx, house.id_of(tx, name))[0].id) for name in ("adam", "eva")}
    asking = {"eva": (house.client("eva"), *held["adam"]), "adam": (house.client("adam"), *held["eva"])}
    answers, seen = {}, threading.local()

    def meet(_connection, _cursor, statement, *_) -> None:
        if "role_grant" in statement and " FOR " in statement and not hasattr(seen, "met"):
            seen.met = True
            with suppress(threading.BrokenBarrierError):
                meeting.wait(0.5)

    def take(name: str) -> None:
        browser, account, grant = asking[name]
        url = f"/people/{account}/roles/{grant}/end"
        answers[name] = browser.post(url, {f"take-{grant}-reason": "they left"}).status_code

    event.listen(house.app.extensions["trialcrf.engine"], "after_cursor_execute", meet)
    people = [threading.Thread(target=take, args=(name,)) for name in asking]
    for one in people:
        one.start()
    for one in people:
        one.join()
    first, second = sorted(answers.values())
    assert first == 303
    assert second in (401, 403), "whose role was taken takes none"
    with house.world.read() as tx:
        assert sum(len(accounts.grants_of(tx, account)) for account, _ in held.values()) == 1
