"""The administrators' page of mails: what it shows and what not, who sees it, and what a person may decide there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.actions.world import NOW
from tests.web.site import House, text
from trialcrf.core.access import Grant
from trialcrf.store import accounts, audit, outbox, replay

PAGE = "/admin/mails"
KEY = "overdue|msc_ssc|4711|WEIGH1|1|cora"
PARAMS = {"study": "msc_ssc", "site": "01", "subject": 4711, "event": "WEIGH1"}


def queued(house: House, key: str = KEY, kind: str = "overdue", params: dict | None = None, role: str = "coordinator") -> int:
    with house.world.write("trialcrf") as tx:
        assert outbox.add(tx, key, kind, house.id_of(tx, "cora"), PARAMS if params is None else params, role)
        found = outbox.id_of(tx, key)
    assert found
    return found


def settled(house: House, state: str, said: str = "", **more) -> int:
    mail_id = queued(house, **more)
    with house.world.write("trialcrf") as tx:
        mail = outbox.claim(tx)
        assert mail and mail.id == mail_id
        assert outbox.settle(tx, mail, state, said)
    return mail_id


def state_of(house: House, mail_id: int) -> str:
    with house.world.read() as tx:
        return outbox.by_id(tx, mail_id).state


def test_an_administrator_sees_whose_mail_it_is_in_which_state_and_why(house):
    settled(house, outbox.FAILED, "550 no such <b>user</b> %(here)s")
    queued(house, "invite|cora|x", "invite", {}, "")
    answer = house.client("adam").get(PAGE)
    read = text(answer)
    assert answer.status_code == 200
    assert "Cora" in read and "msc_ssc" in read
    assert "550 no such <b>user</b> %(here)s" in read
    assert "<b>user" not in answer.text
    assert f'href="{PAGE}" aria-current="page"' in answer.text


def test_the_page_names_no_subject_no_key_and_no_address(house):
    settled(house, outbox.UNCERTAIN, outbox.STOPPED)
    answer = house.client("adam").get(PAGE).text
    for hidden in (KEY, "4711", "WEIGH1", "cora@example.org"):
        assert hidden not in answer


def test_what_a_person_must_judge_comes_first_and_the_rest_in_its_order(house):
    sent = settled(house, outbox.SENT, "250 OK", key="a")
    failed = settled(house, outbox.FAILED, key="b")
    uncertain = settled(house, outbox.UNCERTAIN, key="c")
    waits = queued(house, key="d")
    with house.world.read() as tx:
        assert [row.id for row in outbox.all_of(tx)] == [uncertain, failed, sent, waits]
        assert [row.id for row in outbox.all_of(tx, offset=1, limit=2)] == [failed, sent]
    one = house.client("adam").get(f"{PAGE}?state=sent").text
    assert "250 OK" in one and one.count("<tr>") == 2
    assert house.client("adam").get(f"{PAGE}?state=lost").status_code == 404


@pytest.mark.parametrize("name", ["cora", "ivan", "mona", "dana", "sam", "olga"])
def test_nobody_but_an_administrator_sees_or_settles_mails(house, name):
    mail_id = settled(house, outbox.UNCERTAIN)
    someone = house.client(name)
    assert someone.get(PAGE).status_code == 403
    assert someone.post(f"{PAGE}/{mail_id}", {"found": "arrived"}).status_code == 403
    assert f'href="{PAGE}"' not in someone.get("/account").text
    assert state_of(house, mail_id) == outbox.UNCERTAIN


def test_an_administrator_of_one_study_has_no_business_with_the_queue_of_all(house):
    mail_id = settled(house, outbox.UNCERTAIN)
    with house.world.write("trialcrf") as tx:
        accounts.give(tx, accounts.create(tx, "eve", "Eve", "eve@example.org", "H", "fr"), Grant("administrator", "msc_ssc"))
    eve = house.client("eve")
    assert eve.get(PAGE).status_code == eve.post(f"{PAGE}/{mail_id}", {"found": "arrived"}).status_code == 403
    assert f'href="{PAGE}"' not in eve.get("/account").text


@pytest.mark.parametrize(("found", "state"), [("arrived", outbox.SENT), ("again", outbox.QUEUED)])
def test_an_uncertain_mail_is_judged_once_and_the_trail_tells_by_whom(each_house, found, state):
    mail_id = settled(each_house, outbox.UNCERTAIN, outbox.STOPPED)
    adam = each_house.client("adam")
    assert "may or may not have gone" in outbox.STOPPED
    answer = adam.post(f"{PAGE}/{mail_id}", {"found": found})
    assert (answer.status_code, answer.location) == (303, f"{PAGE}?done={found}")
    assert state_of(each_house, mail_id) == state
    assert adam.post(f"{PAGE}/{mail_id}", {"found": found}).status_code == 409
    with each_house.world.read() as tx:
        past = accounts.trail(tx, each_house.id_of(tx, "adam"))[-1]
        assert (past.op, past.actor, past.place) == ("mail", "adam", f"mail {mail_id} {found}")
        assert audit.broken(tx.connection) is None and list(replay.differences(tx)) == []
    assert f"{mail_id} {found}" in text(adam.get(f"/people/{each_house.account('adam')}"))


def test_a_mail_that_is_sent_again_starts_anew_and_an_old_sender_has_lost_it(each_house):
    queued(each_house)
    with each_house.world.write("trialcrf") as tx:
        before = outbox.claim(tx)
        assert outbox.settle(tx, before, outbox.UNCERTAIN)
    assert each_house.client("adam").post(f"{PAGE}/{before.id}", {"found": "again"}).status_code == 303
    with each_house.world.write("trialcrf", NOW + timedelta(seconds=1)) as tx:
        now = outbox.claim(tx)
        assert (now.id, now.attempts) == (before.id, 1)
        assert not outbox.holds(tx, before)
        assert not outbox.settle(tx, before, outbox.FAILED)
        assert outbox.settle(tx, now, outbox.SENT)


def test_what_failed_can_go_again_and_cannot_have_arrived(house):
    mail_id = settled(house, outbox.FAILED)
    adam = house.client("adam")
    page = adam.get(PAGE).text
    assert 'value="again"' in page and 'value="arrived"' not in page
    assert adam.post(f"{PAGE}/{mail_id}", {"found": "arrived"}).status_code == 409
    assert adam.post(f"{PAGE}/{mail_id}", {"found": "again"}).status_code == 303
    assert state_of(house, mail_id) == outbox.QUEUED


def test_a_get_and_a_post_without_the_token_settle_nothing(house):
    mail_id = settled(house, outbox.UNCERTAIN)
    adam = house.client("adam")
    assert adam.get(f"{PAGE}/{mail_id}", query_string={"found": "arrived"}).status_code == 405
    assert adam.post(f"{PAGE}/{mail_id}", {"found": "arrived"}, token=None).status_code == 400
    assert adam.post(f"{PAGE}/{mail_id}", {"found": "lost"}).status_code == 400
    assert adam.post(f"{PAGE}/999", {"found": "arrived"}).status_code == 404
    assert state_of(house, mail_id) == outbox.UNCERTAIN


def test_the_navigation_counts_the_mails_that_a_person_must_judge(house):
    settled(house, outbox.UNCERTAIN, outbox.STOPPED)
    page = house.client("adam").get("/account").text
    assert '<span class="count bad">1<span class="visually-hidden"> à vérifier par une personne</span></span>' in page
    assert "à vérifier par une personne" not in house.client("cora").get("/studies/msc_ssc/today").text
