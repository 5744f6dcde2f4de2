"""`trialcrf trace`: both ways from any name, as text for people and as JSON whose keys programs may rely on."""

from __future__ import annotations

import json

import pytest

from tests.actions.cells_world import BAGS, DONATION, LOT, cells_filling, make_batch, open_cells
from tests.actions.world import typed
from tests.test_cli import Cli
from trialcrf.core.product.identity import Kind, label


@pytest.fixture
def database_kind() -> str:
    """Nothing here hangs on the kind of database."""
    return "sqlite"


@pytest.fixture
def filling():
    return cells_filling()


@pytest.fixture
def cells(database_url):
    made = open_cells(database_url)
    yield made
    made.world.engine.dispose()


@pytest.fixture
def cli(database_url, tmp_path):
    return Cli(database_url, tmp_path / "data")


def trace(cli: Cli, key: str, *more: str, **rest: object) -> str:
    return cli("trace", key, "--study", "msc_ssc", *more, **rest)


def test_a_bag_is_told_with_its_state_what_led_to_it_and_what_came_of_it(cells, cli):
    cells.check()
    cells.infuse(BAGS[0])
    lines = trace(cli, BAGS[0]).splitlines()
    assert lines[0] == f"Bag {BAGS[0]} (site 01, infused, expires 2099-12-31)"
    assert lines[1:5] == [
        "Comes from (3):",
        f"  Batch {LOT} (B-01-001, site 01, released) was filled into the bag",
        f"    Donation {DONATION} (site 01) was grown into the batch",
        "      Donor D-01-001 (site 01) gave the donation 2026-11-17T09:00+01:00",
    ]
    assert lines[5] == "Led to (1):"
    assert sorted(line.split()[1] for line in lines[6:8]) == ["checked", "infused"]
    assert all("R-01-001" in line for line in lines[6:8])
    assert "definition version 1, audit checkpoint" in lines[8]


def test_the_json_has_these_keys_and_tells_the_same(cells, cli):
    cells.check()
    told = json.loads(trace(cli, label("msc_ssc", Kind.BATCH, LOT), "--json"))
    assert set(told) == {
        "study", "definition_version", "known_at", "checkpoint", "asked", "starts", "nodes", "edges", "upstream", "downstream", "gaps",
    }  # fmt: skip
    assert set(told["nodes"][0]) == {"kind", "key", "name", "site", "at", "expires", "state", "recalled", "flaws"}
    assert set(told["edges"][0]) == {"source", "target", "how", "at"}
    assert told["starts"] == [{"kind": "batch", "key": "B-01-001"}]
    assert [one["kind"] for one in told["upstream"]] == ["donor", "donation"]
    assert [one["key"] for one in told["downstream"]] == [*BAGS, "R-01-001"]
    assert {one["key"]: one["state"] for one in told["nodes"] if one["kind"] == "bag"} == {BAGS[0]: "checked", BAGS[1]: "stored"}
    assert (told["gaps"], told["definition_version"], len(told["checkpoint"])) == ([], 1, 64)


def test_gaps_and_recalls_are_told(cells, cli):
    orphan = cells.world.enrol("batch", BAT_LOT="CHILD", BAT_CULTURE_START=(17, 11, 2026), ANCESTRY__new1__BAT_FROM="B-01-001")
    said = {"INC_KIND": "LABEL", "INC_AWARE": (20, 11, 2026, "09:00"), "INC_TEXT": "x", "INC_RECALL": "Y"}
    cells.world.save(cells.batch, "INCIDENT", "INCIDENTS", typed(**said), name="lara")
    told = json.loads(trace(cli, orphan.key, "--json"))
    assert {one["name"]: one["recalled"] for one in told["nodes"] if one["kind"] == "batch"} == {LOT: True, "CHILD": True}


def test_several_things_of_one_name_are_all_told(cells, cli):
    make_batch(cells.world, cells.donor, BAGS[0], ("X-1",))
    heads = [line for line in trace(cli, BAGS[0]).splitlines() if not line.startswith(" ") and BAGS[0] in line]
    assert [line.split()[0] for line in heads] == ["Batch", "Bag"]
    assert [one["kind"] for one in json.loads(trace(cli, BAGS[0], "--json"))["starts"]] == ["batch", "bag"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("NOTHING", "Nothing of the chain of cells has this name: NOTHING"),
        (label("msc_ssc", Kind.BAG, BAGS[0])[:-1] + "?", "The check character of this label is wrong"),
        (label("other", Kind.BAG, BAGS[0]), "This label belongs to another study (OTHER)."),
    ],
)
def test_what_is_not_found_or_not_read_ends_with_1_and_one_sentence(cells, cli, key, said):
    answer = trace(cli, key, code=1)
    assert said in answer and len(answer.strip().splitlines()) == 1


def test_a_study_that_is_not_there_is_told(cells, cli):
    assert "There is no study nothing" in cli("trace", "X", "--study", "nothing", code=1)


def test_it_speaks_the_language_of_the_terminal_and_its_help_says_what_it_takes(cells, cli):
    assert "Lot" in trace(cli, LOT, LC_ALL="fr_FR.UTF-8")
    assert "donation number" in cli("trace", "--help")
