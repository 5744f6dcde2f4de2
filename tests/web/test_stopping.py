"""The page of the stopping rule: who reads it and who decides, what it says of whom, and what other pages say of a hold."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from werkzeug.test import TestResponse

from tests.actions.test_decide import CONSENT, TOXIC, ledger
from tests.actions.world import PASSWORD, study_of, typed
from tests.web.site import Browser, House, text
from trialcrf.actions import publish
from trialcrf.store import audit

PAGE = "/studies/msc_ssc/stopping"


def treat(house: House, site: str = "01", arm: str = "MSC1", start: tuple[object, ...] = (2, 11, 2026, "10:00")):
    one = house.world.enrol("recipient", site, **CONSENT)
    house.world.save(one, "INFUSION", "D0", typed(INF_COHORT=arm, INF_START=start))
    return one


def fall_ill(house: House, one, repeat: int = 1, **boxes: object) -> None:
    house.world.save(one, "ADVERSE", "AE", typed(**{**TOXIC, **boxes}), repeat)


def cross(house: House):
    """Two of two treated, at two sites, have a toxicity: a hold is raised."""
    both = treat(house), treat(house, "02")
    for one in both:
        fall_ill(house, one)
    return both


def english(house: House, name: str) -> Browser:
    someone = house.client(name)
    someone.post("/language", {"language": "en", "next": "/"})
    return someone


def seen(answer: TestResponse, prefix: str) -> str:
    found = re.search(rf'name="{prefix}-seen"[^>]*value="([0-9a-f]{{64}})"', answer.text)
    assert found, "no such form"
    return found[1]


def send(someone: Browser, url: str, prefix: str, **boxes: str) -> TestResponse:
    sent = {"seen": seen(someone.get(PAGE), prefix), "password": PASSWORD, "reason": "Reviewed.", **boxes}
    return someone.post(url, {f"{prefix}-{name}": value for name, value in sent.items()})


@pytest.mark.parametrize("name", ["cora", "ivan", "dora", "mona", "dana", "sam", "olga"])
def test_who_may_read_decisions_reads_where_the_rule_stands(house, name):
    treat(house)
    answer = english(house, name).get(PAGE)
    assert answer.status_code == 200
    said = text(answer)
    assert "Evaluable: 1. With a toxicity: 0. Not decided: 0." in said
    assert "above 20.0%" in said and "A hold is raised above 90.0%" in said
    assert "proposed ( A-34 )" in said
    assert ("Sign" in re.findall(r"<button[^>]*>([^<]+)</button>", answer.text)) == (name == "sam")


def test_an_administrator_reads_none_and_another_study_has_none(house):
    assert house.client("adam").get(PAGE).status_code == 403
    assert house.client("sam").get("/studies/other/stopping").status_code == 404


def test_a_study_without_a_rule_has_no_such_page_and_no_link_to_it(house):
    new = study_of("msc_ssc")
    with house.world.write("trialcrf") as tx:
        publish.publish(tx, replace(new, safety=replace(new.safety, stopping=None)))
    sam = house.client("sam")
    assert sam.get(PAGE).status_code == 404
    assert PAGE not in sam.get("/studies/msc_ssc/today").text


def test_reading_writes_nothing_and_the_navigation_leads_there(house):
    cross(house)
    with house.world.read() as tx:
        before = audit.chains(tx.connection)
    sam = english(house, "sam")
    page = sam.get(PAGE)
    assert re.search(rf'href="{PAGE}" aria-current="page">Stopping rule <span class="count bad">1', page.text)
    assert sam.post(PAGE).status_code == 405
    assert sam.get(PAGE + "/holds/1").status_code == 405
    with house.world.read() as tx:
        assert [one for one in audit.chains(tx.connection) if one[0] != "system"] == [one for one in before if one[0] != "system"]


def test_the_boundary_is_in_the_table_and_in_the_figure(house):
    answer = english(house, "sam").get(PAGE)
    table = answer.text.split('class="plain boundary"')[1].split("</table>")[0]
    rows = re.findall(r'<th scope="row" class="n">(\d+).*?</th><td class="n">(.*?)(?:<|$)', table)
    assert [least for _, least in rows] == ["–", *"2233344445556666777"]
    assert answer.text.count('class="look"') == 19 + 1  # and the one of the legend
    assert "Now: 0 toxicities in 0 evaluable." in text(answer)
    assert re.search(r"20\.0% 24\.3% 16\.9", text(answer))


def test_a_raised_hold_is_told_with_the_numbers_and_what_is_undecided(house):
    one, _ = cross(house)
    third = treat(house)
    fall_ill(house, third, AE_RELATED="")
    said = text(english(house, "sam").get(PAGE))
    assert "A hold was raised and waits for a person" in said
    assert "Evaluable: 3. With a toxicity: 2. Not decided: 1." in said
    assert "If all undecided counted: 3 of 3" in said
    assert "the relation is not recorded" in said
    assert one.key in said and third.key in said


def test_site_staff_read_the_keys_of_their_own_site_only_and_a_sponsor_opens_no_form(house):
    one, other = cross(house)
    cora, sam = english(house, "cora").get(PAGE), english(house, "sam").get(PAGE)
    assert one.key in cora.text and other.key not in cora.text
    assert "1 event at another site is counted and not listed here." in text(cora)
    assert "/studies/msc_ssc/forms/" in cora.text
    assert one.key in sam.text and other.key in sam.text and "/forms/" not in sam.text and "/subjects/" not in sam.text


def test_a_blinded_study_shows_no_number_by_arm(house):
    new = study_of("msc_ssc")
    with house.world.write("trialcrf") as tx:
        publish.publish(tx, replace(new, safety=replace(new.safety, blinded=True)))
    cross(house)
    page = english(house, "dana").get(PAGE)
    assert "cohorts-title" not in page.text
    assert "10⁶" not in page.text.split("asked-")[0]


def test_other_pages_tell_of_a_hold_to_who_may_read_it(house):
    one, _ = cross(house)
    pages = ["/studies/msc_ssc/today", f"/studies/msc_ssc/subjects/{one.key}", "/studies/msc_ssc/enrol/recipient/01"]
    cora, sam = english(house, "cora"), english(house, "sam")
    assert all("The program raised a hold on" in text(cora.get(page)) for page in pages)
    assert send(sam, PAGE + "/holds/1", "hold1", act="hold_confirmed").status_code == 303
    assert all("A hold stands since" in text(cora.get(page)) for page in pages)
    assert send(sam, PAGE + "/holds/1", "hold1", act="hold_lifted").status_code == 303
    assert all('class="notice bad hold"' not in cora.get(page).text for page in pages)


# --- Deciding ---------------------------------------------------------------------------------------------------------


def test_a_hold_is_confirmed_with_the_password_and_told_in_the_list(each_house):
    cross(each_house)
    sam = english(each_house, "sam")
    answer = send(sam, PAGE + "/holds/1", "hold1", act="hold_confirmed", reason="Two fevers.")
    assert answer.status_code == 303
    said = text(sam.get(answer.headers["Location"]))
    assert "The decision is signed and recorded." in said
    assert re.search(r"hold confirmed · Hold 1 signed by Sam, Sponsor, .* « Two fevers. » 2 of 2 evaluable, 0 undecided", said)
    assert [one.kind for one in ledger(each_house.world)] == ["hold_raised", "hold_confirmed"]


def test_a_cohort_is_opened(each_house):
    treat(each_house)
    sam = english(each_house, "sam")
    assert send(sam, PAGE + "/cohorts/MSC3", "cohort", reason="Board of November.").status_code == 303
    said = text(sam.get(PAGE))
    assert "opened by a signed decision" in said and "cohort opened" in said
    assert "cohort-seen" not in sam.get(PAGE).text


@pytest.mark.parametrize(
    ("wrong", "box"),
    [
        ({"password": "not mine"}, "hold1-password"),
        ({"act": "hold_dismissed", "reason": " "}, "hold1-reason"),
        ({"act": "nonsense"}, "hold1-act"),
        ({"act": "hold_lifted"}, ""),
        ({"seen": "0" * 64}, ""),
    ],
)
def test_what_cannot_be_decided_is_told_at_its_box_and_nothing_is_signed(house, wrong, box):
    cross(house)
    answer = send(english(house, "sam"), PAGE + "/holds/1", "hold1", **{"act": "hold_confirmed", **wrong})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert (f'id="error-{box}"' in answer.text) == bool(box)
    assert len(ledger(house.world)) == 1


def test_a_hold_or_cohort_that_is_not_there_is_told(house):
    treat(house)
    sam = english(house, "sam")
    sent = {"seen": seen(sam.get(PAGE), "cohort"), "password": PASSWORD, "reason": "x"}
    answer = sam.post(PAGE + "/holds/9", {f"hold9-{name}": value for name, value in sent.items()} | {"hold9-act": "hold_lifted"})
    assert (answer.status_code, "There is no such hold." in text(answer)) == (422, True)
    answer = sam.post(PAGE + "/cohorts/MSC1", {f"cohort-{name}": value for name, value in sent.items()})
    assert (answer.status_code, "There is no such cohort that a decision opens." in text(answer)) == (422, True)
    assert ledger(house.world) == []


@pytest.mark.parametrize("name", ["cora", "ivan", "mona", "dana"])
def test_nobody_but_the_sponsor_decides(house, name):
    cross(house)
    sent = {"hold1-act": "hold_confirmed", "hold1-password": PASSWORD, "hold1-reason": "x", "hold1-seen": "0" * 64}
    assert house.client(name).post(PAGE + "/holds/1", sent).status_code == 403
    assert house.client(name).post(PAGE + "/cohorts/MSC3", {"cohort-password": PASSWORD}).status_code == 403
    assert len(ledger(house.world)) == 1


def test_without_the_token_nothing_is_decided(house):
    cross(house)
    sam = house.client("sam")
    assert sam.post(PAGE + "/holds/1", {"hold1-act": "hold_confirmed", "hold1-password": PASSWORD}, token=None).status_code == 400
    assert len(ledger(house.world)) == 1
