"""Calendar feeds: who holds the address reads the visits that wait at the owner's sites, while the owner may, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest
from icalendar import Calendar

from tests.actions.world import TRAINED
from tests.web.calendar_world import at_noon, consented, held, infused
from tests.web.site import Browser, House, text
from trialcrf.actions import administer, publish
from trialcrf.actions.reminding import feed
from trialcrf.actions.sign_in import hash_of
from trialcrf.core import schedule
from trialcrf.core.definition.amendment import Amendment
from trialcrf.core.schedule import State
from trialcrf.core.wording import Words
from trialcrf.store import accounts, audit, feeds, subjects

STUDY = "msc_ssc"


def made(browser: Browser, keys: str = "yes") -> str:
    """The path of a new address."""
    answer = browser.post("/me/calendars", {"study": STUDY, "keys": keys})
    assert answer.status_code == 201, text(answer)
    found = re.search(r'id="address"[^>]* value="http://127.0.0.1:8000(/calendar/[^"]+\.ics)"', answer.text)
    assert found, answer.text
    return unescape(found[1])


def read(house: House, path: str):
    return house.app.test_client().get(path)


def entries(answer) -> dict[str, date]:
    """The day of each entry by its summary."""
    assert answer.status_code == 200
    return {str(event["summary"]): event["dtstart"].dt for event in Calendar.from_ical(answer.data).walk("VEVENT")}


def today() -> date:
    return datetime.now(UTC).date()


def test_a_calendar_program_reads_the_visits_that_wait_to_the_day_of_the_plan(each_house: House) -> None:
    world, now = each_house.world, datetime.now(UTC)
    one = infused(world, today() - timedelta(days=28))
    held(world, one, "D1", today() - timedelta(days=27))
    path = made(each_house.client("cora"))
    answer = read(each_house, path)
    with world.read() as tx:
        record = subjects.records(tx, [one])[0]
    plan = schedule.plan(world.published.study, record, one.site.today(now))
    waiting = [visit for visit in plan if visit.state in (State.PLANNED, State.DUE_SOON, State.DUE, State.OVERDUE)]
    near = [visit for visit in waiting if visit.opens <= today() + feed.AHEAD and visit.closes >= today() - feed.PAST]
    assert {visit.state for visit in near} >= {State.PLANNED, State.DUE, State.OVERDUE}
    assert entries(answer) == {
        f"{one.key} · {visit.event.label.in_('fr')}": visit.closes if visit.state is State.OVERDUE else visit.target for visit in near
    }
    assert len(near) < len(waiting), "what is further away than the calendar reaches"
    described = "".join(str(event["description"]) for event in Calendar.from_ical(answer.data).walk("VEVENT"))
    assert re.search(r"1980|femme|female|MSC1", described, re.I) is None
    assert answer.content_type == "text/calendar; charset=utf-8"
    assert answer.headers["Cache-Control"].startswith("private")
    assert "Set-Cookie" not in answer.headers


def test_a_visit_that_an_amendment_takes_away_stays_with_those_whose_version_asks_for_it(each_house: House) -> None:
    world = each_house.world
    infused(world, today() - timedelta(days=25))
    path = made(each_house.client("cora"))
    before = entries(read(each_house, path))
    month_1 = next(event.label.in_("fr") for event in world.published.study.events if event.oid == "M1")
    assert any(summary.endswith(month_1) for summary in before)
    study = world.published.study
    without = replace(
        study,
        events=tuple(event for event in study.events if event.oid != "M1"),
        amendment=Amendment(Words({"fr": "Sans M1", "en": "Without M1"})),
    )
    with world.write("trialcrf") as tx:
        publish.publish(tx, without)
    assert entries(read(each_house, path)) == before


def test_the_subjects_of_another_site_are_not_in_it(house: House) -> None:
    infused(house.world, today())
    infused(house.world, today(), "02")
    assert {summary.split(" · ")[0] for summary in entries(read(house, made(house.client("cora"))))} == {"R-01-001"}
    assert {summary.split(" · ")[0] for summary in entries(read(house, made(house.client("mona"))))} == {"R-01-001", "R-02-001"}


def test_without_keys_no_subject_is_named_anywhere(house: House) -> None:
    infused(house.world, today())
    answer = read(house, made(house.client("cora"), keys="no"))
    assert "Mois 3 · centre 01" in entries(answer) or "Mois 3 · site 01" in entries(answer)
    assert "R-01" not in answer.text


def test_an_installation_that_lets_no_key_out_overrules_every_choice(house: House) -> None:
    infused(house.world, today())
    path = made(house.client("cora"), keys="yes")
    assert "R-01-001" in read(house, path).text
    house.app.config["CALENDAR_KEYS"] = False
    assert "R-01" not in read(house, path).text
    assert 'name="keys"' not in house.client("cora").get("/me/calendars").text


def test_an_entry_keeps_its_name_when_its_day_moves_and_another_feed_has_other_names(house: House) -> None:
    infused(house.world, today())
    cora = house.client("cora")
    paths = [made(cora), made(cora)]

    def names(path: str) -> set[str]:
        return {str(event["uid"]) for event in Calendar.from_ical(read(house, path).data).walk("VEVENT")}

    first, second = names(paths[0]), names(paths[1])
    assert len(first) == len(entries(read(house, paths[0])))
    assert names(paths[0]) == first
    assert not first & second


def test_who_sees_no_subject_makes_no_address(each_house: House) -> None:
    sam = each_house.client("sam")
    assert "<select" not in sam.get("/me/calendars").text
    assert sam.post("/me/calendars", {"study": STUDY, "keys": "no"}).status_code == 404
    assert sam.post("/me/calendars", {"study": "nothing"}).status_code == 404
    with each_house.world.read() as tx:
        assert feeds.all_of(tx, each_house.account("sam")) == []


def test_an_address_is_made_only_by_a_form_of_ours(house: House) -> None:
    cora = house.client("cora")
    assert cora.post("/me/calendars", {"study": STUDY}, token=None).status_code == 400
    assert cora.get("/me/calendars").status_code == 200
    with house.world.read() as tx:
        assert feeds.all_of(tx, house.account("cora")) == []


def test_a_revoked_address_and_one_that_never_was_are_answered_alike(each_house: House) -> None:
    cora, olga = each_house.client("cora"), each_house.client("olga")
    path = made(cora)
    with each_house.world.read() as tx:
        (one,) = feeds.all_of(tx, each_house.account("cora"))
    assert olga.post(f"/me/calendars/{one.id}/revoke").status_code == 422
    assert read(each_house, path).status_code == 200
    assert cora.post(f"/me/calendars/{one.id}/revoke", token=None).status_code == 400
    assert cora.post(f"/me/calendars/{one.id}/revoke").status_code == 303
    revoked, unknown = read(each_house, path), read(each_house, "/calendar/unknown.ics")
    assert revoked.status_code == unknown.status_code == 404
    number = r"(?<=404 · )\w+"  # That of the request: each has its own.
    assert re.sub(number, "", text(revoked)) == re.sub(number, "", text(unknown))
    assert cora.post(f"/me/calendars/{one.id}/revoke").status_code == 422


def test_an_address_gives_nothing_once_its_owner_has_lost_the_role(each_house: House) -> None:
    path = made(each_house.client("cora"))
    with each_house.world.write("trialcrf") as tx:
        (held_grant,) = accounts.grants_of(tx, each_house.account("cora"))
        accounts.take(tx, held_grant.id, "left the site")
    gone = read(each_house, path)
    assert gone.status_code == 404
    with each_house.world.write("trialcrf") as tx:
        administer.give_role(tx, each_house.account("cora"), "sponsor", STUDY, "", TRAINED)
    assert read(each_house, path).status_code == 404


def test_an_address_gives_nothing_once_its_owner_is_not_active(house: House) -> None:
    path = made(house.client("cora"))
    with house.world.write("trialcrf") as tx:
        accounts.set_values(tx, house.account("cora"), "deactivate", "left", active=False)
    assert read(house, path).status_code == 404


def test_reading_is_noted_at_most_once_an_hour_and_looks_at_no_session(each_house: House) -> None:
    cora = each_house.client("cora")
    path = made(cora)

    def last_read() -> datetime | None:
        with each_house.world.read() as tx:
            return feeds.all_of(tx, each_house.account("cora"))[0].read_at

    assert last_read() is None
    assert cora.get(path).status_code == 200
    first = last_read()
    assert first is not None
    assert cora.get(path).status_code == 200
    assert last_read() == first
    assert cora.client.post(path).status_code == 405


def test_making_and_revoking_are_in_the_trail_and_the_token_is_nowhere(each_house: House) -> None:
    cora, account = each_house.client("cora"), each_house.account("cora")
    token = made(cora).removeprefix("/calendar/").removesuffix(".ics")
    with each_house.world.read() as tx:
        (one,) = feeds.all_of(tx, account)
    cora.post(f"/me/calendars/{one.id}/revoke")
    with each_house.world.read() as tx:
        told = audit.history(tx.connection, "account", str(account))
        assert {past.op for past in told} >= {"feed_make", "feed_revoke"}
        assert token not in str(told)
        assert one.token_hash == hash_of(token)
    assert token not in cora.get("/me/calendars").text


def test_one_person_has_a_few_addresses_at_most(house: House) -> None:
    cora = house.client("cora")
    for _ in range(feed.MOST_FEEDS):
        made(cora)
    assert cora.post("/me/calendars", {"study": STUDY, "keys": "no"}).status_code == 422


@pytest.mark.parametrize(
    ("on", "infusion", "visit"),
    [
        (date(2028, 2, 29), date(2028, 1, 29), "Mois 1"),
        (date(2028, 3, 26), date(2028, 3, 19), "Jour 7"),
        (date(2028, 10, 29), date(2028, 10, 22), "Jour 7"),
    ],
    ids=["29 February", "summer time begins", "summer time ends"],
)
def test_a_visit_is_one_whole_day_on_every_odd_day_of_the_year(house: House, on: date, infusion: date, visit: str) -> None:
    one = infused(house.world, infusion)
    path = made(house.client("cora"))
    with house.world.read() as tx:
        opened = feed.opened(tx, path.removeprefix("/calendar/").removesuffix(".ics"), True)
        assert opened
        file = feed.written(tx, opened, at_noon(infusion))
    found = {str(event["summary"]): event for event in Calendar.from_ical(file).walk("VEVENT")}
    event = found[f"{one.key} · {visit}"]
    assert (event["dtstart"].dt, event["dtend"].dt) == (on, on + timedelta(days=1))


def test_an_overdue_visit_stands_on_the_last_day_of_its_window(house: House) -> None:
    one = consented(house.world, today() - timedelta(days=30))
    with house.world.read() as tx:
        record = subjects.records(tx, [one])[0]
    screening = schedule.plan(house.world.published.study, record, today())[0]
    assert screening.state is State.OVERDUE
    assert screening.target != screening.closes
    assert entries(read(house, made(house.client("cora")))) == {f"{one.key} · {screening.event.label.in_('fr')}": screening.closes}


def test_more_visits_than_a_calendar_should_hold_are_cut_off_with_a_word(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    infused(house.world, today())
    path = made(house.client("cora"))
    every = entries(read(house, path))
    monkeypatch.setattr(feed, "MOST_ENTRIES", 3)
    some = entries(read(house, path))
    assert len(some) == 4
    (said,) = some.keys() - every.keys()
    assert "3" in said
    assert max(some.values()) < max(every.values())
