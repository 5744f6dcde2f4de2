"""One rule: the list of the day, the matrix, its CSV, the calendar feed, the mail queue and the quality report agree to the day."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime

import pytest
from icalendar import Calendar

from tests.web.site import House
from trialcrf.actions import simulate
from trialcrf.actions.reminding import remind
from trialcrf.core import schedule
from trialcrf.core.schedule import State
from trialcrf.store import outbox, sites, subjects

STUDY = "/studies/msc_ssc"
SITE = "01"
MANY = 60


@pytest.fixture
def trial(house: House) -> House:
    """A synthetic trial, with its forgotten visits, as it stands now."""
    now = datetime.now(UTC)
    simulate.simulate(lambda: house.world.write("trialcrf", now), house.world.published, MANY, 11, now, 1, in_bulk=True, processes=1)
    return house


def by_rule(house: House) -> dict[tuple[str, str], date]:
    """(subject, visit) of every overdue visit at the site by the rule itself, with the last day of its window."""
    with house.world.read() as tx:
        people = subjects.all_of(tx, "msc_ssc", [SITE])
        return {
            (one.key, visit.event.label.in_("fr")): visit.closes
            for one, record in zip(people, subjects.records(tx, people), strict=True)
            for visit in schedule.plan(house.world.published.study, record, one.site.today(datetime.now(UTC)))
            if visit.state is State.OVERDUE and visit.closes
        }


def on_the_list(house: House) -> dict[tuple[str, str], int]:
    """What My day says, with the days overdue."""
    page = house.client("cora").get(f"{STUDY}/today?show=overdue").text
    found = {}
    for row in re.findall(r'<tr><th scope="row">.*?</tr>', page, re.S):
        said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row))
        key, visit, days = re.search(r"(\S+) (.+?) de (\d+) j", said).groups()
        found[key, visit.strip()] = int(days)
    return found


def in_the_csv(house: House) -> dict[tuple[str, str], date]:
    found = {}
    for kind in ("recipient", "donor"):
        answer = house.client("cora").get(f"{STUDY}/subjects.csv?kind={kind}&state=overdue").get_data(as_text=True)
        for line in csv.DictReader(io.StringIO(answer.removeprefix("\ufeff"))):
            found[line["Participant"], line["Visite"]] = date.fromisoformat(line["Dernier jour"])
    return found


def in_the_matrix(house: House) -> int:
    """How many cells of the matrix are overdue, on all its pages."""
    cora, count = house.client("cora"), 0
    for kind in ("recipient", "donor"):
        number = 1
        while 'rel="next"' in (page := cora.get(f"{STUDY}/subjects?kind={kind}&state=overdue&page={number}").text):
            count, number = count + page.count('<a class="cell overdue"'), number + 1
        count += page.count('<a class="cell overdue"')
    return count


def in_the_feed(house: House) -> dict[tuple[str, str], date]:
    made = house.client("cora").post("/me/calendars", {"study": "msc_ssc", "keys": "yes"})
    path = re.search(r'value="http://127.0.0.1:8000(/calendar/[^"]+)"', made.text)[1]
    found = {}
    for event in Calendar.from_ical(house.app.test_client().get(path).data).walk("VEVENT"):
        if "en retard" in str(event["description"]):
            key, _, visit = str(event["summary"]).partition(" · ")
            found[key, visit] = event["dtstart"].dt
    return found


def in_the_report(house: House) -> int:
    """The overdue visits of the site that the quality page counts."""
    page = house.client("mona").get(f"{STUDY}/quality").text
    row = next(row for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", page, re.S) if f'row">{SITE} ' in row)
    numbers = [re.search(r"<b>(\d+)</b>", cell) for cell in re.findall(r"<td class=\"n.*?</td>", row, re.S)]
    found = numbers[4]
    assert found
    return int(found[1])


def test_list_matrix_csv_feed_mails_and_report_agree_to_the_day_and_go_on_agreeing(trial: House) -> None:
    with trial.world.read() as tx:
        site = sites.find(tx, "msc_ssc", SITE)
    assert site
    today = site.today(datetime.now(UTC))
    told = by_rule(trial)
    assert len(told) > 2
    for round_ in range(2):
        assert in_the_csv(trial) == told
        listed = on_the_list(trial)
        assert {key: (today - closes).days for key, closes in told.items()} == listed
        assert in_the_matrix(trial) == len(told)
        assert in_the_feed(trial) == told
        assert in_the_report(trial) == len(told)
        if round_:
            break
        key, visit = next(iter(told))
        event = next(one.oid for one in trial.world.published.study.events if one.label.in_("fr") == visit)
        assert trial.client("cora").post(f"{STUDY}/subjects/{key}/visits/{event}/missed", {"code": "SUBJECT"}).status_code == 303
        del told[key, visit]
        assert by_rule(trial) == told


def test_the_mail_queue_holds_a_mail_for_exactly_the_visits_that_are_listed(trial: House) -> None:
    now = datetime.now(UTC)
    with trial.world.write("trialcrf", now) as tx:
        remind.scan_reminders(tx, now)
    with trial.world.read() as tx:
        study = trial.world.published.study
        overdue_steps = {step.oid for step in study.reminders.steps if step.when == "overdue"}
        people = subjects.all_of(tx, "msc_ssc", [SITE])
        reminded = {
            (one.key, found.event.label.in_("fr"))
            for one, record in zip(people, subjects.records(tx, people), strict=True)
            for found in schedule.standings(study, record)
            if found.course == schedule.OPEN and found.closes and found.closes < one.site.today(now)
        }
        names = {one.id: one.key for one in people}
        queued = set()
        for row in outbox.all_of(tx):
            parts = row.key.split("|")
            if parts[0] == "remind" and row.username == "cora" and parts[4] in overdue_steps:
                queued.add((names[int(parts[2])], study.event[parts[3]].label.in_("fr")))
    assert queued == reminded <= set(by_rule(trial))
