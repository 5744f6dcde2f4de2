"""The measurements under load: that they run, count what was acknowledged, and judge as they say. What they measure, `make bench` tells."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import pytest

from tests.bench import load, memory
from tests.bench.busiest import NURSE, PAGES, WEIGHT_AFTER, WEIGHT_FIRST, Busy, changed, files_of, statements
from tests.bench.figures import table
from tests.bench.memory import Sample
from tests.bench.places import DURABLE, file_system, lapses
from tests.bench.raw import connect
from tests.web.site import Browser, House, filling_of, open_house
from trialcrf.actions.simulate import Simulated, add, cases_for, pack_case, script_of
from trialcrf.core.simulation.story import Telling
from trialcrf.external import clock
from trialcrf.store import sites

FEW = load.Plan(
    clients=(1, 2), rounds=1, saves=4, warm_up=2, seats=2, mixed=1, turns=1, warming=0.0, watching=0.2, reported=0
)  # fmt: skip


def test_the_load_of_a_day_is_measured_and_every_acknowledged_save_is_stored(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIALCRF_WORKERS", "1")  # Half the start, and nothing is looked at here that two would show.
    figures = {one.name.removeprefix("load, SQLite: "): one for one in load.measure("sqlite", tmp_path, lambda what: None, FEW)}
    told = table(list(figures.values()))
    for exact in ("requests that failed", "acknowledged and not stored", "broken chains", "settings that lose what is acknowledged"):
        assert figures[exact].met, told
    assert figures["2 people at work: downloads of all requests"].value == 0.1
    # Each seat: two turns of warming up, one with downloads and one without, and a turn or more of memory.
    assert figures["saves acknowledged"].value >= 2 + 2 * 4 + 2 * 3 * (2 + 2 + 1)
    for measured in ("2 clients: over HTTP", "2 clients: of raw writes by one connection", "memory of the server after warming up"):
        assert figures[measured].value > 0, told


def test_a_save_that_is_not_there_is_counted_and_so_is_one_that_nobody_was_told_of():
    assert load._lost({"a": 3, "b": 1}, {"a": 2, "b": 1, "of admission": 1}) == 1
    assert load._lost({"a": 3}, {}) == 3
    assert load._lost({"a": 1}, {"a": 2}) == 1


def test_memory_that_grows_with_the_requests_misses_its_aim_and_a_flat_line_with_noise_does_not():
    flat = [Sample(100 * n, 150 + n % 3) for n in range(60)]
    grows = [Sample(100 * n, 150 + n / 4) for n in range(60)]
    assert [one.met for one in memory.figures("flat", flat)[:2]] == [True, True]
    assert [one.met for one in memory.figures("grows", grows)[:2]] == [False, False]
    assert memory.slope(grows) == 2.5


def test_what_a_program_holds_is_that_of_its_children_too():
    asleep = ["sh", "-c", "sh -c 'sleep 60 & echo; wait' & wait"]
    with subprocess.Popen(asleep, stdout=subprocess.PIPE, start_new_session=True) as program:
        assert program.stdout
        program.stdout.readline()  # Said by the grandchild's parent once it has begun it.
        processes = memory.tree(program.pid)
        held = [memory.held(one) for one in processes]
        os.killpg(program.pid, signal.SIGKILL)
    assert len(processes) == 3
    assert held[0] > held[1] > held[2] > 0


def test_a_database_that_may_lose_what_it_acknowledged_is_named(databases):
    """The PostgreSQL of the tests is such a one, and so is whatever lies in memory."""
    url = databases.empty("postgresql")
    with closing(connect(url)) as connection:
        assert lapses(connection) == [f"{name}=off" for name in DURABLE]
    with closing(connect(databases.empty("sqlite"))) as connection:
        assert lapses(connection) == []
        connection.execute("PRAGMA synchronous=NORMAL")
        assert lapses(connection) == ["synchronous=1"]
    assert file_system("sqlite:////dev/shm/nothing") == "tmpfs"
    databases.drop(url)


# The ten busiest pages. How long they take, `make bench` tells; what they ask and weigh is the same on any machine.

READERS = {NURSE: "cora", "all sites": "dana", "signing": "ivan", "monitoring": "mona"}
FEW_CASES, MANY_CASES = 6, 30
PACKED = {"Accept-Encoding": "gzip", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def busy_house(databases, tmp_path_factory) -> Iterator[House]:
    url = databases.fresh("sqlite", filling_of())
    house = open_house(url, tmp_path_factory.mktemp("busy"))
    simulated(house, 0, FEW_CASES)
    yield house
    house.close()
    databases.drop(url)


def simulated(house: House, first: int, last: int) -> None:
    """These cases of the synthetic trial, a patient and a donor each, at both sites in turn."""
    published, now = house.world.published, clock.now()
    telling = Telling(published.study, script_of(published.study), 1, 0.2)
    with house.world.write("trialcrf", now) as tx:
        places = sites.all_of(tx, house.world.study)
        cases = islice(cases_for(telling, places, 1000, {one.code: {} for one in places}), first, last)
        add(tx, published, {one.code: one for one in places}, [(case, pack_case(telling, case, now)) for case in cases], Simulated())


def opened(browser: Browser, page: Busy) -> None:
    """The page, or a save on it and the page that follows."""
    before = browser.get(page.address)
    assert before.status_code == 200, (page, before.status_code)
    if page.saves:
        weight = dict(changed(before.text, "", ""))["i.WT"]
        sent: dict[str, list[str]] = {}
        for name, value in changed(before.text, "WT", "64,2" if weight != "64,2" else "64,3"):
            sent.setdefault(name, []).append(value)
        saved = browser.post(page.address, sent)
        assert saved.status_code == 303 and "done=saved" in saved.location, saved.location
        assert browser.get(saved.location).status_code == 200


def test_the_busiest_pages_ask_no_more_of_the_database_where_there_are_five_times_as_many_subjects(busy_house):
    engine = busy_house.app.extensions["trialcrf.engine"]
    asked: list[dict[tuple[str, str], Counter[str]]] = []
    for cases in (FEW_CASES, MANY_CASES):
        simulated(busy_house, FEW_CASES, cases)
        browsers = {role: busy_house.client(name) for role, name in READERS.items()}
        looks = [(page, role) for role in READERS for page in PAGES if page.lists or role == NURSE]
        for page in (one for one in PAGES if one.saves):
            opened(browsers[NURSE], page)  # Then my day has something that she worked on, in the small trial too.
        found = {}
        for page, role in looks:
            opened(browsers[role], page)  # What a process and a session learn once.
            with statements(engine) as said:
                opened(browsers[role], page)
            found[page.name, role] = Counter(said)
        asked.append(found)
    more = {look: asked[1][look] - asked[0][look] for look in asked[0]}
    assert not {look: rest for look, rest in more.items() if rest}


def test_the_busiest_pages_weigh_no_more_than_a_slow_line_carries(busy_house):
    for page in PAGES:
        browser = busy_house.client(READERS["all sites" if page.lists else NURSE])

        def get(address: str, browser: Browser = browser) -> tuple[int, str]:
            answer = browser.get(address, headers=PACKED, buffered=True)
            packed = answer.headers.get("Content-Encoding") == "gzip"
            return len(answer.data), (gzip.decompress(answer.data) if packed else answer.data).decode()

        size, said = get(page.address)
        files = files_of(said, get)
        assert len(files) >= 6 and any("js/" in name for name in files)
        assert size <= 1000 * WEIGHT_AFTER, (page.name, size)
        assert size + sum(files.values()) <= 1000 * WEIGHT_FIRST, (page.name, size, files)
