"""The measurements under load: that they run, count what was acknowledged, and judge as they say. What they measure, `make bench` tells."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import closing

from tests.bench import load, memory
from tests.bench.figures import table
from tests.bench.memory import Sample
from tests.bench.places import DURABLE, file_system, lapses
from tests.bench.raw import connect

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
