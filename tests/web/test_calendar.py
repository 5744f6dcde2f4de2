"""The calendar: the month and the agenda say of each day what the rule says, for the sites that are one's own, however many there are."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape

from tests.web.calendar_world import consented, held, infused
from tests.web.site import Browser, House, text
from trialcrf.core import schedule
from trialcrf.core.calendar import add_months
from trialcrf.core.schedule import State
from trialcrf.store import sites, subjects, visits
from trialcrf.store.visits import Asked

CALENDAR = "/studies/msc_ssc/calendar"
WAITING = {State.PLANNED, State.DUE_SOON, State.DUE, State.OVERDUE}


def today() -> date:
    return datetime.now(UTC).date()


def english(house: House, name: str) -> Browser:
    browser = house.client(name)
    browser.post("/language", {"language": "en", "next": "/account"})
    return browser


def days(page: str) -> dict[date, str]:
    """The markup of each day of the month that is on the page."""
    cells = re.findall(r'<td class="[^"]*">\s*<p class="date"><time datetime="([^"]+)">(.*?)</td>', page, re.S)
    return {date.fromisoformat(on): inside for on, inside in cells}


def told(markup: str) -> list[tuple[str, str]]:
    """(subject, visit and state) of the links of a part of the page."""
    found = re.findall(r'<a class="cell [^"]*".*?<b>(.*?)</b></span><span class="detail"><span>(.*?)</span></span></a>', markup, re.S)
    return [(key, unescape(said)) for key, said in found]


def plan_of(house: House, one) -> tuple[schedule.Visit, ...]:
    with house.world.read() as tx:
        record = subjects.records(tx, [one])[0]
    return schedule.plan(house.world.published.study, record, one.site.today(datetime.now(UTC)))


def test_every_visit_stands_on_the_day_and_in_the_state_of_its_plan(house: House) -> None:
    one = infused(house.world, today() - timedelta(days=40))
    held(house.world, one, "D10", today() - timedelta(days=25))
    expected: dict[date, set[tuple[str, str]]] = {}
    for visit in plan_of(house, one):
        on = visit.target if visit.state in WAITING else date.fromisoformat(visit.on[:10])
        said = f"{visit.event.label.in_('en')} · {visit.state.value.replace('_', ' ').replace('done out', 'done out of window')}"
        expected.setdefault(on, set()).add((one.key, said))
    cora, found = english(house, "cora"), {}
    month = min(expected).replace(day=1)
    while month <= max(expected):
        answer = cora.get(f"{CALENDAR}?month={month.isoformat()[:7]}")
        assert answer.status_code == 200
        found |= {on: set(told(inside)) for on, inside in days(answer.text).items() if told(inside)}
        month = add_months(month, 1)
    assert found == expected
    assert any("done out of window" in said for some in found.values() for _, said in some)


def test_a_month_has_each_of_its_days_once_in_weeks_from_monday(house: House) -> None:
    page = english(house, "cora").get(f"{CALENDAR}?month=2028-02").text
    assert list(days(page)) == [date(2028, 2, number) for number in range(1, 30)]
    assert re.findall(r'<th scope="col">(\w+)</th>', page) == [
        "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
    ]  # fmt: skip
    rows = page.split("<tr>")[2:]
    assert [re.search(r"</span>(\d+)</th>", row)[1] for row in rows] == ["5", "6", "7", "8", "9"]  # type: ignore[index]
    first = rows[0].split("<td")[1:]
    assert len(first) == 7
    assert "2028-02-01" in first[1]  # a Tuesday


def test_today_is_said_in_a_word_and_where_it_is(house: House) -> None:
    with house.world.read() as tx:
        places = sites.all_of(tx, "msc_ssc")
    here = {place.code: place.today(datetime.now(UTC)) for place in places}
    shown = days(english(house, "cora").get(CALENDAR).text)
    assert [on for on, inside in shown.items() if "<b>today</b>" in inside] == [here["01"]]
    if len(set(here.values())) == 2:
        page = english(house, "mona").get(f"{CALENDAR}?month={here['02'].isoformat()[:7]}").text
        assert "<b>today at 02</b>" in days(page)[here["02"]]


def test_the_months_before_and_after_keep_the_filters(house: House) -> None:
    page = english(house, "mona").get(f"{CALENDAR}?month=2026-12&site=02&state=overdue").text
    links = [unescape(link) for link in re.findall(r'rel="(?:prev|next)" href="([^"]+)"', page)]
    assert ["month=2026-11" in links[0], "month=2027-01" in links[1]] == [True, True]
    assert all("site=02" in link and "state=overdue" in link for link in links)


def test_a_day_with_many_visits_draws_four_and_leads_to_the_others(each_house: House) -> None:
    day = today() - timedelta(days=2)
    everyone = {infused(each_house.world, day).key for _ in range(6)}
    cora = english(each_house, "cora")
    # The screening a week before, the infusion and its check-up on the day: each of the six has two there.
    inside = days(cora.get(f"{CALENDAR}?month={day.isoformat()[:7]}").text)[day]
    assert len(told(inside)) == 4
    link = re.search(r'class="more" href="([^"]+)">8 more', inside)
    assert link, inside
    agenda = cora.get(unescape(link[1])).text
    assert {key for key, _ in told(agenda)} == everyone
    assert len([said for _, said in told(agenda) if said in ("Baseline · done", "Infusion (D0) · done")]) == 12


def test_the_windows_that_end_are_counted_on_their_last_day(house: House) -> None:
    one = consented(house.world, today() - timedelta(days=5))
    consented(house.world, today() - timedelta(days=5), "02")
    (screening,) = (visit for visit in plan_of(house, one) if visit.event.oid == "SCR")
    address = f"{CALENDAR}?month={screening.closes.isoformat()[:7]}"
    assert "1 window ends" in days(english(house, "cora").get(address).text)[screening.closes]
    assert "2 windows end" in days(english(house, "mona").get(address).text)[screening.closes]
    assert "1 window ends" in days(english(house, "mona").get(address + "&site=02").text)[screening.closes]


def test_the_agenda_names_first_days_targets_and_last_days(house: House) -> None:
    one = infused(house.world, date(2026, 11, 20))
    page = english(house, "cora").get(f"{CALENDAR}?view=agenda&month=2026-12").text
    found = {
        (date.fromisoformat(on), re.sub(r"<[^>]+>.*", "", heading).strip(), key, said.split(" · ")[0])
        for on, inside in re.findall(r'aria-labelledby="on-([^"]+)">(.*?)</section>', page, re.S)
        for heading, part in re.findall(r"<h3>(.*?)</h3>(.*?)</ul>", inside, re.S)
        for key, said in told(part)
    }
    names = {"opens": "First day of the window", "target": "Planned for this day", "closes": "Last day of the window"}
    expected = {
        (getattr(visit, which), name, one.key, visit.event.label.in_("en"))
        for visit in plan_of(house, one)
        if visit.state in WAITING
        for which, name in names.items()
        if getattr(visit, which).isoformat()[:7] == "2026-12"
    }
    assert found == expected
    assert {heading for _, heading, _, _ in found} == set(names.values())


def test_an_empty_agenda_says_so(house: House) -> None:
    assert "There is nothing in this view" in text(english(house, "cora").get(f"{CALENDAR}?view=agenda&month=2031-01"))


def test_filters_leave_only_what_they_ask_for(house: House) -> None:
    infused(house.world, today() - timedelta(days=40))
    infused(house.world, today() - timedelta(days=40), "02")
    address = f"{CALENDAR}?month={(today() - timedelta(days=40)).isoformat()[:7]}"

    def seen(**asked: str) -> tuple[set[str], set[str]]:
        page = english(house, "mona").get(address + "".join(f"&{name}={value}" for name, value in asked.items())).text
        return {key[:4] for key, _ in told(page)}, {said.split(" · ")[1] for _, said in told(page)}

    assert seen() == ({"R-01", "R-02"}, {"done", "overdue"})
    assert seen(site="02") == ({"R-02"}, {"done", "overdue"})
    assert seen(state="overdue") == ({"R-01", "R-02"}, {"overdue"})
    assert seen(state="done") == ({"R-01", "R-02"}, {"done"})
    assert seen(kind="donor") == (set(), set())


def test_another_sites_subjects_are_in_no_view(house: House) -> None:
    infused(house.world, today(), "02")
    cora = house.client("cora")
    for asked in ("", "?view=agenda", "?site=02", f"?view=agenda&day={today()}"):
        answer = cora.get(CALENDAR + asked)
        assert answer.status_code == 200
        assert "R-02" not in answer.text


def test_who_sees_no_subject_sees_no_calendar_and_no_link_to_it(house: House) -> None:
    sam = house.client("sam")
    assert sam.get(CALENDAR).status_code == 403
    assert CALENDAR not in sam.get("/studies/msc_ssc/reports").text
    assert CALENDAR in house.client("cora").get("/studies/msc_ssc/subjects").text


def test_what_is_no_month_day_or_filter_is_left_out(house: House) -> None:
    cora = house.client("cora")
    for asked in ("month=2026-13", "month=0001-01", "month=9999-12", "view=agenda&day=2027-02-29", "site=99", "state=x", "kind=x"):
        assert cora.get(f"{CALENDAR}?{asked}").status_code == 200, asked


def test_the_visits_of_a_day_are_counted_though_only_a_few_are_read(each_house: House) -> None:
    world, on = each_house.world, date(2026, 10, 5)
    keys = sorted(infused(world, on).key for _ in range(3))
    with world.read() as tx:
        places = [place for place in sites.all_of(tx, "msc_ssc") if place.code == "01"]
        asked = Asked(places, datetime.now(UTC), world.published.study.due_soon)
        found = visits.by_day(tx, asked, "target", date(2026, 10, 6), date(2026, 10, 7), 2)
        done = visits.by_day(tx, asked, "held_on", date(2026, 10, 1), date(2026, 10, 31), 1)
        ends = visits.by_day(tx, asked, "closes", date(2026, 10, 8), date(2026, 10, 9), 9)
    assert {day: ([line.subject.key for line in lines], count) for day, (lines, count) in found.items()} == {
        date(2026, 10, 6): (keys[:2], 3),
        date(2026, 10, 7): (keys[:2], 3),
    }
    assert {day: (len(lines), count) for day, (lines, count) in done.items()} == {on: (1, 6)}
    assert {(day, line.event_oid) for day, (lines, _) in ends.items() for line in lines} == {(date(2026, 10, 9), "D3")}
