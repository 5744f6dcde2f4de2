"""The card for the patient's file: the days of the plan in plain words, and nothing that names or describes the person."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tests.actions.world import typed
from tests.web.calendar_world import at_noon, consented, held, infused
from tests.web.site import House, text
from trialcrf.actions import enrol
from trialcrf.core import schedule
from trialcrf.core.schedule import State
from trialcrf.external.language import Language
from trialcrf.store import subjects

TODAY = datetime.now(UTC).date()


def card(house: House, one, language: str = "en", name: str = "cora"):
    return house.client(name).get(f"/studies/msc_ssc/subjects/{one.key}/card?language={language}")


def rows(answer) -> list[str]:
    found = re.findall(r'<tr><th scope="row">(.*?)</tr>', answer.text, re.S)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in found]


def test_each_visit_has_its_best_day_and_its_last_day_as_the_rule_counts_them(house: House) -> None:
    one = infused(house.world, TODAY - timedelta(days=40))
    with house.world.read() as tx:
        record = subjects.records(tx, [one])[0]
    english, found = Language("en"), rows(card(house, one))
    plan = schedule.plan(house.world.published.study, record, one.site.today(datetime.now(UTC)))
    assert len(found) == len(plan)
    for visit, row in zip(plan, found, strict=True):
        assert row.startswith(visit.event.label.in_("en"))
        if visit.state in (State.DONE, State.DONE_OUT):
            assert row.endswith(f"Done: {english.full_day(TODAY - timedelta(days=47 if visit.event.oid == 'SCR' else 40))}")
            continue
        assert visit.target and visit.opens and visit.closes
        assert f"{english.weekday(visit.target)} {english.day(visit.target)}" in row
        only = visit.opens == visit.closes
        assert ("only on this day" if only else f"{english.day(visit.opens)} {english.day(visit.closes)}") in row
        assert ("please ask us" in row) == (visit.state is State.OVERDUE)


def test_the_card_speaks_the_language_of_the_patient_whatever_the_reader_reads(house: House) -> None:
    one = infused(house.world, TODAY)
    french, english = card(house, one, "fr"), card(house, one, "en")
    assert ('<html lang="fr">' in french.text, '<html lang="en">' in english.text) == (True, True)
    assert ("Mois 3" in french.text, "Month 3" in english.text) == (True, True)
    assert "Your visits" in english.text
    assert card(house, one, "xx").status_code == 200


def test_the_card_has_key_site_and_study_and_nothing_else_of_the_person(house: House) -> None:
    one = infused(house.world, TODAY)
    shown = text(card(house, one))
    assert all(said in shown for said in (one.key, "Paris", house.world.published.study.protocol))
    assert re.search(r"MSC1|birth|female|\bsex\b|Cora|deviation|window", shown, re.I) is None


def test_a_day_that_depends_on_another_is_promised_for_later(house: House) -> None:
    found = rows(card(house, consented(house.world, TODAY)))
    assert len([row for row in found if row.endswith("The day will be given to you later")]) == len(found) - 1


def test_a_visit_that_was_missed_or_cancelled_is_not_asked_for(house: House) -> None:
    one = infused(house.world, TODAY - timedelta(days=40))
    house.world.save(one, "FVISIT", "D2", typed(VIS_DONE="N", VIS_WHY="SITE"), now=at_noon(TODAY))
    assert any(row.startswith("Day 2") and row.endswith("Did not take place") for row in rows(card(house, one)))


def test_another_site_gets_no_card_a_wrong_role_neither_and_an_erroneous_subject_has_none(house: House) -> None:
    one = infused(house.world, TODAY)
    assert card(house, one, name="olga").status_code == 404
    assert card(house, one, name="sam").status_code == 403
    assert card(house, one, name="mona").status_code == 200
    with house.world.write("cora") as tx:
        enrol.mark_subject_error(tx, one, "enrolled twice")
    assert card(house, one).status_code == 404


def test_the_page_of_a_subject_leads_to_its_card_and_the_calendar_to_its_visit(house: House) -> None:
    one = infused(house.world, TODAY)
    held(house.world, one, "D1", TODAY)
    page = house.client("cora").get(f"/studies/msc_ssc/subjects/{one.key}").text
    assert f"/studies/msc_ssc/subjects/{one.key}/card" in page
    assert 'id="visit-M3"' in page
